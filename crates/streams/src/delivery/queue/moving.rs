//! Messages that go elsewhere: taken out of everybody's reach, and done with here in the transaction that puts them there.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use model::Offset;
use store::{Committed, StoreError, Txn};

use super::{Hand, Queue, done};
use crate::delivery::Delivered;
use crate::delivery::shared::Shared;

impl Queue {
    /// Up to `max` messages received too often, as [`crate::delivery::Taken::dead`] has them, and no others.
    ///
    /// # Errors
    /// The store's. Nothing is taken then.
    pub async fn take_dead(&self, max: usize) -> Result<Vec<Delivered>, StoreError> {
        let shared = &*self.shared;
        let mut hand = Hand::new(shared);
        {
            let mut inner = shared.inner();
            shared.forget_trimmed(&mut inner);
            shared.advance(&mut inner);
            hand.dead = inner.state.pick_spent(max, shared.clock.now());
        }
        let dead = shared.fetch(hand.dead.iter()).await?;
        hand.give();
        // What expired behind them may have been in the way of others.
        shared.pass_on();
        Ok(dead)
    }

    /// Up to `max` messages that lie before `before` and may go out, in the order in which they may, held back from everybody for a
    /// while. That is no delivery: receives are not counted, and what was received before keeps its receipt.
    ///
    /// # Errors
    /// The store's. Nothing is held back then.
    pub async fn hold_back(&self, max: usize, before: Offset) -> Result<HeldBack<'_>, StoreError> {
        let shared = &*self.shared;
        let mut hand = Hand::new(shared);
        let mut last = None;
        loop {
            let scan_from = {
                let mut inner = shared.inner();
                shared.forget_trimmed(&mut inner);
                shared.advance(&mut inner);
                let now = shared.clock.now();
                let next_scan = inner.state.next_scan();
                let may_scan = next_scan < shared.end().min(before) && !inner.state.is_full();
                let wanted = max - hand.dead.len();
                let picked = inner
                    .state
                    .pick_to_move(wanted, before, may_scan, now, &mut last);
                hand.dead.extend(picked);
                (may_scan && hand.dead.len() < max).then_some(next_scan)
            };
            match scan_from {
                Some(from) => shared.scan(from).await?,
                None => break,
            }
        }
        let messages = shared.fetch(hand.dead.iter()).await?;
        Ok(HeldBack {
            queue: self,
            hand,
            messages,
        })
    }

    /// As [`Queue::acknowledge`]. Nobody gets the messages meanwhile, however long it takes.
    ///
    /// # Errors
    /// The store's. The messages are then as they were.
    pub async fn acknowledge_held(&self, offsets: &[Offset]) -> Result<(), StoreError> {
        let offsets = self.of_log(offsets);
        if offsets.is_empty() {
            return Ok(());
        }
        let write = |shared: Arc<Shared>, offsets: Vec<Offset>| async move {
            let (draft, finish) = done(&offsets);
            shared.write(draft, finish).await
        };
        self.while_held(offsets, write).await
    }

    /// As [`Queue::acknowledge`], in one transaction with `txn`: all of it is done, or nothing. Nobody gets the messages meanwhile,
    /// however long it takes: they would be moved twice.
    ///
    /// # Errors
    /// The transaction's. The messages are then as they were.
    pub async fn move_to(&self, offsets: &[Offset], txn: Txn) -> Result<Committed, StoreError> {
        let write = |shared: Arc<Shared>, offsets: Vec<Offset>| async move {
            let (draft, finish) = done(&offsets);
            shared.write_with(draft, txn, finish).await
        };
        self.while_held(offsets.to_vec(), write).await
    }

    /// Writes that messages are done with, which are kept from everybody until that is known.
    async fn while_held<T, W>(
        &self,
        offsets: Vec<Offset>,
        write: impl FnOnce(Arc<Shared>, Vec<Offset>) -> W,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.now();
        let held_back = shared.inner().state.keep_back(&offsets, now);
        let write = write(Arc::clone(&shared), offsets);
        // Goes on if the caller does not: a move that was made must be known here, or it would be made again.
        let writing = tokio::spawn(async move {
            let written = write.await;
            if let Err(error) = &written {
                shared.let_go(held_back, error);
            }
            written
        });
        writing.await.unwrap_or_else(|error| {
            Err(StoreError::Unknown {
                during: format!("writing that messages are done with: {error}"),
            })
        })
    }
}

/// Messages held back from everybody. Dropped, they are as they were before, but for those that were moved.
pub struct HeldBack<'a> {
    queue: &'a Queue,
    hand: Hand<'a>,
    messages: Vec<Delivered>,
}

impl fmt::Debug for HeldBack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeldBack({})", self.messages.len())
    }
}

impl HeldBack<'_> {
    /// The messages, in the order in which they may go out.
    #[must_use]
    pub fn messages(&self) -> &[Delivered] {
        &self.messages
    }

    /// Their offsets, in that order.
    #[must_use]
    pub fn offsets(&self) -> Vec<Offset> {
        let receipts = self.messages.iter().map(|message| message.receipt);
        receipts.map(|receipt| receipt.offset).collect()
    }

    /// As [`Queue::move_to`], of all of them.
    ///
    /// # Errors
    /// The transaction's. The messages are then as they were; where nobody knows whether they were moved, nobody gets them for a
    /// while.
    pub async fn move_to(mut self, txn: Txn) -> Result<Committed, StoreError> {
        let moved = self.queue.move_to(&self.offsets(), txn).await;
        if let Err(StoreError::Unknown { .. }) = moved {
            self.hand.dead.clear();
        }
        moved
    }
}
