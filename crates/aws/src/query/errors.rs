//! What an error is called: by Query, and by JSON where the service came from Query.
//!
//! A service names its own errors; those that this crate answers by itself are of AWS's framework, and named here. Source:
//! "Common Errors" of the Query services' API references.

use http::HeaderValue;

use super::Query;
use crate::error::{Fault, ServiceError};

/// Namespace of the framework's own errors in JSON.
const FRAMEWORK: &str = "com.amazon.coral.service";

/// Name in JSON, name in Query, HTTP status in Query.
const COMMON: &[(&str, &str, u16)] = &[
    ("AccessDeniedException", "AccessDenied", 403),
    ("IncompleteSignatureException", "IncompleteSignature", 403),
    ("InternalFailure", "InternalFailure", 500),
    ("InvalidSignatureException", "SignatureDoesNotMatch", 403),
    ("MalformedQueryString", "MalformedQueryString", 404),
    (
        "MissingAuthenticationTokenException",
        "MissingAuthenticationToken",
        403,
    ),
    ("RequestEntityTooLarge", "RequestEntityTooLarge", 413),
    ("RequestTimeout", "RequestTimeout", 408),
    ("SerializationException", "MalformedInput", 400),
    ("ServiceUnavailable", "ServiceUnavailable", 503),
    ("ThrottlingException", "Throttling", 400),
    ("UnknownOperationException", "InvalidAction", 400),
    ("UnrecognizedClientException", "InvalidClientTokenId", 403),
    ("ValidationException", "ValidationError", 400),
];

fn common(error: &ServiceError) -> Option<&'static (&'static str, &'static str, u16)> {
    COMMON.iter().find(|(code, ..)| *code == error.code)
}

/// Code and HTTP status of an error in Query.
pub(crate) fn names_of(error: &ServiceError) -> (&str, u16) {
    let common = common(error);
    let code = match (error.query_code, common) {
        (Some(code), _) => code,
        (None, Some((_, code, _))) => code,
        (None, None) => &error.code,
    };
    let status = match (error.query_status, common) {
        (Some(status), _) => status,
        (None, Some((.., status))) => *status,
        (None, None) => error.status,
    };
    (code, status)
}

/// An error's name in the JSON of a service that came from Query. One that has a namespace keeps it.
pub(crate) fn error_shape(error: &ServiceError, query: &Query) -> String {
    if error.code.contains('#') {
        return error.code.to_string();
    }
    let namespace = match common(error) {
        Some(_) => FRAMEWORK,
        None => query.error_namespace,
    };
    format!("{namespace}#{}", error.code)
}

/// The value of `x-amzn-query-error`, by which clients know an error by its old name.
pub(crate) fn header(error: &ServiceError) -> Option<HeaderValue> {
    let (code, _) = names_of(error);
    HeaderValue::try_from(format!("{code};{}", type_of(error.fault))).ok()
}

pub(super) fn type_of(fault: Fault) -> &'static str {
    match fault {
        Fault::Sender => "Sender",
        Fault::Receiver => "Receiver",
    }
}
