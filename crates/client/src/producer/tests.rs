//! The producer against a server that answers as a test wants. What needs a real one is in `headwater`'s tests.

mod fake;

use std::time::Duration;

use aws::Value;
use serde_json::json;

use self::fake::{Fake, Reply, Request};
use super::*;
use crate::envelope::{EncryptionKey, Keyring, Sealer, open};

fn options(endpoint: &str) -> Options {
    Options::new(crate::call::tests::options(endpoint))
}

fn plain(endpoint: &str) -> Options {
    Options {
        aggregation: None,
        ..options(endpoint)
    }
}

/// Two shards, `low` and `high`.
fn two_shards() -> Reply {
    let half = 1_u128 << 127;
    let shard = |id: &str, first: u128, last: u128| {
        json!({
            "ShardId": id,
            "HashKeyRange": {"StartingHashKey": first.to_string(), "EndingHashKey": last.to_string()},
            "SequenceNumberRange": {"StartingSequenceNumber": "1"},
        })
    };
    let shards = [shard("low", 0, half - 1), shard("high", half, u128::MAX)];
    Reply::json(200, &json!({"Shards": shards}))
}

fn shard_of(record: &Value) -> &'static str {
    let key = hash_key_of(record);
    if key < 1 << 127 { "low" } else { "high" }
}

fn hash_key_of(record: &Value) -> u128 {
    match fake::text(record, "ExplicitHashKey") {
        Some(text) => text.parse().unwrap(),
        None => formats::aggregation::hash_key(&fake::text(record, "PartitionKey").unwrap()).0,
    }
}

/// Answers PutRecords, record by record: a shard, or an error's code.
fn answers(request: &Request, of: impl Fn(&Value) -> Result<&'static str, &'static str>) -> Reply {
    let records = request
        .records()
        .into_iter()
        .map(|record| match of(&record) {
            Ok(shard) => json!({"ShardId": shard, "SequenceNumber": "49"}),
            Err(code) => json!({"ErrorCode": code, "ErrorMessage": "no"}),
        });
    let records: Vec<_> = records.collect();
    Reply::cbor(200, &json!({"FailedRecordCount": 0, "Records": records}))
}

fn data_of(record: &Value) -> Vec<u8> {
    fake::blob(record, "Data")
}

#[tokio::test]
async fn only_failed_records_are_sent_again() {
    let fake = Fake::start(|count, request| match &*request.operation {
        "ListShards" => two_shards(),
        _ => answers(request, |record| {
            let is_second = data_of(record) == b"2" && count == 1;
            if is_second {
                return Err("ProvisionedThroughputExceededException");
            }
            Ok(shard_of(record))
        }),
    })
    .await;
    let producer = Producer::new(plain(&fake.endpoint)).unwrap();
    let mut receipts = Vec::new();
    for data in [b"1", b"2", b"3"] {
        receipts.push(
            producer
                .put("s", "key", Some(HashKey(7)), data)
                .await
                .unwrap(),
        );
    }
    producer.flush().await;
    let mut attempts = Vec::new();
    for receipt in receipts {
        let outcome = receipt.await.unwrap();
        assert_eq!((&*outcome.shard, &*outcome.sequence_number), ("low", "49"));
        attempts.push(outcome.attempts);
    }
    assert_eq!(attempts, [1, 2, 1]);
    let requests = fake.requests("PutRecords");
    let sent: Vec<Vec<Vec<u8>>> = requests
        .iter()
        .map(|request| request.records().iter().map(data_of).collect())
        .collect();
    assert_eq!(
        sent,
        [
            vec![b"1".to_vec(), b"2".to_vec(), b"3".to_vec()],
            vec![b"2".to_vec()]
        ]
    );
    let metrics = producer.metrics();
    assert_eq!(
        (metrics.user_records_put, metrics.retries, metrics.requests),
        (3, 1, 2)
    );
    assert_eq!(metrics.errors["ProvisionedThroughputExceededException"], 1);
    assert_eq!((metrics.memory_used, metrics.outstanding), (0, 0));
}

#[tokio::test]
async fn records_are_packed_by_shard() {
    let fake = Fake::start(|_, request| match &*request.operation {
        "ListShards" => two_shards(),
        _ => answers(request, |record| Ok(shard_of(record))),
    })
    .await;
    let producer = Producer::new(options(&fake.endpoint)).unwrap();
    for number in 0..1000 {
        producer
            .send("s", &format!("key-{number}"), None, b"data")
            .await
            .unwrap();
    }
    producer.close().await;
    let requests = fake.requests("PutRecords");
    assert_eq!(requests.len(), 1);
    assert_eq!(
        requests[0].records().len(),
        2,
        "an aggregate for each shard"
    );
    let mut count = 0;
    for record in requests[0].records() {
        let shard = shard_of(&record);
        for inner in formats::aggregation::deaggregate(&data_of(&record).into(), "") {
            let is_low = inner.hash_key().0 < 1 << 127;
            assert_eq!(if is_low { "low" } else { "high" }, shard);
            count += 1;
        }
    }
    assert_eq!(count, 1000);
    let metrics = producer.metrics();
    assert_eq!(
        (metrics.user_records_put, metrics.kinesis_records_put),
        (1000, 2)
    );
    let late = producer.send("s", "key", None, b"late").await;
    assert_eq!(late, Err(PutError::Closed));
}

#[tokio::test]
async fn dropping_a_producer_sends_what_waits() {
    let fake = Fake::start(|_, request| match &*request.operation {
        "ListShards" => two_shards(),
        _ => answers(request, |record| Ok(shard_of(record))),
    })
    .await;
    let producer = Producer::new(Options {
        max_buffered_time: Duration::from_secs(20),
        ..options(&fake.endpoint)
    });
    let producer = producer.unwrap();
    let receipt = producer.put("s", "key", None, b"1").await.unwrap();
    drop(producer);
    assert_eq!(receipt.await.unwrap().attempts, 1);
}

#[tokio::test]
async fn where_shards_may_not_be_listed_records_go_one_by_one() {
    let fake = Fake::start(|_, request| match &*request.operation {
        "ListShards" => Reply::json(400, &json!({"__type": "AccessDeniedException"})),
        _ => answers(request, |record| Ok(shard_of(record))),
    })
    .await;
    let producer = Producer::new(options(&fake.endpoint)).unwrap();
    for _ in 0..10 {
        producer.send("s", "key", None, b"data").await.unwrap();
    }
    producer.close().await;
    let requests = fake.requests("PutRecords");
    assert_eq!(requests[0].records().len(), 10);
    assert_eq!(producer.metrics().user_records_put, 10);
}

#[tokio::test]
async fn where_shards_do_not_go_by_keys_records_go_one_by_one() {
    // All go to the shard where they do not belong.
    let fake = Fake::start(|_, request| match &*request.operation {
        "ListShards" => two_shards(),
        _ => answers(request, |record| {
            Ok(if shard_of(record) == "low" {
                "high"
            } else {
                "low"
            })
        }),
    })
    .await;
    let producer = Producer::new(options(&fake.endpoint)).unwrap();
    let first = producer.put("s", "key", None, b"1").await.unwrap();
    let second = producer.put("s", "key", None, b"2").await.unwrap();
    producer.flush().await;
    assert!(first.await.is_ok() && second.await.is_ok());
    producer.close().await;
    let requests = fake.requests("PutRecords");
    let counts: Vec<usize> = requests
        .iter()
        .map(|request| request.records().len())
        .collect();
    assert_eq!(counts, [1, 2]);
    assert_eq!(producer.metrics().wrong_shard, 1);
}

#[tokio::test]
async fn what_a_service_refuses_is_told_at_once() {
    let refusal = json!({"__type": "ResourceNotFoundException", "message": "no stream"});
    let fake = Fake::start(move |_, _| Reply::json(400, &refusal)).await;
    let producer = Producer::new(options(&fake.endpoint)).unwrap();
    let receipt = producer.put("s", "key", None, b"1").await.unwrap();
    let Err(PutError::Refused { code, .. }) = receipt.await else {
        panic!("not refused");
    };
    assert_eq!(&*code, "ResourceNotFoundException");
    assert_eq!(producer.metrics().user_records_failed, 1);
}

#[tokio::test]
async fn a_request_without_an_answer_is_sent_again_with_its_token() {
    let fake = Fake::start(|count, request| match &*request.operation {
        "ListShards" => two_shards(),
        _ if count == 1 => Reply::cbor(500, &json!({"__type": "InternalFailure"})),
        _ => answers(request, |record| Ok(shard_of(record))),
    })
    .await;
    let producer = Producer::new(Options {
        idempotent: true,
        ..options(&fake.endpoint)
    });
    let producer = producer.unwrap();
    let receipt = producer.put("s", "key", None, b"1").await.unwrap();
    assert_eq!(receipt.await.unwrap().attempts, 2);
    let requests = fake.requests("PutRecords");
    let token = requests[0].token.clone().unwrap();
    assert_eq!(token.len(), 32);
    assert_eq!(
        (requests[1].token.clone(), &requests[1].body),
        (Some(token), &requests[0].body)
    );
}

#[tokio::test]
async fn delivery_streams_get_what_their_api_says() {
    let fake = Fake::start(|count, request| {
        assert_eq!(request.operation, "PutRecordBatch");
        let body = request.json();
        let records = body["Records"].as_array().unwrap().iter();
        let responses: Vec<_> = records
            .enumerate()
            .map(|(at, _)| match (count, at) {
                (1, 1) => {
                    json!({"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "slow"})
                }
                _ => json!({"RecordId": format!("id-{count}-{at}")}),
            })
            .collect();
        Reply::json(
            200,
            &json!({"FailedPutCount": 1, "RequestResponses": responses}),
        )
    })
    .await;
    let producer = Producer::new(Options {
        firehose_newline: true,
        ..options("http://127.0.0.1:1")
    });
    assert!(producer.is_ok());
    let producer = Producer::new(Options {
        firehose_endpoint: Some(fake.endpoint.clone()),
        firehose_newline: true,
        ..options("http://127.0.0.1:1")
    });
    let producer = producer.unwrap();
    let first = producer.deliver("logs", b"one").await.unwrap();
    let second = producer.deliver("logs", b"two").await.unwrap();
    assert_eq!(&*first.await.unwrap().sequence_number, "id-1-0");
    assert_eq!(&*second.await.unwrap().sequence_number, "id-2-0");
    let requests = fake.requests("PutRecordBatch");
    let expected = json!({
        "DeliveryStreamName": "logs",
        "Records": [{"Data": "b25lCg=="}, {"Data": "dHdvCg=="}],
    });
    assert_eq!(requests[0].json(), expected);
    assert_eq!(requests[1].json()["Records"], json!([{"Data": "dHdvCg=="}]));
    assert_eq!(requests[0].target, "Firehose_20150804.PutRecordBatch");
    assert_eq!(requests[0].content_type, "application/x-amz-json-1.1");
    assert!(requests[0].authorization.contains("/firehose/aws4_request"));
    let large = producer.deliver("logs", &vec![0; 1000 << 10]).await;
    assert!(
        matches!(large, Err(PutError::Invalid(_))),
        "with its newline it is too large"
    );
}

#[tokio::test]
async fn records_are_sealed_before_they_are_packed() {
    let fake = Fake::start(|_, request| match &*request.operation {
        "ListShards" => two_shards(),
        _ => answers(request, |record| Ok(shard_of(record))),
    })
    .await;
    let key = EncryptionKey::new("k", &[1; 32]).unwrap();
    let producer = Producer::new(Options {
        sealer: Some(Sealer {
            compression: Some(1),
            encryption: Some(key.clone()),
        }),
        ..options(&fake.endpoint)
    });
    let producer = producer.unwrap();
    for _ in 0..2 {
        producer
            .send("s", "key", None, b"secret secret secret secret")
            .await
            .unwrap();
    }
    producer.close().await;
    let record = fake.requests("PutRecords")[0].records().remove(0);
    let keys = Keyring::from_iter([key]);
    for inner in formats::aggregation::deaggregate(&data_of(&record).into(), "") {
        let opened = open(&inner.data, &keys).unwrap();
        assert_eq!(opened, "secret secret secret secret");
    }
}

/// Nobody listens there, and no time passes but when all wait for it.
#[tokio::test(start_paused = true)]
async fn records_expire_and_memory_is_bounded() {
    let memory = 100_000;
    let producer = Producer::new(Options {
        memory,
        record_bytes: 40_000,
        aggregation: None,
        ..options("http://127.0.0.1:1")
    });
    let producer = producer.unwrap();
    let begun = tokio::time::Instant::now();
    let first = producer.put("s", "key", None, &[0; 900]).await.unwrap();
    let mut count = 1;
    let refused = loop {
        match producer.try_send("s", "key", None, &[0; 900]) {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, PutError::Full);
    assert_eq!(count, memory / 967);
    assert_eq!(producer.metrics().memory_used, 967 * count as u64);
    // This one has to wait until the others are given up.
    let late = producer.put("s", "key", None, &[0; 900]).await.unwrap();
    let ttl = Duration::from_secs(30);
    assert!(begun.elapsed() >= ttl, "{:?}", begun.elapsed());
    assert!(matches!(first.await, Err(PutError::Expired { .. })));
    assert!(
        begun.elapsed() < ttl + Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    assert!(matches!(late.await, Err(PutError::Expired { .. })));
    let metrics = producer.metrics();
    assert_eq!(
        (metrics.user_records_expired, metrics.memory_used),
        (count as u64 + 1, 0)
    );
    assert!(metrics.errors["NoAnswer"] > 1);
}

#[tokio::test]
async fn what_cannot_be_put_is_refused() {
    let producer = Producer::new(options("http://127.0.0.1:1")).unwrap();
    let long = "ж".repeat(257);
    for key in ["", &long] {
        let refused = producer.try_send("s", key, None, b"");
        assert!(matches!(refused, Err(PutError::Invalid(_))), "{key}");
    }
    let large = producer.try_send("s", "key", None, &vec![0; 1 << 20]);
    assert!(matches!(large, Err(PutError::Invalid(_))));
    let nameless = producer.try_send("", "key", None, b"");
    assert!(matches!(nameless, Err(PutError::Invalid(_))));
    assert_eq!(producer.metrics().memory_used, 0);
    let check = |options: Options, expected: &str| {
        let refused = Producer::new(options).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    };
    let with = || options("http://127.0.0.1:1");
    check(
        Options {
            request_records: 501,
            ..with()
        },
        "request_records",
    );
    check(
        Options {
            request_bytes: 1,
            ..with()
        },
        "request_bytes",
    );
    check(
        Options {
            memory: 1,
            ..with()
        },
        "memory",
    );
    check(
        Options {
            record_ttl: Duration::ZERO,
            ..with()
        },
        "record_ttl",
    );
    check(
        Options {
            rate_limit: Some(0),
            ..with()
        },
        "rate_limit",
    );
}

#[test]
fn programs_that_block_have_a_producer_too() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fake = runtime.block_on(Fake::start(|_, request| match &*request.operation {
        "ListShards" => two_shards(),
        _ => answers(request, |record| Ok(shard_of(record))),
    }));
    let producer = BlockingProducer::new(Options {
        memory: 100_000,
        record_bytes: 40_000,
        aggregation: None,
        max_buffered_time: Duration::ZERO,
        ..options(&fake.endpoint)
    });
    let producer = producer.unwrap();
    let receipt = producer.put("s", "key", None, b"1").unwrap();
    assert_eq!(&*receipt.wait().unwrap().sequence_number, "49");
    for _ in 0..300 {
        producer.send("s", "key", None, &[0; 900]).unwrap();
    }
    producer.close();
    assert_eq!(producer.metrics().user_records_put, 301);
}
