//! Who may change what at one time: so that "read, decide, commit" needs no retries, and what a commit replaced is known.
//!
//! Held across commits only, never across a body's upload. Order: [`Turns::in_bucket`] or [`Turns::over_buckets`] first,
//! then keys.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use store::Key;
use tokio::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How many changes can go on beside each other; those of keys with the same hash wait for each other.
const LANES: usize = 256;

/// The turns of all writers.
pub(crate) struct Turns {
    buckets: RwLock<()>,
    lanes: Vec<Mutex<()>>,
}

impl Default for Turns {
    fn default() -> Turns {
        Turns {
            buckets: RwLock::new(()),
            lanes: (0..LANES).map(|_| Mutex::new(())).collect(),
        }
    }
}

impl Turns {
    /// While this is held no bucket comes or goes.
    pub(crate) async fn in_bucket(&self) -> RwLockReadGuard<'_, ()> {
        self.buckets.read().await
    }

    /// While this is held nothing in any bucket changes.
    pub(crate) async fn over_buckets(&self) -> RwLockWriteGuard<'_, ()> {
        self.buckets.write().await
    }

    /// While this is held nobody else changes these documents.
    pub(crate) async fn of<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a Key>,
    ) -> Vec<MutexGuard<'_, ()>> {
        let lanes: BTreeSet<usize> = keys.into_iter().map(lane).collect();
        // In order, so that two who want several cannot wait for each other.
        let mut guards = Vec::with_capacity(lanes.len());
        for lane in lanes {
            guards.push(self.lanes[lane].lock().await);
        }
        guards
    }
}

fn lane(key: &Key) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    usize::try_from(hasher.finish() % LANES as u64).expect("below the number of lanes")
}
