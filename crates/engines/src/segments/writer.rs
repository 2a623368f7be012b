//! Writes one segment, batch by batch. Memory holds one block, what is about to be written, and the ranges.

use std::fmt;
use std::io::{self, IoSlice};
use std::mem;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use model::{Batch, LogId, Offset};
use store::StoreError;

use super::block::encode_block_front;
use super::format::{self, BLOCK_BYTES, ENTRY_HEADER_BYTES};
use super::log_index::LogIndex;
use super::{Extent, FOLDER, SegmentId, SegmentRange, SegmentSummary, failed, in_place};
use crate::disk::{Disk, File};

/// Bytes gathered for one write.
const WRITE_BYTES: usize = 256 << 10;
/// Made durable at once: a disk that is busy with much at a time keeps frames waiting for as long.
const SYNC_BYTES: u64 = 8 << 20;
/// Batches under this many bytes are copied to lie beside each other: each piece of a write has its price too.
const COPIED_BELOW: usize = 2 << 10;

/// A segment being written. Dropped before it is finished, it removes what it wrote.
pub struct SegmentWriter {
    disk: Arc<dyn Disk>,
    file: Arc<dyn File>,
    id: SegmentId,
    /// What is to be written next, at `written`, and how many bytes that is.
    out: Vec<Bytes>,
    out_bytes: usize,
    written: u64,
    synced: u64,
    log: Option<OpenLog>,
    ranges: Vec<SegmentRange>,
    is_finished: bool,
}

/// The log whose batches are being added.
#[derive(Debug)]
struct OpenLog {
    index: LogIndex,
    block: OpenBlock,
}

#[derive(Debug, Default)]
struct OpenBlock {
    first: Offset,
    bytes_before: u64,
    count: u32,
    entries: Vec<Bytes>,
    /// Headers and small batches, to be the next of `entries`.
    small: BytesMut,
    /// Of all of these.
    bytes: usize,
}

impl SegmentWriter {
    /// Starts segment `id` under a temporary name.
    ///
    /// # Errors
    /// [`StoreError::Full`]; [`StoreError::Unavailable`].
    pub fn new(disk: Arc<dyn Disk>, id: SegmentId) -> Result<SegmentWriter, StoreError> {
        let file = create(&*disk, &id.temporary_name())
            .map_err(|error| failed("cannot create", id, error))?;
        let mut header = Vec::new();
        format::encode_header(id, &mut header);
        let mut writer = SegmentWriter {
            disk,
            file,
            id,
            out: Vec::new(),
            out_bytes: 0,
            written: 0,
            synced: 0,
            log: None,
            ranges: Vec::new(),
            is_finished: false,
        };
        writer.put(header.into());
        Ok(writer)
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
            Some(open) if open.index.log == log => assert!(
                base_offset >= open.index.end,
                "batch {base_offset} of log {log} after {}",
                open.index.end
            ),
            Some(open) => {
                assert!(open.index.log < log, "log {log} after {}", open.index.log);
                self.close_log();
            }
            None => {}
        }
        let open = self
            .log
            .get_or_insert_with(|| OpenLog::new(log, base_offset));
        open.add(base_offset, batch);
        if open.block.bytes >= BLOCK_BYTES {
            self.close_block();
        }
        if self.out_bytes >= WRITE_BYTES {
            self.write_out()?;
            if self.written - self.synced >= SYNC_BYTES {
                self.sync()?;
            }
        }
        Ok(())
    }

    fn put(&mut self, piece: Bytes) {
        self.out_bytes += piece.len();
        self.out.push(piece);
    }

    /// Bytes of the file so far; footer and what is still being gathered are not among them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.written + self.out_bytes as u64
    }

    /// Makes the segment durable under its own name.
    ///
    /// # Errors
    /// [`StoreError::Full`]; [`StoreError::Unavailable`]. There is no such segment then, or one that must not be used.
    pub fn finish(mut self) -> Result<SegmentSummary, StoreError> {
        self.close_log();
        let mut end = Vec::new();
        format::encode_end(self.id, self.bytes(), &self.ranges, &mut end);
        self.put(end.into());
        self.write_out()?;
        self.sync()?;
        let failed = |doing| move |error| failed(doing, self.id, error);
        self.disk
            .rename(&self.id.temporary_name(), &self.id.file_name())
            .map_err(failed("cannot name"))?;
        self.is_finished = true;
        if let Err(error) = self.disk.sync_folder(FOLDER) {
            // What stays behind is removed at the next start.
            let _ = self.disk.remove(&self.id.file_name());
            return Err(failed("cannot make the name durable of")(error));
        }
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
        let block = open.block.end();
        let front = encode_block_front(
            self.id,
            open.index.log,
            position,
            block.count,
            &block.entries,
        );
        let extent = Extent {
            position,
            length: (front.len() + block.bytes) as u32,
        };
        open.index.add_line(extent, block.first, block.bytes_before);
        self.put(front);
        self.out_bytes += block.bytes;
        self.out.extend(block.entries);
    }

    fn close_log(&mut self) {
        self.close_block();
        let position = self.bytes();
        let Some(open) = self.log.take() else { return };
        let mut index = Vec::new();
        self.ranges
            .push(open.index.encode(self.id, position, &mut index));
        self.put(index.into());
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.file
            .sync_data()
            .map_err(|error| failed("cannot make durable", self.id, error))?;
        self.synced = self.written;
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), StoreError> {
        let slices: Vec<IoSlice<'_>> = self.out.iter().map(|one| IoSlice::new(one)).collect();
        self.file
            .write_at(&slices, self.written)
            .map_err(|error| failed("cannot write", self.id, error))?;
        self.written += mem::take(&mut self.out_bytes) as u64;
        self.out.clear();
        Ok(())
    }
}

impl OpenLog {
    fn new(log: LogId, start: Offset) -> OpenLog {
        OpenLog {
            index: LogIndex::new(log, start),
            block: OpenBlock::default(),
        }
    }

    fn add(&mut self, base_offset: Offset, batch: &Batch) {
        let bytes = batch.bytes();
        let block = &mut self.block;
        if block.count == 0 {
            block.first = base_offset;
            block.bytes_before = self.index.batch_bytes;
        }
        block.add(base_offset, bytes);
        let end = base_offset.plus(u64::from(batch.offsets()));
        self.index
            .count(end, batch.max_timestamp(), bytes.len() as u64);
    }
}

impl OpenBlock {
    fn add(&mut self, base_offset: Offset, batch: &Bytes) {
        self.count += 1;
        self.small.put_u64(base_offset.0);
        self.small.put_u32(batch.len() as u32);
        self.bytes += ENTRY_HEADER_BYTES + batch.len();
        if batch.len() < COPIED_BELOW {
            self.small.put_slice(batch);
        } else {
            self.entries.push(self.small.split().freeze());
            self.entries.push(batch.clone());
        }
    }

    /// Gives the block with all of its bytes in `entries`, and begins another on the same buffer.
    fn end(&mut self) -> OpenBlock {
        let last = self.small.split();
        let mut ended = mem::take(self);
        self.small = mem::take(&mut ended.small);
        if !last.is_empty() {
            ended.entries.push(last.freeze());
        }
        ended
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
    in_place(disk, name, || disk.create(name))
}
