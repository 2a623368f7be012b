//! The threads around [`Core`]: as many writers as frames may be in flight, one that prepares journal files, one that
//! compacts.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use model::{LogId, Offset};
use store::{Change, Rewritten, StoreError, StoredBatch};
use tokio::time::Instant;

use crate::embedded::compact::When;
use crate::embedded::core::{Core, locked, settled};
use crate::embedded::rewrite::Step;
use crate::state::request::Request;

/// A journal that nobody has written to for as long gets its mark.
const IDLE: Duration = Duration::from_millis(50);
/// A full disk is tried again this often.
const RETRY: Duration = Duration::from_millis(250);
/// While several writers are about, as long lies between two frames at least: what a sync costs is then shared by more. About
/// what a fast disk takes for one, so that nobody waits for long; a lone writer is never held up.
const PACE: Duration = Duration::from_micros(400);
/// Between two writes of zeros: the disk is for others.
const ZEROS: Duration = Duration::from_millis(2);
/// The compactor looks for work this often.
const COMPACT: Duration = Duration::from_millis(500);

/// The running threads.
#[derive(Debug)]
pub(super) struct Threads {
    core: Arc<Core>,
    signals: Arc<Signals>,
    writers: Vec<JoinHandle<()>>,
    keepers: Vec<JoinHandle<()>>,
}

/// What threads wait for.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// Requests or room to write them.
    pub(super) work: Signal,
    /// Files taken or given back.
    files: Signal,
    compact: Signal,
    pacer: Mutex<Option<Instant>>,
    /// Whether the writers have gone and the others are to go.
    is_over: AtomicBool,
    is_closing: AtomicBool,
}

/// Wakes who waits, and whoever looks before waiting. Waits end with any news since the number was read.
#[derive(Debug, Default)]
pub(super) struct Signal {
    news: Mutex<News>,
    condvar: Condvar,
}

#[derive(Debug, Default)]
struct News {
    number: u64,
    /// Who waits: nobody is woken, at the price of a system call, where nobody does.
    sleepers: usize,
}

impl Signal {
    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        self.news().number
    }

    /// Takes note of news. Whether anybody waits for it.
    fn tell(&self) -> bool {
        let mut news = self.news();
        news.number += 1;
        news.sleepers > 0
    }

    pub(super) fn wake_one(&self) {
        if self.tell() {
            self.condvar.notify_one();
        }
    }

    pub(super) fn wake_all(&self) {
        if self.tell() {
            self.condvar.notify_all();
        }
    }

    /// Waits for news since `seen`. Whether there was any.
    fn wait(&self, seen: u64, at_most: Duration) -> bool {
        let mut news = self.news();
        news.sleepers += 1;
        let (mut news, _) = self
            .condvar
            .wait_timeout_while(news, at_most, |news| news.number == seen)
            .unwrap_or_else(PoisonError::into_inner);
        news.sleepers -= 1;
        news.number != seen
    }
}

impl Threads {
    pub(super) fn start(core: &Arc<Core>) -> Result<Threads, StoreError> {
        let mut threads = Threads {
            core: core.clone(),
            signals: Arc::new(Signals::default()),
            writers: Vec::new(),
            keepers: Vec::new(),
        };
        for number in 0..core.options.in_flight {
            let writer = threads.spawn(&format!("journal-{number}"), write)?;
            threads.writers.push(writer);
        }
        for (name, body) in [("prepare", prepare as Body), ("compact", compact)] {
            let keeper = threads.spawn(name, body)?;
            threads.keepers.push(keeper);
        }
        Ok(threads)
    }

    fn spawn(&self, name: &str, body: Body) -> Result<JoinHandle<()>, StoreError> {
        let (core, signals) = (self.core.clone(), self.signals.clone());
        let run = move || {
            let _guard = PanicGuard(&core);
            body(&core, &signals);
        };
        thread::Builder::new()
            .name(name.into())
            .spawn(run)
            .map_err(|error| StoreError::Unavailable {
                reason: "no thread can be started".into(),
                source: Some(Arc::new(error)),
            })
    }

    pub(super) fn signals(&self) -> &Arc<Signals> {
        &self.signals
    }

    /// Writes what waits, marks the journal, and ends the threads.
    pub(super) fn stop(&mut self) {
        self.core.close();
        self.signals.is_closing.store(true, Ordering::SeqCst);
        self.signals.work.wake_all();
        for writer in self.writers.drain(..) {
            // A writer that panicked has said so; the others are to end all the same.
            let _ = writer.join();
        }
        if let Some(mark) = self.core.mark_frame() {
            self.core.on_written(&mark, mark.run());
        }
        self.core.sync_unsynced();
        self.signals.is_over.store(true, Ordering::SeqCst);
        self.signals.files.wake_all();
        self.signals.compact.wake_all();
        for keeper in self.keepers.drain(..) {
            let _ = keeper.join();
        }
    }
}

/// Stops the store when its thread panics, so that nobody waits for what will not be done.
struct PanicGuard<'a>(&'a Core);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.on_panic();
        }
    }
}

type Body = fn(&Core, &Signals);

/// Waits for company, where there is some to be expected.
fn pace(core: &Core, signals: &Signals) {
    // Held while waiting: the other writers would only take what this one waits for.
    let mut last = signals.pacer.lock().unwrap_or_else(PoisonError::into_inner);
    if core.expects_company() {
        let due = last.map_or(Duration::ZERO, |last| PACE.saturating_sub(last.elapsed()));
        if !due.is_zero() {
            thread::park_timeout(due);
        }
    }
    *last = Some(Instant::now());
}

fn write(core: &Core, signals: &Signals) {
    loop {
        let seen = signals.work.number();
        if core.has_waiting() {
            pace(core, signals);
        }
        if let Some(frame) = core.next_frame() {
            // Another may take what did not fit; it may have slept through this one's call.
            if core.has_waiting() {
                signals.work.wake_one();
            }
            core.on_written(&frame, frame.run());
            if core.pool.is_short() {
                signals.files.wake_one();
            }
            continue;
        }
        if signals.is_closing.load(Ordering::SeqCst) && !core.has_waiting() {
            return;
        }
        if !signals.work.wait(seen, IDLE)
            && let Some(mark) = core.mark_frame()
        {
            core.on_written(&mark, mark.run());
        }
    }
}

fn prepare(core: &Core, signals: &Signals) {
    while !signals.is_over.load(Ordering::SeqCst) {
        let seen = signals.files.number();
        match core.prepare() {
            Ok(true) => signals.work.wake_all(),
            Ok(false) => {
                let pause = if core.write_zeros() { ZEROS } else { COMPACT };
                signals.files.wait(seen, pause);
            }
            Err(_) => {
                // Those who wait for room are to be told that there is none.
                signals.work.wake_all();
                signals.compact.wake_all();
                signals.files.wait(seen, RETRY);
            }
        }
    }
}

fn compact(core: &Core, signals: &Signals) {
    while !signals.is_over.load(Ordering::SeqCst) {
        let seen = signals.compact.number();
        match compact_once(core, signals) {
            Ok(is_more) => {
                core.is_compaction_failing.store(false, Ordering::Relaxed);
                if is_more {
                    continue;
                }
            }
            Err(_) if signals.is_closing.load(Ordering::SeqCst) => return,
            Err(error) => {
                if !core.is_compaction_failing.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "compaction fails; it is tried again");
                }
                signals.work.wake_all();
                signals.compact.wait(seen, RETRY);
            }
        }
        core.view_mut().drop_idle_watchers();
        core.segments.let_go_of_idle();
        signals.compact.wait(seen, COMPACT);
    }
}

/// Whether there was work.
fn compact_once(core: &Core, signals: &Signals) -> Result<bool, StoreError> {
    let forgotten = forget_unwanted(core, signals);
    // A full disk that has no room for this may have some once journal files are free.
    if !matches!(forgotten, Err(StoreError::Full)) {
        forgotten.clone()?;
    }
    let _moving = locked(&core.moving);
    let Some(plan) = core.plan_compaction(When::Due) else {
        forgotten?;
        return thin_out(core, signals);
    };
    let requests = core.write_segments(&plan)?;
    ask(core, signals, requests)?;
    core.finish_compaction(&plan)?;
    signals.files.wake_all();
    Ok(true)
}

/// Removes segments that nothing is wanted of. The files go first: a full disk may have no room to say so.
fn forget_unwanted(core: &Core, signals: &Signals) -> Result<(), StoreError> {
    let unwanted = core.unwanted_segments();
    if unwanted.is_empty() {
        return Ok(());
    }
    let removed = core.remove_segments(&unwanted);
    let requests = unwanted.iter().map(|&id| Request::RemoveSegment(id));
    ask(core, signals, requests.collect())?;
    removed
}

/// Moves something that is wanted out of kept files that hold little of it. Whether there was any.
fn thin_out(core: &Core, signals: &Signals) -> Result<bool, StoreError> {
    for part in core.plan_thinning() {
        let moved = core
            .write_moved(&part)
            .and_then(|request| ask(core, signals, request.into_iter().collect()));
        match moved {
            Ok(()) => {
                core.is_thinning_failing.store(false, Ordering::Relaxed);
                return Ok(true);
            }
            Err(StoreError::Full) => return Err(StoreError::Full),
            // Moved or trimmed by somebody else meanwhile, or not to be read: no reason to leave the others where they are.
            Err(error) => {
                if !core.is_thinning_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(log = %part.log(), %error, "records stay in a journal file of which little is wanted");
                }
            }
        }
    }
    Ok(false)
}

/// Rewrites the next part of `span`. Blocks its thread for long.
pub(super) fn rewrite(
    core: &Core,
    signals: &Signals,
    log: LogId,
    span: &Range<Offset>,
    rewriter: &mut dyn FnMut(&StoredBatch) -> Result<Change, StoreError>,
) -> Result<Rewritten, StoreError> {
    loop {
        match core.plan_rewrite(log, span)? {
            Step::Done => {
                return Ok(Rewritten {
                    upto: span.end,
                    bytes_before: 0,
                    bytes_after: 0,
                });
            }
            Step::Move => {
                let _moving = locked(&core.moving);
                if let Some(plan) = core.plan_move(log, span.end) {
                    let requests = core.write_segments(&plan)?;
                    ask(core, signals, requests)?;
                }
            }
            Step::Write(part) => {
                let (request, rewritten) = core.write_rewrite(&part, rewriter)?;
                if let Some(request) = request {
                    ask(core, signals, vec![request])?;
                    signals.compact.wake_one();
                }
                return Ok(rewritten);
            }
        }
    }
}

pub(super) fn ask(
    core: &Core,
    signals: &Signals,
    requests: Vec<Request>,
) -> Result<(), StoreError> {
    let segments: Vec<_> = requests.iter().map(Request::new_segment).collect();
    let answers = core.submit(requests);
    signals.work.wake_all();
    // All of them, whatever the first says: what is known must be known before anything is tried again.
    let answers: Vec<_> = answers
        .into_iter()
        .map(|answer| settled(answer.blocking_recv()).map(drop))
        .collect();
    let is_refused = |answer: &Result<(), StoreError>| matches!(answer, Err(error) if !matches!(error, StoreError::Unknown { .. }));
    let refused = segments.into_iter().zip(&answers);
    core.discard_segments(refused.filter_map(|(id, answer)| id.filter(|_| is_refused(answer))));
    answers.into_iter().fold(Ok(()), Result::and)
}
