//! Why the store did not do what was asked: a variant for each remedy.

use std::path::PathBuf;
use std::sync::Arc;

use model::{LogId, Offset};

use crate::key::Key;

/// Why the store did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written; asking again is safe and may succeed.
    #[error("store is unavailable: {reason}")]
    Unavailable {
        /// What is in the way.
        reason: String,
        /// What the system said.
        #[source]
        source: Option<Arc<std::io::Error>>,
    },
    /// No room on the disk. Nothing was written; reads go on, and writes will when space returns.
    #[error("disk is full: free space in the data directory, writes resume by themselves")]
    Full,
    /// The write may or may not be there. Only an idempotent retry is safe.
    #[error("outcome of the write is unknown: {during}")]
    Unknown {
        /// What was being done.
        during: String,
    },
    /// Another owner has a newer epoch; stop acting.
    #[error("fenced: epoch {ours} is older than {theirs}")]
    Fenced {
        /// What was presented.
        ours: u64,
        /// What is in force.
        theirs: u64,
    },
    /// A precondition did not hold. Nothing was written.
    #[error("conflict on {key}")]
    Conflict {
        /// The document, or the log by its number.
        key: Key,
    },
    /// There is no such log.
    #[error("there is no log {log}")]
    NoSuchLog {
        /// Which.
        log: LogId,
    },
    /// The log takes no more records.
    #[error("log {log} is sealed")]
    Sealed {
        /// Which.
        log: LogId,
    },
    /// The offset is outside what the log holds, or not the one expected of an append.
    #[error("offset {asked} is outside {start}..={end}")]
    OffsetOutOfRange {
        /// What was asked for.
        asked: Offset,
        /// First offset held.
        start: Offset,
        /// Next offset to be given.
        end: Offset,
    },
    /// A producer's numbers do not follow on: records are missing between.
    #[error("producer {id} sent sequence {got}, expected {expected}")]
    OutOfOrderSequence {
        /// The producer.
        id: i64,
        /// What should have come.
        expected: i32,
        /// What came.
        got: i32,
    },
    /// An older instance of the producer wrote.
    #[error("producer {id} wrote with epoch {ours}, {theirs} is in force")]
    ProducerFenced {
        /// The producer.
        id: i64,
        /// What was presented.
        ours: i16,
        /// What is in force.
        theirs: i16,
    },
    /// What was asked is over a limit or malformed; asking again is of no use.
    #[error("{what}")]
    Invalid {
        /// Which limit, and the fix.
        what: String,
    },
    /// Bytes at rest are not what was written.
    #[error("{} is damaged at byte {position}: {what}", file.display())]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// Where in it.
        position: u64,
        /// What is wrong.
        what: String,
    },
}
