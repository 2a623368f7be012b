//! Which shard a hash key belongs to, as far as is known.

use std::sync::Arc;

use model::{HashKey, HashRange};

use crate::kinesis::Shard;

/// A shard's id and range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) shard: Arc<str>,
    pub(super) range: HashRange,
}

/// All shards of a stream: the open ones by range, and those closed, where a late answer may come from.
#[derive(Debug, Clone, Default)]
pub(super) struct ShardMap {
    pub(super) open: Vec<Place>,
    closed: Vec<Place>,
}

impl ShardMap {
    /// From ListShards. What has no readable range is passed over.
    pub(super) fn new(shards: &[Shard]) -> ShardMap {
        let mut map = ShardMap::default();
        for shard in shards {
            let range = &shard.hash_key_range;
            let first = HashKey::parse(&range.starting_hash_key);
            let last = HashKey::parse(&range.ending_hash_key);
            let (Some(first), Some(last)) = (first, last) else {
                continue;
            };
            let place = Place {
                shard: shard.shard_id.as_str().into(),
                range: HashRange { first, last },
            };
            if shard.sequence_number_range.ending_sequence_number.is_none() {
                map.open.push(place);
            } else {
                map.closed.push(place);
            }
        }
        map.open.sort_by_key(|place| place.range.first);
        map
    }

    /// The range of a shard, open or closed.
    pub(super) fn range_of(&self, shard: &str) -> Option<HashRange> {
        let mut places = self.open.iter().chain(&self.closed);
        let found = places.find(|place| &*place.shard == shard);
        found.map(|place| place.range)
    }
}

/// The place of `key` among ranges in order: the last that begins at or before it.
pub(super) fn place_of(firsts: &[HashKey], key: HashKey) -> usize {
    firsts
        .partition_point(|first| *first <= key)
        .saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinesis::{HashKeyRange, SequenceNumberRange};

    fn shard(id: &str, first: u128, last: u128, is_closed: bool) -> Shard {
        Shard {
            shard_id: id.to_owned(),
            parent_shard_id: None,
            adjacent_parent_shard_id: None,
            hash_key_range: HashKeyRange {
                starting_hash_key: first.to_string(),
                ending_hash_key: last.to_string(),
            },
            sequence_number_range: SequenceNumberRange {
                starting_sequence_number: "1".to_owned(),
                ending_sequence_number: is_closed.then(|| "2".to_owned()),
            },
        }
    }

    #[test]
    fn keys_are_placed_among_open_shards() {
        let map = ShardMap::new(&[
            shard("parent", 0, u128::MAX, true),
            shard("high", 100, u128::MAX, false),
            shard("low", 0, 99, false),
        ]);
        let firsts: Vec<HashKey> = map.open.iter().map(|place| place.range.first).collect();
        let check = |key, expected: &str| {
            let place = &map.open[place_of(&firsts, HashKey(key))];
            assert_eq!(&*place.shard, expected);
            assert!(place.range.contains(HashKey(key)));
        };
        check(0, "low");
        check(99, "low");
        check(100, "high");
        check(u128::MAX, "high");
        assert_eq!(map.range_of("parent"), Some(HashRange::ALL));
        assert_eq!(map.range_of("other"), None);
    }
}
