//! The subcommands: each turns its arguments into a plan, has it carried out and reports the row.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::args::{self, Time};
use crate::control::Control;
use crate::process::{Recipe, Server};
use crate::put::{self, PutPlan};
use crate::report::{Report, Row};
use crate::request::{Format, PutShape, STAMP_LEN, Service};
use crate::usage::{self, CpuMeter};
use crate::verify::{WriterPlan, Writers};
use crate::{compare, disk, fanout, get, lifecycle, peers, reshard, side_by_side};

/// How long a call that is not measured may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most data one record may hold, in bytes: what UpdateMaxRecordSize allows.
const RECORD_MAX: usize = 10 << 20;

/// Runs `work` for a row, then adds how busy server and generator were.
pub(crate) fn measure(
    label: &str,
    workload: &str,
    pid: Option<u32>,
    report: &mut Report,
    work: impl FnOnce(&mut Row) -> Result<()>,
) -> Result<()> {
    let mut row = Row::new(label, workload);
    let meter = CpuMeter::start(pid);
    work(&mut row)?;
    meter.describe(&mut row);
    if let Some(pid) = pid {
        row.add("memory", usage::resident(pid)? as f64 / 1e6, "MB");
    }
    report.push(&row)
}

/// The plan of a load on one running server.
fn plan(shape: PutShape, connections: usize, rate: Option<f64>, time: &Time) -> PutPlan {
    PutPlan {
        shape,
        connections,
        rate,
        warm_up: time.warm_up(),
        duration: time.duration(),
        bytes_max: None,
        epoch: Instant::now(),
    }
}

fn check_size(size: usize) -> Result<()> {
    ensure!(
        (STAMP_LEN..=RECORD_MAX).contains(&size),
        "--size must be {STAMP_LEN} to {RECORD_MAX}, got {size}"
    );
    Ok(())
}

fn check_rate(rate: Option<f64>) -> Result<()> {
    let rate = rate.unwrap_or(1.0);
    ensure!(
        (0.001..=1e9).contains(&rate),
        "--rate must be 0.001 to 1e9, got {rate}"
    );
    Ok(())
}

/// PutRecords on a new stream.
pub(crate) fn put_records(args: &args::PutRecords, label: &str, report: &mut Report) -> Result<()> {
    ensure!(
        (1..=500).contains(&args.records),
        "--records must be 1 to 500, got {}",
        args.records
    );
    let batch = Some(args.records);
    put_on_new_stream(
        &args.put,
        batch,
        args.size,
        args.connections,
        "put-records",
        label,
        report,
    )
}

/// PutRecord on a new stream.
pub(crate) fn put_record(args: &args::PutRecord, label: &str, report: &mut Report) -> Result<()> {
    let workload = match args.put.rate {
        Some(_) => "put-record at rate",
        None => "put-record",
    };
    put_on_new_stream(
        &args.put,
        None,
        args.size,
        args.connections,
        workload,
        label,
        report,
    )
}

fn put_on_new_stream(
    put: &args::Put,
    batch: Option<usize>,
    size: usize,
    connections: usize,
    workload: &str,
    label: &str,
    report: &mut Report,
) -> Result<()> {
    check_size(size)?;
    check_rate(put.rate)?;
    let server = put.target.address()?;
    Control::new(server, PATIENCE).fresh_stream(&put.stream, put.shards)?;
    let shape = PutShape {
        host: server.to_string(),
        stream: put.stream.clone(),
        format: put.format,
        batch,
        size,
    };
    let plan = plan(shape, connections, put.rate, &put.time);
    measure(label, workload, put.target.pid, report, |row| {
        put::run(server, &plan)?.describe(row);
        Ok(())
    })
}

/// Reads back a whole stream.
pub(crate) fn get_records(args: &args::GetRecords, label: &str, report: &mut Report) -> Result<()> {
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

/// Puts at a rate, with a subscription on every shard.
pub(crate) fn fan_out(args: &args::Fanout, label: &str, report: &mut Report) -> Result<()> {
    check_size(args.size)?;
    check_rate(Some(args.rate))?;
    let server = args.target.address()?;
    let stream = "bench-narrow";
    Control::new(server, PATIENCE).fresh_stream(stream, args.shards)?;
    let shape = PutShape {
        host: server.to_string(),
        stream: stream.to_owned(),
        format: Format::Json,
        batch: None,
        size: args.size,
    };
    let plan = plan(shape, args.connections, Some(args.rate), &args.time);
    measure(label, "fanout", args.target.pid, report, |row| {
        fanout::run(server, &plan)?.describe(row);
        Ok(())
    })
}

/// Writes, with crashes unless attached, and checks every ack.
pub(crate) fn verify(args: &args::Verify, label: &str, report: &mut Report) -> Result<()> {
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
            let recipe = Recipe::from_command(&args.spawn.command, Service::Kinesis);
            lifecycle::crash(&recipe, &args.spawn.directory, &plan, &mut row)
        }
    };
    report.push(&row)?;
    judged
}

/// The disk alone.
pub(crate) fn disk(args: &args::Disk, label: &str, report: &mut Report) -> Result<()> {
    let mut row = Row::new(label, "disk");
    let duration = Duration::from_secs_f64(args.seconds.clamp(0.1, 86_400.0));
    disk::run(&args.directory, duration, &mut row)?;
    report.push(&row)
}

/// Start and idle memory.
pub(crate) fn idle(args: &args::Idle, label: &str, report: &mut Report) -> Result<()> {
    let mut row = Row::new(label, "idle");
    lifecycle::idle(
        &Recipe::from_command(&args.spawn.command, Service::Kinesis),
        &args.spawn.directory,
        args.rounds,
        &mut row,
    )?;
    report.push(&row)
}

/// The way back after a kill.
pub(crate) fn restart(args: &args::Restart, label: &str, report: &mut Report) -> Result<()> {
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
    let recipe = Recipe::from_command(&args.spawn.command, Service::Kinesis);
    let mut row = Row::new(label, "restart");
    lifecycle::restart(&recipe, &args.spawn.directory, &plan, args.shards, &mut row)?;
    report.push(&row)
}

/// Doubling, and very many shards.
pub(crate) fn reshard(args: &args::Reshard, label: &str, report: &mut Report) -> Result<()> {
    let recipe = Recipe::from_command(&args.spawn.command, Service::Kinesis);
    let mut server = Server::start(&recipe, &args.spawn.directory)?;
    server.await_answer()?;
    let mut row = Row::new(label, "many shards");
    reshard::many(&server, args.streams, args.shards, &mut row)?;
    report.push(&row)?;
    let mut row = Row::new(label, "reshard");
    reshard::double(&server, args.from, &mut row)?;
    report.push(&row)?;
    server.stop()
}

/// Every peer, one table.
pub(crate) fn compare_peers(args: &args::Peers, report: &mut Report) -> Result<()> {
    let peers = args
        .peers
        .iter()
        .map(|name| peers::find(peers::streams::PEERS, name))
        .collect::<Result<Vec<_>>>()?;
    let load = compare::Load {
        shards: args.shards,
        warm_up: args.time.warm_up(),
        duration: args.time.duration(),
        rate: args.rate,
        format: args.format,
    };
    let rows = compare::run(&peers, &load, report)?;
    let table = side_by_side::table(&rows, compare::LINES);
    println!("\n{table}");
    if let Some(path) = &args.markdown {
        std::fs::write(path, &table).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
