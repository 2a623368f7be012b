//! A document to XML: `<SendMessageResponse><SendMessageResult>...`, and the error form.

use bytes::Bytes;

use super::errors::{names_of, type_of};
use super::{Form, Name, Query, find};
use crate::caller::RequestId;
use crate::error::ServiceError;
use crate::value::Value;
use crate::xml::{Writer, is_name};

/// The answer of `operation`. Null is an operation without output: the answer then has no result.
pub(crate) fn answer(
    query: &Query,
    operation: &str,
    request_id: RequestId,
    document: &Value,
) -> Bytes {
    let mut out = Writer::new();
    let response = format!("{operation}Response");
    out.open_in(&response, query.xml_namespace);
    if !document.is_null() {
        let writer = Answer {
            names: query.outputs,
            operation,
        };
        writer.element(&mut out, &format!("{operation}Result"), document);
    }
    out.open("ResponseMetadata");
    out.leaf("RequestId", &request_id.to_string());
    out.close("ResponseMetadata");
    out.close(&response);
    out.finish()
}

/// An error. `namespace` is empty where the service is not known.
pub(crate) fn error(namespace: &str, request_id: RequestId, error: &ServiceError) -> Bytes {
    let (code, _) = names_of(error);
    let mut out = Writer::new();
    out.open_in("ErrorResponse", namespace);
    out.open("Error");
    out.leaf("Type", type_of(error.fault));
    out.leaf("Code", code);
    out.leaf("Message", &error.message);
    out.empty("Detail");
    out.close("Error");
    out.leaf("RequestId", &request_id.to_string());
    out.close("ErrorResponse");
    out.finish()
}

struct Answer<'q> {
    names: &'static [Name],
    operation: &'q str,
}

impl Answer<'_> {
    /// A member of a structure: null is left out, as an absent one.
    fn member(&self, out: &mut Writer, member: &str, value: &Value) {
        if value.is_null() {
            return;
        }
        let name = find(self.names, self.operation, |name| name.member == member);
        let (wire, form) = name.map_or((member, Form::Plain), |name| (name.wire, name.form));
        match (value, form) {
            (Value::List(items), Form::List { item: None }) => self.items(out, wire, items),
            (Value::List(items), Form::List { item: Some(item) }) => {
                out.open(wire);
                self.items(out, item, items);
                out.close(wire);
            }
            (Value::Map(entries), Form::Map { entry, key, value }) => match entry {
                None => self.entries(out, wire, (key, value), entries),
                Some(entry) => {
                    out.open(wire);
                    self.entries(out, entry, (key, value), entries);
                    out.close(wire);
                }
            },
            (value, _) => self.element(out, wire, value),
        }
    }

    fn element(&self, out: &mut Writer, name: &str, value: &Value) {
        match value {
            Value::Null => out.empty(name),
            Value::Map(members) if members.is_empty() => out.empty(name),
            Value::Map(members) => {
                out.open(name);
                // No structure has a member that is no name: this is a map of which the table does not know.
                if members.iter().all(|(member, _)| is_name(member)) {
                    for (member, value) in members {
                        self.member(out, member, value);
                    }
                } else {
                    self.entries(out, "entry", ("key", "value"), members);
                }
                out.close(name);
            }
            Value::List(items) if items.is_empty() => out.empty(name),
            Value::List(items) => {
                out.open(name);
                self.items(out, "member", items);
                out.close(name);
            }
            scalar => out.leaf(name, &scalar.to_text()),
        }
    }

    fn items(&self, out: &mut Writer, name: &str, items: &[Value]) {
        for item in items {
            self.element(out, name, item);
        }
    }

    fn entries(
        &self,
        out: &mut Writer,
        name: &str,
        (key, value): (&str, &str),
        entries: &[(String, Value)],
    ) {
        for (text, item) in entries {
            out.open(name);
            out.leaf(key, text);
            self.element(out, value, item);
            out.close(name);
        }
    }
}
