//! Lists and statistics.

use serde_json::{Value, json};

use super::{START, World};

fn names(answer: &Value) -> Vec<&str> {
    let metrics = answer["Metrics"].as_array().unwrap();
    metrics
        .iter()
        .map(|metric| metric["MetricName"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn metrics_are_listed_for_two_weeks() {
    let world = World::new().await;
    world.put("early", START, 1.0).await;
    world.later(2 * 3_600);
    world.put("late", START, 1.0).await;
    world.later(3_600 + 1);
    let listed = world.done("ListMetrics", json!({})).await;
    assert_eq!(names(&listed), ["early", "late"]);
    let recent = world
        .done("ListMetrics", json!({"RecentlyActive": "PT3H"}))
        .await;
    assert_eq!(names(&recent), ["late"]);
    world.later(14 * 86_400 - 3_602);
    let listed = world.done("ListMetrics", json!({})).await;
    assert_eq!(names(&listed), ["late"]);
}

#[tokio::test]
async fn other_accounts_metrics_are_not_listed() {
    let world = World::new().await;
    world.put("m", START, 1.0).await;
    let other = world.asked_by("210987654321");
    assert_eq!(names(&other.done("ListMetrics", json!({})).await), [""; 0]);
    let owning = |account: &str| json!({"OwningAccount": account, "IncludeLinkedAccounts": true});
    let own = world.done("ListMetrics", owning(super::ACCOUNT)).await;
    assert_eq!(own["OwningAccounts"], json!([super::ACCOUNT]));
    let linked = world.done("ListMetrics", owning("210987654321")).await;
    assert_eq!(names(&linked), [""; 0]);
}

#[tokio::test]
async fn periods_begin_where_the_start_does() {
    let world = World::new().await;
    for minute in 0..10 {
        world.put("m", START + 60 * minute, 1.0).await;
    }
    let from = START + 2 * 60 + 30;
    let sums = world.sums("m", (from, START + 600), 300).await;
    let (first, second) = (START + 2 * 60, START + 7 * 60);
    assert_eq!(sums, [(first, 5.0, 5.0), (second, 3.0, 3.0)]);
}

#[tokio::test]
async fn what_is_old_is_known_by_longer_periods_alone() {
    let world = World::new().await;
    world.put("m", START, 1.0).await;
    world.put("m", START + 60, 2.0).await;
    let day = 86_400;
    for (days, minutes, fives, hours) in
        [(14, 2, 1, 1), (16, 0, 1, 1), (64, 0, 0, 1), (456, 0, 0, 0)]
    {
        world.later(START + days * day - world.clock.now().0 / 1_000);
        world.metrics.settle().await.unwrap();
        let count = async |period| world.sums("m", (START, START + 3_600), period).await.len();
        let found = (count(60).await, count(300).await, count(3_600).await);
        assert_eq!(found, (minutes, fives, hours), "after {days} days");
    }
    let kept = world
        .store
        .scan(store::Scan::below(&store::Key::of(&["metrics", "kept"])));
    assert_eq!(
        kept.await.unwrap().len(),
        0,
        "nothing is left of a metric in the end"
    );
}

#[tokio::test]
async fn percentiles_are_not_made_up() {
    let world = World::new().await;
    let set = json!({"SampleCount": 3, "Sum": 6, "Minimum": 1, "Maximum": 3});
    let data = json!([{"MetricName": "m", "StatisticValues": set}]);
    world
        .done(
            "PutMetricData",
            json!({"Namespace": "ns", "MetricData": data}),
        )
        .await;
    let ask = |statistics: Value, extended: Value| {
        json!({
            "Namespace": "ns", "MetricName": "m", "StartTime": START, "EndTime": START + 60, "Period": 60,
            "Statistics": statistics, "ExtendedStatistics": extended,
        })
    };
    let answer = world
        .done("GetMetricStatistics", ask(json!([]), json!(["p50"])))
        .await;
    assert_eq!(answer["Datapoints"], json!([]));
    let answer = world
        .done(
            "GetMetricStatistics",
            ask(json!(["Average"]), json!(["p50"])),
        )
        .await;
    let expected = json!([{"Timestamp": START as f64, "Average": 2.0, "Unit": "None"}]);
    assert_eq!(answer["Datapoints"], expected);
}
