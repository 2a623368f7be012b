//! What the services here tell of themselves, as AWS's metrics: under namespaces that users can't put into.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::datum::Datum;
use super::error::MetricsError;
use super::identity::{Identity, Owner};
use super::series::Resolution;
use super::summary::Summary;
use super::unit::Unit;
use super::{Metrics, limits};
use crate::published::{Published, Told};

/// What was told of each metric the last time. Holds no more than was told then.
#[derive(Debug, Default)]
pub(super) struct Before {
    told: Mutex<HashMap<Identity, Told>>,
    /// Whether it has been said that there are too many metrics.
    has_complained: AtomicBool,
}

/// What a minute's value is, given what was told before it.
fn value(before: Option<Told>, now: Told) -> Option<Summary> {
    // What is smaller than before began anew: its thing was made again.
    let growth = |before: u64, now: u64| if now < before { now } else { now - before };
    match (before, now) {
        (Some(Told::Total(before)), Told::Total(now)) => counted(growth(before, now)),
        (_, Told::Total(now)) => counted(now),
        (
            Some(Told::Totals {
                count: old,
                sum: before,
            }),
            Told::Totals { count, sum },
        ) if count >= old => averaged(count - old, sum - before),
        (_, Told::Totals { count, sum }) => averaged(count, sum),
        (before, Told::Level(level)) => {
            let is_told =
                level != 0.0 || matches!(before, Some(Told::Level(before)) if before != 0.0);
            is_told.then(|| Summary::of(level, 1.0))
        }
        (before, Told::Seen { value, count }) => {
            let old = match before {
                Some(Told::Seen { count, .. }) => count,
                _ => 0,
            };
            (growth(old, count) > 0).then(|| Summary::of(value, 1.0))
        }
    }
}

fn counted(count: u64) -> Option<Summary> {
    (count > 0).then(|| Summary::of(count as f64, 1.0))
}

fn averaged(count: u64, sum: f64) -> Option<Summary> {
    if count == 0 {
        return None;
    }
    let count = count as f64;
    let average = sum / count;
    Some(Summary::told(count, sum, average, average))
}

impl Metrics {
    /// Takes in what services tell of themselves: the values of the minute before this one. To be called once a minute with all that
    /// there is to tell. New metrics that have no room are left out, which is said once.
    ///
    /// # Errors
    /// The store's. The minute is lost then.
    pub async fn publish(&self, all: Vec<Published>) -> Result<(), MetricsError> {
        let now = self.now();
        let at = now - now.rem_euclid(60) - 60;
        let data = self.minute(all, at);
        for some in data.chunks(limits::DATA) {
            match self.take(some.to_vec(), now).await {
                Ok(()) => {}
                Err(MetricsError::LimitExceeded(text)) => {
                    if !self.before.has_complained.swap(true, Ordering::Relaxed) {
                        tracing::warn!("CloudWatch is not told of all that services count: {text}");
                    }
                    let mut known = some.to_vec();
                    known.retain(|datum| self.table().has(&datum.identity));
                    if !known.is_empty() {
                        self.take(known, now).await?;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn minute(&self, all: Vec<Published>, at: i64) -> Vec<Datum> {
        let mut before = self
            .before
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut told = HashMap::with_capacity(all.len());
        let mut data = Vec::new();
        for one in all {
            let owner = Owner {
                account: one.account,
                region: one.region,
            };
            let dimensions = one
                .dimensions
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value));
            let identity = Identity::new(
                owner,
                one.namespace.into(),
                one.name.into(),
                dimensions.collect(),
            );
            if let Some(summary) = value(before.get(&identity).copied(), one.told) {
                data.push(Datum {
                    identity: identity.clone(),
                    unit: Unit::parse(one.unit).unwrap_or(Unit::NONE),
                    resolution: Resolution::Minute,
                    at,
                    summary,
                });
            }
            told.insert(identity, one.told);
        }
        *before = told;
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_what_has_grown() {
        let total = |before: Option<u64>, now| {
            value(before.map(Told::Total), Told::Total(now)).map(|of| of.sum)
        };
        assert_eq!(total(None, 5), Some(5.0));
        assert_eq!(total(Some(5), 12), Some(7.0));
        assert_eq!(total(Some(5), 5), None);
        assert_eq!(total(Some(5), 2), Some(2.0), "made again");
        let totals = |count, sum| Told::Totals { count, sum };
        let size = value(Some(totals(1, 10.0)), totals(4, 70.0)).unwrap();
        assert_eq!(
            (size.count, size.sum, size.min, size.max),
            (3.0, 60.0, 20.0, 20.0)
        );
        assert_eq!(value(Some(totals(4, 70.0)), totals(4, 70.0)), None);
        let again = value(Some(totals(4, 70.0)), totals(2, 1.5)).unwrap();
        assert_eq!((again.count, again.sum), (2.0, 1.5), "made again");
    }

    #[test]
    fn a_level_at_zero_is_told_once() {
        let level = |before: Option<f64>, now| {
            value(before.map(Told::Level), Told::Level(now)).map(|of| of.sum)
        };
        assert_eq!(level(None, 0.0), None);
        assert_eq!(level(Some(0.0), 3.0), Some(3.0));
        assert_eq!(level(Some(3.0), 3.0), Some(3.0));
        assert_eq!(level(Some(3.0), 0.0), Some(0.0));
        assert_eq!(level(Some(0.0), 0.0), None);
    }

    #[test]
    fn what_was_not_seen_again_is_not_told_again() {
        let seen = |value, count| Told::Seen { value, count };
        let told = |before, now| value(before, now).map(|of| of.sum);
        assert_eq!(told(None, seen(0.0, 0)), None);
        assert_eq!(told(None, seen(0.0, 1)), Some(0.0));
        assert_eq!(told(Some(seen(7.0, 1)), seen(7.0, 1)), None);
        assert_eq!(told(Some(seen(7.0, 1)), seen(8.0, 2)), Some(8.0));
    }
}
