//! Is everything acked there, once, in order? Writers put numbered records and remember each ack; the server may meanwhile be
//! killed and started again; at the end every shard is read and held against the acks.
//!
//! A record is sent once and never again, so that every record found twice is the server's doing:
//!
//! 1. an acked record is there exactly once, in the acked shard, under the acked sequence number;
//! 2. a record without an ack is there at most once;
//! 3. a record never sent is not there;
//! 4. sequence numbers grow within a shard;
//! 5. the records of one writer, who waits for each answer, stand in the order they were sent.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

use crate::control::{CallError, Control};

/// A writer gives up on an answer after this long, and goes on with its next records.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after a failure, so that a server that is down is not hammered.
const PAUSE: Duration = Duration::from_millis(5);
/// Findings are listed up to this many.
const FINDINGS_MAX: usize = 20;

/// The load of the writers.
#[derive(Debug, Clone)]
pub struct WriterPlan {
    /// The stream they put to.
    pub stream: String,
    /// How many, each waiting for its answers.
    pub writers: usize,
    /// Records in each PutRecords, 1 to 500.
    pub records: usize,
    /// Bytes of data in each record; the record's name is padded to it.
    pub size: usize,
}

/// An ack: where the server said the record is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    shard: String,
    sequence: String,
}

/// What one writer did. Records are numbered from 0 in the order they were sent.
#[derive(Debug, Default)]
struct Written {
    sent: u64,
    acks: HashMap<u64, Place>,
    failures: u64,
}

/// Writers at work.
#[derive(Debug)]
pub struct Writers {
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Written>>,
}

impl Writers {
    /// Starts one thread for each writer, with a partition key of its own.
    pub fn start(server: SocketAddr, plan: &WriterPlan) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acked = Arc::new(AtomicU64::new(0));
        let threads = (0..plan.writers).map(|writer| {
            let (plan, stop, acked) = (plan.clone(), Arc::clone(&stop), Arc::clone(&acked));
            std::thread::spawn(move || write(server, writer, &plan, &stop, &acked))
        });
        let threads = threads.collect();
        Self {
            stop,
            acked,
            threads,
        }
    }

    /// Records acked so far.
    #[must_use]
    pub fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// Ends the writers; returns what they did.
    ///
    /// # Errors
    /// Where a writer panicked.
    pub fn stop(self) -> Result<History> {
        self.stop.store(true, Ordering::Relaxed);
        let mut writers = Vec::new();
        for thread in self.threads {
            writers.push(thread.join().map_err(|_| anyhow!("a writer panicked"))?);
        }
        Ok(History { writers })
    }
}

fn write(
    server: SocketAddr,
    writer: usize,
    plan: &WriterPlan,
    stop: &AtomicBool,
    acked: &AtomicU64,
) -> Written {
    let mut control = Control::new(server, PATIENCE);
    let mut written = Written::default();
    while !stop.load(Ordering::Relaxed) {
        let first = written.sent;
        let mut records = Vec::with_capacity(plan.records);
        for number in first..first + plan.records as u64 {
            let name = format!("{writer}:{number}");
            let padding = plan.size.saturating_sub(name.len() + 1);
            let data = format!("{name} {}", ".".repeat(padding));
            let data = base64_simd::STANDARD.encode_to_string(data);
            records.push(json!({ "Data": data, "PartitionKey": format!("writer-{writer}") }));
        }
        written.sent += plan.records as u64;
        let input = json!({ "StreamName": plan.stream, "Records": records });
        match control.call("PutRecords", &input) {
            Ok(output) => {
                acked.fetch_add(written.take_acks(first, &output), Ordering::Relaxed);
            }
            Err(CallError::Refused { .. } | CallError::NoAnswer(_)) => {
                written.failures += 1;
                std::thread::sleep(PAUSE);
            }
        }
    }
    written
}

impl Written {
    /// Notes what was acked of the records from `first`, and gives their number.
    fn take_acks(&mut self, first: u64, output: &Value) -> u64 {
        let before = self.acks.len();
        let results = output["Records"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for (number, result) in (first..).zip(results) {
            let text = |name: &str| result[name].as_str().map(str::to_owned);
            match (text("ShardId"), text("SequenceNumber")) {
                (Some(shard), Some(sequence)) => {
                    drop(self.acks.insert(number, Place { shard, sequence }))
                }
                _ => self.failures += 1,
            }
        }
        (self.acks.len() - before) as u64
    }
}

/// What all writers did.
#[derive(Debug)]
pub struct History {
    writers: Vec<Written>,
}

/// The outcome of holding a stream against a history.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Records sent.
    pub sent: u64,
    /// Records the server said it had.
    pub acked: u64,
    /// Records found.
    pub found: u64,
    /// Records there without an ack: their request was cut off. Allowed.
    pub found_unacked: u64,
    /// Requests and records that failed.
    pub failures: u64,
    /// How many ways the stream is not what was promised.
    pub violations: u64,
    /// The first of them, in words.
    pub findings: Vec<String>,
}

impl Verdict {
    fn violation(&mut self, finding: impl FnOnce() -> String) {
        self.violations += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding());
        }
    }
}

/// One record as it was read.
struct Found {
    writer: usize,
    number: u64,
    place: Place,
}

impl History {
    /// Reads every shard of the stream and holds it against this history.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub fn check(&self, server: SocketAddr, stream: &str) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        let mut checked = Checked {
            counts: vec![HashMap::new(); self.writers.len()],
            last: HashMap::new(),
        };
        let mut control = Control::new(server, Duration::from_secs(30));
        for shard in control.shards(stream)? {
            let mut iterator = Some(control.oldest(stream, &shard)?);
            let mut last_sequence = String::new();
            while let Some(current) = iterator.take() {
                let output = control.call(
                    "GetRecords",
                    &json!({ "ShardIterator": current, "Limit": 10_000 }),
                )?;
                let records = output["Records"]
                    .as_array()
                    .context("no Records in the answer")?;
                for record in records {
                    let sequence = record["SequenceNumber"].as_str().unwrap_or_default();
                    if !is_greater(sequence, &last_sequence) {
                        verdict
                            .violation(|| format!("{shard}: {sequence} follows {last_sequence}"));
                    }
                    last_sequence = sequence.to_owned();
                    match decode(record, &shard) {
                        Some(found) => self.check_one(&found, &mut checked, &mut verdict),
                        None => verdict
                            .violation(|| format!("{shard} {sequence}: not a record of ours")),
                    }
                }
                let at_end = records.is_empty() && output["MillisBehindLatest"] == 0;
                if !at_end {
                    iterator = output["NextShardIterator"].as_str().map(str::to_owned);
                }
            }
        }
        self.check_missing(&checked, &mut verdict);
        Ok(verdict)
    }

    fn check_one(&self, found: &Found, checked: &mut Checked, verdict: &mut Verdict) {
        verdict.found += 1;
        let Found {
            writer,
            number,
            place,
        } = found;
        let Some(written) = self
            .writers
            .get(*writer)
            .filter(|written| *number < written.sent)
        else {
            return verdict.violation(|| format!("{writer}:{number} is there and was never sent"));
        };
        let count = checked.counts[*writer].entry(*number).or_insert(0);
        *count += 1;
        if *count > 1 {
            verdict.violation(|| {
                format!("{writer}:{number} is there twice, the second time at {place:?}")
            });
        }
        match written.acks.get(number) {
            None => verdict.found_unacked += 1,
            Some(acked) if acked != place => {
                verdict.violation(|| {
                    format!("{writer}:{number} was acked at {acked:?} and is at {place:?}")
                });
            }
            Some(_) => {}
        }
        if let Some(last) = checked.last.insert(*writer, *number)
            && last >= *number
        {
            verdict.violation(|| format!("{writer}:{number} stands after {writer}:{last}"));
        }
    }

    fn check_missing(&self, checked: &Checked, verdict: &mut Verdict) {
        for (writer, written) in self.writers.iter().enumerate() {
            verdict.sent += written.sent;
            verdict.acked += written.acks.len() as u64;
            verdict.failures += written.failures;
            for (number, place) in &written.acks {
                if !checked.counts[writer].contains_key(number) {
                    verdict.violation(|| {
                        format!("{writer}:{number} was acked at {place:?} and is lost")
                    });
                }
            }
        }
    }
}

/// What has been read so far: how often each record, and each writer's last.
struct Checked {
    counts: Vec<HashMap<u64, u32>>,
    last: HashMap<usize, u64>,
}

fn decode(record: &Value, shard: &str) -> Option<Found> {
    let data = base64_simd::STANDARD
        .decode_to_vec(record["Data"].as_str()?)
        .ok()?;
    let text = String::from_utf8(data).ok()?;
    let (writer, number) = text.split_once(' ')?.0.split_once(':')?;
    let sequence = record["SequenceNumber"].as_str()?.to_owned();
    let place = Place {
        shard: shard.to_owned(),
        sequence,
    };
    Some(Found {
        writer: writer.parse().ok()?,
        number: number.parse().ok()?,
        place,
    })
}

/// Compares decimal numbers of any length without leading zeros.
fn is_greater(left: &str, right: &str) -> bool {
    (left.len(), left) > (right.len(), right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(sequence: &str) -> Place {
        Place {
            shard: "s".into(),
            sequence: sequence.into(),
        }
    }

    /// Writer 0 sent five records; 0 and 1 were acked at 10 and 11.
    fn history() -> History {
        let acks = HashMap::from([(0, place("10")), (1, place("11"))]);
        History {
            writers: vec![Written {
                sent: 5,
                acks,
                failures: 0,
            }],
        }
    }

    fn check(found: &[(u64, &str)], violations: u64) {
        let history = history();
        let mut verdict = Verdict::default();
        let mut checked = Checked {
            counts: vec![HashMap::new()],
            last: HashMap::new(),
        };
        for (number, sequence) in found {
            let found = Found {
                writer: 0,
                number: *number,
                place: place(sequence),
            };
            history.check_one(&found, &mut checked, &mut verdict);
        }
        history.check_missing(&checked, &mut verdict);
        assert_eq!(verdict.violations, violations, "{:?}", verdict.findings);
    }

    #[test]
    fn acked_records_must_be_there_once_in_place_and_in_order() {
        check(&[(0, "10"), (1, "11")], 0);
        check(&[(0, "10"), (1, "11"), (3, "12")], 0);
        check(&[(0, "10")], 1);
        check(&[(0, "10"), (1, "12")], 1);
        check(&[(1, "11"), (0, "10")], 1);
        check(&[(0, "10"), (1, "11"), (5, "12")], 1);
        // Twice is also out of order.
        check(&[(0, "10"), (1, "11"), (3, "12"), (3, "13")], 2);
    }

    #[test]
    fn sequence_numbers_compare_as_numbers() {
        assert!(is_greater("100", "99"));
        assert!(is_greater("101", "100"));
        assert!(!is_greater("100", "100"));
        assert!(is_greater("1", ""));
    }
}
