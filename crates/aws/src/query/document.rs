//! Parameters to a document.
//!
//! The parameters are sorted by their names' segments, numbers as numbers: what belongs together then stands together, and
//! each node of the document is a run of them. Nothing is ever made for an index that was not sent.

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

use std::cmp::Ordering;

use super::parameters::{PARAMETERS_MAX, malformed};
use super::{Form, Name, Parameters, Query, find};
use crate::error::ServiceError;
use crate::value::{VALUES_MAX, Value};

/// Most segments of a name. SQS's longest has seven: `SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.BinaryListValue.1`.
const DEPTH_MAX: usize = 16;
const _: () = assert!(PARAMETERS_MAX * DEPTH_MAX <= VALUES_MAX);
/// Most digits of an index.
const INDEX_DIGITS_MAX: usize = 10;

/// One part of a parameter's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Segment<'a> {
    Index(u32),
    Name(&'a str),
}

/// What is left of a parameter's name below a node, and its value.
#[derive(Debug, Clone, Copy)]
struct Parameter<'a> {
    rest: &'a str,
    value: &'a str,
}

impl<'a> Segment<'a> {
    fn of(text: &'a str) -> Self {
        let is_index = !text.is_empty()
            && text.len() <= INDEX_DIGITS_MAX
            && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(index) if is_index => Segment::Index(index),
            _ => Segment::Name(text),
        }
    }
}

fn by_segments(a: &str, b: &str) -> Ordering {
    a.split('.')
        .map(Segment::of)
        .cmp(b.split('.').map(Segment::of))
}

impl Parameters {
    /// The document of the parameters: members are named as in `query`, values are [`Value::Untyped`].
    ///
    /// # Errors
    /// `MalformedQueryString` for a name of too many segments.
    pub fn document(&self, query: &Query, operation: &str) -> Result<Value, ServiceError> {
        let mut sorted: Vec<Parameter<'_>> = self
            .pairs
            .iter()
            .filter(|(name, _)| !is_about_the_request(name))
            .map(|(name, value)| Parameter { rest: name, value })
            .collect();
        if let Some(deep) = sorted
            .iter()
            .find(|p| p.rest.split('.').count() > DEPTH_MAX)
        {
            let shown: String = deep.rest.chars().take(100).collect();
            return Err(malformed(&format!("the name {shown} has too many parts")));
        }
        // Stable, so that of two parameters with one name the first stays first, and is taken.
        sorted.sort_by(|a, b| by_segments(a.rest, b.rest));
        let reader = Reader {
            names: query.inputs,
            operation,
        };
        Ok(reader.structure(&sorted))
    }
}

/// What names the operation or signs the request, and is no member.
fn is_about_the_request(name: &str) -> bool {
    matches!(name, "Action" | "Version") || name.starts_with("X-Amz-")
}

/// A node's children: each a segment, and the parameters below it with that segment taken off.
struct Children<'a> {
    named: Vec<(Segment<'a>, Node<'a>)>,
}

/// The parameters that share a name so far.
#[derive(Default)]
struct Node<'a> {
    /// The value of the one whose name ends here.
    value: Option<&'a str>,
    below: Vec<Parameter<'a>>,
}

impl<'a> Children<'a> {
    fn of(parameters: &[Parameter<'a>]) -> Self {
        let mut named: Vec<(Segment<'a>, Node<'a>)> = Vec::new();
        for parameter in parameters {
            let (first, rest) = match parameter.rest.split_once('.') {
                Some((first, rest)) => (first, Some(rest)),
                None => (parameter.rest, None),
            };
            let segment = Segment::of(first);
            if named.last().is_none_or(|(last, _)| *last != segment) {
                named.push((segment, Node::default()));
            }
            let Some((_, node)) = named.last_mut() else {
                continue;
            };
            match rest {
                None => node.value = node.value.or(Some(parameter.value)),
                Some(rest) => node.below.push(Parameter { rest, ..*parameter }),
            }
        }
        Children { named }
    }

    fn are_numbered(&self) -> bool {
        !self.named.is_empty()
            && self
                .named
                .iter()
                .all(|(segment, _)| matches!(segment, Segment::Index(_)))
    }

    /// The only child, if it has a name and its own children are numbered: what stands around a list that is not flattened.
    fn wrapper(&self) -> Option<(&'a str, Children<'a>)> {
        match self.named.as_slice() {
            [(Segment::Name(name), node)] => {
                let inside = Children::of(&node.below);
                inside.are_numbered().then_some((*name, inside))
            }
            _ => None,
        }
    }

    fn get(&self, wanted: &str) -> Option<&Node<'a>> {
        self.named
            .iter()
            .find_map(|(segment, node)| (*segment == Segment::Name(wanted)).then_some(node))
    }
}

struct Reader<'q> {
    names: &'static [Name],
    operation: &'q str,
}

impl Reader<'_> {
    fn structure(&self, parameters: &[Parameter<'_>]) -> Value {
        let children = Children::of(parameters);
        Value::Map(self.members(&children))
    }

    fn members(&self, children: &Children<'_>) -> Vec<(String, Value)> {
        let member = |(segment, node): &(Segment<'_>, Node<'_>)| match segment {
            Segment::Index(index) => (index.to_string(), self.guessed(node)),
            Segment::Name(wire) => {
                match find(self.names, self.operation, |name| name.wire == *wire) {
                    Some(name) => (name.member.to_owned(), self.declared(node, name.form)),
                    None => ((*wire).to_owned(), self.guessed(node)),
                }
            }
        };
        children.named.iter().map(member).collect()
    }

    /// A node of which the table says what it is made of. Flattened or not: both are understood.
    fn declared(&self, node: &Node<'_>, form: Form) -> Value {
        if form == Form::Plain {
            return self.guessed(node);
        }
        let children = Children::of(&node.below);
        let elements = match children.wrapper() {
            Some((_, inside)) => inside,
            None => children,
        };
        match form {
            // A list without elements is sent as one empty parameter; one of a single element may be sent unnumbered.
            Form::List { .. } if node.below.is_empty() => match node.value {
                None | Some("") => Value::List(Vec::new()),
                Some(value) => Value::List(vec![Value::Untyped(value.to_owned())]),
            },
            Form::List { .. } => self.list(&elements),
            Form::Map { key, value, .. } => self.map(&elements, key, value),
            Form::Plain => Value::Null,
        }
    }

    /// A node of which nothing is said: the protocol's ordinary forms.
    fn guessed(&self, node: &Node<'_>) -> Value {
        if node.below.is_empty() {
            return match node.value {
                Some(value) => Value::Untyped(value.to_owned()),
                None => Value::Null,
            };
        }
        let children = Children::of(&node.below);
        if children.are_numbered() {
            return self.list(&children);
        }
        match children.wrapper() {
            Some(("member", inside)) => self.list(&inside),
            Some(("entry", inside)) => self.map(&inside, "key", "value"),
            _ => Value::Map(self.members(&children)),
        }
    }

    fn list(&self, elements: &Children<'_>) -> Value {
        let element = |(_, node): &(Segment<'_>, Node<'_>)| self.guessed(node);
        Value::List(elements.named.iter().map(element).collect())
    }

    /// Entries without a key are passed over.
    fn map(&self, entries: &Children<'_>, key: &str, value: &str) -> Value {
        let entry = |(_, node): &(Segment<'_>, Node<'_>)| {
            let halves = Children::of(&node.below);
            let name = halves.get(key)?.value?;
            let value = halves.get(value).map(|node| self.guessed(node));
            Some((name.to_owned(), value.unwrap_or_default()))
        };
        Value::Map(entries.named.iter().filter_map(entry).collect())
    }
}
