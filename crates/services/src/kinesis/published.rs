//! What CloudWatch is told of each stream: `AWS/Kinesis`, dimension `StreamName`; and of the shards that EnableEnhancedMonitoring asks
//! for, with `ShardId`. Names and units from "Monitoring the Amazon Kinesis Data Streams service with CloudWatch" of the developer
//! guide. Of latencies and of what calls carry the average is known alone. The deprecated `GetRecords.IteratorAge` and
//! `PutRecords.Records` are not told, nor is the dimension `ConsumerName`.

use std::sync::atomic::Ordering::Relaxed;

use super::Kinesis;
use super::counters::{PutCounters, StreamCounters};
use super::naming::shard_id;
use super::shard_counters::ShardCounters;
use crate::published::{Published, Told};

const NAMESPACE: &str = "AWS/Kinesis";

/// AWS's name, its unit, and the number.
type Number = (&'static str, &'static str, fn(&StreamCounters) -> Told);

const NUMBERS: &[Number] = &[
    ("IncomingBytes", "Bytes", |c| {
        Told::Total(c.incoming_bytes.load(Relaxed))
    }),
    ("IncomingRecords", "Count", |c| {
        Told::Total(c.incoming_records.load(Relaxed))
    }),
    ("WriteProvisionedThroughputExceeded", "Count", |c| {
        Told::Total(c.write_exceeded.load(Relaxed))
    }),
    ("PutRecord.Success", "Count", |c| success(&c.put_record)),
    ("PutRecord.Bytes", "Bytes", |c| bytes(&c.put_record)),
    ("PutRecord.Latency", "Milliseconds", |c| {
        latency(&c.put_record)
    }),
    ("PutRecords.Success", "Count", |c| success(&c.put_records)),
    ("PutRecords.Bytes", "Bytes", |c| bytes(&c.put_records)),
    ("PutRecords.Latency", "Milliseconds", |c| {
        latency(&c.put_records)
    }),
    ("PutRecords.TotalRecords", "Count", |c| {
        let PutCounters {
            records_put,
            records_throttled,
            records_failed,
            ..
        } = &c.put_records;
        let all = [records_put, records_throttled, records_failed];
        let all = all.iter().map(|count| count.load(Relaxed)).sum();
        a_call(&c.put_records, all)
    }),
    ("PutRecords.SuccessfulRecords", "Count", |c| {
        a_call(&c.put_records, c.put_records.records_put.load(Relaxed))
    }),
    ("PutRecords.ThrottledRecords", "Count", |c| {
        let throttled = c.put_records.records_throttled.load(Relaxed);
        a_call(&c.put_records, throttled)
    }),
    ("PutRecords.FailedRecords", "Count", |c| {
        a_call(&c.put_records, c.put_records.records_failed.load(Relaxed))
    }),
    ("GetRecords.Success", "Count", |c| {
        Told::Total(c.get_calls.load(Relaxed))
    }),
    ("GetRecords.Bytes", "Bytes", |c| {
        Told::Total(c.get_bytes.load(Relaxed))
    }),
    ("GetRecords.Records", "Count", |c| {
        Told::Total(c.get_records.load(Relaxed))
    }),
    ("GetRecords.Latency", "Milliseconds", |c| Told::Totals {
        count: c.get_calls.load(Relaxed),
        sum: c.get_micros.load(Relaxed) as f64 / 1_000.0,
    }),
    ("GetRecords.IteratorAgeMilliseconds", "Milliseconds", |c| {
        Told::Seen {
            value: c.iterator_age_millis() as f64,
            count: c.get_calls.load(Relaxed),
        }
    }),
    ("ReadProvisionedThroughputExceeded", "Count", |c| {
        Told::Total(c.read_exceeded.load(Relaxed))
    }),
    ("SubscribeToShard.Success", "Count", |c| {
        Told::Total(c.subscriptions.load(Relaxed))
    }),
    ("SubscribeToShard.RateExceeded", "Count", |c| {
        Told::Total(c.subscriptions_refused.load(Relaxed))
    }),
    (
        "SubscribeToShardEvent.MillisBehindLatest",
        "Milliseconds",
        |c| Told::Seen {
            value: c.event_age_millis() as f64,
            count: c.subscribe_events.load(Relaxed),
        },
    ),
    ("SubscribeToShardEvent.Success", "Count", |c| {
        Told::Total(c.subscribe_events.load(Relaxed))
    }),
    ("SubscribeToShardEvent.Bytes", "Bytes", |c| {
        Told::Total(c.subscribe_bytes.load(Relaxed))
    }),
    ("SubscribeToShardEvent.Records", "Count", |c| {
        Told::Total(c.subscribe_records.load(Relaxed))
    }),
];

/// Each call is a sample: what `count` says of all of them.
fn a_call(of: &PutCounters, count: u64) -> Told {
    Told::Totals {
        count: of.calls.load(Relaxed),
        sum: count as f64,
    }
}

fn success(of: &PutCounters) -> Told {
    a_call(of, of.successes.load(Relaxed))
}

fn bytes(of: &PutCounters) -> Told {
    Told::Totals {
        count: of.successes.load(Relaxed),
        sum: of.bytes.load(Relaxed) as f64,
    }
}

fn latency(of: &PutCounters) -> Told {
    Told::Totals {
        count: of.successes.load(Relaxed),
        sum: of.micros.load(Relaxed) as f64 / 1_000.0,
    }
}

/// AWS's name, its unit, and the number of a shard.
type ShardNumber = (&'static str, &'static str, fn(&ShardCounters) -> Told);

const OF_SHARDS: &[ShardNumber] = &[
    ("IncomingBytes", "Bytes", |c| {
        Told::Total(c.incoming_bytes.load(Relaxed))
    }),
    ("IncomingRecords", "Count", |c| {
        Told::Total(c.incoming_records.load(Relaxed))
    }),
    ("OutgoingBytes", "Bytes", |c| {
        Told::Total(c.outgoing_bytes.load(Relaxed))
    }),
    ("OutgoingRecords", "Count", |c| {
        Told::Total(c.outgoing_records.load(Relaxed))
    }),
    ("WriteProvisionedThroughputExceeded", "Count", |c| {
        Told::Total(c.write_exceeded.load(Relaxed))
    }),
    ("ReadProvisionedThroughputExceeded", "Count", |c| {
        Told::Total(c.read_exceeded.load(Relaxed))
    }),
    ("IteratorAgeMilliseconds", "Milliseconds", |c| Told::Seen {
        value: c.iterator_age_ms.load(Relaxed) as f64,
        count: c.gets.load(Relaxed),
    }),
];

impl Kinesis {
    /// The numbers of every stream that is counted for itself, as they are now.
    #[must_use]
    pub fn published(&self) -> Vec<Published> {
        let mut all = Vec::new();
        for (stream, counters) in self.plane.counters.streams() {
            all.extend(NUMBERS.iter().map(|(name, unit, read)| Published {
                account: stream.account.clone(),
                region: stream.region.clone(),
                namespace: NAMESPACE,
                name,
                dimensions: vec![("StreamName", stream.name.clone())],
                unit,
                told: read(&counters),
            }));
        }
        all
    }
    /// The numbers of the shards that were asked for, as they are now. What never happened in a shard is not told of it.
    #[must_use]
    pub fn published_shards(&self) -> Vec<Published> {
        let mut all = Vec::new();
        self.plane.shards.each(|stream, monitored| {
            let is_asked = |name: &str| monitored.metrics.iter().any(|asked| asked == name);
            let asked = OF_SHARDS.iter().filter(|(name, ..)| is_asked(name));
            for (name, unit, read) in asked {
                for (index, counters) in &monitored.shards {
                    let told = read(counters);
                    if matches!(told, Told::Total(0) | Told::Seen { count: 0, .. }) {
                        continue;
                    }
                    all.push(Published {
                        account: stream.account.clone(),
                        region: stream.region.clone(),
                        namespace: NAMESPACE,
                        name,
                        dimensions: vec![
                            ("StreamName", stream.name.clone()),
                            ("ShardId", shard_id(*index)),
                        ],
                        unit,
                        told,
                    });
                }
            }
        });
        all
    }
}
