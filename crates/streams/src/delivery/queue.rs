//! A queue in use: the machine of [`super::state`] over a store.
//!
//! Locks: `inner` is held for moments, never over I/O. One scan of the log at a time. Whoever writes to the journal holds
//! `writing` for reading, so that cutting the journal, which holds it for writing, sees nothing half done.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Clock, Offset, Timestamp};
use store::{Append, Committed, LogChange, Store, StoreError, StoredBatch, Txn, Watch};
use tokio::sync::{Notify, RwLock};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::journal::Draft;
use super::load::load;
use super::pump;
use super::state::{Hold, State};
use super::{Counts, Delivered, Logs, Policy, Receipt, Source, Standing, Taken};

/// Bytes of messages read at once: for a queue that is nearly empty, and for a backlog.
const SCAN_BYTES: (usize, usize) = (64 << 10, 256 << 10);
/// Messages that make a backlog.
const BACKLOG: u64 = 1_000;
/// Batches just scanned that are kept for their delivery, in bytes.
const RECENT_BYTES: usize = 1 << 20;
/// The journal is cut when it is longer than this, and than several times what it was when it was cut last.
const JOURNAL_BYTES: usize = 1 << 20;
const JOURNAL_GROWTH: usize = 4;
/// A cut journal must fit one batch. One that would not is left to grow.
const WHOLE_BYTES_MAX: usize = 24 << 20;
/// Messages looked at, at most, for the counts to be exact.
const COUNTED: usize = 1_000;

/// A queue in use. Dropping it ends its background task; nothing acknowledged is lost by that.
pub struct Queue {
    shared: Arc<Shared>,
    pump: JoinHandle<()>,
}

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
    bell: Notify,
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

impl Drop for Queue {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue({})", self.shared.logs.messages)
    }
}

impl Queue {
    /// Reads back what is known of the queue and starts its background task, for which it must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::NoSuchLog`]; [`StoreError::Damaged`] where the journal is none.
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Clock,
        logs: Logs,
        source: Arc<dyn Source>,
        policy: Policy,
    ) -> Result<Queue, StoreError> {
        let (state, journal_bytes) = load(&*store, logs, policy, clock.now()).await?;
        let watch = store.watch(logs.messages)?;
        let pumped = store.watch(logs.messages)?;
        let shared = Arc::new(Shared {
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
        });
        let pump = tokio::spawn(pump::run(Arc::clone(&shared), pumped));
        Ok(Queue { shared, pump })
    }

    /// How it delivers.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.shared.inner().state.policy()
    }

    /// Changes how it delivers, from now on. The order stays what it was.
    pub fn set_policy(&self, policy: Policy) {
        self.shared.inner().state.set_policy(policy);
    }

    /// Makes all messages before `offset` done with.
    ///
    /// # Errors
    /// The store's.
    pub async fn start_at(&self, offset: Offset) -> Result<(), StoreError> {
        let before = Draft::default().ranges([(Offset::ZERO, offset)].into_iter());
        let finish = |state: &mut State| state.finish_below(offset);
        self.shared.write(before, finish).await
    }

    /// Makes all messages sent until now done with.
    ///
    /// # Errors
    /// The store's.
    pub async fn purge(&self) -> Result<(), StoreError> {
        self.start_at(self.shared.end()).await
    }

    /// Up to `max` messages, in flight for `visibility`; what is there now. Waits for no write: after a crash a message may
    /// be delivered again before its time. Dropped, it takes nothing.
    ///
    /// # Errors
    /// The store's. Nothing is taken then.
    pub async fn take(&self, max: usize, visibility: Duration) -> Result<Taken, StoreError> {
        let shared = &*self.shared;
        let mut hand = Hand {
            shared,
            live: Vec::new(),
            dead: Vec::new(),
        };
        let mut is_over_limit = false;
        loop {
            let mut scan_from = None;
            {
                let mut inner = shared.inner();
                let now = shared.clock.now();
                inner.state.advance(now);
                let next_scan = inner.state.next_scan();
                let may_scan = next_scan < shared.end() && !inner.state.is_full();
                let wanted = max - hand.live.len();
                let picked = inner.state.pick(wanted, visibility, may_scan, now);
                hand.live.extend(picked.live);
                hand.dead.extend(picked.dead);
                is_over_limit |= picked.is_over_limit;
                let is_short = hand.live.len() < max && hand.dead.is_empty() && !is_over_limit;
                if is_short && may_scan {
                    scan_from = Some(next_scan);
                }
            }
            match scan_from {
                Some(from) => shared.scan(from).await?,
                None => break,
            }
        }
        let messages = shared.fetch(&hand.live).await?;
        let dead = shared.fetch(&hand.dead).await?;
        hand.give();
        Ok(Taken {
            messages,
            dead,
            is_over_limit,
        })
    }

    /// As [`Queue::take`], but waits up to `wait` for the first message.
    ///
    /// # Errors
    /// The store's.
    pub async fn receive(
        &self,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Taken, StoreError> {
        let until = Instant::now() + wait;
        let shared = &*self.shared;
        loop {
            let waits = Waits::new(&shared.waiting);
            let rung = shared.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let taken = self.take(max, visibility).await?;
            let is_empty = taken.messages.is_empty() && taken.dead.is_empty();
            if !is_empty || Instant::now() >= until {
                drop(waits);
                shared.pass_on();
                return Ok(taken);
            }
            shared.rearm.notify_one();
            let _ = tokio::time::timeout_at(until, rung).await;
        }
    }

    /// Completes when there may be something to take. Waiting so on several queues is cheap.
    pub async fn ready(&self) {
        let shared = &*self.shared;
        let _waits = Waits::new(&shared.waiting);
        loop {
            let rung = shared.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if shared.has_next() {
                return;
            }
            shared.rearm.notify_one();
            rung.await;
        }
    }

    /// What a receipt is worth now.
    #[must_use]
    pub fn standing(&self, receipt: Receipt) -> Standing {
        if receipt.offset >= self.shared.end() {
            return Standing::Gone;
        }
        let mut inner = self.shared.inner();
        inner.state.advance(self.shared.clock.now());
        inner.state.standing(receipt)
    }

    /// When the delivery that `receipt` is of was made, where that is known.
    #[must_use]
    pub fn received_at(&self, receipt: Receipt) -> Option<Timestamp> {
        self.shared.inner().state.received_at(receipt)
    }

    /// These messages are done with, durably when this answers. Offsets that are not of the log are passed over.
    ///
    /// # Errors
    /// The store's. The messages are then as they were.
    pub async fn acknowledge(&self, offsets: &[Offset]) -> Result<(), StoreError> {
        let end = self.shared.end();
        let offsets: Vec<Offset> = offsets.iter().copied().filter(|at| *at < end).collect();
        if offsets.is_empty() {
            return Ok(());
        }
        let draft = Draft::default().done(&offsets);
        let finish = |state: &mut State| offsets.iter().for_each(|offset| state.finish(*offset));
        self.shared.write(draft, finish).await
    }

    /// As [`Queue::acknowledge`], in one transaction with `txn`: all of it is done, or nothing.
    ///
    /// # Errors
    /// The transaction's. The messages are then as they were.
    pub async fn move_to(&self, offsets: &[Offset], mut txn: Txn) -> Result<Committed, StoreError> {
        let shared = &*self.shared;
        let _writing = shared.writing.read().await;
        let draft = Draft::default().done(offsets);
        let bytes = draft.len();
        let batch = draft.into_batch(shared.clock.now());
        txn.appends.push(Append::to(shared.logs.journal, batch));
        let mut committed = shared.store.commit(txn).await?;
        committed.appends.pop();
        shared.written(bytes, |state| {
            offsets.iter().for_each(|offset| state.finish(*offset));
        });
        Ok(committed)
    }

    /// The message of a delivery becomes visible again `after` from now. Waits for no write.
    ///
    /// # Errors
    /// What the receipt is worth, where that is not [`Standing::Current`].
    pub fn set_visibility(&self, receipt: Receipt, after: Duration) -> Result<(), Standing> {
        let shared = &*self.shared;
        if receipt.offset >= shared.end() {
            return Err(Standing::Gone);
        }
        let mut inner = shared.inner();
        let now = shared.clock.now();
        inner.state.advance(now);
        let hold = inner.state.set_visibility(receipt, now.plus(after))?;
        inner.remember(&[hold], now);
        inner.state.advance(now);
        drop(inner);
        shared.rearm.notify_one();
        shared.pass_on();
        Ok(())
    }

    /// How many messages there are.
    ///
    /// # Errors
    /// The store's.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        let shared = &*self.shared;
        loop {
            let from = {
                let mut inner = shared.inner();
                inner.state.advance(shared.clock.now());
                let from = inner.state.next_scan();
                let counts = inner.state.counts(shared.end());
                let known = inner.state.waiting_len() + counts.delayed as usize;
                if from >= shared.end() || known >= COUNTED || inner.state.is_full() {
                    return Ok(counts);
                }
                from
            };
            shared.scan(from).await?;
        }
    }

    /// The message at `offset`, if it is not done with, as it would be delivered. It stays as it is.
    ///
    /// # Errors
    /// The store's.
    pub async fn peek(&self, offset: Offset) -> Result<Option<Delivered>, StoreError> {
        let shared = &*self.shared;
        let receipt = Receipt {
            offset,
            receives: u32::MAX,
        };
        if self.standing(receipt) == Standing::Gone {
            return Ok(None);
        }
        Ok(shared.read(offset).await?.map(|batch| Delivered {
            receipt,
            first_received: Timestamp::default(),
            batch,
        }))
    }

    /// Writes down what is not yet: before the store is closed.
    ///
    /// # Errors
    /// The store's.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.shared.flush().await
    }
}

impl Shared {
    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn pass_on(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 && self.has_next() {
            self.bell.notify_one();
        }
    }

    /// Reads the log on from `from`, unless somebody did meanwhile.
    async fn scan(&self, from: Offset) -> Result<(), StoreError> {
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
    async fn read(&self, offset: Offset) -> Result<Option<StoredBatch>, StoreError> {
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
    async fn fetch(&self, holds: &[Hold]) -> Result<Vec<Delivered>, StoreError> {
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
    async fn write(&self, draft: Draft, finish: impl FnOnce(&mut State)) -> Result<(), StoreError> {
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
    fn remember(&mut self, holds: &[Hold], now: Timestamp) {
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

/// Messages picked and not yet given: put back if that does not happen.
struct Hand<'a> {
    shared: &'a Shared,
    live: Vec<Hold>,
    dead: Vec<Hold>,
}

impl Hand<'_> {
    fn give(mut self) {
        let live = std::mem::take(&mut self.live);
        self.dead.clear();
        let mut inner = self.shared.inner();
        let is_first = inner.pending_since.is_none() && !live.is_empty();
        inner.remember(&live, self.shared.clock.now());
        drop(inner);
        if is_first {
            self.shared.rearm.notify_one();
        }
    }
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        if self.live.is_empty() && self.dead.is_empty() {
            return;
        }
        let mut inner = self.shared.inner();
        inner.state.undo(&self.live);
        inner.state.restore_dead(&self.dead);
        drop(inner);
        self.shared.pass_on();
    }
}

/// Somebody waits for the bell.
struct Waits<'a>(&'a AtomicUsize);

impl Waits<'_> {
    fn new(count: &AtomicUsize) -> Waits<'_> {
        count.fetch_add(1, Ordering::SeqCst);
        Waits(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Batches just scanned, oldest first: most are delivered at once.
#[derive(Default)]
struct Recent {
    batches: VecDeque<StoredBatch>,
    bytes: usize,
}

impl Recent {
    fn add(&mut self, batches: Vec<StoredBatch>) {
        for batch in batches {
            self.bytes += batch.batch.bytes().len();
            self.batches.push_back(batch);
        }
        while self.bytes > RECENT_BYTES
            && self.batches.len() > 1
            && let Some(oldest) = self.batches.pop_front()
        {
            self.bytes -= oldest.batch.bytes().len();
        }
    }

    fn find(&self, offset: Offset) -> Option<StoredBatch> {
        let next = self.batches.partition_point(|batch| batch.end() <= offset);
        let batch = self.batches.get(next)?;
        (batch.base_offset <= offset).then(|| batch.clone())
    }

    fn clear(&mut self) {
        self.batches.clear();
        self.bytes = 0;
    }
}
