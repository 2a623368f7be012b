//! From send to a receiver that waits: one consumer is in a long poll of 20 seconds when a message is sent; the time ends when
//! the consumer has its answer whole.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use hdrhistogram::Histogram;

use super::messages::{Bodies, Ledger};
use super::wire::{self, Queue, SendRequest};
use crate::control::Control;
use crate::random::Random;
use crate::report::{self, Row};
use crate::request::Service;

/// Seconds a poll waits: the most SQS allows.
const WAIT: u32 = 20;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a poll has been under way at least when the message is sent, in microseconds.
const SETTLED_MIN_US: u64 = 3_000;
/// The most that is added at random, so that a server that looks every so often is not met in step.
const SETTLED_SPAN_US: u64 = 7_000;

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct PollPlan {
    /// Messages, one at a time.
    pub(crate) messages: usize,
    /// Ends the run early.
    pub(crate) duration_max: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct PollOutcome {
    latencies: Histogram<u64>,
    wanted: usize,
}

impl PollOutcome {
    /// Adds the figures to a row.
    pub(crate) fn describe(&self, row: &mut Row) {
        row.add("messages", self.latencies.len() as f64, "");
        row.add_latencies(&self.latencies);
        if self.latencies.len() < self.wanted as u64 {
            row.note(format!("the time was over before {} messages", self.wanted));
        }
    }
}

/// What the consumer tells the sender.
enum Event {
    /// It asks for the next message now.
    Polling,
    /// It has a message: when, and with which body.
    Arrived(Instant, Vec<u8>),
}

/// Sends and receives as planned. `ledger` has one lane.
pub(crate) fn run(
    server: SocketAddr,
    queue: &Queue,
    bodies: &Bodies,
    ledger: &mut Ledger,
    plan: &PollPlan,
) -> Result<PollOutcome> {
    let (events, incoming) = mpsc::channel();
    std::thread::scope(|scope| {
        let consumer = scope.spawn(move || consume(server, queue, plan.messages, &events));
        let sent = send(server, queue, bodies, ledger, plan, &incoming);
        // The consumer ends with its last message, or with its next event, for which nobody is there any more.
        drop(incoming);
        if sent.is_ok() && ledger.acked() < plan.messages as u64 {
            wake(server, queue, bodies, ledger)?;
        }
        let consumed = consumer.join();
        consumed
            .map_err(|_| anyhow!("the consumer panicked"))?
            .context("the consumer")?;
        sent
    })
}

fn send(
    server: SocketAddr,
    queue: &Queue,
    bodies: &Bodies,
    ledger: &mut Ledger,
    plan: &PollPlan,
    incoming: &Receiver<Event>,
) -> Result<PollOutcome> {
    let mut control = Control::of(Service::Sqs, server, PATIENCE);
    let mut request = SendRequest::new(queue, None, bodies.size());
    let mut random = Random::new(1);
    let mut latencies = report::latencies();
    let start = Instant::now();
    while latencies.len() < plan.messages as u64 && start.elapsed() < plan.duration_max {
        await_poll(incoming)?;
        let settled = SETTLED_MIN_US + random.next() % SETTLED_SPAN_US;
        std::thread::sleep(Duration::from_micros(settled));
        let number = ledger.issue(0, 1).next().context("a ledger without end")?;
        request.patch(bodies, 0, std::iter::once(number));
        let sent_at = Instant::now();
        let answer = control.send(request.bytes()).context("SendMessage")?;
        ensure!(
            answer.status == 200 && wire::sent(answer.body) == 1,
            "SendMessage refused with status {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body[..answer.body.len().min(200)])
        );
        ledger.on_acked(number);
        let (arrived_at, body) = await_arrival(incoming)?;
        ensure!(
            bodies.read(&body) == Some(number),
            "message {number} was sent and another arrived"
        );
        ledger.on_received(bodies, &body);
        report::record(
            &mut latencies,
            arrived_at.saturating_duration_since(sent_at),
        );
    }
    Ok(PollOutcome {
        latencies,
        wanted: plan.messages,
    })
}

/// Ends the consumer's last poll.
fn wake(server: SocketAddr, queue: &Queue, bodies: &Bodies, ledger: &mut Ledger) -> Result<()> {
    let mut request = SendRequest::new(queue, None, bodies.size());
    request.patch(bodies, 0, ledger.issue(0, 1));
    Control::of(Service::Sqs, server, PATIENCE).send(request.bytes())?;
    Ok(())
}

fn await_poll(incoming: &Receiver<Event>) -> Result<()> {
    match incoming.recv_timeout(PATIENCE).context("no poll")? {
        Event::Polling => Ok(()),
        Event::Arrived(..) => bail!("a message arrived that was not sent"),
    }
}

fn await_arrival(incoming: &Receiver<Event>) -> Result<(Instant, Vec<u8>)> {
    let start = Instant::now();
    loop {
        let event = incoming
            .recv_timeout(PATIENCE)
            .context("no message arrived")?;
        if let Event::Arrived(at, body) = event {
            return Ok((at, body));
        }
        ensure!(
            start.elapsed() < PATIENCE,
            "polls end and no message arrives"
        );
    }
}

fn consume(
    server: SocketAddr,
    queue: &Queue,
    messages: usize,
    events: &Sender<Event>,
) -> Result<()> {
    let mut control = Control::of(Service::Sqs, server, PATIENCE);
    let poll = queue.receive(1, WAIT);
    let mut delete = Vec::new();
    let mut seen = 0;
    while seen < messages {
        if events.send(Event::Polling).is_err() {
            return Ok(());
        }
        let answer = control.send(&poll).context("ReceiveMessage")?;
        let arrived_at = Instant::now();
        ensure!(
            answer.status == 200,
            "ReceiveMessage refused with status {}",
            answer.status
        );
        let mut handles = Vec::new();
        for (body, handle) in wire::received(answer.body) {
            handles.push(handle);
            seen += 1;
            if events
                .send(Event::Arrived(arrived_at, body.to_vec()))
                .is_err()
            {
                return Ok(());
            }
        }
        if handles.is_empty() {
            continue;
        }
        queue.write_delete(&mut delete, &handles);
        let answer = control.send(&delete).context("DeleteMessageBatch")?;
        ensure!(
            answer.status == 200 && wire::deleted(answer.body, 1) == 1,
            "DeleteMessageBatch refused with status {}",
            answer.status
        );
    }
    Ok(())
}
