//! The canonical request: the one text that both sides make of a request, and sign.

use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;

use super::escape::{self, KeepSlash};
use super::key::{Scope, sha256_hex};
use super::{ALGORITHM, moment};

/// HTTP/2's name for the host. The SDK for JavaScript signs it in place of `host` where it speaks HTTP/2.
pub(super) const AUTHORITY: &str = ":authority";

/// The canonical request of `parts`, with the payload's hash given.
pub(super) fn request(
    parts: &Parts,
    service: &str,
    signed_headers: &[String],
    payload: &str,
) -> String {
    let mut out = String::with_capacity(512);
    out.push_str(parts.method.as_str());
    out.push('\n');
    path(&mut out, parts.uri.path(), service);
    out.push('\n');
    query(&mut out, parts.uri.query().unwrap_or_default());
    out.push('\n');
    for name in signed_headers {
        out.push_str(name);
        out.push(':');
        header(&mut out, parts, name);
        out.push('\n');
    }
    out.push('\n');
    out.push_str(&signed_headers.join(";"));
    out.push('\n');
    out.push_str(payload);
    out
}

/// What is signed of a canonical request.
pub(super) fn string_to_sign(
    scope: &Scope,
    signed_at: model::Timestamp,
    canonical_request: &str,
) -> String {
    format!(
        "{ALGORITHM}\n{}\n{}\n{}",
        moment::format(signed_at),
        scope.text(),
        sha256_hex(canonical_request.as_bytes())
    )
}

/// The host the client asked: a header in HTTP/1, part of the target in HTTP/2.
pub(crate) fn host(parts: &Parts) -> Option<&str> {
    match parts.headers.get(HOST) {
        Some(host) => host.to_str().ok(),
        None => parts.uri.authority().map(http::uri::Authority::as_str),
    }
}

/// S3 signs the path as it is sent; all others sign it normalised, and encoded once more.
fn path(out: &mut String, path: &str, service: &str) {
    if service == "s3" {
        out.push_str(path);
        return;
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    for segment in &kept {
        out.push('/');
        escape::encode_into(out, segment.as_bytes(), KeepSlash::No);
    }
    let directory = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    if kept.is_empty() || directory {
        out.push('/');
    }
}

/// Names and values encoded alike and sorted; the signature itself left out.
fn query(out: &mut String, query: &str) {
    let recode = |text: &str| {
        let mut encoded = String::with_capacity(text.len());
        escape::encode_into(&mut encoded, &escape::decode(text), KeepSlash::No);
        encoded
    };
    let mut pairs: Vec<(String, String)> = escape::pairs(query)
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .map(|(name, value)| (recode(name), recode(value)))
        .collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
}

/// All values of a header, joined by commas, white space trimmed and collapsed.
fn header(out: &mut String, parts: &Parts, name: &str) {
    if name == "host" || name == AUTHORITY {
        out.push_str(host(parts).unwrap_or_default().trim());
        return;
    }
    let headers: &HeaderMap = &parts.headers;
    for (index, value) in headers.get_all(name).iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let text = String::from_utf8_lossy(value.as_bytes());
        for (index, word) in text.split_ascii_whitespace().enumerate() {
            if index > 0 {
                out.push(' ');
            }
            out.push_str(word);
        }
    }
}
