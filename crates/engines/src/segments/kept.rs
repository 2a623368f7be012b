//! Makes a full journal file a segment where it is.

use std::io::IoSlice;

use model::{LogId, Offset, Timestamp};
use store::StoreError;

use super::format;
use super::log_index::LogIndex;
use super::{Extent, FOLDER, SegmentId, SegmentRange, SegmentSummary, failed, in_place};
use crate::disk::Disk;

/// The batches of a log in the file, in order.
#[derive(Debug)]
pub struct KeptLog(LogIndex);

impl KeptLog {
    /// None yet, of a log whose first batch in the file is at `start`.
    #[must_use]
    pub fn new(log: LogId, start: Offset) -> KeptLog {
        KeptLog(LogIndex::new(log, start))
    }

    /// Adds the batch at `batch`, which has the offsets from `base_offset` up to `end`.
    pub fn add(
        &mut self,
        base_offset: Offset,
        end: Offset,
        max_timestamp: Timestamp,
        batch: Extent,
    ) {
        let bytes_before = self.0.batch_bytes;
        self.0.count(end, max_timestamp, batch.length.into());
        self.0.add_line(batch, base_offset, bytes_before);
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
    let indexes: usize = logs.iter().map(|kept| kept.0.length()).sum();
    let length = (indexes + format::end_length(logs.len())) as u64;
    let from = capacity.max(present.saturating_sub(length));
    let (end, ranges) = encode(id, from, logs);
    file.write_at(&[IoSlice::new(&end)], from)
        .map_err(failed("cannot write the index of"))?;
    file.sync_data().map_err(failed("cannot make durable"))?;
    let second = id.file_name();
    in_place(disk, &second, || disk.link(name, &second)).map_err(failed("cannot name"))?;
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
        let position = from + end.len() as u64;
        ranges.push(kept.0.encode(id, position, &mut end));
    }
    format::encode_end(id, from + end.len() as u64, &ranges, &mut end);
    (end, ranges)
}
