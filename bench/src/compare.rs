//! The same load on one server after the other, and one table of it all.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::control::Control;
use crate::fanout;
use crate::get::{self, GetPlan};
use crate::peers::{Peer, workspace};
use crate::process::{self, CpuMeter, Server};
use crate::put::{self, PutPlan};
use crate::report::{self, Report, Row};
use crate::request::{Format, PutShape};

/// Quiet time before idle memory is read.
const SETTLE: Duration = Duration::from_secs(2);
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

/// Runs every peer through the load. A peer that fails is a note in its row, not the end of the run.
pub(crate) fn run(peers: &[Peer], load: &Load, report: &mut Report) -> Result<Vec<Row>> {
    let root = workspace().join("target/bench");
    let mut rows = Vec::new();
    for peer in peers {
        let before = rows.len();
        if let Err(error) = run_peer(peer, load, &root, &mut rows, report) {
            let mut row = Row::new(peer.name, "run");
            row.note(format!("{error:#}"));
            report.push(&row)?;
            rows.push(row);
        }
        if let Some(first) = rows.get_mut(before) {
            first.note(format!("{} {}: {}", peer.name, peer.version, peer.about));
        }
    }
    Ok(rows)
}

fn run_peer(
    peer: &Peer,
    load: &Load,
    root: &Path,
    rows: &mut Vec<Row>,
    report: &mut Report,
) -> Result<()> {
    let recipe = peer.prepare(root).context("cannot be installed")?;
    let since = Instant::now();
    let mut server = Server::start(&recipe, &root.join("run").join(peer.name))?;
    let started = server.await_answer(since)?;
    std::thread::sleep(SETTLE);
    let mut row = Row::new(peer.name, "start");
    row.add("start", started.as_secs_f64() * 1000.0, "ms");
    row.add(
        "idle memory",
        process::resident(server.id())? as f64 / 1e6,
        "MB",
    );
    report.push(&row)?;
    rows.push(row);

    let mut bench = Bench {
        acked: 0,
        server: &server,
        load,
    };
    for (workload, step) in STEPS {
        if !peer.keeps && READING.contains(workload) {
            continue;
        }
        let mut row = Row::new(peer.name, workload);
        let meter = CpuMeter::start(Some(server.id()));
        if let Err(error) = step(&mut bench, &mut row) {
            row.note(format!("{error:#}"));
        }
        if !row.figures.is_empty() {
            let (server_cpu, own_cpu) = meter.stop();
            row.add("server CPU", server_cpu.unwrap_or_default(), "cores");
            row.add("generator CPU", own_cpu, "cores");
            row.add("memory", process::resident(server.id())? as f64 / 1e6, "MB");
        }
        report.push(&row)?;
        rows.push(row);
    }
    server.stop()
}

struct Bench<'a> {
    /// Records acked in the wide stream, to be held against what is read back.
    acked: u64,
    server: &'a Server,
    load: &'a Load,
}

type Step = fn(&mut Bench<'_>, &mut Row) -> Result<()>;

/// In this order, on one server: what is put first is what is read next.
const STEPS: &[(&str, Step)] = &[
    ("put-records", put_records),
    ("get-records", get_records),
    ("put-record", put_record),
    ("put-record at rate", put_record_at_rate),
    ("put-record, gently", put_record_gently),
    ("fanout", fan_out),
];

/// The steps that make no sense without the data.
const READING: &[&str] = &["get-records", "fanout"];

const WIDE: &str = "bench-wide";
const NARROW: &str = "bench-narrow";

impl Bench<'_> {
    fn control(&self) -> Control {
        Control::new(self.server.address, Duration::from_secs(60))
    }

    fn plan(&self, stream: &str, batch: Option<usize>, size: usize, connections: usize) -> PutPlan {
        let shape = PutShape {
            host: self.server.address.to_string(),
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

fn put_records(bench: &mut Bench<'_>, row: &mut Row) -> Result<()> {
    bench.control().fresh_stream(WIDE, bench.load.shards)?;
    let outcome = put::run(bench.server.address, &bench.plan(WIDE, Some(500), 1024, 8))?;
    outcome.describe(row);
    bench.acked = outcome.records_all;
    Ok(())
}

fn get_records(bench: &mut Bench<'_>, row: &mut Row) -> Result<()> {
    let plan = GetPlan {
        host: bench.server.address.to_string(),
        stream: WIDE.to_owned(),
        format: bench.load.format,
        connections: 8,
        duration_max: READ_MAX,
    };
    let outcome = get::run(bench.server.address, &plan)?;
    outcome.describe(row);
    if outcome.seen.records != bench.acked && !outcome.cut_short {
        row.note(format!(
            "{} records were acked, {} were found",
            bench.acked, outcome.seen.records
        ));
    }
    Ok(())
}

fn put_record(bench: &mut Bench<'_>, row: &mut Row) -> Result<()> {
    bench.control().fresh_stream(WIDE, bench.load.shards)?;
    put::run(bench.server.address, &bench.plan(WIDE, None, 100, 64))?.describe(row);
    Ok(())
}

fn put_record_at_rate(bench: &mut Bench<'_>, row: &mut Row) -> Result<()> {
    bench.control().fresh_stream(WIDE, bench.load.shards)?;
    let mut plan = bench.plan(WIDE, None, 100, 64);
    plan.rate = Some(bench.load.rate);
    put::run(bench.server.address, &plan)?.describe(row);
    Ok(())
}

/// At a rate most peers can keep up with, where latencies can be compared.
fn put_record_gently(bench: &mut Bench<'_>, row: &mut Row) -> Result<()> {
    bench.control().fresh_stream(WIDE, bench.load.shards)?;
    let mut plan = bench.plan(WIDE, None, 100, 64);
    plan.rate = Some(GENTLE_RATE);
    put::run(bench.server.address, &plan)?.describe(row);
    Ok(())
}

fn fan_out(bench: &mut Bench<'_>, row: &mut Row) -> Result<()> {
    bench.control().fresh_stream(NARROW, 4)?;
    let mut plan = bench.plan(NARROW, None, 100, 16);
    plan.shape.format = Format::Json;
    plan.rate = Some(1000.0);
    fanout::run(bench.server.address, &plan)?.describe(row);
    Ok(())
}

/// What the table compares: title, workload, figure.
const LINES: &[(&str, &str, &str)] = &[
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

/// The comparison as a Markdown table, one column for each server.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut servers: Vec<&str> = Vec::new();
    for row in rows {
        if !servers.contains(&row.server.as_str()) {
            servers.push(&row.server);
        }
    }
    // Writing to a String cannot fail.
    let mut text = format!(
        "| work | {} |\n|---|{}\n",
        servers.join(" | "),
        "---:|".repeat(servers.len())
    );
    for (title, workload, name) in LINES {
        let _ = write!(text, "| {title} |");
        for server in &servers {
            let row = rows
                .iter()
                .find(|row| row.server == *server && row.workload == *workload);
            let cell = match row.and_then(|row| row.figure(name)) {
                Some(figure) => format!("{} {}", report::readable(figure.value), figure.unit),
                None => "–".to_owned(),
            };
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text.push('\n');
    for row in rows {
        for note in &row.notes {
            let _ = writeln!(text, "- {}, {}: {note}", row.server, row.workload);
        }
    }
    text
}
