//! A task that asks for data from time to time and puts them to CloudWatch. Whoever measures never waits for it.
//!
//! **Promise.** Data that could not be put because the server was away or throttled are put again with the next ones; up to
//! [`BACKLOG_MAX`] are kept for that, the newest. **Not promised:** that all arrive, or arrive once only. What is dropped
//! is counted and logged, and nothing else suffers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::{Clock, Timestamp};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{CloudWatch, DATA_MAX, Datum, check_namespace};
use crate::error::ClientError;

/// Most data kept that are not yet put: as the KCL's queue.
pub const BACKLOG_MAX: usize = 10_000;
/// Longest that one publication takes; what is not put by then is put with the next.
const PUBLICATION_MAX: Duration = Duration::from_secs(15);

/// Publishes until it is closed or dropped.
#[derive(Debug)]
pub struct Publisher {
    stop: watch::Sender<bool>,
    /// Closed once the task has ended.
    ended: watch::Receiver<()>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    published: AtomicU64,
    dropped: AtomicU64,
}

impl Publisher {
    /// Every `interval`, and once more at the end, puts what `gather` gives. It is told the time that its data are of.
    ///
    /// # Errors
    /// [`ClientError::Setup`] if the namespace or the interval cannot be.
    ///
    /// # Panics
    /// Outside a runtime of tokio.
    pub fn start(
        cloudwatch: CloudWatch,
        namespace: &str,
        interval: Duration,
        gather: impl FnMut(Timestamp) -> Vec<Datum> + Send + 'static,
    ) -> Result<Publisher, ClientError> {
        check_namespace(namespace)?;
        if interval.is_zero() {
            return Err(ClientError::Setup(
                "the interval of metrics must be longer than nothing".to_owned(),
            ));
        }
        let stop = watch::Sender::new(false);
        let (alive, ended) = watch::channel(());
        let counts = Arc::new(Counts::default());
        let task = Task {
            cloudwatch,
            namespace: namespace.to_owned(),
            gather,
            backlog: Backlog::default(),
            counts: Arc::clone(&counts),
            clock: Clock::system(),
        };
        let stopped = stop.subscribe();
        tokio::spawn(async move {
            task.run(interval, stopped).await;
            drop(alive);
        });
        Ok(Publisher {
            stop,
            ended,
            counts,
        })
    }

    /// Publishes once more, and returns when that is done: within 15 s.
    pub async fn close(&self) {
        self.stop.send_replace(true);
        // Closed is what is waited for.
        let _ = self.ended.clone().wait_for(|()| false).await;
    }

    /// Data that were put.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.counts.published.load(Ordering::Relaxed)
    }

    /// Data that were given up.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }
}

struct Task<G> {
    cloudwatch: CloudWatch,
    namespace: String,
    gather: G,
    backlog: Backlog,
    counts: Arc<Counts>,
    clock: Clock,
}

impl<G: FnMut(Timestamp) -> Vec<Datum>> Task<G> {
    async fn run(mut self, interval: Duration, mut stop: watch::Receiver<bool>) {
        let mut ticks = interval_at(Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_last = tokio::select! {
                // An error says that the publisher was dropped.
                _ = stop.wait_for(|stop| *stop) => true,
                _ = ticks.tick() => false,
            };
            let fresh = (self.gather)(self.clock.now());
            self.backlog.0.extend(fresh);
            let publication = self.publish();
            if tokio::time::timeout(PUBLICATION_MAX, publication)
                .await
                .is_err()
            {
                tracing::warn!("CloudWatch is slow: metrics go with the next ones");
            }
            let dropped = self.backlog.trim();
            if dropped > 0 {
                self.give_up(dropped, "too many wait to be published");
            }
            if is_last {
                let left = self.backlog.0.len();
                if left > 0 {
                    self.give_up(left, "the program ends");
                }
                return;
            }
        }
    }

    /// Puts what waits, until something fails.
    async fn publish(&mut self) {
        while let Some(batch) = self.backlog.first() {
            let count = batch.len();
            match self.cloudwatch.put(&self.namespace, batch).await {
                Ok(()) => {
                    self.backlog.remove(count);
                    self.counts
                        .published
                        .fetch_add(count as u64, Ordering::Relaxed);
                }
                Err(error) if error.is_passing() => {
                    tracing::warn!(%error, waiting = self.backlog.0.len(), "metrics cannot be published, and go with the next ones");
                    return;
                }
                Err(error) => {
                    self.backlog.remove(count);
                    self.give_up(count, &error.to_string());
                }
            }
        }
    }

    fn give_up(&self, count: usize, why: &str) {
        tracing::warn!(count, why, "metrics are dropped");
        self.counts
            .dropped
            .fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// Data that wait, oldest first; at most [`BACKLOG_MAX`] from one publication to the next.
#[derive(Debug, Default)]
struct Backlog(VecDeque<Datum>);

impl Backlog {
    /// Drops the oldest of what is too much, and says how many.
    fn trim(&mut self) -> usize {
        let excess = self.0.len().saturating_sub(BACKLOG_MAX);
        self.remove(excess);
        excess
    }

    /// The next ones to put.
    fn first(&mut self) -> Option<&[Datum]> {
        let all: &[Datum] = self.0.make_contiguous();
        let batch = all.get(..all.len().min(DATA_MAX))?;
        (!batch.is_empty()).then_some(batch)
    }

    fn remove(&mut self, count: usize) {
        self.0.drain(..count);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Metric, Statistics, Unit};
    use super::*;

    #[test]
    fn the_backlog_keeps_the_newest() {
        let datum = |number: usize| {
            let metric = Metric::new(number.to_string(), Unit::None, Vec::new());
            Datum::new(metric, Timestamp(0), Statistics::of(0.0))
        };
        let mut backlog = Backlog::default();
        assert_eq!(backlog.first(), None);
        backlog.0.extend((0..BACKLOG_MAX).map(datum));
        assert_eq!(backlog.trim(), 0);
        backlog.0.extend((BACKLOG_MAX..BACKLOG_MAX + 5).map(datum));
        assert_eq!(backlog.trim(), 5);
        let first = backlog.first().unwrap();
        assert_eq!((first.len(), first[0].name()), (DATA_MAX, "5"));
        backlog.remove(BACKLOG_MAX - 1);
        let first = backlog.first().unwrap();
        assert_eq!((first.len(), first[0].name()), (1, "10004"));
    }
}
