//! The Rust producer against a server: what is put arrives once and in order, also while shards change and servers die.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use client::cloudwatch::{CloudWatch, Publishing};
use client::kinesis::{Shard, Start};
use client::producer::{Options, Receipt};
use client::{Client, Credentials, Kinesis, Producer};
use formats::aggregation::deaggregate;
use model::{HashKey, HashRange};
use rustix::process::Signal;

use crate::cloudwatch::Reader;
use crate::process::{Directory, Server};

fn connection(endpoint: &str) -> client::Options {
    client::Options {
        endpoint: endpoint.to_owned(),
        region: model::Region::unnamed(),
        credentials: Credentials {
            access_key: "any".to_owned(),
            secret_key: "any".to_owned(),
            session_token: None,
        },
        authorities: None,
        attempts: 5,
    }
}

fn options(server: &Server) -> Options {
    Options {
        rate_limit: None,
        ..Options::new(connection(server.endpoint()))
    }
}

async fn stream(server: &Server, shards: Option<u32>) -> Kinesis {
    let kinesis = Kinesis::new(Client::new(connection(server.endpoint())).unwrap());
    kinesis.create("s", shards).await.unwrap();
    kinesis.wait_until_active("s").await.unwrap();
    kinesis
}

fn range(shard: &Shard) -> HashRange {
    let range = &shard.hash_key_range;
    HashRange {
        first: HashKey::parse(&range.starting_hash_key).unwrap(),
        last: HashKey::parse(&range.ending_hash_key).unwrap(),
    }
}

/// The numbers under each key, in order, as a consumer sees them that passes over aggregates caught by a resharding.
async fn read(kinesis: &Kinesis) -> BTreeMap<String, Vec<u32>> {
    let mut shards = kinesis.shards("s").await.unwrap();
    // Parents have lower numbers than their children.
    shards.sort_by(|a, b| a.shard_id.cmp(&b.shard_id));
    let mut found: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for shard in shards {
        let start = Start::Oldest;
        let mut iterator = kinesis
            .iterator("s", &shard.shard_id, &start)
            .await
            .unwrap();
        while let Some(at) = iterator {
            let records = kinesis.read(&at).await.unwrap();
            let is_end = records.records.is_empty();
            for record in records.records {
                let inner = deaggregate(&record.data, &record.partition_key);
                if !inner.lies_within(&range(&shard)) {
                    continue;
                }
                for record in inner {
                    let number = std::str::from_utf8(&record.data).unwrap().trim();
                    let key = record.partition_key.as_str().to_owned();
                    found
                        .entry(key)
                        .or_default()
                        .push(number.parse().unwrap_or(u32::MAX));
                }
            }
            iterator = records.next_shard_iterator.filter(|_| !is_end);
        }
    }
    found
}

/// Puts records under 50 keys until told to stop, and at least `least` of them; how many.
async fn load(producer: Producer, least: u32, stop: Arc<AtomicBool>) -> u32 {
    let mut number = 0;
    while number < least || !stop.load(Ordering::Relaxed) {
        let (key, data) = (format!("key-{}", number % 50), format!("{number:>100}"));
        producer
            .send("s", &key, None, data.as_bytes())
            .await
            .unwrap();
        number += 1;
    }
    number
}

/// Every number under its key, once and in order.
fn all_in_order(found: &BTreeMap<String, Vec<u32>>, count: u32) {
    for key in 0..50 {
        let expected: Vec<u32> = (0..count).filter(|number| number % 50 == key).collect();
        let found = &found[&format!("key-{key}")];
        assert!(
            *found == expected,
            "key-{key}: {} of {}",
            found.len(),
            expected.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_arrives_once_and_in_order() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let kinesis = stream(&server, Some(4)).await;
    let producer = Producer::new(options(&server)).unwrap();
    let count = load(producer.clone(), 30_000, Arc::new(AtomicBool::new(true))).await;
    let receipt = producer.put("s", "last", None, b"7").await.unwrap();
    let alone = producer
        .put("s", "alone", None, &[b' '; 60_000])
        .await
        .unwrap();
    producer.close().await;

    let outcome = receipt.await.unwrap();
    let after = Start::After(outcome.sequence_number.to_string());
    let iterator = kinesis.iterator("s", &outcome.shard, &after).await.unwrap();
    let shard = kinesis.shards("s").await.unwrap();
    let shard = shard.iter().find(|shard| *shard.shard_id == *outcome.shard);
    let last = range(shard.unwrap());
    assert!(last.contains(formats::aggregation::hash_key("last")));
    assert!(iterator.is_some());
    assert_eq!(alone.await.unwrap().sub_sequence, 0);

    let metrics = producer.metrics();
    assert_eq!(metrics.user_records_put, u64::from(count) + 2);
    assert_eq!((metrics.user_records_failed, metrics.wrong_shard), (0, 0));
    assert!(
        metrics.kinesis_records_put < u64::from(count) / 100,
        "{metrics:?}"
    );
    assert!(metrics.errors.is_empty(), "{metrics:?}");
    let mut found = read(&kinesis).await;
    assert_eq!(found.remove("last"), Some(vec![7]));
    assert_eq!(
        found.remove("alone"),
        Some(vec![u32::MAX]),
        "blanks are no number"
    );
    all_in_order(&found, count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_split_and_a_merge_during_load_lose_and_double_nothing() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let kinesis = stream(&server, Some(2)).await;
    let producer = Producer::new(options(&server)).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let loading = tokio::spawn(load(producer.clone(), 1000, Arc::clone(&stop)));
    // The other shard takes records while one map is looked up: counting them alone could miss a map.
    let has_put = |producer: &Producer, more: u64, maps: u64| {
        let producer = producer.clone();
        async move {
            let before = producer.metrics().user_records_put;
            let is_enough = || {
                let metrics = producer.metrics();
                metrics.user_records_put >= before + more && metrics.shard_maps >= maps
            };
            while !is_enough() {
                tokio::task::yield_now().await;
            }
        }
    };
    has_put(&producer, 2000, 1).await;
    let quarter = (1_u128 << 126).to_string();
    kinesis
        .split("s", "shardId-000000000000", &quarter)
        .await
        .unwrap();
    kinesis.wait_until_active("s").await.unwrap();
    has_put(&producer, 5000, 2).await;
    let merged = kinesis
        .merge("s", "shardId-000000000003", "shardId-000000000001")
        .await;
    merged.unwrap();
    kinesis.wait_until_active("s").await.unwrap();
    has_put(&producer, 5000, 3).await;
    stop.store(true, Ordering::Relaxed);
    let count = loading.await.unwrap();
    producer.close().await;

    let metrics = producer.metrics();
    assert_eq!(metrics.user_records_put, u64::from(count));
    assert!(
        metrics.wrong_shard > 0 && metrics.shard_maps >= 3,
        "{metrics:?}"
    );
    all_in_order(&read(&kinesis).await, count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_records_are_spread_evenly_each_arrives_once() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let kinesis = stream(&server, None).await;
    let arn = kinesis.describe("s").await.unwrap().summary.stream_arn;
    let input = format!(r#"{{"StreamARN":"{arn}","RecordDistributionStrategy":"AUTO"}}"#);
    let (status, body) = server.kinesis("UpdateStreamRecordDistributionStrategy", &input);
    assert_eq!(status, 200, "{body}");
    let producer = Producer::new(options(&server)).unwrap();
    let count = load(producer.clone(), 5000, Arc::new(AtomicBool::new(true))).await;
    producer.close().await;
    assert_eq!(producer.metrics().user_records_put, u64::from(count));
    let found = read(&kinesis).await;
    let mut numbers: Vec<u32> = found.into_values().flatten().collect();
    numbers.sort_unstable();
    assert!(
        numbers == Vec::from_iter(0..count),
        "{} of {count}",
        numbers.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_comes_back_has_all_that_was_acknowledged_once() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let address = server.endpoints["address"].as_str().unwrap().to_owned();
    let kinesis = stream(&server, Some(3)).await;
    let producer = Producer::new(Options {
        idempotent: true,
        ..options(&server)
    });
    let producer = producer.unwrap();
    let receipts: Arc<Mutex<Vec<(u32, Receipt)>>> = Arc::default();
    let (kept, put) = (Arc::clone(&receipts), Arc::new(AtomicU32::new(0)));
    let (loader, counter) = (producer.clone(), Arc::clone(&put));
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let loading = tokio::spawn(async move {
        while !stopped.load(Ordering::Relaxed) {
            let number = counter.fetch_add(1, Ordering::Relaxed);
            let (key, data) = (format!("key-{}", number % 50), number.to_string());
            let receipt = loader.put("s", &key, None, data.as_bytes()).await.unwrap();
            kept.lock().unwrap().push((number, receipt));
            if number % 100 == 0 {
                tokio::task::yield_now().await;
            }
        }
    });
    let acknowledged = |least: u64| {
        let producer = producer.clone();
        async move {
            while producer.metrics().user_records_put < least {
                tokio::task::yield_now().await;
            }
        }
    };
    acknowledged(3000).await;
    server.signal(Signal::KILL);
    server.wait();
    // It starts faster than what waits is sent.
    while !producer.metrics().errors.contains_key("NoAnswer") {
        tokio::task::yield_now().await;
    }
    let server = Server::start_at(&address, directory.path(), &[]);
    let before = producer.metrics().user_records_put;
    acknowledged(before + 3000).await;
    stop.store(true, Ordering::Relaxed);
    loading.await.unwrap();
    producer.close().await;

    let mut expected = BTreeSet::new();
    let receipts = std::mem::take(&mut *receipts.lock().unwrap());
    for (number, receipt) in receipts {
        if receipt.await.is_ok() {
            expected.insert(number);
        }
    }
    let found: Vec<u32> = read(&kinesis).await.into_values().flatten().collect();
    let once: BTreeSet<u32> = found.iter().copied().collect();
    assert!(expected.is_subset(&once), "something acknowledged is lost");
    assert_eq!(once.len(), found.len(), "something is there twice");
    let metrics = producer.metrics();
    assert!(metrics.errors.contains_key("NoAnswer"), "{metrics:?}");
    assert_eq!(metrics.user_records_put, expected.len() as u64);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_published_under_the_kpls_names() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let _ = stream(&server, Some(2)).await;
    let client = || Client::new(connection(server.endpoint())).unwrap();
    let namespace = "KinesisProducerLibrary";
    let producer = Producer::new(Options {
        publishing: Some(Publishing::new(CloudWatch::new(client()), namespace)),
        ..options(&server)
    });
    let producer = producer.unwrap();
    let count = load(producer.clone(), 2000, Arc::new(AtomicBool::new(true))).await;
    let refused = producer.put("missing", "key", None, b"1").await.unwrap();
    refused.await.unwrap_err();
    producer.close().await;
    let metrics = producer.metrics();

    let reader = Reader::new(client(), namespace);
    let of_stream = [("StreamName", "s")];
    let put = reader.known("UserRecordsPut", &of_stream, "Count").await;
    assert_eq!((put.count, put.sum), (2000.0, f64::from(count)));
    let in_all = reader.known("UserRecordsPut", &[], "Count").await;
    assert_eq!(
        (in_all.count, in_all.sum),
        (2001.0, 2000.0),
        "one is refused"
    );
    let mut of_shards = 0.0;
    for shard in ["shardId-000000000000", "shardId-000000000001"] {
        let dimensions = [("StreamName", "s"), ("ShardId", shard)];
        let known = reader.known("UserRecordsPut", &dimensions, "Count").await;
        of_shards += known.sum;
    }
    assert_eq!(of_shards, 2000.0);
    let kinesis = reader.known("KinesisRecordsPut", &of_stream, "Count").await;
    assert_eq!(kinesis.sum, metrics.kinesis_records_put as f64);
    let per_record = reader
        .known("UserRecordsPerKinesisRecord", &of_stream, "Count")
        .await;
    assert_eq!((per_record.count, per_record.sum), (kinesis.sum, 2000.0));
    let received = reader.known("UserRecordsReceived", &[], "Count").await;
    assert_eq!(received.sum, 2001.0);
    let pending = reader.known("UserRecordsPending", &[], "Count").await;
    assert_eq!((pending.count, pending.maximum), (2.0, 0.0));
    let requests = reader
        .known("RequestTime", &of_stream, "Milliseconds")
        .await;
    assert_eq!(requests.count, metrics.requests as f64);
    let code = [("ErrorCode", "ResourceNotFoundException")];
    let errors = reader.known("ErrorsByCode", &code, "Count").await;
    assert_eq!(errors.sum, 1.0);
    let expected = [
        "AllErrors",
        "BufferingTime",
        "ErrorsByCode",
        "KinesisRecordsDataPut",
        "KinesisRecordsPerPutRecordsRequest",
        "KinesisRecordsPut",
        "RequestTime",
        "RetriesPerRecord",
        "UserRecordsDataPut",
        "UserRecordsPending",
        "UserRecordsPerKinesisRecord",
        "UserRecordsPerPutRecordsRequest",
        "UserRecordsPut",
        "UserRecordsReceived",
    ];
    assert_eq!(reader.names().await, expected);
    server.stop();
}
