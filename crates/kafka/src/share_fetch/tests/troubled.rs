//! A store whose disk is full or slow when a test says so: the store in memory otherwise.

use std::ops::Range;
use std::time::Duration;

use model::{Clock, LogId, Offset, Timestamp};
use store::contract::{Piece, Rewriter, Rewritten};
use store::producers::ProducerSeen;
use store::{
    Answer, Append, Appended, Bounds, Catalog, Committed, Document, Key, Lease, Leases, Log,
    Memory, Scan, StoreError, StoredBatch, Txn, Watch,
};

/// What appends meet with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trouble {
    None,
    /// They are refused.
    Full,
    /// They wait until there is another trouble.
    Slow,
}

pub(super) struct Troubled {
    store: Memory,
    pub(super) trouble: tokio::sync::watch::Sender<Trouble>,
    /// How many appends wait.
    pub(super) waiting: tokio::sync::watch::Sender<usize>,
}

impl Troubled {
    pub(super) fn new(clock: Clock) -> Troubled {
        Troubled {
            store: Memory::new(clock),
            trouble: tokio::sync::watch::Sender::new(Trouble::None),
            waiting: tokio::sync::watch::Sender::new(0),
        }
    }
}

impl Log for Troubled {
    fn append(&self, appends: Vec<Append>) -> Answer<'_, Vec<Result<Appended, StoreError>>> {
        Box::pin(async move {
            let mut trouble = self.trouble.subscribe();
            self.waiting.send_modify(|waiting| *waiting += 1);
            let now = trouble.wait_for(|trouble| *trouble != Trouble::Slow).await;
            let is_full = now.is_ok_and(|trouble| *trouble == Trouble::Full);
            self.waiting.send_modify(|waiting| *waiting -= 1);
            if is_full {
                return appends.iter().map(|_| Err(StoreError::Full)).collect();
            }
            self.store.append(appends).await
        })
    }

    fn read(
        &self,
        log: LogId,
        from: Offset,
        max_bytes: usize,
    ) -> Answer<'_, Result<Vec<StoredBatch>, StoreError>> {
        self.store.read(log, from, max_bytes)
    }

    fn bounds(&self, log: LogId) -> Answer<'_, Result<Bounds, StoreError>> {
        self.store.bounds(log)
    }

    fn offset_for_time(
        &self,
        log: LogId,
        time: Timestamp,
    ) -> Answer<'_, Result<Offset, StoreError>> {
        self.store.offset_for_time(log, time)
    }

    fn offset_for_size(&self, log: LogId, bytes: u64) -> Answer<'_, Result<Offset, StoreError>> {
        self.store.offset_for_size(log, bytes)
    }

    fn producers(&self, log: LogId) -> Answer<'_, Result<Vec<ProducerSeen>, StoreError>> {
        self.store.producers(log)
    }

    fn watch(&self, log: LogId) -> Result<Watch, StoreError> {
        self.store.watch(log)
    }

    fn pieces(&self, log: LogId) -> Answer<'_, Result<Vec<Piece>, StoreError>> {
        self.store.pieces(log)
    }

    fn rewrite(
        &self,
        log: LogId,
        span: Range<Offset>,
        rewriter: Rewriter,
    ) -> Answer<'_, Result<Rewritten, StoreError>> {
        self.store.rewrite(log, span, rewriter)
    }
}

impl Catalog for Troubled {
    fn get(&self, key: &Key) -> Answer<'_, Result<Option<Document>, StoreError>> {
        self.store.get(key)
    }

    fn scan(&self, scan: Scan) -> Answer<'_, Result<Vec<(Key, Document)>, StoreError>> {
        self.store.scan(scan)
    }

    fn commit(&self, txn: Txn) -> Answer<'_, Result<Committed, StoreError>> {
        self.store.commit(txn)
    }
}

impl Leases for Troubled {
    fn acquire(
        &self,
        name: &Key,
        owner: &str,
        duration: Duration,
    ) -> Answer<'_, Result<Lease, StoreError>> {
        self.store.acquire(name, owner, duration)
    }

    fn release(&self, lease: &Lease) -> Answer<'_, Result<(), StoreError>> {
        self.store.release(lease)
    }
}
