//! One life of a queue, driven step by step: messages sent, received, acknowledged, hidden, moved and purged while the engine below
//! writes, fails and is cut off; requests whose callers go away.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use model::{Clock, Offset, Rng};
use store::{Append, Store, StoreError, Txn};
use streams::delivery::state::DEAD_FOR;
use streams::delivery::{Delivered, Queue, Standing, Taken};
use tokio::task::JoinHandle;

use super::engine::Engine;
use super::ledger::{self, DEAD, LOGS, Letter, batch_of};
use super::model::{Counts, Finish, Model, Op};

/// Steps in which an undisturbed queue has answered all that waits.
const SETTLING_MAX: u32 = 3_000;
/// Groups of messages.
const GROUPS: u64 = 4;
/// Requests that are not answered, at most.
const OPEN_MAX: usize = 12;

/// What came of a request.
#[derive(Debug)]
enum News {
    Sent(Result<Offset, StoreError>),
    Taken(Duration, Result<Taken, StoreError>),
    Finished(Result<(), StoreError>),
    Cut(Result<(), StoreError>),
}

/// A request that is not answered.
struct Open {
    task: JoinHandle<()>,
    /// Whether it is answered only when messages come.
    is_waiting: bool,
}

type Reports = Arc<Mutex<Vec<(Op, News)>>>;

/// One life of a queue.
pub(super) struct Driver<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) queue: Arc<Queue>,
    pub(super) model: &'a mut Model,
    pub(super) clock: &'a Clock,
    pub(super) rng: &'a Rng,
    pub(super) counts: &'a mut Counts,
    /// Requests that are not answered.
    open: BTreeMap<Op, Open>,
    reports: Reports,
}

impl<'a> Driver<'a> {
    pub(super) fn new(
        engine: &'a mut Engine,
        queue: Queue,
        model: &'a mut Model,
        clock: &'a Clock,
        rng: &'a Rng,
        counts: &'a mut Counts,
    ) -> Driver<'a> {
        Driver {
            engine,
            queue: Arc::new(queue),
            model,
            clock,
            rng,
            counts,
            open: BTreeMap::new(),
            reports: Reports::default(),
        }
    }

    /// Lets the queue run for a while, in some lives up to a power cut amid whatever it does, in some until all is quiet.
    pub(super) async fn live(&mut self) {
        let steps = match self.rng.below(8) {
            0 => self.rng.below(800),
            1 => self.rng.below(10),
            _ => self.rng.below(250),
        };
        match self.rng.below(8) {
            0 | 1 => self.engine.disk.cut_after(self.rng.below(120)),
            2 => self.engine.change_faults(),
            _ => {}
        }
        for _ in 0..steps {
            self.step().await;
            if self.engine.is_over() {
                return;
            }
        }
        if self.rng.below(3) == 0 {
            self.settle().await;
        }
    }

    /// Everybody goes away.
    pub(super) async fn end(self) {
        self.counts.poisoned += u64::from(self.engine.core.poisoned().borrow().is_some());
        for open in self.open.values() {
            open.task.abort();
        }
        drop(self.queue);
        for open in self.open.into_values() {
            // Answered in this very moment, or gone.
            let _ = open.task.await;
        }
    }

    async fn step(&mut self) {
        match self.rng.below(100) {
            0..=11 => self.send(),
            12..=22 => self.take(),
            23 => self.take_dead(),
            24..=31 => self.acknowledge(),
            32..=35 => self.hide(),
            36..=37 => self.abandon(),
            38 => self.purge(),
            39 => self.cut_journal(),
            40..=45 => self.pass(self.rng.below(800)).await,
            46 => self.pass(self.rng.below(40_000)).await,
            47 => self.ask_after_the_done(),
            48 => self.engine.change_faults(),
            _ => self.engine.step(),
        }
        for _ in 0..=self.rng.below(3) {
            tokio::task::yield_now().await;
        }
        self.hear();
    }

    /// Undisturbed, the queue gets on: all that waits is answered, and what was received is written down.
    async fn settle(&mut self) {
        self.engine.calm();
        for open in self.open.values().filter(|open| open.is_waiting) {
            open.task.abort();
        }
        // What the queue could not write it tries again a second later.
        for _ in 0..10 {
            self.quiet().await;
            if self.engine.is_over() {
                return;
            }
            self.pass(150).await;
        }
        self.quiet().await;
        self.model.on_written();
        if let Some(totals) = self.model.totals(self.clock.now()) {
            let counts = self.queue.counts().await.expect("nothing fails");
            let found = (counts.visible, counts.in_flight, counts.delayed);
            assert_eq!(found, totals, "visible, in flight and delayed");
        }
    }

    async fn quiet(&mut self) {
        let mut still = 0;
        for _ in 0..SETTLING_MAX {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            self.hear();
            still = if self.engine.work() { still + 1 } else { 0 };
            if still > 3 || self.engine.is_over() {
                return;
            }
        }
        panic!("it does not get quiet: {:?}", self.engine.core.stats());
    }

    /// Begins a request: it is under way when this returns.
    fn begin(&mut self, op: Op, request: impl Future<Output = News> + Send + 'static) {
        let reports = Arc::clone(&self.reports);
        let mut reported = Box::pin(async move {
            let news = request.await;
            let mut reports = reports.lock().unwrap_or_else(PoisonError::into_inner);
            reports.push((op, news));
        });
        let at_once = reported
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if at_once.is_pending() {
            let task = tokio::spawn(reported);
            let is_waiting = false;
            self.open.insert(op, Open { task, is_waiting });
        }
    }

    fn is_busy(&self) -> bool {
        self.open.len() >= OPEN_MAX
    }

    fn send(&mut self) {
        if self.is_busy() {
            return;
        }
        let count = 1 + self.rng.below(4);
        let letters: Vec<Letter> = (0..count).map(|_| self.letter()).collect();
        let op = self.model.next_op();
        self.model.ask_send(op, &letters);
        self.counts.sent += count;
        let append = Append::to(LOGS.messages, batch_of(&letters));
        let store: Arc<dyn Store> = self.engine.store();
        self.begin(op, async move {
            let sent = store.append(vec![append]).await.pop();
            News::Sent(sent.expect("an answer each").map(|sent| sent.base_offset))
        });
    }

    fn letter(&mut self) -> Letter {
        let is_delayed = self.rng.below(4) == 0;
        let group = self.rng.below(GROUPS);
        Letter {
            number: self.model.next_number(),
            group: (self.model.is_grouped() || group > 0).then_some(group),
            sent: self.clock.now(),
            delay: Duration::from_millis(u64::from(is_delayed) * self.rng.below(10_000)),
            fill: self.rng.below(4) as usize * self.rng.below(300) as usize,
        }
    }

    /// Receives; one in three waits for messages.
    fn take(&mut self) {
        if self.is_busy() {
            return;
        }
        let max = 1 + self.rng.below(6) as usize;
        let visibility = Duration::from_millis(self.rng.below(2) * self.rng.below(20_000));
        let wait = (self.rng.below(3) == 0).then(|| Duration::from_millis(self.rng.below(20_000)));
        let queue = Arc::clone(&self.queue);
        let op = self.model.next_op();
        self.begin(op, async move {
            let taken = match wait {
                Some(wait) => queue.receive(max, visibility, wait).await,
                None => queue.take(max, visibility).await,
            };
            News::Taken(visibility, taken)
        });
        if let Some(open) = self.open.get_mut(&op) {
            open.is_waiting = wait.is_some();
        }
    }

    /// Takes what is to be given up, and nothing else.
    fn take_dead(&mut self) {
        if self.is_busy() {
            return;
        }
        let max = 1 + self.rng.below(6) as usize;
        let queue = Arc::clone(&self.queue);
        let op = self.model.next_op();
        self.begin(op, async move {
            let dead = queue.take_dead(max).await;
            let taken = dead.map(|dead| Taken {
                dead,
                ..Taken::default()
            });
            News::Taken(Duration::ZERO, taken)
        });
    }

    /// Any messages that were received, whether or not they were since, are done with.
    fn acknowledge(&mut self) {
        if self.is_busy() {
            return;
        }
        let count = self.rng.below(5) as usize;
        let receipts = &self.model.receipts;
        let chosen = (0..count).filter_map(|_| {
            let index = self.rng.below(receipts.len() as u64) as usize;
            receipts.get(index).copied()
        });
        let is_moving = |number: &u64| {
            let known = self.model.letters.get(number);
            known.is_some_and(|known| known.moving.is_some())
        };
        let chosen: BTreeMap<u64, Offset> = chosen
            .filter(|(number, _)| !is_moving(number))
            .map(|(number, receipt)| (number, receipt.offset))
            .collect();
        if chosen.is_empty() {
            return;
        }
        let op = self.model.next_op();
        self.counts.acknowledged += chosen.len() as u64;
        let numbers = chosen.keys().copied().collect();
        self.model.ask_finish(op, Finish::These(numbers));
        let queue = Arc::clone(&self.queue);
        let offsets: Vec<Offset> = chosen.into_values().collect();
        self.begin(op, async move {
            News::Finished(queue.acknowledge(&offsets).await)
        });
    }

    fn purge(&mut self) {
        if self.is_busy() || self.rng.below(3) > 0 {
            return;
        }
        let end = self.engine.core.bounds(LOGS.messages);
        let end = end.expect("the log is there").end;
        let op = self.model.next_op();
        self.counts.purged += 1;
        self.model.ask_finish(op, Finish::Below(end));
        let queue = Arc::clone(&self.queue);
        self.begin(op, async move { News::Finished(queue.start_at(end).await) });
    }

    fn cut_journal(&mut self) {
        let op = self.model.next_op();
        let queue = Arc::clone(&self.queue);
        self.begin(op, async move { News::Cut(queue.cut_journal().await) });
    }

    /// Sets the visibility of any message that was received.
    fn hide(&mut self) {
        let receipts = &self.model.receipts;
        let index = self.rng.below(receipts.len() as u64) as usize;
        let Some(&(number, receipt)) = receipts.get(index) else {
            return;
        };
        let now = self.clock.now();
        let after = Duration::from_millis(self.rng.below(3) * self.rng.below(20_000));
        let outcome = self.queue.set_visibility(receipt, after);
        self.counts.hidden += u64::from(outcome.is_ok());
        self.model
            .on_hidden(number, receipt, outcome, now.plus(after), now);
    }

    /// A caller goes away.
    fn abandon(&mut self) {
        let index = self.rng.below(self.open.len() as u64) as usize;
        if let Some((&op, open)) = self.open.iter().nth(index) {
            open.task.abort();
            self.model.on_abandoned(op);
            self.counts.abandoned += 1;
        }
    }

    async fn pass(&mut self, milliseconds: u64) {
        let time = Duration::from_millis(milliseconds);
        self.clock.advance(time);
        tokio::time::advance(time).await;
    }

    /// What was answered as done with stays so.
    fn ask_after_the_done(&self) {
        for (number, receipt) in &self.model.receipts {
            if self.model.is_done(*number) {
                assert_eq!(self.queue.standing(*receipt), Standing::Gone, "{number}");
            }
        }
    }

    /// Takes the answers that have come.
    fn hear(&mut self) {
        let reports = {
            let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *reports)
        };
        for (op, news) in reports {
            self.open.remove(&op);
            self.on_news(op, news);
        }
        self.open.retain(|_, open| !open.task.is_finished());
    }

    fn on_news(&mut self, op: Op, news: News) {
        match news {
            News::Sent(Ok(base)) => self.model.on_sent(op, Some(base)),
            News::Sent(Err(error)) if self.is_certain(&error) => self.model.on_sent(op, None),
            News::Finished(Ok(())) => self.model.on_finished(op, true),
            News::Finished(Err(error)) if self.is_certain(&error) => {
                self.model.on_finished(op, false);
            }
            News::Taken(visibility, Ok(taken)) => self.on_taken(visibility, &taken),
            News::Cut(Ok(())) => self.counts.cut += 1,
            News::Taken(_, Err(error)) | News::Cut(Err(error)) => {
                self.is_certain(&error);
            }
            // Nobody knows.
            News::Finished(Err(_)) => self.model.on_abandoned(op),
            News::Sent(Err(_)) => {}
        }
    }

    /// Whether nothing was written. An error is right only where something was made to fail.
    fn is_certain(&mut self, error: &StoreError) -> bool {
        assert!(
            self.engine.is_failing(),
            "nothing was made to fail: {error}"
        );
        self.counts.refused += 1;
        !matches!(error, StoreError::Unknown { .. })
    }

    fn on_taken(&mut self, visibility: Duration, taken: &Taken) {
        let now = self.clock.now();
        self.counts.received += taken.messages.len() as u64;
        self.model
            .on_given(&taken.messages, now.plus(visibility), now);
        self.model.on_given_up(&taken.dead, now.plus(DEAD_FOR), now);
        if !taken.dead.is_empty() && self.rng.below(4) > 0 {
            self.bury(&taken.dead);
        }
    }

    /// Moves what was given up to the other log.
    fn bury(&mut self, dead: &[Delivered]) {
        let letters: Vec<Letter> = dead
            .iter()
            .filter_map(|delivered| Some(ledger::read(&delivered.record()?)))
            .collect();
        let offsets: Vec<Offset> = dead.iter().map(|it| it.receipt.offset).collect();
        let numbers = letters.iter().map(|letter| letter.number).collect();
        let op = self.model.next_op();
        let copies: Vec<Letter> = letters.iter().map(|letter| letter.moved_by(op)).collect();
        let txn = Txn {
            appends: vec![Append::to(DEAD, batch_of(&copies))],
            ..Txn::default()
        };
        self.counts.moved += letters.len() as u64;
        self.model.ask_finish(op, Finish::Moved(numbers));
        let queue = Arc::clone(&self.queue);
        self.begin(op, async move {
            News::Finished(queue.move_to(&offsets, txn).await.map(|_| ()))
        });
    }
}
