//! What shapes accept of a document, and what AWS says of the rest.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::shapes::Blob;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Shape {
    flag: Option<bool>,
    short: Option<i16>,
    integer: Option<i32>,
    long: Option<i64>,
    count: Option<u32>,
    double: Option<f64>,
    string: Option<String>,
    blob: Option<Blob>,
    timestamp: Option<Timestamp>,
    list: Option<Vec<String>>,
    map: Option<BTreeMap<String, String>>,
    structure: Option<Inner>,
    mode: Option<Mode>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inner {
    name: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Mode {
    #[serde(rename = "ON_DEMAND")]
    OnDemand,
    Custom(Inner),
}

fn read(name: &str, value: Value) -> Result<Shape, ShapeError> {
    from_value(Value::Map(vec![(name.to_owned(), value)]))
}

fn check_refused(name: &str, value: Value, text: &str) {
    assert_eq!(read(name, value), Err(ShapeError::Type(text.to_owned())));
}

/// As recorded from AWS by kinesalite (test/helpers.js, assertType).
#[test]
fn wrong_types_are_refused_in_the_words_of_aws() {
    let number = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber";
    let list = || Value::List(Vec::new());
    let map = || Value::Map(Vec::new());
    let list_found = "Start of list found where not expected";
    let map_found = "Start of structure or map found where not expected.";
    for (name, wanted) in [
        ("Integer", "an Integer"),
        ("Long", "an Long"),
        ("Timestamp", "milliseconds since epoch"),
    ] {
        let text = format!("class java.lang.String can not be converted to {wanted}");
        check_refused(name, "23".into(), &text);
        let text = format!("class java.lang.Boolean can not be converted to {wanted}");
        check_refused(name, true.into(), &text);
    }
    for (name, wanted) in [("String", "an String"), ("Blob", "a Blob")] {
        let text = format!("{number} can not be converted to {wanted}");
        check_refused(name, 23.into(), &text);
        check_refused(name, Value::Float(34.56), &text);
    }
    check_refused(
        "Flag",
        23.into(),
        &format!("{number} can not be converted to an Boolean"),
    );
    check_refused(
        "Flag",
        "23".into(),
        "'23' can not be converted to an Boolean",
    );
    for name in ["Flag", "String", "Integer", "Long", "Blob", "Timestamp"] {
        check_refused(name, list(), list_found);
        check_refused(name, map(), map_found);
    }
    for scalar in [
        || Value::from("23"),
        || Value::from(true),
        || Value::Int(23),
    ] {
        check_refused("List", scalar(), "Expected list or null");
        check_refused("Map", scalar(), "Expected map or null");
        check_refused("Structure", scalar(), "Expected null");
    }
    check_refused("List", map(), map_found);
    check_refused("Map", list(), list_found);
    check_refused("Structure", list(), list_found);
}

#[test]
fn numbers_are_cut_and_held_to_their_type() {
    assert_eq!(
        read("Integer", Value::Float(34.9)).unwrap().integer,
        Some(34)
    );
    assert_eq!(
        read("Integer", 100_000_000_000.into()).unwrap().integer,
        Some(i32::MAX)
    );
    assert_eq!(read("Short", 70_000.into()).unwrap().short, Some(i16::MAX));
    assert_eq!(read("Count", (-1).into()).unwrap().count, Some(0));
    assert_eq!(
        read("Long", Value::Float(1e30)).unwrap().long,
        Some(i64::MAX)
    );
    assert_eq!(read("Double", 3.into()).unwrap().double, Some(3.0));
}

#[test]
fn nulls_are_absent_and_unknown_members_ignored() {
    assert_eq!(read("Integer", Value::Null), Ok(Shape::default()));
    assert_eq!(read("NoSuchMember", map_of_one()), Ok(Shape::default()));
    assert_eq!(from_value::<()>(map_of_one()), Ok(()));
}

fn map_of_one() -> Value {
    Value::Map(vec![("a".to_owned(), Value::Int(1))])
}

#[test]
fn a_missing_member_is_told_from_a_wrong_one() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Strict {
        name: String,
    }
    let missing = from_value::<Strict>(Value::Map(Vec::new()));
    assert_eq!(missing, Err(ShapeError::Missing("name")));
}

#[test]
fn unions_have_one_member() {
    let union = |members: Vec<(&str, Value)>| {
        Value::Map(
            members
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect(),
        )
    };
    let custom = read("Mode", union(vec![("Custom", Value::Map(Vec::new()))])).unwrap();
    assert_eq!(custom.mode, Some(Mode::Custom(Inner::default())));
    assert_eq!(
        read("Mode", "ON_DEMAND".into()).unwrap().mode,
        Some(Mode::OnDemand)
    );
    assert!(read("Mode", union(vec![])).is_err());
    assert!(read("Mode", "WHATEVER".into()).is_err());
}

proptest! {
    #[test]
    fn shapes_round_trip(
        flag: Option<bool>, integer: Option<i32>, long: Option<i64>, string: Option<String>,
        bytes: Option<Vec<u8>>, millis: Option<i64>, list: Option<Vec<String>>,
        map: Option<BTreeMap<String, String>>,
    ) {
        let shape = Shape {
            flag, integer, long, string, list, map,
            blob: bytes.map(Blob::from),
            timestamp: millis.map(Timestamp::from_millis),
            mode: Some(Mode::Custom(Inner { name: Some("x".to_owned()) })),
            ..Shape::default()
        };
        let document = to_value(&shape).unwrap();
        prop_assert_eq!(from_value::<Shape>(document).unwrap(), shape);
    }
}
