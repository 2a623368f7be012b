//! What is counted of each table, and of those who ask. `counted` counts requests, `throughput` what they use of the capacity, the
//! writers conditions that were not met and items that expired.
//!
//! Bounded: by the tables there are, whose [`Live`](super::live::Live) has the counts, and by [`ACCOUNTS_MAX`]. Counts start at zero
//! with the process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws::Caller;
use model::{AccountId, Region};

use super::throughput::Side;

/// Accounts and regions whose errors are counted; of those beyond they are not.
const ACCOUNTS_MAX: usize = 1_000;

/// The operations that are counted, as AWS's dimension `Operation` has them.
pub(super) const OPERATIONS: [&str; 10] = [
    "PutItem",
    "GetItem",
    "UpdateItem",
    "DeleteItem",
    "Query",
    "Scan",
    "BatchGetItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "TransactGetItems",
];

/// The counts of one table.
#[derive(Debug, Default)]
pub(super) struct TableCounters {
    /// By the places of [`OPERATIONS`].
    pub operations: [OperationCounters; OPERATIONS.len()],
    pub conditions_failed: AtomicU64,
    pub expired: AtomicU64,
    /// Of the table, numbered 0, and of its global indexes.
    used: Mutex<HashMap<(u16, Side), Used>>,
}

/// The counts of one operation on one table.
#[derive(Debug, Default)]
pub(super) struct OperationCounters {
    pub answered: AtomicU64,
    pub micros: AtomicU64,
    /// Pages of items answered.
    pub pages: AtomicU64,
    pub items: AtomicU64,
    pub throttled: AtomicU64,
    pub failed: AtomicU64,
}

/// What was used of the capacity of one table or index, on one side.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Used {
    /// How often something was.
    pub times: u64,
    /// All together.
    pub units: f64,
    /// How often there was none left.
    pub throttled: u64,
}

/// Adds to a count.
pub(super) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}

impl TableCounters {
    fn all_used(&self) -> MutexGuard<'_, HashMap<(u16, Side), Used>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts units; none at all is no use.
    pub(super) fn took(&self, of: (u16, Side), units: f64) {
        if units > 0.0 {
            let mut all = self.all_used();
            let used = all.entry(of).or_default();
            used.times += 1;
            used.units += units;
        }
    }

    /// Counts an event that there was no capacity for.
    pub(super) fn throttled(&self, of: (u16, Side)) {
        self.all_used().entry(of).or_default().throttled += 1;
    }

    /// What was used.
    pub(super) fn used(&self, of: (u16, Side)) -> Used {
        self.all_used().get(&of).copied().unwrap_or_default()
    }

    /// Forgets an index.
    pub(super) fn drop_index(&self, number: u16) {
        self.all_used().retain(|(of, _), _| *of != number);
    }
}

/// Errors of callers, by account and region: AWS tells `UserErrors` of no table.
#[derive(Debug, Default)]
pub(super) struct UserErrors(Mutex<HashMap<(AccountId, Region), u64>>);

impl UserErrors {
    /// Counts one.
    pub(super) fn add(&self, caller: &Caller) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let who = (caller.account.clone(), caller.region.clone());
        if all.len() < ACCOUNTS_MAX || all.contains_key(&who) {
            *all.entry(who).or_default() += 1;
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<((AccountId, Region), u64)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .map(|(who, count)| (who.clone(), *count))
            .collect()
    }
}
