//! What is still on its way, by generation, so that a flush waits for what was put before it and for nothing else.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Counts what is to be sent and not yet settled.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    state: Mutex<State>,
    settled: Notify,
}

#[derive(Debug, Default)]
struct State {
    current: u64,
    /// Things on their way, by generation; none at nought.
    counts: BTreeMap<u64, u64>,
}

impl Ledger {
    /// One more is on its way; its generation.
    pub(super) fn begin(&self) -> u64 {
        let mut state = self.state();
        let current = state.current;
        *state.counts.entry(current).or_default() += 1;
        current
    }

    /// One more of an earlier generation, split off from another.
    pub(super) fn split(&self, generation: u64) {
        *self.state().counts.entry(generation).or_default() += 1;
    }

    /// One is settled.
    pub(super) fn end(&self, generation: u64) {
        let mut state = self.state();
        if let Some(count) = state.counts.get_mut(&generation) {
            *count -= 1;
            if *count == 0 {
                state.counts.remove(&generation);
                self.settled.notify_waiters();
            }
        }
    }

    /// Ends the current generation and says which it was.
    pub(super) fn turn(&self) -> u64 {
        let mut state = self.state();
        state.current += 1;
        state.current - 1
    }

    /// Things on their way.
    pub(super) fn outstanding(&self) -> u64 {
        self.state().counts.values().sum()
    }

    /// Waits until nothing of this generation or an earlier one is on its way.
    pub(super) async fn settled(&self, generation: u64) {
        loop {
            let mut notified = std::pin::pin!(self.settled.notified());
            notified.as_mut().enable();
            let earliest = self.state().counts.keys().next().copied();
            if earliest.is_none_or(|earliest| earliest > generation) {
                return;
            }
            notified.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    async fn is_settled(ledger: &Ledger, generation: u64) -> bool {
        let mut settled = pin!(ledger.settled(generation));
        poll_fn(|context| Poll::Ready(settled.as_mut().poll(context).is_ready())).await
    }

    #[tokio::test]
    async fn a_flush_waits_for_what_was_before_it() {
        let ledger = Ledger::default();
        let old = ledger.begin();
        let flush = ledger.turn();
        let new = ledger.begin();
        assert!(old <= flush && flush < new);
        assert!(!is_settled(&ledger, flush).await);
        ledger.split(old);
        ledger.end(old);
        assert!(!is_settled(&ledger, flush).await, "half of it is left");
        ledger.end(old);
        assert!(is_settled(&ledger, flush).await);
        assert_eq!(ledger.outstanding(), 1);
    }
}
