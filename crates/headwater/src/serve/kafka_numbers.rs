//! What Kafka's topics, groups and connections come to: at `/metrics` under the names that kafka-exporter and the JMX exporter
//! have, in CloudWatch under those of Amazon MSK.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka::{Broker, PartitionEnds, TopicCounts, TopicEnds};
use model::{AccountId, Region};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use services::published::{Published, Told};
use tokio::time::Instant;

use super::lags::Lags;

/// How often it is measured.
const MEASURING_PERIOD: Duration = Duration::from_secs(10);
/// With very many topics it is measured less often, so that no more than this part of a processor goes into it.
const PART_OF_PROCESSOR: u32 = 50;
/// Partitions whose ends are shown.
const PARTITIONS_MAX: usize = 10_000;
/// Seconds of a minute, which CloudWatch is told once of.
const MINUTE: f64 = 60.0;
/// What MSK's dimension `Cluster Name` says: there is one.
const CLUSTER: &str = "headwater";
/// What MSK's dimension `Broker ID` says.
const BROKER: &str = "1";

/// Everything there is to tell of a broker. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct KafkaNumbers {
    broker: Arc<Broker>,
    lags: Lags,
    measured: Arc<Mutex<Measured>>,
}

#[derive(Debug, Default)]
struct Measured {
    topics: Vec<TopicEnds>,
    /// What CloudWatch was told of last.
    told: HashMap<String, TopicCounts>,
}

impl KafkaNumbers {
    /// Of that broker.
    pub(super) fn of(broker: Arc<Broker>) -> KafkaNumbers {
        KafkaNumbers {
            broker,
            lags: Lags::default(),
            measured: Arc::default(),
        }
    }

    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Measures for ever.
    pub(super) async fn keep_measuring(&self) {
        loop {
            let began = Instant::now();
            self.lags.measure(&self.broker).await;
            match self.broker.topic_ends(PARTITIONS_MAX).await {
                Ok(topics) => self.measured().topics = topics,
                Err(error) => {
                    tracing::warn!(%error, "could not see where topics end");
                    // What was before is not shown as if it were now.
                    self.measured().topics.clear();
                }
            }
            let pause = MEASURING_PERIOD.max(began.elapsed() * PART_OF_PROCESSOR);
            tokio::time::sleep(pause).await;
        }
    }

    /// Shows all in `registry`, which should put nothing before the names.
    pub(super) fn register(&self, registry: &mut Registry) {
        self.broker.register_metrics(registry);
        registry.register_collector(Box::new(self.lags.clone()));
        registry.register_collector(Box::new(Ends(self.clone())));
    }

    /// A minute's numbers, as MSK tells them: rates by topic and of all, how much there is, and how far groups are behind.
    pub(super) fn published(&self) -> Vec<Published> {
        let counts: HashMap<_, _> = self.broker.topic_counts().into_iter().collect();
        let mut measured = self.measured();
        let mut all = rates(&measured.told, &counts);
        measured.told = counts;
        let partitions = measured.topics.iter().map(|one| one.partition_count).sum();
        let connections = self.broker.connection_count();
        all.push(level("ConnectionCount", "Count", None, connections as f64));
        all.push(level("PartitionCount", "Count", None, partitions as f64));
        for (name, count) in [
            ("GlobalPartitionCount", partitions),
            ("GlobalTopicCount", measured.topics.len() as u64),
        ] {
            all.push(of_cluster(name, "Count", Vec::new(), count as f64));
        }
        drop(measured);
        all.extend(self.lags.published());
        all
    }
}

/// What came and went in a second of the last minute, of each topic and of all together.
fn rates(
    before: &HashMap<String, TopicCounts>,
    now: &HashMap<String, TopicCounts>,
) -> Vec<Published> {
    let mut all = Vec::new();
    for (name, unit, read) in RATES {
        let mut together = 0.0;
        for (topic, counts) in now {
            let before = before.get(topic).map_or(0, read);
            let count = read(counts);
            // One that is less than it was began again with its topic.
            let grown = count.checked_sub(before).unwrap_or(count);
            let rate = grown as f64 / MINUTE;
            together += rate;
            all.push(level(name, unit, Some(topic), rate));
        }
        all.push(level(name, unit, None, together));
    }
    all
}

/// MSK's name, its unit, and what it is the growth of.
type Rate = (&'static str, &'static str, fn(&TopicCounts) -> u64);

const RATES: [Rate; 3] = [
    ("BytesInPerSec", "Bytes/Second", |c| c.bytes_in),
    ("BytesOutPerSec", "Bytes/Second", |c| c.bytes_out),
    ("MessagesInPerSec", "Count/Second", |c| c.messages_in),
];

/// One number of the broker, of one topic or of all.
fn level(name: &'static str, unit: &'static str, topic: Option<&String>, level: f64) -> Published {
    let mut dimensions = vec![("Broker ID", BROKER.to_owned())];
    dimensions.extend(topic.map(|topic| ("Topic", topic.clone())));
    of_cluster(name, unit, dimensions, level)
}

/// One number of what these dimensions say, in the account that topics are of.
pub(super) fn of_cluster(
    name: &'static str,
    unit: &'static str,
    mut dimensions: Vec<(&'static str, String)>,
    level: f64,
) -> Published {
    dimensions.insert(0, ("Cluster Name", CLUSTER.to_owned()));
    Published {
        account: AccountId::unnamed(),
        region: Region::unnamed(),
        namespace: "AWS/Kafka",
        name,
        dimensions,
        unit,
        told: Told::Level(level),
    }
}

/// Where topics begin and end, as measured last.
#[derive(Debug)]
struct Ends(KafkaNumbers);

impl Collector for Ends {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let measured = self.0.measured();
        let kind = ConstGauge::new(0i64).metric_type();
        let (name, help) = ("kafka_topic_partitions", "Partitions of a topic");
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for topic in &measured.topics {
            let label = [("topic", topic.topic.as_str())];
            gauge(topic.partition_count).encode(family.encode_family(&label)?)?;
        }
        let read_start: fn(&PartitionEnds) -> u64 = |ends| ends.start;
        let read_end: fn(&PartitionEnds) -> u64 = |ends| ends.end;
        for (name, help, read) in [
            (
                "kafka_topic_partition_oldest_offset",
                "Offset of a partition's oldest record",
                read_start,
            ),
            (
                "kafka_topic_partition_current_offset",
                "Offset of a partition's next record",
                read_end,
            ),
        ] {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for topic in &measured.topics {
                for ends in &topic.partitions {
                    let partition = ends.partition.to_string();
                    let label = [("partition", partition.as_str()), ("topic", &topic.topic)];
                    gauge(read(ends)).encode(family.encode_family(&label)?)?;
                }
            }
        }
        Ok(())
    }
}

/// A number that rises and falls, as Prometheus has it.
pub(super) fn gauge(value: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(messages_in: u64) -> TopicCounts {
        TopicCounts {
            messages_in,
            ..TopicCounts::default()
        }
    }

    #[test]
    fn rates_are_what_came_since_they_were_told_last() {
        let all = |topics: &[(&str, u64)]| {
            let topics = topics.iter();
            let topics = topics.map(|(name, count)| ((*name).to_owned(), counts(*count)));
            topics.collect::<HashMap<_, _>>()
        };
        let before = all(&[("grows", 100), ("made again", 5_000), ("gone", 7)]);
        let now = all(&[("grows", 160), ("made again", 120), ("new", 600)]);
        let told = rates(&before, &now);
        let messages = told.iter().filter(|one| one.name == "MessagesInPerSec");
        let mut messages: Vec<_> = messages
            .map(|one| {
                let topic = one.dimensions.get(2).map(|(_, topic)| topic.as_str());
                (topic, one.told)
            })
            .collect();
        messages.sort_by_key(|(topic, _)| *topic);
        let expected = [
            (None, 13.0),
            (Some("grows"), 1.0),
            (Some("made again"), 2.0),
            (Some("new"), 10.0),
        ];
        assert_eq!(
            messages,
            expected.map(|(topic, rate)| (topic, Told::Level(rate)))
        );
    }
}
