//! Makes a full journal file a segment where it is.

use std::io::{self, IoSlice};

use model::{LogId, Offset, Timestamp};
use store::StoreError;

use super::format::{self, IndexEntry};
use super::{Extent, FOLDER, SegmentId, SegmentRange, SegmentSummary, failed};
use crate::disk::Disk;

/// The batches of a log in the file, in order.
#[derive(Debug)]
pub struct KeptLog {
    log: LogId,
    start: Offset,
    end: Offset,
    max_timestamp: Timestamp,
    batch_bytes: u64,
    index: Vec<u8>,
}

impl KeptLog {
    /// None yet.
    #[must_use]
    pub fn new(log: LogId) -> KeptLog {
        KeptLog {
            log,
            start: Offset::ZERO,
            end: Offset::ZERO,
            max_timestamp: Timestamp(i64::MIN),
            batch_bytes: 0,
            index: Vec::new(),
        }
    }

    /// Adds the batch at `batch`, which has the offsets from `base_offset` up to `end`.
    pub fn add(
        &mut self,
        base_offset: Offset,
        end: Offset,
        max_timestamp: Timestamp,
        batch: Extent,
    ) {
        if self.index.is_empty() {
            self.start = base_offset;
        }
        self.end = end;
        self.max_timestamp = self.max_timestamp.max(max_timestamp);
        let line = IndexEntry {
            block: batch,
            first: base_offset,
            running_max: self.max_timestamp,
            bytes_before: self.batch_bytes,
        };
        format::encode_index_entry(&line, &mut self.index);
        self.batch_bytes += u64::from(batch.length);
    }

    /// Whether it has no batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
}

/// Writes an index of `logs`, which are in order and have batches, at the end of the file `name`, from `capacity` on, and gives it its
/// second name; both are durable when this answers. The file must not be written again, but by another attempt if this one fails: its
/// index takes the place of this one's.
///
/// # Errors
/// [`StoreError::Full`]; [`StoreError::Unavailable`]. There is no such segment then, or one that must not be used.
pub fn keep(
    disk: &dyn Disk,
    name: &str,
    capacity: u64,
    id: SegmentId,
    logs: &[KeptLog],
) -> Result<SegmentSummary, StoreError> {
    let failed = |doing| move |error| failed(doing, id, error);
    let file = disk
        .open(name)
        .map_err(failed("cannot open what becomes"))?;
    let present = file.length().map_err(failed("cannot measure"))?;
    // The trailer ends the file, what an earlier attempt left included.
    let length = encode(id, 0, logs).0.len() as u64;
    let from = capacity.max(present.saturating_sub(length));
    let (end, ranges) = encode(id, from, logs);
    file.write_at(&[IoSlice::new(&end)], from)
        .map_err(failed("cannot write the index of"))?;
    file.sync_data().map_err(failed("cannot make durable"))?;
    link(disk, name, &id.file_name()).map_err(failed("cannot name"))?;
    disk.sync_folder(FOLDER)
        .map_err(failed("cannot make the name durable of"))?;
    Ok(SegmentSummary {
        id,
        bytes: from + end.len() as u64,
        ranges,
    })
}

/// Indexes, footer and trailer, that will lie at `from`.
fn encode(id: SegmentId, from: u64, logs: &[KeptLog]) -> (Vec<u8>, Vec<SegmentRange>) {
    let mut end = Vec::new();
    let mut ranges = Vec::with_capacity(logs.len());
    for kept in logs {
        let start = end.len();
        let position = from + start as u64;
        format::encode_index(id, kept.log, position, &kept.index, &mut end);
        ranges.push(SegmentRange {
            segment: id,
            log: kept.log,
            start: kept.start,
            end: kept.end,
            max_timestamp: kept.max_timestamp,
            batch_bytes: kept.batch_bytes,
            index: Extent {
                position,
                length: (end.len() - start) as u32,
            },
        });
    }
    format::encode_end(id, from + end.len() as u64, &ranges, &mut end);
    (end, ranges)
}

/// Gives the file its second name, in place of what an earlier attempt left there.
fn link(disk: &dyn Disk, name: &str, second: &str) -> io::Result<()> {
    match disk.link(name, second) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(second)?;
            disk.link(name, second)
        }
        linked => linked,
    }
}
