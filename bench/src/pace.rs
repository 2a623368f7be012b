//! When requests leave: as fast as answers come in (closed loop), or at a given rate (open loop).
//!
//! In an open loop every request has an intended time, and its latency counts from then, sent late or not: a server that
//! stalls cannot hide the requests that waited for it (no coordinated omission). Requests that were due and could not be
//! sent before the end count with the time they had waited by then.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::drive::Next;
use crate::report;

/// How long after the end of an open loop requests that were due before it may still leave.
const LATE_MAX: Duration = Duration::from_millis(50);

/// The times of one load.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: Option<f64>,
    start: Instant,
    warm_at: Instant,
    end_at: Instant,
    issued: u64,
}

impl Pace {
    /// Starts now. `rate` is in requests a second; `None` for as many as the server takes.
    pub(crate) fn new(rate: Option<f64>, warm_up: Duration, duration: Duration) -> Self {
        let start = Instant::now();
        let warm_at = start + warm_up;
        Self {
            rate,
            start,
            warm_at,
            end_at: warm_at + duration,
            issued: 0,
        }
    }

    /// When the measured time begins.
    pub(crate) fn warm_at(&self) -> Instant {
        self.warm_at
    }

    /// Lets a request leave: the time it was intended for. An error is what the connection does instead.
    pub(crate) fn issue(&mut self, now: Instant) -> Result<Instant, Next> {
        let late = if self.rate.is_some() {
            LATE_MAX
        } else {
            Duration::ZERO
        };
        let intended = self.rate.map_or(now, |rate| self.due(self.issued, rate));
        if now >= self.end_at + late || intended >= self.end_at {
            return Err(Next::Done);
        }
        if intended > now {
            return Err(Next::WaitUntil(intended));
        }
        self.issued += 1;
        Ok(intended)
    }

    /// Adds the requests that were due and never left to `latencies`; returns how many.
    pub(crate) fn add_never_sent(&self, latencies: &mut Histogram<u64>) -> u64 {
        let Some(rate) = self.rate else {
            return 0;
        };
        let mut never_sent = 0;
        loop {
            let due = self.due(self.issued + never_sent, rate);
            if due >= self.end_at {
                return never_sent;
            }
            report::record(latencies, self.end_at - due);
            never_sent += 1;
        }
    }

    /// When request number `number` is meant to go.
    fn due(&self, number: u64, rate: f64) -> Instant {
        self.start + Duration::from_secs_f64(number as f64 / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_their_times_and_those_not_sent_count() {
        let mut pace = Pace::new(Some(1000.0), Duration::ZERO, Duration::from_millis(10));
        let start = pace.start;
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(pace.issue(at(1)), Ok(at(0)));
        assert_eq!(pace.issue(at(1)), Ok(at(1)));
        assert_eq!(pace.issue(at(1)), Err(Next::WaitUntil(at(2))));
        // Late, but due before the end: it leaves, and counts from when it was due.
        assert_eq!(pace.issue(at(59)), Ok(at(2)));
        assert_eq!(pace.issue(at(60)), Err(Next::Done));
        let mut latencies = report::latencies();
        assert_eq!(pace.add_never_sent(&mut latencies), 7);
        assert_eq!(latencies.len(), 7);
        assert_eq!(latencies.max() / 1000, 7);
    }

    #[test]
    fn a_closed_loop_sends_until_the_end() {
        let mut pace = Pace::new(None, Duration::ZERO, Duration::from_millis(10));
        let start = pace.start;
        assert_eq!(pace.issue(start), Ok(start));
        assert_eq!(pace.issue(pace.end_at), Err(Next::Done));
        assert_eq!(pace.add_never_sent(&mut report::latencies()), 0);
    }
}
