//! Streams made, described, listed, deleted, and who sees them.

use serde_json::json;

use super::{START, covers_ring_once, number, numbers, world};

#[tokio::test]
async fn a_new_stream_is_creating_for_a_moment_and_then_described_in_full() {
    let world = world();
    let input = json!({"StreamName": "s", "ShardCount": 3, "Tags": {"a": "b"}});
    assert!(world.done("CreateStream", input).await.is_null());
    assert_eq!(world.summary("s").await["StreamStatus"], "CREATING");
    world.later();
    let answer = world
        .done("DescribeStream", json!({"StreamName": "s"}))
        .await;
    let mut described = answer["StreamDescription"].clone();
    let shards = described["Shards"].take();
    assert_eq!(
        described,
        json!({
            "StreamName": "s",
            "StreamARN": world.arn("s"),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
            "Shards": null,
            "HasMoreShards": false,
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": START.0 as f64 / 1000.0,
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            "EncryptionType": "NONE",
        })
    );
    let shards = shards.as_array().unwrap();
    assert_eq!(numbers(shards), [0, 1, 2]);
    covers_ring_once(shards);
    let tags = world
        .done("ListTagsForStream", json!({"StreamName": "s"}))
        .await;
    assert_eq!(tags["Tags"], json!([{"Key": "a", "Value": "b"}]));
}

#[tokio::test]
async fn a_summary_has_what_a_description_has_but_shards() {
    let world = world();
    world.stream("s", 3).await;
    assert_eq!(
        world.summary("s").await,
        json!({
            "StreamName": "s",
            "StreamARN": world.arn("s"),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": START.0 as f64 / 1000.0,
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            "EncryptionType": "NONE",
            "OpenShardCount": 3,
            "ConsumerCount": 0,
            "QueueCount": 0,
            "MaxRecordSizeInKiB": 1024,
        })
    );
}

#[tokio::test]
async fn shards_are_described_in_pages_of_a_hundred_at_most() {
    let world = world();
    world.stream("s", 250).await;
    let describe = async |input| {
        let answer = world.done("DescribeStream", input).await;
        let description = &answer["StreamDescription"];
        let shards = description["Shards"].as_array().unwrap();
        let ends = (number(&shards[0]), number(shards.last().unwrap()));
        (ends, description["HasMoreShards"] == true)
    };
    assert_eq!(describe(json!({"StreamName": "s"})).await, ((0, 99), true));
    assert_eq!(
        describe(json!({"StreamName": "s", "Limit": 10_000})).await,
        ((0, 99), true)
    );
    assert_eq!(
        describe(json!({"StreamName": "s", "Limit": 7})).await,
        ((0, 6), true)
    );
    let after = json!({"StreamName": "s", "ExclusiveStartShardId": "shardId-000000000199"});
    assert_eq!(describe(after).await, ((200, 249), false));
}

#[tokio::test]
async fn streams_are_refused_in_the_words_of_aws() {
    let world = world();
    world.stream("s", 1).await;
    let input = json!({"StreamName": "s", "ShardCount": 1});
    let told = "Stream s under account 123456789012 already exists.";
    world
        .refused("ResourceInUseException", told, "CreateStream", input)
        .await;
    let told = "Stream none under account 123456789012 not found.";
    for operation in [
        "DescribeStream",
        "DescribeStreamSummary",
        "DeleteStream",
        "ListShards",
    ] {
        let input = json!({"StreamName": "none"});
        world
            .refused("ResourceNotFoundException", told, operation, input)
            .await;
    }
    let told = "Value null at 'shardCount' failed to satisfy constraint: Member must not be null";
    world
        .refused(
            "ValidationException",
            told,
            "CreateStream",
            json!({"StreamName": "t"}),
        )
        .await;
    let input = json!({"StreamName": "t", "ShardCount": 50_001});
    world
        .refused("LimitExceededException", "50000", "CreateStream", input)
        .await;
    let input = json!({"StreamName": "t", "ShardCount": 1, "Tags": {"aws:x": "y"}});
    world
        .refused("InvalidArgumentException", "aws:", "CreateStream", input)
        .await;
    assert_eq!(
        world.done("ListStreams", json!({})).await["StreamNames"],
        json!(["s"])
    );
}

#[tokio::test]
async fn a_deleted_stream_is_gone_with_all_that_hung_on_it() {
    let world = world();
    world.stream("s", 1).await;
    let arn = world.arn("s");
    let consumer = json!({"StreamARN": arn, "ConsumerName": "c"});
    world.done("RegisterStreamConsumer", consumer).await;
    world
        .done(
            "AddTagsToStream",
            json!({"StreamName": "s", "Tags": {"a": "b"}}),
        )
        .await;
    let told = "1 registered consumers";
    world
        .refused(
            "ResourceInUseException",
            told,
            "DeleteStream",
            json!({"StreamName": "s"}),
        )
        .await;
    let input = json!({"StreamARN": arn, "EnforceConsumerDeletion": true});
    world.done("DeleteStream", input).await;
    let told = "Stream s under account";
    let input = json!({"StreamARN": arn});
    world
        .refused(
            "ResourceNotFoundException",
            told,
            "ListStreamConsumers",
            input,
        )
        .await;
    world.stream("s", 1).await;
    let tags = world
        .done("ListTagsForStream", json!({"StreamName": "s"}))
        .await;
    assert_eq!(tags["Tags"], json!([]));
    assert_eq!(world.summary("s").await["ConsumerCount"], 0);
}

#[tokio::test]
async fn a_name_an_arn_or_both_name_a_stream() {
    let world = world();
    world.stream("s", 1).await;
    world.stream("t", 1).await;
    let (s, t) = (world.arn("s"), world.arn("t"));
    for way in [
        json!({"StreamName": "s"}),
        json!({"StreamARN": s}),
        json!({"StreamName": "s", "StreamARN": s}),
    ] {
        let answer = world.done("DescribeStreamSummary", way).await;
        assert_eq!(answer["StreamDescriptionSummary"]["StreamName"], "s");
    }
    let refused = async |code, text, input| {
        world
            .refused(code, text, "DescribeStreamSummary", input)
            .await;
    };
    refused(
        "InvalidArgumentException",
        "same stream",
        json!({"StreamName": "s", "StreamARN": t}),
    )
    .await;
    refused("InvalidArgumentException", "must be provided", json!({})).await;
    refused(
        "ValidationException",
        "streamARN",
        json!({"StreamARN": "arn:aws:s3:::bucket"}),
    )
    .await;
    let id = json!({"StreamName": "s", "StreamId": "No"});
    refused("ValidationException", "streamId", id).await;
    let id = json!({"StreamName": "s", "StreamId": "abcdefghij0123456789-abc"});
    world.done("DescribeStreamSummary", id).await;
    let elsewhere = s.replace("us-east-1", "eu-west-1");
    refused(
        "ResourceNotFoundException",
        "not found",
        json!({"StreamARN": elsewhere}),
    )
    .await;
}

#[tokio::test]
async fn accounts_and_regions_do_not_see_each_other() {
    let world = world();
    world.stream("s", 1).await;
    let arn = world.arn("s");
    for (account, region) in [
        ("210987654321", "us-east-1"),
        ("123456789012", "eu-central-1"),
    ] {
        let other = world.asked_by(account, region);
        let streams = other.done("ListStreams", json!({})).await;
        assert_eq!(streams["StreamNames"], json!([]));
        let input = json!({"StreamName": "s"});
        other
            .refused("ResourceNotFoundException", "", "DescribeStream", input)
            .await;
        other.stream("s", 2).await;
        assert_eq!(other.summary("s").await["OpenShardCount"], 2);
    }
    assert_eq!(world.summary("s").await["OpenShardCount"], 1);
    let foreign = world.asked_by("210987654321", "us-east-1");
    let input = json!({"StreamARN": arn});
    foreign
        .refused(
            "AccessDeniedException",
            &arn,
            "DescribeStreamSummary",
            input,
        )
        .await;
}

#[tokio::test]
async fn streams_are_listed_in_pages_by_name() {
    let world = world();
    for name in ["b", "a", "C", "a-1", "d"] {
        world.stream(name, 1).await;
    }
    let first = world.done("ListStreams", json!({"Limit": 2})).await;
    assert_eq!(first["StreamNames"], json!(["C", "a"]));
    assert_eq!(first["HasMoreStreams"], true);
    let summary = &first["StreamSummaries"][1];
    assert_eq!(summary["StreamARN"], world.arn("a"));
    assert_eq!(summary["StreamStatus"], "ACTIVE");
    let token = first["NextToken"].as_str().unwrap();
    let second = world
        .done("ListStreams", json!({"Limit": 2, "NextToken": token}))
        .await;
    assert_eq!(second["StreamNames"], json!(["a-1", "b"]));
    let last = world
        .done("ListStreams", json!({"ExclusiveStartStreamName": "b1"}))
        .await;
    assert_eq!(last["StreamNames"], json!(["d"]));
    assert_eq!(
        (&last["HasMoreStreams"], &last["NextToken"]),
        (&json!(false), &json!(null))
    );
    for bad in ["garbage", "bm9uc2Vuc2U="] {
        let input = json!({"NextToken": bad});
        world
            .refused(
                "InvalidArgumentException",
                "NextToken",
                "ListStreams",
                input,
            )
            .await;
    }
}

#[tokio::test]
async fn what_is_planned_says_so() {
    let world = world();
    for (name, support) in super::super::support() {
        if support == aws::Support::Planned {
            let (code, told) = world.ask(name, json!({})).await.unwrap_err();
            assert_eq!(code, "UnknownOperationException");
            assert!(
                told.contains(name) && told.contains("not supported"),
                "{told}"
            );
        }
    }
}
