//! Query and Scan on a table.

use serde_json::{Value, json};

use super::{World, item, sorted, with, world};

/// A table with items `p0/00` to `p0/29`, and one in another partition; `n` counts them.
async fn thirty() -> World {
    let world = world();
    world.table("music").await;
    for n in 0..30 {
        let one = with("p0", &format!("{n:02}"), "n", json!({"N": n.to_string()}));
        world.put("music", one).await;
    }
    world.put("music", item("p1", "05")).await;
    world
}

fn query(condition: &str, mut more: Value) -> Value {
    let mut values = json!({":p": {"S": "p0"}});
    let mut input =
        json!({"TableName": "music", "KeyConditionExpression": format!("p = :p{condition}")});
    for (name, value) in more.as_object_mut().unwrap() {
        let target = match name.starts_with(':') {
            true => &mut values,
            false => &mut input,
        };
        target[name] = value.take();
    }
    input["ExpressionAttributeValues"] = values;
    input
}

/// The sort keys of the items answered.
fn keys(page: &Value) -> Vec<String> {
    let items = page["Items"].as_array().unwrap();
    let key = |item: &Value| item["s"]["S"].as_str().unwrap().to_owned();
    items.iter().map(key).collect()
}

fn numbers(range: impl Iterator<Item = i32>) -> Vec<String> {
    range.map(|n| format!("{n:02}")).collect()
}

#[tokio::test]
async fn key_conditions_choose_a_range_in_both_directions() {
    let world = thirty().await;
    let text = |text: &str| json!({"S": text});
    let check = async |condition: &str, values: Value, expected: Vec<String>| {
        for forward in [true, false] {
            let mut more = values.clone();
            more["ScanIndexForward"] = json!(forward);
            let page = world.done("Query", query(condition, more)).await;
            let mut expected = expected.clone();
            if !forward {
                expected.reverse();
            }
            assert_eq!(keys(&page), expected, "{condition} {forward}");
            assert!(page["LastEvaluatedKey"].is_null());
        }
    };
    check("", json!({}), numbers(0..30)).await;
    check(" AND s = :a", json!({":a": text("07")}), numbers(7..8)).await;
    check(" AND s < :a", json!({":a": text("07")}), numbers(0..7)).await;
    check(" AND s <= :a", json!({":a": text("07")}), numbers(0..8)).await;
    check(" AND s > :a", json!({":a": text("07")}), numbers(8..30)).await;
    check(" AND s >= :a", json!({":a": text("07")}), numbers(7..30)).await;
    check(
        " AND begins_with(s, :a)",
        json!({":a": text("1")}),
        numbers(10..20),
    )
    .await;
    let between = " AND s BETWEEN :a AND :b";
    check(
        between,
        json!({":a": text("07"), ":b": text("11")}),
        numbers(7..12),
    )
    .await;
    check(" AND s > :a", json!({":a": text("29")}), Vec::new()).await;
    check(" AND s = :a", json!({":a": text("0")}), Vec::new()).await;
}

#[tokio::test]
async fn the_older_key_conditions_do_the_same() {
    let world = thirty().await;
    let input = json!({
        "TableName": "music",
        "KeyConditions": {
            "p": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "p0"}]},
            "s": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"S": "07"}, {"S": "11"}]},
        },
        "QueryFilter": {"n": {"ComparisonOperator": "NE", "AttributeValueList": [{"N": "9"}]}},
        "AttributesToGet": ["s"],
    });
    let page = world.done("Query", input).await;
    assert_eq!(keys(&page), ["07", "08", "10", "11"]);
    assert_eq!(page["Items"][0], json!({"s": {"S": "07"}}));
    assert_eq!(
        (&page["Count"], &page["ScannedCount"]),
        (&json!(4), &json!(5))
    );
}

#[tokio::test]
async fn a_limit_counts_what_is_looked_at() {
    let world = thirty().await;
    let more = json!({"Limit": 10, "FilterExpression": "n >= :n", ":n": {"N": "8"}});
    let page = world.done("Query", query("", more)).await;
    assert_eq!(keys(&page), ["08", "09"]);
    assert_eq!(
        (&page["Count"], &page["ScannedCount"]),
        (&json!(2), &json!(10))
    );
    assert_eq!(page["LastEvaluatedKey"], item("p0", "09"));
    let more = json!({"Limit": 10, "ExclusiveStartKey": item("p0", "09"), "Select": "COUNT"});
    let page = world.done("Query", query("", more)).await;
    assert!(page["Items"].is_null());
    assert_eq!(
        (&page["Count"], &page["ScannedCount"]),
        (&json!(10), &json!(10))
    );
    // Where it ends at a limit, it can't tell whether there is more.
    let more = json!({"Limit": 10, "ExclusiveStartKey": item("p0", "19")});
    let page = world.done("Query", query("", more)).await;
    assert_eq!(page["LastEvaluatedKey"], item("p0", "29"));
    let more = json!({"Limit": 10, "ExclusiveStartKey": item("p0", "29")});
    let page = world.done("Query", query("", more)).await;
    assert_eq!(page, json!({"Items": [], "Count": 0, "ScannedCount": 0}));
}

#[tokio::test]
async fn a_page_has_a_megabyte() {
    let world = world();
    world.table("music").await;
    for n in 0..12 {
        let large = with(
            "p0",
            &format!("{n:02}"),
            "a",
            json!({"S": "x".repeat(100 * 1_024)}),
        );
        world.put("music", large).await;
    }
    let page = world.done("Query", query("", json!({}))).await;
    assert_eq!(keys(&page), numbers(0..11));
    assert_eq!(page["LastEvaluatedKey"], item("p0", "10"));
    let more = json!({"ExclusiveStartKey": page["LastEvaluatedKey"]});
    let page = world.done("Query", query("", more)).await;
    assert_eq!(keys(&page), ["11"]);
    // What a filter drops was read all the same.
    let input = json!({
        "TableName": "music",
        "FilterExpression": "attribute_not_exists(a)",
    });
    let page = world.done("Scan", input).await;
    assert_eq!(
        (&page["Count"], &page["ScannedCount"]),
        (&json!(0), &json!(11))
    );
    assert!(page["LastEvaluatedKey"].is_object());
}

#[tokio::test]
async fn numbers_and_bytes_are_in_their_own_order() {
    let world = world();
    let by = async |name: &str, kind: &str, values: Vec<Value>| {
        let mut input = sorted(name);
        input["AttributeDefinitions"][1]["AttributeType"] = json!(kind);
        world.done("CreateTable", input).await;
        let mut mixed = values.clone();
        mixed.reverse();
        mixed.swap(0, 1);
        for value in mixed {
            world.put(name, json!({"p": {"S": "p0"}, "s": value})).await;
        }
        let mut input = query("", json!({}));
        input["TableName"] = json!(name);
        let page = world.done("Query", input).await;
        let items = page["Items"].as_array().unwrap();
        let seen: Vec<Value> = items.iter().map(|item| item["s"].clone()).collect();
        assert_eq!(seen, values);
    };
    let numbers = ["-100", "-3", "-0.5", "0", "0.25", "2", "10", "1000"];
    by("numbers", "N", numbers.map(|n| json!({"N": n})).into()).await;
    // 00, 0000, 0001, 01, FF.
    let bytes = ["AA==", "AAA=", "AAE=", "AQ==", "/w=="];
    by("bytes", "B", bytes.map(|b| json!({"B": b})).into()).await;
}

#[tokio::test]
async fn segments_of_a_scan_have_each_item_once() {
    let world = world();
    world.table("music").await;
    for n in 0..200 {
        world.put("music", item(&format!("p{n}"), "s")).await;
    }
    for total in [1, 2, 7, 1_000] {
        let mut seen = Vec::new();
        for segment in 0..total {
            let input = json!({"TableName": "music", "Segment": segment, "TotalSegments": total});
            let page = world.done("Scan", input).await;
            let items = page["Items"].as_array().unwrap().clone();
            seen.extend(
                items
                    .iter()
                    .map(|item| item["p"]["S"].as_str().unwrap().to_owned()),
            );
        }
        assert_eq!(seen.len(), 200, "{total}");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 200, "{total}");
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let world = thirty().await;
    let check = async |input: Value, text: &str| world.invalid(text, "Query", input).await;
    check(
        json!({"TableName": "music"}),
        "Either the KeyConditions or KeyConditionExpression",
    )
    .await;
    check(
        query("", json!({"IndexName": "missing"})),
        "does not have the specified index: missing",
    )
    .await;
    check(
        query("", json!({"ExclusiveStartKey": item("p1", "05")})),
        "The provided starting key is outside query boundaries",
    )
    .await;
    check(
        query("", json!({"ExclusiveStartKey": {"p": {"S": "p0"}}})),
        "The provided starting key is invalid",
    )
    .await;
    check(
        query("", json!({"FilterExpression": "s = :s", ":s": {"S": "x"}})),
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: s",
    )
    .await;
    check(
        query("", json!({"Select": "SPECIFIC_ATTRIBUTES"})),
        "Must specify the AttributesToGet or ProjectionExpression",
    )
    .await;
    check(
        query("", json!({"Limit": 0})),
        "Member must have value greater than or equal to 1",
    )
    .await;
    let scan = async |more: Value, text: &str| {
        let mut input = json!({"TableName": "music"});
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        world.invalid(text, "Scan", input).await;
    };
    scan(
        json!({"Segment": 1}),
        "The TotalSegments parameter is required",
    )
    .await;
    scan(
        json!({"TotalSegments": 1}),
        "The Segment parameter is required",
    )
    .await;
    scan(
        json!({"Segment": 2, "TotalSegments": 2}),
        "Segment: 2 is not less than TotalSegments: 2",
    )
    .await;
}
