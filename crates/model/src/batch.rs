//! Records at rest: Kafka's RecordBatch v2 (magic 2), big-endian.
//!
//! | at | size | field | note |
//! |---|---|---|---|
//! | 0 | 8 | base offset | set when read: the store keeps it beside the batch |
//! | 8 | 4 | length | of all that follows |
//! | 12 | 4 | partition leader epoch | set when read |
//! | 16 | 1 | magic | 2 |
//! | 17 | 4 | CRC-32C | of all from byte 21 |
//! | 21 | 2 | attributes | bits 0–2 codec, 3 log-append time, 4 transactional, 5 control, 6 base timestamp is a delete horizon, 14 sealed (ours) |
//! | 23 | 4 | last offset delta | |
//! | 27 | 8 | base timestamp | ms |
//! | 35 | 8 | max timestamp | ms |
//! | 43 | 8 | producer id | -1: none |
//! | 51 | 2 | producer epoch | -1: none |
//! | 53 | 4 | base sequence | -1: none |
//! | 57 | 4 | record count | |
//! | 61 | | records | see [`crate::record`] |
//!
//! A batch is valid when its length is its bytes', its magic 2, its CRC right, and its last offset delta its count less one
//! (a compacted batch may have a greater delta). The records inside are checked when read, and by [`Batch::checked_records`].

pub mod checked;
mod compacted;
mod times;

use std::fmt;

use bytes::Bytes;

use crate::log::Offset;
use crate::record::{Header, RecordRef};
use crate::time::Timestamp;
use crate::varint;

/// Bytes before the records.
pub const HEADER_BYTES: usize = 61;
/// A batch may not be longer: Kafka's lengths are signed 32-bit, and one batch must fit a journal frame.
pub const BATCH_BYTES_MAX: usize = 32 << 20;

const CRC_FROM: usize = 21;
const LENGTH_FROM: usize = 12;
const CODEC_MASK: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
const DELETE_HORIZON: i16 = 1 << 6;
const SEALED: i16 = 1 << 14;

/// A validated batch. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Batch {
    bytes: Bytes,
}

/// Who wrote a batch, for retries to be known as such. See KIP-98.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Producer {
    /// 0 or greater.
    pub id: i64,
    /// Grows when an instance takes over from another of the same id.
    pub epoch: i16,
    /// The first record's number in this producer's row for the log; wraps from `i32::MAX` to 0. -1 in the marker that ends a
    /// transaction: it is in no row.
    pub sequence: i32,
}

/// The bytes are no valid batch.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BatchError {
    /// Fewer or more bytes than the header says, or over [`BATCH_BYTES_MAX`].
    #[error("batch is {actual} bytes long, its header says {expected}")]
    Length {
        /// By the header.
        expected: usize,
        /// In hand.
        actual: usize,
    },
    /// Not magic 2.
    #[error("batch has magic {0}, only 2 is supported")]
    Magic(i8),
    /// The bytes are not those that were written.
    #[error("batch has checksum {actual:08x}, its header says {expected:08x}")]
    Checksum {
        /// By the header.
        expected: u32,
        /// Of the bytes in hand.
        actual: u32,
    },
    /// A count that cannot be.
    #[error("batch says it has {count} records up to delta {last_delta}")]
    Count {
        /// Record count in the header.
        count: i32,
        /// Last offset delta in the header.
        last_delta: i32,
    },
}

impl Batch {
    /// Takes `bytes` as one batch, all of it, checksum verified.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: Bytes) -> Result<Batch, BatchError> {
        let batch = Batch::parse_unverified(bytes)?;
        let expected = batch.stored_crc();
        let actual = crc32c::crc32c(&batch.bytes[CRC_FROM..]);
        if expected != actual {
            return Err(BatchError::Checksum { expected, actual });
        }
        Ok(batch)
    }

    /// As [`Batch::parse`], for bytes whose own checksum has just been verified with their container's.
    ///
    /// # Errors
    /// What is wrong with its header.
    pub fn parse_unverified(bytes: Bytes) -> Result<Batch, BatchError> {
        let actual = bytes.len();
        let expected = declared_length(&bytes).unwrap_or(HEADER_BYTES);
        let length = BatchError::Length { expected, actual };
        if actual != expected || actual > BATCH_BYTES_MAX {
            return Err(length);
        }
        // Before the length of the header, which messages of magic 0 and 1 may be shorter than.
        match bytes.get(16) {
            Some(&2) if actual >= HEADER_BYTES => {}
            Some(&2) | None => return Err(length),
            Some(&other) => return Err(BatchError::Magic(other as i8)),
        }
        let batch = Batch { bytes };
        let (count, last_delta) = (batch.i32_at(57), batch.i32_at(23));
        if count < 0 || last_delta < 0 || last_delta < count - 1 {
            return Err(BatchError::Count { count, last_delta });
        }
        Ok(batch)
    }

    /// The same in memory of its own, without the bytes around it that it came with.
    #[must_use]
    pub fn detached(&self) -> Batch {
        Batch {
            bytes: Bytes::copy_from_slice(&self.bytes),
        }
    }

    /// The bytes, base offset and leader epoch as their writer left them.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Offsets it takes in its log, at least 1: the last offset delta and one.
    #[must_use]
    pub fn offsets(&self) -> u32 {
        self.i32_at(23).unsigned_abs() + 1
    }

    /// Records it holds.
    #[must_use]
    pub fn record_count(&self) -> u32 {
        self.i32_at(57).unsigned_abs()
    }

    /// What its records' deltas count from.
    #[must_use]
    pub fn base_timestamp(&self) -> Timestamp {
        Timestamp(self.i64_at(27))
    }

    /// The greatest timestamp of its records.
    #[must_use]
    pub fn max_timestamp(&self) -> Timestamp {
        Timestamp(self.i64_at(35))
    }

    /// Who wrote it, where the writer said so.
    #[must_use]
    pub fn producer(&self) -> Option<Producer> {
        let id = self.i64_at(43);
        let epoch = i16::from_be_bytes([self.bytes[51], self.bytes[52]]);
        (id >= 0).then(|| Producer {
            id,
            epoch,
            sequence: self.i32_at(53),
        })
    }

    /// The compression codec's number: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    #[must_use]
    pub fn codec(&self) -> u8 {
        (self.attributes() & CODEC_MASK) as u8
    }

    /// Whether its records are encrypted by this server, not readable as they lie.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.attributes() & SEALED != 0
    }

    /// Whether its records' timestamps all are its greatest: when the log took it in.
    #[must_use]
    pub fn is_log_append_time(&self) -> bool {
        self.attributes() & LOG_APPEND_TIME != 0
    }

    /// Whether it is part of a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes() & TRANSACTIONAL != 0
    }

    /// Whether it holds no records of users but a transaction's end.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes() & CONTROL != 0
    }

    /// The same batch with its records as they are before compression: `write` adds them to what it is given, and leaves that as
    /// it is.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn uncompressed_by<E>(
        &self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Batch, E> {
        let mut bytes = self.bytes[..HEADER_BYTES].to_vec();
        write(&mut bytes)?;
        let attributes = self.attributes() & !CODEC_MASK;
        bytes[21..23].copy_from_slice(&attributes.to_be_bytes());
        Ok(close(bytes))
    }

    /// The bytes after the header: records as they lie, compressed or sealed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..]
    }

    /// The same batch with another payload, marked sealed or open.
    #[must_use]
    pub fn with_payload(&self, payload: &[u8], sealed: bool) -> Batch {
        let write = |bytes: &mut Vec<u8>| bytes.extend_from_slice(payload);
        self.with_payload_by(payload.len(), sealed, write)
    }

    /// As [`Batch::with_payload`]; `write` adds the payload, of about `length` bytes, to what it is given, and leaves that as it is.
    #[must_use]
    pub fn with_payload_by(
        &self,
        length: usize,
        sealed: bool,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Batch {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + length);
        bytes.extend_from_slice(&self.bytes[..HEADER_BYTES]);
        write(&mut bytes);
        let attributes = if sealed {
            self.attributes() | SEALED
        } else {
            self.attributes() & !SEALED
        };
        bytes[21..23].copy_from_slice(&attributes.to_be_bytes());
        close(bytes)
    }

    /// Its records in order, offsets counted from `base`. Ends early at a malformed record, or one whose offset is not after
    /// the one before or not the batch's own: compare with [`Batch::record_count`] where the batch came from outside. Gives
    /// none from a compressed or sealed batch.
    pub fn records(&self, base: Offset) -> impl Iterator<Item = RecordRef<'_>> {
        let is_plain = self.codec() == 0 && !self.is_sealed();
        let mut rest = if is_plain { self.payload() } else { &[] };
        let base_timestamp = self.i64_at(27);
        let taken_in = self.is_log_append_time().then(|| self.max_timestamp());
        let mut left = self.record_count();
        let mut next = base;
        let end = base.plus(u64::from(self.offsets()));
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let (mut record, after) = RecordRef::read(rest, base, base_timestamp)?;
            record.timestamp = taken_in.unwrap_or(record.timestamp);
            if !(next..end).contains(&record.offset) {
                left = 0;
                return None;
            }
            next = record.offset.plus(1);
            rest = after;
            Some(record)
        })
    }

    fn attributes(&self) -> i16 {
        i16::from_be_bytes([self.bytes[21], self.bytes[22]])
    }

    fn stored_crc(&self) -> u32 {
        self.i32_at(17) as u32
    }

    fn i32_at(&self, at: usize) -> i32 {
        i32::from_be_bytes(
            self.bytes[at..at + 4]
                .try_into()
                .expect("four bytes within the header"),
        )
    }

    fn i64_at(&self, at: usize) -> i64 {
        i64::from_be_bytes(
            self.bytes[at..at + 8]
                .try_into()
                .expect("eight bytes within the header"),
        )
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Batch({} records, {} bytes)",
            self.record_count(),
            self.bytes.len()
        )
    }
}

/// The whole length that the batch at the front of `bytes` says it has; `None` where its header is cut short or absurd.
#[must_use]
pub fn declared_length(bytes: &[u8]) -> Option<usize> {
    let field = bytes.get(8..LENGTH_FROM)?;
    let length = i32::from_be_bytes(field.try_into().ok()?);
    usize::try_from(length)
        .ok()
        .map(|length| length + LENGTH_FROM)
}

/// Writes length and checksum. What was set aside and not used is given back: batches are kept for long.
fn close(mut bytes: Vec<u8>) -> Batch {
    if bytes.capacity() > bytes.len() + bytes.len() / 16 {
        bytes.shrink_to_fit();
    }
    let length = (bytes.len() - LENGTH_FROM) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[CRC_FROM..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    Batch {
        bytes: bytes.into(),
    }
}

/// Builds one uncompressed batch, record by record, in one buffer.
#[derive(Debug)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    base_timestamp: i64,
    max_timestamp: i64,
    count: i32,
    producer: Option<Producer>,
    attributes: i16,
}

impl BatchBuilder {
    /// An empty batch with room for `capacity` bytes of records.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> BatchBuilder {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + capacity);
        bytes.resize(HEADER_BYTES, 0);
        BatchBuilder {
            bytes,
            base_timestamp: 0,
            max_timestamp: i64::MIN,
            count: 0,
            producer: None,
            attributes: 0,
        }
    }

    /// Makes it the end of a transaction of its producer's: its record is a marker.
    #[must_use]
    pub fn control(mut self) -> BatchBuilder {
        self.attributes = TRANSACTIONAL | CONTROL;
        self
    }

    /// Makes it part of a transaction of its producer's.
    #[must_use]
    pub fn transactional(mut self) -> BatchBuilder {
        self.attributes |= TRANSACTIONAL;
        self
    }

    /// Names its writer, so that a repeated append is known as such.
    #[must_use]
    pub fn by(mut self, producer: Producer) -> BatchBuilder {
        self.producer = Some(producer);
        self
    }

    /// Records so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.unsigned_abs() as usize
    }

    /// Whether there are none yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes the batch would have if it were finished now.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a record.
    pub fn push(
        &mut self,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) {
        let value_length = value.map(<[u8]>::len);
        self.push_with(timestamp, key, value_length, headers, |target| {
            target.copy_from_slice(value.unwrap_or_default());
        });
    }

    /// Adds a record whose value of `value_length` bytes is written in place by `fill`: decoders save a copy so.
    pub fn push_with(
        &mut self,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value_length: Option<usize>,
        headers: &[Header<'_>],
        fill: impl FnOnce(&mut [u8]),
    ) {
        if self.count == 0 {
            self.base_timestamp = timestamp.0;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp.0);
        let delta = timestamp.0.wrapping_sub(self.base_timestamp);
        let count = i64::from(self.count);
        let length = 1
            + varint::length(delta)
            + varint::length(count)
            + block_length(key.map(<[u8]>::len))
            + block_length(value_length)
            + varint::length(headers.len() as i64)
            + headers
                .iter()
                .map(|h| block_length(Some(h.name.len())) + block_length(h.value.map(<[u8]>::len)))
                .sum::<usize>();
        let bytes = &mut self.bytes;
        varint::write(bytes, length as i64);
        bytes.push(0);
        varint::write(bytes, delta);
        varint::write(bytes, count);
        write_block(bytes, key);
        varint::write(bytes, value_length.map_or(-1, |n| n as i64));
        if let Some(value_length) = value_length {
            let start = bytes.len();
            bytes.resize(start + value_length, 0);
            fill(&mut bytes[start..]);
        }
        varint::write(bytes, headers.len() as i64);
        for header in headers {
            write_block(bytes, Some(header.name));
            write_block(bytes, header.value);
        }
        self.count += 1;
    }

    /// The batch; its base offset is 0 and its leader epoch -1 until it is read from a log.
    ///
    /// # Panics
    /// Without a record: an empty batch has no offsets to take.
    #[must_use]
    pub fn finish(mut self) -> Batch {
        assert!(self.count > 0, "a batch has at least one record");
        let bytes = &mut self.bytes;
        let producer = self.producer.unwrap_or(Producer {
            id: -1,
            epoch: -1,
            sequence: -1,
        });
        bytes[12..16].copy_from_slice(&(-1i32).to_be_bytes());
        bytes[16] = 2;
        bytes[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        bytes[23..27].copy_from_slice(&(self.count - 1).to_be_bytes());
        bytes[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        bytes[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        bytes[43..51].copy_from_slice(&producer.id.to_be_bytes());
        bytes[51..53].copy_from_slice(&producer.epoch.to_be_bytes());
        bytes[53..57].copy_from_slice(&producer.sequence.to_be_bytes());
        bytes[57..61].copy_from_slice(&self.count.to_be_bytes());
        close(self.bytes)
    }
}

fn block_length(length: Option<usize>) -> usize {
    length.map_or(1, |n| varint::length(n as i64) + n)
}

fn write_block(target: &mut Vec<u8>, block: Option<&[u8]>) {
    match block {
        None => varint::write(target, -1),
        Some(block) => {
            varint::write(target, block.len() as i64);
            target.extend_from_slice(block);
        }
    }
}

#[cfg(test)]
mod tests;
