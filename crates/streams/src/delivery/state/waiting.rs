//! Messages that may go out, in the order in which they do.

use std::collections::{BTreeSet, HashMap};

use model::Offset;

use crate::delivery::{Group, Order};

/// In flight of one group, to be passed over for the next less busy ones.
const NOISY: u64 = 10;

/// Messages that wait to be delivered, by group.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    order: Order,
    /// Those without a group.
    loose: BTreeSet<Offset>,
    lines: HashMap<Group, Line>,
    /// Groups that may deliver, best first: by [`Line::rank`], then by their oldest message.
    heads: BTreeSet<(u64, Offset, Group)>,
    /// Turns that groups had.
    turns: u64,
    count: usize,
}

/// What is known of a group.
#[derive(Clone, Debug, Default)]
struct Line {
    waiting: BTreeSet<Offset>,
    /// Not yet due. Those behind them wait too where order is strict.
    delayed: BTreeSet<Offset>,
    in_flight: BTreeSet<Offset>,
    /// The turns that groups had when this one delivered last, or came up.
    turn: u64,
    /// As it is in `heads`.
    head: Option<(u64, Offset)>,
}

impl Line {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.delayed.is_empty() && self.in_flight.is_empty()
    }

    /// Where order is strict, groups take turns: those go first that have waited longest since they delivered. Elsewhere those do that
    /// are least busy.
    fn rank(&self, order: Order) -> u64 {
        match order {
            Order::Grouped => self.turn,
            Order::Fair => self.in_flight.len() as u64 / NOISY,
        }
    }

    /// The next to go out. Where order is strict, nothing goes that is behind a message in flight or delayed; but messages up
    /// to `last`, which went out in the same receive, let those after them follow.
    fn next(&self, order: Order, last: Option<Offset>) -> Option<Offset> {
        let first = *self.waiting.first()?;
        if order == Order::Fair {
            return Some(first);
        }
        let after = last.map_or(Offset::ZERO, |last| last.plus(1));
        let is_behind = self.delayed.first().is_some_and(|at| *at < first)
            || self
                .in_flight
                .range(after..)
                .next()
                .is_some_and(|at| *at < first);
        (!is_behind).then_some(first)
    }
}

impl Waiting {
    pub(super) fn new(order: Order) -> Waiting {
        Waiting {
            order,
            loose: BTreeSet::new(),
            lines: HashMap::new(),
            heads: BTreeSet::new(),
            turns: 0,
            count: 0,
        }
    }

    /// How many wait, whether or not they may go out now.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Whether one may go out now.
    pub(super) fn has_next(&self) -> bool {
        !self.loose.is_empty() || !self.heads.is_empty()
    }

    /// Whether all that may go out now are of groups that have much in flight.
    pub(super) fn is_noisy(&self) -> bool {
        self.order == Order::Fair
            && self.loose.is_empty()
            && self.heads.first().is_some_and(|(rank, ..)| *rank > 0)
    }

    /// A message that is not yet due.
    pub(super) fn delay(&mut self, offset: Offset, group: Option<Group>) {
        if let Some(group) = group {
            self.change(group, |line| {
                line.delayed.insert(offset);
            });
        }
    }

    /// A delayed message that is due, or will never be.
    pub(super) fn undelay(&mut self, offset: Offset, group: Option<Group>) {
        if let Some(group) = group {
            self.change(group, |line| {
                line.delayed.remove(&offset);
            });
        }
    }

    /// A message that may go out.
    pub(super) fn add(&mut self, offset: Offset, group: Option<Group>) {
        let is_new = match group {
            None => self.loose.insert(offset),
            Some(group) => self.change(group, |line| line.waiting.insert(offset)),
        };
        self.count += usize::from(is_new);
    }

    /// A message that may no longer go out.
    pub(super) fn remove(&mut self, offset: Offset, group: Option<Group>) {
        let was_there = match group {
            None => self.loose.remove(&offset),
            Some(group) => self.change(group, |line| line.waiting.remove(&offset)),
        };
        self.count -= usize::from(was_there);
    }

    /// A message is in flight.
    pub(super) fn depart(&mut self, offset: Offset, group: Option<Group>) {
        if let Some(group) = group {
            self.change(group, |line| {
                line.in_flight.insert(offset);
            });
        }
    }

    /// A group had its turn.
    pub(super) fn serve(&mut self, group: Option<Group>) {
        if let Some(group) = group {
            self.turns += 1;
            let turn = self.turns;
            self.change(group, |line| line.turn = turn);
        }
    }

    /// A message is no longer in flight.
    pub(super) fn land(&mut self, offset: Offset, group: Option<Group>) {
        if let Some(group) = group {
            self.change(group, |line| {
                line.in_flight.remove(&offset);
            });
        }
    }

    /// The next message to go out, of those that lie before `before`. After the `last` one of a group, where order is strict, the
    /// next of it may follow at once.
    pub(super) fn next(&self, last: Option<(Group, Offset)>, before: Offset) -> Option<Offset> {
        let follower = last
            .filter(|_| self.order == Order::Grouped)
            .and_then(|(group, last)| self.lines.get(&group)?.next(self.order, Some(last)))
            .filter(|offset| *offset < before);
        follower.or_else(|| {
            let loose = self.loose.first().filter(|offset| **offset < before);
            let loose = loose.map(|offset| (0, *offset));
            // A head is the first of its group: where it lies too far on, so does the rest.
            let mut heads = self.heads.iter();
            let grouped = heads.find(|(_, offset, _)| *offset < before);
            let grouped = grouped.map(|(rank, offset, _)| (*rank, *offset));
            let best = match (loose, grouped) {
                (Some(loose), Some(grouped)) => Some(loose.min(grouped)),
                (loose, grouped) => loose.or(grouped),
            };
            best.map(|(_, offset)| offset)
        })
    }

    fn change<T>(&mut self, group: Group, change: impl FnOnce(&mut Line) -> T) -> T {
        let line = self.lines.entry(group).or_insert_with(|| Line {
            turn: self.turns,
            ..Line::default()
        });
        let result = change(line);
        let rank = line.rank(self.order);
        let head = line.next(self.order, None).map(|offset| (rank, offset));
        if head != line.head {
            if let Some((rank, offset)) = line.head {
                self.heads.remove(&(rank, offset, group));
            }
            if let Some((rank, offset)) = head {
                self.heads.insert((rank, offset, group));
            }
            line.head = head;
        }
        if line.is_empty() {
            self.lines.remove(&group);
        }
        result
    }
}
