//! The ring of hash keys that a stream's shards divide between them: 0 to 2^128 - 1, every key in exactly one open shard.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point on the ring: the MD5 of a partition key read as a big-endian number, or given explicitly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HashKey(pub u128);

impl HashKey {
    /// The ring's first key.
    pub const MIN: HashKey = HashKey(0);
    /// The ring's last key, 2^128 - 1.
    pub const MAX: HashKey = HashKey(u128::MAX);

    /// The key that a decimal string names, in the form AWS allows: `0|([1-9]\d{0,38})`, at most 2^128 - 1.
    #[must_use]
    pub fn parse(text: &str) -> Option<HashKey> {
        let canonical = text == "0" || text.starts_with(|c: char| ('1'..='9').contains(&c));
        if !canonical || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        text.parse().ok().map(HashKey)
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

// Decimal text, since few JSON readers keep 128 bits.
impl Serialize for HashKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HashKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HashKey, D::Error> {
        let text = String::deserialize(deserializer)?;
        HashKey::parse(&text).ok_or_else(|| serde::de::Error::custom("not a hash key"))
    }
}

/// A range of the ring, both ends included, never empty.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct HashRange {
    /// First key.
    pub first: HashKey,
    /// Last key.
    pub last: HashKey,
}

impl HashRange {
    /// The whole ring.
    pub const ALL: HashRange = HashRange {
        first: HashKey::MIN,
        last: HashKey::MAX,
    };

    /// Whether `key` lies in it.
    #[must_use]
    pub fn contains(&self, key: HashKey) -> bool {
        (self.first..=self.last).contains(&key)
    }

    /// Two ranges that meet at `start`, which begins the second. `None` unless `start` lies after the first key and not
    /// after the last.
    #[must_use]
    pub fn split_at(&self, start: HashKey) -> Option<(HashRange, HashRange)> {
        if start <= self.first || start > self.last {
            return None;
        }
        let left = HashRange {
            first: self.first,
            last: HashKey(start.0 - 1),
        };
        let right = HashRange {
            first: start,
            last: self.last,
        };
        Some((left, right))
    }

    /// Both as one, if they touch.
    #[must_use]
    pub fn join(&self, other: &HashRange) -> Option<HashRange> {
        let (low, high) = if self.first < other.first {
            (self, other)
        } else {
            (other, self)
        };
        let touches = low.last.0.checked_add(1) == Some(high.first.0);
        touches.then_some(HashRange {
            first: low.first,
            last: high.last,
        })
    }

    /// The ring in `count` equal parts, the last taking the remainder, as AWS lays out a new stream. `count` of 0 gives none.
    #[must_use]
    pub fn even(count: u32) -> Vec<HashRange> {
        if count <= 1 {
            return vec![HashRange::ALL; count as usize];
        }
        let width = ring_over(count);
        (0..u128::from(count))
            .map(|i| HashRange {
                first: HashKey(i * width),
                last: HashKey(if i + 1 == u128::from(count) {
                    u128::MAX
                } else {
                    (i + 1) * width - 1
                }),
            })
            .collect()
    }
}

/// ⌊2^128 / count⌋ for count ≥ 2, in 128 bits.
fn ring_over(count: u32) -> u128 {
    let count = u128::from(count);
    u128::MAX / count + (u128::MAX % count + 1) / count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers_ring_once(ranges: &[HashRange]) -> bool {
        ranges.first().map(|r| r.first) == Some(HashKey::MIN)
            && ranges.last().map(|r| r.last) == Some(HashKey::MAX)
            && ranges
                .windows(2)
                .all(|pair| pair[0].last.0 + 1 == pair[1].first.0)
    }

    #[test]
    fn even_parts_cover_the_ring_once() {
        for count in [1, 2, 3, 4, 7, 64, 1000, 20_000] {
            assert!(covers_ring_once(&HashRange::even(count)), "{count}");
        }
        assert_eq!(HashRange::even(2)[0].last.0, (1 << 127) - 1);
    }

    #[test]
    fn split_and_join_are_inverse() {
        let (left, right) = HashRange::ALL.split_at(HashKey(5)).unwrap();
        assert_eq!((left.last.0, right.first.0), (4, 5));
        assert_eq!(left.join(&right), Some(HashRange::ALL));
        assert_eq!(right.join(&left), Some(HashRange::ALL));
        assert_eq!(HashRange::ALL.split_at(HashKey(0)), None);
        assert_eq!(left.join(&left), None);
    }

    #[test]
    fn keys_parse_as_aws_writes_them() {
        assert_eq!(HashKey::parse("0"), Some(HashKey(0)));
        assert_eq!(
            HashKey::parse("340282366920938463463374607431768211455"),
            Some(HashKey::MAX)
        );
        for bad in [
            "",
            "00",
            "-1",
            "+1",
            "1x",
            "340282366920938463463374607431768211456",
        ] {
            assert_eq!(HashKey::parse(bad), None, "{bad}");
        }
    }
}
