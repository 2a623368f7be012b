//! Receives from FIFO queues that may be asked for again: `ReceiveRequestAttemptId`.
//!
//! A client that never got the answer to a receive sends it again under the same attempt id, and gets the same messages with the same
//! handles, hidden from then on for the visibility timeout anew, instead of none of their group until the timeout is over. That holds
//! for five minutes, and for so long as all of the messages are in flight by that receive and none was hidden for longer or shorter
//! meanwhile. Then the id counts as one that was never used.
//!
//! Attempts are in memory alone: AWS promises nothing, and after a restart the messages come back when their time is over.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::{Offset, Timestamp};
use streams::delivery::{Receipt, Standing};

use super::limits;

/// Attempts remembered of one queue. No queue has more messages in flight.
const ATTEMPTS_MAX: usize = limits::IN_FLIGHT_FIFO;

/// A delivery that an attempt gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Given {
    pub receipt: Receipt,
    pub first_received: Timestamp,
}

/// What one queue remembers.
#[derive(Default)]
pub(super) struct Attempts {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    attempts: HashMap<String, Attempt>,
    /// Ids by when they were first used.
    order: VecDeque<(Timestamp, String)>,
    /// The attempt that gave a message last.
    by_message: HashMap<Offset, String>,
}

struct Attempt {
    at: Timestamp,
    given: Vec<Given>,
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attempts({})", self.inner().attempts.len())
    }
}

impl Attempts {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what a receive gave under `id`. One that gave nothing is not worth it.
    pub(super) fn remember(&self, id: &str, given: Vec<Given>, now: Timestamp) {
        if given.is_empty() {
            return;
        }
        let mut inner = self.inner();
        inner.forget(id);
        inner.make_room(now);
        for message in &given {
            inner
                .by_message
                .insert(message.receipt.offset, id.to_owned());
        }
        inner.order.push_back((now, id.to_owned()));
        inner
            .attempts
            .insert(id.to_owned(), Attempt { at: now, given });
    }

    /// What the receive under `id` gave, if it may be given again. `standing` says what a receipt is worth.
    pub(super) fn recall(
        &self,
        id: &str,
        now: Timestamp,
        standing: impl Fn(Receipt) -> Standing,
    ) -> Option<Vec<Given>> {
        let mut inner = self.inner();
        inner.make_room(now);
        let given = &inner.attempts.get(id)?.given;
        let is_whole = given
            .iter()
            .all(|message| standing(message.receipt) == Standing::Current);
        if is_whole {
            return Some(given.clone());
        }
        inner.forget(id);
        None
    }

    /// A message was deleted, or is to be hidden for longer or shorter: what gave it can't be given again.
    pub(super) fn spoil(&self, message: Offset) {
        let mut inner = self.inner();
        if let Some(id) = inner.by_message.get(&message).cloned() {
            inner.forget(&id);
        }
    }
}

impl Inner {
    fn forget(&mut self, id: &str) {
        let Some(attempt) = self.attempts.remove(id) else {
            return;
        };
        for message in attempt.given {
            let offset = message.receipt.offset;
            if self.by_message.get(&offset).is_some_and(|by| by == id) {
                self.by_message.remove(&offset);
            }
        }
    }

    /// Forgets what is too old, and the oldest of too many.
    fn make_room(&mut self, now: Timestamp) {
        while let Some((at, id)) = self.order.front().cloned()
            && (now.since(at) >= limits::DEDUPLICATION || self.order.len() >= ATTEMPTS_MAX)
        {
            self.order.pop_front();
            if self
                .attempts
                .get(&id)
                .is_some_and(|attempt| attempt.at == at)
            {
                self.forget(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(offset: u64) -> Given {
        Given {
            receipt: Receipt {
                offset: Offset(offset),
                receives: 1,
            },
            first_received: Timestamp(5),
        }
    }

    fn current(_: Receipt) -> Standing {
        Standing::Current
    }

    #[test]
    fn an_attempt_is_known_for_five_minutes() {
        let attempts = Attempts::default();
        attempts.remember("a", vec![given(1), given(2)], Timestamp(0));
        assert_eq!(attempts.recall("b", Timestamp(1), current), None);
        let known = attempts.recall("a", Timestamp(299_999), current);
        assert_eq!(known, Some(vec![given(1), given(2)]));
        assert_eq!(attempts.recall("a", Timestamp(300_000), current), None);
        assert!(attempts.inner().by_message.is_empty());
    }

    #[test]
    fn an_attempt_holds_while_all_of_its_messages_are_in_flight() {
        let attempts = Attempts::default();
        attempts.remember("a", vec![given(1), given(2)], Timestamp(0));
        let second_is_gone = |receipt: Receipt| match receipt.offset {
            Offset(2) => Standing::Gone,
            _ => Standing::Current,
        };
        assert_eq!(attempts.recall("a", Timestamp(1), second_is_gone), None);
        assert_eq!(
            attempts.recall("a", Timestamp(1), current),
            None,
            "it is over"
        );
    }

    #[test]
    fn a_message_that_was_touched_spoils_its_attempt() {
        let attempts = Attempts::default();
        attempts.remember("a", vec![given(1), given(2)], Timestamp(0));
        attempts.remember("b", vec![given(3)], Timestamp(0));
        attempts.spoil(Offset(2));
        attempts.spoil(Offset(9));
        assert_eq!(attempts.recall("a", Timestamp(1), current), None);
        assert_eq!(
            attempts.recall("b", Timestamp(1), current),
            Some(vec![given(3)])
        );
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let attempts = Attempts::default();
        for number in 0..=ATTEMPTS_MAX as u64 {
            attempts.remember(&number.to_string(), vec![given(number)], Timestamp(0));
        }
        assert_eq!(attempts.recall("0", Timestamp(1), current), None);
        assert!(attempts.recall("9", Timestamp(1), current).is_some());
        assert!(attempts.inner().by_message.len() <= ATTEMPTS_MAX);
    }
}
