//! Who finds no room for what is to be written stands in line: places are given in the order of the calls, whether or not whoever called
//! has a look meanwhile. So what one caller asks for is written in that order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::state::request::{Reply, Request};

/// What happens to requests that have room. It must not come back to the line.
pub(super) trait Door: Send + Sync + 'static {
    /// Puts them in the row, one right behind the other, and gives where their answers will come.
    fn submit(&self, requests: Vec<Request>) -> Vec<oneshot::Receiver<Reply>>;
}

/// A line before a [`Door`].
pub(super) struct Line<D: Door> {
    door: D,
    bytes_max: usize,
    inner: Mutex<Inner<D>>,
}

struct Inner<D: Door> {
    left: usize,
    waiting: VecDeque<Waiting<D>>,
}

struct Waiting<D: Door> {
    bytes: usize,
    requests: Vec<Request>,
    caller: oneshot::Sender<Submitted<D>>,
}

/// Requests in the row, and the room they take until this is dropped.
pub(super) struct Submitted<D: Door> {
    pub(super) answers: Vec<oneshot::Receiver<Reply>>,
    line: Arc<Line<D>>,
    bytes: usize,
}

/// What became of a call.
pub(super) enum Begun<D: Door> {
    Submitted(Submitted<D>),
    /// As soon as there is room. A caller that is gone by then is passed over.
    InLine(oneshot::Receiver<Submitted<D>>),
}

impl<D: Door> Line<D> {
    /// Nobody in it, and room for so many bytes behind the door.
    pub(super) fn new(door: D, bytes_max: usize) -> Line<D> {
        let bytes_max = bytes_max.max(1);
        Line {
            door,
            bytes_max,
            inner: Mutex::new(Inner {
                left: bytes_max,
                waiting: VecDeque::new(),
            }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<D>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests with their bytes; those that are more than all there is take all.
    pub(super) fn begin(self: &Arc<Self>, requests: Vec<Request>, bytes: usize) -> Begun<D> {
        let bytes = bytes.clamp(1, self.bytes_max);
        let mut inner = self.inner();
        if inner.waiting.is_empty() && bytes <= inner.left {
            inner.left -= bytes;
            return Begun::Submitted(self.submit(requests, bytes));
        }
        // Who has gone takes no memory.
        inner.waiting.retain(|one| !one.caller.is_closed());
        let (caller, turn) = oneshot::channel();
        inner.waiting.push_back(Waiting {
            bytes,
            requests,
            caller,
        });
        Begun::InLine(turn)
    }

    fn submit(self: &Arc<Self>, requests: Vec<Request>, bytes: usize) -> Submitted<D> {
        Submitted {
            answers: self.door.submit(requests),
            line: Arc::clone(self),
            bytes,
        }
    }

    fn give_back(self: &Arc<Self>, bytes: usize) {
        let mut gone = Vec::new();
        let mut inner = self.inner();
        inner.left += bytes;
        while let Some(first) = inner.waiting.front() {
            let bytes = first.bytes;
            if !first.caller.is_closed() && bytes > inner.left {
                break;
            }
            let Some(first) = inner.waiting.pop_front() else {
                break;
            };
            if !first.caller.is_closed() {
                inner.left -= bytes;
                let submitted = self.submit(first.requests, bytes);
                gone.extend(first.caller.send(submitted).err());
            }
        }
        // Those give back theirs in turn.
        drop(inner);
    }
}

impl<D: Door> Drop for Submitted<D> {
    fn drop(&mut self) {
        self.line.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Row(Mutex<Vec<usize>>);

    impl Door for Arc<Row> {
        fn submit(&self, requests: Vec<Request>) -> Vec<oneshot::Receiver<Reply>> {
            self.0.lock().unwrap().push(requests.len());
            Vec::new()
        }
    }

    /// So many requests, to be told apart by that.
    fn some(count: usize) -> Vec<Request> {
        (0..count).map(|_| Request::Append(Vec::new())).collect()
    }

    #[test]
    fn room_is_given_in_the_order_of_the_calls() {
        let row = Arc::new(Row::default());
        let line = Arc::new(Line::new(Arc::clone(&row), 10));
        let seen = || row.0.lock().unwrap().clone();
        let first = line.begin(some(1), 6);
        let second = line.begin(some(2), 100);
        // There would be room for these, but others are before them.
        let third = line.begin(some(3), 1);
        let fourth = line.begin(some(4), 10);
        assert!(matches!(first, Begun::Submitted(_)) && seen() == [1]);
        drop(third);
        drop(first);
        assert_eq!(seen(), [1, 2]);
        let Begun::InLine(mut second) = second else {
            panic!("it takes all there is");
        };
        drop(second.try_recv().unwrap());
        assert_eq!(seen(), [1, 2, 4], "who has gone is passed over");
        // Gone after its turn has come: what it has taken is given back.
        drop(fourth);
        let last = line.begin(some(5), 10);
        assert!(matches!(last, Begun::Submitted(_)) && seen() == [1, 2, 4, 5]);
    }
}
