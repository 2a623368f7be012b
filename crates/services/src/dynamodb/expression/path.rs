//! Document paths: where in an item a value is.

use std::fmt;

use super::Context;
use super::parser::{Fault, Name, RawPath, RawStep, Term};
use super::reserved::is_reserved;
use crate::dynamodb::value::{Item, Value};

/// Most steps of a path. Source: "Constraints in Amazon DynamoDB", expression parameters.
const STEPS_MAX: usize = 32;

/// Where in an item: `a.b[3]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The attribute's name.
    pub(super) head: String,
    /// Steps within its value.
    pub(super) steps: Vec<Step>,
}

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Into a list, from 0.
    Index(usize),
    /// Into a map.
    Name(String),
}

impl Step {
    /// The value one step on.
    fn of<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match (self, value) {
            (Step::Name(name), Value::M(members)) => members.get(name),
            (Step::Index(index), Value::L(elements)) => elements.get(*index),
            _ => None,
        }
    }

    fn of_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        match (self, value) {
            (Step::Name(name), Value::M(members)) => members.get_mut(name),
            (Step::Index(index), Value::L(elements)) => elements.get_mut(*index),
            _ => None,
        }
    }
}

impl Path {
    /// The path of a whole attribute.
    #[must_use]
    pub fn attribute(name: impl Into<String>) -> Path {
        Path {
            head: name.into(),
            steps: Vec::new(),
        }
    }

    /// The attribute that it is in.
    #[must_use]
    pub fn head(&self) -> &str {
        &self.head
    }

    /// True if it goes into the attribute's value: keys must not be looked into.
    #[must_use]
    pub fn is_nested(&self) -> bool {
        !self.steps.is_empty()
    }

    /// What the names and indexes of a written path mean.
    pub(super) fn resolve(raw: &RawPath<'_>, context: &mut Context) -> Result<Path, Fault> {
        if raw.len() > STEPS_MAX {
            return Err(format!(
                "The document path has too many nesting elements; nesting levels: {}",
                raw.len()
            ));
        }
        let mut steps = raw.iter();
        let head = match steps.next() {
            Some(RawStep::Name(name)) => context.name(*name)?,
            _ => return Err("A path cannot start with a list index".to_owned()),
        };
        let steps = steps.map(|step| match step {
            RawStep::Name(name) => context.name(*name).map(Step::Name),
            RawStep::Index(digits) => index(digits).map(Step::Index),
        });
        let steps = steps.collect::<Result<_, Fault>>()?;
        Ok(Path { head, steps })
    }

    /// The value there.
    pub(super) fn get<'a>(&self, item: &'a Item) -> Option<&'a Value> {
        let value = item.get(&self.head)?;
        self.steps
            .iter()
            .try_fold(value, |value, step| step.of(value))
    }

    /// The value that the last step goes into. Nothing for a path of no steps.
    pub(super) fn parent<'a>(&self, item: &'a Item) -> Option<&'a Value> {
        let (_, before) = self.steps.split_last()?;
        let value = item.get(&self.head)?;
        before.iter().try_fold(value, |value, step| step.of(value))
    }

    pub(super) fn parent_mut<'a>(&self, item: &'a mut Item) -> Option<&'a mut Value> {
        let (_, before) = self.steps.split_last()?;
        let value = item.get_mut(&self.head)?;
        before
            .iter()
            .try_fold(value, |value, step| step.of_mut(value))
    }

    /// Refuses paths of which one is within another, or which take one value for a map and for a list.
    pub(super) fn check_apart(paths: &[&Path]) -> Result<(), Fault> {
        let mut conflict = None;
        for (at, second) in paths.iter().enumerate() {
            for first in paths.iter().take(at) {
                match first.relation(second) {
                    Relation::Apart => (),
                    Relation::Overlap => return Err(both("overlap", first, second)),
                    Relation::Conflict => {
                        conflict.get_or_insert_with(|| both("conflict", first, second));
                    }
                }
            }
        }
        conflict.map_or(Ok(()), Err)
    }

    fn relation(&self, other: &Path) -> Relation {
        if self.head != other.head {
            return Relation::Apart;
        }
        for steps in self.steps.iter().zip(&other.steps) {
            match steps {
                (Step::Name(one), Step::Name(two)) if one == two => (),
                (Step::Index(one), Step::Index(two)) if one == two => (),
                (Step::Name(_), Step::Name(_)) | (Step::Index(_), Step::Index(_)) => {
                    return Relation::Apart;
                }
                _ => return Relation::Conflict,
            }
        }
        Relation::Overlap
    }
}

enum Relation {
    Apart,
    Overlap,
    Conflict,
}

fn both(what: &str, first: &Path, second: &Path) -> Fault {
    format!(
        "Two document paths {what} with each other; must remove or rewrite one of these paths; path one: {first}, path two: {second}"
    )
}

/// As AWS's texts have them: `[a, b, [3]]`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.head)?;
        for step in &self.steps {
            match step {
                Step::Name(name) => write!(f, ", {name}")?,
                Step::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}

fn index(digits: &str) -> Result<usize, Fault> {
    let index = digits
        .parse::<u32>()
        .ok()
        .filter(|index| *index <= i32::MAX as u32);
    index
        .map(|index| index as usize)
        .ok_or_else(|| format!("List index is not within the allowable range; index: [{digits}]"))
}

/// Refuses the first reserved word among the names of a term, in the order they are written.
pub(super) fn check_reserved(term: &Term<'_>) -> Result<(), Fault> {
    match term {
        Term::Value(_) => Ok(()),
        Term::Path(path) => check_reserved_path(path),
        Term::Call(_, operands) => operands.iter().try_for_each(check_reserved),
        Term::Math(_, operands) => operands.iter().try_for_each(check_reserved),
    }
}

pub(super) fn check_reserved_path(path: &RawPath<'_>) -> Result<(), Fault> {
    for step in path {
        if let RawStep::Name(Name::Plain(word)) = step
            && is_reserved(word)
        {
            return Err(format!(
                "Attribute name is a reserved keyword; reserved keyword: {word}"
            ));
        }
    }
    Ok(())
}
