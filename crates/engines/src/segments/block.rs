//! Blocks: the batches that one line of an index stands for.

use bytes::{BufMut, Bytes, BytesMut};
use model::{Batch, LogId, Offset};
use store::StoreError;

use super::format::{
    BLOCK_HEADER_BYTES, ENTRY_HEADER_BYTES, Fields, IndexEntry, checksum, open, put_log,
};
use super::{SegmentId, damaged};

/// Batches as verified bytes.
#[derive(Clone, Debug)]
pub(super) enum Block {
    /// A block of a segment.
    Many(Many),
    /// A batch in a kept journal file.
    One(Entry),
}

/// A block's entries.
#[derive(Clone, Debug)]
pub(super) struct Many {
    position: u64,
    count: u32,
    entries: Bytes,
}

/// One batch in a block.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Where in the file the entry starts.
    pub(super) position: u64,
    pub(super) base_offset: Offset,
    pub(super) batch: Bytes,
}

/// The front of a block of `count` batches that will lie at `position`; `entries` come right after it, piece by piece.
pub(super) fn encode_block_front(
    id: SegmentId,
    log: LogId,
    position: u64,
    count: u32,
    entries: &[Bytes],
) -> Bytes {
    let length: usize = entries.iter().map(Bytes::len).sum();
    let mut front = BytesMut::with_capacity(BLOCK_HEADER_BYTES);
    front.put_u32(0);
    front.put_u64(position);
    put_log(log, &mut front);
    front.put_u32(count);
    front.put_u32(length as u32);
    let covered = front.get(4..).unwrap_or_default();
    let pieces = entries.iter();
    let crc = pieces.fold(checksum(id, covered), |crc, piece| {
        crc32c::crc32c_append(crc, piece)
    });
    if let Some(first) = front.first_chunk_mut() {
        *first = crc.to_be_bytes();
    }
    front.freeze()
}

/// Takes all of `bytes` as the block at `position`.
fn decode_many(
    id: SegmentId,
    log: LogId,
    position: u64,
    bytes: &Bytes,
) -> Result<Many, StoreError> {
    let mut fields = open(id, position, "block", bytes)?;
    let found = (|| Some((fields.u64()?, fields.log()?, fields.u32()?, fields.u32()?)))();
    let Some((own_position, own_log, count, length)) = found else {
        return Err(damaged(id, position, "the block's header is cut short"));
    };
    let entries = bytes.slice(BLOCK_HEADER_BYTES..);
    if own_position != position || own_log != log || entries.len() != length as usize || count == 0
    {
        return Err(damaged(
            id,
            position,
            format!("another block is in the place of one of log {log}"),
        ));
    }
    Ok(Many {
        position,
        count,
        entries,
    })
}

/// A block's whole length by its own header, unverified: for walking through a file.
pub(super) fn block_length(header: &[u8]) -> Option<u32> {
    let mut fields = Fields(header.get(BLOCK_HEADER_BYTES - 4..)?);
    fields.u32()?.checked_add(BLOCK_HEADER_BYTES as u32)
}

impl Block {
    /// Takes all of `bytes` as what a line of the index of `log` stands for.
    pub(super) fn decode(
        id: SegmentId,
        log: LogId,
        line: &IndexEntry,
        bytes: &Bytes,
    ) -> Result<Block, StoreError> {
        let position = line.block.position;
        if id.journal().is_none() {
            return decode_many(id, log, position, bytes).map(Block::Many);
        }
        let batch = Batch::parse(bytes.clone());
        batch.map_err(|error| damaged(id, position, error.to_string()))?;
        Ok(Block::One(Entry {
            position,
            base_offset: line.first,
            batch: bytes.clone(),
        }))
    }

    /// How many batches it has.
    pub(super) fn count(&self) -> usize {
        match self {
            Block::Many(many) => many.count as usize,
            Block::One(_) => 1,
        }
    }

    /// Its batches in order, and an error instead of the first that is malformed, which ends them.
    pub(super) fn entries(
        &self,
        id: SegmentId,
    ) -> impl Iterator<Item = Result<Entry, StoreError>> + '_ {
        let (many, one) = match self {
            Block::Many(many) => (Some(many), None),
            Block::One(entry) => (None, Some(Ok(entry.clone()))),
        };
        many.into_iter()
            .flat_map(move |many| many.entries(id))
            .chain(one)
    }
}

impl Many {
    fn entries(&self, id: SegmentId) -> impl Iterator<Item = Result<Entry, StoreError>> + '_ {
        let mut at = 0;
        let mut left = self.count;
        std::iter::from_fn(move || {
            let position = self.position + (BLOCK_HEADER_BYTES + at) as u64;
            let is_end = at == self.entries.len();
            if is_end && left == 0 {
                return None;
            }
            let entry = self
                .entry(at)
                .filter(|_| left > 0)
                .ok_or_else(|| damaged(id, position, "the block's entries do not add up"));
            match &entry {
                Ok(entry) => {
                    at += ENTRY_HEADER_BYTES + entry.batch.len();
                    left -= 1;
                }
                Err(_) => (at, left) = (self.entries.len(), 0),
            }
            Some(entry)
        })
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        let mut fields = Fields(self.entries.get(at..)?);
        let base_offset = Offset(fields.u64()?);
        let length = fields.u32()? as usize;
        let start = at + ENTRY_HEADER_BYTES;
        let end = start.checked_add(length)?;
        (end <= self.entries.len()).then(|| Entry {
            position: self.position + (BLOCK_HEADER_BYTES + at) as u64,
            base_offset,
            batch: self.entries.slice(start..end),
        })
    }
}
