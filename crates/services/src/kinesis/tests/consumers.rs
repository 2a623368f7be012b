//! RegisterStreamConsumer and its siblings.

use std::time::Duration;

use serde_json::{Value, json};

use super::{START, World, world};

async fn register(world: &World, stream: &str, name: &str) -> String {
    let input = json!({"StreamARN": world.arn(stream), "ConsumerName": name});
    let answer = world.done("RegisterStreamConsumer", input).await;
    answer["Consumer"]["ConsumerARN"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn listed(world: &World, input: Value) -> (Vec<String>, Value) {
    let answer = world.done("ListStreamConsumers", input).await;
    let names = answer["Consumers"].as_array().unwrap().iter();
    let names = names.map(|consumer| consumer["ConsumerName"].as_str().unwrap().to_owned());
    (names.collect(), answer["NextToken"].clone())
}

#[tokio::test]
async fn a_consumer_is_registered_described_and_deregistered() {
    let world = world();
    world.stream("s", 1).await;
    let seconds = START.0 / 1000 + 2;
    let arn = format!("{}/consumer/reader:{seconds}", world.arn("s"));
    let created = (START.0 + 2_000) as f64 / 1000.0;
    let input = json!({"StreamARN": world.arn("s"), "ConsumerName": "reader", "Tags": {"a": "b"}});
    let answer = world.done("RegisterStreamConsumer", input).await;
    let mut expected = json!({
        "ConsumerName": "reader",
        "ConsumerARN": arn,
        "ConsumerStatus": "CREATING",
        "ConsumerCreationTimestamp": created,
    });
    assert_eq!(answer["Consumer"], expected);
    world.later();
    expected["ConsumerStatus"] = json!("ACTIVE");
    expected["StreamARN"] = json!(world.arn("s"));
    let ways = [
        json!({"ConsumerARN": arn}),
        json!({"StreamARN": world.arn("s"), "ConsumerName": "reader"}),
        json!({"StreamARN": world.arn("s"), "ConsumerName": "reader", "ConsumerARN": arn}),
    ];
    for way in &ways {
        let answer = world.done("DescribeStreamConsumer", way.clone()).await;
        assert_eq!(answer["ConsumerDescription"], expected, "{way}");
    }
    let tags = world
        .done("ListTagsForResource", json!({"ResourceARN": arn}))
        .await;
    assert_eq!(tags["Tags"], json!([{"Key": "a", "Value": "b"}]));
    assert_eq!(world.summary("s").await["ConsumerCount"], 1);

    world
        .done("DeregisterStreamConsumer", ways[0].clone())
        .await;
    let told = "Consumer reader under stream s and account 123456789012 not found.";
    for way in ways {
        for operation in ["DescribeStreamConsumer", "DeregisterStreamConsumer"] {
            world
                .refused("ResourceNotFoundException", told, operation, way.clone())
                .await;
        }
    }
    assert_eq!(world.summary("s").await["ConsumerCount"], 0);
}

#[tokio::test]
async fn a_consumer_registered_anew_is_another() {
    let world = world();
    world.stream("s", 1).await;
    let old = register(&world, "s", "c").await;
    world
        .refused(
            "ResourceInUseException",
            "Consumer c under stream s",
            "RegisterStreamConsumer",
            json!({"StreamARN": world.arn("s"), "ConsumerName": "c"}),
        )
        .await;
    world
        .done("DeregisterStreamConsumer", json!({"ConsumerARN": old}))
        .await;
    world.later();
    let new = register(&world, "s", "c").await;
    assert_ne!(old, new);
    let input = json!({"ConsumerARN": old});
    world
        .refused(
            "ResourceNotFoundException",
            "",
            "DescribeStreamConsumer",
            input,
        )
        .await;
}

#[tokio::test]
async fn consumers_are_listed_in_pages_by_name() {
    let world = world();
    world.stream("s", 1).await;
    world.stream("t", 1).await;
    for name in ["c", "a", "b"] {
        register(&world, "s", name).await;
    }
    let arn = world.arn("s");
    let first = json!({"StreamARN": arn, "MaxResults": 2});
    let (names, token) = listed(&world, first).await;
    assert_eq!(names, ["a", "b"]);
    let next = json!({"StreamARN": arn, "NextToken": token});
    assert_eq!(
        listed(&world, next.clone()).await,
        (vec!["c".to_owned()], Value::Null)
    );
    let invalid = "InvalidArgumentException";
    let elsewhere = json!({"StreamARN": world.arn("t"), "NextToken": token});
    world
        .refused(invalid, "NextToken", "ListStreamConsumers", elsewhere)
        .await;
    let both =
        json!({"StreamARN": arn, "NextToken": token, "StreamCreationTimestamp": START.0 / 1000});
    world
        .refused(invalid, "together", "ListStreamConsumers", both)
        .await;
    world.clock.advance(Duration::from_secs(301));
    world
        .refused(
            "ExpiredNextTokenException",
            "expired",
            "ListStreamConsumers",
            next,
        )
        .await;
}

#[tokio::test]
async fn what_names_no_consumer_is_refused() {
    let world = world();
    world.stream("s", 1).await;
    let arn = register(&world, "s", "c").await;
    for operation in ["DescribeStreamConsumer", "DeregisterStreamConsumer"] {
        for input in [
            json!({}),
            json!({"StreamARN": world.arn("s")}),
            json!({"ConsumerName": "c"}),
            json!({"ConsumerARN": arn, "ConsumerName": "other"}),
            json!({"ConsumerARN": arn, "StreamARN": world.arn("t")}),
        ] {
            world
                .refused("InvalidArgumentException", "Consumer", operation, input)
                .await;
        }
        let input = json!({"ConsumerARN": "nonsense"});
        world
            .refused("ValidationException", "consumerARN", operation, input)
            .await;
    }
    let input = json!({"StreamARN": world.arn("none"), "ConsumerName": "c"});
    world
        .refused(
            "ResourceNotFoundException",
            "Stream none",
            "RegisterStreamConsumer",
            input,
        )
        .await;
    world
        .done(
            "CreateStream",
            json!({"StreamName": "new", "ShardCount": 1}),
        )
        .await;
    let input = json!({"StreamARN": world.arn("new"), "ConsumerName": "c"});
    world
        .refused(
            "ResourceInUseException",
            "CREATING",
            "RegisterStreamConsumer",
            input,
        )
        .await;
}
