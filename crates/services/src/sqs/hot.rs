//! The operations that carry messages, read from JSON and written to it without a document between.
//!
//! What serde_json does not read as the shape goes through `aws`'s document, which alone has AWS's texts for what is wrong; so does
//! CBOR. A test holds both ways equal, but for one leniency of serde_json's: an entry may be a list of its members' values, in order.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use aws::{Caller, Format, RawReply, RawRequest, ServiceError};
use bytes::Bytes;
use http::HeaderMap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Sqs;
use super::api::messages::{
    DeleteMessageBatchInput, ReceiveMessageInput, SendMessageBatchInput, SendMessageInput,
};
use super::error::SqsError;

type Answering = Pin<Box<dyn Future<Output = Result<RawReply, ServiceError>> + Send>>;

/// Bytes of an answer beside what it answers to: what is set aside at first.
const ANSWER_BYTES: usize = 1_024;

/// What a shape takes from the request's headers.
pub(super) trait Headed {
    fn take_headers(&mut self, _headers: &HeaderMap) {}
}

impl Headed for ReceiveMessageInput {}
impl Headed for DeleteMessageBatchInput {}

impl Headed for SendMessageInput {
    fn take_headers(&mut self, headers: &HeaderMap) {
        self.trace_header = trace_header(headers);
    }
}

impl Headed for SendMessageBatchInput {
    fn take_headers(&mut self, headers: &HeaderMap) {
        self.trace_header = trace_header(headers);
    }
}

/// X-Ray's header, which AWS hands on to the receiver.
fn trace_header(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("x-amzn-trace-id")?.to_str().ok()?;
    (!value.is_empty()).then(|| value.to_owned())
}

/// Reads, answers by `handler` and writes.
pub(super) fn direct<I, O, F, Fut>(
    handler: F,
) -> impl Fn(Arc<Sqs>, Caller, RawRequest) -> Answering + Send + Sync + 'static
where
    I: DeserializeOwned + Headed,
    O: Serialize,
    F: Fn(Arc<Sqs>, Caller, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, SqsError>> + Send + 'static,
{
    move |sqs, caller, request| {
        let RawRequest {
            format,
            body,
            headers,
        } = request;
        let mut input: I = match read(format, &body) {
            Ok(input) => input,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        input.take_headers(&headers);
        let work = handler(sqs, caller, input);
        Box::pin(async move {
            let output = work.await?;
            write(format, &output)
        })
    }
}

/// A body as its shape.
fn read<I: DeserializeOwned>(format: Format, body: &Bytes) -> Result<I, ServiceError> {
    if format == Format::Json
        && body.trim_ascii_start().starts_with(b"{")
        && let Ok(input) = serde_json::from_slice(body)
    {
        return Ok(input);
    }
    Ok(aws::from_value(format.decode(body)?)?)
}

fn write<O: Serialize>(format: Format, output: &O) -> Result<RawReply, ServiceError> {
    let unwritable = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "an answer could not be written");
        ServiceError::internal()
    };
    if format == Format::Json {
        let mut body = Vec::with_capacity(ANSWER_BYTES);
        serde_json::to_writer(&mut body, output).map_err(|error| unwritable(&error))?;
        return Ok(body.into());
    }
    let value = aws::to_value(output).map_err(|error| unwritable(&error))?;
    Ok(format.encode(&value).into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    use aws::Blob;
    use proptest::prelude::{Strategy, prop_assert_eq, proptest};
    use serde_json::{Value, json};

    use super::super::api::messages::{
        MessageAttributeValue, ReceiveMessageOutput, ReceivedMessage,
    };
    use super::*;

    /// What either way reads, as text: the shape, or the refusal.
    fn both<I: DeserializeOwned + Debug>(body: &str) -> [String; 2] {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let document = Format::Json.decode(&body);
        let slow = document.and_then(|document| Ok(aws::from_value::<I>(document)?));
        [
            format!("{:?}", read::<I>(Format::Json, &body)),
            format!("{slow:?}"),
        ]
    }

    fn check<I: DeserializeOwned + Debug>(body: &Value) {
        let [quick, slow] = both::<I>(&body.to_string());
        assert_eq!(quick, slow, "{body}");
    }

    #[test]
    fn both_ways_read_the_same() {
        for body in [
            json!({}),
            json!({"QueueUrl": null, "MessageBody": "a\u{1}\n", "Unknown": [{"a": {}}]}),
            json!({"MessageBody": 1}),
            json!({"MessageBody": {}}),
            json!({"DelaySeconds": "1"}),
            json!({"DelaySeconds": 1.5}),
            json!({"DelaySeconds": 1e3}),
            json!({"DelaySeconds": 99_999_999_999_i64}),
            json!({"MessageAttributes": null}),
            json!({"MessageAttributes": {"a": null}}),
            json!({"MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": "AP8="}}}),
            json!({"MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": "AP8"}}}),
            json!({"MessageAttributes": {"a": {"StringListValues": ["x"], "BinaryListValues": ["AA=="]}}}),
            json!(["url", "body"]),
            json!("x"),
            Value::Null,
        ] {
            check::<SendMessageInput>(&body);
        }
        for body in [
            json!({"Entries": null}),
            json!({"Entries": [{"Id": "1", "MessageBody": "x"}, {}]}),
            json!({"Entries": [null]}),
            json!({"Entries": {"Id": "1"}}),
        ] {
            check::<SendMessageBatchInput>(&body);
            check::<DeleteMessageBatchInput>(&body);
        }
        for body in [
            json!({"AttributeNames": ["All"], "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20}),
            json!({"MessageAttributeNames": "All"}),
            json!({"MaxNumberOfMessages": true}),
        ] {
            check::<ReceiveMessageInput>(&body);
        }
        for bad in [
            "",
            " ",
            "{",
            "{}x",
            "[]",
            "{\"MessageBody\":\"\\ud800\"}",
            "\u{feff}{}",
        ] {
            let [quick, slow] = both::<SendMessageInput>(bad);
            assert_eq!(quick, slow, "{bad}");
        }
        let twice = r#"{"MessageBody": "a", "MessageBody": "b"}"#;
        let [quick, slow] = both::<SendMessageInput>(twice);
        assert_eq!(quick, slow);
    }

    fn message() -> impl Strategy<Value = ReceivedMessage> {
        let text = || proptest::string::string_regex("(?s).{0,30}").unwrap();
        (text(), text(), proptest::option::of(text()), text()).prop_map(
            |(message_id, body, md5, value)| ReceivedMessage {
                message_id,
                receipt_handle: "h".into(),
                md5_of_body: String::new(),
                body,
                attributes: BTreeMap::from([("SenderId", value.clone())]),
                md5_of_message_attributes: md5,
                message_attributes: BTreeMap::from([(
                    value.clone(),
                    MessageAttributeValue {
                        binary_value: Some(Blob::from(value.into_bytes())),
                        ..MessageAttributeValue::default()
                    },
                )]),
            },
        )
    }

    proptest! {
        #[test]
        fn both_ways_read_any_batch_alike(
            entries in proptest::collection::vec(("(?s).{0,9}", "(?s).{0,40}", proptest::option::of(-5i64..1_000)), 0..4),
        ) {
            let entries: Vec<Value> = entries
                .iter()
                .map(|(id, body, delay)| json!({"Id": id, "MessageBody": body, "DelaySeconds": delay}))
                .collect();
            let body = json!({"QueueUrl": "u", "Entries": entries}).to_string();
            let [quick, slow] = both::<SendMessageBatchInput>(&body);
            prop_assert_eq!(quick, slow);
        }

        #[test]
        fn both_ways_write_the_same(messages in proptest::collection::vec(message(), 0..4)) {
            let output = ReceiveMessageOutput { messages };
            let quick = write(Format::Json, &output).unwrap().body;
            let slow = Format::Json.encode(&aws::to_value(&output).unwrap());
            let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
            prop_assert_eq!(parse(&quick), parse(&slow));
        }
    }
}
