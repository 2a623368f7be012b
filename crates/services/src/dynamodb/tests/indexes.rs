//! Secondary indexes: kept with their table, queried, made and dropped later.

use serde_json::{Value, json};

use super::{World, item, sorted, with, world};

fn definition(name: &str, hash: &str, range: Option<&str>, projection: Value) -> Value {
    let mut schema = vec![json!({"AttributeName": hash, "KeyType": "HASH"})];
    schema.extend(range.map(|range| json!({"AttributeName": range, "KeyType": "RANGE"})));
    let mut made = json!({"IndexName": name, "KeySchema": schema});
    made["Projection"] = projection;
    made
}

/// A table with a global index on `g` and `h` (KEYS_ONLY), one on `g` (all), and a local one on `h` (INCLUDE a).
async fn indexed() -> World {
    let world = world();
    let mut input = sorted("music");
    let more = ["g", "h"].map(|name| json!({"AttributeName": name, "AttributeType": "S"}));
    input["AttributeDefinitions"]
        .as_array_mut()
        .unwrap()
        .extend(more);
    input["GlobalSecondaryIndexes"] = json!([
        definition(
            "keys",
            "g",
            Some("h"),
            json!({"ProjectionType": "KEYS_ONLY"})
        ),
        definition("all", "g", None, json!({"ProjectionType": "ALL"})),
    ]);
    let include = json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": ["a"]});
    input["LocalSecondaryIndexes"] = json!([definition("local", "p", Some("h"), include)]);
    world.done("CreateTable", input).await;
    world
}

fn entry(p: &str, s: &str, g: &str, h: &str) -> Value {
    let mut item = item(p, s);
    item["g"] = json!({"S": g});
    item["h"] = json!({"S": h});
    item["a"] = json!({"S": "a"});
    item["b"] = json!({"S": "b"});
    item
}

async fn query(world: &World, index: &str, hash: (&str, &str), more: Value) -> Value {
    let (name, value) = hash;
    let mut input = json!({
        "TableName": "music",
        "IndexName": index,
        "KeyConditionExpression": format!("{name} = :v"),
        "ExpressionAttributeValues": {":v": {"S": value}},
    });
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    world.done("Query", input).await
}

#[tokio::test]
async fn an_index_has_what_it_projects_of_items_that_have_its_key() {
    let world = indexed().await;
    world.put("music", entry("p", "1", "g", "z")).await;
    world.put("music", entry("p", "2", "g", "y")).await;
    world
        .put("music", with("p", "3", "g", json!({"S": "g"})))
        .await;
    world.put("music", item("p", "4")).await;
    let page = query(&world, "keys", ("g", "g"), json!({})).await;
    let keys = |s: &str, h: &str| {
        let mut keys = item("p", s);
        keys["g"] = json!({"S": "g"});
        keys["h"] = json!({"S": h});
        keys
    };
    assert_eq!(page["Items"], json!([keys("2", "y"), keys("1", "z")]));
    let page = query(&world, "all", ("g", "g"), json!({})).await;
    assert_eq!(page["Count"], 3);
    assert!(
        page["Items"]
            .as_array()
            .unwrap()
            .contains(&entry("p", "1", "g", "z"))
    );
    let page = query(&world, "local", ("p", "p"), json!({"ConsistentRead": true})).await;
    let held = |s: &str, h: &str| {
        let mut held = item("p", s);
        held["h"] = json!({"S": h});
        held["a"] = json!({"S": "a"});
        held
    };
    assert_eq!(page["Items"], json!([held("2", "y"), held("1", "z")]));
    // A local index fetches the rest.
    let page = query(
        &world,
        "local",
        ("p", "p"),
        json!({"Select": "ALL_ATTRIBUTES"}),
    )
    .await;
    assert_eq!(page["Items"][0], entry("p", "2", "g", "y"));
    let more = json!({"ProjectionExpression": "b"});
    let page = query(&world, "local", ("p", "p"), more).await;
    assert_eq!(page["Items"][0], json!({"b": {"S": "b"}}));
    let described = world.described("music").await;
    assert_eq!(described["GlobalSecondaryIndexes"][0]["IndexName"], "all");
    assert_eq!(described["GlobalSecondaryIndexes"][0]["ItemCount"], 3);
    assert_eq!(described["GlobalSecondaryIndexes"][1]["ItemCount"], 2);
}

#[tokio::test]
async fn an_index_follows_its_table() {
    let world = indexed().await;
    let count = async |value: &str| {
        let page = query(&world, "keys", ("g", value), json!({})).await;
        page["Count"].as_u64().unwrap()
    };
    world.put("music", entry("p", "1", "g", "z")).await;
    assert_eq!(count("g").await, 1);
    world.put("music", entry("p", "1", "other", "z")).await;
    assert_eq!((count("g").await, count("other").await), (0, 1));
    let update = json!({
        "TableName": "music",
        "Key": item("p", "1"),
        "UpdateExpression": "REMOVE h",
    });
    world.done("UpdateItem", update).await;
    assert_eq!(count("other").await, 0);
    assert_eq!(
        query(&world, "all", ("g", "other"), json!({})).await["Count"],
        1
    );
    let delete = json!({"TableName": "music", "Key": item("p", "1")});
    world.done("DeleteItem", delete).await;
    assert_eq!(
        query(&world, "all", ("g", "other"), json!({})).await["Count"],
        0
    );
    let described = world.described("music").await;
    for index in described["GlobalSecondaryIndexes"].as_array().unwrap() {
        assert_eq!(
            (&index["ItemCount"], &index["IndexSizeBytes"]),
            (&json!(0), &json!(0))
        );
    }
}

#[tokio::test]
async fn pages_of_an_index_go_on_where_they_ended() {
    let world = indexed().await;
    for n in 0..25 {
        // Many of them equal in the index's key.
        let h = format!("{}", n % 3);
        world
            .put("music", entry(&format!("p{n}"), "s", "g", &h))
            .await;
    }
    for forward in [true, false] {
        let (mut seen, mut start) = (Vec::new(), Value::Null);
        loop {
            let mut more = json!({"Limit": 4, "ScanIndexForward": forward});
            if start.is_object() {
                more["ExclusiveStartKey"] = start;
            }
            let page = query(&world, "keys", ("g", "g"), more).await;
            seen.extend(page["Items"].as_array().unwrap().clone());
            start = page["LastEvaluatedKey"].clone();
            if start.is_null() {
                break;
            }
            assert_eq!(start.as_object().unwrap().len(), 4);
        }
        let order: Vec<&str> = seen
            .iter()
            .map(|item| item["h"]["S"].as_str().unwrap())
            .collect();
        let is_sorted = if forward {
            order.is_sorted()
        } else {
            order.iter().rev().is_sorted()
        };
        assert!(is_sorted, "{order:?}");
        let mut items: Vec<&str> = seen
            .iter()
            .map(|item| item["p"]["S"].as_str().unwrap())
            .collect();
        items.sort_unstable();
        items.dedup();
        assert_eq!((seen.len(), items.len()), (25, 25));
    }
    let scan = json!({"TableName": "music", "IndexName": "all"});
    assert_eq!(world.done("Scan", scan).await["Count"], 25);
}

#[tokio::test]
async fn what_an_index_does_not_do_is_refused() {
    let world = indexed().await;
    let check = async |index: &str, more: Value, text: &str| {
        let mut input = json!({
            "TableName": "music",
            "IndexName": index,
            "KeyConditionExpression": "g = :v",
            "ExpressionAttributeValues": {":v": {"S": "g"}},
        });
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        world.invalid(text, "Query", input).await;
    };
    check(
        "keys",
        json!({"ConsistentRead": true}),
        "Consistent reads are not supported on global secondary indexes",
    )
    .await;
    check(
        "keys",
        json!({"Select": "ALL_ATTRIBUTES"}),
        "Select type ALL_ATTRIBUTES is not supported for global secondary index keys",
    )
    .await;
    check(
        "keys",
        json!({"ProjectionExpression": "a, g"}),
        "does not project [a]",
    )
    .await;
    let wrong = with("p", "s", "g", json!({"N": "1"}));
    let put = json!({"TableName": "music", "Item": wrong});
    world
        .invalid(
            "Type mismatch for Index Key g Expected: S Actual: N",
            "PutItem",
            put,
        )
        .await;
}

#[tokio::test]
async fn an_index_made_later_has_what_was_there() {
    let world = world();
    world.table("music").await;
    for n in 0..600 {
        let one = with("p", &n.to_string(), "g", json!({"S": (n % 2).to_string()}));
        world.put("music", one).await;
    }
    let create = json!({
        "TableName": "music",
        "AttributeDefinitions": [{"AttributeName": "g", "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [
            {"Create": definition("late", "g", None, json!({"ProjectionType": "ALL"}))}
        ],
    });
    let made = world.done("UpdateTable", create.clone()).await;
    assert_eq!(made["TableDescription"]["TableStatus"], "UPDATING");
    let status = async || {
        let described = world.described("music").await;
        described["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
    };
    world.until("the index is filled", status).await;
    let page = query(&world, "late", ("g", "1"), json!({})).await;
    assert_eq!(page["Count"], 300);
    let described = world.described("music").await;
    assert_eq!(described["GlobalSecondaryIndexes"][0]["ItemCount"], 600);
    assert_eq!(described["TableStatus"], "ACTIVE");
    world
        .invalid(
            "Attempting to create an index which already exists",
            "UpdateTable",
            create.clone(),
        )
        .await;

    let delete = json!({
        "TableName": "music",
        "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "late"}}],
    });
    world.done("UpdateTable", delete).await;
    let gone = async || world.described("music").await["GlobalSecondaryIndexes"].is_null();
    world.until("the index is gone", gone).await;
    world.done("UpdateTable", create).await;
    world.until("the index is filled again", status).await;
    let page = query(&world, "late", ("g", "0"), json!({})).await;
    assert_eq!(page["Count"], 300);
}
