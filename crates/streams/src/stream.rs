//! A stream: what is kept of it and what is known of it while it is used.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Offset;
use model::{AccountId, Arn, LogId, Region, SequenceNumber, StreamId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Key, StoreError, StoredBatch, Version};

use crate::seal::{Sealer, WrappedKey};
use crate::topology::{Shard, Topology};

/// How long a creation or a change is visible as such. AWS takes seconds to minutes; clients wait for the state to pass, so it
/// is shown, briefly.
pub const BUSY_FOR: Duration = Duration::from_millis(50);

/// Whose stream, where, and its name.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct StreamName {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// 1 to 128 of `a-zA-Z0-9_.-`.
    pub name: String,
}

impl StreamName {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> Arn {
        Arn::new(
            "kinesis",
            &self.region,
            &self.account,
            &format!("stream/{}", self.name),
        )
    }

    /// The key of a stream's own document.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key_of("stream")
    }

    /// The key of a document that is kept under the stream's name.
    #[must_use]
    pub fn key_of(&self, kind: &str) -> Key {
        let (account, region) = (self.account.as_str(), self.region.as_str());
        Key::of(&[kind, account, region, &self.name])
    }

    /// The path above all streams of an account in a region.
    pub(crate) fn folder(account: &AccountId, region: &Region) -> Key {
        Key::of(&["stream", account.as_str(), region.as_str()])
    }

    pub(crate) fn from_key(key: &Key) -> Option<StreamName> {
        let text = std::str::from_utf8(key.as_bytes()).ok()?;
        let mut parts = text.split('\0').skip(1);
        let account = AccountId::parse(parts.next()?)?;
        let region = Region::parse(parts.next()?)?;
        Some(StreamName {
            account,
            region,
            name: parts.next()?.into(),
        })
    }
}

/// Who decides how many shards there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Mode {
    /// The user.
    Provisioned,
    /// The observed load.
    OnDemand,
}

/// What a stream does just now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Status {
    /// Being made.
    Creating,
    /// Being changed.
    Updating,
    /// In use.
    Active,
}

/// In [`Settings::extra`]: the `retention.ms` that a stream has from Kafka's broker, which it follows while it has that.
pub const FOLLOWED_RETENTION: &str = "followed.retention.ms";

/// A state that passes by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Busy {
    /// What is shown meanwhile.
    pub status: Status,
    /// When it is over.
    pub until: Timestamp,
}

/// Encryption at rest, as the user asked for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Encryption {
    /// The key's id, ARN or alias in the form the user gave.
    pub key_id: String,
    /// Which of [`Settings::data_keys`] seals new records.
    pub data_key: u32,
}

/// What is kept of a stream under its name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Its number.
    pub id: StreamId,
    /// When it was made.
    pub created: Timestamp,
    /// Who decides how many shards there are.
    pub mode: Mode,
    /// How long records are kept, in milliseconds; without it, for ever.
    pub retention_ms: Option<u64>,
    /// Bytes kept in each shard at least, newest first, as Kafka's `retention.bytes` has it: what goes leaves so many. Without
    /// it, all.
    #[serde(default)]
    pub retention_bytes: Option<u64>,
    /// Largest record, key and value together, in bytes.
    pub max_record_bytes: u32,
    /// Encryption of new records, if any.
    pub encryption: Option<Encryption>,
    /// Data keys of now and earlier, wrapped under the master key; numbered by place.
    pub data_keys: Vec<WrappedKey>,
    /// Throughput kept ready, in MiB/s, where the user asked for it.
    pub warm_throughput_mibps: Option<u32>,
    /// Shard-level metrics asked for.
    pub shard_metrics: Vec<String>,
    /// A passing state.
    pub busy: Option<Busy>,
    /// Settings that one protocol alone has a word for, under that word: `cleanup.policy` and the like.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, String>,
    /// Reshardings so far; names the shards' generations.
    pub generation: u64,
    /// The next shard's number.
    pub next_shard: u32,
    /// Queues that deliver its records. It is not deleted while there are any.
    #[serde(default)]
    pub queues: u32,
}

impl Settings {
    /// How long records are kept: for ever where they are only to be compacted, whatever [`Settings::retention_ms`] says.
    #[must_use]
    pub fn retention(&self) -> Option<Duration> {
        let ms = self.retention_ms.filter(|_| self.drops_old());
        ms.map(Duration::from_millis)
    }

    /// Has records kept for so many milliseconds, which is the stream's own choice from now on, whatever it had before.
    pub fn set_retention(&mut self, ms: Option<u64>) {
        self.retention_ms = ms;
        self.extra.remove(FOLLOWED_RETENTION);
    }

    /// Whether records are dropped by age and size. A topic whose `cleanup.policy` is `compact` alone keeps the newest of each
    /// key.
    #[must_use]
    pub fn drops_old(&self) -> bool {
        let policy = self.extra.get("cleanup.policy");
        policy.is_none_or(|policy| policy.split(',').any(|part| part.trim() == "delete"))
    }

    /// Shows `status` from `now` on, briefly.
    pub fn show(&mut self, status: Status, now: Timestamp) {
        self.busy = Some(Busy {
            status,
            until: now.plus(BUSY_FOR),
        });
    }
}

/// A stream as it was when it was looked up. Shared, never changed: a change makes a new one.
#[derive(Debug)]
pub struct Stream {
    /// Whose, where, its name.
    pub name: StreamName,
    /// What is kept under its name.
    pub settings: Settings,
    /// The version of what is kept, for changes to hold on to.
    pub version: Version,
    /// Its shards.
    pub topology: Topology,
    /// Seals and opens its batches, where it is or was encrypted.
    pub(crate) sealer: Sealer,
}

impl Stream {
    /// What it does at `now`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        // Further ahead than it ever was to be, a clock was set back meanwhile: the state is over all the same.
        match self.settings.busy {
            Some(busy) if now < busy.until && busy.until.since(now) <= BUSY_FOR => busy.status,
            _ => Status::Active,
        }
    }

    /// The log of shard number `shard`.
    #[must_use]
    pub fn log(&self, shard: u32) -> LogId {
        LogId::new(self.settings.id, shard)
    }

    /// A batch of shard number `shard` in the clear.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for one that does not open under the keys that the stream had when it was looked up.
    pub fn open(&self, shard: u32, stored: StoredBatch) -> Result<StoredBatch, StoreError> {
        let StoredBatch { base_offset, batch } = stored;
        let batch = self.sealer.open(self.log(shard), batch)?;
        Ok(StoredBatch { base_offset, batch })
    }

    /// The sequence number of the record at `offset` in `shard`.
    #[must_use]
    pub fn sequence_number(&self, shard: &Shard, offset: Offset) -> SequenceNumber {
        SequenceNumber {
            generation: shard.generation,
            shard: shard.index,
            offset,
        }
    }
}
