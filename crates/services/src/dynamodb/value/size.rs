//! How many bytes an item counts: towards the 400 KB an item may have, and towards capacity.
//!
//! Source: "DynamoDB item sizes and formats". It calls the size of numbers approximate; the exact rule here is that of dynalite, found
//! against AWS: bytes hold two digits each, in pairs that the decimal point does not cut, one byte more for the exponent, one for a minus.

use super::{Item, Number, Value};

/// Overhead of a list or a map.
const CONTAINER: usize = 3;
/// Overhead of each element of a list or a map.
const ELEMENT: usize = 1;

/// Bytes of the item: names and values.
#[must_use]
pub fn item_bytes(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| attribute_bytes(name, value))
        .sum()
}

/// Bytes of one attribute: its name in UTF-8, and its value.
#[must_use]
pub fn attribute_bytes(name: &str, value: &Value) -> usize {
    name.len() + value.bytes()
}

impl Value {
    /// Bytes of the value, without its name.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Value::S(text) => text.len(),
            Value::N(number) => number_bytes(*number),
            Value::B(data) => data.len(),
            Value::Bool(_) | Value::Null => 1,
            Value::M(members) => CONTAINER + members.len() * ELEMENT + item_bytes(members),
            Value::L(elements) => {
                CONTAINER
                    + elements
                        .iter()
                        .map(|element| ELEMENT + element.bytes())
                        .sum::<usize>()
            }
            Value::SS(texts) => texts.iter().map(String::len).sum(),
            Value::NS(numbers) => numbers.iter().map(|number| number_bytes(*number)).sum(),
            Value::BS(blobs) => blobs.iter().map(|blob| blob.len()).sum(),
        }
    }
}

fn number_bytes(number: Number) -> usize {
    let (_, count) = number.significand();
    if count == 0 {
        return 1;
    }
    // A leading digit in an even place has a byte of its own, and so shifts an even count by one.
    let alone = count.is_multiple_of(2) && number.magnitude().rem_euclid(2) == 0;
    let sign = usize::from(number.is_negative());
    1 + count.div_ceil(2) as usize + usize::from(alone) + sign
}
