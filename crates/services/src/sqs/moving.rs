//! Who deletes messages of a queue, and who moves them to another, take turns: a message whose deletion was answered is not moved, and
//! one that was moved is known to be.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::Offset;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Moves remembered of one queue.
const REMEMBERED: usize = 1_000;

/// The turns of one queue.
#[derive(Debug, Default)]
pub(super) struct Moving {
    turns: RwLock<()>,
    /// What was moved lately.
    moved: Mutex<VecDeque<Offset>>,
}

impl Moving {
    /// Nothing is moved while this is held: from before it is looked at whether a message is there until it is deleted.
    pub(super) async fn deleter(&self) -> RwLockReadGuard<'_, ()> {
        self.turns.read().await
    }

    /// Nothing is deleted while this is held: from before it is looked at whether a message is there until it is moved.
    pub(super) async fn mover(&self) -> RwLockWriteGuard<'_, ()> {
        self.turns.write().await
    }

    /// Remembers for a while that messages were moved.
    pub(super) fn remember(&self, messages: &[Offset]) {
        let mut moved = self.moved();
        moved.extend(messages);
        let surplus = moved.len().saturating_sub(REMEMBERED);
        moved.drain(..surplus);
    }

    /// Whether a message that is gone was moved, as far as is remembered.
    pub(super) fn remembers(&self, message: Offset) -> bool {
        self.moved().contains(&message)
    }

    fn moved(&self) -> MutexGuard<'_, VecDeque<Offset>> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
