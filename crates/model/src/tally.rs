//! Counts kept by name, of so many names at most: what is counted under names that clients choose must not grow without bound.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

/// A set of counts `C` for each name `K`; those beyond the bound share one. Cheap to clone; clones count together.
pub struct Tally<K, C> {
    known: Arc<RwLock<HashMap<K, Arc<C>>>>,
    others: Arc<C>,
    max: usize,
}

impl<K, C> Clone for Tally<K, C> {
    fn clone(&self) -> Self {
        Tally {
            known: Arc::clone(&self.known),
            others: Arc::clone(&self.others),
            max: self.max,
        }
    }
}

impl<K, C> fmt::Debug for Tally<K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tally")
    }
}

impl<K: Hash + Eq + Clone, C: Default> Tally<K, C> {
    /// Nothing counted yet; `max` names will be told apart.
    #[must_use]
    pub fn new(max: usize) -> Tally<K, C> {
        Tally {
            known: Arc::default(),
            others: Arc::default(),
            max,
        }
    }

    /// The counts of a name.
    #[must_use]
    pub fn of<Q>(&self, name: &Q) -> Arc<C>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = known.get(name) {
            return Arc::clone(counts);
        }
        drop(known);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.max && !known.contains_key(name) {
            return Arc::clone(&self.others);
        }
        Arc::clone(known.entry(name.to_owned()).or_default())
    }

    /// A name is counted no more.
    pub fn forget<Q>(&self, name: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.remove(name);
    }

    /// Names that are not there any more are counted no more, unless somebody holds their counts.
    pub fn keep(&self, is_there: impl Fn(&K) -> bool) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, counts| is_there(name) || Arc::strong_count(counts) > 1);
    }

    /// Every name that is counted for itself, and its counts.
    #[must_use]
    pub fn named(&self) -> Vec<(K, Arc<C>)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let one = |(name, counts): (&K, &Arc<C>)| (name.clone(), Arc::clone(counts));
        known.iter().map(one).collect()
    }

    /// The counts of all others together, once there may be any.
    #[must_use]
    pub fn others(&self) -> Option<Arc<C>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        (known.len() >= self.max).then(|| Arc::clone(&self.others))
    }
}
