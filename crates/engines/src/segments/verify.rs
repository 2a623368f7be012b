//! Checks every byte of a segment, of a kept journal file every one that is read: the parts tile the file, each is under its checksum, and they agree with one another.

use model::{Batch, Offset, Timestamp};
use store::StoreError;

use super::block::{Block, Entry, block_length as length_in_header};
use super::format::{
    self, BLOCK_BYTES_MAX, BLOCK_HEADER_BYTES, HEADER_BYTES, IndexEntry, TRAILER_BYTES,
};
use super::reader::OpenSegment;
use super::{Extent, SegmentId, SegmentRange, SegmentSummary, damaged};

/// What the batches of one log add up to.
#[derive(Debug)]
struct Totals {
    next: Offset,
    max_timestamp: Timestamp,
    batch_bytes: u64,
}

pub(super) fn verify(open: &OpenSegment) -> Result<SegmentSummary, StoreError> {
    let id = open.id;
    let trailer_position = open
        .length
        .checked_sub(TRAILER_BYTES as u64)
        .ok_or_else(|| damaged(id, open.length, "the file is cut short"))?;
    let trailer = open.part(Extent {
        position: trailer_position,
        length: TRAILER_BYTES as u32,
    })?;
    let footer = format::decode_trailer(id, trailer_position, &trailer)?;
    let ranges = format::decode_footer(id, footer.position, &open.part(footer)?)?;
    if id.journal().is_some() {
        // What lies between the batches is the journal's, and nobody's any more.
        for range in &ranges {
            verify_kept(open, range)?;
        }
    } else {
        verify_tiles(open, &ranges, footer.position)?;
    }
    Ok(SegmentSummary {
        id,
        bytes: open.length,
        ranges,
    })
}

/// Checks that header, blocks and indexes fill the file up to the footer.
fn verify_tiles(
    open: &OpenSegment,
    ranges: &[SegmentRange],
    footer_position: u64,
) -> Result<(), StoreError> {
    let id = open.id;
    let header = open.part(Extent {
        position: 0,
        length: HEADER_BYTES as u32,
    })?;
    format::decode_header(id, &header)?;
    let mut position = HEADER_BYTES as u64;
    for range in ranges {
        position = verify_range(open, range, position)?;
    }
    if position != footer_position {
        return Err(damaged(id, position, "something lies before the footer"));
    }
    Ok(())
}

/// Checks the batches of a log in a kept journal file, and their index.
fn verify_kept(open: &OpenSegment, range: &SegmentRange) -> Result<(), StoreError> {
    let (id, position) = (open.id, range.index.position);
    let index = format::decode_index(id, range.log, position, &open.part(range.index)?)?;
    let mut totals = Totals::before(range);
    for number in 0..index.len() {
        let line = index.get(number);
        let line = line.ok_or_else(|| damaged(id, position, "the index is cut short"))?;
        verify_line(open, range, &line, &mut totals)?;
    }
    totals.are_those_of(range, position)
}

/// Checks the blocks of a log from `position` on, and its index. Gives the position after it.
fn verify_range(
    open: &OpenSegment,
    range: &SegmentRange,
    position: u64,
) -> Result<u64, StoreError> {
    let id = open.id;
    let index = format::decode_index(
        id,
        range.log,
        range.index.position,
        &open.part(range.index)?,
    )?;
    let mut position = position;
    let mut totals = Totals::before(range);
    for number in 0..index.len() {
        let wrong = || {
            damaged(
                id,
                range.index.position,
                "the index does not fit its blocks",
            )
        };
        let line = index.get(number).ok_or_else(wrong)?;
        let length = block_length(open, position)?;
        if line.block != (Extent { position, length }) {
            return Err(wrong());
        }
        verify_line(open, range, &line, &mut totals)?;
        position += u64::from(length);
    }
    if position != range.index.position {
        return Err(damaged(id, position, "something lies before the index"));
    }
    totals.are_those_of(range, position)?;
    Ok(position + u64::from(range.index.length))
}

/// Checks what a line of the index says against its batches.
fn verify_line(
    open: &OpenSegment,
    range: &SegmentRange,
    line: &IndexEntry,
    totals: &mut Totals,
) -> Result<(), StoreError> {
    let bytes_before = totals.batch_bytes;
    let found_first = verify_block(open, range, line, totals)?;
    if found_first != Some(line.first)
        || line.running_max != totals.max_timestamp
        || line.bytes_before != bytes_before
    {
        let position = range.index.position;
        return Err(damaged(
            open.id,
            position,
            "the index does not fit its blocks",
        ));
    }
    Ok(())
}

impl Totals {
    fn before(range: &SegmentRange) -> Totals {
        Totals {
            next: range.start,
            max_timestamp: Timestamp(i64::MIN),
            batch_bytes: 0,
        }
    }

    fn are_those_of(&self, range: &SegmentRange, position: u64) -> Result<(), StoreError> {
        let is_right = self.next == range.end
            && self.max_timestamp == range.max_timestamp
            && self.batch_bytes == range.batch_bytes;
        if !is_right {
            let what = format!("log {} is not what the footer says of it", range.log);
            return Err(damaged(range.segment, position, what));
        }
        Ok(())
    }
}

/// The whole length that the block at `position` says it has.
fn block_length(open: &OpenSegment, position: u64) -> Result<u32, StoreError> {
    let header = open.part(Extent {
        position,
        length: BLOCK_HEADER_BYTES as u32,
    })?;
    length_in_header(&header)
        .filter(|&length| length as usize <= BLOCK_BYTES_MAX)
        .ok_or_else(|| damaged(open.id, position, "the block's length cannot be"))
}

/// Checks one block, adds it to `totals` and gives its first offset.
fn verify_block(
    open: &OpenSegment,
    range: &SegmentRange,
    line: &IndexEntry,
    totals: &mut Totals,
) -> Result<Option<Offset>, StoreError> {
    let id = open.id;
    let block = Block::decode(id, range.log, line, &open.part(line.block)?)?;
    let mut first = None;
    for entry in block.entries(id) {
        let entry = entry?;
        let batch = parse(id, &entry)?;
        if entry.base_offset < totals.next {
            let what = format!("a batch at {} comes twice or too late", entry.base_offset);
            return Err(damaged(id, entry.position, what));
        }
        first = first.or(Some(entry.base_offset));
        totals.next = entry.base_offset.plus(u64::from(batch.offsets()));
        totals.max_timestamp = totals.max_timestamp.max(batch.max_timestamp());
        totals.batch_bytes += batch.bytes().len() as u64;
    }
    Ok(first)
}

fn parse(id: SegmentId, entry: &Entry) -> Result<Batch, StoreError> {
    Batch::parse(entry.batch.clone())
        .map_err(|error| damaged(id, entry.position, error.to_string()))
}
