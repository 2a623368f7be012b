//! What servers of SQS queues are compared by: the steps, the lines of the table, and the bars of the project.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use super::cycle::{self, CyclePlan};
use super::messages::{Bodies, Ledger, Order};
use super::poll::{self, PollPlan};
use super::send::{self, SendPlan};
use super::wire::Queue;
use crate::peers::Peer;
use crate::report::{self, Report, Row};
use crate::request::{Protocol, Service};
use crate::side_by_side::{BARS_HEAD, Comparison, Line, Step, figure, push_bar};

/// The server the bars are for.
const OURS: &str = "headwater";
/// Peers known to keep the order of message groups under this load.
const FIFO_PEERS: &[&str] = &["headwater", "headwater-os", "elasticmq"];
/// Characters in a body.
const SIZE: usize = 1024;
/// Clients of the cycle.
const CLIENTS: usize = 16;
/// Message groups of the FIFO cycle.
const GROUPS: usize = 64;
/// How long a queue is drained for what was left in it.
const DRAIN: Duration = Duration::from_secs(30);
/// Messages sent to a waiting poll.
const POLLED: usize = 1000;
/// How long that may take: a peer that looks once a second gets through thirty.
const POLL_MAX: Duration = Duration::from_secs(30);

/// The load of one comparison.
#[derive(Debug, Clone)]
pub(crate) struct QueueLoad {
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    /// SendMessage requests a second in the open loop.
    pub(crate) rate: f64,
    /// Tells this run's messages and queues from those of others.
    pub(crate) run: u32,
}

/// Takes every peer through the load.
pub(crate) fn run(peers: &[Peer], load: &QueueLoad, report: &mut Report) -> Result<Vec<Row>> {
    let begin = |server| Bench {
        server,
        load: load.clone(),
        bodies: Bodies::new(SIZE, load.run),
    };
    let comparison = Comparison {
        protocol: Protocol::Aws(Service::Sqs),
        begin: &begin,
        steps: STEPS,
        suits: |peer, workload| workload != "queue-fifo" || FIFO_PEERS.contains(&peer.name),
    };
    comparison.run(peers, report)
}

struct Bench {
    server: SocketAddr,
    load: QueueLoad,
    bodies: Bodies,
}

/// In this order, on one server, each on a queue of its own.
const STEPS: &[Step<Bench>] = &[
    Step::of("queue", standard),
    Step::of("queue-send", send_at_rate),
    Step::of("queue-poll", long_poll),
    Step::of("queue-fifo", fifo),
];

impl Bench {
    /// Runs `work` on a new queue, and deletes it so that what was left in it weighs on nobody.
    fn on_queue(
        &self,
        name: &str,
        order: Order,
        work: impl FnOnce(&Queue) -> Result<()>,
    ) -> Result<()> {
        let queue = Queue::create(self.server, &format!("{name}-{:08x}", self.load.run), order)?;
        work(&queue)?;
        queue.delete(self.server)
    }

    fn cycle(&self, name: &str, order: Order, row: &mut Row) -> Result<()> {
        let plan = CyclePlan {
            clients: CLIENTS,
            warm_up: self.load.warm_up,
            duration: self.load.duration,
            drain: DRAIN,
        };
        self.on_queue(name, order, |queue| {
            let (mut ledger, lanes) = cycle::ledger(order, CLIENTS, GROUPS);
            let outcome = cycle::run(self.server, queue, &self.bodies, &mut ledger, lanes, &plan)?;
            outcome.describe(&ledger, row);
            Ok(())
        })
    }
}

fn standard(bench: &mut Bench, row: &mut Row) -> Result<()> {
    bench.cycle("bench-standard", Order::Any, row)
}

fn fifo(bench: &mut Bench, row: &mut Row) -> Result<()> {
    bench.cycle("bench-fifo", Order::PerLane, row)
}

fn send_at_rate(bench: &mut Bench, row: &mut Row) -> Result<()> {
    let plan = SendPlan {
        connections: 32,
        rate: Some(bench.load.rate),
        warm_up: bench.load.warm_up,
        duration: bench.load.duration,
    };
    bench.on_queue("bench-send", Order::Any, |queue| {
        let mut ledger = Ledger::new(plan.connections, Order::Any);
        send::run(bench.server, queue, &bench.bodies, &mut ledger, &plan)?.describe(row);
        Ok(())
    })
}

fn long_poll(bench: &mut Bench, row: &mut Row) -> Result<()> {
    let plan = PollPlan {
        messages: POLLED,
        duration_max: POLL_MAX,
    };
    bench.on_queue("bench-poll", Order::Any, |queue| {
        let mut ledger = Ledger::new(1, Order::Any);
        poll::run(bench.server, queue, &bench.bodies, &mut ledger, &plan)?.describe(row);
        Ok(())
    })
}

/// What the table compares.
pub(crate) const LINES: &[Line] = &[
    ("start to first answer", "start", "start"),
    ("idle memory", "start", "idle memory"),
    ("send, receive, delete; 16 clients", "queue", "messages"),
    ("… p50 of a cycle of 10", "queue", "p50"),
    ("… p99", "queue", "p99"),
    ("… server CPU", "queue", "server CPU"),
    ("… generator CPU", "queue", "generator CPU"),
    ("… idle of all processors", "queue", "idle"),
    ("… memory after", "queue", "memory"),
    ("the same in 64 FIFO groups", "queue-fifo", "messages"),
    ("… p99 of a cycle of 10", "queue-fifo", "p99"),
    ("SendMessage at the given rate", "queue-send", "messages"),
    ("… p50", "queue-send", "p50"),
    ("… p99", "queue-send", "p99"),
    ("… max", "queue-send", "max"),
    ("send → waiting long poll: p50", "queue-poll", "p50"),
    ("… p99", "queue-poll", "p99"),
];

/// The bars that one comparison can tell about, as a Markdown table: what was asked, what was found.
pub(crate) fn bars(rows: &[Row]) -> String {
    let ours = |workload, name| figure(rows, OURS, workload, name).map(|figure| figure.value);
    let mut text = String::from(BARS_HEAD);
    let mut line = |work: &str, bar: &str, found| push_bar(&mut text, work, bar, found);
    for (work, workload) in [
        ("send, receive, delete against the fastest peer", "queue"),
        ("… in 64 FIFO groups", "queue-fifo"),
    ] {
        let found = ours(workload, "messages").and_then(|own| against_peers(rows, workload, own));
        line(work, "≥ 5×", found);
    }
    for (work, workload, name, limit) in [
        (
            "SendMessage at the given rate: p50",
            "queue-send",
            "p50",
            2.0,
        ),
        ("… p99", "queue-send", "p99", 10.0),
        ("send → waiting long poll: p50", "queue-poll", "p50", 2.0),
    ] {
        let found = ours(workload, name);
        let found = found.map(|value| (format!("{} ms", report::readable(value)), value < limit));
        line(work, &format!("< {limit} ms"), found);
    }
    text
}

/// How many times as fast as each peer, the fastest first; and whether it is often enough for that one.
fn against_peers(rows: &[Row], workload: &str, own: f64) -> Option<(String, bool)> {
    let peers = rows
        .iter()
        .filter(|row| row.workload == workload && !row.server.starts_with(OURS));
    let times = peers.filter_map(|row| {
        let rate = row.figure("messages")?.value;
        Some((own / rate.max(1e-9), row.server.as_str()))
    });
    let mut times: Vec<(f64, &str)> = times.collect();
    times.sort_by(|left, right| left.0.total_cmp(&right.0));
    let (least, _) = times.first()?;
    let words = times
        .iter()
        .map(|(times, peer)| format!("{}× {peer}", report::readable(*times)));
    Some((words.collect::<Vec<_>>().join(", "), *least >= 5.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(server: &str, workload: &str, name: &'static str, value: f64) -> Row {
        let mut row = Row::new(server, workload);
        row.add(name, value, "");
        row
    }

    #[test]
    fn bars_are_held_against_the_fastest_peer() {
        let rows = [
            row("headwater", "queue", "messages", 1000.0),
            row("headwater-os", "queue", "messages", 9000.0),
            row("slow", "queue", "messages", 10.0),
            row("fast", "queue", "messages", 250.0),
            row("headwater", "queue-send", "p50", 1.5),
        ];
        let bars = bars(&rows);
        assert!(
            bars.contains("| ≥ 5× | 4.00× fast, 100× slow | **not reached** |"),
            "{bars}"
        );
        assert!(bars.contains("| < 2 ms | 1.50 ms | reached |"), "{bars}");
        assert!(bars.contains("| < 10 ms | – | not measured |"), "{bars}");
    }
}
