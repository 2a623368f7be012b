//! What a queue's users and its pump share: the machine, and how it reads and writes the logs.
//!
//! Locks: `inner` is held for moments, never over I/O. One scan of the log at a time. Whoever writes to the journal holds
//! `writing` for reading, so that cutting the journal, which holds it for writing, sees nothing half done.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{Clock, Offset, RecordRef, Timestamp};
use store::{Append, Committed, LogChange, Store, StoreError, StoredBatch, Txn, Watch};
use tokio::sync::{Notify, RwLock};

use super::journal::Draft;
use super::load::load;
use super::recent::Recent;
use super::state::{DEAD_FOR, Hold, State};
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
    /// Rung when there is a message to be given up, and how many wait for that.
    pub(super) knell: Notify,
    pub(super) mourning: AtomicUsize,
    /// Tells the pump to look again at what it waits for.
    pub(super) rearm: Notify,
    /// Whether the log of messages was deleted: nobody needs to wait any more.
    is_gone: AtomicBool,
}

pub(super) struct Inner {
    pub(super) state: State,
    recent: Recent,
    /// Holds not in the journal yet, and since when the first of them waits.
    pending: Vec<Hold>,
    pub(super) pending_since: Option<Timestamp>,
    /// When the pump looks whether any has waited for too long: it need not be told of those that begin to wait before.
    pub(super) flush_at: Option<Timestamp>,
    /// Whether the pump is to trim the log of messages.
    pub(super) is_trim_due: bool,
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
                flush_at: None,
                is_trim_due: false,
                journal_bytes,
                whole_bytes: 0,
            }),
            scanning: tokio::sync::Mutex::default(),
            writing: RwLock::default(),
            watch,
            bell: Notify::new(),
            waiting: AtomicUsize::new(0),
            knell: Notify::new(),
            mourning: AtomicUsize::new(0),
            rearm: Notify::new(),
            is_gone: AtomicBool::new(false),
        })
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of messages kept in memory.
    #[cfg(test)]
    pub(super) fn recent_bytes(&self) -> usize {
        self.inner().recent.bytes()
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
            self.tell(&inner.state);
        }
    }

    /// Lets time pass. Whoever waits for what became available by it is told here: the pump finds nothing new in it any more.
    pub(super) fn advance(&self, inner: &mut Inner) {
        if inner.state.advance(self.clock.now()) > 0 {
            self.tell(&inner.state);
        }
    }

    /// Lets go of messages that expired behind others. What waited for them may go.
    pub(super) fn expire(&self, inner: &mut Inner) {
        if inner.state.expire(self.clock.now()) > 0 {
            self.tell(&inner.state);
        }
    }

    /// Wakes who waits for messages to be given up, and one of those who wait to receive, if there is something for them. That one
    /// passes on what it leaves.
    fn tell(&self, state: &State) {
        if self.mourning.load(Ordering::SeqCst) > 0 && state.has_spent() {
            self.knell.notify_waiters();
        }
        if self.waiting.load(Ordering::SeqCst) > 0 && state.has_next(self.end()) {
            self.bell.notify_one();
        }
    }

    /// Up to where the log of messages may be delivered.
    pub(super) fn end(&self) -> Offset {
        self.source.shown_until(self.watch.bounds().end)
    }

    /// Whether part of the log may not be delivered yet.
    pub(super) fn is_held_back(&self) -> bool {
        self.end() < self.watch.bounds().end
    }

    /// Completes when more may be delivered than what lies before `seen`, though the log has not grown.
    pub(super) async fn shown_past(&self, seen: Offset) {
        self.source.shown_past(seen).await;
    }

    /// Whether a receive might find something.
    pub(super) fn has_next(&self) -> bool {
        let mut inner = self.inner();
        self.advance(&mut inner);
        inner.state.has_next(self.end())
    }

    /// The log of messages was deleted.
    pub(super) fn end_waiting(&self) {
        self.is_gone.store(true, Ordering::SeqCst);
        // Whoever begins to wait after this sees it first.
        self.bell.notify_waiters();
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::SeqCst)
    }

    /// Wakes up to `count` of those who wait.
    pub(super) fn ring(&self, count: usize) {
        for _ in 0..count.min(self.waiting.load(Ordering::SeqCst)) {
            self.bell.notify_one();
        }
    }

    /// Whether a message is to be given up.
    pub(super) fn has_spent(&self) -> bool {
        let mut inner = self.inner();
        self.advance(&mut inner);
        inner.state.has_spent()
    }

    /// Whether somebody waits for messages to come back.
    pub(super) fn is_awaited(&self) -> bool {
        let waiting = self.waiting.load(Ordering::SeqCst);
        waiting + self.mourning.load(Ordering::SeqCst) > 0
    }

    /// Wakes another, if somebody waits and there is something left.
    pub(super) fn pass_on(&self) {
        if self.is_awaited() {
            let mut inner = self.inner();
            inner.state.advance(self.clock.now());
            self.tell(&inner.state);
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
        if stored.is_empty() {
            return Ok(());
        }
        let until = self.end();
        let mut batches = Vec::with_capacity(stored.len());
        for batch in stored {
            if batch.base_offset < until {
                batches.push(self.source.open(batch)?);
            }
        }
        // Of a compacted log, there may be nothing before what is held back.
        let end = batches.last().map_or(until, StoredBatch::end);
        let records = batches.iter().flat_map(StoredBatch::records);
        let arrivals: Vec<_> = records
            .map(|record| (record.offset, self.source.arrival(&record)))
            .collect();
        let mut inner = self.inner();
        inner.state.arrive(end, arrivals, self.clock.now());
        if !self.source.is_read_elsewhere() {
            inner.recent.add(batches);
        }
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
    pub(super) async fn fetch(
        &self,
        holds: impl Iterator<Item = &Hold> + Clone,
    ) -> Result<Vec<Delivered>, StoreError> {
        let mut found: Vec<Option<StoredBatch>> = {
            let inner = self.inner();
            holds
                .clone()
                .map(|hold| inner.recent.find(hold.offset))
                .collect()
        };
        let mut last: Option<StoredBatch> = None;
        let mut messages = Vec::with_capacity(found.len());
        for (hold, found) in holds.zip(&mut found) {
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
        let mut carried = Carried {
            shared: self,
            holds: self.inner().take_pending(),
        };
        let draft = draft.holds(&carried.holds);
        if draft.is_empty() {
            return Ok(());
        }
        let bytes = draft.len();
        let batch = draft.into_batch(self.clock.now());
        let appends = vec![Append::to(self.logs.journal, batch)];
        let written = self.store.append(appends).await.pop();
        written.unwrap_or_else(|| {
            Err(StoreError::Unknown {
                during: "writing a queue's journal".into(),
            })
        })?;
        carried.holds.clear();
        self.written(bytes, finish);
        Ok(())
    }

    /// As [`Shared::write`] of `draft` alone, in one transaction with `txn`.
    pub(super) async fn write_with(
        &self,
        draft: Draft,
        mut txn: Txn,
        finish: impl FnOnce(&mut State),
    ) -> Result<Committed, StoreError> {
        let _writing = self.writing.read().await;
        let bytes = draft.len();
        let batch = draft.into_batch(self.clock.now());
        txn.appends.push(Append::to(self.logs.journal, batch));
        let mut committed = self.store.commit(txn).await?;
        committed.appends.pop();
        self.written(bytes, finish);
        Ok(committed)
    }

    /// Messages that were not moved are as they were before. Where nobody knows whether they were, nobody gets them for a while.
    pub(super) fn let_go(&self, mut held_back: Vec<(Offset, Timestamp)>, error: &StoreError) {
        if matches!(error, StoreError::Unknown { .. }) {
            let until = self.clock.now().plus(DEAD_FOR);
            held_back.iter_mut().for_each(|(_, at)| *at = until);
        }
        self.inner().state.let_go(&held_back);
        self.rearm.notify_one();
    }

    fn written(&self, bytes: usize, finish: impl FnOnce(&mut State)) {
        let mut inner = self.inner();
        finish(&mut inner.state);
        inner.journal_bytes += bytes;
        let is_long = inner.is_journal_long();
        let is_done = !inner.is_trim_due && self.can_trim(&inner);
        drop(inner);
        if is_long || is_done {
            self.rearm.notify_one();
        }
        // The next of a group may go now.
        self.pass_on();
    }

    /// Writes the holds that wait.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        self.write(Draft::default(), |_| {}).await
    }

    /// Cuts the journal: one record that says all takes the place of the others.
    pub(super) async fn cut_journal(&self) -> Result<(), StoreError> {
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

    /// Whether there are messages to be dropped.
    pub(super) fn can_trim(&self, inner: &Inner) -> bool {
        self.logs.is_owned && inner.state.base() > inner.trimmed
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

/// Holds on their way to the journal. Unless they get there they wait for the next write: the store may refuse this one, and its
/// caller may go away.
struct Carried<'a> {
    shared: &'a Shared,
    holds: Vec<Hold>,
}

impl Drop for Carried<'_> {
    fn drop(&mut self) {
        if !self.holds.is_empty() {
            let mut inner = self.shared.inner();
            // What was written down since of the same message outdoes them; what waits to be comes after them.
            self.holds.retain(|hold| inner.state.is_newest(hold));
            let newer = std::mem::replace(&mut inner.pending, std::mem::take(&mut self.holds));
            inner.remember(&newer, self.shared.clock.now());
            drop(inner);
            self.shared.rearm.notify_one();
        }
    }
}

impl Inner {
    pub(super) fn remember(&mut self, holds: &[Hold], now: Timestamp) {
        self.pending.extend_from_slice(holds);
        if !self.pending.is_empty() {
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
