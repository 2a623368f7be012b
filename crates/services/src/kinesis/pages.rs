//! A page of a shard: the records from an offset on, how far behind the tip they end, and whether the shard ends there.
//!
//! Records that Kafka's producers wrote are there as any others: their compression, headers and transactions do not show.

use std::sync::Arc;

use model::{Offset, RecordRef, Timestamp};
use store::StoreError;
use streams::{ReadBatch, Shard, Stream};

use super::Kinesis;
use super::arrival::known;
use super::error::KinesisError;
use super::hot::reply::ChildShard;
use super::iterators::does_not_exist;
use super::naming::shard_id;

/// Times a page is begun anew because records expired while it was read.
const ATTEMPTS: usize = 4;

/// How large a page may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// At least 1.
    pub(super) records: usize,
    /// Of keys and data. A single record may be larger.
    pub(super) bytes: usize,
}

/// Some records of a shard, in order.
#[derive(Debug)]
pub(super) struct Page {
    batches: Vec<ReadBatch>,
    from: Offset,
    /// The offset to go on from.
    pub(super) next: Offset,
    /// Whether what follows is there and cannot be shown yet: a transaction is not decided.
    pub(super) is_held: bool,
    /// How many records.
    pub(super) count: usize,
    /// Their keys and data.
    pub(super) bytes: usize,
    /// Age of the next record; 0 where there is none.
    pub(super) millis_behind: i64,
    /// Whether the shard is closed and read to its end.
    pub(super) is_at_end: bool,
    /// Batches skipped because they cannot be read.
    pub(super) unreadable: usize,
}

impl Page {
    /// The records, and whether each lies encrypted.
    pub(super) fn records(&self) -> impl Iterator<Item = (RecordRef<'_>, bool)> {
        let range = self.from..self.next;
        self.batches.iter().flat_map(move |batch| {
            let range = range.clone();
            let records = batch
                .stored
                .records()
                .filter(move |record| range.contains(&record.offset));
            records.map(move |record| (record, batch.is_encrypted))
        })
    }

    /// The batches' bytes, for slices of them.
    pub(super) fn batches(&self) -> &[ReadBatch] {
        &self.batches
    }
}

/// Bytes of a record that count: key and data.
pub(super) fn size(record: &RecordRef<'_>) -> usize {
    record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len)
}

impl Kinesis {
    /// The page of a shard from offset `from` on, or from its oldest record where that is later.
    ///
    /// # Errors
    /// [`KinesisError::ResourceNotFound`] for a shard that is gone.
    pub(super) async fn read_page(
        &self,
        stream: &Stream,
        shard: &Shard,
        from: Offset,
        size: Size,
    ) -> Result<Page, KinesisError> {
        let mut trimmed = None;
        for _ in 0..ATTEMPTS {
            match self.try_page(stream, shard, from, size).await {
                Ok(page) => return Ok(page),
                Err(StoreError::NoSuchLog { .. }) => {
                    return Err(does_not_exist(&stream.name, shard.index));
                }
                // Records expired between looking at the bounds and reading.
                Err(error @ StoreError::OffsetOutOfRange { .. }) => trimmed = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(trimmed.map_or(KinesisError::InternalFailure, KinesisError::from))
    }

    async fn try_page(
        &self,
        stream: &Stream,
        shard: &Shard,
        from: Offset,
        size: Size,
    ) -> Result<Page, StoreError> {
        let bounds = self.streams.bounds(stream, shard.index).await?;
        let until = self
            .streams
            .shown_until(stream.log(shard.index), bounds.end);
        let from = from.clamp(bounds.start, bounds.end);
        let mut page = Page {
            batches: Vec::new(),
            from,
            next: from,
            is_held: until <= from && from < bounds.end,
            count: 0,
            bytes: 0,
            millis_behind: 0,
            is_at_end: bounds.sealed && from == bounds.end,
            unreadable: 0,
        };
        if from >= until {
            return Ok(page);
        }
        let visible = self
            .streams
            .read_visible(stream, shard.index, from, until, size.bytes)
            .await?;
        page.unreadable = visible.unreadable;
        page.batches = visible.batches;
        let unread = page.fill(size, visible.next);
        page.is_at_end = bounds.sealed && page.next >= bounds.end;
        page.is_held = until <= page.next && page.next < bounds.end;
        if page.next < until {
            let arrival = match unread {
                Some(arrival) => Some(arrival),
                None => self.streams.time_at(stream, shard.index, page.next).await?,
            };
            page.millis_behind = arrival.map_or(0, |arrival| self.age(arrival).max(1));
        }
        Ok(page)
    }

    /// Of a record that is yet to be read. What does not say when it arrived is just behind, and not at the tip.
    fn age(&self, arrival: Timestamp) -> i64 {
        let Some(arrival) = known(arrival) else {
            return 1;
        };
        i64::try_from(self.clock.now().since(arrival).as_millis()).unwrap_or(i64::MAX)
    }

    /// The shards made of a closed one. The stream is looked up anew where it was before the shard was closed.
    pub(super) async fn children(
        &self,
        stream: &Arc<Stream>,
        shard: &Shard,
    ) -> Result<Vec<ChildShard>, KinesisError> {
        let is_known = stream.topology.children(shard.index).next().is_some();
        let stream = if is_known {
            Arc::clone(stream)
        } else {
            self.find_named(&stream.name).await?
        };
        let children = stream.topology.children(shard.index);
        Ok(children.map(child_of).collect())
    }
}

fn child_of(shard: &Shard) -> ChildShard {
    ChildShard {
        shard_id: shard_id(shard.index),
        parents: shard
            .parents
            .iter()
            .map(|parent| shard_id(*parent))
            .collect(),
        first: shard.range.first,
        last: shard.range.last,
    }
}

impl Page {
    /// Counts what fits, to go on from `after` where everything does. Gives the arrival of the first record that does not.
    fn fill(&mut self, size: Size, after: Offset) -> Option<Timestamp> {
        let from = self.from;
        let records = self.batches.iter().flat_map(|batch| batch.stored.records());
        for record in records.filter(|record| record.offset >= from) {
            let bytes = self::size(&record);
            let is_full =
                self.count == size.records || (self.count > 0 && self.bytes + bytes > size.bytes);
            if is_full {
                self.next = record.offset;
                return Some(record.timestamp);
            }
            self.count += 1;
            self.bytes += bytes;
        }
        self.next = after;
        None
    }
}
