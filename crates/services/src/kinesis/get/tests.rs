//! Reads over the store in memory.

use std::time::Duration;

use aws::Value;
use model::HashKey;

use super::*;
use crate::kinesis::world::{World, data, list, map, number, records, text};

fn texts(answer: &Value) -> Vec<String> {
    let records = records(answer).into_iter();
    records
        .map(|record| String::from_utf8(record.data).unwrap())
        .collect()
}

#[tokio::test]
async fn pages_follow_each_other() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let all: Vec<String> = (0..25).map(|n| n.to_string()).collect();
    for some in all.chunks(7) {
        let records: Vec<(&str, &str)> = some.iter().map(|text| ("k", text.as_str())).collect();
        world.put("s", &records).await;
    }
    let mut iterator = world.oldest("s", 0).await;
    let (mut read, mut sizes) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let asked = vec![
            ("ShardIterator", iterator.as_str().into()),
            ("Limit", Value::Int(10)),
        ];
        let answer = world.get(asked).await.unwrap();
        sizes.push(records(&answer).len());
        read.extend(texts(&answer));
        iterator = text(&answer, "NextShardIterator");
    }
    assert_eq!((sizes, read), (vec![10, 10, 5, 0], all));
}

#[tokio::test]
async fn an_answer_has_ten_mebibytes_at_most_and_makes_progress() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let record = map(vec![
        ("PartitionKey", "k".into()),
        ("Data", Value::Bytes(vec![1; (1 << 20) - 1].into())),
    ]);
    for _ in 0..3 {
        let input = map(vec![
            ("StreamName", "s".into()),
            ("Records", Value::List(vec![record.clone(); 7])),
        ]);
        world.put_with(input, None).await.unwrap();
    }
    let mut iterator = world.oldest("s", 0).await;
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 21 {
        let answer = world.get_at(&iterator).await;
        sizes.push(records(&answer).len());
        iterator = text(&answer, "NextShardIterator");
    }
    assert!(
        sizes.iter().all(|size| (1..=10).contains(size)),
        "{sizes:?}"
    );
}

#[tokio::test]
async fn how_far_behind_is_the_age_of_the_next_record() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    world.put("s", &[("k", "1"), ("k", "2")]).await;
    world.clock.advance(Duration::from_millis(300));
    world.put("s", &[("k", "3")]).await;
    world.clock.advance(Duration::from_millis(50));
    let mut iterator = world.oldest("s", 0).await;
    for behind in [350, 50, 0, 0] {
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
async fn a_closed_shard_ends_with_its_children() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    world.put("s", &[("k", "1")]).await;
    let at_start = world.oldest("s", 0).await;
    let open = world.get_at(&at_start).await;
    assert_eq!(open.get("ChildShards"), None);
    world.split("s", 0, HashKey(1 << 127)).await;
    let at_end = world.get_at(&text(&open, "NextShardIterator")).await;
    for answer in [world.get_at(&at_start).await, at_end] {
        assert_eq!(answer.get("NextShardIterator"), None);
        let children = list(&answer, "ChildShards");
        let ids: Vec<String> = children
            .iter()
            .map(|child| text(child, "ShardId"))
            .collect();
        assert_eq!(ids, ["shardId-000000000001", "shardId-000000000002"]);
        assert_eq!(
            list(&children[0], "ParentShards"),
            ["shardId-000000000000".into()]
        );
        let range = children[1].get("HashKeyRange").unwrap();
        assert_eq!(text(range, "StartingHashKey"), (1_u128 << 127).to_string());
    }
}

#[tokio::test]
async fn a_trimmed_iterator_goes_on_at_the_oldest_record() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    world.put("s", &[("k", "old")]).await;
    world.clock.advance(Duration::from_secs(86_400 - 100));
    world.put("s", &[("k", "new")]).await;
    let iterator = world.oldest("s", 0).await;
    world.clock.advance(Duration::from_secs(200));
    world.kinesis.streams.expire().await.unwrap();
    assert_eq!(texts(&world.get_at(&iterator).await), ["new"]);
}

#[tokio::test]
async fn a_deleted_or_recreated_streams_iterator_finds_nothing() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let iterator = world.oldest("s", 0).await;
    let asked = || vec![("ShardIterator", iterator.as_str().into())];
    world
        .kinesis
        .streams
        .delete(&world.name("s"))
        .await
        .unwrap();
    let expected =
        "Shard shardId-000000000000 in stream s under account 000000000000 does not exist";
    assert_eq!(world.get(asked()).await.unwrap_err().to_string(), expected);
    world.stream("s", 1).await;
    assert_eq!(world.get(asked()).await.unwrap_err().to_string(), expected);
}

#[tokio::test]
async fn an_iterator_serves_five_minutes() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let iterator = world.oldest("s", 0).await;
    world.clock.advance(Duration::from_secs(300));
    world.get_at(&iterator).await;
    world.clock.advance(Duration::from_millis(1));
    let error = world
        .get(vec![("ShardIterator", iterator.into())])
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Iterator expired. The iterator was created at time Tue Nov 14 22:13:20 UTC 2023 while right now it is Tue Nov 14 \
         22:18:20 UTC 2023 which is further in the future than the tolerated delay of 300000 milliseconds."
    );
}

#[tokio::test]
async fn an_arn_beside_the_iterator_must_name_its_stream() {
    let world = World::new(Limits::None);
    let stream = world.stream("s", 1).await;
    let other = world.stream("other", 1).await;
    let iterator = world.oldest("s", 0).await;
    let asked = |arn: String| {
        vec![
            ("ShardIterator", iterator.as_str().into()),
            ("StreamARN", arn.into()),
        ]
    };
    assert!(
        world
            .get(asked(stream.name.arn().to_string()))
            .await
            .is_ok()
    );
    let error = world
        .get(asked(other.name.arn().to_string()))
        .await
        .unwrap_err();
    assert!(matches!(error, KinesisError::InvalidArgument(_)), "{error}");
}

#[tokio::test]
async fn limits_hold_calls_and_bytes() {
    let world = World::new(Limits::Aws);
    world.stream("s", 1).await;
    let iterator = world.oldest("s", 0).await;
    let asked = || vec![("ShardIterator", iterator.as_str().into())];
    for _ in 0..5 {
        world.get(asked()).await.unwrap();
    }
    let error = world.get(asked()).await.unwrap_err();
    assert!(
        matches!(error, KinesisError::ProvisionedThroughputExceeded(_)),
        "{error}"
    );
}

#[tokio::test]
async fn records_put_under_encryption_say_so() {
    let world = World::new(Limits::None);
    let stream = world.stream("s", 1).await;
    let key = world.kinesis.streams.keyring().new_data_key();
    world.put("s", &[("k", "plain")]).await;
    let change = |_: &Stream, settings: &mut streams::Settings| {
        settings.data_keys = vec![key.clone()];
        settings.encryption = Some(streams::stream::Encryption {
            key_id: "alias/aws/kinesis".into(),
            data_key: 0,
        });
        Ok::<_, streams::StreamsError>(())
    };
    world
        .kinesis
        .streams
        .update(&stream.name, change)
        .await
        .unwrap();
    let input = map(vec![
        ("StreamName", "s".into()),
        ("PartitionKey", "k".into()),
        ("Data", data("sealed")),
    ]);
    assert_eq!(
        text(&world.put_one(input).await.unwrap(), "EncryptionType"),
        "KMS"
    );
    let answer = world.get_at(&world.oldest("s", 0).await).await;
    assert_eq!(texts(&answer), ["plain", "sealed"]);
    let types: Vec<String> = list(&answer, "Records")
        .iter()
        .map(|r| text(r, "EncryptionType"))
        .collect();
    assert_eq!(types, ["", "KMS"]);
}

#[tokio::test]
async fn pages_are_short_while_others_take_the_room() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let body = "x".repeat(40 << 10);
    for _ in 0..4 {
        world.put("s", &[("k", &body)]).await;
    }
    let others: Vec<_> = (0..200)
        .map(|_| world.kinesis.plane.room.share(BYTES_MAX))
        .collect();
    let oldest = world.oldest("s", 0).await;
    let short = world.get_at(&oldest).await;
    assert_eq!(records(&short).len(), 1);
    drop(others);
    assert_eq!(records(&world.get_at(&oldest).await).len(), 4);
}

#[tokio::test]
async fn a_limit_is_one_to_ten_thousand() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let oldest = world.oldest("s", 0).await;
    let with = async |limit: i64| {
        let asked = vec![
            ("ShardIterator", oldest.as_str().into()),
            ("Limit", Value::Int(limit)),
        ];
        world.get(asked).await
    };
    for good in [1, 10_000] {
        with(good).await.unwrap();
    }
    for bad in [-1, 0, 10_001, 65_536, i64::from(i32::MAX)] {
        let error = with(bad).await.unwrap_err().to_string();
        assert!(error.contains("at 'limit' failed to satisfy"), "{error}");
    }
}
