//! Requests that no honest client sends: each is answered as AWS answers it, none is the server's fault.

use aws::Support;
use serde_json::{Value, json};

use super::super::support;
use super::{World, item, sorted, with, world};

/// An input of each operation that is answered, with as many members as go together.
#[rustfmt::skip]
#[allow(clippy::too_many_lines)] // A list.
fn honest() -> Vec<(&'static str, Value)> {
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/music";
    let key = || item("p", "s");
    let index = json!({
        "IndexName": "other", "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["a"]},
        "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
    });
    let expression = json!({"#a": "a"});
    let every = json!({
        "p": {"S": "p"}, "s": {"S": "s"}, "n": {"N": "1"}, "b": {"B": "AA=="}, "t": {"BOOL": true}, "u": {"NULL": true},
        "m": {"M": {"x": {"S": ""}}}, "l": {"L": [{"N": "1"}]}, "ss": {"SS": ["x"]}, "ns": {"NS": ["1"]}, "bs": {"BS": ["AA=="]},
    });
    let action = json!({
        "TableName": "music", "Key": key(), "UpdateExpression": "SET #a = :a", "ConditionExpression": "#a <> :a",
        "ExpressionAttributeNames": expression, "ExpressionAttributeValues": {":a": {"S": "x"}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    let mut table = sorted("another");
    table["GlobalSecondaryIndexes"] = json!([index]);
    table["LocalSecondaryIndexes"] = json!([{
        "IndexName": "local", "Projection": {"ProjectionType": "ALL"}, "KeySchema": index["KeySchema"],
    }]);
    table["OnDemandThroughput"] = json!({"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 5});
    table["SSESpecification"] = json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": "x"});
    table["Tags"] = json!([{"Key": "a", "Value": "b"}]);
    table["DeletionProtectionEnabled"] = false.into();
    let tested = json!({"a": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "x"}]}});
    vec![
        ("CreateTable", table),
        ("DescribeTable", json!({"TableName": "music"})),
        ("ListTables", json!({"Limit": 5, "ExclusiveStartTableName": "abc"})),
        ("UpdateTable", json!({
            "TableName": "music", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": sorted("music")["AttributeDefinitions"],
            "GlobalSecondaryIndexUpdates": [{"Create": index}],
        })),
        ("TagResource", json!({"ResourceArn": arn, "Tags": [{"Key": "a", "Value": "b"}]})),
        ("UntagResource", json!({"ResourceArn": arn, "TagKeys": ["a"]})),
        ("ListTagsOfResource", json!({"ResourceArn": arn, "NextToken": "x"})),
        ("UpdateTimeToLive", json!({"TableName": "music", "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "a"}})),
        ("DescribeTimeToLive", json!({"TableName": "music"})),
        ("UpdateContinuousBackups", json!({
            "TableName": "music",
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true, "RecoveryPeriodInDays": 5},
        })),
        ("DescribeContinuousBackups", json!({"TableName": "music"})),
        ("PutResourcePolicy", json!({"ResourceArn": arn, "Policy": "{}", "ExpectedRevisionId": "1"})),
        ("GetResourcePolicy", json!({"ResourceArn": arn})),
        ("DeleteResourcePolicy", json!({"ResourceArn": arn, "ExpectedRevisionId": "1"})),
        ("DescribeLimits", json!({})),
        ("DescribeEndpoints", json!({})),
        ("PutItem", json!({
            "TableName": "music", "Item": every, "ConditionExpression": "#a <> :a", "ExpressionAttributeNames": expression,
            "ExpressionAttributeValues": {":a": every["m"]}, "ReturnValues": "ALL_OLD", "ReturnConsumedCapacity": "INDEXES",
            "ReturnItemCollectionMetrics": "SIZE", "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        })),
        ("GetItem", json!({
            "TableName": "music", "Key": key(), "ConsistentRead": true, "ProjectionExpression": "#a",
            "ExpressionAttributeNames": expression,
        })),
        ("UpdateItem", json!({
            "TableName": "music", "Key": key(), "UpdateExpression": "SET #a = :a", "ExpressionAttributeNames": expression,
            "ExpressionAttributeValues": {":a": {"L": [{"S": "x"}]}}, "ReturnValues": "UPDATED_NEW",
        })),
        ("UpdateItem", json!({
            "TableName": "music", "Key": key(), "AttributeUpdates": {"a": {"Action": "PUT", "Value": {"S": "x"}}},
            "Expected": {"b": {"ComparisonOperator": "NE", "AttributeValueList": [{"S": "x"}]}, "c": {"Exists": false}},
            "ConditionalOperator": "AND",
        })),
        ("DeleteItem", json!({"TableName": "music", "Key": key(), "Expected": {"b": {"Exists": false}}})),
        ("Query", json!({
            "TableName": "music", "KeyConditionExpression": "p = :p AND s > :s", "FilterExpression": "#a <> :p",
            "ExpressionAttributeNames": expression, "ExpressionAttributeValues": {":p": {"S": "p"}, ":s": {"S": "a"}},
            "ExclusiveStartKey": key(), "Limit": 5, "ScanIndexForward": false, "Select": "ALL_ATTRIBUTES",
        })),
        ("Query", json!({
            "TableName": "music", "IndexName": "by-g", "QueryFilter": tested, "AttributesToGet": ["a"],
            "KeyConditions": {"g": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "x"}]}},
        })),
        ("Scan", json!({
            "TableName": "music", "IndexName": "by-g", "ScanFilter": tested, "Segment": 0, "TotalSegments": 1,
            "ExclusiveStartKey": with("p", "s", "g", json!({"S": "x"})),
        })),
        ("BatchGetItem", json!({"RequestItems": {"music": {
            "Keys": [key()], "ConsistentRead": true, "ProjectionExpression": "#a", "ExpressionAttributeNames": expression,
        }}})),
        ("BatchWriteItem", json!({"RequestItems": {"music": [
            {"PutRequest": {"Item": every}}, {"DeleteRequest": {"Key": item("p", "t")}},
        ]}})),
        ("TransactWriteItems", json!({"ClientRequestToken": "x", "TransactItems": [
            {"Update": action}, {"Put": {"TableName": "music", "Item": item("p", "t")}},
            {"Delete": {"TableName": "music", "Key": item("p", "u")}},
            {"ConditionCheck": {"TableName": "music", "Key": item("p", "v"), "ConditionExpression": "attribute_not_exists(p)"}},
        ]})),
        ("TransactGetItems", json!({"TransactItems": [{"Get": {
            "TableName": "music", "Key": key(), "ProjectionExpression": "#a", "ExpressionAttributeNames": expression,
        }}]})),
        ("DeleteTable", json!({"TableName": "music"})),
    ]
}

/// What is put in the place of each member, each element and each whole.
fn wrong() -> Vec<Value> {
    let deep = (0..60).fold(json!("x"), |within, _| json!({"L": [within]}));
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1_000_001),
        json!(1e300),
        json!(""),
        json!("é\u{0}=:#("),
        json!("x".repeat(5_000)),
        json!([]),
        json!([[]]),
        json!([{}]),
        json!({}),
        json!({"": {}}),
        json!({"S": "x", "N": "1"}),
        json!({"N": "1e99999999999999999999"}),
        json!({"a": {"SS": ["x", "x"]}}),
        deep,
    ]
}

/// Gives `look` the document with each of its parts replaced, one at a time, by each wrong value, and left out.
fn mutate(whole: &Value, look: &mut impl FnMut(Value)) {
    let mut paths = vec![String::new()];
    let mut at = 0;
    while at < paths.len() {
        let path = paths[at].clone();
        match whole.pointer(&path) {
            Some(Value::Object(members)) => {
                paths.extend(members.keys().map(|name| format!("{path}/{name}")));
            }
            Some(Value::Array(elements)) => {
                paths.extend((0..elements.len()).map(|place| format!("{path}/{place}")));
            }
            _ => {}
        }
        at += 1;
    }
    for path in paths {
        for value in wrong() {
            let mut mutated = whole.clone();
            *mutated.pointer_mut(&path).unwrap() = value;
            look(mutated);
        }
    }
}

async fn music() -> World {
    let world = world();
    let mut table = sorted("music");
    table["AttributeDefinitions"]
        .as_array_mut()
        .unwrap()
        .push(json!({"AttributeName": "g", "AttributeType": "S"}));
    table["GlobalSecondaryIndexes"] = json!([{
        "IndexName": "by-g",
        "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }]);
    world.done("CreateTable", table).await;
    world
        .put("music", with("p", "s", "g", json!({"S": "x"})))
        .await;
    world
}

/// `World::ask` asserts that an error is one that AWS's model has for the operation, which none of the server's faults is.
#[tokio::test]
async fn whatever_is_in_the_place_of_a_member_is_answered() {
    let honest = honest();
    for (name, support) in support() {
        let is_tried = honest.iter().any(|(tried, _)| *tried == name);
        assert_eq!(is_tried, support == Support::Full, "{name}");
    }
    for (operation, input) in honest {
        let world = music().await;
        let is_answered = world.ask(operation, input.clone()).await;
        // Of these the server has nothing to show.
        let is_empty = operation.ends_with("ResourcePolicy") || operation == "ListTagsOfResource";
        assert!(
            is_answered.is_ok() || is_empty,
            "{operation}: {is_answered:?}"
        );
        let mut all = Vec::new();
        mutate(&input, &mut |mutated| all.push(mutated));
        for mutated in all {
            if let Err((shape, _)) = world.ask(operation, mutated.clone()).await {
                let is_ours = [
                    "InternalServerError",
                    "InternalFailure",
                    "ServiceUnavailable",
                ];
                assert!(!is_ours.contains(&&*shape), "{operation} {mutated}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_document_is_answered() {
    let world = music().await;
    let deep = "{\"Item\":".repeat(100_000);
    for body in [
        "",
        "null",
        "[]",
        "5",
        "{",
        "{\"a\"}",
        "\u{feff}{}",
        "{}{}",
        &deep,
    ] {
        let response = world.send("PutItem", body.to_owned().into()).await;
        assert_eq!(response.status(), 400);
        assert_eq!(
            response.headers()["x-amzn-errortype"],
            "SerializationException"
        );
    }
    let response = world.send("PutItem", b"\xff\xfe{}".to_vec().into()).await;
    assert_eq!(response.status(), 400);
    let told = response.headers()["x-amz-crc32"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(told, crc32(response.body().whole().unwrap()).to_string());
}

/// CRC-32 (IEEE), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            let poly = if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
            crc >> 1 ^ poly
        })
    })
}

#[tokio::test]
async fn an_item_has_400_kib_and_no_more() {
    let world = music().await;
    // The keys take 4 bytes, the attribute's name one.
    let put = |bytes: usize| json!({"TableName": "music", "Item": with("p", "t", "a", json!({"S": "x".repeat(bytes - 5)}))});
    world.done("PutItem", put(400 << 10)).await;
    let text = "Item size has exceeded the maximum allowed size";
    world.invalid(text, "PutItem", put((400 << 10) + 1)).await;
    world
        .invalid(
            "Missing the key p in the item",
            "PutItem",
            json!({"TableName": "music", "Item": {}}),
        )
        .await;
}

/// What a short expression makes of a large item is refused while it is made.
#[tokio::test]
async fn an_update_makes_no_gigabytes_of_an_item() {
    let world = music().await;
    let nulls = vec![json!({"NULL": true}); 150_000];
    world
        .put("music", with("p", "t", "a", json!({"L": nulls})))
        .await;
    let text = "Item size to update has exceeded the maximum allowed size";
    let copies: Vec<String> = (0..500).map(|number| format!("b{number}=a")).collect();
    let appended = format!("b = {}a{}", "list_append(a, ".repeat(60), ")".repeat(60));
    for set in [copies.join(","), appended] {
        let update = json!({"TableName": "music", "Key": item("p", "t"), "UpdateExpression": format!("SET {set}")});
        world.invalid(text, "UpdateItem", update).await;
    }
}

#[tokio::test]
async fn values_of_expressions_have_two_mebibytes_together() {
    let world = music().await;
    let update = |bytes: usize| {
        json!({
            "TableName": "music", "Key": item("p", "t"), "UpdateExpression": "SET b = if_not_exists(a, :a) REMOVE c",
            "ExpressionAttributeValues": {":a": {"S": "x".repeat(bytes)}},
        })
    };
    world
        .invalid(
            "together exceed the maximum of 2097152 bytes",
            "UpdateItem",
            update(2 << 20),
        )
        .await;
    let text = "Item size to update has exceeded the maximum allowed size";
    world
        .invalid(text, "UpdateItem", update((2 << 20) - 10))
        .await;
}

#[tokio::test]
async fn a_name_of_an_attribute_has_64_kib() {
    let world = music().await;
    let get = |bytes: usize| {
        json!({
            "TableName": "music", "Key": item("p", "t"), "ProjectionExpression": "#a",
            "ExpressionAttributeNames": {"#a": "x".repeat(bytes)},
        })
    };
    world.done("GetItem", get(65_535)).await;
    let text = "An attribute name has at most 65535 bytes; key: #a";
    world.invalid(text, "GetItem", get(65_536)).await;
}

#[tokio::test]
async fn numbers_sets_and_nesting_have_their_limits() {
    let world = music().await;
    let put = |value: Value| json!({"TableName": "music", "Item": with("p", "t", "a", value)});
    let nested =
        |levels: usize| (0..levels).fold(json!({"S": "x"}), |within, _| json!({"L": [within]}));
    for (value, text) in [
        (
            json!({"N": "1".repeat(39)}),
            "more than 38 significant digits",
        ),
        (json!({"N": "1e126"}), "Number overflow"),
        (json!({"N": "-1e-131"}), "Number underflow"),
        (
            json!({"N": format!("1e{}", "9".repeat(10_000))}),
            "Number overflow",
        ),
        (
            json!({"N": "NaN"}),
            "cannot be converted to a numeric value",
        ),
        (json!({"N": " 1"}), "cannot be converted to a numeric value"),
        (json!({"N": ""}), "cannot be converted to a numeric value"),
        (json!({"SS": ["a", "b", "a"]}), "contains duplicates"),
        (json!({"NS": ["1", "1.0"]}), "contains duplicates"),
        (json!({"BS": ["AA==", "AA=="]}), "contains duplicates"),
        (json!({"SS": []}), "may not be empty"),
        (
            json!({"NULL": false}),
            "Null attribute value types must have the value of true",
        ),
        (
            json!({}),
            "must contain exactly one of the supported datatypes",
        ),
        (nested(32), "Nesting Levels have exceeded supported limits"),
    ] {
        world.invalid(text, "PutItem", put(value)).await;
    }
    world.done("PutItem", put(nested(31))).await;
    world
        .done(
            "PutItem",
            put(json!({"N": format!("{}{}", "0".repeat(10_000), "1".repeat(38))})),
        )
        .await;
}

#[tokio::test]
async fn batches_and_transactions_have_their_limits() {
    let world = music().await;
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/music";
    let put = |s: &str| json!({"PutRequest": {"Item": item("p", s)}});
    let many: Vec<Value> = (0..26).map(|n| put(&n.to_string())).collect();
    let duplicates = "Provided list of item keys contains duplicates";
    for (items, text) in [
        (
            json!({"music": many}),
            "Too many items requested for the BatchWriteItem call",
        ),
        (json!({"music": [put("a"), put("a")]}), duplicates),
        (
            json!({"music": [put("a"), {"DeleteRequest": {"Key": item("p", "a")}}]}),
            duplicates,
        ),
        (json!({"music": [put("a")], arn: [put("a")]}), duplicates),
        (
            json!({"music": [{}]}),
            "must contain exactly one of the supported datatypes",
        ),
    ] {
        world
            .invalid(text, "BatchWriteItem", json!({"RequestItems": items}))
            .await;
    }
    let keys = |s: &str| json!({"Keys": [item("p", s)]});
    world
        .invalid(
            duplicates,
            "BatchGetItem",
            json!({"RequestItems": {"music": keys("a"), arn: keys("a")}}),
        )
        .await;
    let twice = "Transaction request cannot include multiple operations on one item";
    let of = |table: &str| json!({"Delete": {"TableName": table, "Key": item("p", "a")}});
    world
        .invalid(
            twice,
            "TransactWriteItems",
            json!({"TransactItems": [of("music"), of(arn)]}),
        )
        .await;
    let null = "Value null at 'transactItems.1.member.put.item' failed to satisfy constraint: Member must not be null";
    world
        .invalid(
            null,
            "TransactWriteItems",
            json!({"TransactItems": [{"Put": {"TableName": "music"}}]}),
        )
        .await;
    let get = json!({"TransactItems": [{"Get": {"TableName": "music"}}]});
    world
        .invalid("'transactItems.1.member.get.key'", "TransactGetItems", get)
        .await;
}

#[tokio::test]
async fn keys_that_are_too_long_are_the_keys_of_nothing() {
    let world = music().await;
    let query = |p: usize, s: usize| {
        json!({
            "TableName": "music", "KeyConditionExpression": "p = :p AND begins_with(s, :s)",
            "ExpressionAttributeValues": {":p": {"S": "x".repeat(p)}, ":s": {"S": "x".repeat(s)}},
        })
    };
    world.done("Query", query(2_048, 1_024)).await;
    world
        .invalid(
            "Size of hashkey has exceeded the maximum size limit of2048 bytes",
            "Query",
            query(2_049, 1),
        )
        .await;
    let text = "Aggregated size of all range keys has exceeded the size limit of 1024 bytes";
    world.invalid(text, "Query", query(1, 1_025)).await;
}

#[tokio::test]
async fn forged_places_and_segments_are_refused() {
    let world = music().await;
    let start = |key: Value| json!({"TableName": "music", "ExclusiveStartKey": key});
    let invalid = "The provided starting key is invalid";
    for key in [
        json!({"p": {"S": "p"}}),
        json!({"p": {"S": "p"}, "s": {"N": "1"}}),
        with("p", "s", "x", json!({"S": "x"})),
        item("p", &"x".repeat(300_000)),
    ] {
        world.invalid(invalid, "Scan", start(key)).await;
    }
    // Of an item that never was: as good as any other place.
    world.done("Scan", start(item("never", "was"))).await;
    let segment = |segment: i64, total: i64| json!({"TableName": "music", "Segment": segment, "TotalSegments": total});
    for (number, total, text) in [
        (0, 0, "'totalSegments' failed to satisfy constraint"),
        (0, 1_000_001, "'totalSegments' failed to satisfy constraint"),
        (-1, 5, "'segment' failed to satisfy constraint"),
        (5, 5, "is not less than TotalSegments: 5"),
        (i64::MAX, i64::MAX, "failed to satisfy constraint"),
    ] {
        world.invalid(text, "Scan", segment(number, total)).await;
    }
    world.done("Scan", segment(999_999, 1_000_000)).await;
    let query = json!({
        "TableName": "music", "KeyConditionExpression": "p = :p", "ExpressionAttributeValues": {":p": {"S": "p"}},
        "ExclusiveStartKey": item("q", "s"),
    });
    world
        .invalid("outside query boundaries", "Query", query)
        .await;
}

#[tokio::test]
async fn expressions_have_their_limits() {
    let world = music().await;
    let check = async |condition: String, text: &str| {
        let input =
            json!({"TableName": "music", "Item": item("p", "t"), "ConditionExpression": condition});
        world.invalid(text, "PutItem", input).await;
    };
    check(
        "a".repeat(4_097),
        "Expression size has exceeded the maximum allowed size; expression size: 4097",
    )
    .await;
    check(String::new(), "The expression can not be empty;").await;
    check(
        "attribute_exists(abort)".into(),
        "Attribute name is a reserved keyword; reserved keyword: abort",
    )
    .await;
    check("(".repeat(4_096), "ConditionExpression").await;
    check("NOT ".repeat(1_000) + "a", "ConditionExpression").await;
    check("size(".repeat(800), "ConditionExpression").await;
    check("\u{0}".into(), "Syntax error").await;
}
