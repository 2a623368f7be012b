//! One life of an engine, driven step by step: requests are submitted, frames written, synced and reported in any order,
//! files prepared, the journal marked and compacted, faults switched on and off.

use std::collections::VecDeque;
use std::io;

use engines::embedded::{Core, FrameWrite, Outcome, Part, Plan, Reply, Request, Step, When};
use engines::segments::SegmentId;
use engines::sim::{Faults, SimDisk};
use model::{Offset, Rng, Timestamp};
use store::{Change, StoreError, StoredBatch, Version};
use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;

use super::model::{Model, Rewrite, text_of};
use super::requests::{Requests, all_logs};

/// Steps in which an undisturbed engine has written all that waits.
const SETTLING_MAX: u32 = 3_000;

/// A request that is not known to be durable, nor to have failed.
#[derive(Debug)]
struct Waiting {
    request: Request,
    /// `None` once the engine has said that it does not know.
    answer: Option<Receiver<Reply>>,
}

/// A frame between being decided and being reported.
#[derive(Debug)]
enum Flying {
    New(FrameWrite),
    Written(FrameWrite),
    Synced(FrameWrite, io::Result<()>),
}

/// How far a compaction is.
#[derive(Debug)]
enum Compaction {
    Idle,
    Planned(Plan),
    /// Segments are being made known.
    Asked(Plan, Vec<Receiver<Reply>>),
    /// One log's batches are being moved out of the journal, or several out of kept files.
    Moving(Vec<Receiver<Reply>>),
    /// A part of a log is being rewritten; `None` once the engine has said that it does not know.
    Rewriting(Rewrite, Option<Receiver<Reply>>),
    /// Segments are being forgotten.
    Removing(Vec<SegmentId>, Vec<Receiver<Reply>>),
}

/// What happened, counted: a test must see that all of it does.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    pub acked: u64,
    pub refused: u64,
    pub full: u64,
    pub poisoned: u64,
    pub compactions: u64,
    pub segments_removed: u64,
    pub rewrites: u64,
    pub files_kept: u64,
    pub thinned: u64,
    pub reads: u64,
    pub lost: u64,
    pub kept: u64,
}

/// One life of an engine.
#[derive(Debug)]
pub struct Driver<'a> {
    core: Core,
    disk: SimDisk,
    rng: &'a Rng,
    requests: &'a mut Requests,
    /// What is durable: all that was answered.
    model: Model,
    waiting: VecDeque<Waiting>,
    flying: Vec<Flying>,
    compaction: Compaction,
    is_failing: bool,
    counts: &'a mut Counts,
}

impl<'a> Driver<'a> {
    pub fn new(
        core: Core,
        disk: SimDisk,
        model: Model,
        rng: &'a Rng,
        requests: &'a mut Requests,
        counts: &'a mut Counts,
    ) -> Driver<'a> {
        Driver {
            core,
            disk,
            rng,
            requests,
            model,
            waiting: VecDeque::new(),
            flying: Vec::new(),
            compaction: Compaction::Idle,
            is_failing: false,
            counts,
        }
    }

    /// Does something. Whether the engine can go on.
    pub fn step(&mut self) -> bool {
        match self.rng.below(100) {
            0..=24 => self.submit(),
            25..=44 => self.launch(),
            45..=79 => self.fly(),
            80..=83 => {
                let _ = self.core.prepare();
                self.core.write_zeros();
            }
            84..=85 => self.flying.extend(self.core.mark_frame().map(Flying::New)),
            86..=93 => self.compact(),
            94..=97 => self.read(),
            _ => self.change_faults(),
        }
        self.hear();
        !self.disk.is_off() && self.core.poisoned().borrow().is_none()
    }

    /// What is durable, and requests that may be or may not: in order, up to any of them, and a rewrite by itself.
    pub fn end(mut self) -> (Model, Vec<Request>, Option<Rewrite>) {
        self.hear_of_rewrite();
        self.counts.files_kept += self.core.stats().files_kept;
        self.counts.poisoned += u64::from(self.core.poisoned().borrow().is_some());
        let open = self.waiting.into_iter().map(|waiting| waiting.request);
        let rewrite = match self.compaction {
            Compaction::Rewriting(rewrite, _) => Some(rewrite),
            _ => None,
        };
        (self.model, open.collect(), rewrite)
    }

    /// Writes all that waits and marks the journal, as a stop in good order does.
    pub fn drain(&mut self) {
        self.core.close();
        // A journal at its limit refuses what waits rather than to hold up the stop.
        self.is_failing = true;
        self.disk.set_faults(Faults::default());
        self.disk.set_capacity(u64::MAX);
        for _ in 0..10_000 {
            self.hear();
            if self.core.poisoned().borrow().is_some() || self.disk.is_off() {
                return;
            }
            self.launch();
            if self.flying.is_empty() && self.waiting.is_empty() {
                let Some(mark) = self.core.mark_frame() else {
                    break;
                };
                self.flying.push(Flying::New(mark));
            }
            let _ = self.core.prepare();
            self.fly();
        }
        self.hear();
        assert!(self.waiting.is_empty(), "all is answered at the end");
    }

    /// Undisturbed, the engine gets on: all that waits is written, whatever the journal's limit.
    pub fn settle(&mut self) {
        self.disk.cut_after(u64::MAX);
        self.disk.set_faults(Faults::default());
        self.disk.set_capacity(u64::MAX);
        for _ in 0..SETTLING_MAX {
            self.hear();
            if self.waiting.is_empty() || self.core.poisoned().borrow().is_some() {
                return;
            }
            let _ = self.core.prepare();
            self.launch();
            self.fly();
            // What is rewritten is chosen by the model, which must know what is durable by now.
            self.hear();
            self.compact();
        }
        panic!(
            "{:?} waits for ever: {:?}, {:?}",
            self.waiting.front(),
            self.core.prepare(),
            self.core.stats()
        );
    }

    fn submit(&mut self) {
        let count = 1 + self.rng.below(3);
        let requests: Vec<Request> = (0..count).map(|_| self.requests.any(&self.model)).collect();
        let answers = self.core.submit(requests.clone());
        let waiting = requests.into_iter().zip(answers);
        self.waiting
            .extend(waiting.map(|(request, answer)| Waiting {
                request,
                answer: Some(answer),
            }));
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

    fn compact(&mut self) {
        self.compaction = match std::mem::replace(&mut self.compaction, Compaction::Idle) {
            Compaction::Idle => self.start_compaction(),
            Compaction::Planned(plan) => match self.core.write_segments(&plan) {
                Ok(requests) => Compaction::Asked(plan, self.core.submit(requests)),
                Err(error) => {
                    self.excuse(&error);
                    Compaction::Idle
                }
            },
            Compaction::Asked(plan, mut answers) => match all_answered(&mut answers) {
                None => Compaction::Asked(plan, answers),
                Some(true) => {
                    match self.core.finish_compaction(&plan) {
                        Ok(()) => self.counts.compactions += 1,
                        Err(error) => self.excuse(&error),
                    }
                    Compaction::Idle
                }
                Some(false) => Compaction::Idle,
            },
            Compaction::Moving(mut answers) => match all_answered(&mut answers) {
                None => Compaction::Moving(answers),
                Some(_) => Compaction::Idle,
            },
            rewriting @ Compaction::Rewriting(..) => rewriting,
            Compaction::Removing(ids, mut answers) => match all_answered(&mut answers) {
                None => Compaction::Removing(ids, answers),
                Some(true) => {
                    match self.core.remove_segments(&ids) {
                        Ok(()) => self.counts.segments_removed += ids.len() as u64,
                        Err(error) => self.excuse(&error),
                    }
                    Compaction::Idle
                }
                Some(false) => Compaction::Idle,
            },
        }
    }

    fn start_compaction(&mut self) -> Compaction {
        let unwanted = self.core.unwanted_segments();
        if !unwanted.is_empty() && self.rng.below(2) == 0 {
            // Their files may go before it is written that they do, or whether or not it is.
            if self.rng.below(2) == 0
                && let Err(error) = self.core.remove_segments(&unwanted)
            {
                self.excuse(&error);
            }
            let requests = unwanted.iter().map(|&id| Request::RemoveSegment(id));
            let answers = self.core.submit(requests.collect());
            return Compaction::Removing(unwanted, answers);
        }
        if self.rng.below(3) == 0 {
            return self.start_rewrite();
        }
        let parts = self.core.plan_thinning();
        if !parts.is_empty() && self.rng.below(3) == 0 {
            return self.start_thinning(&parts);
        }
        let plan = self.core.plan_compaction(When::Now);
        plan.map_or(Compaction::Idle, Compaction::Planned)
    }

    fn start_thinning(&mut self, parts: &[Part]) -> Compaction {
        let written = parts.iter().map(|part| self.core.write_moved(part));
        match written.collect::<Result<Vec<_>, _>>() {
            Ok(requests) => {
                self.counts.thinned += 1;
                let requests = requests.into_iter().flatten().collect();
                Compaction::Moving(self.core.submit(requests))
            }
            Err(error) => {
                self.excuse(&error);
                Compaction::Idle
            }
        }
    }

    fn start_rewrite(&mut self) -> Compaction {
        let number = self.rng.below(self.model.logs.len().max(1) as u64) as usize;
        let Some((&log, known)) = self.model.logs.iter().nth(number) else {
            return Compaction::Idle;
        };
        let bounds = known.bounds;
        let within = |rng: &Rng| {
            bounds
                .start
                .plus(rng.below(bounds.end.0 - bounds.start.0 + 1))
        };
        let span = within(self.rng)..within(self.rng);
        let step = self
            .core
            .plan_rewrite(log, &span)
            .expect("a log that is there");
        let written = match step {
            Step::Done => return Compaction::Idle,
            Step::Move => {
                let plan = self.core.plan_move(log, span.end);
                let requests = plan.map(|plan| self.core.write_segments(&plan));
                return match requests {
                    None => Compaction::Idle,
                    Some(Ok(requests)) => Compaction::Moving(self.core.submit(requests)),
                    Some(Err(error)) => {
                        self.excuse(&error);
                        Compaction::Idle
                    }
                };
            }
            Step::Write(part) => {
                let mut rewrite = Rewrite::of(log);
                let rng = self.rng;
                let mut rewriter = |stored: &StoredBatch| {
                    let change = any_change(rng, stored);
                    rewrite.note(stored, &change);
                    Ok(change)
                };
                let written = self.core.write_rewrite(&part, &mut rewriter);
                written.map(|(request, _)| (request, rewrite))
            }
        };
        match written {
            Ok((Some(request), rewrite)) => {
                let answer = self.core.submit(vec![request]).pop();
                Compaction::Rewriting(rewrite, answer)
            }
            Ok((None, _)) => Compaction::Idle,
            Err(error) => {
                self.excuse(&error);
                Compaction::Idle
            }
        }
    }

    /// Takes the answer to a rewrite, if it has come.
    fn hear_of_rewrite(&mut self) {
        let Compaction::Rewriting(rewrite, answer) = &mut self.compaction else {
            return;
        };
        match answer.as_mut().map(Receiver::try_recv) {
            None | Some(Err(TryRecvError::Empty)) => {}
            Some(Ok(Err(StoreError::Unknown { .. }))) => *answer = None,
            Some(Ok(Ok(_))) => {
                self.model.rewrite(rewrite);
                self.counts.rewrites += 1;
                self.compaction = Compaction::Idle;
            }
            Some(Ok(Err(_))) => self.compaction = Compaction::Idle,
            Some(Err(TryRecvError::Closed)) => panic!("no answer to a rewrite"),
        }
    }

    /// An error is right only where something was made to fail.
    fn excuse(&self, error: &StoreError) {
        let is_expected = matches!(error, StoreError::Full | StoreError::Unavailable { .. });
        assert!(
            is_expected && (self.is_failing || self.disk.is_off()),
            "nothing was made to fail: {error}"
        );
    }

    /// Compares a read with what is durable.
    fn read(&mut self) {
        self.counts.reads += 1;
        let number = self.rng.below(8) as usize;
        let Some(log) = all_logs().nth(number) else {
            return;
        };
        let Some(known) = self.model.logs.get(&log) else {
            assert!(self.core.bounds(log).is_err(), "log {log} is not there");
            return;
        };
        let bounds = known.bounds;
        let from = bounds
            .start
            .plus(self.rng.below(bounds.end.0 - bounds.start.0 + 1));
        let budget = self.rng.below(3_000) as usize;
        let found = match self.core.read(log, from, budget) {
            Ok(found) => found,
            Err(error) => return self.excuse(&error),
        };
        let mut expected = Vec::new();
        let mut bytes = 0;
        for stored in known.batches.iter().filter(|stored| stored.end() > from) {
            bytes += stored.batch.bytes().len();
            if bytes > budget && !expected.is_empty() {
                break;
            }
            expected.push(stored.clone());
        }
        assert_eq!(found, expected, "log {log} from {from}, {budget} bytes");
        self.read_by_time(log);
    }

    fn read_by_time(&self, log: model::LogId) {
        let Some(known) = self.model.logs.get(&log) else {
            return;
        };
        let newest = known.batches.last();
        let newest = newest.map_or(0, |stored| stored.batch.max_timestamp().0.unsigned_abs());
        let time = Timestamp(self.rng.below(newest + 20) as i64);
        let first = known
            .batches
            .iter()
            .find(|stored| stored.batch.max_timestamp() >= time);
        let expected: Offset = first.map_or(known.bounds.end, |stored| {
            stored.base_offset.max(known.bounds.start)
        });
        match self.core.offset_for_time(log, time) {
            Ok(found) => assert_eq!(found, expected, "log {log} at {time}"),
            Err(error) => self.excuse(&error),
        }
    }

    /// Makes something fail from now on, or nothing any more.
    pub fn change_faults(&mut self) {
        let rng = self.rng;
        let faults = match rng.below(8) {
            0 | 1 => {
                let more = rng.below(2) * rng.below(40_000);
                self.disk.set_capacity(self.disk.used() + more);
                self.is_failing = true;
                return;
            }
            2 | 3 => Faults {
                sync: 3 + rng.below(20),
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
        self.is_failing = true;
        self.disk.set_faults(faults);
    }

    /// Takes the answers that have come. Those that were decided come in order.
    fn hear(&mut self) {
        self.hear_of_rewrite();
        let mut open = VecDeque::new();
        for mut waiting in std::mem::take(&mut self.waiting) {
            let reply = match waiting.answer.as_mut().map(Receiver::try_recv) {
                Some(Ok(reply)) => reply,
                Some(Err(TryRecvError::Closed)) => panic!("no answer to {:?}", waiting.request),
                Some(Err(TryRecvError::Empty)) | None => {
                    open.push_back(waiting);
                    continue;
                }
            };
            match reply {
                Err(StoreError::Unknown { .. }) => {
                    waiting.answer = None;
                    open.push_back(waiting);
                }
                Err(error @ (StoreError::Full | StoreError::Unavailable { .. })) => {
                    self.counts.full += u64::from(matches!(error, StoreError::Full));
                    self.excuse_write(&error);
                }
                Err(StoreError::Invalid { what }) => {
                    let bytes = waiting.request.footprint();
                    assert!(bytes > self.core.request_bytes_max(), "{what}");
                }
                decided => {
                    let first = open.front().map(|first| &first.request);
                    assert!(
                        first.is_none(),
                        "answered {decided:?} before what came earlier: {first:?}"
                    );
                    self.check(&waiting.request, decided);
                }
            }
        }
        self.waiting = open;
    }

    fn excuse_write(&self, error: &StoreError) {
        let is_over = self.core.poisoned().borrow().is_some();
        if !is_over {
            self.excuse(error);
        }
    }

    /// Compares an answer with the model's, which moves on.
    fn check(&mut self, request: &Request, mut reply: Reply) {
        let expected = self.model.decide(request);
        if let (Request::Commit(txn), Ok(Outcome::Committed(committed))) = (request, &mut reply) {
            self.model.settle(txn, committed.version);
            committed.version = Version(0);
        }
        let count = if reply.is_ok() {
            &mut self.counts.acked
        } else {
            &mut self.counts.refused
        };
        *count += 1;
        assert_eq!(
            text_of(&reply),
            text_of(&expected),
            "the answer to {request:?}"
        );
    }
}

/// A batch stays, goes, or loses some of its records.
fn any_change(rng: &Rng, stored: &StoredBatch) -> Change {
    match rng.below(4) {
        0 => Change::Keep,
        1 => Change::Drop,
        _ => {
            let mut lot = rng.next_u64();
            let some = stored.batch.compacted(stored.base_offset, None, |_| {
                lot >>= 1;
                lot & 1 == 0
            });
            some.map_or(Change::Drop, Change::Replace)
        }
    }
}

/// Whether all went well; `None` while one is missing.
fn all_answered(answers: &mut Vec<Receiver<Reply>>) -> Option<bool> {
    while let Some(first) = answers.first_mut() {
        match first.try_recv() {
            Ok(Ok(_)) => drop(answers.swap_remove(0)),
            Err(TryRecvError::Empty) => return None,
            Ok(Err(_)) | Err(TryRecvError::Closed) => return Some(false),
        }
    }
    Some(true)
}
