//! What was used last, within a budget.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Values with weights; the longest unused go when together they weigh more than the budget.
#[derive(Debug)]
pub(super) struct Lru<K, V> {
    budget: u64,
    weight: u64,
    clock: u64,
    values: HashMap<K, Held<V>>,
    by_use: BTreeMap<u64, K>,
}

#[derive(Debug)]
struct Held<V> {
    value: V,
    weight: u64,
    used: u64,
}

impl<K: Copy + Eq + Hash, V: Clone> Lru<K, V> {
    pub(super) fn new(budget: u64) -> Lru<K, V> {
        Lru {
            budget,
            weight: 0,
            clock: 0,
            values: HashMap::new(),
            by_use: BTreeMap::new(),
        }
    }

    /// Goes on with each use.
    pub(super) fn clock(&self) -> u64 {
        self.clock
    }

    pub(super) fn get(&mut self, key: K) -> Option<V> {
        let held = self.values.get_mut(&key)?;
        self.clock += 1;
        self.by_use.remove(&held.used);
        self.by_use.insert(self.clock, key);
        held.used = self.clock;
        Some(held.value.clone())
    }

    /// Keeps `value`, unless it alone is over the budget.
    pub(super) fn put(&mut self, key: K, value: V, weight: u64) {
        if weight > self.budget {
            return;
        }
        self.remove(key);
        self.clock += 1;
        self.weight += weight;
        self.by_use.insert(self.clock, key);
        let used = self.clock;
        self.values.insert(
            key,
            Held {
                value,
                weight,
                used,
            },
        );
        while self.weight > self.budget {
            let Some((_, oldest)) = self.by_use.pop_first() else {
                break;
            };
            self.remove(oldest);
        }
    }

    pub(super) fn remove(&mut self, key: K) {
        if let Some(held) = self.values.remove(&key) {
            self.weight -= held.weight;
            self.by_use.remove(&held.used);
        }
    }

    pub(super) fn remove_where(&mut self, is_stale: impl Fn(&K) -> bool) {
        let stale: Vec<K> = self
            .values
            .keys()
            .copied()
            .filter(|k| is_stale(k))
            .collect();
        for key in stale {
            self.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_goes_first() {
        let mut lru = Lru::new(10);
        lru.put(1, "a", 4);
        lru.put(2, "b", 4);
        assert_eq!(lru.get(1), Some("a"));
        lru.put(3, "c", 4);
        assert_eq!(
            (lru.get(1), lru.get(2), lru.get(3)),
            (Some("a"), None, Some("c"))
        );
        lru.put(4, "too heavy", 11);
        assert_eq!((lru.get(4), lru.weight), (None, 8));
        lru.put(1, "again", 10);
        assert_eq!(
            (lru.get(1), lru.get(3), lru.weight),
            (Some("again"), None, 10)
        );
        lru.remove_where(|&key| key == 1);
        assert_eq!((lru.weight, lru.values.len(), lru.by_use.len()), (0, 0, 0));
    }
}
