//! How fast a shard may be written to: AWS's 1 MB and 1,000 records a second, or a part or multiple of it.

use std::time::Duration;

use tokio::time::Instant;

/// AWS's limits of a shard.
const BYTES_PER_SECOND: f64 = 1_000_000.0;
const RECORDS_PER_SECOND: f64 = 1_000.0;

/// Two buckets of tokens, for bytes and for records, each of one second. A record goes while both are above nothing and may
/// leave a debt, so that one larger than a bucket passes too.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    per_cent: f64,
    bytes: f64,
    records: f64,
    filled: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(per_cent: u32, now: Instant) -> Bucket {
        let per_cent = f64::from(per_cent) / 100.0;
        Bucket {
            per_cent,
            bytes: BYTES_PER_SECOND * per_cent,
            records: RECORDS_PER_SECOND * per_cent,
            filled: now,
        }
    }

    /// Takes a record's tokens, if it may go now.
    pub(super) fn take(&mut self, bytes: usize, now: Instant) -> bool {
        self.fill(now);
        if self.bytes <= 0.0 || self.records < 1.0 {
            return false;
        }
        self.bytes -= bytes as f64;
        self.records -= 1.0;
        true
    }

    /// When the next record may go.
    pub(super) fn ready_at(&self) -> Instant {
        let bytes = (1.0 - self.bytes) / (BYTES_PER_SECOND * self.per_cent);
        let records = (1.0 - self.records) / (RECORDS_PER_SECOND * self.per_cent);
        // A microsecond more, lest rounding wakes us too early.
        self.filled + Duration::from_secs_f64(bytes.max(records).max(0.0) + 1e-6)
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        let grown = |left: f64, rate: f64| (left + passed * rate).min(rate);
        self.bytes = grown(self.bytes, BYTES_PER_SECOND * self.per_cent);
        self.records = grown(self.records, RECORDS_PER_SECOND * self.per_cent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of so many bytes that pass in so many seconds, asked for each millisecond.
    fn passed(per_cent: u32, bytes: usize, seconds: u64) -> usize {
        let start = Instant::now();
        let mut bucket = Bucket::new(per_cent, start);
        let mut count = 0;
        for milli in 0..seconds * 1000 {
            while bucket.take(bytes, start + Duration::from_millis(milli)) {
                count += 1;
            }
        }
        count
    }

    #[test]
    fn neither_bytes_nor_records_pass_the_rate() {
        let check = |found: usize, expected: usize| {
            assert!(
                found.abs_diff(expected) <= expected / 50 + 2,
                "{found}, not {expected}"
            );
        };
        // A second's worth is there at the start.
        check(passed(100, 100, 9), 10_000);
        check(passed(150, 100, 9), 15_000);
        check(passed(100, 50_000, 9), 200);
        check(passed(100, 5_000_000, 9), 2);
    }

    #[test]
    fn it_says_when_it_will_be_ready() {
        let start = Instant::now();
        let mut bucket = Bucket::new(100, start);
        assert!(bucket.ready_at() <= start + Duration::from_micros(1));
        assert!(bucket.take(3_000_000, start));
        assert!(!bucket.take(1, start + Duration::from_millis(1990)));
        let ready = bucket.ready_at();
        assert!(ready > start + Duration::from_millis(1995));
        assert!(bucket.take(1, ready));
    }
}
