//! Saying how far a shard is processed.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::holding::Holding;
use super::metrics::{Metrics, add};
use super::position::{Place, Position};
use super::processor::Record;
use super::progress::{OutOfOrder, Progress};
use super::seen::Uniqueness;
use crate::error::ClientError;

/// Why a checkpoint was not written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It lies behind the last one, or ahead of what was given.
    #[error(transparent)]
    OutOfOrder(#[from] OutOfOrder),
    /// What was given is no sequence number.
    #[error("a checkpoint is at a sequence number, a decimal number, got {0:?}")]
    NoNumber(String),
    /// Another worker has the shard, and its checkpoints count.
    #[error("the shard's lease is lost: another worker reads it now")]
    LeaseLost,
    /// The store of leases, or of what was seen, failed. It may or may not be written; trying again is safe.
    #[error("the checkpoint could not be kept")]
    Store(#[from] ClientError),
}

/// Says how far a shard is processed: a worker that reads it later goes on after that.
///
/// Checkpoints of one shard take turns. Each is at a record the processor was given, and none lies behind the last.
#[derive(Debug, Clone)]
pub struct Checkpointer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    holding: Arc<Holding>,
    progress: Mutex<Tracked>,
    uniqueness: Option<Uniqueness>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Tracked {
    progress: Progress,
    /// Ids of records that were given and are not marked as seen yet, in order.
    unmarked: Vec<(Position, String)>,
}

impl Checkpointer {
    pub(super) fn new(
        holding: Arc<Holding>,
        checkpoint: Position,
        uniqueness: Option<Uniqueness>,
        metrics: Arc<Metrics>,
    ) -> Checkpointer {
        Checkpointer(Arc::new(Inner {
            holding,
            progress: Mutex::new(Tracked {
                progress: Progress::from(checkpoint),
                unmarked: Vec::new(),
            }),
            uniqueness,
            metrics,
        }))
    }

    /// All that was given is processed.
    ///
    /// # Errors
    /// [`CheckpointError`]; nothing is lost by calling it again.
    pub async fn checkpoint(&self) -> Result<(), CheckpointError> {
        let mut tracked = self.0.progress.lock().await;
        let largest = tracked.progress.largest().clone();
        self.write(&mut tracked, &largest).await
    }

    /// All records up to this one are processed, and it.
    ///
    /// # Errors
    /// [`CheckpointError::OutOfOrder`] if it lies behind the last checkpoint or was not given yet; and the others.
    pub async fn checkpoint_at(&self, record: &Record) -> Result<(), CheckpointError> {
        self.checkpoint_number(&record.sequence_number, record.sub_sequence)
            .await
    }

    /// All records up to this sequence number are processed, and of an aggregated record there those up to `sub_sequence`.
    ///
    /// # Errors
    /// As [`Checkpointer::checkpoint_at`]; and [`CheckpointError::NoNumber`].
    pub async fn checkpoint_number(
        &self,
        sequence_number: &str,
        sub_sequence: u64,
    ) -> Result<(), CheckpointError> {
        let place = Place::new(sequence_number, sub_sequence)
            .ok_or_else(|| CheckpointError::NoNumber(sequence_number.to_owned()))?;
        let mut tracked = self.0.progress.lock().await;
        self.write(&mut tracked, &Position::At(place)).await
    }

    async fn write(&self, tracked: &mut Tracked, asked: &Position) -> Result<(), CheckpointError> {
        if self.0.holding.is_lost() {
            return Err(CheckpointError::LeaseLost);
        }
        let target = tracked.progress.check(asked)?;
        self.mark(tracked, asked).await?;
        let Some(target) = target else { return Ok(()) };
        let begun = Instant::now();
        let written = self.0.holding.checkpoint(target.clone()).await;
        let is_written = written.as_ref().is_ok_and(|written| *written);
        self.0.metrics.report(|report| {
            report.checkpointed(self.0.holding.key(), is_written, begun.elapsed());
        });
        if !written? {
            return Err(CheckpointError::LeaseLost);
        }
        tracked.progress.written(target);
        add(&self.0.metrics.checkpoints, 1);
        Ok(())
    }

    /// Before the checkpoint: in between, a crash then repeats nothing. They are processed, so nothing is lost either.
    async fn mark(&self, tracked: &mut Tracked, up_to: &Position) -> Result<(), CheckpointError> {
        let Some(uniqueness) = &self.0.uniqueness else {
            return Ok(());
        };
        let count = tracked
            .unmarked
            .partition_point(|(position, _)| position <= up_to);
        let ids: Vec<String> = tracked
            .unmarked
            .iter()
            .take(count)
            .map(|(_, id)| id.clone())
            .collect();
        if !ids.is_empty() {
            uniqueness.seen.mark(&ids).await?;
            tracked.unmarked.drain(..count);
        }
        Ok(())
    }

    /// Whether a record lies after the last checkpoint.
    pub(super) async fn is_new(&self, position: &Position) -> bool {
        self.0.progress.lock().await.progress.is_new(position)
    }

    /// The processor is given all up to there, and among it records of these ids.
    pub(super) async fn given(&self, up_to: Position, ids: Vec<(Position, String)>) {
        let mut tracked = self.0.progress.lock().await;
        tracked.progress.given(up_to);
        tracked.unmarked.extend(ids);
    }

    /// Ids that were given and not marked yet.
    pub(super) async fn unmarked(&self) -> std::collections::HashSet<String> {
        let tracked = self.0.progress.lock().await;
        tracked.unmarked.iter().map(|(_, id)| id.clone()).collect()
    }

    /// The processor was given the whole shard.
    pub(super) async fn ended(&self) {
        self.0.progress.lock().await.progress.ended();
    }

    /// Whether the end of the shard is checkpointed.
    pub(super) async fn is_complete(&self) -> bool {
        *self.0.progress.lock().await.progress.last() == Position::ShardEnd
    }
}
