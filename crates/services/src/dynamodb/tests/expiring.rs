//! Time to live.

use serde_json::{Value, json};

use super::{World, item, with, world};

fn at(seconds: i64) -> Value {
    // The world begins at 1,700,000,000 s.
    json!({"N": (1_700_000_000 + seconds).to_string()})
}

async fn set(world: &World, is_on: bool) {
    let input = json!({
        "TableName": "music",
        "TimeToLiveSpecification": {"Enabled": is_on, "AttributeName": "at"},
    });
    world.done("UpdateTimeToLive", input).await;
}

async fn status(world: &World) -> Value {
    let told = world
        .done("DescribeTimeToLive", json!({"TableName": "music"}))
        .await;
    told["TimeToLiveDescription"]["TimeToLiveStatus"].clone()
}

async fn left(world: &World) -> Vec<String> {
    let page = world.done("Scan", json!({"TableName": "music"})).await;
    let items = page["Items"].as_array().unwrap();
    let mut left: Vec<String> = items
        .iter()
        .map(|item| item["s"]["S"].as_str().unwrap().to_owned())
        .collect();
    left.sort_unstable();
    left
}

#[tokio::test]
async fn what_has_expired_is_deleted() {
    let world = world();
    world.table("music").await;
    world.put("music", with("p", "before", "at", at(-10))).await;
    assert_eq!(status(&world).await, "DISABLED");
    set(&world, true).await;
    world
        .until("it is on", async || status(&world).await == "ENABLED")
        .await;
    world.put("music", with("p", "due", "at", at(5))).await;
    world.put("music", with("p", "later", "at", at(50))).await;
    world
        .put("music", with("p", "text", "at", json!({"S": "1"})))
        .await;
    world
        .put("music", with("p", "ancient", "at", at(-200_000_000)))
        .await;
    world.put("music", item("p", "never")).await;
    world
        .until("older items are found", async || {
            world.dynamo.expire().await.unwrap() == 1
        })
        .await;
    assert_eq!(
        left(&world).await,
        ["ancient", "due", "later", "never", "text"]
    );
    world.later(10);
    // Moved on, it no longer expires then.
    world
        .put("music", with("p", "later", "at", at(1_000)))
        .await;
    assert_eq!(world.dynamo.expire().await.unwrap(), 1);
    world.later(100);
    assert_eq!(world.restarted().dynamo.expire().await.unwrap(), 0);
    assert_eq!(left(&world).await, ["ancient", "later", "never", "text"]);
    world.later(1_000);
    assert_eq!(world.dynamo.expire().await.unwrap(), 1);
    assert_eq!(world.described("music").await["ItemCount"], 3);
}

#[tokio::test]
async fn nothing_expires_once_it_is_off() {
    let world = world();
    world.table("music").await;
    set(&world, true).await;
    world.put("music", with("p", "s", "at", at(5))).await;
    set(&world, false).await;
    world
        .until("it is off", async || status(&world).await == "DISABLED")
        .await;
    world.later(100);
    assert_eq!(world.dynamo.expire().await.unwrap(), 0);
    assert_eq!(left(&world).await, ["s"]);
    let again = json!({
        "TableName": "music",
        "TimeToLiveSpecification": {"Enabled": false, "AttributeName": "at"},
    });
    world
        .invalid("TimeToLive is already disabled", "UpdateTimeToLive", again)
        .await;
}
