//! Projections: some parts of an item.

use std::collections::{BTreeMap, BTreeSet};

use super::parser::{Fault, Parser, RawPath};
use super::path::{Step, check_reserved_path};
use super::{Context, Path};
use crate::dynamodb::Invalid;
use crate::dynamodb::value::{Item, Value};

/// Which parts of an item are answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    paths: Vec<Path>,
}

impl Projection {
    /// Reads a `ProjectionExpression`.
    ///
    /// # Errors
    /// If it breaks a rule; the text begins with "Invalid ProjectionExpression: ".
    pub fn parse(text: &str, context: &mut Context) -> Result<Projection, Invalid> {
        read(text, context)
            .map(|paths| Projection { paths })
            .map_err(|fault| Invalid::new(format!("Invalid ProjectionExpression: {fault}")))
    }

    /// Of paths that are apart from each other.
    pub(in crate::dynamodb) fn new(paths: Vec<Path>) -> Projection {
        Projection { paths }
    }

    /// Those parts of the item. Elements of lists keep their order and close up; what is not there is left out.
    #[must_use]
    pub fn of(&self, item: &Item) -> Item {
        let mut parts: BTreeMap<&str, Part<'_>> = BTreeMap::new();
        for path in &self.paths {
            parts.entry(path.head()).or_default().add(&path.steps);
        }
        let projected = parts.into_iter().filter_map(|(name, part)| {
            let value = part.of(item.get(name)?)?;
            Some((name.to_owned(), value))
        });
        projected.collect()
    }

    /// The attributes of which it has parts, by their first names.
    #[must_use]
    pub fn attributes(&self) -> BTreeSet<&str> {
        self.paths.iter().map(Path::head).collect()
    }

    /// Its paths, in order.
    #[must_use]
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }
}

fn read(text: &str, context: &mut Context) -> Result<Vec<Path>, Fault> {
    let mut parser = Parser::new(text, &[])?;
    let mut raw: Vec<RawPath<'_>> = vec![parser.path()?];
    while parser.eat(",") {
        raw.push(parser.path()?);
    }
    parser.expect_end()?;
    raw.iter().try_for_each(check_reserved_path)?;
    let paths = raw.iter().map(|path| Path::resolve(path, context));
    let paths: Vec<Path> = paths.collect::<Result<_, _>>()?;
    Path::check_apart(&paths.iter().collect::<Vec<_>>())?;
    Ok(paths)
}

/// Which parts of a value are wanted: all of it, if no step goes on.
#[derive(Default)]
struct Part<'a> {
    names: BTreeMap<&'a str, Part<'a>>,
    indexes: BTreeMap<usize, Part<'a>>,
}

impl<'a> Part<'a> {
    fn add(&mut self, steps: &'a [Step]) {
        let mut part = self;
        for step in steps {
            part = match step {
                Step::Name(name) => part.names.entry(name).or_default(),
                Step::Index(index) => part.indexes.entry(*index).or_default(),
            };
        }
    }

    /// The recursion is as deep as paths are long.
    fn of(&self, value: &Value) -> Option<Value> {
        if self.names.is_empty() && self.indexes.is_empty() {
            return Some(value.clone());
        }
        match value {
            Value::M(members) => {
                let parts = self.names.iter().filter_map(|(name, part)| {
                    let value = part.of(members.get(*name)?)?;
                    Some(((*name).to_owned(), value))
                });
                let parts: BTreeMap<String, Value> = parts.collect();
                (!parts.is_empty()).then_some(Value::M(parts))
            }
            Value::L(elements) => {
                let parts = self.indexes.iter();
                let parts = parts.filter_map(|(index, part)| part.of(elements.get(*index)?));
                let parts: Vec<Value> = parts.collect();
                (!parts.is_empty()).then_some(Value::L(parts))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
