//! Tags.

use super::*;

#[tokio::test]
async fn tags_are_added_replaced_and_removed() {
    let world = world();
    let input = json!({"QueueName": "q", "tags": {"a": "1", "b": ""}});
    let url = world.done("CreateQueue", input).await["QueueUrl"].clone();
    let list = async || world.done("ListQueueTags", json!({"QueueUrl": url})).await;
    assert_eq!(list().await, json!({"Tags": {"a": "1", "b": ""}}));
    world
        .done(
            "TagQueue",
            json!({"QueueUrl": url, "Tags": {"a": "2", "c d": "é"}}),
        )
        .await;
    assert_eq!(
        list().await,
        json!({"Tags": {"a": "2", "b": "", "c d": "é"}})
    );
    world
        .done(
            "UntagQueue",
            json!({"QueueUrl": url, "TagKeys": ["a", "c d", "none"]}),
        )
        .await;
    assert_eq!(list().await, json!({"Tags": {"b": ""}}));
    world
        .done("UntagQueue", json!({"QueueUrl": url, "TagKeys": ["b"]}))
        .await;
    assert_eq!(list().await, json!({}));
}

#[tokio::test]
async fn tags_that_can_be_none_are_refused() {
    let world = world();
    let url = world.plain("q").await;
    let many: BTreeMap<String, String> = (0..51).map(|n| (n.to_string(), String::new())).collect();
    for tags in [
        json!({"": "x"}),
        json!({"x".repeat(129): "x"}),
        json!({"x": "x".repeat(257)}),
        json!({"aws:x": "x"}),
        json!({"a;b": "x"}),
        json!({"x": "a;b"}),
        json!(many),
    ] {
        for (operation, input) in [
            ("TagQueue", json!({"QueueUrl": url, "Tags": tags})),
            ("CreateQueue", json!({"QueueName": "new", "tags": tags})),
        ] {
            let (shape, ..) = world.ask(operation, input).await.unwrap_err();
            assert_eq!(
                shape, "InvalidParameterValueException",
                "{operation} {tags}"
            );
        }
    }
    let fifty: BTreeMap<String, String> = (0..50).map(|n| (n.to_string(), String::new())).collect();
    world
        .done("TagQueue", json!({"QueueUrl": url, "Tags": fifty}))
        .await;
}
