//! Updates: parsed from text, checked, and applied to an item.
//!
//! `grammar` reads the text, `check` finds what it means and everything AWS objects to, `apply` changes the item. Legacy parameters make
//! the same [`Change`]s.

mod apply;
mod check;
mod grammar;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Context, Path, Projection};
use crate::dynamodb::Invalid;
use crate::dynamodb::value::{Item, Type, Value};

/// What is done to an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    changes: Vec<(Path, Change)>,
    /// What AWS says if a value in the item has the wrong type: expressions and legacy parameters differ in it.
    mismatch: &'static str,
}

/// What is done to one value.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::dynamodb) enum Change {
    Set(Source),
    Remove,
    /// Adds a number, the members of a set, or (in legacy parameters alone) the elements of a list.
    Add(Arc<Value>),
    /// Takes members out of a set.
    Delete(Arc<Value>),
}

/// Where a new value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::dynamodb) enum Source {
    Value(Arc<Value>),
    Path(Path),
    IfNotExists(Path, Box<Source>),
    Append(Box<[Source; 2]>),
    Plus(Box<[Source; 2]>),
    Minus(Box<[Source; 2]>),
}

/// Which parts of an item an update named.
#[derive(Clone, Debug, PartialEq)]
pub struct Touched {
    parts: Projection,
}

impl Update {
    /// Reads an `UpdateExpression`.
    ///
    /// # Errors
    /// If it breaks a rule; the text begins with "Invalid UpdateExpression: ".
    pub fn parse(text: &str, context: &mut Context) -> Result<Update, Invalid> {
        grammar::parse(text)
            .and_then(|sections| check::check(&sections, context))
            .map(|changes| {
                Update::new(
                    changes,
                    "An operand in the update expression has an incorrect data type",
                )
            })
            .map_err(|fault| Invalid::new(format!("Invalid UpdateExpression: {fault}")))
    }

    /// Of changes whose paths are apart from each other.
    pub(in crate::dynamodb) fn new(changes: Vec<(Path, Change)>, mismatch: &'static str) -> Update {
        Update { changes, mismatch }
    }

    /// Changes the item; every operand is read from the item as it was. An item that this fails on is left as it was.
    ///
    /// # Errors
    /// If the item does not have what the update needs, or the new values break a rule.
    pub fn apply(&self, item: &mut Item) -> Result<Touched, Invalid> {
        let plan = apply::plan(&self.changes, item, self.mismatch)?;
        apply::carry_out(plan, item);
        let paths = self.paths().cloned().collect();
        Ok(Touched {
            parts: Projection::new(paths),
        })
    }

    /// The attributes that it changes, by their first names: keys can't be changed.
    #[must_use]
    pub fn attributes(&self) -> BTreeSet<&str> {
        self.paths().map(Path::head).collect()
    }

    /// The paths that it changes, in order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.changes.iter().map(|(path, _)| path)
    }

    /// The type that a whole attribute is known to have afterwards, before any item is looked at: keys of indexes have theirs.
    #[must_use]
    pub fn type_of(&self, attribute: &str) -> Option<Type> {
        let whole = |path: &Path| path.head() == attribute && !path.is_nested();
        let (_, change) = self.changes.iter().find(|(path, _)| whole(path))?;
        match change {
            Change::Set(source) => source.known_type(),
            Change::Add(value) | Change::Delete(value) => Some(value.kind()),
            Change::Remove => None,
        }
    }
}

impl Source {
    fn known_type(&self) -> Option<Type> {
        match self {
            Source::Value(value) => Some(value.kind()),
            Source::Path(_) => None,
            Source::IfNotExists(_, otherwise) => otherwise.known_type(),
            Source::Append(_) => Some(Type::L),
            Source::Plus(_) | Source::Minus(_) => Some(Type::N),
        }
    }
}

impl Touched {
    /// The touched parts of an item: of the old one for `UPDATED_OLD`, of the new one for `UPDATED_NEW`.
    #[must_use]
    pub fn of(&self, item: &Item) -> Item {
        self.parts.of(item)
    }
}
