//! Attribute values as clients send them and are answered: `{"S": "text"}`.
//!
//! What comes in is read as [`AttributeValue`], which takes any members, and then becomes a [`Value`] or is refused in AWS's words; a
//! shape that can't hold a wrong value would make a `SerializationException` of it, where AWS has a `ValidationException`.
//! The texts are those of dynalite's test suite, which runs against AWS. What goes out is a [`Value`] itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use aws::Blob;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::{Item, NESTING_MAX, Number, Value};
use crate::dynamodb::Invalid;

/// A value as sent: one of these members should be there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct AttributeValue {
    /// Text.
    pub s: Option<String>,
    /// A number, as text.
    pub n: Option<String>,
    /// Bytes.
    pub b: Option<Blob>,
    /// True or false.
    pub bool: Option<bool>,
    /// Must be true.
    pub null: Option<bool>,
    /// Values by name.
    pub m: Option<AttributeValues>,
    /// Values in order.
    pub l: Option<Vec<AttributeValue>>,
    /// A set of texts.
    pub ss: Option<Vec<String>>,
    /// A set of numbers, as text.
    pub ns: Option<Vec<String>>,
    /// A set of byte strings.
    pub bs: Option<Vec<Blob>>,
}

/// Values as sent, by the names of attributes or by what the member's operation says.
pub type AttributeValues = BTreeMap<String, AttributeValue>;

/// The item that was sent.
///
/// # Errors
/// As [`Value::try_from`].
pub fn item(sent: AttributeValues) -> Result<Item, Invalid> {
    members(sent, 0)
}

/// The value that was sent.
///
/// # Errors
/// If there is not exactly one member, or one that breaks a rule for values.
impl TryFrom<AttributeValue> for Value {
    type Error = Invalid;

    fn try_from(sent: AttributeValue) -> Result<Value, Invalid> {
        value(sent, 0)
    }
}

fn members(sent: AttributeValues, depth: usize) -> Result<Item, Invalid> {
    sent.into_iter()
        .map(|(name, sent)| Ok((name, value(sent, depth)?)))
        .collect()
}

/// Reads what is sent within `depth` lists and maps.
fn value(sent: AttributeValue, depth: usize) -> Result<Value, Invalid> {
    let within = depth + 1;
    if within > NESTING_MAX && (sent.m.is_some() || sent.l.is_some()) {
        return Err(Invalid::new(NESTED_TOO_DEEP));
    }
    let mut found = Vec::with_capacity(1);
    if let Some(text) = sent.s {
        found.push(Value::S(text));
    }
    if let Some(text) = sent.n {
        found.push(Value::N(Number::parse(&text)?));
    }
    if let Some(blob) = sent.b {
        found.push(Value::B(blob.0));
    }
    if let Some(truth) = sent.bool {
        found.push(Value::Bool(truth));
    }
    if let Some(truth) = sent.null {
        found.push(null(truth)?);
    }
    if let Some(texts) = sent.ss {
        found.push(texts_set(texts)?);
    }
    if let Some(numbers) = sent.ns {
        found.push(numbers_set(&numbers)?);
    }
    if let Some(blobs) = sent.bs {
        found.push(blobs_set(&blobs)?);
    }
    if let Some(sent) = sent.m {
        found.push(Value::M(members(sent, within)?));
    }
    if let Some(sent) = sent.l {
        let elements = sent.into_iter().map(|sent| value(sent, within));
        found.push(Value::L(elements.collect::<Result<_, _>>()?));
    }
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(Invalid::new(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        )),
        (Some(_), false) => Err(Invalid::new(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        )),
        (Some(value), true) => Ok(value),
    }
}

/// What AWS says of more than [`NESTING_MAX`] levels.
pub(crate) const NESTED_TOO_DEEP: &str = "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit";

fn null(truth: bool) -> Result<Value, Invalid> {
    match truth {
        true => Ok(Value::Null),
        false => Err(Invalid::parameters(
            "Null attribute value types must have the value of true",
        )),
    }
}

fn texts_set(texts: Vec<String>) -> Result<Value, Invalid> {
    if texts.is_empty() {
        return Err(Invalid::parameters("An string set  may not be empty"));
    }
    let count = texts.len();
    let listed = listed(&texts);
    let set: BTreeSet<String> = texts.into_iter().collect();
    if set.len() < count {
        return Err(Invalid::parameters(format!(
            "Input collection {listed} contains duplicates."
        )));
    }
    Ok(Value::SS(set))
}

fn numbers_set(texts: &[String]) -> Result<Value, Invalid> {
    if texts.is_empty() {
        return Err(Invalid::parameters("An number set  may not be empty"));
    }
    let numbers = texts.iter().map(|text| Number::parse(text));
    let set: BTreeSet<Number> = numbers.collect::<Result<_, _>>()?;
    if set.len() < texts.len() {
        return Err(Invalid::new("Input collection contains duplicates"));
    }
    Ok(Value::NS(set))
}

fn blobs_set(blobs: &[Blob]) -> Result<Value, Invalid> {
    if blobs.is_empty() {
        return Err(Invalid::parameters("Binary sets should not be empty"));
    }
    let set: BTreeSet<_> = blobs.iter().map(|blob| blob.0.clone()).collect();
    if set.len() < blobs.len() {
        let texts: Vec<String> = blobs
            .iter()
            .map(|blob| aws::shapes::encode_base64(&blob.0))
            .collect();
        return Err(Invalid::parameters(format!(
            "Input collection {}of type BS contains duplicates.",
            listed(&texts)
        )));
    }
    Ok(Value::BS(set))
}

/// As Java prints a list: `[a, b]`.
fn listed<T: Display>(elements: &[T]) -> String {
    let texts: Vec<String> = elements.iter().map(T::to_string).collect();
    format!("[{}]", texts.join(", "))
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        let name = self.kind().name();
        match self {
            Value::S(text) => map.serialize_entry(name, text),
            Value::N(number) => map.serialize_entry(name, number),
            Value::B(data) => map.serialize_entry(name, &Blob(data.clone())),
            Value::Bool(truth) => map.serialize_entry(name, truth),
            Value::Null => map.serialize_entry(name, &true),
            Value::M(members) => map.serialize_entry(name, members),
            Value::L(elements) => map.serialize_entry(name, elements),
            Value::SS(texts) => map.serialize_entry(name, texts),
            Value::NS(numbers) => map.serialize_entry(name, numbers),
            Value::BS(blobs) => {
                let blobs: Vec<Blob> = blobs.iter().cloned().map(Blob).collect();
                map.serialize_entry(name, &blobs)
            }
        }?;
        map.end()
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
