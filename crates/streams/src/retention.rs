//! Records are kept for their stream's retention and no longer than a pass of this loop more.

use std::time::Duration;

use model::Timestamp;
use store::{LogChange, StoreError, Txn};

use crate::registry::{Streams, StreamsError};
use crate::stream::{Stream, StreamName};

/// Trims in one transaction, at most.
const TRIMS_AT_ONCE: usize = 1_000;

/// How much longer than a record's retention a closed, empty shard is listed: readers may be at its end still.
const CLOSED_GRACE: Duration = Duration::from_secs(60);

impl Streams {
    /// Drops what has expired in all streams. Gives the number of logs trimmed.
    ///
    /// # Errors
    /// The store's; a stream that is deleted meanwhile is none.
    pub async fn expire(&self) -> Result<usize, StreamsError> {
        let mut trimmed = 0;
        for name in self.all_names().await? {
            trimmed += self.expire_stream(&name).await?;
        }
        Ok(trimmed)
    }

    async fn expire_stream(&self, name: &StreamName) -> Result<usize, StreamsError> {
        let stream = match self.find(name).await {
            Ok(stream) => stream,
            Err(StreamsError::NotFound) => return Ok(0),
            Err(error) => return Err(error),
        };
        let Some(retention) = stream.settings.retention() else {
            return Ok(0);
        };
        let now = self.clock().now();
        let trims = self.expired(&stream, now.minus(retention)).await?;
        let trimmed = trims.len();
        for some in trims.chunks(TRIMS_AT_ONCE) {
            let outcome = self
                .store()
                .commit(Txn {
                    logs: some.to_vec(),
                    ..Txn::default()
                })
                .await;
            outcome.map(drop).or_else(deleted_meanwhile)?;
        }
        self.forget_closed(&stream, now.minus(retention + CLOSED_GRACE))
            .await?;
        Ok(trimmed)
    }

    async fn expired(
        &self,
        stream: &Stream,
        before: Timestamp,
    ) -> Result<Vec<LogChange>, StoreError> {
        let mut trims = Vec::new();
        for shard in stream.topology.shards() {
            let log = stream.log(shard.index);
            let found = async {
                let bounds = self.store().bounds(log).await?;
                let keep_from = self.store().offset_for_time(log, before).await?;
                Ok((bounds.start < keep_from).then_some(LogChange::Trim(log, keep_from)))
            };
            match found.await {
                Ok(trim) => trims.extend(trim),
                Err(StoreError::NoSuchLog { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(trims)
    }

    async fn forget_closed(&self, stream: &Stream, before: Timestamp) -> Result<(), StoreError> {
        let mut gone = Vec::new();
        for shard in stream
            .topology
            .shards()
            .filter(|shard| shard.closed.is_some_and(|at| at < before))
        {
            match self.store().bounds(stream.log(shard.index)).await {
                Ok(bounds) if bounds.start == bounds.end => gone.push(shard.index),
                Ok(_) | Err(StoreError::NoSuchLog { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        self.forget_shards(stream, &gone)
            .await
            .or_else(deleted_meanwhile)
    }
}

/// A stream that went or changed under the loop is the next pass's.
fn deleted_meanwhile(error: StoreError) -> Result<(), StoreError> {
    match error {
        StoreError::NoSuchLog { .. } | StoreError::Conflict { .. } => Ok(()),
        error => Err(error),
    }
}

/// Runs [`Streams::expire`] every `period` for as long as it is polled.
pub async fn run(streams: &Streams, period: Duration) {
    loop {
        tokio::time::sleep(period).await;
        match streams.expire().await {
            Ok(0) => {}
            Ok(trimmed) => tracing::debug!(trimmed, "dropped expired records"),
            Err(error) => {
                tracing::warn!(%error, "could not drop expired records; trying again later")
            }
        }
    }
}
