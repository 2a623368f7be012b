//! What services tell of themselves is found under AWS's names.

use ::model::{AccountId, Region};
use serde_json::json;

use super::{ACCOUNT, START, World};
use crate::published::{Published, Told};

fn sent(told: u64) -> Vec<Published> {
    vec![Published {
        account: AccountId::parse(ACCOUNT).unwrap(),
        region: Region::unnamed(),
        namespace: "AWS/SQS",
        name: "NumberOfMessagesSent",
        dimensions: vec![("QueueName", "q".to_owned())],
        unit: "Count",
        told: Told::Total(told),
    }]
}

#[tokio::test]
async fn each_minute_is_told_as_the_one_before() {
    let world = World::new().await;
    for total in [3, 3, 10] {
        world.metrics.publish(sent(total)).await.unwrap();
        world.later(60);
    }
    let dimensions = json!([{"Name": "QueueName", "Value": "q"}]);
    let listed = world
        .done("ListMetrics", json!({"Namespace": "AWS/SQS"}))
        .await;
    let metric = json!({"Namespace": "AWS/SQS", "MetricName": "NumberOfMessagesSent", "Dimensions": dimensions});
    assert_eq!(listed["Metrics"], json!([metric]));
    let input = json!({
        "Namespace": "AWS/SQS", "MetricName": "NumberOfMessagesSent", "Dimensions": dimensions, "StartTime": START - 600,
        "EndTime": START + 600, "Period": 60, "Statistics": ["Sum"], "Unit": "Count",
    });
    let answer = world.done("GetMetricStatistics", input).await;
    let told: Vec<_> = answer["Datapoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| {
            (
                point["Timestamp"].as_f64().unwrap() as i64 - START,
                point["Sum"].as_f64().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [(-60, 3.0), (60, 7.0)]);
}

#[tokio::test]
async fn what_is_known_is_told_where_there_is_no_room_for_more() {
    let world = World::new().await;
    world.metrics.publish(sent(3)).await.unwrap();
    world.later(60);
    let one = |number: u32| Published {
        dimensions: vec![("QueueName", number.to_string())],
        ..sent(1).remove(0)
    };
    let mut all: Vec<Published> = (0..10_500).map(one).collect();
    all.extend(sent(5));
    world.metrics.publish(all).await.unwrap();
    let asked = json!({
        "Namespace": "AWS/SQS",
        "MetricName": "NumberOfMessagesSent",
        "Dimensions": [{"Name": "QueueName", "Value": "q"}],
        "StartTime": START - 3_600,
        "EndTime": START + 3_600,
        "Period": 7_200,
        "Statistics": ["Sum", "SampleCount"],
    });
    let told = world.done("GetMetricStatistics", asked).await;
    let sums = told["Datapoints"].as_array().unwrap().iter();
    assert_eq!(
        sums.map(|point| point["Sum"].as_f64().unwrap())
            .sum::<f64>(),
        5.0
    );
}
