//! Checks every byte of a segment: the parts tile the file, each is under its checksum, and they agree with one another.

use model::{Batch, Offset, Timestamp};
use store::StoreError;

use super::format::{self, BLOCK_BYTES_MAX, BLOCK_HEADER_BYTES, HEADER_BYTES, TRAILER_BYTES};
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
    let header = open.part(Extent {
        position: 0,
        length: HEADER_BYTES as u32,
    })?;
    format::decode_header(id, &header)?;
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
    let mut position = HEADER_BYTES as u64;
    for range in &ranges {
        position = verify_range(open, range, position)?;
    }
    if position != footer.position {
        return Err(damaged(id, position, "something lies before the footer"));
    }
    Ok(SegmentSummary {
        id,
        bytes: open.length,
        ranges,
    })
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
    let mut totals = Totals {
        next: range.start,
        max_timestamp: Timestamp(i64::MIN),
        batch_bytes: 0,
    };
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
        let (first, bytes_before) = (line.first, totals.batch_bytes);
        if line.block != (Extent { position, length }) || line.bytes_before != bytes_before {
            return Err(wrong());
        }
        let found_first = verify_block(open, range, line.block, &mut totals)?;
        if found_first != Some(first) || line.running_max != totals.max_timestamp {
            return Err(wrong());
        }
        position += u64::from(length);
    }
    let is_right = position == range.index.position
        && totals.next == range.end
        && totals.max_timestamp == range.max_timestamp
        && totals.batch_bytes == range.batch_bytes;
    if !is_right {
        let what = format!("log {} is not what the footer says of it", range.log);
        return Err(damaged(id, position, what));
    }
    Ok(position + u64::from(range.index.length))
}

/// The whole length that the block at `position` says it has.
fn block_length(open: &OpenSegment, position: u64) -> Result<u32, StoreError> {
    let header = open.part(Extent {
        position,
        length: BLOCK_HEADER_BYTES as u32,
    })?;
    format::block_length(&header)
        .filter(|&length| length as usize <= BLOCK_BYTES_MAX)
        .ok_or_else(|| damaged(open.id, position, "the block's length cannot be"))
}

/// Checks one block, adds it to `totals` and gives its first offset.
fn verify_block(
    open: &OpenSegment,
    range: &SegmentRange,
    extent: Extent,
    totals: &mut Totals,
) -> Result<Option<Offset>, StoreError> {
    let id = open.id;
    let block = format::decode_block(id, range.log, extent.position, &open.part(extent)?)?;
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

fn parse(id: SegmentId, entry: &format::Entry) -> Result<Batch, StoreError> {
    Batch::parse(entry.batch.clone())
        .map_err(|error| damaged(id, entry.position, error.to_string()))
}
