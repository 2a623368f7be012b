//! Whether a table has capacity left: buckets of units that fill with the seconds, which hold under [`Limits::Aws`] alone.
//!
//! A provisioned table keeps what it does not use for 300 seconds ("burst capacity"). One on demand is held to what a new one takes at
//! once, or to its own caps: so long as hardware is the limit, it does not grow from there. An operation is let in while
//! there is a unit, and takes what it turns out to cost, so that a large read may leave a debt. AWS's partitions, each with a part of the
//! capacity, have no counterpart.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use model::Timestamp;

use super::error::DynamoError;
use super::limits::{BURST_SECONDS, ON_DEMAND_READ, ON_DEMAND_WRITE};
use super::records::{Billing, Index};
use super::tables::Found;
use super::{Dynamo, Limits};

/// Reading or writing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Side {
    Read,
    Write,
}

/// The buckets of one table: its own, numbered 0, and those of its global indexes.
#[derive(Debug, Default)]
pub(super) struct Meters(Mutex<HashMap<(u16, Side), Bucket>>);

/// Units used and not yet filled up again, in thousandths.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    used: i64,
    at: Timestamp,
}

impl Bucket {
    fn at(self, now: Timestamp, per_second: i64) -> Bucket {
        let passed = i64::try_from(now.since(self.at).as_millis()).unwrap_or(i64::MAX);
        let used = self.used.saturating_sub(passed.saturating_mul(per_second));
        Bucket {
            used: used.max(0),
            at: now,
        }
    }
}

impl Meters {
    /// Whether there is a unit left.
    fn has_room(&self, of: (u16, Side), now: Timestamp, rate: Rate) -> bool {
        let buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.get(&of).copied().unwrap_or_default();
        bucket.at(now, rate.per_second).used < rate.most()
    }

    fn take(&self, of: (u16, Side), now: Timestamp, rate: Rate, units: f64) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(of).or_default();
        *bucket = bucket.at(now, rate.per_second);
        bucket.used = bucket.used.saturating_add((units * 1_000.0) as i64);
    }
}

/// How fast a bucket fills, and how far.
#[derive(Clone, Copy, Debug)]
struct Rate {
    per_second: i64,
    seconds: i64,
}

impl Rate {
    /// In thousandths.
    fn most(self) -> i64 {
        self.per_second
            .saturating_mul(self.seconds)
            .saturating_mul(1_000)
    }
}

/// The rate of a table, or of one of its global indexes.
fn rate(found: &Found, index: Option<&Index>, side: Side) -> Rate {
    match &found.table.billing {
        Billing::Provisioned(throughput) => {
            let set = index.and_then(|index| index.throughput);
            let set = set.as_ref().unwrap_or(throughput);
            let per_second = match side {
                Side::Read => set.read,
                Side::Write => set.write,
            };
            Rate {
                per_second,
                seconds: BURST_SECONDS,
            }
        }
        Billing::OnDemand(caps) => Rate {
            per_second: match side {
                Side::Read => caps.read.unwrap_or(ON_DEMAND_READ),
                Side::Write => caps.write.unwrap_or(ON_DEMAND_WRITE),
            },
            seconds: 1,
        },
    }
}

impl Dynamo {
    /// Lets an operation on a table, or on one of its global indexes, begin.
    ///
    /// # Errors
    /// [`DynamoError::ThroughputExceeded`] or [`DynamoError::Throttling`].
    pub(super) fn admit(
        &self,
        found: &Found,
        index: Option<&Index>,
        side: Side,
    ) -> Result<(), DynamoError> {
        if self.limits == Limits::None {
            return Ok(());
        }
        let of = (index.map_or(0, |index| index.number), side);
        let rate = rate(found, index, side);
        if found.live.meters.has_room(of, self.clock.now(), rate) {
            return Ok(());
        }
        found.live.counters.throttled(of);
        Err(match found.table.billing {
            Billing::Provisioned(_) => DynamoError::ThroughputExceeded,
            Billing::OnDemand(_) => DynamoError::Throttling,
        })
    }

    /// Lets a write to a table begin: neither it nor any of its global indexes may be at its limit.
    pub(super) fn admit_write(&self, found: &Found) -> Result<(), DynamoError> {
        self.admit(found, None, Side::Write)?;
        for index in found.table.global.values() {
            self.admit(found, Some(index), Side::Write)?;
        }
        Ok(())
    }

    /// Counts what an operation cost.
    pub(super) fn take(&self, found: &Found, index: Option<&Index>, side: Side, units: f64) {
        let of = (index.map_or(0, |index| index.number), side);
        found.live.counters.took(of, units);
        if self.limits == Limits::None {
            return;
        }
        let rate = rate(found, index, side);
        found.live.meters.take(of, self.clock.now(), rate, units);
    }
}
