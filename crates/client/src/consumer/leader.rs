//! The leader of the KCL 3: the one worker that says who has which lease. Our worker never leads; it tells when one does.
//!
//! A leader holds a lock, an item it changes with each heartbeat. A lock unchanged for longer than it says is nobody's, as a
//! lease is: by the watcher's own clock, so that clocks need not agree.
//!
//! Without I/O. `fleet` has the items.

use std::time::Duration;

use tokio::time::Instant;

/// The lock of a leader, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderLock {
    /// Changes with each heartbeat.
    pub version: String,
    /// Unchanged for so long, it is nobody's.
    pub lease: Duration,
}

/// Since when the lock is as it is.
#[derive(Debug, Default)]
pub struct Leadership {
    seen: Option<(LeaderLock, Instant)>,
}

impl Leadership {
    /// The lock is that now; `None`: there is none.
    pub fn observe(&mut self, lock: Option<LeaderLock>, now: Instant) {
        self.seen = match (lock, self.seen.take()) {
            (Some(lock), Some((known, since))) if known.version == lock.version => {
                Some((lock, since))
            }
            (Some(lock), _) => Some((lock, now)),
            (None, _) => None,
        };
    }

    /// Whether a leader lives. `look`: the time between two looks, in which a heartbeat may have been missed.
    #[must_use]
    pub fn lives(&self, look: Duration, now: Instant) -> bool {
        let seen = self.seen.as_ref();
        seen.is_some_and(|(lock, since)| now.saturating_duration_since(*since) <= lock.lease + look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(10);
    const LOOK: Duration = Duration::from_secs(3);

    fn lock(version: &str) -> Option<LeaderLock> {
        Some(LeaderLock {
            version: version.to_owned(),
            lease: LEASE,
        })
    }

    #[test]
    fn a_leader_lives_while_its_lock_changes() {
        let begin = Instant::now();
        let mut leadership = Leadership::default();
        assert!(!leadership.lives(LOOK, begin));
        leadership.observe(lock("1"), begin);
        // At first sight it may live.
        assert!(leadership.lives(LOOK, begin));
        leadership.observe(lock("1"), begin + LEASE);
        assert!(leadership.lives(LOOK, begin + LEASE + LOOK));
        let moment = Duration::from_millis(1);
        assert!(!leadership.lives(LOOK, begin + LEASE + LOOK + moment));
        // Another took it.
        leadership.observe(lock("2"), begin + LEASE * 9);
        assert!(leadership.lives(LOOK, begin + LEASE * 9));
    }

    #[test]
    fn a_lock_that_was_given_back_is_nobodys() {
        let begin = Instant::now();
        let mut leadership = Leadership::default();
        leadership.observe(lock("1"), begin);
        leadership.observe(None, begin);
        assert!(!leadership.lives(LOOK, begin));
    }
}
