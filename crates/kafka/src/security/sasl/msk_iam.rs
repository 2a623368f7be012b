//! AWS_MSK_IAM: the client sends a request to `kafka-cluster:Connect` that it has signed, and who holds the key that signed it
//! is who it is.
//!
//! From the Java library (`aws-msk-iam-auth`) that request is a JSON object of its own mechanism. From the signers for Python,
//! Go, JavaScript and .NET it is a presigned URL, in URL-safe base64, as the token of OAUTHBEARER. The signature is checked by
//! an [`IamVerifier`], since the keys are not the broker's.

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::fmt;

use model::{Rng, Timestamp};
use serde_json::Value;

use super::{Identity, Refused};

/// The one version of the object there is.
const FORM: &str = "2020_10_22";
/// What must have been signed.
const ACTION: &str = "kafka-cluster:Connect";
/// Longest that a signature may be good for: what the signers ask for.
const EXPIRES_MAX_SECONDS: u64 = 900;
/// Members of the object and what they are called in the query that was signed.
const QUERY: &[(&str, &str)] = &[
    ("action", "Action"),
    ("x-amz-algorithm", "X-Amz-Algorithm"),
    ("x-amz-credential", "X-Amz-Credential"),
    ("x-amz-date", "X-Amz-Date"),
    ("x-amz-expires", "X-Amz-Expires"),
    ("x-amz-security-token", "X-Amz-Security-Token"),
    ("x-amz-signature", "X-Amz-Signature"),
    ("x-amz-signedheaders", "X-Amz-SignedHeaders"),
];

/// A request to connect, as it was signed: `GET https://HOST/?QUERY` without a body.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedConnect {
    /// The `Host` header.
    pub host: String,
    /// The query, encoded, with the signature in it.
    pub query: String,
}

/// Without the signature, which is good for a quarter of an hour.
impl fmt::Debug for SignedConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedConnect({})", self.host)
    }
}

/// Knows the keys that clients sign with.
pub trait IamVerifier: Send + Sync + fmt::Debug {
    /// The ARN of whoever signed, for the service `kafka-cluster`.
    ///
    /// # Errors
    /// Why the signature does not hold, in words for the client.
    fn verify(&self, request: &SignedConnect, now: Timestamp) -> Result<String, String>;
}

/// Who sent the object, and what they are answered.
pub(super) fn verify(
    message: &[u8],
    verifier: &dyn IamVerifier,
    rng: &Rng,
    now: Timestamp,
) -> Result<(Identity, String), Refused> {
    let arn = verifier
        .verify(&signed_object(message)?, now)
        .map_err(Refused::because)?;
    let (high, low) = (rng.next_u64(), rng.next_u64());
    let answer = format!("{{\"version\":\"{FORM}\",\"request-id\":\"{high:016x}{low:016x}\"}}");
    Ok((Identity::lasting(arn), answer))
}

fn signed_object(message: &[u8]) -> Result<SignedConnect, Refused> {
    let malformed = || Refused::because("the payload of AWS_MSK_IAM is not what it must be");
    let object: HashMap<String, Value> =
        serde_json::from_slice(message).map_err(|_| malformed())?;
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    if text("version") != Some(FORM) {
        return Err(Refused::because(format!(
            "the payload of AWS_MSK_IAM must be of version {FORM}"
        )));
    }
    check_action(text("action"))?;
    let mut query = String::new();
    for (member, name) in QUERY {
        if let Some(value) = text(member) {
            push_pair(&mut query, name, value);
        }
    }
    check_expiry(text("x-amz-expires"))?;
    Ok(SignedConnect {
        host: text("host").ok_or_else(malformed)?.to_owned(),
        query,
    })
}

/// The request in a token of OAUTHBEARER, where it is one: a URL that begins as those of MSK's signers do.
pub(super) fn signed_url(token: &str) -> Option<Result<SignedConnect, Refused>> {
    if token.contains('.') {
        return None;
    }
    let bytes = base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec(token.trim_end_matches('=').as_bytes())
        .ok()?;
    let url = String::from_utf8(bytes).ok()?;
    let rest = url.strip_prefix("https://")?;
    let (host, query) = rest.split_once("/?").or_else(|| rest.split_once('?'))?;
    // Added after signing, to tell the service what the client is.
    let signed = query
        .split('&')
        .filter(|pair| !pair.starts_with("User-Agent="));
    let query: Vec<&str> = signed.collect();
    let action = query.iter().find_map(|pair| pair.strip_prefix("Action="));
    let action = action.map(|action| action.replace("%3A", ":").replace("%3a", ":"));
    let expires = query.iter();
    let mut expires = expires.filter_map(|pair| pair.strip_prefix("X-Amz-Expires="));
    let checked = check_action(action.as_deref()).and_then(|()| check_expiry(expires.next()));
    Some(checked.map(|()| SignedConnect {
        host: host.to_owned(),
        query: query.join("&"),
    }))
}

/// A signature that was seen must not be of use for long, whatever it says.
fn check_expiry(expires: Option<&str>) -> Result<(), Refused> {
    let seconds: Option<u64> = expires.and_then(|expires| expires.parse().ok());
    if seconds.is_some_and(|seconds| seconds <= EXPIRES_MAX_SECONDS) {
        return Ok(());
    }
    Err(Refused::because(format!(
        "X-Amz-Expires must be at most {EXPIRES_MAX_SECONDS} seconds"
    )))
}

fn check_action(action: Option<&str>) -> Result<(), Refused> {
    if action == Some(ACTION) {
        return Ok(());
    }
    Err(Refused::because(format!(
        "the action signed must be {ACTION}"
    )))
}

fn push_pair(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(name);
    query.push('=');
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            query.push(char::from(byte));
        } else {
            query.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_is_the_query_that_was_signed() {
        let payload = br#"{"version":"2020_10_22","host":"b-1.example","user-agent":"x","action":"kafka-cluster:Connect",
            "x-amz-algorithm":"AWS4-HMAC-SHA256","x-amz-credential":"AKIA/20260101/us-east-1/kafka-cluster/aws4_request",
            "x-amz-date":"20260101T000000Z","x-amz-signedheaders":"host","x-amz-expires":"900","x-amz-signature":"ab"}"#;
        let signed = signed_object(payload).unwrap();
        assert_eq!(signed.host, "b-1.example");
        assert_eq!(
            signed.query,
            "Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIA%2F20260101%2Fus-east-1%2Fkafka-cluster%2Faws4_request\
             &X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-Signature=ab&X-Amz-SignedHeaders=host"
        );
    }

    #[test]
    fn the_token_is_the_url_that_was_signed() {
        let url = "https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect&X-Amz-Expires=900&User-Agent=me";
        let token = base64_simd::URL_SAFE_NO_PAD.encode_to_string(url);
        let signed = signed_url(&token).unwrap().unwrap();
        assert_eq!(signed.host, "kafka.eu-west-1.amazonaws.com");
        assert_eq!(
            signed.query,
            "Action=kafka-cluster%3AConnect&X-Amz-Expires=900"
        );
        for expires in ["901", "604800", "", "-1"] {
            let url = url.replace("900", expires);
            let token = base64_simd::URL_SAFE_NO_PAD.encode_to_string(url);
            signed_url(&token).unwrap().unwrap_err();
        }
        assert!(signed_url("a.b.c").is_none() && signed_url("%%%").is_none());
        let other = base64_simd::URL_SAFE_NO_PAD.encode_to_string("https://h/?Action=sts%3AX");
        signed_url(&other).unwrap().unwrap_err();
    }

    #[test]
    fn other_payloads_are_refused() {
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"version":"2021_01_01","action":"kafka-cluster:Connect","host":"h"}"#,
            r#"{"version":"2020_10_22","action":"s3:GetObject","host":"h"}"#,
            r#"{"version":"2020_10_22","action":"kafka-cluster:Connect"}"#,
            r#"{"version":"2020_10_22","action":7,"host":"h"}"#,
        ] {
            signed_object(wrong.as_bytes()).unwrap_err();
        }
    }
}
