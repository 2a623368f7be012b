//! What is known of a table in this process alone: how much is in it, and how much of its capacity is used.
//!
//! Items and bytes are counted once, when the table is first written or described, and kept from then on with each write: live, where
//! AWS counts every six hours. A write whose outcome is unknown, and writes at the moment when a new index is counted, may leave them
//! off by a few until the next start.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::counters::TableCounters;
use super::throughput::Meters;

/// What is known of one table.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// Held while the first count is made.
    pub counting: tokio::sync::Mutex<()>,
    /// By the numbers of indexes, 0 for the table itself; `None` before the first count.
    counts: Mutex<Option<HashMap<u16, Count>>>,
    /// What of its capacity is used.
    pub meters: Meters,
    /// What CloudWatch is told of it.
    pub counters: TableCounters,
}

/// How much there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Count {
    /// Items or entries.
    pub items: i64,
    /// Their bytes.
    pub bytes: i64,
}

impl Count {
    /// One of so many bytes.
    pub(super) fn one(bytes: usize) -> Count {
        Count {
            items: 1,
            bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
        }
    }

    pub(super) fn add(&mut self, other: Count) {
        self.items = self.items.saturating_add(other.items);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    pub(super) fn negated(self) -> Count {
        Count {
            items: -self.items,
            bytes: -self.bytes,
        }
    }
}

impl Live {
    fn counts(&self) -> MutexGuard<'_, Option<HashMap<u16, Count>>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the first count was made.
    pub(super) fn is_counted(&self) -> bool {
        self.counts().is_some()
    }

    /// Keeps the first count.
    pub(super) fn counted(&self, counts: HashMap<u16, Count>) {
        self.counts().get_or_insert(counts);
    }

    /// What became of one index, or with number 0 of the items.
    pub(super) fn note(&self, number: u16, change: Count) {
        if let Some(counts) = self.counts().as_mut() {
            counts.entry(number).or_default().add(change);
        }
    }

    /// Forgets an index.
    pub(super) fn drop_index(&self, number: u16) {
        if let Some(counts) = self.counts().as_mut() {
            counts.remove(&number);
        }
        self.counters.drop_index(number);
    }

    /// How much is in one index, or with number 0 in the table.
    pub(super) fn count(&self, number: u16) -> Count {
        let counts = self.counts();
        counts
            .as_ref()
            .and_then(|counts| counts.get(&number).copied())
            .unwrap_or_default()
    }
}
