//! Applying an update to an item.
//!
//! First a plan: every new value is found from the item as it was, and everything that can go wrong goes wrong here. Then the plan is
//! carried out, values before removals. Indexes of lists mean the list as it was: elements beyond its end are appended in the order of
//! their indexes, and elements are removed from the last to the first.

use super::{Change, Source};
use crate::dynamodb::Invalid;
use crate::dynamodb::expression::Path;
use crate::dynamodb::expression::path::Step;
use crate::dynamodb::limits::{ITEM_BYTES, UPDATE_TOO_LARGE as TOO_LARGE};
use crate::dynamodb::value::{Item, NESTED_TOO_DEEP, NESTING_MAX, Value};

/// What an item becomes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    values: Vec<(Path, Value)>,
    removed: Vec<Path>,
}

/// What the changes make of the item.
pub(super) fn plan(
    changes: &[(Path, Change)],
    item: &Item,
    mismatch: &'static str,
) -> Result<Plan, Invalid> {
    let state = State { item, mismatch };
    let (mut sources, mut bytes) = (Vec::new(), 0);
    for (_, change) in changes {
        sources.push(match change {
            Change::Set(source) => {
                let value = state.value(source)?;
                bytes += value.bytes();
                must_fit(bytes)?;
                Some(value)
            }
            _ => None,
        });
    }
    let mut plan = Plan::default();
    for ((path, change), source) in changes.iter().zip(sources) {
        check_parent(path, item)?;
        let there = path.get(item);
        let value = match change {
            Change::Set(_) => source,
            Change::Remove => None,
            Change::Add(added) => {
                let sum = state.sum(there, added)?;
                bytes += sum.bytes();
                must_fit(bytes)?;
                Some(sum)
            }
            Change::Delete(deleted) => match there {
                Some(there) => state.difference(there, deleted)?,
                None => continue,
            },
        };
        match value {
            Some(value) => plan.values.push((path.clone(), value)),
            None if there.is_some() => plan.removed.push(path.clone()),
            None => (),
        }
    }
    check_nesting(&plan)?;
    Ok(plan)
}

/// All new values are part of the item in the end. Said as soon as it is known: a short expression can make gigabytes of an item.
fn must_fit(bytes: usize) -> Result<(), Invalid> {
    match bytes as u64 > ITEM_BYTES {
        true => Err(Invalid::new(TOO_LARGE)),
        false => Ok(()),
    }
}

/// A value can't be more levels within the item than values may have.
fn check_nesting(plan: &Plan) -> Result<(), Invalid> {
    let too_deep = |(path, value): &(Path, Value)| path.steps.len() + value.nesting() > NESTING_MAX;
    match plan.values.iter().any(too_deep) {
        true => Err(Invalid::new(NESTED_TOO_DEEP)),
        false => Ok(()),
    }
}

/// What the last step goes into must be there, and be a map or a list as the step has it.
fn check_parent(path: &Path, item: &Item) -> Result<(), Invalid> {
    let fits = matches!(
        (path.steps.last(), path.parent(item)),
        (None, _)
            | (Some(Step::Name(_)), Some(Value::M(_)))
            | (Some(Step::Index(_)), Some(Value::L(_)))
    );
    match fits {
        true => Ok(()),
        false => Err(Invalid::new(
            "The document path provided in the update expression is invalid for update",
        )),
    }
}

struct State<'a> {
    item: &'a Item,
    mismatch: &'static str,
}

impl State<'_> {
    fn mismatched(&self) -> Invalid {
        Invalid::new(self.mismatch)
    }

    fn value(&self, source: &Source) -> Result<Value, Invalid> {
        match source {
            Source::Value(value) => Ok(Value::clone(value)),
            Source::Path(path) => path.get(self.item).cloned().ok_or_else(|| {
                Invalid::new(
                    "The provided expression refers to an attribute that does not exist in the item",
                )
            }),
            Source::IfNotExists(path, otherwise) => match path.get(self.item) {
                Some(value) => Ok(value.clone()),
                None => self.value(otherwise),
            },
            Source::Append(operands) => match self.values(operands)? {
                [Value::L(mut one), Value::L(two)] => {
                    one.extend(two);
                    let list = Value::L(one);
                    must_fit(list.bytes())?;
                    Ok(list)
                }
                _ => Err(self.mismatched()),
            },
            Source::Plus(operands) => match self.values(operands)? {
                [Value::N(one), Value::N(two)] => one.plus(two).map(Value::N),
                _ => Err(self.mismatched()),
            },
            Source::Minus(operands) => match self.values(operands)? {
                [Value::N(one), Value::N(two)] => one.minus(two).map(Value::N),
                _ => Err(self.mismatched()),
            },
        }
    }

    fn values(&self, operands: &[Source; 2]) -> Result<[Value; 2], Invalid> {
        let [one, two] = operands;
        Ok([self.value(one)?, self.value(two)?])
    }

    /// What is there and what is added to it.
    fn sum(&self, there: Option<&Value>, added: &Value) -> Result<Value, Invalid> {
        let Some(there) = there else {
            return Ok(added.clone());
        };
        Ok(match (there, added) {
            (Value::N(one), Value::N(two)) => Value::N(one.plus(*two)?),
            (Value::SS(one), Value::SS(two)) => Value::SS(one | two),
            (Value::NS(one), Value::NS(two)) => Value::NS(one | two),
            (Value::BS(one), Value::BS(two)) => Value::BS(one | two),
            (Value::L(one), Value::L(two)) => Value::L([one.as_slice(), two].concat()),
            _ => return Err(self.mismatched()),
        })
    }

    /// The set that is there without what is deleted; nothing if nothing is left, as there are no empty sets.
    fn difference(&self, there: &Value, deleted: &Value) -> Result<Option<Value>, Invalid> {
        Ok(match (there, deleted) {
            (Value::SS(one), Value::SS(two)) => Some(Value::SS(one - two)),
            (Value::NS(one), Value::NS(two)) => Some(Value::NS(one - two)),
            (Value::BS(one), Value::BS(two)) => Some(Value::BS(one - two)),
            _ => return Err(self.mismatched()),
        }
        .filter(|left| !left.is_empty_set()))
    }
}

impl Value {
    fn is_empty_set(&self) -> bool {
        match self {
            Value::SS(texts) => texts.is_empty(),
            Value::NS(numbers) => numbers.is_empty(),
            Value::BS(blobs) => blobs.is_empty(),
            _ => false,
        }
    }
}

/// Makes the item what the plan says. The plan is of this very item, so that every parent is there.
pub(super) fn carry_out(plan: Plan, item: &mut Item) {
    let Plan {
        mut values,
        mut removed,
    } = plan;
    values.sort_by(|(one, _), (two, _)| one.cmp(two));
    for (path, value) in values {
        match (path.steps.last(), path.parent_mut(item)) {
            (Some(Step::Name(name)), Some(Value::M(members))) => {
                members.insert(name.clone(), value);
            }
            (Some(Step::Index(index)), Some(Value::L(elements))) => {
                match elements.get_mut(*index) {
                    Some(element) => *element = value,
                    None => elements.push(value),
                }
            }
            (None, _) => {
                item.insert(path.head, value);
            }
            // The plan has only parents that are there.
            (Some(_), _) => (),
        }
    }
    removed.sort();
    for path in removed.iter().rev() {
        match (path.steps.last(), path.parent_mut(item)) {
            (Some(Step::Name(name)), Some(Value::M(members))) => {
                members.remove(name);
            }
            (Some(Step::Index(index)), Some(Value::L(elements))) if *index < elements.len() => {
                elements.remove(*index);
            }
            (None, _) => {
                item.remove(&path.head);
            }
            (Some(_), _) => (),
        }
    }
}
