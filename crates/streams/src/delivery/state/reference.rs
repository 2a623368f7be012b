//! The machine against a reference that knows every message and looks at all of them each time.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp(1_000_000);
/// Messages looked at at once after a restart.
const SCANNED: u64 = 3;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Status {
    Waiting,
    Delayed(Timestamp),
    InFlight(Timestamp),
    /// To be given up, and moved elsewhere: a restart forgets it.
    HeldBack(Timestamp),
    Done,
}

impl Status {
    fn is_in_flight(self) -> bool {
        matches!(self, Status::InFlight(_) | Status::HeldBack(_))
    }
}

#[derive(Clone, Copy, Debug)]
struct Message {
    arrival: Arrival,
    status: Status,
    receives: u32,
    first_received: Timestamp,
    /// Whether it was looked at, or received before a restart.
    is_known: bool,
}

/// Messages by their offsets.
struct Reference {
    policy: Policy,
    messages: Vec<Message>,
    /// Those before were looked at.
    scanned: usize,
    /// When each group had its turn last, or came up, in turns that groups had.
    turns: BTreeMap<Option<Group>, u64>,
    turn: u64,
}

impl Reference {
    /// Looks at messages up to `end`.
    fn scan(&mut self, end: usize, now: Timestamp) {
        for message in &mut self.messages[self.scanned.min(end)..end] {
            if !message.is_known && message.status != Status::Done {
                message.is_known = true;
                message.status = match message.arrival.due > now {
                    true => Status::Delayed(message.arrival.due),
                    false => Status::Waiting,
                };
            }
        }
        self.scanned = self.scanned.max(end);
        self.line_up();
    }

    /// Groups that come up have their turn after those that wait; those that have nothing any more lose it.
    fn line_up(&mut self) {
        let all = self.messages.iter();
        let present = all.filter(|message| message.is_known && message.status != Status::Done);
        let present: BTreeSet<Option<Group>> =
            present.map(|message| message.arrival.group).collect();
        self.turns.retain(|group, _| present.contains(group));
        for group in present {
            self.turns.entry(group).or_insert(self.turn);
        }
    }

    fn serve(&mut self, group: Option<Group>) {
        self.turn += 1;
        self.turns.insert(group, self.turn);
    }

    fn advance(&mut self, now: Timestamp) {
        for message in &mut self.messages {
            if let Status::Delayed(until) | Status::InFlight(until) | Status::HeldBack(until) =
                message.status
                && until <= now
            {
                message.status = Status::Waiting;
            }
        }
    }

    fn count(&self, is: impl Fn(Status) -> bool) -> u64 {
        let found = self.messages.iter().filter(|message| is(message.status));
        found.count() as u64
    }

    fn in_flight(&self) -> u64 {
        self.count(Status::is_in_flight)
    }

    /// Strict order: all earlier ones of the group are done with, or went out just now.
    fn may_go(&self, at: usize, just_now: &[usize]) -> bool {
        let group = self.messages[at].arrival.group;
        self.messages[at].is_known
            && self.messages[at].status == Status::Waiting
            && (0..at).all(|earlier| {
                let message = &self.messages[earlier];
                message.arrival.group != group
                    || message.status == Status::Done
                    || just_now.contains(&earlier)
            })
    }

    /// Of those before `before`.
    fn next(&self, just_now: &[usize], before: usize) -> Option<usize> {
        let all = 0..before.min(self.messages.len());
        if self.policy.order == Order::Fair {
            let rank = |at: &usize| {
                let group = self.messages[*at].arrival.group;
                let is_busy = |message: &&Message| {
                    message.arrival.group == group && message.status.is_in_flight()
                };
                let busy = group.map_or(0, |_| self.messages.iter().filter(is_busy).count());
                (busy / 10, *at)
            };
            return all
                .filter(|at| self.messages[*at].is_known)
                .filter(|at| self.messages[*at].status == Status::Waiting)
                .min_by_key(rank);
        }
        let group = just_now
            .last()
            .map(|last| self.messages[*last].arrival.group);
        let of_group = |at: &usize| Some(self.messages[*at].arrival.group) == group;
        let follower = all
            .clone()
            .find(|at| of_group(at) && self.may_go(*at, just_now));
        let turn = |at: &usize| (self.turns[&self.messages[*at].arrival.group], *at);
        follower.or_else(|| {
            let may_go = all.clone().filter(|at| self.may_go(*at, &[]));
            may_go.min_by_key(turn)
        })
    }

    /// `run` are those of one group that the same receive picked one after the other.
    fn pick(
        &mut self,
        max: usize,
        visibility: Duration,
        now: Timestamp,
        run: &mut Vec<usize>,
    ) -> (Vec<u64>, Vec<u64>) {
        let (mut live, mut dead) = (Vec::new(), Vec::new());
        if self.knows_ahead() {
            return (live, dead);
        }
        while live.len() < max && dead.len() < max {
            let Some(at) = self.next(run, usize::MAX) else {
                break;
            };
            if self.in_flight() >= self.policy.in_flight_max as u64 {
                break;
            }
            let message = &mut self.messages[at];
            let age = self
                .policy
                .retention
                .map(|age| message.arrival.sent.plus(age));
            if age.is_some_and(|over| over <= now) {
                message.status = Status::Done;
                self.line_up();
                continue;
            }
            if self
                .policy
                .max_receives
                .is_some_and(|most| message.receives >= most)
            {
                message.status = Status::HeldBack(now.plus(DEAD_FOR));
                let group = message.arrival.group;
                self.serve(group);
                dead.push(at as u64);
                run.clear();
                continue;
            }
            message.receives += 1;
            if message.receives == 1 {
                message.first_received = now;
            }
            message.status = Status::InFlight(now.plus(visibility));
            live.push(at as u64);
            self.follow(at, run);
        }
        (live, dead)
    }

    fn is_spent(&self, message: &Message) -> bool {
        let most = self.policy.max_receives;
        message.is_known
            && message.status == Status::Waiting
            && most.is_some_and(|most| message.receives >= most)
    }

    fn pick_spent(&mut self, max: usize, now: Timestamp) -> Vec<u64> {
        let mut dead = Vec::new();
        for at in 0..self.messages.len() {
            if dead.len() == max || !self.is_spent(&self.messages[at]) {
                continue;
            }
            let retention = self.policy.retention;
            let message = &mut self.messages[at];
            if retention.is_some_and(|age| message.arrival.sent.plus(age) <= now) {
                message.status = Status::Done;
            } else {
                message.status = Status::HeldBack(now.plus(DEAD_FOR));
                dead.push(at as u64);
            }
        }
        dead
    }

    fn pick_to_move(
        &mut self,
        max: usize,
        before: usize,
        may_scan: bool,
        now: Timestamp,
        run: &mut Vec<usize>,
    ) -> Vec<u64> {
        let mut picked = Vec::new();
        if may_scan && self.knows_ahead() {
            return picked;
        }
        while picked.len() < max {
            let Some(at) = self.next(run, before) else {
                break;
            };
            let retention = self.policy.retention;
            let message = &mut self.messages[at];
            if retention.is_some_and(|age| message.arrival.sent.plus(age) <= now) {
                message.status = Status::Done;
                self.line_up();
                continue;
            }
            message.status = Status::HeldBack(now.plus(DEAD_FOR));
            picked.push(at as u64);
            self.follow(at, run);
        }
        picked
    }

    fn expire(&mut self, now: Timestamp) -> usize {
        let Some(age) = self.policy.retention else {
            return 0;
        };
        let mut count = 0;
        for message in self.messages.iter_mut().filter(|message| message.is_known) {
            let is_idle = matches!(message.status, Status::Waiting | Status::Delayed(_));
            if is_idle && message.arrival.sent.plus(age) <= now {
                message.status = Status::Done;
                count += 1;
            }
        }
        count
    }

    /// A message goes out: it is of the group whose turn it is.
    fn follow(&mut self, at: usize, run: &mut Vec<usize>) {
        let group = self.messages[at].arrival.group;
        self.serve(group);
        run.retain(|last| self.messages[*last].arrival.group == group);
        run.push(at);
    }

    /// Where order is strict: whether messages are known behind some that were not looked at.
    fn knows_ahead(&self) -> bool {
        let is_ahead = |message: &Message| message.is_known && message.status != Status::Done;
        self.policy.order == Order::Grouped && self.messages[self.scanned..].iter().any(is_ahead)
    }

    fn standing(&self, receipt: Receipt) -> Standing {
        let message = &self.messages[receipt.offset.0 as usize];
        match message.status {
            Status::Done => Standing::Gone,
            _ if receipt.receives < message.receives => Standing::Stale,
            Status::InFlight(_) | Status::HeldBack(_) => Standing::Current,
            Status::Waiting | Status::Delayed(_) => Standing::Lapsed,
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    Arrive(Vec<(u8, Option<u8>)>),
    Pick(u8, u8),
    PickSpent(u8),
    /// Up to so many of those before, which are moved or not.
    Move(u8, u8, bool),
    Finish(u8),
    Hide(u8, u8),
    Pass(u8),
    Undo,
    Purge(u8),
    MaxReceives(Option<u8>),
    Retention(Option<u8>),
    InFlightMax(u8),
    Expire,
    Restart,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let arrivals = proptest::collection::vec((0u8..20, proptest::option::of(0u8..4)), 1..20);
    let event = prop_oneof![
        4 => arrivals.prop_map(Event::Arrive),
        8 => (1u8..12, 0u8..60).prop_map(|(max, visibility)| Event::Pick(max, visibility)),
        2 => (1u8..12).prop_map(Event::PickSpent),
        2 => (1u8..12, any::<u8>(), any::<bool>()).prop_map(|(max, before, goes)| Event::Move(max, before, goes)),
        6 => any::<u8>().prop_map(Event::Finish),
        3 => (any::<u8>(), 0u8..60).prop_map(|(which, after)| Event::Hide(which, after)),
        5 => (0u8..40).prop_map(Event::Pass),
        1 => Just(Event::Undo),
        1 => any::<u8>().prop_map(Event::Purge),
        1 => proptest::option::of(1u8..4).prop_map(Event::MaxReceives),
        1 => proptest::option::of(20u8..200).prop_map(Event::Retention),
        1 => (1u8..40).prop_map(Event::InFlightMax),
        1 => Just(Event::Expire),
        2 => Just(Event::Restart),
    ];
    proptest::collection::vec(event, 1..60)
}

fn seconds(count: u8) -> Duration {
    Duration::from_secs(count.into())
}

struct Pair {
    ours: State,
    reference: Reference,
    now: Timestamp,
    receipts: Vec<Receipt>,
    last_pick: Vec<Hold>,
}

impl Pair {
    fn new(order: Order) -> Pair {
        let policy = Policy {
            order,
            in_flight_max: 40,
            max_receives: None,
            retention: None,
            keep: Duration::ZERO,
        };
        Pair {
            ours: State::new(policy, Offset::ZERO),
            reference: Reference {
                policy,
                messages: Vec::new(),
                scanned: 0,
                turns: BTreeMap::new(),
                turn: 0,
            },
            now: START,
            receipts: Vec::new(),
            last_pick: Vec::new(),
        }
    }

    fn end(&self) -> Offset {
        Offset(self.reference.messages.len() as u64)
    }

    fn some(&self, which: u8) -> Option<Receipt> {
        let index = usize::from(which) % self.receipts.len().max(1);
        self.receipts.get(index).copied()
    }

    fn set(&mut self, policy: Policy) {
        self.reference.policy = policy;
        self.ours.set_policy(policy);
    }

    /// Both look at messages up to `end`.
    fn scan(&mut self, end: Offset) {
        let from = self.ours.next_scan();
        let messages = self.reference.messages.iter().enumerate();
        let arrivals: Vec<(Offset, Arrival)> = messages
            .map(|(offset, message)| (Offset(offset as u64), message.arrival))
            .filter(|(offset, _)| (from..end).contains(offset))
            .collect();
        self.ours.arrive(end, arrivals, self.now);
        self.reference.scan(end.0 as usize, self.now);
    }

    fn apply(&mut self, event: Event) {
        let policy = self.reference.policy;
        match event {
            Event::Arrive(arrivals) => self.arrive(&arrivals),
            Event::Pick(max, visibility) => self.pick(max.into(), seconds(visibility)),
            Event::PickSpent(max) => {
                self.advance();
                let ours = self.ours.pick_spent(max.into(), self.now);
                let ours: Vec<u64> = ours.iter().map(|hold| hold.offset.0).collect();
                assert_eq!(ours, self.reference.pick_spent(max.into(), self.now));
            }
            Event::Move(max, before, goes) => {
                let before = u64::from(before) % (self.end().0 + 1);
                self.move_some(max.into(), Offset(before), goes);
            }
            Event::Finish(which) => {
                if let Some(receipt) = self.some(which) {
                    self.ours.finish(receipt.offset);
                    self.reference.messages[receipt.offset.0 as usize].status = Status::Done;
                }
            }
            Event::Hide(which, after) => self.hide(which, seconds(after)),
            Event::Pass(time) => {
                self.now = self.now.plus(seconds(time));
                self.advance();
            }
            Event::Undo => self.undo(),
            Event::Purge(which) => {
                let end = Offset(u64::from(which) % (self.end().0 + 1));
                self.ours.finish_below(end);
                for message in &mut self.reference.messages[..end.0 as usize] {
                    message.status = Status::Done;
                }
                self.reference.scanned = self.reference.scanned.max(end.0 as usize);
            }
            Event::MaxReceives(most) => self.set(Policy {
                max_receives: most.map(u32::from),
                ..policy
            }),
            Event::Retention(time) => self.set(Policy {
                retention: time.map(seconds),
                ..policy
            }),
            Event::InFlightMax(most) => self.set(Policy {
                in_flight_max: most.into(),
                ..policy
            }),
            Event::Expire => {
                self.advance();
                let expired = self.ours.expire(self.now);
                assert_eq!(expired, self.reference.expire(self.now));
            }
            Event::Restart => self.restart(),
        }
        self.reference.line_up();
    }

    fn advance(&mut self) {
        self.ours.advance(self.now);
        self.reference.advance(self.now);
    }

    fn arrive(&mut self, arrivals: &[(u8, Option<u8>)]) {
        let start = self.end();
        let arrivals: Vec<Arrival> = arrivals
            .iter()
            .map(|(delay, group)| Arrival {
                sent: self.now,
                // Most are due at once.
                due: self.now.plus(seconds(delay.saturating_sub(14))),
                group: group.map(|group| Group(group.into())),
            })
            .collect();
        let was_scanned = self.reference.scanned as u64 == start.0;
        for &arrival in &arrivals {
            self.reference.messages.push(Message {
                arrival,
                status: Status::Waiting,
                receives: 0,
                first_received: Timestamp::default(),
                is_known: false,
            });
        }
        if was_scanned {
            self.scan(self.end());
        }
    }

    fn pick(&mut self, max: usize, visibility: Duration) {
        self.advance();
        self.last_pick.clear();
        let (mut last, mut run) = (None, Vec::new());
        // As a queue does it: what is known, then what the log has.
        loop {
            let wanted = max - self.last_pick.len();
            let may_scan = self.ours.next_scan() < self.end();
            let picked = self.ours.pick(wanted, visibility, may_scan, self.now, last);
            last = picked.last;
            let reference = &mut self.reference;
            let expected = reference.pick(wanted, visibility, self.now, &mut run);
            let is_dead = self.check_picked(picked, expected);
            if !may_scan || is_dead || self.last_pick.len() == max {
                break;
            }
            let end = self.ours.next_scan().plus(SCANNED).min(self.end());
            self.scan(end);
        }
    }

    fn move_some(&mut self, max: usize, before: Offset, goes: bool) {
        self.advance();
        let (mut last, mut run, mut picked) = (None, Vec::new(), Vec::new());
        loop {
            let wanted = max - picked.len();
            let may_scan = self.ours.next_scan() < self.end().min(before);
            let ours = self
                .ours
                .pick_to_move(wanted, before, may_scan, self.now, &mut last);
            let end = before.0 as usize;
            let expected = self
                .reference
                .pick_to_move(wanted, end, may_scan, self.now, &mut run);
            let offsets: Vec<u64> = ours.iter().map(|hold| hold.offset.0).collect();
            assert_eq!(offsets, expected);
            picked.extend(ours);
            if !may_scan || picked.len() == max {
                break;
            }
            let end = self.ours.next_scan().plus(SCANNED).min(self.end());
            self.scan(end);
        }
        for hold in &picked {
            let message = &mut self.reference.messages[hold.offset.0 as usize];
            assert_eq!(hold.receives, message.receives);
            message.status = if goes { Status::Done } else { Status::Waiting };
            if goes {
                self.ours.finish(hold.offset);
            }
        }
        self.ours.restore_dead(&picked);
    }

    /// Whether there were dead letters.
    fn check_picked(&mut self, picked: Picked, expected: (Vec<u64>, Vec<u64>)) -> bool {
        let offsets = |holds: &[Hold]| holds.iter().map(|hold| hold.offset.0).collect::<Vec<_>>();
        let (live, dead) = expected;
        assert_eq!(offsets(&picked.live), live);
        assert_eq!(offsets(&picked.dead), dead);
        for hold in &picked.live {
            let message = &self.reference.messages[hold.offset.0 as usize];
            assert_eq!(
                (hold.receives, hold.first_received),
                (message.receives, message.first_received)
            );
            self.receipts.push(Receipt {
                offset: hold.offset,
                receives: hold.receives,
            });
        }
        let is_dead = !picked.dead.is_empty();
        self.last_pick.extend(picked.live);
        is_dead
    }

    fn hide(&mut self, which: u8, after: Duration) {
        let Some(receipt) = self.some(which) else {
            return;
        };
        let standing = self.reference.standing(receipt);
        let until = self.now.plus(after);
        let outcome = self.ours.set_visibility(receipt, until);
        if standing == Standing::Current {
            assert!(outcome.is_ok());
            self.reference.messages[receipt.offset.0 as usize].status = Status::InFlight(until);
            self.advance();
        } else {
            assert_eq!(outcome, Err(standing));
        }
    }

    fn undo(&mut self) {
        let picks = std::mem::take(&mut self.last_pick);
        self.ours.undo(&picks);
        for pick in picks {
            let message = &mut self.reference.messages[pick.offset.0 as usize];
            if message.status != Status::Done && message.receives == pick.receives {
                message.receives -= 1;
                if message.status.is_in_flight() {
                    message.status = Status::Waiting;
                }
            }
        }
        // Nobody got these receipts.
        let messages = &self.reference.messages;
        self.receipts
            .retain(|receipt| receipt.receives <= messages[receipt.offset.0 as usize].receives);
    }

    /// What lasts goes on; the log is looked at again from the first message that is not done with.
    fn restart(&mut self) {
        let (done, holds) = self.ours.lasting();
        let mut again = State::new(self.reference.policy, Offset::ZERO);
        for (start, end) in done {
            again.absorb(start, end);
        }
        for hold in holds {
            again.restore(hold, self.now);
        }
        self.last_pick.clear();
        for message in &mut self.reference.messages {
            if matches!(message.status, Status::HeldBack(_)) {
                message.status = Status::Waiting;
            }
        }
        let reference = &mut self.reference;
        for message in &mut reference.messages {
            message.is_known = message.receives > 0;
        }
        reference.scanned = 0;
        reference.turns.clear();
        reference.turn = 0;
        reference.line_up();
        self.ours = again;
        self.advance();
        // Order that is no promise depends on what is looked at.
        if self.reference.policy.order == Order::Fair {
            self.scan(self.end());
        }
    }

    fn check(&self) {
        let reference = &self.reference;
        let counts = self.ours.counts(self.end());
        assert_eq!(counts.in_flight, reference.in_flight());
        let left = |is: fn(&Message) -> bool| {
            let all = reference.messages.iter();
            let left = all.filter(|message| message.status != Status::Done);
            left.filter(|message| is(message)).count() as u64
        };
        let is_delayed =
            |message: &Message| message.is_known && matches!(message.status, Status::Delayed(_));
        assert_eq!(counts.delayed, left(is_delayed));
        // Those not looked at are taken to be visible.
        let is_visible = |message: &Message| !message.is_known || message.status == Status::Waiting;
        assert_eq!(counts.visible, left(is_visible));
        let spent = reference
            .messages
            .iter()
            .filter(|message| reference.is_spent(message));
        assert_eq!(self.ours.spent.len(), spent.count());
        let first = reference
            .messages
            .iter()
            .position(|message| message.status != Status::Done);
        let base = first.map_or(self.end(), |first| Offset(first as u64));
        assert_eq!(self.ours.base(), base);
        for &receipt in &self.receipts {
            assert_eq!(
                self.ours.standing(receipt),
                reference.standing(receipt),
                "{receipt:?}"
            );
        }
        assert_eq!(
            self.ours.timers.len() as u64,
            counts.in_flight + counts.delayed
        );
        assert_eq!(
            self.ours.held.len() as u64,
            left(|message| message.is_known)
        );
    }
}

fn run(order: Order, events: Vec<Event>) {
    let mut pair = Pair::new(order);
    for event in events {
        pair.apply(event);
        pair.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn strict_order_is_that_of_the_reference(events in events()) {
        // A message without a group is a group of its own only where order is not strict.
        let events = events.into_iter().map(|event| match event {
            Event::Arrive(arrivals) => Event::Arrive(
                arrivals.into_iter().map(|(delay, group)| (delay, group.or(Some(9)))).collect(),
            ),
            event => event,
        });
        run(Order::Grouped, events.collect());
    }

    #[test]
    fn fair_order_is_that_of_the_reference(events in events()) {
        run(Order::Fair, events);
    }
}
