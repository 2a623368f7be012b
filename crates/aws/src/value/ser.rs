//! Writing shapes into a document. Members that are `None` are left out, as AWS leaves them out.

use bytes::Bytes;
use serde::Serialize;
use serde::ser::{
    Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{ShapeError, Value};
use crate::shapes::{TIMESTAMP_NAME, Timestamp};

/// Turns a shape into a document.
///
/// # Errors
/// If a map's keys are not text, or the shape's own code refuses.
pub fn to_value<T: Serialize + ?Sized>(shape: &T) -> Result<Value, ShapeError> {
    shape.serialize(Writer)
}

struct Writer;

impl Serializer for Writer {
    type Ok = Value;
    type Error = ShapeError;
    type SerializeSeq = ListWriter;
    type SerializeTuple = ListWriter;
    type SerializeTupleStruct = ListWriter;
    type SerializeTupleVariant = ListWriter;
    type SerializeMap = MapWriter;
    type SerializeStruct = MapWriter;
    type SerializeStructVariant = MapWriter;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, truth: bool) -> Result<Value, ShapeError> {
        Ok(Value::Bool(truth))
    }

    fn serialize_i8(self, number: i8) -> Result<Value, ShapeError> {
        Ok(Value::Int(number.into()))
    }

    fn serialize_i16(self, number: i16) -> Result<Value, ShapeError> {
        Ok(Value::Int(number.into()))
    }

    fn serialize_i32(self, number: i32) -> Result<Value, ShapeError> {
        Ok(Value::Int(number.into()))
    }

    fn serialize_i64(self, number: i64) -> Result<Value, ShapeError> {
        Ok(Value::Int(number))
    }

    fn serialize_u8(self, number: u8) -> Result<Value, ShapeError> {
        Ok(Value::Int(number.into()))
    }

    fn serialize_u16(self, number: u16) -> Result<Value, ShapeError> {
        Ok(Value::Int(number.into()))
    }

    fn serialize_u32(self, number: u32) -> Result<Value, ShapeError> {
        Ok(Value::Int(number.into()))
    }

    fn serialize_u64(self, number: u64) -> Result<Value, ShapeError> {
        Ok(i64::try_from(number).map_or(Value::Float(number as f64), Value::Int))
    }

    fn serialize_f32(self, number: f32) -> Result<Value, ShapeError> {
        Ok(Value::Float(number.into()))
    }

    fn serialize_f64(self, number: f64) -> Result<Value, ShapeError> {
        Ok(Value::Float(number))
    }

    fn serialize_char(self, letter: char) -> Result<Value, ShapeError> {
        Ok(Value::Text(letter.into()))
    }

    fn serialize_str(self, text: &str) -> Result<Value, ShapeError> {
        Ok(Value::Text(text.to_owned()))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, ShapeError> {
        Ok(Value::Bytes(Bytes::copy_from_slice(bytes)))
    }

    fn serialize_none(self) -> Result<Value, ShapeError> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, ShapeError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, ShapeError> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, ShapeError> {
        Ok(Value::Map(Vec::new()))
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Value, ShapeError> {
        Ok(Value::Text(variant.to_owned()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Value, ShapeError> {
        match (name, value.serialize(Writer)?) {
            (TIMESTAMP_NAME, Value::Int(millis)) => {
                Ok(Value::Timestamp(Timestamp::from_millis(millis)))
            }
            (_, inner) => Ok(inner),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, ShapeError> {
        let inner = value.serialize(Writer)?;
        Ok(Value::Map(vec![(variant.to_owned(), inner)]))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<ListWriter, ShapeError> {
        Ok(ListWriter::new(None, len.unwrap_or(0)))
    }

    fn serialize_tuple(self, len: usize) -> Result<ListWriter, ShapeError> {
        Ok(ListWriter::new(None, len))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        len: usize,
    ) -> Result<ListWriter, ShapeError> {
        Ok(ListWriter::new(None, len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<ListWriter, ShapeError> {
        Ok(ListWriter::new(Some(variant), len))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<MapWriter, ShapeError> {
        Ok(MapWriter::new(None, len.unwrap_or(0)))
    }

    fn serialize_struct(self, _name: &'static str, len: usize) -> Result<MapWriter, ShapeError> {
        Ok(MapWriter::new(None, len))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<MapWriter, ShapeError> {
        Ok(MapWriter::new(Some(variant), len))
    }
}

/// A union's member is wrapped in a map of its name.
fn wrap(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(name) => Value::Map(vec![(name.to_owned(), value)]),
        None => value,
    }
}

struct ListWriter {
    variant: Option<&'static str>,
    items: Vec<Value>,
}

impl ListWriter {
    fn new(variant: Option<&'static str>, len: usize) -> Self {
        ListWriter {
            variant,
            items: Vec::with_capacity(len),
        }
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ShapeError> {
        self.items.push(value.serialize(Writer)?);
        Ok(())
    }

    fn finish(self) -> Value {
        wrap(self.variant, Value::List(self.items))
    }
}

impl SerializeSeq for ListWriter {
    type Ok = Value;
    type Error = ShapeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ShapeError> {
        self.push(value)
    }

    fn end(self) -> Result<Value, ShapeError> {
        Ok(self.finish())
    }
}

impl SerializeTuple for ListWriter {
    type Ok = Value;
    type Error = ShapeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ShapeError> {
        self.push(value)
    }

    fn end(self) -> Result<Value, ShapeError> {
        Ok(self.finish())
    }
}

impl SerializeTupleStruct for ListWriter {
    type Ok = Value;
    type Error = ShapeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ShapeError> {
        self.push(value)
    }

    fn end(self) -> Result<Value, ShapeError> {
        Ok(self.finish())
    }
}

impl SerializeTupleVariant for ListWriter {
    type Ok = Value;
    type Error = ShapeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ShapeError> {
        self.push(value)
    }

    fn end(self) -> Result<Value, ShapeError> {
        Ok(self.finish())
    }
}

struct MapWriter {
    variant: Option<&'static str>,
    members: Vec<(String, Value)>,
    key: Option<String>,
}

impl MapWriter {
    fn new(variant: Option<&'static str>, len: usize) -> Self {
        MapWriter {
            variant,
            members: Vec::with_capacity(len),
            key: None,
        }
    }

    fn member<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), ShapeError> {
        let value = value.serialize(Writer)?;
        if !value.is_null() {
            self.members.push((name.to_owned(), value));
        }
        Ok(())
    }

    fn finish(self) -> Value {
        wrap(self.variant, Value::Map(self.members))
    }
}

impl SerializeMap for MapWriter {
    type Ok = Value;
    type Error = ShapeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ShapeError> {
        match key.serialize(Writer)? {
            Value::Text(text) => self.key = Some(text),
            Value::Int(number) => self.key = Some(number.to_string()),
            _ => return Err(ShapeError::custom("a map's key must be text")),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ShapeError> {
        let key = self
            .key
            .take()
            .ok_or_else(|| ShapeError::custom("a map's value came before its key"))?;
        self.members.push((key, value.serialize(Writer)?));
        Ok(())
    }

    fn end(self) -> Result<Value, ShapeError> {
        Ok(self.finish())
    }
}

impl SerializeStruct for MapWriter {
    type Ok = Value;
    type Error = ShapeError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), ShapeError> {
        self.member(name, value)
    }

    fn end(self) -> Result<Value, ShapeError> {
        Ok(self.finish())
    }
}

impl SerializeStructVariant for MapWriter {
    type Ok = Value;
    type Error = ShapeError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), ShapeError> {
        self.member(name, value)
    }

    fn end(self) -> Result<Value, ShapeError> {
        Ok(self.finish())
    }
}
