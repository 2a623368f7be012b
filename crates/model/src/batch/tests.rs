use proptest::prelude::*;

use super::*;

fn sample() -> Batch {
    let mut builder = BatchBuilder::with_capacity(64).by(Producer {
        id: 9,
        epoch: 1,
        sequence: 4,
    });
    builder.push(
        Timestamp(1_000),
        Some(b"k"),
        Some(b"value"),
        &[Header {
            name: b"h",
            value: None,
        }],
    );
    builder.push(Timestamp(990), None, None, &[]);
    builder.finish()
}

#[test]
fn what_is_pushed_is_read() {
    let batch = Batch::parse(sample().bytes().clone()).unwrap();
    assert_eq!((batch.record_count(), batch.offsets()), (2, 2));
    assert_eq!(
        (batch.base_timestamp(), batch.max_timestamp()),
        (Timestamp(1_000), Timestamp(1_000))
    );
    assert_eq!(
        batch.producer(),
        Some(Producer {
            id: 9,
            epoch: 1,
            sequence: 4
        })
    );
    let records: Vec<_> = batch.records(Offset(7)).collect();
    assert_eq!(
        (records[0].offset, records[1].offset),
        (Offset(7), Offset(8))
    );
    assert_eq!(records[1].timestamp, Timestamp(990));
    assert_eq!(
        (records[0].key, records[0].value),
        (Some(&b"k"[..]), Some(&b"value"[..]))
    );
    assert_eq!((records[1].key, records[1].value), (None, None));
    assert_eq!(
        records[0].headers().collect::<Vec<_>>(),
        [Header {
            name: b"h",
            value: None
        }]
    );
}

/// The bytes of one known batch, spelled out after the protocol guide, so that the format cannot drift with its own reader.
#[test]
fn golden_bytes() {
    let mut builder = BatchBuilder::with_capacity(8);
    builder.push(Timestamp(5), Some(b"a"), Some(b"b"), &[]);
    let batch = builder.finish();
    let mut expected = vec![0; 8];
    expected.extend(58i32.to_be_bytes());
    expected.extend((-1i32).to_be_bytes());
    expected.push(2);
    let tail = [
        &[0, 0, 0, 0, 0, 0][..],
        &5i64.to_be_bytes(),
        &5i64.to_be_bytes(),
        &[0xFF; 14],
        &1i32.to_be_bytes(),
        &[16, 0, 0, 0, 2, b'a', 2, b'b', 0],
    ]
    .concat();
    expected.extend(crc32c::crc32c(&tail).to_be_bytes());
    expected.extend(tail);
    assert_eq!(batch.bytes()[..], expected[..]);
}

#[test]
fn every_flipped_bit_after_the_epoch_is_noticed() {
    let good = sample().bytes().to_vec();
    for at in 8..good.len() {
        if (LENGTH_FROM..16).contains(&at) {
            continue; // the leader epoch is set on the way out and belongs to no checksum
        }
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert!(Batch::parse(bad.into()).is_err(), "byte {at}");
    }
}

#[test]
fn every_truncation_is_noticed() {
    let good = sample().bytes().clone();
    for length in 0..good.len() {
        assert!(Batch::parse(good.slice(..length)).is_err(), "{length}");
    }
}

/// Found by fuzzing: a record could say that it lies beyond its batch, among the next one's.
#[test]
fn records_with_anothers_offset_are_not_given() {
    let bytes = sample().bytes().to_vec();
    let second_delta = bytes.len() - 4;
    assert_eq!(bytes[second_delta], 2, "the zigzag of 1");
    for wrong_delta in [0, 1, 4] {
        let mut bytes = bytes.clone();
        bytes[second_delta] = wrong_delta;
        let batch = close(bytes);
        let offsets: Vec<_> = batch
            .records(Offset(7))
            .map(|record| record.offset)
            .collect();
        assert_eq!(offsets, [Offset(7)], "{wrong_delta}");
    }
}

#[test]
fn a_sealed_payload_comes_back_and_hides_its_records() {
    let open = sample();
    let sealed = open.with_payload(b"secret", true);
    assert!(sealed.is_sealed() && sealed.payload() == b"secret");
    assert_eq!(sealed.records(Offset::ZERO).count(), 0);
    assert!(Batch::parse(sealed.bytes().clone()).is_ok());
    assert_eq!(sealed.with_payload(open.payload(), false), open);
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Batch::parse(bytes.clone().into());
        if let Ok(batch) = Batch::parse_unverified(bytes.into()) {
            let _ = batch.records(Offset::ZERO).flat_map(|r| r.headers()).count();
        }
    }

    #[test]
    fn garbage_records_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let batch = sample().with_payload(&payload, false);
        let _ = batch.records(Offset::ZERO).flat_map(|r| r.headers()).count();
    }
}
