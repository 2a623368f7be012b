//! Send, receive, delete: each client loops SendMessageBatch, ReceiveMessage and DeleteMessageBatch of what it received. When
//! the time is over the queue is drained, and everything the server said it had must have come out.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;

use super::messages::{Bodies, Ledger, Order};
use super::wire::{self, Queue, SendRequest};
use crate::drive::{self, Load, Next};
use crate::http1::Answer;
use crate::report::{self, Row};

/// Messages in a batch, sent and asked for: the most SQS allows.
pub(crate) const BATCH: usize = 10;
/// Pause after an empty answer while draining.
const DRAIN_PAUSE: Duration = Duration::from_millis(10);
/// Draining ends when nothing has come for this long.
const DRAIN_STALL: Duration = Duration::from_secs(5);

/// How fast and for how long.
#[derive(Debug, Clone)]
pub(crate) struct CyclePlan {
    pub(crate) clients: usize,
    /// Not measured.
    pub(crate) warm_up: Duration,
    /// Measured.
    pub(crate) duration: Duration,
    /// How long the queue may be drained afterwards; zero to leave what is in it.
    pub(crate) drain: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct CycleOutcome {
    /// Messages deleted in the measured time: through the whole cycle.
    pub(crate) deleted: u64,
    measured: Duration,
    /// Of whole cycles.
    latencies: Histogram<u64>,
    /// Requests refused, or with refused entries.
    failed: u64,
    first_failure: Option<String>,
    /// The drain was over before the queue was empty.
    cut_short: bool,
    is_drained: bool,
}

impl CycleOutcome {
    /// Messages a second.
    pub(crate) fn rate(&self) -> f64 {
        self.deleted as f64 / self.measured.as_secs_f64().max(1e-9)
    }

    /// Adds the figures to a row.
    pub(crate) fn describe(&self, ledger: &Ledger, row: &mut Row) {
        row.add("messages", self.rate(), "/s");
        row.add_latencies(&self.latencies);
        if let Some(failure) = &self.first_failure {
            let failed = self.failed;
            row.note(format!(
                "{failed} requests failed, the first with: {failure}"
            ));
        }
        let mut counts = vec![
            (ledger.duplicates, "received more than once"),
            (ledger.unknown, "received and never sent"),
            (ledger.disordered, "received out of order"),
        ];
        if self.cut_short {
            row.note("the queue was not empty when the time for draining was over");
        } else if self.is_drained {
            row.add("lost", ledger.missing() as f64, "");
            counts.push((ledger.missing(), "acked and never received"));
        }
        for (count, what) in counts {
            if count > 0 {
                row.note(format!(
                    "{count} of {} messages were {what}",
                    ledger.acked()
                ));
            }
        }
    }
}

/// Loops as planned. `ledger` has a lane for each client, or several.
pub(crate) fn run(
    server: SocketAddr,
    queue: &Queue,
    bodies: &Bodies,
    ledger: &mut Ledger,
    lanes: usize,
    plan: &CyclePlan,
) -> Result<CycleOutcome> {
    let mut load = CycleLoad::new(queue, bodies, ledger, lanes, plan);
    drive::drive(server, plan.clients, &mut load)?;
    Ok(load.outcome)
}

/// A fresh ledger with as many lanes as the workload needs: groups in a FIFO queue, clients in another.
pub(crate) fn ledger(order: Order, clients: usize, groups: usize) -> (Ledger, usize) {
    let lanes = match order {
        Order::Any => clients,
        // Each group belongs to one client, who waits for its answers, so that the order of sending is known.
        Order::PerLane => groups.max(clients),
    };
    (Ledger::new(lanes, order), lanes)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Send,
    Receive,
    Delete,
}

#[derive(Debug)]
struct Client {
    phase: Phase,
    send: SendRequest,
    /// The messages in `send`.
    sending: Vec<u64>,
    delete: Vec<u8>,
    /// Messages in `delete`.
    deleting: usize,
    cycles: usize,
    began: Instant,
}

struct CycleLoad<'a> {
    queue: &'a Queue,
    bodies: &'a Bodies,
    ledger: &'a mut Ledger,
    lanes: usize,
    receive: Vec<u8>,
    clients: Vec<Client>,
    warm_at: Instant,
    end_at: Instant,
    drain_until: Instant,
    last_received: Instant,
    /// While draining, when to ask again after an empty answer.
    pause_until: Instant,
    outcome: CycleOutcome,
}

impl<'a> CycleLoad<'a> {
    fn new(
        queue: &'a Queue,
        bodies: &'a Bodies,
        ledger: &'a mut Ledger,
        lanes: usize,
        plan: &CyclePlan,
    ) -> Self {
        let start = Instant::now();
        let warm_at = start + plan.warm_up;
        let end_at = warm_at + plan.duration;
        let send = SendRequest::new(queue, Some(BATCH), bodies.size());
        let client = |_| Client {
            phase: Phase::Send,
            send: send.clone(),
            sending: Vec::with_capacity(BATCH),
            delete: Vec::new(),
            deleting: 0,
            cycles: 0,
            began: start,
        };
        Self {
            queue,
            bodies,
            ledger,
            lanes,
            receive: queue.receive(BATCH, 0),
            clients: (0..plan.clients).map(client).collect(),
            warm_at,
            end_at,
            drain_until: end_at + plan.drain,
            last_received: start,
            pause_until: start,
            outcome: CycleOutcome {
                deleted: 0,
                measured: plan.duration,
                latencies: report::latencies(),
                failed: 0,
                first_failure: None,
                cut_short: false,
                is_drained: !plan.drain.is_zero(),
            },
        }
    }

    fn drain(&mut self, now: Instant) -> Next {
        if !self.outcome.is_drained || self.ledger.missing() == 0 {
            return Next::Done;
        }
        if now >= self.drain_until {
            self.outcome.cut_short = true;
            return Next::Done;
        }
        if now.saturating_duration_since(self.last_received) > DRAIN_STALL {
            return Next::Done;
        }
        if now < self.pause_until {
            return Next::WaitUntil(self.pause_until);
        }
        Next::Send
    }

    fn fail(&mut self, answer: &Answer<'_>) {
        let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(200)]);
        let failure = format!("status {} {text}", answer.status);
        self.outcome.failed += 1;
        self.outcome.first_failure.get_or_insert(failure);
    }

    fn on_received(&mut self, connection: usize, body: &[u8], now: Instant) {
        let client = &mut self.clients[connection];
        let mut handles = Vec::with_capacity(BATCH);
        for (text, handle) in wire::received(body) {
            self.ledger.on_received(self.bodies, text);
            handles.push(handle);
        }
        client.deleting = handles.len();
        if handles.is_empty() {
            client.phase = Phase::Send;
            self.pause_until = now + DRAIN_PAUSE;
            return;
        }
        self.last_received = now;
        self.queue.write_delete(&mut client.delete, &handles);
        client.phase = Phase::Delete;
    }
}

impl Load for CycleLoad<'_> {
    fn next(&mut self, connection: usize, now: Instant) -> Next {
        if self.clients[connection].phase != Phase::Send {
            return Next::Send;
        }
        if now >= self.end_at {
            let next = self.drain(now);
            if next == Next::Send {
                self.clients[connection].phase = Phase::Receive;
            }
            return next;
        }
        let clients = self.clients.len();
        let client = &mut self.clients[connection];
        // The client's own lanes in turn: every clients-th.
        let own = self
            .lanes
            .saturating_sub(connection)
            .div_ceil(clients)
            .max(1);
        let lane = connection + client.cycles % own * clients;
        client.cycles += 1;
        client.began = now;
        client.sending.clear();
        client.sending.extend(self.ledger.issue(lane, BATCH));
        client
            .send
            .patch(self.bodies, lane, client.sending.iter().copied());
        Next::Send
    }

    fn request(&self, connection: usize) -> &[u8] {
        let client = &self.clients[connection];
        match client.phase {
            Phase::Send => client.send.bytes(),
            Phase::Receive => &self.receive,
            Phase::Delete => &client.delete,
        }
    }

    fn on_answer(&mut self, connection: usize, answer: &Answer<'_>, now: Instant) -> Result<()> {
        if answer.status != 200 {
            self.fail(answer);
            self.clients[connection].phase = Phase::Send;
            return Ok(());
        }
        let client = &mut self.clients[connection];
        match client.phase {
            Phase::Send => {
                client.phase = Phase::Receive;
                if wire::sent(answer.body) == client.sending.len() {
                    for number in &client.sending {
                        self.ledger.on_acked(*number);
                    }
                } else {
                    self.fail(answer);
                }
            }
            Phase::Receive => self.on_received(connection, answer.body, now),
            Phase::Delete => {
                client.phase = Phase::Send;
                let deleted = wire::deleted(answer.body, client.deleting);
                let began = client.began;
                if deleted < client.deleting {
                    self.fail(answer);
                }
                if now >= self.warm_at && now < self.end_at {
                    self.outcome.deleted += deleted as u64;
                    report::record(&mut self.outcome.latencies, now - began);
                }
            }
        }
        Ok(())
    }
}
