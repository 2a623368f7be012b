//! A stream's shards: the open ones divide the ring between them, the closed ones stay until their records expire.

use std::collections::BTreeMap;

use model::{HashKey, HashRange, Timestamp};
use serde::{Deserialize, Serialize};

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
}

impl Shard {
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
    /// Open shards by where their range starts.
    open: Vec<(HashKey, u32)>,
    children: BTreeMap<u32, Vec<u32>>,
}

impl Topology {
    /// From what is kept.
    #[must_use]
    pub fn of(shards: impl IntoIterator<Item = Shard>) -> Topology {
        let shards: BTreeMap<u32, Shard> = shards
            .into_iter()
            .map(|shard| (shard.index, shard))
            .collect();
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

    /// The shard of that number, open or closed.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&Shard> {
        self.shards.get(&index)
    }

    /// All shards by number.
    pub fn shards(&self) -> impl DoubleEndedIterator<Item = &Shard> + Clone {
        self.shards.values()
    }

    /// All shards from number `index` on.
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

    /// The shards that were made of shard `index`.
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
