//! What the KCL 3 keeps beside leases, so that its leader counts our workers: read and written in its own form.
//!
//! Since 3.5 both items lie in the lease table, keyed by `leaseKey`. Applications of older versions have a table for each,
//! `APPLICATION-CoordinatorState` keyed by `key` and `APPLICATION-WorkerMetricStats` keyed by `wid`, until they are migrated.
//! Workers' items lie where the leader looks for them, which is beside its lock.
//!
//! | item          | attribute             | type | meaning                                            |
//! |---------------|-----------------------|------|----------------------------------------------------|
//! | `Leader`      | `recordVersionNumber` | S    | changes with each heartbeat                        |
//! |               | `leaseDuration`       | S    | milliseconds                                       |
//! |               | `isReleased`          | S    | there once it was given back                       |
//! |               | `entityType`          | S    | `LEADER`                                           |
//! | worker's name | `lut`                 | N    | when the worker last said that it lives, in seconds |
//! |               | `sts`, `opr`          | M    | its load and how much it bears; empty: by its leases |
//! |               | `entityType`          | S    | `WORKER_METRIC_STATS`                              |
//!
//! A worker counts for the leader while `lut` is younger than two of the KCL's reporting periods, a minute unless it was
//! told otherwise. Empty measures are the KCL's own where it finds none: such a worker gets its share by number or by
//! throughput.

use std::time::Duration;

use model::Timestamp;

use super::leader::LeaderLock;
use crate::dynamodb::{Attribute, DynamoDb, Item, Terms};
use crate::error::ClientError;

const LEADER: &str = "Leader";
const VERSION: &str = "recordVersionNumber";
const LEASE_DURATION: &str = "leaseDuration";
const RELEASED: &str = "isReleased";
const ALIVE_AT: &str = "lut";
const LOAD: &str = "sts";
const BEARABLE: &str = "opr";
const ENTITY: &str = "entityType";

/// Where the two items of an application lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    leader_table: String,
    leader_key: &'static str,
    worker_table: String,
    worker_key: &'static str,
}

impl Place {
    /// In the lease table.
    pub(super) fn shared(application: &str) -> Place {
        Place {
            leader_table: application.to_owned(),
            leader_key: "leaseKey",
            worker_table: application.to_owned(),
            worker_key: "leaseKey",
        }
    }

    /// In tables of their own.
    pub(super) fn apart(application: &str) -> Place {
        Place {
            leader_table: format!("{application}-CoordinatorState"),
            leader_key: "key",
            worker_table: format!("{application}-WorkerMetricStats"),
            worker_key: "wid",
        }
    }

    /// The lock there, if one is held.
    pub(super) async fn leader(
        &self,
        dynamodb: &DynamoDb,
    ) -> Result<Option<LeaderLock>, ClientError> {
        let key = key_of(self.leader_key, LEADER);
        match dynamodb.get(&self.leader_table, &key).await {
            Ok(item) => Ok(item.as_ref().and_then(read_lock)),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Says that the worker lives.
    pub(super) async fn report(
        &self,
        dynamodb: &DynamoDb,
        worker: &str,
        now: Timestamp,
    ) -> Result<(), ClientError> {
        let mut terms = Terms::default();
        let attributes = [
            (ALIVE_AT, Attribute::N((now.0 / 1000).to_string())),
            (LOAD, Attribute::M(Item::new())),
            (BEARABLE, Attribute::M(Item::new())),
            (ENTITY, Attribute::text("WORKER_METRIC_STATS")),
        ];
        let sets = attributes.map(|(attribute, value)| {
            let (name, value) = (terms.name(attribute), terms.value(attribute, value));
            format!("{name} = {value}")
        });
        // A worker named like a shard must not write over its lease.
        let condition = format!("attribute_not_exists({})", terms.name("leaseCounter"));
        let update = format!("SET {}", sets.join(", "));
        let key = key_of(self.worker_key, worker);
        dynamodb
            .update_if(&self.worker_table, &key, &update, &condition, &terms)
            .await
            .map(drop)
    }

    /// Says that the worker has ended.
    pub(super) async fn retire(
        &self,
        dynamodb: &DynamoDb,
        worker: &str,
    ) -> Result<(), ClientError> {
        let mut terms = Terms::default();
        let condition = format!("attribute_exists({})", terms.name(ALIVE_AT));
        let key = key_of(self.worker_key, worker);
        dynamodb
            .delete_if(&self.worker_table, &key, &condition, &terms)
            .await
            .map(drop)
    }
}

fn key_of(name: &str, value: &str) -> Item {
    Item::from([(name.to_owned(), Attribute::text(value))])
}

fn read_lock(item: &Item) -> Option<LeaderLock> {
    let text = |name: &str| item.get(name).and_then(Attribute::as_text);
    if item.contains_key(RELEASED) {
        return None;
    }
    let lease = text(LEASE_DURATION)?.parse().ok()?;
    Some(LeaderLock {
        version: text(VERSION)?.to_owned(),
        lease: Duration::from_millis(lease),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock_item() -> Item {
        let mut item = key_of("leaseKey", LEADER);
        for (name, value) in [
            (ENTITY, "LEADER"),
            ("ownerName", "worker-1"),
            (VERSION, "5b1c"),
            (LEASE_DURATION, "30000"),
        ] {
            item.insert(name.to_owned(), Attribute::text(value));
        }
        item
    }

    #[test]
    fn a_lock_is_read_as_the_kcl_writes_it() {
        let expected = LeaderLock {
            version: "5b1c".to_owned(),
            lease: Duration::from_secs(30),
        };
        assert_eq!(read_lock(&lock_item()), Some(expected));
    }

    #[test]
    fn a_lock_that_was_released_or_is_damaged_is_none() {
        let mut released = lock_item();
        released.insert(RELEASED.to_owned(), Attribute::text("1"));
        assert_eq!(read_lock(&released), None);
        let mut damaged = lock_item();
        damaged.insert(LEASE_DURATION.to_owned(), Attribute::text("soon"));
        assert_eq!(read_lock(&damaged), None);
    }
}
