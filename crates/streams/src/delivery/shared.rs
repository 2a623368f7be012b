//! What a queue's users and its pump share: the machine, and how it reads and writes the logs.
//!
//! Locks: `inner` is held for moments, never over I/O. One scan of the log at a time. Whoever writes to the journal holds
//! `writing` for reading, so that cutting the journal, which holds it for writing, sees nothing half done.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{Clock, Offset, RecordRef, Timestamp};
use store::{Append, Committed, LogChange, Store, StoreError, StoredBatch, Txn, Watch};
use tokio::sync::{Notify, RwLock};

use super::journal::Draft;
use super::load::load;
use super::recent::Recent;
use super::state::{Hold, State};
use super::{Arrival, Delivered, Logs, Policy, Receipt, Source};

/// Bytes of messages read at once: for a queue that is nearly empty, and for a backlog.
const SCAN_BYTES: (usize, usize) = (64 << 10, 256 << 10);
/// Messages that make a backlog.
const BACKLOG: u64 = 1_000;
/// The journal is cut when it is longer than this, and than several times what it was when it was cut last.
const JOURNAL_BYTES: usize = 1 << 20;
const JOURNAL_GROWTH: usize = 4;
/// A cut journal must fit one batch. One that would not is left to grow.
const WHOLE_BYTES_MAX: usize = 24 << 20;
/// What the queue's users and its pump share.
pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    pub(super) logs: Logs,
    source: Arc<dyn Source>,
    inner: Mutex<Inner>,
    scanning: tokio::sync::Mutex<()>,
    writing: RwLock<()>,
    watch: Watch,
    /// Rung once for each receive that may find something.
    pub(super) bell: Notify,
    /// Receives that wait for the bell.
    pub(super) waiting: AtomicUsize,
    /// Tells the pump to look again at what it waits for.
    pub(super) rearm: Notify,
}

pub(super) struct Inner {
    pub(super) state: State,
    recent: Recent,
    /// Holds not in the journal yet, and since when the first of them waits.
    pending: Vec<Hold>,
    pub(super) pending_since: Option<Timestamp>,
    journal_bytes: usize,
    whole_bytes: usize,
    pub(super) trimmed: Offset,
}

impl Shared {
    /// What the journal says, read back.
    pub(super) async fn open(
        store: Arc<dyn Store>,
        clock: Clock,
        logs: Logs,
        source: Arc<dyn Source>,
        policy: Policy,
    ) -> Result<Shared, StoreError> {
        let (state, journal_bytes) = load(&*store, logs, policy, clock.now()).await?;
        let watch = store.watch(logs.messages)?;
        Ok(Shared {
            store,
            clock,
            logs,
            source,
            inner: Mutex::new(Inner {
                trimmed: state.base(),
                state,
                recent: Recent::default(),
                pending: Vec::new(),
                pending_since: None,
                journal_bytes,
                whole_bytes: 0,
            }),
            scanning: tokio::sync::Mutex::default(),
            writing: RwLock::default(),
            watch,
            bell: Notify::new(),
            waiting: AtomicUsize::new(0),
            rearm: Notify::new(),
        })
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What delivery must know of a message.
    pub(super) fn arrival(&self, record: &RecordRef<'_>) -> Arrival {
        self.source.arrival(record)
    }

    /// Lets go of messages that expired from the log, in flight or not.
    pub(super) fn forget_trimmed(&self, inner: &mut Inner) {
        let start = self.watch.bounds().start;
        if inner.state.base() < start {
            inner.state.finish_below(start);
        }
    }

    /// Where the log of messages ends.
    pub(super) fn end(&self) -> Offset {
        self.watch.bounds().end
    }

    /// Whether a receive might find something.
    pub(super) fn has_next(&self) -> bool {
        let mut inner = self.inner();
        inner.state.advance(self.clock.now());
        inner.state.has_next(self.end())
    }

    /// Wakes up to `count` of those who wait.
    pub(super) fn ring(&self, count: usize) {
        for _ in 0..count.min(self.waiting.load(Ordering::SeqCst)) {
            self.bell.notify_one();
        }
    }

    /// Wakes another, if somebody waits and there is something left.
    pub(super) fn pass_on(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 && self.has_next() {
            self.bell.notify_one();
        }
    }

    /// Reads the log on from `from`, unless somebody did meanwhile.
    pub(super) async fn scan(&self, from: Offset) -> Result<(), StoreError> {
        let _turn = self.scanning.lock().await;
        if self.inner().state.next_scan() != from {
            return Ok(());
        }
        let is_backlog = self.end().0.saturating_sub(from.0) > BACKLOG;
        let bytes = if is_backlog {
            SCAN_BYTES.1
        } else {
            SCAN_BYTES.0
        };
        let read = self.store.read(self.logs.messages, from, bytes).await;
        let stored = match read {
            Ok(stored) => stored,
            Err(StoreError::OffsetOutOfRange { start, .. }) if from < start => {
                self.inner().state.finish_below(start);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut batches = Vec::with_capacity(stored.len());
        for batch in stored {
            batches.push(self.source.open(batch)?);
        }
        let Some(end) = batches.last().map(StoredBatch::end) else {
            return Ok(());
        };
        let records = batches.iter().flat_map(StoredBatch::records);
        let arrivals: Vec<_> = records
            .map(|record| (record.offset, self.source.arrival(&record)))
            .collect();
        let mut inner = self.inner();
        inner.state.arrive(end, arrivals, self.clock.now());
        inner.recent.add(batches);
        Ok(())
    }

    /// The batch that holds `offset`, in the clear; `None` where it is gone from the log.
    pub(super) async fn read(&self, offset: Offset) -> Result<Option<StoredBatch>, StoreError> {
        match self.store.read(self.logs.messages, offset, 1).await {
            Ok(stored) => stored
                .into_iter()
                .next()
                .map(|batch| self.source.open(batch))
                .transpose(),
            Err(StoreError::OffsetOutOfRange { start, .. }) if offset < start => {
                self.inner().state.finish_below(start);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The messages themselves.
    pub(super) async fn fetch(&self, holds: &[Hold]) -> Result<Vec<Delivered>, StoreError> {
        let mut found: Vec<Option<StoredBatch>> = {
            let inner = self.inner();
            holds
                .iter()
                .map(|hold| inner.recent.find(hold.offset))
                .collect()
        };
        let mut last: Option<StoredBatch> = None;
        let mut messages = Vec::with_capacity(holds.len());
        for (hold, found) in holds.iter().zip(&mut found) {
            let holds_it =
                |batch: &StoredBatch| (batch.base_offset..batch.end()).contains(&hold.offset);
            let batch = match found.take().or_else(|| last.clone().filter(holds_it)) {
                Some(batch) => Some(batch),
                None => self.read(hold.offset).await?.filter(holds_it),
            };
            last.clone_from(&batch);
            // One that expired since it was looked at is gone, and known to be.
            messages.extend(batch.map(|batch| Delivered {
                receipt: Receipt {
                    offset: hold.offset,
                    receives: hold.receives,
                },
                first_received: hold.first_received,
                batch,
            }));
        }
        let mut inner = self.inner();
        if inner.state.waiting_len() == 0 {
            inner.recent.clear();
        }
        Ok(messages)
    }

    /// Writes `draft` to the journal, with the holds that wait for it, then makes it so by `finish`.
    pub(super) async fn write(
        &self,
        draft: Draft,
        finish: impl FnOnce(&mut State),
    ) -> Result<(), StoreError> {
        let _writing = self.writing.read().await;
        let holds = self.inner().take_pending();
        let draft = draft.holds(&holds);
        if draft.is_empty() {
            return Ok(());
        }
        let bytes = draft.len();
        let batch = draft.into_batch(self.clock.now());
        let appends = vec![Append::to(self.logs.journal, batch)];
        let written = self.store.append(appends).await.pop();
        match written {
            Some(Ok(_)) => {
                self.written(bytes, finish);
                Ok(())
            }
            Some(Err(error)) => {
                self.inner().remember(&holds, self.clock.now());
                Err(error)
            }
            None => Err(StoreError::Unknown {
                during: "writing a queue's journal".into(),
            }),
        }
    }

    /// As [`Shared::write`] of messages done with, in one transaction with `txn`.
    pub(super) async fn write_with(
        &self,
        done: &[Offset],
        mut txn: Txn,
        finish: impl FnOnce(&mut State),
    ) -> Result<Committed, StoreError> {
        let _writing = self.writing.read().await;
        let draft = Draft::default().done(done);
        let bytes = draft.len();
        let batch = draft.into_batch(self.clock.now());
        txn.appends.push(Append::to(self.logs.journal, batch));
        let mut committed = self.store.commit(txn).await?;
        committed.appends.pop();
        self.written(bytes, finish);
        Ok(committed)
    }

    fn written(&self, bytes: usize, finish: impl FnOnce(&mut State)) {
        let mut inner = self.inner();
        finish(&mut inner.state);
        inner.journal_bytes += bytes;
        let is_long = inner.is_journal_long();
        drop(inner);
        if is_long {
            self.rearm.notify_one();
        }
        // The next of a group may go now.
        self.pass_on();
    }

    /// Writes the holds that wait.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        self.write(Draft::default(), |_| {}).await
    }

    /// Cuts the journal if it is long: one record that says all takes the place of the others.
    pub(super) async fn cut_journal(&self) -> Result<(), StoreError> {
        if !self.inner().is_journal_long() {
            return Ok(());
        }
        let _nobody_writes = self.writing.write().await;
        let end = self.store.bounds(self.logs.journal).await?.end;
        let draft = {
            let inner = self.inner();
            let (done, holds) = inner.state.lasting();
            Draft::whole().ranges(done).holds(&holds)
        };
        let bytes = draft.len();
        if bytes <= WHOLE_BYTES_MAX {
            let batch = draft.into_batch(self.clock.now());
            let txn = Txn {
                logs: vec![LogChange::Trim(self.logs.journal, end)],
                appends: vec![Append::to(self.logs.journal, batch)],
                ..Txn::default()
            };
            self.store.commit(txn).await?;
            self.inner().journal_bytes = bytes;
        }
        self.inner().whole_bytes = bytes;
        Ok(())
    }

    /// Drops the messages that are done with from a log that is ours. Whether all of them went.
    pub(super) async fn trim(&self) -> Result<bool, StoreError> {
        let (base, keep) = {
            let inner = self.inner();
            (inner.state.base(), inner.state.policy().keep)
        };
        let mut until = base.min(self.end());
        if !keep.is_zero() {
            let since = self.clock.now().minus(keep);
            let log = self.logs.messages;
            until = until.min(self.store.offset_for_time(log, since).await?);
        }
        if until > self.inner().trimmed {
            let txn = Txn {
                logs: vec![LogChange::Trim(self.logs.messages, until)],
                ..Txn::default()
            };
            self.store.commit(txn).await?;
            self.inner().trimmed = until;
        }
        Ok(until == base)
    }
}

impl Inner {
    pub(super) fn remember(&mut self, holds: &[Hold], now: Timestamp) {
        if !holds.is_empty() {
            self.pending.extend_from_slice(holds);
            self.pending_since.get_or_insert(now);
        }
    }

    fn take_pending(&mut self) -> Vec<Hold> {
        self.pending_since = None;
        std::mem::take(&mut self.pending)
    }

    pub(super) fn is_journal_long(&self) -> bool {
        self.journal_bytes > JOURNAL_BYTES.max(self.whole_bytes * JOURNAL_GROWTH)
    }
}
