//! What is put adds up, and what is not right is refused.

use serde_json::json;

use super::{START, World};

const HOUR: (i64, i64) = (START - 3_600, START + 3_600);

#[tokio::test]
async fn values_of_a_minute_add_up() {
    let world = World::new().await;
    world.put("m", START + 5, 1.0).await;
    world.put("m", START + 59, 2.0).await;
    world.put("m", START + 60, 4.0).await;
    let sums = world.sums("m", HOUR, 60).await;
    assert_eq!(sums, [(START, 2.0, 3.0), (START + 60, 1.0, 4.0)]);
    assert_eq!(world.sums("m", HOUR, 3_600).await, [(START, 3.0, 7.0)]);
    assert_eq!(world.sums("other", HOUR, 60).await, []);
    let other = world.asked_by("210987654321");
    assert_eq!(other.sums("m", HOUR, 60).await, []);
}

#[tokio::test]
async fn too_large_a_put_is_refused() {
    let world = World::new().await;
    let dimensions: Vec<_> = (0..30)
        .map(|number| json!({"Name": format!("{number:0>255}"), "Value": "v".repeat(1_024)}))
        .collect();
    let datum = json!({"MetricName": "m", "Value": 1, "Dimensions": dimensions});
    let data: Vec<_> = (0..40).map(|_| datum.clone()).collect();
    let put = |data: &[serde_json::Value]| json!({"Namespace": "ns", "MetricData": data});
    world.done("PutMetricData", put(&data[..20])).await;
    let text = "the request's metrics must be at most 1048576 bytes";
    world
        .refused("RequestEntityTooLarge", text, "PutMetricData", put(&data))
        .await;
}

#[tokio::test]
async fn metrics_of_entities_are_metrics() {
    let world = World::new().await;
    let input = json!({
        "Namespace": "ns",
        "EntityMetricData": [{
            "Entity": {"KeyAttributes": {"Type": "Service", "Name": "x"}},
            "MetricData": [{"MetricName": "m", "Value": 3}],
        }],
        "StrictEntityValidation": true,
    });
    world.done("PutMetricData", input).await;
    assert_eq!(world.sums("m", HOUR, 60).await, [(START, 1.0, 3.0)]);
    let input = json!({"Namespace": "ns", "EntityMetricData": [{"MetricData": [{"Value": 3}]}]});
    let text =
        "The parameter EntityMetricData.member.1.MetricData.member.1.MetricName is required.";
    world
        .refused(
            "MissingRequiredParameterException",
            text,
            "PutMetricData",
            input,
        )
        .await;
}

#[tokio::test]
async fn a_set_of_statistics_must_be_one() {
    let world = World::new().await;
    let put = |set: serde_json::Value| json!({"Namespace": "ns", "MetricData": [{"MetricName": "m", "StatisticValues": set}]});
    let here = "MetricData.member.1.StatisticValues";
    for (set, shape, text) in [
        (
            json!({"SampleCount": 1, "Sum": 1, "Minimum": 1}),
            "MissingRequiredParameterException",
            format!("The parameter {here}.Maximum is required."),
        ),
        (
            json!({"SampleCount": 0, "Sum": 1, "Minimum": 1, "Maximum": 1}),
            "InvalidParameterValueException",
            format!("The parameter {here}.SampleCount must be greater than 0."),
        ),
        (
            json!({"SampleCount": 2, "Sum": 3, "Minimum": 2, "Maximum": 1}),
            "InvalidParameterValueException",
            format!("The parameter {here}.Maximum must be greater than {here}.Minimum."),
        ),
        (
            json!({"SampleCount": 2, "Sum": 1e200, "Minimum": 1, "Maximum": 2}),
            "InvalidParameterValueException",
            format!("The value {} for parameter {here}.Sum is invalid.", 1e200),
        ),
    ] {
        world.refused(shape, &text, "PutMetricData", put(set)).await;
    }
}
