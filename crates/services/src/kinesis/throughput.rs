//! What AWS lets a shard take and give, as token buckets with the time passed in. (Rates of calls that move no records:
//! [`super::calls`].)
//!
//! Numbers: developer guide, "Quotas and limits"; API reference of PutRecord, GetRecords and GetShardIterator. Enforced with
//! [`super::Limits::Aws`] alone. Kept in memory: a restart forgives.
//!
//! Promises: over any span, no more passes than the rate times the span and one second's burst, but for a single large record
//! or read, which is paid for afterwards. It does not promise AWS's exact moment of refusal, which AWS does not document.

use std::collections::HashMap;
use std::time::Duration;

use model::{LogId, Timestamp};

/// A shard takes this many bytes of keys and data a second.
const WRITE_BYTES: Rate = Rate::of(1 << 20);
/// A shard takes this many records a second.
const WRITE_RECORDS: Rate = Rate::of(1_000);
/// A shard gives this many bytes a second to all that poll it, and to each consumer with a subscription.
pub(super) const READ_BYTES: Rate = Rate::of(2 << 20);
/// GetRecords of a shard a second.
const READ_CALLS: Rate = Rate::of(5);
/// GetShardIterator of a shard a second.
const ITERATOR_CALLS: Rate = Rate::of(5);

/// Shards that are kept count of at once. One that is idle is as good as unknown.
const KEPT_MAX: usize = 100_000;

/// So many units a second, and as many at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rate(i64);

impl Rate {
    /// `units` a second.
    pub(super) const fn of(units: i64) -> Rate {
        Rate(units)
    }

    /// A full bucket, in thousandths of a unit: a unit a second is a thousandth a millisecond.
    fn full(self) -> i64 {
        self.0 * 1_000
    }
}

/// Fills at a rate up to one second's worth; may be in debt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bucket {
    rate: Rate,
    /// Thousandths of a unit.
    level: i64,
    at: Timestamp,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(rate: Rate, now: Timestamp) -> Bucket {
        Bucket {
            rate,
            level: rate.full(),
            at: now,
        }
    }

    fn fill(&mut self, now: Timestamp) {
        // A clock set back gives nothing and takes nothing.
        let passed = i64::try_from(now.since(self.at).as_millis()).unwrap_or(i64::MAX);
        let gained = passed.saturating_mul(self.rate.0);
        self.level = self.level.saturating_add(gained).min(self.rate.full());
        self.at = now;
    }

    fn is_full(&self) -> bool {
        self.level == self.rate.full()
    }

    /// Whether [`Bucket::take`] of so many would be granted.
    fn has(&mut self, units: usize, now: Timestamp) -> bool {
        self.fill(now);
        thousandths(units) <= self.level || self.is_full()
    }

    /// Takes `units` if they are there. More than ever are there at once are granted by a full bucket, on credit.
    fn take(&mut self, units: usize, now: Timestamp) -> bool {
        let granted = self.has(units, now);
        if granted {
            self.level -= thousandths(units);
        }
        granted
    }

    /// Whether there is no debt.
    pub(super) fn is_solvent(&mut self, now: Timestamp) -> bool {
        self.fill(now);
        self.level >= 0
    }

    /// Takes `units` whether they are there or not. What is over is paid for in full: 10 MiB from a shard that gives 2 MiB a
    /// second stop it for 5 s, as AWS documents.
    pub(super) fn charge(&mut self, units: usize, now: Timestamp) {
        self.fill(now);
        let due = thousandths(units);
        self.level = if due <= self.level {
            self.level - due
        } else {
            self.level.min(0).saturating_sub(due)
        };
    }

    /// How long until there is no debt.
    pub(super) fn until_solvent(&mut self, now: Timestamp) -> Duration {
        self.fill(now);
        let debt = u64::try_from(self.level.saturating_neg()).unwrap_or(0);
        let rate = self.rate.0.unsigned_abs().max(1);
        Duration::from_millis(debt.div_ceil(rate))
    }
}

fn thousandths(units: usize) -> i64 {
    i64::try_from(units)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000)
}

/// What one shard may still take and give.
#[derive(Clone, Copy, Debug)]
struct ShardBuckets {
    write_bytes: Bucket,
    write_records: Bucket,
    read_bytes: Bucket,
    read_calls: Bucket,
    iterator_calls: Bucket,
}

impl ShardBuckets {
    fn new(now: Timestamp) -> ShardBuckets {
        ShardBuckets {
            write_bytes: Bucket::new(WRITE_BYTES, now),
            write_records: Bucket::new(WRITE_RECORDS, now),
            read_bytes: Bucket::new(READ_BYTES, now),
            read_calls: Bucket::new(READ_CALLS, now),
            iterator_calls: Bucket::new(ITERATOR_CALLS, now),
        }
    }

    fn is_idle(&mut self, now: Timestamp) -> bool {
        let ShardBuckets {
            write_bytes,
            write_records,
            read_bytes,
            read_calls,
            iterator_calls,
        } = self;
        [
            write_bytes,
            write_records,
            read_bytes,
            read_calls,
            iterator_calls,
        ]
        .into_iter()
        .all(|bucket| {
            bucket.fill(now);
            bucket.is_full()
        })
    }
}

/// All buckets.
#[derive(Debug, Default)]
pub(super) struct Throughput {
    shards: HashMap<LogId, ShardBuckets>,
}

impl Throughput {
    /// Whether a shard takes `records` of `bytes` in all now. All or none.
    pub(super) fn put(
        &mut self,
        shard: LogId,
        records: usize,
        bytes: usize,
        now: Timestamp,
    ) -> bool {
        let buckets = self.shard(shard, now);
        let granted =
            buckets.write_bytes.has(bytes, now) && buckets.write_records.has(records, now);
        if granted {
            buckets.write_bytes.take(bytes, now);
            buckets.write_records.take(records, now);
        }
        granted
    }

    /// Whether a shard may be read now; what was read is told to [`Throughput::end_read`].
    pub(super) fn begin_read(&mut self, shard: LogId, now: Timestamp) -> bool {
        let buckets = self.shard(shard, now);
        buckets.read_bytes.is_solvent(now) && buckets.read_calls.take(1, now)
    }

    /// So many bytes were read of a shard.
    pub(super) fn end_read(&mut self, shard: LogId, bytes: usize, now: Timestamp) {
        self.shard(shard, now).read_bytes.charge(bytes, now);
    }

    /// Whether another iterator of a shard may be given out now.
    pub(super) fn iterator(&mut self, shard: LogId, now: Timestamp) -> bool {
        self.shard(shard, now).iterator_calls.take(1, now)
    }

    fn shard(&mut self, shard: LogId, now: Timestamp) -> &mut ShardBuckets {
        if self.shards.len() >= KEPT_MAX {
            self.shards.retain(|_, buckets| !buckets.is_idle(now));
        }
        if self.shards.len() >= KEPT_MAX {
            // All are busy. Too kind for a moment, which a bound on memory is worth.
            self.shards.clear();
        }
        self.shards
            .entry(shard)
            .or_insert_with(|| ShardBuckets::new(now))
    }
}

#[cfg(test)]
mod tests {
    use model::StreamId;
    use proptest::prelude::*;

    use super::*;

    const SHARD: LogId = LogId {
        stream: StreamId(1),
        partition: 0,
    };
    const MIB: usize = 1 << 20;

    fn at(millis: i64) -> Timestamp {
        Timestamp(1_700_000_000_000 + millis)
    }

    #[test]
    fn a_shard_takes_a_mebibyte_and_a_thousand_records_a_second() {
        let mut throughput = Throughput::default();
        assert!(throughput.put(SHARD, 500, 100, at(0)));
        assert!(throughput.put(SHARD, 500, 100, at(0)));
        assert!(!throughput.put(SHARD, 1, 100, at(0)));
        assert!(throughput.put(SHARD, 1, 100, at(1)));
        let other = LogId {
            partition: 1,
            ..SHARD
        };
        assert!(throughput.put(other, 1, MIB, at(1)));
        assert!(!throughput.put(other, 1, 1, at(1)));
        assert!(throughput.put(other, 1, MIB / 2, at(501)));
    }

    #[test]
    fn a_large_record_passes_and_is_paid_for() {
        let mut throughput = Throughput::default();
        assert!(throughput.put(SHARD, 1, 10 * MIB, at(0)));
        assert!(!throughput.put(SHARD, 1, 1, at(9_000)));
        assert!(throughput.put(SHARD, 1, 1, at(9_001)));
    }

    #[test]
    fn ten_mebibytes_read_stop_a_shard_for_five_seconds() {
        let mut throughput = Throughput::default();
        assert!(throughput.begin_read(SHARD, at(0)));
        throughput.end_read(SHARD, 10 * MIB, at(0));
        assert!(!throughput.begin_read(SHARD, at(4_999)));
        assert!(throughput.begin_read(SHARD, at(5_000)));
    }

    #[test]
    fn a_shard_is_read_five_times_a_second() {
        let mut throughput = Throughput::default();
        let reads = (0..12)
            .filter(|_| throughput.begin_read(SHARD, at(0)))
            .count();
        assert_eq!(reads, 5);
        assert!(throughput.begin_read(SHARD, at(200)));
        let iterators = (0..12)
            .filter(|_| throughput.iterator(SHARD, at(0)))
            .count();
        assert_eq!(iterators, 5);
    }

    #[test]
    fn memory_is_bounded_and_the_idle_are_forgotten_first() {
        let mut throughput = Throughput::default();
        let shard = |partition| LogId { partition, ..SHARD };
        for partition in 0..KEPT_MAX as u32 {
            assert!(throughput.put(shard(partition), 1, 1, at(0)));
        }
        assert!(throughput.put(SHARD, 1_000, 1, at(5_000)));
        assert!(throughput.put(shard(KEPT_MAX as u32), 1, 1, at(5_000)));
        assert!(throughput.shards.len() <= 2);
        assert!(
            !throughput.put(SHARD, 1, 1, at(5_000)),
            "the busy one is remembered"
        );
    }

    proptest! {
        #[test]
        fn no_more_passes_than_the_rate_and_a_burst(
            puts in prop::collection::vec((1..MIB, 0..400i64), 1..200),
        ) {
            let mut throughput = Throughput::default();
            let (mut now, mut passed) = (0, 0);
            for (bytes, wait) in puts {
                now += wait;
                if throughput.put(SHARD, 1, bytes, at(now)) {
                    passed += bytes;
                }
            }
            prop_assert!(passed as i64 <= (MIB as i64) + now * (MIB as i64) / 1_000);
        }

        #[test]
        fn waiting_until_solvent_is_enough_and_no_more(units in 1..20 * MIB) {
            let mut bucket = Bucket::new(READ_BYTES, at(0));
            bucket.charge(units, at(0));
            let wait = i64::try_from(bucket.until_solvent(at(0)).as_millis()).unwrap();
            prop_assert!(bucket.is_solvent(at(wait)));
            let mut early = Bucket::new(READ_BYTES, at(0));
            early.charge(units, at(0));
            prop_assert!(wait == 0 || !early.is_solvent(at(wait - 1)));
        }

        #[test]
        fn a_clock_set_back_does_no_harm(times in prop::collection::vec(-10_000..10_000i64, 1..50)) {
            let mut throughput = Throughput::default();
            for time in times {
                throughput.put(SHARD, 1, 10, at(time));
                throughput.begin_read(SHARD, at(time));
            }
        }
    }
}
