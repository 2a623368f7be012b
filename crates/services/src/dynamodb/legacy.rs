//! The parameters from before expressions, which the KCL 1 and 2 still use: made into the same conditions, updates, key tests and
//! projections as expressions are.
//!
//! The texts of errors are those of dynalite's test suite, which runs against AWS; those on `ConditionalOperator` are from AWS's own DAX
//! client.

mod comparison;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::Invalid;
use super::expression::{Change, Condition, KeyTests, Path, Projection, Source, Test, Update};
use super::value::{AttributeValue, Type, Value};

/// An attribute's part of `Expected`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExpectedAttributeValue {
    /// What the attribute must be equal to, or is compared with.
    pub value: Option<AttributeValue>,
    /// Whether it must exist; true unless said.
    pub exists: Option<bool>,
    /// How it is compared.
    pub comparison_operator: Option<String>,
    /// What it is compared with.
    pub attribute_value_list: Option<Vec<AttributeValue>>,
}

/// An attribute's part of `KeyConditions`, `QueryFilter` and `ScanFilter`: `Condition` at AWS.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Comparison {
    /// How it is compared.
    pub comparison_operator: String,
    /// What it is compared with.
    pub attribute_value_list: Option<Vec<AttributeValue>>,
}

/// An attribute's part of `AttributeUpdates`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttributeValueUpdate {
    /// The new value, or what is added or deleted.
    pub value: Option<AttributeValue>,
    /// PUT unless said, ADD or DELETE.
    pub action: Option<String>,
}

/// The condition that `Expected` and `ConditionalOperator` say.
///
/// # Errors
/// If they break a rule.
pub fn expected(
    expected: BTreeMap<String, ExpectedAttributeValue>,
    operator: Option<&str>,
) -> Result<Condition, Invalid> {
    check_operator(operator, Some(expected.len()))?;
    let mut tests = Vec::new();
    for (name, one) in expected {
        tests.push(comparison::expected(&name, one)?);
    }
    joined(tests, operator)
}

/// The condition that `QueryFilter` or `ScanFilter` and `ConditionalOperator` say.
///
/// # Errors
/// If they break a rule.
pub fn filter(
    filter: BTreeMap<String, Comparison>,
    operator: Option<&str>,
) -> Result<Condition, Invalid> {
    check_operator(operator, Some(filter.len()))?;
    let mut tests = Vec::new();
    for (name, one) in filter {
        let (operator, values) = comparison::read(one)?;
        tests.push(operator.test(&name, values));
    }
    joined(tests, operator)
}

/// The tests that `KeyConditions` says.
///
/// # Errors
/// If it breaks a rule.
pub fn key_conditions(conditions: BTreeMap<String, Comparison>) -> Result<KeyTests, Invalid> {
    let mut tests = Vec::new();
    for (name, one) in conditions {
        let (operator, values) = comparison::read(one)?;
        tests.push((name, operator.range_test(values)));
    }
    KeyTests::new(tests)
}

/// The update that `AttributeUpdates` says.
///
/// # Errors
/// If it breaks a rule.
pub fn updates(updates: BTreeMap<String, AttributeValueUpdate>) -> Result<Update, Invalid> {
    let mut changes = Vec::new();
    for (name, one) in updates {
        changes.push((Path::attribute(name), change(one)?));
    }
    Ok(Update::new(
        changes,
        "Type mismatch for attribute to update",
    ))
}

fn change(update: AttributeValueUpdate) -> Result<Change, Invalid> {
    let action = update.action.as_deref().unwrap_or("PUT");
    let value = update.value.map(Value::try_from).transpose()?;
    match (action, value) {
        ("PUT", Some(value)) => Ok(Change::Set(Source::Value(value.into()))),
        ("DELETE", None) => Ok(Change::Remove),
        ("DELETE", Some(value)) if value.kind().is_set() => Ok(Change::Delete(value.into())),
        ("DELETE", Some(value)) => Err(Invalid::parameters(format!(
            "DELETE action with value is not supported for the type {}",
            value.kind().name()
        ))),
        ("ADD", Some(value)) if can_be_added(value.kind()) => Ok(Change::Add(value.into())),
        ("ADD", Some(value)) => Err(Invalid::parameters(format!(
            "ADD action is not supported for the type {}",
            value.kind().name()
        ))),
        ("PUT" | "ADD", None) => Err(Invalid::parameters(
            "Only DELETE action is allowed when no attribute value is specified",
        )),
        (other, _) => Err(not_among(other, "action", "[ADD, PUT, DELETE]")),
    }
}

fn can_be_added(kind: Type) -> bool {
    kind.is_set() || matches!(kind, Type::N | Type::L)
}

/// The projection that `AttributesToGet` says.
///
/// # Errors
/// If an attribute is named twice.
pub fn attributes_to_get(names: Vec<String>) -> Result<Projection, Invalid> {
    let mut seen = BTreeSet::new();
    for name in &names {
        if !seen.insert(name) {
            return Err(Invalid::parameters(format!(
                "Duplicate value in attribute name: {name}"
            )));
        }
    }
    Ok(Projection::new(
        names.into_iter().map(Path::attribute).collect(),
    ))
}

/// Refuses a `ConditionalOperator` that has nothing to join. `given` is how many attributes `Expected` or the filter has, if it is there;
/// [`expected`] and [`filter`] check for themselves.
///
/// # Errors
/// If there is an operator, but less than two attributes.
pub fn check_operator(operator: Option<&str>, given: Option<usize>) -> Result<(), Invalid> {
    match (operator, given) {
        (None, _) | (Some(_), Some(2..)) => Ok(()),
        (Some(_), None) => Err(Invalid::new(
            "ConditionalOperator cannot be used without Filter or Expected",
        )),
        (Some(_), Some(_)) => Err(Invalid::new(
            "ConditionalOperator can only be used when Filter or Expected has two or more elements",
        )),
    }
}

/// Refuses a request with both kinds of parameters. Each list has a parameter's name and whether the request has it, in the order of
/// AWS's texts. A query with `KeyConditions` may have other expressions: it is for the caller to leave it out of `others`, if there is no
/// `KeyConditionExpression`.
///
/// # Errors
/// If both have one that is there.
pub fn not_mixed(expressions: &[(&str, bool)], others: &[(&str, bool)]) -> Result<(), Invalid> {
    let there = |parameters: &[(&str, bool)]| {
        let there = parameters.iter().filter(|(_, there)| *there);
        there.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    };
    let (expressions, others) = (there(expressions), there(others));
    if expressions.is_empty() || others.is_empty() {
        return Ok(());
    }
    Err(Invalid::new(format!(
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {{{others}}} Expression parameters: {{{expressions}}}"
    )))
}

fn joined(tests: Vec<Test>, operator: Option<&str>) -> Result<Condition, Invalid> {
    let test = match operator {
        None | Some("AND") => Test::All(tests),
        Some("OR") => Test::Any(tests),
        Some(other) => return Err(not_among(other, "conditionalOperator", "[OR, AND]")),
    };
    Ok(Condition { test })
}

/// AWS's text for a word that is not among those a member may have.
fn not_among(value: &str, member: &str, words: &str) -> Invalid {
    Invalid::new(format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must satisfy enum value set: {words}"
    ))
}
