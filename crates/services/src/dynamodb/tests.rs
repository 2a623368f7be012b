//! The operations through their table, over the naive engine: a request in JSON as a client sends it, the answer as it gets it.

mod batches;
mod capacity;
mod concurrency;
mod expiring;
mod hostile;
mod indexes;
mod items;
mod lifecycle;
mod model;
mod paging;
mod published;
mod queries;
mod settings;
mod transactions;
mod updates;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::model::{Clock, Rng, Timestamp};
use aws::{Peer, Router};
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use store::{Memory, Store};

use super::{Dynamo, Limits, operations};

const ACCOUNT: &str = "123456789012";
const START: Timestamp = Timestamp(1_700_000_000_500);

/// An error as a client sees it: the name of its shape, the whole of it.
type Refusal = (String, Value);

/// A server with a clock of its own, and who asks it.
#[derive(Clone)]
struct World {
    router: Arc<Router>,
    dynamo: Arc<Dynamo>,
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
        let dynamo = Arc::new(Dynamo::new(store, clock.clone(), Rng::seeded(2), limits));
        let router = Router::new([operations().serve(Arc::clone(&dynamo))]).clock(clock.clone());
        World {
            router: Arc::new(router),
            dynamo,
            clock,
            account: ACCOUNT.into(),
            region: "us-east-1".into(),
            model: Arc::new(model::model()),
        }
    }

    /// The same store under another server.
    fn restarted(&self) -> World {
        let store = Arc::clone(&self.dynamo.store);
        World::over(store, self.clock.clone(), self.dynamo.limits)
    }

    /// The same server, asked by another account in another region.
    fn asked_by(&self, account: &str, region: &str) -> World {
        World {
            account: account.into(),
            region: region.into(),
            ..self.clone()
        }
    }

    fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// The reply to a body of any bytes.
    async fn send(&self, operation: &str, body: Bytes) -> http::Response<aws::Body> {
        let (account, region) = (&self.account, &self.region);
        let request = Request::post("/")
            .header("host", "127.0.0.1:4566")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential={account}/20231114/{region}/dynamodb/aws4_request, SignedHeaders=host, \
                     Signature=00"
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
        Arc::clone(&self.router).answer(parts, body, peer).await
    }

    async fn ask(&self, operation: &str, input: Value) -> Result<Value, Refusal> {
        let response = self.send(operation, input.to_string().into()).await;
        let bytes = response.body().whole().unwrap();
        let answer = match bytes.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(bytes).unwrap(),
        };
        let model = &self.model[operation];
        if response.status() == 200 {
            model.must_have_all_of(operation, &answer);
            return Ok(answer);
        }
        let named = answer["__type"].as_str().unwrap_or_default();
        let shape = named.split('#').next_back().unwrap_or_default().to_owned();
        // The namespace is the body's alone.
        assert_eq!(response.headers()["x-amzn-errortype"], shape.as_str());
        model.must_have_error(operation, &shape);
        Err((shape, answer))
    }

    /// What is answered to a request that must succeed.
    async fn done(&self, operation: &str, input: Value) -> Value {
        match self.ask(operation, input.clone()).await {
            Ok(answer) => answer,
            Err(refusal) => panic!("{operation} {input} is refused: {refusal:?}"),
        }
    }

    /// Asserts that a request is refused with an error of this shape whose text has this in it; gives the error.
    async fn refused(&self, shape: &str, text: &str, operation: &str, input: Value) -> Value {
        match self.ask(operation, input.clone()).await {
            Ok(answer) => panic!("{operation} {input} is not refused but answered {answer}"),
            Err((seen, error)) => {
                assert_eq!(seen, shape, "{operation} {input}: {error}");
                let told = error["message"].as_str().unwrap_or_default();
                assert!(told.contains(text), "{operation} {input}: {told}");
                error
            }
        }
    }

    /// Asserts that a request is refused as invalid.
    async fn invalid(&self, text: &str, operation: &str, input: Value) {
        self.refused("ValidationException", text, operation, input)
            .await;
    }

    /// A table on demand with a partition key `p` and a sort key `s`, both text.
    async fn table(&self, name: &str) {
        self.done("CreateTable", sorted(name)).await;
    }

    async fn put(&self, table: &str, item: Value) {
        self.done("PutItem", json!({"TableName": table, "Item": item}))
            .await;
    }

    /// The item of that key, or null.
    async fn get(&self, table: &str, key: Value) -> Value {
        let input = json!({"TableName": table, "Key": key, "ConsistentRead": true});
        self.done("GetItem", input).await["Item"].take()
    }

    async fn described(&self, table: &str) -> Value {
        let mut answer = self
            .done("DescribeTable", json!({"TableName": table}))
            .await;
        answer["Table"].take()
    }

    /// Waits until a look at the server is as it should be. What goes on beside the requests goes on meanwhile.
    async fn until(&self, what: &str, mut look: impl AsyncFnMut() -> bool) {
        for _ in 0..10_000 {
            if look().await {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("not so after 10,000 looks: {what}");
    }
}

fn world() -> World {
    World::new(Limits::None)
}

/// CreateTable's input for [`World::table`].
fn sorted(name: &str) -> Value {
    json!({
        "TableName": name,
        "AttributeDefinitions": [
            {"AttributeName": "p", "AttributeType": "S"},
            {"AttributeName": "s", "AttributeType": "S"},
        ],
        "KeySchema": [
            {"AttributeName": "p", "KeyType": "HASH"},
            {"AttributeName": "s", "KeyType": "RANGE"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
    })
}

/// An item, or its key.
fn item(p: &str, s: &str) -> Value {
    json!({"p": {"S": p}, "s": {"S": s}})
}

/// An item with one attribute more.
fn with(p: &str, s: &str, name: &str, value: Value) -> Value {
    let mut item = item(p, s);
    item[name] = value;
    item
}
