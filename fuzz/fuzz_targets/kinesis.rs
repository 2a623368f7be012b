//! Kinesis, request after request: whatever is asked, no answer is a failure inside.
//!
//! Requests are divided by a line of four equals signs. `$ITERATOR` stands for an iterator of stream `s`, `$TOKEN` for a page
//! token of its shards. The store is new for each input, so that a failure is repeatable.
#![no_main]

use std::sync::Arc;

use aws::Router;
use bytes::Bytes;
use futures_util::StreamExt;
use http::Response;
use http::request::Parts;
use libfuzzer_sys::fuzz_target;
use model::{Clock, Rng, Timestamp};
use services::kinesis::{Kinesis, Limits, operations};
use store::Memory;
use streams::{Keyring, Streams};
use tokio::runtime::Runtime;

const REQUESTS_MAX: usize = 8;
const DIVIDER: &[u8] = b"\n====\n";

thread_local! {
    static RUNTIME: Runtime = fuzz::runtime();
}

fuzz_target!(|data: &[u8]| {
    RUNTIME.with(|runtime| {
        let world = World::new(runtime);
        for request in divided(data).into_iter().take(REQUESTS_MAX) {
            world.ask(request);
        }
    });
});

struct World<'a> {
    runtime: &'a Runtime,
    router: Arc<Router>,
    iterator: Bytes,
    token: Bytes,
}

impl<'a> World<'a> {
    /// A server with one stream of two shards and one record.
    fn new(runtime: &'a Runtime) -> World<'a> {
        let clock = Clock::manual(Timestamp(1_700_000_000_000));
        let store = Arc::new(Memory::new(clock.clone()));
        let keyring = Keyring::new(&[7; 32], Rng::seeded(1));
        let streams = Arc::new(Streams::new(store, clock.clone(), keyring));
        let kinesis = Arc::new(Kinesis::new(streams, Limits::None));
        let router = Router::new([operations().serve(kinesis)]).clock(clock.clone());
        let mut world = World {
            runtime,
            router: Arc::new(router),
            iterator: Bytes::new(),
            token: Bytes::new(),
        };
        world.set_up("CreateStream", r#"{"StreamName":"s","ShardCount":2}"#);
        clock.advance(std::time::Duration::from_secs(1));
        world.set_up(
            "PutRecord",
            r#"{"StreamName":"s","PartitionKey":"k","ExplicitHashKey":"0","Data":"aGk="}"#,
        );
        let iterator = world.set_up(
            "GetShardIterator",
            r#"{"StreamName":"s","ShardId":"shardId-000000000000","ShardIteratorType":"TRIM_HORIZON"}"#,
        );
        let shards = world.set_up("ListShards", r#"{"StreamName":"s","MaxResults":1}"#);
        world.iterator = member(&iterator, "\"ShardIterator\":\"");
        world.token = member(&shards, "\"NextToken\":\"");
        world
    }

    fn set_up(&self, operation: &str, body: &str) -> Bytes {
        let request = format!(
            "POST /\ncontent-type: application/x-amz-json-1.1\nx-amz-target: Kinesis_20131202.{operation}\n\n{body}"
        );
        let (parts, body) = fuzz::request(request.as_bytes()).expect("a request of ours");
        let response = fuzz::answer(self.runtime, &self.router, (parts, body));
        assert_eq!(response.status(), 200, "{operation}");
        response.into_body().whole().expect("one piece").clone()
    }

    fn ask(&self, request: &[u8]) {
        let request = replaced(request, b"$ITERATOR", &self.iterator);
        let request = replaced(&request, b"$TOKEN", &self.token);
        let Some((parts, body)) = fuzz::request(&request) else {
            return;
        };
        if parts.uri.path() == "/metrics" || is_huge(&parts, &body) {
            return;
        }
        let response = fuzz::answer(self.runtime, &self.router, (parts, body));
        let status = response.status().as_u16();
        assert!([200, 400, 403, 404].contains(&status), "{response:?}");
        self.read_events(response);
    }

    /// The first two frames of a reply of events: what follows comes with time.
    fn read_events(&self, response: Response<aws::Body>) {
        let body = response.into_body();
        if body.whole().is_some() {
            return;
        }
        let mut body = Box::pin(body);
        let frames =
            futures_util::stream::poll_fn(|cx| http_body::Body::poll_frame(body.as_mut(), cx));
        let frames = frames
            .take(2)
            .filter_map(|frame| async { frame.ok()?.into_data().ok() });
        for frame in self.runtime.block_on(frames.collect::<Vec<Bytes>>()) {
            let (message, _) = aws::event_stream::decode(&frame)
                .expect("sound")
                .expect("whole");
            assert_ne!(message.header(":exception-type"), Some("InternalFailure"));
        }
    }
}

/// Whether a request may make so many shards that a run takes seconds: allowed, and of no use here.
fn is_huge(parts: &Parts, body: &[u8]) -> bool {
    let target = parts.headers.get("x-amz-target");
    let target = target
        .and_then(|target| target.to_str().ok())
        .unwrap_or_default();
    let makes_shards = [
        "CreateStream",
        "UpdateShardCount",
        "UpdateStreamMode",
        "Throughput",
    ];
    makes_shards.iter().any(|name| target.contains(name))
        && (body.windows(4).any(|digits| digits.iter().all(u8::is_ascii_digit))
            // CBOR's numbers, and JSON's with exponents, are not worth reading.
            || !body.starts_with(b"{")
            || body.windows(2).any(|pair| pair[0].is_ascii_digit() && b"eE.".contains(&pair[1])))
}

fn divided(data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = data;
    while let Some(at) = rest
        .windows(DIVIDER.len())
        .position(|window| window == DIVIDER)
    {
        parts.push(&rest[..at]);
        rest = &rest[at + DIVIDER.len()..];
    }
    parts.push(rest);
    parts
}

fn replaced(bytes: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    match bytes.windows(what.len()).position(|window| window == what) {
        Some(at) => [&bytes[..at], with, &bytes[at + what.len()..]].concat(),
        None => bytes.to_vec(),
    }
}

fn member(answer: &Bytes, name: &str) -> Bytes {
    let text = std::str::from_utf8(answer).expect("JSON is text");
    let (_, after) = text.split_once(name).expect("the member is there");
    let (value, _) = after.split_once('"').expect("text ends");
    Bytes::copy_from_slice(value.as_bytes())
}
