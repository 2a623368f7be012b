//! Does a queue keep what it acknowledged? Senders send numbered messages, receivers receive and delete most of them; the
//! server may meanwhile be killed and started again; at the end the queue is emptied and all of it is held against what was
//! promised. In a standard queue every message is sent once and never again; in a FIFO queue each sender has a message group
//! and repeats a message, under the same de-duplication id, until it is acknowledged.
//!
//! 1. An acknowledged message is received at least once.
//! 2. After an acknowledged delete a message never comes back, unless the delete may have come with an outdated handle.
//! 3. One sent message is one message: it always has the message id that its sender was told.
//! 4. Nothing is received that was never sent.
//! 5. FIFO: a message is received only when all before it in its group are deleted, or come in the same answer before it.
//! 6. FIFO: sequence numbers grow within a group.
//! 7. When nothing comes any more, the queue says that it is empty.
//!
//! That a message comes again before it is deleted is allowed: a crash may end its visibility timeout early.

mod judge;
mod load;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde_json::json;

use crate::control::Control;
use crate::request::Service;
use judge::{Receive, Sent};
use load::{Mode, Shared};

/// How long a call that must succeed may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the queue is asked whether it is empty.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// An empty queue is one that says so and gave nothing for this long: receivers poll for a second.
const QUIET: Duration = Duration::from_millis(1500);
/// Draining is given up when nothing has come for the visibility timeout and this.
const STALL: Duration = Duration::from_secs(10);
/// What an empty queue counts as zero.
const COUNTERS: [&str; 3] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
];

/// The load on one queue.
#[derive(Debug, Clone)]
pub struct QueuePlan {
    /// The queue, which is made; FIFO if it ends with `.fifo`.
    pub name: String,
    /// How many senders, each waiting for its answers; in a FIFO queue each has a message group.
    pub senders: usize,
    /// How many receivers.
    pub receivers: usize,
    /// Messages in each SendMessageBatch, 1 to 10; a FIFO queue's senders send one by one.
    pub batch: usize,
    /// Characters in each body; the message's name is padded to it.
    pub size: usize,
    /// Visibility timeout in seconds, 1 or more.
    pub visibility: u32,
    /// What the receivers' choices come from.
    pub seed: u64,
}

impl QueuePlan {
    /// Whether the queue keeps the order of message groups.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }
}

/// Senders and receivers at work on one queue.
#[derive(Debug)]
pub struct QueueClients {
    plan: QueuePlan,
    shared: Arc<Shared>,
    senders: Vec<JoinHandle<Sent>>,
    receivers: Vec<JoinHandle<Vec<Receive>>>,
}

impl QueueClients {
    /// Makes the queue, and starts a thread for each sender and receiver.
    ///
    /// # Errors
    /// Where the queue cannot be made.
    pub fn start(server: SocketAddr, plan: &QueuePlan) -> Result<Self> {
        let mut control = Control::of(Service::Sqs, server, PATIENCE);
        let mut attributes = json!({ "VisibilityTimeout": plan.visibility.to_string() });
        if plan.is_fifo() {
            attributes["FifoQueue"] = "true".into();
        }
        let input = json!({ "QueueName": plan.name, "Attributes": attributes });
        let output = control.call("CreateQueue", &input).context("CreateQueue")?;
        let url = output["QueueUrl"].as_str().context("no QueueUrl")?;
        let shared = Arc::new(Shared::new(server, url.to_owned()));
        let senders = (0..plan.senders).map(|sender| {
            let (plan, shared) = (plan.clone(), Arc::clone(&shared));
            std::thread::spawn(move || load::send(sender, &plan, &shared))
        });
        let senders = senders.collect();
        let receivers = (0..plan.receivers).map(|receiver| {
            let (seed, shared) = (plan.seed + receiver as u64, Arc::clone(&shared));
            std::thread::spawn(move || load::receive(seed, &shared))
        });
        let receivers = receivers.collect();
        Ok(Self {
            plan: plan.clone(),
            shared,
            senders,
            receivers,
        })
    }

    /// Messages acknowledged so far.
    #[must_use]
    pub fn acked(&self) -> u64 {
        self.shared.acked()
    }

    /// Deletes acknowledged so far.
    #[must_use]
    pub fn deleted(&self) -> u64 {
        self.shared.deleted()
    }

    /// Ends the senders, lets the receivers empty the queue, ends them too, and judges. The server must be there.
    ///
    /// # Errors
    /// Where a client panicked or the server does not answer.
    pub fn finish(self) -> Result<QueueVerdict> {
        self.shared.set(Mode::Draining);
        let mut sent = Vec::new();
        for thread in self.senders {
            sent.push(thread.join().map_err(|_| anyhow!("a sender panicked"))?);
        }
        let left = drain(&self.shared, &self.plan);
        self.shared.set(Mode::Over);
        let mut receives = Vec::new();
        for thread in self.receivers {
            let seen = thread.join().map_err(|_| anyhow!("a receiver panicked"))?;
            receives.extend(seen);
        }
        let mut verdict = judge::judge(&sent, &receives, self.plan.is_fifo());
        verdict.failures += self.shared.failures();
        for (counter, count) in left? {
            verdict.violation(|| format!("the queue gives nothing and says {counter} is {count}"));
        }
        Ok(verdict)
    }
}

/// Waits until the queue is empty or gives nothing more; returns the counters that are not zero then.
fn drain(shared: &Shared, plan: &QueuePlan) -> Result<Vec<(&'static str, String)>> {
    let mut control = Control::of(Service::Sqs, shared.server, PATIENCE);
    let stall = Duration::from_secs(plan.visibility.into()) + STALL;
    let mut seen = shared.received();
    let mut since = Instant::now();
    loop {
        let input = json!({ "QueueUrl": shared.url, "AttributeNames": COUNTERS });
        let output = control.call("GetQueueAttributes", &input)?;
        let count = |name: &str| {
            output["Attributes"][name]
                .as_str()
                .unwrap_or("absent")
                .to_owned()
        };
        let left = COUNTERS.map(|name| (name, count(name)));
        let left: Vec<_> = left.into_iter().filter(|(_, count)| count != "0").collect();
        let received = shared.received();
        if received > seen {
            (seen, since) = (received, Instant::now());
        }
        let quiet = since.elapsed();
        if quiet > stall || (quiet > QUIET && left.is_empty()) {
            return Ok(left);
        }
        std::thread::sleep(ASK_EVERY);
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct QueueVerdict {
    /// Messages sent.
    pub sent: u64,
    /// Messages the server said it had.
    pub acked: u64,
    /// Different messages received.
    pub received: u64,
    /// Different messages whose deletion the server acknowledged.
    pub deleted: u64,
    /// Receives of a message after its first. Allowed until it is deleted.
    pub again: u64,
    /// Messages received that were sent without an acknowledgement: their request was cut off. Allowed.
    pub received_unacked: u64,
    /// Requests and entries that failed.
    pub failures: u64,
    /// How many ways the queue is not what was promised.
    pub violations: u64,
    /// The first of them, in words.
    pub findings: Vec<String>,
}

/// Findings are listed up to this many.
const FINDINGS_MAX: usize = 20;

impl QueueVerdict {
    fn violation(&mut self, finding: impl FnOnce() -> String) {
        self.violations += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding());
        }
    }
}
