//! A queue in use: the machine of [`super::state`] over a store.

mod moving;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model::{Clock, Offset, Timestamp};
use store::{Committed, Store, StoreError, Txn};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::journal::Draft;
use super::pump;
use super::shared::Shared;
use super::state::{Hold, State};
use super::{Counts, Delivered, Lies, Logs, Policy, Receipt, Source, Standing, Taken};

pub use self::moving::HeldBack;

/// Messages looked at, at most, for the counts to be exact.
const COUNTED: usize = 1_000;

/// A queue in use. Dropping it ends its background task; nothing acknowledged is lost by that.
pub struct Queue {
    shared: Arc<Shared>,
    pump: JoinHandle<()>,
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
        let pumped = store.watch(logs.messages)?;
        let shared = Shared::open(store, clock, logs, source, policy).await?;
        let shared = Arc::new(shared);
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
        self.shared.pass_on();
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

    /// As [`Queue::start_at`], in one transaction with `txn`: all of it is done, or nothing.
    ///
    /// # Errors
    /// The transaction's.
    pub async fn start_at_with(&self, offset: Offset, txn: Txn) -> Result<Committed, StoreError> {
        let before = Draft::default().ranges([(Offset::ZERO, offset)].into_iter());
        let finish = |state: &mut State| state.finish_below(offset);
        self.shared.write_with(before, txn, finish).await
    }

    /// Past the newest message that may be delivered.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.shared.end()
    }

    /// Up to `max` messages, in flight for `visibility`; what is there now. Waits for no write: after a crash a message may
    /// be delivered again before its time. Dropped, it takes nothing.
    ///
    /// # Errors
    /// The store's. Nothing is taken then.
    pub async fn take(&self, max: usize, visibility: Duration) -> Result<Taken, StoreError> {
        let shared = &*self.shared;
        let (hand, is_over_limit) = self.pick(max, visibility).await?;
        let messages = shared.fetch(hand.newest()).await?;
        let dead = shared.fetch(hand.dead.iter()).await?;
        hand.give();
        Ok(Taken {
            messages,
            dead,
            is_over_limit,
        })
    }

    /// As [`Queue::take`], for who reads the messages themselves: they are claimed as soon as that is known to have gone well.
    ///
    /// # Errors
    /// The store's. Nothing is taken then.
    pub async fn claim(&self, max: usize, visibility: Duration) -> Result<Claim<'_>, StoreError> {
        let (hand, _) = self.pick(max, visibility).await?;
        Ok(Claim { hand })
    }

    async fn pick(&self, max: usize, visibility: Duration) -> Result<(Hand<'_>, bool), StoreError> {
        let shared = &*self.shared;
        let mut hand = Hand::new(shared);
        let (mut is_over_limit, mut last) = (false, None);
        // Once: what is picked for no time at all would be back for the next look.
        shared.advance(&mut shared.inner());
        loop {
            let mut scan_from = None;
            {
                let mut inner = shared.inner();
                let now = shared.clock.now();
                shared.forget_trimmed(&mut inner);
                let next_scan = inner.state.next_scan();
                let may_scan = next_scan < shared.end() && !inner.state.is_full();
                let wanted = max - hand.live.len();
                let picked = inner.state.pick(wanted, visibility, may_scan, now, last);
                last = picked.last;
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
                None => return Ok((hand, is_over_limit)),
            }
        }
    }

    /// As [`Queue::take`], but waits up to `wait` for the first message.
    ///
    /// # Errors
    /// The store's; [`StoreError::NoSuchLog`] at once when the log of messages is deleted meanwhile.
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
            if shared.is_gone() {
                return Err(StoreError::NoSuchLog {
                    log: shared.logs.messages,
                });
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

    /// Completes when there may be something for [`Queue::take_dead`].
    pub async fn ready_dead(&self) {
        let shared = &*self.shared;
        let _waits = Waits::new(&shared.mourning);
        loop {
            let tolled = shared.knell.notified();
            tokio::pin!(tolled);
            tolled.as_mut().enable();
            if shared.has_spent() {
                return;
            }
            shared.rearm.notify_one();
            tolled.await;
        }
    }

    /// Wakes another who waits, if there is something to take: for whoever [`Queue::ready`] woke and who left something.
    pub fn pass_on(&self) {
        self.shared.pass_on();
    }

    /// Messages delivered and not acknowledged, as far as is known without a look at the log.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.seen_now(|state| state.in_flight_len())
    }

    /// What is seen of the queue as it is now. Those who wait for messages are told of what has become visible.
    fn seen_now<T>(&self, see: impl FnOnce(&mut State) -> T) -> T {
        let mut inner = self.shared.inner();
        self.shared.advance(&mut inner);
        see(&mut inner.state)
    }

    /// What a receipt is worth now.
    #[must_use]
    pub fn standing(&self, receipt: Receipt) -> Standing {
        if receipt.offset >= self.shared.end() {
            return Standing::Gone;
        }
        self.seen_now(|state| state.standing(receipt))
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
        let offsets = self.of_log(offsets);
        if offsets.is_empty() {
            return Ok(());
        }
        let (draft, finish) = done(&offsets);
        self.shared.write(draft, finish).await
    }

    /// Those of these offsets that are of the log.
    fn of_log(&self, offsets: &[Offset]) -> Vec<Offset> {
        let end = self.shared.end();
        offsets.iter().copied().filter(|at| *at < end).collect()
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

    /// Makes messages visible at once, of deliveries that nothing came of: those that are still current. They count as delivered.
    /// Waits for no write.
    pub fn release(&self, receipts: &[Receipt]) {
        let shared = &*self.shared;
        let mut inner = shared.inner();
        let now = shared.clock.now();
        inner.state.advance(now);
        for receipt in receipts {
            if let Ok(hold) = inner.state.set_visibility(*receipt, now) {
                inner.remember(&[hold], now);
            }
        }
        inner.state.advance(now);
        drop(inner);
        shared.rearm.notify_one();
        shared.pass_on();
    }

    /// The first message that is not done with.
    #[must_use]
    pub fn base(&self) -> Offset {
        let mut inner = self.shared.inner();
        self.shared.forget_trimmed(&mut inner);
        inner.state.base()
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
                shared.forget_trimmed(&mut inner);
                shared.advance(&mut inner);
                shared.expire(&mut inner);
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

    /// Up to `max` messages from `from` on that are not done with, oldest first, and how they lie. They stay as they are.
    ///
    /// # Errors
    /// The store's.
    pub async fn browse(
        &self,
        from: Offset,
        max: usize,
    ) -> Result<Vec<(Delivered, Lies)>, StoreError> {
        let shared = &*self.shared;
        let mut found = Vec::new();
        let mut from = from;
        while found.len() < max {
            let next = shared.inner().state.next_open(from);
            if next >= shared.end() {
                break;
            }
            let Some(batch) = shared.read(next).await? else {
                break;
            };
            from = batch.end();
            let mut inner = shared.inner();
            let now = shared.clock.now();
            shared.advance(&mut inner);
            for record in batch.records().filter(|record| record.offset >= next) {
                let due = shared.arrival(&record).due;
                let Some((lies, receives, first_received)) =
                    inner.state.look(record.offset, due, now)
                else {
                    continue;
                };
                let receipt = Receipt {
                    offset: record.offset,
                    receives,
                };
                let message = Delivered {
                    receipt,
                    first_received,
                    batch: batch.clone(),
                };
                found.push((message, lies));
            }
        }
        found.truncate(max);
        Ok(found)
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

    /// Cuts the journal, however long it is: one record that says all takes the place of the others, so that opening the queue
    /// again takes less. It is done without being asked when the journal has grown.
    ///
    /// # Errors
    /// The store's. The journal is then as it was.
    pub async fn cut_journal(&self) -> Result<(), StoreError> {
        self.shared.cut_journal().await
    }

    /// Writes down what is not yet: before the store is closed.
    ///
    /// # Errors
    /// The store's.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.shared.flush().await
    }
}

/// That messages are done with: for the journal, and for what is known of them once it is there.
fn done(offsets: &[Offset]) -> (Draft, impl FnOnce(&mut State)) {
    let finish = |state: &mut State| offsets.iter().for_each(|offset| state.finish(*offset));
    (Draft::default().done(offsets), finish)
}

/// Messages claimed. Dropped, they are as they were before.
pub struct Claim<'a> {
    hand: Hand<'a>,
}

impl fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim({})", self.hand.live.len())
    }
}

impl Claim<'_> {
    /// What is to be delivered.
    pub fn live(&self) -> impl Iterator<Item = Receipt> {
        self.hand.live.iter().map(Hold::receipt)
    }

    /// What was received too often, held back for a while, to be done with elsewhere.
    pub fn dead(&self) -> impl Iterator<Item = Offset> {
        self.hand.dead.iter().map(|hold| hold.offset)
    }

    /// Takes those that `is_kept`; the others are as they were before.
    pub fn keep(mut self, is_kept: impl Fn(Offset) -> bool) -> Vec<Receipt> {
        let (kept, others): (Vec<Hold>, Vec<Hold>) = std::mem::take(&mut self.hand.live)
            .into_iter()
            .partition(|hold| is_kept(hold.offset));
        if !others.is_empty() {
            self.hand.shared.inner().state.undo(&others);
        }
        let receipts = kept.iter().map(Hold::receipt).collect();
        self.hand.live = kept;
        self.hand.give();
        receipts
    }
}

/// Messages picked and not yet given: put back if that does not happen.
struct Hand<'a> {
    shared: &'a Shared,
    live: Vec<Hold>,
    dead: Vec<Hold>,
}

impl<'a> Hand<'a> {
    fn new(shared: &'a Shared) -> Hand<'a> {
        Hand {
            shared,
            live: Vec::new(),
            dead: Vec::new(),
        }
    }

    /// Each message once: one that was hidden for no time may have been picked again when others let time pass.
    fn newest(&self) -> impl Iterator<Item = &Hold> + Clone {
        let live = &self.live;
        live.iter().enumerate().filter_map(|(at, hold)| {
            let mut later = live[at + 1..].iter();
            later
                .all(|other| other.offset != hold.offset)
                .then_some(hold)
        })
    }

    fn give(mut self) {
        let live = std::mem::take(&mut self.live);
        self.dead.clear();
        let mut inner = self.shared.inner();
        inner.remember(&live, self.shared.clock.now());
        let is_news = inner.flush_at.is_none() && !live.is_empty();
        drop(inner);
        if is_news {
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
