//! Tags of both families, and resource policies.

use serde_json::{Value, json};

use super::{World, world};

async fn of_stream(world: &World) -> Value {
    let answer = world
        .done("ListTagsForStream", json!({"StreamName": "s"}))
        .await;
    answer["Tags"].clone()
}

async fn of_resource(world: &World, arn: &str) -> Value {
    let answer = world
        .done("ListTagsForResource", json!({"ResourceARN": arn}))
        .await;
    answer["Tags"].clone()
}

async fn consumer(world: &World) -> String {
    let input = json!({"StreamARN": world.arn("s"), "ConsumerName": "c"});
    let answer = world.done("RegisterStreamConsumer", input).await;
    answer["Consumer"]["ConsumerARN"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn both_families_see_one_set_and_a_consumer_has_its_own() {
    let world = world();
    world.stream("s", 1).await;
    let arn = world.arn("s");
    let consumer = consumer(&world).await;
    world
        .done(
            "AddTagsToStream",
            json!({"StreamName": "s", "Tags": {"a": "1", "b": "2"}}),
        )
        .await;
    world
        .done(
            "TagResource",
            json!({"ResourceARN": arn, "Tags": {"b": "two", "c": ""}}),
        )
        .await;
    world
        .done(
            "TagResource",
            json!({"ResourceARN": consumer, "Tags": {"of": "consumer"}}),
        )
        .await;
    let expected = json!([{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "two"}, {"Key": "c", "Value": ""}]);
    assert_eq!(of_stream(&world).await, expected);
    assert_eq!(of_resource(&world, &arn).await, expected);
    world
        .done(
            "UntagResource",
            json!({"ResourceARN": arn, "TagKeys": ["c", "none"]}),
        )
        .await;
    world
        .done(
            "RemoveTagsFromStream",
            json!({"StreamName": "s", "TagKeys": ["a"]}),
        )
        .await;
    assert_eq!(
        of_stream(&world).await,
        json!([{"Key": "b", "Value": "two"}])
    );
    assert_eq!(
        of_resource(&world, &consumer).await,
        json!([{"Key": "of", "Value": "consumer"}])
    );
    world
        .done(
            "UntagResource",
            json!({"ResourceARN": consumer, "TagKeys": ["of"]}),
        )
        .await;
    assert_eq!(of_resource(&world, &consumer).await, json!([]));
}

#[tokio::test]
async fn tags_are_listed_in_pages_by_key() {
    let world = world();
    let input = json!({"StreamName": "s", "ShardCount": 1, "Tags": {"a": "", "b": "", "c": ""}});
    world.done("CreateStream", input).await;
    let page = json!({"StreamName": "s", "Limit": 2});
    let first = world.done("ListTagsForStream", page).await;
    assert_eq!(
        (&first["Tags"][1]["Key"], &first["HasMoreTags"]),
        (&json!("b"), &json!(true))
    );
    let page = json!({"StreamName": "s", "ExclusiveStartTagKey": "b"});
    let last = world.done("ListTagsForStream", page).await;
    assert_eq!(
        (&last["Tags"][0]["Key"], &last["HasMoreTags"]),
        (&json!("c"), &json!(false))
    );
}

#[tokio::test]
async fn fifty_tags_are_the_most_and_replacing_one_needs_no_room() {
    let world = world();
    world.stream("s", 1).await;
    let tags: serde_json::Map<String, Value> =
        (0..50).map(|n| (format!("k{n}"), json!("v"))).collect();
    world
        .done("AddTagsToStream", json!({"StreamName": "s", "Tags": tags}))
        .await;
    let told = "Failed to add tags to stream s under account 123456789012 because a given stream cannot have more than 50 \
                tags associated with it.";
    let input = json!({"StreamName": "s", "Tags": {"one more": "v"}});
    world
        .refused("InvalidArgumentException", told, "AddTagsToStream", input)
        .await;
    world
        .done(
            "AddTagsToStream",
            json!({"StreamName": "s", "Tags": {"k1": "w"}}),
        )
        .await;
}

#[tokio::test]
async fn letters_that_tags_may_not_have_are_told_as_aws_tells_them() {
    let world = world();
    world.stream("s", 1).await;
    let add = async |tags: Value, told: &str| {
        let input = json!({"StreamName": "s", "Tags": tags});
        world
            .refused("InvalidArgumentException", told, "AddTagsToStream", input)
            .await;
    };
    let invalid = "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @.";
    for text in ["abc;def", "abc\tdef", "abc\ndef", "abc,def"] {
        add(json!({text: "1"}), invalid).await;
        add(json!({"a": text}), invalid).await;
    }
    let illegal = "Failed to add tags to stream s under account 123456789012 because some tags contained illegal characters. \
                   The allowed characters are Unicode letters, white-spaces, '_',',','/','=','+','-','@'.";
    add(json!({"abc%def": "1"}), illegal).await;
    let input = json!({"StreamName": "s", "TagKeys": ["abc%def"]});
    let illegal = illegal.replace("add tags to", "remove tags from");
    world
        .refused(
            "InvalidArgumentException",
            &illegal,
            "RemoveTagsFromStream",
            input,
        )
        .await;
    add(json!({"AWS:x": "1"}), "reserved").await;
    world
        .done(
            "AddTagsToStream",
            json!({"StreamName": "s", "Tags": {"d ü/+-@=._:": "ß"}}),
        )
        .await;
}

#[tokio::test]
async fn a_policy_is_kept_replaced_and_deleted() {
    let world = world();
    world.stream("s", 1).await;
    let consumer = consumer(&world).await;
    for arn in [world.arn("s"), consumer] {
        let resource = json!({"ResourceARN": arn});
        let policy = async || {
            let answer = world.done("GetResourcePolicy", resource.clone()).await;
            answer["Policy"].as_str().unwrap().to_owned()
        };
        assert_eq!(policy().await, "");
        for action in ["kinesis:GetRecords", "kinesis:PutRecord"] {
            let statement =
                json!({"Effect": "Allow", "Principal": "*", "Action": action, "Resource": arn});
            let text = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
            let input = json!({"ResourceARN": arn, "Policy": text});
            world.done("PutResourcePolicy", input).await;
            assert_eq!(policy().await, text);
        }
        let input = json!({"ResourceARN": arn, "Policy": "not json"});
        world
            .refused(
                "InvalidArgumentException",
                "Invalid policy",
                "PutResourcePolicy",
                input,
            )
            .await;
        world.done("DeleteResourcePolicy", resource.clone()).await;
        assert_eq!(policy().await, "");
    }
    for operation in [
        "GetResourcePolicy",
        "DeleteResourcePolicy",
        "ListTagsForResource",
    ] {
        let input = json!({"ResourceARN": world.arn("none")});
        world
            .refused("ResourceNotFoundException", "Stream none", operation, input)
            .await;
        let input = json!({"ResourceARN": format!("{}/consumer/none:1", world.arn("s"))});
        world
            .refused(
                "ResourceNotFoundException",
                "Consumer none",
                operation,
                input,
            )
            .await;
    }
}
