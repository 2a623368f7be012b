//! The error a service answers with: AWS's own code, status and text, whatever the protocol.

use std::borrow::Cow;
use std::fmt;

use crate::query::{self, Query};
use crate::value::{ShapeError, Value};

/// Whose doing it was. Clients retry the receiver's faults, and throttles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request is at fault.
    Sender,
    /// The server is.
    Receiver,
}

/// What a service answers instead of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceError {
    /// AWS's name for it, such as `ResourceNotFoundException`.
    pub code: Cow<'static, str>,
    /// HTTP status.
    pub status: u16,
    /// AWS's text; empty for an error that AWS gives none.
    pub message: String,
    /// Whose doing it was.
    pub fault: Fault,
    /// Further members of the error, such as `Reason`.
    pub fields: Vec<(&'static str, Value)>,
    /// What the Query protocol calls it, where that is not `code`.
    pub query_code: Option<&'static str>,
    /// HTTP status in the Query protocol, where that is not `status`.
    pub query_status: Option<u16>,
}

/// As much of what a caller sent as is said back to them.
pub(crate) fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(1_000)]
}

impl ServiceError {
    /// An error of the caller's doing: status 400.
    pub fn sender(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        ServiceError {
            code: code.into(),
            status: 400,
            message: message.into(),
            fault: Fault::Sender,
            fields: Vec::new(),
            query_code: None,
            query_status: None,
        }
    }

    /// An error of the server's doing: status 500.
    pub fn receiver(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        ServiceError {
            status: 500,
            fault: Fault::Receiver,
            ..ServiceError::sender(code, message)
        }
    }

    /// The same with another HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same with a further member.
    #[must_use]
    pub fn with_field(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// The same, called `code` by the Query protocol: `AWS.SimpleQueueService.NonExistentQueue` where the shape's name is
    /// `QueueDoesNotExist`. Services that came from Query tell this name in JSON too, in a header.
    #[must_use]
    pub fn with_query_code(mut self, code: &'static str) -> Self {
        self.query_code = Some(code);
        self
    }

    /// The same with another HTTP status in the Query protocol.
    #[must_use]
    pub fn with_query_status(mut self, status: u16) -> Self {
        self.query_status = Some(status);
        self
    }

    /// The input could not be read. AWS gives no text where the body is not in the protocol's format at all.
    pub fn serialization(message: impl Into<String>) -> Self {
        ServiceError::sender("SerializationException", message)
    }

    /// Something of ours went wrong, and the caller can't help it. AWS gives no text.
    #[must_use]
    pub fn internal() -> Self {
        ServiceError::receiver("InternalFailure", "")
    }

    /// The error as a document: `__type` (the shape's name, within the service's namespace where it has one), the text,
    /// the further members.
    pub(crate) fn document(&self, query: Option<&Query>) -> Value {
        let shape = match query {
            Some(query) => query::error_shape(self, query),
            None => self.code.to_string(),
        };
        let mut members = vec![("__type".to_owned(), Value::from(shape))];
        if !self.message.is_empty() {
            // AWS spells this member of this one error with a capital.
            let name = match &*self.code {
                "SerializationException" => "Message",
                _ => "message",
            };
            members.push((name.to_owned(), self.message.as_str().into()));
        }
        for (name, value) in &self.fields {
            members.push(((*name).to_owned(), value.clone()));
        }
        Value::Map(members)
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            return f.write_str(&self.code);
        }
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ServiceError {}

/// Input which is not the operation's shape.
impl From<ShapeError> for ServiceError {
    fn from(error: ShapeError) -> Self {
        ServiceError::serialization(error.to_string())
    }
}
