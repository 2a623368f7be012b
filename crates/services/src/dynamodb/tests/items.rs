//! Items put, read and deleted, without expressions.

use serde_json::{Value, json};

use super::{item, with, world};

#[tokio::test]
async fn items_of_every_type_are_read_as_they_were_put() {
    let world = world();
    world.table("music").await;
    let mut every = item("p", "s");
    every["n"] = json!({"N": "-12.50"});
    every["b"] = json!({"B": "AP8="});
    every["bool"] = json!({"BOOL": false});
    every["null"] = json!({"NULL": true});
    every["map"] = json!({"M": {"a": {"L": [{"S": ""}, {"N": "1E2"}]}}});
    every["ss"] = json!({"SS": ["b", "a"]});
    every["ns"] = json!({"NS": ["3", "1"]});
    every["bs"] = json!({"BS": ["AQ==", "AA=="]});
    world.put("music", every.clone()).await;
    let mut expected = every;
    expected["n"] = json!({"N": "-12.5"});
    expected["map"] = json!({"M": {"a": {"L": [{"S": ""}, {"N": "100"}]}}});
    expected["ss"] = json!({"SS": ["a", "b"]});
    expected["ns"] = json!({"NS": ["1", "3"]});
    expected["bs"] = json!({"BS": ["AA==", "AQ=="]});
    assert_eq!(world.get("music", item("p", "s")).await, expected);
    let restarted = world.restarted();
    assert_eq!(restarted.get("music", item("p", "s")).await, expected);
}

#[tokio::test]
async fn a_put_replaces_and_a_delete_removes_and_both_tell_what_was_there() {
    let world = world();
    world.table("music").await;
    let first = with("p", "s", "a", json!({"N": "1"}));
    let put = |item: &Value| json!({"TableName": "music", "Item": item, "ReturnValues": "ALL_OLD"});
    assert_eq!(world.done("PutItem", put(&first)).await, json!({}));
    let second = with("p", "s", "b", json!({"N": "2"}));
    let told = world.done("PutItem", put(&second)).await;
    assert_eq!(told["Attributes"], first);
    let delete = json!({"TableName": "music", "Key": item("p", "s"), "ReturnValues": "ALL_OLD"});
    let told = world.done("DeleteItem", delete.clone()).await;
    assert_eq!(told["Attributes"], second);
    assert_eq!(world.done("DeleteItem", delete).await, json!({}));
    assert!(world.get("music", item("p", "s")).await.is_null());
    assert_eq!(world.described("music").await["ItemCount"], 0);
    assert_eq!(world.described("music").await["TableSizeBytes"], 0);
}

#[tokio::test]
async fn keys_that_do_not_fit_are_refused() {
    let world = world();
    world.table("music").await;
    let get = |key: Value| json!({"TableName": "music", "Key": key});
    let put = |item: Value| json!({"TableName": "music", "Item": item});
    let mismatch = "The provided key element does not match the schema";
    for key in [
        json!({"p": {"S": "p"}}),
        json!({"p": {"S": "p"}, "s": {"N": "1"}}),
        json!({"p": {"S": "p"}, "s": {"S": "s"}, "x": {"S": "x"}}),
        json!({"p": {"S": "p"}, "x": {"S": "x"}}),
    ] {
        world.invalid(mismatch, "GetItem", get(key.clone())).await;
        world.invalid(mismatch, "DeleteItem", get(key)).await;
    }
    let check = async |item: Value, text: &str| world.invalid(text, "PutItem", put(item)).await;
    check(json!({"p": {"S": "p"}}), "Missing the key s in the item").await;
    check(
        json!({"p": {"S": "p"}, "s": {"N": "1"}}),
        "Type mismatch for key s expected: S actual: N",
    )
    .await;
    check(
        item("", "s"),
        "The AttributeValue for a key attribute cannot contain an empty string value. Key: p",
    )
    .await;
    check(
        item(&"x".repeat(2_049), "s"),
        "Size of hashkey has exceeded the maximum size limit of2048 bytes",
    )
    .await;
    check(
        item("p", &"x".repeat(1_025)),
        "Size of rangekey has exceeded the maximum size limit of1024 bytes",
    )
    .await;
    world
        .put("music", item(&"\0".repeat(2_048), &"\0".repeat(1_024)))
        .await;
    world
        .invalid(
            "ReturnValues can only be ALL_OLD or NONE",
            "PutItem",
            json!({
                "TableName": "music", "Item": item("p", "s"), "ReturnValues": "ALL_NEW"
            }),
        )
        .await;
}

#[tokio::test]
async fn an_item_has_400_kib_at_most() {
    let world = world();
    world.table("music").await;
    // Names and values of keys take 4 bytes, the attribute's name takes one.
    let sized = |bytes: usize| with("p", "s", "a", json!({"S": "x".repeat(bytes - 5)}));
    world.put("music", sized(400 * 1_024)).await;
    let over = json!({"TableName": "music", "Item": sized(400 * 1_024 + 1)});
    world
        .invalid(
            "Item size has exceeded the maximum allowed size",
            "PutItem",
            over,
        )
        .await;
    assert_eq!(
        world.described("music").await["TableSizeBytes"],
        400 * 1_024
    );
}
