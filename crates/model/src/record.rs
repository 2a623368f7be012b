//! One record as it lies in a batch: borrowed, so that reading allocates nothing.
//!
//! Layout (Kafka protocol guide, "Record"): every length a zigzag varint,
//! `length, attributes i8, timestamp delta, offset delta, key length (-1 null), key, value length (-1 null), value,
//! header count, headers [name length, name, value length (-1 null), value]`.

use crate::log::Offset;
use crate::time::Timestamp;
use crate::varint;

/// A name and an optional value carried beside the record's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    /// UTF-8 by Kafka's specification, unchecked here.
    pub name: &'a [u8],
    /// `None` is Kafka's null.
    pub value: Option<&'a [u8]>,
}

/// One record of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordRef<'a> {
    /// Its place in the log.
    pub offset: Offset,
    /// When it was made or taken in, as the batch's timestamp type says.
    pub timestamp: Timestamp,
    /// Kinesis: the partition key.
    pub key: Option<&'a [u8]>,
    /// Kinesis: the data.
    pub value: Option<&'a [u8]>,
    header_count: usize,
    headers: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// Its headers in order. Stops at the first that is malformed; batches from [`crate::BatchBuilder`] have none such.
    pub fn headers(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let mut rest = self.headers;
        let mut left = self.header_count;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let (name, after) = read_block(rest)?;
            let (value, after) = read_block(after)?;
            rest = after;
            Some(Header { name: name?, value })
        })
    }

    /// The record at the front of `source`, and what follows.
    pub(crate) fn read(
        source: &'a [u8],
        base_offset: Offset,
        base_timestamp: i64,
    ) -> Option<(RecordRef<'a>, &'a [u8])> {
        let (length, source) = varint::read(source)?;
        let (body, rest) = source.split_at_checked(usize::try_from(length).ok()?)?;
        let body = body.get(1..)?; // attributes: unused in magic 2
        let (timestamp_delta, body) = varint::read(body)?;
        let (offset_delta, body) = varint::read(body)?;
        let (key, body) = read_block(body)?;
        let (value, body) = read_block(body)?;
        let (header_count, headers) = varint::read(body)?;
        let record = RecordRef {
            offset: base_offset.plus(u64::try_from(offset_delta).ok()?),
            timestamp: Timestamp(base_timestamp.wrapping_add(timestamp_delta)),
            key,
            value,
            header_count: usize::try_from(header_count).ok()?,
            headers,
        };
        Some((record, rest))
    }
}

/// A length and as many bytes; -1 is null.
#[allow(clippy::type_complexity)]
fn read_block(source: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, source) = varint::read(source)?;
    if length == -1 {
        return Some((None, source));
    }
    let (block, rest) = source.split_at_checked(usize::try_from(length).ok()?)?;
    Some((Some(block), rest))
}
