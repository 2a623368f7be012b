//! Turns: what many would do to one stream at once is done one after the other in this process.
//!
//! Nothing is right because of it: transactions check what they stand on. It keeps a crowd from reading a stream's 20,000 shards
//! each for itself, and from being in each other's way until they give up.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

use crate::stream::StreamName;

/// Streams of one lane wait for each other, so there are more than ever wait at once.
const LANES: usize = 64;

/// Turns, by stream.
#[derive(Debug)]
pub(crate) struct Turns {
    lanes: [Mutex<()>; LANES],
    hasher: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        Turns {
            lanes: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }
}

impl Turns {
    /// Waits for a turn at the stream of that name. It lasts until the guard is dropped.
    pub(crate) async fn at(&self, name: &StreamName) -> MutexGuard<'_, ()> {
        let lane = self.hasher.hash_one(name) % LANES as u64;
        self.lanes[lane as usize].lock().await
    }
}
