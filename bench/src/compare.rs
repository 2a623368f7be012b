//! What servers of Kinesis streams are compared by: the steps, and the lines of the table.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::control::Control;
use crate::fanout;
use crate::get::{self, GetPlan};
use crate::peers::Peer;
use crate::put::{self, PutPlan};
use crate::report::{Report, Row};
use crate::request::{Format, Protocol, PutShape, Service};
use crate::side_by_side::{Comparison, Line, Step};

/// The longest a server is read from.
const READ_MAX: Duration = Duration::from_secs(30);

/// Requests a second that even slow peers take.
const GENTLE_RATE: f64 = 100.0;

/// The load of one comparison.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) shards: usize,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    /// PutRecord requests a second in the open loop.
    pub(crate) rate: f64,
    pub(crate) format: Format,
}

/// Takes every peer through the load.
pub(crate) fn run(peers: &[Peer], load: &Load, report: &mut Report) -> Result<Vec<Row>> {
    let begin = |server| Bench {
        acked: 0,
        server,
        load: load.clone(),
    };
    let comparison = Comparison {
        protocol: Protocol::Aws(Service::Kinesis),
        begin: &begin,
        steps: STEPS,
        suits: |peer, workload| peer.keeps || !READING.contains(&workload),
    };
    comparison.run(peers, report)
}

struct Bench {
    /// Records acked in the wide stream, to be held against what is read back.
    acked: u64,
    server: SocketAddr,
    load: Load,
}

/// In this order, on one server: what is put first is what is read next.
const STEPS: &[Step<Bench>] = &[
    Step::of("put-records", put_records),
    Step::of("get-records", get_records),
    Step::of("put-record", put_record),
    Step::of("put-record at rate", put_record_at_rate),
    Step::of("put-record, gently", put_record_gently),
    Step::of("fanout", fan_out),
];

/// The steps that make no sense without the data.
const READING: &[&str] = &["get-records", "fanout"];

const WIDE: &str = "bench-wide";
const NARROW: &str = "bench-narrow";

impl Bench {
    fn control(&self) -> Control {
        Control::new(self.server, Duration::from_secs(60))
    }

    fn plan(&self, stream: &str, batch: Option<usize>, size: usize, connections: usize) -> PutPlan {
        let shape = PutShape {
            host: self.server.to_string(),
            stream: stream.to_owned(),
            format: self.load.format,
            batch,
            size,
        };
        PutPlan {
            shape,
            connections,
            rate: None,
            warm_up: self.load.warm_up,
            duration: self.load.duration,
            bytes_max: None,
            epoch: Instant::now(),
        }
    }
}

fn put_records(bench: &mut Bench, row: &mut Row) -> Result<()> {
    bench.control().fresh_stream(WIDE, bench.load.shards)?;
    let outcome = put::run(bench.server, &bench.plan(WIDE, Some(500), 1024, 8))?;
    outcome.describe(row);
    bench.acked = outcome.records_all;
    Ok(())
}

fn get_records(bench: &mut Bench, row: &mut Row) -> Result<()> {
    let plan = GetPlan {
        host: bench.server.to_string(),
        stream: WIDE.to_owned(),
        format: bench.load.format,
        connections: 8,
        duration_max: READ_MAX,
    };
    let outcome = get::run(bench.server, &plan)?;
    outcome.describe(row);
    if outcome.seen.records != bench.acked && !outcome.cut_short {
        row.note(format!(
            "{} records were acked, {} were found",
            bench.acked, outcome.seen.records
        ));
    }
    Ok(())
}

fn put_record(bench: &mut Bench, row: &mut Row) -> Result<()> {
    bench.control().fresh_stream(WIDE, bench.load.shards)?;
    put::run(bench.server, &bench.plan(WIDE, None, 100, 64))?.describe(row);
    Ok(())
}

fn put_record_at_rate(bench: &mut Bench, row: &mut Row) -> Result<()> {
    bench.control().fresh_stream(WIDE, bench.load.shards)?;
    let mut plan = bench.plan(WIDE, None, 100, 64);
    plan.rate = Some(bench.load.rate);
    put::run(bench.server, &plan)?.describe(row);
    Ok(())
}

/// At a rate most peers can keep up with, where latencies can be compared.
fn put_record_gently(bench: &mut Bench, row: &mut Row) -> Result<()> {
    bench.control().fresh_stream(WIDE, bench.load.shards)?;
    let mut plan = bench.plan(WIDE, None, 100, 64);
    plan.rate = Some(GENTLE_RATE);
    put::run(bench.server, &plan)?.describe(row);
    Ok(())
}

fn fan_out(bench: &mut Bench, row: &mut Row) -> Result<()> {
    bench.control().fresh_stream(NARROW, 4)?;
    let mut plan = bench.plan(NARROW, None, 100, 16);
    plan.shape.format = Format::Json;
    plan.rate = Some(1000.0);
    fanout::run(bench.server, &plan)?.describe(row);
    Ok(())
}

/// What the table compares.
pub(crate) const LINES: &[Line] = &[
    ("start to first answer", "start", "start"),
    ("idle memory", "start", "idle memory"),
    (
        "PutRecords 500 × 1 KiB, 8 connections",
        "put-records",
        "payload",
    ),
    ("… p99", "put-records", "p99"),
    ("… server CPU", "put-records", "server CPU"),
    ("… generator CPU", "put-records", "generator CPU"),
    ("… idle of all processors", "put-records", "idle"),
    ("… memory after", "put-records", "memory"),
    ("GetRecords of the same", "get-records", "payload"),
    ("PutRecord 100 B, 64 connections", "put-record", "records"),
    ("… p99", "put-record", "p99"),
    ("… server CPU", "put-record", "server CPU"),
    (
        "PutRecord at the given rate",
        "put-record at rate",
        "records",
    ),
    ("… p50", "put-record at rate", "p50"),
    ("… p99", "put-record at rate", "p99"),
    ("… p99.9", "put-record at rate", "p99.9"),
    ("PutRecord at 100/s: p50", "put-record, gently", "p50"),
    ("… p99", "put-record, gently", "p99"),
    ("put → fan-out consumer, 1,000/s: p50", "fanout", "p50"),
    ("… p99", "fanout", "p99"),
];
