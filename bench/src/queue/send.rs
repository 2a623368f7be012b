//! SendMessage at a given rate: latency from the time each was meant to go (see `pace`).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;

use super::messages::{Bodies, Ledger};
use super::wire::{self, Queue, SendRequest};
use crate::drive::{self, Load, Next};
use crate::http1::Answer;
use crate::pace::Pace;
use crate::report::{self, Row};

/// How fast and for how long.
#[derive(Debug, Clone)]
pub(crate) struct SendPlan {
    pub(crate) connections: usize,
    /// Messages a second; `None` for as many as the server takes.
    pub(crate) rate: Option<f64>,
    /// Not measured.
    pub(crate) warm_up: Duration,
    /// Measured.
    pub(crate) duration: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct SendOutcome {
    /// Messages acked in the measured time.
    sent: u64,
    /// From the end of the warm-up to the last answer.
    elapsed: Duration,
    latencies: Histogram<u64>,
    failed: u64,
    first_failure: Option<String>,
    never_sent: u64,
}

impl SendOutcome {
    /// Adds the figures to a row.
    pub(crate) fn describe(&self, row: &mut Row) {
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        row.add("messages", self.sent as f64 / seconds, "/s");
        row.add_latencies(&self.latencies);
        if let Some(failure) = &self.first_failure {
            let failed = self.failed;
            row.note(format!(
                "{failed} requests failed, the first with: {failure}"
            ));
        }
        if self.never_sent > 0 {
            let waiting = self.never_sent;
            row.note(format!("cannot keep up: {waiting} due requests were not sent; they count as waiting until the end"));
        }
    }
}

/// Sends as planned. `ledger` has a lane for each connection.
pub(crate) fn run(
    server: SocketAddr,
    queue: &Queue,
    bodies: &Bodies,
    ledger: &mut Ledger,
    plan: &SendPlan,
) -> Result<SendOutcome> {
    let pace = Pace::new(plan.rate, plan.warm_up, plan.duration);
    let warm_at = pace.warm_at();
    let request = SendRequest::new(queue, None, bodies.size());
    let mut load = SendLoad {
        bodies,
        ledger,
        requests: vec![request; plan.connections],
        sending: vec![(warm_at, 0); plan.connections],
        pace,
        last_answer: warm_at,
        outcome: SendOutcome {
            sent: 0,
            elapsed: Duration::ZERO,
            latencies: report::latencies(),
            failed: 0,
            first_failure: None,
            never_sent: 0,
        },
    };
    drive::drive(server, plan.connections, &mut load)?;
    let mut outcome = load.outcome;
    outcome.never_sent = load.pace.add_never_sent(&mut outcome.latencies);
    outcome.elapsed = load.last_answer - warm_at;
    Ok(outcome)
}

struct SendLoad<'a> {
    bodies: &'a Bodies,
    ledger: &'a mut Ledger,
    requests: Vec<SendRequest>,
    /// For each connection, when its message was meant to go, and its number.
    sending: Vec<(Instant, u64)>,
    pace: Pace,
    last_answer: Instant,
    outcome: SendOutcome,
}

impl Load for SendLoad<'_> {
    fn next(&mut self, connection: usize, now: Instant) -> Next {
        let intended = match self.pace.issue(now) {
            Ok(intended) => intended,
            Err(instead) => return instead,
        };
        for number in self.ledger.issue(connection, 1) {
            self.sending[connection] = (intended, number);
            self.requests[connection].patch(self.bodies, connection, std::iter::once(number));
        }
        Next::Send
    }

    fn request(&self, connection: usize) -> &[u8] {
        self.requests[connection].bytes()
    }

    fn on_answer(&mut self, connection: usize, answer: &Answer<'_>, now: Instant) -> Result<()> {
        if answer.status != 200 || wire::sent(answer.body) != 1 {
            let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(200)]);
            let failure = format!("status {} {text}", answer.status);
            self.outcome.failed += 1;
            self.outcome.first_failure.get_or_insert(failure);
            return Ok(());
        }
        let (intended, number) = self.sending[connection];
        self.ledger.on_acked(number);
        if intended >= self.pace.warm_at() {
            report::record(&mut self.outcome.latencies, now - intended);
        }
        if now >= self.pace.warm_at() {
            self.outcome.sent += 1;
            self.last_answer = now;
        }
        Ok(())
    }
}
