//! Where leases are kept: the contract, and a store in memory for tests and for one process on its own.
//!
//! `table` is the other one, a DynamoDB table.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::leader::LeaderLock;
use super::lease::{Change, Condition, Lease};
use crate::error::ClientError;

/// Where leases are kept. Each method is one atomic step, and sees what the last one left.
#[async_trait]
pub trait LeaseStore: Send + Sync + fmt::Debug {
    /// Makes what it needs, unless it is there.
    async fn prepare(&self) -> Result<(), ClientError>;

    /// All leases.
    async fn list(&self) -> Result<Vec<Lease>, ClientError>;

    /// One lease.
    async fn get(&self, key: &str) -> Result<Option<Lease>, ClientError>;

    /// Adds a lease; `false` if there was one.
    async fn create(&self, lease: &Lease) -> Result<bool, ClientError>;

    /// Changes a lease that is there and satisfies the condition; `false` if there is none such.
    ///
    /// After a lost answer the step may be tried again: `false` then does not say that it was not done.
    async fn update(
        &self,
        key: &str,
        condition: &Condition,
        change: &Change,
    ) -> Result<bool, ClientError>;

    /// Deletes a lease whose shard is read to its end.
    async fn delete_finished(&self, key: &str) -> Result<(), ClientError>;

    /// The lock of a worker of the KCL 3 that assigns leases to all. Where leases are not shared with such, there is none.
    async fn leader(&self) -> Result<Option<LeaderLock>, ClientError> {
        Ok(None)
    }

    /// Tells the leader that was found last that `worker` lives and is to be assigned leases.
    async fn report(&self, _worker: &str) -> Result<(), ClientError> {
        Ok(())
    }

    /// Tells it that `worker` ends.
    async fn retire(&self, _worker: &str) -> Result<(), ClientError> {
        Ok(())
    }
}

/// Leases in memory: gone with the process.
#[derive(Debug, Default)]
pub struct MemoryLeases {
    leases: Mutex<BTreeMap<String, Lease>>,
}

impl MemoryLeases {
    fn with<T>(&self, step: impl FnOnce(&mut BTreeMap<String, Lease>) -> T) -> T {
        step(&mut self.leases.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl LeaseStore for MemoryLeases {
    async fn prepare(&self) -> Result<(), ClientError> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Lease>, ClientError> {
        Ok(self.with(|leases| leases.values().cloned().collect()))
    }

    async fn get(&self, key: &str) -> Result<Option<Lease>, ClientError> {
        Ok(self.with(|leases| leases.get(key).cloned()))
    }

    async fn create(&self, lease: &Lease) -> Result<bool, ClientError> {
        Ok(self.with(|leases| {
            let is_new = !leases.contains_key(&lease.key);
            if is_new {
                leases.insert(lease.key.clone(), lease.clone());
            }
            is_new
        }))
    }

    async fn update(
        &self,
        key: &str,
        condition: &Condition,
        change: &Change,
    ) -> Result<bool, ClientError> {
        Ok(self.with(|leases| match leases.get_mut(key) {
            Some(lease) if lease.satisfies(condition) => {
                lease.apply(change);
                true
            }
            _ => false,
        }))
    }

    async fn delete_finished(&self, key: &str) -> Result<(), ClientError> {
        self.with(|leases| {
            if leases.get(key).is_some_and(Lease::is_complete) {
                leases.remove(key);
            }
        });
        Ok(())
    }
}
