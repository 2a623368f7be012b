//! What conditions mean of an item.
//!
//! What is not there is equal to nothing, and not equal to anything; it is neither less nor more, and nothing else is true of it.
//! Values of two types are not equal, and have no order.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Comparator, Operand, Test};
use crate::dynamodb::value::{Item, Number, Value};

impl Test {
    /// True of the item.
    pub(in crate::dynamodb) fn holds(&self, item: &Item) -> bool {
        match self {
            Test::All(tests) => tests.iter().all(|test| test.holds(item)),
            Test::Any(tests) => tests.iter().any(|test| test.holds(item)),
            Test::Not(test) => !test.holds(item),
            Test::Exists(path) => path.get(item).is_some(),
            Test::Missing(path) => path.get(item).is_none(),
            Test::Compare(one, comparator, two) => {
                comparator.holds(one.value(item).as_deref(), two.value(item).as_deref())
            }
            Test::Between(value, low, high) => {
                Comparator::GreaterOrEqual.of(value, low, item)
                    && Comparator::LessOrEqual.of(value, high, item)
            }
            Test::In(value, among) => among
                .iter()
                .any(|one| Comparator::Equal.of(value, one, item)),
            Test::IsType(value, kind) => {
                value.value(item).is_some_and(|value| value.kind() == *kind)
            }
            Test::BeginsWith(value, beginning) => both(value, beginning, item, begins_with),
            Test::Contains(value, part) => both(value, part, item, contains),
        }
    }
}

/// True if both are there and `test` is true of them.
fn both(one: &Operand, two: &Operand, item: &Item, test: fn(&Value, &Value) -> bool) -> bool {
    match (one.value(item), two.value(item)) {
        (Some(one), Some(two)) => test(&one, &two),
        _ => false,
    }
}

impl Operand {
    fn value<'a>(&'a self, item: &'a Item) -> Option<Cow<'a, Value>> {
        match self {
            Operand::Path(path) => path.get(item).map(Cow::Borrowed),
            Operand::Value(value) => Some(Cow::Borrowed(value)),
            Operand::Size(within) => {
                let size = size(&*within.value(item)?)?;
                Some(Cow::Owned(Value::N(Number::from(size))))
            }
        }
    }
}

impl Comparator {
    fn of(self, one: &Operand, two: &Operand, item: &Item) -> bool {
        self.holds(one.value(item).as_deref(), two.value(item).as_deref())
    }

    fn holds(self, one: Option<&Value>, two: Option<&Value>) -> bool {
        let (Some(one), Some(two)) = (one, two) else {
            return self == Comparator::NotEqual;
        };
        match self {
            Comparator::Equal => one == two,
            Comparator::NotEqual => one != two,
            Comparator::Less => one.order(two).is_some_and(Ordering::is_lt),
            Comparator::LessOrEqual => one.order(two).is_some_and(Ordering::is_le),
            Comparator::Greater => one.order(two).is_some_and(Ordering::is_gt),
            Comparator::GreaterOrEqual => one.order(two).is_some_and(Ordering::is_ge),
        }
    }
}

/// True if text begins with text, or bytes with bytes.
pub(in crate::dynamodb) fn begins_with(value: &Value, beginning: &Value) -> bool {
    match (value, beginning) {
        (Value::S(text), Value::S(beginning)) => text.starts_with(beginning.as_str()),
        (Value::B(data), Value::B(beginning)) => data.starts_with(beginning),
        _ => false,
    }
}

/// True of a part of text or bytes, of an element of a list, of a member of a set.
fn contains(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::S(text), Value::S(part)) => text.contains(part.as_str()),
        (Value::B(data), Value::B(part)) => memchr::memmem::find(data, part).is_some(),
        (Value::L(elements), part) => elements.contains(part),
        (Value::SS(texts), Value::S(part)) => texts.contains(part),
        (Value::NS(numbers), Value::N(part)) => numbers.contains(part),
        (Value::BS(blobs), Value::B(part)) => blobs.contains(part),
        _ => false,
    }
}

/// Bytes of text and of binaries, elements of lists, maps and sets. Nothing else has a size. AWS's documentation calls the size of text
/// its length; bytes of UTF-8 are how DynamoDB measures text everywhere else.
fn size(value: &Value) -> Option<i64> {
    let size = match value {
        Value::S(text) => text.len(),
        Value::B(data) => data.len(),
        Value::M(members) => members.len(),
        Value::L(elements) => elements.len(),
        Value::SS(texts) => texts.len(),
        Value::NS(numbers) => numbers.len(),
        Value::BS(blobs) => blobs.len(),
        Value::N(_) | Value::Bool(_) | Value::Null => return None,
    };
    i64::try_from(size).ok()
}
