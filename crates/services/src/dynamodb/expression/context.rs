//! The names and values that a request's expressions may use, and which they did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::parser::{Fault, Name};
use crate::dynamodb::Invalid;
use crate::dynamodb::value::{AttributeValues, Value, attribute_bytes};

/// Most bytes of all names and values together.
const SUBSTITUTES_BYTES_MAX: usize = 2 << 20;
/// Most bytes of one name. Each place that uses it has a copy.
const NAME_BYTES_MAX: usize = 65_535;

/// `ExpressionAttributeNames` and `ExpressionAttributeValues` of one request.
#[derive(Debug, Default)]
pub struct Context {
    names: BTreeMap<String, String>,
    /// Shared by all places that use them: an expression may name a large one hundreds of times.
    values: BTreeMap<String, Arc<Value>>,
    used_names: BTreeSet<String>,
    used_values: BTreeSet<String>,
}

impl Context {
    /// From what the request has.
    ///
    /// # Errors
    /// If one is given but empty, has a malformed key, or a value that breaks a rule.
    pub fn new(
        names: Option<BTreeMap<String, String>>,
        values: Option<AttributeValues>,
    ) -> Result<Context, Invalid> {
        if let Some(names) = &names {
            check_keys("ExpressionAttributeNames", '#', names.keys())?;
        }
        if let Some(values) = &values {
            check_keys("ExpressionAttributeValues", ':', values.keys())?;
        }
        let mut read = BTreeMap::new();
        for (key, sent) in values.unwrap_or_default() {
            let value = Value::try_from(sent).map_err(|Invalid(fault)| {
                Invalid::new(format!(
                    "ExpressionAttributeValues contains invalid value: {fault} for key {key}"
                ))
            })?;
            read.insert(key, Arc::new(value));
        }
        check_sizes(names.as_ref(), &read)?;
        Ok(Context {
            names: names.unwrap_or_default(),
            values: read,
            ..Context::default()
        })
    }

    /// To be called before `new`: names and values need expressions that may use them. Each of `expressions` is a parameter's name and
    /// whether the request has it, in the order of AWS's texts; a `ProjectionExpression` uses no values.
    ///
    /// # Errors
    /// If there are names or values, but no expression for them.
    pub fn check_wanted(
        expressions: &[(&str, bool)],
        has_names: bool,
        has_values: bool,
    ) -> Result<(), Invalid> {
        if has_names && !expressions.iter().any(|(_, there)| *there) {
            return Err(Invalid::new(
                "ExpressionAttributeNames can only be specified when using expressions",
            ));
        }
        let with_values: Vec<_> = expressions
            .iter()
            .filter(|(name, _)| *name != "ProjectionExpression")
            .collect();
        let unused = with_values.iter().all(|(_, there)| !there);
        if !has_values || with_values.is_empty() || !unused {
            return Ok(());
        }
        let names: Vec<&str> = with_values.iter().map(|(name, _)| *name).collect();
        let verb = if names.len() > 1 { "are" } else { "is" };
        Err(Invalid::new(format!(
            "ExpressionAttributeValues can only be specified when using expressions: {} {verb} null",
            names.join(" and ")
        )))
    }

    /// To be called when every expression of the request has been parsed.
    ///
    /// # Errors
    /// If a name or a value was given that no expression used.
    pub fn all_used(&self) -> Result<(), Invalid> {
        check_used(
            "ExpressionAttributeNames",
            self.names.keys(),
            &self.used_names,
        )?;
        check_used(
            "ExpressionAttributeValues",
            self.values.keys(),
            &self.used_values,
        )
    }

    /// The attribute's name that is written so.
    pub(super) fn name(&mut self, written: Name<'_>) -> Result<String, Fault> {
        let alias = match written {
            Name::Plain(name) => return Ok(name.to_owned()),
            Name::Alias(alias) => alias,
        };
        let name = self.names.get(alias).ok_or_else(|| {
            format!(
                "An expression attribute name used in the document path is not defined; attribute name: {alias}"
            )
        })?;
        self.used_names.insert(alias.to_owned());
        Ok(name.clone())
    }

    /// The value called `key`, which has its `:`.
    pub(super) fn value(&mut self, key: &str) -> Result<Arc<Value>, Fault> {
        let value = self.values.get(key).ok_or_else(|| {
            format!(
                "An expression attribute value used in expression is not defined; attribute value: {key}"
            )
        })?;
        self.used_values.insert(key.to_owned());
        Ok(Arc::clone(value))
    }
}

/// Source: "Constraints in Amazon DynamoDB", expression parameters, which does not tell the text of the refusal.
fn check_sizes(
    names: Option<&BTreeMap<String, String>>,
    values: &BTreeMap<String, Arc<Value>>,
) -> Result<(), Invalid> {
    let names = || names.into_iter().flatten();
    if let Some((key, _)) = names().find(|(_, name)| name.len() > NAME_BYTES_MAX) {
        return Err(Invalid::parameters(format!(
            "An attribute name has at most {NAME_BYTES_MAX} bytes; key: {key} of ExpressionAttributeNames"
        )));
    }
    let names = names().map(|(key, name)| key.len() + name.len());
    let values = values
        .iter()
        .map(|(key, value)| attribute_bytes(key, value));
    if names.chain(values).sum::<usize>() > SUBSTITUTES_BYTES_MAX {
        return Err(Invalid::parameters(format!(
            "ExpressionAttributeNames and ExpressionAttributeValues together exceed the maximum of {SUBSTITUTES_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

fn check_keys<'a>(
    parameter: &str,
    mark: char,
    mut keys: impl ExactSizeIterator<Item = &'a String>,
) -> Result<(), Invalid> {
    if keys.len() == 0 {
        return Err(Invalid::new(format!("{parameter} must not be empty")));
    }
    let is_key = |key: &String| {
        key.strip_prefix(mark).is_some_and(|rest| {
            !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
    };
    match keys.find(|key| !is_key(key)) {
        None => Ok(()),
        Some(key) => Err(Invalid::new(format!(
            "{parameter} contains invalid key: Syntax error; key: \"{key}\""
        ))),
    }
}

fn check_used<'a>(
    parameter: &str,
    given: impl Iterator<Item = &'a String>,
    used: &BTreeSet<String>,
) -> Result<(), Invalid> {
    let unused: Vec<&str> = given
        .filter(|key| !used.contains(*key))
        .map(String::as_str)
        .collect();
    match unused.is_empty() {
        true => Ok(()),
        false => Err(Invalid::new(format!(
            "Value provided in {parameter} unused in expressions: keys: {{{}}}",
            unused.join(", ")
        ))),
    }
}
