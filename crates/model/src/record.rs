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

    /// As [`RecordRef::read`], but only what every reader of Kafka's takes, its headers too; or what is wrong with it. After
    /// `DefaultRecord.readFrom` of Apache Kafka.
    pub(crate) fn read_strictly(
        source: &'a [u8],
        base_offset: Offset,
        base_timestamp: i64,
    ) -> Result<(RecordRef<'a>, &'a [u8]), &'static str> {
        let (length, source) = varint::read_short(source).ok_or("its length does not read")?;
        let length = usize::try_from(length).map_err(|_| "its length is negative")?;
        let (body, rest) = source
            .split_at_checked(length)
            .ok_or("it is longer than what is left of the batch")?;
        let body = body.get(1..).ok_or("it is empty")?;
        let (timestamp_delta, body) = varint::read(body).ok_or("its time does not read")?;
        let (offset_delta, body) = varint::read_short(body).ok_or("its offset does not read")?;
        let offset_delta = u64::try_from(offset_delta).map_err(|_| "its offset is negative")?;
        let (key, body) = read_short_block(body).ok_or("its key does not read")?;
        let (value, body) = read_short_block(body).ok_or("its value does not read")?;
        let (count, headers) = varint::read_short(body).ok_or("its headers do not read")?;
        let header_count =
            usize::try_from(count).map_err(|_| "its count of headers is negative")?;
        let mut after = headers;
        for _ in 0..header_count {
            let (name, value) = read_short_block(after).ok_or("a header's name does not read")?;
            name.ok_or("a header has no name")?;
            (_, after) = read_short_block(value).ok_or("a header's value does not read")?;
        }
        if !after.is_empty() {
            return Err("it is longer than what is in it");
        }
        let record = RecordRef {
            offset: base_offset.plus(offset_delta),
            timestamp: Timestamp(base_timestamp.wrapping_add(timestamp_delta)),
            key,
            value,
            header_count,
            headers,
        };
        Ok((record, rest))
    }
}

/// A length and as many bytes; -1 is null.
#[allow(clippy::type_complexity)]
fn read_block(source: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, source) = varint::read(source)?;
    block(length, source)
}

/// As [`read_block`], of a length of 32 bits.
#[allow(clippy::type_complexity)]
fn read_short_block(source: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, source) = varint::read_short(source)?;
    block(length.into(), source)
}

#[allow(clippy::type_complexity)]
fn block(length: i64, source: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if length == -1 {
        return Some((None, source));
    }
    let (block, rest) = source.split_at_checked(usize::try_from(length).ok()?)?;
    Some((Some(block), rest))
}
