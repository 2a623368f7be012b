//! Delivery: messages of a log handed out, acknowledged, handed out again, or given up. It is what queues stand on.
//!
//! A queue is a log and a cursor. Bodies lie in the log alone; what is known of them is [`state::State`], a machine without I/O
//! that is bounded by what is in flight, delayed or looked ahead at, never by what waits. What must outlive the process goes to
//! a second log, the [`journal`]: each acknowledgement before it is answered; receives when the next write is due anyway.
//! [`Queue`] ties both to a store.
//!
//! **Promises.** A message of the log is delivered until it is acknowledged, given up or expired. An acknowledgement that was
//! answered holds after a crash. In [`Order::Grouped`], messages of a group go out in their order, and none while an earlier one
//! of its group is in flight, before and after a crash.
//!
//! **Non-promises.** At least once, not once: after a crash a message may appear before its time, its receives forgotten. Order
//! under [`Order::Fair`] is best effort.
//!
//! Read in this order: this file, [`state`], [`journal`], [`queue`], `shared`, `pump`.

pub mod state;

pub mod journal;

pub mod queue;

mod load;
mod pump;
mod recent;
mod shared;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use model::{LogId, Offset, RecordRef, Timestamp};
use store::{StoreError, StoredBatch};

pub use queue::{Claim, HeldBack, Queue};

/// Where a queue's messages and what is known of them lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Logs {
    /// The messages.
    pub messages: LogId,
    /// What became of them: written by [`Queue`] alone.
    pub journal: LogId,
    /// Whether nobody else reads the messages, so that those done with are dropped from the log.
    pub is_owned: bool,
}

/// How a queue's messages are read.
pub trait Source: Send + Sync + 'static {
    /// A batch as it lies, in the clear.
    ///
    /// # Errors
    /// [`StoreError::Damaged`].
    fn open(&self, stored: StoredBatch) -> Result<StoredBatch, StoreError>;

    /// What delivery must know of a message. Asked once for each.
    fn arrival(&self, record: &RecordRef<'_>) -> Arrival;

    /// Whether who takes messages reads them himself, by [`Queue::claim`]: those just looked at are not kept in memory then.
    fn is_read_elsewhere(&self) -> bool {
        false
    }

    /// Up to where a log that ends at `end` may be delivered: less than all of it where others have yet to decide what becomes
    /// of its messages. Never goes back.
    fn shown_until(&self, end: Offset) -> Offset {
        end
    }

    /// Completes when more may be delivered than what lies before `seen`, though the log has not grown.
    fn shown_past(&self, _seen: Offset) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

/// What delivery must know of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// When it was sent: its age counts from here.
    pub sent: Timestamp,
    /// It is not delivered before.
    pub due: Timestamp,
    /// Its group.
    pub group: Option<Group>,
}

/// A message group, by the hash of its id. Two groups of one hash are one group, which keeps every promise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Group(pub u64);

impl Group {
    /// The group of this id. The hash is kept in journals, so it stays: FNV-1a, 64 bits.
    #[must_use]
    pub fn of(id: &[u8]) -> Group {
        let hash = id.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Group(hash)
    }
}

/// Which message goes out next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// The oldest, but of groups that have much in flight only where there is nothing else: one busy tenant does not hold up
    /// the others. See "Amazon SQS fair queues" in AWS's guide.
    Fair,
    /// Of messages that have no earlier one of their group in flight, one of the group that has waited longest since it delivered,
    /// then as many as possible of the same group: "SQS first attempts to return as many messages with the same message group ID
    /// as possible", and no group keeps another waiting.
    Grouped,
}

/// How a queue delivers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Which message goes out next. Fixed for a queue's life.
    pub order: Order,
    /// Messages delivered and not yet acknowledged, at most.
    pub in_flight_max: usize,
    /// A message received so often is given up instead of delivered; without it, never.
    pub max_receives: Option<u32>,
    /// Messages older than this are not delivered; without it, all are.
    pub retention: Option<Duration>,
    /// How long messages stay in an owned log at least, done with or not.
    pub keep: Duration,
}

impl Policy {
    /// Whether a message received so often is to be given up.
    fn is_spent(&self, receives: u32) -> bool {
        self.max_receives.is_some_and(|most| receives >= most)
    }
}

/// Says which delivery of which message is meant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Receipt {
    /// The message.
    pub offset: Offset,
    /// Deliveries up to this one, from 1.
    pub receives: u32,
}

/// What a receipt is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The message is in flight by this delivery.
    Current,
    /// It was, and waits to be delivered again.
    Lapsed,
    /// It was delivered again since.
    Stale,
    /// It is done with, or never was.
    Gone,
}

/// A message handed out.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// To acknowledge it by.
    pub receipt: Receipt,
    /// When it was handed out for the first time.
    pub first_received: Timestamp,
    /// The batch it is in.
    pub batch: StoredBatch,
}

impl Delivered {
    /// The message itself. `None` where the batch does not hold it: a bug of whoever wrote it.
    #[must_use]
    pub fn record(&self) -> Option<RecordRef<'_>> {
        self.batch
            .records()
            .find(|record| record.offset == self.receipt.offset)
    }
}

/// How a message lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lies {
    /// It can be received.
    Visible,
    /// It is not yet due.
    Delayed {
        /// When it is.
        until: Timestamp,
    },
    /// It was received and is not acknowledged.
    InFlight {
        /// When it becomes visible again.
        until: Timestamp,
    },
}

/// What a receive gave.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// Messages handed out.
    pub messages: Vec<Delivered>,
    /// Messages received too often, held back for a while. They are to be moved elsewhere by [`Queue::move_to`].
    pub dead: Vec<Delivered>,
    /// Whether more were not given because of [`Policy::in_flight_max`].
    pub is_over_limit: bool,
}

/// How many messages there are, by what is known of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// To be had now. Those not looked at yet are taken to be.
    pub visible: u64,
    /// Delivered and not acknowledged.
    pub in_flight: u64,
    /// Not yet due.
    pub delayed: u64,
    /// When the oldest was sent, where one was looked at.
    pub oldest: Option<Timestamp>,
}
