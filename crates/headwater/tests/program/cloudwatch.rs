//! Metrics of the libraries, published to the program and read back from it as anybody reads them.

use std::sync::Arc;
use std::time::Duration;

use client::call::Json;
use client::cloudwatch::{CloudWatch, DATA_MAX, Dimension, Gatherer, Metric, Publisher, Unit};
use client::{Client, Credentials, Options, Target};
use model::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::process::{Directory, Server};

const TARGET: Target = Target {
    signing_name: "monitoring",
    prefix: "GraniteServiceVersion20100801",
    json: Json::V1_0,
};

/// What is known of a metric.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Known {
    pub(crate) count: f64,
    pub(crate) sum: f64,
    pub(crate) minimum: f64,
    pub(crate) maximum: f64,
}

/// Reads metrics of one namespace.
pub(crate) struct Reader {
    client: Client,
    namespace: String,
}

impl Reader {
    pub(crate) fn new(client: Client, namespace: &str) -> Reader {
        Reader {
            client,
            namespace: namespace.to_owned(),
        }
    }

    /// What is known of a metric of the last hours; with no value, nought of everything.
    pub(crate) async fn known(&self, name: &str, dimensions: &[(&str, &str)], unit: &str) -> Known {
        let of = |(name, value): &(&str, &str)| json!({ "Name": name, "Value": value });
        let now = Clock::system().now().0 as f64 / 1000.0;
        let input = json!({
            "Namespace": self.namespace,
            "MetricName": name,
            "Dimensions": dimensions.iter().map(of).collect::<Vec<_>>(),
            "StartTime": now - 7200.0,
            "EndTime": now + 3600.0,
            "Period": 3600,
            "Statistics": ["SampleCount", "Sum", "Minimum", "Maximum"],
            "Unit": unit,
        });
        let answer: Value = self
            .client
            .call(TARGET, "GetMetricStatistics", &input)
            .await
            .unwrap();
        let mut known: Option<Known> = None;
        for point in answer["Datapoints"].as_array().unwrap() {
            let number = |name: &str| point[name].as_f64().unwrap();
            let first = Known {
                minimum: number("Minimum"),
                maximum: number("Maximum"),
                ..Known::default()
            };
            let known = known.get_or_insert(first);
            known.count += number("SampleCount");
            known.sum += number("Sum");
            known.minimum = known.minimum.min(number("Minimum"));
            known.maximum = known.maximum.max(number("Maximum"));
        }
        known.unwrap_or_default()
    }

    /// Names of all metrics.
    pub(crate) async fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut next = Value::Null;
        loop {
            let input = json!({ "Namespace": self.namespace, "NextToken": next });
            let answer: Value = self
                .client
                .call(TARGET, "ListMetrics", &input)
                .await
                .unwrap();
            for metric in answer["Metrics"].as_array().unwrap() {
                names.push(metric["MetricName"].as_str().unwrap().to_owned());
            }
            next = answer["NextToken"].clone();
            if next.is_null() {
                names.sort_unstable();
                names.dedup();
                return names;
            }
        }
    }
}

fn client(endpoint: &str, attempts: u32) -> Client {
    Client::new(Options {
        endpoint: endpoint.to_owned(),
        region: model::Region::unnamed(),
        credentials: Credentials {
            access_key: "any".to_owned(),
            secret_key: "any".to_owned(),
            session_token: None,
        },
        authorities: None,
        attempts,
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gathered_is_published_in_as_many_requests_as_it_needs() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let gatherer = Arc::new(Gatherer::default());
    let source = Arc::clone(&gatherer);
    let publisher = Publisher::start(
        CloudWatch::new(client(server.endpoint(), 5)),
        "Program/Test",
        Duration::from_secs(3600),
        move |now: Timestamp| source.take(now),
    )
    .unwrap();
    let dimension = |number: usize| Dimension::new("Number", &number.to_string());
    let metric = |number| Metric::new("Size", Unit::Bytes, vec![dimension(number)]);
    let count = 2 * DATA_MAX + 1;
    for number in 0..count {
        for value in [5.0, 1.5, 2.0] {
            gatherer.add(&metric(number), value);
        }
    }
    // One that CloudWatch would refuse, and all that goes with it.
    gatherer.add(&metric(count), f64::INFINITY);
    publisher.close().await;
    assert_eq!(publisher.dropped(), 0);
    let reader = Reader::new(client(server.endpoint(), 5), "Program/Test");
    for number in [0, DATA_MAX, count - 1] {
        let known = reader
            .known("Size", &[("Number", &number.to_string())], "Bytes")
            .await;
        let expected = Known {
            count: 3.0,
            sum: 8.5,
            minimum: 1.5,
            maximum: 5.0,
        };
        assert_eq!(known, expected, "{number}");
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_outlast_a_server_that_is_away() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let address = server.endpoints["address"].as_str().unwrap().to_owned();
    let endpoint = server.endpoint().to_owned();
    let gatherer = Arc::new(Gatherer::default());
    let source = Arc::clone(&gatherer);
    let (asked, mut rounds) = tokio::sync::watch::channel(0);
    let publisher = Publisher::start(
        CloudWatch::new(client(&endpoint, 1)),
        "Away",
        Duration::from_millis(20),
        move |now| {
            asked.send_modify(|rounds| *rounds += 1);
            source.take(now)
        },
    )
    .unwrap();
    server.stop();
    gatherer.add(&Metric::new("Kept", Unit::Count, Vec::new()), 4.0);
    // By then one publication has failed.
    let now = *rounds.borrow();
    rounds.wait_for(|rounds| *rounds > now + 2).await.unwrap();
    assert_eq!((publisher.published(), publisher.dropped()), (0, 0));
    let server = Server::start_at(&address, directory.path(), &[]);
    publisher.close().await;
    assert_eq!((publisher.published(), publisher.dropped()), (1, 0));
    let reader = Reader::new(client(&endpoint, 5), "Away");
    assert_eq!(reader.names().await, ["Kept"]);
    assert_eq!(reader.known("Kept", &[], "Count").await.sum, 4.0);
    server.stop();
}
