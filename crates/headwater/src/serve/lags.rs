//! How far Kafka's groups are behind, under the names that kafka-exporter has for it, so that its dashboards and alerts fit; and
//! under those that Amazon MSK has in CloudWatch. Where some are missing, a gauge says so: an alert on lag alone would be silent.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka::{Broker, GroupLag};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;
use services::published::Published;

use super::kafka_numbers::{gauge, of_cluster};

/// Series of each name.
const SERIES_MAX: usize = 10_000;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Place {
    consumergroup: String,
    topic: String,
    partition: u32,
}

/// What was measured last.
#[derive(Clone, Debug, Default)]
pub(super) struct Lags(Arc<Mutex<Measured>>);

#[derive(Clone, Debug, Default)]
struct Measured {
    lags: Vec<GroupLag>,
    /// Whether groups have offsets of other partitions, too.
    is_incomplete: bool,
}

impl Measured {
    /// As many of them as are shown.
    fn of(mut lags: Vec<GroupLag>) -> Measured {
        let is_incomplete = lags.len() > SERIES_MAX;
        lags.truncate(SERIES_MAX);
        Measured {
            lags,
            is_incomplete,
        }
    }

    /// It could not be measured, and what was before is not shown as if it were now.
    fn failed() -> Measured {
        Measured {
            lags: Vec::new(),
            is_incomplete: true,
        }
    }
}

impl Lags {
    /// Measures now.
    pub(super) async fn measure(&self, broker: &Broker) {
        // One more than are shown tells that there are more.
        let measured = match broker.group_lags(SERIES_MAX + 1).await {
            Ok(lags) => Measured::of(lags),
            Err(error) => {
                tracing::warn!(%error, "could not see how far groups are behind");
                Measured::failed()
            }
        };
        self.replace(measured);
    }

    fn last(&self) -> MutexGuard<'_, Measured> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, measured: Measured) {
        let is_cut = |measured: &Measured| measured.is_incomplete && !measured.lags.is_empty();
        let mut last = self.last();
        if is_cut(&measured) && !is_cut(&last) {
            tracing::warn!(
                "groups have offsets of more than {SERIES_MAX} partitions: how far they are behind is not shown of the groups \
                 whose names come last"
            );
        }
        *last = measured;
    }

    /// By group and topic, as MSK tells it: of all partitions together, and of that which is furthest behind. Topics are the
    /// account's without a name.
    pub(super) fn published(&self) -> Vec<Published> {
        let mut lags: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
        for lag in &self.last().lags {
            let of = lags
                .entry((lag.group.clone(), lag.topic.clone()))
                .or_default();
            *of = (of.0 + lag.lag(), of.1.max(lag.lag()));
        }
        let mut all = Vec::with_capacity(2 * lags.len());
        for ((group, topic), (sum, max)) in lags {
            for (name, lag) in [("SumOffsetLag", sum), ("MaxOffsetLag", max)] {
                let dimensions = vec![("Consumer Group", group.clone()), ("Topic", topic.clone())];
                all.push(of_cluster(name, "Count", dimensions, lag as f64));
            }
        }
        all
    }
}

impl Collector for Lags {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Measured {
            lags,
            is_incomplete,
        } = self.last().clone();
        let incomplete = ConstGauge::new(i64::from(is_incomplete));
        let family = encoder.encode_descriptor(
            "kafka_consumergroup_lag_incomplete",
            "1 where the lag of some groups is not told, for there are too many or it could not be measured",
            None,
            incomplete.metric_type(),
        )?;
        incomplete.encode(family)?;
        let read_lag: fn(&GroupLag) -> u64 = GroupLag::lag;
        let read_committed: fn(&GroupLag) -> u64 = |lag| lag.committed;
        for (name, help, read) in [
            (
                "lag",
                "Records that a group has yet to read of a partition",
                read_lag,
            ),
            (
                "current_offset",
                "Offset that a group has committed of a partition",
                read_committed,
            ),
        ] {
            let kind = ConstGauge::new(0i64).metric_type();
            let name = format!("kafka_consumergroup_{name}");
            let mut family = encoder.encode_descriptor(&name, help, None, kind)?;
            for lag in &lags {
                let place = Place {
                    consumergroup: lag.group.clone(),
                    topic: lag.topic.clone(),
                    partition: lag.partition,
                };
                gauge(read(lag)).encode(family.encode_family(&place)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode_registry;
    use prometheus_client::registry::Registry;

    use super::*;

    fn shown(measured: Measured) -> String {
        let lags = Lags::default();
        lags.replace(measured);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(lags));
        let mut text = String::new();
        encode_registry(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn what_is_left_out_is_told() {
        let check = |measured, incomplete: u8, series: usize| {
            let text = shown(measured);
            let line = format!("\nkafka_consumergroup_lag_incomplete {incomplete}\n");
            assert!(text.contains(&line), "{incomplete}, {series} series");
            assert_eq!(text.matches("kafka_consumergroup_lag{").count(), series);
        };
        let lags = |count: usize| {
            let lag = |partition| GroupLag {
                group: "g".to_owned(),
                topic: "t".to_owned(),
                partition,
                committed: 1,
                end: 3,
            };
            (0..).map(lag).take(count).collect()
        };
        check(Measured::of(lags(2)), 0, 2);
        check(Measured::of(lags(SERIES_MAX)), 0, SERIES_MAX);
        check(Measured::of(lags(SERIES_MAX + 1)), 1, SERIES_MAX);
        check(Measured::failed(), 1, 0);
    }
}
