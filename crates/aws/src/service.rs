//! A service is a table of operations: a name, its rules, and the handler that answers it.
//!
//! The generic code here is a thin shell of one instantiation an operation: read the input from the document, call,
//! write the output to a document. Everything else is compiled once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt};
use http::HeaderMap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::caller::Caller;
use crate::error::ServiceError;
use crate::protocol::Format;
use crate::query::Query;
use crate::rules::{Checker, Rule};
use crate::value::{ShapeError, Value, from_value, to_value};

mod endpoint;

pub use endpoint::Endpoint;
use endpoint::{Answer, Operation};
pub(crate) use endpoint::{Payload, Reply};

type Work<T> = Pin<Box<dyn Future<Output = Result<T, ServiceError>> + Send>>;
type TellError<S> = fn(&S, &Caller, &ServiceError);
type Run<S, In, Out> = Arc<dyn Fn(Arc<S>, Caller, In) -> Work<Out> + Send + Sync>;
/// The events of a reply as they come.
pub(crate) type Events = BoxStream<'static, Result<Event, ServiceError>>;

/// Whether an operation is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It is.
    Full,
    /// Not yet: callers are told so.
    Planned,
}

/// A request as it came, for operations too hot for the document.
#[derive(Debug)]
pub struct RawRequest {
    /// What the body is written in, and the reply must be.
    pub format: Format,
    /// The body, whole.
    pub body: Bytes,
    /// The request's headers, for opt-in extensions of ours.
    pub headers: HeaderMap,
}

/// A reply already encoded in the request's format.
#[derive(Debug, Default)]
pub struct RawReply {
    /// The body, whole.
    pub body: Bytes,
}

impl From<Bytes> for RawReply {
    fn from(body: Bytes) -> Self {
        RawReply { body }
    }
}

impl From<Vec<u8>> for RawReply {
    fn from(body: Vec<u8>) -> Self {
        RawReply { body: body.into() }
    }
}

/// One event of a reply that goes on.
#[derive(Debug)]
pub struct Event {
    /// The union member's name, such as `SubscribeToShardEvent`.
    pub event_type: &'static str,
    pub(crate) payload: Result<Value, ShapeError>,
}

impl Event {
    /// An event of the given type whose payload is a shape, or a document.
    pub fn new<T: Serialize + ?Sized>(event_type: &'static str, payload: &T) -> Self {
        Event {
            event_type,
            payload: to_value(payload),
        }
    }

    /// An event whose payload is a document already: large blobs are then not copied.
    #[must_use]
    pub fn from_value(event_type: &'static str, payload: Value) -> Self {
        Event {
            event_type,
            payload: Ok(payload),
        }
    }
}

/// One line of the table.
struct Entry<S> {
    name: &'static str,
    handler: Handler<S>,
    direct: Option<Run<S, RawRequest, RawReply>>,
    is_abandonable: bool,
}

enum Handler<S> {
    Document {
        input: Input,
        run: Run<S, Value, Value>,
    },
    Events {
        input: Input,
        run: Run<S, Value, Events>,
    },
    Raw(Run<S, RawRequest, RawReply>),
    Planned,
}

/// What an operation's input must be.
struct Input {
    checker: Checker,
    /// Reads the shape and forgets it: says whether a member has the wrong type.
    probe: fn(Value) -> Result<(), ShapeError>,
}

impl Input {
    fn of<I: DeserializeOwned>(rules: &'static [Rule]) -> Self {
        Input {
            checker: Checker::new(rules),
            probe: |value| from_value::<I>(value).map(drop),
        }
    }

    /// Checks the rules. AWS looks at types before anything else, so a wrong type outranks a broken rule.
    fn check(&self, document: Value) -> Result<Value, ServiceError> {
        let Err(broken) = self.checker.check(&document) else {
            return Ok(document);
        };
        match (self.probe)(document) {
            Err(error @ ShapeError::Type(_)) => Err(error.into()),
            _ => Err(broken),
        }
    }
}

/// The table of operations of one service.
pub struct Operations<S> {
    signing_name: &'static str,
    target_prefix: &'static str,
    query: Option<&'static Query>,
    is_checksummed: bool,
    told_of_errors: Option<TellError<S>>,
    table: Vec<Entry<S>>,
}

impl<S> fmt::Debug for Operations<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operations({}, {})", self.signing_name, self.table.len())
    }
}

impl<S: Send + Sync + 'static> Operations<S> {
    /// An empty table. `signing_name` is the service in SigV4's credential scope (`kinesis`), `target_prefix` what
    /// stands before the operation in `X-Amz-Target` (`Kinesis_20131202`).
    #[must_use]
    pub fn new(signing_name: &'static str, target_prefix: &'static str) -> Self {
        Operations {
            signing_name,
            target_prefix,
            query: None,
            is_checksummed: false,
            told_of_errors: None,
            table: Vec::new(),
        }
    }

    /// The same, spoken to in Query as well; errors in JSON then bear the service's namespace, and tell Query's name for
    /// them in a header.
    #[must_use]
    pub fn query(mut self, query: &'static Query) -> Self {
        self.query = Some(query);
        self
    }

    /// The same, with the CRC-32 of each reply's body in `x-amz-crc32`: clients of DynamoDB check it.
    #[must_use]
    pub fn checksummed(mut self) -> Self {
        self.is_checksummed = true;
        self
    }

    /// The same, telling `told` of every error that is answered to a caller who is known, whether a handler gives it or the
    /// input breaks a rule. It is called on the request's path: be quick.
    #[must_use]
    pub fn tell_errors(mut self, told: fn(&S, &Caller, &ServiceError)) -> Self {
        self.told_of_errors = Some(told);
        self
    }

    /// Answers `name` by `handler`, once the input satisfies `rules`. An output of `()` is an empty body.
    #[must_use]
    pub fn on<I, O, E, F, Fut>(self, name: &'static str, rules: &'static [Rule], handler: F) -> Self
    where
        I: DeserializeOwned,
        O: Serialize,
        E: Into<ServiceError>,
        F: Fn(Arc<S>, Caller, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send + 'static,
    {
        let run: Run<S, Value, Value> = Arc::new(move |service, caller, document| {
            let input = match from_value::<I>(document) {
                Ok(input) => input,
                Err(error) => return refuse(error),
            };
            let work = handler(service, caller, input);
            Box::pin(async move {
                let output = work.await.map_err(Into::into)?;
                to_value(&output).map_err(|error| unwritable(&error))
            })
        });
        let input = Input::of::<I>(rules);
        self.add(name, Handler::Document { input, run })
    }

    /// Answers `name` by a handler that reads and writes the bytes itself, in the format given. It checks its own
    /// rules: [`Format::decode`] and [`Checker`] give AWS's answer for what its own reader refuses. Query has no bytes to
    /// give: there, callers are told that the operation is not supported; see [`Operations::direct`].
    #[must_use]
    pub fn raw<E, F, Fut>(self, name: &'static str, handler: F) -> Self
    where
        E: Into<ServiceError>,
        F: Fn(Arc<S>, Caller, RawRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<RawReply, E>> + Send + 'static,
    {
        self.add(name, Handler::Raw(run_raw(handler)))
    }

    /// Answers the operation added last by `handler` wherever the request has a body, JSON or CBOR, as [`Operations::raw`]
    /// does. The handler it was added with is left for Query; a test must hold both equal.
    ///
    /// # Panics
    /// If there is none, or it has no handler of documents.
    #[must_use]
    pub fn direct<E, F, Fut>(mut self, handler: F) -> Self
    where
        E: Into<ServiceError>,
        F: Fn(Arc<S>, Caller, RawRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<RawReply, E>> + Send + 'static,
    {
        let last = self.last();
        assert!(
            matches!(last.handler, Handler::Document { .. }),
            "{} has no handler of documents",
            last.name
        );
        last.direct = Some(run_raw(handler));
        self
    }

    /// Lets the operation added last be dropped, at whatever point it waits, when its client goes away or the server is to
    /// stop: for long polls, which must take nothing that nobody will read. All other operations run to their end.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn abandonable(mut self) -> Self {
        self.last().is_abandonable = true;
        self
    }

    fn last(&mut self) -> &mut Entry<S> {
        self.table.last_mut().expect("an operation comes first")
    }

    /// Answers `name` with events until the stream ends, or the client or the server goes away. An error before the
    /// stream is an ordinary error; one in the stream is an exception event, and the last.
    #[must_use]
    pub fn event_stream<I, E, F, Fut, St>(
        self,
        name: &'static str,
        rules: &'static [Rule],
        handler: F,
    ) -> Self
    where
        I: DeserializeOwned,
        E: Into<ServiceError> + 'static,
        F: Fn(Arc<S>, Caller, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<St, E>> + Send + 'static,
        St: Stream<Item = Result<Event, E>> + Send + 'static,
    {
        let run: Run<S, Value, Events> = Arc::new(move |service, caller, document| {
            let input = match from_value::<I>(document) {
                Ok(input) => input,
                Err(error) => return refuse(error),
            };
            let work = handler(service, caller, input);
            Box::pin(async move {
                let events = work.await.map_err(Into::into)?;
                Ok(events.map(|event| event.map_err(Into::into)).boxed())
            })
        });
        let input = Input::of::<I>(rules);
        self.add(name, Handler::Events { input, run })
    }

    /// Names an operation that is not answered yet; callers are told so plainly.
    #[must_use]
    pub fn planned(self, name: &'static str) -> Self {
        self.add(name, Handler::Planned)
    }

    fn add(mut self, name: &'static str, handler: Handler<S>) -> Self {
        let twice = self.table.iter().any(|entry| entry.name == name);
        assert!(
            !twice,
            "{}: {name} is in the table twice",
            self.signing_name
        );
        self.table.push(Entry {
            name,
            handler,
            direct: None,
            is_abandonable: false,
        });
        self
    }

    /// Every operation, in the order of the table, for docs and tests.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, Support)> {
        self.table.iter().map(|entry| match entry.handler {
            Handler::Planned => (entry.name, Support::Planned),
            _ => (entry.name, Support::Full),
        })
    }

    /// The rules of every operation that has a table of them, for tests against AWS's model. Raw operations have none.
    pub fn rules(&self) -> impl Iterator<Item = (&'static str, &'static [Rule])> {
        self.table.iter().filter_map(|entry| match &entry.handler {
            Handler::Document { input, .. } | Handler::Events { input, .. } => {
                Some((entry.name, input.checker.rules()))
            }
            Handler::Raw(_) | Handler::Planned => None,
        })
    }

    /// Ties the table to the service whose state the handlers work on.
    #[must_use]
    pub fn serve(self, service: Arc<S>) -> Endpoint {
        let told_of_errors = self.told_of_errors.map(|told| {
            let service = Arc::clone(&service);
            let tell = move |caller: &Caller, error: &ServiceError| told(&service, caller, error);
            Box::new(tell) as endpoint::TellError
        });
        let bound = self.table.into_iter().map(move |entry| {
            let answer = match entry.handler {
                Handler::Document { input, run } => Answer::Document {
                    input,
                    run: endpoint::bind(run, &service),
                },
                Handler::Events { input, run } => Answer::Events {
                    input,
                    run: endpoint::bind(run, &service),
                },
                Handler::Raw(run) => Answer::Raw(endpoint::bind(run, &service)),
                Handler::Planned => Answer::Planned,
            };
            let operation = Operation {
                answer,
                direct: entry.direct.map(|run| endpoint::bind(run, &service)),
                is_abandonable: entry.is_abandonable,
            };
            (entry.name, operation)
        });
        Endpoint {
            signing_name: self.signing_name,
            target_prefix: self.target_prefix,
            query: self.query,
            is_checksummed: self.is_checksummed,
            told_of_errors,
            operations: bound.collect(),
        }
    }
}

fn run_raw<S, E, F, Fut>(handler: F) -> Run<S, RawRequest, RawReply>
where
    E: Into<ServiceError>,
    F: Fn(Arc<S>, Caller, RawRequest) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<RawReply, E>> + Send + 'static,
{
    Arc::new(move |service, caller, request| {
        let work = handler(service, caller, request);
        Box::pin(async move { work.await.map_err(Into::into) })
    })
}

fn refuse<T: Send + 'static>(error: ShapeError) -> Work<T> {
    Box::pin(std::future::ready(Err(error.into())))
}

fn unwritable(error: &ShapeError) -> ServiceError {
    tracing::error!(%error, "an answer could not be written");
    ServiceError::internal()
}
