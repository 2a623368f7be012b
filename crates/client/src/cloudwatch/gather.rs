//! Where single values become statistics until they are published.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::Timestamp;

use super::{DIMENSIONS_MAX, Datum, Dimension, NAME_MAX, Statistics, Unit, acceptable};

/// Most metrics gathered between two publications.
pub const METRICS_MAX: usize = 10_000;

/// A name, its dimensions and its unit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Metric {
    pub(super) name: Cow<'static, str>,
    pub(super) unit: Unit,
    pub(super) dimensions: Vec<Dimension>,
}

impl Metric {
    /// A metric. Of its dimensions the first 30 are kept, which is all that CloudWatch takes.
    #[must_use]
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        unit: Unit,
        mut dimensions: Vec<Dimension>,
    ) -> Metric {
        dimensions.truncate(DIMENSIONS_MAX);
        Metric {
            name: acceptable(name.into(), NAME_MAX),
            unit,
            dimensions,
        }
    }
}

/// Statistics by metric, of all values since the last time they were taken. Share it.
#[derive(Debug, Default)]
pub struct Gatherer {
    metrics: Mutex<HashMap<Metric, Statistics>>,
    refused: AtomicU64,
}

impl Gatherer {
    /// Adds one value.
    pub fn add(&self, metric: &Metric, value: f64) {
        self.merge(metric, &Statistics::of(value));
    }

    /// Adds values of which this is said. With [`METRICS_MAX`] other metrics there already, they are
    /// [counted](Gatherer::refused) and dropped.
    pub fn merge(&self, metric: &Metric, statistics: &Statistics) {
        let mut metrics = self.metrics();
        if let Some(known) = metrics.get_mut(metric) {
            known.merge(statistics);
        } else if metrics.len() < METRICS_MAX {
            metrics.insert(metric.clone(), *statistics);
        } else {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes what there is, as of this time; then there is nothing.
    #[must_use]
    pub fn take(&self, now: Timestamp) -> Vec<Datum> {
        let metrics = std::mem::take(&mut *self.metrics());
        let data = metrics.into_iter();
        data.map(|(metric, statistics)| Datum::new(metric, now, statistics))
            .collect()
    }

    /// Values dropped because there were too many metrics.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn metrics(&self) -> MutexGuard<'_, HashMap<Metric, Statistics>> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_statistics_and_are_taken_once() {
        let gatherer = Gatherer::default();
        let metric = |shard| {
            let shard = Dimension::new("ShardId", shard);
            Metric::new("M", Unit::Count, vec![shard])
        };
        for value in [3.0, 1.0, 8.0] {
            gatherer.add(&metric("a"), value);
        }
        gatherer.merge(&metric("b"), &Statistics::repeated(2.0, 3));
        let mut data = gatherer.take(Timestamp(5));
        data.sort_by(|a, b| a.statistics().sum.total_cmp(&b.statistics().sum));
        let of = |sample_count, sum, minimum, maximum| Statistics {
            sample_count,
            sum,
            minimum,
            maximum,
        };
        let expected = [
            Datum::new(metric("b"), Timestamp(5), of(3.0, 6.0, 2.0, 2.0)),
            Datum::new(metric("a"), Timestamp(5), of(3.0, 12.0, 1.0, 8.0)),
        ];
        assert_eq!(data, expected);
        assert_eq!(gatherer.take(Timestamp(6)), []);
    }

    #[test]
    fn there_is_an_end_to_metrics() {
        let gatherer = Gatherer::default();
        let metric = |number: usize| Metric::new(number.to_string(), Unit::None, Vec::new());
        for number in 0..METRICS_MAX + 3 {
            gatherer.add(&metric(number), 1.0);
        }
        gatherer.add(&metric(0), 1.0);
        assert_eq!(gatherer.refused(), 3);
        assert_eq!(gatherer.take(Timestamp(0)).len(), METRICS_MAX);
        gatherer.add(&metric(METRICS_MAX), 1.0);
        assert_eq!(gatherer.take(Timestamp(0)).len(), 1);
    }
}
