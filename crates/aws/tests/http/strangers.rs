//! Requests that nobody can tell yet whose they are: what they announce and half send shuts nobody out.

use std::convert::Infallible;

use aws::sigv4::{Credentials, Keys, Verifier, sign};
use aws::{Auth, Region};
use aws_lc_rs::digest;
use http::request::Parts;
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Frame;
use hyper::client::conn::http2::SendRequest;

use super::*;

const MIB: usize = 1 << 20;

type AnyBody = UnsyncBoxBody<Bytes, Infallible>;

async fn checking(name: &str, limits: Limits) -> Running {
    let keys = Keys::from_iter([("key".to_owned(), "secret".to_owned())]);
    let auth = Auth::On(Verifier::new(keys));
    Running::start_with(name, |router| router.limits(limits).auth(auth)).await
}

fn signed(mut parts: Parts, body: &[u8], key: &str, secret: &str) -> Parts {
    let credentials = Credentials {
        access_key: key.to_owned(),
        secret_key: secret.to_owned(),
        session_token: None,
    };
    let now = model::Clock::system().now();
    sign(
        &mut parts,
        body,
        &credentials,
        &Region::unnamed(),
        "probe",
        now,
    );
    parts
}

/// An Echo of who holds the key.
fn honest(body: &Bytes) -> Request<Full<Bytes>> {
    let (parts, full) = request("Echo", body.clone()).into_parts();
    Request::from_parts(signed(parts, body, "key", "secret"), full)
}

/// The same, whose head says which body is meant.
fn honest_and_plain(body: &Bytes) -> Request<Full<Bytes>> {
    let (mut parts, full) = request("Echo", body.clone()).into_parts();
    let hash = digest::digest(&digest::SHA256, body);
    let digits: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let digits = digits.try_into().unwrap();
    parts.headers.insert("x-amz-content-sha256", digits);
    Request::from_parts(signed(parts, body, "key", "secret"), full)
}

/// Announces a body of `length` and sends none of it.
async fn announce(server: &Running, parts: &Parts, length: usize) -> TcpStream {
    let mut head = format!("POST / HTTP/1.1\r\nconnection: close\r\ncontent-length: {length}\r\n");
    for (name, value) in &parts.headers {
        head += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    let mut stream = server.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"\r\n").await.unwrap();
    stream
}

/// Asks until the answer is of this status: what others sent is on its way.
async fn asked_until(
    client: &mut SendRequest<Full<Bytes>>,
    request: impl Fn() -> Request<Full<Bytes>>,
    status: StatusCode,
) {
    let asked = async { while client.send_request(request()).await.unwrap().status() != status {} };
    timeout(PATIENCE, asked).await.unwrap();
}

#[tokio::test]
async fn who_holds_no_key_has_nothing_held() {
    let room = 16 * MIB;
    let limits = Limits {
        body_bytes_max: room,
        buffered_bytes_max: room,
        unverified_bytes_max: room,
        connection_bytes_max: room,
        ..Limits::default()
    };
    let server = checking("strangers", limits).await;
    let (unsigned, _) = request("Echo", "").into_parts();
    let unknown = signed(unsigned.clone(), b"", "stranger", "secret");
    let mut form = unsigned.clone();
    form.headers.remove("x-amz-target");
    let label = "application/x-www-form-urlencoded".try_into().unwrap();
    form.headers.insert("content-type", label);
    let cases = [
        (unsigned, "errortype: MissingAuthenticationTokenException"),
        (unknown, "errortype: UnrecognizedClientException"),
        (form, "<Code>MissingAuthenticationToken</Code>"),
    ];
    let body = Bytes::from(vec![b'x'; room]);
    let mut strangers = Vec::new();
    for (parts, answer) in &cases {
        let mut stream = announce(&server, parts, room).await;
        // More than the sockets between hold.
        stream.write_all(&body[..12 * MIB]).await.unwrap();
        strangers.push((stream, answer));
    }
    let mut client = http2(server.connect().await).await;
    let response = client.send_request(honest(&body)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    drop(response);
    for (mut stream, answer) in strangers {
        stream.write_all(&body[12 * MIB..]).await.unwrap();
        let heard = rest(&mut stream).await;
        assert!(heard.contains(answer), "{heard}");
    }
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn who_knows_but_the_name_of_a_key_leaves_room() {
    let limits = Limits {
        unverified_bytes_max: MIB,
        ..Limits::default()
    };
    let server = checking("forgers", limits).await;
    let (parts, _) = request("Echo", "").into_parts();
    let forged = signed(parts, b"", "key", "guess");
    let mut stream = announce(&server, &forged, 2 * MIB).await;
    stream.write_all(&vec![b'x'; MIB]).await.unwrap();
    let mut client = http2(server.connect().await).await;
    let body = Bytes::from("{}");
    asked_until(
        &mut client,
        || honest(&body),
        StatusCode::SERVICE_UNAVAILABLE,
    )
    .await;
    let large = Bytes::from(vec![b'x'; 2 * MIB]);
    let response = client.send_request(honest_and_plain(&large)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    drop((response, stream));
    asked_until(&mut client, || honest(&body), StatusCode::OK).await;
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn many_large_requests_come_at_once_over_one_connection() {
    let server = checking("many", Limits::default()).await;
    let client = http2(server.connect().await).await;
    let body = Bytes::from(vec![b'x'; 4 * MIB]);
    let many = (0..24).map(|_| {
        let mut client = client.clone();
        let request = honest(&body);
        async move {
            let response = client.send_request(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let echo = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(echo.len(), 4 * MIB);
        }
    });
    futures_util::future::join_all(many).await;
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn one_connection_leaves_room_to_others() {
    let limits = Limits {
        connection_bytes_max: MIB,
        ..Limits::default()
    };
    let server = Running::start("hog", limits).await;
    let stream = TokioIo::new(server.connect().await);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake::<_, _, AnyBody>(TokioExecutor::new(), stream)
            .await
            .unwrap();
    tokio::spawn(connection);
    let whole = |body: Bytes| request("Echo", body).map(BodyExt::boxed_unsync);
    // Its second half never comes.
    let half = stream::iter([Ok(Frame::data(Bytes::from(vec![b'x'; MIB])))]);
    let half = StreamBody::new(half.chain(stream::pending())).boxed_unsync();
    let half = request("Echo", "").map(|_| half);
    let mut same = client.clone();
    let unfinished = tokio::spawn(async move { same.send_request(half).await.map(drop) });
    let refused = async {
        loop {
            let response = client.send_request(whole("{}".into())).await.unwrap();
            if response.status() == StatusCode::SERVICE_UNAVAILABLE {
                return;
            }
        }
    };
    timeout(PATIENCE, refused).await.unwrap();
    let mut other = http2(server.connect().await).await;
    let large = request("Echo", vec![b'x'; MIB]);
    let response = other.send_request(large).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    unfinished.abort();
    drop((client, other, response));
    server.stop().await;
}

/// A head of more than 64 KiB, but for its end.
fn long_head() -> String {
    let long = "x".repeat(200 << 10);
    format!("GET /none HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-long: {long}")
}

/// Ends a head; whether it is taken.
async fn end_head(mut stream: TcpStream) -> bool {
    // Who is refused may be hung up on meanwhile.
    let _ = stream.write_all(b"\r\n\r\n").await;
    let heard = rest(&mut stream).await;
    heard.contains("HTTP/1.1 ") && !heard.contains("HTTP/1.1 431 ")
}

#[tokio::test]
async fn unfinished_heads_have_a_bound_together() {
    let limits = Limits {
        connections_max: 4,
        // Room for four that read 64 KiB ahead, and for one of them to read 448 KiB.
        read_ahead_bytes_max: (3 * 64 + 448) << 10,
        ..Limits::default()
    };
    let server = Running::start("heads", limits).await;
    let mut far = server.connect().await;
    let small = b"OPTIONS /none HTTP/1.1\r\nhost: x\r\n\r\n";
    far.write_all(small).await.unwrap();
    // The rest of the answer is not taken for another.
    assert_ne!(far.read(&mut [0]).await.unwrap(), 0);
    far.write_all(long_head().as_bytes()).await.unwrap();
    let mut near = server.connect().await;
    let _ = near.write_all(long_head().as_bytes()).await;
    assert!(!end_head(near).await);
    assert!(end_head(far).await);
    // The server may notice last that it is gone.
    let taken = async {
        loop {
            let mut next = server.connect().await;
            let _ = next.write_all(long_head().as_bytes()).await;
            if end_head(next).await {
                break;
            }
        }
    };
    timeout(PATIENCE, taken).await.unwrap();
    server.stop().await;
}
