//! UpdateItem, and conditions of all writes, by expressions and by the parameters before them.

use serde_json::{Value, json};

use super::{World, item, with, world};

async fn counted() -> World {
    let world = world();
    world.table("music").await;
    world
        .put("music", with("p", "s", "n", json!({"N": "1"})))
        .await;
    world
}

fn update(mut more: Value) -> Value {
    let mut input = json!({"TableName": "music", "Key": item("p", "s")});
    for (name, value) in more.as_object_mut().unwrap() {
        input[name] = value.take();
    }
    input
}

#[tokio::test]
async fn an_update_tells_what_was_and_what_is() {
    let world = counted().await;
    let check = async |returned: &str, expected: Value| {
        let input = update(json!({
            "UpdateExpression": "SET a = :a ADD n :one",
            "ExpressionAttributeValues": {":a": {"S": "x"}, ":one": {"N": "1"}},
            "ReturnValues": returned,
        }));
        let told = world.done("UpdateItem", input).await;
        assert_eq!(told["Attributes"], expected, "{returned}");
    };
    check("NONE", Value::Null).await;
    check("UPDATED_OLD", json!({"a": {"S": "x"}, "n": {"N": "2"}})).await;
    check("UPDATED_NEW", json!({"a": {"S": "x"}, "n": {"N": "4"}})).await;
    let all = |n: &str| {
        let mut all = with("p", "s", "n", json!({"N": n}));
        all["a"] = json!({"S": "x"});
        all
    };
    check("ALL_OLD", all("4")).await;
    check("ALL_NEW", all("6")).await;
}

#[tokio::test]
async fn an_update_makes_an_item_that_is_not_there() {
    let world = world();
    world.table("music").await;
    let input = update(json!({
        "UpdateExpression": "SET n = if_not_exists(n, :zero) + :one",
        "ExpressionAttributeValues": {":zero": {"N": "0"}, ":one": {"N": "1"}},
    }));
    world.done("UpdateItem", input.clone()).await;
    world.done("UpdateItem", input).await;
    let expected = with("p", "s", "n", json!({"N": "2"}));
    assert_eq!(world.get("music", item("p", "s")).await, expected);
    // Without anything to do, it is made all the same.
    let other = json!({"TableName": "music", "Key": item("p", "other")});
    world.done("UpdateItem", other).await;
    assert_eq!(
        world.get("music", item("p", "other")).await,
        item("p", "other")
    );
}

#[tokio::test]
async fn conditions_hold_for_all_writes() {
    let world = counted().await;
    let condition = |met: bool| {
        json!({
            "ConditionExpression": "n = :n",
            "ExpressionAttributeValues": {":n": {"N": if met { "1" } else { "7" }}},
        })
    };
    let whole = with("p", "s", "n", json!({"N": "1"}));
    for operation in ["PutItem", "UpdateItem", "DeleteItem"] {
        for tells in [false, true] {
            let mut input = update(condition(false));
            if operation == "PutItem" {
                input["Item"] = item("p", "s");
                input.as_object_mut().unwrap().remove("Key");
            }
            if tells {
                input["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD");
            }
            let text = "The conditional request failed";
            let error = world
                .refused("ConditionalCheckFailedException", text, operation, input)
                .await;
            let told = if tells { whole.clone() } else { Value::Null };
            assert_eq!(error["Item"], told, "{operation}");
            assert_eq!(world.get("music", item("p", "s")).await, whole);
        }
    }
    world.done("DeleteItem", update(condition(true))).await;
    assert!(world.get("music", item("p", "s")).await.is_null());
    let input = update(condition(true));
    world
        .refused("ConditionalCheckFailedException", "", "DeleteItem", input)
        .await;
}

#[tokio::test]
async fn the_parameters_before_expressions_do_the_same() {
    let world = counted().await;
    let input = update(json!({
        "AttributeUpdates": {
            "n": {"Action": "ADD", "Value": {"N": "2"}},
            "a": {"Value": {"S": "x"}},
        },
        "Expected": {"n": {"Value": {"N": "1"}}, "a": {"Exists": false}},
        "ReturnValues": "ALL_NEW",
    }));
    let told = world.done("UpdateItem", input.clone()).await;
    assert_eq!(told["Attributes"]["n"], json!({"N": "3"}));
    assert_eq!(told["Attributes"]["a"], json!({"S": "x"}));
    world
        .refused("ConditionalCheckFailedException", "", "UpdateItem", input)
        .await;
    let either = update(json!({
        "Expected": {
            "n": {"ComparisonOperator": "GT", "AttributeValueList": [{"N": "100"}]},
            "a": {"ComparisonOperator": "NOT_NULL"},
        },
        "ConditionalOperator": "OR",
        "ReturnValues": "ALL_OLD",
    }));
    let told = world.done("DeleteItem", either).await;
    assert_eq!(told["Attributes"]["n"], json!({"N": "3"}));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let world = counted().await;
    let check =
        async |more: Value, text: &str| world.invalid(text, "UpdateItem", update(more)).await;
    check(
        json!({"UpdateExpression": "SET p = :v", "ExpressionAttributeValues": {":v": {"S": "x"}}}),
        "Cannot update attribute p. This attribute is part of the key",
    )
    .await;
    check(
        json!({"UpdateExpression": "SET a = :v", "AttributeUpdates": {}}),
        "Can not use both expression and non-expression parameters",
    )
    .await;
    check(
        json!({"UpdateExpression": "SET a = :v"}),
        "An expression attribute value used in expression is not defined; attribute value: :v",
    )
    .await;
    check(
        json!({"UpdateExpression": "REMOVE a", "ExpressionAttributeValues": {":v": {"S": "x"}}}),
        "unused in expressions: keys: {:v}",
    )
    .await;
    check(
        json!({"ExpressionAttributeNames": {"#n": "n"}}),
        "can only be specified when using expressions",
    )
    .await;
    check(
        json!({
            "UpdateExpression": "SET n = n + :v",
            "ExpressionAttributeValues": {":v": {"S": "x"}},
        }),
        "Incorrect operand type for operator or function",
    )
    .await;
    check(
        json!({"UpdateExpression": "SET a = nowhere"}),
        "refers to an attribute that does not exist in the item",
    )
    .await;
    let large = "x".repeat(400 * 1_024);
    check(
        json!({"UpdateExpression": "SET a = :v", "ExpressionAttributeValues": {":v": {"S": large}}}),
        "Item size to update has exceeded the maximum allowed size",
    )
    .await;
    let whole = with("p", "s", "n", json!({"N": "1"}));
    assert_eq!(world.get("music", item("p", "s")).await, whole);
}
