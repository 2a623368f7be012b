//! What CloudWatch is told of each stream: `AWS/Kinesis`, dimension `StreamName`. Names and units from "Monitoring the Amazon Kinesis
//! Data Streams service with CloudWatch" of the developer guide.

use std::sync::atomic::Ordering::Relaxed;

use super::Kinesis;
use super::counters::StreamCounters;
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
    ("GetRecords.Success", "Count", |c| {
        Told::Total(c.get_calls.load(Relaxed))
    }),
    ("GetRecords.Bytes", "Bytes", |c| {
        Told::Total(c.get_bytes.load(Relaxed))
    }),
    ("GetRecords.Records", "Count", |c| {
        Told::Total(c.get_records.load(Relaxed))
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
}
