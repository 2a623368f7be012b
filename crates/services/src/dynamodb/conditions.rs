//! Conditions, filters and projections of a request, from whichever parameters it gives them by.

use std::collections::{BTreeMap, BTreeSet};

use super::api::items::Names;
use super::error::DynamoError;
use super::expression::{Condition, Context, Projection};
use super::legacy::{self, Comparison, ExpectedAttributeValue};
use super::records::KeySchema;
use super::value::AttributeValues;

/// Parameters of a request, by name, and whether it has them; in the order of AWS's texts.
type Given<'a> = &'a [(&'a str, bool)];

/// The names and values that a request's expressions may use.
///
/// # Errors
/// If it has parameters of both kinds, or names and values that no expression can use.
pub(super) fn context(
    expressions: Given<'_>,
    others: Given<'_>,
    names: Option<Names>,
    values: Option<AttributeValues>,
) -> Result<Context, DynamoError> {
    legacy::not_mixed(expressions, others)?;
    Context::check_wanted(expressions, names.is_some(), values.is_some())?;
    Ok(Context::new(names, values)?)
}

/// The condition of a write.
///
/// # Errors
/// If it breaks a rule.
pub(super) fn condition(
    text: Option<&str>,
    expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
    operator: Option<&str>,
    context: &mut Context,
) -> Result<Option<Condition>, DynamoError> {
    if let Some(text) = text {
        return Ok(Some(Condition::parse(text, context)?));
    }
    legacy::check_operator(operator, expected.as_ref().map(BTreeMap::len))?;
    let expected = expected.filter(|expected| !expected.is_empty());
    Ok(expected
        .map(|expected| legacy::expected(expected, operator))
        .transpose()?)
}

/// The filter of a read. It must not look at `keys`, which key conditions are for.
///
/// # Errors
/// If it breaks a rule.
pub(super) fn filter(
    text: Option<&str>,
    conditions: Option<BTreeMap<String, Comparison>>,
    operator: Option<&str>,
    context: &mut Context,
    keys: Option<&KeySchema>,
) -> Result<Option<Condition>, DynamoError> {
    let (filter, is_expression) = match text {
        Some(text) => (Condition::parse_filter(text, context)?, true),
        None => {
            legacy::check_operator(operator, conditions.as_ref().map(BTreeMap::len))?;
            let Some(conditions) = conditions.filter(|given| !given.is_empty()) else {
                return Ok(None);
            };
            (legacy::filter(conditions, operator)?, false)
        }
    };
    let part = keys.into_iter().flat_map(KeySchema::parts);
    let of_key = part
        .map(|part| &part.name)
        .find(|name| filter.attributes().contains(name.as_str()));
    match of_key {
        None => Ok(Some(filter)),
        Some(name) if is_expression => Err(DynamoError::validation(format!(
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}"
        ))),
        Some(name) => Err(DynamoError::validation(format!(
            "QueryFilter can only contain non-primary key attributes: Primary key attribute: {name}"
        ))),
    }
}

/// Which parts of items a read answers.
///
/// # Errors
/// If it breaks a rule.
pub(super) fn projection(
    text: Option<&str>,
    names: Option<Vec<String>>,
    context: &mut Context,
) -> Result<Option<Projection>, DynamoError> {
    if let Some(text) = text {
        return Ok(Some(Projection::parse(text, context)?));
    }
    Ok(names.map(legacy::attributes_to_get).transpose()?)
}

/// Asserts that no attribute of a key is among those an update changes.
///
/// # Errors
/// [`DynamoError::Validation`].
pub(super) fn must_leave_key(
    keys: &KeySchema,
    changed: &BTreeSet<&str>,
) -> Result<(), DynamoError> {
    match keys
        .parts()
        .find(|part| changed.contains(part.name.as_str()))
    {
        None => Ok(()),
        Some(part) => Err(DynamoError::parameters(format!(
            "Cannot update attribute {}. This attribute is part of the key",
            part.name
        ))),
    }
}
