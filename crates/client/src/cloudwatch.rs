//! CloudWatch, as far as programs publish metrics of their own there: PutMetricData, and a task that does it in the background.
//!
//! It is called by AWS JSON 1.0, which AWS takes as Headwater does (`protocols` of its model lists `json` beside RPC v2 and
//! Query). The signing name is `monitoring`, as is the host; the variable of an endpoint of one's own is
//! `AWS_ENDPOINT_URL_CLOUDWATCH`.
//!
//! Read in this order: [`Datum`] and [`Statistics`], what is sent; [`gather`], where values become statistics; [`publisher`],
//! the task; [`Publishing`], how the producer and the consumer are told to publish.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use client::cloudwatch::{CloudWatch, Dimension, Gatherer, Metric, Publisher, Unit};
//! use client::environment::Environment;
//!
//! # async fn run() -> Result<(), client::ClientError> {
//! let options = Environment::of_process().options("monitoring")?;
//! let cloudwatch = CloudWatch::new(client::Client::new(options)?);
//! let gatherer = Arc::new(Gatherer::default());
//! let source = Arc::clone(&gatherer);
//! let publisher = Publisher::start(cloudwatch, "Orders", Duration::from_secs(60), move |now| source.take(now))?;
//! let shard = Dimension::new("ShardId", "shardId-000000000000");
//! gatherer.add(&Metric::new("RecordsRead", Unit::Count, vec![shard]), 17.0);
//! publisher.close().await;
//! # Ok(())
//! # }
//! ```

pub mod gather;
pub mod publisher;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;
use serde::{Serialize, Serializer};

pub use self::gather::{Gatherer, Metric};
pub use self::publisher::Publisher;
use crate::call::{Client, Json, Target};
use crate::error::ClientError;

const TARGET: Target = Target {
    signing_name: "monitoring",
    prefix: "GraniteServiceVersion20100801",
    json: Json::V1_0,
};

/// Most data of one PutMetricData: AWS's limit.
pub const DATA_MAX: usize = 1000;
/// Most bytes of one: AWS takes 1 MB.
const REQUEST_BYTES_MAX: usize = 1_000_000;
/// What a request has besides its data, the longest namespace counted.
const REQUEST_BYTES_BESIDE: usize = 1024;
/// Longest name of a metric, a dimension or a namespace.
const NAME_MAX: usize = 255;
/// Longest value of a dimension.
const VALUE_MAX: usize = 1024;
/// Most dimensions of a metric.
const DIMENSIONS_MAX: usize = 30;

/// What a value counts. AWS's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Per cent.
    Percent,
    /// Things a second.
    #[serde(rename = "Count/Second")]
    CountPerSecond,
    /// Bytes a second.
    #[serde(rename = "Bytes/Second")]
    BytesPerSecond,
    /// Nothing AWS has a name for.
    None,
}

/// One way in which metrics of a name differ.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Dimension {
    name: Cow<'static, str>,
    value: Arc<str>,
}

impl Dimension {
    /// A dimension. What CloudWatch does not take is replaced: characters other than printable ASCII and a colon at the
    /// beginning by `_`, an empty text too; what is longer than 255 (name) or 1,024 characters (value) is cut.
    #[must_use]
    pub fn new(name: &'static str, value: &str) -> Dimension {
        Dimension {
            name: acceptable(Cow::Borrowed(name), NAME_MAX),
            value: acceptable(Cow::Borrowed(value), VALUE_MAX).into(),
        }
    }

    /// As [`Dimension::new`], for a name known only when the program runs.
    #[must_use]
    pub fn named(name: String, value: &str) -> Dimension {
        Dimension {
            name: acceptable(Cow::Owned(name), NAME_MAX),
            value: acceptable(Cow::Borrowed(value), VALUE_MAX).into(),
        }
    }
}

/// A text as CloudWatch takes it for names and values.
fn acceptable(text: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    let is_plain = |character: char| character == ' ' || character.is_ascii_graphic();
    let has_content = text.chars().any(|character| character.is_ascii_graphic());
    let begins_well = !text.starts_with(':');
    if has_content && begins_well && text.len() <= max && text.chars().all(is_plain) {
        return text;
    }
    let plain = text.chars().take(max).enumerate().map(|(at, character)| {
        let stays = is_plain(character) && !(at == 0 && character == ':');
        if stays { character } else { '_' }
    });
    let mut plain: String = plain.collect();
    if plain.trim().is_empty() {
        plain = "_".to_owned();
    }
    Cow::Owned(plain)
}

/// What is said of a number of values. Never of none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statistics {
    /// How many.
    pub sample_count: f64,
    /// All together.
    pub sum: f64,
    /// The smallest.
    pub minimum: f64,
    /// The largest.
    pub maximum: f64,
}

impl Statistics {
    /// Of one value.
    #[must_use]
    pub fn of(value: f64) -> Statistics {
        Statistics::repeated(value, 1)
    }

    /// Of a value that came `count` times, at least once.
    #[must_use]
    pub fn repeated(value: f64, count: u64) -> Statistics {
        let count = count.max(1) as f64;
        Statistics {
            sample_count: count,
            sum: value * count,
            minimum: value,
            maximum: value,
        }
    }

    /// Takes others in.
    pub fn merge(&mut self, others: &Statistics) {
        self.sample_count += others.sample_count;
        self.sum += others.sum;
        self.minimum = self.minimum.min(others.minimum);
        self.maximum = self.maximum.max(others.maximum);
    }

    /// CloudWatch takes no infinities, and refuses all that comes with them.
    fn is_finite(&self) -> bool {
        [self.sample_count, self.sum, self.minimum, self.maximum]
            .into_iter()
            .all(f64::is_finite)
    }
}

/// One metric's statistics at a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Datum {
    metric_name: Cow<'static, str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dimensions: Vec<Dimension>,
    #[serde(serialize_with = "write_time")]
    timestamp: Timestamp,
    statistic_values: Statistics,
    unit: Unit,
}

impl Datum {
    /// What is said of a metric at a time.
    #[must_use]
    pub fn new(metric: Metric, timestamp: Timestamp, statistics: Statistics) -> Datum {
        Datum {
            metric_name: metric.name,
            dimensions: metric.dimensions,
            timestamp,
            statistic_values: statistics,
            unit: metric.unit,
        }
    }

    /// The metric's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.metric_name
    }

    /// What is said of it.
    #[must_use]
    pub fn statistics(&self) -> &Statistics {
        &self.statistic_values
    }
}

/// Seconds since 1970, with their thousandths.
fn write_time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.0 as f64 / 1000.0)
}

/// How much a library publishes. Not to publish is to have no [`Publishing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What operators look at first.
    Summary,
    /// All there is.
    Detailed,
}

/// Where a library publishes its own metrics, and how many of them.
#[derive(Debug, Clone)]
pub struct Publishing {
    /// Where to.
    pub cloudwatch: CloudWatch,
    /// Under which name.
    pub namespace: String,
    /// How much.
    pub level: Level,
    /// Between two times.
    pub interval: Duration,
}

impl Publishing {
    /// All metrics, once a minute.
    #[must_use]
    pub fn new(cloudwatch: CloudWatch, namespace: &str) -> Publishing {
        Publishing {
            cloudwatch,
            namespace: namespace.to_owned(),
            level: Level::Detailed,
            interval: Duration::from_secs(60),
        }
    }

    /// Starts the task that puts what `gather` gives.
    pub(crate) fn start(
        &self,
        gather: impl FnMut(Timestamp) -> Vec<Datum> + Send + 'static,
    ) -> Result<Publisher, ClientError> {
        let cloudwatch = self.cloudwatch.clone();
        Publisher::start(cloudwatch, &self.namespace, self.interval, gather)
    }
}

/// A client of CloudWatch.
#[derive(Debug, Clone)]
pub struct CloudWatch {
    client: Arc<Client>,
}

impl CloudWatch {
    /// By this client.
    #[must_use]
    pub fn new(client: Client) -> CloudWatch {
        CloudWatch {
            client: Arc::new(client),
        }
    }

    /// Puts data, in as many requests as they need. Data with infinite numbers are left out. Where a request had no answer it
    /// is sent again, and may then count twice.
    ///
    /// # Errors
    /// That of the first request that fails, after which no other is sent.
    pub async fn put(&self, namespace: &str, data: &[Datum]) -> Result<(), ClientError> {
        let mut rest = data;
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(batch_length(rest));
            self.put_batch(namespace, batch).await?;
            rest = others;
        }
        Ok(())
    }

    async fn put_batch(&self, namespace: &str, batch: &[Datum]) -> Result<(), ClientError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Input<'a> {
            namespace: &'a str,
            metric_data: Vec<&'a Datum>,
        }
        let finite = batch
            .iter()
            .filter(|datum| datum.statistic_values.is_finite());
        let input = Input {
            namespace,
            metric_data: finite.collect(),
        };
        if input.metric_data.is_empty() {
            return Ok(());
        }
        let answer = self.client.call_bytes(TARGET, "PutMetricData", &input);
        answer.await.map(|_| ())
    }
}

/// How many of the data, which are not none, go in one request; at least one.
fn batch_length(data: &[Datum]) -> usize {
    let mut bytes = REQUEST_BYTES_BESIDE;
    let mut count = 0;
    for datum in data.iter().take(DATA_MAX) {
        let written = serde_json::to_vec(datum).map_or(0, |json| json.len());
        bytes += written + 1;
        if count > 0 && bytes > REQUEST_BYTES_MAX {
            break;
        }
        count += 1;
    }
    count
}

/// Refuses a namespace that CloudWatch would, or keeps for AWS's own services.
///
/// # Errors
/// [`ClientError::Setup`] saying what it must be.
pub fn check_namespace(namespace: &str) -> Result<(), ClientError> {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#: ".contains(&byte);
    let fits = (1..=NAME_MAX).contains(&namespace.len())
        && namespace.bytes().all(is_known)
        && !namespace.trim().is_empty()
        && !namespace.starts_with(':')
        && !namespace.starts_with("AWS/");
    if fits {
        return Ok(());
    }
    Err(ClientError::Setup(format!(
        "a namespace of metrics must be 1 to 255 letters, digits or characters of .-_/#: and not begin with a colon or AWS/, got {namespace:?}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datum(value: &str) -> Datum {
        let metric = Metric::new("M", Unit::Bytes, vec![Dimension::new("D", value)]);
        Datum::new(metric, Timestamp(1_700_000_000_250), Statistics::of(2.5))
    }

    #[test]
    fn a_datum_is_written_as_aws_names_it() {
        let json = serde_json::to_value(datum("v")).unwrap();
        let expected = serde_json::json!({
            "MetricName": "M",
            "Dimensions": [{ "Name": "D", "Value": "v" }],
            "Timestamp": 1_700_000_000.25,
            "StatisticValues": { "SampleCount": 1.0, "Sum": 2.5, "Minimum": 2.5, "Maximum": 2.5 },
            "Unit": "Bytes",
        });
        assert_eq!(json, expected);
        let unit = serde_json::to_value(Unit::CountPerSecond).unwrap();
        assert_eq!(unit, "Count/Second");
    }

    #[test]
    fn requests_hold_as_many_data_as_they_may_and_as_many_bytes() {
        let small = vec![datum("v"); DATA_MAX + 7];
        assert_eq!(batch_length(&small), DATA_MAX);
        assert_eq!(batch_length(&small[DATA_MAX..]), 7);
        let large = vec![datum(&"v".repeat(VALUE_MAX)); DATA_MAX];
        let length = batch_length(&large);
        let bytes = serde_json::to_vec(&large[..length]).unwrap().len();
        assert!(length < DATA_MAX && bytes < REQUEST_BYTES_MAX, "{bytes}");
        assert!(bytes > REQUEST_BYTES_MAX * 9 / 10, "{bytes}");
    }

    #[test]
    fn what_cloudwatch_does_not_take_is_replaced() {
        let check = |text: &'static str, expected: &str| {
            assert_eq!(acceptable(Cow::Borrowed(text), 5), expected);
        };
        check("a b:c", "a b:c");
        check("", "_");
        check("  ", "_");
        check(":a", "_a");
        check("é\n!", "__!");
        check("123456", "12345");
    }

    #[test]
    fn namespaces_are_checked_before_anything_is_sent() {
        for good in ["KinesisProducerLibrary", "my-app_1.2/x#y:z"] {
            check_namespace(good).unwrap();
        }
        for bad in ["", " ", "AWS/Kinesis", ":x", "ü"] {
            let error = check_namespace(bad).unwrap_err().to_string();
            assert!(error.contains("namespace"), "{error}");
        }
        check_namespace(&"n".repeat(256)).unwrap_err();
    }
}
