//! The operations that carry records, read and written without a document between.
//!
//! PutRecord and PutRecords are read from JSON and CBOR into a [`put::PutRecords`] that borrows the body: keys and data lie
//! where they came. A reader here accepts the plain case only and gives `None` for the rest: unknown members, nulls where
//! something must be, broken rules, bad base64. Such a body goes through `aws`'s document ([`document`]), which alone has
//! AWS's texts. A property test holds both ways equal. Replies are written into one buffer each ([`reply`]).

pub(super) mod cbor;
pub(super) mod document;
pub(super) mod json;
pub(super) mod put;
pub(super) mod reply;

#[cfg(test)]
mod tests;

use aws::{Format, RawRequest, ServiceError};
use put::{PutRecord, PutRecords};

/// Reads a PutRecords request.
pub(super) fn put_records(request: &RawRequest) -> Result<PutRecords<'_>, ServiceError> {
    let quick = match request.format {
        Format::Json => json::put_records(&request.body),
        Format::Cbor => cbor::put_records(&request.body),
    };
    match quick {
        Some(input) => Ok(input),
        None => document::put_records(request.format, &request.body),
    }
}

/// Reads a PutRecord request.
pub(super) fn put_record(request: &RawRequest) -> Result<PutRecord<'_>, ServiceError> {
    let quick = match request.format {
        Format::Json => json::put_record(&request.body),
        Format::Cbor => cbor::put_record(&request.body),
    };
    match quick {
        Some(input) => Ok(input),
        None => document::put_record(request.format, &request.body),
    }
}
