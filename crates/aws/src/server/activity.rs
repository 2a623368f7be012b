//! Whether a connection is in use, and when it has not been for too long.
//!
//! Three ways to be neglected: to send nothing that becomes a request (idle); to begin a request's head and not end it
//! (slow); to leave a reply unread, or nearly so (stuck). HTTP/2 clients send frames without requests, so slowness does not count once
//! one is known to speak it; and they can leave one reply unread of many, see `replies`.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http::Version;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, sleep};

use super::replies::{Piece, Replies, Sending, TAKEN_MIN};
use crate::body::{Body, BodyError};
use crate::limits::Limits;

/// What a connection has been doing.
#[derive(Debug, Default)]
pub(super) struct Activity {
    bytes_heard: AtomicU64,
    bytes_said: AtomicU64,
    /// The last write found the client's window full.
    is_stuck: AtomicBool,
    requests_begun: AtomicU64,
    requests_under_way: AtomicUsize,
    is_http2: AtomicBool,
    replies: Replies,
}

impl Activity {
    pub(super) fn hear(&self, bytes: usize) {
        self.bytes_heard.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn say(&self, polled: &Poll<io::Result<usize>>) {
        match polled {
            Poll::Ready(written) => {
                let bytes = written.as_ref().map_or(0, |bytes| *bytes as u64);
                self.bytes_said.fetch_add(bytes, Ordering::Relaxed);
                self.is_stuck.store(false, Ordering::Relaxed);
            }
            Poll::Pending => self.is_stuck.store(true, Ordering::Relaxed),
        }
    }

    /// A request has begun; it is under way until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>, version: Version) -> Busy {
        if version == Version::HTTP_2 {
            self.is_http2.store(true, Ordering::Relaxed);
        }
        self.requests_begun.fetch_add(1, Ordering::Relaxed);
        self.requests_under_way.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Completes once the connection has been neglected for longer than the limits have it.
    pub(super) async fn neglected(&self, limits: &Limits) {
        let shortest = limits.header_time_max.min(limits.idle_time_max);
        // Often enough that no limit is overstepped by more than a quarter.
        let tick = shortest.min(limits.reply_pause_max) / 4;
        let mut watch = Watch::new(Instant::now());
        loop {
            sleep(tick).await;
            if watch.is_neglected(self, limits, Instant::now()) {
                return;
            }
        }
    }
}

/// What was seen of a connection at the last look, and since when it has been so.
struct Watch {
    heard: u64,
    said: u64,
    begun: u64,
    idle_since: Instant,
    stuck_since: Instant,
}

impl Watch {
    fn new(now: Instant) -> Self {
        Watch {
            heard: 0,
            said: 0,
            begun: 0,
            idle_since: now,
            stuck_since: now,
        }
    }

    /// Whether to hang up. Replies that can be ended one by one are ended.
    fn is_neglected(&mut self, activity: &Activity, limits: &Limits, now: Instant) -> bool {
        let heard = activity.bytes_heard.load(Ordering::Relaxed);
        let said = activity.bytes_said.load(Ordering::Relaxed);
        let begun = activity.requests_begun.load(Ordering::Relaxed);
        if said - self.said >= TAKEN_MIN || !activity.is_stuck.load(Ordering::Relaxed) {
            self.said = said;
            self.stuck_since = now;
        }
        let is_busy = activity.requests_under_way.load(Ordering::Relaxed) > 0;
        if is_busy || begun != self.begun {
            self.begun = begun;
            self.heard = heard;
            self.idle_since = now;
        }
        let in_head = heard != self.heard && !activity.is_http2.load(Ordering::Relaxed);
        let idle = now - self.idle_since;
        (in_head && idle >= limits.header_time_max)
            || idle >= limits.idle_time_max
            || now - self.stuck_since >= limits.reply_pause_max
            || activity.replies.end_stuck(limits.reply_pause_max, now)
    }
}

/// A request is under way.
pub(super) struct Busy(Arc<Activity>);

impl Busy {
    /// It is under way until the reply's body is sent. To be called in the task that sends it.
    pub(super) fn until_sent(self, body: Body) -> BusyBody {
        let sending = (!body.is_end_stream()).then(|| self.0.replies.begin());
        BusyBody {
            body,
            sending,
            _busy: self,
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.requests_under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A reply's body whose request is under way while it lasts.
pub(super) struct BusyBody {
    body: Body,
    /// `None` for a body without a byte.
    sending: Option<Arc<Sending>>,
    _busy: Busy,
}

impl HttpBody for BusyBody {
    type Data = Piece;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Self::Error>>> {
        let next = Pin::new(&mut self.body).poll_frame(cx);
        let Some(sending) = &self.sending else {
            return next.map(|_| None);
        };
        next.map_ok(|frame| frame.map_data(|bytes| sending.piece(bytes)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMITS: Limits = Limits {
        body_bytes_max: 0,
        buffered_bytes_max: 0,
        unverified_bytes_max: 0,
        connection_bytes_max: 0,
        body_pause_max: Duration::ZERO,
        body_time_max: Duration::ZERO,
        header_time_max: Duration::from_secs(2),
        idle_time_max: Duration::from_secs(10),
        reply_pause_max: Duration::from_secs(5),
        connections_max: 0,
        streams_max: 0,
        header_bytes_max: 0,
        read_ahead_bytes_max: 0,
        drain_time_max: Duration::ZERO,
    };

    /// Looks once a second while nothing changes: how many seconds until the connection counts as neglected.
    fn check(activity: &Activity, expected: Option<u64>) {
        let start = Instant::now();
        let mut watch = Watch::new(start);
        let found = (1..100).find(|second| {
            watch.is_neglected(activity, &LIMITS, start + Duration::from_secs(*second))
        });
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn neglect() {
        let idle = Arc::new(Activity::default());
        check(&idle, Some(10));
        let busy = idle.begin(Version::HTTP_11);
        check(&idle, None);
        idle.say(&Poll::Pending);
        check(&idle, Some(5));
        idle.say(&Poll::Ready(Ok(1)));
        check(&idle, None);
        for (step, expected) in [(1, Some(5)), (TAKEN_MIN as usize / 4, None)] {
            let start = Instant::now();
            let mut watch = Watch::new(start);
            let found = (1..100).find(|second| {
                idle.say(&Poll::Ready(Ok(step)));
                idle.say(&Poll::Pending);
                watch.is_neglected(&idle, &LIMITS, start + Duration::from_secs(*second))
            });
            assert_eq!(found, expected, "{step} bytes at a time");
        }
        idle.say(&Poll::Ready(Ok(0)));
        drop(busy);
        check(&idle, Some(11));
        let slow = Arc::new(Activity::default());
        slow.hear(1);
        check(&slow, Some(2));
        drop(slow.begin(Version::HTTP_2));
        check(&slow, Some(11));
    }
}
