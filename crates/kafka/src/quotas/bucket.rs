//! A bucket that fills at a steady rate: who takes more than is in it owes, and waits until it no longer does. Pure.

use std::time::Duration;

/// How much a bucket holds: what comes in in this time.
const HOLDS: Duration = Duration::from_secs(1);
/// Longest that anybody is told to wait.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// What one quota's users have left, together.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Bucket {
    /// Comes in each second.
    rate: f64,
    /// In it; below nothing where it is owed.
    level: f64,
    /// When that was so, since some beginning.
    at: Duration,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(rate: f64, now: Duration) -> Bucket {
        Bucket {
            rate,
            level: rate * HOLDS.as_secs_f64(),
            at: now,
        }
    }

    /// Goes on at another rate, if it is another.
    pub(crate) fn set_rate(&mut self, rate: f64, now: Duration) {
        if self.rate != rate {
            self.fill(now);
            self.rate = rate;
            self.level = self.level.min(rate * HOLDS.as_secs_f64());
        }
    }

    /// Whether there is anything left to take.
    pub(crate) fn has_any(&mut self, now: Duration) -> bool {
        self.fill(now);
        self.level > 0.0
    }

    /// Takes `amount`, whether it is there or not, and tells how long to wait before taking again.
    pub(crate) fn take(&mut self, amount: f64, now: Duration) -> Duration {
        self.fill(now);
        self.level -= amount;
        self.wait()
    }

    /// How long to wait as things are.
    pub(crate) fn wait(&self) -> Duration {
        if self.level >= 0.0 {
            return Duration::ZERO;
        }
        let seconds = -self.level / self.rate;
        Duration::try_from_secs_f64(seconds).map_or(WAIT_MAX, |wait| wait.min(WAIT_MAX))
    }

    /// How long until one more is in it: for what is taken one by one, and only where it is there.
    pub(crate) fn wait_for_more(&mut self, now: Duration) -> Duration {
        self.fill(now);
        let seconds = (1.0 - self.level).max(0.0) / self.rate;
        Duration::try_from_secs_f64(seconds).map_or(WAIT_MAX, |wait| wait.min(WAIT_MAX))
    }

    /// Whether it is as a new one would be, so that it can be forgotten.
    pub(crate) fn is_full(&mut self, now: Duration) -> bool {
        self.fill(now);
        self.level >= self.rate * HOLDS.as_secs_f64()
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at);
        let most = self.rate * HOLDS.as_secs_f64();
        self.level = (self.level + self.rate * passed.as_secs_f64()).min(most);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_takes_too_much_waits_until_it_is_there() {
        let second = Duration::from_secs(1);
        let mut bucket = Bucket::new(100.0, Duration::ZERO);
        assert_eq!(bucket.take(100.0, Duration::ZERO), Duration::ZERO);
        assert_eq!(bucket.take(250.0, Duration::ZERO), second * 5 / 2);
        assert!(!bucket.has_any(second * 2));
        assert!(bucket.has_any(second * 3));
        bucket.set_rate(10.0, second * 10);
        assert_eq!(bucket.take(20.0, second * 10), second);
        assert!(!bucket.is_full(second * 11));
        assert!(bucket.is_full(second * 12));
        // However much is taken, nobody is sent away for ever.
        assert_eq!(bucket.take(f64::MAX, second * 12), WAIT_MAX);
    }

    proptest! {
        /// Whoever waits as told takes no more than the rate and what a full bucket holds.
        #[test]
        fn the_rate_is_kept(amounts in proptest::collection::vec(1..10_000_u32, 1..50)) {
            let rate = 1_000.0;
            let mut bucket = Bucket::new(rate, Duration::ZERO);
            let (mut now, mut taken) = (Duration::ZERO, 0.0);
            for amount in amounts {
                taken += f64::from(amount);
                now += bucket.take(f64::from(amount), now);
                prop_assert!(taken <= rate * (now.as_secs_f64() + 1.0) + 1.0);
            }
        }
    }
}
