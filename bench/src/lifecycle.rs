//! Workloads that start, kill and restart the server themselves: idle, restart and verify with crashes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::control::Control;
use crate::process::{Recipe, Server};
use crate::put::{self, PutPlan};
use crate::random::Random;
use crate::report::Row;
use crate::usage;
use crate::verify::{Verdict, WriterPlan, Writers};

/// Quiet time before memory is read, so that what starting needed has been given back.
const SETTLE: Duration = Duration::from_secs(2);

/// Starts the server `rounds` times with an empty directory: time to the first answer (the median) and memory when idle.
pub(crate) fn idle(recipe: &Recipe, directory: &Path, rounds: usize, row: &mut Row) -> Result<()> {
    let mut times = Vec::new();
    let mut resident = 0;
    for _ in 0..rounds.max(1) {
        let mut server = Server::start(recipe, directory)?;
        times.push(server.await_answer()?);
        if times.len() == rounds.max(1) {
            std::thread::sleep(SETTLE);
            resident = usage::resident(server.id())?;
        }
        server.stop()?;
    }
    times.sort();
    row.add("start", times[times.len() / 2].as_secs_f64() * 1000.0, "ms");
    row.add("idle memory", resident as f64 / 1e6, "MB");
    Ok(())
}

/// Puts until `plan.bytes_max` is acked, kills the server in the middle of it, starts it again: time to the first answer, and
/// to the first record read from the first shard.
pub(crate) fn restart(
    recipe: &Recipe,
    directory: &Path,
    plan: &PutPlan,
    shards: usize,
    row: &mut Row,
) -> Result<()> {
    let mut server = Server::start(recipe, directory)?;
    server.await_answer()?;
    let mut plan = plan.clone();
    plan.shape.host = server.address.to_string();
    let stream = plan.shape.stream.clone();
    Control::new(server.address, Duration::from_secs(60)).fresh_stream(&stream, shards)?;
    let filled = put::run(server.address, &plan)?;
    ensure!(
        filled.failed == 0,
        "puts failed: {:?}",
        filled.first_failure
    );
    server.crash()?;

    let since = Instant::now();
    server.start_again()?;
    let answered = server.await_answer()?;
    let mut control = Control::new(server.address, Duration::from_secs(60));
    let shard = control
        .shards(&stream)?
        .into_iter()
        .next()
        .context("no shards after the restart")?;
    let iterator = control.oldest(&stream, &shard)?;
    let output = control.call(
        "GetRecords",
        &json!({ "ShardIterator": iterator, "Limit": 1 }),
    )?;
    let read = since.elapsed();
    ensure!(
        output["Records"][0].is_object(),
        "no record after the restart: {output}"
    );
    row.add(
        "written",
        filled.records_all as f64 * plan.shape.size as f64 / 1e6,
        "MB",
    );
    row.add("first answer", answered.as_secs_f64() * 1000.0, "ms");
    row.add("first record", read.as_secs_f64() * 1000.0, "ms");
    row.add(
        "memory after",
        usage::resident(server.id())? as f64 / 1e6,
        "MB",
    );
    row.note("what the page cache held was left there");
    server.stop()
}

/// How a verification with crashes goes.
#[derive(Debug, Clone)]
pub(crate) struct CrashPlan {
    pub(crate) writers: WriterPlan,
    pub(crate) shards: usize,
    /// How often the server is killed, at random times.
    pub(crate) kills: usize,
    /// The longest time between kills.
    pub(crate) between_max: Duration,
    pub(crate) seed: u64,
}

/// Kills the server again and again under load, then checks every record. An error is a violation or no verdict.
pub(crate) fn crash(
    recipe: &Recipe,
    directory: &Path,
    plan: &CrashPlan,
    row: &mut Row,
) -> Result<()> {
    let mut server = Server::start(recipe, directory)?;
    server.await_answer()?;
    Control::new(server.address, Duration::from_secs(60))
        .fresh_stream(&plan.writers.stream, plan.shards)?;
    let writers = Writers::start(server.address, &plan.writers);
    let mut random = Random::new(plan.seed);
    let mut slowest = Duration::ZERO;
    for _ in 0..plan.kills {
        let between = random.next() % (plan.between_max.as_millis() as u64).max(1);
        std::thread::sleep(Duration::from_millis(between));
        server.crash()?;
        server.start_again()?;
        slowest = slowest.max(server.await_answer()?);
    }
    std::thread::sleep(plan.between_max);
    let history = writers.stop()?;
    let verdict = history.check(server.address, &plan.writers.stream)?;
    row.add("kills", plan.kills as f64, "");
    row.add("slowest restart", slowest.as_secs_f64() * 1000.0, "ms");
    describe(&verdict, row);
    server.stop()?;
    judge(&verdict)
}

/// Adds a verdict's figures to a row.
pub(crate) fn describe(verdict: &Verdict, row: &mut Row) {
    row.add("sent", verdict.sent as f64, "");
    row.add("acked", verdict.acked as f64, "");
    row.add("found", verdict.found as f64, "");
    row.add("found unacked", verdict.found_unacked as f64, "");
    row.add("violations", verdict.violations as f64, "");
    if verdict.failures > 0 {
        row.note(format!("{} requests or records failed", verdict.failures));
    }
    for finding in &verdict.findings {
        row.note(finding.clone());
    }
}

/// An error unless everything was as promised and there was something to judge.
pub(crate) fn judge(verdict: &Verdict) -> Result<()> {
    if verdict.violations > 0 {
        bail!(
            "{} violations, the first: {}",
            verdict.violations,
            verdict.findings.join("; ")
        );
    }
    ensure!(verdict.acked > 0, "nothing was acked: nothing is proven");
    Ok(())
}
