//! Attributes set, refused and told.

use super::*;

#[tokio::test]
async fn a_plain_queue_tells_what_aws_tells() {
    let world = world();
    let url = world.plain("q").await;
    let told = world.attributes(&url, &["All"]).await;
    let expected = json!({
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "CreatedTimestamp": "1700000000",
        "DelaySeconds": "0",
        "LastModifiedTimestamp": "1700000000",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "QueueArn": world.arn("q"),
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "VisibilityTimeout": "30",
    });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_fifo_queue_tells_more() {
    let world = world();
    let url = world.plain("q.fifo").await;
    let told = world.attributes(&url, &["All"]).await;
    for (name, value) in [
        ("FifoQueue", "true"),
        ("ContentBasedDeduplication", "false"),
        ("DeduplicationScope", "queue"),
        ("FifoThroughputLimit", "perQueue"),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
}

#[tokio::test]
async fn those_asked_for_are_told() {
    let world = world();
    let url = world.plain("q").await;
    assert_eq!(
        world
            .done("GetQueueAttributes", json!({"QueueUrl": url}))
            .await,
        json!({})
    );
    let told = world
        .attributes(&url, &["QueueArn", "Policy", "VisibilityTimeout"])
        .await;
    assert_eq!(
        told,
        json!({"QueueArn": world.arn("q"), "VisibilityTimeout": "30"})
    );
    let input = json!({"QueueUrl": url, "AttributeNames": ["QueueArn", "Colour"]});
    let text = "Unknown Attribute Colour.";
    world
        .refused("InvalidAttributeName", text, "GetQueueAttributes", input)
        .await;
}

#[tokio::test]
async fn setting_changes_what_is_told() {
    let world = world();
    let url = world.plain("q").await;
    world.later(60);
    let given = json!({
        "DelaySeconds": "900",
        "MaximumMessageSize": "1024",
        "MessageRetentionPeriod": "1209600",
        "ReceiveMessageWaitTimeSeconds": "20",
        "VisibilityTimeout": "43200",
    });
    world.set(&url, given.clone()).await;
    let names: Vec<&str> = given
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(world.attributes(&url, &names).await, given);
    let times = world
        .attributes(&url, &["CreatedTimestamp", "LastModifiedTimestamp"])
        .await;
    assert_eq!(
        times,
        json!({"CreatedTimestamp": "1700000000", "LastModifiedTimestamp": "1700000060"})
    );
}

#[tokio::test]
async fn a_value_out_of_bounds_is_refused_by_both_operations() {
    let world = world();
    let url = world.plain("q").await;
    for (name, values) in [
        ("DelaySeconds", ["-1", "901", "x"]),
        ("MaximumMessageSize", ["1023", "1048577", ""]),
        ("MessageRetentionPeriod", ["59", "1209601", "1.5"]),
        ("ReceiveMessageWaitTimeSeconds", ["-1", "21", " 1"]),
        ("VisibilityTimeout", ["-1", "43201", "4294967296"]),
        ("KmsDataKeyReusePeriodSeconds", ["59", "86401", "x"]),
        ("SqsManagedSseEnabled", ["yes", "1", ""]),
        ("Policy", ["{}", "x", r#"{"Statement":[]}"#]),
        ("KmsMasterKeyId", ["a b", "*", "é"]),
    ] {
        let text = format!("Invalid value for the parameter {name}.");
        for value in values {
            let attributes = json!({name: value});
            let set = json!({"QueueUrl": url, "Attributes": attributes});
            let create = json!({"QueueName": "new", "Attributes": attributes});
            world
                .refused("InvalidAttributeValue", &text, "SetQueueAttributes", set)
                .await;
            world
                .refused("InvalidAttributeValue", &text, "CreateQueue", create)
                .await;
        }
    }
    assert_eq!(
        world.done("ListQueues", json!({})).await["QueueUrls"],
        json!([url])
    );
}

#[tokio::test]
async fn attributes_of_other_queues_and_of_none_are_unknown() {
    let world = world();
    let url = world.plain("q").await;
    let scope = "You can specify the DeduplicationScope only when FifoQueue is set to true.";
    let limit = "You can specify the FifoThroughputLimit only when FifoQueue is set to true.";
    for (name, value, text) in [
        ("FifoQueue", "true", "Unknown Attribute FifoQueue."),
        ("FifoQueue", "false", "Unknown Attribute FifoQueue."),
        (
            "ContentBasedDeduplication",
            "true",
            "Unknown Attribute ContentBasedDeduplication.",
        ),
        ("DeduplicationScope", "queue", scope),
        ("FifoThroughputLimit", "perQueue", limit),
        ("QueueArn", "x", "Unknown Attribute QueueArn."),
        (
            "ApproximateNumberOfMessages",
            "1",
            "Unknown Attribute ApproximateNumberOfMessages.",
        ),
        ("All", "x", "Unknown Attribute All."),
        ("Colour", "red", "Unknown Attribute Colour."),
    ] {
        let input = json!({"QueueUrl": url, "Attributes": {name: value}});
        world
            .refused("InvalidAttributeName", text, "SetQueueAttributes", input)
            .await;
    }
    let fifo = world.plain("q.fifo").await;
    let input = json!({"QueueUrl": fifo, "Attributes": {"FifoQueue": "false"}});
    let text =
        "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.";
    world
        .refused("InvalidAttributeValue", text, "SetQueueAttributes", input)
        .await;
    world.set(&fifo, json!({"FifoQueue": "true"})).await;
}

#[tokio::test]
async fn high_throughput_is_for_groups_alone() {
    let world = world();
    let url = world.plain("q.fifo").await;
    let text = "Invalid value for the parameter FifoThroughputLimit. Reason: The perMessageGroupId value is allowed only when the \
                value for DeduplicationScope is messageGroup.";
    let alone =
        json!({"QueueUrl": url, "Attributes": {"FifoThroughputLimit": "perMessageGroupId"}});
    world
        .refused("InvalidAttributeValue", text, "SetQueueAttributes", alone)
        .await;
    let both =
        json!({"FifoThroughputLimit": "perMessageGroupId", "DeduplicationScope": "messageGroup"});
    world.set(&url, both.clone()).await;
    let told = world
        .attributes(&url, &["FifoThroughputLimit", "DeduplicationScope"])
        .await;
    assert_eq!(told, both);
    for name in [
        "FifoThroughputLimit",
        "DeduplicationScope",
        "ContentBasedDeduplication",
    ] {
        let text = format!("Invalid value for the parameter {name}.");
        let input = json!({"QueueUrl": url, "Attributes": {name: "some"}});
        world
            .refused("InvalidAttributeValue", &text, "SetQueueAttributes", input)
            .await;
    }
}

/// What is told of encryption.
async fn encryption(world: &World, url: &str) -> Value {
    let names = [
        "SqsManagedSseEnabled",
        "KmsMasterKeyId",
        "KmsDataKeyReusePeriodSeconds",
    ];
    world.attributes(url, &names).await
}

#[tokio::test]
async fn one_kind_of_encryption_takes_the_others_place() {
    let world = world();
    let url = world.plain("q").await;
    let kms = json!({"KmsMasterKeyId": "alias/k", "KmsDataKeyReusePeriodSeconds": "6000"});
    world.set(&url, kms).await;
    let told = json!({
        "SqsManagedSseEnabled": "false",
        "KmsMasterKeyId": "alias/k",
        "KmsDataKeyReusePeriodSeconds": "6000",
    });
    assert_eq!(encryption(&world, &url).await, told);
    world
        .set(
            &url,
            json!({"KmsMasterKeyId": "", "KmsDataKeyReusePeriodSeconds": "300"}),
        )
        .await;
    assert_eq!(
        encryption(&world, &url).await,
        json!({"SqsManagedSseEnabled": "false"})
    );
    world
        .set(&url, json!({"SqsManagedSseEnabled": "true"}))
        .await;
    assert_eq!(
        encryption(&world, &url).await,
        json!({"SqsManagedSseEnabled": "true"})
    );
    world
        .set(&url, json!({"SqsManagedSseEnabled": "false"}))
        .await;
    assert_eq!(
        encryption(&world, &url).await,
        json!({"SqsManagedSseEnabled": "false"})
    );
    let both = json!({"KmsMasterKeyId": "k", "SqsManagedSseEnabled": "true"});
    let text = "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.";
    let input = json!({"QueueUrl": url, "Attributes": both});
    world
        .refused("InvalidAttributeName", text, "SetQueueAttributes", input)
        .await;
}
