//! Buckets and objects, and conditions on them.

use http::Method;
use http_body_util::BodyExt as _;
use s3::Auth;

use crate::server::{Server, State};

async fn with_bucket() -> (State, Server) {
    let state = State::new();
    let server = state.serve(off()).await;
    server.put("/bucket", "").await.is(200);
    (state, server)
}

pub(crate) fn off() -> Auth {
    Auth::Off(std::collections::HashMap::new())
}

#[tokio::test]
async fn buckets_are_made_listed_and_deleted() {
    let (_state, server) = with_bucket().await;
    server.put("/other.bucket-2", "").await.is(200);
    let listed = server.get("/").await.is(200);
    assert_eq!(listed.elements("Name"), ["bucket", "other.bucket-2"]);
    let head = server.ask(Method::HEAD, "/bucket", &[], "").await.is(200);
    assert_eq!(head.header("x-amz-bucket-region"), "us-east-1");
    server.delete("/other.bucket-2").await.is(204);
    let gone = server.ask(Method::HEAD, "/other.bucket-2", &[], "").await;
    gone.is(404);
    server.delete("/nothing").await.refused(404, "NoSuchBucket");
    server.put("/bucket/key", "x").await.is(200);
    server
        .delete("/bucket")
        .await
        .refused(409, "BucketNotEmpty");
    server.delete("/bucket/key").await.is(204);
    server.delete("/bucket").await.is(204);
}

#[tokio::test]
async fn a_bucket_lies_where_it_was_made() {
    let (_state, server) = with_bucket().await;
    let body = "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    server.put("/there", body).await.is(200);
    server
        .put("/there", body)
        .await
        .refused(409, "BucketAlreadyOwnedByYou");
    let location = server.get("/there?location").await.is(200);
    assert!(location.text().contains(">eu-west-1</LocationConstraint>"));
    let classic = server.get("/bucket?location").await.is(200);
    assert!(!classic.text().contains("us-east-1"), "{}", classic.text());
    // Only there, and as AWS has it.
    server.put("/bucket", "").await.is(200);
    for name in ["Upper", "ab", "under_score", "192.168.0.1", "-a-"] {
        let answer = server.put(&format!("/{name}"), "").await;
        assert_eq!(
            answer.element("Message"),
            "The specified bucket is not valid."
        );
        answer.refused(400, "InvalidBucketName");
    }
}

#[tokio::test]
async fn buckets_of_other_accounts_are_theirs() {
    let (_state, server) = with_bucket().await;
    let credential = |account: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential={account}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
        )
    };
    let theirs = credential("111122223333");
    let signed = [("authorization", theirs.as_str())];
    let taken = server.ask(Method::PUT, "/bucket", &signed, "").await;
    taken.refused(409, "BucketAlreadyExists");
    server
        .ask(Method::PUT, "/theirs", &signed, "")
        .await
        .is(200);
    let listed = server.ask(Method::GET, "/", &signed, "").await.is(200);
    assert_eq!(listed.elements("Name"), ["theirs"]);
    assert_eq!(listed.element("ID"), "111122223333");
}

#[tokio::test]
async fn objects_come_back_as_they_were_put() {
    let (_state, server) = with_bucket().await;
    let headers = [
        ("content-type", "text/plain"),
        ("cache-control", "no-cache"),
        ("content-encoding", "gzip"),
        ("expires", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ("x-amz-meta-colour", "blue"),
        ("x-amz-tagging", "a=1&b=2"),
        ("x-amz-storage-class", "STANDARD_IA"),
    ];
    let put = server
        .ask(Method::PUT, "/bucket/a%20b/%C3%A9%2B", &headers, "hello")
        .await;
    let put = put.is(200);
    assert_eq!(put.header("etag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    let got = server.get("/bucket/a%20b/%C3%A9%2B").await.is(200);
    assert_eq!(got.body, "hello");
    for (name, value) in &headers[..5] {
        assert_eq!(got.header(name), *value);
    }
    assert_eq!(got.header("x-amz-tagging-count"), "2");
    assert_eq!(got.header("x-amz-storage-class"), "STANDARD_IA");
    let head = server
        .ask(Method::HEAD, "/bucket/a%20b/%C3%A9%2B", &[], "")
        .await
        .is(200);
    assert_eq!(head.header("content-length"), "5");
    assert_eq!(head.header("etag"), got.header("etag"));
    assert_eq!(head.header("last-modified"), got.header("last-modified"));
    assert!(head.body.is_empty());
    server.get("/bucket/none").await.refused(404, "NoSuchKey");
    server
        .get("/nowhere/none")
        .await
        .refused(404, "NoSuchBucket");
}

#[tokio::test]
async fn a_large_object_streams_both_ways() {
    let (state, server) = with_bucket().await;
    let large: Vec<u8> = (0..3_000_001_u32).map(|n| n.to_le_bytes()[1] ^ 7).collect();
    server.put("/bucket/large", large.clone()).await.is(200);
    let got = server.get("/bucket/large").await.is(200);
    assert_eq!(got.header("content-length"), "3000001");
    assert!(got.body == large, "other bytes came back");
    assert_eq!(state.directory.bodies(), 1);
}

#[tokio::test]
async fn ranges_are_given() {
    let (_state, server) = with_bucket().await;
    server.put("/bucket/digits", "0123456789").await.is(200);
    let ask = async |range: &str| {
        let headers = [("range", range)];
        server
            .ask(Method::GET, "/bucket/digits", &headers, "")
            .await
    };
    let check = async |range: &str, expected: &str, shown: &str| {
        let got = ask(range).await.is(206);
        assert_eq!(got.body, expected.to_owned(), "{range}");
        assert_eq!(got.header("content-range"), shown, "{range}");
    };
    check("bytes=0-0", "0", "bytes 0-0/10").await;
    check("bytes=7-", "789", "bytes 7-9/10").await;
    check("bytes=-3", "789", "bytes 7-9/10").await;
    check("bytes=-30", "0123456789", "bytes 0-9/10").await;
    check("bytes=5-100", "56789", "bytes 5-9/10").await;
    ask("bytes=10-").await.refused(416, "InvalidRange");
    ask("bytes=-0").await.refused(416, "InvalidRange");
    let part = server.get("/bucket/digits?partNumber=1").await.is(206);
    assert_eq!(part.body, "0123456789");
    server.put("/bucket/empty", "").await.is(200);
    assert!(server.get("/bucket/empty").await.is(200).body.is_empty());
}

#[tokio::test]
async fn conditions_on_reading_hold() {
    let (_state, server) = with_bucket().await;
    let etag = server
        .put("/bucket/key", "x")
        .await
        .is(200)
        .header("etag")
        .to_owned();
    let check = async |header: &str, value: &str, status: u16| {
        let headers = [(header, value)];
        let got = server.ask(Method::GET, "/bucket/key", &headers, "").await;
        assert_eq!(got.status.as_u16(), status, "{header}: {value}");
        got
    };
    let past = "Wed, 21 Oct 2015 07:28:00 GMT";
    let future = "Wed, 21 Oct 2099 07:28:00 GMT";
    check("if-match", &etag, 200).await;
    check("if-match", "\"other\"", 412).await;
    let unchanged = check("if-none-match", &etag, 304).await;
    assert_eq!(unchanged.header("etag"), etag);
    check("if-none-match", "\"other\"", 200).await;
    check("if-modified-since", past, 200).await;
    check("if-modified-since", future, 304).await;
    check("if-unmodified-since", past, 412).await;
    check("if-unmodified-since", future, 200).await;
}

#[tokio::test]
async fn conditions_on_writing_hold() {
    let (state, server) = with_bucket().await;
    let put = async |header: &str, value: &str| {
        let headers = [(header, value)];
        server.ask(Method::PUT, "/bucket/key", &headers, "x").await
    };
    put("if-match", "\"abc\"").await.refused(404, "NoSuchKey");
    put("if-none-match", "*").await.is(200);
    put("if-none-match", "*")
        .await
        .refused(412, "PreconditionFailed");
    put("if-match", "\"abc\"")
        .await
        .refused(412, "PreconditionFailed");
    put("if-match", "\"9dd4e461268c8034f5c8564e155c67a6\"")
        .await
        .is(200);
    assert_eq!(state.directory.bodies(), 1);
}

#[tokio::test]
async fn of_many_who_create_one_wins() {
    let (state, server) = with_bucket().await;
    let headers = [("if-none-match", "*")];
    let put = || server.ask(Method::PUT, "/bucket/lock", &headers, "x");
    let answers = tokio::join!(put(), put(), put(), put(), put(), put());
    let answers = [
        answers.0, answers.1, answers.2, answers.3, answers.4, answers.5,
    ];
    let created = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(created, 1);
    assert_eq!(state.directory.bodies(), 1);
}

#[tokio::test]
async fn digests_are_checked() {
    let (state, server) = with_bucket().await;
    let check = async |header: &str, value: &str, expected: Result<(), &str>| {
        let headers = [(header, value)];
        let answer = server
            .ask(Method::PUT, "/bucket/sum", &headers, "123456789")
            .await;
        match expected {
            Ok(()) => drop(answer.is(200)),
            Err(code) => answer.refused(400, code),
        }
    };
    check("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==", Ok(())).await;
    check("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==", Err("BadDigest")).await;
    check("content-md5", "short", Err("InvalidDigest")).await;
    check("x-amz-checksum-crc32", "y/Q5Jg==", Ok(())).await;
    check("x-amz-checksum-crc32", "y/Q5Jw==", Err("BadDigest")).await;
    check("x-amz-checksum-crc32", "nonsense", Err("InvalidRequest")).await;
    check("x-amz-checksum-crc32c", "4waSgw==", Ok(())).await;
    check(
        "x-amz-checksum-sha1",
        "98O8HYCOBHMq32eZZczDTKeuNEE=",
        Ok(()),
    )
    .await;
    check("x-amz-checksum-crc64nvme", "rosUhgp5mIg=", Ok(())).await;
    assert_eq!(state.directory.bodies(), 1);
    let headers = [("x-amz-checksum-mode", "ENABLED")];
    let got = server
        .ask(Method::GET, "/bucket/sum", &headers, "")
        .await
        .is(200);
    assert_eq!(got.header("x-amz-checksum-crc64nvme"), "rosUhgp5mIg=");
    assert_eq!(got.header("x-amz-checksum-type"), "FULL_OBJECT");
    let both = [
        ("x-amz-checksum-crc32", "y/Q5Jg=="),
        ("x-amz-checksum-crc32c", "4waSgw=="),
    ];
    let answer = server
        .ask(Method::PUT, "/bucket/sum", &both, "123456789")
        .await;
    answer.refused(400, "InvalidRequest");
}

#[tokio::test]
async fn objects_are_copied() {
    let (state, server) = with_bucket().await;
    let headers = [("content-type", "a/b"), ("x-amz-meta-n", "1")];
    server
        .ask(Method::PUT, "/bucket/from", &headers, "bytes")
        .await
        .is(200);
    let copy = async |target: &str, headers: &[(&str, &str)]| {
        let mut all = vec![("x-amz-copy-source", "bucket/from")];
        all.extend(headers);
        server.ask(Method::PUT, target, &all, "").await
    };
    let copied = copy("/bucket/to", &[]).await.is(200);
    assert_eq!(
        copied.element("ETag"),
        "\"4b3a6218bb3e3a7303e8a171a60fcf92\""
    );
    let got = server.get("/bucket/to").await.is(200);
    assert_eq!(
        (got.header("content-type"), got.header("x-amz-meta-n")),
        ("a/b", "1")
    );
    let replaces = [
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-meta-n", "2"),
    ];
    copy("/bucket/from", &[])
        .await
        .refused(400, "InvalidRequest");
    copy("/bucket/from", &replaces).await.is(200);
    let got = server.get("/bucket/from").await.is(200);
    assert_eq!(
        (got.body.as_ref(), got.header("x-amz-meta-n")),
        (&b"bytes"[..], "2")
    );
    let stale = [("x-amz-copy-source-if-match", "\"other\"")];
    copy("/bucket/to", &stale)
        .await
        .refused(412, "PreconditionFailed");
    // A copy is its own: what it came from can go.
    server.delete("/bucket/from").await.is(204);
    assert_eq!(server.get("/bucket/to").await.is(200).body, "bytes");
    copy("/bucket/to", &[]).await.refused(404, "NoSuchKey");
    assert_eq!(state.directory.bodies(), 1);
}

#[tokio::test]
async fn many_are_deleted_at_once() {
    let (state, server) = with_bucket().await;
    for key in ["a", "b", "c"] {
        server.put(&format!("/bucket/{key}"), key).await.is(200);
    }
    let body = "<Delete><Object><Key>a</Key></Object><Object><Key>b</Key><ETag>\"no\"</ETag></Object>\
                <Object><Key>none</Key></Object><Object><Key>a</Key></Object></Delete>";
    let answer = server.post("/bucket?delete", body).await.is(200);
    assert_eq!(answer.elements("Key"), ["a", "none", "a", "b"]);
    assert_eq!(answer.element("Code"), "PreconditionFailed");
    assert_eq!(state.directory.bodies(), 2);
    let quiet = "<Delete><Quiet>true</Quiet><Object><Key>c</Key></Object></Delete>";
    let answer = server.post("/bucket?delete", quiet).await.is(200);
    assert!(answer.elements("Key").is_empty());
    let too_many: String = (0..1001)
        .map(|n| format!("<Object><Key>{n}</Key></Object>"))
        .collect();
    let answer = server
        .post("/bucket?delete", format!("<Delete>{too_many}</Delete>"))
        .await;
    answer.refused(400, "MalformedXML");
}

#[tokio::test]
async fn tags_are_replaced_without_touching_the_object() {
    let (_state, server) = with_bucket().await;
    server.put("/bucket/key", "x").await.is(200);
    let tags = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
    server.put("/bucket/key?tagging", tags).await.is(200);
    let got = server.get("/bucket/key?tagging").await.is(200);
    assert_eq!(
        (got.element("Key"), got.element("Value")),
        ("k".into(), "v".into())
    );
    assert_eq!(server.get("/bucket/key").await.is(200).body, "x");
    server.delete("/bucket/key?tagging").await.is(204);
    let got = server.get("/bucket/key?tagging").await.is(200);
    assert!(got.elements("Key").is_empty());
    server
        .get("/bucket/none?tagging")
        .await
        .refused(404, "NoSuchKey");
}

#[tokio::test]
async fn who_reads_goes_on_while_it_is_overwritten_and_deleted() {
    let (state, server) = with_bucket().await;
    let first = vec![1_u8; 9_000_000];
    server.put("/bucket/key", first.clone()).await.is(200);
    let reading = server.begin(Method::GET, "/bucket/key", &[], "").await;
    server.put("/bucket/key", "second").await.is(200);
    server.delete("/bucket/key").await.is(204);
    server.get("/bucket/key").await.refused(404, "NoSuchKey");
    let read = reading.into_body().collect().await.unwrap().to_bytes();
    assert!(read == first, "the reader got other bytes");
    state.all_bodies_gone().await;
}

#[tokio::test]
async fn what_is_not_done_is_not_answered_with_success() {
    let (_state, server) = with_bucket().await;
    let check = async |header: &str, value: &str, status: u16, code: &str| {
        let headers = [(header, value)];
        let answer = server.ask(Method::PUT, "/bucket/key", &headers, "x").await;
        answer.refused(status, code);
    };
    check(
        "x-amz-server-side-encryption",
        "AES256",
        501,
        "NotImplemented",
    )
    .await;
    check(
        "x-amz-acl",
        "public-read",
        400,
        "AccessControlListNotSupported",
    )
    .await;
    check(
        "x-amz-object-lock-mode",
        "GOVERNANCE",
        501,
        "NotImplemented",
    )
    .await;
    check("x-amz-storage-class", "GLACIER", 400, "InvalidStorageClass").await;
    check(
        "x-amz-expected-bucket-owner",
        "111122223333",
        403,
        "AccessDenied",
    )
    .await;
    server
        .get("/bucket?policy")
        .await
        .refused(501, "NotImplemented");
    server
        .get("/bucket/key?versionId=abc")
        .await
        .refused(404, "NoSuchVersion");
    server.get("/bucket/key").await.refused(404, "NoSuchKey");
}
