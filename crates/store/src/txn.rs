//! What is asked of the store at once: records and documents together, all or nothing.

use bytes::Bytes;
use model::{Batch, LogId, Offset};

use crate::key::{Key, Version};

/// A transaction. Checks are made against the state that all earlier transactions left; then every part is done, or none.
#[derive(Clone, Debug, Default)]
pub struct Txn {
    /// Refused unless this lease is still held with this epoch.
    pub fence: Option<Fence>,
    /// What must be so.
    pub checks: Vec<Check>,
    /// Documents put and deleted. One key at most once.
    pub writes: Vec<Write>,
    /// Logs made, sealed, trimmed, deleted; done in order, before the appends.
    pub logs: Vec<LogChange>,
    /// Records added.
    pub appends: Vec<Append>,
}

/// A lease's epoch that must still be the newest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fence {
    /// The lease's name.
    pub lease: Key,
    /// As [`crate::Lease::epoch`].
    pub epoch: u64,
}

/// A condition on one document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// Which.
    pub key: Key,
    /// How it must be.
    pub expect: Expect,
}

/// How a document must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// Not there.
    Absent,
    /// There, in whatever version.
    Present,
    /// There, in this version.
    At(Version),
}

/// A change to one document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// Makes or replaces it.
    Put {
        /// Which.
        key: Key,
        /// Its new content, up to [`crate::key::DOCUMENT_BYTES_MAX`].
        value: Bytes,
    },
    /// Removes it, if it is there.
    Delete {
        /// Which.
        key: Key,
    },
}

/// A change to one log other than an append.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogChange {
    /// Makes it, empty, at offset 0. A [`crate::StoreError::Conflict`] if it is there.
    Create(LogId),
    /// Refuses further appends. What is in it stays readable.
    Seal(LogId),
    /// Drops what lies before an offset; one at or before the start changes nothing, one past the end is an error.
    Trim(LogId, Offset),
    /// Removes it and all in it.
    Delete(LogId),
    /// Forgets producers that wrote nothing at this offset or after it: a retry of theirs is taken for news from then on.
    ForgetProducers(LogId, Offset),
}

/// Records for one log.
#[derive(Clone, Debug)]
pub struct Append {
    /// Where to.
    pub log: LogId,
    /// What. Its producer, if named, makes a repeat known as such.
    pub batch: Batch,
    /// Refused unless the log's next offset is this one.
    pub expected: Option<Offset>,
}

impl Append {
    /// Adds `batch` at `log`'s end, wherever that is.
    #[must_use]
    pub fn to(log: LogId, batch: Batch) -> Append {
        Append {
            log,
            batch,
            expected: None,
        }
    }
}

/// Where records went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// The first one's offset.
    pub base_offset: Offset,
    /// Whether they were there already, from an earlier attempt of the same producer.
    pub duplicate: bool,
}

/// A transaction that is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    /// The version of all documents it put.
    pub version: Version,
    /// One for each append, in order.
    pub appends: Vec<Appended>,
}
