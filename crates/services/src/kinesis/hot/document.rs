//! PutRecord and PutRecords through the document: every case, with AWS's texts for what is wrong.

use std::borrow::Cow;
use std::sync::LazyLock;

use aws::value::ShapeError;
use aws::{Blob, Checker, Format, ServiceError, Value, from_value};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::put::{Data, Entry, PutRecord, PutRecords, Target};
use crate::kinesis::rules;

static PUT_RECORDS_CHECKER: LazyLock<Checker> = LazyLock::new(|| Checker::new(rules::PUT_RECORDS));
static PUT_RECORD_CHECKER: LazyLock<Checker> = LazyLock::new(|| Checker::new(rules::PUT_RECORD));

/// Reads PutRecords from a body in `format`.
pub(super) fn put_records(
    format: Format,
    body: &Bytes,
) -> Result<PutRecords<'static>, ServiceError> {
    let input: PutRecordsInput = read(format, body, &PUT_RECORDS_CHECKER)?;
    Ok(PutRecords {
        target: target(input.stream_name, input.stream_arn),
        entries: input.records.into_iter().map(entry).collect(),
        dry_run: input.dry_run.unwrap_or(false),
    })
}

/// Reads PutRecord from a body in `format`.
pub(super) fn put_record(format: Format, body: &Bytes) -> Result<PutRecord<'static>, ServiceError> {
    let input: PutRecordInput = read(format, body, &PUT_RECORD_CHECKER)?;
    let record = PutRecordsRequestEntry {
        data: input.data,
        partition_key: input.partition_key,
        explicit_hash_key: input.explicit_hash_key,
    };
    Ok(PutRecord {
        target: target(input.stream_name, input.stream_arn),
        entry: entry(record),
        after: input.sequence_number_for_ordering.map(Cow::Owned),
        dry_run: input.dry_run.unwrap_or(false),
    })
}

/// A body as a shape. AWS looks at types before anything else, so a wrong type outranks a broken rule.
pub(in crate::kinesis) fn read<I: DeserializeOwned>(
    format: Format,
    body: &Bytes,
    checker: &Checker,
) -> Result<I, ServiceError> {
    let document: Value = format.decode(body)?;
    let checked = checker.check(&document);
    match (from_value(document), checked) {
        (Err(error @ ShapeError::Type(_)), _) => Err(error.into()),
        (_, Err(broken)) => Err(broken),
        (Err(error), Ok(())) => Err(error.into()),
        (Ok(input), Ok(())) => Ok(input),
    }
}

fn target(name: Option<String>, arn: Option<String>) -> Target<'static> {
    Target {
        name: name.map(Cow::Owned),
        arn: arn.map(Cow::Owned),
    }
}

fn entry(record: PutRecordsRequestEntry) -> Entry<'static> {
    Entry {
        key: record.partition_key.map(Cow::Owned),
        hash_key: record.explicit_hash_key.map(Cow::Owned),
        data: Data::Plain(Cow::Owned(record.data.0.into())),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecordsInput {
    records: Vec<PutRecordsRequestEntry>,
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecordsRequestEntry {
    data: Blob,
    partition_key: Option<String>,
    explicit_hash_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecordInput {
    data: Blob,
    partition_key: Option<String>,
    explicit_hash_key: Option<String>,
    sequence_number_for_ordering: Option<String>,
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    dry_run: Option<bool>,
}
