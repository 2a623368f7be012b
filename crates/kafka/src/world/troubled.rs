//! A store for tests whose disk is full or slow when a test says so: the store in memory otherwise.

use std::ops::Range;
use std::sync::Mutex;
use std::time::Duration;

use model::{Clock, LogId, Offset, Timestamp};
use store::contract::{Piece, Rewriter, Rewritten};
use store::producers::ProducerSeen;
use store::{
    Answer, Append, Appended, Bounds, Catalog, Committed, Document, Key, Lease, Leases, Log,
    Memory, Scan, StoreError, StoredBatch, Txn, Watch,
};
use tokio::sync::oneshot;

/// What appends meet with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    None,
    /// They are refused.
    Full,
    /// They wait until there is another trouble.
    Slow,
}

pub(crate) struct Troubled {
    store: Memory,
    pub(crate) trouble: tokio::sync::watch::Sender<Trouble>,
    /// How many appends wait.
    pub(crate) waiting: tokio::sync::watch::Sender<usize>,
    held_scan: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Troubled {
    pub(crate) fn new(clock: Clock) -> Troubled {
        Troubled {
            store: Memory::new(clock),
            trouble: tokio::sync::watch::Sender::new(Trouble::None),
            waiting: tokio::sync::watch::Sender::new(0),
            held_scan: Mutex::default(),
        }
    }

    /// Has what the next scan finds wait on its way until what is given is dropped.
    pub(crate) fn hold_scan(&self) -> oneshot::Sender<()> {
        let (sender, receiver) = oneshot::channel();
        *self.held_scan.lock().unwrap() = Some(receiver);
        sender
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
        let held = self.held_scan.lock().unwrap().take();
        Box::pin(async move {
            let found = self.store.scan(scan).await;
            if let Some(held) = held {
                let _dropped = held.await;
            }
            found
        })
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
