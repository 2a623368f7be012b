//! The naive engine, letting others in before each answer, as engines that wait for a disk do.

use std::ops::Range;
use std::time::Duration;

use model::{LogId, Offset, Timestamp};
use store::producers::ProducerSeen;
use store::{
    Answer, Append, Appended, Bounds, Catalog, Committed, Document, Key, Lease, Leases, Log,
    Memory, Piece, Rewriter, Rewritten, Scan, StoreError, StoredBatch, Txn, Watch,
};
use tokio::task::yield_now;

pub(crate) struct Slow(pub(crate) Memory);

/// Lets others in, then asks the engine below.
macro_rules! later {
    ($self:ident . $method:ident ( $($argument:expr),* )) => {
        Box::pin(async move {
            yield_now().await;
            $self.0.$method($($argument),*).await
        })
    };
}

impl Log for Slow {
    fn append(&self, appends: Vec<Append>) -> Answer<'_, Vec<Result<Appended, StoreError>>> {
        later!(self.append(appends))
    }

    fn read(
        &self,
        log: LogId,
        from: Offset,
        max_bytes: usize,
    ) -> Answer<'_, Result<Vec<StoredBatch>, StoreError>> {
        later!(self.read(log, from, max_bytes))
    }

    fn bounds(&self, log: LogId) -> Answer<'_, Result<Bounds, StoreError>> {
        later!(self.bounds(log))
    }

    fn producers(&self, log: LogId) -> Answer<'_, Result<Vec<ProducerSeen>, StoreError>> {
        later!(self.producers(log))
    }

    fn offset_for_time(
        &self,
        log: LogId,
        time: Timestamp,
    ) -> Answer<'_, Result<Offset, StoreError>> {
        later!(self.offset_for_time(log, time))
    }

    fn offset_for_size(&self, log: LogId, bytes: u64) -> Answer<'_, Result<Offset, StoreError>> {
        later!(self.offset_for_size(log, bytes))
    }

    fn watch(&self, log: LogId) -> Result<Watch, StoreError> {
        self.0.watch(log)
    }

    fn pieces(&self, log: LogId) -> Answer<'_, Result<Vec<Piece>, StoreError>> {
        later!(self.pieces(log))
    }

    fn rewrite(
        &self,
        log: LogId,
        span: Range<Offset>,
        rewriter: Rewriter,
    ) -> Answer<'_, Result<Rewritten, StoreError>> {
        later!(self.rewrite(log, span, rewriter))
    }
}

impl Catalog for Slow {
    fn get(&self, key: &Key) -> Answer<'_, Result<Option<Document>, StoreError>> {
        let key = key.clone();
        later!(self.get(&key))
    }

    fn scan(&self, scan: Scan) -> Answer<'_, Result<Vec<(Key, Document)>, StoreError>> {
        later!(self.scan(scan))
    }

    fn commit(&self, txn: Txn) -> Answer<'_, Result<Committed, StoreError>> {
        later!(self.commit(txn))
    }
}

impl Leases for Slow {
    fn acquire(
        &self,
        name: &Key,
        owner: &str,
        duration: Duration,
    ) -> Answer<'_, Result<Lease, StoreError>> {
        self.0.acquire(name, owner, duration)
    }

    fn release(&self, lease: &Lease) -> Answer<'_, Result<(), StoreError>> {
        self.0.release(lease)
    }
}
