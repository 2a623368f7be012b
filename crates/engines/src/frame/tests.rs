use bytes::Bytes;
use model::batch::Producer;
use model::{BatchBuilder, LogId, Offset, StreamId, Timestamp};
use proptest::prelude::*;
use store::{Key, Lease, Version};

use super::*;
use crate::segments::{self, SegmentId, SegmentRange};

const LOG: LogId = LogId {
    stream: StreamId(3),
    partition: 4,
};

fn batch(size: usize) -> Batch {
    let mut builder = BatchBuilder::with_capacity(size);
    builder.push(Timestamp(5), Some(b"k"), Some(&vec![b'v'; size]), &[]);
    builder.finish()
}

fn place() -> Place {
    Place {
        generation: 0x0102_0304_0506_0708,
        sequence: 9,
        previous: 0xAABB_CCDD,
        durable_upto: 7,
    }
}

fn extent(position: u32, length: usize, producer: Option<Producer>) -> Decision {
    Decision::Append(Extent {
        log: LOG,
        base_offset: Offset(100),
        offsets: 1,
        position,
        length: length as u32,
        max_timestamp: Timestamp(5),
        producer,
    })
}

fn range() -> SegmentRange {
    SegmentRange {
        segment: SegmentId(12),
        log: LOG,
        start: Offset(1),
        end: Offset(2),
        max_timestamp: Timestamp(-3),
        batch_bytes: 4,
        index: segments::Extent {
            position: 5,
            length: 6,
        },
    }
}

/// One of each that the first program wrote.
fn decisions(length: usize) -> Vec<Decision> {
    let producer = Producer {
        id: 6,
        epoch: 7,
        sequence: -8,
    };
    vec![
        extent(0, length, None),
        extent(0, length, Some(producer)),
        Decision::CreateLog { log: LOG, born: 11 },
        Decision::SealLog { log: LOG },
        Decision::TrimLog {
            log: LOG,
            start: Offset(50),
        },
        Decision::DeleteLog { log: LOG },
        Decision::Put {
            key: Key::of(&["a", "b"]),
            version: Version(12),
            value: Bytes::from_static(b"{}"),
        },
        Decision::Remove {
            key: Key::of(&["c"]),
        },
        Decision::Lease(Lease {
            name: Key::of(&["l"]),
            owner: "me".into(),
            epoch: 2,
            until: Timestamp(3),
        }),
        Decision::AddSegment {
            id: SegmentId(12),
            bytes: 13,
            ranges: vec![range()],
        },
        Decision::RemoveSegment { id: SegmentId(14) },
    ]
}

/// What came later.
fn later_decisions() -> Vec<Decision> {
    vec![
        Decision::Rewrite {
            log: LOG,
            start: Offset(1),
            end: Offset(9),
            segment: Some(RewrittenSegment {
                bytes: 15,
                range: range(),
            }),
        },
        Decision::Rewrite {
            log: LOG,
            start: Offset(9),
            end: Offset(10),
            segment: None,
        },
    ]
}

/// The frame's own bytes, without what fills its last sector.
fn bytes_of(decisions: &[Decision], batches: &[Batch]) -> Vec<u8> {
    let mut payload = Payload::default();
    for batch in batches {
        payload.push(batch);
    }
    let length = payload.len() as u64;
    let encoded = encode(place(), decisions, payload);
    let mut bytes = encoded.pieces.concat();
    assert_eq!(bytes.len() as u64, encoded.length);
    assert_eq!(encoded.length % ALIGNMENT, 0);
    bytes.truncate((encoded.head_bytes + length) as usize);
    bytes
}

fn sample() -> (Vec<Decision>, Vec<u8>) {
    let batch = batch(20);
    let decisions = decisions(batch.bytes().len());
    let bytes = bytes_of(&decisions, &[batch]);
    (decisions, bytes)
}

#[test]
fn what_is_written_is_read() {
    let (decisions, bytes) = sample();
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.decisions, decisions);
    let header = frame.header;
    assert_eq!(
        (header.generation, header.sequence, header.previous),
        (place().generation, 9, 0xAABB_CCDD)
    );
    assert_eq!(header.durable_upto, 7);
    assert_eq!(header.frame_bytes(), bytes.len() as u64);
    let later = Frame::parse(&bytes_of(&later_decisions(), &[])).unwrap();
    assert_eq!(later.decisions, later_decisions());
}

#[test]
fn decisions_that_came_later_are_read() {
    let decisions = vec![Decision::ForgetProducers {
        log: LOG,
        before: Offset(40),
    }];
    let frame = Frame::parse(&bytes_of(&decisions, &[])).unwrap();
    assert_eq!(frame.decisions, decisions);
}

#[test]
fn the_bytes_of_version_1_stay_what_they_are() {
    let later = bytes_of(&later_decisions(), &[]);
    for (name, bytes) in [("frame", sample().1), ("frame-rewrite", later)] {
        let path = format!("{}/testdata/v1/{name}.bin", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &bytes).unwrap();
        }
        let golden = std::fs::read(&path).unwrap();
        assert_eq!(
            bytes, golden,
            "frames changed; a new format needs a new number"
        );
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let (_, mut bytes) = sample();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert!(Frame::parse(&bytes).is_err(), "byte {at}, bit {bit}");
            bytes[at] ^= 1 << bit;
        }
    }
    assert!(Frame::parse(&bytes).is_ok());
}

#[test]
fn every_truncation_is_noticed() {
    let (_, bytes) = sample();
    for length in 0..bytes.len() {
        assert!(Frame::parse(&bytes[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn batches_outside_the_payload_are_refused() {
    let small = batch(1);
    let length = small.bytes().len();
    for wrong in [
        extent(1, length, None),
        extent(u32::MAX, length, None),
        extent(0, length + 1, None),
    ] {
        let bytes = bytes_of(&[wrong], std::slice::from_ref(&small));
        assert!(Frame::parse(&bytes).is_err());
    }
}

#[test]
fn large_and_small_batches_keep_their_order() {
    let batches = [batch(10), batch(GATHERED_BELOW), batch(11), batch(12)];
    let bytes = bytes_of(&[], &batches);
    let expected: Vec<u8> = batches.iter().flat_map(|b| b.bytes().to_vec()).collect();
    assert_eq!(bytes[HEADER_BYTES..], expected);
    assert!(Frame::parse(&bytes).is_ok());
}

proptest! {
    #[test]
    fn garbage_is_no_frame(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Frame::parse(&bytes).is_err());
        let magic = MAGIC.len().min(bytes.len());
        bytes[..magic].copy_from_slice(&MAGIC[..magic]);
        prop_assert!(Frame::parse(&bytes).is_err());
    }

    #[test]
    fn garbage_decisions_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut fields = Fields::of(bytes.into());
        while !fields.is_empty() && Decision::decode(&mut fields).is_ok() {}
    }
}
