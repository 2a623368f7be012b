//! The operations through their table, over the naive engine: a request in JSON as a client sends it, the answer as it gets it.

mod account;
mod consumers;
mod lifecycle;
mod model;
mod published;
mod queues;
mod queues_dead;
mod queues_life;
mod quotas;
mod reshard;
mod settings;
mod shards;
mod tags;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::model::{Clock, Rng, Timestamp};
use aws::{Peer, Router};
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use store::{Memory, Store};
use streams::{Keyring, Streams};

use super::{Kinesis, Limits, operations};

const ACCOUNT: &str = "123456789012";
const START: Timestamp = Timestamp(1_700_000_000_500);

/// An error as a client sees it: its code and its text.
type Refusal = (String, String);

/// A server with a clock of its own, and who asks it.
struct World {
    router: Arc<Router>,
    kinesis: Arc<Kinesis>,
    store: Arc<dyn Store>,
    clock: Clock,
    account: String,
    region: String,
    model: Arc<BTreeMap<String, model::Operation>>,
}

impl World {
    fn new(limits: Limits) -> World {
        let clock = Clock::manual(START);
        let store = Arc::new(Memory::new(clock.clone()));
        World::over(store, clock, limits)
    }

    /// A server over a store that may hold something already: a restart.
    fn over(store: Arc<dyn Store>, clock: Clock, limits: Limits) -> World {
        let keyring = Keyring::new(&[7; 32], Rng::seeded(1));
        let streams = Arc::new(Streams::new(Arc::clone(&store), clock.clone(), keyring));
        let kinesis = Arc::new(Kinesis::new(streams, limits));
        let router = Router::new([operations().serve(Arc::clone(&kinesis))]).clock(clock.clone());
        World {
            router: Arc::new(router),
            kinesis,
            store,
            clock,
            account: ACCOUNT.into(),
            region: "us-east-1".into(),
            model: Arc::new(model::model()),
        }
    }

    /// The same server, asked by another account in another region.
    fn asked_by(&self, account: &str, region: &str) -> World {
        World {
            router: Arc::clone(&self.router),
            kinesis: Arc::clone(&self.kinesis),
            store: Arc::clone(&self.store),
            clock: self.clock.clone(),
            account: account.into(),
            region: region.into(),
            model: Arc::clone(&self.model),
        }
    }

    /// Time goes by until streams and consumers are ACTIVE again.
    fn later(&self) {
        self.clock.advance(Duration::from_secs(2));
    }

    async fn ask(&self, operation: &str, input: Value) -> Result<Value, Refusal> {
        let (account, region) = (&self.account, &self.region);
        let request = Request::post("/")
            .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential={account}/20231114/{region}/kinesis/aws4_request, \
                     SignedHeaders=host, Signature=00"
                ),
            )
            .header("x-amz-date", "20231114T221320Z")
            .body(())
            .unwrap();
        let (parts, ()) = request.into_parts();
        let peer = Peer {
            address: ([127, 0, 0, 1], 1).into(),
            secure: false,
        };
        let body = Bytes::from(input.to_string());
        let response = Arc::clone(&self.router).answer(parts, body, peer).await;
        let bytes = response.body().whole().unwrap();
        let answer = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(bytes).unwrap()
        };
        let model = &self.model[operation];
        if response.status() == 200 {
            model.must_have_all_of(operation, &answer);
            return Ok(answer);
        }
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        model.must_have_error(operation, &text("__type"));
        Err((text("__type"), text("message")))
    }

    /// What is answered to a request that must succeed.
    async fn done(&self, operation: &str, input: Value) -> Value {
        match self.ask(operation, input.clone()).await {
            Ok(answer) => answer,
            Err(refusal) => panic!("{operation} {input} is refused: {refusal:?}"),
        }
    }

    /// Asserts that a request is refused with `code`, and a text that holds `text`.
    async fn refused(&self, code: &str, text: &str, operation: &str, input: Value) {
        match self.ask(operation, input.clone()).await {
            Ok(answer) => panic!("{operation} {input} is not refused but answered {answer}"),
            Err((seen, told)) => {
                assert_eq!(seen, code, "{operation} {input}: {told}");
                assert!(told.contains(text), "{operation} {input}: {told}");
            }
        }
    }

    /// A provisioned stream, ACTIVE.
    async fn stream(&self, name: &str, shards: u32) {
        let input = json!({"StreamName": name, "ShardCount": shards});
        self.done("CreateStream", input).await;
        self.later();
    }

    /// An on-demand stream, ACTIVE.
    async fn on_demand(&self, name: &str) {
        let mode = json!({"StreamMode": "ON_DEMAND"});
        let input = json!({"StreamName": name, "StreamModeDetails": mode});
        self.done("CreateStream", input).await;
        self.later();
    }

    fn arn(&self, stream: &str) -> String {
        let (account, region) = (&self.account, &self.region);
        format!("arn:aws:kinesis:{region}:{account}:stream/{stream}")
    }

    async fn summary(&self, stream: &str) -> Value {
        let mut answer = self
            .done("DescribeStreamSummary", json!({"StreamName": stream}))
            .await;
        answer["StreamDescriptionSummary"].take()
    }

    /// All shards that ListShards gives for `input`, page after page.
    async fn shards(&self, mut input: Value) -> Vec<Value> {
        let mut shards = Vec::new();
        loop {
            let mut answer = self.done("ListShards", input).await;
            shards.append(answer["Shards"].as_array_mut().unwrap());
            if answer["NextToken"].is_null() {
                return shards;
            }
            input = json!({"NextToken": answer["NextToken"]});
        }
    }
}

fn world() -> World {
    World::new(Limits::None)
}

/// A shard's number: "shardId-000000000012" is 12.
fn number(shard: &Value) -> u32 {
    let id = shard["ShardId"].as_str().unwrap();
    id.strip_prefix("shardId-").unwrap().parse().unwrap()
}

fn numbers(shards: &[Value]) -> Vec<u32> {
    shards.iter().map(number).collect()
}

fn hash_range(shard: &Value) -> (u128, u128) {
    let key = |name: &str| {
        shard["HashKeyRange"][name]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    };
    (key("StartingHashKey"), key("EndingHashKey"))
}

fn is_open(shard: &Value) -> bool {
    shard["SequenceNumberRange"]["EndingSequenceNumber"].is_null()
}

/// Asserts that the open ones of `shards` tile the ring.
fn covers_ring_once(shards: &[Value]) {
    let mut ranges: Vec<_> = shards
        .iter()
        .filter(|shard| is_open(shard))
        .map(hash_range)
        .collect();
    ranges.sort_unstable();
    assert_eq!(ranges.first().unwrap().0, 0);
    assert_eq!(ranges.last().unwrap().1, u128::MAX);
    assert!(
        ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0),
        "{ranges:?}"
    );
}
