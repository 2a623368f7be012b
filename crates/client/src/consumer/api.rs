//! The operations of Kinesis that reading many shards needs, and their shapes as AWS names them.

use std::borrow::Cow;

use aws::shapes::decode_base64;
use bytes::Bytes;
use http::Response;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use super::config::InitialPosition;
use super::position::{Place, Position};
use crate::error::ClientError;
use crate::kinesis::{HashKeyRange, Kinesis, Record, Shard, TARGET};

/// A shard that goes on where others ended.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Child {
    pub(super) shard_id: String,
    #[serde(default)]
    pub(super) parent_shards: Vec<String>,
    pub(super) hash_key_range: Option<HashKeyRange>,
}

/// What one read or one event gave.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) records: Vec<Record>,
    /// The iterator that follows, or the number to continue after. None at the end of a closed shard.
    pub(super) next: Option<String>,
    pub(super) children: Vec<Child>,
    /// How far behind the newest record this is.
    pub(super) millis_behind: u64,
}

/// As it is written, with the data still in base64.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawPage<'a> {
    #[serde(default, borrow)]
    records: Vec<RawRecord<'a>>,
    next_shard_iterator: Option<String>,
    continuation_sequence_number: Option<String>,
    #[serde(default)]
    child_shards: Option<Vec<Child>>,
    millis_behind_latest: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawRecord<'a> {
    sequence_number: String,
    approximate_arrival_timestamp: Option<f64>,
    partition_key: String,
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// Reads the answer of GetRecords, or an event of SubscribeToShard.
pub(super) fn read_page(operation: &'static str, answer: &[u8]) -> Result<Page, ClientError> {
    let garbled = |source| ClientError::Garbled { operation, source };
    let raw: RawPage = serde_json::from_slice(answer).map_err(garbled)?;
    let mut records = Vec::with_capacity(raw.records.len());
    let wrong = |what| garbled(<serde_json::Error as serde::de::Error>::custom(what));
    for record in raw.records {
        let data = decode_base64(&record.data).map_err(wrong)?;
        if Place::new(&record.sequence_number, 0).is_none() {
            return Err(wrong(
                "a sequence number is not a decimal number".to_owned(),
            ));
        }
        records.push(Record {
            sequence_number: record.sequence_number,
            approximate_arrival_timestamp: record.approximate_arrival_timestamp,
            partition_key: record.partition_key,
            data,
        });
    }
    Ok(Page {
        records,
        next: raw.next_shard_iterator.or(raw.continuation_sequence_number),
        children: raw.child_shards.unwrap_or_default(),
        millis_behind: raw.millis_behind_latest.unwrap_or_default(),
    })
}

/// A position, and how it is asked for: type, sequence number and time.
fn asked(
    position: &Position,
    is_after: bool,
    start: InitialPosition,
) -> (&'static str, Option<&str>, Option<f64>) {
    match position {
        Position::AtTimestamp => ("AT_TIMESTAMP", None, start.seconds()),
        Position::TrimHorizon => ("TRIM_HORIZON", None, None),
        Position::Latest | Position::ShardEnd => ("LATEST", None, None),
        Position::At(place) if is_after => {
            ("AFTER_SEQUENCE_NUMBER", Some(place.sequence_number()), None)
        }
        Position::At(place) => ("AT_SEQUENCE_NUMBER", Some(place.sequence_number()), None),
    }
}

/// Where a feed begins.
#[derive(Debug, Clone)]
pub(super) struct From {
    pub(super) position: Position,
    /// Whether the record there was delivered already.
    pub(super) is_after: bool,
    pub(super) start: InitialPosition,
}

/// An iterator at a position.
pub(super) async fn iterator(
    kinesis: &Kinesis,
    stream: &str,
    shard: &str,
    from: &From,
) -> Result<Option<String>, ClientError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Output {
        shard_iterator: Option<String>,
    }
    let (kind, number, time) = asked(&from.position, from.is_after, from.start);
    let mut input = json!({ "StreamName": stream, "ShardId": shard, "ShardIteratorType": kind });
    if let Some(number) = number {
        input["StartingSequenceNumber"] = number.into();
    }
    if let Some(time) = time {
        input["Timestamp"] = time.into();
    }
    let output: Output = kinesis
        .client()
        .call(TARGET, "GetShardIterator", &input)
        .await?;
    Ok(output.shard_iterator)
}

/// The records at an iterator.
pub(super) async fn get_records(
    kinesis: &Kinesis,
    iterator: &str,
    limit: u32,
) -> Result<Page, ClientError> {
    let input = json!({ "ShardIterator": iterator, "Limit": limit });
    let answer = kinesis
        .client()
        .call_bytes(TARGET, "GetRecords", &input)
        .await?;
    read_page("GetRecords", &answer)
}

/// The shards that a start is in: those open at that moment.
pub(super) async fn shards_at(
    kinesis: &Kinesis,
    stream: &str,
    start: InitialPosition,
) -> Result<Vec<Shard>, ClientError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Output {
        #[serde(default)]
        shards: Vec<Shard>,
        next_token: Option<String>,
    }
    let filter = match start {
        InitialPosition::TrimHorizon => json!({ "Type": "AT_TRIM_HORIZON" }),
        InitialPosition::Latest => json!({ "Type": "AT_LATEST" }),
        InitialPosition::AtTimestamp(_) => {
            json!({ "Type": "AT_TIMESTAMP", "Timestamp": start.seconds() })
        }
    };
    let mut input = json!({ "StreamName": stream, "ShardFilter": filter });
    let mut shards = Vec::new();
    loop {
        let page: Output = kinesis.client().call(TARGET, "ListShards", &input).await?;
        shards.extend(page.shards);
        match page.next_token {
            None => return Ok(shards),
            Some(token) => input = json!({ "NextToken": token }),
        }
    }
}

/// The ARN of a registered reader of that name, registering it where it is not.
pub(super) async fn register(
    kinesis: &Kinesis,
    stream_arn: &str,
    name: &str,
) -> Result<String, ClientError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Output {
        #[serde(alias = "ConsumerDescription")]
        consumer: Consumer,
    }
    #[derive(Deserialize)]
    struct Consumer {
        #[serde(rename = "ConsumerARN")]
        arn: String,
        #[serde(rename = "ConsumerStatus")]
        status: String,
    }
    let input = json!({ "StreamARN": stream_arn, "ConsumerName": name });
    let mut attempt = 1;
    loop {
        match kinesis
            .client()
            .call::<_, Output>(TARGET, "DescribeStreamConsumer", &input)
            .await
        {
            Ok(found) if found.consumer.status == "ACTIVE" => return Ok(found.consumer.arn),
            Ok(_) => {
                kinesis.client().pause(attempt).await;
                attempt += 1;
            }
            Err(error) if error.code() == Some("ResourceNotFoundException") => {
                let made: Result<Output, ClientError> = kinesis
                    .client()
                    .call(TARGET, "RegisterStreamConsumer", &input)
                    .await;
                match made {
                    Ok(_) => {}
                    // Another worker was faster.
                    Err(error) if error.code() == Some("ResourceInUseException") => {}
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// The events of a shard from a position on.
pub(super) async fn subscribe(
    kinesis: &Kinesis,
    consumer_arn: &str,
    shard: &str,
    from: &From,
) -> Result<Response<Incoming>, ClientError> {
    let (kind, number, time) = asked(&from.position, from.is_after, from.start);
    let mut position = json!({ "Type": kind });
    if let Some(number) = number {
        position["SequenceNumber"] = number.into();
    }
    if let Some(time) = time {
        position["Timestamp"] = time.into();
    }
    let input =
        json!({ "ConsumerARN": consumer_arn, "ShardId": shard, "StartingPosition": position });
    kinesis
        .client()
        .open(TARGET, "SubscribeToShard", &input)
        .await
}

/// Reads an event's payload.
pub(super) fn read_event(payload: &Bytes) -> Result<Page, ClientError> {
    read_page("SubscribeToShard", payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_events_read_alike() {
        let text = r#"{"Records":[{"SequenceNumber":"7","PartitionKey":"k","Data":"aGk\u003d",
            "ApproximateArrivalTimestamp":1.5}],"MillisBehindLatest":3,"ContinuationSequenceNumber":"7"}"#;
        let page = read_event(&Bytes::from_static(text.as_bytes())).unwrap();
        let record = &page.records[0];
        assert_eq!(
            (&record.data[..], record.partition_key.as_str()),
            (&b"hi"[..], "k")
        );
        assert_eq!((page.next.as_deref(), page.millis_behind), (Some("7"), 3));
        let end = br#"{"Records":[],"ChildShards":[{"ShardId":"c","ParentShards":["p"],
            "HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"1"}}]}"#;
        let page = read_page("GetRecords", end).unwrap();
        assert_eq!((page.next, page.children[0].shard_id.as_str()), (None, "c"));
        assert!(read_page("GetRecords", b"{\"Records\":[{}]}").is_err());
    }
}
