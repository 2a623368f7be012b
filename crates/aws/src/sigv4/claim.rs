//! What a request says about its signature, not yet believed.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE};
use http::request::Parts;
use model::Timestamp;

use super::escape;
use super::key::Scope;
use super::{ALGORITHM, TERMINATOR, moment};
use crate::error::{ServiceError, beginning};

/// Headers that one request signs: SDKs sign fewer than twenty.
const SIGNED_HEADERS_MAX: usize = 100;
/// Presigned queries live a week at most.
const EXPIRES_MAX_SECONDS: u64 = 7 * 24 * 60 * 60;

/// Where the signature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the `Authorization` header.
    Header,
    /// In the query: a presigned request, good for so many seconds.
    Query { expires_seconds: u64 },
}

/// A claim that is whole, and whose parts fit each other.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) place: Place,
    pub(super) scope: Scope,
    /// Lower case, in the order given.
    pub(super) signed_headers: Vec<String>,
    /// Hexadecimal.
    pub(super) signature: String,
    pub(super) signed_at: Timestamp,
}

impl Claim {
    /// Reads the claim of a request.
    ///
    /// # Errors
    /// AWS's errors for a claim that is absent, doubled or not whole.
    pub(super) fn of(parts: &Parts) -> Result<Claim, ServiceError> {
        let query = parts.uri.query().unwrap_or_default();
        let in_query = escape::pairs(query).any(|(name, _)| name == "X-Amz-Algorithm");
        match (parts.headers.get(AUTHORIZATION), in_query) {
            (Some(_), true) => Err(invalid(
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
            )),
            (None, false) => Err(ServiceError::sender(
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            )),
            (Some(header), false) => {
                let text = String::from_utf8_lossy(header.as_bytes());
                Claim::of_header(&text, &parts.headers)
            }
            (None, true) => Claim::of_query(query),
        }
    }

    fn of_header(authorization: &str, headers: &HeaderMap) -> Result<Claim, ServiceError> {
        let part = |name: &str| header_part(authorization, name);
        let date = headers.get("x-amz-date").and_then(|v| v.to_str().ok());
        let http_date = headers.get(DATE).and_then(|v| v.to_str().ok());
        let mut missing = String::new();
        for name in ["Credential", "Signature", "SignedHeaders"] {
            if part(name).is_none() {
                missing += &format!("Authorization header requires '{name}' parameter. ");
            }
        }
        if date.or(http_date).is_none() {
            missing += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
        }
        if !missing.is_empty() {
            return Err(incomplete(format!(
                "{missing}Authorization={}",
                beginning(authorization)
            )));
        }
        check_algorithm(authorization.split(' ').next().unwrap_or_default())?;
        let signed_at = match (date, http_date) {
            (Some(date), _) => moment::parse(date),
            (None, Some(date)) => moment::parse_http(date),
            (None, None) => None,
        };
        let shown = date.or(http_date).unwrap_or_default();
        Claim {
            place: Place::Header,
            scope: scope(part("Credential").unwrap_or_default())?,
            signed_headers: header_names(part("SignedHeaders").unwrap_or_default())?,
            signature: part("Signature").unwrap_or_default().to_owned(),
            signed_at: signed_at.ok_or_else(|| bad_date(shown))?,
        }
        .dated()
    }

    fn of_query(query: &str) -> Result<Claim, ServiceError> {
        let part = |wanted: &str| {
            escape::pairs(query)
                .find(|(name, value)| *name == wanted && !value.is_empty())
                .map(|(_, value)| escape::decode_text(value))
        };
        let mut missing = String::new();
        for name in [
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Signature",
            "X-Amz-SignedHeaders",
            "X-Amz-Date",
        ] {
            if part(name).is_none() {
                missing += &format!("AWS query-string parameters must include '{name}'. ");
            }
        }
        if !missing.is_empty() {
            return Err(incomplete(format!(
                "{missing}Re-examine the query-string parameters."
            )));
        }
        let text = |name: &str| part(name).unwrap_or_default();
        check_algorithm(&text("X-Amz-Algorithm"))?;
        let date = text("X-Amz-Date");
        Claim {
            place: Place::Query {
                expires_seconds: expires(part("X-Amz-Expires").as_deref())?,
            },
            scope: scope(&text("X-Amz-Credential"))?,
            signed_headers: header_names(&text("X-Amz-SignedHeaders"))?,
            signature: text("X-Amz-Signature"),
            signed_at: moment::parse(&date).ok_or_else(|| bad_date(&date))?,
        }
        .dated()
    }

    /// The day in the scope must be the day of the date.
    fn dated(self) -> Result<Claim, ServiceError> {
        let date = moment::format(self.signed_at);
        let day = &date[..8];
        if self.scope.date == day {
            return Ok(self);
        }
        Err(invalid(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
             '{}' != '{day}', from '{date}'.",
            self.scope.date
        )))
    }
}

pub(super) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::sender("InvalidSignatureException", message)
}

fn incomplete(message: impl Into<String>) -> ServiceError {
    ServiceError::sender("IncompleteSignatureException", message)
}

fn bad_date(date: &str) -> ServiceError {
    incomplete(format!(
        "Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
    ))
}

fn check_algorithm(algorithm: &str) -> Result<(), ServiceError> {
    if algorithm == ALGORITHM {
        return Ok(());
    }
    Err(incomplete(format!(
        "Unsupported AWS 'algorithm': '{algorithm}'. This server knows '{ALGORITHM}'."
    )))
}

/// `name=value` among the parts of an `Authorization` header, which commas or spaces separate.
fn header_part<'a>(authorization: &'a str, wanted: &str) -> Option<&'a str> {
    authorization
        .split([',', ' '])
        .skip(1)
        .filter_map(|part| part.split_once('='))
        .find(|(name, value)| *name == wanted && !value.is_empty())
        .map(|(_, value)| value)
}

/// Each once and not too many: what is signed is written out for each of them before the signature is known to be right.
fn header_names(text: &str) -> Result<Vec<String>, ServiceError> {
    let mut names: Vec<String> = Vec::new();
    for name in text.split(';').map(str::to_ascii_lowercase) {
        if names.len() >= SIGNED_HEADERS_MAX || names.contains(&name) {
            return Err(invalid(format!(
                "SignedHeaders must name up to {SIGNED_HEADERS_MAX} headers, each once."
            )));
        }
        names.push(name);
    }
    Ok(names)
}

/// Key, day, region, service and terminator. A key may hold slashes, so they are counted from the end.
fn scope(credential: &str) -> Result<Scope, ServiceError> {
    let mut parts = credential.rsplitn(5, '/');
    let mut part = || parts.next();
    let (terminator, service, region, date, key) = (part(), part(), part(), part(), part());
    let (Some(terminator), Some(service), Some(region), Some(date), Some(key)) =
        (terminator, service, region, date, key)
    else {
        return Err(incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{credential}'"
        )));
    };
    if terminator != TERMINATOR {
        return Err(invalid(format!(
            "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{terminator}'."
        )));
    }
    Ok(Scope {
        access_key: key.to_owned(),
        date: date.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
    })
}

fn expires(text: Option<&str>) -> Result<u64, ServiceError> {
    let Some(text) = text else {
        return Err(incomplete(
            "AWS query-string parameters must include 'X-Amz-Expires'. Re-examine the query-string parameters.",
        ));
    };
    match text.parse() {
        Ok(seconds @ 1..=EXPIRES_MAX_SECONDS) => Ok(seconds),
        _ => Err(invalid(format!(
            "X-Amz-Expires must be 1 to {EXPIRES_MAX_SECONDS} seconds, got '{text}'"
        ))),
    }
}

/// Who a request says it is from, taken on trust: all there is to know with authentication off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity<'a> {
    pub(crate) access_key: Cow<'a, str>,
    pub(crate) region: Cow<'a, str>,
    pub(crate) service: Cow<'a, str>,
}

impl<'a> Identity<'a> {
    /// The identity in whatever looks like a credential; `None` for a request without.
    pub(crate) fn of(parts: &'a Parts) -> Option<Identity<'a>> {
        if let Some(header) = parts.headers.get(AUTHORIZATION) {
            let credential = header_part(header.to_str().ok()?, "Credential")?;
            return Identity::of_credential(credential);
        }
        let (_, credential) =
            escape::pairs(parts.uri.query()?).find(|(name, _)| *name == "X-Amz-Credential")?;
        let credential = escape::decode_text(credential);
        let identity = Identity::of_credential(&credential)?;
        Some(Identity {
            access_key: identity.access_key.into_owned().into(),
            region: identity.region.into_owned().into(),
            service: identity.service.into_owned().into(),
        })
    }

    fn of_credential(credential: &'a str) -> Option<Identity<'a>> {
        let mut parts = credential.rsplitn(5, '/');
        let _terminator = parts.next()?;
        let service = parts.next()?;
        let region = parts.next()?;
        let _date = parts.next()?;
        let access_key = parts.next()?;
        Some(Identity {
            access_key: access_key.into(),
            region: region.into(),
            service: service.into(),
        })
    }
}
