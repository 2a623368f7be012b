//! The answer to a fetch, written so that records are not copied: everything around them goes into one buffer, the batches
//! themselves are sent from where they lie in memory, but for the sixteen bytes at their front that say where they are.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use kacrab_protocol::primitives::write_unsigned_varint;
use kacrab_protocol::string::{write_compact_string, write_string};
use kacrab_protocol::uuid::write_uuid;
use store::StoredBatch;
use streams::aborted::AbortedIn;

use crate::broker::LEADER_EPOCH;
use crate::connection::Chunks;
use crate::error::Refusal;
use crate::wire::{ErrorCode, KafkaUuid, ProtocolError, Response, text};

use super::session::Place;

/// From this version on lengths are varints and structures end in tagged fields.
const FLEXIBLE: i16 = 12;
/// From this version on topics are named by id.
const BY_ID: i16 = 13;
/// Batches up to this size are cheaper copied than sent by themselves.
const COPIED_BYTES_MAX: usize = 2 << 10;
/// What stands in place of an offset that is not told.
const NOTHING: i64 = -1;

/// The answer to a fetch.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// How long the client is to wait before it asks again, in milliseconds.
    pub(crate) throttle_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) session_id: i32,
    pub(crate) topics: Vec<TopicAnswer>,
}

/// A topic's part.
#[derive(Debug)]
pub(crate) struct TopicAnswer {
    pub(crate) name: Arc<str>,
    pub(crate) id: KafkaUuid,
    pub(crate) partitions: Vec<PartitionAnswer>,
}

/// A partition's part.
#[derive(Debug)]
pub(crate) struct PartitionAnswer {
    pub(crate) index: i32,
    pub(crate) error_code: i16,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable: i64,
    pub(crate) log_start: i64,
    /// Where committed records alone are read.
    pub(crate) aborted: Option<Vec<AbortedIn>>,
    pub(crate) batches: Vec<StoredBatch>,
}

impl Fetched {
    /// Nothing but a code.
    pub(crate) fn refused(code: ErrorCode) -> Fetched {
        Fetched {
            throttle_ms: 0,
            error_code: code.code(),
            session_id: 0,
            topics: Vec::new(),
        }
    }
}

impl TopicAnswer {
    /// Whether it is the topic of that place.
    pub(super) fn is(&self, place: &Place) -> bool {
        self.id == place.topic_id && self.name == place.topic
    }
}

impl PartitionAnswer {
    /// Nothing but a refusal.
    pub(super) fn refused(index: i32, refusal: &Refusal) -> PartitionAnswer {
        PartitionAnswer {
            index,
            error_code: refusal.number(),
            high_watermark: NOTHING,
            last_stable: NOTHING,
            log_start: NOTHING,
            aborted: None,
            batches: Vec::new(),
        }
    }
}

impl Response for Fetched {
    fn encode(&self, target: &mut Chunks, version: i16) -> Result<(), ProtocolError> {
        let tail = target.tail();
        tail.put_i32(self.throttle_ms);
        if version >= 7 {
            tail.put_i16(self.error_code);
            tail.put_i32(self.session_id);
        }
        put_length(tail, self.topics.len(), version);
        for topic in &self.topics {
            topic.encode(target, version)?;
        }
        put_no_tags(target.tail(), version);
        Ok(())
    }

    fn throttle(&mut self, ms: i32) {
        self.throttle_ms = self.throttle_ms.max(ms);
    }
}

impl TopicAnswer {
    fn encode(&self, target: &mut Chunks, version: i16) -> Result<(), ProtocolError> {
        let tail = target.tail();
        if version >= BY_ID {
            write_uuid(tail, &self.id);
        } else if version >= FLEXIBLE {
            write_compact_string(tail, &text(&self.name))?;
        } else {
            write_string(tail, &text(&self.name))?;
        }
        put_length(tail, self.partitions.len(), version);
        for partition in &self.partitions {
            partition.encode(target, version);
        }
        put_no_tags(target.tail(), version);
        Ok(())
    }
}

impl PartitionAnswer {
    fn encode(&self, target: &mut Chunks, version: i16) {
        let tail = target.tail();
        tail.put_i32(self.index);
        tail.put_i16(self.error_code);
        tail.put_i64(self.high_watermark);
        tail.put_i64(self.last_stable);
        if version >= 5 {
            tail.put_i64(self.log_start);
        }
        put_aborted(tail, self.aborted.as_deref(), version);
        if version >= 11 {
            // No other replica is preferred.
            tail.put_i32(-1);
        }
        let bytes: usize = self.batches.iter().map(|one| one.batch.bytes().len()).sum();
        put_length(tail, bytes, version);
        for stored in &self.batches {
            put_batch(target, stored);
        }
        put_no_tags(target.tail(), version);
    }
}

fn put_aborted(target: &mut BytesMut, aborted: Option<&[AbortedIn]>, version: i16) {
    let Some(aborted) = aborted else {
        if version >= FLEXIBLE {
            target.put_u8(0);
        } else {
            target.put_i32(-1);
        }
        return;
    };
    put_length(target, aborted.len(), version);
    for one in aborted {
        target.put_i64(one.producer);
        target.put_i64(crate::partition::wire_offset(one.first));
        put_no_tags(target, version);
    }
}

/// A batch with its place: base offset and leader epoch are outside its checksum.
fn put_batch(target: &mut Chunks, stored: &StoredBatch) {
    let bytes = stored.batch.bytes();
    let tail = target.tail();
    tail.put_u64(stored.base_offset.0);
    tail.put_slice(&bytes[8..12]);
    tail.put_i32(LEADER_EPOCH);
    if bytes.len() <= COPIED_BYTES_MAX {
        tail.put_slice(&bytes[16..]);
    } else {
        target.push(bytes.slice(16..));
    }
}

fn put_length(target: &mut BytesMut, length: usize, version: i16) {
    if version >= FLEXIBLE {
        write_unsigned_varint(target, length as u32 + 1);
    } else {
        target.put_i32(length as i32);
    }
}

fn put_no_tags(target: &mut BytesMut, version: i16) {
    if version >= FLEXIBLE {
        target.put_u8(0);
    }
}

#[cfg(test)]
mod tests;
