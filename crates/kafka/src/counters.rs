//! What is counted of topics, requests and connections, shown to Prometheus under the names that the JMX exporter makes of
//! Apache Kafka's own numbers (`kafka.server:type=BrokerTopicMetrics`, `kafka.network:type=RequestMetrics`), so that
//! dashboards fit.
//!
//! Bounded: topics beyond [`TOPICS_MAX`] are counted together. Counts start at zero with the process.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use model::Tally;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::broker::Broker;
use crate::wire::ApiKey;

/// Topics that are counted each for itself.
const TOPICS_MAX: usize = 1_000;
/// What the label of the others says; no topic can be called so.
const OTHERS: &str = "(others)";

/// The counts of one topic.
#[derive(Debug, Default)]
pub(crate) struct TopicCounters {
    messages_in: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    produces: AtomicU64,
    failed_produces: AtomicU64,
    fetches: AtomicU64,
    failed_fetches: AtomicU64,
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}

impl TopicCounters {
    /// A batch was written.
    pub(crate) fn wrote(&self, records: u32, bytes: usize) {
        add(&self.messages_in, records as usize);
        add(&self.bytes_in, bytes);
    }

    /// Batches were given to a reader.
    pub(crate) fn gave(&self, bytes: usize) {
        add(&self.bytes_out, bytes);
    }

    /// A partition's part of a produce request was answered.
    pub(crate) fn produced(&self, is_failure: bool) {
        add(&self.produces, 1);
        add(&self.failed_produces, usize::from(is_failure));
    }

    /// A partition's part of a fetch request was answered.
    pub(crate) fn fetched(&self, is_failure: bool) {
        add(&self.fetches, 1);
        add(&self.failed_fetches, usize::from(is_failure));
    }

    fn now(&self) -> TopicCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TopicCounts {
            messages_in: read(&self.messages_in),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            produces: read(&self.produces),
            failed_produces: read(&self.failed_produces),
            fetches: read(&self.fetches),
            failed_fetches: read(&self.failed_fetches),
        }
    }
}

/// What was counted of one topic since the process began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TopicCounts {
    /// Records that clients wrote.
    pub messages_in: u64,
    /// Bytes of the batches that they were in.
    pub bytes_in: u64,
    /// Bytes of the batches that clients were given.
    pub bytes_out: u64,
    /// Produce requests, by partition.
    pub produces: u64,
    /// Those that were refused.
    pub failed_produces: u64,
    /// Fetch requests, by partition.
    pub fetches: u64,
    /// Those that were refused.
    pub failed_fetches: u64,
}

/// The last part of a name, its explanation, and the number.
type Count = (&'static str, &'static str, fn(&TopicCounts) -> u64);

const COUNTS: &[Count] = &[
    ("messagesin", "MessagesInPerSec: records written", |c| {
        c.messages_in
    }),
    ("bytesin", "BytesInPerSec: bytes of batches written", |c| {
        c.bytes_in
    }),
    ("bytesout", "BytesOutPerSec: bytes of batches read", |c| {
        c.bytes_out
    }),
    (
        "totalproducerequests",
        "TotalProduceRequestsPerSec: produce requests, by partition",
        |c| c.produces,
    ),
    (
        "failedproducerequests",
        "FailedProduceRequestsPerSec: produce requests refused, by partition",
        |c| c.failed_produces,
    ),
    (
        "totalfetchrequests",
        "TotalFetchRequestsPerSec: fetch requests, by partition",
        |c| c.fetches,
    ),
    (
        "failedfetchrequests",
        "FailedFetchRequestsPerSec: fetch requests refused, by partition",
        |c| c.failed_fetches,
    ),
];

/// How long requests took, by API.
type Seconds = Family<[(&'static str, String); 1], Histogram>;

/// All counts of a broker. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Counters {
    topics: Tally<String, TopicCounters>,
    connections: Arc<AtomicI64>,
    seconds: Seconds,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            topics: Tally::new(TOPICS_MAX),
            connections: Arc::default(),
            seconds: Family::new_with_constructor(latency as fn() -> Histogram),
        }
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counters")
    }
}

/// 100 µs to 52 s, each twice the one before.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 20))
}

/// Where one API's requests are counted; shown from the first one on. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RequestCounter(Arc<(OnceLock<Histogram>, ApiKey, Seconds)>);

impl RequestCounter {
    /// A request was answered.
    pub(crate) fn answered(&self, took: Duration) {
        let (histogram, api, seconds) = &*self.0;
        let histogram = histogram.get_or_init(|| {
            let label = [("request", format!("{api:?}"))];
            seconds.get_or_create_owned(&label)
        });
        histogram.observe(took.as_secs_f64());
    }
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Connected(Arc<AtomicI64>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Counters {
    /// The counts of a topic.
    pub(crate) fn of(&self, topic: &str) -> Arc<TopicCounters> {
        self.topics.of(topic)
    }

    /// No longer shows a topic that is gone.
    pub(crate) fn forget(&self, topic: &str) {
        self.topics.forget(topic);
    }

    /// No longer shows those that are not there any more and that nothing counts for.
    pub(crate) fn keep(&self, is_there: impl Fn(&str) -> bool) {
        self.topics.keep(|topic| is_there(topic));
    }

    /// Where requests for an API are counted.
    pub(crate) fn requests(&self, api: ApiKey) -> RequestCounter {
        RequestCounter(Arc::new((OnceLock::new(), api, self.seconds.clone())))
    }

    /// Counts a connection.
    pub(crate) fn connected(&self) -> Connected {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connected(Arc::clone(&self.connections))
    }

    /// Names and counts of every topic that is counted for itself, then of all others together where there are any.
    fn topics(&self) -> Vec<(String, TopicCounts)> {
        let named = self.topics.named().into_iter();
        let others = self.topics.others();
        named
            .chain(others.map(|counters| (OTHERS.to_owned(), counters)))
            .map(|(topic, counters)| (topic, counters.now()))
            .collect()
    }
}

impl Collector for Counters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let topics = self.topics();
        for (name, help, read) in COUNTS {
            let kind = ConstCounter::new(0u64).metric_type();
            let name = format!("kafka_server_brokertopicmetrics_{name}");
            let mut family = encoder.encode_descriptor(&name, help, None, kind)?;
            for (topic, counts) in &topics {
                let label = [("topic", topic.as_str())];
                ConstCounter::new(read(counts)).encode(family.encode_family(&label)?)?;
            }
        }
        let connections = ConstGauge::new(self.connections.load(Ordering::Relaxed));
        let metric = encoder.encode_descriptor(
            "kafka_server_socket_server_metrics_connection_count",
            "Connections of Kafka clients that are open",
            None,
            connections.metric_type(),
        )?;
        connections.encode(metric)
    }
}

impl Broker {
    /// Shows what is counted in `registry`, which should put nothing before the names.
    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.counters.clone()));
        registry.register(
            "kafka_network_requestmetrics_totaltime_seconds",
            "From a request's last byte to its answer, waits that the client asked for included",
            self.counters.seconds.clone(),
        );
        let brokers = Gauge::<i64>::default();
        brokers.set(1);
        registry.register("kafka_brokers", "Brokers of the cluster", brokers);
    }

    /// What was counted of each topic; of all beyond the first 1,000 together, under a name that no topic can have.
    #[must_use]
    pub fn topic_counts(&self) -> Vec<(String, TopicCounts)> {
        self.counters.topics()
    }

    /// Connections that are open.
    #[must_use]
    pub fn connection_count(&self) -> u64 {
        let count = self.counters.connections.load(Ordering::Relaxed);
        count.unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_beyond_the_bound_are_counted_together() {
        let counters = Counters::default();
        for number in 0..TOPICS_MAX + 5 {
            counters.of(&number.to_string()).wrote(1, 10);
        }
        let others = |counters: &Counters| {
            let all = counters.topics();
            all.iter()
                .find(|(name, _)| name == OTHERS)
                .map(|one| one.1.bytes_in)
        };
        assert_eq!(counters.topics().len(), TOPICS_MAX + 1);
        assert_eq!(others(&counters), Some(50));
        counters.forget("0");
        assert_eq!(counters.of("0").now(), TopicCounts::default());
    }

    #[test]
    fn topics_that_are_gone_make_room() {
        let counters = Counters::default();
        counters.of("there");
        counters.of("gone");
        let in_use = counters.of("in use");
        counters.keep(|topic| topic == "there");
        let mut left: Vec<_> = counters.topics().into_iter().map(|one| one.0).collect();
        left.sort_unstable();
        assert_eq!(left, ["in use", "there"]);
        in_use.wrote(1, 1);
        assert_eq!(counters.of("in use").now().messages_in, 1);
    }
}
