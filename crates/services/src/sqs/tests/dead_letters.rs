//! Redrive policies, and who may send dead letters where.

use super::*;

fn policy(arn: &str, count: &Value) -> String {
    json!({"deadLetterTargetArn": arn, "maxReceiveCount": count}).to_string()
}

/// Asserts that a redrive policy is refused for a reason.
async fn refused(world: &World, url: &str, policy: &str, reason: &str) {
    let input = json!({"QueueUrl": url, "Attributes": {"RedrivePolicy": policy}});
    let text = format!("Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}");
    world
        .refused(
            "InvalidParameterValueException",
            &text,
            "SetQueueAttributes",
            input,
        )
        .await;
}

#[tokio::test]
async fn a_redrive_policy_is_told_as_aws_tells_it() {
    let world = world();
    let dead = world.plain("dead").await;
    let url = world.plain("q").await;
    let told = policy(&world.arn("dead"), &json!(3));
    for count in [json!(3), json!("3")] {
        let given = policy(&world.arn("dead"), &count);
        world.set(&url, json!({"RedrivePolicy": given})).await;
        assert_eq!(
            world.attributes(&url, &["RedrivePolicy"]).await["RedrivePolicy"],
            told
        );
    }
    let sources = world
        .done("ListDeadLetterSourceQueues", json!({"QueueUrl": dead}))
        .await;
    assert_eq!(sources, json!({"queueUrls": [url]}));
    world.set(&url, json!({"RedrivePolicy": ""})).await;
    assert_eq!(
        world.attributes(&url, &["RedrivePolicy"]).await,
        Value::Null
    );
    let sources = world
        .done("ListDeadLetterSourceQueues", json!({"QueueUrl": dead}))
        .await;
    assert_eq!(sources, json!({"queueUrls": []}));
}

#[tokio::test]
async fn a_redrive_policy_that_can_be_none_is_refused() {
    let world = world();
    world.plain("dead").await;
    world.plain("dead.fifo").await;
    let url = world.plain("q").await;
    let dead = world.arn("dead");
    let no_json = "Amazon SQS can't create the redrive policy, as it's not in JSON format.";
    refused(&world, &url, "x", no_json).await;
    refused(&world, &url, "[]", no_json).await;
    let lacks =
        |member: &str| format!("Redrive policy does not contain mandatory attribute: {member}.");
    refused(&world, &url, "{}", &lacks("maxReceiveCount")).await;
    refused(
        &world,
        &url,
        r#"{"maxReceiveCount":1}"#,
        &lacks("deadLetterTargetArn"),
    )
    .await;
    for count in [json!(0), json!(1_001), json!("many"), json!(1.5)] {
        let told = count
            .as_str()
            .map_or_else(|| count.to_string(), str::to_owned);
        let reason = format!(
            "Invalid value for maxReceiveCount: {told}, valid values are from 1 to 1000 both inclusive."
        );
        refused(&world, &url, &policy(&dead, &count), &reason).await;
    }
    let more = json!({"deadLetterTargetArn": dead, "maxReceiveCount": 1, "more": 1}).to_string();
    let reason = "Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount].";
    refused(&world, &url, &more, reason).await;
    let elsewhere = "Dead-letter queue must be in same account and region as the source.";
    let west = "arn:aws:sqs:us-west-1:123456789012:dead";
    for (arn, reason) in [
        ("x", "Invalid value for deadLetterTargetArn."),
        (&world.arn("none"), "Dead letter target does not exist."),
        (
            &world.arn("dead.fifo"),
            "Dead-letter queue must be same type of queue as the source.",
        ),
        (west, elsewhere),
    ] {
        refused(&world, &url, &policy(arn, &json!(1)), reason).await;
    }
    let input = json!({"QueueName": "new", "Attributes": {"RedrivePolicy": policy(&world.arn("none"), &json!(1))}});
    let (shape, ..) = world.ask("CreateQueue", input).await.unwrap_err();
    assert_eq!(shape, "InvalidParameterValueException");
}

#[tokio::test]
async fn a_queue_says_whose_dead_letters_it_takes() {
    let world = world();
    let dead = world.plain("dead").await;
    let (a, b) = (world.plain("a").await, world.plain("b").await);
    let given = policy(&world.arn("dead"), &json!(1));
    let reason = "Dead-letter queue's redrive allow policy does not allow this source queue.";
    let allow = async |policy: Value| {
        let text = policy.to_string();
        world.set(&dead, json!({"RedriveAllowPolicy": text})).await;
        assert_eq!(
            world.attributes(&dead, &["RedriveAllowPolicy"]).await["RedriveAllowPolicy"],
            text
        );
    };
    allow(json!({"redrivePermission": "denyAll"})).await;
    refused(&world, &a, &given, reason).await;
    allow(json!({"redrivePermission": "byQueue", "sourceQueueArns": [world.arn("b")]})).await;
    refused(&world, &a, &given, reason).await;
    world.set(&b, json!({"RedrivePolicy": given})).await;
    allow(json!({"redrivePermission": "allowAll"})).await;
    world.set(&a, json!({"RedrivePolicy": given})).await;
    world.set(&dead, json!({"RedriveAllowPolicy": ""})).await;
    assert_eq!(
        world.attributes(&dead, &["RedriveAllowPolicy"]).await,
        Value::Null
    );
}

#[tokio::test]
async fn a_redrive_allow_policy_that_can_be_none_is_refused() {
    let world = world();
    let url = world.plain("q").await;
    let eleven: Vec<String> = (0..11).map(|n| world.arn(&n.to_string())).collect();
    for policy in [
        json!("x"),
        json!({}),
        json!({"redrivePermission": "some"}),
        json!({"redrivePermission": "byQueue"}),
        json!({"redrivePermission": "byQueue", "sourceQueueArns": []}),
        json!({"redrivePermission": "byQueue", "sourceQueueArns": ["x"]}),
        json!({"redrivePermission": "byQueue", "sourceQueueArns": eleven}),
        json!({"redrivePermission": "allowAll", "sourceQueueArns": [world.arn("a")]}),
    ] {
        let input =
            json!({"QueueUrl": url, "Attributes": {"RedriveAllowPolicy": policy.to_string()}});
        let (shape, _, text) = world.ask("SetQueueAttributes", input).await.unwrap_err();
        assert_eq!(shape, "InvalidParameterValueException");
        let beginning =
            format!("Value {policy} for parameter RedriveAllowPolicy is invalid. Reason: ");
        assert!(text.starts_with(&beginning), "{text}");
    }
}

#[tokio::test]
async fn sources_are_listed_in_pages() {
    let world = world();
    let dead = world.plain("dead").await;
    let given = policy(&world.arn("dead"), &json!(1));
    for name in ["a", "b", "c"] {
        world.queue(name, json!({"RedrivePolicy": given})).await;
    }
    let page = json!({"QueueUrl": dead, "MaxResults": 2});
    let page = world.done("ListDeadLetterSourceQueues", page).await;
    assert_eq!(page["queueUrls"], json!([world.url("a"), world.url("b")]));
    let rest = json!({"QueueUrl": dead, "MaxResults": 2, "NextToken": page["NextToken"]});
    let rest = world.done("ListDeadLetterSourceQueues", rest).await;
    assert_eq!(rest, json!({"queueUrls": [world.url("c")]}));
}
