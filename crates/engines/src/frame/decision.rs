//! What a frame says was decided: each decision a tag and its fields.
//!
//! | tag | decision | fields |
//! |---|---|---|
//! | 1 | [`Decision::Append`] | log 12, base offset 8, offsets 4, position in payload 4, length 4, max timestamp 8, producer 0 or 1 [id 8, epoch 2, sequence 4] |
//! | 2 | [`Decision::CreateLog`] | log 12, born 8 |
//! | 3 | [`Decision::SealLog`] | log 12 |
//! | 4 | [`Decision::TrimLog`] | log 12, start 8 |
//! | 5 | [`Decision::DeleteLog`] | log 12 |
//! | 6 | [`Decision::Put`] | key short, version 8, value long |
//! | 7 | [`Decision::Remove`] | key short |
//! | 8 | [`Decision::Lease`] | name short, owner short, epoch 8, until 8 |
//! | 9 | [`Decision::AddSegment`] | id 8, bytes 8, count 4, ranges: each log 12, start 8, end 8, max timestamp 8, bytes of batches 8, index position 8, index length 4 |
//! | 10 | [`Decision::RemoveSegment`] | id 8 |
//! | 11 | [`Decision::Rewrite`] | log 12, start 8, end 8, segment 0 or 1 [id 8, bytes 8, range as above] |
//! | 20 | [`Decision::ForgetProducers`] | log 12, before 8 |
//!
//! Numbers are big-endian; a short has a two-byte length before it, a long a four-byte one. A log is its stream 8 and its
//! partition 4.

use std::ops::Range;

use bytes::{BufMut, Bytes};
use model::batch::Producer;
use model::{LogId, Offset, Timestamp};
use store::{Key, Lease, StoreError, Version};

use crate::frame::fields::{Fields, Malformed, owned, put_log, put_long, put_short};
use crate::segments::{self, SegmentId, SegmentRange};

/// Most bytes an append's decision takes.
pub const APPEND_BYTES_MAX: usize = 1 + 12 + 8 + 4 + 4 + 4 + 8 + 1 + 14;
/// Most bytes a decision takes beside its keys and values.
pub const OTHER_BYTES_MAX: usize = 1 + 12 + 8 + 8 + 4;

/// The tag of [`Decision::ForgetProducers`].
const FORGET_PRODUCERS: u8 = 20;
/// The tag of [`Decision::Rewrite`].
const REWRITE: u8 = 11;

/// A change that was checked and is now so. Replay does not check again.
#[derive(Clone, PartialEq, Debug)]
pub enum Decision {
    /// A batch has its place.
    Append(Extent),
    /// A log is there, empty, at offset 0.
    CreateLog {
        /// Which.
        log: LogId,
        /// Tells it from an earlier log of the same number.
        born: u64,
    },
    /// A log takes no more.
    SealLog {
        /// Which.
        log: LogId,
    },
    /// A log starts later.
    TrimLog {
        /// Which.
        log: LogId,
        /// Its first offset now.
        start: Offset,
    },
    /// A log is gone.
    DeleteLog {
        /// Which.
        log: LogId,
    },
    /// A document is there.
    Put {
        /// Its name.
        key: Key,
        /// The transaction that put it.
        version: Version,
        /// Its content.
        value: Bytes,
    },
    /// A document is gone.
    Remove {
        /// Its name.
        key: Key,
    },
    /// A lease is so.
    Lease(Lease),
    /// Batches lie in a segment now, and their places in the journal count no more.
    AddSegment {
        /// Which.
        id: SegmentId,
        /// Its length.
        bytes: u64,
        /// What it holds that is still wanted.
        ranges: Vec<SegmentRange>,
    },
    /// A segment is wanted no more.
    RemoveSegment {
        /// Which.
        id: SegmentId,
    },
    /// A log's producers that wrote nothing from an offset on are forgotten.
    ForgetProducers {
        /// Which log.
        log: LogId,
        /// The offset.
        before: Offset,
    },
    /// What segments held of a part of a log lies elsewhere now, with gaps.
    Rewrite {
        /// Which log.
        log: LogId,
        /// The part's first offset.
        start: Offset,
        /// The offset after it.
        end: Offset,
        /// Where it lies; without it, nothing of it is left.
        segment: Option<RewrittenSegment>,
    },
}

/// The new segment of a rewrite.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RewrittenSegment {
    /// Its length.
    pub bytes: u64,
    /// All that it holds.
    pub range: SegmentRange,
}

/// A batch's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// Its log.
    pub log: LogId,
    /// Its first record's offset.
    pub base_offset: Offset,
    /// Offsets it takes, at least 1.
    pub offsets: u32,
    /// Where it starts in the frame's payload.
    pub position: u32,
    /// Its bytes.
    pub length: u32,
    /// The greatest timestamp of its records.
    pub max_timestamp: Timestamp,
    /// Who wrote it, where the writer said so.
    pub producer: Option<Producer>,
}

impl Extent {
    /// The offset after its last.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.base_offset.plus(u64::from(self.offsets))
    }
}

impl Decision {
    /// Adds its bytes to `target`.
    pub fn encode(&self, target: &mut Vec<u8>) {
        match self {
            Decision::Append(extent) => encode_extent(extent, target),
            Decision::CreateLog { log, born } => {
                target.put_u8(2);
                put_log(target, *log);
                target.put_u64(*born);
            }
            Decision::SealLog { log } => {
                target.put_u8(3);
                put_log(target, *log);
            }
            Decision::TrimLog { log, start } => {
                target.put_u8(4);
                put_log(target, *log);
                target.put_u64(start.0);
            }
            Decision::DeleteLog { log } => {
                target.put_u8(5);
                put_log(target, *log);
            }
            Decision::Put {
                key,
                version,
                value,
            } => {
                target.put_u8(6);
                put_short(target, key.as_bytes());
                target.put_u64(version.0);
                put_long(target, value);
            }
            Decision::Remove { key } => {
                target.put_u8(7);
                put_short(target, key.as_bytes());
            }
            Decision::Lease(lease) => {
                target.put_u8(8);
                encode_lease(lease, target);
            }
            Decision::AddSegment { id, bytes, ranges } => {
                target.put_u8(9);
                target.put_u64(id.0);
                target.put_u64(*bytes);
                target.put_u32(u32::try_from(ranges.len()).expect("a frame fits its file"));
                for range in ranges {
                    encode_range(range, target);
                }
            }
            Decision::RemoveSegment { id } => {
                target.put_u8(10);
                target.put_u64(id.0);
            }
            Decision::ForgetProducers { log, before } => {
                target.put_u8(FORGET_PRODUCERS);
                put_log(target, *log);
                target.put_u64(before.0);
            }
            Decision::Rewrite {
                log,
                start,
                end,
                segment,
            } => {
                encode_rewrite(*log, *start..*end, segment.as_ref(), target);
            }
        }
    }

    /// Reads one decision.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(source: &mut Fields) -> Result<Decision, Malformed> {
        Ok(match source.u8()? {
            1 => Decision::Append(decode_extent(source)?),
            2 => Decision::CreateLog {
                log: source.log()?,
                born: source.u64()?,
            },
            3 => Decision::SealLog { log: source.log()? },
            4 => Decision::TrimLog {
                log: source.log()?,
                start: source.offset()?,
            },
            5 => Decision::DeleteLog { log: source.log()? },
            6 => Decision::Put {
                key: source.key()?,
                version: source.u64().map(Version)?,
                value: owned(&source.long()?),
            },
            7 => Decision::Remove { key: source.key()? },
            8 => Decision::Lease(decode_lease(source)?),
            9 => {
                let id = SegmentId(source.u64()?);
                Decision::AddSegment {
                    id,
                    bytes: source.u64()?,
                    ranges: (0..source.u32()?)
                        .map(|_| decode_range(id, source))
                        .collect::<Result<_, _>>()?,
                }
            }
            10 => Decision::RemoveSegment {
                id: source.u64().map(SegmentId)?,
            },
            FORGET_PRODUCERS => Decision::ForgetProducers {
                log: source.log()?,
                before: source.offset()?,
            },
            REWRITE => decode_rewrite(source)?,
            _ => return Err(Malformed("a decision has an unknown tag")),
        })
    }
}

fn encode_extent(extent: &Extent, target: &mut Vec<u8>) {
    target.put_u8(1);
    put_log(target, extent.log);
    target.put_u64(extent.base_offset.0);
    target.put_u32(extent.offsets);
    target.put_u32(extent.position);
    target.put_u32(extent.length);
    target.put_i64(extent.max_timestamp.0);
    match extent.producer {
        None => target.put_u8(0),
        Some(producer) => {
            target.put_u8(1);
            target.put_i64(producer.id);
            target.put_i16(producer.epoch);
            target.put_i32(producer.sequence);
        }
    }
}

fn decode_extent(source: &mut Fields) -> Result<Extent, Malformed> {
    let mut extent = Extent {
        log: source.log()?,
        base_offset: source.offset()?,
        offsets: source.u32()?,
        position: source.u32()?,
        length: source.u32()?,
        max_timestamp: source.timestamp()?,
        producer: None,
    };
    if source.u8()? == 1 {
        extent.producer = Some(Producer {
            id: source.i64()?,
            epoch: source.u16()?.cast_signed(),
            sequence: source.u32()?.cast_signed(),
        });
    }
    Ok(extent)
}

fn encode_rewrite(
    log: LogId,
    span: Range<Offset>,
    segment: Option<&RewrittenSegment>,
    target: &mut Vec<u8>,
) {
    target.put_u8(REWRITE);
    put_log(target, log);
    target.put_u64(span.start.0);
    target.put_u64(span.end.0);
    target.put_u8(segment.is_some().into());
    if let Some(segment) = segment {
        target.put_u64(segment.range.segment.0);
        target.put_u64(segment.bytes);
        encode_range(&segment.range, target);
    }
}

fn decode_rewrite(source: &mut Fields) -> Result<Decision, Malformed> {
    let (log, start, end) = (source.log()?, source.offset()?, source.offset()?);
    let mut segment = None;
    if source.u8()? == 1 {
        let id = SegmentId(source.u64()?);
        segment = Some(RewrittenSegment {
            bytes: source.u64()?,
            range: decode_range(id, source)?,
        });
    }
    Ok(Decision::Rewrite {
        log,
        start,
        end,
        segment,
    })
}

/// Adds a lease's bytes to `target`.
pub fn encode_lease(lease: &Lease, target: &mut Vec<u8>) {
    put_short(target, lease.name.as_bytes());
    put_short(target, lease.owner.as_bytes());
    target.put_u64(lease.epoch);
    target.put_i64(lease.until.0);
}

/// Reads a lease.
///
/// # Errors
/// [`Malformed`].
pub fn decode_lease(source: &mut Fields) -> Result<Lease, Malformed> {
    Ok(Lease {
        name: source.key()?,
        owner: String::from_utf8(source.short()?.to_vec())
            .map_err(|_| Malformed("a lease's owner is no text"))?,
        epoch: source.u64()?,
        until: source.timestamp()?,
    })
}

/// Adds a range's bytes to `target`, its segment's number apart.
pub fn encode_range(range: &SegmentRange, target: &mut Vec<u8>) {
    put_log(target, range.log);
    target.put_u64(range.start.0);
    target.put_u64(range.end.0);
    target.put_i64(range.max_timestamp.0);
    target.put_u64(range.batch_bytes);
    target.put_u64(range.index.position);
    target.put_u32(range.index.length);
}

/// Reads a range of `segment`.
///
/// # Errors
/// [`Malformed`].
pub fn decode_range(segment: SegmentId, source: &mut Fields) -> Result<SegmentRange, Malformed> {
    Ok(SegmentRange {
        segment,
        log: source.log()?,
        start: source.offset()?,
        end: source.offset()?,
        max_timestamp: source.timestamp()?,
        batch_bytes: source.u64()?,
        index: segments::Extent {
            position: source.u64()?,
            length: source.u32()?,
        },
    })
}

/// A damaged frame or checkpoint, named by its file and position.
#[must_use]
pub fn damaged(file: &str, position: u64, what: impl Into<String>) -> StoreError {
    StoreError::Damaged {
        file: file.into(),
        position,
        what: what.into(),
    }
}
