//! Kinesis Data Streams.

mod error;
mod limits;
mod naming;
mod numbers;
mod rules;

use std::sync::Arc;

use model::Clock;
use store::Store;
use streams::Streams;

pub use error::KinesisError;
pub use limits::Limits;

/// What the handlers work on.
pub struct Kinesis {
    /// The streams there are.
    pub streams: Arc<Streams>,
    /// Where documents beside them are kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// Whether quotas hold.
    pub limits: Limits,
}

impl std::fmt::Debug for Kinesis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kinesis({:?})", self.limits)
    }
}

impl Kinesis {
    /// Kinesis over the streams of one store.
    #[must_use]
    pub fn new(streams: Arc<Streams>, limits: Limits) -> Kinesis {
        Kinesis {
            store: Arc::clone(streams.store()),
            clock: streams.clock().clone(),
            streams,
            limits,
        }
    }
}
