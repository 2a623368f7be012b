//! Comparison operators, and which values each is for.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Comparison, ExpectedAttributeValue, not_among};
use crate::dynamodb::Invalid;
use crate::dynamodb::expression::{Comparator, Operand, Path, RangeTest, Test};
use crate::dynamodb::value::{AttributeValue, Type, Value};

/// How an attribute is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Compare(Comparator),
    In,
    Between,
    NotNull,
    Null,
    Contains,
    NotContains,
    BeginsWith,
}

/// As AWS's texts order them.
const NAMES: &str =
    "[IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS]";

impl Operator {
    const ALL: [Operator; 13] = [
        Operator::Compare(Comparator::Equal),
        Operator::Compare(Comparator::NotEqual),
        Operator::Compare(Comparator::Less),
        Operator::Compare(Comparator::LessOrEqual),
        Operator::Compare(Comparator::Greater),
        Operator::Compare(Comparator::GreaterOrEqual),
        Operator::In,
        Operator::Between,
        Operator::NotNull,
        Operator::Null,
        Operator::Contains,
        Operator::NotContains,
        Operator::BeginsWith,
    ];

    fn name(self) -> &'static str {
        match self {
            Operator::Compare(Comparator::Equal) => "EQ",
            Operator::Compare(Comparator::NotEqual) => "NE",
            Operator::Compare(Comparator::Less) => "LT",
            Operator::Compare(Comparator::LessOrEqual) => "LE",
            Operator::Compare(Comparator::Greater) => "GT",
            Operator::Compare(Comparator::GreaterOrEqual) => "GE",
            Operator::In => "IN",
            Operator::Between => "BETWEEN",
            Operator::NotNull => "NOT_NULL",
            Operator::Null => "NULL",
            Operator::Contains => "CONTAINS",
            Operator::NotContains => "NOT_CONTAINS",
            Operator::BeginsWith => "BEGINS_WITH",
        }
    }

    fn named(name: &str) -> Result<Operator, Invalid> {
        Operator::ALL
            .into_iter()
            .find(|operator| operator.name() == name)
            .ok_or_else(|| not_among(name, "comparisonOperator", NAMES))
    }

    /// How many values it takes.
    fn takes(self, values: usize) -> bool {
        match self {
            Operator::Null | Operator::NotNull => values == 0,
            Operator::In => values > 0,
            Operator::Between => values == 2,
            Operator::Compare(_)
            | Operator::Contains
            | Operator::NotContains
            | Operator::BeginsWith => values == 1,
        }
    }

    /// Whether it can compare with a value of this type.
    fn is_for(self, kind: Type) -> bool {
        match self {
            Operator::Compare(Comparator::Equal | Comparator::NotEqual)
            | Operator::Null
            | Operator::NotNull => true,
            Operator::BeginsWith => matches!(kind, Type::S | Type::B),
            Operator::Compare(_)
            | Operator::In
            | Operator::Between
            | Operator::Contains
            | Operator::NotContains => kind.is_ordered(),
        }
    }

    fn check(self, values: &[Value]) -> Result<(), Invalid> {
        let name = self.name();
        if !self.takes(values.len()) {
            return Err(Invalid::parameters(format!(
                "Invalid number of argument(s) for the {name} ComparisonOperator"
            )));
        }
        let mut kinds = values.iter().map(Value::kind);
        if let Some(first) = kinds.next()
            && kinds.any(|kind| kind != first)
        {
            return Err(Invalid::parameters(
                "AttributeValues inside AttributeValueList must be of same type",
            ));
        }
        if let Some(value) = values.iter().find(|value| !self.is_for(value.kind())) {
            return Err(Invalid::parameters(format!(
                "ComparisonOperator {name} is not valid for {} AttributeValue type",
                value.kind().name()
            )));
        }
        match (self, values) {
            (Operator::Between, [low, high]) if low.order(high) == Some(Ordering::Greater) => {
                Err(Invalid::new(
                    "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
                ))
            }
            _ => Ok(()),
        }
    }

    /// The test of the attribute. The values are as many as `check` saw to.
    pub(super) fn test(self, attribute: &str, values: Vec<Value>) -> Test {
        let path = Path::attribute(attribute);
        let mut values = values
            .into_iter()
            .map(|value| Operand::Value(Arc::new(value)));
        match self {
            Operator::Null => return Test::Missing(path),
            Operator::NotNull => return Test::Exists(path),
            Operator::In => return Test::In(Operand::Path(path), values.collect()),
            _ => (),
        }
        let left = Operand::Path(path);
        match (self, values.next(), values.next()) {
            (Operator::Compare(comparator), Some(value), _) => {
                Test::Compare(left, comparator, value)
            }
            (Operator::Between, Some(low), Some(high)) => Test::Between(left, low, high),
            (Operator::Contains, Some(value), _) => Test::Contains(left, value),
            (Operator::NotContains, Some(value), _) => {
                Test::Not(Box::new(Test::Contains(left, value)))
            }
            (Operator::BeginsWith, Some(value), _) => Test::BeginsWith(left, value),
            // Not to be had from `check`: true of no item.
            _ => Test::Any(Vec::new()),
        }
    }

    /// The test of a key; nothing for what keys can't be tested with.
    pub(super) fn range_test(self, values: Vec<Value>) -> Option<RangeTest> {
        let mut values = values.into_iter();
        let first = values.next()?;
        Some(match (self, values.next()) {
            (Operator::Compare(comparator), _) => RangeTest::new(comparator, first, false)?,
            (Operator::Between, Some(high)) => RangeTest::Between(first, high),
            (Operator::BeginsWith, _) => RangeTest::BeginsWith(first),
            _ => return None,
        })
    }
}

/// The operator and the values of a comparison that breaks no rule.
pub(super) fn read(comparison: Comparison) -> Result<(Operator, Vec<Value>), Invalid> {
    let operator = Operator::named(&comparison.comparison_operator)?;
    let values = values(comparison.attribute_value_list.unwrap_or_default())?;
    operator.check(&values)?;
    Ok((operator, values))
}

fn values(sent: Vec<AttributeValue>) -> Result<Vec<Value>, Invalid> {
    sent.into_iter().map(Value::try_from).collect()
}

/// The test that an attribute's part of `Expected` says: with an operator and values, or with `Exists` and a value.
pub(super) fn expected(name: &str, sent: ExpectedAttributeValue) -> Result<Test, Invalid> {
    if sent.value.is_some() && sent.attribute_value_list.is_some() {
        return Err(Invalid::parameters(format!(
            "Value and AttributeValueList cannot be used together for Attribute: {name}"
        )));
    }
    let Some(operator) = &sent.comparison_operator else {
        return expected_value(name, sent);
    };
    if sent.exists.is_some() {
        return Err(Invalid::parameters(format!(
            "Exists and ComparisonOperator cannot be used together for Attribute: {name}"
        )));
    }
    let operator = Operator::named(operator)?;
    let has_values = sent.value.is_some() || sent.attribute_value_list.is_some();
    if !has_values && !matches!(operator, Operator::Null | Operator::NotNull) {
        return Err(Invalid::parameters(format!(
            "Value or AttributeValueList must be used with ComparisonOperator: {} for Attribute: {name}",
            operator.name()
        )));
    }
    let listed = sent.attribute_value_list.unwrap_or_default();
    let values = values(sent.value.into_iter().chain(listed).collect())?;
    operator.check(&values)?;
    Ok(operator.test(name, values))
}

fn expected_value(name: &str, sent: ExpectedAttributeValue) -> Result<Test, Invalid> {
    if sent.attribute_value_list.is_some() {
        return Err(Invalid::parameters(format!(
            "AttributeValueList can only be used with a ComparisonOperator for Attribute: {name}"
        )));
    }
    match (sent.exists, sent.value) {
        (None | Some(true), Some(value)) => {
            let equal = Operator::Compare(Comparator::Equal);
            Ok(equal.test(name, vec![Value::try_from(value)?]))
        }
        (Some(false), None) => Ok(Test::Missing(Path::attribute(name))),
        (Some(false), Some(_)) => Err(Invalid::parameters(format!(
            "Value cannot be used when Exists is false for Attribute: {name}"
        ))),
        (exists, None) => {
            let exists = exists.map_or("null".to_owned(), |exists| exists.to_string());
            Err(Invalid::parameters(format!(
                "Value must be provided when Exists is {exists} for Attribute: {name}"
            )))
        }
    }
}
