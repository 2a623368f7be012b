//! Keys of items: whether an item has them, of the right types and sizes, in AWS's words.

use super::error::DynamoError;
use super::limits;
use super::records::{Index, KeyPart, KeySchema, Projection, Table};
use super::value::{Item, Type, Value, item_bytes};

/// Asserts that `key` is a key of the table: all parts of it, and nothing else.
pub(super) fn must_be_key(table: &Table, key: &Item) -> Result<(), DynamoError> {
    let schema = &table.key;
    let mismatch = || DynamoError::validation("The provided key element does not match the schema");
    if key.len() != schema.parts().count() {
        return Err(mismatch());
    }
    for part in schema.parts() {
        let value = key.get(&part.name).ok_or_else(mismatch)?;
        if value.kind() != part.kind.kind() {
            return Err(mismatch());
        }
    }
    must_have_sizes(schema, key, None)
}

/// Asserts that `item` can be put: it has the table's key, and what is in keys of indexes can be.
pub(super) fn must_be_item(table: &Table, item: &Item) -> Result<(), DynamoError> {
    for part in table.key.parts() {
        let Some(value) = item.get(&part.name) else {
            return Err(DynamoError::parameters(format!(
                "Missing the key {} in the item",
                part.name
            )));
        };
        let (expected, actual) = (part.kind.kind(), value.kind());
        if actual != expected {
            return Err(DynamoError::parameters(format!(
                "Type mismatch for key {} expected: {} actual: {}",
                part.name,
                expected.name(),
                actual.name()
            )));
        }
    }
    must_have_sizes(&table.key, item, None)?;
    must_fit_indexes(table, item)?;
    must_fit(item, "Item size has exceeded the maximum allowed size")
}

/// Asserts that what an update made of an item can be kept.
pub(super) fn must_be_update(table: &Table, item: &Item) -> Result<(), DynamoError> {
    must_fit_indexes(table, item)?;
    must_fit(item, limits::UPDATE_TOO_LARGE)
}

fn must_fit(item: &Item, text: &str) -> Result<(), DynamoError> {
    if item_bytes(item) as u64 > limits::ITEM_BYTES {
        return Err(DynamoError::validation(text));
    }
    Ok(())
}

/// An attribute that is part of an index's key must be of its type; without it, the item is not in the index.
fn must_fit_indexes(table: &Table, item: &Item) -> Result<(), DynamoError> {
    for (name, index) in table.indexes() {
        for part in index.key.parts() {
            let Some(value) = item.get(&part.name) else {
                continue;
            };
            let (expected, actual) = (part.kind.kind(), value.kind());
            if actual != expected {
                return Err(DynamoError::parameters(format!(
                    "Type mismatch for Index Key {} Expected: {} Actual: {} IndexName: {name}",
                    part.name,
                    expected.name(),
                    actual.name()
                )));
            }
        }
        must_have_sizes(&index.key, item, Some(name))?;
    }
    Ok(())
}

fn must_have_sizes(
    schema: &KeySchema,
    item: &Item,
    index: Option<&str>,
) -> Result<(), DynamoError> {
    must_have_size(&schema.hash, item, limits::HASH_BYTES, "hashkey", index)?;
    match &schema.range {
        Some(range) => must_have_size(range, item, limits::RANGE_BYTES, "rangekey", index),
        None => Ok(()),
    }
}

fn must_have_size(
    part: &KeyPart,
    item: &Item,
    most: usize,
    what: &str,
    index: Option<&str>,
) -> Result<(), DynamoError> {
    let Some(value) = item.get(&part.name) else {
        return Ok(());
    };
    if is_empty(value) {
        let whose = index.map_or_else(
            || format!(" Key: {}", part.name),
            |index| format!(" IndexName: {index}, IndexKey: {}", part.name),
        );
        let kind = match value.kind() {
            Type::B => "binary",
            _ => "string",
        };
        let text = match index {
            None => format!(
                "The AttributeValue for a key attribute cannot contain an empty {kind} value.{whose}"
            ),
            Some(_) => format!(
                "The update expression attempted to update a secondary index key to a value that is not supported. The \
                 AttributeValue for a key attribute cannot contain an empty {kind} value.{whose}"
            ),
        };
        return Err(DynamoError::parameters(text));
    }
    if value.key_length() > most {
        let text = match index {
            None => format!("Size of {what} has exceeded the maximum size limit of{most} bytes"),
            Some(_) => format!(
                "Aggregated size of all range keys has exceeded the size limit of {most} bytes"
            ),
        };
        return Err(DynamoError::parameters(text));
    }
    Ok(())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::S(text) => text.is_empty(),
        Value::B(bytes) => bytes.is_empty(),
        _ => false,
    }
}

/// The attributes of an item that are in a key.
pub(super) fn key_of(schema: &KeySchema, item: &Item) -> Item {
    schema
        .parts()
        .filter_map(|part| Some((part.name.clone(), item.get(&part.name)?.clone())))
        .collect()
}

/// The attributes of an item that an index holds.
pub(super) fn projected(table: &Table, index: &Index, item: &Item) -> Item {
    let included: &[String] = match &index.projection {
        Projection::All => return item.clone(),
        Projection::Include(names) => names,
        Projection::KeysOnly => &[],
    };
    let is_held =
        |name: &String| included.contains(name) || table.key.has(name) || index.key.has(name);
    item.iter()
        .filter(|(name, _)| is_held(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
