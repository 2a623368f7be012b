//! PutRecords in CBOR, as the AWS SDK for Java writes it: data goes as it is, where JSON makes a third more of it.

use std::sync::Arc;

use aws::cbor;
use bytes::Bytes;
use serde::Deserialize;

use super::item::Item;
use crate::call::Format;
use crate::error::ClientError;

/// A little more than a record takes besides key and data.
const FRAME: usize = 96;

/// A request's body.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) operation: &'static str,
    pub(super) format: Format,
    pub(super) bytes: Bytes,
}

/// What became of one record of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Put {
        /// Empty in a delivery stream.
        shard: Arc<str>,
        number: Arc<str>,
    },
    Failed {
        code: Arc<str>,
        message: Arc<str>,
        /// Whether it may pass: then the record is sent again.
        is_passing: bool,
    },
}

impl Answer {
    pub(super) fn failed(code: Option<String>, message: Option<String>) -> Answer {
        let code = code.unwrap_or_default();
        Answer::Failed {
            is_passing: ClientError::is_passing_code(&code),
            code: code.into(),
            message: message.unwrap_or_default().into(),
        }
    }
}

/// Writes PutRecords. A stream is named, or given by its ARN.
pub(super) fn put_records<'a>(stream: &str, items: impl Iterator<Item = &'a Item> + Clone) -> Body {
    let size: usize = items.clone().map(|item| item.bytes() + FRAME).sum();
    let mut out = Vec::with_capacity(size + stream.len() + FRAME);
    head(&mut out, MAP, 2);
    let member = if stream.starts_with("arn:") {
        "StreamARN"
    } else {
        "StreamName"
    };
    text(&mut out, member);
    text(&mut out, stream);
    text(&mut out, "Records");
    head(&mut out, LIST, items.clone().count());
    for item in items {
        let members = 2 + usize::from(item.explicit_hash_key.is_some());
        head(&mut out, MAP, members);
        text(&mut out, "Data");
        head(&mut out, BLOB, item.data.len());
        out.extend_from_slice(&item.data);
        text(&mut out, "PartitionKey");
        text(&mut out, item.partition_key.as_str());
        if let Some(key) = item.explicit_hash_key {
            text(&mut out, "ExplicitHashKey");
            text(&mut out, &key.to_string());
        }
    }
    Body {
        operation: "PutRecords",
        format: Format::Cbor,
        bytes: out.into(),
    }
}

/// Reads its answer, which has one for each of `count` records.
pub(super) fn read_put_records(body: &Bytes, count: usize) -> Result<Vec<Answer>, ClientError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Output {
        records: Vec<Record>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Record {
        shard_id: Option<String>,
        sequence_number: Option<String>,
        error_code: Option<String>,
        error_message: Option<String>,
    }
    let garbled = |text: &str| ClientError::garbled("PutRecords", text);
    let document = cbor::decode(body).ok_or_else(|| garbled("not CBOR"))?;
    let output: Output = aws::from_value(document).map_err(|error| garbled(&error.to_string()))?;
    if output.records.len() != count {
        return Err(garbled("it does not answer each record"));
    }
    let mut known: Option<Arc<str>> = None;
    let answers = output.records.into_iter().map(|record| {
        if let (Some(shard), Some(number)) = (record.shard_id, record.sequence_number) {
            let same = known.clone().filter(|known| **known == *shard);
            let shard = same.unwrap_or_else(|| shard.into());
            known = Some(Arc::clone(&shard));
            return Answer::Put {
                shard,
                number: number.into(),
            };
        }
        Answer::failed(record.error_code, record.error_message)
    });
    Ok(answers.collect())
}

/// CBOR's major types.
const BLOB: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;

fn text(out: &mut Vec<u8>, text: &str) {
    head(out, TEXT, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// The shortest head that holds `argument`.
fn head(out: &mut Vec<u8>, major: u8, argument: usize) {
    let major = major << 5;
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xFF => out.extend_from_slice(&[major | 24, argument as u8]),
        0x100..=0xFFFF => {
            out.push(major | 25);
            out.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        0x1_0000..=0xFFFF_FFFF => {
            out.push(major | 26);
            out.extend_from_slice(&(argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&(argument as u64).to_be_bytes());
        }
    }
}
