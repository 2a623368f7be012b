//! What `--limits aws` refuses, and what nothing refuses without it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Limits, World, world};

const LIMIT: &str = "LimitExceededException";

fn create(name: &str, shards: u32) -> Value {
    json!({"StreamName": name, "ShardCount": shards})
}

fn scale(target: u32) -> Value {
    json!({"StreamName": "s", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"})
}

#[tokio::test]
async fn operations_are_called_so_often_a_second_and_no_more() {
    let world = World::new(Limits::Aws);
    let told = "Rate exceeded for account 123456789012.";
    world.done("DescribeLimits", json!({})).await;
    world
        .refused(LIMIT, told, "DescribeLimits", json!({}))
        .await;
    for _ in 0..5 {
        world.done("ListStreams", json!({})).await;
    }
    world.refused(LIMIT, told, "ListStreams", json!({})).await;
    let other = world.asked_by("210987654321", "us-east-1");
    other.done("ListStreams", json!({})).await;
    world.clock.advance(Duration::from_secs(1));
    world.done("ListStreams", json!({})).await;
}

#[tokio::test]
async fn an_account_has_so_many_shards() {
    let world = World::new(Limits::Aws);
    world.stream("a", 10_000).await;
    world.stream("b", 9_999).await;
    let told = "This request would exceed the shard limit for the account 123456789012 in us-east-1. Current shard count for \
                the account: 19999. Limit: 20000. Number of additional shards that would have resulted from this request: 2. \
                Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) \
                for current limits and how to request higher limits.";
    world
        .refused(LIMIT, told, "CreateStream", create("s", 2))
        .await;
    world.stream("s", 1).await;
    let split = json!({"StreamName": "s", "ShardToSplit": "0", "NewStartingHashKey": "5"});
    world.refused(LIMIT, "20000", "SplitShard", split).await;
    let limits = world.done("DescribeLimits", json!({})).await;
    assert_eq!(
        (&limits["OpenShardCount"], &limits["ShardLimit"]),
        (&json!(20_000), &json!(20_000))
    );
}

#[tokio::test]
async fn five_streams_are_created_at_once() {
    let world = World::new(Limits::Aws);
    for name in ["a", "b", "c", "d", "e"] {
        world.done("CreateStream", create(name, 1)).await;
    }
    // The sixth comes too fast, whichever of the two limits says so.
    world
        .refused(LIMIT, "", "CreateStream", create("f", 1))
        .await;
    world.later();
    world.done("CreateStream", create("f", 1)).await;
}

#[tokio::test]
async fn scaling_at_most_doubles_or_halves_ten_times_a_day() {
    let world = World::new(Limits::Aws);
    world.stream("s", 4).await;
    let told = "UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: 4 \
                Target shard count: 9";
    world
        .refused(LIMIT, told, "UpdateShardCount", scale(9))
        .await;
    let told = "UpdateShardCount cannot scale down below half your current open shard count. Current open shard count: 4 \
                Target shard count: 1";
    world
        .refused(LIMIT, told, "UpdateShardCount", scale(1))
        .await;
    for target in [8, 4, 8, 4, 8, 4, 8, 4, 8, 4] {
        world.done("UpdateShardCount", scale(target)).await;
        world.later();
    }
    world
        .refused(LIMIT, "10 times", "UpdateShardCount", scale(8))
        .await;
    world.clock.advance(Duration::from_secs(86_400));
    world.done("UpdateShardCount", scale(8)).await;
}

#[tokio::test]
async fn the_mode_changes_twice_a_day() {
    let world = World::new(Limits::Aws);
    world.stream("s", 1).await;
    let mode = |mode: &str| json!({"StreamARN": world.arn("s"), "StreamModeDetails": {"StreamMode": mode}});
    for to in ["ON_DEMAND", "PROVISIONED"] {
        world.done("UpdateStreamMode", mode(to)).await;
        world.later();
    }
    world
        .refused(LIMIT, "2 times", "UpdateStreamMode", mode("ON_DEMAND"))
        .await;
    world.done("UpdateStreamMode", mode("PROVISIONED")).await;
    world.clock.advance(Duration::from_secs(86_400));
    world.done("UpdateStreamMode", mode("ON_DEMAND")).await;
}

async fn register(world: &World, count: u32) {
    for number in 0..count {
        let name = format!("c{number}");
        let input = json!({"StreamARN": world.arn("s"), "ConsumerName": name});
        world.done("RegisterStreamConsumer", input).await;
        world.later();
    }
}

#[tokio::test]
async fn a_stream_has_20_consumers_and_50_where_no_quota_holds() {
    for (world, most) in [(World::new(Limits::Aws), 20), (world(), 50)] {
        world.stream("s", 1).await;
        register(&world, most).await;
        let input = json!({"StreamARN": world.arn("s"), "ConsumerName": "one-more"});
        let told = format!("has {most} registered consumers");
        world
            .refused(LIMIT, &told, "RegisterStreamConsumer", input)
            .await;
    }
}

#[tokio::test]
async fn without_quotas_nothing_is_counted() {
    let world = world();
    for _ in 0..100 {
        world.done("DescribeLimits", json!({})).await;
    }
    world.stream("s", 20_000).await;
    assert_eq!(world.summary("s").await["OpenShardCount"], 20_000);
    world.done("UpdateShardCount", scale(50_000)).await;
}
