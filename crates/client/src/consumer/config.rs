//! What a worker is told.

use std::time::Duration;

use model::Timestamp;

use super::board::Share;
use super::opening::Opening;
use super::position::Position;
use crate::cloudwatch::Publishing;

/// Where an application that has no checkpoint begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialPosition {
    /// At the oldest record there is.
    TrimHorizon,
    /// With what comes from now on. As in the KCL, a shard whose worker ends before its first checkpoint is begun so again: what
    /// came in between is skipped.
    Latest,
    /// At the first record of that time or later.
    AtTimestamp(Timestamp),
}

impl InitialPosition {
    /// The word for it.
    #[must_use]
    pub fn position(self) -> Position {
        match self {
            InitialPosition::TrimHorizon => Position::TrimHorizon,
            InitialPosition::Latest => Position::Latest,
            InitialPosition::AtTimestamp(_) => Position::AtTimestamp,
        }
    }

    /// The time, in seconds since 1970.
    pub(super) fn seconds(self) -> Option<f64> {
        match self {
            InitialPosition::AtTimestamp(time) => Some(time.0 as f64 / 1000.0),
            _ => None,
        }
    }
}

/// How records come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retrieval {
    /// Asked for by GetRecords; all readers share a shard's 2 MB a second at AWS.
    Polling {
        /// Most records of one read, 1 to 10,000.
        records_max: u32,
        /// Between two reads of a shard that has nothing new. A shard that is behind is read without pause.
        idle: Duration,
    },
    /// Pushed by SubscribeToShard to a registered reader, which has its own 2 MB a second.
    FanOut {
        /// The reader's name; it is registered if it is not yet.
        consumer: String,
    },
}

/// What a worker is told. [`Config::new`] has the KCL's own defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// The stream's name.
    pub stream: String,
    /// This worker's name, which no other has at the same time. One that comes back under its old name has its leases at once.
    pub worker: String,
    /// Where to begin without a checkpoint.
    pub start: InitialPosition,
    /// How records come.
    pub retrieval: Retrieval,
    /// A lease that is not renewed for so long is taken. Leases are renewed three times in it.
    pub failover: Duration,
    /// Between two looks at all leases: the KCL looks every two failover times.
    pub look: Duration,
    /// Most leases this worker has.
    pub leases_max: usize,
    /// Most leases it takes from a living worker at a time.
    pub steals_max: usize,
    /// How long a living worker may take to finish what it has begun before its lease is taken all the same. Zero: it is
    /// not asked, as with the KCL 2, and what it has begun comes again.
    pub handover: Duration,
    /// Between two looks for shards that have no lease.
    pub sync: Duration,
    /// Whether leases of shards that are read are deleted once their children are being read.
    pub cleans_up: bool,
    /// Batches read ahead of the processor, for each shard.
    pub prefetch: usize,
    /// Pause before a processor is given a batch again that it failed on, and between tries of other things.
    pub backoff: Duration,
    /// Longest that a stopping worker waits for its processors.
    pub grace: Duration,
    /// How records in envelopes are opened; `None`: they are given as they came.
    pub opening: Option<Opening>,
    /// Publishes the KCL's metrics to CloudWatch; `None`: none. The KCL's namespace is the application's name, which is also
    /// that of its table of leases; its level is detailed, and it publishes every ten seconds.
    pub publishing: Option<Publishing>,
}

impl Config {
    /// A worker of that name on that stream.
    #[must_use]
    pub fn new(stream: &str, worker: &str) -> Config {
        let failover = Duration::from_secs(10);
        Config {
            stream: stream.to_owned(),
            worker: worker.to_owned(),
            start: InitialPosition::Latest,
            retrieval: Retrieval::Polling {
                records_max: 10_000,
                idle: Duration::from_secs(1),
            },
            failover,
            look: failover * 2,
            leases_max: usize::MAX,
            steals_max: 1,
            handover: Duration::from_secs(30),
            sync: Duration::from_secs(120),
            cleans_up: true,
            prefetch: 3,
            backoff: Duration::from_millis(500),
            grace: Duration::from_secs(30),
            opening: None,
            publishing: None,
        }
    }

    /// The same with that failover time, and all that goes by it.
    #[must_use]
    pub fn with_failover(self, failover: Duration) -> Config {
        Config {
            failover,
            look: failover * 2,
            ..self
        }
    }

    pub(super) fn share(&self) -> Share {
        Share {
            leases_max: self.leases_max,
            steals_max: self.steals_max,
            failover: self.failover,
        }
    }

    /// Between two renewals of a lease.
    pub(super) fn renewal(&self) -> Duration {
        (self.failover / 3).max(Duration::from_millis(10))
    }
}
