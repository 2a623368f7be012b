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
    /// The first of the store's, once all that could be dropped is: what is wrong with one stream or shard must not fill the
    /// disk with the others' records. A stream that is deleted meanwhile is no error.
    pub async fn expire(&self) -> Result<usize, StreamsError> {
        let mut pass = Pass::default();
        for name in self.all_names().await? {
            let outcome = self.expire_stream(&name, &mut pass).await;
            pass.note(outcome);
        }
        pass.first_error.map_or(Ok(pass.trimmed), Err)
    }

    async fn expire_stream(&self, name: &StreamName, pass: &mut Pass) -> Result<(), StreamsError> {
        let stream = match self.find(name).await {
            Ok(stream) => stream,
            Err(StreamsError::NotFound) => return Ok(()),
            Err(error) => return Err(error),
        };
        let now = self.clock().now();
        let retention = stream.settings.retention();
        let trims = self.expired(&stream, now, pass).await;
        for some in trims.chunks(TRIMS_AT_ONCE) {
            let txn = Txn {
                logs: some.to_vec(),
                ..Txn::default()
            };
            let outcome = self.store().commit(txn).await.map(drop);
            outcome.or_else(deleted_meanwhile)?;
        }
        pass.trimmed += trims.len();
        if let Some(retention) = retention {
            self.expire_closed(&stream, now.minus(retention + CLOSED_GRACE))
                .await?;
        }
        Ok(())
    }

    /// What to trim, as far as it can be told.
    async fn expired(&self, stream: &Stream, now: Timestamp, pass: &mut Pass) -> Vec<LogChange> {
        let settings = &stream.settings;
        let mut trims = Vec::new();
        for shard in stream.topology.shards() {
            let log = stream.log(shard.index);
            let found = async {
                let bounds = self.store().bounds(log).await?;
                if bounds.start == bounds.end {
                    return Ok(None);
                }
                let mut keep_from = bounds.start;
                if let Some(retention) = settings.retention() {
                    let before = now.minus(retention);
                    keep_from = keep_from.max(self.store().offset_for_time(log, before).await?);
                }
                if let Some(bytes) = settings.retention_bytes.filter(|_| settings.drops_old()) {
                    keep_from = keep_from.max(self.store().offset_for_size(log, bytes).await?);
                }
                Ok((bounds.start < keep_from).then_some(LogChange::Trim(log, keep_from)))
            };
            match found.await {
                Ok(trim) => trims.extend(trim),
                Err(StoreError::NoSuchLog { .. }) => {}
                Err(error) => pass.note(Err(error.into())),
            }
        }
        trims
    }

    async fn expire_closed(&self, stream: &Stream, before: Timestamp) -> Result<(), StoreError> {
        let mut gone = Vec::new();
        for shard in stream
            .topology
            .shards()
            .filter(|shard| shard.closed.is_some_and(|at| at < before))
        {
            match self.store().bounds(stream.log(shard.index)).await {
                Ok(bounds) if bounds.start == bounds.end => gone.push((shard.index, bounds.end)),
                Ok(_) | Err(StoreError::NoSuchLog { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        self.expire_shards(stream, &gone)
            .await
            .or_else(deleted_meanwhile)
    }
}

/// How a pass over all streams goes.
#[derive(Default)]
struct Pass {
    trimmed: usize,
    first_error: Option<StreamsError>,
}

impl Pass {
    fn note(&mut self, outcome: Result<(), StreamsError>) {
        if let Err(error) = outcome {
            self.first_error.get_or_insert(error);
        }
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
