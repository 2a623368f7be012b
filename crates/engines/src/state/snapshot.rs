//! A state written down whole, as a checkpoint's body.
//!
//! | field | note |
//! |---|---|
//! | version 8 | the newest transaction's |
//! | count 4, logs | log 12, born 8, start 8, end 8, sealed 1, producers long (JSON, empty for none), count 4, parts in segments: segment 8, range |
//! | count 4, documents | key short, version 8, value long |
//! | count 4, leases | as in a frame |
//! | count 4, segments | id 8, bytes 8 |
//!
//! Big-endian; short, long and range as in [`crate::frame::decision`].

use bytes::{BufMut, Bytes};
use store::producers::Producers;
use store::{Bounds, Document, Version};

use crate::frame::Malformed;
use crate::frame::decision::{decode_lease, decode_range, encode_lease, encode_range};
use crate::frame::fields::{Fields, owned, put_log, put_long, put_short};
use crate::segments::SegmentId;
use crate::state::{LogState, SegmentState, State};

impl State {
    /// Adds all of it to `target`.
    pub fn write_to(&self, target: &mut Vec<u8>) {
        target.put_u64(self.version);
        target.put_u32(count(self.logs.len()));
        // In order, so that equal states have equal bytes.
        let mut logs: Vec<_> = self.logs.iter().collect();
        logs.sort_unstable_by_key(|(log, _)| **log);
        for (&log, state) in logs {
            put_log(target, log);
            target.put_u64(state.born);
            target.put_u64(state.bounds.start.0);
            target.put_u64(state.bounds.end.0);
            target.put_u8(state.bounds.sealed.into());
            put_long(target, &producers_bytes(&state.producers));
            target.put_u32(count(state.ranges.len()));
            for range in &state.ranges {
                target.put_u64(range.segment.0);
                encode_range(range, target);
            }
        }
        target.put_u32(count(self.documents.len()));
        for (key, document) in &self.documents {
            put_short(target, key.as_bytes());
            target.put_u64(document.version.0);
            put_long(target, &document.value);
        }
        target.put_u32(count(self.leases.len()));
        for lease in self.leases.values() {
            encode_lease(lease, target);
        }
        target.put_u32(count(self.segments.len()));
        for (id, segment) in &self.segments {
            target.put_u64(id.0);
            target.put_u64(segment.bytes);
        }
    }

    /// Reads what [`State::write_to`] wrote.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn read_from(source: &mut Fields) -> Result<State, Malformed> {
        let mut state = State {
            version: source.u64()?,
            ..State::default()
        };
        for _ in 0..source.u32()? {
            let log = source.log()?;
            state.logs.insert(log, read_log(source)?);
        }
        for _ in 0..source.u32()? {
            let key = source.key()?;
            let document = Document {
                version: Version(source.u64()?),
                value: owned(&source.long()?),
            };
            state.documents.insert(key, document);
        }
        for _ in 0..source.u32()? {
            let lease = decode_lease(source)?;
            state.leases.insert(lease.name.clone(), lease);
        }
        for _ in 0..source.u32()? {
            let id = SegmentId(source.u64()?);
            let segment = SegmentState {
                bytes: source.u64()?,
                ranges: 0,
                wanted_bytes: 0,
            };
            state.segments.insert(id, segment);
        }
        for range in state.logs.values().flat_map(|log| &log.ranges) {
            let segment = state.segments.get_mut(&range.segment);
            let segment = segment.ok_or(Malformed("a segment is not there"))?;
            segment.ranges += 1;
            segment.wanted_bytes = segment.wanted_bytes.saturating_add(range.batch_bytes);
        }
        Ok(state)
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("what fits in memory is fewer than 2^32")
}

fn producers_bytes(producers: &Producers) -> Bytes {
    if producers.is_empty() {
        Bytes::new()
    } else {
        store::key::encode(producers)
    }
}

fn read_log(source: &mut Fields) -> Result<LogState, Malformed> {
    let mut state = LogState::born(source.u64()?);
    state.bounds = Bounds {
        start: source.offset()?,
        end: source.offset()?,
        sealed: source.u8()? != 0,
    };
    let producers = source.long()?;
    if !producers.is_empty() {
        state.producers = serde_json::from_slice(&producers)
            .map_err(|_| Malformed("a log's producers do not read"))?;
    }
    for _ in 0..source.u32()? {
        let segment = SegmentId(source.u64()?);
        state.ranges.push_back(decode_range(segment, source)?);
    }
    Ok(state)
}
