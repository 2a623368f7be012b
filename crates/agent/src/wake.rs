//! Waking the thread of a flow: by a change of a file, or by the end.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A bell that stays rung until it is heard.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct State {
    is_rung: bool,
    is_over: bool,
}

impl Wake {
    /// Something changed.
    pub(crate) fn ring(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_rung = true;
        self.rung.notify_all();
    }

    /// Nothing more is to be read. Stays so.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_over = true;
        self.rung.notify_all();
    }

    /// Whether [`Wake::end`] was called.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_over
    }

    /// Waits for a ring, the end or so long. A ring counts once.
    pub(crate) fn wait(&self, longest: Duration) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .rung
            .wait_timeout_while(state, longest, |state| !state.is_rung && !state.is_over);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_rung = false;
    }

    /// Waits for the end or so long, whatever rings.
    pub(crate) fn rest(&self, time: Duration) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .rung
            .wait_timeout_while(state, time, |state| !state.is_over);
        drop(waited);
    }
}
