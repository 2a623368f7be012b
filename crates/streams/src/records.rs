//! Putting records into a shard and reading them from a position.

use model::{Batch, BatchBuilder, LogId, Offset, Timestamp};
use store::{Answer, Append, Appended, Bounds, StoreError, StoredBatch, Watch};

use crate::registry::Streams;
use crate::stream::Stream;

/// Bytes read at once to find a record by time.
const LOCATE_BYTES: usize = 256 << 10;

/// Where to begin to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// The oldest record kept.
    Start,
    /// After the newest that is shown: what a transaction has written and not yet committed comes after it.
    End,
    /// At this offset; the oldest record kept, where that is later.
    At(Offset),
    /// The first record of this time or later.
    Time(Timestamp),
}

/// A batch in the clear.
#[derive(Clone, Debug)]
pub struct ReadBatch {
    /// The batch and its place.
    pub stored: StoredBatch,
    /// Whether it lies encrypted.
    pub is_encrypted: bool,
}

impl Streams {
    /// Adds each builder's records to its shard, encrypted where the stream is. Answers in order, each for itself.
    pub async fn append(
        &self,
        stream: &Stream,
        batches: Vec<(u32, BatchBuilder)>,
    ) -> Vec<Result<Appended, StoreError>> {
        let appends = batches
            .into_iter()
            .map(|(shard, builder)| {
                let log = stream.log(shard);
                Append::to(log, stream.sealer.seal(log, builder.finish()))
            })
            .collect();
        self.store().append(appends).await
    }

    /// Adds whole batches as they came, encrypted where the stream is. Those of one call are written in its order; the call
    /// itself, not its first poll, decides their order among others.
    pub fn append_batches<'a>(
        &'a self,
        stream: &Stream,
        batches: Vec<(u32, Batch)>,
    ) -> Answer<'a, Vec<Result<Appended, StoreError>>> {
        let appends = batches
            .into_iter()
            .map(|(shard, batch)| {
                let log = stream.log(shard);
                Append::to(log, stream.sealer.seal(log, batch))
            })
            .collect();
        self.store().append(appends)
    }

    /// Batches in the clear from the one that holds `from`: at least one where there is any, up to about `max_bytes`.
    ///
    /// # Errors
    /// As [`store::Log::read`].
    pub async fn read(
        &self,
        stream: &Stream,
        shard: u32,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<ReadBatch>, StoreError> {
        let log = stream.log(shard);
        let batches = self.store().read(log, from, max_bytes).await?;
        batches
            .into_iter()
            .map(|stored| open(stream, log, stored))
            .collect()
    }

    /// The offset that `position` means now.
    ///
    /// # Errors
    /// As [`store::Log::read`].
    pub async fn locate(
        &self,
        stream: &Stream,
        shard: u32,
        position: Position,
    ) -> Result<Offset, StoreError> {
        let log = stream.log(shard);
        let Bounds { start, end, .. } = self.store().bounds(log).await?;
        match position {
            Position::Start => Ok(start),
            Position::End => Ok(self.shown_until(log, end)),
            Position::At(offset) => Ok(offset.clamp(start, end)),
            Position::Time(time) => self.locate_time(stream, shard, time).await,
        }
    }

    /// The log of a shard: where it starts and ends.
    ///
    /// # Errors
    /// As [`store::Log::bounds`].
    pub async fn bounds(&self, stream: &Stream, shard: u32) -> Result<Bounds, StoreError> {
        self.store().bounds(stream.log(shard)).await
    }

    /// Tells of a shard's growth.
    ///
    /// # Errors
    /// As [`store::Log::watch`].
    pub fn watch(&self, stream: &Stream, shard: u32) -> Result<Watch, StoreError> {
        self.store().watch(stream.log(shard))
    }

    async fn locate_time(
        &self,
        stream: &Stream,
        shard: u32,
        time: Timestamp,
    ) -> Result<Offset, StoreError> {
        let from = self
            .store()
            .offset_for_time(stream.log(shard), time)
            .await?;
        let batches = match self.read(stream, shard, from, LOCATE_BYTES).await {
            Ok(batches) => batches,
            // It expired since it was found: the next record is the oldest kept.
            Err(StoreError::OffsetOutOfRange { start, .. }) if from < start => return Ok(start),
            Err(error) => return Err(error),
        };
        let Some(first) = batches.first().map(|read| &read.stored) else {
            return Ok(from);
        };
        let base_offset = first.base_offset;
        // One that cannot be read is skipped by whoever reads from it on.
        let Some(first) = self.inflated.of(stream.log(shard), first.clone()).await else {
            return Ok(from.max(base_offset));
        };
        let found = first
            .records()
            .find(|record| record.offset >= from && record.timestamp >= time);
        Ok(found.map_or(first.end(), |record| record.offset))
    }
}

fn open(stream: &Stream, log: LogId, stored: StoredBatch) -> Result<ReadBatch, StoreError> {
    let is_encrypted = stored.batch.is_sealed();
    let batch = stream.sealer.open(log, stored.batch)?;
    let base_offset = stored.base_offset;
    Ok(ReadBatch {
        stored: StoredBatch { base_offset, batch },
        is_encrypted,
    })
}
