//! Firehose as a target: PutRecordBatch of its API of 2015-08-04, in JSON 1.1.
//!
//! At most 500 records and 4 MiB a request, 1,000 KiB a record before base64 (Firehose's quotas). Records have no keys and a
//! delivery stream has no shards, so nothing is aggregated.

use std::sync::Arc;

use aws::shapes::encode_base64;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::item::Item;
use super::request::{Answer, Body};
use crate::call::{Format, Json, Target};
use crate::error::ClientError;

pub(super) const TARGET: Target = Target {
    signing_name: "firehose",
    prefix: "Firehose_20150804",
    json: Json::V1_1,
};
/// Most bytes of one record.
pub(super) const RECORD_BYTES_MAX: usize = 1000 << 10;
/// Most bytes of one request.
pub(super) const REQUEST_BYTES_MAX: usize = 4 << 20;
const OPERATION: &str = "PutRecordBatch";

/// Writes PutRecordBatch.
pub(super) fn put_record_batch<'a>(
    stream: &str,
    items: impl Iterator<Item = &'a Item>,
) -> Result<Body, ClientError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input<'a> {
        delivery_stream_name: &'a str,
        records: Vec<Record>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Record {
        data: String,
    }
    let records = items.map(|item| Record {
        data: encode_base64(&item.data),
    });
    let input = Input {
        delivery_stream_name: stream,
        records: records.collect(),
    };
    let bytes = serde_json::to_vec(&input).map_err(|source| ClientError::Garbled {
        operation: OPERATION,
        source,
    })?;
    Ok(Body {
        operation: OPERATION,
        format: Format::Json,
        bytes: bytes.into(),
    })
}

/// Reads its answer, which has one for each of `count` records.
pub(super) fn read_put_record_batch(
    body: &Bytes,
    count: usize,
) -> Result<Vec<Answer>, ClientError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Output {
        request_responses: Vec<Response>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Response {
        record_id: Option<String>,
        error_code: Option<String>,
        error_message: Option<String>,
    }
    let output: Output = serde_json::from_slice(body).map_err(|source| ClientError::Garbled {
        operation: OPERATION,
        source,
    })?;
    if output.request_responses.len() != count {
        return Err(ClientError::garbled(
            OPERATION,
            "it does not answer each record",
        ));
    }
    let nowhere: Arc<str> = "".into();
    let answers = output
        .request_responses
        .into_iter()
        .map(|response| match response.record_id {
            Some(id) => Answer::Put {
                shard: Arc::clone(&nowhere),
                number: id.into(),
            },
            None => Answer::failed(response.error_code, response.error_message),
        });
    Ok(answers.collect())
}
