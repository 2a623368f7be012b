//! Amazon SQS.
//!
//! **What it promises.** An AWS client uses it as it uses AWS: the operations of botocore's newest model, names, constraints,
//! errors and texts; account and region isolation; a send durable before it is answered; a deleted message never seen again;
//! order within a message group of a FIFO queue.
//!
//! **What is different.** Quotas hold under [`Limits::Aws`] alone: so long as hardware is the limit, a queue can be made again
//! as soon as it is deleted. Key ids name no keys until there is a KMS: messages of an encrypted queue are sealed by our own
//! keys whichever is named. Policies are kept but not enforced until there is IAM: another account is refused.
//! Settings hold at once, where AWS takes up to a minute. `AWSTraceHeader` is taken from the header of JSON requests alone.
//!
//! **Where to read.** [`operations`] is the table of contents. `api` has the wire's shapes, `error` the refusals, `limits` the
//! numbers, `records` what is kept, `queues` how queues are found and changed; then handlers, grouped by what users do together.
//! `message` is what a message is and how it lies in the log; `dedup`, `attempts` and `handles` are what FIFO queues remember and
//! what receipt handles say, `moving` whose turn it is to delete or to move; delivery itself is [`streams::delivery`].

mod api;
mod attempts;
mod attributes;
mod batches;
mod counters;
mod dead_letters;
mod dedup;
mod delete;
mod error;
mod giving_up;
mod handles;
mod hot;
mod lifecycle;
mod limits;
mod live;
mod md5;
mod message;
mod move_task;
mod moving;
mod naming;
mod pages;
mod peek;
mod permissions;
mod published;
mod purge;
mod query;
mod queues;
mod rates;
mod receive;
mod records;
mod send;
mod settings;
mod source;
mod tags;
mod upkeep;
mod visibility;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use aws::{Operations, Support};
use model::{Clock, Rng};
use store::Store;
use streams::Keyring;

pub use self::error::SqsError;
pub use self::queues::Queue;
pub use self::records::{QueueName, Settings};
pub use crate::kinesis::Limits;

/// What no rule says: handlers word what is missing or out of bounds, since SQS's own texts differ from the other services'.
const NONE: &[aws::Rule] = &[];

/// Every operation of SQS.
#[must_use]
pub fn operations() -> Operations<Sqs> {
    Operations::new("sqs", "AmazonSQS")
        .query(&query::QUERY)
        .on("CreateQueue", NONE, lifecycle::create_queue)
        .on("DeleteQueue", NONE, lifecycle::delete_queue)
        .on("GetQueueUrl", NONE, lifecycle::get_queue_url)
        .on("ListQueues", NONE, lifecycle::list_queues)
        .on("GetQueueAttributes", NONE, settings::get_queue_attributes)
        .on("SetQueueAttributes", NONE, settings::set_queue_attributes)
        .on("PurgeQueue", NONE, purge::purge_queue)
        .on("TagQueue", NONE, tags::tag_queue)
        .on("UntagQueue", NONE, tags::untag_queue)
        .on("ListQueueTags", NONE, tags::list_queue_tags)
        .on("AddPermission", NONE, permissions::add_permission)
        .on("RemovePermission", NONE, permissions::remove_permission)
        .on(
            "ListDeadLetterSourceQueues",
            NONE,
            dead_letters::list_dead_letter_source_queues,
        )
        .on("SendMessage", NONE, send::send_message)
        .direct(hot::direct(send::send_message))
        .on("SendMessageBatch", NONE, send::send_message_batch)
        .direct(hot::direct(send::send_message_batch))
        .on("ReceiveMessage", NONE, receive::receive_message)
        .direct(hot::direct(receive::receive_message))
        .abandonable()
        .on("DeleteMessage", NONE, delete::delete_message)
        .on("DeleteMessageBatch", NONE, delete::delete_message_batch)
        .direct(hot::direct(delete::delete_message_batch))
        .on(
            "ChangeMessageVisibility",
            NONE,
            visibility::change_message_visibility,
        )
        .on(
            "ChangeMessageVisibilityBatch",
            NONE,
            visibility::change_message_visibility_batch,
        )
        .on(
            "StartMessageMoveTask",
            NONE,
            move_task::start_message_move_task,
        )
        .on(
            "CancelMessageMoveTask",
            NONE,
            move_task::cancel_message_move_task,
        )
        .on(
            "ListMessageMoveTasks",
            NONE,
            move_task::list_message_move_tasks,
        )
}

/// What is answered beside AWS's own operations, under a name of its own.
#[must_use]
pub fn beyond() -> Operations<Sqs> {
    Operations::new("sqs", "HeadwaterQueues").on("PeekMessages", NONE, peek::peek_messages)
}

/// Every operation, and whether it is answered, by name: for docs and the README.
#[must_use]
pub fn support() -> Vec<(&'static str, Support)> {
    let mut operations: Vec<_> = operations().names().collect();
    operations.sort_unstable_by_key(|(name, _)| *name);
    operations
}

/// What the handlers work on.
pub struct Sqs {
    /// Where queues and messages are kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// For ids.
    pub rng: Rng,
    /// Whether quotas hold.
    pub limits: Limits,
    keyring: Keyring,
    known: queues::Known,
    counters: counters::Counters,
}

impl fmt::Debug for Sqs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sqs({:?})", self.limits)
    }
}

impl Sqs {
    /// SQS over a store; messages at rest are sealed under the ring's key.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Clock,
        rng: Rng,
        keyring: Keyring,
        limits: Limits,
    ) -> Sqs {
        Sqs {
            store,
            clock,
            rng,
            limits,
            keyring,
            known: queues::Known::default(),
            counters: counters::Counters::default(),
        }
    }
}
