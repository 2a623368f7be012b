//! Golden bytes from RFC 8949, appendix A, and from what the SDK for Java writes; round trips; garbage.

use proptest::prelude::*;

use super::*;
use crate::value::arbitrary;

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
        .collect()
}

fn read(hex: &str) -> Option<Value> {
    decode(&bytes_of(hex).into())
}

/// Read and written alike.
fn check(hex: &str, value: Value) {
    assert_eq!(encode(&value), bytes_of(hex), "{hex}");
    assert_eq!(read(hex), Some(value), "{hex}");
}

fn check_read(hex: &str, value: Value) {
    assert_eq!(read(hex), Some(value), "{hex}");
}

fn map(members: &[(&str, Value)]) -> Value {
    let owned = members.iter().map(|(k, v)| ((*k).to_owned(), v.clone()));
    Value::Map(owned.collect())
}

#[test]
fn golden_bytes_of_the_rfc() {
    check("00", Value::Int(0));
    check("17", Value::Int(23));
    check("1818", Value::Int(24));
    check("1903e8", Value::Int(1000));
    check("1a000f4240", Value::Int(1_000_000));
    check("1b000000e8d4a51000", Value::Int(1_000_000_000_000));
    check("20", Value::Int(-1));
    check("3903e7", Value::Int(-1000));
    check("3b7fffffffffffffff", Value::Int(i64::MIN));
    check("fb3ff199999999999a", Value::Float(1.1));
    check("f4", Value::Bool(false));
    check("f5", Value::Bool(true));
    check("f6", Value::Null);
    check(
        "4401020304",
        Value::Bytes(Bytes::from_static(&[1, 2, 3, 4])),
    );
    check("62c3bc", "ü".into());
    check("83010203", Value::List(vec![1.into(), 2.into(), 3.into()]));
    check(
        "a26161016162820203",
        map(&[
            ("a", 1.into()),
            ("b", Value::List(vec![2.into(), 3.into()])),
        ]),
    );
}

#[test]
fn what_others_write_is_read() {
    check_read("f7", Value::Null);
    check_read(
        "1bffffffffffffffff",
        Value::Float(18_446_744_073_709_551_615.0),
    );
    check_read(
        "3bffffffffffffffff",
        Value::Float(-18_446_744_073_709_551_616.0),
    );
    check_read("f93c00", Value::Float(1.0));
    check_read("f90001", Value::Float(5.960_464_477_539_063e-8));
    check_read("f9c400", Value::Float(-4.0));
    check_read("f97bff", Value::Float(65504.0));
    check_read("f97c00", Value::Float(f64::INFINITY));
    check_read("fa47c35000", Value::Float(100_000.0));
    check_read(
        "5f42010243030405ff",
        Value::Bytes(Bytes::from_static(&[1, 2, 3, 4, 5])),
    );
    check_read("7f657374726561646d696e67ff", "streaming".into());
    check_read(
        "9f018202039f0405ffff",
        Value::List(vec![
            1.into(),
            Value::List(vec![2.into(), 3.into()]),
            Value::List(vec![4.into(), 5.into()]),
        ]),
    );
    check_read(
        "bf61610161629f0203ffff",
        map(&[
            ("a", 1.into()),
            ("b", Value::List(vec![2.into(), 3.into()])),
        ]),
    );
    // A tag we know nothing of.
    check_read(
        "d74401020304",
        Value::Bytes(Bytes::from_static(&[1, 2, 3, 4])),
    );
}

/// `SdkCborGenerator.writeValue(Instant)`: tag 1, milliseconds.
#[test]
fn timestamps_are_milliseconds() {
    let moment = Timestamp::from_millis(1_700_000_000_123);
    check("c11b0000018bcfe5687b", Value::Timestamp(moment));
    check("c120", Value::Timestamp(Timestamp::from_millis(-1)));
    // RFC 8949's 1363896240.5
    check_read(
        "c1fb41d452d9ec200000",
        Value::Timestamp(Timestamp::from_millis(1_363_896_240_500)),
    );
}

/// As Jackson writes a PutRecord: an indefinite map around definite members.
#[test]
fn a_request_of_the_java_sdk_is_read() {
    check_read(
        "bf6a53747265616d4e616d6561736444617461426869 6c506172746974696f6e4b65796161ff"
            .replace(' ', "")
            .as_str(),
        map(&[
            ("StreamName", "s".into()),
            ("Data", Value::Bytes(Bytes::from_static(b"hi"))),
            ("PartitionKey", "a".into()),
        ]),
    );
}

#[test]
fn malformed_bytes_are_refused() {
    for hex in [
        "",
        "18",
        "19ff",
        "1c",
        "41",
        "5f",
        "5f6161ff",
        "5f5f4100ffff",
        "61ff",
        "7f61",
        "82",
        "8201",
        "a1",
        "a161",
        "a10102",
        "ff",
        "81ff",
        "a16161ff",
        "bf6161ff",
        "9f",
        "c1",
        "c16161",
        "c1f5",
        "f8",
        "fb00",
        "0000",
        "fc",
        "9affffffff",
        "baffffffff",
        "5affffffff",
        "5bffffffffffffffff",
    ] {
        assert_eq!(read(hex), None, "{hex}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| {
        let mut bytes = vec![0x81; depth];
        bytes.push(0xf6);
        Bytes::from(bytes)
    };
    assert!(decode(&nested(100)).is_some());
    assert!(decode(&nested(DEPTH_MAX)).is_none());
    assert!(decode(&nested(1_000_000)).is_none());
    assert!(Reader::new(&nested(1_000_000)).skip().is_err());
    // Tags nest too, but cost no stack.
    assert!(decode(&Bytes::from(vec![0xc6; 1_000_000])).is_none());
}

#[test]
fn the_number_of_values_is_bounded() {
    let list = |count: usize| {
        let zeros = vec![0; count];
        Bytes::from([&[0x9f][..], &zeros, &[0xff]].concat())
    };
    assert!(decode(&list(VALUES_MAX - 2)).is_some());
    assert!(decode(&list(VALUES_MAX)).is_none());
}

#[test]
fn items_can_be_skipped() {
    let bytes = bytes_of("bf6161830102bf6162f5ffff05");
    let mut reader = Reader::new(&bytes);
    reader.skip().unwrap();
    assert_eq!(reader.item(), Ok(Item::Int(5)));
    assert!(reader.is_at_end());
    assert!(Reader::new(&bytes_of("82ff00")).skip().is_err());
}

proptest! {
    #[test]
    fn documents_round_trip(document in arbitrary::document(arbitrary::cbor_scalar())) {
        prop_assert_eq!(decode(&encode(&document)), Some(document));
    }

    #[test]
    fn skipping_ends_where_reading_does(document in arbitrary::document(arbitrary::cbor_scalar())) {
        let bytes = encode(&document);
        let mut reader = Reader::new(&bytes);
        reader.skip().unwrap();
        prop_assert!(reader.is_at_end());
    }

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        let _ = Reader::new(&bytes).skip();
        let _ = decode(&Bytes::from(bytes));
    }
}
