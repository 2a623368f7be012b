//! What is counted of each queue, under the names CloudWatch has for it, and shown to Prometheus.
//!
//! Bounded: queues beyond [`QUEUES_MAX`] are counted together. Counts start at zero with the process.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::{Tally, Timestamp};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use store::Scan;
use streams::delivery::Counts;

use super::Sqs;
use super::error::SqsError;
use super::records::QueueName;

/// Queues that are counted each for itself.
const QUEUES_MAX: usize = 1_000;
/// What the labels of the others say.
const OTHERS: &str = "(others)";

/// The counts of one queue.
#[derive(Debug, Default)]
pub(super) struct QueueCounters {
    pub(super) messages_sent: AtomicU64,
    pub(super) messages_received: AtomicU64,
    pub(super) messages_deleted: AtomicU64,
    pub(super) empty_receives: AtomicU64,
    pub(super) sent_bytes: AtomicU64,
    pub(super) visible: AtomicU64,
    pub(super) not_visible: AtomicU64,
    pub(super) delayed: AtomicU64,
    pub(super) oldest_age_seconds: AtomicU64,
}

/// Adds to a count.
pub(super) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}

/// A count's name, its explanation and where it is.
type Count = (&'static str, &'static str, fn(&QueueCounters) -> &AtomicU64);

const COUNTS: &[Count] = &[
    ("sqs_messages_sent", "NumberOfMessagesSent", |c| {
        &c.messages_sent
    }),
    ("sqs_messages_received", "NumberOfMessagesReceived", |c| {
        &c.messages_received
    }),
    ("sqs_messages_deleted", "NumberOfMessagesDeleted", |c| {
        &c.messages_deleted
    }),
    ("sqs_empty_receives", "NumberOfEmptyReceives", |c| {
        &c.empty_receives
    }),
    (
        "sqs_sent_message_bytes",
        "SentMessageSize: bytes of messages sent, all together",
        |c| &c.sent_bytes,
    ),
];

/// What rises and falls. Measured every few seconds.
const LEVELS: &[Count] = &[
    (
        "sqs_messages_visible",
        "ApproximateNumberOfMessagesVisible",
        |c| &c.visible,
    ),
    (
        "sqs_messages_not_visible",
        "ApproximateNumberOfMessagesNotVisible",
        |c| &c.not_visible,
    ),
    (
        "sqs_messages_delayed",
        "ApproximateNumberOfMessagesDelayed",
        |c| &c.delayed,
    ),
    (
        "sqs_age_of_oldest_message_seconds",
        "ApproximateAgeOfOldestMessage",
        |c| &c.oldest_age_seconds,
    ),
];

/// A queue as Prometheus tells it apart.
type Labels = [(&'static str, String); 3];

/// The counts of all queues. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Counters(Tally<QueueName, QueueCounters>);

impl Default for Counters {
    fn default() -> Counters {
        Counters(Tally::new(QUEUES_MAX))
    }
}

impl Counters {
    /// The counts of a queue.
    pub(super) fn of(&self, queue: &QueueName) -> Arc<QueueCounters> {
        self.0.of(queue)
    }

    /// A deleted queue is counted no more.
    pub(super) fn forget(&self, queue: &QueueName) {
        self.0.forget(queue);
    }

    /// Names and counts of every queue that is counted for itself.
    pub(super) fn queues(&self) -> Vec<(QueueName, Arc<QueueCounters>)> {
        self.0.named()
    }

    /// Labels and counts of every queue.
    fn all(&self) -> Vec<(Labels, Arc<QueueCounters>)> {
        let labels = |account: &str, region: &str, name: &str| {
            [
                ("account", account.to_owned()),
                ("region", region.to_owned()),
                ("queue", name.to_owned()),
            ]
        };
        let named = self.0.named().into_iter().map(|(queue, counters)| {
            let (account, region) = (queue.account.as_str(), queue.region.as_str());
            (labels(account, region, &queue.name), counters)
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
        for (name, help, read) in LEVELS {
            let kind = ConstGauge::new(0i64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (labels, counters) in &all {
                let level = read(counters).load(Ordering::Relaxed);
                let level = ConstGauge::new(i64::try_from(level).unwrap_or(i64::MAX));
                level.encode(family.encode_family(labels)?)?;
            }
        }
        Ok(())
    }
}

impl Sqs {
    /// Shows the counts of every queue in `registry`, under the names CloudWatch has for them.
    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.counters.clone()));
    }

    /// Measures what rises and falls in every queue that is counted for itself. The first time, that begins its delivery, unless
    /// there is nothing to deliver.
    ///
    /// # Errors
    /// The store's. A queue that is deleted meanwhile is no error.
    pub async fn measure(&self) -> Result<(), SqsError> {
        let now = self.clock.now();
        let queues = Scan {
            limit: QUEUES_MAX,
            ..Scan::below(&QueueName::top())
        };
        for (key, _) in self.store.scan(queues).await? {
            let Some(name) = QueueName::from_key(&key) else {
                continue;
            };
            match self.measure_queue(&name, now).await {
                Ok(()) | Err(SqsError::QueueDoesNotExist) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn measure_queue(&self, name: &QueueName, now: Timestamp) -> Result<(), SqsError> {
        let queue = self.find_named(name).await?;
        let is_idle = queue.begun().is_none() && {
            let bounds = self.store.bounds(queue.messages()).await?;
            bounds.start == bounds.end
        };
        let counts = if is_idle {
            Counts::default()
        } else {
            queue.delivery().await?.counts().await?
        };
        let counters = queue.counters();
        counters.visible.store(counts.visible, Ordering::Relaxed);
        counters
            .not_visible
            .store(counts.in_flight, Ordering::Relaxed);
        counters.delayed.store(counts.delayed, Ordering::Relaxed);
        let age = counts.oldest.map_or(0, |sent| now.since(sent).as_secs());
        counters.oldest_age_seconds.store(age, Ordering::Relaxed);
        Ok(())
    }

    /// Runs [`Sqs::measure`] every `period` for as long as it is polled.
    pub async fn keep_measuring(&self, period: Duration) {
        loop {
            tokio::time::sleep(period).await;
            if let Err(error) = self.measure().await {
                tracing::warn!(%error, "could not count the queues' messages; trying again later");
            }
        }
    }
}
