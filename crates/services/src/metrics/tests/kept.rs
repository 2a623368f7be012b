//! What a restart finds: all that was answered, whether it was written down, archived, or is in the journal alone.

use proptest::prelude::*;

use super::{START, World};
use crate::metrics::limits;

/// Puts hours of minutes, some of them late, with restarts and settling in between; `steps` says what is done after each hour.
async fn run(steps: &[u8]) {
    let mut world = World::new().await;
    let mut expected = Vec::new();
    for (hour, step) in steps.iter().enumerate() {
        let from = START + 3_600 * hour as i64;
        for minute in 0..60 {
            let at = from + 60 * minute;
            world.put("m", at, minute as f64).await;
            expected.push((at, 1.0, minute as f64));
        }
        // Late, for the first hour, which may lie in a block by now.
        world.put("m", START + 60 * hour as i64, 0.5).await;
        let late = &mut expected[hour];
        *late = (late.0, late.1 + 1.0, late.2 + 0.5);
        world.later(3_600);
        if step & 1 != 0 {
            world.metrics.settle().await.unwrap();
        }
        if step & 2 != 0 {
            world = world.restarted().await;
        }
        if step & 4 != 0 {
            world.metrics.settle().await.unwrap();
        }
    }
    let span = (START, START + 3_600 * steps.len() as i64);
    assert_eq!(world.sums("m", span, 60).await, expected, "{steps:?}");
    let restarted = world.restarted().await;
    assert_eq!(restarted.sums("m", span, 60).await, expected, "{steps:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn a_restart_at_any_time_loses_and_doubles_nothing(steps in prop::collection::vec(0..8_u8, 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(&steps));
    }
}

#[tokio::test]
async fn blocks_go_to_the_archive_and_the_journal_is_cut() {
    let world = World::new().await;
    for minute in 0..limits::PAST_SECONDS / 60 / 20 {
        world.put("m", START - 60 * minute, 1.0).await;
    }
    let logs = world.metrics.logs;
    let archived = async || world.store.bounds(logs.archive(1)).await.unwrap().end.0;
    assert_eq!(archived().await, 0);
    for _ in 0..20 {
        world.metrics.settle().await.unwrap();
    }
    assert_eq!(archived().await, 1_008 / 60 - 1);
    let journal = world.store.bounds(logs.journal()).await.unwrap();
    assert_eq!((journal.start, journal.end.0), (journal.end, 1_008));
    let sums = world
        .restarted()
        .await
        .sums("m", (START - 60 * 1_007, START + 60), 60)
        .await;
    assert_eq!(sums.len(), 1_008);
    // The archive is cut too, in time.
    world.later(16 * 86_400);
    world.metrics.settle().await.unwrap();
    let bounds = world.store.bounds(logs.archive(1)).await.unwrap();
    assert_eq!(bounds.start, bounds.end);
}

#[tokio::test]
async fn a_new_metric_takes_the_place_of_the_longest_idle() {
    let world = World::new().await;
    let put = async |from: usize, to: usize| {
        for some in (from..to).collect::<Vec<_>>().chunks(1_000) {
            let data: Vec<_> = some
                .iter()
                .map(|number| serde_json::json!({"MetricName": format!("m{number}"), "Value": 1}))
                .collect();
            let input = serde_json::json!({"Namespace": "ns", "MetricData": data});
            world.ask("PutMetricData", &input).await?;
        }
        Ok::<_, (String, String)>(())
    };
    put(0, limits::METRICS_MAX).await.unwrap();
    let over = put(limits::METRICS_MAX, limits::METRICS_MAX + 1);
    assert_eq!(over.await.unwrap_err().0, "LimitExceededFault");
    put(0, 10).await.unwrap();
    world.later(limits::LISTED_SECONDS - 10);
    put(5, limits::METRICS_MAX).await.unwrap();
    world.later(20);
    put(limits::METRICS_MAX, limits::METRICS_MAX + 5)
        .await
        .unwrap();
    assert_eq!(world.metrics.table().changed().len(), limits::METRICS_MAX);
    let span = (START, START + 60);
    assert_eq!(world.sums("m0", span, 60).await, [], "gone");
    assert_eq!(world.sums("m5", span, 60).await.len(), 1);
    let over = put(limits::METRICS_MAX + 5, limits::METRICS_MAX + 6);
    assert_eq!(over.await.unwrap_err().0, "LimitExceededFault");
}
