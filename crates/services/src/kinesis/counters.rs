//! What is counted of each stream, under the names CloudWatch has for it, and shown to Prometheus.
//!
//! Bounded: streams beyond [`STREAMS_MAX`] are counted together. Counts start at zero with the process.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use model::Tally;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use streams::StreamName;

/// Streams that are counted each for itself.
const STREAMS_MAX: usize = 1_000;
/// What the labels of the others say.
const OTHERS: &str = "(others)";

/// The counts of PutRecord, or of PutRecords.
#[derive(Debug, Default)]
pub(super) struct PutCounters {
    pub(super) calls: AtomicU64,
    /// Calls of which some record was put.
    pub(super) successes: AtomicU64,
    /// Keys and data put.
    pub(super) bytes: AtomicU64,
    /// How long the successes took.
    pub(super) micros: AtomicU64,
    pub(super) records_put: AtomicU64,
    pub(super) records_throttled: AtomicU64,
    pub(super) records_failed: AtomicU64,
}

/// The counts of one stream.
#[derive(Debug, Default)]
pub(super) struct StreamCounters {
    pub(super) put_record: PutCounters,
    pub(super) put_records: PutCounters,
    pub(super) incoming_bytes: AtomicU64,
    pub(super) incoming_records: AtomicU64,
    pub(super) put_failed_records: AtomicU64,
    pub(super) write_exceeded: AtomicU64,
    pub(super) get_calls: AtomicU64,
    pub(super) get_bytes: AtomicU64,
    pub(super) get_records: AtomicU64,
    pub(super) get_micros: AtomicU64,
    pub(super) read_exceeded: AtomicU64,
    pub(super) subscriptions: AtomicU64,
    pub(super) subscriptions_refused: AtomicU64,
    pub(super) subscribe_events: AtomicU64,
    pub(super) subscribe_bytes: AtomicU64,
    pub(super) subscribe_records: AtomicU64,
    pub(super) unreadable_batches: AtomicU64,
    iterator_age_ms: AtomicI64,
    event_age_ms: AtomicI64,
}

impl StreamCounters {
    /// How far behind the tip the last answer ended, in milliseconds.
    pub(super) fn saw_iterator_age(&self, millis: i64) {
        self.iterator_age_ms.store(millis, Ordering::Relaxed);
    }

    /// What was seen last.
    pub(super) fn iterator_age_millis(&self) -> i64 {
        self.iterator_age_ms.load(Ordering::Relaxed)
    }

    /// How far behind the tip the last event ended, in milliseconds.
    pub(super) fn saw_event_age(&self, millis: i64) {
        self.event_age_ms.store(millis, Ordering::Relaxed);
    }

    /// What was seen last.
    pub(super) fn event_age_millis(&self) -> i64 {
        self.event_age_ms.load(Ordering::Relaxed)
    }
}

/// Adds to a count.
pub(super) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}

/// Adds a duration to a count of microseconds.
pub(super) fn add_time(counter: &AtomicU64, took: Duration) {
    counter.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
}

/// A count's name, its explanation and where it is.
type Count = (
    &'static str,
    &'static str,
    fn(&StreamCounters) -> &AtomicU64,
);

const COUNTS: &[Count] = &[
    (
        "kinesis_incoming_bytes",
        "IncomingBytes: keys and data put",
        |c| &c.incoming_bytes,
    ),
    (
        "kinesis_incoming_records",
        "IncomingRecords: records put",
        |c| &c.incoming_records,
    ),
    (
        "kinesis_put_failed_records",
        "PutRecord and PutRecords: records not put, throttled ones included",
        |c| &c.put_failed_records,
    ),
    (
        "kinesis_write_provisioned_throughput_exceeded",
        "WriteProvisionedThroughputExceeded: records a shard's limits refused",
        |c| &c.write_exceeded,
    ),
    (
        "kinesis_get_records_success",
        "GetRecords.Success: calls answered",
        |c| &c.get_calls,
    ),
    (
        "kinesis_get_records_bytes",
        "GetRecords.Bytes: keys and data given to pollers",
        |c| &c.get_bytes,
    ),
    (
        "kinesis_get_records_records",
        "GetRecords.Records: records given to pollers",
        |c| &c.get_records,
    ),
    (
        "kinesis_read_provisioned_throughput_exceeded",
        "ReadProvisionedThroughputExceeded: reads a shard's limits refused",
        |c| &c.read_exceeded,
    ),
    (
        "kinesis_subscribe_to_shard_event_success",
        "SubscribeToShardEvent.Success: events pushed",
        |c| &c.subscribe_events,
    ),
    (
        "kinesis_subscribe_to_shard_event_bytes",
        "SubscribeToShardEvent.Bytes: keys and data pushed",
        |c| &c.subscribe_bytes,
    ),
    (
        "kinesis_subscribe_to_shard_event_records",
        "SubscribeToShardEvent.Records: records pushed",
        |c| &c.subscribe_records,
    ),
    (
        "kinesis_unreadable_batches",
        "Batches that readers skipped because they do not inflate",
        |c| &c.unreadable_batches,
    ),
];

/// A stream as Prometheus tells it apart.
type Labels = [(&'static str, String); 3];

/// The counts of all streams. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Counters(Tally<StreamName, StreamCounters>);

impl Default for Counters {
    fn default() -> Counters {
        Counters(Tally::new(STREAMS_MAX))
    }
}

impl Counters {
    /// The counts of a stream.
    pub(super) fn of(&self, stream: &StreamName) -> Arc<StreamCounters> {
        self.0.of(stream)
    }

    /// Shows them in `registry`.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }

    /// Names and counts of every stream that is counted for itself.
    pub(super) fn streams(&self) -> Vec<(StreamName, Arc<StreamCounters>)> {
        self.0.named()
    }

    /// Labels and counts of every stream.
    fn all(&self) -> Vec<(Labels, Arc<StreamCounters>)> {
        let labels = |account: &str, region: &str, name: &str| {
            [
                ("account", account.to_owned()),
                ("region", region.to_owned()),
                ("stream", name.to_owned()),
            ]
        };
        let named = self.0.named().into_iter().map(|(stream, counters)| {
            let (account, region) = (stream.account.as_str(), stream.region.as_str());
            (labels(account, region, &stream.name), counters)
        });
        let others = self.0.others();
        let others = others.map(|counters| (labels(OTHERS, OTHERS, OTHERS), counters));
        named.chain(others).collect()
    }
}

impl Collector for Counters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = self.all();
        for (name, help, read) in COUNTS {
            let kind = ConstCounter::new(0u64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (labels, counters) in &all {
                let count = ConstCounter::new(read(counters).load(Ordering::Relaxed));
                count.encode(family.encode_family(labels)?)?;
            }
        }
        let name = "kinesis_get_records_iterator_age_milliseconds";
        let help =
            "GetRecords.IteratorAgeMilliseconds: how far behind the tip the last answer ended";
        let kind = ConstGauge::new(0i64).metric_type();
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for (labels, counters) in &all {
            let age = ConstGauge::new(counters.iterator_age_ms.load(Ordering::Relaxed));
            age.encode(family.encode_family(labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use model::{AccountId, Region};

    use super::*;

    fn stream(name: &str) -> StreamName {
        StreamName {
            account: AccountId::unnamed(),
            region: Region::unnamed(),
            name: name.to_owned(),
        }
    }

    fn shown(counters: &Counters) -> String {
        let mut registry = Registry::default();
        counters.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn counts_are_shown_by_stream() {
        let counters = Counters::default();
        add(&counters.of(&stream("a")).incoming_bytes, 7);
        add(&counters.of(&stream("a")).incoming_bytes, 1);
        counters.of(&stream("b")).saw_iterator_age(250);
        let text = shown(&counters);
        for line in [
            r#"kinesis_incoming_bytes_total{account="000000000000",region="us-east-1",stream="a"} 8"#,
            r#"kinesis_incoming_bytes_total{account="000000000000",region="us-east-1",stream="b"} 0"#,
            r#"kinesis_get_records_iterator_age_milliseconds{account="000000000000",region="us-east-1",stream="b"} 250"#,
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn streams_beyond_the_bound_are_counted_together() {
        let counters = Counters::default();
        for number in 0..STREAMS_MAX + 5 {
            add(
                &counters.of(&stream(&number.to_string())).incoming_records,
                1,
            );
        }
        assert_eq!(counters.all().len(), STREAMS_MAX + 1);
        let line = r#"stream="(others)"} 5"#;
        assert!(shown(&counters).contains(line));
    }
}
