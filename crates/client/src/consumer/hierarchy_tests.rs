//! Lines of shards, by hand and at random.

use proptest::prelude::*;

use super::*;
use crate::kinesis::{HashKeyRange, SequenceNumberRange};

fn shard(id: usize, parents: &[usize], closed: bool) -> Shard {
    Shard {
        shard_id: name(id),
        parent_shard_id: parents.first().map(|&id| name(id)),
        adjacent_parent_shard_id: parents.get(1).map(|&id| name(id)),
        hash_key_range: HashKeyRange {
            starting_hash_key: "0".to_owned(),
            ending_hash_key: "1".to_owned(),
        },
        sequence_number_range: SequenceNumberRange {
            starting_sequence_number: (id + 1).to_string(),
            ending_sequence_number: closed.then(|| "99".to_owned()),
        },
    }
}

fn name(id: usize) -> String {
    format!("shardId-{id:012}")
}

fn lease(id: usize, parents: &[usize], checkpoint: &Position) -> Lease {
    let parents = parents.iter().map(|&id| name(id)).collect();
    Lease::unowned(&name(id), parents, checkpoint.clone())
}

fn check(shards: &[Shard], leases: &[Lease], start: &Position, expected: &[(usize, Position)]) {
    let made = missing(shards, leases, start);
    let made: Vec<_> = made
        .into_iter()
        .map(|lease| (lease.key, lease.checkpoint))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(id, at)| (name(*id), at.clone()))
        .collect();
    assert_eq!(made, expected);
}

use Position::{AtTimestamp, Latest, ShardEnd, TrimHorizon};

/// 0 and 1 were merged to 2, which was split to 3 and 4; 5 was always there.
fn stream() -> Vec<Shard> {
    vec![
        shard(0, &[], true),
        shard(1, &[], true),
        shard(2, &[0, 1], true),
        shard(3, &[2], false),
        shard(4, &[2], false),
        shard(5, &[], false),
    ]
}

#[test]
fn an_empty_table_gets_the_first_shards_of_each_line() {
    let roots = [(0, TrimHorizon), (1, TrimHorizon), (5, TrimHorizon)];
    check(&stream(), &[], &TrimHorizon, &roots);
    let open: Vec<Shard> = stream().split_off(3);
    check(
        &open,
        &[],
        &Latest,
        &[(3, Latest), (4, Latest), (5, Latest)],
    );
}

#[test]
fn children_come_when_a_parent_is_at_its_end() {
    let five = lease(5, &[], &Latest);
    let reading = [
        lease(0, &[], &TrimHorizon),
        lease(1, &[], &TrimHorizon),
        five.clone(),
    ];
    check(&stream(), &reading, &TrimHorizon, &[]);
    let one_ended = [
        lease(0, &[], &ShardEnd),
        lease(1, &[], &TrimHorizon),
        five.clone(),
    ];
    check(&stream(), &one_ended, &Latest, &[(2, TrimHorizon)]);
    let two_ended = [lease(2, &[], &ShardEnd), five.clone()];
    check(
        &stream(),
        &two_ended,
        &Latest,
        &[(3, TrimHorizon), (4, TrimHorizon)],
    );
    check(
        &stream(),
        &two_ended,
        &AtTimestamp,
        &[(3, AtTimestamp), (4, AtTimestamp)],
    );
}

#[test]
fn lines_without_lease_are_found_again() {
    let five = [lease(5, &[], &Latest)];
    check(
        &stream(),
        &five,
        &TrimHorizon,
        &[(0, TrimHorizon), (1, TrimHorizon)],
    );
    check(&stream(), &five, &Latest, &[(3, Latest), (4, Latest)]);
    // One parent of the merge is being read: the other must be, too.
    let half = [lease(0, &[], &TrimHorizon), lease(5, &[], &Latest)];
    check(&stream(), &half, &TrimHorizon, &[(1, TrimHorizon)]);
    check(&stream(), &half, &Latest, &[(1, Latest)]);
}

#[test]
fn leases_go_once_their_children_are_begun_and_their_parents_gone() {
    let with_children = |id, parents: &[usize], children: &[usize]| Lease {
        children: children.iter().map(|&id| name(id)).collect(),
        ..lease(id, parents, &ShardEnd)
    };
    let begun = Position::parse("8", 0).unwrap();
    let gone = |leases: &[Lease]| finished(leases);
    let zero = with_children(0, &[], &[2]);
    let two = with_children(2, &[0, 1], &[3, 4]);
    assert!(
        gone(std::slice::from_ref(&zero)).is_empty(),
        "the child has no lease yet"
    );
    assert!(gone(&[zero.clone(), lease(2, &[0, 1], &TrimHorizon)]).is_empty());
    assert_eq!(gone(&[zero.clone(), lease(2, &[0, 1], &begun)]), [name(0)]);
    let all = [
        zero,
        two.clone(),
        lease(3, &[2], &begun),
        lease(4, &[2], &Latest),
    ];
    assert_eq!(gone(&all), [name(0)]);
    assert_eq!(gone(&all[1..]), [name(2)]);
    assert!(gone(&[two, lease(3, &[2], &begun)]).is_empty());
}

#[test]
fn leases_whose_children_were_not_named_or_whose_shards_are_gone_are_found() {
    let table = [
        lease(2, &[], &ShardEnd),
        lease(3, &[2], &TrimHorizon),
        lease(4, &[2], &Latest),
        lease(9, &[], &ShardEnd),
    ];
    assert_eq!(
        unnamed_children(&stream(), &table),
        [(name(2), vec![name(3), name(4)])]
    );
    assert_eq!(expired(&stream(), &table), [name(9)]);
}

/// A stream of some shards, each step of `history` splitting one or merging two neighbours.
fn grown(history: &[(usize, bool)]) -> Vec<Shard> {
    let mut shards = vec![shard(0, &[], false), shard(1, &[], false)];
    for &(pick, merges) in history {
        let open: Vec<usize> = (0..shards.len())
            .filter(|&at| !is_closed(&shards[at]))
            .collect();
        let at = open[pick % open.len()];
        let parents = match open.iter().find(|&&other| merges && other != at) {
            Some(&other) => vec![at, other],
            None => vec![at],
        };
        for &parent in &parents {
            shards[parent] = Shard {
                sequence_number_range: shard(parent, &[], true).sequence_number_range,
                ..shards[parent].clone()
            };
        }
        for _ in 0..3 - parents.len() {
            shards.push(shard(shards.len(), &parents, false));
        }
    }
    shards
}

proptest! {
    /// However shards came from each other: reading what is ready, making what is missing and deleting what has served reads
    /// each shard once, after its parents.
    #[test]
    fn every_shard_is_read_once_after_its_parents(history in prop::collection::vec((0usize..50, any::<bool>()), 0..14), picks in prop::collection::vec(0usize..50, 200)) {
        let shards = grown(&history);
        let mut table = missing(&shards, &[], &TrimHorizon);
        let mut read: Vec<String> = Vec::new();
        for pick in picks {
            let gone = finished(&table);
            table.retain(|lease| !gone.contains(&lease.key));
            table.extend(missing(&shards, &table, &TrimHorizon));
            let ready: Vec<usize> = (0..table.len())
                .filter(|&at| !table[at].is_complete() && is_ready(&table[at], table.iter()))
                .filter(|&at| !read.contains(&table[at].key))
                .collect();
            let Some(&at) = ready.get(pick % ready.len().max(1)) else { break };
            let id = table[at].key.clone();
            let this = shards.iter().find(|shard| shard.shard_id == id).unwrap();
            for parent in this.info().parents {
                prop_assert!(read.contains(&parent), "{id} before {parent}");
            }
            table[at].checkpoint = if is_closed(this) { ShardEnd } else { Position::parse("5", 0).unwrap() };
            table[at].children = Family::of(&shards).children(&id).map(|child| child.shard_id.clone()).collect();
            read.push(id);
        }
        prop_assert_eq!(read.len(), shards.len());
    }
}
