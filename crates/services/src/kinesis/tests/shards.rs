//! ListShards: filters, pages and tokens.

use std::sync::Arc;
use std::time::Duration;

use ::model::{AccountId, Clock, Region, Timestamp};
use serde_json::{Value, json};
use streams::reshard::Planner;
use streams::{Stream, StreamName, StreamsError};

use super::{Limits, World, numbers, world};

/// A stream of two shards, the first of which was split at 2 s into shards 2 and 3.
async fn resharded() -> World {
    let world = world();
    world.stream("s", 2).await;
    let key = (1_u128 << 126).to_string();
    let input = json!({"StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": key});
    world.done("SplitShard", input).await;
    world.later();
    world
}

async fn check(world: &World, filter: Value, expected: &[u32]) {
    let input = json!({"StreamName": "s", "ShardFilter": filter, "MaxResults": 2});
    let listed = world.shards(input.clone()).await;
    assert_eq!(numbers(&listed), expected, "{filter}");
}

#[tokio::test]
async fn filters_choose_shards_by_when_they_were_open() {
    let world = resharded().await;
    let second = |millis: i64| (super::START.0 + millis) as f64 / 1000.0;
    check(&world, json!({"Type": "FROM_TRIM_HORIZON"}), &[0, 1, 2, 3]).await;
    check(&world, json!({"Type": "AT_LATEST"}), &[1, 2, 3]).await;
    check(&world, json!({"Type": "AT_TRIM_HORIZON"}), &[0, 1]).await;
    check(
        &world,
        json!({"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000001"}),
        &[2, 3],
    )
    .await;
    let at = |millis| json!({"Type": "AT_TIMESTAMP", "Timestamp": second(millis)});
    check(&world, at(1_000), &[0, 1]).await;
    check(&world, at(2_000), &[1, 2, 3]).await;
    check(&world, at(3_000), &[1, 2, 3]).await;
    check(&world, at(-1), &[0, 1]).await;
    let from = |millis| json!({"Type": "FROM_TIMESTAMP", "Timestamp": second(millis)});
    check(&world, from(1_000), &[0, 1, 2, 3]).await;
    check(&world, from(2_001), &[1, 2, 3]).await;
    check(&world, from(-1_000_000), &[0, 1, 2, 3]).await;
}

/// A resharding that looked at the clock half a second before a record was put to its parent, and was in force after that.
#[tokio::test]
async fn a_parent_with_records_of_the_moment_asked_for_is_listed() {
    let world = world();
    world.stream("s", 1).await;
    let closed = world.clock.now();
    let ahead = Clock::manual(Timestamp(closed.0 + 500));
    let putting = World::over(Arc::clone(&world.store), ahead, Limits::None);
    let record = json!({"StreamName": "s", "PartitionKey": "k", "Data": "YQ=="});
    putting.done("PutRecord", record).await;
    let key = (1_u128 << 126).to_string();
    let input = json!({"StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": key});
    world.done("SplitShard", input).await;
    world.later();
    let second = |millis: i64| (closed.0 + millis) as f64 / 1000.0;
    for kind in ["AT_TIMESTAMP", "FROM_TIMESTAMP"] {
        let of = |millis| json!({"Type": kind, "Timestamp": second(millis)});
        check(&world, of(500), &[0, 1, 2]).await;
        check(&world, of(501), &[1, 2]).await;
    }
}

/// Who begins in the past finds shards for all keys, those that Kafka's clients added since among them.
#[tokio::test]
async fn shards_added_in_place_are_listed_for_the_time_before() {
    let world = world();
    world.stream("s", 2).await;
    world.later();
    let name = StreamName {
        account: AccountId::parse(&world.account).unwrap(),
        region: Region::parse(&world.region).unwrap(),
        name: "s".into(),
    };
    let plan = |_: &Stream, planner: Planner<'_>| Ok::<_, StreamsError>(planner.grow(2));
    let streams = &world.kinesis.streams;
    streams.reshard(&name, plan).await.unwrap();
    check(&world, json!({"Type": "AT_TRIM_HORIZON"}), &[0, 1, 2, 3]).await;
    let begin = super::START.0 as f64 / 1000.0;
    let filter = json!({"Type": "AT_TIMESTAMP", "Timestamp": begin});
    check(&world, filter, &[0, 1, 2, 3]).await;
    // Under a registered consumer, which goes from parents to children, none are added.
    let arn = name.arn().to_string();
    let consumer = json!({"StreamARN": arn, "ConsumerName": "app"});
    world.done("RegisterStreamConsumer", consumer.clone()).await;
    let refused = streams.reshard(&name, plan).await;
    assert!(
        matches!(&refused, Err(StreamsError::Followed(reader)) if reader == "app"),
        "{refused:?}"
    );
    world.done("DeregisterStreamConsumer", consumer).await;
    let grown = streams.reshard(&name, plan).await.unwrap();
    assert_eq!(grown.topology.open_count(), 6);
}

#[tokio::test]
async fn shards_that_expired_are_not_listed() {
    let world = resharded().await;
    world.clock.advance(Duration::from_secs(24 * 3_600));
    assert_eq!(
        numbers(&world.shards(json!({"StreamName": "s"})).await),
        [1, 2, 3]
    );
    check(&world, json!({"Type": "AT_TRIM_HORIZON"}), &[1, 2, 3]).await;
    let answer = world
        .done("DescribeStream", json!({"StreamName": "s"}))
        .await;
    let described = answer["StreamDescription"]["Shards"].as_array().unwrap();
    assert_eq!(numbers(described), [1, 2, 3]);
}

#[tokio::test]
async fn a_page_holds_a_thousand_shards_at_most() {
    let world = world();
    world.stream("s", 1_001).await;
    let first = world
        .done(
            "ListShards",
            json!({"StreamName": "s", "MaxResults": 10_000}),
        )
        .await;
    assert_eq!(first["Shards"].as_array().unwrap().len(), 1_000);
    let second = world
        .done("ListShards", json!({"NextToken": first["NextToken"]}))
        .await;
    assert_eq!(numbers(second["Shards"].as_array().unwrap()), [1_000]);
    assert!(second["NextToken"].is_null());
}

#[tokio::test]
async fn a_token_stands_alone_and_expires() {
    let world = world();
    world.stream("s", 3).await;
    let first = world
        .done("ListShards", json!({"StreamName": "s", "MaxResults": 1}))
        .await;
    let token = &first["NextToken"];
    let invalid = "InvalidArgumentException";
    for (member, value) in [
        ("StreamName", json!("s")),
        ("ExclusiveStartShardId", json!("shardId-000000000000")),
        ("StreamCreationTimestamp", json!(1.0)),
        ("ShardFilter", json!({"Type": "AT_LATEST"})),
    ] {
        let told = format!("NextToken and {member} cannot be provided together.");
        let input = json!({"NextToken": token, member: value});
        world.refused(invalid, &told, "ListShards", input).await;
    }
    let with_arn = json!({"NextToken": token, "StreamARN": world.arn("s")});
    let page = world.done("ListShards", with_arn).await;
    assert_eq!(numbers(page["Shards"].as_array().unwrap()), [1, 2]);

    let again = json!({"NextToken": token});
    let other = world.asked_by("210987654321", "us-east-1");
    other
        .refused(invalid, "NextToken", "ListShards", again.clone())
        .await;
    world
        .refused(invalid, "NextToken", "ListStreams", again.clone())
        .await;
    world.clock.advance(Duration::from_secs(290));
    world.done("ListShards", again.clone()).await;
    world.clock.advance(Duration::from_secs(11));
    world
        .refused("ExpiredNextTokenException", "expired", "ListShards", again)
        .await;
}

#[tokio::test]
async fn a_token_does_not_go_on_in_another_stream_of_the_same_name() {
    let world = world();
    world.stream("s", 3).await;
    let first = world
        .done("ListShards", json!({"StreamName": "s", "MaxResults": 1}))
        .await;
    world.done("DeleteStream", json!({"StreamName": "s"})).await;
    world.stream("s", 3).await;
    let input = json!({"NextToken": first["NextToken"]});
    world
        .refused(
            "ResourceNotFoundException",
            "not found",
            "ListShards",
            input,
        )
        .await;
}

#[tokio::test]
async fn what_a_list_needs_is_told() {
    let world = world();
    world.stream("s", 1).await;
    let invalid = "InvalidArgumentException";
    let told = "Either NextToken or StreamName should be provided.";
    world.refused(invalid, told, "ListShards", json!({})).await;
    world
        .refused(
            invalid,
            "NextToken",
            "ListShards",
            json!({"NextToken": "garbage"}),
        )
        .await;
    for (kind, member) in [
        ("AT_TIMESTAMP", "Timestamp"),
        ("FROM_TIMESTAMP", "Timestamp"),
        ("AFTER_SHARD_ID", "ShardId"),
    ] {
        let input = json!({"StreamName": "s", "ShardFilter": {"Type": kind}});
        world
            .refused(invalid, &format!("needs a {member}"), "ListShards", input)
            .await;
    }
    let created = super::START.0 / 1000;
    let of = |seconds: i64| json!({"StreamName": "s", "StreamCreationTimestamp": seconds});
    world.done("ListShards", of(created)).await;
    world
        .refused(
            "ResourceNotFoundException",
            "",
            "ListShards",
            of(created - 86_400),
        )
        .await;
    world
        .done(
            "CreateStream",
            json!({"StreamName": "new", "ShardCount": 1}),
        )
        .await;
    let told = "Stream new under account 123456789012 not ACTIVE, instead in state CREATING";
    world
        .refused(
            "ResourceInUseException",
            told,
            "ListShards",
            json!({"StreamName": "new"}),
        )
        .await;
}
