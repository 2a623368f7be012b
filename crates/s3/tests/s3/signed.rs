//! With authentication on: what is signed as AWS says is done, anything else is not.

use std::collections::HashMap;
use std::time::SystemTime;

use http::Method;
use model::AccountId;
use s3::{Auth, Secret};
use s3s::crypto::{Checksum as _, Sha256};

use crate::server::{Answer, Server, State};

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn on() -> Auth {
    let secret = |secret: &str, account: &str| Secret {
        secret: secret.to_owned(),
        account: AccountId::parse(account).unwrap(),
    };
    Auth::On(HashMap::from([
        (KEY.to_owned(), secret(SECRET, "111122223333")),
        ("OTHER".to_owned(), secret("other", "444455556666")),
    ]))
}

/// Signature Version 4, written apart from the server's, from "Create a signed AWS API request".
struct Signer<'a> {
    key: &'a str,
    secret: &'a str,
    /// `YYYYMMDDTHHMMSSZ`.
    at: String,
}

impl Signer<'static> {
    #[allow(clippy::disallowed_methods)] // s3s holds signatures against the wall clock
    fn now() -> Signer<'static> {
        Signer {
            key: KEY,
            secret: SECRET,
            at: date(SystemTime::now()),
        }
    }
}

/// As signatures have it.
fn date(at: SystemTime) -> String {
    let http = s3s::dto::Timestamp::from(at);
    let mut text = Vec::new();
    http.format(s3s::dto::TimestampFormat::DateTime, &mut text)
        .unwrap();
    let text = String::from_utf8(text).unwrap();
    let (seconds, _) = text
        .split_once('.')
        .unwrap_or((text.trim_end_matches('Z'), ""));
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::checksum(bytes))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let padded = |with: u8| block.map(|byte| byte ^ with).to_vec();
    let inner = Sha256::checksum(&[padded(0x36), text.as_bytes().to_vec()].concat());
    Sha256::checksum(&[padded(0x5c), inner.to_vec()].concat()).to_vec()
}

impl Signer<'_> {
    fn scope(&self) -> String {
        format!("{}/us-east-1/s3/aws4_request", &self.at[..8])
    }

    fn sign(&self, text: &str) -> String {
        let first = format!("AWS4{}", self.secret);
        let steps = [&self.at[..8], "us-east-1", "s3", "aws4_request"];
        let key = steps
            .iter()
            .fold(first.into_bytes(), |key, step| hmac(&key, step));
        hex(&hmac(&key, text))
    }

    /// The signature of a request with these headers, sorted.
    fn request(
        &self,
        method: &Method,
        target: &str,
        headers: &[(&str, &str)],
        hash: &str,
    ) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{hash}");
        let hash = sha256(canonical.as_bytes());
        self.sign(&format!(
            "AWS4-HMAC-SHA256\n{}\n{}\n{hash}",
            self.at,
            self.scope()
        ))
    }

    /// The headers of a signed request, and its signature.
    fn headers(
        &self,
        server: &Server,
        method: &Method,
        target: &str,
        more: &[(&'static str, &str)],
        hash: &str,
    ) -> (Vec<(&'static str, String)>, String) {
        let mut headers = vec![
            ("host", server.address.to_string()),
            ("x-amz-content-sha256", hash.to_owned()),
            ("x-amz-date", self.at.clone()),
        ];
        headers.extend(
            more.iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        headers.sort();
        let borrowed: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let signature = self.request(method, target, &borrowed, hash);
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={signature}",
            self.key,
            self.scope(),
            names.join(";")
        );
        headers.push(("authorization", authorization));
        (headers, signature)
    }

    async fn ask(&self, server: &Server, method: Method, target: &str, body: &str) -> Answer {
        let (headers, _) = self.headers(server, &method, target, &[], &sha256(body.as_bytes()));
        ask(server, method, target, &headers, body).await
    }
}

async fn ask(
    server: &Server,
    method: Method,
    target: &str,
    headers: &[(&'static str, String)],
    body: &str,
) -> Answer {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    server.ask(method, target, &headers, body.to_owned()).await
}

async fn with_bucket() -> (State, Server) {
    let state = State::new();
    let server = state.serve(on()).await;
    Signer::now()
        .ask(&server, Method::PUT, "/bucket", "")
        .await
        .is(200);
    (state, server)
}

#[tokio::test]
async fn only_what_is_signed_is_done() {
    let (_state, server) = with_bucket().await;
    let signer = Signer::now();
    signer
        .ask(&server, Method::PUT, "/bucket/key", "x")
        .await
        .is(200);
    signer
        .ask(&server, Method::GET, "/bucket/key", "")
        .await
        .is(200);
    server.get("/bucket/key").await.refused(403, "AccessDenied");
    server
        .put("/bucket/key", "y")
        .await
        .refused(403, "AccessDenied");
    let wrong = Signer {
        secret: "wrong",
        ..Signer::now()
    };
    let answer = wrong.ask(&server, Method::GET, "/bucket/key", "").await;
    answer.refused(403, "SignatureDoesNotMatch");
    let unknown = Signer {
        key: "NOBODY",
        ..Signer::now()
    };
    let answer = unknown.ask(&server, Method::GET, "/bucket/key", "").await;
    answer.refused(403, "InvalidAccessKeyId");
    let old = Signer {
        at: "20200101T000000Z".to_owned(),
        ..Signer::now()
    };
    let answer = old.ask(&server, Method::GET, "/bucket/key", "").await;
    answer.refused(403, "RequestTimeTooSkewed");
    // Signed over another body.
    let (headers, _) = signer.headers(&server, &Method::PUT, "/bucket/key", &[], &sha256(b"y"));
    let answer = ask(&server, Method::PUT, "/bucket/key", &headers, "z").await;
    answer.refused(400, "XAmzContentSHA256Mismatch");
    let got = signer
        .ask(&server, Method::GET, "/bucket/key", "")
        .await
        .is(200);
    assert_eq!(got.body, "x");
}

#[tokio::test]
async fn another_accounts_bucket_is_closed() {
    let (_state, server) = with_bucket().await;
    let other = Signer {
        key: "OTHER",
        secret: "other",
        ..Signer::now()
    };
    let check = async |method: Method, target: &str| {
        let answer = other.ask(&server, method, target, "").await;
        answer.refused(403, "AccessDenied");
    };
    check(Method::GET, "/bucket").await;
    check(Method::GET, "/bucket/key").await;
    check(Method::PUT, "/bucket/key").await;
    check(Method::DELETE, "/bucket").await;
    let listed = other.ask(&server, Method::GET, "/", "").await.is(200);
    assert!(listed.elements("Name").is_empty());
    let made = other.ask(&server, Method::PUT, "/bucket", "").await;
    made.refused(409, "BucketAlreadyExists");
}

#[tokio::test]
async fn presigned_urls_carry_their_signature() {
    let (_state, server) = with_bucket().await;
    let presigned = |method: &Method, path: &str, at: &str| {
        let signer = Signer {
            at: at.to_owned(),
            ..Signer::now()
        };
        let credential = format!("{KEY}/{}", signer.scope()).replace('/', "%2F");
        let target = format!(
            "{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={at}&X-Amz-Expires=60&X-Amz-SignedHeaders=host"
        );
        let host = server.address.to_string();
        let signature = signer.request(
            method,
            &target,
            &[("host", host.as_str())],
            "UNSIGNED-PAYLOAD",
        );
        format!("{target}&X-Amz-Signature={signature}")
    };
    let now = Signer::now().at;
    server
        .put(&presigned(&Method::PUT, "/bucket/key", &now), "x")
        .await
        .is(200);
    let url = presigned(&Method::GET, "/bucket/key", &now);
    assert_eq!(server.get(&url).await.is(200).body, "x");
    server
        .delete(&url)
        .await
        .refused(403, "SignatureDoesNotMatch");
    let other = url.replace("/bucket/key", "/bucket/other");
    server
        .get(&other)
        .await
        .refused(403, "SignatureDoesNotMatch");
    let expired = presigned(&Method::GET, "/bucket/key", "20200101T000000Z");
    server.get(&expired).await.refused(403, "AccessDenied");
}

/// Sends `chunks` signed one after the other; `declared` is the length they are said to have together.
async fn stream(server: &Server, chunks: &[&str], declared: usize, spoil: Option<&str>) -> Answer {
    let signer = Signer::now();
    let hash = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let declared = declared.to_string();
    let more = [("x-amz-decoded-content-length", declared.as_str())];
    let (headers, mut before) = signer.headers(server, &Method::PUT, "/bucket/key", &more, hash);
    let mut body = String::new();
    for chunk in chunks.iter().chain(&[""]) {
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{before}\n{EMPTY}\n{}",
            signer.at,
            signer.scope(),
            sha256(chunk.as_bytes())
        );
        before = signer.sign(&text);
        let sent = spoil.filter(|_| !chunk.is_empty()).unwrap_or(chunk);
        body += &format!("{:x};chunk-signature={before}\r\n{sent}\r\n", chunk.len());
    }
    ask(server, Method::PUT, "/bucket/key", &headers, &body).await
}

#[tokio::test]
async fn chunks_are_signed_one_by_one() {
    let (state, server) = with_bucket().await;
    stream(&server, &["hello ", "world"], 11, None)
        .await
        .is(200);
    let got = Signer::now()
        .ask(&server, Method::GET, "/bucket/key", "")
        .await
        .is(200);
    assert_eq!(got.body, "hello world");
    let spoiled = stream(&server, &["hello"], 5, Some("hullo")).await;
    spoiled.refused(403, "SignatureDoesNotMatch");
    stream(&server, &["hello"], 6, None)
        .await
        .refused(400, "IncompleteBody");
    stream(&server, &["hello"], 4, None)
        .await
        .refused(400, "IncompleteBody");
    let got = Signer::now()
        .ask(&server, Method::GET, "/bucket/key", "")
        .await
        .is(200);
    assert_eq!(got.body, "hello world");
    assert_eq!(state.directory.bodies(), 1);
}

/// Sends one signed chunk and a signed trailer, as the Java SDK does over plain HTTP.
async fn trailed(server: &Server, sum: &str, signed_sum: &str) -> Answer {
    let signer = Signer::now();
    let hash = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
    let more = [
        ("x-amz-decoded-content-length", "9"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ];
    let (headers, mut before) = signer.headers(server, &Method::PUT, "/bucket/key", &more, hash);
    let mut body = String::new();
    for chunk in ["123456789", ""] {
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{before}\n{EMPTY}\n{}",
            signer.at,
            signer.scope(),
            sha256(chunk.as_bytes())
        );
        before = signer.sign(&text);
        let end = if chunk.is_empty() { "" } else { "\r\n" };
        body += &format!("{:x};chunk-signature={before}\r\n{chunk}{end}", chunk.len());
    }
    let line = format!("x-amz-checksum-crc32:{signed_sum}\n");
    let text = format!(
        "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{before}\n{}",
        signer.at,
        signer.scope(),
        sha256(line.as_bytes())
    );
    let signature = signer.sign(&text);
    body += &format!("x-amz-checksum-crc32:{sum}\r\nx-amz-trailer-signature:{signature}\r\n\r\n");
    ask(server, Method::PUT, "/bucket/key", &headers, &body).await
}

#[tokio::test]
async fn trailers_are_signed_and_hold() {
    let (_state, server) = with_bucket().await;
    let (good, bad) = ("y/Q5Jg==", "y/Q5Jw==");
    let put = trailed(&server, good, good).await.is(200);
    assert_eq!(put.header("x-amz-checksum-crc32"), good);
    trailed(&server, bad, bad).await.refused(400, "BadDigest");
    trailed(&server, good, bad)
        .await
        .refused(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn a_chunk_too_large_to_hold_is_refused_by_its_size() {
    let (_state, server) = with_bucket().await;
    let signer = Signer::now();
    let hash = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let more = [("x-amz-decoded-content-length", "4294967295")];
    let (headers, _) = signer.headers(&server, &Method::PUT, "/bucket/key", &more, hash);
    let body = format!("ffffffff;chunk-signature={EMPTY}\r\nand so on");
    let answer = ask(&server, Method::PUT, "/bucket/key", &headers, &body).await;
    assert!(
        answer.text().contains("at most 16 MiB"),
        "{}",
        answer.text()
    );
    answer.refused(400, "InvalidRequest");
}
