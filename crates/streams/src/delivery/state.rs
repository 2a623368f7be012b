//! What is known of a queue's messages: which are in flight, delayed, waiting, done with. Pure: no I/O, time passed in.
//!
//! A message is known from when the log is scanned up to it ([`State::arrive`]) until it is done with. Those not scanned yet cost
//! nothing, those done with no more than the gaps between them. What is held is so bounded by what is in flight, delayed or
//! looked ahead at.

mod ranges;
mod taken_back;
mod waiting;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{Offset, Timestamp};

use self::ranges::Ranges;
use self::waiting::Waiting;
use super::{Arrival, Counts, Group, Lies, Order, Policy, Receipt, Standing};

/// Messages looked ahead at in search of groups that may go out. AWS looks at as many: "FIFO queues look through the first
/// 120k messages to determine available message groups."
const GROUPED_AHEAD: usize = 120_000;
/// Messages looked ahead at in search of quiet groups.
const FAIR_AHEAD: usize = 10_000;

// What stands in memory at most, besides what is delayed: some 100 bytes for each looked ahead at or in flight.
const _: () = assert!(GROUPED_AHEAD <= 200_000);

/// How long a message that is to be given up is held back, for its mover to be done.
pub const DEAD_FOR: Duration = Duration::from_secs(30);

/// Past all messages.
const END: Offset = Offset(u64::MAX);

/// Until when a message is held back that is being moved: however long that takes.
const WHILE_MOVING: Timestamp = Timestamp(i64::MAX);

/// What is known of a queue's messages.
#[derive(Clone, Debug)]
pub struct State {
    policy: Policy,
    done: Ranges,
    /// All before are held or done with.
    scanned: Offset,
    held: BTreeMap<Offset, Held>,
    waiting: Waiting,
    /// Of those that wait, the ones received as often as they may be: to be given up.
    spent: BTreeSet<Offset>,
    /// When something delayed or in flight becomes available.
    timers: BTreeSet<(Timestamp, Offset)>,
    in_flight: usize,
    delayed: usize,
    /// None of those that wait or are delayed was sent before.
    oldest: Timestamp,
}

/// What is known of one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Held {
    sent: Timestamp,
    group: Option<Group>,
    receives: u32,
    first_received: Timestamp,
    /// When it was received last.
    received: Timestamp,
    /// Until when that, or a change of its visibility since, hides it: what a restart goes by. None where it was undone.
    hidden_until: Option<Timestamp>,
    status: Status,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Status {
    Waiting,
    Delayed { until: Timestamp },
    InFlight { until: Timestamp },
}

/// What must be known of a message that was received, to go on after a restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hold {
    /// The message.
    pub offset: Offset,
    /// As its [`Arrival`] has it.
    pub sent: Timestamp,
    /// As its [`Arrival`] has it.
    pub group: Option<Group>,
    /// How often it was received.
    pub receives: u32,
    /// When for the first time.
    pub first_received: Timestamp,
    /// When the last time.
    pub received: Timestamp,
    /// When it becomes visible again, or did.
    pub until: Timestamp,
}

/// What a receive takes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Picked {
    /// To be delivered.
    pub live: Vec<Hold>,
    /// To be given up.
    pub dead: Vec<Hold>,
    /// Whether [`Policy::in_flight_max`] was in the way.
    pub is_over_limit: bool,
    /// The last of [`Picked::live`], where it is of a group: what the same receive is to pick next may follow it.
    pub last: Option<(Group, Offset)>,
}

impl State {
    /// A queue none of whose messages is known. Those before `start` are gone.
    #[must_use]
    pub fn new(policy: Policy, start: Offset) -> State {
        let mut done = Ranges::default();
        done.insert(Offset::ZERO, start);
        State {
            policy,
            done,
            scanned: start,
            held: BTreeMap::new(),
            waiting: Waiting::new(policy.order),
            spent: BTreeSet::new(),
            timers: BTreeSet::new(),
            in_flight: 0,
            delayed: 0,
            oldest: Timestamp(i64::MAX),
        }
    }

    /// How it delivers.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Changes how it delivers, but for the order, which stays.
    pub fn set_policy(&mut self, policy: Policy) {
        let max_receives = self.policy.max_receives;
        self.policy = Policy {
            order: self.policy.order,
            ..policy
        };
        if policy.max_receives != max_receives {
            let waiting = self
                .held
                .iter()
                .filter(|(_, held)| held.status == Status::Waiting);
            let spent = waiting.filter(|(_, held)| self.policy.is_spent(held.receives));
            self.spent = spent.map(|(offset, _)| *offset).collect();
        }
    }

    /// Where to scan the log on.
    #[must_use]
    pub fn next_scan(&self) -> Offset {
        self.done.gap_from(self.scanned)
    }

    /// All before are done with: they may go from the log.
    #[must_use]
    pub fn base(&self) -> Offset {
        self.done.gap_from(Offset::ZERO)
    }

    /// Whether a message could be picked now, from a log that ends at `end`.
    #[must_use]
    pub fn has_next(&self, end: Offset) -> bool {
        let has_unscanned = self.next_scan() < end && !self.is_full();
        self.in_flight < self.policy.in_flight_max && (self.waiting.has_next() || has_unscanned)
    }

    /// Whether a message is to be given up, as far as is known.
    #[must_use]
    pub fn has_spent(&self) -> bool {
        !self.spent.is_empty()
    }

    /// Messages delivered and not acknowledged.
    #[must_use]
    pub fn in_flight_len(&self) -> usize {
        self.in_flight
    }

    /// Messages looked at that wait to be delivered.
    #[must_use]
    pub fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether as much is looked ahead at as may be.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let ahead = match self.policy.order {
            Order::Grouped => GROUPED_AHEAD,
            Order::Fair => FAIR_AHEAD,
        };
        self.waiting.len() >= ahead
    }

    /// When the next delayed message is due or the next one in flight comes back.
    #[must_use]
    pub fn next_timer(&self) -> Option<Timestamp> {
        let next = self.timers.first().map(|(at, _)| *at);
        next.filter(|at| *at < WHILE_MOVING)
    }

    /// Takes note of the log's messages from [`State::next_scan`] until `end`.
    pub fn arrive(
        &mut self,
        end: Offset,
        arrivals: impl IntoIterator<Item = (Offset, Arrival)>,
        now: Timestamp,
    ) {
        for (offset, arrival) in arrivals {
            let is_known = offset < self.scanned
                || self.held.contains_key(&offset)
                || self.done.contains(offset);
            if is_known {
                continue;
            }
            let Arrival { sent, due, group } = arrival;
            self.oldest = self.oldest.min(sent);
            let status = if due > now {
                self.delayed += 1;
                self.timers.insert((due, offset));
                self.waiting.delay(offset, group);
                Status::Delayed { until: due }
            } else {
                self.waiting.add(offset, group);
                Status::Waiting
            };
            let held = Held {
                sent,
                group,
                receives: 0,
                first_received: Timestamp::default(),
                received: Timestamp::default(),
                hidden_until: None,
                status,
            };
            self.held.insert(offset, held);
        }
        if end > self.scanned {
            // A compacted log has gaps: what was not there will never be.
            let mut from = self.scanned;
            let known: Vec<Offset> = self.held.range(from..end).map(|(at, _)| *at).collect();
            for offset in known {
                self.done.insert(from, offset);
                from = offset.plus(1);
            }
            self.done.insert(from, end);
            self.scanned = end;
        }
    }

    /// Takes note, before any message is held, that all of `start..end` are done with.
    pub fn absorb(&mut self, start: Offset, end: Offset) {
        debug_assert!(self.held.is_empty(), "messages are held already");
        self.done.insert(start, end);
    }

    /// Takes up a message as it was before a restart, if it is not done with.
    pub fn restore(&mut self, hold: Hold, now: Timestamp) {
        if self.done.contains(hold.offset) || self.held.contains_key(&hold.offset) {
            return;
        }
        let is_back = hold.until <= now;
        let held = Held {
            sent: hold.sent,
            group: hold.group,
            receives: hold.receives,
            first_received: hold.first_received,
            received: hold.received,
            hidden_until: Some(hold.until),
            status: Status::Waiting,
        };
        self.held.insert(hold.offset, held);
        self.oldest = self.oldest.min(hold.sent);
        if is_back {
            self.wait(hold.offset, hold.group, hold.receives);
        } else {
            self.launch(hold.offset, hold.until);
        }
    }

    /// What was due meanwhile becomes available. How many messages that is.
    pub fn advance(&mut self, now: Timestamp) -> usize {
        let mut available = 0;
        while let Some(&(at, offset)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            self.settle(offset);
            available += 1;
        }
        available
    }

    /// Takes up to `max` messages, in flight for `visibility` from now. With `may_scan`, groups that have much in flight are left
    /// for when there is nothing else in the log. `last` is [`Picked::last`] of what the same receive picked before.
    pub fn pick(
        &mut self,
        max: usize,
        visibility: Duration,
        may_scan: bool,
        now: Timestamp,
        last: Option<(Group, Offset)>,
    ) -> Picked {
        let mut picked = Picked {
            last,
            ..Picked::default()
        };
        if may_scan && self.knows_ahead() {
            return picked;
        }
        while picked.live.len() < max && picked.dead.len() < max {
            if may_scan && self.waiting.is_noisy() {
                break;
            }
            let Some(offset) = self.waiting.next(picked.last, END) else {
                break;
            };
            if self.in_flight >= self.policy.in_flight_max {
                picked.is_over_limit = true;
                break;
            }
            let Some(held) = self.held_still(offset, now) else {
                continue;
            };
            if self.policy.is_spent(held.receives) {
                // Nothing of its group goes out before it is moved: the order holds even if it stays.
                picked.last = None;
                picked.dead.push(self.hold_back(offset, &held, now));
            } else {
                self.waiting.remove(offset, held.group);
                picked.last = held.group.map(|group| (group, offset));
                let hold = self.deliver(offset, now, now.plus(visibility));
                picked.live.extend(hold);
            }
            self.waiting.serve(held.group);
        }
        picked
    }

    /// Takes up to `max` of the messages to be given up, wherever they are, and nothing else.
    pub fn pick_spent(&mut self, max: usize, now: Timestamp) -> Vec<Hold> {
        let mut dead = Vec::new();
        while dead.len() < max {
            let Some(offset) = self.spent.first().copied() else {
                break;
            };
            match self.held.get(&offset).copied() {
                Some(held) if !self.has_expired(&held, now) => {
                    dead.push(self.hold_back(offset, &held, now));
                }
                _ => self.finish(offset),
            }
        }
        dead
    }

    /// Puts a message that waits out of reach until its mover is done.
    fn hold_back(&mut self, offset: Offset, held: &Held, now: Timestamp) -> Hold {
        let until = now.plus(DEAD_FOR);
        // In this order, so that its group keeps its turn.
        self.launch(offset, until);
        self.waiting.remove(offset, held.group);
        held.hold(offset, until)
    }

    /// Whether messages are held that a restart brought back, with others before them not looked at yet: where order is
    /// strict, these come first.
    fn knows_ahead(&self) -> bool {
        let last = self.held.last_key_value().map(|(offset, _)| *offset);
        self.policy.order == Order::Grouped && last.is_some_and(|last| last >= self.scanned)
    }

    /// Makes messages done with that expired where nobody came across them. How many those are.
    pub fn expire(&mut self, now: Timestamp) -> usize {
        let expired_at = self.policy.retention.map(|age| now.minus(age));
        let Some(expired_at) = expired_at.filter(|at| self.oldest <= *at) else {
            return 0;
        };
        let mut expired = Vec::new();
        self.oldest = Timestamp(i64::MAX);
        for (offset, held) in &self.held {
            match held.status {
                // Somebody works on it.
                Status::InFlight { .. } => {}
                _ if held.sent <= expired_at => expired.push(*offset),
                _ => self.oldest = self.oldest.min(held.sent),
            }
        }
        expired.iter().for_each(|offset| self.finish(*offset));
        expired.len()
    }

    /// What is known of a message that waits. One that has expired is done with.
    fn held_still(&mut self, offset: Offset, now: Timestamp) -> Option<Held> {
        let Some(held) = self.held.get(&offset).copied() else {
            debug_assert!(false, "{offset} waits but is not held");
            self.waiting.remove(offset, None);
            return None;
        };
        if self.has_expired(&held, now) {
            self.finish(offset);
            return None;
        }
        Some(held)
    }

    fn has_expired(&self, held: &Held, now: Timestamp) -> bool {
        let retention = self.policy.retention;
        retention.is_some_and(|retention| held.sent.plus(retention) <= now)
    }

    fn deliver(&mut self, offset: Offset, now: Timestamp, until: Timestamp) -> Option<Hold> {
        let held = self.held.get_mut(&offset)?;
        held.receives = held.receives.saturating_add(1);
        held.received = now;
        held.hidden_until = Some(until);
        if held.receives == 1 {
            held.first_received = now;
        }
        let hold = held.hold(offset, until);
        self.launch(offset, until);
        Some(hold)
    }

    /// Puts a message that waits nowhere in flight.
    fn launch(&mut self, offset: Offset, until: Timestamp) {
        let Some(held) = self.held.get_mut(&offset) else {
            return;
        };
        held.status = Status::InFlight { until };
        self.timers.insert((until, offset));
        self.in_flight += 1;
        self.waiting.depart(offset, held.group);
        self.spent.remove(&offset);
    }

    /// A message may be delivered, or is to be given up.
    fn wait(&mut self, offset: Offset, group: Option<Group>, receives: u32) {
        self.waiting.add(offset, group);
        if self.policy.is_spent(receives) {
            self.spent.insert(offset);
        }
    }

    /// What was in flight or delayed, its timer gone already, waits.
    fn settle(&mut self, offset: Offset) {
        let Some(held) = self.held.get_mut(&offset) else {
            return;
        };
        let Held {
            sent,
            status,
            group,
            receives,
            ..
        } = *held;
        held.status = Status::Waiting;
        self.oldest = self.oldest.min(sent);
        // First, so that its group keeps its turn.
        self.wait(offset, group, receives);
        match status {
            Status::Waiting => {}
            Status::Delayed { .. } => {
                self.delayed -= 1;
                self.waiting.undelay(offset, group);
            }
            Status::InFlight { .. } => {
                self.in_flight -= 1;
                self.waiting.land(offset, group);
            }
        }
    }

    /// What a receipt is worth.
    #[must_use]
    pub fn standing(&self, receipt: Receipt) -> Standing {
        if self.done.contains(receipt.offset) {
            return Standing::Gone;
        }
        let Some(held) = self.held.get(&receipt.offset) else {
            // Received before a crash which forgot it: nobody else has it.
            return Standing::Current;
        };
        if receipt.receives < held.receives {
            return Standing::Stale;
        }
        // A greater number is of a receive that a crash forgot.
        match held.status {
            Status::InFlight { until } if until < WHILE_MOVING => Standing::Current,
            _ => Standing::Lapsed,
        }
    }

    /// Whether nothing came of a message since `hold` was made.
    #[must_use]
    pub fn is_newest(&self, hold: &Hold) -> bool {
        self.held.get(&hold.offset).is_some_and(|held| {
            held.receives == hold.receives
                && held.hidden_until.is_none_or(|until| until == hold.until)
        })
    }

    /// When the delivery that `receipt` is of was made.
    #[must_use]
    pub fn received_at(&self, receipt: Receipt) -> Option<Timestamp> {
        let held = self.held.get(&receipt.offset)?;
        (held.receives == receipt.receives).then_some(held.received)
    }

    /// Sets when a message in flight becomes visible again.
    ///
    /// # Errors
    /// What the receipt is worth, where that is not [`Standing::Current`].
    pub fn set_visibility(&mut self, receipt: Receipt, until: Timestamp) -> Result<Hold, Standing> {
        let standing = self.standing(receipt);
        let (Standing::Current, Some(held)) = (standing, self.held.get_mut(&receipt.offset)) else {
            return Err(match standing {
                // Not looked at since a crash: it will be delivered anew.
                Standing::Current => Standing::Lapsed,
                other => other,
            });
        };
        if let Status::InFlight { until: before } = held.status {
            self.timers.remove(&(before, receipt.offset));
        }
        held.status = Status::InFlight { until };
        held.hidden_until = Some(until);
        let hold = held.hold(receipt.offset, until);
        self.timers.insert((until, receipt.offset));
        Ok(hold)
    }

    /// A message is done with.
    pub fn finish(&mut self, offset: Offset) {
        self.done.insert(offset, offset.plus(1));
        if let Some(held) = self.held.remove(&offset) {
            self.release(offset, &held);
        }
    }

    /// All messages before `end` are done with.
    pub fn finish_below(&mut self, end: Offset) {
        self.done.insert(Offset::ZERO, end);
        let kept = self.held.split_off(&end);
        for (offset, held) in std::mem::replace(&mut self.held, kept) {
            self.release(offset, &held);
        }
        self.scanned = self.scanned.max(end);
    }

    fn release(&mut self, offset: Offset, held: &Held) {
        match held.status {
            Status::Waiting => {
                self.waiting.remove(offset, held.group);
                self.spent.remove(&offset);
            }
            Status::Delayed { until } => {
                self.timers.remove(&(until, offset));
                self.delayed -= 1;
                self.waiting.undelay(offset, held.group);
            }
            Status::InFlight { until } => {
                self.timers.remove(&(until, offset));
                self.in_flight -= 1;
                self.waiting.land(offset, held.group);
            }
        }
    }

    /// The first message at or after `offset` that is not done with.
    #[must_use]
    pub fn next_open(&self, offset: Offset) -> Offset {
        self.done.gap_from(offset)
    }

    /// How a message of the log lies that would be due at `due`, how often it was received and when first. `None` where it is
    /// done with.
    #[must_use]
    pub fn look(
        &self,
        offset: Offset,
        due: Timestamp,
        now: Timestamp,
    ) -> Option<(Lies, u32, Timestamp)> {
        if self.done.contains(offset) {
            return None;
        }
        let Some(held) = self.held.get(&offset) else {
            let lies = if due > now {
                Lies::Delayed { until: due }
            } else {
                Lies::Visible
            };
            return Some((lies, 0, Timestamp::default()));
        };
        let lies = match held.status {
            Status::Waiting => Lies::Visible,
            Status::Delayed { until } => Lies::Delayed { until },
            Status::InFlight { until } => Lies::InFlight { until },
        };
        Some((lies, held.receives, held.first_received))
    }

    /// How many messages there are in a log that ends at `end`.
    #[must_use]
    pub fn counts(&self, end: Offset) -> Counts {
        let end = end.max(self.scanned);
        let unscanned = end.0 - self.scanned.0;
        let known_ahead = self.held.range(self.scanned..).count() as u64;
        let unknown = unscanned
            .saturating_sub(self.done.count(self.scanned, end))
            .saturating_sub(known_ahead);
        Counts {
            visible: self.waiting.len() as u64 + unknown,
            in_flight: self.in_flight as u64,
            delayed: self.delayed as u64,
            oldest: self.held.first_key_value().map(|(_, held)| held.sent),
        }
    }

    /// Everything that must outlive a restart: what is done with, in ranges, and what was received.
    pub fn lasting(&self) -> (impl ExactSizeIterator<Item = (Offset, Offset)>, Vec<Hold>) {
        let holds = self.held.iter().filter(|(_, held)| held.receives > 0);
        let holds = holds.map(|(&offset, held)| {
            let until = held.hidden_until.unwrap_or(held.received);
            held.hold(offset, until)
        });
        (self.done.iter(), holds.collect())
    }
}

impl Hold {
    /// What the message is acknowledged by.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        Receipt {
            offset: self.offset,
            receives: self.receives,
        }
    }
}

impl Held {
    fn hold(&self, offset: Offset, until: Timestamp) -> Hold {
        Hold {
            offset,
            sent: self.sent,
            group: self.group,
            receives: self.receives,
            first_received: self.first_received,
            received: self.received,
            until,
        }
    }
}
