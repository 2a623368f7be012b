//! A reference to a record of the stream: what lies in a queue's logs of dead letters and of records restored.
//!
//! The record's own value, big-endian; its timestamp is when the record of the stream arrived:
//!
//! | at | size | field |
//! |---|---|---|
//! | 0 | 1 | format, 1 |
//! | 1 | 4 | the shard |
//! | 5 | 8 | the offset in it |
//! | 13 | 8 | when it was first received, ms |
//! | 21 | 4 | how often it was received before it came here |
//!
//! Data and key stay in the stream, under the stream's encryption, and expire there.

use model::{Offset, RecordRef, Timestamp};

const FORMAT: u8 = 1;

/// Which record, and what became of it before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reference {
    pub(super) shard: u32,
    pub(super) offset: Offset,
    /// When the record arrived in the stream.
    pub(super) arrived: Timestamp,
    pub(super) first_received: Timestamp,
    pub(super) receives: u32,
}

impl Reference {
    pub(super) fn push_to(&self, batch: &mut model::BatchBuilder) {
        let mut value = vec![FORMAT];
        value.extend(self.shard.to_be_bytes());
        value.extend(self.offset.0.to_be_bytes());
        value.extend(self.first_received.0.to_be_bytes());
        value.extend(self.receives.to_be_bytes());
        batch.push(self.arrived, None, Some(&value), &[]);
    }

    /// `None` for what is none: damage.
    pub(super) fn read(record: &RecordRef<'_>) -> Option<Reference> {
        let (&format, rest) = record.value?.split_first()?;
        let (shard, rest) = rest.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (first_received, receives) = rest.split_first_chunk()?;
        (format == FORMAT).then_some(())?;
        Some(Reference {
            shard: u32::from_be_bytes(*shard),
            offset: Offset(u64::from_be_bytes(*offset)),
            arrived: record.timestamp,
            first_received: Timestamp(i64::from_be_bytes(*first_received)),
            receives: u32::from_be_bytes(receives.try_into().ok()?),
        })
    }
}
