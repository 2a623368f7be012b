//! Which store keeps the data: the one place that knows there are several.

use std::sync::Arc;

use model::Clock;
use store::{Memory, Store};

use crate::Failure;
use crate::config::{Config, Durability, StoreKind};

/// The store, and what the program must know of it beyond its contract. Cheap to clone.
#[derive(Clone)]
pub(super) struct Engine {
    store: Arc<dyn Store>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// Opens the store that the configuration asks for, and says loudly where it keeps less than people expect.
    pub(super) fn open(config: &Config) -> Result<Engine, Failure> {
        let clock = Clock::system();
        let store: Arc<dyn Store> = match config.store.value {
            StoreKind::Embedded | StoreKind::Memory => {
                tracing::warn!("the store is in memory: everything is gone when this process ends");
                Arc::new(Memory::new(clock))
            }
            StoreKind::Discard => {
                tracing::warn!("the store discards: records are acknowledged and dropped");
                Arc::new(Memory::discarding(clock))
            }
        };
        if config.durability.value == Durability::Os {
            tracing::warn!("--durability os: a power cut loses acknowledged records");
        }
        Ok(Engine { store })
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// Whether what is stored is there at the next start.
    pub(super) fn outlives_the_process(&self) -> bool {
        false
    }

    /// Whether the store has stopped acknowledging writes for good.
    pub(super) fn is_poisoned(&self) -> bool {
        false
    }

    /// Completes with the reason once the store stops acknowledging writes for good.
    pub(super) async fn poisoned(&self) -> String {
        std::future::pending().await
    }

    /// What the store says of itself: name, meaning, value.
    pub(super) fn numbers(&self) -> Vec<(&'static str, &'static str, u64)> {
        Vec::new()
    }

    /// Flushes and closes the store.
    pub(super) async fn close(self) -> Result<(), Failure> {
        Ok(())
    }
}
