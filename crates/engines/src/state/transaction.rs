//! How a transaction is decided: all of it is tried first, on a sketch of the logs it touches; only then is anything changed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use model::batch::Producer;
use model::{LogId, Offset, Timestamp};
use store::producers::{Producers, Verdict};
use store::{
    Append, Appended, Bounds, Committed, Expect, Key, LogChange, StoreError, Txn, Version, Write,
};

use crate::frame::Decision;
use crate::state::State;
use crate::state::decide::{Draft, accepts};
use crate::state::request::log_of;

/// The logs a transaction touches, as its parts so far would leave them. `None`: there is no such log.
type Sketches = HashMap<LogId, Option<Sketch>>;

/// A log within a transaction.
struct Sketch {
    bounds: Bounds,
    /// Whether it is the one in the state, and not made anew by this transaction.
    is_kept: bool,
    /// Producers that wrote nothing from here on are forgotten.
    forgets_before: Offset,
    /// Batches this transaction adds.
    added: Vec<(Producer, u32, Offset, Timestamp)>,
}

impl State {
    pub(super) fn decide_txn(
        &mut self,
        txn: &Txn,
        draft: &mut Draft,
    ) -> Result<Committed, StoreError> {
        self.check(txn)?;
        for write in &txn.writes {
            if let Write::Put { key, value } = write {
                key.fits(value.len())?;
            }
        }
        let mut sketches = Sketches::new();
        for &change in &txn.logs {
            self.try_change(change, &mut sketches)?;
        }
        let appends = txn
            .appends
            .iter()
            .map(|append| self.try_append(append, &mut sketches))
            .collect::<Result<Vec<_>, _>>()?;
        let version = self.carry_out(txn, &appends, draft);
        Ok(Committed { version, appends })
    }

    fn check(&self, txn: &Txn) -> Result<(), StoreError> {
        if let Some(fence) = &txn.fence {
            let theirs = self.lease_epoch(&fence.lease);
            if theirs != fence.epoch {
                return Err(StoreError::Fenced {
                    ours: fence.epoch,
                    theirs,
                });
            }
        }
        for check in &txn.checks {
            let version = self.document(&check.key).map(|document| document.version);
            let holds = match check.expect {
                Expect::Absent => version.is_none(),
                Expect::Present => version.is_some(),
                Expect::At(expected) => version == Some(expected),
            };
            if !holds {
                return Err(StoreError::Conflict {
                    key: check.key.clone(),
                });
            }
        }
        Ok(())
    }

    fn sketch<'s>(&self, log: LogId, sketches: &'s mut Sketches) -> &'s mut Option<Sketch> {
        match sketches.entry(log) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(self.logs.get(&log).map(|state| Sketch {
                bounds: state.bounds,
                is_kept: true,
                forgets_before: Offset::ZERO,
                added: Vec::new(),
            })),
        }
    }

    fn try_change(&self, change: LogChange, sketches: &mut Sketches) -> Result<(), StoreError> {
        let log = log_of(change);
        let slot = self.sketch(log, sketches);
        let missing = || StoreError::NoSuchLog { log };
        match change {
            LogChange::Create(_) => {
                if slot.is_some() {
                    return Err(StoreError::Conflict {
                        key: Key::of(&["log", &log.to_string()]),
                    });
                }
                *slot = Some(Sketch {
                    bounds: Bounds::default(),
                    is_kept: false,
                    forgets_before: Offset::ZERO,
                    added: Vec::new(),
                });
            }
            LogChange::Seal(_) => slot.as_mut().ok_or_else(missing)?.bounds.sealed = true,
            LogChange::Trim(_, before) => {
                let bounds = &mut slot.as_mut().ok_or_else(missing)?.bounds;
                let Bounds { start, end, .. } = *bounds;
                if before > end {
                    return Err(StoreError::OffsetOutOfRange {
                        asked: before,
                        start,
                        end,
                    });
                }
                bounds.start = start.max(before);
            }
            LogChange::ForgetProducers(_, before) => {
                let forgets = &mut slot.as_mut().ok_or_else(missing)?.forgets_before;
                *forgets = before.max(*forgets);
            }
            LogChange::Delete(_) => {
                slot.take().ok_or_else(missing)?;
            }
        }
        Ok(())
    }

    fn try_append(&self, append: &Append, sketches: &mut Sketches) -> Result<Appended, StoreError> {
        let log = append.log;
        let sketch = self
            .sketch(log, sketches)
            .as_mut()
            .ok_or(StoreError::NoSuchLog { log })?;
        let count = append.batch.offsets();
        let base_offset = sketch.bounds.end;
        if let Some(producer) = append.batch.producer()
            && let Verdict::Duplicate(base_offset) = self.judge_in(log, sketch, producer, count)?
        {
            return Ok(Appended {
                base_offset,
                duplicate: true,
            });
        }
        accepts(append, sketch.bounds)?;
        if let Some(producer) = append.batch.producer() {
            let time = append.batch.max_timestamp();
            sketch.added.push((producer, count, base_offset, time));
        }
        sketch.bounds.end = base_offset.plus(u64::from(count));
        Ok(Appended {
            base_offset,
            duplicate: false,
        })
    }

    /// Judges a batch against what the state and this transaction's earlier batches say of its producer.
    fn judge_in(
        &self,
        log: LogId,
        sketch: &Sketch,
        producer: Producer,
        count: u32,
    ) -> Result<Verdict, StoreError> {
        let known = self.logs.get(&log).filter(|_| sketch.is_kept);
        let again = sketch.added.iter().any(|(by, ..)| by.id == producer.id);
        if !again && sketch.forgets_before == Offset::ZERO {
            return known.map_or(Ok(Verdict::New), |state| {
                state.producers.judge(producer, count)
            });
        }
        // Rare: one transaction with two batches of one producer for one log, or that forgets some.
        let mut producers = known.map_or_else(Producers::default, |state| state.producers.clone());
        producers.forget_before(sketch.forgets_before);
        for &(by, count, base_offset, time) in &sketch.added {
            producers.remember(by, count, base_offset, time);
        }
        producers.judge(producer, count)
    }

    fn carry_out(&mut self, txn: &Txn, appends: &[Appended], draft: &mut Draft) -> Version {
        self.version += 1;
        let version = Version(self.version);
        for write in &txn.writes {
            match write {
                Write::Put { key, value } => {
                    let decision = Decision::Put {
                        key: key.clone(),
                        version,
                        value: value.clone(),
                    };
                    self.settle(decision, draft);
                }
                Write::Delete { key } if self.documents.contains_key(key) => {
                    self.settle(Decision::Remove { key: key.clone() }, draft);
                }
                Write::Delete { .. } => {}
            }
        }
        for &change in &txn.logs {
            self.carry_out_change(change, version, draft);
        }
        for (append, appended) in txn.appends.iter().zip(appends) {
            if !appended.duplicate {
                let placed = self.place(append, draft);
                assert_eq!(placed, *appended, "the trial decided");
            }
        }
        version
    }

    fn carry_out_change(&mut self, change: LogChange, version: Version, draft: &mut Draft) {
        let decision = match change {
            LogChange::Create(log) => Decision::CreateLog {
                log,
                born: version.0,
            },
            LogChange::Seal(log) => Decision::SealLog { log },
            LogChange::Trim(log, before) => {
                let start = self.logs.get(&log).map(|state| state.bounds.start);
                if start.is_none_or(|start| before <= start) {
                    return;
                }
                Decision::TrimLog { log, start: before }
            }
            LogChange::ForgetProducers(log, before) => Decision::ForgetProducers { log, before },
            LogChange::Delete(log) => Decision::DeleteLog { log },
        };
        self.settle(decision, draft);
    }
}
