//! How a request names its operation.
//!
//! `X-Amz-Target` tells service and operation by itself. Query's `Action` tells the operation; the service is the one that the
//! credentials are scoped to, or the one of that `Version`, or the one that has such an operation. AWS does not care about
//! the path in either. RPC v2 names both in the path: `/service/GraniteServiceVersion20100801/operation/PutMetricData`, where
//! the service may have a namespace before a dot; it is told by its header (Smithy 2.0, "Smithy RPC v2").

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;
use http::request::Parts;

use super::Router;
use super::reply::{RPC_V2_CBOR, SMITHY_PROTOCOL};
use crate::caller::Caller;
use crate::error::{ServiceError, beginning};
use crate::protocol::Protocol;
use crate::query::{Parameters, Query};
use crate::service::{Endpoint, Payload, RawRequest};
use crate::sigv4::Identity;

/// What HTML's forms, and Query's requests, are labelled.
const FORM: &str = "application/x-www-form-urlencoded";

/// A request that has found its operation.
pub(super) struct Call {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) operation: &'static str,
    pub(super) protocol: Protocol,
    /// Query's.
    parameters: Parameters,
}

/// A request that has not.
pub(super) struct Lost {
    /// The protocol it speaks, where that can be told.
    pub(super) protocol: Option<Protocol>,
    /// How the service it may mean speaks Query.
    pub(super) query: Option<&'static Query>,
    pub(super) error: ServiceError,
}

impl Call {
    /// The input, as it came. The parameters are handed over.
    pub(super) fn payload(&mut self, parts: Parts, body: Bytes, caller: &Caller) -> Payload {
        if self.protocol == Protocol::RpcV2Cbor {
            return Payload::RpcV2(body);
        }
        if let Some(format) = self.protocol.format() {
            return Payload::Raw(RawRequest {
                format,
                body,
                headers: parts.headers,
            });
        }
        let path = parts.uri.path();
        let scheme = if caller.secure { "https" } else { "http" };
        let has_path = !matches!(path, "" | "/");
        Payload::Query {
            parameters: std::mem::take(&mut self.parameters),
            url: has_path.then(|| format!("{scheme}://{}{path}", caller.host)),
        }
    }
}

impl Lost {
    fn in_protocol(protocol: Protocol, error: ServiceError) -> Self {
        Lost {
            protocol: Some(protocol),
            query: None,
            error,
        }
    }

    pub(super) fn in_none(error: ServiceError) -> Self {
        Lost {
            protocol: None,
            query: None,
            error,
        }
    }

    fn of(mut self, endpoint: Option<&Endpoint>) -> Self {
        self.query = endpoint.and_then(Endpoint::query);
        self
    }
}

impl Router {
    /// Which operation a request names. Without its body, one in Query may name none.
    pub(super) fn route(&self, parts: &Parts, body: &[u8]) -> Result<Call, Lost> {
        if is_rpc_v2(parts) {
            return self.route_rpc_v2(parts);
        }
        let target = header(parts, "x-amz-target");
        if target.is_none()
            && !self.by_query.is_empty()
            && let Some(found) = self.route_query(parts, body)
        {
            return found;
        }
        if parts.method != Method::POST {
            return Err(denied());
        }
        let content_type = header(parts, CONTENT_TYPE.as_str()).unwrap_or_default();
        let protocol = Protocol::of_content_type(content_type);
        let Some(target) = target else {
            let no_target = |protocol| Lost::in_protocol(protocol, unknown("no X-Amz-Target"));
            return Err(protocol.map_or_else(denied, no_target));
        };
        let Some(protocol) = protocol else {
            return Err(Lost::in_none(unknown(content_type).with_status(404)));
        };
        let (prefix, name) = target.rsplit_once('.').unwrap_or_default();
        let endpoint = self.by_target.get(prefix);
        match endpoint.and_then(|endpoint| Some((endpoint, endpoint.operation(name)?))) {
            Some((endpoint, operation)) => Ok(Call {
                endpoint: Arc::clone(endpoint),
                operation,
                protocol,
                parameters: Parameters::default(),
            }),
            None => Err(Lost::in_protocol(protocol, unknown(target)).of(endpoint.map(Arc::as_ref))),
        }
    }

    /// Whether a request names its operation in its body, if anywhere: a form of Query's.
    pub(super) fn is_named_in_body(&self, parts: &Parts) -> bool {
        let is_form = || header(parts, CONTENT_TYPE.as_str()).is_some_and(is_form);
        parts.method == Method::POST
            && !is_rpc_v2(parts)
            && header(parts, "x-amz-target").is_none()
            && !self.by_query.is_empty()
            && is_form()
    }

    /// Such a request, refused before its body is here.
    pub(super) fn lost_form(&self, parts: &Parts, error: ServiceError) -> Lost {
        let meant = self.meant(parts, &Parameters::default(), "");
        Lost::in_protocol(Protocol::Query, error).of(meant.map(Arc::as_ref))
    }

    /// Which operation a request names in RPC v2.
    fn route_rpc_v2(&self, parts: &Parts) -> Result<Call, Lost> {
        let protocol = Protocol::RpcV2Cbor;
        let path = parts.uri.path();
        let named = path
            .rsplit_once("/operation/")
            .and_then(|(before, operation)| {
                let (_, service) = before.rsplit_once("/service/")?;
                Some((service.rsplit('.').next()?, operation))
            });
        let endpoint = named.and_then(|(service, _)| self.by_target.get(service));
        let operation = named.and_then(|(_, name)| endpoint?.operation(name));
        match (endpoint, operation) {
            (Some(endpoint), Some(operation)) => Ok(Call {
                endpoint: Arc::clone(endpoint),
                operation,
                protocol,
                parameters: Parameters::default(),
            }),
            _ => Err(Lost::in_protocol(protocol, unknown(path)).of(endpoint.map(Arc::as_ref))),
        }
    }

    /// Which operation a request names in Query; `None` if it does not speak it.
    fn route_query(&self, parts: &Parts, body: &[u8]) -> Option<Result<Call, Lost>> {
        let content_type = header(parts, CONTENT_TYPE.as_str());
        let is_form = content_type.is_some_and(is_form);
        let form = match parts.method {
            Method::POST if is_form => body,
            Method::POST if content_type.is_none() => &[],
            Method::GET => &[],
            _ => return None,
        };
        let parameters = match Parameters::read(&parts.uri, form) {
            Ok(parameters) => parameters,
            Err(error) => return Some(Err(Lost::in_protocol(Protocol::Query, error))),
        };
        let Some(action) = parameters.get("Action") else {
            return is_form.then(|| Err(Lost::in_protocol(Protocol::Query, missing_action())));
        };
        let meant = self.meant(parts, &parameters, action);
        let found = meant.and_then(|endpoint| Some((endpoint, endpoint.operation(action)?)));
        Some(match found {
            Some((endpoint, operation)) => Ok(Call {
                endpoint: Arc::clone(endpoint),
                operation,
                protocol: Protocol::Query,
                parameters,
            }),
            None => Err(Lost::in_protocol(Protocol::Query, invalid_action(action))
                .of(meant.map(Arc::as_ref))),
        })
    }

    /// The service that a request in Query means.
    fn meant(
        &self,
        parts: &Parts,
        parameters: &Parameters,
        action: &str,
    ) -> Option<&Arc<Endpoint>> {
        let scope = Identity::of(parts);
        let is_scoped = |endpoint: &&Arc<Endpoint>| {
            scope
                .as_ref()
                .is_some_and(|scope| scope.service == endpoint.signing_name())
        };
        let version = parameters.get("Version");
        let has_version = |endpoint: &&Arc<Endpoint>| {
            version.is_some() && endpoint.query().map(|query| query.version) == version
        };
        let has_action = |endpoint: &&Arc<Endpoint>| endpoint.operation(action).is_some();
        let speakers = || self.by_query.iter();
        speakers()
            .find(is_scoped)
            .or_else(|| speakers().find(|e| has_version(e) && has_action(e)))
            .or_else(|| {
                let mut able = speakers().filter(has_action);
                able.next().filter(|_| able.next().is_none())
            })
            .or_else(|| speakers().find(has_version))
    }
}

pub(super) fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}

/// Whether a request speaks RPC v2, as far as it is spoken here.
pub(super) fn is_rpc_v2(parts: &Parts) -> bool {
    parts.method == Method::POST
        && header(parts, SMITHY_PROTOCOL.as_str()).is_some_and(|name| name == RPC_V2_CBOR)
}

/// Whether a content type is that of a form, whatever its character set.
pub(super) fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(FORM)
}

fn denied() -> Lost {
    Lost::in_none(
        ServiceError::sender(
            "AccessDeniedException",
            "Unable to determine service/operation name to be authorized",
        )
        .with_status(403),
    )
}

fn unknown(what: &str) -> ServiceError {
    ServiceError::sender(
        "UnknownOperationException",
        format!("no such operation: {}", beginning(what)),
    )
}

fn missing_action() -> ServiceError {
    ServiceError::sender(
        "MissingAction",
        "The request must contain the parameter Action.",
    )
}

fn invalid_action(action: &str) -> ServiceError {
    let shown: String = action.chars().take(200).collect();
    ServiceError::sender(
        "InvalidAction",
        format!("The action {shown} is not valid for this endpoint."),
    )
}
