//! Replies on their way, and which of them their client does not take.
//!
//! A client of HTTP/2 may read all that comes and still grant a reply no window, so that nothing comes. hyper takes a piece of a
//! body at a time and holds it until there is window for a byte of it; then it gives the piece to h2 whole, and after the last one
//! is done with the reply. So neither asks the body for anything while a piece waits, and it is the pieces that tell: each notes
//! the bytes that leave it. A reply of events that has none to tell has no piece on its way.
//!
//! A reply that stands still is ended by ending hyper's task for it, which resets the one stream. Where that task is done, h2
//! alone has the rest of the reply and lets nobody at it: there the connection must be hung up on.

use std::future::Future;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::rt::Executor;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// What a client must take of a reply that waits for it, in bytes within `Limits::reply_pause_max`: one that drips holds memory as
/// one that stands still does. A line of 1 Mbit/s gives that to each of 256 replies at once.
pub(super) const TAKEN_MIN: u64 = 16 << 10;

/// A task of hyper's, once it is known.
type Task = Arc<OnceLock<AbortHandle>>;

tokio::task_local! {
    /// The task that runs.
    static TASK: Task;
}

/// Runs hyper's tasks: one for each request in HTTP/2. The replies made there can end them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tasks;

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        let task = Task::default();
        let running = tokio::spawn(TASK.scope(Arc::clone(&task), future));
        task.get_or_init(|| running.abort_handle());
    }
}

/// How far a reply has come.
#[derive(Debug)]
pub(super) struct Sending {
    /// Bytes that hyper or h2 has, and the client's window or socket has not taken.
    waiting: AtomicUsize,
    /// Bytes taken so far.
    sent: AtomicU64,
    /// Of HTTP/2 alone.
    task: Option<Task>,
}

impl Sending {
    /// A part of the body, on its way from now on.
    pub(super) fn piece(self: &Arc<Self>, bytes: Bytes) -> Piece {
        self.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        Piece {
            bytes,
            sending: Arc::clone(self),
        }
    }

    fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Ends the one reply; whether that can be done.
    fn end(&self) -> bool {
        let task = self.task.as_ref().and_then(|task| task.get());
        match task.filter(|task| !task.is_finished()) {
            Some(task) => {
                task.abort();
                true
            }
            None => false,
        }
    }
}

/// A part of a reply's body on its way to the client.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Bytes,
    sending: Arc<Sending>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        let sending = &self.sending;
        sending.waiting.fetch_sub(count, Ordering::Relaxed);
        sending.sent.fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let waiting = &self.sending.waiting;
        waiting.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// The replies of one connection that have a body: as many as requests under way, and some that are gone.
#[derive(Debug, Default)]
pub(super) struct Replies(Mutex<Vec<Watched>>);

/// A reply, and what was seen of it at the last look.
#[derive(Debug)]
struct Watched {
    sending: Weak<Sending>,
    sent: u64,
    /// Since when it waits and less than [`TAKEN_MIN`] was taken, as far as was seen.
    since: Option<Instant>,
    is_ended: bool,
}

impl Replies {
    /// A reply begins, in the task that runs.
    pub(super) fn begin(&self) -> Arc<Sending> {
        let sending = Arc::new(Sending {
            waiting: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            task: TASK.try_with(Arc::clone).ok(),
        });
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == all.capacity() {
            all.retain(|watched| watched.sending.strong_count() > 0);
            // Else there is room for one, and all are looked at again for the next.
            let count = all.len();
            all.reserve(count);
        }
        all.push(Watched {
            sending: Arc::downgrade(&sending),
            sent: 0,
            since: None,
            is_ended: false,
        });
        sending
    }

    /// Ends the replies that have waited for so long without [`TAKEN_MIN`] taken. Whether there is one that can't be ended.
    pub(super) fn end_stuck(&self, pause_max: Duration, now: Instant) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_any_left = false;
        all.retain_mut(|watched| {
            let Some(sending) = watched.sending.upgrade() else {
                return false;
            };
            if watched.is_stuck(&sending, pause_max, now) {
                // One that was ended is gone by the next look.
                is_any_left |= watched.is_ended || !sending.end();
                watched.is_ended = true;
            }
            true
        });
        is_any_left
    }
}

impl Watched {
    fn is_stuck(&mut self, sending: &Sending, pause_max: Duration, now: Instant) -> bool {
        let sent = sending.sent.load(Ordering::Relaxed);
        if sent - self.sent >= TAKEN_MIN || !sending.is_waiting() {
            self.sent = sent;
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        now - since >= pause_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE_MAX: Duration = Duration::from_secs(5);

    /// Looks once a second while nothing changes: how many seconds until there is a reply that can't be ended.
    fn check(replies: &Replies, start: Instant, expected: Option<u64>) {
        let is_stuck =
            |second: &u64| replies.end_stuck(PAUSE_MAX, start + Duration::from_secs(*second));
        assert_eq!((0..100).find(is_stuck), expected);
    }

    #[tokio::test]
    async fn a_reply_is_stuck_while_a_piece_of_it_waits() {
        let start = Instant::now();
        let replies = Replies::default();
        let sending = replies.begin();
        check(&replies, start, None);
        let enough = TAKEN_MIN as usize;
        let mut first = sending.piece(Bytes::from(vec![0; enough + 2]));
        check(&replies, start, Some(5));
        // A drip is not enough.
        first.advance(1);
        check(&replies, start, Some(5));
        first.advance(enough - 1);
        check(&replies, start, Some(6));
        let second = sending.piece(Bytes::from("d"));
        first.advance(2);
        drop(first);
        check(&replies, start, Some(6));
        drop(second);
        check(&replies, start, None);
    }

    #[tokio::test]
    async fn one_that_moves_does_not_help_another() {
        let start = Instant::now();
        let replies = Replies::default();
        let _stuck = replies.begin().piece(Bytes::from("a"));
        let step = TAKEN_MIN as usize / 4;
        let mut moving = replies.begin().piece(Bytes::from(vec![0; 100 * step]));
        let found = (0..100).find(|second| {
            moving.advance(step);
            replies.end_stuck(PAUSE_MAX, start + Duration::from_secs(*second))
        });
        assert_eq!(found, Some(5));
    }

    #[tokio::test]
    async fn one_that_moves_is_let_be_and_one_that_drips_is_not() {
        for (step, expected) in [(TAKEN_MIN as usize / 4, None), (1, Some(5))] {
            let start = Instant::now();
            let replies = Replies::default();
            let mut moving = replies.begin().piece(Bytes::from(vec![0; 101 * step]));
            let found = (0..100).find(|second| {
                moving.advance(step);
                replies.end_stuck(PAUSE_MAX, start + Duration::from_secs(*second))
            });
            assert_eq!(found, expected);
        }
    }

    #[tokio::test]
    async fn a_reply_is_ended_with_its_task() {
        let start = Instant::now();
        let replies = Arc::new(Replies::default());
        let (told, made) = tokio::sync::oneshot::channel();
        let (guard, gone) = tokio::sync::oneshot::channel::<()>();
        let same = Arc::clone(&replies);
        Tasks.execute(async move {
            let piece = same.begin().piece(Bytes::from("a"));
            told.send(()).unwrap();
            std::future::pending::<()>().await;
            drop((piece, guard));
        });
        made.await.unwrap();
        assert!(!replies.end_stuck(PAUSE_MAX, start));
        assert!(!replies.end_stuck(PAUSE_MAX, start + PAUSE_MAX));
        assert!(gone.await.is_err(), "the task goes on");
        check(&replies, start, None);
    }

    #[test]
    fn replies_that_are_gone_are_forgotten() {
        let replies = Replies::default();
        let kept: Vec<_> = (0..10).map(|_| replies.begin()).collect();
        for _ in 0..10_000 {
            replies.begin();
        }
        let all = replies.0.lock().unwrap();
        assert!(all.len() <= 40, "{}", all.len());
        drop(kept);
    }
}
