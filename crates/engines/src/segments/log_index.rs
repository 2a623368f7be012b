//! The index of one log in the making, and what the log adds up to.

use model::{LogId, Offset, Timestamp};

use super::format::{self, INDEX_HEADER_BYTES, IndexEntry};
use super::{Extent, SegmentId, SegmentRange};

/// What a segment holds of one log so far.
#[derive(Debug)]
pub(super) struct LogIndex {
    pub(super) log: LogId,
    start: Offset,
    pub(super) end: Offset,
    max_timestamp: Timestamp,
    pub(super) batch_bytes: u64,
    lines: Vec<u8>,
}

impl LogIndex {
    /// Of a log whose first batch will be at `start`.
    pub(super) fn new(log: LogId, start: Offset) -> LogIndex {
        LogIndex {
            log,
            start,
            end: start,
            max_timestamp: Timestamp(i64::MIN),
            batch_bytes: 0,
            lines: Vec::new(),
        }
    }

    /// Counts the next batch.
    pub(super) fn count(&mut self, end: Offset, max_timestamp: Timestamp, bytes: u64) {
        self.end = end;
        self.max_timestamp = self.max_timestamp.max(max_timestamp);
        self.batch_bytes += bytes;
    }

    /// Adds a line for batches that are counted: from `first` on, with `bytes_before` of the log before them.
    pub(super) fn add_line(&mut self, block: Extent, first: Offset, bytes_before: u64) {
        let line = IndexEntry {
            block,
            first,
            running_max: self.max_timestamp,
            bytes_before,
        };
        format::encode_index_entry(&line, &mut self.lines);
    }

    /// Bytes of it in the file.
    pub(super) fn length(&self) -> usize {
        INDEX_HEADER_BYTES + self.lines.len()
    }

    /// Appends it, where it will lie at `position`.
    pub(super) fn encode(
        &self,
        id: SegmentId,
        position: u64,
        target: &mut Vec<u8>,
    ) -> SegmentRange {
        format::encode_index(id, self.log, position, &self.lines, target);
        SegmentRange {
            segment: id,
            log: self.log,
            start: self.start,
            end: self.end,
            max_timestamp: self.max_timestamp,
            batch_bytes: self.batch_bytes,
            index: Extent {
                position,
                length: self.length() as u32,
            },
        }
    }
}
