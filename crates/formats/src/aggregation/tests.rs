//! Round trips, bytes of AWS's own module, and garbage.

#![allow(clippy::indexing_slicing)] // in a test, a panic is the report

use bytes::Bytes;
use md5::{Digest, Md5};
use model::{HashKey, HashRange};
use proptest::prelude::*;

use super::*;

/// Written by `aws-kinesis-agg` 1.2.3 of PyPI, by `testdata/aggregate.py`.
const BY_AWS: &[u8] = include_bytes!("../../testdata/aggregate.bin");

type Plain = (String, Option<u128>, Vec<u8>);

/// The records of `testdata/aggregate.py`.
fn known() -> Vec<Plain> {
    let mut records = Vec::new();
    for at in 0..300_u128 {
        let key = format!("key-{}", at % 140);
        let hash_key = (at % 3 == 0).then_some((at % 5) << 100);
        let data = format!("record {at}").repeat(at as usize % 20);
        records.push((key, hash_key, data.into_bytes()));
    }
    records.push(("ключ".to_owned(), Some(u128::MAX), vec![0, 255]));
    records
}

fn aggregate(records: &[Plain], limits: Limits) -> Option<Finished> {
    let mut aggregator = Aggregator::new(limits);
    for (key, hash_key, data) in records {
        let before = aggregator.size();
        if !aggregator.add(key, hash_key.map(HashKey), data) {
            assert_eq!(aggregator.size(), before);
            break;
        }
    }
    let (size, count) = (aggregator.size(), aggregator.count());
    let finished = aggregator.finish();
    if let Some(finished) = &finished {
        assert_eq!(finished.records, count);
        assert!(finished.data.len() == size || count == 1);
    }
    assert_eq!(aggregator.size(), 20, "begins anew");
    finished
}

fn taken_apart(data: &Bytes) -> Vec<Plain> {
    let records = deaggregate(data, "outer").enumerate();
    let plain = records.map(|(at, record)| {
        assert_eq!(record.sub_sequence, at as u64);
        let hash_key = record.explicit_hash_key.map(|key| key.0);
        let key = record.partition_key.as_str().to_owned();
        (key, hash_key, record.data.to_vec())
    });
    plain.collect()
}

/// A message of the test's own, with the right magic and digest.
fn wrapped(message: &[u8]) -> Bytes {
    let digest = Md5::digest(message);
    [&MAGIC, message, &digest].concat().into()
}

#[test]
fn what_is_written_is_what_awss_module_writes() {
    let finished = aggregate(&known(), Limits::default()).unwrap();
    assert_eq!(finished.data, BY_AWS);
    assert_eq!(finished.partition_key, "key-0");
    assert_eq!(finished.explicit_hash_key, Some(HashKey(0)));
}

#[test]
fn what_awss_module_wrote_is_read() {
    assert_eq!(taken_apart(&Bytes::from_static(BY_AWS)), known());
}

#[test]
fn one_record_alone_goes_as_it_is() {
    let records = [("k".to_owned(), Some(7), b"data".to_vec())];
    let finished = aggregate(&records, Limits::default()).unwrap();
    assert_eq!(finished.data, "data");
    assert_eq!(finished.explicit_hash_key, Some(HashKey(7)));
    assert_eq!(aggregate(&[], Limits::default()), None);
}

#[test]
fn limits_hold_to_the_byte() {
    let records = known();
    let fits = aggregate(&records[..2], Limits::default()).unwrap();
    let mut limits = Limits {
        bytes: fits.data.len(),
        records: 2,
    };
    assert_eq!(aggregate(&records[..3], limits).unwrap().records, 2);
    limits.bytes -= 1;
    assert_eq!(aggregate(&records[..3], limits).unwrap().records, 1);
}

#[test]
fn what_only_looks_aggregated_is_plain() {
    let check = |data: &Bytes| {
        let records = deaggregate(data, "outer");
        assert!(!records.is_aggregated());
        assert!(records.lies_within(&HashRange::ALL));
        let expected = [("outer".to_owned(), None, data.to_vec())];
        assert_eq!(taken_apart(data), expected);
    };
    check(&Bytes::new());
    check(&Bytes::from_static(&MAGIC));
    for at in 0..BY_AWS.len() {
        let mut flipped = BY_AWS.to_vec();
        flipped[at] ^= 1;
        check(&flipped.into());
    }
    check(&wrapped(b"\x0a"));
    check(&wrapped(b"\x0a\x05key"));
    check(&wrapped(b"\x0a\x01\xff"));
    // Data without a key, a key without data, a key that is not in the table, a hash key that is none, a group.
    check(&wrapped(b"\x0a\x01k\x1a\x03\x1a\x01d"));
    check(&wrapped(b"\x0a\x01k\x1a\x02\x08\x00"));
    check(&wrapped(b"\x0a\x01k\x1a\x05\x08\x01\x1a\x01d"));
    check(&wrapped(
        b"\x0a\x01k\x12\x01x\x1a\x07\x08\x00\x10\x00\x1a\x01d",
    ));
    check(&wrapped(b"\x0b\x0c"));
}

#[test]
fn fields_may_come_in_any_order_and_unknown_ones_are_passed_over() {
    let message =
        b"\x1a\x0b\x1a\x01d\x22\x04\x0a\x02t1\x08\x00\x0a\x01k\x2a\x01x\x35\x01\x02\x03\x04";
    let expected = [("k".to_owned(), None, b"d".to_vec())];
    assert_eq!(taken_apart(&wrapped(message)), expected);
    let nothing = deaggregate(&wrapped(b""), "outer");
    assert!(nothing.is_aggregated());
    assert_eq!(nothing.count(), 0);
}

#[test]
fn an_aggregate_lies_in_a_range_if_all_its_records_do() {
    let record = |hash_key| ("k".to_owned(), Some(hash_key), Vec::new());
    let finished = aggregate(&[record(3), record(9)], Limits::default()).unwrap();
    let within = |first, last| {
        let range = HashRange {
            first: HashKey(first),
            last: HashKey(last),
        };
        deaggregate(&finished.data, "k").lies_within(&range)
    };
    assert!(within(3, 9));
    assert!(!within(3, 8));
    assert!(!within(4, 9));
}

fn plain() -> impl Strategy<Value = Plain> {
    let key = prop_oneof!["[a-c]", ".{1,20}"];
    let hash_key = proptest::option::of(prop_oneof![0..4_u128, any::<u128>()]);
    (
        key,
        hash_key,
        proptest::collection::vec(any::<u8>(), 0..300),
    )
}

proptest! {
    #[test]
    fn records_make_the_round_trip(records in proptest::collection::vec(plain(), 2..200)) {
        let limits = Limits { bytes: 20_000, records: 150 };
        let finished = aggregate(&records, limits).unwrap();
        prop_assert!(finished.data.len() <= limits.bytes && finished.records <= limits.records);
        prop_assert_eq!(taken_apart(&finished.data), &records[..finished.records]);
    }

    #[test]
    fn arbitrary_messages_never_panic(message in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(deaggregate(&wrapped(&message), "k").count() <= message.len());
        prop_assert_eq!(deaggregate(&message.into(), "k").count(), 1);
    }

    #[test]
    fn broken_messages_never_panic(at in 4..BY_AWS.len() - 16, byte: u8, cut in 0..100_usize) {
        let mut message = BY_AWS[4..BY_AWS.len() - 16 - cut].to_vec();
        if let Some(target) = message.get_mut(at - 4) {
            *target = byte;
        }
        prop_assert!(deaggregate(&wrapped(&message), "k").count() <= message.len());
    }
}
