//! A segment's bytes. All numbers are big-endian, as those of the batches are. A part's checksum is the CRC-32C of the
//! segment's number (8 bytes) and then of all of the part that follows the checksum: a part of another segment is no part of
//! this one, and by the position in it no part is another.
//!
//! A file is: header; for each log its blocks, then its index; footer; trailer. Nothing lies between.
//!
//! | part | at | size | field |
//! |---|---|---|---|
//! | header | 0 | 8 | `HWSEGMNT` |
//! | | 8 | 4 | format version, 1 |
//! | | 12 | 8 | the segment's number |
//! | | 20 | 4 | checksum, of the 20 bytes before it |
//! | block | 0 | 4 | checksum |
//! | | 4 | 8 | the block's position in the file |
//! | | 12 | 8 + 4 | log: stream, partition |
//! | | 24 | 4 | number of entries, at least 1 |
//! | | 28 | 4 | bytes of entries |
//! | | 32 | | entries: base offset (8), batch length (4), batch |
//! | index | 0 | 4 | checksum |
//! | | 4 | 8 | the index's position in the file |
//! | | 12 | 8 + 4 | log |
//! | | 24 | 4 | number of blocks, at least 1 |
//! | | 28 | 36 each | block position (8), block length (4), first offset (8), greatest timestamp up to the block's end (8), batch bytes of the log before the block (8) |
//! | footer | 0 | 4 | checksum |
//! | | 4 | 4 | number of logs |
//! | | 8 | 56 each | log (12), start (8), end (8), greatest timestamp (8), batch bytes (8), index position (8), index length (4) |
//! | trailer | 0 | 8 | footer position |
//! | | 8 | 4 | footer length |
//! | | 12 | 4 | format version |
//! | | 16 | 4 | checksum, of the 16 bytes before it |
//! | | 20 | 8 | `HWSEGEND` |
//!
//! A segment is valid when the parts are, one follows the other, and the trailer ends the file.
//!
//! A kept journal file ([`SegmentId::journal`]) has its frames in place of header and blocks: see [`crate::frame`]. At its end, from its capacity on,
//! follow indexes, footer and trailer as above. A line of its indexes stands for one batch: its place and length in the file, and
//! its base offset. The batch's own CRC-32C is its checksum.

use bytes::{BufMut, Bytes};
use model::batch::BATCH_BYTES_MAX;
use model::{LogId, Offset, StreamId, Timestamp};
use store::StoreError;

use super::{Extent, SegmentId, SegmentRange, damaged};

pub(super) const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"HWSEGMNT";
const END_MAGIC: &[u8; 8] = b"HWSEGEND";

/// Batches gathered before a block is closed. Small enough to read for one record, large enough for a sparse index: a
/// terabyte of records has 600 MB of index on disk.
pub(super) const BLOCK_BYTES: usize = 64 << 10;

pub(super) const HEADER_BYTES: usize = 24;
pub(super) const BLOCK_HEADER_BYTES: usize = 32;
pub(super) const ENTRY_HEADER_BYTES: usize = 12;
pub(super) const INDEX_HEADER_BYTES: usize = 28;
pub(super) const INDEX_ENTRY_BYTES: usize = 36;
const FOOTER_HEADER_BYTES: usize = 8;
const RANGE_BYTES: usize = 56;
pub(super) const TRAILER_BYTES: usize = 28;

/// A block is closed at [`BLOCK_BYTES`], which the last batch may pass.
pub(super) const BLOCK_BYTES_MAX: usize =
    BLOCK_HEADER_BYTES + BLOCK_BYTES + ENTRY_HEADER_BYTES + BATCH_BYTES_MAX;
const _: () = assert!(BLOCK_BYTES_MAX < u32::MAX as usize);

/// One line of an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct IndexEntry {
    pub(super) block: Extent,
    pub(super) first: Offset,
    pub(super) running_max: Timestamp,
    pub(super) bytes_before: u64,
}

/// A log's index, as verified bytes.
#[derive(Clone, Debug)]
pub(super) struct Index {
    entries: Bytes,
}

pub(super) fn checksum(id: SegmentId, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&id.0.to_be_bytes()), bytes)
}

pub(super) fn encode_header(id: SegmentId, target: &mut Vec<u8>) {
    let start = target.len();
    target.put_slice(MAGIC);
    target.put_u32(VERSION);
    target.put_u64(id.0);
    let crc = checksum(id, target.get(start..).unwrap_or_default());
    target.put_u32(crc);
}

pub(super) fn decode_header(id: SegmentId, bytes: &[u8]) -> Result<(), StoreError> {
    let mut fields = Fields(bytes);
    let found = (|| {
        Some((
            fields.array::<8>()?,
            fields.u32()?,
            fields.u64()?,
            fields.u32()?,
        ))
    })();
    let Some((magic, version, number, crc)) = found else {
        return Err(damaged(id, 0, "the header is cut short"));
    };
    if &magic != MAGIC {
        return Err(damaged(id, 0, "this is no segment"));
    }
    if checksum(id, bytes.get(..HEADER_BYTES - 4).unwrap_or_default()) != crc || number != id.0 {
        return Err(damaged(id, 0, "the header's checksum is wrong"));
    }
    check_version(version)
}

/// Called after the checksum: a version that is newer is no damage.
fn check_version(version: u32) -> Result<(), StoreError> {
    if version == VERSION {
        return Ok(());
    }
    Err(StoreError::Invalid {
        what: format!(
            "segments have format version {version}, this program reads {VERSION}: start a newer one"
        ),
    })
}

pub(super) fn encode_index_entry(entry: &IndexEntry, target: &mut Vec<u8>) {
    target.put_u64(entry.block.position);
    target.put_u32(entry.block.length);
    target.put_u64(entry.first.0);
    target.put_i64(entry.running_max.0);
    target.put_u64(entry.bytes_before);
}

/// Appends a whole index of `entries`, encoded ones, that will lie at `position`.
pub(super) fn encode_index(
    id: SegmentId,
    log: LogId,
    position: u64,
    entries: &[u8],
    target: &mut Vec<u8>,
) {
    let start = target.len();
    target.put_u32(0);
    target.put_u64(position);
    put_log(log, target);
    target.put_u32((entries.len() / INDEX_ENTRY_BYTES) as u32);
    target.put_slice(entries);
    close(id, start, target);
}

/// Takes all of `bytes` as the index at `position`.
pub(super) fn decode_index(
    id: SegmentId,
    log: LogId,
    position: u64,
    bytes: &Bytes,
) -> Result<Index, StoreError> {
    let mut fields = open(id, position, "index", bytes)?;
    let found = (|| Some((fields.u64()?, fields.log()?, fields.u32()?)))();
    let Some((own_position, own_log, count)) = found else {
        return Err(damaged(id, position, "the index's header is cut short"));
    };
    let entries = bytes.slice(INDEX_HEADER_BYTES..);
    let fits = entries.len() == count as usize * INDEX_ENTRY_BYTES && count > 0;
    if own_position != position || own_log != log || !fits {
        return Err(damaged(
            id,
            position,
            format!("another index is in the place of log {log}'s"),
        ));
    }
    Ok(Index { entries })
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.entries.len() / INDEX_ENTRY_BYTES
    }

    pub(super) fn byte_len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, number: usize) -> Option<IndexEntry> {
        let mut fields = Fields(self.entries.get(number * INDEX_ENTRY_BYTES..)?);
        Some(IndexEntry {
            block: Extent {
                position: fields.u64()?,
                length: fields.u32()?,
            },
            first: Offset(fields.u64()?),
            running_max: Timestamp(fields.i64()?),
            bytes_before: fields.u64()?,
        })
    }

    /// How many entries from the front satisfy `holds`, which must hold for none after the first it does not hold for.
    pub(super) fn partition_point(&self, holds: impl Fn(&IndexEntry) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle).is_some_and(|entry| holds(&entry)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// Bytes of footer and trailer with so many logs.
pub(super) fn end_length(logs: usize) -> usize {
    FOOTER_HEADER_BYTES + logs * RANGE_BYTES + TRAILER_BYTES
}

/// Appends footer and trailer; the footer will lie at `position`.
pub(super) fn encode_end(
    id: SegmentId,
    position: u64,
    ranges: &[SegmentRange],
    target: &mut Vec<u8>,
) {
    let start = target.len();
    target.put_u32(0);
    target.put_u32(ranges.len() as u32);
    for range in ranges {
        put_log(range.log, target);
        target.put_u64(range.start.0);
        target.put_u64(range.end.0);
        target.put_i64(range.max_timestamp.0);
        target.put_u64(range.batch_bytes);
        target.put_u64(range.index.position);
        target.put_u32(range.index.length);
    }
    close(id, start, target);
    let trailer = target.len();
    target.put_u64(position);
    target.put_u32((trailer - start) as u32);
    target.put_u32(VERSION);
    let crc = checksum(id, target.get(trailer..).unwrap_or_default());
    target.put_u32(crc);
    target.put_slice(END_MAGIC);
}

/// Where the footer is, by the trailer at `position`, which ends the file.
pub(super) fn decode_trailer(
    id: SegmentId,
    position: u64,
    bytes: &[u8],
) -> Result<Extent, StoreError> {
    let mut fields = Fields(bytes);
    let found = (|| {
        Some((
            fields.u64()?,
            fields.u32()?,
            fields.u32()?,
            fields.u32()?,
            fields.array::<8>()?,
        ))
    })();
    let Some((footer, length, version, crc, magic)) = found else {
        return Err(damaged(id, position, "the trailer is cut short"));
    };
    let is_whole = checksum(id, bytes.get(..16).unwrap_or_default()) == crc;
    if &magic != END_MAGIC || !is_whole {
        return Err(damaged(id, position, "the file does not end as it should"));
    }
    check_version(version)?;
    if footer.checked_add(u64::from(length)) != Some(position) {
        return Err(damaged(
            id,
            position,
            "the footer is not before the trailer",
        ));
    }
    Ok(Extent {
        position: footer,
        length,
    })
}

/// Takes all of `bytes` as the footer at `position`.
pub(super) fn decode_footer(
    id: SegmentId,
    position: u64,
    bytes: &[u8],
) -> Result<Vec<SegmentRange>, StoreError> {
    let mut fields = open(id, position, "footer", bytes)?;
    let count = fields.u32().unwrap_or(0) as usize;
    if bytes.len() != FOOTER_HEADER_BYTES + count * RANGE_BYTES {
        return Err(damaged(id, position, "the footer's length is wrong"));
    }
    let mut ranges = Vec::with_capacity(count);
    while let Some(range) = fields.range(id) {
        ranges.push(range);
    }
    Ok(ranges)
}

pub(super) fn put_log(log: LogId, target: &mut impl BufMut) {
    target.put_u64(log.stream.0);
    target.put_u32(log.partition);
}

/// Writes the checksum of the part that starts at `start` and ends the buffer.
fn close(id: SegmentId, start: usize, target: &mut [u8]) {
    let Some((crc, covered)) = target
        .get_mut(start..)
        .and_then(<[u8]>::split_first_chunk_mut::<4>)
    else {
        return;
    };
    *crc = checksum(id, covered).to_be_bytes();
}

/// The fields after a part's checksum, which is right.
pub(super) fn open<'a>(
    id: SegmentId,
    position: u64,
    part: &str,
    bytes: &'a [u8],
) -> Result<Fields<'a>, StoreError> {
    match bytes.split_first_chunk::<4>() {
        Some((crc, covered)) if checksum(id, covered) == u32::from_be_bytes(*crc) => {
            Ok(Fields(covered))
        }
        _ => Err(damaged(
            id,
            position,
            format!("the {part}'s checksum is wrong"),
        )),
    }
}

/// Takes numbers off the front of bytes.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    pub(super) fn log(&mut self) -> Option<LogId> {
        Some(LogId::new(StreamId(self.u64()?), self.u32()?))
    }

    fn range(&mut self, segment: SegmentId) -> Option<SegmentRange> {
        Some(SegmentRange {
            segment,
            log: self.log()?,
            start: Offset(self.u64()?),
            end: Offset(self.u64()?),
            max_timestamp: Timestamp(self.i64()?),
            batch_bytes: self.u64()?,
            index: Extent {
                position: self.u64()?,
                length: self.u32()?,
            },
        })
    }
}
