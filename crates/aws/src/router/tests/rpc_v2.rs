//! Smithy's RPC v2 in CBOR, and bodies that come compressed.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::cbor::{Epoch, decode_counting, encode_counting};
use crate::query::Query;
use crate::value::Value;

const QUERY: Query = Query {
    version: "2010-08-01",
    xml_namespace: "http://clocks.amazonaws.com/doc/2010-08-01/",
    error_namespace: "com.amazonaws.clocks",
    path_member: None,
    inputs: &[],
    outputs: &[],
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Moment {
    at: crate::shapes::Timestamp,
}

async fn tell(_: Arc<Echo>, _: Caller, moment: Moment) -> Result<Moment, ServiceError> {
    Ok(moment)
}

async fn refuse(_: Arc<Echo>, _: Caller, (): ()) -> Result<(), ServiceError> {
    Err(ServiceError::sender("TooLateException", "It is late.").with_query_code("TooLate"))
}

fn clocks() -> Router {
    let operations = Operations::new("clocks", "Clocks20100801")
        .query(&QUERY)
        .on("Tell", &[], tell)
        .on("Nothing", &[], nothing)
        .on("Refuse", &[], refuse)
        .raw("Raw", raw)
        .planned("Later");
    Router::new([operations.serve(Arc::new(Echo))]).clock(Clock::manual(NOW))
}

struct Answered {
    status: u16,
    headers: http::HeaderMap,
    body: Bytes,
}

async fn ask(path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answered {
    let mut request = Request::post(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let peer = Peer {
        address: ([127, 0, 0, 1], 1).into(),
        secure: false,
    };
    let response = Arc::new(clocks()).answer(parts, body.into(), peer).await;
    Answered {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.body().whole().unwrap().clone(),
    }
}

const RPC: &[(&str, &str)] = &[
    ("smithy-protocol", "rpc-v2-cbor"),
    ("content-type", "application/cbor"),
];

fn moment(millis: i64) -> Value {
    let moment = crate::shapes::Timestamp::from_millis(millis);
    Value::Map(vec![("At".into(), Value::Timestamp(moment))])
}

#[tokio::test]
async fn the_path_names_the_operation() {
    let body = encode_counting(&moment(1_500), Epoch::Seconds);
    for path in [
        "/service/Clocks20100801/operation/Tell",
        "/service/com.amazonaws.clocks.Clocks20100801/operation/Tell",
        "/some/prefix/service/Clocks20100801/operation/Tell",
    ] {
        let answer = ask(path, RPC, body.clone()).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.headers["smithy-protocol"], "rpc-v2-cbor");
        assert_eq!(answer.headers["content-type"], "application/cbor");
        let told = decode_counting(&answer.body, Epoch::Seconds);
        assert_eq!(told, Some(moment(1_500)));
    }
}

#[tokio::test]
async fn an_operation_without_input_or_output_has_no_bytes() {
    for body in [&b""[..], b"\xa0", b"\xbf\xff"] {
        let answer = ask("/service/Clocks20100801/operation/Nothing", RPC, body).await;
        assert_eq!((answer.status, answer.body), (200, Bytes::new()));
    }
}

async fn check_error(path: &str, body: &'static [u8], shape: &str, header: &str) {
    let answer = ask(path, RPC, body).await;
    assert_eq!(answer.status, 400, "{path}");
    let told = decode_counting(&answer.body, Epoch::Seconds).unwrap();
    let named = told.get("__type").and_then(Value::as_text);
    assert_eq!(named, Some(shape), "{path}");
    assert_eq!(answer.headers["x-amzn-query-error"], header, "{path}");
    assert_eq!(answer.headers["smithy-protocol"], "rpc-v2-cbor");
}

#[tokio::test]
async fn errors_are_told_by_both_names() {
    let at = |operation: &str| format!("/service/Clocks20100801/operation/{operation}");
    let unknown = "com.amazon.coral.service#UnknownOperationException";
    let malformed = "com.amazon.coral.service#SerializationException";
    check_error(
        &at("Refuse"),
        b"",
        "com.amazonaws.clocks#TooLateException",
        "TooLate;Sender",
    )
    .await;
    check_error(&at("Later"), b"", unknown, "InvalidAction;Sender").await;
    check_error(&at("Raw"), b"", unknown, "InvalidAction;Sender").await;
    check_error(&at("NoSuch"), b"", unknown, "InvalidAction;Sender").await;
    check_error(&at("Tell"), b"\x80", malformed, "MalformedInput;Sender").await;
}

#[tokio::test]
async fn a_path_that_names_nothing_is_refused() {
    for path in ["/", "/service/Other/operation/Tell", "/operation/Tell"] {
        let answer = ask(path, RPC, Bytes::new()).await;
        let told = decode_counting(&answer.body, Epoch::Seconds).unwrap();
        let named = told.get("__type").and_then(Value::as_text);
        assert_eq!(
            (answer.status, named),
            (400, Some("UnknownOperationException"))
        );
    }
}

#[tokio::test]
async fn a_form_may_come_compressed() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(b"Action=Tell&Version=2010-08-01&At=2026-11-28T01%3A02%3A03Z")
        .unwrap();
    let body = encoder.finish().unwrap();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-encoding", "gzip"),
    ];
    let answer = ask("/", &headers, body).await;
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains("<At>2026-11-28T01:02:03.000Z</At>"), "{text}");
    let answer = ask("/", &headers, Bytes::from_static(b"no gzip")).await;
    assert_eq!(answer.status, 400);
}
