//! What goes on beside the requests: references to records that have expired go, the journals of shards that have gone go too, and
//! before the store is closed what delivery has not written down yet is.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use model::LogId;
use store::{Check, Expect, LogChange, Scan, StoreError, Txn};
use streams::Stream;

use super::super::{Kinesis, KinesisError};
use super::Queue;
use super::record::QueueName;

/// Journals written at once when the server stops.
const CLOSING: usize = 64;
/// Logs dropped in one transaction.
const DROPS_AT_ONCE: usize = 1_000;

impl Kinesis {
    /// Drops what no queue needs any more, in all queues, used or not. Gives the number of logs trimmed or dropped.
    ///
    /// # Errors
    /// The first of the store's, once all that could be dropped is.
    pub async fn tidy_queues(self: &Arc<Self>) -> Result<usize, KinesisError> {
        let mut dropped = 0;
        let mut first_error = None;
        for (key, _) in self.store.scan(Scan::below(&QueueName::top())).await? {
            let Some(name) = QueueName::from_key(&key) else {
                continue;
            };
            match self.tidy_queue(&name).await {
                Ok(count) => dropped += count,
                // Deleted meanwhile.
                Err(KinesisError::ResourceNotFound(_)) => {}
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        first_error.map_or(Ok(dropped), Err)
    }

    async fn tidy_queue(self: &Arc<Self>, name: &QueueName) -> Result<usize, KinesisError> {
        let queue = self.queue(name).await?;
        let stream = self.find_named(&queue.settings.stream_name(name)).await?;
        let mut changes = Vec::new();
        for (log, _) in [queue.settings.dead(), queue.settings.restored()] {
            changes.extend(self.expired(&stream, log).await?);
        }
        let number = queue.settings.number;
        let gone = if self.plane.queues.is_tidied(number, stream.version) {
            Vec::new()
        } else {
            self.gone_journals(&queue, &stream).await?
        };
        if !gone.is_empty() {
            // Their machines go first.
            self.refresh(&queue).await?;
        }
        changes.extend(gone);
        for some in changes.chunks(DROPS_AT_ONCE) {
            let txn = Txn {
                checks: vec![Check {
                    key: name.key(),
                    expect: Expect::Present,
                }],
                logs: some.to_vec(),
                ..Txn::default()
            };
            match self.store.commit(txn).await {
                Ok(_) => {}
                // Deleted, or trimmed further, in between.
                Err(StoreError::Conflict { .. } | StoreError::NoSuchLog { .. }) => return Ok(0),
                Err(error) => return Err(error.into()),
            }
        }
        self.plane.queues.tidied(number, stream.version);
        Ok(changes.len())
    }

    /// The references' timestamps are those of their records.
    async fn expired(&self, stream: &Stream, log: LogId) -> Result<Option<LogChange>, StoreError> {
        let Some(retention) = stream.settings.retention() else {
            return Ok(None);
        };
        let bounds = self.store.bounds(log).await?;
        if bounds.start == bounds.end {
            return Ok(None);
        }
        let before = self.clock.now().minus(retention);
        let keep_from = self.store.offset_for_time(log, before).await?;
        Ok((bounds.start < keep_from).then_some(LogChange::Trim(log, keep_from)))
    }

    /// Journals of shards that the stream has no more.
    async fn gone_journals(
        &self,
        queue: &Queue,
        stream: &Stream,
    ) -> Result<Vec<LogChange>, StoreError> {
        let mut gone = Vec::new();
        for shard in 0..queue.settings.taken_up {
            if stream.topology.get(shard).is_some() {
                continue;
            }
            let journal = queue.settings.journal(shard);
            match self.store.bounds(journal).await {
                Ok(_) => gone.push(LogChange::Delete(journal)),
                Err(StoreError::NoSuchLog { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(gone)
    }

    /// Runs [`Kinesis::tidy_queues`] every `period` for as long as it is polled.
    pub async fn keep_queues_tidy(self: &Arc<Self>, period: Duration) {
        loop {
            tokio::time::sleep(period).await;
            match self.tidy_queues().await {
                Ok(0) => {}
                Ok(dropped) => tracing::debug!(dropped, "dropped what queues need no more"),
                Err(error) => {
                    tracing::warn!(%error, "could not drop what queues need no more; trying again later");
                }
            }
        }
    }

    /// Writes down what the queues' delivery has not yet: before the store is closed. What can't be written is delivered again
    /// early.
    pub async fn close(&self) {
        let mut closing = stream::iter(self.plane.queues.machines())
            .map(|machine| async move {
                match machine.delivery.close().await {
                    // Deleted with its queue.
                    Ok(()) | Err(StoreError::NoSuchLog { .. }) => {}
                    Err(error) => {
                        tracing::warn!(%error, ?machine, "could not write down a queue's last receives");
                    }
                }
            })
            .buffer_unordered(CLOSING);
        while closing.next().await.is_some() {}
    }
}
