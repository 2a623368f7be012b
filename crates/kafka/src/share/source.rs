//! How delivery reads a partition for a share group.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use model::{LogId, Offset, RecordRef, Timestamp};
use store::{StoreError, StoredBatch};
use streams::delivery::{Arrival, Source};
use streams::{Stream, Streams};

use crate::partition::Isolation;

/// A partition, as its topic was when it was looked up last: with its keys of then.
pub(super) struct Partition {
    streams: Arc<Streams>,
    log: LogId,
    shard: u32,
    stream: RwLock<Arc<Stream>>,
    is_committed: AtomicBool,
    /// Up to where it was shown, so that this never goes back when the isolation changes.
    shown: AtomicU64,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Partition({})", self.log)
    }
}

impl Partition {
    pub(super) fn new(streams: Arc<Streams>, shard: u32, stream: Arc<Stream>) -> Partition {
        Partition {
            streams,
            log: stream.log(shard),
            shard,
            stream: RwLock::new(stream),
            is_committed: AtomicBool::new(false),
            shown: AtomicU64::new(0),
        }
    }

    /// Reads by the keys of this stream, and with this isolation, from now on.
    pub(super) fn set(&self, stream: &Arc<Stream>, isolation: Isolation) {
        let mut held = self.stream.write().unwrap_or_else(PoisonError::into_inner);
        *held = Arc::clone(stream);
        let is_committed = isolation == Isolation::Committed;
        self.is_committed.store(is_committed, Ordering::SeqCst);
    }

    fn is_committed(&self) -> bool {
        self.is_committed.load(Ordering::SeqCst)
    }
}

impl Source for Partition {
    fn open(&self, stored: StoredBatch) -> Result<StoredBatch, StoreError> {
        let held = self.stream.read().unwrap_or_else(PoisonError::into_inner);
        let stream = Arc::clone(&held);
        drop(held);
        let opened = stream.open(self.shard, stored)?;
        let is_hidden = if self.is_committed() {
            self.streams.hides(self.log, &opened)
        } else {
            opened.batch.is_control()
        };
        if is_hidden {
            return Ok(without_records(&opened));
        }
        streams::inflated(&opened).or_else(|error| {
            let offset = opened.base_offset;
            tracing::error!(log = %self.log, %offset, %error, "a batch cannot be read; share groups pass over it");
            Ok(without_records(&opened))
        })
    }

    /// A record may be delivered from the start, whatever its clock said.
    fn arrival(&self, record: &RecordRef<'_>) -> Arrival {
        Arrival {
            sent: record.timestamp,
            due: Timestamp::default(),
            group: None,
        }
    }

    /// Batches are given as they lie.
    fn is_read_elsewhere(&self) -> bool {
        true
    }

    fn shown_until(&self, end: Offset) -> Offset {
        let until = if self.is_committed() {
            self.streams.shown_until(self.log, end)
        } else {
            end
        };
        let before = self.shown.fetch_max(until.0, Ordering::SeqCst);
        Offset(before.max(until.0))
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
