//! What CloudWatch is told of tables and of those who ask.

use serde_json::{Value, json};

use super::{Limits, World, item, sorted, with, world};
use crate::published::Told;

const TABLE: (&str, &str) = ("TableName", "music");

/// What is told of a metric with these dimensions.
fn told(world: &World, name: &str, dimensions: &[(&str, &str)]) -> Option<Told> {
    let mut found = world.dynamo.published().into_iter().filter(|one| {
        let of = one.dimensions.iter().map(|(name, value)| (*name, &**value));
        one.name == name && of.eq(dimensions.iter().copied())
    });
    let one = found.next()?;
    assert_eq!(found.next(), None, "{name} is told once");
    assert_eq!(one.namespace, "AWS/DynamoDB");
    assert_eq!(one.account.as_str(), world.account);
    Some(one.told)
}

fn totals(count: u64, sum: f64) -> Option<Told> {
    Some(Told::Totals { count, sum })
}

/// How many times an operation on the table was answered.
fn answered(world: &World, operation: &str) -> u64 {
    match told(
        world,
        "SuccessfulRequestLatency",
        &[TABLE, ("Operation", operation)],
    ) {
        Some(Told::Totals { count, .. }) => count,
        other => panic!("{operation}: {other:?}"),
    }
}

/// A provisioned table with a global index by `g`.
fn provisioned(read: i64, write: i64) -> Value {
    let mut table = sorted("music");
    table["BillingMode"] = "PROVISIONED".into();
    let units = json!({"ReadCapacityUnits": read, "WriteCapacityUnits": write});
    table["ProvisionedThroughput"] = units.clone();
    let attributes = table["AttributeDefinitions"].as_array_mut().unwrap();
    attributes.push(json!({"AttributeName": "g", "AttributeType": "S"}));
    table["GlobalSecondaryIndexes"] = json!([{
        "IndexName": "by-g",
        "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
        "ProvisionedThroughput": units,
    }]);
    table
}

#[tokio::test]
async fn requests_and_units_are_told_of_table_and_index() {
    let world = world();
    world.done("CreateTable", provisioned(5, 7)).await;
    world
        .put("music", with("p", "a", "g", json!({"S": "x"})))
        .await;
    world.put("music", item("p", "b")).await;
    let get = json!({"TableName": "music", "Key": item("p", "a")});
    world.done("GetItem", get).await;
    let query = json!({
        "TableName": "music", "IndexName": "by-g", "KeyConditionExpression": "g = :g",
        "ExpressionAttributeValues": {":g": {"S": "x"}},
    });
    world.done("Query", query).await;
    world.done("Scan", json!({"TableName": "music"})).await;
    assert_eq!(answered(&world, "PutItem"), 2);
    for operation in ["GetItem", "Query", "Scan"] {
        assert_eq!(answered(&world, operation), 1);
    }
    let of = |operation| [TABLE, ("Operation", operation)];
    assert_eq!(
        told(&world, "ReturnedItemCount", &of("Query")),
        totals(1, 1.0)
    );
    assert_eq!(
        told(&world, "ReturnedItemCount", &of("Scan")),
        totals(1, 2.0)
    );
    assert_eq!(told(&world, "ReturnedItemCount", &of("GetItem")), None);
    let index = [TABLE, ("GlobalSecondaryIndexName", "by-g")];
    let (read, write) = ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits");
    assert_eq!(told(&world, write, &[TABLE]), totals(2, 2.0));
    assert_eq!(told(&world, write, &index), totals(1, 1.0));
    // The get and the scan: half a unit each. The query is of the index.
    assert_eq!(told(&world, read, &[TABLE]), totals(2, 1.0));
    assert_eq!(told(&world, read, &index), totals(1, 0.5));
    let set = |units| Some(Told::Level(units));
    assert_eq!(
        told(&world, "ProvisionedReadCapacityUnits", &[TABLE]),
        set(5.0)
    );
    assert_eq!(
        told(&world, "ProvisionedWriteCapacityUnits", &[TABLE]),
        set(7.0)
    );
    assert_eq!(
        told(&world, "ProvisionedWriteCapacityUnits", &index),
        set(7.0)
    );
    assert_eq!(told(&world, "UserErrors", &[]), None);
    world
        .done("DeleteTable", json!({"TableName": "music"}))
        .await;
    assert_eq!(told(&world, write, &[TABLE]), None, "the table is gone");
}

#[tokio::test]
async fn a_table_on_demand_has_no_capacity_to_tell() {
    let world = world();
    world.table("music").await;
    assert_eq!(told(&world, "ProvisionedReadCapacityUnits", &[TABLE]), None);
    assert_eq!(world.dynamo.published(), [], "nothing has happened");
}

#[tokio::test]
async fn refusals_are_told_of_whom_they_are_the_doing() {
    let world = world();
    world.table("music").await;
    let mut failing = json!({"TableName": "music", "Item": item("p", "a")});
    failing["ConditionExpression"] = "attribute_exists(p)".into();
    let refused = async |operation: &str, input: Value| {
        world.ask(operation, input).await.unwrap_err();
    };
    refused("PutItem", failing.clone()).await;
    refused(
        "TransactWriteItems",
        json!({"TransactItems": [{"Put": failing}]}),
    )
    .await;
    let failed = told(&world, "ConditionalCheckFailedRequests", &[TABLE]);
    assert_eq!(failed, Some(Told::Total(2)));
    // The cancelled transaction is the caller's error, the condition that failed is not.
    assert_eq!(told(&world, "UserErrors", &[]), Some(Told::Total(1)));
    refused("PutItem", json!({"TableName": "music", "Item": {}})).await;
    refused("PutItem", json!({"TableName": "music"})).await;
    refused("PutItem", json!({"TableName": "music", "Item": {"p": 5}})).await;
    refused(
        "GetItem",
        json!({"TableName": "absent", "Key": item("p", "a")}),
    )
    .await;
    assert_eq!(told(&world, "UserErrors", &[]), Some(Told::Total(5)));
    let other = world.asked_by("210987654321", "eu-west-1");
    assert_eq!(told_in(&other), 0);
    other.ask("PutItem", json!({})).await.unwrap_err();
    assert_eq!((told_in(&other), told_in(&world)), (1, 5));
}

/// The errors of whoever asks.
fn told_in(world: &World) -> u64 {
    let all = world.dynamo.published().into_iter();
    let mut own =
        all.filter(|one| one.name == "UserErrors" && one.account.as_str() == world.account);
    match own.next().map(|one| one.told) {
        Some(Told::Total(count)) => count,
        _ => 0,
    }
}

#[tokio::test]
async fn what_there_is_no_capacity_for_is_told() {
    let world = World::new(Limits::Aws);
    world.done("CreateTable", provisioned(1, 1)).await;
    let put = || json!({"TableName": "music", "Item": item("p", "a")});
    let mut puts = 0;
    while world.ask("PutItem", put()).await.is_ok() {
        puts += 1;
    }
    assert_eq!(puts, 300, "five minutes' worth");
    let batch = json!({"RequestItems": {"music": [{"PutRequest": {"Item": item("p", "b")}}]}});
    world.ask("BatchWriteItem", batch).await.unwrap_err();
    assert_eq!(
        told(&world, "WriteThrottleEvents", &[TABLE]),
        Some(Told::Total(2))
    );
    for operation in ["PutItem", "BatchWriteItem"] {
        let throttled = told(
            &world,
            "ThrottledRequests",
            &[TABLE, ("Operation", operation)],
        );
        assert_eq!(throttled, Some(Told::Total(1)), "{operation}");
    }
    assert_eq!(told(&world, "ReadThrottleEvents", &[TABLE]), None);
    assert_eq!(told(&world, "UserErrors", &[]), None);
}

#[tokio::test]
async fn items_that_expire_are_told() {
    let world = world();
    world.table("music").await;
    let setting = json!({"TableName": "music", "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "ttl"}});
    world.done("UpdateTimeToLive", setting).await;
    world
        .put("music", with("p", "a", "ttl", json!({"N": "1699999999"})))
        .await;
    world
        .put("music", with("p", "b", "ttl", json!({"N": "1800000000"})))
        .await;
    assert_eq!(world.dynamo.expire().await.unwrap(), 1);
    let told = told(&world, "TimeToLiveDeletedItemCount", &[TABLE]);
    assert_eq!(told, Some(Told::Total(1)));
}
