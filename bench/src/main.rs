//! Measures Kinesis-compatible servers: Headwater and its peers, with the same load. How to use it: bench/README.md; what it
//! found: bench/RESULTS.md.
//!
//! Read `request` (the bytes sent), `drive` (the loop that sends them), `put` and `get` (what is measured), then the rest.
//! The generator shares its processors with the server it measures, so it is built to cost little.
#![allow(clippy::print_stdout, reason = "a report is printed")]
#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark reads the real clock, and waits for real processes and files"
)]

mod args;
mod cbor;
mod compare;
mod control;
mod drive;
mod event_stream;
mod fanout;
mod get;
mod http1;
mod lifecycle;
mod peers;
mod process;
mod put;
mod random;
mod report;
mod request;
mod reshard;
mod scan;
mod verify;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser as _;

use args::{Cli, Workload};
use control::Control;
use process::{CpuMeter, Recipe};
use put::PutPlan;
use report::{Report, Row};
use request::{Format, PutShape, STAMP_LEN};
use verify::{WriterPlan, Writers};

/// How long a call that is not measured may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<()> {
    let cli = Cli::parse();
    let mut report = Report::open(cli.json.as_deref())?;
    let label = &cli.label;
    match &cli.workload {
        Workload::PutRecords(args) => put_records(args, label, &mut report),
        Workload::PutRecord(args) => put_record(args, label, &mut report),
        Workload::GetRecords(args) => get_records(args, label, &mut report),
        Workload::Fanout(args) => fan_out(args, label, &mut report),
        Workload::Verify(args) => verify(args, label, &mut report),
        Workload::Idle(args) => idle(args, label, &mut report),
        Workload::Restart(args) => restart(args, label, &mut report),
        Workload::Reshard(args) => reshard(args, label, &mut report),
        Workload::Peers(args) => compare_peers(args, &mut report),
    }
}

/// Runs `work` for a row, then adds how busy server and generator were.
fn measure(
    label: &str,
    workload: &str,
    pid: Option<u32>,
    report: &mut Report,
    work: impl FnOnce(&mut Row) -> Result<()>,
) -> Result<()> {
    let mut row = Row::new(label, workload);
    let meter = CpuMeter::start(pid);
    work(&mut row)?;
    let (server, own) = meter.stop();
    if let Some(server) = server {
        row.add("server CPU", server, "cores");
    }
    row.add("generator CPU", own, "cores");
    if let Some(pid) = pid {
        row.add("memory", process::resident(pid)? as f64 / 1e6, "MB");
    }
    report.push(&row)
}

fn check_size(size: usize) -> Result<()> {
    ensure!(
        (STAMP_LEN..=10 << 20).contains(&size),
        "--size must be {STAMP_LEN} to {}, got {size}",
        10 << 20
    );
    Ok(())
}

fn put_records(args: &args::PutRecords, label: &str, report: &mut Report) -> Result<()> {
    check_size(args.size)?;
    ensure!(
        (1..=500).contains(&args.records),
        "--records must be 1 to 500, got {}",
        args.records
    );
    let server = args.target.address()?;
    Control::new(server, PATIENCE).fresh_stream(&args.stream, args.shards)?;
    let plan = PutPlan {
        shape: PutShape {
            host: server.to_string(),
            stream: args.stream.clone(),
            format: args.format,
            batch: Some(args.records),
            size: args.size,
        },
        connections: args.connections,
        rate: args.rate,
        warm_up: args.time.warm_up(),
        duration: args.time.duration(),
        bytes_max: None,
        epoch: Instant::now(),
    };
    measure(label, "put-records", args.target.pid, report, |row| {
        put::run(server, &plan)?.describe(row);
        Ok(())
    })
}

fn put_record(args: &args::PutRecord, label: &str, report: &mut Report) -> Result<()> {
    check_size(args.size)?;
    let server = args.target.address()?;
    Control::new(server, PATIENCE).fresh_stream(&args.stream, args.shards)?;
    let plan = PutPlan {
        shape: PutShape {
            host: server.to_string(),
            stream: args.stream.clone(),
            format: args.format,
            batch: None,
            size: args.size,
        },
        connections: args.connections,
        rate: args.rate,
        warm_up: args.time.warm_up(),
        duration: args.time.duration(),
        bytes_max: None,
        epoch: Instant::now(),
    };
    let workload = if args.rate.is_some() {
        "put-record at rate"
    } else {
        "put-record"
    };
    measure(label, workload, args.target.pid, report, |row| {
        put::run(server, &plan)?.describe(row);
        Ok(())
    })
}

fn get_records(args: &args::GetRecords, label: &str, report: &mut Report) -> Result<()> {
    let server = args.target.address()?;
    let plan = get::GetPlan {
        host: server.to_string(),
        stream: args.stream.clone(),
        format: args.format,
        connections: args.connections,
        duration_max: Duration::from_secs_f64(args.seconds.clamp(0.1, 86_400.0)),
    };
    measure(label, "get-records", args.target.pid, report, |row| {
        get::run(server, &plan)?.describe(row);
        Ok(())
    })
}

fn fan_out(args: &args::Fanout, label: &str, report: &mut Report) -> Result<()> {
    check_size(args.size)?;
    let server = args.target.address()?;
    let stream = "bench-narrow";
    Control::new(server, PATIENCE).fresh_stream(stream, args.shards)?;
    let plan = PutPlan {
        shape: PutShape {
            host: server.to_string(),
            stream: stream.to_owned(),
            format: Format::Json,
            batch: None,
            size: args.size,
        },
        connections: args.connections,
        rate: Some(args.rate),
        warm_up: args.time.warm_up(),
        duration: args.time.duration(),
        bytes_max: None,
        epoch: Instant::now(),
    };
    measure(label, "fanout", args.target.pid, report, |row| {
        fanout::run(server, &plan)?.describe(row);
        Ok(())
    })
}

fn verify(args: &args::Verify, label: &str, report: &mut Report) -> Result<()> {
    let writers = WriterPlan {
        stream: "bench-verify".to_owned(),
        writers: args.writers,
        records: args.records,
        size: args.size,
    };
    let mut row = Row::new(label, "verify");
    let judged = match args.attach {
        Some(server) => {
            Control::new(server, PATIENCE).fresh_stream(&writers.stream, args.shards)?;
            let running = Writers::start(server, &writers);
            std::thread::sleep(Duration::from_secs_f64(args.seconds.unwrap_or(10.0)));
            let history = running.stop()?;
            let verdict = history.check(server, &writers.stream)?;
            lifecycle::describe(&verdict, &mut row);
            lifecycle::judge(&verdict)
        }
        None => {
            let plan = lifecycle::CrashPlan {
                writers,
                shards: args.shards,
                kills: args.kills,
                between_max: Duration::from_millis(args.between_ms),
                seed: args.seed,
            };
            let recipe = Recipe::from_command(&args.spawn.command);
            lifecycle::crash(&recipe, &args.spawn.directory, &plan, &mut row)
        }
    };
    report.push(&row)?;
    judged
}

fn idle(args: &args::Idle, label: &str, report: &mut Report) -> Result<()> {
    let mut row = Row::new(label, "idle");
    lifecycle::idle(
        &Recipe::from_command(&args.spawn.command),
        &args.spawn.directory,
        args.rounds,
        &mut row,
    )?;
    report.push(&row)
}

fn restart(args: &args::Restart, label: &str, report: &mut Report) -> Result<()> {
    let plan = PutPlan {
        shape: PutShape {
            host: String::new(),
            stream: "bench-wide".to_owned(),
            format: Format::Json,
            batch: Some(500),
            size: 1024,
        },
        connections: 8,
        rate: None,
        warm_up: Duration::ZERO,
        duration: Duration::from_secs(600),
        bytes_max: Some(args.mib << 20),
        epoch: Instant::now(),
    };
    let recipe = Recipe::from_command(&args.spawn.command);
    let mut row = Row::new(label, "restart");
    lifecycle::restart(&recipe, &args.spawn.directory, &plan, args.shards, &mut row)?;
    report.push(&row)
}

fn reshard(args: &args::Reshard, label: &str, report: &mut Report) -> Result<()> {
    let server = args.target.address()?;
    let mut row = Row::new(label, "reshard");
    reshard::double(server, args.from, &mut row)?;
    report.push(&row)?;
    let mut row = Row::new(label, "many shards");
    reshard::many(server, args.streams, args.shards, args.target.pid, &mut row)?;
    report.push(&row)
}

fn compare_peers(args: &args::Peers, report: &mut Report) -> Result<()> {
    let peers = args
        .peers
        .iter()
        .map(|name| peers::find(name))
        .collect::<Result<Vec<_>>>()?;
    let load = compare::Load {
        shards: args.shards,
        warm_up: args.time.warm_up(),
        duration: args.time.duration(),
        rate: args.rate,
        format: args.format,
    };
    let rows = compare::run(&peers, &load, report)?;
    let table = compare::table(&rows);
    println!("\n{table}");
    if let Some(path) = &args.markdown {
        std::fs::write(path, &table).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
