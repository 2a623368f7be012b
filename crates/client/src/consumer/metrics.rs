//! What a worker counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::published::{Look, Report};

/// A worker's counts since it started, and how it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Records given to processors, each inside an aggregate counted.
    pub records: u64,
    /// Their data, in bytes.
    pub bytes: u64,
    /// Records that were not given to a processor because they had been before.
    pub duplicates: u64,
    /// Records given that are in an envelope which could not be opened.
    pub unopened: u64,
    /// Batches a processor failed on.
    pub failures: u64,
    /// Checkpoints written.
    pub checkpoints: u64,
    /// Leases this worker has.
    pub leases_held: u64,
    /// Leases there are.
    pub leases_total: u64,
    /// Workers that renew leases, this one counted.
    pub workers: u64,
    /// Leases taken that nobody renewed.
    pub taken: u64,
    /// Leases asked for from, or taken from, a worker that lives.
    pub stolen: u64,
    /// Renewals that succeeded.
    pub renewals: u64,
    /// Leases lost to others.
    pub lost: u64,
    /// For each shard being read, how far its newest read was behind the shard's tip, in milliseconds.
    pub millis_behind: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
pub(super) struct Metrics {
    pub(super) records: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) duplicates: AtomicU64,
    pub(super) unopened: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) checkpoints: AtomicU64,
    pub(super) leases_held: AtomicU64,
    pub(super) leases_total: AtomicU64,
    pub(super) workers: AtomicU64,
    pub(super) taken: AtomicU64,
    pub(super) stolen: AtomicU64,
    pub(super) renewals: AtomicU64,
    pub(super) lost: AtomicU64,
    /// What is published, where it is.
    pub(super) report: Option<Report>,
    millis_behind: Mutex<BTreeMap<String, u64>>,
}

pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

pub(super) fn set(gauge: &AtomicU64, value: usize) {
    gauge.store(value as u64, Ordering::Relaxed);
}

impl Metrics {
    pub(super) fn with(report: Option<Report>) -> Metrics {
        Metrics {
            report,
            ..Metrics::default()
        }
    }

    /// Tells what is published of something that happened.
    pub(super) fn report(&self, tell: impl FnOnce(&Report)) {
        if let Some(report) = &self.report {
            tell(report);
        }
    }

    /// Leases as they are, since a look when so many had been taken.
    pub(super) fn look(&self, taken_before: u64) -> Look {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Look {
            taken: self.taken_in_all().saturating_sub(taken_before),
            workers: read(&self.workers),
            total: read(&self.leases_total),
        }
    }

    /// Leases taken, whoever had them.
    pub(super) fn taken_in_all(&self) -> u64 {
        self.taken.load(Ordering::Relaxed) + self.stolen.load(Ordering::Relaxed)
    }

    pub(super) fn behind(&self, shard: &str, millis: u64) {
        self.report(|report| report.behind(shard, millis));
        let mut shards = self
            .millis_behind
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match shards.get_mut(shard) {
            Some(known) => *known = millis,
            None => {
                shards.insert(shard.to_owned(), millis);
            }
        }
    }

    pub(super) fn forget(&self, shard: &str) {
        let mut shards = self
            .millis_behind
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        shards.remove(shard);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let millis_behind = self
            .millis_behind
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Snapshot {
            records: read(&self.records),
            bytes: read(&self.bytes),
            duplicates: read(&self.duplicates),
            unopened: read(&self.unopened),
            failures: read(&self.failures),
            checkpoints: read(&self.checkpoints),
            leases_held: read(&self.leases_held),
            leases_total: read(&self.leases_total),
            workers: read(&self.workers),
            taken: read(&self.taken),
            stolen: read(&self.stolen),
            renewals: read(&self.renewals),
            lost: read(&self.lost),
            millis_behind: millis_behind.clone(),
        }
    }
}
