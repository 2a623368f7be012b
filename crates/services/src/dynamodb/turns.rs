//! Turns: what many would do to one item at once is done one after the other in this process.
//!
//! Nothing written is right because of it: transactions check the versions they stand on. It keeps a crowd at one item from being in
//! each other's way until they give up, and lets TransactGetItems see its items at one moment.

use std::hash::{BuildHasher, RandomState};

use store::Key;
use tokio::sync::{Mutex, MutexGuard};

/// Items of one lane wait for each other, so there are more than ever wait at once.
const LANES: usize = 1_024;

/// Turns, by item.
#[derive(Debug)]
pub(super) struct Turns {
    lanes: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        Turns {
            lanes: std::iter::repeat_with(Mutex::default).take(LANES).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Turns {
    /// Waits for a turn at all of these items. It lasts until the guards are dropped.
    pub(super) async fn at(&self, keys: impl IntoIterator<Item = &Key>) -> Vec<MutexGuard<'_, ()>> {
        let lanes = keys
            .into_iter()
            .map(|key| (self.hasher.hash_one(key) % LANES as u64) as usize);
        let mut lanes: Vec<usize> = lanes.collect();
        // Always in the same order, so that no two wait for each other.
        lanes.sort_unstable();
        lanes.dedup();
        let mut guards = Vec::with_capacity(lanes.len());
        for lane in lanes {
            guards.push(self.lanes[lane].lock().await);
        }
        guards
    }
}
