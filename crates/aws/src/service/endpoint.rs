//! A service tied to its state: what the router calls.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::{Events, Input, RawReply, RawRequest, Run, Work};
use crate::caller::Caller;
use crate::error::ServiceError;
use crate::protocol::rpc_v2;
use crate::query::{Parameters, Query};
use crate::value::Value;

pub(super) type TellError = Box<dyn Fn(&Caller, &ServiceError) + Send + Sync>;
type Bound<In, Out> = Box<dyn Fn(Caller, In) -> Work<Out> + Send + Sync>;

pub(super) fn bind<S: Send + Sync + 'static, In: 'static, Out: 'static>(
    run: Run<S, In, Out>,
    service: &Arc<S>,
) -> Bound<In, Out> {
    let service = Arc::clone(service);
    Box::new(move |caller, input| run(Arc::clone(&service), caller, input))
}

/// A service ready to answer: what the router takes.
pub struct Endpoint {
    pub(super) signing_name: &'static str,
    pub(super) target_prefix: &'static str,
    pub(super) query: Option<&'static Query>,
    pub(super) is_checksummed: bool,
    pub(super) told_of_errors: Option<TellError>,
    pub(super) operations: HashMap<&'static str, Operation>,
}

pub(super) struct Operation {
    pub(super) answer: Answer,
    /// Answers in place of `answer` what comes as bytes.
    pub(super) direct: Option<Bound<RawRequest, RawReply>>,
    pub(super) is_abandonable: bool,
}

pub(super) enum Answer {
    Document {
        input: Input,
        run: Bound<Value, Value>,
    },
    Events {
        input: Input,
        run: Bound<Value, Events>,
    },
    Raw(Bound<RawRequest, RawReply>),
    Planned,
}

/// The input of a request, as its protocol carries it.
pub(crate) enum Payload {
    /// A body.
    Raw(RawRequest),
    /// A body in RPC v2's CBOR, which handlers of raw bytes do not read.
    RpcV2(Bytes),
    /// Query's parameters, and what the request's URL stands for.
    Query {
        parameters: Parameters,
        url: Option<String>,
    },
}

/// What an operation answered, not yet in the reply's bytes.
pub(crate) enum Reply {
    Document(Value),
    Encoded(Bytes),
    Events(Events),
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.signing_name)
    }
}

impl Endpoint {
    /// The service in SigV4's credential scope.
    #[must_use]
    pub fn signing_name(&self) -> &'static str {
        self.signing_name
    }

    /// What stands before the operation in `X-Amz-Target`.
    #[must_use]
    pub fn target_prefix(&self) -> &'static str {
        self.target_prefix
    }

    /// How it is spoken to in Query, if it is.
    pub(crate) fn query(&self) -> Option<&'static Query> {
        self.query
    }

    /// Whether replies tell the CRC-32 of their bodies.
    pub(crate) fn is_checksummed(&self) -> bool {
        self.is_checksummed
    }

    /// The operation's name as the table spells it, if there is one.
    pub(crate) fn operation(&self, name: &str) -> Option<&'static str> {
        self.operations.get_key_value(name).map(|(name, _)| *name)
    }

    /// Whether the operation may be dropped when its client goes away.
    pub(crate) fn is_abandonable(&self, operation: &str) -> bool {
        self.operations
            .get(operation)
            .is_some_and(|operation| operation.is_abandonable)
    }

    /// Carries out one request.
    pub(crate) async fn call(
        &self,
        operation: &str,
        caller: Caller,
        payload: Payload,
    ) -> Result<Reply, ServiceError> {
        let Some(told_of_errors) = &self.told_of_errors else {
            return self.carry_out(operation, caller, payload).await;
        };
        let who = caller.clone();
        let answered = self.carry_out(operation, caller, payload).await;
        if let Err(error) = &answered {
            told_of_errors(&who, error);
        }
        answered
    }

    async fn carry_out(
        &self,
        operation: &str,
        caller: Caller,
        payload: Payload,
    ) -> Result<Reply, ServiceError> {
        let Some(entry) = self.operations.get(operation) else {
            return Err(ServiceError::sender("UnknownOperationException", ""));
        };
        let unsupported = |why: &str| {
            Err(ServiceError::sender(
                "UnknownOperationException",
                format!(
                    "{operation} of {} is not supported {why}",
                    self.signing_name
                ),
            ))
        };
        match (&entry.answer, &entry.direct, payload) {
            (Answer::Raw(run), _, Payload::Raw(request))
            | (_, Some(run), Payload::Raw(request)) => {
                let reply = run(caller, request).await?;
                Ok(Reply::Encoded(reply.body))
            }
            (Answer::Document { input, run }, _, payload) => {
                let document = input.check(self.document(operation, payload)?)?;
                run(caller, document).await.map(Reply::Document)
            }
            (Answer::Events { input, run }, _, payload @ Payload::Raw(_)) => {
                let document = input.check(self.document(operation, payload)?)?;
                run(caller, document).await.map(Reply::Events)
            }
            (Answer::Planned, ..) => unsupported("by this server yet"),
            (Answer::Raw(_) | Answer::Events { .. }, _, Payload::Query { .. }) => {
                unsupported("in the Query protocol")
            }
            (Answer::Raw(_) | Answer::Events { .. }, _, Payload::RpcV2(_)) => {
                unsupported("in RPC v2")
            }
        }
    }

    fn document(&self, operation: &str, payload: Payload) -> Result<Value, ServiceError> {
        let (parameters, url) = match payload {
            Payload::Raw(request) => return request.format.decode(&request.body),
            Payload::RpcV2(body) => return rpc_v2::decode(&body),
            Payload::Query { parameters, url } => (parameters, url),
        };
        let query = self.query.ok_or_else(ServiceError::internal)?;
        let mut document = parameters.document(query, operation)?;
        if let (Value::Map(members), Some(name), Some(url)) =
            (&mut document, query.path_member, url)
            && !members.iter().any(|(member, _)| member == name)
        {
            members.push((name.to_owned(), Value::Untyped(url)));
        }
        Ok(document)
    }
}
