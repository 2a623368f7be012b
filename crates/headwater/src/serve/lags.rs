//! How far Kafka's groups are behind, under the names that kafka-exporter has for it, so that its dashboards and alerts fit; and
//! under those that Amazon MSK has in CloudWatch.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kafka::{Broker, GroupLag};
use model::{AccountId, Region};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;
use services::published::{Published, Told};

/// How often it is measured.
const MEASURING_PERIOD: Duration = Duration::from_secs(10);
/// What MSK's dimension `Cluster Name` says: there is one.
const CLUSTER: &str = "headwater";
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
pub(super) struct Lags(Arc<Mutex<Vec<GroupLag>>>);

impl Lags {
    /// Measures for ever.
    pub(super) async fn keep_measuring(&self, broker: &Broker) {
        loop {
            match broker.group_lags(SERIES_MAX).await {
                Ok(lags) => *self.0.lock().unwrap_or_else(PoisonError::into_inner) = lags,
                Err(error) => tracing::warn!(%error, "could not see how far groups are behind"),
            }
            tokio::time::sleep(MEASURING_PERIOD).await;
        }
    }

    /// By group and topic, as MSK tells it: of all partitions together, and of that which is furthest behind. Topics are the
    /// account's without a name.
    pub(super) fn published(&self) -> Vec<Published> {
        let mut lags: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
        for lag in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let of = lags
                .entry((lag.group.clone(), lag.topic.clone()))
                .or_default();
            *of = (of.0 + lag.lag(), of.1.max(lag.lag()));
        }
        let mut all = Vec::with_capacity(2 * lags.len());
        for ((group, topic), (sum, max)) in lags {
            for (name, lag) in [("SumOffsetLag", sum), ("MaxOffsetLag", max)] {
                all.push(Published {
                    account: AccountId::unnamed(),
                    region: Region::unnamed(),
                    namespace: "AWS/Kafka",
                    name,
                    dimensions: vec![
                        ("Cluster Name", CLUSTER.to_owned()),
                        ("Consumer Group", group.clone()),
                        ("Topic", topic.clone()),
                    ],
                    unit: "Count",
                    told: Told::Level(lag as f64),
                });
            }
        }
        all
    }
}

impl Collector for Lags {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let lags = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
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
                let value = ConstGauge::new(i64::try_from(read(lag)).unwrap_or(i64::MAX));
                value.encode(family.encode_family(&place)?)?;
            }
        }
        Ok(())
    }
}
