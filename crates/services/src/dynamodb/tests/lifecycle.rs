//! Tables made, described, listed and deleted.

use serde_json::json;

use super::{item, sorted, world};

#[tokio::test]
async fn a_table_is_made_described_and_deleted() {
    let world = world();
    let made = world.done("CreateTable", sorted("music")).await;
    let made = &made["TableDescription"];
    assert_eq!(made["TableStatus"], "CREATING");
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/music";
    assert_eq!(made["TableArn"], arn);
    let described = world.described("music").await;
    assert_eq!(described["TableStatus"], "ACTIVE");
    assert_eq!(described["ItemCount"], 0);
    assert_eq!(described["KeySchema"], sorted("music")["KeySchema"]);
    assert_eq!(
        described["BillingModeSummary"]["BillingMode"],
        "PAY_PER_REQUEST"
    );
    assert_eq!(described["CreationDateTime"], 1_700_000_000.5);
    world
        .refused(
            "ResourceInUseException",
            "Table already exists: music",
            "CreateTable",
            sorted("music"),
        )
        .await;
    let error = world
        .ask("CreateTable", sorted("music"))
        .await
        .unwrap_err()
        .1;
    let named = "com.amazonaws.dynamodb.v20120810#ResourceInUseException";
    assert_eq!(error["__type"], named);
    let by_arn = world.described(arn).await;
    assert_eq!(by_arn["TableId"], described["TableId"]);

    for n in 0..600 {
        world.put("music", item("p", &n.to_string())).await;
    }
    assert_eq!(world.described("music").await["ItemCount"], 600);
    let gone = world
        .done("DeleteTable", json!({"TableName": "music"}))
        .await;
    assert_eq!(gone["TableDescription"]["TableStatus"], "DELETING");
    let key = json!({"TableName": "music", "Key": item("p", "1")});
    world
        .refused(
            "ResourceNotFoundException",
            "Requested resource not found",
            "GetItem",
            key,
        )
        .await;
    let describe = json!({"TableName": "music"});
    world
        .until("the table is gone", async || {
            world.ask("DescribeTable", describe.clone()).await.is_err()
        })
        .await;
    assert!(nothing_is_left(&world).await);
    world.table("music").await;
    assert!(world.get("music", item("p", "1")).await.is_null());
}

async fn nothing_is_left(world: &super::World) -> bool {
    let prefix = store::Key::from_bytes("dynamodb".into());
    let scan = store::Scan {
        prefix,
        after: None,
        limit: 10,
    };
    world.dynamo.store.scan(scan).await.unwrap().is_empty()
}

#[tokio::test]
async fn a_deletion_goes_on_after_a_restart() {
    let world = world();
    world.table("music").await;
    for n in 0..300 {
        world.put("music", item("p", &n.to_string())).await;
    }
    // As a server leaves it that stops before it begins with the items.
    let name = super::super::naming::own(&aws::Caller::local(), "music");
    let name = super::super::records::TableName {
        account: ::model::AccountId::parse(super::ACCOUNT).unwrap(),
        ..name
    };
    let missing = || super::super::DynamoError::Internal;
    let marked = world.dynamo.change(&name, missing, |table| {
        table.is_deleting = true;
        Ok(())
    });
    marked.await.unwrap();
    let restarted = world.restarted();
    assert_eq!(
        restarted.described("music").await["TableStatus"],
        "DELETING"
    );
    restarted
        .refused(
            "ResourceInUseException",
            "Table already exists: music",
            "CreateTable",
            sorted("music"),
        )
        .await;
    restarted.dynamo.resume().await;
    restarted
        .until("nothing is left", async || {
            nothing_is_left(&restarted).await
        })
        .await;
}

#[tokio::test]
async fn tables_are_listed_by_name_in_pages_and_by_account() {
    let world = world();
    for name in ["bbb", "aaa", "ccc"] {
        world.table(name).await;
    }
    let other = world.asked_by("210987654321", "us-east-1");
    other.table("ddd").await;
    let page = world.done("ListTables", json!({"Limit": 2})).await;
    assert_eq!(
        page,
        json!({"TableNames": ["aaa", "bbb"], "LastEvaluatedTableName": "bbb"})
    );
    let rest = json!({"Limit": 2, "ExclusiveStartTableName": "bbb"});
    let page = world.done("ListTables", rest).await;
    assert_eq!(page, json!({"TableNames": ["ccc"]}));
    let elsewhere = world.asked_by(super::ACCOUNT, "eu-west-1");
    let page = elsewhere.done("ListTables", json!({})).await;
    assert_eq!(page, json!({"TableNames": []}));
    other
        .refused(
            "ResourceNotFoundException",
            "Requested resource not found",
            "GetItem",
            json!({"TableName": "aaa", "Key": item("p", "s")}),
        )
        .await;
}

#[tokio::test]
async fn a_protected_table_stays() {
    let world = world();
    let mut input = sorted("music");
    input["DeletionProtectionEnabled"] = json!(true);
    world.done("CreateTable", input).await;
    let delete = json!({"TableName": "music"});
    world
        .invalid("protected against deletion", "DeleteTable", delete.clone())
        .await;
    let update = json!({"TableName": "music", "DeletionProtectionEnabled": false});
    world.done("UpdateTable", update).await;
    world.done("DeleteTable", delete).await;
}

#[tokio::test]
async fn what_is_no_table_is_refused() {
    let world = world();
    let check = async |change: serde_json::Value, text: &str| {
        let mut input = sorted("music");
        for (name, value) in change.as_object().unwrap() {
            input[name] = value.clone();
        }
        world.invalid(text, "CreateTable", input).await;
    };
    check(json!({"TableName": "no"}), "Invalid table/index name").await;
    check(
        json!({"BillingMode": "PROVISIONED"}),
        "ReadCapacityUnits and WriteCapacityUnits must both be specified",
    )
    .await;
    check(
        json!({"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}),
        "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified",
    )
    .await;
    check(
        json!({"KeySchema": [{"AttributeName": "p", "KeyType": "RANGE"}]}),
        "The first KeySchemaElement is not a HASH key type",
    )
    .await;
    check(
        json!({"KeySchema": [{"AttributeName": "q", "KeyType": "HASH"}]}),
        "Some index key attributes are not defined in AttributeDefinitions. Keys: [q], AttributeDefinitions: [p, s]",
    )
    .await;
    check(
        json!({"KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}]}),
        "does not exactly match number of attributes defined",
    )
    .await;
    check(
        json!({"StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"}}),
        "DynamoDB Streams is not supported",
    )
    .await;
    check(
        json!({"TableClass": "COLD"}),
        "failed to satisfy constraint",
    )
    .await;
}
