//! Receipt handles: which delivery of which record, as opaque text.
//!
//! Base64 of these bytes, big-endian:
//!
//! | at | size | field |
//! |---|---|---|
//! | 0 | 1 | format, 2: iterators have 1, under the same key |
//! | 1 | 8 | the queue's number |
//! | 9 | 4 | the shard, or which of the queue's logs of references, as [`super::record`] numbers them |
//! | 13 | 8 | offset in that log |
//! | 21 | 4 | deliveries, up to this one |
//! | 25 | 16 | HMAC-SHA-256 of all before, cut to 128 bits, under the key of iterators |
//!
//! It promises that a handle is taken for what it was given out for alone: unaltered, by the queue that gave it out. A queue made
//! again under the same name has another number.

use aws::shapes::{decode_base64, encode_base64};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use model::{LogId, Offset, StreamId};
use streams::delivery::Receipt;

use super::super::iterators::{IteratorKey, TAG_BYTES};

const FORMAT: u8 = 2;

/// A delivery: from which log of the queue, and which of that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Handle {
    /// As in [`super::record`]: a shard's number, or one of a log of references.
    pub(super) partition: u32,
    pub(super) receipt: Receipt,
}

/// The handle as clients get it.
pub(super) fn write(key: &IteratorKey, queue: StreamId, handle: Handle) -> String {
    let mut bytes = Vec::with_capacity(25 + TAG_BYTES);
    bytes.push(FORMAT);
    bytes.extend(queue.0.to_be_bytes());
    bytes.extend(handle.partition.to_be_bytes());
    bytes.extend(handle.receipt.offset.0.to_be_bytes());
    bytes.extend(handle.receipt.receives.to_be_bytes());
    let tag = tag(key, &bytes);
    bytes.extend(tag);
    encode_base64(&bytes)
}

/// The delivery that a client's text is of; `None` if it is none of this queue's.
pub(super) fn read(key: &IteratorKey, queue: StreamId, text: &str) -> Option<Handle> {
    let bytes = decode_base64(text).ok()?;
    let (body, given) = bytes.split_last_chunk::<TAG_BYTES>()?;
    verify_slices_are_equal(given, &tag(key, body)).ok()?;
    let (format, rest) = body.split_first()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (partition, rest) = rest.split_first_chunk()?;
    let (offset, receives) = rest.split_first_chunk()?;
    let is_ours = *format == FORMAT && u64::from_be_bytes(*number) == queue.0;
    is_ours.then_some(())?;
    Some(Handle {
        partition: u32::from_be_bytes(*partition),
        receipt: Receipt {
            offset: Offset(u64::from_be_bytes(*offset)),
            receives: u32::from_be_bytes(receives.try_into().ok()?),
        },
    })
}

fn tag(key: &IteratorKey, body: &[u8]) -> [u8; TAG_BYTES] {
    key.tag("queue", "receipt", body)
}

/// A record's id: the same in every queue of its stream. The stream's number, the shard and the place in it, in hexadecimal.
pub(super) fn record_id(shard: LogId, offset: Offset) -> String {
    format!(
        "{:016x}{:08x}{:016x}",
        shard.stream.0, shard.partition, offset.0
    )
}
