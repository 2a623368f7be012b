//! Conditions and filters: parsed from text, checked, and held against an item.
//!
//! `grammar` reads the text, `check` finds what it means and everything AWS objects to, `holds` is the meaning. Legacy parameters make
//! the same [`Test`]s.

mod check;
mod grammar;
mod holds;
#[cfg(test)]
mod tests;

pub(super) use self::holds::begins_with;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Context, Path};
use crate::dynamodb::Invalid;
use crate::dynamodb::value::{Item, Type, Value};

/// What an item must be like.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub(in crate::dynamodb) test: Test,
}

/// A condition, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::dynamodb) enum Test {
    /// AND. True of none.
    All(Vec<Test>),
    /// OR. False of none.
    Any(Vec<Test>),
    Not(Box<Test>),
    Compare(Operand, Comparator, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Exists(Path),
    Missing(Path),
    IsType(Operand, Type),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
}

/// Where a part of a condition takes a value from.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::dynamodb) enum Operand {
    Path(Path),
    Value(Arc<Value>),
    Size(Box<Operand>),
}

/// How two operands are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dynamodb) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    pub(super) const ALL: [Comparator; 6] = [
        Comparator::Equal,
        Comparator::NotEqual,
        Comparator::Less,
        Comparator::LessOrEqual,
        Comparator::Greater,
        Comparator::GreaterOrEqual,
    ];

    /// As expressions write it.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Comparator::Equal => "=",
            Comparator::NotEqual => "<>",
            Comparator::Less => "<",
            Comparator::LessOrEqual => "<=",
            Comparator::Greater => ">",
            Comparator::GreaterOrEqual => ">=",
        }
    }
}

impl Condition {
    /// Reads a `ConditionExpression`.
    ///
    /// # Errors
    /// If it breaks a rule; the text begins with "Invalid ConditionExpression: ".
    pub fn parse(text: &str, context: &mut Context) -> Result<Condition, Invalid> {
        Condition::parse_as("ConditionExpression", text, context)
    }

    /// Reads a `FilterExpression`.
    ///
    /// # Errors
    /// If it breaks a rule; the text begins with "Invalid FilterExpression: ".
    pub fn parse_filter(text: &str, context: &mut Context) -> Result<Condition, Invalid> {
        Condition::parse_as("FilterExpression", text, context)
    }

    pub(super) fn parse_as(
        parameter: &str,
        text: &str,
        context: &mut Context,
    ) -> Result<Condition, Invalid> {
        grammar::parse(text)
            .and_then(|parsed| check::check(&parsed, context))
            .map(|test| Condition { test })
            .map_err(|fault| Invalid::new(format!("Invalid {parameter}: {fault}")))
    }

    /// True if the item is as the condition says; no item is as an item without attributes.
    #[must_use]
    pub fn holds(&self, item: Option<&Item>) -> bool {
        match item {
            Some(item) => self.test.holds(item),
            None => self.test.holds(&Item::new()),
        }
    }

    /// The attributes that it looks at, by their first names: filters must not look at keys.
    #[must_use]
    pub fn attributes(&self) -> BTreeSet<&str> {
        self.paths().into_iter().map(Path::head).collect()
    }

    /// The paths that it looks at, in order.
    #[must_use]
    pub fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        self.test.collect_paths(&mut paths);
        paths
    }
}

impl Test {
    fn collect_paths<'a>(&'a self, paths: &mut Vec<&'a Path>) {
        let mut operands: Vec<&'a Operand> = Vec::new();
        match self {
            Test::All(tests) | Test::Any(tests) => {
                tests.iter().for_each(|test| test.collect_paths(paths));
            }
            Test::Not(test) => test.collect_paths(paths),
            Test::Exists(path) | Test::Missing(path) => paths.push(path),
            Test::IsType(operand, _) => operands.push(operand),
            Test::Compare(one, _, two) | Test::BeginsWith(one, two) | Test::Contains(one, two) => {
                operands.extend([one, two]);
            }
            Test::Between(value, low, high) => operands.extend([value, low, high]),
            Test::In(value, among) => {
                operands.push(value);
                operands.extend(among);
            }
        }
        paths.extend(operands.into_iter().filter_map(Operand::path));
    }
}

impl Operand {
    fn path(&self) -> Option<&Path> {
        match self {
            Operand::Path(path) => Some(path),
            Operand::Size(within) => within.path(),
            Operand::Value(_) => None,
        }
    }
}
