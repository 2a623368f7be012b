//! Which leases a worker takes: those nobody renews, up to its fair share, and one of the busiest worker's where all are
//! renewed and it has less than its share. As the KCL 2 decides it, so that both settle together.
//!
//! A state machine without I/O: it is shown the table from time to time, and asked.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Rng;
use tokio::time::Instant;

use super::lease::Lease;

/// A lease that nobody renewed for this many failover times is taken beyond the fair share.
const OVERDUE: u32 = 3;

/// How much a worker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Most leases it has.
    pub leases_max: usize,
    /// Most leases it takes from a worker that lives, at a time.
    pub steals_max: usize,
    /// A counter unchanged for so long says that the owner is gone.
    pub failover: Duration,
}

/// A lease to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Nobody renews it.
    Take(Lease),
    /// Its owner lives and has more than its share.
    Steal(Lease),
}

impl Choice {
    /// The lease.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        match self {
            Choice::Take(lease) | Choice::Steal(lease) => lease,
        }
    }
}

#[derive(Debug)]
struct Seen {
    lease: Lease,
    /// When its counter was first seen as it is; `None`: it never had an owner as far as is known.
    renewed: Option<Instant>,
}

impl Seen {
    fn is_unchanged_for(&self, time: Duration, now: Instant) -> bool {
        self.renewed
            .is_none_or(|renewed| now.saturating_duration_since(renewed) > time)
    }

    fn is_available(&self, failover: Duration, now: Instant) -> bool {
        self.lease.owner.is_none() || self.is_unchanged_for(failover, now)
    }
}

/// The lease table as a worker saw it last, and since when each lease is as it is.
#[derive(Debug, Default)]
pub struct Board {
    seen: BTreeMap<String, Seen>,
}

impl Board {
    /// The table holds these leases now, and no other.
    pub fn observe(&mut self, leases: Vec<Lease>, now: Instant) {
        let mut before = std::mem::take(&mut self.seen);
        for lease in leases {
            let renewed = match before.remove(&lease.key) {
                Some(known) if known.lease.counter == lease.counter => known.renewed,
                Some(_) => Some(now),
                None if lease.owner.is_none() => None,
                None => Some(now),
            };
            self.seen.insert(lease.key.clone(), Seen { lease, renewed });
        }
    }

    /// All leases there are.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.seen.values().map(|seen| &seen.lease)
    }

    /// Workers that renew leases, and `me`, with how many each has.
    #[must_use]
    pub fn workers(&self, me: &str, failover: Duration, now: Instant) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::from([(me.to_owned(), 0)]);
        for seen in self.seen.values() {
            if let Some(owner) = &seen.lease.owner
                && !seen.is_available(failover, now)
            {
                *counts.entry(owner.clone()).or_default() += 1;
            }
        }
        counts
    }

    /// What the worker `me` is to take now.
    #[must_use]
    pub fn choose(&self, me: &str, share: &Share, now: Instant, rng: &Rng) -> Vec<Choice> {
        let counts = self.workers(me, share.failover, now);
        let mine = counts.get(me).copied().unwrap_or_default();
        let room = share.leases_max.saturating_sub(mine);
        let overdue = self.matching(|seen| {
            seen.is_unchanged_for(share.failover * OVERDUE, now)
                && seen.lease.owner.as_deref() != Some(me)
        });
        if !overdue.is_empty() {
            return some_of(overdue, room, rng)
                .into_iter()
                .map(Choice::Take)
                .collect();
        }
        // With more workers than leases each may have one.
        let target = self
            .seen
            .len()
            .div_ceil(counts.len())
            .clamp(1, share.leases_max.max(1));
        let needed = target.saturating_sub(mine).min(self.seen.len());
        if needed == 0 {
            return Vec::new();
        }
        let available = self.matching(|seen| seen.is_available(share.failover, now));
        if !available.is_empty() {
            return some_of(available, needed, rng)
                .into_iter()
                .map(Choice::Take)
                .collect();
        }
        let stolen = self.to_steal(&counts, needed, target, share.steals_max, rng);
        stolen.into_iter().map(Choice::Steal).collect()
    }

    fn to_steal(
        &self,
        counts: &BTreeMap<String, usize>,
        needed: usize,
        target: usize,
        steals_max: usize,
        rng: &Rng,
    ) -> Vec<Lease> {
        let Some((busiest, &count)) = counts.iter().max_by_key(|&(_, &count)| count) else {
            return Vec::new();
        };
        let mut steals = needed.min(count.saturating_sub(target));
        // Who has two less than others gets one even where these have just their share.
        if steals == 0 && needed > 1 && count >= target {
            steals = 1;
        }
        let candidates = self.matching(|seen| {
            // One that is being handed over already has a next owner.
            seen.lease.owner.as_ref() == Some(busiest) && seen.lease.checkpoint_owner.is_none()
        });
        some_of(candidates, steals.min(steals_max), rng)
    }

    fn matching(&self, is_meant: impl Fn(&Seen) -> bool) -> Vec<Lease> {
        let meant = self.seen.values().filter(|seen| is_meant(seen));
        meant.map(|seen| seen.lease.clone()).collect()
    }
}

/// `count` of them by chance, so that workers do not all want the same.
fn some_of(mut leases: Vec<Lease>, count: usize, rng: &Rng) -> Vec<Lease> {
    let mut chosen = Vec::new();
    while chosen.len() < count && !leases.is_empty() {
        let at = rng.below(leases.len() as u64) as usize;
        chosen.push(leases.swap_remove(at));
    }
    chosen
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
