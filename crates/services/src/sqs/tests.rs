//! The operations through their table, over the naive engine: a request in JSON as a client sends it, the answer as it gets it.

mod attributes;
mod dead_letters;
mod lifecycle;
mod messages;
mod messages_dead;
mod messages_fifo;
mod model;
mod move_tasks;
mod policies;
mod query;
mod tags;
mod upkeep;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::model::{Clock, Rng, Timestamp};
use aws::{Peer, Router};
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use store::{Memory, Store};
use streams::Keyring;

use super::{Limits, Sqs, operations};

const ACCOUNT: &str = "123456789012";
const START: Timestamp = Timestamp(1_700_000_000_500);

/// An error as a client sees it: the name of its shape, Query's code for it, its text.
type Refusal = (String, String, String);

/// A server with a clock of its own, and who asks it.
pub(super) struct World {
    pub(super) router: Arc<Router>,
    pub(super) sqs: Arc<Sqs>,
    pub(super) clock: Clock,
    account: String,
    region: String,
    model: Arc<BTreeMap<String, model::Operation>>,
}

impl World {
    pub(super) fn new(limits: Limits) -> World {
        let clock = Clock::manual(START);
        let store = Arc::new(Memory::new(clock.clone()));
        World::over(store, clock, limits)
    }

    /// A server over a store that may hold something already: a restart.
    pub(super) fn over(store: Arc<dyn Store>, clock: Clock, limits: Limits) -> World {
        let keyring = Keyring::new(&[7; 32], Rng::seeded(1));
        let sqs = Sqs::new(store, clock.clone(), Rng::seeded(2), keyring, limits);
        let sqs = Arc::new(sqs);
        let router = Router::new([operations().serve(Arc::clone(&sqs))]).clock(clock.clone());
        World {
            router: Arc::new(router),
            sqs,
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
            sqs: Arc::clone(&self.sqs),
            clock: self.clock.clone(),
            account: account.into(),
            region: region.into(),
            model: Arc::clone(&self.model),
        }
    }

    pub(super) fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(super) async fn ask(&self, operation: &str, input: Value) -> Result<Value, Refusal> {
        let (account, region) = (&self.account, &self.region);
        let request = Request::post("/")
            .header("host", "127.0.0.1:4566")
            .header("x-amz-target", format!("AmazonSQS.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential={account}/20231114/{region}/sqs/aws4_request, SignedHeaders=host, \
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
        let named = text("__type");
        let shape = named.split('#').next_back().unwrap_or_default().to_owned();
        model.must_have_error(operation, &shape);
        let header = response.headers().get("x-amzn-query-error");
        let query_code = header.and_then(|header| header.to_str().ok());
        let query_code = query_code.and_then(|header| header.split(';').next());
        Err((
            shape,
            query_code.unwrap_or_default().into(),
            text("message"),
        ))
    }

    /// What is answered to a request that must succeed.
    pub(super) async fn done(&self, operation: &str, input: Value) -> Value {
        match self.ask(operation, input.clone()).await {
            Ok(answer) => answer,
            Err(refusal) => panic!("{operation} {input} is refused: {refusal:?}"),
        }
    }

    /// Asserts that a request is refused with an error of this shape and this text.
    pub(super) async fn refused(&self, shape: &str, text: &str, operation: &str, input: Value) {
        match self.ask(operation, input.clone()).await {
            Ok(answer) => panic!("{operation} {input} is not refused but answered {answer}"),
            Err((seen, _, told)) => {
                assert_eq!(
                    (seen.as_str(), told.as_str()),
                    (shape, text),
                    "{operation} {input}"
                );
            }
        }
    }

    /// A queue with these attributes; its URL.
    pub(super) async fn queue(&self, name: &str, attributes: Value) -> String {
        let input = json!({"QueueName": name, "Attributes": attributes});
        let answer = self.done("CreateQueue", input).await;
        answer["QueueUrl"].as_str().unwrap().to_owned()
    }

    /// A standard queue, or a FIFO queue where its name says so, as it is where nothing is asked for.
    pub(super) async fn plain(&self, name: &str) -> String {
        let attributes = if name.ends_with(".fifo") {
            json!({"FifoQueue": "true"})
        } else {
            json!({})
        };
        self.queue(name, attributes).await
    }

    pub(super) fn arn(&self, queue: &str) -> String {
        let (account, region) = (&self.account, &self.region);
        format!("arn:aws:sqs:{region}:{account}:{queue}")
    }

    fn url(&self, queue: &str) -> String {
        format!("http://127.0.0.1:4566/{}/{queue}", self.account)
    }

    /// The attributes of these names.
    pub(super) async fn attributes(&self, url: &str, names: &[&str]) -> Value {
        let input = json!({"QueueUrl": url, "AttributeNames": names});
        let mut answer = self.done("GetQueueAttributes", input).await;
        answer["Attributes"].take()
    }

    pub(super) async fn set(&self, url: &str, attributes: Value) {
        let input = json!({"QueueUrl": url, "Attributes": attributes});
        self.done("SetQueueAttributes", input).await;
    }
}

fn world() -> World {
    World::new(Limits::None)
}
