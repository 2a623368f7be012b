//! The latest offset of each key in a part of a log, in bounded memory: 24 bytes for a key, told by 128 bits of its SHA-256, so
//! that no two keys are ever taken for one.

use aws_lc_rs::digest::{SHA256, digest};
use model::Offset;

/// Slots at most: 96 MiB, below Kafka's 128 for `log.cleaner.dedupe.buffer.size`. Twice that while the table grows.
const SLOTS_MAX: usize = 1 << 22;
const SLOTS_MIN: usize = 1 << 10;
/// Of ten slots, as many are filled.
const FILLED_OF_TEN: usize = 9;

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: Hash,
    /// [`NOWHERE`] in an empty slot.
    offset: Offset,
}

type Hash = [u64; 2];

/// No record has it.
const NOWHERE: Offset = Offset(u64::MAX);
const EMPTY: Slot = Slot {
    hash: [0; 2],
    offset: NOWHERE,
};
const _: () = assert!(size_of::<Slot>() == 24);

impl Slot {
    fn is_empty(&self) -> bool {
        self.offset == NOWHERE
    }
}

/// The latest offset of each key.
#[derive(Debug)]
pub(super) struct LatestKeys {
    slots: Vec<Slot>,
    slots_max: usize,
    filled: usize,
}

/// There is no room for another key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Full;

impl LatestKeys {
    /// No key yet.
    pub(super) fn new() -> LatestKeys {
        LatestKeys::with_slots_max(SLOTS_MAX)
    }

    /// No key yet; room for about nine tenths of `slots_max`, a power of two.
    pub(super) fn with_slots_max(slots_max: usize) -> LatestKeys {
        LatestKeys {
            slots: vec![EMPTY; SLOTS_MIN.min(slots_max)],
            slots_max,
            filled: 0,
        }
    }

    /// Takes note of a record. Offsets come in order.
    pub(super) fn put(&mut self, key: &[u8], offset: Offset) -> Result<(), Full> {
        let hash = hash_of(key);
        let at = find(&self.slots, hash);
        if self.slots[at].is_empty() {
            if (self.filled + 1) * 10 > self.slots.len() * FILLED_OF_TEN {
                self.grow()?;
                return self.put(key, offset);
            }
            self.filled += 1;
        }
        self.slots[at] = Slot { hash, offset };
        Ok(())
    }

    /// The latest offset of `key`, where there was any.
    pub(super) fn get(&self, key: &[u8]) -> Option<Offset> {
        let slot = self.slots[find(&self.slots, hash_of(key))];
        (!slot.is_empty()).then_some(slot.offset)
    }

    fn grow(&mut self) -> Result<(), Full> {
        if self.slots.len() >= self.slots_max {
            return Err(Full);
        }
        let mut slots = vec![EMPTY; self.slots.len() * 2];
        for slot in self.slots.iter().filter(|slot| !slot.is_empty()) {
            let at = find(&slots, slot.hash);
            slots[at] = *slot;
        }
        self.slots = slots;
        Ok(())
    }
}

fn hash_of(key: &[u8]) -> Hash {
    let digest = digest(&SHA256, key);
    let part = |from: usize| {
        let bytes = digest.as_ref()[from..].first_chunk::<8>();
        u64::from_be_bytes(*bytes.expect("a digest has 32 bytes"))
    };
    [part(0), part(8)]
}

/// Where the key is, or the empty slot where it belongs. There is always an empty one.
fn find(slots: &[Slot], hash: Hash) -> usize {
    let mask = slots.len() - 1;
    let mut at = hash[0] as usize & mask;
    while !slots[at].is_empty() && slots[at].hash != hash {
        at = (at + 1) & mask;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_offset_of_each_key_is_known() {
        let mut keys = LatestKeys::new();
        for offset in 0..20_000u64 {
            let key = (offset % 3_000).to_string();
            keys.put(key.as_bytes(), Offset(offset)).unwrap();
        }
        for key in 0..3_000u64 {
            let latest = (0..20_000).rev().find(|offset| offset % 3_000 == key);
            let found = keys.get(key.to_string().as_bytes());
            assert_eq!(found, latest.map(Offset));
        }
        assert_eq!(keys.get(b"3000"), None);
        assert!(keys.slots.len() <= 4_096);
    }

    #[test]
    fn a_full_table_says_so_and_goes_on_with_the_keys_it_has() {
        let mut keys = LatestKeys::with_slots_max(16);
        let taken = (0..100u64)
            .take_while(|n| keys.put(&n.to_be_bytes(), Offset(*n)).is_ok())
            .count() as u64;
        assert_eq!(taken, 14);
        assert_eq!(keys.put(&3u64.to_be_bytes(), Offset(200)), Ok(()));
        assert_eq!(keys.get(&3u64.to_be_bytes()), Some(Offset(200)));
    }
}
