//! What Kafka's producers wrote, read by GetRecords.

use std::time::Duration;

use aws::Value;
use model::batch::Producer;
use model::{Batch, BatchBuilder, Timestamp};
use streams::Stream;
use streams::aborted::AbortedIn;
use streams::undecided::Written;

use super::*;
use crate::kinesis::world::{START, World, map, number, records, text};

/// A batch of one record for each value, a minute apart, without keys.
fn values(values: &[&[u8]]) -> Batch {
    let mut builder = BatchBuilder::with_capacity(100);
    for (minute, value) in (0..).zip(values) {
        let time = Timestamp(START.0 - 600_000 + minute * 60_000);
        builder.push(time, None, Some(value), &[]);
    }
    builder.finish()
}

fn with_payload(batch: &Batch, codec: u8, payload: &[u8]) -> Batch {
    let mut bytes = batch.with_payload(payload, false).bytes().to_vec();
    bytes[22] = codec;
    Batch::parse_unverified(bytes.into()).unwrap()
}

fn zipped(batch: &Batch) -> Batch {
    let payload = zstd::stream::encode_all(batch.payload(), 1).unwrap();
    with_payload(batch, 4, &payload)
}

fn marker() -> Batch {
    let producer = Producer {
        id: 7,
        epoch: 0,
        sequence: -1,
    };
    let mut builder = BatchBuilder::with_capacity(8).by(producer).control();
    builder.push(START, Some(&[0, 0, 0, 1]), Some(&[0; 6]), &[]);
    builder.finish()
}

/// A batch of producer 7 within its transaction.
fn transactional(value: &str) -> Batch {
    let producer = Producer {
        id: 7,
        epoch: 0,
        sequence: -1,
    };
    let mut builder = BatchBuilder::with_capacity(8).by(producer).control();
    builder.push(START, Some(b"k"), Some(value.as_bytes()), &[]);
    let mut bytes = builder.finish().bytes().to_vec();
    // Transactional, and no marker.
    bytes[22] = 1 << 4;
    let batch = Batch::parse_unverified(bytes.into()).unwrap();
    batch.with_payload(batch.payload(), false)
}

async fn produce(world: &World, stream: &Stream, batch: Batch) -> Offset {
    let streams = &world.kinesis.streams;
    let mut results = streams.append_batches(stream, vec![(0, batch)]).await;
    results.pop().unwrap().unwrap().base_offset
}

/// Writes as the broker does for an open transaction.
async fn produce_undecided(world: &World, stream: &Stream, value: &str) -> Offset {
    let log = stream.log(0);
    let undecided = world.kinesis.streams.undecided();
    undecided.enter(log, 7);
    let end = world.kinesis.streams.bounds(stream, 0).await.unwrap().end;
    undecided.begin_write(log, 7, end);
    let offset = produce(world, stream, transactional(value)).await;
    undecided.end_write(log, 7, Written::At(offset));
    offset
}

async fn all(world: &World, iterator: &str) -> Vec<String> {
    let found = records(&world.get_at(iterator).await).into_iter();
    found
        .map(|record| String::from_utf8(record.data).unwrap())
        .collect()
}

/// Data of all records from the oldest on, `limit` at a time, and how many answers it took.
async fn read(world: &World, limit: i64) -> (Vec<String>, usize) {
    let mut iterator = world.oldest("s", 0).await;
    let (mut all, mut answers) = (Vec::new(), 0);
    loop {
        let asked = vec![
            ("ShardIterator", iterator.as_str().into()),
            ("Limit", Value::Int(limit)),
        ];
        let answer = world.get(asked).await.unwrap();
        answers += 1;
        let found = records(&answer).into_iter();
        all.extend(found.map(|record| String::from_utf8(record.data).unwrap()));
        if number(&answer, "MillisBehindLatest") == 0 {
            return (all, answers);
        }
        iterator = text(&answer, "NextShardIterator");
    }
}

#[tokio::test]
async fn a_compressed_batch_is_read_record_by_record() {
    let world = World::new(Limits::None);
    let stream = world.stream("s", 1).await;
    produce(&world, &stream, zipped(&values(&[b"0", b"1", b"2"]))).await;
    world.put("s", &[("k", "3")]).await;
    world.clock.advance(Duration::from_secs(1));
    let all: Vec<String> = (0..4).map(|n| n.to_string()).collect();
    assert_eq!(read(&world, 1).await, (all.clone(), 4));
    assert_eq!(read(&world, 10_000).await, (all, 1));
}

#[tokio::test]
async fn the_age_of_what_is_left_is_told_within_and_before_a_compressed_batch() {
    let world = World::new(Limits::None);
    let stream = world.stream("s", 1).await;
    world.put("s", &[("k", "first")]).await;
    produce(&world, &stream, zipped(&values(&[b"0", b"1"]))).await;
    let now = world.clock.now();
    let mut iterator = world.oldest("s", 0).await;
    let oldest_batch = now.since(Timestamp(START.0 - 600_000)).as_millis() as i64;
    for behind in [oldest_batch, oldest_batch - 60_000, 0] {
        let asked = vec![
            ("ShardIterator", iterator.as_str().into()),
            ("Limit", Value::Int(1)),
        ];
        let answer = world.get(asked).await.unwrap();
        assert_eq!(number(&answer, "MillisBehindLatest"), behind);
        iterator = text(&answer, "NextShardIterator");
    }
}

#[tokio::test]
async fn a_page_counts_bytes_without_compression() {
    let world = World::new(Limits::None);
    let stream = world.stream("s", 1).await;
    let large = vec![b'x'; 6 << 20];
    let batch = zipped(&values(&[&large, &large, &large]));
    assert!(batch.bytes().len() < 1 << 20);
    produce(&world, &stream, batch).await;
    let answer = world.get_at(&world.oldest("s", 0).await).await;
    assert_eq!(records(&answer).len(), 1);
    assert_eq!(read(&world, 10_000).await.1, 3);
}

#[tokio::test]
async fn markers_do_not_show_and_hold_nothing_up() {
    let world = World::new(Limits::None);
    let stream = world.stream("s", 1).await;
    produce(&world, &stream, marker()).await;
    produce(&world, &stream, values(&[b"0"])).await;
    produce(&world, &stream, marker()).await;
    let answer = world.get_at(&world.oldest("s", 0).await).await;
    assert_eq!(records(&answer).len(), 1);
    assert_eq!(number(&answer, "MillisBehindLatest"), 0);
    let after = world.get_at(&text(&answer, "NextShardIterator")).await;
    assert_eq!(records(&after).len(), 0);
    let at_the_end = vec![("ShardIteratorType", "LATEST".into())];
    let latest = world.iterator("s", 0, at_the_end).await.unwrap();
    world.put("s", &[("k", "1")]).await;
    assert_eq!(records(&world.get_at(&latest).await).len(), 1);
}

#[tokio::test]
async fn a_batch_that_cannot_be_read_is_skipped_and_counted() {
    let world = World::new(Limits::None);
    let stream = world.stream("s", 1).await;
    let broken = with_payload(&values(&[b"0", b"1"]), 4, &[0xff; 40]);
    produce(&world, &stream, broken).await;
    world.put("s", &[("k", "2")]).await;
    let answer = world.get_at(&world.oldest("s", 0).await).await;
    assert_eq!(records(&answer)[0].data, b"2");
    let by_time = vec![
        ("ShardIteratorType", "AT_TIMESTAMP".into()),
        (
            "Timestamp",
            Value::Timestamp(Timestamp(START.0 - 600_000).into()),
        ),
    ];
    let iterator = world.iterator("s", 0, by_time).await.unwrap();
    assert_eq!(records(&world.get_at(&iterator).await)[0].data, b"2");
    let counters = world.kinesis.plane.counters.of(&stream.name);
    let skipped = counters
        .unreadable_batches
        .load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(skipped, 2);
}

#[tokio::test]
async fn a_time_within_a_compressed_batch_is_found() {
    let world = World::new(Limits::None);
    let stream = world.stream("s", 1).await;
    produce(&world, &stream, zipped(&values(&[b"0", b"1", b"2"]))).await;
    let by_time = vec![
        ("ShardIteratorType", "AT_TIMESTAMP".into()),
        (
            "Timestamp",
            Value::Timestamp(Timestamp(START.0 - 540_000).into()),
        ),
    ];
    let iterator = world.iterator("s", 0, by_time).await.unwrap();
    let found = records(&world.get_at(&iterator).await);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].key.as_str(), &found[0].data[..]), ("", &b"1"[..]));
}

#[tokio::test]
async fn what_has_no_value_has_empty_data() {
    let world = World::new(Limits::None);
    let stream = world.stream("s", 1).await;
    let mut builder = BatchBuilder::with_capacity(8);
    builder.push(START, Some(&[0xff]), None, &[]);
    produce(&world, &stream, builder.finish()).await;
    let found = records(&world.get_at(&world.oldest("s", 0).await).await);
    assert_eq!(
        (found[0].key.as_str(), found[0].data.len()),
        ("base64:/w==", 0)
    );
}

#[tokio::test]
async fn a_topic_with_a_name_too_long_for_kinesis_is_read_all_the_same() {
    let world = World::new(Limits::None);
    let name = "t".repeat(249);
    world.stream(&name, 1).await;
    world.put(&name, &[("k", "1")]).await;
    let found = records(&world.get_at(&world.oldest(&name, 0).await).await);
    assert_eq!(found[0].data, b"1");
    let unknown = map(vec![("StreamName", "t".repeat(250).into())]);
    assert!(world.put_one(unknown).await.is_err());
}

#[tokio::test]
async fn a_transaction_shows_once_it_is_committed_and_so_does_what_follows_it() {
    let world = World::new(Limits::None);
    let stream = world.stream("s", 1).await;
    world.put("s", &[("k", "before")]).await;
    produce_undecided(&world, &stream, "within").await;
    world.put("s", &[("k", "after")]).await;
    let oldest = world.oldest("s", 0).await;
    let answer = world.get_at(&oldest).await;
    assert_eq!(all(&world, &oldest).await, ["before"]);
    assert_eq!(number(&answer, "MillisBehindLatest"), 0);
    let held = text(&answer, "NextShardIterator");
    assert!(all(&world, &held).await.is_empty());
    let at_the_end = vec![("ShardIteratorType", "LATEST".into())];
    let latest = world.iterator("s", 0, at_the_end).await.unwrap();
    produce(&world, &stream, marker()).await;
    world.kinesis.streams.undecided().decide(stream.log(0), 7);
    for iterator in [held, latest] {
        assert_eq!(all(&world, &iterator).await, ["within", "after"]);
    }
}

#[tokio::test]
async fn an_aborted_transaction_never_shows() {
    let world = World::new(Limits::None);
    let stream = world.stream("s", 1).await;
    let first = produce_undecided(&world, &stream, "aborted").await;
    world.put("s", &[("k", "between")]).await;
    produce_undecided(&world, &stream, "aborted too").await;
    let last = produce(&world, &stream, marker()).await;
    let aborted = AbortedIn {
        producer: 7,
        first,
        last,
    };
    let streams = &world.kinesis.streams;
    streams.aborted().add(stream.log(0), aborted);
    streams.undecided().decide(stream.log(0), 7);
    produce_undecided(&world, &stream, "committed").await;
    produce(&world, &stream, marker()).await;
    streams.undecided().decide(stream.log(0), 7);
    let oldest = world.oldest("s", 0).await;
    assert_eq!(all(&world, &oldest).await, ["between", "committed"]);
}

#[tokio::test]
async fn a_record_that_does_not_say_when_it_was_made_shows_no_arrival() {
    let world = World::new(Limits::None);
    let stream = world.stream("s", 1).await;
    for time in [-1, START.0] {
        let mut builder = BatchBuilder::with_capacity(10);
        for value in [b"x", b"y"] {
            builder.push(Timestamp(time), None, Some(value), &[]);
        }
        produce(&world, &stream, builder.finish()).await;
    }
    let iterator = world.oldest("s", 0).await;
    let answer = world.get_at(&iterator).await;
    let Value::Map(answer) = &answer else {
        panic!("{answer:?}");
    };
    let found = answer.iter().find(|(name, _)| name == "Records").unwrap();
    let Value::List(found) = &found.1 else {
        panic!("{found:?}");
    };
    let shows = |record: &Value| match record {
        Value::Map(members) => members
            .iter()
            .any(|(name, _)| name == "ApproximateArrivalTimestamp"),
        _ => false,
    };
    let shown: Vec<bool> = found.iter().map(shows).collect();
    assert_eq!(shown, [false, false, true, true]);
    // What is left is behind, but nobody knows how far.
    let asked = vec![
        ("ShardIterator", iterator.as_str().into()),
        ("Limit", Value::Int(1)),
    ];
    let answer = world.get(asked).await.unwrap();
    assert_eq!(number(&answer, "MillisBehindLatest"), 1);
}
