//! Who is asking: what signatures say of it, and whether they are checked.
//!
//! With [`Auth::On`] s3s verifies Signature Version 4, in the header and in presigned URLs, chunk signatures included, and
//! unsigned requests are refused. With [`Auth::Off`] whatever is signed is believed unread: signatures are taken off before
//! s3s sees the request, since it refuses any it cannot verify, and `aws-chunked` bodies are decoded here.

use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};
use model::{AccountId, Region};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Error, S3ErrorCode, S3Result};

use crate::incoming::Framing;
use crate::percent::decode_form;

/// Whether signatures are checked.
#[derive(Debug, Clone)]
pub enum Auth {
    /// They are not: credentials say who is calling, and are believed. For loopback alone. The map says which account a
    /// key is of; one that is not in it is of the account whose twelve digits it is, or of the one without a name.
    Off(HashMap<String, AccountId>),
    /// Every request must be signed by one of these keys, by access key.
    On(HashMap<String, Secret>),
}

/// What belongs to an access key.
#[derive(Clone)]
pub struct Secret {
    /// What requests are signed with.
    pub secret: String,
    /// Whose requests they are.
    pub account: AccountId,
}

/// Without the secret.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// Who asks, and for where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Caller {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
}

impl Auth {
    pub(crate) fn is_on(&self) -> bool {
        matches!(self, Auth::On(_))
    }

    /// The account of an access key.
    pub(crate) fn account(&self, access_key: &str) -> AccountId {
        let known = match self {
            Auth::Off(accounts) => accounts.get(access_key),
            Auth::On(secrets) => secrets.get(access_key).map(|secret| &secret.account),
        };
        known
            .cloned()
            .or_else(|| AccountId::parse(access_key))
            .unwrap_or_else(AccountId::unnamed)
    }

    /// Who a request says it is from, unchecked.
    pub(crate) fn claimed(&self, parts: &Parts) -> Caller {
        let credential = credential(parts);
        let mut scope = credential.as_deref().unwrap_or_default().split('/');
        let account = scope.next().map(|access_key| self.account(access_key));
        Caller {
            account: account.unwrap_or_else(AccountId::unnamed),
            region: scope
                .nth(1)
                .and_then(Region::parse)
                .unwrap_or_else(Region::unnamed),
        }
    }
}

/// `access-key/date/region/service/aws4_request`, from the header or the URL.
fn credential(parts: &Parts) -> Option<String> {
    if let Some(header) = parts.headers.get(AUTHORIZATION) {
        let (_, rest) = header.to_str().ok()?.split_once("Credential=")?;
        return rest.split([',', ' ']).next().map(str::to_owned);
    }
    let mut pairs = parts.uri.query()?.split('&');
    pairs.find_map(|pair| decode_form(pair.strip_prefix("X-Amz-Credential=")?))
}

/// The keys as s3s asks for them.
pub(crate) struct Secrets(pub(crate) HashMap<String, Secret>);

#[async_trait]
impl S3Auth for Secrets {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match self.0.get(access_key) {
            Some(known) => Ok(SecretKey::from(known.secret.as_str())),
            None => Err(S3Error::with_message(
                S3ErrorCode::InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records.",
            )),
        }
    }
}

/// How the body of a request is framed by what its headers say.
pub(crate) fn framing(headers: &HeaderMap, auth: &Auth) -> Framing {
    let is_chunked = headers
        .get("x-amz-content-sha256")
        .is_some_and(|hash| hash.as_bytes().starts_with(b"STREAMING-"));
    match (is_chunked, auth) {
        (false, _) => Framing::Plain,
        (true, Auth::On(_)) => Framing::Guarded,
        (true, Auth::Off(_)) => Framing::Decoded,
    }
}

/// What signs a URL, by Signature Version 4 and 2.
const IN_QUERY: [&str; 10] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "AWSAccessKeyId",
    "Signature",
    "Expires",
];

/// Takes the signature off a request whose body is decoded here: with authentication off.
pub(crate) fn unsign(parts: &mut Parts) {
    let headers = &mut parts.headers;
    headers.remove(AUTHORIZATION);
    headers.remove("x-amz-content-sha256");
    headers.remove("x-amz-security-token");
    if let Some(decoded) = headers.get("x-amz-decoded-content-length").cloned() {
        headers.insert(CONTENT_LENGTH, decoded);
    }
    if let Some(uri) = without_signature(&parts.uri) {
        parts.uri = uri;
    }
}

/// The URI without what signs it; `None` where nothing does.
fn without_signature(uri: &Uri) -> Option<Uri> {
    let query = uri.query()?;
    let signs = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        IN_QUERY.contains(&name)
    };
    if !query.split('&').any(|pair| signs(&pair)) {
        return None;
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !signs(pair)).collect();
    let path = uri.path();
    let path_and_query = if kept.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", kept.join("&"))
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(uri: &str, authorization: Option<&str>) -> Parts {
        let mut request = Request::builder().uri(uri);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn callers_are_who_their_credential_says() {
        let auth = Auth::Off(HashMap::from([(
            "AKIDEXAMPLE".to_owned(),
            AccountId::parse("111122223333").unwrap(),
        )]));
        let check = |uri: &str, authorization: Option<&str>, account: &str, region: &str| {
            let caller = auth.claimed(&parts(uri, authorization));
            assert_eq!(caller.account.as_str(), account, "{uri}");
            assert_eq!(caller.region.as_str(), region, "{uri}");
        };
        let unnamed = AccountId::unnamed();
        let nowhere = Region::unnamed();
        check("/", None, unnamed.as_str(), nowhere.as_str());
        check(
            "/b",
            Some(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host",
            ),
            "111122223333",
            "eu-west-1",
        );
        check(
            "/b/k?X-Amz-Credential=444455556666%2F20260101%2Fus-west-2%2Fs3%2Faws4_request&x=1",
            None,
            "444455556666",
            "us-west-2",
        );
        check("/", Some("Basic abc"), unnamed.as_str(), nowhere.as_str());
    }

    #[test]
    fn signatures_come_off_urls() {
        let check = |before: &str, after: &str| {
            let mut parts = parts(before, Some("AWS4-HMAC-SHA256 ..."));
            unsign(&mut parts);
            assert_eq!(parts.uri.to_string(), after);
            assert!(parts.headers.is_empty());
        };
        check("/b/k", "/b/k");
        check(
            "/b/k?partNumber=1&uploadId=x",
            "/b/k?partNumber=1&uploadId=x",
        );
        check("/b/k?X-Amz-Signature=ab&X-Amz-Date=2", "/b/k");
        check(
            "/b/k?a=1&X-Amz-Signature=ab&versionId=3",
            "/b/k?a=1&versionId=3",
        );
        check(
            "http://h:1/b?Signature=1&Expires=2&AWSAccessKeyId=3",
            "http://h:1/b",
        );
    }
}
