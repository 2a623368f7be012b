//! What is left to a guest, and what is not.

use futures_util::stream;
use http_body_util::{Empty, StreamBody};

use super::*;
use crate::query::Query;
use crate::router::guest::Told;

const TOY: Query = Query {
    version: "2012-11-05",
    xml_namespace: "http://toy/doc/",
    error_namespace: "com.example.toy",
    path_member: None,
    inputs: &[],
    outputs: &[],
};

fn hosting() -> Router {
    let guest: Guest = Arc::new(|request| {
        assert_eq!(
            request.extensions().get::<Peer>().map(|peer| peer.address),
            Some(peer().address)
        );
        Box::pin(async move {
            let mut response = Response::new(Body::from(Bytes::from("guest")));
            response.extensions_mut().insert(Told {
                operation: "GetObject",
                error: Some("NoSuchKey".into()),
            });
            let _ = request.into_body().collect().await;
            response
        })
    });
    let toy = Operations::new("toy", "Toy").query(&TOY);
    let toy = toy.on("Nothing", &[], nothing).serve(Arc::new(Echo));
    Router::new([toy]).guest("s3", guest)
}

type Head = http::request::Builder;

/// Whether a request is left to the guest.
async fn check(head: Head, expected: bool) {
    let request = head.body(Empty::<Bytes>::new()).unwrap();
    let shown = format!("{request:?}");
    let response = Arc::new(hosting()).handle(request, peer()).await;
    let whole = response.into_body().whole().cloned();
    assert_eq!(whole == Some(Bytes::from("guest")), expected, "{shown}");
}

fn scope(head: Head, service: &str) -> Head {
    let header =
        format!("AWS4-HMAC-SHA256 Credential=a/20150830/us-east-1/{service}/aws4_request, x");
    head.header("authorization", header)
}

#[tokio::test]
async fn the_guest_gets_what_is_signed_for_it_or_speaks_no_protocol_of_ours() {
    for method in ["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS"] {
        let head = || Request::builder().method(method).uri("/bucket/key?x=1");
        check(head(), true).await;
        check(scope(head(), "s3"), true).await;
        check(scope(head(), "toy"), false).await;
    }
    let presigned = |service: &str| {
        Request::get(format!(
            "/b/k?X-Amz-Credential=a%2F20150830%2Fus-east-1%2F{service}%2Faws4_request"
        ))
    };
    check(presigned("s3"), true).await;
    check(presigned("toy"), false).await;
    check(
        Request::get("/b/k").header("authorization", "AWS a:b"),
        true,
    )
    .await;
    check(
        scope(Request::put("/b/k").header("content-type", JSON), "s3"),
        true,
    )
    .await;
    check(Request::put("/b/k").header("content-type", JSON), true).await;
    check(
        Request::post("/b/k?delete").header("content-type", "application/xml"),
        true,
    )
    .await;
    check(Request::get("/b/k?Action=Unknown"), true).await;
}

#[tokio::test]
async fn the_guest_does_not_get_what_is_ours() {
    check(Request::get("/metrics"), false).await;
    check(scope(Request::get("/_headwater/health"), "s3"), false).await;
    check(Request::post("/").header("content-type", JSON), false).await;
    check(
        Request::post("/").header("x-amz-target", "Toy.Nothing"),
        false,
    )
    .await;
    let form = "application/x-www-form-urlencoded";
    check(Request::post("/0/q").header("content-type", form), false).await;
    check(Request::get("/?Action=Nothing"), false).await;
}

#[tokio::test]
async fn a_bucket_may_have_the_name_of_our_page() {
    let get = |query: &str| Request::get(format!("/metrics{query}"));
    check(scope(get("?list-type=2"), "s3"), true).await;
    check(get("").header("authorization", "AWS a:b"), true).await;
    check(get("").header("x-amz-content-sha256", "e3b0"), true).await;
    check(get("").header("amz-sdk-invocation-id", "1"), true).await;
    let presigned =
        "?X-Amz-Credential=a%2F20150830%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=0";
    check(get(presigned), true).await;
    for method in ["PUT", "DELETE", "POST", "OPTIONS"] {
        let head = || Request::builder().method(method).uri("/metrics");
        check(head(), true).await;
        check(scope(head(), "s3"), true).await;
        check(scope(head(), "toy"), false).await;
    }
    check(scope(Request::head("/metrics"), "s3"), true).await;
    // Probes and scrapers.
    check(get(""), false).await;
    check(get("?name=x"), false).await;
    check(Request::head("/metrics"), false).await;
    check(get("").header("authorization", "Bearer x"), false).await;
    check(get("").header("authorization", "Basic eA=="), false).await;
    check(scope(get(""), "toy"), false).await;
}

#[tokio::test]
async fn guests_are_observed() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observer: Observer = {
        let seen = Arc::clone(&seen);
        Arc::new(move |o: &Observation<'_>| {
            let error = o.error.map(str::to_owned);
            seen.lock()
                .unwrap()
                .push((o.service, o.operation, error, o.bytes_in, o.bytes_out));
        })
    };
    let frames = [Bytes::from("ab"), Bytes::from("cde")]
        .map(|data| Ok::<_, BodyError>(http_body::Frame::data(data)));
    let request = Request::put("/b/k")
        .body(StreamBody::new(stream::iter(frames)))
        .unwrap();
    let router = Arc::new(hosting().observe(observer));
    let response = router.handle(request, peer()).await;
    assert_eq!(response.status(), 200);
    let expected = ("s3", "GetObject", Some("NoSuchKey".to_owned()), 5, 5);
    assert_eq!(*seen.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn a_guest_that_fails_harms_nobody() {
    #[allow(clippy::panic)]
    let guest: Guest = Arc::new(|_| Box::pin(async { panic!("on purpose") }));
    let router = Arc::new(Router::new([]).guest("s3", guest));
    let request = Request::get("/b/k").body(Empty::<Bytes>::new()).unwrap();
    let response = router.handle(request, peer()).await;
    assert_eq!(response.status(), 500);
}
