//! Pages of Query and Scan against a model so simple that it is right: a sorted list.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{World, item, world};

/// Sort keys, with zero bytes and beginnings of each other among them.
fn sort_key() -> impl Strategy<Value = String> {
    prop::collection::vec(prop_oneof!["\0", "a", "b", "\u{1}", "ÿ"], 1..4)
        .prop_map(|parts| parts.concat())
}

fn bound() -> impl Strategy<Value = (&'static str, String, String)> {
    let operators = prop::sample::select(vec![
        "",
        "=",
        "<",
        "<=",
        ">",
        ">=",
        "BETWEEN",
        "begins_with",
    ]);
    (operators, sort_key(), sort_key())
}

fn holds(operator: &str, key: &str, low: &str, high: &str) -> bool {
    match operator {
        "=" => key == low,
        "<" => key < low,
        "<=" => key <= low,
        ">" => key > low,
        ">=" => key >= low,
        "BETWEEN" => key >= low && key <= high,
        "begins_with" => key.starts_with(low),
        _ => true,
    }
}

fn condition(operator: &str, low: &str, high: &str) -> (String, Value) {
    let mut values = json!({":p": {"S": "p0"}, ":a": {"S": low}});
    let text = match operator {
        "" => {
            values = json!({":p": {"S": "p0"}});
            "p = :p".to_owned()
        }
        "BETWEEN" => {
            values[":b"] = json!({"S": high});
            "p = :p AND s BETWEEN :a AND :b".to_owned()
        }
        "begins_with" => "p = :p AND begins_with(s, :a)".to_owned(),
        other => format!("p = :p AND s {other} :a"),
    };
    (text, values)
}

/// All pages of a Query or Scan, one after the other.
async fn pages(world: &World, operation: &str, mut input: Value) -> Vec<Value> {
    let mut items = Vec::new();
    for _ in 0..1_000 {
        let page = world.done(operation, input.clone()).await;
        items.extend(page["Items"].as_array().unwrap().clone());
        if page["LastEvaluatedKey"].is_null() {
            return items;
        }
        input["ExclusiveStartKey"] = page["LastEvaluatedKey"].clone();
    }
    panic!("pages without end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pages_are_those_of_a_sorted_list(
        keys in prop::collection::btree_set((0_u8..3, sort_key()), 0..40),
        (operator, one, other) in bound(),
        limit in 1_usize..7,
        forward: bool,
        total in 1_u32..5,
    ) {
        let (low, high) = if one <= other || operator != "BETWEEN" { (one, other) } else { (other, one) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = world();
            world.table("music").await;
            let mut naive: BTreeMap<String, Vec<Value>> = BTreeMap::new();
            for (p, s) in &keys {
                let p = format!("p{p}");
                world.put("music", item(&p, s)).await;
                naive.entry(p.clone()).or_default().push(item(&p, s));
            }
            let (text, values) = condition(operator, &low, &high);
            let query = json!({
                "TableName": "music",
                "KeyConditionExpression": text,
                "ExpressionAttributeValues": values,
                "ScanIndexForward": forward,
                "Limit": limit,
            });
            let mut expected = naive.get("p0").cloned().unwrap_or_default();
            expected.retain(|item| holds(operator, item["s"]["S"].as_str().unwrap(), &low, &high));
            if !forward {
                expected.reverse();
            }
            assert_eq!(pages(&world, "Query", query).await, expected);

            let mut scanned = Vec::new();
            for segment in 0..total {
                let scan = json!({
                    "TableName": "music", "Limit": limit, "Segment": segment, "TotalSegments": total,
                });
                scanned.extend(pages(&world, "Scan", scan).await);
            }
            // Partitions lie in the order of their hashes, each in one piece and in order.
            let mut together: BTreeMap<String, Vec<Value>> = BTreeMap::new();
            let mut order: Vec<String> = Vec::new();
            for item in scanned {
                let p = item["p"]["S"].as_str().unwrap().to_owned();
                if order.last() != Some(&p) {
                    order.push(p.clone());
                }
                together.entry(p).or_default().push(item);
            }
            assert_eq!(order.len(), together.len());
            assert_eq!(together, naive);
        });
    }
}
