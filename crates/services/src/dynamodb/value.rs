//! Attribute values: what an item holds, and what is compared, counted and stored.
//!
//! Sets and numbers are kept in their one canonical form, so that two values are the same to DynamoDB exactly if they are equal here.
//! `number` has the arithmetic, `wire` reads what clients send, `key` writes bytes in the order of range keys, `stored` writes bytes
//! for the store, `size` counts as AWS bills.

mod key;
mod number;
mod size;
mod stored;
mod wire;

#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

pub use self::number::Number;
pub use self::size::{attribute_bytes, item_bytes};
pub use self::stored::{Damaged, read_item, write_item};
pub(super) use self::wire::NESTED_TOO_DEEP;
pub use self::wire::{AttributeValue, AttributeValues, item};

/// Levels of lists and maps that a value may have. AWS calls it 32 levels and counts the attribute itself; that a scalar may stand within
/// 31 lists and maps and not within 32 is from the suite dynamodb-conformance, which runs against AWS.
pub const NESTING_MAX: usize = 31;

/// The attributes of an item, by name.
pub type Item = BTreeMap<String, Value>;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    S(String),
    /// A number.
    N(Number),
    /// Bytes.
    B(Bytes),
    /// True or false.
    Bool(bool),
    /// The value that says there is none.
    Null,
    /// Values by name.
    M(BTreeMap<String, Value>),
    /// Values in order.
    L(Vec<Value>),
    /// Texts, at least one.
    SS(BTreeSet<String>),
    /// Numbers, at least one.
    NS(BTreeSet<Number>),
    /// Byte strings, at least one.
    BS(BTreeSet<Bytes>),
}

/// The ten types, as they are called on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Text.
    S,
    /// Number.
    N,
    /// Binary.
    B,
    /// Boolean.
    Bool,
    /// Null.
    Null,
    /// Map.
    M,
    /// List.
    L,
    /// Set of texts.
    SS,
    /// Set of numbers.
    NS,
    /// Set of binaries.
    BS,
}

impl Type {
    /// Every type.
    pub const ALL: [Type; 10] = [
        Type::S,
        Type::N,
        Type::B,
        Type::Bool,
        Type::Null,
        Type::M,
        Type::L,
        Type::SS,
        Type::NS,
        Type::BS,
    ];

    /// The name on the wire: `S`, `BOOL`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Type::S => "S",
            Type::N => "N",
            Type::B => "B",
            Type::Bool => "BOOL",
            Type::Null => "NULL",
            Type::M => "M",
            Type::L => "L",
            Type::SS => "SS",
            Type::NS => "NS",
            Type::BS => "BS",
        }
    }

    /// The type called so on the wire.
    #[must_use]
    pub fn named(name: &str) -> Option<Type> {
        Type::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The word that some of AWS's texts have for it: `STRING`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Type::S => "STRING",
            Type::N => "NUMBER",
            Type::B => "BINARY",
            Type::Bool => "BOOLEAN",
            Type::Null => "NULL",
            Type::M => "MAP",
            Type::L => "LIST",
            Type::SS => "STRING_SET",
            Type::NS => "NUMBER_SET",
            Type::BS => "BINARY_SET",
        }
    }

    /// True for the three kinds of set.
    pub(crate) fn is_set(self) -> bool {
        matches!(self, Type::SS | Type::NS | Type::BS)
    }

    /// True for what has an order, and may be a key: text, numbers, bytes.
    pub(crate) fn is_ordered(self) -> bool {
        matches!(self, Type::S | Type::N | Type::B)
    }
}

impl Value {
    /// Which of the ten types this is.
    #[must_use]
    pub fn kind(&self) -> Type {
        match self {
            Value::S(_) => Type::S,
            Value::N(_) => Type::N,
            Value::B(_) => Type::B,
            Value::Bool(_) => Type::Bool,
            Value::Null => Type::Null,
            Value::M(_) => Type::M,
            Value::L(_) => Type::L,
            Value::SS(_) => Type::SS,
            Value::NS(_) => Type::NS,
            Value::BS(_) => Type::BS,
        }
    }

    /// The order of two texts, two numbers or two byte strings. Texts are ordered by their UTF-8 bytes. Nothing else has an order.
    #[must_use]
    pub fn order(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::S(one), Value::S(two)) => Some(one.as_bytes().cmp(two.as_bytes())),
            (Value::N(one), Value::N(two)) => Some(one.cmp(two)),
            (Value::B(one), Value::B(two)) => Some(one.cmp(two)),
            _ => None,
        }
    }

    /// Levels of lists and maps: none for a scalar or a set. The recursion is bounded by what `wire` and `stored` let in.
    #[must_use]
    pub fn nesting(&self) -> usize {
        let within = match self {
            Value::M(members) => members.values().map(Value::nesting).max(),
            Value::L(elements) => elements.iter().map(Value::nesting).max(),
            _ => return 0,
        };
        1 + within.unwrap_or(0)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::S(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::N(Number::from(number))
    }
}
