//! What Query and Scan read: the table or one of its indexes, what of it is answered, and where in it a request begins.

use std::collections::BTreeSet;

use super::error::DynamoError;
use super::expression::{KeyCondition, KeySchema as Keys, Projection, RangeTest};
use super::records::{self, Index, KeySchema, Table};
use super::rows::{self, Run};
use super::tables::Found;
use super::value::{Item, Value};
use super::{limits, schema};

/// What is read: the table, or one of its indexes.
pub(super) struct Source<'a> {
    pub found: &'a Found,
    /// With its name.
    pub index: Option<(&'a str, &'a Index)>,
    pub is_local: bool,
}

/// Which attributes are answered.
pub(super) enum Selection {
    /// All that there are, fetched from the table where the index does not hold them.
    All,
    /// All that the index holds.
    Held,
    /// These.
    Some(Projection),
    /// None: items are counted.
    Count,
}

impl<'a> Source<'a> {
    pub(super) fn of(found: &'a Found, index: Option<&'a str>) -> Result<Source<'a>, DynamoError> {
        let Some(name) = index else {
            return Ok(Source {
                found,
                index: None,
                is_local: false,
            });
        };
        Ok(Source {
            found,
            index: Some((name, found.index(name)?)),
            is_local: found.table.local.contains_key(name),
        })
    }

    pub(super) fn table(&self) -> &Table {
        &self.found.table
    }

    pub(super) fn keys(&self) -> &KeySchema {
        self.index
            .map_or(&self.found.table.key, |(_, index)| &index.key)
    }

    pub(super) fn number(&self) -> u16 {
        self.index.map_or(0, |(_, index)| index.number)
    }

    /// The global index, which has a capacity of its own.
    pub(super) fn metered(&self) -> Option<&Index> {
        self.index
            .filter(|_| !self.is_local)
            .map(|(_, index)| index)
    }

    pub(super) fn must_be_consistent(&self, asked: Option<bool>) -> Result<bool, DynamoError> {
        let asked = asked.unwrap_or_default();
        if asked && self.metered().is_some() {
            return Err(DynamoError::validation(
                "Consistent reads are not supported on global secondary indexes",
            ));
        }
        Ok(asked)
    }

    /// Whether the index lacks attributes that items have.
    pub(super) fn is_partial(&self) -> bool {
        self.index
            .is_some_and(|(_, index)| index.projection != records::Projection::All)
    }

    /// Those of these attributes that are not in what is read.
    pub(super) fn missing<'n>(&self, names: &BTreeSet<&'n str>) -> Vec<&'n str> {
        let included = match self.index.map(|(_, index)| &index.projection) {
            None | Some(records::Projection::All) => return Vec::new(),
            Some(records::Projection::Include(names)) => names.as_slice(),
            Some(records::Projection::KeysOnly) => &[],
        };
        let is_held = |name: &&str| {
            self.keys().has(name)
                || self.table().key.has(name)
                || included.iter().any(|held| held == name)
        };
        names
            .iter()
            .copied()
            .filter(|name| !is_held(name))
            .collect()
    }

    /// What `Select` and the projection say together.
    pub(super) fn selection(
        &self,
        select: Option<&str>,
        projection: Option<Projection>,
    ) -> Result<Selection, DynamoError> {
        let refuse = |text: &str| Err(DynamoError::validation(text));
        match (select, projection) {
            (Some("SPECIFIC_ATTRIBUTES") | None, Some(projection)) => {
                if self.metered().is_some()
                    && let Some((name, _)) = self.index
                    && let missing = self.missing(&projection.attributes())
                    && !missing.is_empty()
                {
                    return Err(DynamoError::parameters(format!(
                        "Global secondary index {name} does not project [{}]",
                        missing.join(", ")
                    )));
                }
                Ok(Selection::Some(projection))
            }
            (Some("SPECIFIC_ATTRIBUTES"), None) => refuse(
                "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
            ),
            (Some(_), Some(_)) => refuse(
                "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES or COUNT",
            ),
            (Some("COUNT"), None) => Ok(Selection::Count),
            (Some("ALL_PROJECTED_ATTRIBUTES"), None) if self.index.is_none() => {
                refuse("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
            }
            (Some("ALL_ATTRIBUTES"), None) => match self.index {
                Some((name, _)) if !self.is_local && self.is_partial() => {
                    Err(DynamoError::parameters(format!(
                        "Select type ALL_ATTRIBUTES is not supported for global secondary index {name} because its projection \
                         type is not ALL"
                    )))
                }
                _ => Ok(Selection::All),
            },
            (_, None) => Ok(Selection::Held),
        }
    }
}

pub(super) fn keys_of(schema: &KeySchema) -> Keys<'_> {
    Keys {
        hash: (&schema.hash.name, schema.hash.kind.kind()),
        range: schema
            .range
            .as_ref()
            .map(|range| (range.name.as_str(), range.kind.kind())),
    }
}

pub(super) fn run_of(source: &Source<'_>, condition: &KeyCondition) -> Run {
    let (_, hash) = &condition.hash;
    let all = Run::of(rows::partition(source.table(), source.number(), hash));
    match condition.range.as_ref().map(|(_, test)| test) {
        None => all,
        Some(RangeTest::Equal(value)) => all.at(value),
        Some(RangeTest::Less(value)) => all.under(value),
        Some(RangeTest::LessOrEqual(value)) => all.upto(value),
        Some(RangeTest::Greater(value)) => all.past(value),
        Some(RangeTest::GreaterOrEqual(value)) => all.from(value),
        Some(RangeTest::Between(low, high)) => all.from(low).upto(high),
        Some(RangeTest::BeginsWith(value)) => all.starting(value),
    }
}

/// A start key has the keys of what is read and of the table, and nothing else.
pub(super) fn must_be_start(source: &Source<'_>, start: &Item) -> Result<(), DynamoError> {
    let invalid = || DynamoError::validation("The provided starting key is invalid");
    let parts = source.table().key.parts().chain(source.keys().parts());
    let mut names = BTreeSet::new();
    for part in parts {
        let value = start.get(&part.name).ok_or_else(invalid)?;
        if value.kind() != part.kind.kind() || value.key_length() > limits::HASH_BYTES {
            return Err(invalid());
        }
        names.insert(&part.name);
    }
    if names.len() != start.len() {
        return Err(invalid());
    }
    Ok(())
}

/// Values longer than a key can be are the key of nothing. The texts are those of dynalite's test suite.
pub(super) fn must_fit_keys(condition: &KeyCondition) -> Result<(), DynamoError> {
    let (_, hash) = &condition.hash;
    if hash.key_length() > limits::HASH_BYTES {
        return Err(DynamoError::parameters(format!(
            "Size of hashkey has exceeded the maximum size limit of{} bytes",
            limits::HASH_BYTES
        )));
    }
    let range = condition.range.as_ref().map(|(_, test)| test.values());
    let longest = range.into_iter().flatten().map(Value::key_length).max();
    if longest.is_some_and(|longest| longest > limits::RANGE_BYTES) {
        return Err(DynamoError::parameters(format!(
            "Aggregated size of all range keys has exceeded the size limit of {} bytes",
            limits::RANGE_BYTES
        )));
    }
    Ok(())
}

pub(super) fn must_be_in_partition(
    condition: &KeyCondition,
    start: &Item,
) -> Result<(), DynamoError> {
    let (name, hash) = &condition.hash;
    let is_in_range = condition
        .range
        .as_ref()
        .is_none_or(|(name, test)| start.get(name).is_some_and(|value| test.holds(value)));
    if start.get(name) == Some(hash) && is_in_range {
        return Ok(());
    }
    Err(DynamoError::validation(
        "The provided starting key is outside query boundaries based on provided conditions",
    ))
}

pub(super) fn place_of(source: &Source<'_>, start: &Item) -> Result<store::Key, DynamoError> {
    let place = match source.index {
        None => rows::item(source.table(), start),
        Some((_, index)) => rows::entry(source.table(), index, start),
    };
    place.ok_or(DynamoError::Internal)
}

/// The key from which a page goes on.
pub(super) fn start_of(source: &Source<'_>, last: &Item) -> Item {
    let mut start = schema::key_of(&source.table().key, last);
    start.extend(schema::key_of(source.keys(), last));
    start
}
