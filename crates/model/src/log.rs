//! Names and positions in the log.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A stream's number: given once from a counter, never used again, so that a recreated stream shares nothing with the old one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(pub u64);

/// One ordered log: a partition of a stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LogId {
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Which of its partitions, counted from 0.
    pub partition: u32,
}

impl LogId {
    /// Partition `partition` of `stream`.
    #[must_use]
    pub fn new(stream: StreamId, partition: u32) -> LogId {
        LogId { stream, partition }
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stream.0, self.partition)
    }
}

/// A record's place in its log, from 0. Below 2^63, since Kafka's wire has it signed.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Offset(pub u64);

impl Offset {
    /// The first offset of any log.
    pub const ZERO: Offset = Offset(0);

    /// The offset `count` records on.
    #[must_use]
    pub fn plus(self, count: u64) -> Offset {
        Offset(self.0.saturating_add(count))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
