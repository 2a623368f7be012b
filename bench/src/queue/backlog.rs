//! Does the rate fall when very many messages wait? The cycle on an empty queue, then the same with a backlog; what the
//! backlog costs in memory; and how soon a server that is killed with it gives the first message again.
//!
//! What a waiting message costs is taken from the second half of the filling: in the first the caches fill, which have a limit
//! of their own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::cycle::{self, BATCH, CyclePlan};
use super::messages::{Bodies, Ledger, Order};
use super::wire::{self, Queue, SendRequest};
use crate::control::Control;
use crate::drive::{self, Load, Next};
use crate::http1::Answer;
use crate::process::Server;
use crate::report::Row;
use crate::request::Service;
use crate::usage;

/// Quiet time before memory is read, so that what filling needed has been given back.
const SETTLE: Duration = Duration::from_secs(5);

/// How long a call that is not measured may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much waits, and the load before and after.
#[derive(Debug, Clone)]
pub(crate) struct BacklogPlan {
    pub(crate) cycle: CyclePlan,
    /// Messages that wait.
    pub(crate) messages: u64,
    /// How long the backlog may be drained afterwards; zero to leave it.
    pub(crate) drain: Duration,
}

/// Measures on a server that holds nothing yet. It is killed and started again in the end.
pub(crate) fn run(
    server: &mut Server,
    name: &str,
    bodies: &Bodies,
    plan: &BacklogPlan,
    row: &mut Row,
) -> Result<()> {
    let address = server.address;
    let queue = Queue::create(address, name, Order::Any)?;
    let lanes = plan.cycle.clients;
    let mut ledger = Ledger::new(lanes, Order::Any);
    let empty = cycle::run(address, &queue, bodies, &mut ledger, lanes, &plan.cycle)?;
    ensure!(
        ledger.missing() == 0,
        "the queue is not empty before filling"
    );
    let mut memory = vec![resident(server)?];
    let mut filled_in = Duration::ZERO;
    let half = plan.messages / 2;
    for part in [half, plan.messages - half] {
        let since = Instant::now();
        fill(address, &queue, bodies, &mut ledger, lanes, part)?;
        filled_in += since.elapsed();
        memory.push(resident(server)?);
    }
    let mut with_backlog = plan.cycle.clone();
    with_backlog.drain = plan.drain;
    let full = cycle::run(address, &queue, bodies, &mut ledger, lanes, &with_backlog)?;

    row.add("empty", empty.rate(), "/s");
    full.describe(&ledger, row);
    let of_empty = 100.0 * full.rate() / empty.rate().max(1e-9);
    row.add("of empty", of_empty, "%");
    row.add("waiting", plan.messages as f64, "");
    row.add("fill", filled_in.as_secs_f64(), "s");
    let names = ["memory before", "memory at half", "memory filled"];
    for (name, bytes) in names.into_iter().zip(&memory) {
        row.add(name, *bytes as f64 / 1e6, "MB");
    }
    if let [_, at_half, filled] = memory[..] {
        let growth = filled as f64 - at_half as f64;
        row.add("a message", growth / half.max(1) as f64, "B");
    }
    if plan.drain.is_zero() {
        restart(server, &queue, row)?;
    }
    Ok(())
}

/// Resident memory once it has settled.
fn resident(server: &Server) -> Result<u64> {
    std::thread::sleep(SETTLE);
    usage::resident(server.id())
}

/// Kills the server with the backlog in it: time to the first answer and the first message, and memory then.
fn restart(server: &mut Server, queue: &Queue, row: &mut Row) -> Result<()> {
    server.crash()?;
    let since = Instant::now();
    server.start_again()?;
    let answered = server.await_answer()?;
    let mut control = Control::of(Service::Sqs, server.address, PATIENCE);
    let answer = control.send(&queue.receive(1, 20))?;
    ensure!(
        wire::received(answer.body).count() == 1,
        "no message after the restart, status {}",
        answer.status
    );
    let read = since.elapsed();
    row.add("restart", answered.as_secs_f64() * 1000.0, "ms");
    row.add("first message", read.as_secs_f64() * 1000.0, "ms");
    row.add("memory restarted", resident(server)? as f64 / 1e6, "MB");
    Ok(())
}

fn fill(
    server: SocketAddr,
    queue: &Queue,
    bodies: &Bodies,
    ledger: &mut Ledger,
    clients: usize,
    messages: u64,
) -> Result<()> {
    let send = SendRequest::new(queue, Some(BATCH), bodies.size());
    let mut load = FillLoad {
        bodies,
        ledger,
        clients: vec![(send, Vec::new()); clients],
        left: messages,
    };
    drive::drive(server, clients, &mut load).context("fill the queue")
}

struct FillLoad<'a> {
    bodies: &'a Bodies,
    ledger: &'a mut Ledger,
    /// Each client's request and the messages in it.
    clients: Vec<(SendRequest, Vec<u64>)>,
    left: u64,
}

impl Load for FillLoad<'_> {
    fn next(&mut self, connection: usize, _: Instant) -> Next {
        if self.left == 0 {
            return Next::Done;
        }
        self.left = self.left.saturating_sub(BATCH as u64);
        let (request, numbers) = &mut self.clients[connection];
        numbers.clear();
        numbers.extend(self.ledger.issue(connection, BATCH));
        request.patch(self.bodies, connection, numbers.iter().copied());
        Next::Send
    }

    fn request(&self, connection: usize) -> &[u8] {
        self.clients[connection].0.bytes()
    }

    fn on_answer(&mut self, connection: usize, answer: &Answer<'_>, _: Instant) -> Result<()> {
        ensure!(
            answer.status == 200 && wire::sent(answer.body) == BATCH,
            "a send was refused with status {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body[..answer.body.len().min(200)])
        );
        for number in &self.clients[connection].1 {
            self.ledger.on_acked(*number);
        }
        Ok(())
    }
}
