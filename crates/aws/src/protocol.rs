//! The protocols spoken, and the one place where a protocol's bytes become a document and back.
//!
//! Adding a protocol: a codec file beside `json.rs`, a variant here with its arms, and its way of naming the operation
//! in `router/route.rs`. Services do not notice. Query has parameters in place of a body and a table of names, so it is no
//! [`Format`]; its codec is `query`. Nor is RPC v2, so that handlers of raw bytes need not know it: it is CBOR that counts
//! seconds, see [`rpc_v2`].

use bytes::Bytes;

use crate::cbor::{self, Epoch};
use crate::error::ServiceError;
use crate::json;
use crate::value::Value;

/// What a body is written in, as far as a handler of raw bytes need know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, with blobs as base64 text and timestamps as seconds.
    Json,
    /// CBOR, with blobs as byte strings and timestamps as tag 1 and milliseconds.
    Cbor,
}

impl Format {
    /// Reads a body into a document.
    ///
    /// # Errors
    /// `SerializationException` where it is not in this format, or not a structure.
    pub fn decode(self, body: &Bytes) -> Result<Value, ServiceError> {
        let document = match self {
            Format::Json => json::decode(body),
            Format::Cbor => cbor::decode(body),
        };
        match document {
            Some(document @ Value::Map(_)) => Ok(document),
            _ => Err(ServiceError::serialization("")),
        }
    }

    /// Writes a document. Null is an operation without output: AWS sends no byte.
    #[must_use]
    pub fn encode(self, document: &Value) -> Bytes {
        match (document, self) {
            (Value::Null, _) => Bytes::new(),
            (_, Format::Json) => json::encode(document),
            (_, Format::Cbor) => cbor::encode(document),
        }
    }
}

/// Bodies of Smithy's RPC v2 in CBOR.
pub(crate) mod rpc_v2 {
    use super::{Bytes, Epoch, ServiceError, Value, cbor};

    /// Reads a body into a document. One without a byte is an operation's that has no input.
    pub(crate) fn decode(body: &Bytes) -> Result<Value, ServiceError> {
        if body.is_empty() {
            return Ok(Value::Map(Vec::new()));
        }
        match cbor::decode_counting(body, Epoch::Seconds) {
            Some(document @ Value::Map(_)) => Ok(document),
            _ => Err(ServiceError::serialization("")),
        }
    }

    /// Writes a document. Null is an operation without output: no byte is sent.
    pub(crate) fn encode(document: &Value) -> Bytes {
        match document {
            Value::Null => Bytes::new(),
            document => cbor::encode_counting(document, Epoch::Seconds),
        }
    }
}

/// A protocol: a format, and how requests and replies are labelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// AWS JSON 1.0: SQS, DynamoDB.
    Json10,
    /// AWS JSON 1.1: Kinesis, Firehose, CloudWatch Logs.
    Json11,
    /// AWS JSON 1.1's members in CBOR, as the SDK for Java sends to Kinesis.
    Cbor11,
    /// Query: parameters in, XML out. SQS's elder protocol.
    Query,
    /// Smithy's RPC v2 in CBOR: what current SDKs speak to CloudWatch.
    RpcV2Cbor,
}

impl Protocol {
    /// The protocol of a request's content type; parameters such as a character set are ignored. Query and RPC v2 are not told
    /// by it alone.
    #[must_use]
    pub fn of_content_type(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        [Protocol::Json11, Protocol::Cbor11, Protocol::Json10]
            .into_iter()
            .find(|protocol| protocol.content_type().eq_ignore_ascii_case(essence))
    }

    /// What replies are labelled.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Protocol::Json10 => "application/x-amz-json-1.0",
            Protocol::Json11 => "application/x-amz-json-1.1",
            Protocol::Cbor11 => "application/x-amz-cbor-1.1",
            Protocol::Query => "text/xml",
            Protocol::RpcV2Cbor => "application/cbor",
        }
    }

    /// What bodies are written in; `None` for Query, whose parameters are no body of their own, and for RPC v2, whose bodies
    /// no handler sees.
    #[must_use]
    pub const fn format(self) -> Option<Format> {
        match self {
            Protocol::Json10 | Protocol::Json11 => Some(Format::Json),
            Protocol::Cbor11 => Some(Format::Cbor),
            Protocol::Query | Protocol::RpcV2Cbor => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_name_protocols() {
        let check = |text: &str, expected| assert_eq!(Protocol::of_content_type(text), expected);
        check("application/x-amz-json-1.1", Some(Protocol::Json11));
        check(
            "   application/x-amz-json-1.1   ;whatever",
            Some(Protocol::Json11),
        );
        check("application/x-amz-json-1.0", Some(Protocol::Json10));
        check("application/x-amz-cbor-1.1", Some(Protocol::Cbor11));
        check("application/x-amz-json-1.1asdf", None);
        check("", None);
    }

    #[test]
    fn bodies_must_be_structures() {
        for body in ["", "hello", "null", "3", "[]", "{", "{}x"] {
            let error = Format::Json.decode(&Bytes::from(body)).unwrap_err();
            assert_eq!(error, ServiceError::serialization(""));
        }
        assert!(Format::Cbor.decode(&Bytes::from_static(b"\x80")).is_err());
        assert_eq!(
            Format::Json.decode(&Bytes::from("{}")),
            Ok(Value::Map(vec![]))
        );
        assert_eq!(Format::Cbor.encode(&Value::Null), Bytes::new());
    }

    #[test]
    fn rpc_v2_counts_seconds() {
        let moment = |millis| {
            let moment = crate::shapes::Timestamp::from_millis(millis);
            Value::Map(vec![("t".into(), Value::Timestamp(moment))])
        };
        let whole = rpc_v2::encode(&moment(5_000));
        assert_eq!(&whole[..], b"\xa1\x61t\xc1\x05");
        let part = rpc_v2::encode(&moment(5_500));
        assert_eq!(&part[..], b"\xa1\x61t\xc1\xfb\x40\x16\0\0\0\0\0\0");
        for millis in [0, 5_000, 5_500, -1_001, 1_700_000_000_123] {
            assert_eq!(
                rpc_v2::decode(&rpc_v2::encode(&moment(millis))),
                Ok(moment(millis))
            );
        }
        assert_eq!(rpc_v2::decode(&Bytes::new()), Ok(Value::Map(vec![])));
        assert_eq!(rpc_v2::encode(&Value::Null), Bytes::new());
        let list = Bytes::from_static(b"\x80");
        assert_eq!(rpc_v2::decode(&list), Err(ServiceError::serialization("")));
    }
}
