//! Replies: AWS's headers, bodies and error forms around what an operation answered.

use bytes::Bytes;
use futures_util::future::ready;
use futures_util::stream::{BoxStream, StreamExt, once};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use tokio::sync::watch;
use tokio::time::Instant;

use super::request_ids::scramble;
use super::{Call, Lost, Observation, Observer};
use crate::body::Body;
use crate::caller::RequestId;
use crate::error::ServiceError;
use crate::event_stream;
use crate::protocol::Protocol;
use crate::service::{Event, Events, Reply};
use crate::shapes::encode_base64;
use crate::value::Value;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ID_2: HeaderName = HeaderName::from_static("x-amz-id-2");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// All a reply needs to know of its request.
#[derive(Clone)]
pub(super) struct Replier {
    pub(super) request_id: RequestId,
    pub(super) protocol: Protocol,
    pub(super) service: &'static str,
    pub(super) operation: &'static str,
    pub(super) bytes_in: usize,
    pub(super) started: Instant,
    pub(super) observer: Option<Observer>,
    pub(super) draining: watch::Receiver<bool>,
}

impl Replier {
    /// The same, now that the operation is known.
    pub(super) fn for_call(mut self, call: &Call) -> Self {
        self.protocol = call.protocol;
        self.service = call.endpoint.signing_name();
        self.operation = call.operation;
        self
    }

    pub(super) fn reply(self, reply: Reply) -> Response<Body> {
        let label = self.protocol.content_type();
        match reply {
            Reply::Document(document) => {
                let body = self.protocol.encode(&document);
                self.whole(StatusCode::OK, label, body, None)
            }
            Reply::Encoded(body) => self.whole(StatusCode::OK, label, body, None),
            Reply::Events(events) => {
                self.observe(StatusCode::OK, 0, None);
                let frames = frames(self.protocol, events, self.draining.clone());
                self.respond(
                    StatusCode::OK,
                    event_stream::CONTENT_TYPE,
                    Body::events(frames),
                )
            }
        }
    }

    pub(super) fn error(self, error: &ServiceError) -> Response<Body> {
        let body = self.protocol.encode_error(error);
        let label = self.protocol.content_type();
        self.whole(status(error), label, body, Some(error))
    }

    /// The answer to a request that names no operation of ours.
    pub(super) fn lost(mut self, lost: &Lost) -> Response<Body> {
        match lost {
            Lost::Known(protocol, error) => {
                self.protocol = *protocol;
                self.error(error)
            }
            Lost::Unknown(error) => {
                let body = xml(error).into();
                self.whole(status(error), "application/xml", body, Some(error))
            }
        }
    }

    fn whole(
        self,
        status: StatusCode,
        content_type: &'static str,
        body: Bytes,
        error: Option<&ServiceError>,
    ) -> Response<Body> {
        self.observe(status, body.len(), error);
        let mut response = self.respond(status, content_type, body.into());
        let code = error.and_then(|error| HeaderValue::from_str(&error.code).ok());
        if let Some(code) = code {
            response.headers_mut().insert(ERROR_TYPE, code);
        }
        response
    }

    fn respond(
        &self,
        status: StatusCode,
        content_type: &'static str,
        body: Body,
    ) -> Response<Body> {
        let text =
            |text: String| HeaderValue::try_from(text).expect("UUIDs and base64 are header text");
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, text(self.request_id.to_string()));
        headers.insert(ID_2, text(id_2(self.request_id)));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    fn observe(&self, status: StatusCode, bytes_out: usize, error: Option<&ServiceError>) {
        if let Some(observer) = &self.observer {
            observer(&Observation {
                service: self.service,
                operation: self.operation,
                status: status.as_u16(),
                error: error.map(|error| &*error.code),
                bytes_in: self.bytes_in,
                bytes_out,
                duration: self.started.elapsed(),
            });
        }
    }
}

fn status(error: &ServiceError) -> StatusCode {
    StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// AWS's second name for a request: 72 bytes that mean nothing to us.
fn id_2(id: RequestId) -> String {
    let mut bytes = [0; 72];
    let mut state = id.low_bits();
    for chunk in bytes.chunks_exact_mut(8) {
        state = scramble(state.wrapping_add(0x9e37_79b9_7f4a_7c15));
        chunk.copy_from_slice(&state.to_le_bytes());
    }
    encode_base64(&bytes)
}

/// As AWS answers where it can't tell the protocol (kinesalite, test/connection.js).
fn xml(error: &ServiceError) -> String {
    let code = &error.code;
    if error.message.is_empty() {
        return format!("<{code}/>\n");
    }
    let message = error
        .message
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    format!("<{code}>\n  <Message>{message}</Message>\n</{code}>\n")
}

/// The frames of a reply of events: the `initial-response` that RPC protocols begin with, then each event. An error is
/// the last frame; so is whatever came before the server is to stop.
fn frames(
    protocol: Protocol,
    events: Events,
    mut draining: watch::Receiver<bool>,
) -> BoxStream<'static, Bytes> {
    let stopped = async move {
        // An error means that the router is gone, which is as good a reason to end.
        let _ = draining.wait_for(|draining| *draining).await;
    };
    let initial = frame(protocol, "initial-response", &Value::Map(Vec::new()));
    let rest = events.take_until(stopped).scan(false, move |ended, event| {
        if *ended {
            return ready(None);
        }
        let frame = event.and_then(|event| event_frame(protocol, &event));
        *ended = frame.is_err();
        ready(Some(
            frame.unwrap_or_else(|error| exception(protocol, &error)),
        ))
    });
    once(async { initial }).chain(rest).boxed()
}

fn event_frame(protocol: Protocol, event: &Event) -> Result<Bytes, ServiceError> {
    match &event.payload {
        Ok(payload) => Ok(frame(protocol, event.event_type, payload)),
        Err(error) => {
            tracing::error!(%error, event = event.event_type, "an event could not be written");
            Err(ServiceError::internal())
        }
    }
}

fn frame(protocol: Protocol, event_type: &str, payload: &Value) -> Bytes {
    event_stream::encode(
        &[
            (":message-type", "event"),
            (":event-type", event_type),
            (":content-type", protocol.content_type()),
        ],
        &protocol.encode(payload),
    )
}

fn exception(protocol: Protocol, error: &ServiceError) -> Bytes {
    event_stream::encode(
        &[
            (":message-type", "exception"),
            (":exception-type", &error.code),
            (":content-type", protocol.content_type()),
        ],
        &protocol.encode_error(error),
    )
}
