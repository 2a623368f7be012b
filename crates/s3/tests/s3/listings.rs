//! Listings as clients page through them; how names roll up is tested where it is done.

use s3::Auth;

use crate::objects::off;
use crate::server::{Server, State};

async fn with_objects(auth: Auth) -> (State, Server) {
    let state = State::new();
    let server = state.serve(auth).await;
    server.put("/bucket", "").await.is(200);
    for key in ["a/1", "a/2", "b", "c%20%26%3C/x", "%C3%A9"] {
        server.put(&format!("/bucket/{key}"), "x").await.is(200);
    }
    (state, server)
}

#[tokio::test]
async fn the_second_version_pages_by_token() {
    let (_state, server) = with_objects(off()).await;
    let mut keys = Vec::new();
    let mut token = String::new();
    loop {
        let target = format!("/bucket?list-type=2&max-keys=2&encoding-type=url{token}");
        let page = server.get(&target).await.is(200);
        keys.extend(page.elements("Key"));
        assert_eq!(
            page.elements("Key").len().to_string(),
            page.element("KeyCount")
        );
        if page.element("IsTruncated") == "false" {
            break;
        }
        token = format!(
            "&continuation-token={}",
            page.element("NextContinuationToken")
        );
    }
    assert_eq!(keys, ["a/1", "a/2", "b", "c%20%26%3C/x", "%C3%A9"]);
    let later = server
        .get("/bucket?list-type=2&start-after=a/2")
        .await
        .is(200);
    assert_eq!(later.elements("Key").first().map(String::as_str), Some("b"));
    let bad = server.get("/bucket?list-type=2&continuation-token=!").await;
    bad.refused(400, "InvalidArgument");
    let none = server.get("/bucket?list-type=2&max-keys=0").await.is(200);
    assert_eq!(
        (none.element("KeyCount"), none.element("IsTruncated")),
        ("0".into(), "false".into())
    );
    server
        .get("/bucket?list-type=2&max-keys=-1")
        .await
        .refused(400, "InvalidArgument");
    server
        .get("/none?list-type=2")
        .await
        .refused(404, "NoSuchBucket");
}

#[tokio::test]
async fn the_first_version_pages_by_marker() {
    let (_state, server) = with_objects(off()).await;
    let page = server.get("/bucket?max-keys=1&delimiter=/").await.is(200);
    assert_eq!(page.elements("CommonPrefixes"), ["<Prefix>a/</Prefix>"]);
    assert_eq!(page.element("NextMarker"), "a/");
    let page = server.get("/bucket?delimiter=/&marker=a/").await.is(200);
    assert_eq!(page.elements("Key"), ["b", "é"]);
    assert_eq!(page.element("IsTruncated"), "false");
    let page = server.get("/bucket?marker=a/1&prefix=a").await.is(200);
    assert_eq!(page.elements("Key"), ["a/2"]);
    assert_eq!(page.element("Size"), "1");
    assert_eq!(page.element("ETag"), "\"9dd4e461268c8034f5c8564e155c67a6\"");
}

#[tokio::test]
async fn names_are_escaped_in_xml() {
    let (_state, server) = with_objects(off()).await;
    let page = server
        .get("/bucket?list-type=2&prefix=c%20%26%3C")
        .await
        .is(200);
    assert!(
        page.text().contains("<Key>c &amp;&lt;/x</Key>"),
        "{}",
        page.text()
    );
}
