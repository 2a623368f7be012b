//! Retention, encryption, monitoring, mode, throughput, distribution and record size.

use serde_json::{Value, json};

use super::{World, covers_ring_once, world};

const NOT_ACTIVE: &str =
    "Stream s under account 123456789012 not ACTIVE, instead in state UPDATING";

/// Asks for a change that must succeed, show UPDATING, and pass.
async fn change(world: &World, operation: &str, input: Value) -> Value {
    let answer = world.done(operation, input.clone()).await;
    assert_eq!(
        world.summary("s").await["StreamStatus"],
        "UPDATING",
        "{operation} {input}"
    );
    world.later();
    answer
}

fn retention(hours: i64) -> Value {
    json!({"StreamName": "s", "RetentionPeriodHours": hours})
}

#[tokio::test]
async fn retention_goes_up_and_down_within_bounds() {
    let world = world();
    world.stream("s", 1).await;
    let (up, down) = (
        "IncreaseStreamRetentionPeriod",
        "DecreaseStreamRetentionPeriod",
    );
    for (operation, hours) in [(up, 25), (up, 8_760), (down, 200), (down, 24)] {
        change(&world, operation, retention(hours)).await;
        assert_eq!(world.summary("s").await["RetentionPeriodHours"], hours);
    }
    let invalid = "InvalidArgumentException";
    let told = "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.";
    world.refused(invalid, told, up, retention(23)).await;
    world.refused(invalid, told, down, retention(23)).await;
    let told = "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long.";
    world.refused(invalid, told, up, retention(8_761)).await;
    let told = "Requested retention period (25 hours) for stream s can not be longer than existing retention period (24 \
                hours). Use IncreaseRetentionPeriod API.";
    world.refused(invalid, told, down, retention(25)).await;
    change(&world, up, retention(48)).await;
    let told = "Requested retention period (36 hours) for stream s can not be shorter than existing retention period (48 \
                hours). Use DecreaseRetentionPeriod API.";
    world.refused(invalid, told, up, retention(36)).await;
    world.done(up, retention(49)).await;
    world
        .refused("ResourceInUseException", NOT_ACTIVE, up, retention(50))
        .await;
}

#[tokio::test]
async fn encryption_is_started_and_stopped() {
    let world = world();
    world.stream("s", 1).await;
    let key =
        |kind: &str, id: &str| json!({"StreamName": "s", "EncryptionType": kind, "KeyId": id});
    let told = async || {
        let summary = world.summary("s").await;
        (summary["EncryptionType"].clone(), summary["KeyId"].clone())
    };
    let default = "alias/aws/kinesis";
    change(&world, "StartStreamEncryption", key("KMS", default)).await;
    assert_eq!(told().await, (json!("KMS"), json!(default)));
    world
        .done("StartStreamEncryption", key("KMS", default))
        .await;
    assert_eq!(
        world.summary("s").await["StreamStatus"],
        "ACTIVE",
        "the same key is no change"
    );
    change(&world, "StartStreamEncryption", key("KMS", "alias/mine")).await;
    assert_eq!(told().await, (json!("KMS"), json!("alias/mine")));
    change(&world, "StopStreamEncryption", key("KMS", "alias/mine")).await;
    assert_eq!(told().await, (json!("NONE"), Value::Null));
    for operation in ["StartStreamEncryption", "StopStreamEncryption"] {
        let input = key("NONE", default);
        world
            .refused("InvalidArgumentException", "KMS", operation, input)
            .await;
        let input = json!({"StreamName": "none", "EncryptionType": "KMS", "KeyId": default});
        world
            .refused("ResourceNotFoundException", "Stream none", operation, input)
            .await;
    }
}

#[tokio::test]
async fn metrics_are_enabled_one_by_one_or_all() {
    let world = world();
    world.stream("s", 1).await;
    let (enable, disable) = ("EnableEnhancedMonitoring", "DisableEnhancedMonitoring");
    let metrics = |names: Value| json!({"StreamName": "s", "ShardLevelMetrics": names});
    let answer = change(
        &world,
        enable,
        metrics(json!(["OutgoingBytes", "IncomingBytes"])),
    )
    .await;
    assert_eq!(
        answer,
        json!({
            "StreamName": "s",
            "StreamARN": world.arn("s"),
            "CurrentShardLevelMetrics": [],
            "DesiredShardLevelMetrics": ["IncomingBytes", "OutgoingBytes"],
        })
    );
    let answer = change(
        &world,
        disable,
        metrics(json!(["IncomingBytes", "OutgoingRecords"])),
    )
    .await;
    assert_eq!(
        answer["CurrentShardLevelMetrics"],
        json!(["IncomingBytes", "OutgoingBytes"])
    );
    assert_eq!(answer["DesiredShardLevelMetrics"], json!(["OutgoingBytes"]));
    let answer = change(&world, enable, metrics(json!(["ALL"]))).await;
    assert_eq!(
        answer["DesiredShardLevelMetrics"].as_array().unwrap().len(),
        7
    );
    let told = &world.summary("s").await["EnhancedMonitoring"];
    assert_eq!(
        told[0]["ShardLevelMetrics"],
        answer["DesiredShardLevelMetrics"]
    );
    let answer = change(&world, disable, metrics(json!(["ALL"]))).await;
    assert_eq!(answer["DesiredShardLevelMetrics"], json!([]));
    world
        .refused(
            "ValidationException",
            "",
            enable,
            metrics(json!(["Nothing"])),
        )
        .await;
    world
        .refused("ValidationException", "", enable, metrics(json!([])))
        .await;
}

async fn commit(world: &World) {
    let input = json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}});
    world.done("UpdateAccountSettings", input).await;
}

fn mode(world: &World, mode: &str) -> Value {
    json!({"StreamARN": world.arn("s"), "StreamModeDetails": {"StreamMode": mode}})
}

#[tokio::test]
async fn the_mode_changes_both_ways_and_the_shards_stay() {
    let world = world();
    world.stream("s", 2).await;
    for to in ["ON_DEMAND", "PROVISIONED", "ON_DEMAND"] {
        change(&world, "UpdateStreamMode", mode(&world, to)).await;
        let summary = world.summary("s").await;
        assert_eq!(summary["StreamModeDetails"]["StreamMode"], to);
        assert_eq!(summary["OpenShardCount"], 2);
    }
    world
        .done("UpdateStreamMode", mode(&world, "PROVISIONED"))
        .await;
    let again = mode(&world, "ON_DEMAND");
    world
        .refused(
            "ResourceInUseException",
            NOT_ACTIVE,
            "UpdateStreamMode",
            again,
        )
        .await;
}

#[tokio::test]
async fn warm_throughput_gives_an_on_demand_stream_enough_shards() {
    let world = world();
    world.on_demand("s").await;
    let warm = |mibps: i64| json!({"StreamName": "s", "WarmThroughputMiBps": mibps});
    let (operation, invalid) = ("UpdateStreamWarmThroughput", "InvalidArgumentException");
    world
        .refused(invalid, "Commitment", operation, warm(8))
        .await;
    commit(&world).await;
    let answer = change(&world, operation, warm(8)).await;
    assert_eq!(
        answer["WarmThroughput"],
        json!({"TargetMiBps": 8, "CurrentMiBps": 4})
    );
    let summary = world.summary("s").await;
    assert_eq!(
        summary["WarmThroughput"],
        json!({"TargetMiBps": 8, "CurrentMiBps": 8})
    );
    covers_ring_once(&world.shards(json!({"StreamName": "s"})).await);
    change(&world, operation, warm(5)).await;
    assert_eq!(
        world.summary("s").await["WarmThroughput"],
        json!({"TargetMiBps": 5, "CurrentMiBps": 8})
    );
    world
        .refused("LimitExceededException", "10240", operation, warm(10_241))
        .await;
    change(&world, "UpdateStreamMode", mode(&world, "PROVISIONED")).await;
    world
        .refused(invalid, "on-demand", operation, warm(8))
        .await;
    let mut input = mode(&world, "ON_DEMAND");
    input["WarmThroughputMiBps"] = json!(9);
    change(&world, "UpdateStreamMode", input).await;
    assert_eq!(
        world.summary("s").await["WarmThroughput"],
        json!({"TargetMiBps": 9, "CurrentMiBps": 9})
    );

    let created = json!({"StreamName": "t", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "WarmThroughputMiBps": 6});
    world.done("CreateStream", created).await;
    assert_eq!(
        world.summary("t").await["WarmThroughput"],
        json!({"TargetMiBps": 6, "CurrentMiBps": 6})
    );
}

#[tokio::test]
async fn only_on_demand_streams_distribute_records_evenly() {
    let world = world();
    world.on_demand("s").await;
    let operation = "UpdateStreamRecordDistributionStrategy";
    let strategy =
        |text: &str| json!({"StreamARN": world.arn("s"), "RecordDistributionStrategy": text});
    let told = async || world.summary("s").await["RecordDistributionStrategy"].clone();
    assert_eq!(told().await, "USER_PARTITION_KEY");
    for text in ["AUTO", "USER_PARTITION_KEY", "AUTO"] {
        world.done(operation, strategy(text)).await;
        assert_eq!(told().await, text);
    }
    change(&world, "UpdateStreamMode", mode(&world, "PROVISIONED")).await;
    assert_eq!(told().await, Value::Null);
    world
        .refused(
            "InvalidArgumentException",
            "on-demand",
            operation,
            strategy("AUTO"),
        )
        .await;
    change(&world, "UpdateStreamMode", mode(&world, "ON_DEMAND")).await;
    assert_eq!(told().await, "USER_PARTITION_KEY");

    let mut new = json!({"StreamName": "t", "RecordDistributionStrategy": "AUTO", "ShardCount": 1});
    world
        .refused(
            "InvalidArgumentException",
            "on-demand",
            "CreateStream",
            new.clone(),
        )
        .await;
    new["StreamModeDetails"] = json!({"StreamMode": "ON_DEMAND"});
    world.done("CreateStream", new).await;
    assert_eq!(
        world.summary("t").await["RecordDistributionStrategy"],
        "AUTO"
    );
    world.done("DeleteStream", json!({"StreamName": "t"})).await;
    world.on_demand("t").await;
    assert_eq!(
        world.summary("t").await["RecordDistributionStrategy"],
        "USER_PARTITION_KEY"
    );
}

#[tokio::test]
async fn the_record_size_can_be_raised() {
    let world = world();
    world.stream("s", 1).await;
    let size = |kib: u32| json!({"StreamARN": world.arn("s"), "MaxRecordSizeInKiB": kib});
    change(&world, "UpdateMaxRecordSize", size(10_240)).await;
    assert_eq!(world.summary("s").await["MaxRecordSizeInKiB"], 10_240);
    for kib in [1_023, 10_241] {
        world
            .refused(
                "ValidationException",
                "maxRecordSizeInKiB",
                "UpdateMaxRecordSize",
                size(kib),
            )
            .await;
    }
    let input = json!({"MaxRecordSizeInKiB": 2_048});
    world
        .refused(
            "InvalidArgumentException",
            "StreamARN",
            "UpdateMaxRecordSize",
            input,
        )
        .await;
}
