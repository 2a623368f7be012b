//! Reads kept journal files. What the readers of a topic ask for lies in turn there, a batch of one log after one of another: so it is
//! brought into memory by regions of the file, which serve all of them. A region of a real file is a part of the page cache itself.
//!
//! Where readers are so far apart that a region would be gone before others come by, batches are read one by one.

use std::mem;

use bytes::Bytes;
use store::StoreError;

use super::block::Block;
use super::format::{Index, IndexEntry};
use super::lru::Lru;
use super::reader::{OpenSegment, Segments, line};
use super::room::Room;
use super::{Extent, SegmentId, SegmentRange};

/// A region's length, but for the file's last.
const REGION: u64 = 1 << 20;
/// A region goes on for as much, so that each of the batches that begin in it is in it whole; larger ones are read by themselves.
const BATCH_MAX: u32 = 64 << 10;
/// Batches that a region serves from which on it costs less than they do one by one.
const USES_MIN: u32 = 20;
/// Regions of which what they served counts in full; half of what those before them did.
const ROUND: u32 = 64;
/// While regions do not pay, one of so many is brought in all the same, to see whether they do again.
const PROBES: u32 = 16;

/// Regions in memory.
#[derive(Debug)]
pub(super) struct Regions {
    held: Lru<(SegmentId, u64), Bytes>,
    /// The clock of `held` when it was last asked for idle ones.
    seen: u64,
    /// Regions brought in, batches they served, and times that one was missing.
    brought: u32,
    uses: u32,
    missed: u32,
}

/// The region that was looked at last.
#[derive(Debug, Default)]
pub(super) struct Near {
    region: Option<(u64, Bytes)>,
    /// Batches taken from regions and not counted yet.
    uses: u32,
    /// One that was missing and is not worth bringing in.
    missing: Option<u64>,
}

impl Regions {
    /// None yet; they have up to `bytes_max` together.
    pub(super) fn new(bytes_max: u64) -> Regions {
        Regions {
            held: Lru::new(bytes_max),
            seen: 0,
            brought: 0,
            uses: ROUND * USES_MIN,
            missed: 0,
        }
    }

    /// Whether one that is missing is to be brought in.
    fn do_pay(&mut self) -> bool {
        self.missed = self.missed.wrapping_add(1);
        self.uses >= self.brought * USES_MIN || self.missed.is_multiple_of(PROBES)
    }

    fn put(&mut self, key: (SegmentId, u64), region: Bytes) {
        let weight = region.len() as u64;
        self.held.put(key, region, weight);
        self.brought += 1;
        if self.brought >= 2 * ROUND {
            self.brought /= 2;
            self.uses /= 2;
        }
    }

    /// Counts what was taken from regions.
    fn count(&mut self, near: &mut Near) {
        self.uses = self.uses.saturating_add(mem::take(&mut near.uses));
    }

    /// Lets go of those of a segment.
    pub(super) fn remove(&mut self, id: SegmentId) {
        self.held.remove_where(|&(of, _)| of == id);
    }

    /// Lets go of all if nobody asked for any since the last call.
    pub(super) fn remove_idle(&mut self) {
        let clock = self.held.clock();
        if self.seen == clock {
            self.held.remove_where(|_| true);
        }
        self.seen = clock;
    }
}

impl Near {
    fn get(&mut self, number: u64) -> Option<Bytes> {
        let (_, region) = self.region.as_ref().filter(|(own, _)| *own == number)?;
        self.uses += 1;
        Some(region.clone())
    }
}

/// The region that has a batch, and where in it; `None` for one that is read by itself.
fn place(batch: Extent) -> Option<(u64, usize)> {
    let place = (batch.position / REGION, (batch.position % REGION) as usize);
    (batch.length <= BATCH_MAX).then_some(place)
}

/// The batch in its region; `None` where the file ends within it.
fn slice(region: &Bytes, start: usize, batch: Extent) -> Option<Bytes> {
    let end = start + batch.length as usize;
    (end <= region.len()).then(|| region.slice(start..end))
}

impl Segments {
    /// The batches from line `number` of the index on that a reader of `wanted` bytes needs.
    pub(super) fn kept_blocks(
        &self,
        range: &SegmentRange,
        index: &Index,
        number: usize,
        wanted: usize,
        near: &mut Near,
    ) -> Result<Vec<Block>, StoreError> {
        let open = self.open(range.segment)?;
        let mut blocks = Vec::new();
        let mut bytes = 0;
        for number in number..index.len() {
            let line = line(range, index, number)?;
            bytes += line.block.length as usize;
            if bytes > wanted && !blocks.is_empty() {
                break;
            }
            blocks.push(self.kept_block(range, &open, &line, near)?);
        }
        self.caches().regions.count(near);
        Ok(blocks)
    }

    fn kept_block(
        &self,
        range: &SegmentRange,
        open: &OpenSegment,
        line: &IndexEntry,
        near: &mut Near,
    ) -> Result<Block, StoreError> {
        let Some((number, start)) = place(line.block) else {
            return self.single_block(range, open, line);
        };
        let region = match self.cached_region(open.id, number, near) {
            Some(region) => region,
            None if self.is_worth_it(number, near) => self.read_region(open, number, near)?,
            None => return self.single_block(range, open, line),
        };
        // What is missing of it, the part itself says.
        let bytes = slice(&region, start, line.block).map_or_else(|| open.part(line.block), Ok)?;
        Block::decode(range.segment, range.log, line, &bytes)
    }

    /// Whether a missing region is to be brought in; asked once for a row of batches in it.
    fn is_worth_it(&self, number: u64, near: &mut Near) -> bool {
        if near.missing == Some(number) {
            return false;
        }
        let is_worth_it = self.caches().regions.do_pay();
        near.missing = (!is_worth_it).then_some(number);
        is_worth_it
    }

    fn single_block(
        &self,
        range: &SegmentRange,
        open: &OpenSegment,
        line: &IndexEntry,
    ) -> Result<Block, StoreError> {
        if let Some(block) = self.cached_single(range, line) {
            return Ok(block);
        }
        let bytes = open.part(line.block)?;
        let block = Block::decode(range.segment, range.log, line, &bytes)?;
        self.cache_block(range, line, &block);
        Ok(block)
    }

    /// A small batch, where its region is in memory. Checked each time.
    pub(super) fn cached_kept(
        &self,
        range: &SegmentRange,
        line: &IndexEntry,
        near: &mut Near,
    ) -> Option<Block> {
        let (number, start) = place(line.block)?;
        let region = self.cached_region(range.segment, number, near)?;
        let bytes = slice(&region, start, line.block)?;
        Block::decode(range.segment, range.log, line, &bytes).ok()
    }

    fn cached_region(&self, id: SegmentId, number: u64, near: &mut Near) -> Option<Bytes> {
        if let Some(region) = near.get(number) {
            return Some(region);
        }
        let regions = &mut self.caches().regions;
        let region = regions.held.get((id, number))?;
        near.uses += 1;
        regions.count(near);
        near.region = Some((number, region.clone()));
        Some(region)
    }

    fn read_region(
        &self,
        open: &OpenSegment,
        number: u64,
        near: &mut Near,
    ) -> Result<Bytes, StoreError> {
        let position = number * REGION;
        let left = open.length.saturating_sub(position);
        let length = left.min(REGION + u64::from(BATCH_MAX)) as u32;
        let region = open.part(Extent { position, length })?;
        let regions = &mut self.caches().regions;
        regions.put((open.id, number), region.clone());
        near.uses += 1;
        regions.count(near);
        near.region = Some((number, region.clone()));
        Ok(region)
    }

    /// Brings into memory what a reader from line `number` on takes. Says whether that is all of them.
    pub(super) fn bring_kept(
        &self,
        range: &SegmentRange,
        index: &Index,
        number: usize,
        room: &mut Room,
    ) -> Result<bool, StoreError> {
        let open = self.open(range.segment)?;
        let near = &mut Near::default();
        for number in number..index.len() {
            let line = line(range, index, number)?;
            if !room.take(line.block.length as usize) {
                return Ok(false);
            }
            let region = place(line.block).map(|(number, _)| number);
            let is_there = |number| self.cached_region(open.id, number, near).is_some();
            if !region.is_some_and(is_there) {
                self.kept_block(range, &open, &line, near)?;
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regions brought in of so many that are missing, each for a few batches.
    fn brought(regions: &mut Regions, missing: u32, uses: u32) -> u32 {
        let mut brought = 0;
        for number in 0..missing {
            if regions.do_pay() {
                regions.put((SegmentId(1), u64::from(number)), Bytes::new());
                regions.uses += uses;
                brought += 1;
            }
        }
        brought
    }

    #[test]
    fn regions_are_brought_in_as_long_as_they_pay_and_tried_again() {
        let mut regions = Regions::new(1 << 20);
        assert_eq!(brought(&mut regions, 1_000, 2 * USES_MIN), 1_000);
        brought(&mut regions, 500, 1);
        let few = brought(&mut regions, 1_000, 1);
        assert!(
            (1_000 / PROBES..=1_000 / PROBES + 1).contains(&few),
            "{few}"
        );
        brought(&mut regions, 2_000, 4 * USES_MIN);
        assert_eq!(brought(&mut regions, 1_000, 4 * USES_MIN), 1_000);
    }

    #[test]
    fn idle_regions_are_let_go_of() {
        let mut regions = Regions::new(1 << 20);
        regions.put((SegmentId(1), 1), Bytes::from_static(b"region"));
        regions.remove_idle();
        assert!(regions.held.get((SegmentId(1), 1)).is_some());
        regions.remove_idle();
        regions.remove_idle();
        assert!(regions.held.get((SegmentId(1), 1)).is_none());
    }
}
