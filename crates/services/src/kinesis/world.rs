//! A Kinesis for tests: over the store in memory, at a time that stands still.

use std::sync::Arc;
use std::time::Duration;

use aws::{Caller, Format, RawRequest, Value};
use http::HeaderMap;
use model::{Clock, HashKey, Rng, Timestamp};
use store::{Memory, Store};
use streams::{Keyring, Mode, NewStream, Stream, StreamName, Streams, StreamsError};

use super::error::KinesisError;
use super::iterators::get_shard_iterator;
use super::slow::Slow;
use super::{Kinesis, Limits, get, put};

/// When tests begin.
pub(super) const START: Timestamp = Timestamp(1_700_000_000_000);

pub(super) struct World {
    pub(super) kinesis: Arc<Kinesis>,
    pub(super) caller: Caller,
    pub(super) clock: Clock,
}

/// A record as GetRecords answers it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Record {
    pub(super) number: String,
    pub(super) key: String,
    pub(super) data: Vec<u8>,
}

impl World {
    pub(super) fn new(limits: Limits) -> World {
        let clock = Clock::manual(START);
        let store = Arc::new(Memory::new(clock.clone()));
        World::over(store, clock, limits)
    }

    /// Over a store that lets others in before each answer.
    pub(super) fn slow() -> World {
        let clock = Clock::manual(START);
        let store = Arc::new(Slow(Memory::new(clock.clone())));
        World::over(store, clock, Limits::None)
    }

    fn over(store: Arc<dyn Store>, clock: Clock, limits: Limits) -> World {
        let keyring = Keyring::new(&[7; 32], Rng::seeded(1));
        let streams = Arc::new(Streams::new(store, clock.clone(), keyring));
        World {
            kinesis: Arc::new(Kinesis::new(streams, limits)),
            caller: Caller::local(),
            clock,
        }
    }

    pub(super) fn name(&self, name: &str) -> StreamName {
        StreamName {
            account: self.caller.account.clone(),
            region: self.caller.region.clone(),
            name: name.to_owned(),
        }
    }

    pub(super) async fn stream(&self, name: &str, shards: u32) -> Arc<Stream> {
        self.stream_of(name, shards, Mode::Provisioned).await
    }

    pub(super) async fn stream_of(&self, name: &str, shards: u32, mode: Mode) -> Arc<Stream> {
        let new = NewStream {
            shards,
            mode,
            retention_ms: Some(86_400_000),
            max_record_bytes: 1 << 20,
            warm_throughput_mibps: None,
            retention_bytes: None,
            extra: std::collections::BTreeMap::new(),
            documents: Vec::new(),
            is_awaited: true,
        };
        let made = self.kinesis.streams.create(&self.name(name), new).await;
        self.clock.advance(Duration::from_millis(100));
        made.unwrap()
    }

    pub(super) async fn split(&self, name: &str, shard: u32, start: HashKey) -> Arc<Stream> {
        let plan = |_: &Stream, planner: streams::reshard::Planner<'_>| {
            Ok::<_, StreamsError>(planner.split(shard, start)?)
        };
        self.kinesis
            .streams
            .reshard(&self.name(name), plan)
            .await
            .unwrap()
    }

    /// As Kafka's CreatePartitions.
    pub(super) async fn grow(&self, name: &str, count: u32) -> Result<Arc<Stream>, StreamsError> {
        let plan = |_: &Stream, planner: streams::reshard::Planner<'_>| {
            Ok::<_, StreamsError>(planner.grow(count))
        };
        self.kinesis.streams.reshard(&self.name(name), plan).await
    }

    pub(super) async fn uniform(&self, name: &str, count: u32) -> Arc<Stream> {
        let plan = |_: &Stream, planner: streams::reshard::Planner<'_>| {
            Ok::<_, StreamsError>(planner.uniform(count)?)
        };
        self.kinesis
            .streams
            .reshard(&self.name(name), plan)
            .await
            .unwrap()
    }

    /// PutRecords with a token, if any; the answer's document.
    pub(super) async fn put_with(
        &self,
        input: Value,
        token: Option<&str>,
    ) -> Result<Value, KinesisError> {
        let request = request(&input, token);
        let reply =
            put::put_records(Arc::clone(&self.kinesis), self.caller.clone(), request).await?;
        Ok(Format::Cbor.decode(&reply.body).unwrap())
    }

    /// Puts records of these keys and data; gives shard and number of each.
    pub(super) async fn put(
        &self,
        stream: &str,
        records: &[(&str, &str)],
    ) -> Vec<(String, String)> {
        let answer = self.put_with(puts(stream, records), None).await.unwrap();
        placed(&answer)
    }

    /// PutRecord; the answer's document.
    pub(super) async fn put_one(&self, input: Value) -> Result<Value, KinesisError> {
        let request = request(&input, None);
        let reply =
            put::put_record(Arc::clone(&self.kinesis), self.caller.clone(), request).await?;
        Ok(Format::Cbor.decode(&reply.body).unwrap())
    }

    pub(super) async fn iterator(
        &self,
        stream: &str,
        shard: u32,
        more: Vec<(&str, Value)>,
    ) -> Result<String, KinesisError> {
        let mut members = vec![
            ("StreamName", stream.into()),
            ("ShardId", super::naming::shard_id(shard).into()),
        ];
        members.extend(more);
        let input = aws::from_value(map(members)).unwrap();
        let output =
            get_shard_iterator(Arc::clone(&self.kinesis), self.caller.clone(), input).await?;
        let output = aws::to_value(&output).unwrap();
        Ok(text(&output, "ShardIterator"))
    }

    pub(super) async fn oldest(&self, stream: &str, shard: u32) -> String {
        let kind = vec![("ShardIteratorType", "TRIM_HORIZON".into())];
        self.iterator(stream, shard, kind).await.unwrap()
    }

    /// GetRecords; the answer's document.
    pub(super) async fn get(&self, more: Vec<(&str, Value)>) -> Result<Value, KinesisError> {
        let request = request(&map(more), None);
        let reply =
            get::get_records(Arc::clone(&self.kinesis), self.caller.clone(), request).await?;
        Ok(Format::Cbor.decode(&reply.body).unwrap())
    }

    pub(super) async fn get_at(&self, iterator: &str) -> Value {
        self.get(vec![("ShardIterator", iterator.into())])
            .await
            .unwrap()
    }

    /// All records of a shard.
    pub(super) async fn read(&self, stream: &str, shard: u32) -> Vec<Record> {
        let mut iterator = Some(self.oldest(stream, shard).await);
        let mut all = Vec::new();
        while let Some(at) = iterator {
            let answer = self.get_at(&at).await;
            let found = records(&answer);
            let is_empty = found.is_empty();
            all.extend(found);
            iterator = answer
                .get("NextShardIterator")
                .and_then(Value::as_text)
                .map(str::to_owned);
            if is_empty {
                break;
            }
        }
        all
    }
}

pub(super) fn request(input: &Value, token: Option<&str>) -> RawRequest {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        headers.insert("x-headwater-idempotency-token", token.parse().unwrap());
    }
    RawRequest {
        format: Format::Cbor,
        body: Format::Cbor.encode(input),
        headers,
    }
}

pub(super) fn map(members: Vec<(&str, Value)>) -> Value {
    let members = members.into_iter();
    Value::Map(
        members
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

pub(super) fn data(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec().into())
}

/// PutRecords of these keys and data.
pub(super) fn puts(stream: &str, records: &[(&str, &str)]) -> Value {
    let records = records
        .iter()
        .map(|(key, text)| map(vec![("PartitionKey", (*key).into()), ("Data", data(text))]));
    map(vec![
        ("StreamName", stream.into()),
        ("Records", Value::List(records.collect())),
    ])
}

/// Shard and number of each record put; both empty for one that failed.
pub(super) fn placed(answer: &Value) -> Vec<(String, String)> {
    let records = list(answer, "Records").into_iter();
    records
        .map(|record| (text(&record, "ShardId"), text(&record, "SequenceNumber")))
        .collect()
}

pub(super) fn records(answer: &Value) -> Vec<Record> {
    let records = list(answer, "Records").into_iter();
    records
        .map(|record| Record {
            number: text(&record, "SequenceNumber"),
            key: text(&record, "PartitionKey"),
            data: match record.get("Data") {
                Some(Value::Bytes(bytes)) => bytes.to_vec(),
                other => panic!("data is bytes, saw {other:?}"),
            },
        })
        .collect()
}

pub(super) fn list(value: &Value, name: &str) -> Vec<Value> {
    match value.get(name) {
        Some(Value::List(items)) => items.clone(),
        _ => Vec::new(),
    }
}

pub(super) fn text(value: &Value, name: &str) -> String {
    value
        .get(name)
        .and_then(Value::as_text)
        .unwrap_or_default()
        .to_owned()
}

pub(super) fn number(value: &Value, name: &str) -> i64 {
    match value.get(name) {
        Some(Value::Int(number)) => *number,
        other => panic!("{name} is a number, saw {other:?}"),
    }
}
