//! The one in-memory document that every format decodes into and every shape is read from.
//!
//! A shape (a serde struct) is compiled once, against this document, whatever formats reach it; a format is one
//! file that knows no shape. Constraints (`rules`) look at the document before the handler sees its input.

use std::borrow::Cow;

use bytes::Bytes;

use crate::shapes::{Timestamp, encode_base64};

mod de;
mod ser;

pub use de::from_value;
pub use ser::to_value;

/// Deepest nesting a decoder accepts. serde_json stops at the same depth; no AWS shape comes near it.
pub const DEPTH_MAX: usize = 128;

/// Most values a decoder accepts in one document. A value takes some 40 bytes here and may take one on the wire, so this
/// bounds what a request can make of its bytes; the largest honest requests have a tenth of it.
pub const VALUES_MAX: usize = 2_000_000;

/// A decoded document, or one about to be encoded.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Absent and null mean the same in AWS's formats.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number. One beyond 64 bits is decoded as `Float`.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// UTF-8 text. In JSON, blobs arrive as text too: base64.
    Text(String),
    /// Text from a format without types: text, a number, a truth, base64 or a moment, as the shape has it.
    Untyped(String),
    /// Binary data, from formats which can carry it.
    Bytes(Bytes),
    /// A moment, from formats which can tell one from a number.
    Timestamp(Timestamp),
    /// Values in order.
    List(Vec<Value>),
    /// Members of a structure, or entries of a map, in the order they were written.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// The member called `name`, if this is a map that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Map(members) => members
                .iter()
                .find_map(|(key, value)| (key == name).then_some(value)),
            _ => None,
        }
    }

    /// The text, if this is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) | Value::Untyped(text) => Some(text),
            _ => None,
        }
    }

    /// A scalar as formats without types write it: a blob in base64, a moment in ISO 8601. Nothing for null, lists and maps.
    pub(crate) fn to_text(&self) -> Cow<'_, str> {
        match self {
            Value::Null | Value::List(_) | Value::Map(_) => "".into(),
            Value::Bool(truth) => truth.to_string().into(),
            Value::Int(number) => number.to_string().into(),
            Value::Float(number) => number.to_string().into(),
            Value::Text(text) | Value::Untyped(text) => text.into(),
            Value::Bytes(bytes) => encode_base64(bytes).into(),
            Value::Timestamp(moment) => moment.to_iso().into(),
        }
    }

    /// True for null, which AWS takes for an absent member.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::Bool(truth)
    }
}

/// Why a document is not the shape asked for. The text is AWS's own where AWS's own is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// A member has another type than the shape says.
    #[error("{0}")]
    Type(String),
    /// A member which the shape needs is not there. Rules normally say so first.
    #[error("missing required member '{0}'")]
    Missing(&'static str),
    /// Anything else a shape's own code objects to.
    #[error("{0}")]
    Other(String),
}

impl serde::de::Error for ShapeError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        ShapeError::Other(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        ShapeError::Missing(field)
    }
}

impl serde::ser::Error for ShapeError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        ShapeError::Other(message.to_string())
    }
}

#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
mod tests;
