//! What goes on in a queue by itself: those who wait are woken when messages arrive or come back; what was received is
//! written down when nothing else took it along; the journal is cut; messages done with go from the log.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::{Offset, Timestamp};
use store::{Bounds, StoreError, Watch};

use super::shared::Shared;

/// How long a receive may wait to be written down. A crash forgets so much of them.
const PENDING_MAX: Duration = Duration::from_millis(100);
/// How long messages done with may stay in the log, so that many go at once.
const TRIM_AFTER: Duration = Duration::from_secs(5);
/// When to look again at messages that must stay for a while.
const TRIM_AGAIN: Duration = Duration::from_secs(60);
/// When to try again what the store refused.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Runs until the log of messages is deleted, and says so to those who wait.
pub(super) async fn run(shared: Arc<Shared>, watch: Watch) {
    pump(Arc::clone(&shared), watch).await;
    shared.end_waiting();
}

async fn pump(shared: Arc<Shared>, mut watch: Watch) {
    let mut pump = Pump {
        seen: watch.bounds(),
        trim_at: None,
        not_before: None,
        is_awaited: false,
        shared,
    };
    loop {
        let sleep = pump.next_work();
        pump.look_for_waiters(&watch);
        let shown = pump.shared.end();
        let is_held_back = pump.is_awaited && pump.shared.is_held_back();
        tokio::select! {
            // In this order: what is due is not held up by growth, however steady, and comes a millisecond apart at least.
            biased;
            () = tokio::time::sleep(sleep.unwrap_or(Duration::MAX)), if sleep.is_some() => {
                match pump.work().await {
                    Ok(()) => {}
                    Err(StoreError::NoSuchLog { .. }) => return,
                    Err(error) => pump.on_error(&error),
                }
            }
            grown = watch.past(pump.seen.end), if pump.is_awaited && !pump.seen.sealed => match grown {
                Some(bounds) => pump.on_growth(bounds),
                None => return,
            },
            () = pump.shared.shown_past(shown), if is_held_back => pump.on_shown(shown),
            () = pump.shared.rearm.notified() => {}
        }
    }
}

struct Pump {
    shared: Arc<Shared>,
    /// The log of messages as it was last.
    seen: Bounds,
    /// When messages done with are to go.
    trim_at: Option<Timestamp>,
    /// After an error: when to try again.
    not_before: Option<Timestamp>,
    /// Whether somebody waits: the log's growth is news to nobody else.
    is_awaited: bool,
}

impl Pump {
    /// Who begins to wait says so, having found nothing. What has come since then is theirs; what comes later, the watch tells.
    fn look_for_waiters(&mut self, watch: &Watch) {
        let was_awaited = self.is_awaited;
        self.is_awaited = self.shared.waiting.load(Ordering::SeqCst) > 0;
        if self.is_awaited && !was_awaited {
            self.seen = watch.bounds();
            if self.shared.has_next() {
                self.shared.ring(usize::MAX);
            }
        }
    }

    fn on_growth(&mut self, bounds: Bounds) {
        let count = bounds.end.0.saturating_sub(self.seen.end.0);
        self.seen = bounds;
        self.shared
            .ring(usize::try_from(count).unwrap_or(usize::MAX));
    }

    /// What was held back may be delivered.
    fn on_shown(&mut self, before: Offset) {
        let count = self.shared.end().0.saturating_sub(before.0);
        self.shared
            .ring(usize::try_from(count).unwrap_or(usize::MAX));
    }

    fn on_error(&mut self, error: &StoreError) {
        tracing::warn!(%error, log = %self.shared.logs.messages, "a queue's upkeep failed; trying again");
        self.not_before = Some(self.shared.clock.now().plus(RETRY_AFTER));
    }

    /// How long until there is something to do; `None` for nothing.
    fn next_work(&mut self) -> Option<Duration> {
        let now = self.shared.clock.now();
        let mut inner = self.shared.inner();
        if self.shared.can_trim(&inner) {
            self.trim_at.get_or_insert(now.plus(TRIM_AFTER));
        }
        inner.is_trim_due = self.trim_at.is_some();
        if inner.flush_at.is_none() {
            inner.flush_at = inner.pending_since.map(|since| since.plus(PENDING_MAX));
        }
        let timer = inner.state.next_timer();
        let writes = [
            inner.flush_at,
            inner.is_journal_long().then_some(now),
            self.trim_at,
        ];
        let write = writes.into_iter().flatten().min();
        let write = write.map(|at| self.not_before.map_or(at, |earliest| at.max(earliest)));
        let wake = timer.filter(|_| self.shared.is_awaited());
        // A moment more: timers are in whole milliseconds.
        let next = wake.into_iter().chain(write).min()?;
        Some(next.since(now) + Duration::from_millis(1))
    }

    /// Whether something has waited long enough. What waited when the time was set may have been taken along by another write.
    fn is_flush_due(&self, now: Timestamp) -> bool {
        let mut inner = self.shared.inner();
        inner.flush_at.take_if(|at| *at <= now);
        let since = inner.pending_since;
        since.is_some_and(|since| since.plus(PENDING_MAX) <= now)
    }

    async fn work(&mut self) -> Result<(), StoreError> {
        let now = self.shared.clock.now();
        let woken = self.shared.inner().state.advance(now);
        self.shared.ring(woken);
        self.shared.pass_on();
        if self.not_before.is_some_and(|earliest| now < earliest) {
            return Ok(());
        }
        self.not_before = None;
        if self.is_flush_due(now) {
            self.shared.flush().await?;
        }
        if self.shared.inner().is_journal_long() {
            self.shared.cut_journal().await?;
        }
        if self.trim_at.is_some_and(|at| at <= now) {
            let is_done = self.shared.trim().await?;
            self.trim_at = (!is_done).then(|| self.shared.clock.now().plus(TRIM_AGAIN));
        }
        Ok(())
    }
}
