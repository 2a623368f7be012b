//! AWS Query: requests as form parameters, answers in XML; and what services that came from it keep in JSON.
//!
//! Everything in a request is text under a dotted name: `Entry.2.Id=b` is member `Id` of the second element of a list. How a
//! list or map is called on the wire, and whether it stands in an element of its own, differs from member to member, so a
//! service that speaks Query hands in a table of names ([`Query`], through `Operations::query`). What the table does not
//! name is taken in the protocol's ordinary form:
//!
//! | in a request                        | in an answer                                    | is            |
//! |-------------------------------------|-------------------------------------------------|---------------|
//! | `X.Y=v`                             | `<X><Y>v</Y></X>`                               | a structure   |
//! | `X.member.1=v`, `X.1=v`             | `<X><member>v</member></X>`                     | a list        |
//! | `X.entry.1.key=k&X.entry.1.value=v` | only by the table: else it reads as a structure | a map         |
//!
//! Read `parameters` (form encoding), `document` (parameters to a document), `answer` (a document to XML), `errors`.
//! Source: "AWS query protocol", Smithy 2.0; `awsQueryCompatible` there for the JSON side.

mod answer;
mod document;
mod errors;
mod parameters;

pub(crate) use answer::{answer, error};
pub(crate) use errors::{error_shape, header, names_of};
pub use parameters::Parameters;

/// What a service must say of itself to be spoken to in Query, and in JSON by clients that came from Query.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// The API's version, as clients name it in the parameter `Version`: `2012-11-05`.
    pub version: &'static str,
    /// Namespace of every answer: `http://queue.amazonaws.com/doc/2012-11-05/`.
    pub xml_namespace: &'static str,
    /// What stands before the `#` in the `__type` of the service's own errors in JSON: `com.amazonaws.sqs`.
    pub error_namespace: &'static str,
    /// The member which the request's URL stands for where the URL has a path and the parameter is absent: `QueueUrl`.
    pub path_member: Option<&'static str>,
    /// How members of inputs are called in parameters.
    pub inputs: &'static [Name],
    /// How members of outputs are called in XML.
    pub outputs: &'static [Name],
}

/// How one member is called on the wire, at whatever depth it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    /// The member, as its shape spells it.
    pub member: &'static str,
    /// Its name in parameters or elements.
    pub wire: &'static str,
    /// What it is made of.
    pub form: Form,
    /// The one operation for which this holds, before what holds for all.
    pub operation: Option<&'static str>,
}

/// What a member is made of, as far as Query must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A structure or a scalar; or a list in the protocol's ordinary form.
    Plain,
    /// A list. `item` is what its elements are called; without, it is flattened: they bear the list's own name.
    List {
        /// `member` in most services.
        item: Option<&'static str>,
    },
    /// A map. `entry` is what its entries are called; without, it is flattened.
    Map {
        /// `entry` in most services.
        entry: Option<&'static str>,
        /// What an entry's key is called.
        key: &'static str,
        /// What an entry's value is called.
        value: &'static str,
    },
}

impl Name {
    /// A structure or scalar of another name.
    #[must_use]
    pub const fn plain(member: &'static str, wire: &'static str) -> Self {
        Name {
            member,
            wire,
            form: Form::Plain,
            operation: None,
        }
    }

    /// A flattened list: `QueueUrl` once for every element of `QueueUrls`.
    #[must_use]
    pub const fn list(member: &'static str, wire: &'static str) -> Self {
        Name::plain(member, wire).made_of(Form::List { item: None })
    }

    /// A list whose elements are called `item` within `wire`.
    #[must_use]
    pub const fn nested_list(member: &'static str, wire: &'static str, item: &'static str) -> Self {
        Name::plain(member, wire).made_of(Form::List { item: Some(item) })
    }

    /// A flattened map: `Attribute` with `Name` and `Value` once for every entry of `Attributes`.
    #[must_use]
    pub const fn map(
        member: &'static str,
        wire: &'static str,
        key: &'static str,
        value: &'static str,
    ) -> Self {
        Name::plain(member, wire).made_of(Form::Map {
            entry: None,
            key,
            value,
        })
    }

    /// A map whose entries are called `entry` within `wire`, their halves `key` and `value`.
    #[must_use]
    pub const fn nested_map(member: &'static str, wire: &'static str) -> Self {
        Name::plain(member, wire).made_of(Form::Map {
            entry: Some("entry"),
            key: "key",
            value: "value",
        })
    }

    /// The same, for one operation alone.
    #[must_use]
    pub const fn in_operation(mut self, operation: &'static str) -> Self {
        self.operation = Some(operation);
        self
    }

    const fn made_of(mut self, form: Form) -> Self {
        self.form = form;
        self
    }
}

/// The line of a table that `fits`, the operation's own first.
fn find<'a>(names: &'a [Name], operation: &str, fits: impl Fn(&Name) -> bool) -> Option<&'a Name> {
    let own = names
        .iter()
        .find(|name| name.operation == Some(operation) && fits(name));
    own.or_else(|| {
        names
            .iter()
            .find(|name| name.operation.is_none() && fits(name))
    })
}

#[cfg(test)]
mod tests;
