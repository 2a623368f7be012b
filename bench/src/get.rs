//! Reads back everything from all shards with GetRecords, each connection one shard at a time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::control::Control;
use crate::drive::{self, Load, Next};
use crate::http1::Answer;
use crate::report::{self, Row};
use crate::request::{self, Format};
use crate::scan::{self, Seen};

/// Records asked for in one GetRecords: the most the API allows.
const LIMIT: usize = 10_000;
/// Empty answers in a row that end a shard whose server does not say how far behind they are.
const EMPTY_MAX: u32 = 3;

/// What is read, and for how long at most.
#[derive(Debug, Clone)]
pub(crate) struct GetPlan {
    pub(crate) host: String,
    pub(crate) stream: String,
    pub(crate) format: Format,
    pub(crate) connections: usize,
    pub(crate) duration_max: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct GetOutcome {
    pub(crate) seen: Seen,
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Histogram<u64>,
    /// The time was over before the data was.
    pub(crate) cut_short: bool,
    /// Requests refused.
    pub(crate) failed: u64,
    /// The first refusal, as the server put it.
    pub(crate) first_failure: Option<String>,
}

impl GetOutcome {
    /// Adds the figures to a row.
    pub(crate) fn describe(&self, row: &mut Row) {
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        row.add("records", self.seen.records as f64 / seconds, "/s");
        row.add("payload", self.seen.bytes as f64 / seconds / 1e6, "MB/s");
        row.add("read", self.seen.bytes as f64 / 1e6, "MB");
        row.add_latencies(&self.latencies);
        if let Some(failure) = &self.first_failure {
            row.note(format!(
                "{} requests failed, the first with: {failure}",
                self.failed
            ));
        }
        if self.cut_short {
            row.note("the time was over before everything was read");
        }
    }
}

/// Reads as planned.
pub(crate) fn run(server: SocketAddr, plan: &GetPlan) -> Result<GetOutcome> {
    let mut control = Control::new(server, Duration::from_secs(30));
    let mut iterators = VecDeque::new();
    for shard in control.shards(&plan.stream)? {
        iterators.push_back(control.oldest(&plan.stream, &shard)?);
    }
    let mut load = GetLoad::new(plan, iterators);
    drive::drive(server, plan.connections, &mut load)?;
    load.outcome.elapsed = load.last_data - load.start;
    Ok(load.outcome)
}

#[derive(Debug, Default)]
struct Reader {
    iterator: Option<String>,
    empty: u32,
    sent: Option<Instant>,
    request: Vec<u8>,
}

struct GetLoad<'a> {
    plan: &'a GetPlan,
    /// One for each shard nobody reads yet.
    waiting: VecDeque<String>,
    readers: Vec<Reader>,
    body: Vec<u8>,
    start: Instant,
    last_data: Instant,
    outcome: GetOutcome,
}

impl<'a> GetLoad<'a> {
    fn new(plan: &'a GetPlan, waiting: VecDeque<String>) -> Self {
        let start = Instant::now();
        let outcome = GetOutcome {
            seen: Seen::default(),
            elapsed: Duration::ZERO,
            latencies: report::latencies(),
            cut_short: false,
            failed: 0,
            first_failure: None,
        };
        let readers = (0..plan.connections).map(|_| Reader::default()).collect();
        Self {
            plan,
            waiting,
            readers,
            body: Vec::new(),
            start,
            last_data: start,
            outcome,
        }
    }
}

impl Load for GetLoad<'_> {
    fn next(&mut self, connection: usize, now: Instant) -> Next {
        let reader = &mut self.readers[connection];
        if reader.iterator.is_none() {
            reader.iterator = self.waiting.pop_front();
            reader.empty = 0;
        }
        let Some(iterator) = &reader.iterator else {
            return Next::Done;
        };
        if now - self.start > self.plan.duration_max {
            self.outcome.cut_short = true;
            return Next::Done;
        }
        let format = self.plan.format;
        request::write_get_records(&mut self.body, format, iterator, LIMIT);
        request::write_request(
            &mut reader.request,
            &self.plan.host,
            "GetRecords",
            format,
            &self.body,
        );
        reader.sent = Some(now);
        Next::Send
    }

    fn request(&self, connection: usize) -> &[u8] {
        &self.readers[connection].request
    }

    fn on_answer(&mut self, connection: usize, answer: &Answer<'_>, now: Instant) -> Result<()> {
        let format = self.plan.format;
        let reader = &mut self.readers[connection];
        if answer.status != 200 {
            let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(200)]);
            self.outcome.failed += 1;
            self.outcome
                .first_failure
                .get_or_insert(format!("status {} {text}", answer.status));
            // The shard is given up: an error that repeats must not keep the run alive.
            reader.iterator = None;
            return Ok(());
        }
        let seen = scan::records(format, answer.body);
        self.outcome.seen.records += seen.records;
        self.outcome.seen.bytes += seen.bytes;
        if seen.records > 0 {
            self.last_data = now;
            reader.empty = 0;
        } else {
            reader.empty += 1;
        }
        if let Some(sent) = reader.sent.take() {
            report::record(&mut self.outcome.latencies, now - sent);
        }
        // Not by MillisBehindLatest alone: some servers always answer 0.
        let at_end = seen.records == 0 && scan::millis_behind(format, answer.body) == Some(0);
        let over = at_end || reader.empty >= EMPTY_MAX;
        let following = scan::next_iterator(format, answer.body).filter(|_| !over);
        reader.iterator = following;
        Ok(())
    }
}
