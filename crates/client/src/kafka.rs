//! Kafka's topics and groups, as far as the verbs need them. Requests are Kafka's own, carried by one operation of
//! Headwater's on AWS's port: signed like all others, and no second sort of connection.
//!
//! Read in this order: [`wire`] (which requests there are), [`topics`], [`offsets`], [`records`], [`partition`], [`groups`].

pub mod groups;
pub mod offsets;
pub mod partition;
pub mod records;
pub mod topics;
pub mod wire;

use aws::Blob;
use bytes::{Buf, Bytes, BytesMut};
use kacrab_protocol::generated::{ErrorCode, RequestHeaderData};
use kacrab_protocol::version::{request_header_version, response_header_version};
use kacrab_protocol::{KafkaString, ProtocolError};
use serde::{Deserialize, Serialize};

use crate::call::{Client, Json, Target};
use crate::error::ClientError;
use wire::Request;

const TARGET: Target = Target {
    signing_name: "kafka",
    prefix: "HeadwaterKafka",
    json: Json::V1_0,
};
/// What the broker knows us by, in quotas and among a group's members.
const CLIENT_ID: &str = "headwater";
/// Bytes of an answer's header: a correlation id, then tags in newer versions.
const CORRELATION_BYTES: usize = 4;

/// One partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Place {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
}

/// Kafka at one endpoint.
#[derive(Debug)]
pub struct Kafka(Client);

impl Kafka {
    /// Kafka as `client` reaches it.
    #[must_use]
    pub fn new(client: Client) -> Kafka {
        Kafka(client)
    }

    /// Asks one request in the version of it that is known here.
    ///
    /// # Errors
    /// That there is no answer; what an answer says of errors is left to the caller.
    pub async fn ask<Q: Request>(&self, request: &Q) -> Result<Q::Answer, ClientError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Input {
            request: Blob,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            answer: Blob,
        }
        let written = write(request).map_err(|error| unreadable(Q::NAME, &error))?;
        let input = Input {
            request: written.into(),
        };
        let output: Output = self.0.call(TARGET, "Request", &input).await?;
        read::<Q>(output.answer.0).map_err(|error| unreadable(Q::NAME, &error))
    }
}

fn write<Q: Request>(request: &Q) -> Result<Bytes, ProtocolError> {
    let header = RequestHeaderData {
        request_api_key: Q::KEY as i16,
        request_api_version: Q::VERSION,
        client_id: Some(text(CLIENT_ID)),
        ..RequestHeaderData::default()
    };
    let mut bytes = BytesMut::new();
    let version = request_header_version(Q::KEY as i16, Q::VERSION);
    header.write(&mut bytes, version)?;
    request.write(&mut bytes)?;
    Ok(bytes.freeze())
}

fn read<Q: Request>(mut answer: Bytes) -> Result<Q::Answer, ProtocolError> {
    let tags = usize::from(response_header_version(Q::KEY as i16, Q::VERSION) > 0);
    answer.advance((CORRELATION_BYTES + tags).min(answer.len()));
    Q::read(&mut answer)
}

fn unreadable(operation: &'static str, error: &ProtocolError) -> ClientError {
    ClientError::Garbled {
        operation,
        source: serde::de::Error::custom(error),
    }
}

/// `text` as the wire has it.
pub(crate) fn text(text: &str) -> KafkaString {
    KafkaString::from(text.to_owned())
}

/// What the broker says of one thing asked for: its code, and its text where it gives one.
pub(crate) fn check(
    operation: &'static str,
    code: i16,
    message: Option<&KafkaString>,
) -> Result<(), ClientError> {
    let code = ErrorCode::from(code);
    if code == ErrorCode::None {
        return Ok(());
    }
    Err(ClientError::Refused {
        operation,
        code: name_of(code),
        message: message.map_or_else(|| code.to_string(), ToString::to_string),
        status: 400,
    })
}

/// As Kafka writes it: `UNKNOWN_TOPIC_OR_PARTITION`.
fn name_of(code: ErrorCode) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// That an answer has not what it must have.
pub(crate) fn incomplete(operation: &'static str) -> ClientError {
    ClientError::Garbled {
        operation,
        source: serde::de::Error::custom("the answer leaves out what was asked for"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_kafkas_names() {
        let check = |code, expected: &str| assert_eq!(name_of(code), expected);
        check(
            ErrorCode::UnknownTopicOrPartition,
            "UNKNOWN_TOPIC_OR_PARTITION",
        );
        check(ErrorCode::NonEmptyGroup, "NON_EMPTY_GROUP");
        assert!(super::check("X", 0, None).is_ok());
        let refused = super::check("CreateTopics", 36, None).unwrap_err();
        assert_eq!(refused.code(), Some("TOPIC_ALREADY_EXISTS"));
        let said = super::check("CreateTopics", 36, Some(&text("it is there"))).unwrap_err();
        let expected = "CreateTopics: TOPIC_ALREADY_EXISTS: it is there";
        assert_eq!(said.to_string(), expected);
    }
}
