//! The senders and receivers, and what they note down.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::QueuePlan;
use super::judge::{Ack, Attempt, Receive, Seen, Sent};
use crate::control::{CallError, Control};
use crate::random::Random;
use crate::request::Service;

/// A client gives up on an answer after this long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after a failure, so that a server that is down is not hammered.
const PAUSE: Duration = Duration::from_millis(5);

/// What the clients are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Send, receive and delete most.
    Running,
    /// Receive and delete everything.
    Draining,
    /// End.
    Over,
}

/// What the clients of one queue share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) server: SocketAddr,
    pub(super) url: String,
    begun: Instant,
    mode: AtomicU8,
    acked: AtomicU64,
    received: AtomicU64,
    deleted: AtomicU64,
    failures: AtomicU64,
}

impl Shared {
    pub(super) fn new(server: SocketAddr, url: String) -> Self {
        Self {
            server,
            url,
            begun: Instant::now(),
            mode: AtomicU8::new(Mode::Running as u8),
            acked: AtomicU64::new(0),
            received: AtomicU64::new(0),
            deleted: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    pub(super) fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::Relaxed);
    }

    fn is(&self, mode: Mode) -> bool {
        self.mode.load(Ordering::Relaxed) == mode as u8
    }

    pub(super) fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(super) fn deleted(&self) -> u64 {
        self.deleted.load(Ordering::Relaxed)
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Time since the clients began; one clock for all of them.
    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// One call. `None` if it failed, after a pause.
    fn call(&self, control: &mut Control, operation: &str, input: &Value) -> Option<Value> {
        match control.call(operation, input) {
            Ok(output) => Some(output),
            Err(CallError::Refused { .. } | CallError::NoAnswer(_)) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(PAUSE);
                None
            }
        }
    }
}

/// One sender, until the running is over.
pub(super) fn send(sender: usize, plan: &QueuePlan, shared: &Shared) -> Sent {
    let mut control = Control::of(Service::Sqs, shared.server, PATIENCE);
    let mut sent = Sent::default();
    while shared.is(Mode::Running) {
        let before = sent.acks.len();
        if plan.is_fifo() {
            send_in_order(sender, plan, shared, &mut control, &mut sent);
        } else {
            send_batch(sender, plan, shared, &mut control, &mut sent);
        }
        let acked = (sent.acks.len() - before) as u64;
        shared.acked.fetch_add(acked, Ordering::Relaxed);
    }
    sent
}

fn body(sender: usize, number: u64, size: usize) -> String {
    let name = format!("{sender}:{number} ");
    let padding = size.saturating_sub(name.len());
    format!("{name}{}", ".".repeat(padding))
}

/// Sends the next message until it is acknowledged: as long as it is not, none may come after it.
fn send_in_order(
    sender: usize,
    plan: &QueuePlan,
    shared: &Shared,
    control: &mut Control,
    sent: &mut Sent,
) {
    let number = sent.sent;
    sent.sent += 1;
    let input = json!({
        "QueueUrl": shared.url,
        "MessageBody": body(sender, number, plan.size),
        "MessageGroupId": format!("group-{sender}"),
        "MessageDeduplicationId": format!("{sender}-{number}"),
    });
    while shared.is(Mode::Running) {
        if let Some(output) = shared.call(control, "SendMessage", &input) {
            sent.acks
                .extend(Ack::from_output(&output).map(|ack| (number, ack)));
            return;
        }
    }
}

/// Sends the next batch, once.
fn send_batch(
    sender: usize,
    plan: &QueuePlan,
    shared: &Shared,
    control: &mut Control,
    sent: &mut Sent,
) {
    let first = sent.sent;
    sent.sent += plan.batch as u64;
    let entries = (first..sent.sent).map(|number| {
        json!({ "Id": number.to_string(), "MessageBody": body(sender, number, plan.size) })
    });
    let entries: Vec<Value> = entries.collect();
    let input = json!({ "QueueUrl": shared.url, "Entries": entries });
    let Some(output) = shared.call(control, "SendMessageBatch", &input) else {
        return;
    };
    let successes = list(&output, "Successful");
    for success in successes {
        let number = success["Id"].as_str().and_then(|id| id.parse().ok());
        sent.acks.extend(number.zip(Ack::from_output(success)));
    }
    let failed = plan.batch.saturating_sub(successes.len()) as u64;
    shared.failures.fetch_add(failed, Ordering::Relaxed);
}

impl Ack {
    fn from_output(output: &Value) -> Option<Self> {
        Some(Self {
            id: output["MessageId"].as_str()?.to_owned(),
            sequence: output["SequenceNumber"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        })
    }
}

/// What a receiver does with what it received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    DeleteAll,
    /// Delete the first half; the rest is visible again at once.
    DeleteHalf,
    /// As if the receiver had died: the visibility timeout brings them back.
    Leave,
}

impl Choice {
    fn draw(random: &mut Random) -> Self {
        match random.next() % 32 {
            0 => Self::Leave,
            1..=4 => Self::DeleteHalf,
            _ => Self::DeleteAll,
        }
    }
}

/// One receiver, until all is over.
pub(super) fn receive(seed: u64, shared: &Shared) -> Vec<Receive> {
    let mut control = Control::of(Service::Sqs, shared.server, PATIENCE);
    let mut random = Random::new(seed);
    let mut receives = Vec::new();
    let input = json!({ "QueueUrl": shared.url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1 });
    while !shared.is(Mode::Over) {
        let start = shared.now();
        let Some(output) = shared.call(&mut control, "ReceiveMessage", &input) else {
            continue;
        };
        let messages = list(&output, "Messages");
        if messages.is_empty() {
            continue;
        }
        let mut receive = Receive {
            start,
            end: shared.now(),
            seen: messages.iter().map(Seen::from_message).collect(),
        };
        shared
            .received
            .fetch_add(messages.len() as u64, Ordering::Relaxed);
        let choice = match shared.is(Mode::Running) {
            true => Choice::draw(&mut random),
            false => Choice::DeleteAll,
        };
        let deleting = match choice {
            Choice::DeleteAll => messages.len(),
            Choice::DeleteHalf => messages.len().div_ceil(2),
            Choice::Leave => 0,
        };
        let (first, rest) = messages.split_at(deleting);
        delete(first, shared, &mut control, &mut receive);
        if choice == Choice::DeleteHalf && !rest.is_empty() {
            let entries = entries(rest, &json!({ "VisibilityTimeout": 0 }));
            let input = json!({ "QueueUrl": shared.url, "Entries": entries });
            shared.call(&mut control, "ChangeMessageVisibilityBatch", &input);
        }
        receives.push(receive);
    }
    receives
}

/// Deletes the first messages of a receive, and notes it.
fn delete(messages: &[Value], shared: &Shared, control: &mut Control, receive: &mut Receive) {
    if messages.is_empty() {
        return;
    }
    let start = shared.now();
    for seen in &mut receive.seen[..messages.len()] {
        seen.delete = Some(Attempt { start, acked: None });
    }
    let input = json!({ "QueueUrl": shared.url, "Entries": entries(messages, &json!({})) });
    let Some(output) = shared.call(control, "DeleteMessageBatch", &input) else {
        return;
    };
    let acked = shared.now();
    let successes = list(&output, "Successful");
    for success in successes {
        let at = success["Id"]
            .as_str()
            .and_then(|id| id.parse::<usize>().ok());
        let seen = at.and_then(|at| receive.seen.get_mut(at));
        if let Some(attempt) = seen.and_then(|seen| seen.delete.as_mut()) {
            attempt.acked = Some(acked);
        }
    }
    shared
        .deleted
        .fetch_add(successes.len() as u64, Ordering::Relaxed);
    let failed = messages.len().saturating_sub(successes.len()) as u64;
    shared.failures.fetch_add(failed, Ordering::Relaxed);
}

/// Batch entries with the messages' receipt handles, their ids counted from 0, and `more` members in each.
fn entries(messages: &[Value], more: &Value) -> Vec<Value> {
    let entry = |(at, message): (usize, &Value)| {
        let mut entry = more.clone();
        entry["Id"] = at.to_string().into();
        entry["ReceiptHandle"] = message["ReceiptHandle"].clone();
        entry
    };
    messages.iter().enumerate().map(entry).collect()
}

fn list<'a>(output: &'a Value, name: &str) -> &'a [Value] {
    output[name]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

impl Seen {
    fn from_message(message: &Value) -> Self {
        let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        let body = text("Body");
        let name = body
            .split_once(' ')
            .and_then(|(name, _)| name.split_once(':'));
        let name = name.and_then(|(sender, number)| sender.parse().ok().zip(number.parse().ok()));
        Self {
            name,
            id: text("MessageId"),
            delete: None,
        }
    }
}
