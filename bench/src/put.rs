//! PutRecord and PutRecords at full speed (closed loop) or at a given rate (open loop; see `pace`).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::drive::{self, Load, Next};
use crate::http1::Answer;
use crate::pace::Pace;
use crate::random::Random;
use crate::report::{self, Row};
use crate::request::{PutRequest, PutShape};
use crate::scan;

/// How much is put, how fast and for how long.
#[derive(Debug, Clone)]
pub(crate) struct PutPlan {
    pub(crate) shape: PutShape,
    pub(crate) connections: usize,
    /// Requests a second, intended; `None` for as many as the server takes.
    pub(crate) rate: Option<f64>,
    /// Not measured.
    pub(crate) warm_up: Duration,
    /// Measured.
    pub(crate) duration: Duration,
    /// Ends the run early once this many bytes of data are acked.
    pub(crate) bytes_max: Option<u64>,
    /// What intended times, given as the data's stamps, count from.
    pub(crate) epoch: Instant,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct PutOutcome {
    /// Records acked in the measured time.
    pub(crate) records: u64,
    /// Bytes of data in them.
    pub(crate) bytes: u64,
    /// From the end of the warm-up to the last answer.
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Histogram<u64>,
    /// Records acked, warm-up included.
    pub(crate) records_all: u64,
    /// Requests refused, or with refused records.
    pub(crate) failed: u64,
    /// The first refusal, as the server put it.
    pub(crate) first_failure: Option<String>,
    /// Requests that were due but not sent when the time was over.
    pub(crate) never_sent: u64,
}

impl PutOutcome {
    /// Adds the figures to a row.
    pub(crate) fn describe(&self, row: &mut Row) {
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        row.add("records", self.records as f64 / seconds, "/s");
        row.add("payload", self.bytes as f64 / seconds / 1e6, "MB/s");
        row.add_latencies(&self.latencies);
        if let Some(failure) = &self.first_failure {
            row.note(format!(
                "{} requests failed, the first with: {failure}",
                self.failed
            ));
        }
        if self.never_sent > 0 {
            let waiting = self.never_sent;
            row.note(format!("cannot keep up: {waiting} due requests were not sent; they count as waiting until the end"));
        }
    }
}

/// Puts as planned.
pub(crate) fn run(server: SocketAddr, plan: &PutPlan) -> Result<PutOutcome> {
    let mut load = PutLoad::new(plan);
    drive::drive(server, plan.connections, &mut load)?;
    Ok(load.finish())
}

struct PutLoad<'a> {
    plan: &'a PutPlan,
    random: Random,
    requests: Vec<PutRequest>,
    /// For each connection, when its request in flight was meant to go.
    intended: Vec<Instant>,
    pace: Pace,
    last_answer: Instant,
    outcome: PutOutcome,
}

impl<'a> PutLoad<'a> {
    fn new(plan: &'a PutPlan) -> Self {
        let mut random = Random::new(20_131_202);
        let requests = (0..plan.connections)
            .map(|_| PutRequest::new(&plan.shape, &mut random))
            .collect();
        let pace = Pace::new(plan.rate, plan.warm_up, plan.duration);
        let warm_at = pace.warm_at();
        let outcome = PutOutcome {
            records: 0,
            bytes: 0,
            elapsed: Duration::ZERO,
            latencies: report::latencies(),
            records_all: 0,
            failed: 0,
            first_failure: None,
            never_sent: 0,
        };
        Self {
            plan,
            random,
            requests,
            intended: vec![warm_at; plan.connections],
            pace,
            last_answer: warm_at,
            outcome,
        }
    }

    fn is_full(&self) -> bool {
        let size = self.plan.shape.size as u64;
        let bytes_max = self.plan.bytes_max;
        bytes_max.is_some_and(|max| self.outcome.records_all * size >= max)
    }

    fn finish(mut self) -> PutOutcome {
        self.outcome.never_sent = self.pace.add_never_sent(&mut self.outcome.latencies);
        self.outcome.elapsed = self.last_answer - self.pace.warm_at();
        self.outcome
    }

    fn failure(&self, answer: &Answer<'_>) -> Option<String> {
        let text =
            || String::from_utf8_lossy(&answer.body[..answer.body.len().min(200)]).into_owned();
        if answer.status != 200 {
            return Some(format!("status {} {}", answer.status, text()));
        }
        // PutRecord has no count: its status said it all.
        self.plan.shape.batch?;
        match scan::failed_records(self.plan.shape.format, answer.body) {
            Some(0) => None,
            Some(count) => Some(format!("{count} records refused: {}", text())),
            None => Some(format!("no FailedRecordCount in {}", text())),
        }
    }
}

impl Load for PutLoad<'_> {
    fn next(&mut self, connection: usize, now: Instant) -> Next {
        if self.is_full() {
            return Next::Done;
        }
        let intended = match self.pace.issue(now) {
            Ok(intended) => intended,
            Err(instead) => return instead,
        };
        self.intended[connection] = intended;
        let stamp = intended
            .saturating_duration_since(self.plan.epoch)
            .as_nanos() as u64;
        self.requests[connection].patch(stamp, &mut self.random);
        Next::Send
    }

    fn request(&self, connection: usize) -> &[u8] {
        self.requests[connection].bytes()
    }

    fn on_answer(&mut self, connection: usize, answer: &Answer<'_>, now: Instant) -> Result<()> {
        if let Some(failure) = self.failure(answer) {
            self.outcome.failed += 1;
            self.outcome.first_failure.get_or_insert(failure);
            return Ok(());
        }
        let records = self.plan.shape.records() as u64;
        self.outcome.records_all += records;
        let intended = self.intended[connection];
        if intended >= self.pace.warm_at() {
            report::record(&mut self.outcome.latencies, now - intended);
        }
        if now >= self.pace.warm_at() {
            self.outcome.records += records;
            self.outcome.bytes += records * self.plan.shape.size as u64;
            self.last_answer = now;
        }
        Ok(())
    }
}
