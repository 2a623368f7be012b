//! JSON, as AWS JSON 1.0 and 1.1 write it: blobs as base64 text, timestamps as epoch seconds with three decimals.
//!
//! serde_json does the parsing and stops at a depth of 128, our `DEPTH_MAX`.

use std::cell::Cell;
use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::shapes::encode_base64;
use crate::value::{VALUES_MAX, Value};

/// Reads a document; `None` if this is not one JSON value.
#[must_use]
pub fn decode(body: &[u8]) -> Option<Value> {
    let room = Cell::new(VALUES_MAX);
    let mut parser = serde_json::Deserializer::from_slice(body);
    let document = Document { room: &room }.deserialize(&mut parser).ok()?;
    parser.end().ok()?;
    Some(document)
}

/// Writes a document. Numbers that JSON has no way to write (NaN, infinities) become null.
#[must_use]
pub fn encode(document: &Value) -> Bytes {
    serde_json::to_vec(&Encoded(document))
        .expect("a document has only text for keys, and memory is no I/O")
        .into()
}

/// Reads one value while there is room for more.
#[derive(Clone, Copy)]
struct Document<'a> {
    room: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.room.get().checked_sub(1);
        self.room
            .set(left.ok_or_else(|| D::Error::custom("too many values"))?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Float(number as f64), Value::Int))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(name) = members.next_key()? {
            map.push((name, members.next_value_seed(self)?));
        }
        Ok(Value::Map(map))
    }
}

struct Encoded<'a>(&'a Value);

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(truth) => serializer.serialize_bool(*truth),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Text(text) | Value::Untyped(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => serializer.serialize_str(&encode_base64(bytes)),
            Value::Timestamp(moment) => serializer.serialize_f64(moment.seconds()),
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Encoded(item))?;
                }
                list.end()
            }
            Value::Map(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, &Encoded(value))?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::shapes::Timestamp;
    use crate::value::arbitrary;

    #[test]
    fn values_are_written_as_aws_writes_them() {
        let check = |value: Value, text: &str| assert_eq!(encode(&value), text);
        check(Value::Bytes(Bytes::from_static(b"hi")), "\"aGk=\"");
        check(
            Value::Timestamp(Timestamp::from_millis(1_700_000_000_123)),
            "1700000000.123",
        );
        check(Value::Float(f64::NAN), "null");
        check(
            Value::Map(vec![(
                "a\"".to_owned(),
                Value::List(vec![Value::Null, true.into()]),
            )]),
            "{\"a\\\"\":[null,true]}",
        );
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(decode(nested(100).as_bytes()).is_some());
        assert!(decode(nested(200).as_bytes()).is_none());
        assert!(decode("[".repeat(1_000_000).as_bytes()).is_none());
    }

    #[test]
    fn numbers_beyond_64_bits_are_floats() {
        assert_eq!(
            decode(b"18446744073709551616"),
            Some(Value::Float(18_446_744_073_709_551_616.0))
        );
        assert_eq!(decode(b"9223372036854775807"), Some(Value::Int(i64::MAX)));
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        let list = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert!(decode(list(VALUES_MAX - 1).as_bytes()).is_some());
        assert!(decode(list(VALUES_MAX).as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn documents_round_trip(document in arbitrary::document(arbitrary::json_scalar())) {
            prop_assert_eq!(decode(&encode(&document)), Some(document));
        }

        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
