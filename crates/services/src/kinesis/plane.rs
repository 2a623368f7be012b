//! What the operations that carry records share: the iterators' key, the shards' limits and load, the counts, the memory for
//! pages, and who is subscribed to what.

use std::sync::{Mutex, MutexGuard, PoisonError};

use model::Rng;
use prometheus_client::registry::Registry;
use store::Store;
use tokio::sync::OnceCell;

use super::Kinesis;
use super::counters::Counters;
use super::error::KinesisError;
use super::fanout::Subscriptions;
use super::iterators::IteratorKey;
use super::queues;
use super::room::Room;
use super::scaling::Load;
use super::shard_counters::Shards;
use super::throughput::Throughput;

/// State of the data plane, all of it rebuilt or forgotten with the process.
#[derive(Debug, Default)]
pub(super) struct Plane {
    iterator_key: OnceCell<IteratorKey>,
    throughput: Mutex<Throughput>,
    load: Mutex<Load>,
    subscriptions: Mutex<Subscriptions>,
    pub(super) counters: Counters,
    pub(super) shards: Shards,
    pub(super) room: Room,
    pub(super) queues: queues::Known,
}

impl Plane {
    /// The key that iterators are made with, made itself on first use.
    pub(super) async fn iterator_key(
        &self,
        store: &dyn Store,
    ) -> Result<&IteratorKey, KinesisError> {
        let load = async || {
            let rng = Rng::system();
            let loaded = IteratorKey::load(store, &rng).await;
            IteratorKey::despite_a_full_disk(loaded, &rng)
        };
        Ok(self.iterator_key.get_or_try_init(load).await?)
    }

    pub(super) fn throughput(&self) -> MutexGuard<'_, Throughput> {
        self.throughput
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn load(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscriptions(&self) -> MutexGuard<'_, Subscriptions> {
        self.subscriptions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kinesis {
    /// Shows the counts of every stream and queue in `registry`, under the names CloudWatch has for them.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.plane.counters.register(registry);
        registry.register_collector(Box::new(self.plane.queues.counters.clone()));
    }
}
