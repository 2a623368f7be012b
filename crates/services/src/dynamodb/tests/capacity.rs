//! What operations cost, and that it holds where capacity is limited.

use serde_json::{Value, json};

use super::{Limits, World, item, sorted, with, world};

fn filled(s: &str, bytes: usize) -> Value {
    // The key takes 4 bytes, the attribute's name takes one.
    with("p", s, "a", json!({"S": "x".repeat(bytes - 4 - s.len())}))
}

async fn cost(world: &World, operation: &str, more: Value) -> Value {
    let mut input = json!({"TableName": "music", "ReturnConsumedCapacity": "TOTAL"});
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    let told = world.done(operation, input).await;
    assert_eq!(told["ConsumedCapacity"]["TableName"], "music");
    told["ConsumedCapacity"]["CapacityUnits"].clone()
}

#[tokio::test]
async fn writes_cost_by_the_larger_item() {
    let world = world();
    world.table("music").await;
    let put = |bytes: usize| json!({"Item": filled("s", bytes)});
    assert_eq!(cost(&world, "PutItem", put(1_024)).await, 1.0);
    assert_eq!(cost(&world, "PutItem", put(1_025)).await, 2.0);
    assert_eq!(
        cost(&world, "PutItem", put(100)).await,
        2.0,
        "the old one is larger"
    );
    let delete = json!({"Key": item("p", "s")});
    assert_eq!(cost(&world, "DeleteItem", delete.clone()).await, 1.0);
    assert_eq!(cost(&world, "DeleteItem", delete).await, 1.0, "of nothing");
}

#[tokio::test]
async fn reads_cost_half_where_they_need_not_be_consistent() {
    let world = world();
    world.table("music").await;
    world.put("music", filled("a", 4_096)).await;
    world.put("music", filled("b", 4_097)).await;
    let get = |s: &str, is_consistent: bool| json!({"Key": item("p", s), "ConsistentRead": is_consistent});
    for (s, is_consistent, units) in [
        ("a", true, 1.0),
        ("a", false, 0.5),
        ("b", true, 2.0),
        ("b", false, 1.0),
        ("missing", true, 1.0),
        ("missing", false, 0.5),
    ] {
        assert_eq!(cost(&world, "GetItem", get(s, is_consistent)).await, units);
    }
    // Of what is read together the sum is rounded.
    let query = json!({
        "KeyConditionExpression": "p = :p",
        "ExpressionAttributeValues": {":p": {"S": "p"}},
        "ConsistentRead": true,
    });
    assert_eq!(cost(&world, "Query", query).await, 3.0);
    assert_eq!(cost(&world, "Scan", json!({})).await, 1.5);
}

#[tokio::test]
async fn indexes_cost_where_they_change() {
    let world = world();
    let mut input = sorted("music");
    let g = json!({"AttributeName": "g", "AttributeType": "S"});
    input["AttributeDefinitions"]
        .as_array_mut()
        .unwrap()
        .push(g);
    input["GlobalSecondaryIndexes"] = json!([{
        "IndexName": "by-g",
        "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }]);
    world.done("CreateTable", input).await;
    let check = async |item: Value, units: Value| {
        let input =
            json!({"TableName": "music", "Item": item, "ReturnConsumedCapacity": "INDEXES"});
        let told = world.done("PutItem", input).await;
        let index = &told["ConsumedCapacity"]["GlobalSecondaryIndexes"]["by-g"];
        assert_eq!(index["CapacityUnits"], units);
        assert_eq!(told["ConsumedCapacity"]["Table"]["CapacityUnits"], 1.0);
        let sum = 1.0 + units.as_f64().unwrap_or_default();
        assert_eq!(told["ConsumedCapacity"]["CapacityUnits"], sum);
    };
    let of = |g: &str| with("p", "s", "g", json!({"S": g}));
    check(item("p", "s"), Value::Null).await;
    check(of("a"), json!(1.0)).await;
    check(of("a"), Value::Null).await;
    check(of("b"), json!(2.0)).await;
    let mut more = of("b");
    more["unprojected"] = json!({"S": "x"});
    check(more, Value::Null).await;
    check(item("p", "s"), json!(1.0)).await;
}

#[tokio::test]
async fn a_provisioned_table_has_its_units_and_a_burst() {
    let world = World::new(Limits::Aws);
    let mut input = sorted("music");
    input["BillingMode"] = json!("PROVISIONED");
    input["ProvisionedThroughput"] = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 2});
    world.done("CreateTable", input).await;
    let writes = async || {
        let mut count = 0;
        let put = json!({"TableName": "music", "Item": item("p", "s")});
        while world.ask("PutItem", put.clone()).await.is_ok() {
            count += 1;
        }
        count
    };
    assert_eq!(writes().await, 600, "300 seconds' worth");
    world.later(1);
    assert_eq!(writes().await, 2);
    world.later(10);
    assert_eq!(writes().await, 20);
    let put = json!({"TableName": "music", "Item": item("p", "s")});
    world
        .refused(
            "ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded",
            "PutItem",
            put.clone(),
        )
        .await;
    let transaction = json!({"TransactItems": [{"Put": put}]});
    world
        .refused(
            "TransactionCanceledException",
            "[ProvisionedThroughputExceeded]",
            "TransactWriteItems",
            transaction,
        )
        .await;
    let mut reads = 0;
    let get = json!({"TableName": "music", "Key": item("p", "s")});
    while world.ask("GetItem", get.clone()).await.is_ok() {
        reads += 1;
    }
    assert_eq!(reads, 600, "half a unit each");
    let raise = json!({
        "TableName": "music",
        "ProvisionedThroughput": {"ReadCapacityUnits": 100, "WriteCapacityUnits": 2},
    });
    world.done("UpdateTable", raise).await;
    world.later(1);
    world.done("GetItem", get).await;
}

#[tokio::test]
async fn a_global_index_without_capacity_holds_its_table_up() {
    let world = World::new(Limits::Aws);
    let mut input = sorted("music");
    let g = json!({"AttributeName": "g", "AttributeType": "S"});
    input["AttributeDefinitions"]
        .as_array_mut()
        .unwrap()
        .push(g);
    let wide = json!({"ReadCapacityUnits": 1_000, "WriteCapacityUnits": 1_000});
    input["BillingMode"] = json!("PROVISIONED");
    input["ProvisionedThroughput"] = wide;
    input["GlobalSecondaryIndexes"] = json!([{
        "IndexName": "by-g",
        "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
        "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
    }]);
    world.done("CreateTable", input).await;
    let mut writes = 0;
    loop {
        let item = with("p", &writes.to_string(), "g", json!({"S": "g"}));
        let put = json!({"TableName": "music", "Item": item});
        if world.ask("PutItem", put).await.is_err() {
            break;
        }
        writes += 1;
    }
    assert_eq!(writes, 300);
}

#[tokio::test]
async fn nothing_is_throttled_without_limits() {
    let world = world();
    let mut input = sorted("music");
    input["BillingMode"] = json!("PROVISIONED");
    input["ProvisionedThroughput"] = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 1});
    world.done("CreateTable", input).await;
    for _ in 0..1_000 {
        world.put("music", item("p", "s")).await;
    }
}
