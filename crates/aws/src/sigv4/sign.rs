//! Signing a request of our own.

use aws_lc_rs::hmac;
use http::header::{AUTHORIZATION, HOST, HeaderValue};
use http::request::Parts;
use model::{Region, Timestamp};

use super::key::{Credentials, Scope, hex, sha256_hex};
use super::{ALGORITHM, canonical, moment};

/// Not signed: what a proxy or a retry may change on the way.
const UNSIGNED: &[&str] = &[
    "authorization",
    "connection",
    "expect",
    "user-agent",
    "x-amzn-trace-id",
];

/// Signs a request by its `Authorization` header: adds that, `Host` (from an absolute URI), `X-Amz-Date` and, with
/// temporary keys, `X-Amz-Security-Token`. Headers set later are not signed.
///
/// # Panics
/// If the access key or the token can't stand in a header.
pub fn sign(
    parts: &mut Parts,
    body: &[u8],
    credentials: &Credentials,
    region: &Region,
    service: &str,
    now: Timestamp,
) {
    let date = moment::format(now);
    let scope = Scope {
        access_key: credentials.access_key.clone(),
        date: date[..8].to_owned(),
        region: region.as_str().to_owned(),
        service: service.to_owned(),
    };
    let value = |text: &str| HeaderValue::from_str(text).expect("a key or token fits in a header");
    if let Some(authority) = parts.uri.authority()
        && !parts.headers.contains_key(HOST)
    {
        let host = value(authority.as_str());
        parts.headers.insert(HOST, host);
    }
    parts.headers.insert("x-amz-date", value(&date));
    if let Some(token) = &credentials.session_token {
        parts.headers.insert("x-amz-security-token", value(token));
    }
    let mut signed: Vec<String> = parts
        .headers
        .keys()
        .map(|name| name.as_str().to_owned())
        .filter(|name| !UNSIGNED.contains(&name.as_str()))
        .collect();
    signed.sort_unstable();
    let text = canonical::request(parts, service, &signed, &sha256_hex(body));
    let to_sign = canonical::string_to_sign(&scope, now, &text);
    let key = scope.signing_key(&credentials.secret_key);
    let signature = hex(hmac::sign(&key, to_sign.as_bytes()).as_ref());
    let authorization = format!(
        "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signature}",
        scope.access_key,
        scope.text(),
        signed.join(";")
    );
    parts.headers.insert(AUTHORIZATION, value(&authorization));
}
