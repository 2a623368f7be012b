//! Replies: AWS's headers, bodies and error forms around what an operation answered.

use bytes::Bytes;
use futures_util::future::ready;
use futures_util::stream::{BoxStream, StreamExt, once};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::Body as _;
use tokio::sync::watch;
use tokio::time::Instant;

use super::guest::Told;
use super::request_ids::scramble;
use super::route::{Call, Lost};
use super::{Observation, Observer};
use crate::body::Body;
use crate::caller::RequestId;
use crate::error::ServiceError;
use crate::event_stream;
use crate::protocol::{Format, Protocol, rpc_v2};
use crate::query::{self, Query};
use crate::service::{Event, Events, Reply};
use crate::shapes::encode_base64;
use crate::value::Value;
use crate::xml::escape_into;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ID_2: HeaderName = HeaderName::from_static("x-amz-id-2");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const CRC_32: HeaderName = HeaderName::from_static("x-amz-crc32");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");
/// By which RPC v2 is known on either way.
pub(super) const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");
pub(super) const RPC_V2_CBOR: &str = "rpc-v2-cbor";

/// All a reply needs to know of its request.
#[derive(Clone)]
pub(super) struct Replier {
    pub(super) request_id: RequestId,
    pub(super) protocol: Protocol,
    /// How the service speaks Query, if it does.
    pub(super) query: Option<&'static Query>,
    /// Whether the body's CRC-32 is told.
    pub(super) is_checksummed: bool,
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
        self.query = call.endpoint.query();
        self.is_checksummed = call.endpoint.is_checksummed();
        self.service = call.endpoint.signing_name();
        self.operation = call.operation;
        self
    }

    pub(super) fn reply(self, reply: Reply) -> Response<Body> {
        let label = self.protocol.content_type();
        match reply {
            Reply::Document(document) => match self.encode(&document) {
                Some(body) => self.whole(StatusCode::OK, label, body, None),
                None => self.error(&ServiceError::internal()),
            },
            Reply::Encoded(body) => self.whole(StatusCode::OK, label, body, None),
            Reply::Events(events) => {
                self.observe(StatusCode::OK, 0, None);
                let frames = Frames {
                    format: self.protocol.format().unwrap_or(Format::Json),
                    label,
                };
                let frames = frames.of(events, self.draining.clone());
                self.respond(
                    StatusCode::OK,
                    event_stream::CONTENT_TYPE,
                    Body::events(frames),
                )
            }
        }
    }

    /// A document in the reply's bytes; `None` where the service has no words for it.
    fn encode(&self, document: &Value) -> Option<Bytes> {
        match (self.protocol, self.protocol.format()) {
            (Protocol::RpcV2Cbor, _) => Some(rpc_v2::encode(document)),
            (_, Some(format)) => Some(format.encode(document)),
            (_, None) => {
                let query = self.query?;
                let (operation, id) = (self.operation, self.request_id);
                Some(query::answer(query, operation, id, document))
            }
        }
    }

    pub(super) fn error(self, error: &ServiceError) -> Response<Body> {
        let label = self.protocol.content_type();
        if self.protocol == Protocol::Query {
            let namespace = self.query.map_or("", |query| query.xml_namespace);
            let body = query::error(namespace, self.request_id, error);
            let (_, status) = query::names_of(error);
            return self.whole(status_code(status), label, body, Some(error));
        }
        let body = self.encode(&error.document(self.query)).unwrap_or_default();
        let old_name = self.query.and_then(|_| query::header(error));
        let mut response = self.whole(status_code(error.status), label, body, Some(error));
        if let Some(old_name) = old_name {
            response.headers_mut().insert(QUERY_ERROR, old_name);
        }
        response
    }

    /// The answer to a request that names no operation of ours. Where it speaks no protocol of ours, AWS answers in XML.
    pub(super) fn lost(mut self, lost: &Lost) -> Response<Body> {
        self.query = lost.query;
        match lost.protocol {
            Some(protocol) => {
                self.protocol = protocol;
                self.error(&lost.error)
            }
            None => {
                let status = status_code(lost.error.status);
                let body = xml(&lost.error).into();
                self.whole(status, "application/xml", body, Some(&lost.error))
            }
        }
    }

    /// A guest's answer, counted under the names it gives.
    pub(super) fn of_guest(mut self, mut response: Response<Body>) -> Response<Body> {
        let told = response.extensions_mut().remove::<Told>();
        let (operation, error) = told.map_or(("", None), |told| (told.operation, told.error));
        self.operation = operation;
        let bytes_out = response.body().size_hint().exact().unwrap_or(0);
        let bytes_out = usize::try_from(bytes_out).unwrap_or(usize::MAX);
        self.observe(response.status(), bytes_out, error.as_deref());
        response
    }

    fn whole(
        self,
        status: StatusCode,
        content_type: &'static str,
        body: Bytes,
        error: Option<&ServiceError>,
    ) -> Response<Body> {
        let code = error.map(|error| bare(&error.code));
        self.observe(status, body.len(), code);
        let checksum = self.is_checksummed.then(|| crc32fast::hash(&body));
        let mut response = self.respond(status, content_type, body.into());
        if let Some(checksum) = checksum {
            response.headers_mut().insert(CRC_32, checksum.into());
        }
        let code = code.and_then(|code| HeaderValue::from_str(code).ok());
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
        if self.protocol == Protocol::RpcV2Cbor {
            headers.insert(SMITHY_PROTOCOL, HeaderValue::from_static(RPC_V2_CBOR));
        }
        response
    }

    fn observe(&self, status: StatusCode, bytes_out: usize, error: Option<&str>) {
        if let Some(observer) = &self.observer {
            observer(&Observation {
                service: self.service,
                operation: self.operation,
                status: status.as_u16(),
                error,
                bytes_in: self.bytes_in,
                bytes_out,
                duration: self.started.elapsed(),
            });
        }
    }
}

/// A shape's name without the namespace that some services put before it.
fn bare(code: &str) -> &str {
    code.rsplit('#').next().unwrap_or(code)
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
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
    let mut message = String::new();
    escape_into(&mut message, &error.message);
    format!("<{code}>\n  <Message>{message}</Message>\n</{code}>\n")
}

/// How the frames of a reply of events are written.
#[derive(Clone, Copy)]
struct Frames {
    format: Format,
    label: &'static str,
}

impl Frames {
    /// The frames of a reply: the `initial-response` that RPC protocols begin with, then each event. An error is the last
    /// frame; so is whatever came before the server is to stop.
    fn of(self, events: Events, mut draining: watch::Receiver<bool>) -> BoxStream<'static, Bytes> {
        let stopped = async move {
            // An error means that the router is gone, which is as good a reason to end.
            let _ = draining.wait_for(|draining| *draining).await;
        };
        let initial = self.frame("initial-response", &Value::Map(Vec::new()));
        let rest = events.take_until(stopped).scan(false, move |ended, event| {
            if *ended {
                return ready(None);
            }
            let frame = event.and_then(|event| self.event(&event));
            *ended = frame.is_err();
            ready(Some(frame.unwrap_or_else(|error| self.exception(&error))))
        });
        once(async { initial }).chain(rest).boxed()
    }

    fn event(self, event: &Event) -> Result<Bytes, ServiceError> {
        match &event.payload {
            Ok(payload) => Ok(self.frame(event.event_type, payload)),
            Err(error) => {
                tracing::error!(%error, event = event.event_type, "an event could not be written");
                Err(ServiceError::internal())
            }
        }
    }

    fn frame(self, event_type: &str, payload: &Value) -> Bytes {
        event_stream::encode(
            &[
                (":message-type", "event"),
                (":event-type", event_type),
                (":content-type", self.label),
            ],
            &self.format.encode(payload),
        )
    }

    fn exception(self, error: &ServiceError) -> Bytes {
        event_stream::encode(
            &[
                (":message-type", "exception"),
                (":exception-type", &error.code),
                (":content-type", self.label),
            ],
            &self.format.encode(&error.document(None)),
        )
    }
}
