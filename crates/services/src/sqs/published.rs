//! What CloudWatch is told of each queue: `AWS/SQS`, dimension `QueueName`. Names and units from "Available CloudWatch metrics for
//! Amazon SQS" of the developer guide. Of `SentMessageSize` the average is known alone.

use std::sync::atomic::Ordering::Relaxed;

use super::Sqs;
use super::counters::QueueCounters;
use crate::published::{Published, Told};

const NAMESPACE: &str = "AWS/SQS";

/// AWS's name, its unit, and the number.
type Number = (&'static str, &'static str, fn(&QueueCounters) -> Told);

const NUMBERS: &[Number] = &[
    ("NumberOfMessagesSent", "Count", |c| {
        Told::Total(c.messages_sent.load(Relaxed))
    }),
    ("NumberOfMessagesReceived", "Count", |c| {
        Told::Total(c.messages_received.load(Relaxed))
    }),
    ("NumberOfMessagesDeleted", "Count", |c| {
        Told::Total(c.messages_deleted.load(Relaxed))
    }),
    ("NumberOfEmptyReceives", "Count", |c| {
        Told::Total(c.empty_receives.load(Relaxed))
    }),
    ("SentMessageSize", "Bytes", |c| Told::Totals {
        count: c.messages_sent.load(Relaxed),
        sum: c.sent_bytes.load(Relaxed) as f64,
    }),
    ("ApproximateNumberOfMessagesVisible", "Count", |c| {
        Told::Level(c.visible.load(Relaxed) as f64)
    }),
    ("ApproximateNumberOfMessagesNotVisible", "Count", |c| {
        Told::Level(c.not_visible.load(Relaxed) as f64)
    }),
    ("ApproximateNumberOfMessagesDelayed", "Count", |c| {
        Told::Level(c.delayed.load(Relaxed) as f64)
    }),
    ("ApproximateAgeOfOldestMessage", "Seconds", |c| {
        Told::Level(c.oldest_age_seconds.load(Relaxed) as f64)
    }),
];

impl Sqs {
    /// The numbers of every queue that is counted for itself, as they are now.
    #[must_use]
    pub fn published(&self) -> Vec<Published> {
        let mut all = Vec::new();
        for (queue, counters) in self.counters.queues() {
            all.extend(NUMBERS.iter().map(|(name, unit, read)| Published {
                account: queue.account.clone(),
                region: queue.region.clone(),
                namespace: NAMESPACE,
                name,
                dimensions: vec![("QueueName", queue.name.clone())],
                unit,
                told: read(&counters),
            }));
        }
        all
    }
}
