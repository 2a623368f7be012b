use proptest::prelude::*;

use super::arbitrary::{items, values};
use super::*;
use crate::dynamodb::Invalid;

/// A value from its wire form in JSON, by the way every request takes.
fn read(json: &str) -> Result<Value, Invalid> {
    let sent: AttributeValue = serde_json::from_str(json).unwrap();
    Value::try_from(sent)
}

fn check_fault(json: &str, fault: &str) {
    assert_eq!(read(json), Err(Invalid::new(fault)), "{json}");
}

fn check_same(json: &str) {
    let value = read(json).unwrap();
    assert_eq!(serde_json::to_string(&value).unwrap(), json);
}

#[test]
fn every_type_has_its_wire_form() {
    for json in [
        r#"{"S":""}"#,
        r#"{"N":"-1.5"}"#,
        r#"{"B":"aGk="}"#,
        r#"{"BOOL":false}"#,
        r#"{"NULL":true}"#,
        r#"{"M":{"a":{"L":[{"S":"x"},{"M":{}}]}}}"#,
        r#"{"L":[]}"#,
        r#"{"SS":["","a"]}"#,
        r#"{"NS":["-1","2","10"]}"#,
        r#"{"BS":["","YQ=="]}"#,
    ] {
        check_same(json);
    }
}

#[test]
fn blobs_are_bytes_where_the_format_has_bytes() {
    let value = Value::B(Bytes::from_static(b"hi"));
    let document = aws::to_value(&value).unwrap();
    let bytes = aws::Value::Bytes(Bytes::from_static(b"hi"));
    assert_eq!(document, aws::Value::Map(vec![("B".to_owned(), bytes)]));
    let sent: AttributeValue = aws::from_value(document).unwrap();
    assert_eq!(Value::try_from(sent), Ok(value));
}

#[test]
fn values_that_break_a_rule_are_refused_in_the_words_of_aws() {
    let parameters = "One or more parameter values were invalid: ";
    let none =
        "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
    for json in [
        "{}",
        r#"{"a":""}"#,
        r#"{"S":null}"#,
        r#"{"M":{"a":{}}}"#,
        r#"{"L":[{}]}"#,
    ] {
        check_fault(json, none);
    }
    check_fault(
        r#"{"S":"a","N":"1"}"#,
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
    );
    check_fault(
        r#"{"S":"a","N":"b"}"#,
        "The parameter cannot be converted to a numeric value: b",
    );
    for (json, fault) in [
        (
            r#"{"NULL":false}"#,
            "Null attribute value types must have the value of true",
        ),
        (r#"{"SS":[]}"#, "An string set  may not be empty"),
        (r#"{"NS":[]}"#, "An number set  may not be empty"),
        (r#"{"BS":[]}"#, "Binary sets should not be empty"),
        (
            r#"{"SS":["a","a"]}"#,
            "Input collection [a, a] contains duplicates.",
        ),
        (
            r#"{"BS":["Yg==","Yg=="]}"#,
            "Input collection [Yg==, Yg==]of type BS contains duplicates.",
        ),
    ] {
        check_fault(json, &format!("{parameters}{fault}"));
    }
    check_fault(
        r#"{"NS":["1","1.0"]}"#,
        "Input collection contains duplicates",
    );
    check_fault(
        r#"{"NS":["1",""]}"#,
        "The parameter cannot be converted to a numeric value",
    );
}

#[test]
fn nesting_has_a_limit() {
    let nested = |levels: usize| {
        format!(
            "{}{{\"S\":\"\"}}{}",
            r#"{"L":["#.repeat(levels),
            "]}".repeat(levels)
        )
    };
    assert_eq!(read(&nested(31)).unwrap().nesting(), 31);
    check_fault(
        &nested(32),
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit",
    );
}

#[test]
fn sizes_are_those_of_the_documentation() {
    let check = |json: &str, bytes: usize| assert_eq!(read(json).unwrap().bytes(), bytes, "{json}");
    check(r#"{"S":"hé"}"#, 3);
    check(r#"{"B":"aGk="}"#, 2);
    check(r#"{"NULL":true}"#, 1);
    check(r#"{"BOOL":true}"#, 1);
    check(r#"{"L":[]}"#, 3);
    check(r#"{"L":[{"S":"a"},{"S":"bc"}]}"#, 3 + 2 + 3);
    check(r#"{"M":{"ab":{"S":"c"}}}"#, 3 + 1 + 3);
    check(r#"{"SS":["a","bc"]}"#, 3);
    check(r#"{"N":"0"}"#, 1);
    check(r#"{"N":"1"}"#, 2);
    check(r#"{"N":"-1"}"#, 3);
    check(r#"{"N":"12"}"#, 2);
    check(r#"{"N":"1.2"}"#, 3);
    check(r#"{"N":"123"}"#, 3);
    check(r#"{"N":"1000000"}"#, 2);
    let item = Item::from([
        ("key".to_owned(), Value::from("ab")),
        ("n".to_owned(), Value::from(7)),
    ]);
    assert_eq!(item_bytes(&item), 3 + 2 + 1 + 2);
}

#[test]
fn key_bytes_stay_as_they_are() {
    let check = |value: Value, golden: &[u8]| {
        let mut bytes = Vec::new();
        assert!(value.write_key(&mut bytes));
        assert_eq!(bytes, golden, "{value:?}");
    };
    let number = |text: &str| Value::N(Number::parse(text).unwrap());
    check(Value::from("a\0b"), b"a\0\xffb\0\0");
    check(Value::from(""), b"\0\0");
    check(number("0"), &[0x80]);
    check(number("1"), &[0x81, 130, 11, 0]);
    check(number("-1"), &[0x7f, 255 - 130, 255 - 11, 255]);
    check(number("123"), &[0x81, 132, 13, 31, 0]);
    check(number("9.9e125"), &[0x81, 255, 100, 0]);
    check(number("1e-130"), &[0x81, 0, 11, 0]);
    assert!(!Value::Null.write_key(&mut Vec::new()));
}

#[test]
fn stored_bytes_stay_as_they_are() {
    let item = Item::from([
        ("b".to_owned(), Value::B(Bytes::from_static(b"\xff"))),
        (
            "l".to_owned(),
            Value::L(vec![Value::Null, Value::Bool(true)]),
        ),
        ("n".to_owned(), Value::N(Number::parse("-25.8").unwrap())),
    ]);
    let golden = b"\x03\x01b\x03\x01\xff\x01l\x08\x02\x06\x05\x01n\x02\x82\xff\xff\x01\x02";
    assert_eq!(&write_item(&item)[..], golden);
    let shorter = write_item(&item).slice(..golden.len() - 1);
    assert_eq!(read_item(&shorter), Err(Damaged));
    let longer = Bytes::from([golden, &b"\0"[..]].concat());
    assert_eq!(read_item(&longer), Err(Damaged));
}

#[test]
fn stored_nesting_is_bounded() {
    let bytes = Bytes::from([b"\x01\x01a".to_vec(), b"\x08\x01".repeat(100_000), vec![6]].concat());
    assert_eq!(read_item(&bytes), Err(Damaged));
}

fn keys() -> impl Strategy<Value = Value> {
    values().prop_filter("a key", |value| value.kind().is_ordered())
}

proptest! {
    #[test]
    fn key_bytes_are_ordered_as_values(one in keys(), two in keys()) {
        let bytes = |value: &Value| {
            let mut bytes = Vec::new();
            value.write_key(&mut bytes);
            bytes
        };
        if let Some(order) = one.order(&two) {
            prop_assert_eq!(bytes(&one).cmp(&bytes(&two)), order);
            prop_assert_eq!(bytes(&two).starts_with(&bytes(&one)), one == two);
        }
    }

    #[test]
    fn items_are_stored_and_read_back(item in items()) {
        prop_assert_eq!(read_item(&write_item(&item)), Ok(item));
    }

    #[test]
    fn any_bytes_are_an_item_or_damaged(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(item) = read_item(&Bytes::from(bytes)) {
            prop_assert_eq!(read_item(&write_item(&item)), Ok(item));
        }
    }

    #[test]
    fn wire_forms_round_trip(item in items()) {
        let json = serde_json::to_string(&item).unwrap();
        let sent: AttributeValues = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(super::item(sent), Ok(item.clone()));
        let sent: AttributeValues = aws::from_value(aws::to_value(&item).unwrap()).unwrap();
        prop_assert_eq!(super::item(sent), Ok(item));
    }
}
