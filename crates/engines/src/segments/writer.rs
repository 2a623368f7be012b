//! Writes one segment, batch by batch. Memory holds one block, what is about to be written, and the ranges.

use std::fmt;
use std::io::{self, IoSlice};
use std::mem;
use std::sync::Arc;

use bytes::BufMut;
use model::{Batch, LogId, Offset, Timestamp};
use store::StoreError;

use super::format::{self, BLOCK_BYTES, IndexEntry};
use super::{Extent, FOLDER, SegmentId, SegmentRange, SegmentSummary, failed};
use crate::disk::{Disk, File};

/// Bytes gathered for one write.
const WRITE_BYTES: usize = 256 << 10;
/// Writes begin and end at multiples of this but for the last: a page is written once.
const PIECE: usize = 4096;

/// A segment being written. Dropped before it is finished, it removes what it wrote.
pub struct SegmentWriter {
    disk: Arc<dyn Disk>,
    file: Arc<dyn File>,
    id: SegmentId,
    /// What is to be written next, at `written`.
    out: Vec<u8>,
    written: u64,
    log: Option<OpenLog>,
    ranges: Vec<SegmentRange>,
    is_finished: bool,
}

/// The log whose batches are being added.
#[derive(Debug)]
struct OpenLog {
    log: LogId,
    start: Offset,
    end: Offset,
    max_timestamp: Timestamp,
    batch_bytes: u64,
    index: Vec<u8>,
    block: OpenBlock,
}

#[derive(Debug, Default)]
struct OpenBlock {
    first: Offset,
    bytes_before: u64,
    count: u32,
    entries: Vec<u8>,
}

impl SegmentWriter {
    /// Starts segment `id` under a temporary name.
    ///
    /// # Errors
    /// [`StoreError::Full`]; [`StoreError::Unavailable`].
    pub fn new(disk: Arc<dyn Disk>, id: SegmentId) -> Result<SegmentWriter, StoreError> {
        let file = create(&*disk, &id.temporary_name())
            .map_err(|error| failed("cannot create", id, error))?;
        let mut out = Vec::with_capacity(WRITE_BYTES + BLOCK_BYTES);
        format::encode_header(id, &mut out);
        Ok(SegmentWriter {
            disk,
            file,
            id,
            out,
            written: 0,
            log: None,
            ranges: Vec::new(),
            is_finished: false,
        })
    }

    /// Adds a batch of `log`. Batches come in order of (log, offset).
    ///
    /// # Errors
    /// [`StoreError::Full`]; [`StoreError::Unavailable`]. The segment is of no use then: drop it.
    ///
    /// # Panics
    /// Where a batch comes out of order: a bug of the caller.
    pub fn add(
        &mut self,
        log: LogId,
        base_offset: Offset,
        batch: &Batch,
    ) -> Result<(), StoreError> {
        match &self.log {
            Some(open) if open.log == log => assert!(
                base_offset >= open.end,
                "batch {base_offset} of log {log} after {}",
                open.end
            ),
            Some(open) => {
                assert!(open.log < log, "log {log} after {}", open.log);
                self.close_log();
            }
            None => {}
        }
        let open = self
            .log
            .get_or_insert_with(|| OpenLog::new(log, base_offset));
        open.add(base_offset, batch);
        if open.block.entries.len() >= BLOCK_BYTES {
            self.close_block();
        }
        if self.out.len() >= WRITE_BYTES {
            let whole = self.out.len() - self.out.len() % PIECE;
            let rest = self.out.split_off(whole);
            self.write_out()?;
            self.out.extend_from_slice(&rest);
        }
        Ok(())
    }

    /// Bytes of the file so far; footer and what is still being gathered are not among them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.written + self.out.len() as u64
    }

    /// Makes the segment durable under its own name.
    ///
    /// # Errors
    /// [`StoreError::Full`]; [`StoreError::Unavailable`]. There is no such segment then, or one that must not be used.
    pub fn finish(mut self) -> Result<SegmentSummary, StoreError> {
        self.close_log();
        format::encode_end(self.id, self.bytes(), &self.ranges, &mut self.out);
        self.write_out()?;
        let failed = |doing| move |error| failed(doing, self.id, error);
        self.file
            .sync_data()
            .map_err(failed("cannot make durable"))?;
        self.disk
            .rename(&self.id.temporary_name(), &self.id.file_name())
            .map_err(failed("cannot name"))?;
        self.is_finished = true;
        self.disk
            .sync_folder(FOLDER)
            .map_err(failed("cannot make the name durable of"))?;
        Ok(SegmentSummary {
            id: self.id,
            bytes: self.written,
            ranges: mem::take(&mut self.ranges),
        })
    }

    fn close_block(&mut self) {
        let position = self.bytes();
        let Some(open) = self.log.as_mut().filter(|open| open.block.count > 0) else {
            return;
        };
        let block = mem::take(&mut open.block);
        let before = self.out.len();
        format::encode_block(
            self.id,
            open.log,
            position,
            block.count,
            &block.entries,
            &mut self.out,
        );
        let entry = IndexEntry {
            block: Extent {
                position,
                length: (self.out.len() - before) as u32,
            },
            first: block.first,
            running_max: open.max_timestamp,
            bytes_before: block.bytes_before,
        };
        format::encode_index_entry(&entry, &mut open.index);
        // The buffer is used again.
        open.block.entries = block.entries;
        open.block.entries.clear();
    }

    fn close_log(&mut self) {
        self.close_block();
        let position = self.bytes();
        let Some(open) = self.log.take() else { return };
        let before = self.out.len();
        format::encode_index(self.id, open.log, position, &open.index, &mut self.out);
        self.ranges.push(SegmentRange {
            segment: self.id,
            log: open.log,
            start: open.start,
            end: open.end,
            max_timestamp: open.max_timestamp,
            batch_bytes: open.batch_bytes,
            index: Extent {
                position,
                length: (self.out.len() - before) as u32,
            },
        });
    }

    fn write_out(&mut self) -> Result<(), StoreError> {
        self.file
            .write_at(&[IoSlice::new(&self.out)], self.written)
            .map_err(|error| failed("cannot write", self.id, error))?;
        self.written += self.out.len() as u64;
        self.out.clear();
        Ok(())
    }
}

impl OpenLog {
    fn new(log: LogId, start: Offset) -> OpenLog {
        OpenLog {
            log,
            start,
            end: start,
            max_timestamp: Timestamp(i64::MIN),
            batch_bytes: 0,
            index: Vec::new(),
            block: OpenBlock::default(),
        }
    }

    fn add(&mut self, base_offset: Offset, batch: &Batch) {
        let bytes = batch.bytes();
        let block = &mut self.block;
        if block.count == 0 {
            block.first = base_offset;
            block.bytes_before = self.batch_bytes;
        }
        block.count += 1;
        block.entries.put_u64(base_offset.0);
        block.entries.put_u32(bytes.len() as u32);
        block.entries.put_slice(bytes);
        self.end = base_offset.plus(u64::from(batch.offsets()));
        self.max_timestamp = self.max_timestamp.max(batch.max_timestamp());
        self.batch_bytes += bytes.len() as u64;
    }
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            // What stays behind is removed at the next start.
            let _ = self.disk.remove(&self.id.temporary_name());
        }
    }
}

impl fmt::Debug for SegmentWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SegmentWriter({}, {} bytes)", self.id.0, self.bytes())
    }
}

/// Makes an empty file in place of one that an earlier attempt left.
fn create(disk: &dyn Disk, name: &str) -> io::Result<Arc<dyn File>> {
    disk.create_folder(FOLDER)?;
    match disk.create(name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(name)?;
            disk.create(name)
        }
        created => created,
    }
}
