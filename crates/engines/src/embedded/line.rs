//! Who finds no room in the row stands in line before it. Room is given in the order of the calls, whether or not whoever called has a
//! look meanwhile, so that what one caller asks for is written in that order; and it is free again once the answers are there, whether
//! or not anybody takes them.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::embedded::core::{Core, locked};
use crate::state::request::{Reply, Request};

/// Those who have gone are looked for when at least so many stand in line.
const PRUNE_MIN: usize = 64;

/// Where answers will come.
pub(super) type Receivers = Vec<oneshot::Receiver<Reply>>;

/// The line, and what is behind it.
#[derive(Default)]
pub(super) struct Line {
    /// Bytes of requests in the row or being written that came through here.
    used: usize,
    waiting: VecDeque<Waiting>,
    /// With how many those who have gone are looked for next.
    prune_at: usize,
}

struct Waiting {
    bytes: usize,
    requests: Vec<Request>,
    caller: oneshot::Sender<Receivers>,
}

/// What became of a call.
pub(super) enum Asked {
    InRow(Receivers),
    /// They come as soon as there is room, or never where the store stops. A caller that is gone by then is passed over.
    InLine(oneshot::Receiver<Receivers>),
}

impl Line {
    fn has_room(&self, bytes: usize, bytes_max: usize) -> bool {
        self.used == 0 || self.used.saturating_add(bytes) <= bytes_max
    }

    fn stand(&mut self, waiting: Waiting) {
        // Who has gone takes no memory.
        if self.waiting.len() >= self.prune_at.max(PRUNE_MIN) {
            self.waiting.retain(|one| !one.caller.is_closed());
            self.prune_at = 2 * self.waiting.len();
        }
        self.waiting.push_back(waiting);
    }
}

impl Core {
    /// As [`Core::submit`], where there is room; in line where there is none.
    pub(super) fn ask(&self, requests: Vec<Request>) -> Asked {
        let bytes = requests.iter().map(Request::footprint).sum();
        let mut line = locked(&self.line);
        let is_free = line.waiting.is_empty() && line.has_room(bytes, self.options.queue_bytes_max);
        // Of a store that stopped, nobody gives room back.
        if is_free || self.is_poisoned() {
            return Asked::InRow(self.let_in(&mut line, requests));
        }
        let (caller, turn) = oneshot::channel();
        line.stand(Waiting {
            bytes,
            requests,
            caller,
        });
        Asked::InLine(turn)
    }

    fn let_in(&self, line: &mut Line, requests: Vec<Request>) -> Receivers {
        let (receivers, bytes) = self.put_in_row(requests);
        line.used += bytes;
        receivers
    }

    /// Gives back the room of requests that were answered. Whether others are in the row for it now.
    pub(super) fn give_back(&self, bytes: usize) -> bool {
        let mut line = locked(&self.line);
        line.used = line.used.saturating_sub(bytes);
        let mut has_let_in = false;
        while let Some(first) = line.waiting.front() {
            let is_gone = first.caller.is_closed();
            if !is_gone && !line.has_room(first.bytes, self.options.queue_bytes_max) {
                break;
            }
            let Some(first) = line.waiting.pop_front().filter(|_| !is_gone) else {
                continue;
            };
            let receivers = self.let_in(&mut line, first.requests);
            has_let_in = true;
            // Whoever goes in this moment does not undo the write.
            let _ = first.caller.send(receivers);
        }
        has_let_in
    }

    /// Sends all away.
    pub(super) fn disperse(&self) {
        *locked(&self.line) = Line::default();
    }
}
