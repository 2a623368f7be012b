//! How a consumer group's partitions are divided: `uniform`, evenly over all topics and with as few moves as that takes, or
//! `range`, each topic in runs of neighbours, so that partitions of one number meet at one member.

use std::collections::{BTreeMap, BTreeSet};

use model::StreamId;
use serde::{Deserialize, Serialize};

use super::Partitions;
use super::member::{partitions, places};

/// Rounds of evening out where members do not all read the same topics.
const ROUNDS_MAX: usize = 16;

/// A way to divide.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Assignor {
    Uniform,
    Range,
}

/// A member as far as dividing is concerned.
#[derive(Clone, Debug)]
pub(crate) struct Subscriber {
    pub(crate) member: String,
    /// Decides who comes first.
    pub(crate) place: String,
    pub(crate) topics: BTreeSet<StreamId>,
    /// What it was to have until now.
    pub(crate) target: Partitions,
}

/// All partitions of each topic, in order.
pub(crate) type All = BTreeMap<StreamId, Vec<u32>>;

impl Assignor {
    /// The one of that name.
    pub(crate) fn named(name: &str) -> Option<Assignor> {
        match name {
            "uniform" => Some(Assignor::Uniform),
            "range" => Some(Assignor::Range),
            _ => None,
        }
    }

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// What each member is to have.
    pub(crate) fn assign(self, subscribers: &[Subscriber], all: &All) -> Vec<(String, Partitions)> {
        let mut in_order: Vec<&Subscriber> = subscribers.iter().collect();
        in_order.sort_by(|one, other| one.place.cmp(&other.place));
        let shares = match self {
            Assignor::Uniform => uniform(&in_order, all),
            Assignor::Range => range(&in_order, all),
        };
        let members = in_order.iter().map(|one| one.member.clone());
        members.zip(shares.into_iter().map(partitions)).collect()
    }
}

/// A member's partitions.
type Share = BTreeSet<(StreamId, u32)>;

fn range(subscribers: &[&Subscriber], all: &All) -> Vec<Share> {
    let mut shares = vec![Share::new(); subscribers.len()];
    for (&stream, indexes) in all {
        let readers = shares.iter_mut().zip(subscribers);
        let readers: Vec<&mut Share> = readers
            .filter(|(_, one)| one.topics.contains(&stream))
            .map(|(share, _)| share)
            .collect();
        let count = readers.len();
        let mut rest = indexes.iter();
        for (place, reader) in readers.into_iter().enumerate() {
            let run = indexes.len() / count + usize::from(place < indexes.len() % count);
            reader.extend(rest.by_ref().take(run).map(|index| (stream, *index)));
        }
    }
    shares
}

fn uniform(subscribers: &[&Subscriber], all: &All) -> Vec<Share> {
    let mut shares = kept(subscribers, all);
    let topics = subscribers.first().map(|one| &one.topics);
    let all_read_the_same = subscribers.iter().all(|one| Some(&one.topics) == topics);
    if all_read_the_same {
        trim(&mut shares, subscribers, all);
    }
    let given: Share = shares.iter().flatten().copied().collect();
    for (&stream, indexes) in all {
        for place in indexes.iter().map(|index| (stream, *index)) {
            if !given.contains(&place)
                && let Some(least) = least_of_readers(&shares, subscribers, stream)
            {
                shares[least].insert(place);
            }
        }
    }
    if !all_read_the_same {
        even_out(&mut shares, subscribers);
    }
    shares
}

/// What each member had that it can still have, each partition once.
fn kept(subscribers: &[&Subscriber], all: &All) -> Vec<Share> {
    let mut given = Share::new();
    let shares = subscribers.iter().map(|one| {
        let is_there = |(stream, index): &(StreamId, u32)| {
            let indexes = all.get(stream).filter(|_| one.topics.contains(stream));
            indexes.is_some_and(|indexes| indexes.binary_search(index).is_ok())
        };
        let targets = places(&one.target).filter(is_there);
        targets.filter(|place| given.insert(*place)).collect()
    });
    shares.collect()
}

/// Takes from members what they have beyond an even share; those who have most may have the odd ones.
fn trim(shares: &mut [Share], subscribers: &[&Subscriber], all: &All) {
    let Some(topics) = subscribers.first().map(|one| &one.topics) else {
        return;
    };
    let total: usize = topics
        .iter()
        .filter_map(|stream| all.get(stream))
        .map(Vec::len)
        .sum();
    let (each, mut odd) = (total / shares.len(), total % shares.len());
    for share in shares {
        let has_odd = share.len() > each && odd > 0;
        odd -= usize::from(has_odd);
        while share.len() > each + usize::from(has_odd) {
            share.pop_last();
        }
    }
}

fn least_of_readers(
    shares: &[Share],
    subscribers: &[&Subscriber],
    stream: StreamId,
) -> Option<usize> {
    let readers = (0..shares.len()).filter(|&at| subscribers[at].topics.contains(&stream));
    readers.min_by_key(|&at| shares[at].len())
}

/// Moves partitions from members with many to readers of their topic with few.
fn even_out(shares: &mut [Share], subscribers: &[&Subscriber]) {
    for _ in 0..ROUNDS_MAX {
        let mut has_moved = false;
        for from in 0..shares.len() {
            for place in shares[from].clone() {
                let Some(to) = least_of_readers(shares, subscribers, place.0) else {
                    continue;
                };
                if shares[to].len() + 1 < shares[from].len() {
                    shares[from].remove(&place);
                    shares[to].insert(place);
                    has_moved = true;
                }
            }
        }
        if !has_moved {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reader(member: &str, topics: &[u64], target: &[(u64, u32)]) -> Subscriber {
        Subscriber {
            member: member.into(),
            place: member.into(),
            topics: topics.iter().map(|id| StreamId(*id)).collect(),
            target: partitions(target.iter().map(|(id, index)| (StreamId(*id), *index))),
        }
    }

    fn sizes(sizes: &[(u64, u32)]) -> All {
        let all = sizes.iter();
        all.map(|(id, size)| (StreamId(*id), (0..*size).collect()))
            .collect()
    }

    fn check(
        assignor: Assignor,
        readers: &[Subscriber],
        all: &[(u64, u32)],
        expected: &[&[(u64, u32)]],
    ) {
        let shares = assignor.assign(readers, &sizes(all));
        let shares: Vec<Vec<(u64, u32)>> = shares
            .iter()
            .map(|(_, share)| {
                places(share)
                    .map(|(stream, index)| (stream.0, index))
                    .collect()
            })
            .collect();
        assert_eq!(shares, expected);
    }

    #[test]
    fn range_gives_neighbours_and_the_first_get_more() {
        let readers = [reader("a", &[1, 2], &[]), reader("b", &[1], &[])];
        let all = [(1, 3), (2, 1)];
        check(
            Assignor::Range,
            &readers,
            &all,
            &[&[(1, 0), (1, 1), (2, 0)], &[(1, 2)]],
        );
    }

    #[test]
    fn uniform_moves_no_more_than_it_must() {
        let had = [(1, 0), (1, 1), (1, 2), (1, 3)];
        let readers = [reader("a", &[1], &had), reader("b", &[1], &[])];
        check(
            Assignor::Uniform,
            &readers,
            &[(1, 4)],
            &[&[(1, 0), (1, 1)], &[(1, 2), (1, 3)]],
        );
    }

    #[test]
    fn uniform_gives_a_topic_to_its_readers_alone() {
        let readers = [reader("a", &[1, 2], &[]), reader("b", &[2], &[])];
        check(
            Assignor::Uniform,
            &readers,
            &[(1, 2), (2, 2)],
            &[&[(1, 0), (1, 1)], &[(2, 0), (2, 1)]],
        );
    }

    #[test]
    fn nobody_gets_what_is_not_there() {
        check(Assignor::Uniform, &[], &[(1, 2)], &[]);
        let reader = reader("a", &[7], &[(7, 0)]);
        check(
            Assignor::Range,
            std::slice::from_ref(&reader),
            &[(1, 2)],
            &[&[]],
        );
        check(Assignor::Uniform, &[reader], &[(1, 2)], &[&[]]);
    }

    proptest! {
        #[test]
        fn each_partition_has_one_owner_who_reads_it(
            topics in prop::collection::vec(1_u32..9, 1..5),
            readers in prop::collection::vec(prop::collection::btree_set(0_u64..5, 0..5), 0..8),
            is_range: bool,
        ) {
            let all: Vec<(u64, u32)> = (0..).zip(topics).collect();
            let mut readers: Vec<Subscriber> = readers
                .iter()
                .enumerate()
                .map(|(at, topics)| {
                    let topics: Vec<u64> = topics.iter().copied().collect();
                    reader(&format!("m{at}"), &topics, &[])
                })
                .collect();
            let assignor = if is_range { Assignor::Range } else { Assignor::Uniform };
            for _ in 0..2 {
                let shares = assignor.assign(&readers, &sizes(&all));
                for &(stream, size) in &all {
                    let has_reader = readers.iter().any(|one| one.topics.contains(&StreamId(stream)));
                    for index in 0..size {
                        let place = (StreamId(stream), index);
                        let owners: Vec<&String> = shares
                            .iter()
                            .filter(|(_, share)| places(share).any(|one| one == place))
                            .map(|(member, _)| member)
                            .collect();
                        prop_assert_eq!(owners.len(), usize::from(has_reader));
                        for owner in owners {
                            let owner = readers.iter().find(|one| &one.member == owner).unwrap();
                            prop_assert!(owner.topics.contains(&place.0));
                        }
                    }
                }
                // Once more with what they have, and one of them gone.
                for (member, share) in shares {
                    let reader = readers.iter_mut().find(|one| one.member == member).unwrap();
                    reader.target = share;
                }
                readers.pop();
            }
        }
    }
}
