//! What must be true of the queue, by a naive model: every message in one map, every question answered by looking at all.

use std::collections::{BTreeMap, BTreeSet};

use model::{Offset, Timestamp};
use streams::delivery::{Delivered, Lies, Order, Receipt, Standing};

use super::ledger::{self, Letter};

/// Receipts kept to be used once more, the newest.
const RECEIPTS_MAX: usize = 64;

/// Which of a request and its effects; grows by one with each.
pub(super) type Op = u64;

/// What a receive made of a message, or a change of its visibility.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Version {
    pub(super) receives: u32,
    pub(super) first_received: Timestamp,
    pub(super) until: Timestamp,
    /// Whether the queue promised to write it down. What holds a dead letter back may be forgotten.
    pub(super) is_written: bool,
}

impl Version {
    fn lies(&self, letter: &Letter, now: Timestamp) -> Lies {
        let (until, is_received) = match self.receives {
            0 => (letter.due(), false),
            _ => (self.until, true),
        };
        match (until > now, is_received) {
            (false, _) => Lies::Visible,
            (true, true) => Lies::InFlight { until },
            (true, false) => Lies::Delayed { until },
        }
    }
}

/// A message that is not known to be done with.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) letter: Letter,
    /// Its place, once that is known.
    pub(super) at: Option<Offset>,
    /// What may be found of it after a crash: what was surely written, then all that followed.
    versions: Vec<Version>,
    /// As the queue has it now.
    pub(super) receives: u32,
    /// Until when nobody else may get it.
    pub(super) held_until: Timestamp,
    /// While it is being moved: until when it was held before.
    pub(super) moving: Option<Timestamp>,
}

/// What makes messages done with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Finish {
    /// An acknowledgement.
    These(Vec<u64>),
    /// A move to the other log.
    Moved(Vec<u64>),
    /// A purge: all before.
    Below(Offset),
}

/// What is on the disk after a crash.
#[derive(Debug)]
pub(super) struct Found {
    /// The log of messages: where it starts, and what is in it.
    pub(super) start: Offset,
    pub(super) log: BTreeMap<u64, Offset>,
    /// What was moved, and by which move.
    pub(super) copies: BTreeMap<u64, Op>,
    /// What is not done with, by the queue.
    pub(super) open: BTreeMap<u64, (Receipt, Timestamp, Lies)>,
    pub(super) now: Timestamp,
}

/// What happened, counted: a test must see that all of it does.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) acknowledged: u64,
    pub(super) moved: u64,
    pub(super) purged: u64,
    pub(super) hidden: u64,
    pub(super) refused: u64,
    pub(super) abandoned: u64,
    pub(super) poisoned: u64,
    pub(super) cut: u64,
    pub(super) lost: u64,
    pub(super) kept: u64,
    pub(super) forgotten: u64,
    pub(super) drained: u64,
}

impl Counts {
    pub(crate) fn listed(&self) -> [(&'static str, u64); 14] {
        [
            ("messages sent", self.sent),
            ("messages received", self.received),
            ("messages acknowledged", self.acknowledged),
            ("messages moved", self.moved),
            ("purges", self.purged),
            ("visibilities set", self.hidden),
            ("requests refused", self.refused),
            ("requests abandoned", self.abandoned),
            ("journals poisoned", self.poisoned),
            ("queues' journals cut", self.cut),
            ("unanswered requests lost", self.lost),
            ("unanswered requests kept", self.kept),
            ("receives forgotten", self.forgotten),
            ("messages drained from copies", self.drained),
        ]
    }
}

/// The model.
#[derive(Debug)]
pub(super) struct Model {
    order: Order,
    next: u64,
    pub(super) letters: BTreeMap<u64, Known>,
    /// Answered as done with: never to be seen again.
    done: BTreeSet<u64>,
    /// Answered as moved.
    moved: BTreeSet<u64>,
    /// Answered as purged: all before, those among them whose place is not known yet.
    purged: Offset,
    sends: BTreeMap<Op, Vec<u64>>,
    finishes: BTreeMap<Op, Finish>,
    /// Moves that failed, as their messages told before they did.
    failed: BTreeSet<Op>,
    /// What was given to receivers.
    pub(super) receipts: Vec<(u64, Receipt)>,
}

impl Model {
    pub(super) fn new(order: Order) -> Model {
        Model {
            order,
            next: 0,
            letters: BTreeMap::new(),
            done: BTreeSet::new(),
            moved: BTreeSet::new(),
            purged: Offset::ZERO,
            sends: BTreeMap::new(),
            finishes: BTreeMap::new(),
            failed: BTreeSet::new(),
            receipts: Vec::new(),
        }
    }

    pub(super) fn is_grouped(&self) -> bool {
        self.order == Order::Grouped
    }

    pub(super) fn next_op(&mut self) -> Op {
        self.next += 1;
        self.next
    }

    /// The number of a letter to be sent.
    pub(super) fn next_number(&mut self) -> u64 {
        self.next_op()
    }

    /// Whether it was answered as done with.
    pub(super) fn is_done(&self, number: u64) -> bool {
        self.done.contains(&number)
    }

    pub(super) fn ask_send(&mut self, op: Op, letters: &[Letter]) {
        for &letter in letters {
            let known = Known {
                letter,
                at: None,
                versions: vec![Version {
                    receives: 0,
                    first_received: Timestamp::default(),
                    until: Timestamp::default(),
                    is_written: true,
                }],
                receives: 0,
                held_until: letter.due(),
                moving: None,
            };
            self.letters.insert(letter.number, known);
        }
        let numbers = letters.iter().map(|letter| letter.number);
        self.sends.insert(op, numbers.collect());
    }

    /// A send was answered: with the place of its first, or with certain failure.
    pub(super) fn on_sent(&mut self, op: Op, base: Option<Offset>) {
        let numbers = self.sends.remove(&op).expect("asked once");
        for (place, number) in (0..).zip(numbers) {
            match base {
                Some(base) => self.place(number, base.plus(place)),
                None => {
                    let refused = self.letters.remove(&number);
                    assert_eq!(refused.and_then(|known| known.at), None, "{number}");
                }
            }
        }
    }

    fn place(&mut self, number: u64, at: Offset) {
        if let Some(known) = self.letters.get_mut(&number) {
            assert_eq!(*known.at.get_or_insert(at), at, "{number} has one place");
        } else {
            // Received and done with before the sender was told.
            assert!(self.done.contains(&number), "{number} was refused");
        }
        if at < self.purged && self.letters.remove(&number).is_some() {
            self.done.insert(number);
        }
    }

    pub(super) fn ask_finish(&mut self, op: Op, finish: Finish) {
        if let Finish::Moved(numbers) = &finish {
            for number in numbers {
                self.letters.get_mut(number).expect("known").hold_back();
            }
        }
        self.finishes.insert(op, finish);
    }

    /// A finish was answered: done for ever, or as it was.
    pub(super) fn on_finished(&mut self, op: Op, is_done: bool) {
        if !is_done && self.failed.remove(&op) {
            return;
        }
        let finish = self.finishes.remove(&op).expect("asked once");
        let numbers = self.numbers(&finish);
        for number in &numbers {
            if is_done {
                self.letters.remove(number);
                self.done.insert(*number);
            } else if let Some(known) = self.letters.get_mut(number)
                && let Finish::Moved(_) = finish
            {
                known.held_until = known.moving.take().expect("held back");
            }
        }
        match finish {
            Finish::Moved(numbers) if is_done => self.moved.extend(numbers),
            Finish::Below(end) if is_done => self.purged = self.purged.max(end),
            _ => {}
        }
    }

    fn numbers(&self, finish: &Finish) -> Vec<u64> {
        match finish {
            Finish::These(numbers) | Finish::Moved(numbers) => numbers.clone(),
            Finish::Below(end) => {
                let is_below = |known: &Known| known.at.is_some_and(|at| at < *end);
                let below = self.letters.iter().filter(|(_, known)| is_below(known));
                below.map(|(number, _)| *number).collect()
            }
        }
    }

    /// Whether somebody asked for it to be done with, and was not answered.
    fn may_be_done(&self, number: u64) -> bool {
        let mut finishes = self.finishes.values();
        finishes.any(|finish| self.numbers(finish).contains(&number))
    }

    /// Nobody waits for an answer any more. A move goes on by itself, and if it fails its messages are let go.
    pub(super) fn on_abandoned(&mut self, op: Op) {
        self.failed.remove(&op);
        let Some(Finish::Moved(numbers)) = self.finishes.get(&op) else {
            return;
        };
        for number in numbers {
            if let Some(known) = self.letters.get_mut(number)
                && let Some(before) = known.moving
            {
                known.held_until = before;
            }
        }
    }

    /// A receive gave these, each to be held for as long.
    pub(super) fn on_given(&mut self, given: &[Delivered], until: Timestamp, now: Timestamp) {
        let mut before: Vec<u64> = Vec::new();
        for delivered in given {
            let (number, receipt) = self.must_be_free(delivered, now);
            self.must_be_in_order(number, &before);
            let known = self.letters.get_mut(&number).expect("known");
            assert_eq!(receipt.receives, known.receives + 1, "receives of {number}");
            known.receives = receipt.receives;
            known.hold(until, delivered.first_received, true);
            self.receipts.push((number, receipt));
            before.push(number);
        }
        let extra = self.receipts.len().saturating_sub(RECEIPTS_MAX);
        self.receipts.drain(..extra);
    }

    /// A receive gave these up, each to be held back for as long.
    pub(super) fn on_given_up(&mut self, dead: &[Delivered], until: Timestamp, now: Timestamp) {
        for delivered in dead {
            let (number, receipt) = self.must_be_free(delivered, now);
            let known = self.letters.get_mut(&number).expect("known");
            assert_eq!(receipt.receives, known.receives, "receives of {number}");
            known.hold(until, delivered.first_received, false);
        }
    }

    /// Asserts that what is delivered was sent, is due, is not done with and is held by nobody.
    fn must_be_free(&mut self, delivered: &Delivered, now: Timestamp) -> (u64, Receipt) {
        let record = delivered.record().expect("the batch holds the message");
        let letter = ledger::read(&record);
        let number = letter.number;
        let known = self.letters.get(&number);
        if known.is_some_and(|known| known.moving.is_some()) {
            self.must_have_failed(number);
        }
        let known = self.letters.get_mut(&number);
        let known = known.unwrap_or_else(|| panic!("{number} is done with or was never sent"));
        assert_eq!(known.letter, letter);
        assert_eq!(*known.at.get_or_insert(record.offset), record.offset);
        assert!(
            known.held_until <= now,
            "{number} is held until {}, now is {now}",
            known.held_until
        );
        (number, delivered.receipt)
    }

    /// A message that is being moved goes to nobody: who gets one learns before the mover that the move has failed.
    fn must_have_failed(&mut self, number: u64) {
        let is_it = |finish: &Finish| matches!(finish, Finish::Moved(all) if all.contains(&number));
        let op = self.finishes.iter().find(|(_, finish)| is_it(finish));
        let (&op, _) = op.expect("it is being moved");
        self.on_finished(op, false);
        self.failed.insert(op);
    }

    /// Asserts that all before it in its group are done with, or went out just before it.
    fn must_be_in_order(&self, number: u64, before: &[u64]) {
        if self.order != Order::Grouped {
            return;
        }
        for earlier in self.earlier_of_group(number) {
            assert!(
                before.contains(&earlier) || self.may_be_done(earlier),
                "{number} overtakes {earlier}"
            );
        }
    }

    /// Messages of its group before it that are not known to be done with.
    pub(super) fn earlier_of_group(&self, number: u64) -> impl Iterator<Item = u64> {
        let this = &self.letters[&number];
        let (group, at) = (this.letter.group, this.at);
        let is_earlier =
            move |known: &Known| known.letter.group == group && known.at.is_some() && known.at < at;
        let all = self.letters.iter();
        all.filter(move |(_, known)| is_earlier(known))
            .map(|(number, _)| *number)
    }

    /// The visibility of a message was set, or refused.
    pub(super) fn on_hidden(
        &mut self,
        number: u64,
        receipt: Receipt,
        outcome: Result<(), Standing>,
        until: Timestamp,
        now: Timestamp,
    ) {
        let known = self.letters.get(&number);
        if outcome.is_ok() && known.is_some_and(|known| known.moving.is_some()) {
            self.must_have_failed(number);
        }
        let may_be_done = self.may_be_done(number);
        let Some(known) = self.letters.get_mut(&number) else {
            assert_eq!(outcome, Err(Standing::Gone), "{number} is done with");
            return;
        };
        // It may be held by a move that nobody waits for.
        let is_unclear = known
            .moving
            .is_some_and(|before| known.held_until == before);
        let expected = if receipt.receives < known.receives {
            Err(Standing::Stale)
        } else if known.held_until <= now || known.moving.is_some() {
            Err(Standing::Lapsed)
        } else {
            Ok(())
        };
        let is_gone = outcome == Err(Standing::Gone) && may_be_done;
        assert!(
            is_gone || is_unclear || outcome == expected,
            "{number}: {outcome:?}"
        );
        if outcome.is_ok() {
            let first_received = known.versions.last().expect("one at least").first_received;
            known.hold(until, first_received, true);
        }
    }

    /// All that was given by now is written down.
    pub(super) fn on_written(&mut self) {
        for known in self.letters.values_mut() {
            let written = known
                .versions
                .iter()
                .rposition(|version| version.is_written);
            known.versions.drain(..written.unwrap_or(0));
        }
    }

    /// Messages waiting, in flight and delayed; none may be uncertain.
    pub(super) fn totals(&self, now: Timestamp) -> Option<(u64, u64, u64)> {
        if !self.finishes.is_empty() || !self.sends.is_empty() {
            return None;
        }
        let (mut visible, mut in_flight, mut delayed) = (0, 0, 0);
        for known in self.letters.values() {
            match (known.held_until > now, known.is_held()) {
                (false, _) => visible += 1,
                (true, true) => in_flight += 1,
                (true, false) => delayed += 1,
            }
        }
        Some((visible, in_flight, delayed))
    }

    /// Holds what is found against what was promised; goes on with what is found.
    pub(super) fn audit(&mut self, found: &Found, counts: &mut Counts) {
        self.find_sends(found, counts);
        for (number, known) in &self.letters {
            let at = known.at.expect("places are known by now");
            let place = found.log.get(number).copied();
            assert!(
                at < found.start || place == Some(at),
                "{number} was sent to {at} and is at {place:?}"
            );
        }
        self.find_finishes(found, counts);
        for (number, (receipt, first_received, lies)) in &found.open {
            let known = self.letters.get_mut(number);
            let known = known.unwrap_or_else(|| panic!("{number} comes back"));
            assert_eq!(known.at, Some(receipt.offset));
            let is_it = |version: &&Version| {
                (version.receives, version.first_received) == (receipt.receives, *first_received)
                    && version.lies(&known.letter, found.now) == *lies
            };
            let version = known.versions.iter().rfind(is_it);
            let version = *version.unwrap_or_else(|| {
                panic!("{number} is {receipt:?}, {first_received}, {lies:?}: {known:?}")
            });
            counts.forgotten += u64::from(Some(&version) != known.versions.last());
            known.versions = vec![version];
            known.receives = version.receives;
            known.held_until = match lies {
                Lies::Visible => Timestamp::default(),
                Lies::Delayed { until } | Lies::InFlight { until } => *until,
            };
            known.moving = None;
        }
    }

    /// Unanswered sends are there whole, or not at all. Some of one may be done with and gone since.
    fn find_sends(&mut self, found: &Found, counts: &mut Counts) {
        for numbers in std::mem::take(&mut self.sends).into_values() {
            let places: Vec<Option<Offset>> = numbers
                .iter()
                .map(|number| found.log.get(number).copied())
                .collect();
            let first = places.iter().position(Option::is_some);
            let present = &places[first.unwrap_or(places.len())..];
            let follow = |pair: &[Option<Offset>]| pair[0].map(|at| at.plus(1)) == pair[1];
            assert!(present.windows(2).all(follow), "torn: {places:?}");
            if first.is_some_and(|first| first > 0) {
                assert_eq!(present[0], Some(found.start), "torn: {places:?}");
            }
            counts.kept += u64::from(first.is_some());
            counts.lost += u64::from(first.is_none());
            for (number, place) in numbers.into_iter().zip(places) {
                match place {
                    Some(at) => self.place(number, at),
                    // One that was received has a place, and is judged by that.
                    None if self.letters.get(&number).is_some_and(|it| it.at.is_none()) => {
                        self.letters.remove(&number);
                    }
                    None => {}
                }
            }
        }
    }

    /// Unanswered finishes hold whole, or not at all; nothing else is done with but what was answered so.
    fn find_finishes(&mut self, found: &Found, counts: &mut Counts) {
        let mut explained: BTreeSet<u64> = BTreeSet::new();
        let mut copied = self.moved.clone();
        for (op, finish) in std::mem::take(&mut self.finishes) {
            let numbers = self.numbers(&finish);
            let is_done = match &finish {
                Finish::Moved(numbers) => {
                    let count = numbers
                        .iter()
                        .filter(|number| found.copies.get(number) == Some(&op))
                        .count();
                    assert!(
                        count == 0 || count == numbers.len(),
                        "a move of {numbers:?} made {count} copies"
                    );
                    if count > 0 {
                        copied.extend(numbers);
                    }
                    count > 0
                }
                _ => !numbers.iter().any(|number| found.open.contains_key(number)),
            };
            counts.kept += u64::from(is_done);
            counts.lost += u64::from(!is_done);
            if is_done {
                explained.extend(numbers);
            }
        }
        let copies: BTreeSet<u64> = found.copies.keys().copied().collect();
        assert_eq!(copies, copied, "what was moved");
        self.moved = copied;
        let is_open = |number: &u64| found.open.contains_key(number);
        for number in self.letters.keys() {
            let (is_open, is_explained) = (is_open(number), explained.contains(number));
            assert!(
                is_open || is_explained,
                "{number} is lost: {:?}",
                self.letters[number]
            );
            assert!(
                !(is_open && self.moved.contains(number)),
                "{number} was moved and is there"
            );
        }
        let done = self.letters.extract_if(.., |number, _| !is_open(number));
        self.done.extend(done.map(|(number, _)| number));
    }
}

impl Known {
    fn hold(&mut self, until: Timestamp, first_received: Timestamp, is_written: bool) {
        self.held_until = until;
        self.versions.push(Version {
            receives: self.receives,
            first_received,
            until,
            is_written,
        });
    }

    /// It is being moved: held from everybody, and after a crash by nobody.
    fn hold_back(&mut self) {
        let first_received = self.versions.last().expect("one at least").first_received;
        self.moving = Some(self.held_until);
        self.hold(Timestamp::default(), first_received, false);
        self.held_until = Timestamp(i64::MAX);
    }

    /// Whether it was received, or is held back, rather than delayed.
    fn is_held(&self) -> bool {
        self.versions.len() > 1 || self.receives > 0
    }
}
