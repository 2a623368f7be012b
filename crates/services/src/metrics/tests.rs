//! The operations through their table, over the naive engine: a request in JSON as a client sends it, the answer as it gets it.

mod kept;
mod model;
mod published;
mod puts;
mod reads;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::model::{Clock, Timestamp};
use aws::{Peer, Router};
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use store::{Memory, Store};

use super::{Metrics, operations};

const ACCOUNT: &str = "123456789012";
/// A whole hour, in seconds.
const START: i64 = 1_700_002_800;

/// A server with a clock of its own.
struct World {
    router: Arc<Router>,
    metrics: Arc<Metrics>,
    store: Arc<dyn Store>,
    clock: Clock,
    account: &'static str,
    model: Arc<BTreeMap<String, model::Operation>>,
}

impl World {
    async fn new() -> World {
        let clock = Clock::manual(Timestamp(START * 1_000));
        World::over(Arc::new(Memory::new(clock.clone())), clock).await
    }

    /// A server over a store that may hold something already.
    async fn over(store: Arc<dyn Store>, clock: Clock) -> World {
        let metrics = Metrics::open(Arc::clone(&store), clock.clone())
            .await
            .unwrap();
        let metrics = Arc::new(metrics);
        let router = Router::new([operations().serve(Arc::clone(&metrics))]).clock(clock.clone());
        World {
            router: Arc::new(router),
            metrics,
            store,
            clock,
            account: ACCOUNT,
            model: Arc::new(model::model()),
        }
    }

    /// The server is killed and started again.
    async fn restarted(&self) -> World {
        World::over(Arc::clone(&self.store), self.clock.clone()).await
    }

    /// The same server, asked by another account.
    fn asked_by(&self, account: &'static str) -> World {
        World {
            router: Arc::clone(&self.router),
            metrics: Arc::clone(&self.metrics),
            store: Arc::clone(&self.store),
            clock: self.clock.clone(),
            account,
            model: Arc::clone(&self.model),
        }
    }

    fn later(&self, seconds: i64) {
        self.clock
            .advance(Duration::from_secs(seconds.unsigned_abs()));
    }

    /// An answer, or an error's shape and text.
    async fn ask(&self, operation: &str, input: &Value) -> Result<Value, (String, String)> {
        let account = self.account;
        let request = Request::post("/")
            .header("host", "127.0.0.1:4566")
            .header("x-amz-target", format!("GraniteServiceVersion20100801.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential={account}/20231114/us-east-1/monitoring/aws4_request, \
                     SignedHeaders=host, Signature=00"
                ),
            )
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
        Err((shape, text("message")))
    }

    /// What is answered to a request that must succeed.
    async fn done(&self, operation: &str, input: Value) -> Value {
        match self.ask(operation, &input).await {
            Ok(answer) => answer,
            Err(refusal) => panic!("{operation} {input} is refused: {refusal:?}"),
        }
    }

    /// Asserts that a request is refused with an error of this shape and this text.
    async fn refused(&self, shape: &str, text: &str, operation: &str, input: Value) {
        match self.ask(operation, &input).await {
            Ok(answer) => panic!("{operation} {input} is not refused but answered {answer}"),
            Err((seen, told)) => {
                assert_eq!((&*seen, &*told), (shape, text), "{operation} {input}");
            }
        }
    }

    /// Puts a value of the metric `name` in the namespace `ns`, at a second.
    async fn put(&self, name: &str, at: i64, value: f64) {
        let datum = json!({"MetricName": name, "Timestamp": at, "Value": value});
        self.done(
            "PutMetricData",
            json!({"Namespace": "ns", "MetricData": [datum]}),
        )
        .await;
    }

    /// Starts, counts and sums of its periods.
    async fn sums(&self, name: &str, (from, to): (i64, i64), period: i64) -> Vec<(i64, f64, f64)> {
        let input = json!({
            "Namespace": "ns", "MetricName": name, "StartTime": from, "EndTime": to, "Period": period,
            "Statistics": ["Sum", "SampleCount"],
        });
        let answer = self.done("GetMetricStatistics", input).await;
        let point = |point: &Value| {
            let number = |name: &str| point[name].as_f64().unwrap();
            (
                number("Timestamp") as i64,
                number("SampleCount"),
                number("Sum"),
            )
        };
        answer["Datapoints"]
            .as_array()
            .unwrap()
            .iter()
            .map(point)
            .collect()
    }
}
