//! Connections as a client sees them, and the buffer of their answers.

mod hostile;
mod many;

use std::task::Context;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, DuplexStream, ReadBuf, duplex};

use super::*;
use crate::wire::fetch_request::FetchTopic;
use crate::wire::{
    ApiVersionsRequestData, ApiVersionsResponseData, FetchPartition, FetchRequestData,
    MetadataRequestData, Request, text,
};
use crate::world::{World, batch, produce_request};

const API_VERSIONS: i16 = ApiKey::ApiVersions as i16;
const METADATA: i16 = ApiKey::Metadata as i16;

#[derive(Clone, Debug)]
enum Step {
    Tail(Vec<u8>),
    Push(Vec<u8>),
    Append(Vec<u8>),
    Behind(Vec<u8>),
    Advance(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..20);
    let step = prop_oneof![
        bytes().prop_map(Step::Tail),
        bytes().prop_map(Step::Push),
        bytes().prop_map(Step::Append),
        bytes().prop_map(Step::Behind),
        (0usize..60).prop_map(Step::Advance),
    ];
    prop::collection::vec(step, 0..40)
}

fn vectored(chunks: &Chunks) -> Vec<u8> {
    let mut slices = [io::IoSlice::new(&[]); 64];
    let count = chunks.chunks_vectored(&mut slices);
    slices[..count]
        .iter()
        .flat_map(|slice| slice.to_vec())
        .collect()
}

proptest! {
    #[test]
    fn chunks_are_one_buffer(steps in steps()) {
        let mut chunks = Chunks::default();
        let mut model: Vec<u8> = Vec::new();
        for step in steps {
            match step {
                Step::Tail(bytes) => {
                    chunks.tail().put_slice(&bytes);
                    model.extend(bytes);
                }
                Step::Push(bytes) => {
                    model.extend(&bytes);
                    chunks.push(bytes.into());
                }
                Step::Append(bytes) => {
                    let mut other = Chunks::default();
                    other.tail().put_slice(&bytes);
                    other.push(Bytes::from_static(b"x"));
                    chunks.append(other);
                    model.extend(bytes);
                    model.push(b'x');
                }
                Step::Behind(bytes) => {
                    let length = model.len();
                    chunks = chunks.behind(|seen| {
                        assert_eq!(seen, length);
                        bytes.clone().into()
                    });
                    model.splice(0..0, bytes);
                }
                Step::Advance(count) => {
                    let count = count.min(model.len());
                    chunks.advance(count);
                    model.drain(..count);
                }
            }
            prop_assert_eq!(chunks.remaining(), model.len());
            prop_assert!(model.starts_with(chunks.chunk()));
            prop_assert!(model.is_empty() || !chunks.chunk().is_empty());
            prop_assert_eq!(vectored(&chunks), model.clone());
        }
        prop_assert_eq!(chunks.copy_to_bytes(model.len()), model);
    }
}

/// A client's end of a connection, and what the server makes of its end.
struct Client {
    socket: DuplexStream,
    server: tokio::task::JoinHandle<()>,
}

impl Client {
    fn of(world: &World) -> Client {
        let (socket, other) = duplex(1 << 20);
        let broker = Arc::clone(&world.broker);
        let session = Arc::clone(&world.session);
        Client {
            socket,
            server: tokio::spawn(serve(broker, session, other, std::future::pending())),
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// The next answer's correlation id and body.
    async fn answer(&mut self) -> (i32, Bytes) {
        let length = self.socket.read_u32().await.unwrap();
        let mut answer = vec![0; length as usize];
        self.socket.read_exact(&mut answer).await.unwrap();
        let mut answer = Bytes::from(answer);
        (answer.get_i32(), answer)
    }

    /// Asserts that the server closes the connection without another byte.
    async fn must_be_closed(mut self) {
        let mut rest = Vec::new();
        self.socket.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "{rest:?}");
        self.server.await.expect("no panic");
    }

    /// Goes, whatever is under way.
    async fn go(self) {
        drop(self.socket);
        self.server.await.expect("no panic");
    }
}

/// A request with its header and length.
fn framed(key: i16, version: i16, correlation: i32, body: &[u8]) -> Vec<u8> {
    let header = RequestHeaderData {
        request_api_key: key,
        request_api_version: version,
        correlation_id: correlation,
        client_id: Some(text("test")),
        ..RequestHeaderData::default()
    };
    let mut bytes = BytesMut::new();
    header
        .write(&mut bytes, request_header_version(key, version))
        .unwrap();
    bytes.put_slice(body);
    let length = (bytes.len() as u32).to_be_bytes();
    [&length[..], &bytes].concat()
}

fn api_versions(version: i16, correlation: i32) -> Vec<u8> {
    let mut body = BytesMut::new();
    let request = ApiVersionsRequestData {
        client_software_name: text("test"),
        client_software_version: text("1"),
        ..ApiVersionsRequestData::default()
    };
    request.write(&mut body, version.min(4)).unwrap();
    framed(API_VERSIONS, version, correlation, &body)
}

fn metadata(correlation: i32) -> Vec<u8> {
    let mut body = BytesMut::new();
    let request = MetadataRequestData {
        topics: None,
        ..MetadataRequestData::default()
    };
    request.write(&mut body, 9).unwrap();
    framed(METADATA, 9, correlation, &body)
}

/// A fetch from the end of the topic `t` that waits for long.
fn waiting_fetch(correlation: i32, offset: i64) -> Vec<u8> {
    let request = FetchRequestData {
        max_wait_ms: 60_000,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![FetchTopic {
            topic: text("t"),
            partitions: vec![FetchPartition {
                fetch_offset: offset,
                partition_max_bytes: 1 << 20,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        session_epoch: -1,
        ..FetchRequestData::default()
    };
    let mut body = BytesMut::new();
    request.write(&mut body, 12).unwrap();
    framed(ApiKey::Fetch as i16, 12, correlation, &body)
}

fn produce(correlation: i32, value: &str) -> Vec<u8> {
    let request = produce_request(&[("t", 0, Some(batch(&[value]).bytes().clone()))]);
    let mut body = BytesMut::new();
    request.write(&mut body, 9).unwrap();
    framed(ApiKey::Produce as i16, 9, correlation, &body)
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_in_their_order() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let mut client = Client::of(&world);
    let requests = [
        waiting_fetch(1, 0),
        api_versions(3, 2),
        produce(3, "a"),
        metadata(4),
        produce(5, "b"),
        waiting_fetch(6, 1),
        api_versions(0, 7),
    ];
    client.send(&requests.concat()).await;
    for expected in 1..=7 {
        assert_eq!(client.answer().await.0, expected);
    }
    client.go().await;
}

#[tokio::test]
async fn more_requests_than_may_be_under_way_are_all_answered() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let mut client = Client::of(&world);
    let count = 3 * Limits::default().pending_max as i32;
    let requests: Vec<u8> = (0..count).flat_map(|n| produce(n, "a")).collect();
    client.send(&requests).await;
    for expected in 0..count {
        assert_eq!(client.answer().await.0, expected);
    }
    client.go().await;
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte() {
    let world = World::new().await;
    let mut client = Client::of(&world);
    for byte in [metadata(1), api_versions(3, 2)].concat() {
        client.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.answer().await.0, 1);
    assert_eq!(client.answer().await.0, 2);
    client.go().await;
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_is_answered_with_what_there_is() {
    let world = World::new().await;
    let mut client = Client::of(&world);
    client.send(&api_versions(99, 5)).await;
    let (correlation, mut body) = client.answer().await;
    assert_eq!(correlation, 5);
    let answer = ApiVersionsResponseData::read(&mut body, 0).unwrap();
    assert_eq!(answer.error_code, 35);
    let has = |key| answer.api_keys.iter().any(|api| api.api_key == key);
    assert!(has(API_VERSIONS) && has(METADATA));
    // The connection goes on.
    client.send(&api_versions(0, 6)).await;
    assert_eq!(client.answer().await.0, 6);
    client.go().await;
}

#[tokio::test]
async fn what_is_no_request_closes_the_connection() {
    let world = World::new().await;
    let wrong: [Vec<u8>; 9] = [
        framed(999, 0, 1, &[]),
        framed(-1, 0, 1, &[]),
        framed(METADATA, 99, 1, &[]),
        framed(METADATA, -1, 1, &[]),
        framed(METADATA, 9, 1, &[0xff; 40]),
        vec![0, 0, 0, 0],
        vec![0, 0, 0, 3, 0, 3, 0],
        (-1i32).to_be_bytes().to_vec(),
        (i32::MAX).to_be_bytes().to_vec(),
    ];
    for bytes in wrong {
        let mut client = Client::of(&world);
        client.send(&bytes).await;
        client.must_be_closed().await;
    }
}

#[tokio::test]
async fn half_a_request_is_no_request() {
    let world = World::new().await;
    let whole = metadata(1);
    for length in 0..whole.len() {
        let mut client = Client::of(&world);
        client.send(&whole[..length]).await;
        client.go().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_stalls_within_a_request_is_hung_up_on() {
    let world = World::new().await;
    let mut client = Client::of(&world);
    client.send(&metadata(1)[..9]).await;
    let started = Instant::now();
    client.must_be_closed().await;
    assert_eq!(
        started.elapsed().as_secs(),
        Limits::default().stall_max.as_secs()
    );
    let idle = Client::of(&world);
    let started = Instant::now();
    idle.must_be_closed().await;
    assert_eq!(
        started.elapsed().as_secs(),
        Limits::default().idle_max.as_secs()
    );
}

/// Takes all that is written at once, as TLS does, and sends it when flushed.
struct Sealing {
    socket: DuplexStream,
    held: BytesMut,
}

impl AsyncRead for Sealing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Sealing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.held.put_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Sealing { socket, held } = &mut *self;
        while !held.is_empty() {
            let sent = std::task::ready!(Pin::new(&mut *socket).poll_write(context, held))?;
            held.advance(sent);
        }
        Pin::new(socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

async fn with_large_records() -> World {
    let world = World::new().await;
    let limit = [("max.message.bytes", "10000000")];
    world.topic("t", 1, &limit).await;
    let large = batch(&[&"x".repeat(3 << 20)]).bytes().clone();
    assert_eq!(world.produce("t", large).await.error_code, 0);
    world
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_hung_up_on_over_tls_too() {
    let world = with_large_records().await;
    let (mut client, socket) = duplex(1 << 20);
    let held = BytesMut::new();
    let (broker, session) = (Arc::clone(&world.broker), Arc::clone(&world.session));
    let stream = Sealing { socket, held };
    let server = tokio::spawn(serve(broker, session, stream, std::future::pending()));
    client.write_all(&waiting_fetch(1, 0)).await.unwrap();
    let started = Instant::now();
    server.await.expect("no panic");
    let stalled = started.elapsed().as_secs();
    assert_eq!(stalled, Limits::default().stall_max.as_secs());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_hung_up_on_whatever_else_is_asked_for() {
    let world = with_large_records().await;
    let mut client = Client::of(&world);
    for correlation in 1..=3 {
        client.send(&waiting_fetch(correlation, 0)).await;
    }
    let started = Instant::now();
    client.server.await.expect("no panic");
    let stalled = started.elapsed().as_secs();
    assert_eq!(stalled, Limits::default().stall_max.as_secs());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
}

/// Any bytes as the body of any request.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::collection::vec(any::<u8>(), 0..200);
    (0i16..95, 0i16..14, body).prop_map(|(key, version, body)| framed(key, version, 1, &body))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn garbage_never_panics(requests in prop::collection::vec(garbage(), 1..4)) {
        runtime().block_on(async {
            let world = World::new().await;
            let mut client = Client::of(&world);
            // It may have hung up already.
            let _ = client.socket.write_all(&requests.concat()).await;
            let _ = client.socket.shutdown().await;
            let mut rest = Vec::new();
            let _ = client.socket.read_to_end(&mut rest).await;
            client.server.await.expect("no panic");
        });
    }

    #[test]
    fn a_harmed_request_never_panics(at in 8usize..200, byte: u8, which in 0usize..3) {
        let mut request = [metadata(1), produce(1, "a"), waiting_fetch(1, 0)][which].clone();
        let at = at % (request.len() - 8) + 8;
        request[at] = byte;
        runtime().block_on(async {
            let world = World::new().await;
            world.topic("t", 1, &[]).await;
            let mut client = Client::of(&world);
            client.send(&request).await;
            client.go().await;
        });
    }
}

#[test]
fn the_table_has_each_api_once_and_its_codec_has_all_its_versions() {
    let apis = Apis::all(&crate::counters::Counters::default());
    let keys: Vec<i16> = apis.iter().map(|api| api.key as i16).collect();
    assert!(
        keys.is_sorted_by(|before, after| before < after),
        "{keys:?}"
    );
    // The oldest body that all versions of ApiVersions read is empty.
    assert!(ApiVersionsRequestData::decode(&mut Bytes::new(), 0).is_ok());
}
