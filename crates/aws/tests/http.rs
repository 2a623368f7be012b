//! The listener on real sockets: both HTTP versions, plain and TLS, and clients that behave badly.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws::server::Server;
use aws::{
    Caller, Event, Limits, Name, Operations, Query, RawReply, RawRequest, Router, ServiceError, tls,
};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

#[path = "http/guest.rs"]
mod guest;
#[path = "http/polls.rs"]
mod polls;
#[path = "http/query.rs"]
mod query;
#[path = "http/strangers.rs"]
mod strangers;
#[path = "http/windows.rs"]
mod windows;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service to be served: echoes, waits until told, goes on without end.
#[derive(Default)]
struct Probe {
    begun: Notify,
    go: Notify,
    finished: AtomicUsize,
    done: Notify,
    dropped: Notify,
}

const QUERY: Query = Query {
    version: "2026-11-23",
    xml_namespace: "http://probe/doc/",
    error_namespace: "com.example.probe",
    path_member: Some("Url"),
    inputs: &[Name::list("Items", "Item")],
    outputs: &[Name::list("Items", "Item")],
};

async fn echo(_: Arc<Probe>, _: Caller, request: RawRequest) -> Result<RawReply, ServiceError> {
    Ok(request.body.into())
}

async fn wait(probe: Arc<Probe>, _: Caller, (): ()) -> Result<(), ServiceError> {
    probe.begun.notify_one();
    probe.go.notified().await;
    probe.finished.fetch_add(1, Ordering::SeqCst);
    probe.done.notify_one();
    Ok(())
}

/// Tells when it is dropped.
struct Guard(Arc<Probe>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.dropped.notify_one();
    }
}

/// A long poll.
async fn poll(probe: Arc<Probe>, _: Caller, (): ()) -> Result<(), ServiceError> {
    let guard = Guard(Arc::clone(&probe));
    probe.begun.notify_one();
    probe.go.notified().await;
    drop(guard);
    probe.finished.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mirrored {
    count: Option<i32>,
    items: Option<Vec<Item>>,
    queue_url: Option<String>,
    url: Option<String>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    body: String,
}

async fn mirror(_: Arc<Probe>, _: Caller, input: Mirrored) -> Result<Mirrored, ServiceError> {
    Ok(input)
}

async fn endless(
    _: Arc<Probe>,
    caller: Caller,
    (): (),
) -> Result<BoxStream<'static, Result<Event, ServiceError>>, ServiceError> {
    let first = Event::new("Hello", &[("Secure", caller.secure.to_string())]);
    Ok(stream::iter([Ok(first)]).chain(stream::pending()).boxed())
}

struct Running {
    address: String,
    probe: Arc<Probe>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    certificates: PathBuf,
}

impl Running {
    async fn start(name: &str, limits: Limits) -> Running {
        Running::start_with(name, |router| router.limits(limits)).await
    }

    async fn start_with(name: &str, with: impl FnOnce(Router) -> Router) -> Running {
        let probe = Arc::new(Probe::default());
        let operations = Operations::new("probe", "Probe_1")
            .query(&QUERY)
            .raw("Echo", echo)
            .on("Wait", &[], wait)
            .on("Poll", &[], poll)
            .abandonable()
            .on("Mirror", &[], mirror)
            .event_stream("Endless", &[], endless);
        let router = with(Router::new([operations.serve(Arc::clone(&probe))]));
        let certificates =
            std::env::temp_dir().join(format!("headwater-http-{name}-{}", std::process::id()));
        let tls = tls::self_signed(&certificates).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::new(listener, Arc::new(router), Some(tls));
        let address = server.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Running {
            address,
            probe,
            stop: Some(stop),
            task,
            certificates,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }

    /// Stops the server; it must end by itself.
    async fn stop(mut self) {
        self.ask_to_stop();
        timeout(PATIENCE, &mut self.task).await.unwrap().unwrap();
        std::fs::remove_dir_all(&self.certificates).unwrap();
    }

    fn ask_to_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).unwrap();
        }
    }
}

fn request(operation: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post("http://probe.localhost/")
        .header("host", "probe.localhost")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("Probe_1.{operation}"))
        .body(Full::new(body.into()))
        .unwrap()
}

const WAIT: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-amz-json-1.1\r\n\
                    x-amz-target: Probe_1.Wait\r\ncontent-length: 2\r\n\r\n{}";

trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

async fn http1(stream: impl Stream) -> hyper::client::conn::http1::SendRequest<Full<Bytes>> {
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

async fn http2(stream: impl Stream) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    sender
}

async fn in_tls(server: &Running, protocol: &[u8]) -> tokio_rustls::client::TlsStream<TcpStream> {
    let pem = std::fs::read(server.certificates.join("certificate.pem")).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(&pem).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = connector
        .connect(name, server.connect().await)
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    stream
}

/// All that the server says until it hangs up.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut heard = Vec::new();
    // A connection reset is a way of hanging up too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut heard))
        .await
        .unwrap();
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test]
async fn both_versions_are_served_plain_and_in_tls() {
    let server = Running::start("versions", Limits::default()).await;
    let body = Bytes::from(vec![b'x'; 3 << 20]);
    for mut client in [
        http1(server.connect().await).await,
        http1(in_tls(&server, b"http/1.1").await).await,
    ] {
        for _ in 0..3 {
            client.ready().await.unwrap();
            let response = client
                .send_request(request("Echo", body.clone()))
                .await
                .unwrap();
            assert_eq!(
                (response.status(), response.version()),
                (StatusCode::OK, Version::HTTP_11)
            );
            assert_eq!(
                response.into_body().collect().await.unwrap().to_bytes(),
                body
            );
        }
    }
    for client in [
        http2(server.connect().await).await,
        http2(in_tls(&server, b"h2").await).await,
    ] {
        let many = (0..20).map(|_| {
            let mut client = client.clone();
            let body = body.clone();
            async move {
                let response = client
                    .send_request(request("Echo", body.clone()))
                    .await
                    .unwrap();
                assert_eq!(
                    (response.status(), response.version()),
                    (StatusCode::OK, Version::HTTP_2)
                );
                assert_eq!(
                    response.into_body().collect().await.unwrap().to_bytes(),
                    body
                );
            }
        });
        futures_util::future::join_all(many).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn requests_can_be_pipelined() {
    let server = Running::start("pipelined", Limits::default()).await;
    let mut stream = server.connect().await;
    let one = "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-amz-json-1.1\r\nx-amz-target: Probe_1.Echo\r\n\
               content-length: 2\r\n\r\n{}";
    stream.write_all(one.repeat(9).as_bytes()).await.unwrap();
    let last = one.replace("host: a", "host: a\r\nconnection: close");
    stream.write_all(last.as_bytes()).await.unwrap();
    let heard = rest(&mut stream).await;
    assert_eq!(heard.matches("HTTP/1.1 200 OK").count(), 10);
    server.stop().await;
}

#[tokio::test]
async fn garbage_is_hung_up_on_and_harms_nobody() {
    let limits = Limits {
        header_time_max: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = Running::start("garbage", limits).await;
    let mut noise = Vec::new();
    let mut state = 1_u32;
    for length in 0..200 {
        let bytes: Vec<u8> = (0..length * 7)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        noise.push(bytes);
    }
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-amz-cbor-1.1\r\nx-amz-target: Probe_1.Wait\r\n";
    noise.extend([
        b"\x16".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00".to_vec(),
        b"\x16\xff\xff\xff\xff\xff\xff\xff".repeat(100),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        b"GET / HTTP/1.1\r\n".repeat(10_000),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET /\0 HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        [&head[..], b"content-length: -1\r\n\r\n"].concat(),
        [&head[..], b"content-length: 99999999999999999999\r\n\r\n"].concat(),
        [
            &head[..],
            b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        ]
        .concat(),
        [&head[..], b"transfer-encoding: chunked\r\n\r\nzz\r\n"].concat(),
        [
            &head[..],
            b"content-length: 4\r\nconnection: close\r\n\r\n\xff\xff\xff\xff",
        ]
        .concat(),
        [&head[..], b"x-big: ", &b"a".repeat(1 << 20), b"\r\n\r\n"].concat(),
    ]);
    for bytes in noise {
        let mut stream = server.connect().await;
        // The server may hang up before it has heard it all.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        rest(&mut stream).await;
    }
    let mut client = http1(server.connect().await).await;
    let response = client.send_request(request("Echo", "{}")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    server.stop().await;
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_in_the_form_of_aws() {
    let limits = Limits {
        body_bytes_max: 1000,
        ..Limits::default()
    };
    let server = Running::start("large", limits).await;
    let mut client = http2(server.connect().await).await;
    let response = client
        .send_request(request("Echo", vec![b'x'; 1000]))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let response = client
        .send_request(request("Echo", vec![b'x'; 1001]))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        response.headers()["x-amzn-errortype"],
        "RequestEntityTooLarge"
    );
    // Without a length said beforehand.
    let mut stream = server.connect().await;
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-amz-json-1.1\r\nx-amz-target: Probe_1.Echo\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1000));
    stream
        .write_all((head.to_owned() + &chunk + &chunk).as_bytes())
        .await
        .unwrap();
    let heard = rest(&mut stream).await;
    assert!(heard.starts_with("HTTP/1.1 413 "), "{heard}");
    server.stop().await;
}

#[tokio::test]
async fn slow_and_idle_clients_are_hung_up_on() {
    let limits = Limits {
        body_pause_max: Duration::from_millis(100),
        header_time_max: Duration::from_millis(100),
        idle_time_max: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = Running::start("slow", limits).await;
    let mut silent = server.connect().await;
    assert_eq!(rest(&mut silent).await, "");
    let mut in_head = server.connect().await;
    in_head
        .write_all(b"POST / HTTP/1.1\r\nhost:")
        .await
        .unwrap();
    assert_eq!(rest(&mut in_head).await, "");
    let mut in_tls = server.connect().await;
    in_tls.write_all(b"\x16\x03\x01").await.unwrap();
    assert_eq!(rest(&mut in_tls).await, "");
    let mut in_body = server.connect().await;
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-amz-json-1.1\r\nx-amz-target: Probe_1.Echo\r\n\
                content-length: 10\r\n\r\n{";
    in_body.write_all(head.as_bytes()).await.unwrap();
    let heard = rest(&mut in_body).await;
    assert!(heard.starts_with("HTTP/1.1 408 "), "{heard}");
    let mut idle = server.connect().await;
    let whole = head.replace("10", "1");
    idle.write_all(whole.as_bytes()).await.unwrap();
    let heard = rest(&mut idle).await;
    assert!(heard.starts_with("HTTP/1.1 200 "), "{heard}");
    server.stop().await;
}

#[tokio::test]
async fn a_disconnect_does_not_cancel_what_was_begun() {
    let server = Running::start("disconnect", Limits::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(WAIT.as_bytes()).await.unwrap();
    timeout(PATIENCE, server.probe.begun.notified())
        .await
        .unwrap();
    drop(stream);
    let mut client = http2(server.connect().await).await;
    let sent =
        tokio::spawn(async move { client.send_request(request("Wait", "{}")).await.map(|_| ()) });
    timeout(PATIENCE, server.probe.begun.notified())
        .await
        .unwrap();
    sent.abort();
    let _ = sent.await;
    for _ in 0..2 {
        server.probe.go.notify_one();
        timeout(PATIENCE, server.probe.done.notified())
            .await
            .unwrap();
    }
    assert_eq!(server.probe.finished.load(Ordering::SeqCst), 2);
    server.stop().await;
}

#[tokio::test]
async fn shutdown_finishes_requests_and_ends_replies_of_events() {
    let mut server = Running::start("shutdown", Limits::default()).await;
    let mut subscriber = http2(in_tls(&server, b"h2").await).await;
    let mut events = subscriber
        .send_request(request("Endless", "{}"))
        .await
        .unwrap()
        .into_body();
    let first = events.frame().await.unwrap().unwrap().into_data().unwrap();
    let (message, _) = aws::event_stream::decode(&first).unwrap().unwrap();
    assert_eq!(message.header(":event-type"), Some("initial-response"));
    let mut client = http1(server.connect().await).await;
    let under_way = tokio::spawn(client.send_request(request("Wait", "{}")));
    timeout(PATIENCE, server.probe.begun.notified())
        .await
        .unwrap();
    server.ask_to_stop();
    let all: Vec<_> = events.into_data_stream().collect().await;
    assert!(all.iter().all(Result::is_ok), "the stream ends in order");
    assert!(!under_way.is_finished());
    server.probe.go.notify_one();
    let response = timeout(PATIENCE, under_way)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let address = server.address.clone();
    server.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_request_that_does_not_finish_is_cut_off_at_the_deadline() {
    let limits = Limits {
        drain_time_max: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = Running::start("deadline", limits).await;
    let mut client = http1(server.connect().await).await;
    let under_way = tokio::spawn(client.send_request(request("Wait", "{}")));
    timeout(PATIENCE, server.probe.begun.notified())
        .await
        .unwrap();
    server.stop().await;
    assert!(
        timeout(PATIENCE, under_way)
            .await
            .unwrap()
            .unwrap()
            .is_err()
    );
}

#[tokio::test]
async fn shutdown_waits_for_what_a_departed_client_began() {
    let mut server = Running::start("departed", Limits::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(WAIT.as_bytes()).await.unwrap();
    timeout(PATIENCE, server.probe.begun.notified())
        .await
        .unwrap();
    drop(stream);
    server.ask_to_stop();
    let early = timeout(Duration::from_millis(300), &mut server.task).await;
    assert!(early.is_err(), "the server did not wait");
    server.probe.go.notify_one();
    let probe = Arc::clone(&server.probe);
    server.stop().await;
    assert_eq!(probe.finished.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_their_turn() {
    let limits = Limits {
        connections_max: 1,
        ..Limits::default()
    };
    let server = Running::start("turns", limits).await;
    let mut first = http1(server.connect().await).await;
    let under_way = tokio::spawn(first.send_request(request("Wait", "{}")));
    timeout(PATIENCE, server.probe.begun.notified())
        .await
        .unwrap();
    let mut second = http1(server.connect().await).await;
    let waiting = tokio::spawn(async move { second.send_request(request("Echo", "{}")).await });
    server.probe.go.notify_one();
    timeout(PATIENCE, under_way)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    drop(first);
    let response = timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    server.stop().await;
}
