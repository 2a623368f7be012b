//! Which partition a key goes to: the same as Kafka's Java clients choose, so that a key's records stay together whoever writes
//! them. The hash is MurmurHash2 of 32 bits, by Austin Appleby, with Kafka's seed.

const SEED: u32 = 0x9747_b28c;
const FACTOR: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

/// The partition, of `count`, that is `key`'s; 0 where there is none.
#[must_use]
pub fn of_key(key: &[u8], count: usize) -> usize {
    let positive = murmur2(key) & 0x7fff_ffff;
    (positive as usize).checked_rem(count).unwrap_or(0)
}

fn murmur2(bytes: &[u8]) -> u32 {
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut mixed = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        mixed ^= mixed >> SHIFT;
        hash = hash.wrapping_mul(FACTOR) ^ mixed.wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(FACTOR);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(FACTOR);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Kafka's own hash.
    #[test]
    fn keys_hash_as_in_java() {
        let check = |key: &str, expected: i32| {
            assert_eq!(murmur2(key.as_bytes()) as i32, expected, "{key}");
        };
        check("21", -973_932_308);
        check("foobar", -790_332_482);
        check("a-little-bit-long-string", -985_981_536);
        check("a-little-bit-longer-string", -1_486_304_829);
        check("abc", 479_470_107);
        assert_eq!(of_key(b"abc", 10), 7);
        assert_eq!(of_key(b"abc", 0), 0);
    }
}
