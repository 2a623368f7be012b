//! Immutable segment objects: where records live once the journal has let go of them. One file holds the batches of one
//! large log or of many small ones, sorted by log and offset, with a sparse index for each.
//!
//! **Life of a segment.** Written under a temporary name; synced; renamed; the folder synced: only then does
//! [`SegmentWriter::finish`] answer, and only then may the journal's copy go. Never changed. Removed whole. After a crash
//! before the rename the temporary file is left, after it a segment that nobody knows of: [`Segments::keep_only`] removes both.
//!
//! **Promises.** Every byte of a segment is under a checksum: what is read is what was written, or [`StoreError::Damaged`]
//! names file and position. Of kept journal files that is so for all that is read: not for what lies between batches, nor for what a
//! batch's writer left in the places of base offset and leader epoch, which are set on the way out. **Non-promises.** A read checks what it touches; only [`Segments::verify`] touches everything.
//!
//! **Kept journal files.** A full journal file of large batches of few logs is not copied: it gets an index behind its frames and a
//! second name ([`keep`]), and is a segment like any other, whose batches lie between each other's.
//!
//! Read in this order: [`format`] for the bytes, [`writer`], [`kept`], [`reader`], [`verify`].

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

mod block;
mod format;
mod kept;
mod log_index;
mod lru;
mod reader;
mod regions;
mod room;
mod verify;
mod writer;

use std::io;
use std::sync::Arc;

use model::{LogId, Offset, Timestamp};
use store::StoreError;

use crate::disk::Disk;

pub use kept::{KeptLog, keep};
pub use reader::Segments;
pub use room::Room;
pub use writer::SegmentWriter;

/// Where segments lie in the data directory.
pub const FOLDER: &str = "segments";
const SUFFIX: &str = ".seg";
const TEMPORARY_SUFFIX: &str = ".tmp";

/// A segment's number, never given twice while one with it is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SegmentId(pub u64);

/// Set in the numbers of segments that journal files were kept as.
const KEPT: u64 = 1 << 63;

impl SegmentId {
    /// The segment that the journal file of this number is kept as.
    #[must_use]
    pub fn of_journal(number: u64) -> SegmentId {
        SegmentId(KEPT | number)
    }

    /// The journal file that it was; `None` for one that was written as a segment.
    #[must_use]
    pub fn journal(self) -> Option<u64> {
        (self.0 & KEPT != 0).then_some(self.0 & !KEPT)
    }

    /// Its file's name in the data directory.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("{FOLDER}/{:020}{SUFFIX}", self.0)
    }

    fn temporary_name(self) -> String {
        format!("{FOLDER}/{:020}{TEMPORARY_SUFFIX}", self.0)
    }

    /// The number in a file's name as [`crate::disk::Disk::list`] gives it; `None` where it is no segment's.
    fn of_file(name: &str) -> Option<SegmentId> {
        let id = SegmentId(name.strip_suffix(SUFFIX)?.parse().ok()?);
        id.file_name()
            .strip_prefix(FOLDER)
            .is_some_and(|own| own.get(1..) == Some(name))
            .then_some(id)
    }
}

/// What there is to know of a finished segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentSummary {
    /// Its number.
    pub id: SegmentId,
    /// The file's length.
    pub bytes: u64,
    /// One for each log in it, in order of the logs.
    pub ranges: Vec<SegmentRange>,
}

/// What a segment holds of one log. Small: the state keeps it in memory for every log of every segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentRange {
    /// In which segment.
    pub segment: SegmentId,
    /// Of which log.
    pub log: LogId,
    /// The first batch's base offset.
    pub start: Offset,
    /// The offset after the last batch.
    pub end: Offset,
    /// The greatest timestamp of its records.
    pub max_timestamp: Timestamp,
    /// Bytes of all its batches.
    pub batch_bytes: u64,
    /// Where its index is.
    pub index: Extent,
}

/// A part of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// Its first byte.
    pub position: u64,
    /// Its length in bytes.
    pub length: u32,
}

/// Makes something of this name, in place of what an earlier attempt left.
fn in_place<T>(disk: &dyn Disk, name: &str, make: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match make() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(name)?;
            make()
        }
        made => made,
    }
}

fn damaged(id: SegmentId, position: u64, what: impl Into<String>) -> StoreError {
    StoreError::Damaged {
        file: id.file_name().into(),
        position,
        what: what.into(),
    }
}

/// What the disk said while `doing`, as the store says it.
fn failed(doing: &str, id: SegmentId, error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        io::ErrorKind::NotFound => damaged(id, 0, "the file is missing"),
        _ => StoreError::Unavailable {
            reason: format!("{doing} {}", id.file_name()),
            source: Some(Arc::new(error)),
        },
    }
}

#[cfg(test)]
mod tests;
