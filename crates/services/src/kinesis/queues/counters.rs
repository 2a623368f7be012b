//! What is counted of each queue, under the names CloudWatch has for it, and shown to Prometheus.
//!
//! Bounded: queues beyond [`QUEUES_MAX`] are counted together. Counts start at zero with the process.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;

use super::Queue;
use super::record::QueueName;

/// Queues that are counted each for itself.
const QUEUES_MAX: usize = 1_000;
/// What the labels of the others say.
const OTHERS: &str = "(others)";

/// The counts of one queue.
#[derive(Debug, Default)]
pub(super) struct QueueCounters {
    pub(super) received: AtomicU64,
    pub(super) acknowledged: AtomicU64,
    pub(super) empty_receives: AtomicU64,
    pub(super) dead_letters: AtomicU64,
}

/// A count's name, its explanation and where it is.
type Count = (&'static str, &'static str, fn(&QueueCounters) -> &AtomicU64);

const COUNTS: &[Count] = &[
    (
        "kinesis_queue_received_records",
        "ReceivedQueueRecords: records received, dead letters aside",
        |c| &c.received,
    ),
    (
        "kinesis_queue_acknowledged_records",
        "AcknowledgedQueueRecords: records acknowledged, dead letters aside",
        |c| &c.acknowledged,
    ),
    (
        "kinesis_queue_empty_receives",
        "EmptyReceives: receives that gave no record, dead letters aside",
        |c| &c.empty_receives,
    ),
    (
        "kinesis_queue_dead_letters",
        "Records that became dead letters",
        |c| &c.dead_letters,
    ),
];

/// The counts of all queues. Cheap to clone.
#[derive(Clone, Default)]
pub(in super::super) struct Counters {
    queues: Arc<Mutex<HashMap<QueueName, Counted>>>,
    others: Arc<QueueCounters>,
}

struct Counted {
    name: String,
    counters: Arc<QueueCounters>,
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counters")
    }
}

/// A queue as Prometheus tells it apart.
type Labels = [(&'static str, String); 4];

impl Counters {
    /// The counts of a queue.
    pub(super) fn of(&self, queue: &Queue) -> Arc<QueueCounters> {
        let mut known = self.lock();
        if let Some(counted) = known.get(&queue.name) {
            return Arc::clone(&counted.counters);
        }
        if known.len() >= QUEUES_MAX {
            return Arc::clone(&self.others);
        }
        let counters = Arc::new(QueueCounters::default());
        let counted = Counted {
            name: queue.settings.name.clone(),
            counters: Arc::clone(&counters),
        };
        known.insert(queue.name.clone(), counted);
        counters
    }

    /// A deleted queue is counted no more.
    pub(super) fn forget(&self, queue: &QueueName) {
        self.lock().remove(queue);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<QueueName, Counted>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Labels and counts of every queue.
    fn all(&self) -> Vec<(Labels, Arc<QueueCounters>)> {
        let labels = |account: &str, region: &str, queue: &str, id: &str| {
            [
                ("account", account.to_owned()),
                ("region", region.to_owned()),
                ("queue", queue.to_owned()),
                ("queue_id", id.to_owned()),
            ]
        };
        let known = self.lock();
        let mut all: Vec<_> = known
            .iter()
            .map(|(queue, counted)| {
                let (account, region) = (queue.account.as_str(), queue.region.as_str());
                let labels = labels(account, region, &counted.name, &queue.id);
                (labels, Arc::clone(&counted.counters))
            })
            .collect();
        if known.len() >= QUEUES_MAX {
            let labels = labels(OTHERS, OTHERS, OTHERS, OTHERS);
            all.push((labels, Arc::clone(&self.others)));
        }
        all
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
        Ok(())
    }
}
