//! What of a table can be set, and what is told of it.

use serde_json::{Value, json};

use super::{item, sorted, with, world};

const ARN: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/music";

#[tokio::test]
async fn capacity_and_billing_are_changed() {
    let world = world();
    let mut input = sorted("music");
    input["BillingMode"] = json!("PROVISIONED");
    input["ProvisionedThroughput"] = json!({"ReadCapacityUnits": 5, "WriteCapacityUnits": 5});
    world.done("CreateTable", input).await;
    let provision = |read: i64, write: i64| {
        json!({
            "TableName": "music",
            "ProvisionedThroughput": {"ReadCapacityUnits": read, "WriteCapacityUnits": write},
        })
    };
    assert!(world.described("music").await["BillingModeSummary"].is_null());
    world.done("UpdateTable", provision(10, 3)).await;
    let told = world.described("music").await["ProvisionedThroughput"].take();
    let expected = json!({
        "LastIncreaseDateTime": 1_700_000_000.5, "LastDecreaseDateTime": 1_700_000_000.5,
        "NumberOfDecreasesToday": 1, "ReadCapacityUnits": 10, "WriteCapacityUnits": 3,
    });
    assert_eq!(told, expected);
    world
        .invalid("will not change", "UpdateTable", provision(10, 3))
        .await;
    let on_demand = json!({"TableName": "music", "BillingMode": "PAY_PER_REQUEST"});
    world.done("UpdateTable", on_demand).await;
    let told = world.described("music").await;
    assert_eq!(told["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(told["ProvisionedThroughput"]["ReadCapacityUnits"], 0);
    world
        .invalid(
            "Neither ReadCapacityUnits nor",
            "UpdateTable",
            provision(1, 1),
        )
        .await;
    let mut back = provision(2, 2);
    back["BillingMode"] = json!("PROVISIONED");
    world.done("UpdateTable", back).await;
    let told = world.described("music").await;
    assert_eq!(told["BillingModeSummary"]["BillingMode"], "PROVISIONED");
    assert_eq!(told["ProvisionedThroughput"]["WriteCapacityUnits"], 2);
    let nothing = json!({"TableName": "music"});
    world
        .invalid("At least one of", "UpdateTable", nothing)
        .await;
}

#[tokio::test]
async fn tags_are_kept_by_key() {
    let world = world();
    let mut input = sorted("music");
    input["Tags"] = json!([{"Key": "a", "Value": "1"}]);
    world.done("CreateTable", input).await;
    let more: Vec<Value> = (0..12)
        .map(|n| json!({"Key": format!("k{n:02}"), "Value": ""}))
        .collect();
    let tag = json!({"ResourceArn": ARN, "Tags": more});
    world.done("TagResource", tag).await;
    let untag = json!({"ResourceArn": ARN, "TagKeys": ["k00", "missing"]});
    world.done("UntagResource", untag).await;
    let page = world
        .done("ListTagsOfResource", json!({"ResourceArn": ARN}))
        .await;
    assert_eq!(page["Tags"].as_array().unwrap().len(), 10);
    assert_eq!(page["Tags"][0], json!({"Key": "a", "Value": "1"}));
    let next = json!({"ResourceArn": ARN, "NextToken": page["NextToken"]});
    let page = world.done("ListTagsOfResource", next).await;
    assert_eq!(page["Tags"].as_array().unwrap().len(), 2);
    assert!(page["NextToken"].is_null());
    let many: Vec<Value> = (0..51)
        .map(|n| json!({"Key": n.to_string(), "Value": ""}))
        .collect();
    let tag = json!({"ResourceArn": ARN, "Tags": many});
    world.invalid("Too many tags", "TagResource", tag).await;
    let missing = json!({"ResourceArn": format!("{ARN}x")});
    world
        .refused(
            "ResourceNotFoundException",
            "not found",
            "ListTagsOfResource",
            missing,
        )
        .await;
}

#[tokio::test]
async fn point_in_time_recovery_is_a_setting() {
    let world = world();
    world.table("music").await;
    let told = world
        .done("DescribeContinuousBackups", json!({"TableName": "music"}))
        .await;
    let status = |told: &Value| {
        told["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"].clone()
    };
    assert_eq!(status(&told), "DISABLED");
    let set = json!({
        "TableName": "music",
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true, "RecoveryPeriodInDays": 7},
    });
    assert_eq!(
        status(&world.done("UpdateContinuousBackups", set).await),
        "ENABLED"
    );
    let missing = json!({"TableName": "missing"});
    world
        .refused(
            "TableNotFoundException",
            "Table not found",
            "DescribeContinuousBackups",
            missing,
        )
        .await;
}

#[tokio::test]
async fn policies_are_kept_by_revision() {
    let world = world();
    world.table("music").await;
    let get = json!({"ResourceArn": ARN});
    world
        .refused(
            "PolicyNotFoundException",
            "",
            "GetResourcePolicy",
            get.clone(),
        )
        .await;
    let put = |text: &str, revision: Option<&str>| {
        let mut put = json!({"ResourceArn": ARN, "Policy": text});
        if let Some(revision) = revision {
            put["ExpectedRevisionId"] = json!(revision);
        }
        put
    };
    world
        .done("PutResourcePolicy", put("{}", Some("NO_POLICY")))
        .await;
    world
        .refused(
            "PolicyNotFoundException",
            "",
            "PutResourcePolicy",
            put("{\"a\":1}", Some("7")),
        )
        .await;
    let told = world
        .done("PutResourcePolicy", put("{\"a\":1}", Some("1")))
        .await;
    assert_eq!(told["RevisionId"], "2");
    let told = world.done("GetResourcePolicy", get.clone()).await;
    assert_eq!(told, json!({"Policy": "{\"a\":1}", "RevisionId": "2"}));
    world
        .invalid("malformed", "PutResourcePolicy", put("no", None))
        .await;
    world.done("DeleteResourcePolicy", get.clone()).await;
    world
        .refused("PolicyNotFoundException", "", "GetResourcePolicy", get)
        .await;
}

#[tokio::test]
async fn what_is_told_of_a_table_is_what_was_asked_for() {
    let world = world();
    let mut input = sorted("music");
    input["SSESpecification"] =
        json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": "1234"});
    input["TableClass"] = json!("STANDARD_INFREQUENT_ACCESS");
    input["OnDemandThroughput"] = json!({"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": -1});
    world.done("CreateTable", input).await;
    let told = world.described("music").await;
    let key = "arn:aws:kms:us-east-1:123456789012:key/1234";
    assert_eq!(told["SSEDescription"]["KMSMasterKeyArn"], key);
    assert_eq!(
        told["TableClassSummary"]["TableClass"],
        "STANDARD_INFREQUENT_ACCESS"
    );
    assert_eq!(
        told["OnDemandThroughput"],
        json!({"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": -1})
    );
    let told = world.done("DescribeLimits", json!({})).await;
    assert_eq!(told["TableMaxReadCapacityUnits"], 40_000);
    let told = world.done("DescribeEndpoints", json!({})).await;
    assert_eq!(told["Endpoints"][0]["Address"], "127.0.0.1:4566");
}

#[tokio::test]
async fn item_collections_are_told_where_there_are_local_indexes() {
    let world = world();
    let mut input = sorted("music");
    let a = json!({"AttributeName": "a", "AttributeType": "S"});
    input["AttributeDefinitions"]
        .as_array_mut()
        .unwrap()
        .push(a);
    input["LocalSecondaryIndexes"] = json!([{
        "IndexName": "by-a",
        "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "a", "KeyType": "RANGE"}],
        "Projection": {"ProjectionType": "ALL"},
    }]);
    world.done("CreateTable", input).await;
    world.table("plain").await;
    let put = |table: &str| {
        json!({
            "TableName": table,
            "Item": with("p", "s", "a", json!({"S": "a"})),
            "ReturnItemCollectionMetrics": "SIZE",
        })
    };
    let told = world.done("PutItem", put("music")).await;
    let expected =
        json!({"ItemCollectionKey": {"p": {"S": "p"}}, "SizeEstimateRangeGB": [0.0, 1.0]});
    assert_eq!(told["ItemCollectionMetrics"], expected);
    let told = world.done("PutItem", put("plain")).await;
    assert!(told["ItemCollectionMetrics"].is_null());
    assert!(world.get("plain", item("p", "s")).await.is_object());
}

#[tokio::test]
async fn what_is_not_built_says_so() {
    let world = world();
    for operation in ["CreateBackup", "ExecuteStatement", "ListGlobalTables"] {
        world
            .refused(
                "UnknownOperationException",
                "is not supported",
                operation,
                json!({}),
            )
            .await;
    }
}
