//! Requests in, replies out, without a socket.

use std::sync::Mutex;

use futures_util::stream;
use http::Method;
use http_body_util::BodyExt;
use model::{Region, Timestamp};
use serde::{Deserialize, Serialize};

use super::*;
use crate::caller::Caller;
use crate::event_stream;
use crate::rules::Rule;
use crate::service::{Event, Operations, RawReply, RawRequest};
use crate::shapes::Blob;
use crate::sigv4::{Credentials, Keys, sign};

const NOW: Timestamp = Timestamp(1_440_938_160_000);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EchoInput {
    name: String,
    data: Option<Blob>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EchoOutput {
    name: String,
    data: Option<Blob>,
    account: String,
    region: String,
}

struct Echo;

async fn echo(_: Arc<Echo>, caller: Caller, input: EchoInput) -> Result<EchoOutput, ServiceError> {
    Ok(EchoOutput {
        name: input.name,
        data: input.data,
        account: caller.account.to_string(),
        region: caller.region.to_string(),
    })
}

async fn nothing(_: Arc<Echo>, _: Caller, (): ()) -> Result<(), ServiceError> {
    Ok(())
}

async fn fail(_: Arc<Echo>, _: Caller, (): ()) -> Result<(), ServiceError> {
    Err(
        ServiceError::sender("ResourceNotFoundException", "Stream x not found.")
            .with_field("Reason", "why"),
    )
}

#[allow(clippy::panic)]
async fn panic(_: Arc<Echo>, _: Caller, (): ()) -> Result<(), ServiceError> {
    panic!("on purpose")
}

async fn raw(_: Arc<Echo>, _: Caller, request: RawRequest) -> Result<RawReply, ServiceError> {
    Ok(request.body.into())
}

async fn events(
    _: Arc<Echo>,
    _: Caller,
    (): (),
) -> Result<stream::Iter<std::vec::IntoIter<Result<Event, ServiceError>>>, ServiceError> {
    Ok(stream::iter(vec![
        Ok(Event::new("Ping", &EchoInputForm { name: "a" })),
        Err(ServiceError::sender("ResourceInUseException", "gone")),
        Ok(Event::new("Ping", &())),
    ]))
}

async fn endless(
    _: Arc<Echo>,
    _: Caller,
    (): (),
) -> Result<stream::Pending<Result<Event, ServiceError>>, ServiceError> {
    Ok(stream::pending())
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EchoInputForm {
    name: &'static str,
}

const NAME: &[Rule] = &[Rule::at("Name").required().length(1, 5)];

fn router() -> Router {
    let operations = Operations::new("echo", "Echo_2026")
        .on("Echo", NAME, echo)
        .on("Nothing", &[], nothing)
        .on("Fail", &[], fail)
        .on("Panic", &[], panic)
        .raw("Raw", raw)
        .event_stream("Events", &[], events)
        .event_stream("Endless", &[], endless)
        .planned("Later");
    Router::new([operations.serve(Arc::new(Echo))]).clock(Clock::manual(NOW))
}

const JSON: &str = "application/x-amz-json-1.1";
const CBOR: &str = "application/x-amz-cbor-1.1";

fn request(content_type: &str, operation: &str) -> Parts {
    let request = Request::post("http://localhost:4566/")
        .header("content-type", content_type)
        .header("x-amz-target", format!("Echo_2026.{operation}"));
    request.body(()).unwrap().into_parts().0
}

fn peer() -> Peer {
    Peer {
        address: SocketAddr::from(([127, 0, 0, 1], 1)),
        secure: false,
    }
}

async fn ask(router: Router, parts: Parts, body: &[u8]) -> (ResponseParts, Bytes) {
    let body = Bytes::copy_from_slice(body);
    let router = Arc::new(router);
    let response = Arc::clone(&router).answer(parts, body, peer()).await;
    let (head, body) = response.into_parts();
    (head, body.collect().await.unwrap().to_bytes())
}

type ResponseParts = http::response::Parts;

/// What comes of a JSON body sent to an operation.
async fn check(operation: &str, body: &str, status: u16, answer: &str) {
    let (head, found) = ask(router(), request(JSON, operation), body.as_bytes()).await;
    assert_eq!(found, answer);
    assert_eq!(head.status, status);
    assert_eq!(head.headers["content-type"], JSON);
    assert_eq!(head.headers["x-amzn-requestid"].len(), 36);
    assert_eq!(head.headers["x-amz-id-2"].len(), 96);
}

#[tokio::test]
async fn operations_answer() {
    check(
        "Echo",
        r#"{"Name":"a","Data":"aGk=","Unknown":[{}]}"#,
        200,
        r#"{"Name":"a","Data":"aGk=","Account":"000000000000","Region":"us-east-1"}"#,
    )
    .await;
    check("Nothing", "{}", 200, "").await;
    check("Raw", "{}", 200, "{}").await;
}

#[tokio::test]
async fn errors_are_told_as_aws_tells_them() {
    check(
        "Fail",
        "{}",
        400,
        r#"{"__type":"ResourceNotFoundException","message":"Stream x not found.","Reason":"why"}"#,
    )
    .await;
    check("Panic", "{}", 500, r#"{"__type":"InternalFailure"}"#).await;
    check("Later", "{}", 400,
        r#"{"__type":"UnknownOperationException","message":"Later of echo is not supported by this server yet"}"#).await;
    check("Echo", "", 400, r#"{"__type":"SerializationException"}"#).await;
    check("Echo", "[]", 400, r#"{"__type":"SerializationException"}"#).await;
    check("Echo", "{}", 400,
        r#"{"__type":"ValidationException","message":"1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"}"#).await;
    let (head, _) = ask(router(), request(JSON, "Fail"), b"{}").await;
    assert_eq!(
        head.headers["x-amzn-errortype"],
        "ResourceNotFoundException"
    );
}

/// As AWS does: types first, whatever else is wrong.
#[tokio::test]
async fn a_wrong_type_outranks_a_broken_rule() {
    check("Echo", r#"{"Data":"aGk="}"#, 400,
        r#"{"__type":"ValidationException","message":"1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"}"#).await;
    check("Echo", r#"{"Data":true}"#, 400,
        r#"{"__type":"SerializationException","Message":"class java.lang.Boolean can not be converted to a Blob"}"#).await;
}

#[tokio::test]
async fn a_checksum_is_told_where_the_service_has_one() {
    let plain = Operations::new("echo", "Echo_2026").on("Echo", NAME, echo);
    let checksummed = Operations::new("echo", "Echo_2026")
        .on("Echo", NAME, echo)
        .on("Nothing", &[], nothing)
        .checksummed();
    let router = |operations: Operations<Echo>| Router::new([operations.serve(Arc::new(Echo))]);
    let (head, _) = ask(router(plain), request(JSON, "Echo"), br#"{"Name":"a"}"#).await;
    assert_eq!(head.headers.get("x-amz-crc32"), None);
    let router = Arc::new(router(checksummed));
    for (operation, body) in [
        ("Echo", r#"{"Name":"a"}"#),
        ("Echo", "{}"),
        ("Nothing", "{}"),
    ] {
        let parts = request(JSON, operation);
        let answer = Arc::clone(&router).answer(parts, Bytes::from(body), peer());
        let (head, body) = answer.await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let told = crc32fast::hash(&body).to_string();
        assert_eq!(head.headers["x-amz-crc32"], told.as_str(), "{operation}");
    }
    assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
}

static ERRORS: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[tokio::test]
async fn a_service_is_told_of_the_errors_it_is_asked_into() {
    let operations = Operations::new("echo", "Echo_2026")
        .on("Echo", NAME, echo)
        .on("Fail", &[], fail)
        .planned("Later")
        .tell_errors(|_, caller, error| {
            let told = format!("{} {}", caller.account, error.code);
            ERRORS.lock().unwrap().push(told);
        });
    let router = Arc::new(Router::new([operations.serve(Arc::new(Echo))]));
    for (operation, body) in [
        ("Echo", r#"{"Name":"a"}"#),
        ("Echo", "{}"),
        ("Echo", r#"{"Name":[]}"#),
        ("Echo", "no document"),
        ("Fail", "{}"),
        ("Later", "{}"),
    ] {
        let parts = request(JSON, operation);
        Arc::clone(&router).answer(parts, body.into(), peer()).await;
    }
    let expected = [
        "ValidationException",
        "SerializationException",
        "SerializationException",
        "ResourceNotFoundException",
        "UnknownOperationException",
    ];
    let expected = expected.map(|code| format!("000000000000 {code}"));
    assert_eq!(*ERRORS.lock().unwrap(), expected);
}

#[tokio::test]
async fn what_names_no_operation_is_refused() {
    check("Nowhere", "{}", 400,
        r#"{"__type":"UnknownOperationException","message":"no such operation: Echo_2026.Nowhere"}"#).await;
    let mut without_target = request(JSON, "Echo");
    without_target.headers.remove("x-amz-target");
    let (head, body) = ask(router(), without_target, b"{}").await;
    assert_eq!(head.status, 400);
    assert_eq!(
        body,
        r#"{"__type":"UnknownOperationException","message":"no such operation: no X-Amz-Target"}"#
    );
    let mut get = request(JSON, "Echo");
    get.method = Method::GET;
    let (head, body) = ask(router(), get, b"").await;
    assert_eq!(head.status, 403);
    assert_eq!(
        body,
        "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be authorized</Message>\n</AccessDeniedException>\n"
    );
    let (head, _) = ask(router(), request("text/plain", "Echo"), b"{}").await;
    assert_eq!(head.status, 404);
}

#[tokio::test]
async fn cbor_is_answered_in_cbor() {
    let body = b"\xbf\x64Name\x61a\x64Data\x42hi\xff";
    let (head, found) = ask(router(), request(CBOR, "Echo"), body).await;
    assert_eq!(head.headers["content-type"], CBOR);
    let found = crate::cbor::decode(&found).unwrap();
    assert_eq!(
        found.get("Data"),
        Some(&crate::Value::Bytes(Bytes::from("hi")))
    );
    let (_, found) = ask(router(), request(CBOR, "Fail"), b"\xa0").await;
    let found = crate::cbor::decode(&found).unwrap();
    assert_eq!(
        found.get("__type").unwrap().as_text(),
        Some("ResourceNotFoundException")
    );
}

#[tokio::test]
async fn a_key_of_twelve_digits_names_the_account() {
    let mut parts = request(JSON, "Echo");
    let credential =
        "AWS4-HMAC-SHA256 Credential=123456789012/20260101/eu-west-1/echo/aws4_request, x";
    parts
        .headers
        .insert("authorization", credential.parse().unwrap());
    let (_, body) = ask(router(), parts, br#"{"Name":"a"}"#).await;
    assert_eq!(
        body,
        r#"{"Name":"a","Account":"123456789012","Region":"eu-west-1"}"#
    );
}

#[tokio::test]
async fn a_key_is_of_the_account_it_was_given_to() {
    let account = AccountId::parse("123456789012").unwrap();
    let router = router().accounts(HashMap::from([("AKIDEXAMPLE".to_owned(), account)]));
    let mut parts = request(JSON, "Echo");
    let header = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/echo/aws4_request, SignedHeaders=host, Signature=0";
    parts
        .headers
        .insert("authorization", header.parse().unwrap());
    let (_, body) = ask(router, parts, br#"{"Name":"x"}"#).await;
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(body.contains(r#""Account":"123456789012""#), "{body}");
}

/// A request for `Echo`, signed with the key named `key`.
fn signed(service: &str, body: &[u8]) -> Parts {
    let mut parts = request(JSON, "Echo");
    let credentials = Credentials {
        access_key: "key".to_owned(),
        secret_key: "secret".to_owned(),
        session_token: None,
    };
    let region = Region::unnamed();
    sign(&mut parts, body, &credentials, &region, service, NOW);
    parts
}

fn router_that_checks() -> Router {
    let keys = Keys::from_iter([("key".to_owned(), "secret".to_owned())]);
    router().auth(Auth::On(Verifier::new(keys)))
}

#[tokio::test]
async fn with_authentication_on_a_signature_is_needed() {
    let body = br#"{"Name":"a"}"#;
    let (head, _) = ask(router_that_checks(), signed("echo", body), body).await;
    assert_eq!(head.status, 200);
    for (parts, code) in [
        (request(JSON, "Echo"), "MissingAuthenticationTokenException"),
        (signed("other", body), "InvalidSignatureException"),
    ] {
        let (head, _) = ask(router_that_checks(), parts, body).await;
        assert_eq!(head.status, 400);
        assert_eq!(head.headers["x-amzn-errortype"], code);
    }
}

/// The header's unsigned rest must not make two readers of it see two callers.
#[tokio::test]
async fn the_caller_is_whoever_signed() {
    let account = AccountId::parse("123456789012").unwrap();
    let body = br#"{"Name":"a"}"#;
    for service in ["echo", "other"] {
        let mut parts = signed(service, body);
        let header = [parts.headers["authorization"].as_bytes(), b", \xff=x"].concat();
        let header = http::HeaderValue::from_bytes(&header).unwrap();
        parts.headers.insert("authorization", header);
        let accounts = HashMap::from([("key".to_owned(), account.clone())]);
        let router = router_that_checks().accounts(accounts);
        let (head, answer) = ask(router, parts, body).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let is_named = answer.contains(r#""Account":"123456789012""#);
        assert_eq!(
            (head.status == 200, is_named),
            (service == "echo", service == "echo"),
            "{answer}"
        );
    }
}

fn messages(mut bytes: Bytes) -> Vec<event_stream::Message> {
    let mut all = Vec::new();
    while let Some((message, length)) = event_stream::decode(&bytes).unwrap() {
        all.push(message);
        bytes = bytes.slice(length..);
    }
    assert!(bytes.is_empty());
    all
}

#[tokio::test]
async fn events_begin_with_the_initial_response_and_end_with_the_error() {
    for content_type in [JSON, CBOR] {
        let body: &[u8] = if content_type == JSON { b"{}" } else { b"\xa0" };
        let (head, body) = ask(router(), request(content_type, "Events"), body).await;
        assert_eq!(head.headers["content-type"], event_stream::CONTENT_TYPE);
        let found = messages(body);
        let kinds: Vec<_> = found
            .iter()
            .map(|m| {
                m.header(":event-type")
                    .or(m.header(":exception-type"))
                    .unwrap()
            })
            .collect();
        assert_eq!(
            kinds,
            ["initial-response", "Ping", "ResourceInUseException"]
        );
        assert!(
            found
                .iter()
                .all(|m| m.header(":content-type") == Some(content_type))
        );
        assert_eq!(found[2].header(":message-type"), Some("exception"));
        if content_type == JSON {
            assert_eq!(found[0].payload, "{}");
            assert_eq!(found[1].payload, r#"{"Name":"a"}"#);
        }
    }
}

#[tokio::test]
async fn draining_ends_replies_of_events() {
    let router = Arc::new(router());
    let parts = request(JSON, "Endless");
    let response = Arc::clone(&router)
        .answer(parts, Bytes::from("{}"), peer())
        .await;
    let mut body = response.into_body();
    assert!(body.frame().await.is_some());
    router.drain();
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn every_request_is_observed() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observer: Observer = {
        let seen = Arc::clone(&seen);
        Arc::new(move |o: &Observation<'_>| {
            let error = o.error.map(str::to_owned);
            seen.lock().unwrap().push((
                o.service,
                o.operation,
                o.status,
                error,
                o.bytes_in,
                o.bytes_out,
            ));
        })
    };
    ask(
        router().observe(Arc::clone(&observer)),
        request(JSON, "Raw"),
        b"{}",
    )
    .await;
    ask(router().observe(observer), request(JSON, "Fail"), b"{}").await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0], ("echo", "Raw", 200, None, 2, 2));
    assert_eq!(
        (seen[1].2, seen[1].3.as_deref()),
        (400, Some("ResourceNotFoundException"))
    );
}

#[tokio::test]
async fn own_pages_are_left_to_the_program() {
    let get = |path: &str| Request::get(path).body(()).unwrap().into_parts().0;
    let pages: OwnPages = Arc::new(|request| {
        let asked_by = request.extensions().get::<Peer>().map(|peer| peer.address);
        assert_eq!(asked_by, Some(peer().address));
        let path = request.uri().path().to_owned();
        Box::pin(async move { Response::new(Bytes::from(path)) })
    });
    for path in ["/metrics", "/_headwater/health"] {
        let (_, body) = ask(router().own_pages(Arc::clone(&pages)), get(path), b"").await;
        assert_eq!(body, path);
        let (head, _) = ask(router(), get(path), b"").await;
        assert_eq!(head.status, 404);
    }
}

#[test]
fn the_table_can_be_read() {
    let operations = Operations::new("echo", "Echo_2026")
        .on("Echo", NAME, echo)
        .planned("Later");
    let names: Vec<_> = operations.names().collect();
    assert_eq!(
        names,
        [
            ("Echo", crate::Support::Full),
            ("Later", crate::Support::Planned)
        ]
    );
    let (name, rules) = operations.rules().next().unwrap();
    assert_eq!((name, rules[0].path), ("Echo", "Name"));
}

mod admit;
mod guest;
mod query;
mod rpc_v2;

#[tokio::test]
async fn replies_that_nobody_reads_leave_no_room_for_more() {
    let limits = Limits {
        buffered_bytes_max: 10,
        ..Limits::default()
    };
    let pages: OwnPages = Arc::new(|_| Box::pin(async { Response::new(Bytes::from("ours")) }));
    let router = Arc::new(router().limits(limits).own_pages(pages));
    let said = || {
        let parts = request("application/x-amz-json-1.1", "Echo");
        let body = Bytes::from(r#"{"Name":"abcde"}"#);
        Arc::clone(&router).answer(parts, body, peer())
    };
    let page = |path: &'static str| {
        let parts = Request::get(path).body(()).unwrap().into_parts().0;
        Arc::clone(&router).answer(parts, Bytes::new(), peer())
    };
    let unread = said().await;
    assert_eq!(unread.status(), 200);
    // HTTP/2 has taken the bytes from the body, and cannot send them.
    let slice = unread.into_body().whole().unwrap().slice(1..2);
    assert_eq!(said().await.status(), 503);
    assert_eq!(page("/metrics").await.status(), 503);
    assert_eq!(page("/_headwater/health").await.status(), 200);
    drop(slice);
    assert_eq!(said().await.status(), 200);
    assert_eq!(page("/metrics").await.status(), 200);
}
