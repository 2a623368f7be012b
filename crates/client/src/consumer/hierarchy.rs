//! Which leases there must be: parents before children, and each shard that is to be read has one when its time comes.
//!
//! Without I/O. A lease for a shard that others came before is made when these are read to their ends; at the start, and
//! where a table has a hole, leases are made for the first shards of each line. A lease is deleted when its shard is read to
//! the end, its children are being read and its parents' leases are gone.

use std::collections::{BTreeMap, BTreeSet};

use super::lease::Lease;
use super::position::{Position, compare_numbers};
use crate::kinesis::Shard;

/// Leases to create, given the stream's shards, the table, and where an application begins.
///
/// `start` is one of the words for a start. For an empty table `shards` are those the start is in; for any other, all.
#[must_use]
pub fn missing(shards: &[Shard], leases: &[Lease], start: &Position) -> Vec<Lease> {
    let family = Family::of(shards);
    let with_lease: BTreeSet<&str> = leases.iter().map(|lease| lease.key.as_str()).collect();
    if with_lease.is_empty() {
        let roots = shards
            .iter()
            .filter(|shard| *start == Position::Latest || family.is_root(shard));
        return roots.map(|shard| lease_of(shard, start)).collect();
    }
    let mut created = BTreeMap::new();
    // The next generation of those that are read. The child of a merge waits until both its parents have leases: without
    // one, nothing would hold it back.
    for lease in leases.iter().filter(|lease| lease.is_complete()) {
        for child in family.children(&lease.key) {
            let mut parents = family.parents(child);
            if !with_lease.contains(child.shard_id.as_str())
                && parents.all(|parent| with_lease.contains(parent.shard_id.as_str()))
            {
                created.insert(&child.shard_id, lease_of(child, &start_of_children(start)));
            }
        }
    }
    // The lines of open shards that no lease leads to.
    let mut reached = with_lease;
    reached.extend(created.keys().map(|id| id.as_str()));
    for shard in family.uncovered(&reached) {
        let parents: Vec<&str> = family
            .parents(shard)
            .map(|parent| parent.shard_id.as_str())
            .collect();
        let is_reached = parents.iter().any(|parent| reached.contains(parent));
        if is_reached || (*start == Position::Latest && is_closed(shard)) {
            if is_reached {
                // The other parent of a merge must be read too before the child is.
                for parent in family.parents(shard) {
                    if !reached.contains(parent.shard_id.as_str()) {
                        created.insert(&parent.shard_id, lease_of(parent, start));
                    }
                }
                reached.extend(parents);
                reached.insert(&shard.shard_id);
            }
            continue;
        }
        created.insert(&shard.shard_id, lease_of(shard, start));
        reached.insert(&shard.shard_id);
    }
    created.into_values().collect()
}

/// Where a child of a shard that was read to its end begins.
#[must_use]
pub fn start_of_children(start: &Position) -> Position {
    match start {
        // The time may lie ahead of the child's first record.
        Position::AtTimestamp => Position::AtTimestamp,
        _ => Position::TrimHorizon,
    }
}

/// Keys of leases that have served.
#[must_use]
pub fn finished(leases: &[Lease]) -> Vec<String> {
    let by_key: BTreeMap<&str, &Lease> = leases
        .iter()
        .map(|lease| (lease.key.as_str(), lease))
        .collect();
    let is_begun = |key: &String| {
        let child = by_key.get(key.as_str());
        child.is_some_and(|child| {
            !matches!(
                child.checkpoint,
                Position::TrimHorizon | Position::AtTimestamp
            )
        })
    };
    let is_finished = |lease: &&Lease| {
        lease.is_complete()
            && !lease.children.is_empty()
            && lease.children.iter().all(is_begun)
            && !lease
                .parents
                .iter()
                .any(|parent| by_key.contains_key(parent.as_str()))
    };
    leases
        .iter()
        .filter(is_finished)
        .map(|lease| lease.key.clone())
        .collect()
}

/// Children of shards that are read to the end and do not name them, as when another worker ended in between.
#[must_use]
pub fn unnamed_children(shards: &[Shard], leases: &[Lease]) -> Vec<(String, Vec<String>)> {
    let family = Family::of(shards);
    let unnamed = leases
        .iter()
        .filter(|lease| lease.is_complete() && lease.children.is_empty());
    let named = unnamed.map(|lease| {
        let children = family
            .children(&lease.key)
            .map(|child| child.shard_id.clone());
        (lease.key.clone(), children.collect::<Vec<String>>())
    });
    named.filter(|(_, children)| !children.is_empty()).collect()
}

/// Keys of leases of shards that are read to the end, have no children and do not exist any more.
#[must_use]
pub fn expired(shards: &[Shard], leases: &[Lease]) -> Vec<String> {
    let family = Family::of(shards);
    let is_expired = |lease: &&Lease| {
        lease.is_complete()
            && lease.children.is_empty()
            && !family.shards.contains_key(lease.key.as_str())
            && family.children(&lease.key).next().is_none()
    };
    leases
        .iter()
        .filter(is_expired)
        .map(|lease| lease.key.clone())
        .collect()
}

/// Whether a shard may be read: none of its parents has a lease that is not at its end.
#[must_use]
pub fn is_ready<'a>(lease: &Lease, leases: impl Iterator<Item = &'a Lease>) -> bool {
    let mut open_parents =
        leases.filter(|other| lease.parents.contains(&other.key) && !other.is_complete());
    open_parents.next().is_none()
}

fn lease_of(shard: &Shard, checkpoint: &Position) -> Lease {
    let parents = [&shard.parent_shard_id, &shard.adjacent_parent_shard_id];
    let parents = parents.into_iter().flatten().cloned().collect();
    let range = &shard.hash_key_range;
    Lease {
        hash_range: Some((
            range.starting_hash_key.clone(),
            range.ending_hash_key.clone(),
        )),
        ..Lease::unowned(&shard.shard_id, parents, checkpoint.clone())
    }
}

fn is_closed(shard: &Shard) -> bool {
    shard.sequence_number_range.ending_sequence_number.is_some()
}

/// The shards that still hold records, and how they came from each other.
struct Family<'a> {
    shards: BTreeMap<&'a str, &'a Shard>,
}

impl<'a> Family<'a> {
    fn of(shards: &'a [Shard]) -> Family<'a> {
        Family {
            shards: shards
                .iter()
                .map(|shard| (shard.shard_id.as_str(), shard))
                .collect(),
        }
    }

    /// Parents that still exist.
    fn parents(&self, shard: &'a Shard) -> impl Iterator<Item = &'a Shard> {
        let names = [&shard.parent_shard_id, &shard.adjacent_parent_shard_id];
        names
            .into_iter()
            .flatten()
            .filter_map(|name| self.shards.get(name.as_str()).copied())
    }

    fn children(&self, id: &str) -> impl Iterator<Item = &'a Shard> {
        self.shards.values().copied().filter(move |shard| {
            let names = [&shard.parent_shard_id, &shard.adjacent_parent_shard_id];
            names.into_iter().flatten().any(|name| name == id)
        })
    }

    fn is_root(&self, shard: &'a Shard) -> bool {
        self.parents(shard).next().is_none()
    }

    /// The open shards without lease and their ancestors up to those with one, the oldest first.
    fn uncovered(&self, with_lease: &BTreeSet<&str>) -> Vec<&'a Shard> {
        let mut found: BTreeMap<&str, &Shard> = BTreeMap::new();
        let mut open: Vec<&Shard> = self
            .shards
            .values()
            .copied()
            .filter(|shard| !is_closed(shard))
            .collect();
        while let Some(shard) = open.pop() {
            let is_covered = with_lease.contains(shard.shard_id.as_str());
            if !is_covered && found.insert(&shard.shard_id, shard).is_none() {
                open.extend(self.parents(shard));
            }
        }
        let mut ordered: Vec<&Shard> = found.into_values().collect();
        ordered.sort_by(|one, other| {
            let begin =
                |shard: &Shard| shard.sequence_number_range.starting_sequence_number.clone();
            compare_numbers(&begin(one), &begin(other))
                .then_with(|| one.shard_id.cmp(&other.shard_id))
        });
        ordered
    }
}

#[cfg(test)]
#[path = "hierarchy_tests.rs"]
mod tests;
