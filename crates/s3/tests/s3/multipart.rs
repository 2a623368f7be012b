//! Multipart uploads.

use http::Method;

use crate::objects::off;
use crate::server::{Answer, Server, State};

const MIN: usize = 5 << 20;

async fn with_bucket() -> (State, Server) {
    let state = State::new();
    let server = state.serve(off()).await;
    server.put("/bucket", "").await.is(200);
    (state, server)
}

async fn begin(server: &Server, headers: &[(&str, &str)]) -> String {
    let answer = server
        .ask(Method::POST, "/bucket/key?uploads", headers, "")
        .await;
    answer.is(200).element("UploadId")
}

async fn part(server: &Server, upload: &str, number: i32, body: Vec<u8>) -> String {
    let target = format!("/bucket/key?partNumber={number}&uploadId={upload}");
    let answer = server.put(&target, body).await.is(200);
    answer.header("etag").to_owned()
}

async fn complete(server: &Server, upload: &str, parts: &[(i32, &str)]) -> Answer {
    let parts: String = parts
        .iter()
        .map(|(number, etag)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        })
        .collect();
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    server
        .post(&format!("/bucket/key?uploadId={upload}"), body)
        .await
}

#[tokio::test]
async fn parts_make_an_object() {
    let (state, server) = with_bucket().await;
    server.put("/bucket/key", "before").await.is(200);
    let upload = begin(&server, &[("content-type", "a/b"), ("x-amz-meta-n", "1")]).await;
    let first = part(&server, &upload, 1, vec![1; MIN]).await;
    part(&server, &upload, 2, b"unused".to_vec()).await;
    let stale = part(&server, &upload, 7, b"old".to_vec()).await;
    let last = part(&server, &upload, 7, b"end".to_vec()).await;
    assert_eq!(server.get("/bucket/key").await.body, "before");
    let listed = server
        .get(&format!("/bucket/key?uploadId={upload}&max-parts=2"))
        .await
        .is(200);
    assert_eq!(listed.elements("PartNumber"), ["1", "2"]);
    assert_eq!(listed.element("NextPartNumberMarker"), "2");
    complete(&server, &upload, &[(7, &last), (1, &first)])
        .await
        .refused(400, "InvalidPartOrder");
    complete(&server, &upload, &[(1, &first), (7, &stale)])
        .await
        .refused(400, "InvalidPart");
    complete(&server, &upload, &[(1, &first), (3, &last)])
        .await
        .refused(400, "InvalidPart");
    complete(&server, &upload, &[])
        .await
        .refused(400, "MalformedXML");
    let done = complete(&server, &upload, &[(1, &first), (7, &last)])
        .await
        .is(200);
    // MD5 of the two parts' MD5s, computed apart from this server.
    assert_eq!(
        done.element("ETag"),
        "\"1895fd3f1fa1af269610f12d13feb801-2\""
    );
    let got = server.get("/bucket/key").await.is(200);
    assert_eq!(
        (got.header("content-type"), got.header("x-amz-meta-n")),
        ("a/b", "1")
    );
    assert_eq!(got.body.len(), MIN + 3);
    assert!(got.body.ends_with(b"\x01end"));
    let second = server.get("/bucket/key?partNumber=2").await.is(206);
    assert_eq!(
        (second.body.as_ref(), second.header("x-amz-mp-parts-count")),
        (&b"end"[..], "2")
    );
    // The answer may have been lost: asking again is no error.
    let again = complete(&server, &upload, &[(1, &first), (7, &last)])
        .await
        .is(200);
    assert_eq!(again.element("ETag"), done.element("ETag"));
    assert_eq!(state.directory.bodies(), 2);
    server.delete("/bucket/key").await.is(204);
    assert_eq!(state.directory.bodies(), 0);
}

#[tokio::test]
async fn parts_but_the_last_have_a_smallest_size() {
    let (_state, server) = with_bucket().await;
    let upload = begin(&server, &[]).await;
    let first = part(&server, &upload, 1, vec![1; MIN - 1]).await;
    let last = part(&server, &upload, 2, vec![2; 1]).await;
    let answer = complete(&server, &upload, &[(1, &first), (2, &last)]).await;
    answer.refused(400, "EntityTooSmall");
    complete(&server, &upload, &[(2, &last)]).await.is(200);
    let target = format!("/bucket/key?partNumber=10001&uploadId={upload}");
    server
        .put(&target, "x")
        .await
        .refused(400, "InvalidArgument");
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let (state, server) = with_bucket().await;
    let upload = begin(&server, &[]).await;
    part(&server, &upload, 1, b"x".to_vec()).await;
    let target = format!("/bucket/key?uploadId={upload}");
    server.delete(&target).await.is(204);
    server.delete(&target).await.refused(404, "NoSuchUpload");
    server
        .put(&format!("{target}&partNumber=1"), "x")
        .await
        .refused(404, "NoSuchUpload");
    server.get(&target).await.refused(404, "NoSuchUpload");
    assert_eq!(state.directory.bodies(), 0);
    begin(&server, &[]).await;
    let upload = begin(&server, &[]).await;
    part(&server, &upload, 1, b"x".to_vec()).await;
    server.delete("/bucket").await.is(204);
    assert_eq!(state.directory.bodies(), 0);
    server.put("/bucket", "").await.is(200);
    let listed = server.get("/bucket?uploads").await.is(200);
    assert!(listed.elements("UploadId").is_empty());
}

#[tokio::test]
async fn uploads_are_listed_by_key_and_time() {
    let (_state, server) = with_bucket().await;
    let mut begun = Vec::new();
    for key in ["b", "a/2", "a/1", "b"] {
        let answer = server
            .post(&format!("/bucket/{key}?uploads"), "")
            .await
            .is(200);
        begun.push(answer.element("UploadId"));
    }
    let first = server.get("/bucket?uploads&max-uploads=3").await.is(200);
    assert_eq!(first.elements("Key"), ["a/1", "a/2", "b"]);
    let (key, id) = (
        first.element("NextKeyMarker"),
        first.element("NextUploadIdMarker"),
    );
    let target = format!("/bucket?uploads&key-marker={key}&upload-id-marker={id}");
    let rest = server.get(&target).await.is(200);
    let mut ids = first.elements("UploadId");
    ids.extend(rest.elements("UploadId"));
    ids.sort();
    begun.sort();
    assert_eq!(ids, begun);
    let after = server.get("/bucket?uploads&key-marker=a/2").await.is(200);
    assert_eq!(after.elements("Key"), ["b", "b"]);
    let groups = server.get("/bucket?uploads&delimiter=/").await.is(200);
    assert_eq!(groups.elements("CommonPrefixes"), ["<Prefix>a/</Prefix>"]);
    assert_eq!(groups.elements("Key"), ["b", "b"]);
}

#[tokio::test]
async fn parts_are_copied_from_objects() {
    let (_state, server) = with_bucket().await;
    server.put("/bucket/from", "0123456789").await.is(200);
    let upload = begin(&server, &[("x-amz-checksum-algorithm", "CRC32")]).await;
    let target = format!("/bucket/key?partNumber=1&uploadId={upload}");
    let copy = async |range: &str| {
        let headers = [
            ("x-amz-copy-source", "/bucket/from"),
            ("x-amz-copy-source-range", range),
        ];
        server.ask(Method::PUT, &target, &headers, "").await
    };
    copy("bytes=5-10").await.refused(416, "InvalidRange");
    copy("bytes=5-").await.refused(400, "InvalidArgument");
    let copied = copy("bytes=2-4").await.is(200);
    assert_eq!(
        copied.element("ETag"),
        "\"289dff07669d7a23de0ef88d2f7129e7\""
    );
    let etag = copied.element("ETag");
    complete(&server, &upload, &[(1, &etag)]).await.is(200);
    assert_eq!(server.get("/bucket/key").await.body, "234");
}

#[tokio::test]
async fn checksums_of_parts_become_those_of_the_object() {
    let (_state, server) = with_bucket().await;
    let whole = [
        ("x-amz-checksum-algorithm", "CRC32"),
        ("x-amz-checksum-type", "FULL_OBJECT"),
    ];
    let upload = begin(&server, &whole).await;
    let target = format!("/bucket/key?partNumber=1&uploadId={upload}");
    let other = [("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=")];
    let answer = server.ask(Method::PUT, &target, &other, "123456789").await;
    answer.refused(400, "InvalidRequest");
    let first = part(&server, &upload, 1, vec![0; MIN]).await;
    let last = part(&server, &upload, 2, b"123456789".to_vec()).await;
    complete(&server, &upload, &[(1, &first), (2, &last)])
        .await
        .is(200);
    let headers = [("x-amz-checksum-mode", "ENABLED")];
    let got = server
        .ask(Method::GET, "/bucket/key", &headers, "")
        .await
        .is(200);
    assert_eq!(got.header("x-amz-checksum-type"), "FULL_OBJECT");
    let mut bytes = vec![0; MIN];
    bytes.extend_from_slice(b"123456789");
    let again = [("x-amz-checksum-crc32", got.header("x-amz-checksum-crc32"))];
    // Computed here from the whole: the put would be refused if the joined one were another.
    server
        .ask(Method::PUT, "/bucket/whole", &again, bytes)
        .await
        .is(200);
    let sha = [
        ("x-amz-checksum-algorithm", "SHA256"),
        ("x-amz-checksum-type", "FULL_OBJECT"),
    ];
    let answer = server
        .ask(Method::POST, "/bucket/key?uploads", &sha, "")
        .await;
    answer.refused(400, "InvalidRequest");
}
