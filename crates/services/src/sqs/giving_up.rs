//! Messages received too often: moved to their queue's dead-letter queue.
//!
//! A move is one transaction: the message is in one of the two queues, whatever happens. Id, body and attributes stay. On standard
//! queues the time of sending stays too, and retention goes on from there; a FIFO queue takes the letter as sent now, under its
//! message id for de-duplication, so that two letters of one de-duplication id both get there. See "Amazon SQS dead-letter queues".
//!
//! Where there is no dead-letter queue any more, messages go on being delivered, until there is.

use std::sync::Arc;

use model::{BatchBuilder, Offset};
use store::{Append, StoreError, Txn};
use streams::delivery::{self, Delivered, Policy, Standing};

use super::error::SqsError;
use super::message::{Message, Origin};
use super::queues::Queue;
use super::{Sqs, naming};

impl Sqs {
    /// Moves messages of `queue` to its dead-letter queue. Goes on where the caller goes away: a move that is durable must be known.
    pub(super) async fn give_up(
        self: &Arc<Self>,
        queue: &Arc<Queue>,
        dead: Vec<Delivered>,
    ) -> Result<(), SqsError> {
        let (sqs, queue) = (Arc::clone(self), Arc::clone(queue));
        let moving = tokio::spawn(async move { sqs.bury(&queue, &dead).await });
        moving.await.unwrap_or(Err(SqsError::InternalFailure))
    }

    async fn bury(&self, queue: &Queue, dead: &[Delivered]) -> Result<(), SqsError> {
        let delivery = queue.delivery().await?;
        let Some(target) = self.dead_letter_queue(queue).await? else {
            keep_delivering(queue, delivery, dead);
            return Ok(());
        };
        let source_arn = queue.name.arn().to_string();
        let _turn = queue.moving().mover().await;
        let mut offsets: Vec<Offset> = Vec::with_capacity(dead.len());
        let mut builder = BatchBuilder::with_capacity(0);
        for letter in dead {
            // Deleted, moved or expired since it was taken, or received again by a new redrive policy.
            let standing = delivery.standing(letter.receipt);
            if matches!(standing, Standing::Gone | Standing::Stale) {
                continue;
            }
            offsets.push(letter.receipt.offset);
            let record = letter.record().ok_or(SqsError::InternalFailure)?;
            let mut message = Message::read(&record)?;
            let before = message.origin.map_or(0, |origin| origin.receives);
            message.origin = Some(Origin {
                receives: letter.receipt.receives.saturating_add(before),
                first_received: letter.first_received,
                source_arn: &source_arn,
            });
            message.delay = std::time::Duration::ZERO;
            if queue.settings.fifo.is_some() {
                message.sent = self.clock.now();
                message.deduplication = Some(message.id.to_string().into());
            }
            message.push_to(&mut builder);
        }
        if offsets.is_empty() {
            return Ok(());
        }
        let txn = Txn {
            appends: vec![Append::to(target.messages(), target.seal(builder.finish()))],
            ..Txn::default()
        };
        match delivery.move_to(&offsets, txn).await {
            Ok(_) => {
                queue.moving().remember(&offsets);
                Ok(())
            }
            // Deleted in this very moment.
            Err(StoreError::NoSuchLog { log }) if log == target.messages() => {
                keep_delivering(queue, delivery, dead);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gives messages up again once there is a dead-letter queue for them.
    pub(super) async fn restore_redrive(
        &self,
        queue: &Queue,
        delivery: &delivery::Queue,
    ) -> Result<(), SqsError> {
        let redrive = queue.settings.redrive_policy.as_ref();
        let max_receives = redrive.map(|policy| policy.max_receive_count);
        if max_receives.is_none() {
            return Ok(());
        }
        let policy = delivery.policy();
        if policy.max_receives.is_some() {
            return Ok(());
        }
        if self.dead_letter_queue(queue).await?.is_some() {
            delivery.set_policy(Policy {
                max_receives,
                ..policy
            });
        }
        Ok(())
    }

    /// Where dead letters of `queue` go, if that is there.
    async fn dead_letter_queue(&self, queue: &Queue) -> Result<Option<Arc<Queue>>, SqsError> {
        let redrive = queue.settings.redrive_policy.as_ref();
        let Some(target) = redrive.and_then(|policy| naming::of_arn(&policy.dead_letter_queue))
        else {
            return Ok(None);
        };
        match self.find_named(&target).await {
            Ok(target) => Ok(Some(target)),
            Err(SqsError::QueueDoesNotExist) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// There is nowhere to move messages to: they are delivered, however often they were.
fn keep_delivering(queue: &Queue, delivery: &delivery::Queue, dead: &[Delivered]) {
    tracing::warn!(
        queue = queue.name.name,
        "the dead-letter queue is not there; messages received too often are delivered again"
    );
    delivery.set_policy(Policy {
        max_receives: None,
        ..delivery.policy()
    });
    for letter in dead {
        // They were held back for the move.
        if let Err(standing) = delivery.set_visibility(letter.receipt, std::time::Duration::ZERO) {
            tracing::debug!(?standing, "a message was dealt with meanwhile");
        }
    }
}
