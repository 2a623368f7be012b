//! An engine that is driven step by step, and the store over it that a queue uses: nothing in it happens by itself, so one seed
//! gives one history.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use engines::embedded::{Core, FrameWrite, Outcome, Plan, Reply, Request, When};
use engines::journal::pool::Blocked;
use engines::sim::{Faults, SimDisk};
use engines::{Durability, Options};
use model::{Clock, LogId, Offset, Rng, Timestamp};
use store::producers::ProducerSeen;
use store::{
    Answer, Append, Appended, Bounds, Catalog, Committed, Document, Key, Lease, Leases, Log, Piece,
    Rewriter, Rewritten, Scan, StoreError, StoredBatch, Txn, Watch,
};
use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;

/// Steps in which an undisturbed engine answers anything.
const STEPS_MAX: u32 = 3_000;

/// A frame between being decided and being reported.
#[derive(Debug)]
enum Flying {
    New(FrameWrite),
    Written(FrameWrite),
    Synced(FrameWrite, io::Result<()>),
}

/// One life of an engine.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) core: Arc<Core>,
    pub(super) disk: SimDisk,
    rng: Rng,
    flying: Vec<Flying>,
    /// Segments being made known.
    compaction: Option<(Plan, Vec<Receiver<Reply>>)>,
    is_failing: bool,
}

/// What an engine of this history is like.
pub(super) fn options(rng: &Rng, clock: &Clock) -> Options {
    let journal_file_bytes = 16 << 10 << rng.below(2);
    Options {
        journal_file_bytes,
        journal_bytes_max: journal_file_bytes * (6 + rng.below(6)),
        first_file_bytes: 8 << 10 << rng.below(2),
        frame_bytes_max: 1 << 10 << rng.below(5),
        in_flight: 1 + rng.below(4) as usize,
        cache_bytes: (rng.below(2) * rng.below(20_000)) as usize,
        segment_cache_bytes: (rng.below(2) * rng.below(20_000)) as usize,
        durability: Durability::Sync,
        clock: clock.clone(),
        rng: Rng::seeded(rng.next_u64()),
        ..Options::on(Arc::new(SimDisk::new(Rng::seeded(0))))
    }
}

impl Engine {
    /// Reads back what is on `disk`, undisturbed: what an opening does under faults is the engine's own test.
    pub(super) fn open(options: &Options, disk: SimDisk, rng: Rng) -> Engine {
        let options = Options {
            disk: Arc::new(disk.clone()),
            ..options.clone()
        };
        let core = Core::open(options).expect("the engine opens");
        Engine {
            core: Arc::new(core),
            disk,
            rng,
            flying: Vec::new(),
            compaction: None,
            is_failing: false,
        }
    }

    pub(super) fn store(&self) -> Arc<dyn store::Store> {
        Arc::new(Driven(Arc::clone(&self.core)))
    }

    /// Does something for the requests that wait.
    pub(super) fn step(&mut self) {
        match self.rng.below(16) {
            0..=4 => self.launch(),
            5..=12 => self.fly(),
            13 => {
                let _ = self.core.prepare();
            }
            14 => self.flying.extend(self.core.mark_frame().map(Flying::New)),
            _ => self.compact(),
        }
    }

    /// Whether this life is over: the power is cut, or a write failed.
    pub(super) fn is_over(&self) -> bool {
        self.disk.is_off() || self.core.poisoned().borrow().is_some()
    }

    /// Whether something was made to fail: errors are then right.
    pub(super) fn is_failing(&self) -> bool {
        self.is_failing || self.is_over()
    }

    /// Nothing fails from now on.
    pub(super) fn calm(&mut self) {
        self.disk.cut_after(u64::MAX);
        self.disk.set_faults(Faults::default());
        self.disk.set_capacity(u64::MAX);
    }

    /// Makes something fail from now on, or nothing any more.
    pub(super) fn change_faults(&mut self) {
        let rng = &self.rng;
        self.is_failing = true;
        let faults = match rng.below(8) {
            0..=2 => {
                let more = rng.below(2) * rng.below(40_000);
                self.disk.set_capacity(self.disk.used() + more);
                return;
            }
            3 => Faults {
                sync: 5 + rng.below(20),
                ..Faults::default()
            },
            4 => Faults {
                write: 10 + rng.below(20),
                reserve: 2,
                ..Faults::default()
            },
            5 => Faults {
                read: 4,
                ..Faults::default()
            },
            _ => {
                self.disk.set_capacity(u64::MAX);
                Faults::default()
            }
        };
        self.disk.set_faults(faults);
    }

    /// Gets on with what waits, undisturbed. Whether there was nothing to do.
    pub(super) fn work(&mut self) -> bool {
        if self.core.prepare() == Err(Blocked::Capped) || self.compaction.is_some() {
            self.compact();
        }
        self.launch();
        self.fly();
        !self.core.has_waiting() && self.flying.is_empty()
    }

    /// What `asked` gives, the engine working meanwhile.
    pub(super) async fn serve<T>(&mut self, asked: impl Future<Output = T>) -> T {
        tokio::pin!(asked);
        for _ in 0..STEPS_MAX {
            tokio::select! {
                biased;
                found = &mut asked => return found,
                () = tokio::task::yield_now() => {
                    self.work();
                }
            }
        }
        panic!("no answer: {:?}", self.core.stats());
    }

    fn launch(&mut self) {
        self.flying.extend(self.core.next_frame().map(Flying::New));
    }

    /// Takes any frame one stage on.
    fn fly(&mut self) {
        if self.flying.is_empty() {
            return;
        }
        let number = self.rng.below(self.flying.len() as u64) as usize;
        let next = match self.flying.swap_remove(number) {
            Flying::New(frame) => match frame.write() {
                Ok(()) => Flying::Written(frame),
                Err(error) => Flying::Synced(frame, Err(error)),
            },
            Flying::Written(frame) => {
                let result = frame.sync();
                Flying::Synced(frame, result)
            }
            Flying::Synced(frame, result) => {
                self.core.on_written(&frame, result);
                return;
            }
        };
        self.flying.push(next);
    }

    /// Takes a compaction one stage on. What fails is tried again another time.
    fn compact(&mut self) {
        let Some((plan, mut answers)) = self.compaction.take() else {
            self.compaction = self.core.plan_compaction(When::Now).and_then(|plan| {
                let requests = self.core.write_segments(&plan).ok()?;
                Some((plan, self.core.submit(requests)))
            });
            return;
        };
        match all_answered(&mut answers) {
            None => self.compaction = Some((plan, answers)),
            Some(true) => {
                let finished = self.core.finish_compaction(&plan);
                assert!(finished.is_ok() || self.is_failing(), "{finished:?}");
            }
            Some(false) => {}
        }
    }
}

/// Whether all went well; `None` while one is not answered.
fn all_answered(answers: &mut Vec<Receiver<Reply>>) -> Option<bool> {
    while let Some(answer) = answers.last_mut() {
        match answer.try_recv() {
            Ok(Ok(_)) => {
                answers.pop();
            }
            Err(TryRecvError::Empty) => return None,
            Ok(Err(_)) | Err(TryRecvError::Closed) => return Some(false),
        }
    }
    Some(true)
}

/// A store whose writes are answered when the engine is driven so far.
struct Driven(Arc<Core>);

impl Driven {
    fn ask(&self, request: Request) -> Answer<'_, Reply> {
        let answer = self.0.submit(vec![request]).pop().expect("an answer each");
        Box::pin(async {
            answer.await.unwrap_or_else(|_| {
                Err(StoreError::Unknown {
                    during: "the engine has gone".into(),
                })
            })
        })
    }
}

fn ready<T: Send + 'static>(value: T) -> Answer<'static, T> {
    Box::pin(std::future::ready(value))
}

impl Log for Driven {
    fn append(&self, appends: Vec<Append>) -> Answer<'_, Vec<Result<Appended, StoreError>>> {
        let count = appends.len();
        let reply = self.ask(Request::Append(appends));
        Box::pin(async move {
            match reply.await {
                Ok(Outcome::Appended(placed)) => placed,
                Ok(other) => panic!("an append was answered {other:?}"),
                Err(error) => vec![Err(error); count],
            }
        })
    }

    fn read(
        &self,
        log: LogId,
        from: Offset,
        max_bytes: usize,
    ) -> Answer<'_, Result<Vec<StoredBatch>, StoreError>> {
        ready(self.0.read(log, from, max_bytes))
    }

    fn bounds(&self, log: LogId) -> Answer<'_, Result<Bounds, StoreError>> {
        ready(self.0.bounds(log))
    }

    fn offset_for_time(
        &self,
        log: LogId,
        time: Timestamp,
    ) -> Answer<'_, Result<Offset, StoreError>> {
        ready(self.0.offset_for_time(log, time))
    }

    fn offset_for_size(&self, log: LogId, bytes: u64) -> Answer<'_, Result<Offset, StoreError>> {
        ready(self.0.offset_for_size(log, bytes))
    }

    fn producers(&self, log: LogId) -> Answer<'_, Result<Vec<ProducerSeen>, StoreError>> {
        ready(self.0.producers(log))
    }

    fn watch(&self, log: LogId) -> Result<Watch, StoreError> {
        self.0.watch(log)
    }

    fn pieces(&self, log: LogId) -> Answer<'_, Result<Vec<Piece>, StoreError>> {
        ready(self.0.pieces(log))
    }

    fn rewrite(
        &self,
        _: LogId,
        _: Range<Offset>,
        _: Rewriter,
    ) -> Answer<'_, Result<Rewritten, StoreError>> {
        let what = "queues rewrite no log; the engine's own crash tests do".into();
        ready(Err(StoreError::Invalid { what }))
    }
}

impl Catalog for Driven {
    fn get(&self, key: &Key) -> Answer<'_, Result<Option<Document>, StoreError>> {
        ready(Ok(self.0.get(key)))
    }

    fn scan(&self, scan: Scan) -> Answer<'_, Result<Vec<(Key, Document)>, StoreError>> {
        ready(Ok(self.0.scan(scan)))
    }

    fn commit(&self, txn: Txn) -> Answer<'_, Result<Committed, StoreError>> {
        let reply = self.ask(Request::Commit(txn));
        Box::pin(async {
            match reply.await? {
                Outcome::Committed(committed) => Ok(committed),
                other => panic!("a transaction was answered {other:?}"),
            }
        })
    }
}

impl Leases for Driven {
    fn acquire(&self, _: &Key, _: &str, _: Duration) -> Answer<'_, Result<Lease, StoreError>> {
        unreachable!("a queue takes no lease")
    }

    fn release(&self, _: &Lease) -> Answer<'_, Result<(), StoreError>> {
        unreachable!("a queue takes no lease")
    }
}
