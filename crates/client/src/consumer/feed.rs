//! Where a shard's records come from: a task that reads ahead of the processor, by polling or by a subscription, and gets
//! over whatever fails.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::api::{Child, From, Page};
use super::metrics::Metrics;
use super::{fanout, poll};
use crate::error::ClientError;
use crate::kinesis::{Kinesis, Record};

/// What comes of a shard.
#[derive(Debug)]
pub(super) enum Fed {
    /// Records, in order; never none.
    Records {
        records: Vec<Record>,
        millis_behind: u64,
    },
    /// There are no more, and these shards go on.
    Ended(Vec<Child>),
}

/// How records come, once that is settled.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Poll { records_max: u32, idle: Duration },
    FanOut { consumer_arn: String },
}

/// One shard's feed.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) kinesis: Kinesis,
    pub(super) stream: String,
    pub(super) shard: String,
    pub(super) from: From,
    pub(super) backoff: Duration,
    pub(super) metrics: Arc<Metrics>,
    pub(super) sink: mpsc::Sender<Fed>,
}

impl Feed {
    /// Reads until the shard ends or nobody listens.
    pub(super) async fn run(self, source: Source) {
        match source {
            Source::Poll { records_max, idle } => poll::run(self, records_max, idle).await,
            Source::FanOut { consumer_arn } => fanout::run(self, &consumer_arn).await,
        }
    }

    /// Hands a page on. `false`: nobody listens.
    pub(super) async fn pass_on(&mut self, page: Page) -> bool {
        self.metrics.behind(&self.shard, page.millis_behind);
        let Some(last) = page.records.last() else {
            return !self.sink.is_closed();
        };
        if let Some(place) = super::position::Place::new(&last.sequence_number, 0) {
            self.from.position = super::position::Position::At(place);
            self.from.is_after = true;
        }
        let fed = Fed::Records {
            records: page.records,
            millis_behind: page.millis_behind,
        };
        self.sink.send(fed).await.is_ok()
    }

    /// Tells that the shard has ended.
    pub(super) async fn end(&self, children: Vec<Child>) {
        // A processor that is gone needs to know nothing.
        let _ = self.sink.send(Fed::Ended(children)).await;
    }

    /// What to do about an error: `true`, go on after a pause; `false`, the shard is gone.
    pub(super) async fn get_over(&self, error: &ClientError) -> bool {
        if error.code() == Some("ResourceNotFoundException") {
            tracing::info!(shard = self.shard, %error, "the shard is gone, and counts as read");
            return false;
        }
        if error.code() != Some("ExpiredIteratorException") {
            tracing::warn!(shard = self.shard, %error, "reading the shard failed, and is tried again");
            tokio::select! {
                () = tokio::time::sleep(self.backoff) => {}
                () = self.sink.closed() => {}
            }
        }
        true
    }
}
