//! Against the published test suite's values, and against botocore (`testdata/sigv4.json`, made by `sigv4.py`).

use http::request::Parts;
use http::{HeaderValue, Request};
use model::{Region, Timestamp};
use serde::Deserialize;

use super::*;
use crate::error::ServiceError;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30T12:36:00Z, the published suite's time.
const NOW: Timestamp = Timestamp(1_440_938_160_000);
const MINUTE_MS: i64 = 60_000;

#[derive(Deserialize)]
struct Golden {
    header: Vec<Case>,
    query: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    service: String,
    method: String,
    uri: String,
    headers: Vec<(String, String)>,
    body: String,
    token: Option<String>,
}

impl Case {
    fn parts(&self) -> Parts {
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(&self.uri);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(()).unwrap().into_parts().0
    }
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../testdata/sigv4.json")).unwrap()
}

fn verifier() -> Verifier {
    Verifier::new(
        [("AKIDEXAMPLE".to_owned(), SECRET.to_owned())]
            .into_iter()
            .collect(),
    )
}

fn credentials(token: Option<&str>) -> Credentials {
    Credentials {
        access_key: "AKIDEXAMPLE".to_owned(),
        secret_key: SECRET.to_owned(),
        session_token: token.map(str::to_owned),
    }
}

/// A PutRecord signed by ourselves, as good as they come.
fn good() -> Parts {
    let mut parts = Request::post("http://localhost:4566/")
        .header("x-amz-target", "Kinesis_20131202.PutRecord")
        .body(())
        .unwrap()
        .into_parts()
        .0;
    sign(
        &mut parts,
        b"{}",
        &credentials(None),
        &Region::unnamed(),
        "kinesis",
        NOW,
    );
    parts
}

fn check_refused(parts: &Parts, body: &[u8], now: Timestamp, code: &str, text: &str) {
    let ServiceError {
        code: found,
        message,
        status,
        ..
    } = verifier().verify(parts, body, now).unwrap_err();
    assert_eq!((found.as_ref(), status), (code, 400), "{message}");
    assert!(message.starts_with(text), "{message}");
}

/// The suite's get-vanilla, get-vanilla-query-order-key-case and post-vanilla.
#[test]
fn the_published_signatures_are_made() {
    let check = |method: &str, uri: &str, signature: &str| {
        let request = Request::builder().method(method).uri(uri);
        let mut parts = request.body(()).unwrap().into_parts().0;
        sign(
            &mut parts,
            b"",
            &credentials(None),
            &Region::unnamed(),
            "service",
            NOW,
        );
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={signature}"
        );
        assert_eq!(parts.headers["authorization"], expected);
        assert_eq!(verifier().verify(&parts, b"", NOW), Ok(()));
    };
    let base = "http://example.amazonaws.com/";
    check(
        "GET",
        base,
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    );
    check(
        "GET",
        &format!("{base}?Param2=value2&Param1=value1"),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    );
    check(
        "POST",
        base,
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    );
}

#[test]
fn what_botocore_signs_is_accepted() {
    let Golden { header, query } = golden();
    for case in header.iter().chain(&query) {
        let found = verifier().verify(&case.parts(), case.body.as_bytes(), NOW);
        assert_eq!(found, Ok(()), "{}", case.name);
        let mut tampered = case.parts();
        tampered
            .headers
            .insert("host", HeaderValue::from_static("elsewhere"));
        let refused = verifier().verify(&tampered, case.body.as_bytes(), NOW);
        assert!(refused.is_err(), "{}", case.name);
    }
}

#[test]
fn we_sign_as_botocore_does() {
    for case in golden().header {
        let expected = case.parts().headers["authorization"].clone();
        let mut parts = case.parts();
        parts.headers.remove("authorization");
        // Unsigned payloads are not for our own client.
        if parts.headers.contains_key("x-amz-content-sha256") {
            continue;
        }
        let token = case.token.as_deref();
        let body = case.body.as_bytes();
        sign(
            &mut parts,
            body,
            &credentials(token),
            &Region::unnamed(),
            &case.service,
            NOW,
        );
        assert_eq!(parts.headers["authorization"], expected, "{}", case.name);
    }
}

#[test]
fn tampering_is_noticed() {
    let differs = "The request signature we calculated does not match";
    let refused = |parts: &Parts, body: &[u8]| {
        check_refused(parts, body, NOW, "InvalidSignatureException", differs);
    };
    assert_eq!(verifier().verify(&good(), b"{}", NOW), Ok(()));
    refused(&good(), b"{ }");
    let mut other_target = good();
    other_target
        .headers
        .insert("x-amz-target", HeaderValue::from_static("A.B"));
    refused(&other_target, b"{}");
    let mut other_path = good();
    other_path.uri = "http://localhost:4566/x".parse().unwrap();
    refused(&other_path, b"{}");
    let mut other_query = good();
    other_query.uri = "http://localhost:4566/?x".parse().unwrap();
    refused(&other_query, b"{}");
    let mut wrong_hash = good();
    wrong_hash
        .headers
        .insert("x-amz-content-sha256", HeaderValue::from_static("00"));
    check_refused(
        &wrong_hash,
        b"{}",
        NOW,
        "InvalidSignatureException",
        "The provided 'x-amz-content-sha256'",
    );
}

#[test]
fn time_is_held_within_a_quarter_of_an_hour() {
    let at = |minutes: i64| Timestamp(NOW.0 + minutes * MINUTE_MS);
    for minutes in [-15, 0, 15] {
        assert_eq!(
            verifier().verify(&good(), b"{}", at(minutes)),
            Ok(()),
            "{minutes}"
        );
    }
    check_refused(
        &good(),
        b"{}",
        at(16),
        "InvalidSignatureException",
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123700Z (20150830T125200Z - 15 min.)",
    );
    check_refused(
        &good(),
        b"{}",
        at(-16),
        "InvalidSignatureException",
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123500Z (20150830T122000Z + 15 min.)",
    );
    let presigned = &golden().query[0];
    assert_eq!(verifier().verify(&presigned.parts(), b"", at(60)), Ok(()));
    check_refused(
        &presigned.parts(),
        b"",
        at(61),
        "InvalidSignatureException",
        "Signature expired",
    );
}

/// The canonical request is spelled out here, as the SDK for JavaScript makes it over HTTP/2.
#[test]
fn over_http2_the_authority_may_be_signed_for_the_host() {
    let canonical = format!(
        "POST\n/\n\n:authority:localhost:4566\nx-amz-date:20150830T123600Z\nx-amz-target:A.B\n\n\
         :authority;x-amz-date;x-amz-target\n{}",
        key::sha256_hex(b"{}")
    );
    let scope = key::Scope {
        access_key: "AKIDEXAMPLE".to_owned(),
        date: "20150830".to_owned(),
        region: "us-east-1".to_owned(),
        service: "kinesis".to_owned(),
    };
    let to_sign = canonical::string_to_sign(&scope, NOW, &canonical);
    let signing_key = scope.signing_key(SECRET);
    let signature = aws_lc_rs::hmac::sign(&signing_key, to_sign.as_bytes());
    let header = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{}, SignedHeaders=:authority;x-amz-date;x-amz-target, Signature={}",
        scope.text(),
        key::hex(signature.as_ref())
    );
    let parts = |authority: &str| {
        let headers = [
            ("x-amz-date", "20150830T123600Z"),
            ("x-amz-target", "A.B"),
            ("authorization", &header),
        ];
        bare(&format!("http://{authority}/"), &headers)
    };
    verifier()
        .verify(&parts("localhost:4566"), b"{}", NOW)
        .unwrap();
    let elsewhere = parts("elsewhere:4566");
    check_refused(
        &elsewhere,
        b"{}",
        NOW,
        "InvalidSignatureException",
        "The request signature we calculated does not match",
    );
}

/// What is signed is written out before anything is known of who sends it.
#[test]
fn no_header_is_signed_twice_and_not_too_many_are() {
    let case = &golden().header[0];
    let mut parts = case.parts();
    parts
        .headers
        .insert("a", "x".repeat(200_000).parse().unwrap());
    let authorization = parts.headers["authorization"].to_str().unwrap().to_owned();
    let many: Vec<String> = (0..100).map(|number| format!("a{number}")).collect();
    for names in ["a;a;".repeat(50_000), format!("{};", many.join(";"))] {
        let signed = format!("SignedHeaders={names}");
        let changed = authorization.replace("SignedHeaders=", &signed);
        parts
            .headers
            .insert("authorization", changed.parse().unwrap());
        let text = "SignedHeaders must name up to 100 headers, each once.";
        check_refused(
            &parts,
            case.body.as_bytes(),
            NOW,
            "InvalidSignatureException",
            text,
        );
    }
}

#[test]
fn headers_which_matter_must_be_signed() {
    let case = &golden().header[0];
    let mut parts = case.parts();
    parts
        .headers
        .insert("x-amz-target", HeaderValue::from_static("A.B"));
    check_refused(
        &parts,
        b"",
        NOW,
        "InvalidSignatureException",
        "'X-Amz-Target' must be a 'SignedHeader'",
    );
    let mut parts = good();
    let header = parts.headers["authorization"]
        .to_str()
        .unwrap()
        .replace("host;", "");
    parts
        .headers
        .insert("authorization", HeaderValue::from_str(&header).unwrap());
    check_refused(
        &parts,
        b"{}",
        NOW,
        "InvalidSignatureException",
        "'Host' or ':authority' must be",
    );
}

fn bare(uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::post(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// Texts as recorded from AWS by kinesalite (test/connection.js).
#[test]
fn claims_that_are_not_whole_are_refused_in_the_words_of_aws() {
    let check = |uri: &str, headers: &[(&str, &str)], code: &str, text: &str| {
        check_refused(&bare(uri, headers), b"{}", NOW, code, text);
    };
    let incomplete = "IncompleteSignatureException";
    check(
        "/",
        &[],
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    );
    check(
        "/?X-Amz-Credential=a&X-Amz-Signature=b",
        &[],
        "MissingAuthenticationTokenException",
        "Missing",
    );
    check(
        "/?X-Amz-Algorithm",
        &[("authorization", "X")],
        "InvalidSignatureException",
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
    );
    check(
        "/",
        &[("authorization", "X")],
        incomplete,
        "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. \
         Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a \
         'X-Amz-Date' or a 'Date' header. Authorization=X",
    );
    check(
        "/",
        &[
            ("authorization", "AWS4- Signature=b, Credential=a"),
            ("date", "a"),
        ],
        incomplete,
        "Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4- Signature=b, Credential=a",
    );
    check(
        "/?X-Amz-Algorithm",
        &[],
        incomplete,
        "AWS query-string parameters must include 'X-Amz-Algorithm'. AWS query-string parameters must include \
         'X-Amz-Credential'. AWS query-string parameters must include 'X-Amz-Signature'. AWS query-string parameters \
         must include 'X-Amz-SignedHeaders'. AWS query-string parameters must include 'X-Amz-Date'. Re-examine",
    );
    check(
        "/?X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Signature=c&X-Amz-Date=d",
        &[],
        incomplete,
        "AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string parameters.",
    );
}

#[test]
fn claims_that_do_not_fit_together_are_refused() {
    let check = |headers: &[(&str, &str)], code: &str, text: &str| {
        check_refused(&bare("/", headers), b"{}", NOW, code, text);
    };
    let incomplete = "IncompleteSignatureException";
    let date = ("x-amz-date", "20150830T123600Z");
    let claim = |algorithm: &str, credential: &str| {
        format!("{algorithm} Credential={credential}, SignedHeaders=host, Signature=b")
    };
    let bearer = claim("Bearer", "a");
    check(
        &[("authorization", &bearer), date],
        incomplete,
        "Unsupported AWS 'algorithm': 'Bearer'",
    );
    let short = claim(ALGORITHM, "a");
    check(
        &[("authorization", &short), date],
        incomplete,
        "Credential must have exactly 5 slash-delimited elements",
    );
    let other_day = claim(ALGORITHM, "a/20150829/r/s/aws4_request");
    check(
        &[("authorization", &other_day), date],
        "InvalidSignatureException",
        "Date in Credential scope does not",
    );
    let other_end = claim(ALGORITHM, "a/20150830/r/s/aws5_request");
    check(
        &[("authorization", &other_end), date],
        "InvalidSignatureException",
        "Credential should be scoped with",
    );
    let stranger = claim(ALGORITHM, "a/20150830/r/s/aws4_request");
    check(
        &[("authorization", &stranger), date],
        "UnrecognizedClientException",
        "The security token included",
    );
    check(
        &[("authorization", &stranger), ("x-amz-date", "yesterday")],
        incomplete,
        "Date must be in ISO-8601",
    );
    let known = claim(ALGORITHM, "AKIDEXAMPLE/20150830/r/s/aws4_request");
    let chunked = ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    check(
        &[("authorization", &known), date, chunked],
        "InvalidSignatureException",
        "payloads signed in chunks",
    );
}

#[test]
fn identity_is_taken_from_whatever_looks_like_a_credential() {
    let check = |parts: &Parts, expected: Option<(&str, &str, &str)>| {
        let found = Identity::of(parts);
        let found = found
            .as_ref()
            .map(|i| (&*i.access_key, &*i.region, &*i.service));
        assert_eq!(found, expected);
    };
    check(&good(), Some(("AKIDEXAMPLE", "us-east-1", "kinesis")));
    check(
        &golden().query[0].parts(),
        Some(("AKIDEXAMPLE", "us-east-1", "service")),
    );
    check(
        &bare(
            "/",
            &[(
                "authorization",
                "X Credential=a/b/c/20150830/eu-west-1/sqs/aws4_request",
            )],
        ),
        Some(("a/b/c", "eu-west-1", "sqs")),
    );
    for header in ["", "X", "X Credential=", "X Credential=a/b"] {
        check(&bare("/", &[("authorization", header)]), None);
    }
}
