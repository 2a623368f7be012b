//! What is asked at random of the engine.

use std::time::Duration;

use bytes::Bytes;
use engines::embedded::Request;
use model::batch::Producer;
use model::{Batch, BatchBuilder, LogId, Offset, Rng, StreamId, Timestamp};
use store::{Append, Check, Expect, Fence, Key, LogChange, Txn, Write};

use super::model::Model;

const LOGS: u64 = 6;
const KEYS: u64 = 6;
const LEASES: u64 = 2;

/// All logs there may be.
pub fn all_logs() -> impl Iterator<Item = LogId> {
    (0..LOGS).map(|number| LogId::new(StreamId(number / 3), (number % 3) as u32))
}

/// All leases there may be.
pub fn all_leases() -> Vec<Key> {
    (0..LEASES)
        .map(|number| Key::of(&["lease", &number.to_string()]))
        .collect()
}

/// Makes requests; `step` marks each so that it is known again.
#[derive(Debug)]
pub struct Requests {
    rng: Rng,
    step: u64,
    /// Batches with a producer, to be sent again.
    sent: Vec<Append>,
}

impl Requests {
    pub fn new(rng: Rng) -> Requests {
        Requests {
            rng,
            step: 0,
            sent: Vec::new(),
        }
    }

    /// Any request. `known` tells what is answered: much of what is asked fits it, some does not.
    pub fn any(&mut self, known: &Model) -> Request {
        self.step += 1;
        match self.rng.below(12) {
            0..=5 => Request::Append(self.appends(known)),
            6..=10 => Request::Commit(self.txn(known)),
            _ => Request::Acquire {
                name: self.lease(),
                owner: format!("owner {}", self.step),
                duration: Duration::ZERO,
                now: Timestamp(0),
            },
        }
    }

    fn chance(&self, one_in: u64) -> bool {
        self.rng.below(one_in) == 0
    }

    fn log(&self) -> LogId {
        let number = self.rng.below(LOGS) as usize;
        all_logs().nth(number).expect("one of them")
    }

    fn lease(&self) -> Key {
        all_leases()[self.rng.below(LEASES) as usize].clone()
    }

    fn key(&self) -> Key {
        Key::of(&["doc", &self.rng.below(KEYS).to_string()])
    }

    fn appends(&mut self, known: &Model) -> Vec<Append> {
        (0..=self.rng.below(3))
            .map(|_| self.append(known))
            .collect()
    }

    fn append(&mut self, known: &Model) -> Append {
        if self.chance(6) && !self.sent.is_empty() {
            // The newest are known as repeats, older ones are out of order.
            let back = self.rng.below(self.sent.len().min(8) as u64) as usize;
            return self.sent[self.sent.len() - 1 - back].clone();
        }
        let log = self.log();
        let end = known.logs.get(&log).map_or(Offset(0), |l| l.bounds.end);
        let producer = self.chance(3).then(|| Producer {
            id: self.rng.below(2) as i64,
            epoch: (self.step / 200) as i16,
            sequence: self.next_sequence(log),
        });
        let append = Append {
            log,
            batch: self.batch(producer),
            expected: self.chance(8).then_some(end),
        };
        if producer.is_some() {
            self.sent.push(append.clone());
        }
        append
    }

    /// Mostly what follows the newest batch sent to the log.
    fn next_sequence(&self, log: LogId) -> i32 {
        let last = self.sent.iter().rev().find(|append| append.log == log);
        match last {
            Some(append) if !self.chance(8) => append.batch.producer().map_or(0, |producer| {
                producer.sequence + append.batch.offsets() as i32
            }),
            _ => 0,
        }
    }

    fn batch(&self, producer: Option<Producer>) -> Batch {
        let mut builder = BatchBuilder::with_capacity(256);
        if let Some(producer) = producer {
            builder = builder.by(producer);
        }
        let bytes_max = [100, 100, 500, 2_000, 5_000][self.rng.below(5) as usize];
        for record in 0..=self.rng.below(3) {
            let value = vec![self.step as u8; self.rng.below(bytes_max) as usize];
            let time = Timestamp(self.step as i64 * 5 + self.rng.below(20) as i64);
            let key = format!("{}-{record}", self.step);
            builder.push(time, Some(key.as_bytes()), Some(&value), &[]);
        }
        builder.finish()
    }

    fn txn(&mut self, known: &Model) -> Txn {
        let mut txn = Txn::default();
        if self.chance(4) {
            txn.checks.push(self.check(known));
        }
        if self.chance(8) {
            let lease = self.lease();
            let epoch = known.leases.get(&lease).copied().unwrap_or(0);
            txn.fence = Some(Fence { lease, epoch });
        }
        if self.chance(2) {
            let value = Bytes::from(format!("value of {}", self.step));
            let key = self.key();
            txn.writes.push(Write::Put { key, value });
        } else if self.chance(3) {
            txn.writes.push(Write::Delete { key: self.key() });
        }
        txn.logs.extend(self.change(known));
        if self.chance(3) {
            txn.appends = self.appends(known);
        }
        txn
    }

    fn check(&self, known: &Model) -> Check {
        let key = self.key();
        let version = known.documents.get(&key).and_then(|found| found.version);
        let expect = match (self.rng.below(3), version) {
            (0, Some(version)) => Expect::At(version),
            (1, _) => Expect::Absent,
            _ => Expect::Present,
        };
        Check { key, expect }
    }

    fn change(&self, known: &Model) -> Option<LogChange> {
        let log = self.log();
        let bounds = known.logs.get(&log).map(|found| found.bounds);
        match (self.rng.below(16), bounds) {
            (0..=5, None) | (0, _) => Some(LogChange::Create(log)),
            (1..=4, Some(bounds)) => {
                let span = bounds.end.0 - bounds.start.0 + 2;
                let before = bounds.start.plus(self.rng.below(span));
                Some(LogChange::Trim(log, before))
            }
            (6, Some(_)) if self.chance(4) => Some(LogChange::Seal(log)),
            (7, Some(_)) if self.chance(3) => Some(LogChange::Delete(log)),
            _ => None,
        }
    }
}
