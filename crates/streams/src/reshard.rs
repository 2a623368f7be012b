//! Resharding as a plan: which shards close and which open. Pure; carried out in one transaction, however many shards it is.
//! Shards can also be added in place, beside those that are open ([`Planner::grow`]): what Kafka does.
//!
//! A child is made of one or two parents, as the API has room for two. Where a new range lies over more, shards that are
//! closed as soon as they are made stand between: a reader that takes parents before children keeps every key's order.

use std::collections::BTreeMap;

use model::{HashKey, HashRange, Timestamp};

use crate::topology::{Shard, Topology};

/// How far from its even place a boundary may lie, in keys: so far do those of two counts differ by rounding at most.
const ROUNDING: u128 = 1 << 32;

/// What a resharding does.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    /// Shards that stop taking records.
    pub closes: Vec<u32>,
    /// New shards, some of them closed already. Numbers and generations follow on from the stream's.
    pub opens: Vec<Shard>,
    /// Open shards that go on with another part of the ring.
    pub moves: Vec<(u32, HashRange)>,
    /// The stream's generation afterwards.
    pub generation: u64,
}

/// Why shards can't be divided so.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReshardError {
    /// There is no such shard.
    #[error("there is no shard {0}")]
    NoSuchShard(u32),
    /// It takes no records any more.
    #[error("shard {0} is closed")]
    Closed(u32),
    /// The second half would start outside the shard, or the first be empty.
    #[error("a new range of shard {shard} can't start at {start}")]
    OutsideRange {
        /// The shard.
        shard: u32,
        /// What was asked.
        start: HashKey,
    },
    /// The shards don't touch.
    #[error("shards {0} and {1} are not adjacent")]
    NotAdjacent(u32, u32),
    /// No shards is no stream.
    #[error("a stream has at least one shard")]
    NoShards,
}

/// Makes plans for one stream.
#[derive(Debug)]
pub struct Planner<'a> {
    topology: &'a Topology,
    generation: u64,
    next_shard: u32,
    now: Timestamp,
}

impl<'a> Planner<'a> {
    /// For a stream with these shards, at its generation and next shard number.
    #[must_use]
    pub fn new(
        topology: &'a Topology,
        generation: u64,
        next_shard: u32,
        now: Timestamp,
    ) -> Planner<'a> {
        Planner {
            topology,
            generation,
            next_shard,
            now,
        }
    }

    /// Divides `shard` in two, the second part beginning at `start`.
    ///
    /// # Errors
    /// Where there is no such open shard or `start` lies outside.
    pub fn split(self, shard: u32, start: HashKey) -> Result<Plan, ReshardError> {
        let parent = self.open(shard)?;
        let halves = parent
            .range
            .split_at(start)
            .ok_or(ReshardError::OutsideRange { shard, start })?;
        Ok(self.replace(&[parent], &[halves.0, halves.1]))
    }

    /// Makes one of two that touch.
    ///
    /// # Errors
    /// Where either is not open or they don't touch.
    pub fn merge(self, shard: u32, other: u32) -> Result<Plan, ReshardError> {
        let (first, second) = (self.open(shard)?, self.open(other)?);
        let range = first
            .range
            .join(&second.range)
            .ok_or(ReshardError::NotAdjacent(shard, other))?;
        let mut plan = self.replace(&[first, second], &[range]);
        // The shard that was named first is the parent, the other the adjacent one.
        plan.opens[0].parents = vec![shard, other];
        Ok(plan)
    }

    /// Divides the ring evenly in `count`, to within rounding: a boundary that is there already stays where it is, so that twice
    /// as many shards are halves and half as many are pairs. Shards that are so already stay.
    ///
    /// # Errors
    /// For a count of 0.
    pub fn uniform(self, count: u32) -> Result<Plan, ReshardError> {
        if count == 0 {
            return Err(ReshardError::NoShards);
        }
        let open: BTreeMap<HashKey, &Shard> = self
            .topology
            .open_shards()
            .map(|s| (s.range.first, s))
            .collect();
        let wanted = settle(HashRange::even(count), &open);
        let stays = |range: &HashRange| {
            open.get(&range.first)
                .is_some_and(|shard| shard.range == *range)
        };
        let new: Vec<HashRange> = wanted
            .iter()
            .filter(|range| !stays(range))
            .copied()
            .collect();
        let kept: Vec<HashKey> = wanted
            .iter()
            .filter(|range| stays(range))
            .map(|range| range.first)
            .collect();
        let parents: Vec<_> = self
            .topology
            .open_shards()
            .filter(|s| kept.binary_search(&s.range.first).is_err())
            .collect();
        Ok(self.replace(&parents, &new))
    }

    /// Adds `count` open shards. Those that are open stay so, with their numbers, logs and generations; all of them together
    /// divide the ring evenly, the new ones at its end. A key may move from one open shard to another, which no parent tells
    /// of: only who reads without regard to lineage, as Kafka's clients do, asks for this. The new ones count as opened when
    /// the oldest was: who begins in the past finds shards for the whole ring there.
    #[must_use]
    pub fn grow(mut self, count: u32) -> Plan {
        let open: Vec<u32> = self
            .topology
            .open_shards()
            .map(|shard| shard.index)
            .collect();
        let all = u32::try_from(open.len())
            .unwrap_or(u32::MAX)
            .saturating_add(count);
        let mut ranges = HashRange::even(all).into_iter();
        let moves = open.into_iter().zip(ranges.by_ref()).collect();
        let generation = self.generation + 1;
        let opened = self.topology.open_shards().map(|shard| shard.opened).min();
        let opened = opened.unwrap_or(self.now);
        let opens = ranges
            .map(|range| Shard {
                opened,
                ..self.make(range, Vec::new(), generation, None)
            })
            .collect();
        Plan {
            closes: Vec::new(),
            opens,
            moves,
            generation,
        }
    }

    fn open(&self, index: u32) -> Result<&'a Shard, ReshardError> {
        let shard = self
            .topology
            .get(index)
            .ok_or(ReshardError::NoSuchShard(index))?;
        if shard.is_open() {
            Ok(shard)
        } else {
            Err(ReshardError::Closed(index))
        }
    }

    /// Closes `parents`, which lie in ring order, and opens `ranges`, which cover the same keys in ring order.
    fn replace(mut self, parents: &[&Shard], ranges: &[HashRange]) -> Plan {
        let mut plan = Plan::default();
        let mut parents_left = parents;
        let mut finals = Vec::with_capacity(ranges.len());
        for range in ranges {
            let before = parents_left.partition_point(|parent| parent.range.last < range.first);
            parents_left = &parents_left[before..];
            let over = parents_left.partition_point(|parent| parent.range.first <= range.last);
            let lineage = parents_left[..over]
                .iter()
                .map(|parent| (parent.index, parent.range))
                .collect();
            finals.push((*range, self.reduce(lineage, range, &mut plan.opens)));
        }
        // Intermediate shards take the generations before; the final ones one above all of them.
        let top = plan
            .opens
            .iter()
            .map(|shard| shard.generation)
            .max()
            .unwrap_or(self.generation)
            + 1;
        for (range, parents) in finals {
            let shard = self.make(range, parents, top, None);
            plan.opens.push(shard);
        }
        plan.closes = parents.iter().map(|parent| parent.index).collect();
        plan.generation = top;
        plan
    }

    /// Brings a row of parents down to two by putting closed shards between.
    fn reduce(
        &mut self,
        mut row: Vec<(u32, HashRange)>,
        within: &HashRange,
        between: &mut Vec<Shard>,
    ) -> Vec<u32> {
        let mut generation = self.generation;
        while row.len() > 2 {
            generation += 1;
            let mut next = Vec::with_capacity(row.len().div_ceil(2));
            for pair in row.chunks(2) {
                let (Some(first), Some(last)) = (pair.first(), pair.last()) else {
                    continue;
                };
                if pair.len() == 1 {
                    next.push(*first);
                    continue;
                }
                let range = HashRange {
                    first: first.1.first.max(within.first),
                    last: last.1.last.min(within.last),
                };
                let shard = self.make(range, vec![first.0, last.0], generation, Some(self.now));
                next.push((shard.index, range));
                between.push(shard);
            }
            row = next;
        }
        row.into_iter().map(|(index, _)| index).collect()
    }

    fn make(
        &mut self,
        range: HashRange,
        parents: Vec<u32>,
        generation: u64,
        closed: Option<Timestamp>,
    ) -> Shard {
        let index = self.next_shard;
        self.next_shard += 1;
        Shard {
            index,
            range,
            parents,
            generation,
            opened: self.now,
            closed,
            expired: false,
            former: Vec::new(),
        }
    }
}

/// `even` ranges with each boundary moved to an open shard's start that is next to it. Even boundaries are 2^96 keys apart at
/// least, so that no two move to one place.
fn settle(even: Vec<HashRange>, open: &BTreeMap<HashKey, &Shard>) -> Vec<HashRange> {
    let mut ranges = even;
    for index in 1..ranges.len() {
        let HashKey(start) = ranges[index].first;
        let near =
            HashKey(start.saturating_sub(ROUNDING))..=HashKey(start.saturating_add(ROUNDING));
        let nearest = open
            .range(near)
            .map(|(key, _)| *key)
            .min_by_key(|key| key.0.abs_diff(start));
        if let Some(settled) = nearest {
            ranges[index].first = settled;
            ranges[index - 1].last = HashKey(settled.0 - 1);
        }
    }
    ranges
}
