//! Kills the server under load on a standard and a FIFO queue, again and again, and judges both.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::process::{Recipe, Server};
use crate::random::Random;
use crate::report::Row;
use crate::verify_queue::{QueueClients, QueuePlan, QueueVerdict};

/// How a verification with crashes goes.
#[derive(Debug, Clone)]
pub(crate) struct QueueCrashPlan {
    /// One after the other: the queues that are loaded at the same time.
    pub(crate) queues: Vec<QueuePlan>,
    /// How often the server is killed, at random times.
    pub(crate) kills: usize,
    /// The longest time between kills.
    pub(crate) between_max: Duration,
    pub(crate) seed: u64,
}

/// Loads a server that another may kill, and judges: a row for each queue.
pub(crate) fn attached(
    server: SocketAddr,
    queues: &[QueuePlan],
    duration: Duration,
    rows: &mut [Row],
) -> Result<()> {
    let clients = start(server, queues)?;
    std::thread::sleep(duration);
    finish(clients, rows)
}

/// Starts the server, kills it as planned, and judges: a row for each queue.
pub(crate) fn crash(
    recipe: &Recipe,
    directory: &Path,
    plan: &QueueCrashPlan,
    rows: &mut [Row],
) -> Result<()> {
    let mut server = Server::start(recipe, directory)?;
    server.await_answer()?;
    let clients = start(server.address, &plan.queues)?;
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
    for row in &mut *rows {
        row.add("kills", plan.kills as f64, "");
        row.add("slowest restart", slowest.as_secs_f64() * 1000.0, "ms");
    }
    finish(clients, rows)?;
    server.stop()
}

fn start(server: SocketAddr, queues: &[QueuePlan]) -> Result<Vec<QueueClients>> {
    let clients = queues.iter().map(|plan| QueueClients::start(server, plan));
    clients.collect()
}

/// An error unless every queue was as promised and there was something to judge.
fn finish(clients: Vec<QueueClients>, rows: &mut [Row]) -> Result<()> {
    let mut found = Vec::new();
    for (clients, row) in clients.into_iter().zip(rows) {
        let verdict = clients.finish()?;
        describe(&verdict, row);
        ensure!(
            verdict.deleted > 0,
            "nothing was deleted: nothing is proven"
        );
        found.extend(verdict.findings);
    }
    if !found.is_empty() {
        bail!("not as promised: {}", found.join("; "));
    }
    Ok(())
}

fn describe(verdict: &QueueVerdict, row: &mut Row) {
    row.add("sent", verdict.sent as f64, "");
    row.add("acked", verdict.acked as f64, "");
    row.add("received", verdict.received as f64, "");
    row.add("deleted", verdict.deleted as f64, "");
    row.add("again", verdict.again as f64, "");
    row.add("received unacked", verdict.received_unacked as f64, "");
    row.add("violations", verdict.violations as f64, "");
    if verdict.failures > 0 {
        row.note(format!("{} requests or entries failed", verdict.failures));
    }
    for finding in &verdict.findings {
        row.note(finding.clone());
    }
}
