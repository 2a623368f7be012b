//! A stream's shards: the open ones divide the ring between them, the closed ones stay until their records expire. After that
//! they are of no use to readers of Kinesis and are not told to them; for Kafka, whose partition numbers have no holes, they
//! stay as empty partitions.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{HashKey, HashRange, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a shard's former ranges are known at least.
const FORMER_FOR: Duration = Duration::from_secs(3_600);

/// A shard, as it is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shard {
    /// Its number in the stream, never given twice; also its log's partition.
    pub index: u32,
    /// Its part of the ring.
    pub range: HashRange,
    /// The shards it was made of: none, one, or two.
    pub parents: Vec<u32>,
    /// Greater than its parents'.
    pub generation: u64,
    /// When it was made.
    pub opened: Timestamp,
    /// When it stopped taking records.
    pub closed: Option<Timestamp>,
    /// Whether it is closed and all its records have expired.
    #[serde(default, skip_serializing_if = "is_false")]
    pub expired: bool,
    /// Other ranges it had within the last hour before it got this one, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Former>,
}

/// A range that a shard had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Former {
    /// What it took.
    pub range: HashRange,
    /// Until when.
    pub until: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Shard {
    /// The shard with another range from `now` on.
    #[must_use]
    pub fn moved(&self, range: HashRange, now: Timestamp) -> Shard {
        let since = now.minus(FORMER_FOR);
        let mut moved = self.clone();
        moved.former.retain(|former| former.until >= since);
        moved.former.push(Former {
            range: self.range,
            until: now,
        });
        moved.range = range;
        moved
    }

    /// Whether it takes records.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }
}

/// All shards of a stream.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Topology {
    shards: BTreeMap<u32, Shard>,
    expired: BTreeMap<u32, Shard>,
    /// Open shards by where their range starts.
    open: Vec<(HashKey, u32)>,
    children: BTreeMap<u32, Vec<u32>>,
}

impl Topology {
    /// From what is kept.
    #[must_use]
    pub fn of(shards: impl IntoIterator<Item = Shard>) -> Topology {
        let (expired, shards): (BTreeMap<u32, Shard>, BTreeMap<u32, Shard>) = shards
            .into_iter()
            .map(|shard| (shard.index, shard))
            .partition(|(_, shard)| shard.expired);
        let mut open: Vec<_> = shards
            .values()
            .filter(|s| s.is_open())
            .map(|s| (s.range.first, s.index))
            .collect();
        open.sort_unstable();
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for shard in shards.values() {
            for &parent in &shard.parents {
                children.entry(parent).or_default().push(shard.index);
            }
        }
        Topology {
            shards,
            expired,
            open,
            children,
        }
    }

    /// The open shard that takes records of `key`; none only in a stream without shards.
    #[must_use]
    pub fn route(&self, key: HashKey) -> Option<&Shard> {
        let after = self.open.partition_point(|&(first, _)| first <= key);
        let (_, index) = self.open.get(after.checked_sub(1)?)?;
        self.shards.get(index)
    }

    /// The shard of that number, open or closed, if it has not expired.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&Shard> {
        self.shards.get(&index)
    }

    /// The shard of that number, be it expired.
    #[must_use]
    pub fn partition(&self, index: u32) -> Option<&Shard> {
        self.shards.get(&index).or_else(|| self.expired.get(&index))
    }

    /// All shards from number `index` on, those that have expired too: no number is missing.
    pub fn partitions_from(&self, index: u32) -> impl Iterator<Item = &Shard> {
        let end = [&self.shards, &self.expired]
            .into_iter()
            .filter_map(|shards| shards.last_key_value())
            .map(|(last, _)| last.saturating_add(1))
            .max();
        (index..end.unwrap_or(0)).filter_map(|index| self.partition(index))
    }

    /// All shards by number, those that have expired too.
    pub fn partitions(&self) -> impl Iterator<Item = &Shard> {
        self.partitions_from(0)
    }

    /// All shards by number that have not expired.
    pub fn shards(&self) -> impl DoubleEndedIterator<Item = &Shard> + Clone {
        self.shards.values()
    }

    /// All shards from number `index` on that have not expired.
    pub fn shards_from(&self, index: u32) -> impl Iterator<Item = &Shard> {
        self.shards.range(index..).map(|(_, shard)| shard)
    }

    /// Open shards in the order of the ring.
    pub fn open_shards(&self) -> impl DoubleEndedIterator<Item = &Shard> + Clone {
        self.open
            .iter()
            .filter_map(|(_, index)| self.shards.get(index))
    }

    /// How many are open.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// The shards that were made of shard `index` and have not expired.
    pub fn children(&self, index: u32) -> impl Iterator<Item = &Shard> {
        let children = self
            .children
            .get(&index)
            .map(Vec::as_slice)
            .unwrap_or_default();
        children.iter().filter_map(|child| self.shards.get(child))
    }

    /// Whether the open shards cover the ring exactly once.
    #[must_use]
    pub fn covers_ring(&self) -> bool {
        let mut next = Some(HashKey::MIN);
        for shard in self.open_shards() {
            if next != Some(shard.range.first) {
                return false;
            }
            next = shard.range.last.0.checked_add(1).map(HashKey);
        }
        next.is_none() && !self.open.is_empty()
    }
}
