//! Requests nobody means well by.

use bytes::Bytes;
use http::Method;
use model::Rng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::objects::off;
use crate::server::{Answer, Server, State};

async fn with_bucket() -> (State, Server) {
    let state = State::new();
    let server = state.serve(off()).await;
    server.put("/bucket", "").await.is(200);
    (state, server)
}

/// Sends bytes as they are, and reads what comes back until `end` is in it or the connection closes.
async fn raw(server: &Server, request: &[u8], end: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains(end) {
        if stream.read_buf(&mut answer).await.unwrap_or(0) == 0 {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn no_key_leads_out_of_the_directory() {
    let (state, server) = with_bucket().await;
    let keys = [
        "../../escaped",
        "..%2f..%2fescaped",
        "%2e%2e/%2e%2e/escaped",
        "/etc/escaped",
        "a/../../../escaped",
        "C:\\escaped",
        "%7e/escaped",
    ];
    for key in keys {
        let target = format!("/bucket/{key}");
        server.put(&target.replace('\\', "%5C"), "x").await.is(200);
    }
    let inside: Vec<_> = std::fs::read_dir(state.directory.path()).unwrap().collect();
    assert_eq!(inside.len(), 1, "{inside:?}");
    for entry in std::fs::read_dir(state.directory.objects()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_generated = name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(is_generated || name == "mark", "{name}");
    }
    let listed = server.get("/bucket").await.is(200);
    assert!(listed.elements("Key").contains(&"../../escaped".to_owned()));
}

#[tokio::test]
async fn limits_on_names_and_headers_hold() {
    let (state, server) = with_bucket().await;
    server
        .put("/bucket/a%00b", "x")
        .await
        .refused(400, "InvalidArgument");
    server
        .put("/bucket/a%ffb", "x")
        .await
        .refused(400, "InvalidURI");
    let longest = format!("/bucket/{}", "k".repeat(1024));
    server.put(&longest, "x").await.is(200);
    server
        .put(&format!("{longest}k"), "x")
        .await
        .refused(400, "KeyTooLongError");
    let put = async |header: &str, length: usize| {
        let value = "v".repeat(length);
        let headers = [(header, value.as_str())];
        server.ask(Method::PUT, "/bucket/key", &headers, "x").await
    };
    put("x-amz-meta-m", 2047).await.is(200);
    put("x-amz-meta-m", 2048)
        .await
        .refused(400, "MetadataTooLarge");
    put("x-other", 17 << 10)
        .await
        .refused(400, "RequestHeaderSectionTooLarge");
    let target = format!("/bucket?prefix={}", "p".repeat(17 << 10));
    server.get(&target).await.refused(400, "InvalidRequest");
    assert_eq!(state.directory.bodies(), 2);
}

#[tokio::test]
async fn xml_is_bounded_and_checked() {
    let (_state, server) = with_bucket().await;
    let post = async |body: String| server.post("/bucket?delete", body).await;
    post("x".repeat((4 << 20) + 1))
        .await
        .refused(400, "MaxMessageLengthExceeded");
    for body in [
        "",
        "<",
        "<Delete>",
        "<Other/>",
        "<Delete/>",
        "<Delete><Object></Object></Delete>",
        "<!DOCTYPE d [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><Delete><Object><Key>&e;</Key></Object></Delete>",
    ] {
        let answer = post(body.to_owned()).await;
        assert!(answer.status.is_client_error(), "{body}: {}", answer.text());
        assert!(!answer.text().contains("root:"));
    }
    let deep = "<Delete>".repeat(200_000);
    assert!(post(deep).await.status.is_client_error());
}

#[tokio::test]
async fn a_body_is_refused_by_its_length_before_it_comes() {
    let (state, server) = with_bucket().await;
    let request = format!(
        "PUT /bucket/key HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n",
        6_u64 << 30
    );
    let answer = raw(&server, request.as_bytes(), "</Error>").await;
    assert!(answer.contains("<Code>EntityTooLarge</Code>"), "{answer}");
    let request = format!(
        "POST /bucket?delete HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{}",
        5 << 20,
        " ".repeat(5 << 20)
    );
    let answer = raw(&server, request.as_bytes(), "</Error>").await;
    assert!(
        answer.contains("<Code>MaxMessageLengthExceeded</Code>"),
        "{answer}"
    );
    let request =
        b"PUT /bucket/key HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let answer = raw(&server, request, "</Error>").await;
    assert!(
        answer.contains("<Code>MissingContentLength</Code>"),
        "{answer}"
    );
    assert_eq!(state.directory.bodies(), 0);
}

#[tokio::test]
async fn browser_forms_are_refused_unread() {
    let (_state, server) = with_bucket().await;
    for value in ["multipart/form-data; boundary=b", " Multipart/Form-Data"] {
        let headers = [("content-type", value)];
        let answer = server.ask(Method::POST, "/bucket", &headers, "--b").await;
        answer.refused(501, "NotImplemented");
    }
}

/// A body framed as `aws-chunked`, as clients send it to a server that checks no signatures.
async fn chunked(server: &Server, length: usize, trailer: Option<&str>, body: &str) -> Answer {
    let length = length.to_string();
    let mut headers = vec![
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", length.as_str()),
    ];
    headers.extend(trailer.map(|trailer| ("x-amz-trailer", trailer)));
    server
        .ask(Method::PUT, "/bucket/key", &headers, body.to_owned())
        .await
}

#[tokio::test]
async fn framed_bodies_are_decoded_whole_or_not_at_all() {
    let (state, server) = with_bucket().await;
    let sum = Some("x-amz-checksum-crc32");
    let good =
        "4;chunk-signature=0\r\n1234\r\n5\r\n56789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
    let put = chunked(&server, 9, sum, good).await.is(200);
    assert_eq!(put.header("x-amz-checksum-crc32"), "y/Q5Jg==");
    let got = server.get("/bucket/key").await.is(200);
    assert_eq!(
        (got.body.as_ref(), got.header("content-encoding")),
        (&b"123456789"[..], "")
    );
    server.delete("/bucket/key").await.is(204);
    let check = async |length: usize, trailer: Option<&str>, body: &str, code: &str| {
        chunked(&server, length, trailer, body)
            .await
            .refused(400, code);
    };
    let wrong = good.replace("y/Q5", "y/Q6");
    check(9, sum, &wrong, "BadDigest").await;
    check(9, sum, "9\r\n123456789\r\n0\r\n\r\n", "InvalidRequest").await;
    check(8, sum, good, "IncompleteBody").await;
    check(10, sum, good, "IncompleteBody").await;
    check(9, None, "9\r\n123456789\r\n", "IncompleteBody").await;
    check(9, None, "9\r\n1234567", "IncompleteBody").await;
    check(9, None, "zz\r\n123456789\r\n0\r\n\r\n", "IncompleteBody").await;
    check(9, None, "9\r\n123456789!\r\n0\r\n\r\n", "IncompleteBody").await;
    assert_eq!(state.directory.bodies(), 0);
}

const METHODS: &[&str] = &["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"];

const PATHS: &[&str] = &[
    "/",
    "//",
    "/bucket",
    "/bucket/",
    "/bucket/key",
    "/bucket//",
    "/bucket/%",
    "/%ff",
    "/b",
];

const QUERIES: &[&str] = &[
    "",
    "?",
    "?delete",
    "?uploads",
    "?uploadId=x",
    "?uploadId=x&partNumber=1",
    "?partNumber=-1&uploadId=",
    "?tagging",
    "?list-type=2&max-keys=x",
    "?list-type=2&continuation-token=%00",
    "?location",
    "?versionId=%",
    "?acl",
    "?a=1&a=2",
    "?X-Amz-Signature=1",
    "?Signature=1",
    "?select&select-type=2",
    "?restore",
    "?prefix=%00&delimiter=%00",
    "?partNumber=99999999999",
    "?attributes",
    "?list-type=2&encoding-type=x",
    "?key-marker=%00&uploads",
];

const HEADERS: &[&str] = &[
    "range: bytes=9-1",
    "range: bytes=18446744073709551615-18446744073709551616",
    "if-match: garbage",
    "if-none-match: \"a\", \"b\"",
    "if-modified-since: yesterday",
    "x-amz-copy-source: %00",
    "x-amz-copy-source: bucket/key?versionId=",
    "x-amz-copy-source: arn:aws:s3:::",
    "authorization: AWS4-HMAC-SHA256 Credential=/////, SignedHeaders=, Signature=",
    "authorization: AWS a:b",
    "x-amz-decoded-content-length: -1",
    "x-amz-content-sha256: STREAMING-",
    "content-md5: ====",
    "x-amz-tagging: =%",
    "x-amz-meta-: x",
    "x-amz-checksum-algorithm: NONE",
    "x-amz-sdk-checksum-algorithm: NONE",
    "x-amz-mp-object-size: x",
    "content-type: multipart/form-data",
    "expires: never",
];

const BODIES: &[&str] = &["", "<", "<Delete/>", "0\r\n\r\n", "x"];

#[tokio::test]
async fn garbage_is_answered_and_never_an_internal_error() {
    let (_state, server) = with_bucket().await;
    let rng = Rng::seeded(7);
    let pick = |from: &'static [&'static str]| {
        let at = usize::try_from(rng.below(from.len() as u64)).unwrap();
        from[at]
    };
    for round in 0..1500 {
        let (method, path, query) = (pick(METHODS), pick(PATHS), pick(QUERIES));
        let (header, body) = (pick(HEADERS), pick(BODIES));
        let request = format!(
            "{method} {path}{query} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{header}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = raw(&server, request.as_bytes(), "\0never").await;
        assert!(
            answer.starts_with("HTTP/1.1 "),
            "round {round}: {request}\n{answer}"
        );
        assert!(
            !answer.starts_with("HTTP/1.1 500"),
            "round {round}: {request}\n{answer}"
        );
    }
    server
        .put("/bucket/after", Bytes::from_static(b"x"))
        .await
        .is(200);
}
