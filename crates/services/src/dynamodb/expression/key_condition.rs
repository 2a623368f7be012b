//! Key conditions of a query: one value of the partition key, and at most one test of the sort key.

use std::cmp::Ordering;

use super::condition::{Comparator, Condition, Operand, Test, begins_with};
use super::{Context, Path};
use crate::dynamodb::Invalid;
use crate::dynamodb::value::{Type, Value};

/// The keys of the table or index that is queried.
#[derive(Clone, Debug, PartialEq)]
pub struct KeySchema<'a> {
    /// Partition key.
    pub hash: (&'a str, Type),
    /// Sort key.
    pub range: Option<(&'a str, Type)>,
}

/// Tests of one or two attributes by name, before it is known which attributes are keys. One that no key can have is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyTests(Vec<(String, Option<RangeTest>)>);

/// Which items a query asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyCondition {
    /// Partition key and its value.
    pub hash: (String, Value),
    /// Sort key and its test.
    pub range: Option<(String, RangeTest)>,
}

/// What a sort key must be like.
#[derive(Clone, Debug, PartialEq)]
pub enum RangeTest {
    /// Equal.
    Equal(Value),
    /// Less.
    Less(Value),
    /// Less or equal.
    LessOrEqual(Value),
    /// Greater.
    Greater(Value),
    /// Greater or equal.
    GreaterOrEqual(Value),
    /// From the one to the other, both included.
    Between(Value, Value),
    /// Text or bytes that begin so.
    BeginsWith(Value),
}

impl RangeTest {
    /// True if the key is so.
    #[must_use]
    pub fn holds(&self, key: &Value) -> bool {
        let compared =
            |value: &Value, wanted: fn(Ordering) -> bool| key.order(value).is_some_and(wanted);
        match self {
            RangeTest::Equal(value) => key == value,
            RangeTest::Less(value) => compared(value, Ordering::is_lt),
            RangeTest::LessOrEqual(value) => compared(value, Ordering::is_le),
            RangeTest::Greater(value) => compared(value, Ordering::is_gt),
            RangeTest::GreaterOrEqual(value) => compared(value, Ordering::is_ge),
            RangeTest::Between(low, high) => {
                compared(low, Ordering::is_ge) && compared(high, Ordering::is_le)
            }
            RangeTest::BeginsWith(beginning) => begins_with(key, beginning),
        }
    }

    /// The values that it compares with: one, or two.
    #[must_use]
    pub fn values(&self) -> Vec<&Value> {
        match self {
            RangeTest::Between(low, high) => vec![low, high],
            RangeTest::Equal(value)
            | RangeTest::Less(value)
            | RangeTest::LessOrEqual(value)
            | RangeTest::Greater(value)
            | RangeTest::GreaterOrEqual(value)
            | RangeTest::BeginsWith(value) => vec![value],
        }
    }

    /// The value that is compared stands left of the comparator, or right.
    pub(in crate::dynamodb) fn new(
        comparator: Comparator,
        value: Value,
        value_first: bool,
    ) -> Option<RangeTest> {
        Some(match (comparator, value_first) {
            (Comparator::Equal, _) => RangeTest::Equal(value),
            (Comparator::NotEqual, _) => return None,
            (Comparator::Less, false) | (Comparator::Greater, true) => RangeTest::Less(value),
            (Comparator::Less, true) | (Comparator::Greater, false) => RangeTest::Greater(value),
            (Comparator::LessOrEqual, false) | (Comparator::GreaterOrEqual, true) => {
                RangeTest::LessOrEqual(value)
            }
            (Comparator::LessOrEqual, true) | (Comparator::GreaterOrEqual, false) => {
                RangeTest::GreaterOrEqual(value)
            }
        })
    }
}

impl KeyTests {
    /// Reads a `KeyConditionExpression`.
    ///
    /// # Errors
    /// If it is no condition, or one that keys can't have.
    pub fn parse(text: &str, context: &mut Context) -> Result<KeyTests, Invalid> {
        let condition = Condition::parse_as("KeyConditionExpression", text, context)?;
        let mut tests = Vec::new();
        collect(&condition.test, &mut tests).map_err(Invalid::new)?;
        KeyTests::new(tests)
    }

    /// Of one or two tests.
    ///
    /// # Errors
    /// If there are none, or more.
    pub(in crate::dynamodb) fn new(
        tests: Vec<(String, Option<RangeTest>)>,
    ) -> Result<KeyTests, Invalid> {
        match tests.len() {
            1 | 2 => Ok(KeyTests(tests)),
            _ => Err(Invalid::new("Conditions can be of length 1 or 2 only")),
        }
    }

    /// The condition on these keys.
    ///
    /// # Errors
    /// If it is not one equality on the partition key and at most one test of the sort key, with values of the keys' types.
    pub fn on(mut self, keys: &KeySchema<'_>) -> Result<KeyCondition, Invalid> {
        let several = self.0.len() > 1;
        if several && keys.range.is_none() {
            return Err(Invalid::new(NOT_SUPPORTED));
        }
        let hash = match self.take(keys.hash)? {
            Some(RangeTest::Equal(value)) => value,
            Some(_) => return Err(Invalid::new(NOT_SUPPORTED)),
            None => return Err(missed(keys.hash.0)),
        };
        let range = match keys.range {
            None => None,
            Some(key) => match self.take(key)? {
                None if several => return Err(missed(key.0)),
                test => test.map(|test| (key.0.to_owned(), test)),
            },
        };
        Ok(KeyCondition {
            hash: (keys.hash.0.to_owned(), hash),
            range,
        })
    }

    /// Takes out the test of this key.
    fn take(&mut self, (name, kind): (&str, Type)) -> Result<Option<RangeTest>, Invalid> {
        let Some(at) = self.0.iter().position(|(tested, _)| tested == name) else {
            return Ok(None);
        };
        let Some(test) = self.0.swap_remove(at).1 else {
            return Err(Invalid::new(
                "Attempted conditional constraint is not an indexable operation",
            ));
        };
        match test.values().iter().all(|value| value.kind() == kind) {
            true => Ok(Some(test)),
            false => Err(Invalid::parameters(
                "Condition parameter type does not match schema type",
            )),
        }
    }
}

const NOT_SUPPORTED: &str = "Query key condition not supported";

fn missed(key: &str) -> Invalid {
    Invalid::new(format!("Query condition missed key schema element: {key}"))
}

/// Collects the tests of attributes; the text of what is wrong is whole.
fn collect(test: &Test, found: &mut Vec<(String, Option<RangeTest>)>) -> Result<(), String> {
    let refused = |operator: &str| {
        Err(format!(
            "Invalid operator used in KeyConditionExpression: {operator}"
        ))
    };
    let (name, range) = match test {
        Test::All(tests) => return tests.iter().try_for_each(|test| collect(test, found)),
        Test::Any(_) => return refused("OR"),
        Test::Not(_) => return refused("NOT"),
        Test::In(..) => return refused("IN"),
        Test::Exists(_) => return refused("attribute_exists"),
        Test::Missing(_) => return refused("attribute_not_exists"),
        Test::IsType(..) => return refused("attribute_type"),
        Test::Contains(..) => return refused("contains"),
        Test::Compare(_, Comparator::NotEqual, _) => return refused("<>"),
        Test::Compare(one, comparator, two) => compared(one, *comparator, two)?,
        Test::Between(key, low, high) => {
            let name = leading_key("BETWEEN", key)?;
            let test = RangeTest::Between(value(low)?, value(high)?);
            (name, test)
        }
        Test::BeginsWith(key, beginning) => {
            let name = leading_key("begins_with", key)?;
            (name, RangeTest::BeginsWith(value(beginning)?))
        }
    };
    if found.iter().any(|(known, _)| *known == name) {
        return Err("KeyConditionExpressions must only contain one condition per key".to_owned());
    }
    found.push((name, Some(range)));
    Ok(())
}

fn compared(
    one: &Operand,
    comparator: Comparator,
    two: &Operand,
) -> Result<(String, RangeTest), String> {
    let (path, value, value_first) = match (one, two) {
        (Operand::Size(_), _) | (_, Operand::Size(_)) => return Err(NESTED_OPERATION.to_owned()),
        (Operand::Path(_), Operand::Path(_)) => return Err(SEVERAL_NAMES.to_owned()),
        (Operand::Path(path), Operand::Value(value)) => (path, value, false),
        (Operand::Value(value), Operand::Path(path)) => (path, value, true),
        (Operand::Value(_), Operand::Value(_)) => {
            return Err(
                "Invalid condition in KeyConditionExpression: No key attribute specified"
                    .to_owned(),
            );
        }
    };
    let name = whole(path)?;
    RangeTest::new(comparator, Value::clone(value), value_first)
        .map(|test| (name, test))
        .ok_or_else(|| NESTED_OPERATION.to_owned())
}

const NESTED_OPERATION: &str = "KeyConditionExpressions cannot contain nested operations";
const SEVERAL_NAMES: &str =
    "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition";

fn whole(path: &Path) -> Result<String, String> {
    match path.is_nested() {
        false => Ok(path.head().to_owned()),
        true => {
            Err("KeyConditionExpressions cannot have conditions on nested attributes".to_owned())
        }
    }
}

fn leading_key(operator: &str, operand: &Operand) -> Result<String, String> {
    match operand {
        Operand::Path(path) => whole(path),
        Operand::Size(_) | Operand::Value(_) => Err(format!(
            "Invalid condition in KeyConditionExpression: {operator} operator must have the key attribute as its first operand"
        )),
    }
}

fn value(operand: &Operand) -> Result<Value, String> {
    match operand {
        Operand::Value(value) => Ok(Value::clone(value)),
        Operand::Path(_) => Err(SEVERAL_NAMES.to_owned()),
        Operand::Size(_) => Err(NESTED_OPERATION.to_owned()),
    }
}

#[cfg(test)]
mod tests;
