//! Reading shapes from a document, with AWS's conversions and AWS's texts where a member has the wrong type.
//!
//! The texts are those of AWS's own JSON service framework as recorded by kinesalite's test suite against AWS.
//! A null member of a structure is as good as absent. Numbers are cut to a whole number and held to the range of
//! the member's type, as AWS does; text is never taken for a number, but in a format that has nothing else.

use bytes::Bytes;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

use super::{ShapeError, Value};
use crate::shapes::{self, TIMESTAMP_NAME, Timestamp};

const NUMBER_CLASS: &str = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber";
const LIST_FOUND: &str = "Start of list found where not expected";
const MAP_FOUND: &str = "Start of structure or map found where not expected.";

/// Reads a shape from a document.
///
/// # Errors
/// If a member has the wrong type, or one that the shape cannot do without is absent.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ShapeError> {
    T::deserialize(Reader(value))
}

struct Reader(Value);

fn mismatch(text: impl Into<String>) -> ShapeError {
    ShapeError::Type(text.into())
}

/// AWS's text for a scalar or container found where `wanted` ("an Integer", "a Blob") belongs.
fn cannot_convert(value: &Value, wanted: &str) -> ShapeError {
    let found = match value {
        Value::List(_) => return mismatch(LIST_FOUND),
        Value::Map(_) => return mismatch(MAP_FOUND),
        Value::Null => "null",
        Value::Bool(_) => "class java.lang.Boolean",
        Value::Int(_) | Value::Float(_) => NUMBER_CLASS,
        Value::Text(_) | Value::Untyped(_) => "class java.lang.String",
        Value::Bytes(_) => "class java.nio.HeapByteBuffer",
        Value::Timestamp(_) => "class java.util.Date",
    };
    mismatch(format!("{found} can not be converted to {wanted}"))
}

/// Java's text, for text where a number belongs.
fn no_number(text: &str) -> ShapeError {
    mismatch(format!("For input string: \"{text}\""))
}

impl Reader {
    /// A whole number of the type AWS calls `wanted`, held to that type's range.
    fn whole(self, wanted: &str, min: i64, max: i64) -> Result<i64, ShapeError> {
        match self.0 {
            Value::Int(number) => Ok(number.clamp(min, max)),
            // `as` saturates, and takes NaN to zero.
            Value::Float(number) => Ok((number.trunc() as i64).clamp(min, max)),
            Value::Untyped(text) => match text.parse::<i64>() {
                Ok(number) if (min..=max).contains(&number) => Ok(number),
                _ => Err(no_number(&text)),
            },
            other => Err(cannot_convert(&other, wanted)),
        }
    }

    fn double(self) -> Result<f64, ShapeError> {
        match self.0 {
            Value::Int(number) => Ok(number as f64),
            Value::Float(number) => Ok(number),
            Value::Untyped(text) => text.parse().map_err(|_| no_number(&text)),
            // How Smithy's JSON writes what JSON has no number for.
            Value::Text(text) if ["NaN", "Infinity", "-Infinity"].contains(&&*text) => {
                text.parse().map_err(|_| no_number(&text))
            }
            other => Err(cannot_convert(&other, "an Double")),
        }
    }

    fn truth(self) -> Result<bool, ShapeError> {
        match self.0 {
            Value::Bool(truth) => Ok(truth),
            Value::Text(text) | Value::Untyped(text) => match text.to_ascii_uppercase().as_str() {
                "TRUE" | "YES" | "1" => Ok(true),
                "FALSE" | "NO" | "0" => Ok(false),
                other => Err(mismatch(format!(
                    "'{other}' can not be converted to an Boolean"
                ))),
            },
            other => Err(cannot_convert(&other, "an Boolean")),
        }
    }

    fn text(self) -> Result<String, ShapeError> {
        match self.0 {
            Value::Text(text) | Value::Untyped(text) => Ok(text),
            other => Err(cannot_convert(&other, "an String")),
        }
    }

    fn blob(self) -> Result<Bytes, ShapeError> {
        match self.0 {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Text(text) | Value::Untyped(text) => {
                shapes::decode_base64(&text).map_err(mismatch)
            }
            other => Err(cannot_convert(&other, "a Blob")),
        }
    }

    fn timestamp(self) -> Result<Timestamp, ShapeError> {
        match self.0 {
            Value::Timestamp(moment) => Ok(moment),
            Value::Int(seconds) => Ok(Timestamp::from_millis(seconds.saturating_mul(1000))),
            Value::Float(seconds) => Ok(Timestamp::from_seconds(seconds)),
            Value::Untyped(text) => Timestamp::parse_iso(&text)
                .ok_or_else(|| mismatch(format!("timestamp must follow ISO8601, got '{text}'"))),
            other => Err(cannot_convert(&other, "milliseconds since epoch")),
        }
    }

    fn list(self) -> Result<Vec<Value>, ShapeError> {
        match self.0 {
            Value::List(items) => Ok(items),
            // How Query writes a list without elements.
            Value::Untyped(text) if text.is_empty() => Ok(Vec::new()),
            Value::Map(_) => Err(mismatch(MAP_FOUND)),
            _ => Err(mismatch("Expected list or null")),
        }
    }

    fn map(self, otherwise: &str) -> Result<Vec<(String, Value)>, ShapeError> {
        match self.0 {
            Value::Map(members) => Ok(members),
            Value::Untyped(text) if text.is_empty() => Ok(Vec::new()),
            Value::List(_) => Err(mismatch(LIST_FOUND)),
            _ => Err(mismatch(otherwise)),
        }
    }
}

/// A `deserialize_*` method for a whole number: method, visit method, type, AWS's name for it.
macro_rules! whole_number {
    ($($method:ident $visit:ident $kind:ty, $name:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
            let max = i64::try_from(<$kind>::MAX).unwrap_or(i64::MAX);
            let number = self.whole($name, <$kind>::MIN as i64, max)?;
            visitor.$visit(number as $kind)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader {
    type Error = ShapeError;

    fn is_human_readable(&self) -> bool {
        false
    }

    whole_number! {
        deserialize_i8 visit_i8 i8, "an Byte";
        deserialize_i16 visit_i16 i16, "an Short";
        deserialize_i32 visit_i32 i32, "an Integer";
        deserialize_i64 visit_i64 i64, "an Long";
        deserialize_u8 visit_u8 u8, "an Byte";
        deserialize_u16 visit_u16 u16, "an Integer";
        deserialize_u32 visit_u32 u32, "an Long";
        deserialize_u64 visit_u64 u64, "an Long";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(truth),
            Value::Int(number) => visitor.visit_i64(number),
            Value::Float(number) => visitor.visit_f64(number),
            Value::Text(text) | Value::Untyped(text) => visitor.visit_string(text),
            Value::Bytes(bytes) => visitor.visit_byte_buf(bytes.into()),
            Value::Timestamp(moment) => visitor.visit_f64(moment.seconds()),
            Value::List(items) => visitor.visit_seq(Items(items.into_iter())),
            Value::Map(members) => visitor.visit_map(Members::of(members)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        visitor.visit_bool(self.truth()?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        visitor.visit_f64(self.double()?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        visitor.visit_f64(self.double()?)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        visitor.visit_string(self.text()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        visitor.visit_string(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        visitor.visit_string(self.text()?)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        visitor.visit_string(self.text()?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        self.deserialize_byte_buf(visitor)
    }

    /// A blob is handed over without copying where the bytes have no other owner.
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        visitor.visit_byte_buf(self.blob()?.into())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            value => visitor.visit_some(Reader(value)),
        }
    }

    /// An operation without input takes an empty structure.
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            value => {
                Reader(value).map("Expected null")?;
                visitor.visit_unit()
            }
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        if name == TIMESTAMP_NAME {
            return visitor.visit_i64(self.timestamp()?.millis());
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        visitor.visit_seq(Items(self.list()?.into_iter()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        visitor.visit_map(Members::of(self.map("Expected map or null")?))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        visitor.visit_map(Members::without_nulls(self.map("Expected null")?))
    }

    /// Enumerations are text; a union is a map of one member.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        match self.0 {
            Value::Map(members) => {
                let mut set = members.into_iter().filter(|(_, value)| !value.is_null());
                match (set.next(), set.next()) {
                    (Some((name, value)), None) => visitor.visit_enum(Variant { name, value }),
                    _ => Err(mismatch("a union must have exactly one member set")),
                }
            }
            other => visitor.visit_enum(Reader(other).text()?.into_deserializer()),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        visitor.visit_unit()
    }
}

struct Items(std::vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for Items {
    type Error = ShapeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ShapeError> {
        self.0
            .next()
            .map(|value| seed.deserialize(Reader(value)))
            .transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Members {
    rest: std::vec::IntoIter<(String, Value)>,
    current: Option<Value>,
    skip_nulls: bool,
}

impl Members {
    fn of(members: Vec<(String, Value)>) -> Self {
        Members {
            rest: members.into_iter(),
            current: None,
            skip_nulls: false,
        }
    }

    fn without_nulls(members: Vec<(String, Value)>) -> Self {
        Members {
            skip_nulls: true,
            ..Members::of(members)
        }
    }
}

impl<'de> MapAccess<'de> for Members {
    type Error = ShapeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ShapeError> {
        let skip_nulls = self.skip_nulls;
        match self
            .rest
            .find(|(_, value)| !(skip_nulls && value.is_null()))
        {
            Some((key, value)) => {
                self.current = Some(value);
                seed.deserialize(Reader(Value::Text(key))).map(Some)
            }
            None => Ok(None),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, ShapeError> {
        seed.deserialize(Reader(self.current.take().unwrap_or_default()))
    }
}

struct Variant {
    name: String,
    value: Value,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = ShapeError;
    type Variant = Reader;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Reader), ShapeError> {
        let variant = seed.deserialize(Reader(Value::Text(self.name)))?;
        Ok((variant, Reader(self.value)))
    }
}

impl<'de> VariantAccess<'de> for Reader {
    type Error = ShapeError;

    fn unit_variant(self) -> Result<(), ShapeError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, ShapeError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        self.deserialize_struct("", fields, visitor)
    }
}
