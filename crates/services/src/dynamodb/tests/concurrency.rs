//! Many at one item at once.

use serde_json::json;

use super::{item, world};

#[tokio::test]
async fn a_hundred_additions_at_once_are_a_hundred() {
    let world = world();
    world.table("music").await;
    let additions = (0..100).map(|_| {
        let world = world.clone();
        tokio::spawn(async move {
            let input = json!({
                "TableName": "music",
                "Key": item("p", "s"),
                "UpdateExpression": "ADD n :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}},
                "ReturnValues": "UPDATED_NEW",
            });
            let told = world.done("UpdateItem", input).await;
            let text = told["Attributes"]["n"]["N"].as_str().unwrap();
            text.parse::<u32>().unwrap()
        })
    });
    let mut seen = Vec::new();
    for addition in additions.collect::<Vec<_>>() {
        seen.push(addition.await.unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_of_many_takes_a_lease() {
    let world = world();
    world.table("music").await;
    let takers = (0..50).map(|taker| {
        let world = world.clone();
        tokio::spawn(async move {
            let input = json!({
                "TableName": "music",
                "Item": {"p": {"S": "lease"}, "s": {"S": "s"}, "owner": {"N": taker.to_string()}},
                "ConditionExpression": "attribute_not_exists(p)",
            });
            world.ask("PutItem", input).await.is_ok()
        })
    });
    let mut taken = 0;
    for taker in takers.collect::<Vec<_>>() {
        taken += usize::from(taker.await.unwrap());
    }
    assert_eq!(taken, 1);
}

#[tokio::test]
async fn transactions_between_two_items_keep_their_sum() {
    let world = world();
    world.table("music").await;
    for s in ["a", "b"] {
        let mut account = item("p", s);
        account["n"] = json!({"N": "1000"});
        world.put("music", account).await;
    }
    let add = |s: &str, n: i32| {
        json!({"Update": {
            "TableName": "music",
            "Key": item("p", s),
            "UpdateExpression": "ADD n :n",
            "ExpressionAttributeValues": {":n": {"N": n.to_string()}},
        }})
    };
    let transfers = (1..=60).map(|n| {
        let world = world.clone();
        // In either order, so that each would wait for the other if turns were taken in the order of the request.
        let mut actions = vec![add("a", n), add("b", -n)];
        if n % 2 == 0 {
            actions.reverse();
        }
        tokio::spawn(async move {
            let input = json!({"TransactItems": actions});
            world.done("TransactWriteItems", input).await;
            let get = |s: &str| json!({"Get": {"TableName": "music", "Key": item("p", s)}});
            let both = json!({"TransactItems": [get("a"), get("b")]});
            let told = world.done("TransactGetItems", both).await;
            let balance = |n: usize| {
                let text = told["Responses"][n]["Item"]["n"]["N"].as_str().unwrap();
                text.parse::<i64>().unwrap()
            };
            balance(0) + balance(1)
        })
    });
    for transfer in transfers.collect::<Vec<_>>() {
        assert_eq!(transfer.await.unwrap(), 2_000);
    }
    let a = world.get("music", item("p", "a")).await;
    assert_eq!(a["n"], json!({"N": "2830"}));
}
