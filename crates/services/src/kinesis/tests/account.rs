//! What an account has and has promised.

use std::time::Duration;

use serde_json::{Value, json};

use super::{World, world};

#[tokio::test]
async fn limits_count_what_there_is() {
    let world = world();
    world.stream("s", 3).await;
    world.on_demand("t").await;
    let limits = world.done("DescribeLimits", json!({})).await;
    assert_eq!(
        limits,
        json!({
            "ShardLimit": 1_000_000,
            "OpenShardCount": 3,
            "OnDemandStreamCount": 1,
            "OnDemandStreamCountLimit": 1_000_000,
        })
    );
    let other = world.asked_by("210987654321", "us-east-1");
    assert_eq!(
        other.done("DescribeLimits", json!({})).await["OpenShardCount"],
        0
    );
}

async fn set(world: &World, status: &str) -> Value {
    let input = json!({"MinimumThroughputBillingCommitment": {"Status": status}});
    let answer = world.done("UpdateAccountSettings", input).await;
    answer["MinimumThroughputBillingCommitment"].clone()
}

#[tokio::test]
async fn a_commitment_is_the_accounts_and_lasts_a_day() {
    let world = world();
    let status = async |world: &World| {
        let answer = world.done("DescribeAccountSettings", json!({})).await;
        answer["MinimumThroughputBillingCommitment"]["Status"].clone()
    };
    assert_eq!(status(&world).await, "DISABLED");
    let given = set(&world, "ENABLED").await;
    let length =
        given["EarliestAllowedEndAt"].as_f64().unwrap() - given["StartedAt"].as_f64().unwrap();
    assert_eq!(
        (given["Status"].as_str(), length),
        (Some("ENABLED"), 86_400.0)
    );
    assert_eq!(
        status(&world.asked_by("210987654321", "us-east-1")).await,
        "DISABLED"
    );
    set(&world, "DISABLED").await;
    assert_eq!(status(&world).await, "ENABLED_UNTIL_EARLIEST_ALLOWED_END");
    world.clock.advance(Duration::from_secs(86_400));
    assert_eq!(status(&world).await, "DISABLED");
}
