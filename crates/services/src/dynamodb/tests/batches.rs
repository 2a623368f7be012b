//! BatchGetItem and BatchWriteItem.

use serde_json::{Value, json};

use super::{Limits, World, item, with, world};

#[tokio::test]
async fn a_batch_writes_and_reads_many() {
    let world = world();
    world.table("music").await;
    world.table("films").await;
    world.put("music", item("p", "old")).await;
    let puts: Vec<Value> = (0..20)
        .map(|n| json!({"PutRequest": {"Item": item("p", &n.to_string())}}))
        .collect();
    let delete = json!({"DeleteRequest": {"Key": item("p", "old")}});
    let input = json!({"RequestItems": {"music": puts, "films": [
        {"PutRequest": {"Item": with("f", "s", "a", json!({"S": "a"}))}}
    ]}, "ReturnConsumedCapacity": "TOTAL"});
    let told = world.done("BatchWriteItem", input).await;
    assert_eq!(told["UnprocessedItems"], json!({}));
    assert_eq!(
        told["ConsumedCapacity"],
        json!([
            {"TableName": "films", "CapacityUnits": 1.0}, {"TableName": "music", "CapacityUnits": 20.0}
        ])
    );
    world
        .done(
            "BatchWriteItem",
            json!({"RequestItems": {"music": [delete]}}),
        )
        .await;
    let mut keys: Vec<Value> = (0..20).map(|n| item("p", &n.to_string())).collect();
    keys.push(item("p", "old"));
    let input = json!({"RequestItems": {
        "music": {"Keys": keys, "ConsistentRead": true},
        "films": {"Keys": [item("f", "s")], "ProjectionExpression": "a"},
    }, "ReturnConsumedCapacity": "TOTAL"});
    let told = world.done("BatchGetItem", input).await;
    assert_eq!(told["Responses"]["music"].as_array().unwrap().len(), 20);
    assert_eq!(told["Responses"]["films"], json!([{"a": {"S": "a"}}]));
    assert_eq!(told["UnprocessedKeys"], json!({}));
    assert_eq!(told["ConsumedCapacity"][0]["CapacityUnits"], 0.5);
    assert_eq!(told["ConsumedCapacity"][1]["CapacityUnits"], 21.0);
}

#[tokio::test]
async fn a_batch_over_its_limits_is_refused() {
    let world = world();
    world.table("music").await;
    let check = async |operation: &str, items: Value, text: &str| {
        let input = json!({"RequestItems": {"music": items}});
        world.invalid(text, operation, input).await;
    };
    let put = |n: usize| json!({"PutRequest": {"Item": item("p", &n.to_string())}});
    let many: Vec<Value> = (0..26).map(put).collect();
    check(
        "BatchWriteItem",
        json!(many),
        "Too many items requested for the BatchWriteItem call",
    )
    .await;
    let duplicates = "Provided list of item keys contains duplicates";
    check("BatchWriteItem", json!([put(1), put(1)]), duplicates).await;
    let key = |n: usize| item("p", &n.to_string());
    let many: Vec<Value> = (0..101).map(key).collect();
    let text = "Too many items requested for the BatchGetItem call";
    check("BatchGetItem", json!({"Keys": many}), text).await;
    check(
        "BatchGetItem",
        json!({"Keys": [key(1), key(1)]}),
        duplicates,
    )
    .await;
    check(
        "BatchWriteItem",
        json!([{}]),
        "Supplied AttributeValue is empty",
    )
    .await;
    assert_eq!(world.described("music").await["ItemCount"], 0);
}

#[tokio::test]
async fn what_is_over_16_mb_is_left() {
    let world = world();
    world.table("music").await;
    for n in 0..50 {
        let large = with(
            "p",
            &n.to_string(),
            "a",
            json!({"S": "x".repeat(390 * 1_024)}),
        );
        world.put("music", large).await;
    }
    let mut keys: Vec<Value> = (0..50).map(|n| item("p", &n.to_string())).collect();
    let mut seen = 0;
    let mut rounds = 0;
    while !keys.is_empty() {
        let input = json!({"RequestItems": {"music": {"Keys": keys}}});
        let told = world.done("BatchGetItem", input).await;
        seen += told["Responses"]["music"].as_array().unwrap().len();
        let left = told["UnprocessedKeys"]["music"]["Keys"].as_array();
        keys = left.cloned().unwrap_or_default();
        rounds += 1;
    }
    assert_eq!((seen, rounds), (50, 2));
}

#[tokio::test]
async fn what_there_is_no_capacity_for_is_left() {
    let world = World::new(Limits::Aws);
    let mut input = super::sorted("music");
    input["BillingMode"] = json!("PROVISIONED");
    input["ProvisionedThroughput"] = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 1});
    world.done("CreateTable", input).await;
    // 100 units at a time, of 300 that a second's unit can have saved up.
    let put = |n: usize| {
        let large = with(
            "p",
            &n.to_string(),
            "a",
            json!({"S": "x".repeat(100 * 1_024 - 10)}),
        );
        json!({"PutRequest": {"Item": large}})
    };
    let puts: Vec<Value> = (0..6).map(put).collect();
    let batch = json!({"RequestItems": {"music": puts}});
    let told = world.done("BatchWriteItem", batch.clone()).await;
    let left = told["UnprocessedItems"]["music"].as_array().unwrap();
    assert!(!left.is_empty() && left.len() < 6, "{}", left.len());
    world
        .refused(
            "ProvisionedThroughputExceededException",
            "",
            "BatchWriteItem",
            batch,
        )
        .await;
}
