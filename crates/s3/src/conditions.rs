//! Conditions on requests: RFC 9110, 13, as S3 has it.

use model::Timestamp;
use s3s::dto::{self, ETagCondition};

use crate::error::{Error, Result};
use crate::records::Object;
use crate::shown;

/// When an object may be written or deleted.
#[derive(Debug, Default)]
pub(crate) struct OnWrite {
    /// Only over an object with this tag.
    pub(crate) if_match: Option<ETagCondition>,
    /// Only where there is none: S3 takes `*` alone.
    pub(crate) if_none_match: Option<ETagCondition>,
}

impl OnWrite {
    /// Holds the conditions against what is there.
    pub(crate) fn check(&self, before: Option<&Object>) -> Result<()> {
        match &self.if_none_match {
            None => {}
            Some(ETagCondition::Any) if before.is_none() => {}
            Some(ETagCondition::Any) => return Err(Error::PreconditionFailed),
            Some(ETagCondition::ETag(_)) => {
                return Err(Error::NotImplemented(
                    "A header you provided implies functionality that is not implemented: If-None-Match takes * only",
                ));
            }
        }
        match (&self.if_match, before) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Error::NoSuchKey),
            (Some(condition), Some(object)) if matches(condition, &object.etag) => Ok(()),
            (Some(_), Some(_)) => Err(Error::PreconditionFailed),
        }
    }
}

/// When an object is to be read, or copied from.
#[derive(Debug, Default)]
pub(crate) struct OnRead {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
    pub(crate) if_modified_since: Option<dto::Timestamp>,
    pub(crate) if_unmodified_since: Option<dto::Timestamp>,
}

impl OnRead {
    /// Holds the conditions against the object. Tags win over dates, as RFC 9110, 13.2.2 orders them.
    pub(crate) fn check(&self, object: &Object) -> Result<()> {
        // Dates in headers have whole seconds.
        let modified = shown::time(Timestamp(object.modified.0.div_euclid(1000) * 1000));
        match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) if !matches(condition, &object.etag) => {
                return Err(Error::PreconditionFailed);
            }
            (None, Some(since)) if modified > *since => return Err(Error::PreconditionFailed),
            _ => {}
        }
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) if matches(condition, &object.etag) => {
                Err(Error::NotModified(object.etag.clone()))
            }
            (None, Some(since)) if modified <= *since => {
                Err(Error::NotModified(object.etag.clone()))
            }
            _ => Ok(()),
        }
    }

    /// As [`OnRead::check`] for the source of a copy: nothing is "not modified" there.
    pub(crate) fn check_source(&self, object: &Object) -> Result<()> {
        self.check(object).map_err(|_| Error::PreconditionFailed)
    }
}

fn matches(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(wanted) => wanted.value() == etag,
    }
}
