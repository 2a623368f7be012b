//! How delivery reads the records of a shard, and references.
//!
//! What Kafka's producers wrote is delivered as any other record: compression does not show, nor do the markers of transactions.
//! What a transaction has written is delivered once that is committed, and never where it was aborted. A batch that does not inflate is passed over, as iterators pass over it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use model::{LogId, Offset, RecordRef, Timestamp};
use store::{StoreError, StoredBatch};
use streams::delivery::{Arrival, Source};
use streams::{Stream, Streams};

/// A shard of the stream, as the stream was when it was looked up last: with its keys of then.
pub(super) struct ShardSource {
    streams: Arc<Streams>,
    log: LogId,
    shard: u32,
    stream: RwLock<Arc<Stream>>,
}

impl fmt::Debug for ShardSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShardSource({})", self.log)
    }
}

impl ShardSource {
    pub(super) fn new(streams: Arc<Streams>, shard: u32, stream: Arc<Stream>) -> ShardSource {
        ShardSource {
            streams,
            log: stream.log(shard),
            shard,
            stream: RwLock::new(stream),
        }
    }

    /// Reads by the keys of this stream from now on.
    pub(super) fn set(&self, stream: &Arc<Stream>) {
        let mut held = self.stream.write().unwrap_or_else(PoisonError::into_inner);
        *held = Arc::clone(stream);
    }
}

impl Source for ShardSource {
    fn open(&self, stored: StoredBatch) -> Result<StoredBatch, StoreError> {
        let held = self.stream.read().unwrap_or_else(PoisonError::into_inner);
        let stream = Arc::clone(&held);
        drop(held);
        let opened = stream.open(self.shard, stored)?;
        if self.streams.hides(self.log, &opened) {
            return Ok(without_records(&opened));
        }
        streams::inflated(&opened).or_else(|error| {
            let (shard, offset) = (self.shard, opened.base_offset);
            tracing::error!(stream = stream.name.name, shard, %offset, %error, "a batch cannot be read; queues pass over it");
            Ok(without_records(&opened))
        })
    }

    fn arrival(&self, record: &RecordRef<'_>) -> Arrival {
        arrival(record)
    }

    fn shown_until(&self, end: Offset) -> Offset {
        self.streams.shown_until(self.log, end)
    }

    fn shown_past(&self, seen: Offset) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.streams.undecided().decided_past(self.log, seen))
    }
}

/// The batch as one whose records are not shown: its offsets are passed over.
fn without_records(stored: &StoredBatch) -> StoredBatch {
    StoredBatch {
        base_offset: stored.base_offset,
        batch: stored.batch.with_payload(&[], true),
    }
}

/// References, which lie in the clear.
#[derive(Debug)]
pub(super) struct References;

impl Source for References {
    fn open(&self, stored: StoredBatch) -> Result<StoredBatch, StoreError> {
        Ok(stored)
    }

    fn arrival(&self, record: &RecordRef<'_>) -> Arrival {
        arrival(record)
    }
}

/// A record may be delivered from the start, whatever its clock said.
fn arrival(record: &RecordRef<'_>) -> Arrival {
    Arrival {
        sent: record.timestamp,
        due: Timestamp::default(),
        group: None,
    }
}
