//! Reads segments through bounded caches: one of indexes, one of blocks, one of open files.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use model::{Batch, Offset, Timestamp};
use store::{StoreError, StoredBatch};

use super::block::{Block, Entry};
use super::format::{self, BLOCK_BYTES_MAX, Index, IndexEntry};
use super::lru::Lru;
use super::regions::{Near, Regions};
use super::room::Room;
use super::{Extent, FOLDER, SegmentId, SegmentRange, SegmentSummary, damaged, failed, verify};
use crate::disk::{Disk, File};

/// Files kept open: well below the 1,024 that a process is commonly allowed.
const OPEN_FILES_MAX: u64 = 256;
/// Blocks of one log read at once, in bytes.
const RUN_BYTES_MAX: usize = 1 << 20;
/// The part of the cache that is for indexes.
const INDEX_SHARE: u64 = 4;
/// Regions of kept files, which are the page cache's, may be as many times as much beside it: with a topic of 16 partitions, whose readers
/// ask for a mebibyte of each, the next 32 MiB of the file are in use.
const REGIONS_SHARE: u64 = 2;

/// All segments of a data directory. Blocks the thread that reads.
pub struct Segments {
    disk: Arc<dyn Disk>,
    caches: Mutex<Caches>,
}

pub(super) struct Caches {
    files: Lru<SegmentId, OpenSegment>,
    indexes: Lru<(SegmentId, u64), Index>,
    blocks: Lru<(SegmentId, u64), Block>,
    /// Of kept files.
    pub(super) regions: Regions,
}

#[derive(Clone)]
pub(super) struct OpenSegment {
    pub(super) id: SegmentId,
    pub(super) file: Arc<dyn File>,
    pub(super) length: u64,
}

impl Segments {
    /// Reads segments on `disk`, holding about `cache_bytes` of them in memory.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, cache_bytes: u64) -> Segments {
        let index_bytes = cache_bytes / INDEX_SHARE;
        Segments {
            disk,
            caches: Mutex::new(Caches {
                files: Lru::new(OPEN_FILES_MAX),
                indexes: Lru::new(index_bytes),
                blocks: Lru::new(cache_bytes - index_bytes),
                regions: Regions::new(cache_bytes * REGIONS_SHARE),
            }),
        }
    }

    /// Batches of `range` in order, from the one that holds `from`, as many as there is `room` for. None from the range's end on; from
    /// the first where `from` is before it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]; [`StoreError::Unavailable`].
    pub fn read(
        &self,
        range: &SegmentRange,
        from: Offset,
        room: &mut Room,
    ) -> Result<Vec<StoredBatch>, StoreError> {
        if from >= range.end {
            return Ok(Vec::new());
        }
        let index = self.index(range)?;
        let mut run = Vec::new().into_iter();
        let near = &mut Near::default();
        let blocks = |number, left| {
            if run.len() == 0 {
                run = self.blocks(range, &index, number, left, near)?.into_iter();
            }
            Ok(run.next())
        };
        let batches = gather(range, &index, from, room, blocks)?;
        Ok(batches.unwrap_or_default())
    }

    /// As [`Segments::read`] where all of it is in memory; `None` where it is not. Blocks nobody.
    pub fn read_cached(
        &self,
        range: &SegmentRange,
        from: Offset,
        room: &mut Room,
    ) -> Option<Vec<StoredBatch>> {
        let id = range.segment;
        let index = self.caches().indexes.get((id, range.index.position))?;
        let near = &mut Near::default();
        let blocks = |number, _| Ok(self.cached_block(range, &line(range, &index, number)?, near));
        gather(range, &index, from, room, blocks).ok()?
    }

    /// Brings into memory what [`Segments::read`] of the same would give. Says whether that is all up to the range's end.
    ///
    /// # Errors
    /// As there.
    pub fn bring(
        &self,
        range: &SegmentRange,
        from: Offset,
        room: &mut Room,
    ) -> Result<bool, StoreError> {
        if range.segment.journal().is_none() || from >= range.end {
            let found = self.read(range, from, room)?;
            return Ok(found.last().is_none_or(|last| last.end() >= range.end));
        }
        let index = self.index(range)?;
        let first = index.partition_point(|entry| entry.first <= from);
        self.bring_kept(range, &index, first.saturating_sub(1), room)
    }

    /// Lets go of the memory of the page cache that no reader looked into since the last call.
    pub fn let_go_of_idle(&self) {
        self.caches().regions.remove_idle();
    }

    /// Gives all batches of `range` in order to `visit`, until it fails. Reads past the cache: what is read once for
    /// maintenance is not to push out what readers are about to read.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]; [`StoreError::Unavailable`]; what `visit` fails with.
    pub fn visit(
        &self,
        range: &SegmentRange,
        mut visit: impl FnMut(StoredBatch) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let id = range.segment;
        let open = self.open(id)?;
        let index = self.index(range)?;
        for number in 0..index.len() {
            let line = line(range, &index, number)?;
            let bytes = open.part(line.block)?;
            let block = Block::decode(id, range.log, &line, &bytes)?;
            for entry in block.entries(id) {
                visit(stored(range, entry?)?)?;
            }
        }
        Ok(())
    }

    /// The base offset of the first batch of `range` whose greatest timestamp is `time` or later.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]; [`StoreError::Unavailable`].
    pub fn offset_for_time(
        &self,
        range: &SegmentRange,
        time: Timestamp,
    ) -> Result<Option<Offset>, StoreError> {
        if time > range.max_timestamp {
            return Ok(None);
        }
        let index = self.index(range)?;
        let number = index.partition_point(|entry| entry.running_max < time);
        let block = self.block(range, &index, number)?;
        for entry in block.entries(range.segment) {
            let stored = stored(range, entry?)?;
            if stored.batch.max_timestamp() >= time {
                return Ok(Some(stored.base_offset));
            }
        }
        Err(damaged(
            range.segment,
            line(range, &index, number)?.block.position,
            "the block does not hold the time its index says",
        ))
    }

    /// The base offset of the batch of `range` in which `bytes` run out, counted from its end; the range's end for none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]; [`StoreError::Unavailable`].
    pub fn offset_for_size(&self, range: &SegmentRange, bytes: u64) -> Result<Offset, StoreError> {
        if bytes == 0 {
            return Ok(range.end);
        }
        if range.batch_bytes <= bytes {
            return Ok(range.start);
        }
        let index = self.index(range)?;
        let over = range.batch_bytes - bytes;
        // The last batch with no more before it is in the last block with no more before it: nothing is before the first.
        let number = index.partition_point(|entry| entry.bytes_before <= over);
        let number = number.saturating_sub(1);
        let mut before = line(range, &index, number)?.bytes_before;
        let mut found = range.start;
        for entry in self.block(range, &index, number)?.entries(range.segment) {
            let stored = stored(range, entry?)?;
            if before > over {
                break;
            }
            found = stored.base_offset;
            before += stored.batch.bytes().len() as u64;
        }
        Ok(found)
    }

    /// Removes a segment. Reads that have begun go on; fine if it is not there. Durable at the next sync of the folder, which
    /// nothing waits for: [`Segments::keep_only`] does again what a crash undoes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub fn remove(&self, id: SegmentId) -> Result<(), StoreError> {
        let mut caches = self.caches();
        caches.files.remove(id);
        caches.indexes.remove_where(|&(of, _)| of == id);
        caches.blocks.remove_where(|&(of, _)| of == id);
        caches.regions.remove(id);
        drop(caches);
        match self.disk.remove(&id.file_name()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("cannot remove", id, error))
            }
            _ => Ok(()),
        }
    }

    /// Removes all files in the folder but the segments in `known`: what a crash left unfinished or not yet known, and what
    /// it brought back. Gives the number of files removed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub fn keep_only(&self, known: &BTreeSet<SegmentId>) -> Result<usize, StoreError> {
        let unavailable = |error: io::Error| StoreError::Unavailable {
            reason: format!("cannot clean the folder {FOLDER}"),
            source: Some(Arc::new(error)),
        };
        self.disk.create_folder(FOLDER).map_err(unavailable)?;
        let mut removed = 0;
        for name in self.disk.list(FOLDER).map_err(unavailable)? {
            let is_known = SegmentId::of_file(&name).is_some_and(|id| known.contains(&id));
            if !is_known {
                self.disk
                    .remove(&format!("{FOLDER}/{name}"))
                    .map_err(unavailable)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Reads every byte of a segment and checks it, past the caches.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]; [`StoreError::Invalid`] where the format is newer; [`StoreError::Unavailable`].
    pub fn verify(&self, id: SegmentId) -> Result<SegmentSummary, StoreError> {
        verify::verify(&self.open(id)?)
    }

    pub(super) fn caches(&self) -> MutexGuard<'_, Caches> {
        self.caches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(&self, id: SegmentId) -> Result<OpenSegment, StoreError> {
        if let Some(open) = self.caches().files.get(id) {
            return Ok(open);
        }
        let opened = self.disk.open(&id.file_name()).and_then(|file| {
            let length = file.length()?;
            Ok(OpenSegment { id, file, length })
        });
        let open = opened.map_err(|error| failed("cannot open", id, error))?;
        self.caches().files.put(id, open.clone(), 1);
        Ok(open)
    }

    fn index(&self, range: &SegmentRange) -> Result<Index, StoreError> {
        let id = range.segment;
        let key = (id, range.index.position);
        if let Some(index) = self.caches().indexes.get(key) {
            return Ok(index);
        }
        let bytes = self.open(id)?.part(range.index)?;
        let index = format::decode_index(id, range.log, range.index.position, &bytes)?;
        self.caches()
            .indexes
            .put(key, index.clone(), index.byte_len() as u64);
        Ok(index)
    }

    fn block(
        &self,
        range: &SegmentRange,
        index: &Index,
        number: usize,
    ) -> Result<Block, StoreError> {
        let near = &mut Near::default();
        let first = self
            .blocks(range, index, number, 0, near)?
            .into_iter()
            .next();
        first.ok_or_else(|| misfit(range))
    }

    fn cached_block(
        &self,
        range: &SegmentRange,
        line: &IndexEntry,
        near: &mut Near,
    ) -> Option<Block> {
        let is_kept = range.segment.journal().is_some();
        let in_region = is_kept
            .then(|| self.cached_kept(range, line, near))
            .flatten();
        in_region.or_else(|| self.cached_single(range, line))
    }

    pub(super) fn cached_single(&self, range: &SegmentRange, line: &IndexEntry) -> Option<Block> {
        let key = (range.segment, line.block.position);
        self.caches().blocks.get(key)
    }

    pub(super) fn cache_block(&self, range: &SegmentRange, line: &IndexEntry, block: &Block) {
        let key = (range.segment, line.block.position);
        let weight = u64::from(line.block.length);
        self.caches().blocks.put(key, block.clone(), weight);
    }

    /// The block that line `number` of the index names; where it is not in memory, by one read with those behind it that a reader
    /// of `wanted` bytes needs.
    fn blocks(
        &self,
        range: &SegmentRange,
        index: &Index,
        number: usize,
        wanted: usize,
        near: &mut Near,
    ) -> Result<Vec<Block>, StoreError> {
        if range.segment.journal().is_some() {
            return self.kept_blocks(range, index, number, wanted, near);
        }
        let first = line(range, index, number)?;
        if let Some(block) = self.cached_single(range, &first) {
            return Ok(vec![block]);
        }
        let lines = run(range, index, number, wanted)?;
        let id = range.segment;
        let extent = lines.iter().skip(1).fold(first.block, |all, line| Extent {
            length: all.length + line.block.length,
            ..all
        });
        let mut bytes = self.open(id)?.part(extent)?;
        let decoded = lines.iter().map(|line| {
            let own = bytes.split_to(line.block.length as usize);
            Block::decode(id, range.log, line, &own)
        });
        let blocks = decoded.collect::<Result<Vec<_>, _>>()?;
        for (line, block) in lines.iter().zip(&blocks) {
            self.cache_block(range, line, block);
        }
        Ok(blocks)
    }
}

impl OpenSegment {
    /// The bytes of a part, which must lie within the file.
    pub(super) fn part(&self, part: Extent) -> Result<Bytes, StoreError> {
        let cut_short = || {
            let what = format!(
                "the file has {} bytes and ends within what should be here",
                self.length
            );
            damaged(self.id, part.position, what)
        };
        let end = part.position.checked_add(u64::from(part.length));
        if end.is_none_or(|end| end > self.length) {
            return Err(cut_short());
        }
        let bytes = self
            .file
            .read_shared(part.length as usize, part.position)
            .map_err(|error| failed("cannot read", self.id, error))?;
        if bytes.len() != part.length as usize {
            return Err(cut_short());
        }
        Ok(bytes)
    }
}

impl fmt::Debug for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segments({:?})", self.disk)
    }
}

/// Batches from the one that holds `from`, as many as there is room for; `None` where a block is not to be had. `block` is asked for
/// those of one line of the index after another, by its number, with how many bytes are still wanted.
fn gather(
    range: &SegmentRange,
    index: &Index,
    from: Offset,
    room: &mut Room,
    mut block: impl FnMut(usize, usize) -> Result<Option<Block>, StoreError>,
) -> Result<Option<Vec<StoredBatch>>, StoreError> {
    let mut batches = Vec::new();
    let is_kept = range.segment.journal().is_some();
    let first = index.partition_point(|entry| entry.first <= from);
    for number in first.saturating_sub(1)..index.len() {
        // There a line is a batch: what has no room is not brought in for nothing.
        if is_kept && !room.has_room(line(range, index, number)?.block.length as usize) {
            break;
        }
        let Some(block) = block(number, room.left())? else {
            return Ok(None);
        };
        batches.reserve(block.count());
        for entry in block.entries(range.segment) {
            let stored = stored(range, entry?)?;
            if stored.end() <= from {
                continue;
            }
            if !room.take(stored.batch.bytes().len()) {
                return Ok(Some(batches));
            }
            batches.push(stored);
        }
        if room.is_full() {
            break;
        }
    }
    Ok(Some(batches))
}

/// Lines of the index from `number` on whose blocks follow each other and are read at once, for a reader of `wanted` bytes.
fn run(
    range: &SegmentRange,
    index: &Index,
    number: usize,
    wanted: usize,
) -> Result<Vec<IndexEntry>, StoreError> {
    let first = line(range, index, number)?;
    let start = first.block.position;
    let mut end = start + u64::from(first.block.length);
    let mut lines = vec![first];
    let bytes_max = wanted.min(RUN_BYTES_MAX) as u64;
    for number in number + 1..index.len() {
        let next = line(range, index, number)?;
        let next_end = end + u64::from(next.block.length);
        if next.block.position != end || next_end - start > bytes_max {
            break;
        }
        end = next_end;
        lines.push(next);
    }
    Ok(lines)
}

/// Line `number` of a log's index, whose block has a length that can be.
pub(super) fn line(
    range: &SegmentRange,
    index: &Index,
    number: usize,
) -> Result<IndexEntry, StoreError> {
    index
        .get(number)
        .filter(|line| line.block.length as usize <= BLOCK_BYTES_MAX)
        .ok_or_else(|| misfit(range))
}

fn misfit(range: &SegmentRange) -> StoreError {
    let position = range.index.position;
    damaged(range.segment, position, "the index does not fit its log")
}

/// A block's entry as a batch, its header checked; its bytes have been with the block's.
fn stored(range: &SegmentRange, entry: Entry) -> Result<StoredBatch, StoreError> {
    let id = range.segment;
    let batch = Batch::parse_unverified(entry.batch)
        .map_err(|error| damaged(id, entry.position, error.to_string()))?;
    let stored = StoredBatch {
        base_offset: entry.base_offset,
        batch,
    };
    if stored.base_offset < range.start || stored.end() > range.end {
        let what = format!(
            "a batch at {} is outside its log's range",
            entry.base_offset
        );
        return Err(damaged(id, entry.position, what));
    }
    Ok(stored)
}
