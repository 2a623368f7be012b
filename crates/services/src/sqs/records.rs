//! What SQS keeps: keys and documents, in one place.
//!
//! | key | document |
//! |---|---|
//! | `sqs, account, region, name` | [`Settings`] of a queue |
//! | `sqs-deleted, account, region, name` | when a queue of that name was deleted; for a minute |
//! | `sqs-moves, account, region, name` | the move tasks of a dead-letter queue, see `move_task` |
//!
//! A queue has two logs, made and deleted with its settings: its messages (partition 0) and what became of them (partition 1).
//!
//! Documents are JSON. A member that is added later needs `#[serde(default)]`, so that older documents are read still.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{AccountId, Arn, LogId, Offset, Region, StreamId, Timestamp};
use serde::{Deserialize, Serialize};
use store::Key;
use streams::WrappedKey;

use super::limits;

/// What follows the name of a FIFO queue.
pub(super) const FIFO_SUFFIX: &str = ".fifo";

/// Whose queue, where, and its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct QueueName {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// 1 to 80 of `a-zA-Z0-9_-`, with `.fifo` at the end of FIFO queues'.
    pub name: String,
}

impl QueueName {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> Arn {
        Arn::new("sqs", &self.region, &self.account, &self.name)
    }

    /// Whether a queue of this name is a FIFO queue.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(FIFO_SUFFIX)
    }

    pub(super) fn key(&self) -> Key {
        self.key_of("sqs")
    }

    /// Where its deletion is remembered.
    pub(super) fn deleted_key(&self) -> Key {
        self.key_of("sqs-deleted")
    }

    /// The path above all deletions that are remembered.
    pub(super) fn deleted_top() -> Key {
        Key::of(&["sqs-deleted"])
    }

    fn key_of(&self, kind: &str) -> Key {
        let (account, region) = (self.account.as_str(), self.region.as_str());
        Key::of(&[kind, account, region, &self.name])
    }

    /// The path above all queues.
    pub(super) fn top() -> Key {
        Key::of(&["sqs"])
    }

    /// The path above all queues of an account in a region.
    pub(super) fn folder(account: &AccountId, region: &Region) -> Key {
        Key::of(&["sqs", account.as_str(), region.as_str()])
    }

    pub(super) fn from_key(key: &Key) -> Option<QueueName> {
        let text = std::str::from_utf8(key.as_bytes()).ok()?;
        let mut parts = text.split('\0').skip(1);
        let account = AccountId::parse(parts.next()?)?;
        let region = Region::parse(parts.next()?)?;
        Some(QueueName {
            account,
            region,
            name: parts.next()?.into(),
        })
    }
}

/// What is kept of a queue under its name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Its number, which its logs have.
    pub id: StreamId,
    /// When it was made.
    pub created: Timestamp,
    /// When its attributes were set.
    pub modified: Timestamp,
    /// How long messages are kept from sight at first, in seconds.
    pub delay_seconds: u32,
    /// Largest message, body and attributes together, in bytes.
    pub maximum_message_size: u32,
    /// How long messages are kept, in seconds.
    pub message_retention_period: u32,
    /// How long a receive waits for messages where it does not say, in seconds.
    pub receive_message_wait_time_seconds: u32,
    /// How long a received message is hidden where the receive does not say, in seconds.
    pub visibility_timeout: u32,
    /// The access policy, as it was given.
    pub policy: Option<String>,
    /// Where its dead letters go.
    pub redrive_policy: Option<RedrivePolicy>,
    /// Whose dead letters it takes; without it, all queues' of its account and region.
    pub redrive_allow_policy: Option<RedriveAllowPolicy>,
    /// How messages lie at rest.
    pub encryption: Encryption,
    /// `KmsDataKeyReusePeriodSeconds`, where it was given. Data keys here are no KMS's.
    pub key_reuse_seconds: Option<u32>,
    /// Data keys of now and earlier, wrapped under the master key; numbered by place.
    pub data_keys: Vec<WrappedKey>,
    /// What FIFO queues have beyond the rest.
    pub fifo: Option<Fifo>,
    /// Tags, by key.
    pub tags: BTreeMap<String, String>,
    /// When it was purged last.
    pub purged: Option<Timestamp>,
    /// Messages before this were purged: nothing that is sent repeats them.
    #[serde(default)]
    pub purged_before: Offset,
}

/// Where dead letters go, and when.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RedrivePolicy {
    /// The queue, of the same account, region and type.
    pub dead_letter_queue: String,
    /// Receives after which a message is one.
    pub max_receive_count: u32,
    /// What is told.
    pub text: String,
}

/// Whose dead letters a queue takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RedriveAllowPolicy {
    /// Whose.
    pub permission: RedrivePermission,
    /// As the user gave it: what is told.
    pub text: String,
}

/// Whose dead letters a queue takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RedrivePermission {
    /// All queues' of its account and region.
    AllowAll,
    /// Nobody's.
    DenyAll,
    /// Those of the queues with these ARNs.
    ByQueue(Vec<String>),
}

/// How messages lie at rest.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Encryption {
    /// As they came.
    None,
    /// Sealed, by SQS's own keys.
    Sqs,
    /// Sealed, by the key of this id. Until there is a KMS, by our own keys all the same.
    Kms(String),
}

/// What FIFO queues have beyond the rest.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fifo {
    /// Whether a message's body stands in for a de-duplication id.
    pub content_based_deduplication: bool,
    /// Among which messages duplicates are found.
    pub deduplication_scope: DeduplicationScope,
    /// What the quota on throughput counts.
    pub throughput_limit: ThroughputLimit,
}

/// Among which messages duplicates are found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum DeduplicationScope {
    /// All.
    Queue,
    /// Those of a message group.
    MessageGroup,
}

/// What the quota on throughput counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ThroughputLimit {
    /// All messages.
    PerQueue,
    /// Those of a message group.
    PerMessageGroupId,
}

impl Settings {
    /// Those of a new queue for which nothing is asked.
    pub(super) fn new(id: StreamId, name: &QueueName, now: Timestamp) -> Settings {
        Settings {
            id,
            created: now,
            modified: now,
            delay_seconds: limits::NO_SECONDS,
            maximum_message_size: limits::MAXIMUM_MESSAGE_SIZE_DEFAULT,
            message_retention_period: limits::MESSAGE_RETENTION_PERIOD_DEFAULT,
            receive_message_wait_time_seconds: limits::NO_SECONDS,
            visibility_timeout: limits::VISIBILITY_TIMEOUT_DEFAULT,
            policy: None,
            redrive_policy: None,
            redrive_allow_policy: None,
            encryption: Encryption::Sqs,
            key_reuse_seconds: None,
            data_keys: Vec::new(),
            fifo: name.is_fifo().then_some(Fifo {
                content_based_deduplication: false,
                deduplication_scope: DeduplicationScope::Queue,
                throughput_limit: ThroughputLimit::PerQueue,
            }),
            tags: BTreeMap::new(),
            purged: None,
            purged_before: Offset::ZERO,
        }
    }

    /// The log of the messages.
    #[must_use]
    pub fn messages(&self) -> LogId {
        LogId::new(self.id, 0)
    }

    /// The log of what became of them.
    #[must_use]
    pub fn journal(&self) -> LogId {
        LogId::new(self.id, 1)
    }

    /// How long messages are kept.
    #[must_use]
    pub fn retention(&self) -> Duration {
        Duration::from_secs(self.message_retention_period.into())
    }

    /// Whether new messages are sealed.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.encryption != Encryption::None
    }

    /// Which of the data keys seals new messages: the newest.
    pub(super) fn data_key(&self) -> Option<u32> {
        if !self.is_encrypted() {
            return None;
        }
        u32::try_from(self.data_keys.len()).ok()?.checked_sub(1)
    }
}
