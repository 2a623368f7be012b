//! SigV4: nothing gets in without the secret key, and whatever we sign gets in.
#![no_main]

use std::sync::{Arc, LazyLock};

use aws::sigv4::{Credentials, Keys, Verifier, sign};
use aws::{Auth, Caller, Operations, Region, Router, ServiceError};
use bytes::Bytes;
use http::header::HeaderValue;
use http::request::Parts;
use libfuzzer_sys::fuzz_target;
use model::{Clock, Timestamp};
use tokio::runtime::Runtime;

/// 2015-08-30T12:36:00Z, the day of AWS's own examples.
const NOW: Timestamp = Timestamp(1_440_938_160_000);
const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

static ROUTER: LazyLock<Arc<Router>> = LazyLock::new(|| {
    let operations = Operations::new("echo", "Echo").on("Ok", &[], ok);
    let keys: Keys = [(KEY.to_owned(), SECRET.to_owned())].into_iter().collect();
    let router = Router::new([operations.serve(Arc::new(()))])
        .auth(Auth::On(Verifier::new(keys)))
        .clock(Clock::manual(NOW));
    Arc::new(router)
});

thread_local! {
    static RUNTIME: Runtime = fuzz::runtime();
}

async fn ok(_: Arc<()>, _: Caller, (): ()) -> Result<(), ServiceError> {
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let Some((mut parts, body)) = fuzz::request(data) else {
        return;
    };
    if is_own_page(&parts) {
        return;
    }
    assert_ne!(status(parts.clone(), body), 200, "a forgery got in");
    // What our own client would send: these the signer takes for its own, or leaves to the caller.
    for name in ["x-amz-content-sha256", "x-amz-target", "content-type"] {
        parts.headers.remove(name);
    }
    let query = parts.uri.query().unwrap_or_default();
    if query.contains("X-Amz-Algorithm") || parts.method != http::Method::POST {
        return;
    }
    let header = HeaderValue::from_static;
    parts.headers.insert("x-amz-target", header("Echo.Ok"));
    parts
        .headers
        .insert("content-type", header("application/x-amz-json-1.1"));
    if parts.uri.authority().is_none() && !parts.headers.contains_key("host") {
        parts.headers.insert("host", header("localhost:4566"));
    }
    let credentials = Credentials {
        access_key: KEY.to_owned(),
        secret_key: SECRET.to_owned(),
        session_token: None,
    };
    let body = Bytes::from_static(b"{}");
    sign(
        &mut parts,
        &body,
        &credentials,
        &Region::unnamed(),
        "echo",
        NOW,
    );
    assert_eq!(status(parts, body), 200, "what we signed was refused");
});

fn is_own_page(parts: &Parts) -> bool {
    let path = parts.uri.path();
    path == "/metrics" || path.starts_with("/_headwater")
}

fn status(parts: Parts, body: Bytes) -> u16 {
    RUNTIME.with(|runtime| {
        fuzz::answer(runtime, &ROUTER, (parts, body))
            .status()
            .as_u16()
    })
}
