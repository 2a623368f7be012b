//! Deliveries that did not happen, and messages that are kept from everybody while they are moved.

use model::{Offset, Timestamp};

use super::{Group, Hold, State, Status, WHILE_MOVING};

impl State {
    /// Puts up to `max` messages that lie before `before` and may go out, in the order in which they may, out of reach until their
    /// mover is done. With `may_scan`, none where what comes first was not looked at. After the `last` one of a group that the
    /// same mover took, the next of it may follow.
    pub fn pick_to_move(
        &mut self,
        max: usize,
        before: Offset,
        may_scan: bool,
        now: Timestamp,
        last: &mut Option<(Group, Offset)>,
    ) -> Vec<Hold> {
        let mut picked = Vec::new();
        if may_scan && self.knows_ahead() {
            return picked;
        }
        while picked.len() < max {
            let Some(offset) = self.waiting.next(*last, before) else {
                break;
            };
            let Some(held) = self.held_still(offset, now) else {
                continue;
            };
            picked.push(self.hold_back(offset, &held, now));
            *last = held.group.map(|group| (group, offset));
            self.waiting.serve(held.group);
        }
        picked
    }

    /// Takes back deliveries that did not reach anybody.
    pub fn undo(&mut self, picks: &[Hold]) {
        // The newest first: one that was back at once may have been picked twice.
        for pick in picks.iter().rev() {
            let held = self.held.get_mut(&pick.offset);
            let Some(held) = held.filter(|held| held.receives == pick.receives) else {
                continue;
            };
            held.receives -= 1;
            held.hidden_until = None;
            let (status, receives) = (held.status, held.receives);
            match status {
                Status::InFlight { until } if self.timers.remove(&(until, pick.offset)) => {
                    self.settle(pick.offset);
                }
                _ if !self.policy.is_spent(receives) => {
                    self.spent.remove(&pick.offset);
                }
                _ => {}
            }
        }
    }

    /// Takes messages back that were to be given up.
    pub fn restore_dead(&mut self, picks: &[Hold]) {
        for pick in picks {
            if self.timers.remove(&(pick.until, pick.offset)) {
                self.settle(pick.offset);
            }
        }
    }

    /// Holds messages back from everybody while they are being moved. Gives when each would have become visible.
    pub fn keep_back(&mut self, offsets: &[Offset], now: Timestamp) -> Vec<(Offset, Timestamp)> {
        let mut before = Vec::with_capacity(offsets.len());
        for &offset in offsets {
            let Some(held) = self.held.get(&offset).copied() else {
                continue;
            };
            let until = match held.status {
                Status::Waiting => now,
                Status::Delayed { until } | Status::InFlight { until } => until,
            };
            before.push((offset, until));
            // What it was is let go of afterwards, so that its group keeps its turn.
            if let Status::InFlight { .. } = held.status {
                self.timers.remove(&(until, offset));
                self.in_flight -= 1;
                self.launch(offset, WHILE_MOVING);
            } else {
                self.launch(offset, WHILE_MOVING);
                self.release(offset, &held);
            }
        }
        before
    }

    /// Lets messages go that were held back, each to become visible at its time.
    pub fn let_go(&mut self, held_back: &[(Offset, Timestamp)]) {
        for &(offset, until) in held_back {
            if self.timers.remove(&(WHILE_MOVING, offset))
                && let Some(held) = self.held.get_mut(&offset)
            {
                held.status = Status::InFlight { until };
                self.timers.insert((until, offset));
            }
        }
    }
}
