//! What is kept of queues: keys and documents, and which logs they have.
//!
//! | key | document |
//! |---|---|
//! | `kinesis-queue, account, region, id` | [`Settings`] |
//! | `kinesis-queue-name, account, region, name` | the id of the queue of that name |
//!
//! | partition of a queue's number | log |
//! |---|---|
//! | a shard's number | journal of what became of the shard's records |
//! | 2^32-1, 2^32-2 | dead letters ([`super::reference`]), their journal |
//! | 2^32-3, 2^32-4 | records restored, their journal |
//!
//! Shards are numbered up to 2^31 at most. A stream's settings say how many queues it has; both change in one transaction.

use std::time::Duration;

use model::{AccountId, Arn, LogId, Region, StreamId, Timestamp};
use serde::{Deserialize, Serialize};
use store::Key;
use streams::StreamName;
use streams::stream::BUSY_FOR;

use super::super::records::Tags;

const KIND: &str = "kinesis-queue";
const DEAD: u32 = u32::MAX;
const DEAD_JOURNAL: u32 = u32::MAX - 1;
const RESTORED: u32 = u32::MAX - 2;
const RESTORED_JOURNAL: u32 = u32::MAX - 3;

/// Characters of an id.
pub(super) const ID_LENGTH: usize = 20;

/// Whose queue, where, and its id: what its ARN says.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct QueueName {
    pub(in super::super) account: AccountId,
    pub(in super::super) region: Region,
    /// Made with the queue, and never given again.
    pub(in super::super) id: String,
}

impl QueueName {
    pub(super) fn arn(&self) -> Arn {
        let resource = format!("queue/{}", self.id);
        Arn::new("kinesis", &self.region, &self.account, &resource)
    }

    pub(super) fn key(&self) -> Key {
        let (account, region) = (self.account.as_str(), self.region.as_str());
        Key::of(&[KIND, account, region, &self.id])
    }

    /// The path above all queues.
    pub(super) fn top() -> Key {
        Key::of(&[KIND])
    }

    /// The path above the queues of an account in a region.
    pub(super) fn folder(account: &AccountId, region: &Region) -> Key {
        Key::of(&[KIND, account.as_str(), region.as_str()])
    }

    pub(super) fn from_key(key: &Key) -> Option<QueueName> {
        let text = std::str::from_utf8(key.as_bytes()).ok()?;
        let mut parts = text.split('\0').skip(1);
        Some(QueueName {
            account: AccountId::parse(parts.next()?)?,
            region: Region::parse(parts.next()?)?,
            id: parts.next()?.to_owned(),
        })
    }
}

/// Whether it can be a queue's id.
pub(super) fn is_id(text: &str) -> bool {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.len() == ID_LENGTH && text.bytes().all(is_hex)
}

/// Where the id of the queue of that name is kept.
pub(super) fn name_key(account: &AccountId, region: &Region, name: &str) -> Key {
    Key::of(&[
        "kinesis-queue-name",
        account.as_str(),
        region.as_str(),
        name,
    ])
}

/// The path above the names of the queues of an account in a region.
pub(super) fn names(account: &AccountId, region: &Region) -> Key {
    Key::of(&["kinesis-queue-name", account.as_str(), region.as_str()])
}

/// What is kept of a queue.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(in super::super) struct Settings {
    /// The number of its logs.
    pub(super) number: StreamId,
    pub(super) name: String,
    /// The stream whose records it delivers: its name, and when it was made.
    pub(super) stream: String,
    pub(super) stream_created: Timestamp,
    pub(super) created: Timestamp,
    /// When it was changed last.
    pub(super) updated: Option<Timestamp>,
    pub(super) position: Position,
    pub(super) visibility_seconds: u32,
    /// Receives after which a record is a dead letter; without it, none is.
    pub(super) max_receives: Option<u32>,
    /// All shards with a lower number were looked at: those whose records are delivered have their journals.
    pub(super) taken_up: u32,
    pub(in super::super) tags: Tags,
    pub(in super::super) policy: Option<String>,
}

/// Where delivery began.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Position {
    /// As AWS spells it.
    pub(super) kind: String,
    /// The time asked for, where it is by time.
    pub(super) asked: Option<Timestamp>,
    /// Records of about this time and later are delivered.
    pub(super) from: Timestamp,
}

impl Settings {
    /// The stream whose records it delivers.
    pub(super) fn stream_name(&self, queue: &QueueName) -> StreamName {
        StreamName {
            account: queue.account.clone(),
            region: queue.region.clone(),
            name: self.stream.clone(),
        }
    }

    pub(super) fn is_creating(&self, now: Timestamp) -> bool {
        is_recent(self.created, now)
    }

    pub(super) fn status(&self, now: Timestamp) -> &'static str {
        if self.is_creating(now) {
            "CREATING"
        } else if self.updated.is_some_and(|updated| is_recent(updated, now)) {
            "UPDATING"
        } else {
            "ACTIVE"
        }
    }

    pub(super) fn visibility(&self) -> Duration {
        Duration::from_secs(self.visibility_seconds.into())
    }

    /// The journal of a shard.
    pub(super) fn journal(&self, shard: u32) -> LogId {
        LogId::new(self.number, shard)
    }

    /// The log of dead letters, and its journal.
    pub(super) fn dead(&self) -> (LogId, LogId) {
        (
            LogId::new(self.number, DEAD),
            LogId::new(self.number, DEAD_JOURNAL),
        )
    }

    /// The log of records restored, and its journal.
    pub(super) fn restored(&self) -> (LogId, LogId) {
        (
            LogId::new(self.number, RESTORED),
            LogId::new(self.number, RESTORED_JOURNAL),
        )
    }

    /// The logs that are made with the queue.
    pub(super) fn own_logs(&self) -> [LogId; 4] {
        let ((dead, dead_journal), (restored, restored_journal)) = (self.dead(), self.restored());
        [dead, dead_journal, restored, restored_journal]
    }
}

/// Made in the future, a clock was set back meanwhile: long done.
fn is_recent(time: Timestamp, now: Timestamp) -> bool {
    time <= now && now.since(time) < BUSY_FOR
}
