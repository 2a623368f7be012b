//! The subcommands for queues: each turns its arguments into a plan, has it carried out and reports the row.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::args;
use super::backlog::{self, BacklogPlan};
use super::compare::{self, QueueLoad};
use super::crash::{self, QueueCrashPlan};
use super::cycle::{self, BATCH, CyclePlan};
use super::messages::{Bodies, Ledger, NUMBER_LEN, Order};
use super::poll::{self, PollPlan};
use super::send::{self, SendPlan};
use super::wire::Queue;
use crate::process::{Recipe, Server};
use crate::report::{Report, Row};
use crate::request::Service;
use crate::verify_queue::QueuePlan;
use crate::workloads::measure;
use crate::{peers, side_by_side};

/// The most characters one body may hold: SQS's largest message.
const BODY_MAX: usize = 1 << 20;
/// How long a queue is drained for what was left in it.
const DRAIN: Duration = Duration::from_secs(60);

/// Visibility timeout of the queues that are verified, in seconds: what a receiver left comes back soon.
const VISIBILITY: u32 = 3;

/// A number no other run of late has: queues of one name cannot be deleted and made anew within a minute, as AWS has it.
fn run_number() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as u32
}

fn bodies(size: usize, run: u32) -> Result<Bodies> {
    ensure!(
        (NUMBER_LEN..=BODY_MAX).contains(&size),
        "--size must be {NUMBER_LEN} to {BODY_MAX}, got {size}"
    );
    Ok(Bodies::new(size, run))
}

/// Send, receive, delete.
pub(crate) fn queue(args: &args::Queue, label: &str, report: &mut Report) -> Result<()> {
    let run = run_number();
    let bodies = bodies(args.size, run)?;
    let server = args.target.address()?;
    let (order, workload) = if args.fifo {
        (Order::PerLane, "queue-fifo")
    } else {
        (Order::Any, "queue")
    };
    let queue = Queue::create(server, &format!("bench-{run:08x}"), order)?;
    let plan = CyclePlan {
        clients: args.clients,
        warm_up: args.time.warm_up(),
        duration: args.time.duration(),
        drain: DRAIN,
    };
    let (mut ledger, lanes) = cycle::ledger(order, args.clients, args.groups);
    measure(label, workload, args.target.pid, report, |row| {
        let outcome = cycle::run(server, &queue, &bodies, &mut ledger, lanes, &plan)?;
        outcome.describe(&ledger, row);
        Ok(())
    })?;
    queue.delete(server)
}

/// SendMessage at a rate.
pub(crate) fn send(args: &args::QueueSend, label: &str, report: &mut Report) -> Result<()> {
    let run = run_number();
    let bodies = bodies(args.size, run)?;
    ensure!(
        (0.001..=1e9).contains(&args.rate),
        "--rate must be 0.001 to 1e9, got {}",
        args.rate
    );
    let server = args.target.address()?;
    let queue = Queue::create(server, &format!("bench-{run:08x}"), Order::Any)?;
    let plan = SendPlan {
        connections: args.connections,
        rate: Some(args.rate),
        warm_up: args.time.warm_up(),
        duration: args.time.duration(),
    };
    let mut ledger = Ledger::new(plan.connections, Order::Any);
    measure(label, "queue-send", args.target.pid, report, |row| {
        send::run(server, &queue, &bodies, &mut ledger, &plan)?.describe(row);
        Ok(())
    })?;
    queue.delete(server)
}

/// Messages to a waiting receiver.
pub(crate) fn poll(args: &args::QueuePoll, label: &str, report: &mut Report) -> Result<()> {
    let run = run_number();
    let bodies = bodies(args.size, run)?;
    let server = args.target.address()?;
    let queue = Queue::create(server, &format!("bench-{run:08x}"), Order::Any)?;
    let plan = PollPlan {
        messages: args.messages,
        duration_max: Duration::from_secs_f64(args.seconds.clamp(0.1, 86_400.0)),
    };
    let mut ledger = Ledger::new(1, Order::Any);
    measure(label, "queue-poll", args.target.pid, report, |row| {
        poll::run(server, &queue, &bodies, &mut ledger, &plan)?.describe(row);
        Ok(())
    })?;
    queue.delete(server)
}

/// The cycle with millions waiting.
pub(crate) fn backlog(args: &args::QueueBacklog, label: &str, report: &mut Report) -> Result<()> {
    let run = run_number();
    let bodies = bodies(args.size, run)?;
    let plan = BacklogPlan {
        cycle: CyclePlan {
            clients: args.clients,
            warm_up: args.time.warm_up(),
            duration: args.time.duration(),
            drain: DRAIN,
        },
        messages: args.messages,
        drain: Duration::from_secs_f64(args.drain.clamp(0.0, 86_400.0)),
    };
    let recipe = Recipe::from_command(&args.spawn.command, Service::Sqs);
    let mut server = Server::start(&recipe, &args.spawn.directory)?;
    server.await_answer()?;
    let mut row = Row::new(label, "queue-backlog");
    backlog::run(
        &mut server,
        &format!("bench-{run:08x}"),
        &bodies,
        &plan,
        &mut row,
    )?;
    report.push(&row)?;
    server.stop()
}

/// A standard and a FIFO queue under load, with crashes unless attached, and every ack checked.
pub(crate) fn verify(args: &args::VerifyQueue, label: &str, report: &mut Report) -> Result<()> {
    let run = run_number();
    let plan = |name: &str, seed| QueuePlan {
        name: format!("bench-{run:08x}{name}"),
        senders: args.senders,
        receivers: args.receivers,
        batch: BATCH,
        size: args.size,
        visibility: VISIBILITY,
        seed,
    };
    let queues = vec![plan("", args.seed), plan(".fifo", args.seed + 1000)];
    let mut rows = [
        Row::new(label, "verify-queue"),
        Row::new(label, "verify-queue, FIFO"),
    ];
    let judged = match args.attach {
        Some(server) => {
            let seconds = args.seconds.unwrap_or(10.0).clamp(0.1, 86_400.0);
            crash::attached(server, &queues, Duration::from_secs_f64(seconds), &mut rows)
        }
        None => {
            let plan = QueueCrashPlan {
                queues,
                kills: args.kills,
                between_max: Duration::from_millis(args.between_ms),
                seed: args.seed,
            };
            let recipe = Recipe::from_command(&args.spawn.command, Service::Sqs);
            crash::crash(&recipe, &args.spawn.directory, &plan, &mut rows)
        }
    };
    for row in &rows {
        report.push(row)?;
    }
    judged
}

/// Every peer, one table, and the bars.
pub(crate) fn compare_peers(args: &args::QueuePeers, report: &mut Report) -> Result<()> {
    let named = args.peers.iter();
    let peers = named
        .map(|name| peers::find(peers::queues::PEERS, name))
        .collect::<Result<Vec<_>>>()?;
    let load = QueueLoad {
        warm_up: args.time.warm_up(),
        duration: args.time.duration(),
        rate: args.rate,
        run: run_number(),
    };
    let rows = compare::run(&peers, &load, report)?;
    let bars = compare::bars(&rows);
    let table = side_by_side::table(&rows, compare::LINES);
    let text = format!("{bars}\n{table}");
    println!("\n{text}");
    if let Some(path) = &args.markdown {
        std::fs::write(path, &text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
