//! Which store keeps the data: the one place that knows there are several.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engines::{Embedded, Options};
use model::{Clock, Rng};
use store::{Key, Memory, Scan, Store, StoreError};

use super::shared::Shared;
use crate::Failure;
use crate::config::{Config, Durability, StoreKind};

/// The store, and what the program must know of it beyond its contract. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) enum Engine {
    /// On the disk of this machine.
    Embedded(Arc<Embedded>),
    /// In this process, or nowhere.
    Volatile(Arc<Memory>, Arc<Shared>),
}

impl Engine {
    /// Opens the store that the configuration asks for, and says loudly where it keeps less than people expect.
    pub(super) fn open(config: &Config) -> Result<Engine, Failure> {
        let clock = Clock::system();
        let memory = match config.store.value {
            StoreKind::Embedded => return open_embedded(config),
            StoreKind::Memory => {
                tracing::warn!("the store is in memory: everything is gone when this process ends");
                Memory::new(clock)
            }
            StoreKind::Discard => {
                tracing::warn!("the store discards: records are acknowledged and dropped");
                Memory::discarding(clock)
            }
        };
        let shared = Shared::take(&config.data.value, &Rng::system())?;
        Ok(Engine::Volatile(Arc::new(memory), Arc::new(shared)))
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Engine::Embedded(engine) => Arc::clone(engine) as Arc<dyn Store>,
            Engine::Volatile(memory, _) => Arc::clone(memory) as Arc<dyn Store>,
        }
    }

    /// Whether there is no stream and no queue in it: nothing else is sealed.
    pub(super) async fn has_sealed_nothing(&self) -> Result<bool, Failure> {
        for kind in ["stream", "sqs", "sqs-deleted"] {
            let first = Scan {
                limit: 1,
                ..Scan::below(&Key::of(&[kind]))
            };
            let found = self.store().scan(first).await;
            let found =
                found.map_err(|error| Failure::because("could not read the store", error))?;
            if !found.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether what is stored is there at the next start.
    pub(super) fn outlives_the_process(&self) -> bool {
        matches!(self, Engine::Embedded(_))
    }

    /// Where bodies of objects are, in the data directory `data`.
    pub(super) fn objects(&self, data: &Path) -> PathBuf {
        match self {
            Engine::Embedded(_) => data.join("objects"),
            Engine::Volatile(_, shared) => shared.objects().to_owned(),
        }
    }

    /// Whether the store has stopped acknowledging writes for good.
    pub(super) fn is_poisoned(&self) -> bool {
        match self {
            Engine::Embedded(engine) => engine.poison_watch().borrow().is_some(),
            Engine::Volatile(..) => false,
        }
    }

    /// Completes with the reason once the store stops acknowledging writes for good.
    pub(super) async fn poisoned(&self) -> String {
        match self {
            Engine::Embedded(engine) => engine.poisoned().await,
            Engine::Volatile(..) => std::future::pending().await,
        }
    }

    /// What the store says of itself: name, meaning, value.
    pub(super) fn numbers(&self) -> Vec<(&'static str, &'static str, u64)> {
        let Engine::Embedded(engine) = self else {
            return Vec::new();
        };
        let stats = engine.stats();
        vec![
            (
                "store_journal_bytes",
                "Bytes of journal files",
                stats.journal_bytes,
            ),
            (
                "store_journal_batches",
                "Batches not yet in segments",
                stats.journal_batches,
            ),
            ("store_segments", "Segments", stats.segments),
            (
                "store_segment_bytes",
                "Bytes of segments",
                stats.segment_bytes,
            ),
            (
                "store_journal_files_kept",
                "Journal files that became segments since the start",
                stats.files_kept,
            ),
            (
                "store_cache_bytes",
                "Bytes of recent batches in memory",
                stats.cache_bytes,
            ),
            ("store_logs", "Logs, one for each shard kept", stats.logs),
            ("store_documents", "Documents", stats.documents),
            (
                "store_frames",
                "Frames written since the start",
                stats.frames,
            ),
            ("store_syncs", "Syncs since the start", stats.syncs),
        ]
    }

    /// Flushes and closes the store.
    pub(super) async fn close(self) -> Result<(), Failure> {
        let engine = match self {
            Engine::Embedded(engine) => engine,
            Engine::Volatile(_, shared) => {
                shared.clear();
                return Ok(());
            }
        };
        let closed = tokio::task::spawn_blocking(move || engine.close()).await;
        let closed =
            closed.map_err(|error| Failure::because("could not close the store", error))?;
        closed.map_err(|error| Failure::because("could not close the store", error))
    }
}

fn open_embedded(config: &Config) -> Result<Engine, Failure> {
    let data = &config.data.value;
    let mut options = Options::at(data).map_err(|error| {
        Failure::because(format!("could not use --data {}", data.display()), error)
    })?;
    options.cache_bytes = usize::try_from(config.cache.value.0).unwrap_or(usize::MAX);
    options.durability = match config.durability.value {
        Durability::Sync => engines::Durability::Sync,
        Durability::Os => {
            tracing::warn!("--durability os: a power cut loses acknowledged records");
            engines::Durability::Os
        }
    };
    match Embedded::open(options) {
        Ok(engine) => Ok(Engine::Embedded(Arc::new(engine))),
        Err(error) => Err(Failure::because(refusal(&error, data), error)),
    }
}

/// What is in the way, and what to do.
fn refusal(error: &StoreError, data: &Path) -> String {
    let data = data.display();
    match error {
        StoreError::Unavailable {
            source: Some(source),
            ..
        } if source.kind() == ErrorKind::WouldBlock => {
            format!("another server has --data {data}: stop it, or give another directory")
        }
        StoreError::Damaged { .. } => format!(
            "what is in --data {data} is not what was written; nothing was changed: restore a backup, and look at the disk"
        ),
        _ => format!("could not open --data {data}"),
    }
}
