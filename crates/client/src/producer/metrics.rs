//! What a producer has done, in numbers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Different error codes counted by name; others count as `Other`.
const CODES_MAX: usize = 100;

/// What a producer has done since it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// User records acknowledged.
    pub user_records_put: u64,
    /// Bytes of their keys and data.
    pub user_bytes_put: u64,
    /// User records given up, whatever the reason.
    pub user_records_failed: u64,
    /// Of these, given up for their age.
    pub user_records_expired: u64,
    /// Records of a stream acknowledged, aggregates counting once.
    pub kinesis_records_put: u64,
    /// Bytes of their keys and data.
    pub kinesis_bytes_put: u64,
    /// Requests sent.
    pub requests: u64,
    /// Records of a stream that were sent again.
    pub retries: u64,
    /// Aggregates that landed in another shard than was thought, and were taken apart and sent again.
    pub wrong_shard: u64,
    /// Times shards were listed.
    pub shard_maps: u64,
    /// Errors by code: of records, and of requests, which count once.
    pub errors: BTreeMap<String, u64>,
    /// How long records of a stream waited from their first user record until they were first sent.
    pub buffering: Spread,
    /// How long requests took.
    pub request_time: Spread,
    /// Bytes held for records that are not yet acknowledged.
    pub memory_used: u64,
    /// Records of a stream, open aggregates included, that are not yet settled.
    pub outstanding: u64,
}

/// Some durations together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// All of them.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Spread {
    /// Their average; nothing if there are none.
    #[must_use]
    pub fn average(&self) -> Duration {
        let count = u32::try_from(self.count).unwrap_or(u32::MAX);
        self.total.checked_div(count).unwrap_or_default()
    }
}

/// Where it is counted: for each record of a stream, not for each user record.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) user_records_put: AtomicU64,
    pub(super) user_bytes_put: AtomicU64,
    pub(super) user_records_failed: AtomicU64,
    pub(super) user_records_expired: AtomicU64,
    pub(super) kinesis_records_put: AtomicU64,
    pub(super) kinesis_bytes_put: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) wrong_shard: AtomicU64,
    pub(super) shard_maps: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
    pub(super) buffering: Durations,
    pub(super) request_time: Durations,
}

#[derive(Debug, Default)]
pub(super) struct Durations {
    count: AtomicU64,
    micros: AtomicU64,
    longest: AtomicU64,
}

impl Durations {
    pub(super) fn add(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        add(&self.count, 1);
        add(&self.micros, micros);
        self.longest.fetch_max(micros, Relaxed);
    }

    fn read(&self) -> Spread {
        Spread {
            count: self.count.load(Relaxed),
            total: Duration::from_micros(self.micros.load(Relaxed)),
            longest: Duration::from_micros(self.longest.load(Relaxed)),
        }
    }
}

pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Relaxed);
}

impl Counters {
    pub(super) fn error(&self, code: &str) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = errors.get_mut(code) {
            *count += 1;
            return;
        }
        let name = if errors.len() < CODES_MAX {
            code
        } else {
            "Other"
        };
        *errors.entry(name.to_owned()).or_default() += 1;
    }

    pub(super) fn read(&self) -> Metrics {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        Metrics {
            user_records_put: read(&self.user_records_put),
            user_bytes_put: read(&self.user_bytes_put),
            user_records_failed: read(&self.user_records_failed),
            user_records_expired: read(&self.user_records_expired),
            kinesis_records_put: read(&self.kinesis_records_put),
            kinesis_bytes_put: read(&self.kinesis_bytes_put),
            requests: read(&self.requests),
            retries: read(&self.retries),
            wrong_shard: read(&self.wrong_shard),
            shard_maps: read(&self.shard_maps),
            errors: errors.clone(),
            buffering: self.buffering.read(),
            request_time: self.request_time.read(),
            memory_used: 0,
            outstanding: 0,
        }
    }
}
