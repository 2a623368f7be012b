//! TransactWriteItems and TransactGetItems.

use serde_json::{Value, json};

use super::{World, item, with, world};

fn put(s: &str, condition: Option<&str>) -> Value {
    let mut put = json!({"TableName": "music", "Item": with("p", s, "n", json!({"N": "1"}))});
    if let Some(condition) = condition {
        put["ConditionExpression"] = json!(condition);
    }
    json!({"Put": put})
}

fn on(operation: &str, s: &str, mut more: Value) -> Value {
    let mut action = json!({"TableName": "music", "Key": item("p", s)});
    for (name, value) in more.as_object_mut().unwrap() {
        action[name] = value.take();
    }
    json!({operation: action})
}

async fn two() -> World {
    let world = world();
    world.table("music").await;
    world.put("music", item("p", "a")).await;
    world.put("music", item("p", "b")).await;
    world
}

#[tokio::test]
async fn all_is_done_or_nothing() {
    let world = two().await;
    let exists = json!({"ConditionExpression": "attribute_exists(p)"});
    let set =
        json!({"UpdateExpression": "SET x = :x", "ExpressionAttributeValues": {":x": {"S": "x"}}});
    let actions = |check: &str| {
        json!({"TransactItems": [
            put("c", Some("attribute_not_exists(p)")),
            on("Update", "a", set.clone()),
            on("Delete", "b", json!({})),
            on("ConditionCheck", check, exists.clone()),
        ]})
    };
    let text = "Transaction cancelled, please refer cancellation reasons for specific reasons [None, None, None, \
                ConditionalCheckFailed]";
    let error = world
        .refused(
            "TransactionCanceledException",
            text,
            "TransactWriteItems",
            actions("missing"),
        )
        .await;
    assert_eq!(
        error["CancellationReasons"],
        json!([
            {"Code": "None"}, {"Code": "None"}, {"Code": "None"},
            {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"},
        ])
    );
    assert_eq!(world.get("music", item("p", "a")).await, item("p", "a"));
    assert!(world.get("music", item("p", "c")).await.is_null());
    world.put("music", item("p", "there")).await;
    world.done("TransactWriteItems", actions("there")).await;
    assert_eq!(
        world.get("music", item("p", "a")).await,
        with("p", "a", "x", json!({"S": "x"}))
    );
    assert!(world.get("music", item("p", "b")).await.is_null());
    assert!(world.get("music", item("p", "c")).await.is_object());
    assert_eq!(world.described("music").await["ItemCount"], 3);
}

#[tokio::test]
async fn a_refusal_tells_the_item_where_it_is_asked_for() {
    let world = two().await;
    let mut action = put("a", Some("attribute_not_exists(p)"));
    action["Put"]["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD");
    let wrong = on(
        "Update",
        "b",
        json!({"UpdateExpression": "ADD p2 :s, s2 :n", "ExpressionAttributeValues": {":s": {"S": "x"}, ":n": {"N": "1"}}}),
    );
    let input = json!({"TransactItems": [action.clone(), put("c", None)]});
    let error = world
        .refused(
            "TransactionCanceledException",
            "",
            "TransactWriteItems",
            input,
        )
        .await;
    assert_eq!(error["CancellationReasons"][0]["Item"], item("p", "a"));
    let invalid = json!({"TransactItems": [wrong]});
    assert!(world.ask("TransactWriteItems", invalid).await.is_err());
    let missing = on("Update", "b", json!({"UpdateExpression": "SET x = y"}));
    let input = json!({"TransactItems": [missing]});
    let error = world
        .refused(
            "TransactionCanceledException",
            "[ValidationError]",
            "TransactWriteItems",
            input,
        )
        .await;
    assert_eq!(error["CancellationReasons"][0]["Code"], "ValidationError");
}

#[tokio::test]
async fn a_token_makes_a_transaction_once_in_ten_minutes() {
    let world = two().await;
    let add = |n: &str| {
        json!({
            "ClientRequestToken": "token",
            "ReturnConsumedCapacity": "TOTAL",
            "TransactItems": [on(
                "Update",
                "a",
                json!({"UpdateExpression": "ADD n :n", "ExpressionAttributeValues": {":n": {"N": n}}}),
            )],
        })
    };
    let first = world.done("TransactWriteItems", add("1")).await;
    assert_eq!(first["ConsumedCapacity"][0]["WriteCapacityUnits"], 2.0);
    let again = world.done("TransactWriteItems", add("1")).await;
    assert_eq!(again["ConsumedCapacity"][0]["ReadCapacityUnits"], 2.0);
    let restarted = world.restarted();
    restarted.done("TransactWriteItems", add("1")).await;
    let number = async || world.get("music", item("p", "a")).await["n"]["N"].take();
    assert_eq!(number().await, "1");
    world
        .refused(
            "IdempotentParameterMismatchException",
            "same client token",
            "TransactWriteItems",
            add("2"),
        )
        .await;
    let other = world.asked_by("210987654321", "us-east-1");
    other.table("music").await;
    other.done("TransactWriteItems", add("5")).await;
    world.later(601);
    world.done("TransactWriteItems", add("1")).await;
    assert_eq!(number().await, "2");
    world.later(601);
    world.dynamo.expire().await.unwrap();
    let scan = store::Scan::below(&store::Key::of(&["dynamodb-token"]));
    assert!(world.dynamo.store.scan(scan).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let world = two().await;
    let check = async |actions: Value, text: &str| {
        let input = json!({"TransactItems": actions});
        world.invalid(text, "TransactWriteItems", input).await;
    };
    check(
        json!([]),
        "Member must have length greater than or equal to 1",
    )
    .await;
    check(
        json!([{}]),
        "should contain Delete or Put or Update request",
    )
    .await;
    check(
        json!([put("a", None), on("Delete", "a", json!({}))]),
        "Transaction request cannot include multiple operations on one item",
    )
    .await;
    let many: Vec<Value> = (0..101).map(|n| put(&n.to_string(), None)).collect();
    check(
        json!(many),
        "Member must have length less than or equal to 100",
    )
    .await;
    check(
        json!([on("Update", "a", json!({"UpdateExpression": "SET p = a"}))]),
        "This attribute is part of the key",
    )
    .await;
    world
        .refused(
            "ResourceNotFoundException",
            "Requested resource not found",
            "TransactWriteItems",
            json!({"TransactItems": [{"Delete": {"TableName": "missing", "Key": item("p", "a")}}]}),
        )
        .await;
}

#[tokio::test]
async fn items_are_read_together() {
    let world = two().await;
    let get = |s: &str| json!({"Get": {"TableName": "music", "Key": item("p", s), "ProjectionExpression": "s"}});
    let input = json!({
        "TransactItems": [get("b"), get("missing"), get("a")],
        "ReturnConsumedCapacity": "TOTAL",
    });
    let told = world.done("TransactGetItems", input).await;
    let responses = json!([{"Item": {"s": {"S": "b"}}}, {}, {"Item": {"s": {"S": "a"}}}]);
    assert_eq!(told["Responses"], responses);
    assert_eq!(told["ConsumedCapacity"][0]["CapacityUnits"], 6.0);
}
