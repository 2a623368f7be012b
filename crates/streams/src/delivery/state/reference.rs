//! The machine against a reference that knows every message and looks at all of them each time.

use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp(1_000_000);

#[derive(Clone, Copy, PartialEq, Debug)]
enum Status {
    Waiting,
    Delayed(Timestamp),
    InFlight(Timestamp),
    Done,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    arrival: Arrival,
    status: Status,
    receives: u32,
    first_received: Timestamp,
}

/// Messages by their offsets.
struct Reference {
    policy: Policy,
    messages: Vec<Message>,
}

impl Reference {
    fn advance(&mut self, now: Timestamp) {
        for message in &mut self.messages {
            if let Status::Delayed(until) | Status::InFlight(until) = message.status
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
        self.count(|status| matches!(status, Status::InFlight(_)))
    }

    /// Strict order: all earlier ones of the group are done with, or went out just now.
    fn may_go(&self, at: usize, just_now: &[usize]) -> bool {
        let group = self.messages[at].arrival.group;
        self.messages[at].status == Status::Waiting
            && (0..at).all(|earlier| {
                let message = &self.messages[earlier];
                message.arrival.group != group
                    || message.status == Status::Done
                    || just_now.contains(&earlier)
            })
    }

    fn next(&self, just_now: &[usize]) -> Option<usize> {
        let all = 0..self.messages.len();
        if self.policy.order == Order::Fair {
            let rank = |at: &usize| {
                let group = self.messages[*at].arrival.group;
                let is_busy = |message: &&Message| {
                    message.arrival.group == group && matches!(message.status, Status::InFlight(_))
                };
                let busy = group.map_or(0, |_| self.messages.iter().filter(is_busy).count());
                (busy / 10, *at)
            };
            return all
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
        follower.or_else(|| all.clone().find(|at| self.may_go(*at, &[])))
    }

    fn pick(&mut self, max: usize, visibility: Duration, now: Timestamp) -> (Vec<u64>, Vec<u64>) {
        let (mut live, mut dead) = (Vec::new(), Vec::new());
        // Those of one group that went out one after the other.
        let mut run: Vec<usize> = Vec::new();
        while live.len() < max && dead.len() < max {
            let Some(at) = self.next(&run) else { break };
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
                continue;
            }
            if self
                .policy
                .max_receives
                .is_some_and(|most| message.receives >= most)
            {
                message.status = Status::InFlight(now.plus(DEAD_FOR));
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
            let group = message.arrival.group;
            run.retain(|last| self.messages[*last].arrival.group == group);
            run.push(at);
        }
        (live, dead)
    }

    fn standing(&self, receipt: Receipt) -> Standing {
        let message = &self.messages[receipt.offset.0 as usize];
        match message.status {
            Status::Done => Standing::Gone,
            _ if receipt.receives < message.receives => Standing::Stale,
            Status::InFlight(_) => Standing::Current,
            Status::Waiting | Status::Delayed(_) => Standing::Lapsed,
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    Arrive(Vec<(u8, Option<u8>)>),
    Pick(u8, u8),
    Finish(u8),
    Hide(u8, u8),
    Pass(u8),
    Undo,
    Purge(u8),
    MaxReceives(Option<u8>),
    Retention(Option<u8>),
    InFlightMax(u8),
    Restart,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let arrivals = proptest::collection::vec((0u8..20, proptest::option::of(0u8..4)), 1..20);
    let event = prop_oneof![
        4 => arrivals.prop_map(Event::Arrive),
        8 => (1u8..12, 0u8..60).prop_map(|(max, visibility)| Event::Pick(max, visibility)),
        6 => any::<u8>().prop_map(Event::Finish),
        3 => (any::<u8>(), 0u8..60).prop_map(|(which, after)| Event::Hide(which, after)),
        5 => (0u8..40).prop_map(Event::Pass),
        1 => Just(Event::Undo),
        1 => any::<u8>().prop_map(Event::Purge),
        1 => proptest::option::of(1u8..4).prop_map(Event::MaxReceives),
        1 => proptest::option::of(20u8..200).prop_map(Event::Retention),
        1 => (1u8..40).prop_map(Event::InFlightMax),
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

    fn apply(&mut self, event: Event) {
        let policy = self.reference.policy;
        match event {
            Event::Arrive(arrivals) => self.arrive(&arrivals),
            Event::Pick(max, visibility) => self.pick(max.into(), seconds(visibility)),
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
            Event::Restart => self.restart(),
        }
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
        for &arrival in &arrivals {
            let status = if arrival.due > self.now {
                Status::Delayed(arrival.due)
            } else {
                Status::Waiting
            };
            self.reference.messages.push(Message {
                arrival,
                status,
                receives: 0,
                first_received: Timestamp::default(),
            });
        }
        let placed = (start.0..).map(Offset).zip(arrivals);
        self.ours.arrive(self.end(), placed, self.now);
    }

    fn pick(&mut self, max: usize, visibility: Duration) {
        self.advance();
        let picked = self.ours.pick(max, visibility, false, self.now);
        let offsets = |holds: &[Hold]| holds.iter().map(|hold| hold.offset.0).collect::<Vec<_>>();
        let (live, dead) = self.reference.pick(max, visibility, self.now);
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
        self.last_pick = picked.live;
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
            if matches!(message.status, Status::InFlight(_)) && message.receives == pick.receives {
                message.status = Status::Waiting;
                message.receives -= 1;
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
        // Held back to be moved and received by nobody: a crash forgets it.
        for message in &mut self.reference.messages {
            if matches!(message.status, Status::InFlight(_)) && message.receives == 0 {
                message.status = Status::Waiting;
            }
        }
        let messages = self.reference.messages.iter().enumerate();
        let log: Vec<_> = messages
            .map(|(offset, message)| (Offset(offset as u64), message.arrival))
            .collect();
        again.arrive(self.end(), log, self.now);
        self.ours = again;
        self.advance();
    }

    fn check(&self) {
        let reference = &self.reference;
        let counts = self.ours.counts(self.end());
        assert_eq!(counts.in_flight, reference.in_flight());
        let delayed = reference.count(|status| matches!(status, Status::Delayed(_)));
        assert_eq!(counts.delayed, delayed);
        assert_eq!(
            counts.visible,
            reference.count(|status| status == Status::Waiting)
        );
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
            counts.visible + counts.in_flight + counts.delayed
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
