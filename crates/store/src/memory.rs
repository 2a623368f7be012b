//! The naive engine: maps behind one lock, nothing kept past the process. It states in the fewest lines what every engine
//! must do, serves tests of what lies above, and with [`Memory::discarding`] measures what the rest of the server costs.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::ready;
use std::ops::{Bound, Range};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Clock, LogId, Offset, Timestamp};
use tokio::sync::watch;

use crate::contract::{
    Answer, Bounds, Catalog, Change, Lease, Leases, Log, Piece, Rewriter, Rewritten, Scan,
    ScanBack, StoredBatch, Watch,
};
use crate::error::StoreError;
use crate::key::{Document, Key, Version};
use crate::producers::{ProducerSeen, Producers, Verdict};
use crate::txn::{Append, Appended, Committed, Expect, LogChange, Txn, Write};

/// A store in memory.
pub struct Memory {
    clock: Clock,
    keeps_records: bool,
    state: Mutex<State>,
}

#[derive(Clone, Default)]
struct State {
    version: u64,
    logs: HashMap<LogId, LogState>,
    documents: BTreeMap<Key, Document>,
    leases: HashMap<Key, Lease>,
}

#[derive(Clone)]
struct LogState {
    batches: Vec<StoredBatch>,
    producers: Producers,
    bounds: watch::Sender<Bounds>,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new(clock: Clock) -> Memory {
        Memory {
            clock,
            keeps_records: true,
            state: Mutex::default(),
        }
    }

    /// A store that gives records offsets and forgets them. Documents are kept.
    #[must_use]
    pub fn discarding(clock: Clock) -> Memory {
        Memory {
            clock,
            keeps_records: false,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("keeps_records", &self.keeps_records)
            .finish_non_exhaustive()
    }
}

impl State {
    fn log(&self, log: LogId) -> Result<&LogState, StoreError> {
        self.logs.get(&log).ok_or(StoreError::NoSuchLog { log })
    }

    fn append(&mut self, append: &Append, keeps: bool) -> Result<Appended, StoreError> {
        let log = self
            .logs
            .get_mut(&append.log)
            .ok_or(StoreError::NoSuchLog { log: append.log })?;
        let Bounds { start, end, sealed } = *log.bounds.borrow();
        let count = append.batch.offsets();
        if let Some(producer) = append.batch.producer()
            && let Verdict::Duplicate(base_offset) = log.producers.judge(producer, count)?
        {
            return Ok(Appended {
                base_offset,
                duplicate: true,
            });
        }
        if sealed {
            return Err(StoreError::Sealed { log: append.log });
        }
        if let Some(asked) = append.expected.filter(|&expected| expected != end) {
            return Err(StoreError::OffsetOutOfRange { asked, start, end });
        }
        if let Some(producer) = append.batch.producer() {
            log.producers
                .remember(producer, count, end, append.batch.max_timestamp());
        }
        if keeps {
            log.batches.push(StoredBatch {
                base_offset: end,
                batch: append.batch.clone(),
            });
        }
        log.bounds
            .send_modify(|bounds| bounds.end = end.plus(u64::from(count)));
        Ok(Appended {
            base_offset: end,
            duplicate: false,
        })
    }

    fn change(&mut self, change: LogChange) -> Result<(), StoreError> {
        match change {
            LogChange::Create(log) => {
                if self.logs.contains_key(&log) {
                    return Err(StoreError::Conflict {
                        key: Key::of(&["log", &log.to_string()]),
                    });
                }
                let bounds = watch::Sender::new(Bounds::default());
                self.logs.insert(
                    log,
                    LogState {
                        batches: Vec::new(),
                        producers: Producers::default(),
                        bounds,
                    },
                );
            }
            LogChange::Seal(log) => self
                .log(log)?
                .bounds
                .send_modify(|bounds| bounds.sealed = true),
            LogChange::Trim(log, before) => {
                let state = self
                    .logs
                    .get_mut(&log)
                    .ok_or(StoreError::NoSuchLog { log })?;
                let Bounds { start, end, .. } = *state.bounds.borrow();
                if before > end {
                    return Err(StoreError::OffsetOutOfRange {
                        asked: before,
                        start,
                        end,
                    });
                }
                state.batches.retain(|batch| batch.end() > before);
                state
                    .bounds
                    .send_modify(|bounds| bounds.start = start.max(before));
            }
            LogChange::ForgetProducers(log, before) => {
                let state = self
                    .logs
                    .get_mut(&log)
                    .ok_or(StoreError::NoSuchLog { log })?;
                state.producers.forget_before(before);
            }
            LogChange::Delete(log) => {
                self.logs
                    .remove(&log)
                    .ok_or(StoreError::NoSuchLog { log })?;
            }
        }
        Ok(())
    }

    fn rewrite(
        &mut self,
        log: LogId,
        span: &Range<Offset>,
        rewriter: &mut dyn FnMut(&StoredBatch) -> Result<Change, StoreError>,
    ) -> Result<Rewritten, StoreError> {
        let state = self
            .logs
            .get_mut(&log)
            .ok_or(StoreError::NoSuchLog { log })?;
        let Bounds { start, end, .. } = *state.bounds.borrow();
        if span.end > end {
            return Err(StoreError::OffsetOutOfRange {
                asked: span.end,
                start,
                end,
            });
        }
        let mut rewritten = Rewritten {
            upto: span.end,
            bytes_before: 0,
            bytes_after: 0,
        };
        let mut batches = Vec::with_capacity(state.batches.len());
        for stored in &state.batches {
            if stored.end() <= span.start || stored.end() > span.end {
                batches.push(stored.clone());
                continue;
            }
            rewritten.bytes_before += stored.batch.bytes().len() as u64;
            let kept = rewriter(stored)?.apply(stored.clone())?;
            rewritten.bytes_after += kept
                .as_ref()
                .map_or(0, |kept| kept.batch.bytes().len() as u64);
            batches.extend(kept);
        }
        state.batches = batches;
        Ok(rewritten)
    }

    fn check(&self, txn: &Txn) -> Result<(), StoreError> {
        if let Some(fence) = &txn.fence {
            let theirs = self.leases.get(&fence.lease).map_or(0, |lease| lease.epoch);
            if theirs != fence.epoch {
                return Err(StoreError::Fenced {
                    ours: fence.epoch,
                    theirs,
                });
            }
        }
        for check in &txn.checks {
            let version = self
                .documents
                .get(&check.key)
                .map(|document| document.version);
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

    /// As the trait has it, but leaves half of the work behind on an error: the caller throws the state away then.
    fn commit(&mut self, txn: &Txn, keeps: bool) -> Result<Committed, StoreError> {
        self.check(txn)?;
        self.version += 1;
        let version = Version(self.version);
        for write in &txn.writes {
            match write {
                Write::Put { key, value } => {
                    key.fits(value.len())?;
                    self.documents.insert(
                        key.clone(),
                        Document {
                            version,
                            value: value.clone(),
                        },
                    );
                }
                Write::Delete { key } => {
                    self.documents.remove(key);
                }
            }
        }
        for &change in &txn.logs {
            self.change(change)?;
        }
        let appends = txn
            .appends
            .iter()
            .map(|append| self.append(append, keeps))
            .collect::<Result<_, _>>()?;
        Ok(Committed { version, appends })
    }

    /// A copy that shares nothing with this one, watchers' channels neither.
    fn trial(&self) -> State {
        let mut trial = self.clone();
        for log in trial.logs.values_mut() {
            let bounds = *log.bounds.borrow();
            log.bounds = watch::Sender::new(bounds);
        }
        trial
    }

    fn batch_at(
        &self,
        log: LogId,
        accept: impl Fn(&StoredBatch) -> bool,
    ) -> Result<Offset, StoreError> {
        let state = self.log(log)?;
        let Bounds { start, end, .. } = *state.bounds.borrow();
        let found = state.batches.iter().find(|batch| accept(batch));
        Ok(found.map_or(end, |batch| batch.base_offset.max(start)))
    }
}

impl Log for Memory {
    fn append(&self, appends: Vec<Append>) -> Answer<'_, Vec<Result<Appended, StoreError>>> {
        let mut state = self.state();
        let results = appends
            .iter()
            .map(|append| state.append(append, self.keeps_records))
            .collect();
        Box::pin(ready(results))
    }

    fn read(
        &self,
        log: LogId,
        from: Offset,
        max_bytes: usize,
    ) -> Answer<'_, Result<Vec<StoredBatch>, StoreError>> {
        let read = |state: &State| {
            let log_state = state.log(log)?;
            let Bounds { start, end, .. } = *log_state.bounds.borrow();
            if from < start || from > end {
                return Err(StoreError::OffsetOutOfRange {
                    asked: from,
                    start,
                    end,
                });
            }
            let mut bytes = 0;
            let mut batches = Vec::new();
            for batch in log_state
                .batches
                .iter()
                .skip_while(|batch| batch.end() <= from)
            {
                bytes += batch.batch.bytes().len();
                if bytes > max_bytes && !batches.is_empty() {
                    break;
                }
                batches.push(batch.clone());
            }
            Ok(batches)
        };
        Box::pin(ready(read(&self.state())))
    }

    fn bounds(&self, log: LogId) -> Answer<'_, Result<Bounds, StoreError>> {
        let bounds = self.state().log(log).map(|state| *state.bounds.borrow());
        Box::pin(ready(bounds))
    }

    fn offset_for_time(
        &self,
        log: LogId,
        time: Timestamp,
    ) -> Answer<'_, Result<Offset, StoreError>> {
        let found = self
            .state()
            .batch_at(log, |batch| batch.batch.max_timestamp() >= time);
        Box::pin(ready(found))
    }

    fn offset_for_size(&self, log: LogId, bytes: u64) -> Answer<'_, Result<Offset, StoreError>> {
        let find = |state: &State| {
            let mut left = bytes;
            let mut keep_from = state.log(log)?.bounds.borrow().end;
            for batch in state.log(log)?.batches.iter().rev() {
                if left == 0 {
                    break;
                }
                left = left.saturating_sub(batch.batch.bytes().len() as u64);
                keep_from = batch.base_offset;
            }
            Ok(keep_from.max(state.log(log)?.bounds.borrow().start))
        };
        Box::pin(ready(find(&self.state())))
    }

    fn producers(&self, log: LogId) -> Answer<'_, Result<Vec<ProducerSeen>, StoreError>> {
        let seen = self
            .state()
            .log(log)
            .map(|state| state.producers.iter().collect());
        Box::pin(ready(seen))
    }

    fn watch(&self, log: LogId) -> Result<Watch, StoreError> {
        self.state()
            .log(log)
            .map(|state| Watch::new(state.bounds.subscribe()))
    }

    fn pieces(&self, log: LogId) -> Answer<'_, Result<Vec<Piece>, StoreError>> {
        let piece = |stored: &StoredBatch, start: Offset| Piece {
            start: stored.base_offset.max(start),
            end: stored.end(),
            bytes: stored.batch.bytes().len() as u64,
            max_timestamp: stored.batch.max_timestamp(),
            is_settled: true,
        };
        let pieces = |state: &LogState| {
            let start = state.bounds.borrow().start;
            let batches = state.batches.iter();
            batches.map(|stored| piece(stored, start)).collect()
        };
        Box::pin(ready(self.state().log(log).map(pieces)))
    }

    fn rewrite(
        &self,
        log: LogId,
        span: Range<Offset>,
        mut rewriter: Rewriter,
    ) -> Answer<'_, Result<Rewritten, StoreError>> {
        let outcome = self.state().rewrite(log, &span, &mut *rewriter);
        Box::pin(ready(outcome))
    }
}

impl Catalog for Memory {
    fn get(&self, key: &Key) -> Answer<'_, Result<Option<Document>, StoreError>> {
        Box::pin(ready(Ok(self.state().documents.get(key).cloned())))
    }

    fn scan(&self, scan: Scan) -> Answer<'_, Result<Vec<(Key, Document)>, StoreError>> {
        let state = self.state();
        let start = match scan.after {
            Some(after) if after >= scan.prefix => Bound::Excluded(after),
            _ => Bound::Included(scan.prefix.clone()),
        };
        let found = state
            .documents
            .range((start, Bound::Unbounded))
            .take_while(|(key, _)| key.as_bytes().starts_with(scan.prefix.as_bytes()))
            .take(scan.limit)
            .map(|(key, document)| (key.clone(), document.clone()))
            .collect();
        Box::pin(ready(Ok(found)))
    }

    fn scan_back(&self, scan: ScanBack) -> Answer<'_, Result<Vec<(Key, Document)>, StoreError>> {
        let state = self.state();
        let end = scan.end().map_or(Bound::Unbounded, Bound::Excluded);
        let found = if scan
            .before
            .as_ref()
            .is_some_and(|before| *before <= scan.prefix)
        {
            Vec::new()
        } else {
            state
                .documents
                .range((Bound::Included(scan.prefix.clone()), end))
                .rev()
                .take(scan.limit)
                .map(|(key, document)| (key.clone(), document.clone()))
                .collect()
        };
        Box::pin(ready(Ok(found)))
    }

    fn commit(&self, txn: Txn) -> Answer<'_, Result<Committed, StoreError>> {
        let mut state = self.state();
        let outcome = state.trial().commit(&txn, self.keeps_records);
        if outcome.is_ok() {
            let repeated = state.commit(&txn, self.keeps_records);
            debug_assert_eq!(repeated.ok(), outcome.clone().ok(), "the trial decided");
        }
        Box::pin(ready(outcome))
    }
}

impl Leases for Memory {
    fn acquire(
        &self,
        name: &Key,
        owner: &str,
        duration: Duration,
    ) -> Answer<'_, Result<Lease, StoreError>> {
        let now = self.clock.now();
        let mut state = self.state();
        let epoch = match state.leases.get(name) {
            Some(held) if held.owner == owner => held.epoch,
            Some(held) if held.until > now => {
                return Box::pin(ready(Err(StoreError::Conflict { key: name.clone() })));
            }
            Some(held) => held.epoch + 1,
            None => 1,
        };
        let lease = Lease {
            name: name.clone(),
            owner: owner.into(),
            epoch,
            until: now.plus(duration),
        };
        state.leases.insert(name.clone(), lease.clone());
        Box::pin(ready(Ok(lease)))
    }

    fn release(&self, lease: &Lease) -> Answer<'_, Result<(), StoreError>> {
        let now = self.clock.now();
        let mut state = self.state();
        let outcome = match state.leases.get_mut(&lease.name) {
            Some(held) if held.epoch == lease.epoch => {
                held.until = now;
                held.owner = String::new();
                Ok(())
            }
            held => Err(StoreError::Fenced {
                ours: lease.epoch,
                theirs: held.map_or(0, |held| held.epoch),
            }),
        };
        Box::pin(ready(outcome))
    }
}
