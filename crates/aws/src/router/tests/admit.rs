//! What is refused by its head alone, and what is left to the body.

use aws_lc_rs::digest;
use http::header::HeaderValue;

use super::*;
use crate::query::Query;

const TOY: Query = Query {
    version: "2012-11-05",
    xml_namespace: "http://toy/doc/",
    error_namespace: "com.example.toy",
    path_member: None,
    inputs: &[],
    outputs: &[],
};

const FORM: &str = "application/x-www-form-urlencoded";
const BODY: &[u8] = br#"{"Name":"a"}"#;

/// Knows one key, and two services of which one speaks Query.
fn checking() -> Router {
    let echo = Operations::new("echo", "Echo_2026").on("Echo", NAME, echo);
    let toy = Operations::new("toy", "Toy").query(&TOY);
    let toy = toy.on("Nothing", &[], nothing);
    let keys = Keys::from_iter([("key".to_owned(), "secret".to_owned())]);
    Router::new([echo.serve(Arc::new(Echo)), toy.serve(Arc::new(Echo))])
        .clock(Clock::manual(NOW))
        .auth(Auth::On(Verifier::new(keys)))
}

fn form() -> Parts {
    let request = Request::post("http://localhost:4566/").header("content-type", FORM);
    request.body(()).unwrap().into_parts().0
}

/// Signs a request as the holder of a key does, `secret` being the right one.
fn sign_with(mut parts: Parts, key: &str, secret: &str, service: &str, now: Timestamp) -> Parts {
    let credentials = Credentials {
        access_key: key.to_owned(),
        secret_key: secret.to_owned(),
        session_token: None,
    };
    sign(
        &mut parts,
        BODY,
        &credentials,
        &Region::unnamed(),
        service,
        now,
    );
    parts
}

/// The same, saying which body is meant.
fn hashed(mut parts: Parts, body: &[u8]) -> Parts {
    let hash = digest::digest(&digest::SHA256, body);
    let digits: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let digits = HeaderValue::try_from(digits).unwrap();
    parts.headers.insert("x-amz-content-sha256", digits);
    parts
}

/// What a request is answered of which nothing but the head is known.
async fn refused(parts: &Parts) -> Option<(u16, String)> {
    let router = checking();
    let refusal = router.judge(parts).err()?;
    let response = router.replier(0).refuse(&refusal);
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Some((status, String::from_utf8(body.to_vec()).unwrap()))
}

async fn check_refused(parts: Parts, status: u16, code: &str) {
    let (found, body) = refused(&parts).await.expect("it is refused");
    assert_eq!(found, status, "{body}");
    assert!(body.contains(code), "{body}");
}

#[tokio::test]
async fn who_is_not_known_is_refused_by_the_head() {
    let echo = || request(JSON, "Echo");
    let hour_ago = Timestamp(NOW.0 - 3_600_000);
    let no_token = r#"{"__type":"MissingAuthenticationTokenException""#;
    check_refused(echo(), 400, no_token).await;
    let stranger = sign_with(echo(), "stranger", "secret", "echo", NOW);
    check_refused(stranger, 400, r#"{"__type":"UnrecognizedClientException""#).await;
    let late = sign_with(echo(), "key", "secret", "echo", hour_ago);
    check_refused(late, 400, "Signature expired").await;
    let elsewhere = sign_with(echo(), "key", "secret", "toy", NOW);
    check_refused(elsewhere, 400, "scoped to correct service: 'echo'").await;
    let nothing = sign_with(request(JSON, "Fly"), "key", "secret", "echo", NOW);
    check_refused(nothing, 400, "UnknownOperationException").await;
    // In XML, though nothing is known of what they ask for.
    check_refused(form(), 403, "<Code>MissingAuthenticationToken</Code>").await;
    let stranger = sign_with(form(), "stranger", "secret", "toy", NOW);
    let in_xml = "<ErrorResponse xmlns=\"http://toy/doc/\"><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>";
    check_refused(stranger, 403, in_xml).await;
}

#[tokio::test]
async fn a_body_is_waited_for_where_it_decides() {
    let hold = |parts: &Parts| {
        checking()
            .judge(parts)
            .is_ok_and(|judged| judged.is_verified())
    };
    let honest = sign_with(request(JSON, "Echo"), "key", "secret", "echo", NOW);
    let forged = sign_with(request(JSON, "Echo"), "key", "guess", "echo", NOW);
    for parts in [
        honest,
        forged,
        sign_with(form(), "key", "guess", "toy", NOW),
    ] {
        assert_eq!(refused(&parts).await, None);
        assert!(!hold(&parts));
    }
    let said = hashed(request(JSON, "Echo"), BODY);
    let honest = sign_with(said.clone(), "key", "secret", "echo", NOW);
    assert!(hold(&honest));
    let forged = sign_with(said, "key", "guess", "echo", NOW);
    check_refused(forged, 400, "The request signature we calculated").await;
}

#[tokio::test]
async fn a_body_must_be_the_one_that_was_said() {
    let said = hashed(request(JSON, "Echo"), BODY);
    let parts = sign_with(said, "key", "secret", "echo", NOW);
    let (head, _) = ask(checking(), parts.clone(), BODY).await;
    assert_eq!(head.status, 200);
    let (head, body) = ask(checking(), parts, br#"{"Name":"b"}"#).await;
    assert_eq!(head.status, 400);
    let body = String::from_utf8_lossy(&body);
    assert!(body.contains("'x-amz-content-sha256' header"), "{body}");
}

/// What nobody signed is not kept.
#[tokio::test]
async fn own_pages_have_no_body() {
    let pages: OwnPages = Arc::new(|request| {
        assert!(request.body().is_empty());
        Box::pin(async { Response::new(Bytes::from("ours")) })
    });
    let router = Arc::new(checking().own_pages(pages));
    let request = Request::post("/_headwater/health");
    let request = request.body(http_body_util::Full::from("body")).unwrap();
    let response = router.handle(request, peer()).await;
    assert_eq!(response.status(), 200);
}
