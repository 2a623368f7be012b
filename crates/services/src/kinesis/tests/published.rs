//! What CloudWatch is told of streams and shards.

use serde_json::json;

use super::{Limits, World, world};
use crate::published::{Published, Told};

async fn put(world: &World, keys: &[&str]) {
    let records: Vec<_> = keys
        .iter()
        .map(|key| json!({"PartitionKey": key, "ExplicitHashKey": if *key == "b" { u128::MAX.to_string() } else { "0".into() }, "Data": "AAAA"}))
        .collect();
    let input = json!({"StreamName": "s", "Records": records});
    world.done("PutRecords", input).await;
}

async fn read(world: &World, shard: &str) {
    let asked = json!({"StreamName": "s", "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = world.done("GetShardIterator", asked).await["ShardIterator"].take();
    world
        .done("GetRecords", json!({"ShardIterator": iterator}))
        .await;
}

fn told(all: Vec<Published>, name: &str, shard: Option<&str>) -> Option<Told> {
    let mut found = all.into_iter().filter(|one| {
        let of = one.dimensions.get(1).map(|(name, value)| {
            assert_eq!(*name, "ShardId");
            value.as_str()
        });
        assert_eq!(one.dimensions[0], ("StreamName", "s".to_owned()));
        one.name == name && of == shard
    });
    let one = found.next()?;
    assert_eq!(found.next(), None);
    Some(one.told)
}

const FIRST: &str = "shardId-000000000000";
const SECOND: &str = "shardId-000000000001";

#[tokio::test]
async fn shards_are_told_of_where_somebody_asked() {
    let world = world();
    world.stream("s", 2).await;
    put(&world, &["a"]).await;
    assert_eq!(world.kinesis.published_shards(), []);
    let metrics = |names: &[&str]| json!({"StreamName": "s", "ShardLevelMetrics": names});
    world
        .done(
            "EnableEnhancedMonitoring",
            metrics(&[
                "IncomingBytes",
                "OutgoingRecords",
                "IteratorAgeMilliseconds",
            ]),
        )
        .await;
    world.later();
    put(&world, &["a", "b", "b"]).await;
    read(&world, FIRST).await;
    let shard = |name, shard| told(world.kinesis.published_shards(), name, Some(shard));
    // A key of one byte and three of data.
    assert_eq!(shard("IncomingBytes", FIRST), Some(Told::Total(4)));
    assert_eq!(shard("IncomingBytes", SECOND), Some(Told::Total(8)));
    assert_eq!(shard("IncomingRecords", FIRST), None, "not asked for");
    assert_eq!(shard("OutgoingRecords", FIRST), Some(Told::Total(2)));
    assert_eq!(shard("OutgoingRecords", SECOND), None, "never read");
    let seen = Some(Told::Seen {
        value: 0.0,
        count: 1,
    });
    assert_eq!(shard("IteratorAgeMilliseconds", FIRST), seen);
    world
        .done("DisableEnhancedMonitoring", metrics(&["ALL"]))
        .await;
    world.later();
    put(&world, &["a"]).await;
    assert_eq!(world.kinesis.published_shards(), []);
}

#[tokio::test]
async fn what_a_shard_refuses_is_told_of_it() {
    let world = World::new(Limits::Aws);
    world.stream("s", 2).await;
    let metrics = json!({"StreamName": "s", "ShardLevelMetrics": ["ALL"]});
    world.done("EnableEnhancedMonitoring", metrics).await;
    world.later();
    let records: Vec<_> = (0..500)
        .map(|_| json!({"PartitionKey": "k", "ExplicitHashKey": "0", "Data": ""}))
        .collect();
    for _ in 0..3 {
        world
            .done("PutRecords", json!({"StreamName": "s", "Records": records}))
            .await;
    }
    let shard = |name| told(world.kinesis.published_shards(), name, Some(FIRST));
    assert_eq!(shard("IncomingRecords"), Some(Told::Total(1_000)));
    assert_eq!(
        shard("WriteProvisionedThroughputExceeded"),
        Some(Told::Total(500))
    );
    let stream = |name| told(world.kinesis.published(), name, None);
    let a_call = |sum| Some(Told::Totals { count: 3, sum });
    assert_eq!(stream("PutRecords.TotalRecords"), a_call(1_500.0));
    assert_eq!(stream("PutRecords.SuccessfulRecords"), a_call(1_000.0));
    assert_eq!(stream("PutRecords.ThrottledRecords"), a_call(500.0));
    assert_eq!(stream("PutRecords.FailedRecords"), a_call(0.0));
    assert_eq!(stream("PutRecords.Success"), a_call(2.0));
}

#[tokio::test]
async fn calls_are_told_apart() {
    let world = world();
    world.stream("s", 1).await;
    let one = json!({"StreamName": "s", "PartitionKey": "k", "Data": "AAAA"});
    world.done("PutRecord", one.clone()).await;
    world.done("PutRecord", one).await;
    put(&world, &["a"]).await;
    read(&world, FIRST).await;
    let stream = |name| told(world.kinesis.published(), name, None);
    let totals = |count, sum| Some(Told::Totals { count, sum });
    assert_eq!(stream("PutRecord.Success"), totals(2, 2.0));
    assert_eq!(stream("PutRecord.Bytes"), totals(2, 8.0));
    assert_eq!(stream("PutRecords.Bytes"), totals(1, 4.0));
    for (name, calls) in [
        ("PutRecord.Latency", 2),
        ("PutRecords.Latency", 1),
        ("GetRecords.Latency", 1),
    ] {
        let Some(Told::Totals { count, .. }) = stream(name) else {
            panic!("{name} is told");
        };
        assert_eq!(count, calls, "{name}");
    }
    assert_eq!(stream("IncomingBytes"), Some(Told::Total(12)));
}
