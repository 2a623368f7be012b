//! The embedded engine without threads: who calls it, and in which order, decides all that happens. [`super::Embedded`] puts
//! threads around it; crash tests drive it by a seed.
//!
//! 1. [`Core::submit`] puts a request in the row and gives where its answer will come.
//! 2. [`Core::next_frame`] decides what waits and gives the frame to be written, up to [`super::Options::in_flight`] of them;
//!    [`FrameWrite::write`] and [`FrameWrite::sync`] may be called in any order among frames.
//! 3. [`Core::on_written`] says how it went, in any order: frames are shown and answered in theirs.
//! 4. [`Core::mark_frame`] in idle times, [`Core::prepare`] whenever a file was taken, and the steps of [`super::compact`]
//!    keep it going.
//!
//! Locks are taken in this order: moving, sequencer, line, inbox or pool, view.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use model::batch::BATCH_BYTES_MAX;
use store::StoreError;
use tokio::sync::{oneshot, watch};

use crate::embedded::line::{Line, Receivers};
use crate::embedded::options::{Durability, Options};
use crate::embedded::sequencer::{Answers, FrameWrite, RESERVE_DIVISOR, Sequencer};
use crate::embedded::view::{Shown, View, tell};
use crate::frame;
use crate::journal::file::JournalFile;
use crate::journal::pool::{Blocked, Pool};
use crate::segments::Segments;
use crate::state::decide::Draft;
use crate::state::request::{Outcome, Reply, Request};

/// As many requests for one frame are a crowd: its members will soon be back with more.
const CROWD: usize = 4;
/// Writing less than this costs no more than its sync.
const LITTLE_BYTES: usize = 64 << 10;
/// Requests gathered into one frame.
const FRAME_REQUESTS_MAX: usize = 4096;

/// The embedded engine without threads.
pub struct Core {
    pub(super) options: Options,
    pub(super) pool: Pool,
    pub(super) segments: Segments,
    pub(super) next_segment: AtomicU64,
    /// Journal files compacted at once, at most.
    pub(super) files_at_once: AtomicUsize,
    /// Held by whoever moves batches from the journal to segments.
    pub(super) moving: Mutex<()>,
    /// Whether compaction fails, so that appends must not wait for it.
    pub(super) is_compaction_failing: AtomicBool,
    /// Whether files can have two names.
    pub(super) can_keep: bool,
    /// Whether what is wanted of kept files cannot be moved, which is said once.
    pub(super) is_thinning_failing: AtomicBool,
    pub(super) files_kept: AtomicU64,
    pub(super) frames: AtomicU64,
    pub(super) syncs: AtomicU64,
    /// Requests in the newest frame.
    newest_crowd: AtomicUsize,
    pub(super) line: Mutex<Line>,
    inbox: Mutex<Inbox>,
    sequencer: Mutex<Sequencer>,
    view: RwLock<View>,
    poisoned: watch::Sender<Option<String>>,
}

/// What opening makes.
pub(super) struct Parts {
    pub(super) pool: Pool,
    pub(super) segments: Segments,
    pub(super) next_segment: u64,
    pub(super) can_keep: bool,
    pub(super) sequencer: Sequencer,
    pub(super) view: View,
}

#[derive(Default)]
struct Inbox {
    row: VecDeque<Pending>,
    /// The compactor's, served first: what stands in the row may be waiting for the room that they make.
    compactor: VecDeque<Pending>,
    is_closed: bool,
}

struct Pending {
    request: Request,
    footprint: usize,
    caller: Caller,
}

/// Who gets an answer, and the room in bytes that is free with it.
pub(super) struct Caller {
    answer: oneshot::Sender<Reply>,
    room: usize,
}

impl Pending {
    /// What it takes, and whether it makes room.
    fn size(&self) -> (usize, bool) {
        (self.footprint, self.request.frees())
    }
}

impl Inbox {
    fn push(&mut self, pending: Pending) {
        if pending.request.is_compactors() {
            self.compactor.push_back(pending);
        } else {
            self.row.push_back(pending);
        }
    }

    fn first(&self) -> Option<&Pending> {
        self.compactor.front().or_else(|| self.row.front())
    }

    fn take_first(&mut self) -> Option<Pending> {
        self.compactor.pop_front().or_else(|| self.row.pop_front())
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    pub(super) fn new(options: Options, parts: Parts) -> Core {
        Core {
            options,
            pool: parts.pool,
            segments: parts.segments,
            next_segment: AtomicU64::new(parts.next_segment),
            files_at_once: AtomicUsize::new(usize::MAX),
            moving: Mutex::default(),
            is_compaction_failing: AtomicBool::new(false),
            can_keep: parts.can_keep,
            is_thinning_failing: AtomicBool::new(false),
            files_kept: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            newest_crowd: AtomicUsize::new(0),
            line: Mutex::default(),
            inbox: Mutex::default(),
            sequencer: Mutex::new(parts.sequencer),
            view: RwLock::new(parts.view),
            poisoned: watch::Sender::new(None),
        }
    }

    pub(super) fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The greatest request that can be written: what fits in one journal file.
    #[must_use]
    pub fn request_bytes_max(&self) -> usize {
        let room = self.pool.frame_bytes_max();
        let overhead = frame::HEADER_BYTES as u64 + frame::ALIGNMENT;
        usize::try_from(room - room / RESERVE_DIVISOR - overhead).unwrap_or(usize::MAX)
    }

    /// Puts requests in the row, one right behind the other, and gives where their answers will come.
    pub fn submit(&self, requests: Vec<Request>) -> Vec<oneshot::Receiver<Reply>> {
        self.push(requests, false).0
    }

    /// The same of what has its room counted. Gives the bytes of those that are not refused at once.
    pub(super) fn put_in_row(&self, requests: Vec<Request>) -> (Receivers, usize) {
        self.push(requests, true)
    }

    fn push(&self, requests: Vec<Request>, is_counted: bool) -> (Receivers, usize) {
        let footprints: Vec<usize> = requests.iter().map(Request::footprint).collect();
        let mut inbox = locked(&self.inbox);
        let refusal = self.refusal(&inbox);
        let mut answers = Vec::with_capacity(requests.len());
        let mut bytes = 0;
        let mut failed = None;
        for (request, footprint) in requests.into_iter().zip(footprints) {
            let (answer, receiver) = oneshot::channel();
            answers.push(receiver);
            let behind = failed.clone().filter(|_| request.is_compactors());
            let refusal = behind.or_else(|| refusal.clone());
            if let Some(error) = refusal.or_else(|| self.too_large(&request, footprint)) {
                failed = Some(error.clone());
                let _ = answer.send(Err(error));
                continue;
            }
            let room = if is_counted { footprint } else { 0 };
            bytes += room;
            inbox.push(Pending {
                request,
                footprint,
                caller: Caller { answer, room },
            });
        }
        (answers, bytes)
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.poisoned.borrow().is_some()
    }

    /// Why nothing more is taken, where a caller has been sent away.
    pub(super) fn parting_words(&self) -> StoreError {
        let reason = self.poisoned.borrow().clone();
        unavailable(reason.unwrap_or_else(|| "the store is shutting down".into()))
    }

    fn refusal(&self, inbox: &Inbox) -> Option<StoreError> {
        if let Some(reason) = self.poisoned.borrow().clone() {
            return Some(unavailable(reason));
        }
        inbox
            .is_closed
            .then(|| unavailable("the store is shutting down".into()))
    }

    fn too_large(&self, request: &Request, footprint: usize) -> Option<StoreError> {
        let invalid = |what: String| Some(StoreError::Invalid { what });
        let limit = self.request_bytes_max();
        if footprint > limit {
            return invalid(format!(
                "a write of {footprint} bytes is over the limit of {limit}"
            ));
        }
        // It could not be read again.
        let batch = request.largest_batch();
        if batch > BATCH_BYTES_MAX {
            return invalid(format!(
                "a batch of {batch} bytes is over the limit of {BATCH_BYTES_MAX}"
            ));
        }
        None
    }

    /// Whether requests wait.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        locked(&self.inbox).first().is_some()
    }

    /// Whether a frame made a little later is likely to share its sync with more requests: many came for the last one, and
    /// what waits now is little.
    #[must_use]
    pub fn expects_company(&self) -> bool {
        if self.newest_crowd.load(Ordering::Relaxed) < CROWD {
            return false;
        }
        let inbox = locked(&self.inbox);
        let bytes: usize = inbox
            .row
            .iter()
            .take(FRAME_REQUESTS_MAX)
            .map(|pending| pending.footprint)
            .sum();
        bytes < LITTLE_BYTES && !inbox.is_closed
    }

    /// Whether frames are being written.
    #[must_use]
    pub fn has_in_flight(&self) -> bool {
        !self.sequencer().in_flight.is_empty()
    }

    /// Takes no more requests. Those that wait are still written.
    pub fn close(&self) {
        locked(&self.inbox).is_closed = true;
    }

    /// Tells when the store must not go on, with the reason: a write or sync failed. The program is to exit.
    #[must_use]
    pub fn poisoned(&self) -> watch::Receiver<Option<String>> {
        self.poisoned.subscribe()
    }

    /// Decides requests that wait and gives the frame that holds the decisions. `None` where none waits, enough frames are
    /// being written, or no file has room yet.
    #[must_use]
    pub fn next_frame(&self) -> Option<FrameWrite> {
        loop {
            let mut sequencer = self.sequencer();
            let mut early = Answers::new();
            let frame = self.gather(&mut sequencer, &mut early);
            drop(sequencer);
            let has_more = self.send(early);
            if frame.is_some() || !has_more {
                return frame;
            }
        }
    }

    fn gather(&self, sequencer: &mut Sequencer, early: &mut Answers) -> Option<FrameWrite> {
        if sequencer.in_flight.len() >= self.options.in_flight || self.is_poisoned() {
            return None;
        }
        loop {
            if !self.make_room(sequencer, early) {
                return None;
            }
            let requests = self.take_fitting(sequencer);
            self.newest_crowd.store(requests.len(), Ordering::Relaxed);
            let mut draft = Draft::default();
            let answers: Answers = requests
                .into_iter()
                .map(|pending| {
                    let reply = sequencer.decided.decide(&pending.request, &mut draft);
                    (pending.caller, reply)
                })
                .collect();
            if !draft.decisions.is_empty() {
                sequencer.is_marked = false;
                return sequencer.launch(draft, answers, self.options.durability);
            }
            // Nothing to write; but what was answered may rest on frames that are not durable yet.
            match sequencer.in_flight.back_mut() {
                Some(last) => last.answers.extend(answers),
                None => early.extend(answers),
            }
        }
    }

    /// Sees to it that the first waiting request fits the current file. Refuses those that cannot be helped.
    fn make_room(&self, sequencer: &mut Sequencer, early: &mut Answers) -> bool {
        loop {
            let Some((bytes, frees)) = self.first_waiting() else {
                return false;
            };
            if sequencer.fits(bytes, frees, self.pool.is_at_last()) {
                return true;
            }
            let file = if frees {
                self.pool.take_last(Sequencer::file_bytes_for(bytes))
            } else {
                self.pool.take()
            };
            if let Some(file) = file {
                self.turn_to(sequencer, file);
                continue;
            }
            let mut inbox = locked(&self.inbox);
            // The compactor's come first, whenever they come.
            if inbox.first().map(Pending::size) != Some((bytes, frees)) {
                continue;
            }
            let Some(error) = self.blocked_error(&inbox) else {
                return false;
            };
            // A segment made known without the one before it would hide what that has of their log.
            let refused: Vec<Pending> = if inbox.compactor.is_empty() {
                inbox.row.pop_front().into_iter().collect()
            } else {
                inbox.compactor.drain(..).collect()
            };
            early.extend(
                refused
                    .into_iter()
                    .map(|one| (one.caller, Err(error.clone()))),
            );
        }
    }

    /// What the first waiting request takes, and whether it makes room.
    fn first_waiting(&self) -> Option<(usize, bool)> {
        locked(&self.inbox).first().map(Pending::size)
    }

    /// Why the first request, which finds no room, is to be refused rather than to wait.
    fn blocked_error(&self, inbox: &Inbox) -> Option<StoreError> {
        let is_failing = self.is_compaction_failing.load(Ordering::Relaxed);
        match self.pool.blocked()? {
            Blocked::Full => Some(StoreError::Full),
            Blocked::Refused(kind) => Some(unavailable(format!(
                "the disk gives no journal file: {kind}"
            ))),
            Blocked::Capped if !inbox.is_closed && !inbox.compactor.is_empty() => {
                // Without it, nothing would ever get below the limit.
                self.pool.ask_beyond();
                None
            }
            Blocked::Capped if inbox.is_closed || is_failing => Some(unavailable(
                "the journal is at its limit and compaction does not get on".into(),
            )),
            Blocked::Capped => None,
        }
    }

    fn turn_to(&self, sequencer: &mut Sequencer, file: JournalFile) {
        match sequencer.turn_to(file) {
            None => {}
            Some(left) if left.frames == 0 => self.pool.abandon(left.file),
            Some(left) => self.pool.note_frames(left.bytes / left.frames),
        }
    }

    /// Takes requests as long as they fit the current file and one frame.
    fn take_fitting(&self, sequencer: &Sequencer) -> Vec<Pending> {
        let is_at_last = self.pool.is_at_last();
        let mut inbox = locked(&self.inbox);
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(next) = inbox.first() {
            let sum = bytes + next.footprint;
            let is_first = taken.is_empty();
            if taken.len() >= FRAME_REQUESTS_MAX
                || (!is_first && sum > self.options.frame_bytes_max)
                || !sequencer.fits(sum, next.request.frees(), is_at_last)
            {
                break;
            }
            bytes = sum;
            taken.extend(inbox.take_first());
        }
        taken
    }

    /// In idle times: a frame that says that the last one is durable, so that its loss would be known as damage. `None`
    /// where that is said, or where there is no room to say it.
    #[must_use]
    pub fn mark_frame(&self) -> Option<FrameWrite> {
        let mut sequencer = self.sequencer();
        let is_needed = !sequencer.is_marked
            && sequencer.sequence > 1
            && sequencer.in_flight.is_empty()
            && self.poisoned.borrow().is_none();
        if !is_needed {
            return None;
        }
        // A full disk has no room to spare for it.
        let frees = self.pool.blocked() != Some(Blocked::Full);
        if !sequencer.fits(0, frees, self.pool.is_at_last()) {
            let file = self.pool.take()?;
            self.turn_to(&mut sequencer, file);
        }
        sequencer.is_marked = true;
        sequencer.launch(Draft::default(), Answers::new(), self.options.durability)
    }

    /// Says how a frame's writing went. Frames are shown and answered in their order; after a failure, none any more.
    pub fn on_written(&self, frame: &FrameWrite, result: io::Result<()>) {
        let mut sequencer = self.sequencer();
        if self.is_poisoned() {
            return;
        }
        if let Err(error) = result {
            let reason = format!("writing the journal failed: {error}");
            self.poison(&mut sequencer, &reason);
            return;
        }
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.syncs.fetch_add(
            u64::from(frame.durability == Durability::Sync),
            Ordering::Relaxed,
        );
        let written = sequencer
            .in_flight
            .iter_mut()
            .find(|flying| flying.sequence == frame.sequence());
        if let Some(written) = written {
            written.is_written = true;
        }
        let mut answers = Answers::new();
        while let Some(durable) = sequencer.in_flight.pop_front_if(|first| first.is_written) {
            sequencer.durable_upto = durable.sequence;
            let shown = Shown {
                sequence: durable.sequence,
                file: &durable.file,
                anchor: durable.anchor,
                payload_at: durable.payload_at,
                decisions: &durable.decisions,
                batches: durable.batches,
            };
            let news = self.view_mut().show(shown);
            tell(news);
            answers.extend(durable.answers);
        }
        drop(sequencer);
        // Whoever writes looks for more after this.
        self.send(answers);
    }

    /// Whether others have come into the row for the room that is free now.
    fn send(&self, answers: Answers) -> bool {
        let mut room = 0;
        for (caller, reply) in answers {
            room += caller.room;
            // Who no longer waits has dropped the future; the write stands.
            let _ = caller.answer.send(reply);
        }
        room > 0 && self.give_back(room)
    }

    /// The sequencer. What a panic left of it is not to be built on.
    fn sequencer(&self) -> MutexGuard<'_, Sequencer> {
        self.sequencer.lock().unwrap_or_else(|panicked| {
            let mut sequencer = panicked.into_inner();
            self.poison(&mut sequencer, "a thread of the store panicked");
            sequencer
        })
    }

    /// To be called when a thread that works for the store panics: nobody would get an answer any more.
    pub fn on_panic(&self) {
        let mut sequencer = self.sequencer();
        self.poison(&mut sequencer, "a thread of the store panicked");
    }

    fn poison(&self, sequencer: &mut Sequencer, reason: &str) {
        if self.is_poisoned() {
            return;
        }
        tracing::error!(
            reason,
            "nothing more will be written; the program must start anew"
        );
        self.poisoned.send_replace(Some(reason.into()));
        for (caller, _) in sequencer.in_flight.drain(..).flat_map(|f| f.answers) {
            let _ = caller.answer.send(Err(StoreError::Unknown {
                during: reason.into(),
            }));
        }
        let mut inbox = locked(&self.inbox);
        while let Some(pending) = inbox.take_first() {
            let answer = pending.caller.answer;
            let _ = answer.send(Err(unavailable(reason.into())));
        }
        drop(inbox);
        self.disperse();
    }

    /// Prepares a journal file if one is wanted. Whether one became ready.
    ///
    /// # Errors
    /// Why none can be.
    pub fn prepare(&self) -> Result<bool, Blocked> {
        self.pool.prepare(&*self.options.disk)
    }

    /// Writes a part of the zeros that are wanted in the next journal file. Whether there were any.
    pub fn write_zeros(&self) -> bool {
        self.pool.write_zeros().unwrap_or_else(|error| {
            tracing::warn!(%error, "a journal file cannot be written ahead");
            false
        })
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

pub(super) fn unavailable(reason: String) -> StoreError {
    StoreError::Unavailable {
        reason,
        source: None,
    }
}

/// The outcome that an answer brings; a lost answer says nothing of the write.
pub(super) fn settled(
    answer: Result<Reply, oneshot::error::RecvError>,
) -> Result<Outcome, StoreError> {
    answer.unwrap_or_else(|_| {
        Err(StoreError::Unknown {
            during: "the store stopped before it answered".into(),
        })
    })
}
