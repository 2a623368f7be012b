//! Aborted transactions: which records of a log readers of committed records must pass over.
//!
//! A batch is aborted where it is transactional, its producer is an entry's, and it lies from the entry's `first` up to its
//! `last`, where the transaction's end, a control batch, lies. To show committed records alone, read up to
//! [`crate::undecided::Undecided::last_stable`], ask [`Aborted::overlapping`] for what was read, and leave out what one of them
//! covers ([`AbortedIn::covers`]) and all control batches, as [`Streams::read_visible`] does.
//!
//! Kept: `aborted, stream number, shard number, first offset, producer` → [`Kept`], put in the transaction that writes the end.
//! Where the end lies is not known before: it is said to be the producer's first control batch at an offset or after it, which
//! [`Streams::settle_aborted`] makes exact soon and [`Streams::load_aborted`] by looking, after a crash. In memory an entry takes
//! 32 bytes; it goes when its log no longer reaches back to it ([`Streams::trim_aborted`]), so there are fewer than batches.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::{LogId, Offset, StreamId};
use serde::{Deserialize, Serialize};
use store::key::encode;
use store::{Key, Scan, StoreError, StoredBatch, Txn, Write};

use crate::registry::Streams;

/// Entries read, or documents written, at once.
const AT_ONCE: usize = 1000;
/// Bytes read at once to find a transaction's end.
const LOOK_BYTES: usize = 256 << 10;

/// An aborted transaction in a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AbortedIn {
    /// Whose.
    pub producer: i64,
    /// Where its first batch lies, or before that, but after the producer's transaction before it.
    pub first: Offset,
    /// Where its end lies.
    pub last: Offset,
}

impl AbortedIn {
    /// Whether a batch of the log was written in it.
    #[must_use]
    pub fn covers(&self, stored: &StoredBatch) -> bool {
        let by = stored.batch.producer().map(|by| by.id);
        stored.batch.is_transactional()
            && by == Some(self.producer)
            && (self.first..self.last).contains(&stored.base_offset)
    }
}

/// What is kept of one: where its end lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    /// Here.
    At(Offset),
    /// The producer's first control batch from here on.
    From(Offset),
}

/// All of them.
#[derive(Debug, Default)]
pub struct Aborted {
    state: Mutex<State>,
    loaded: tokio::sync::OnceCell<()>,
}

#[derive(Debug, Default)]
struct State {
    logs: HashMap<LogId, Vec<Entry>>,
    /// Those whose documents do not say yet where they end.
    unsettled: Vec<(LogId, AbortedIn)>,
}

/// One, in the order of the ends.
#[derive(Clone, Copy, Debug)]
struct Entry {
    is: AbortedIn,
    /// The least `first` of this entry and all after it.
    first_min: Offset,
}

fn folder() -> Key {
    Key::of(&["aborted"])
}

fn key(log: LogId, producer: i64, first: Offset) -> Key {
    Key::of(&[
        "aborted",
        &format!("{:016x}", log.stream.0),
        &format!("{:08x}", log.partition),
        &format!("{:016x}", first.0),
        &format!("{producer:016x}"),
    ])
}

/// The log, the producer and the first offset that a key is of.
fn place(key: &Key) -> Option<(LogId, i64, Offset)> {
    let text = std::str::from_utf8(key.as_bytes()).ok()?;
    let mut parts = text.split('\0').skip(1);
    let stream = u64::from_str_radix(parts.next()?, 16).ok()?;
    let partition = u32::from_str_radix(parts.next()?, 16).ok()?;
    let first = u64::from_str_radix(parts.next()?, 16).ok()?;
    let producer = i64::from_str_radix(parts.next()?, 16).ok()?;
    Some((
        LogId::new(StreamId(stream), partition),
        producer,
        Offset(first),
    ))
}

/// Notes an aborted transaction, as part of the transaction that writes its end, which lies at `end_from` or after it.
#[must_use]
pub fn put(log: LogId, producer: i64, first: Offset, end_from: Offset) -> Write {
    Write::Put {
        key: key(log, producer, first),
        value: encode(&Kept::From(end_from)),
    }
}

impl Aborted {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of a transaction that [`put`] has noted, now that it is known where its end lies.
    pub fn add(&self, log: LogId, aborted: AbortedIn) {
        let mut state = self.state();
        state.add(log, aborted);
        state.unsettled.push((log, aborted));
    }

    /// The aborted transactions with records in `from..until`, by their first offset.
    #[must_use]
    pub fn overlapping(&self, log: LogId, from: Offset, until: Offset) -> Vec<AbortedIn> {
        let state = self.state();
        let Some(entries) = state.logs.get(&log) else {
            return Vec::new();
        };
        let begin = entries.partition_point(|entry| entry.is.last < from);
        let mut found: Vec<AbortedIn> = entries
            .iter()
            .skip(begin)
            .take_while(|entry| entry.first_min < until)
            .map(|entry| entry.is)
            .filter(|aborted| aborted.first < until)
            .collect();
        found.sort_unstable_by_key(|aborted| aborted.first);
        found
    }

    fn take_unsettled(&self) -> Vec<(LogId, AbortedIn)> {
        std::mem::take(&mut self.state().unsettled)
    }

    fn logs(&self) -> Vec<LogId> {
        self.state().logs.keys().copied().collect()
    }

    /// Removes these of a log.
    fn remove(&self, log: LogId, gone: &[AbortedIn]) {
        let mut state = self.state();
        state
            .unsettled
            .retain(|(of, aborted)| *of != log || !gone.contains(aborted));
        // Built anew, since every entry says something of those after it.
        let entries = state.logs.remove(&log).unwrap_or_default();
        for entry in entries {
            if !gone.contains(&entry.is) {
                state.add(log, entry.is);
            }
        }
    }

    /// Removes those of a log that ended before `start`, and gives them.
    fn drop_before(&self, log: LogId, start: Offset) -> Vec<AbortedIn> {
        let mut state = self.state();
        let Some(entries) = state.logs.get_mut(&log) else {
            return Vec::new();
        };
        let count = entries.partition_point(|entry| entry.is.last < start);
        let gone: Vec<AbortedIn> = entries.drain(..count).map(|entry| entry.is).collect();
        if entries.is_empty() {
            state.logs.remove(&log);
        }
        if !gone.is_empty() {
            state
                .unsettled
                .retain(|(of, aborted)| *of != log || aborted.last >= start);
        }
        gone
    }
}

impl State {
    fn add(&mut self, log: LogId, is: AbortedIn) {
        let entries = self.logs.entry(log).or_default();
        let at = entries.partition_point(|entry| entry.is.last <= is.last);
        let later = entries.get(at).map(|entry| entry.first_min);
        let first_min = later.map_or(is.first, |later| later.min(is.first));
        entries.insert(at, Entry { is, first_min });
        let before = entries.get_mut(..at).unwrap_or_default();
        for entry in before.iter_mut().rev() {
            if entry.first_min <= is.first {
                break;
            }
            entry.first_min = is.first;
        }
    }
}

impl Streams {
    /// Which transactions were aborted.
    #[must_use]
    pub fn aborted(&self) -> &Aborted {
        &self.aborted
    }

    /// Reads back what is kept. To be done when the server starts, before anything is read; the first call does it.
    ///
    /// # Errors
    /// The store's.
    pub async fn load_aborted(&self) -> Result<(), StoreError> {
        let loaded = &self.aborted.loaded;
        loaded.get_or_try_init(|| self.load_all()).await.copied()
    }

    async fn load_all(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let scan = Scan {
                after,
                limit: AT_ONCE,
                ..Scan::below(&folder())
            };
            let found = self.store().scan(scan).await?;
            for (key, document) in &found {
                let Some((log, producer, first)) = place(key) else {
                    continue;
                };
                let (last, is_settled) = match document.decode()? {
                    Kept::At(last) => (Some(last), true),
                    Kept::From(from) => (self.find_end(log, producer, from).await?, false),
                };
                // Of a log that is gone, the next trim removes the document.
                let aborted = AbortedIn {
                    producer,
                    first,
                    last: last.unwrap_or(first),
                };
                if is_settled {
                    self.aborted.state().add(log, aborted);
                } else {
                    self.aborted.add(log, aborted);
                }
            }
            after = found.last().map(|(key, _)| key.clone());
            if found.len() < AT_ONCE {
                return Ok(());
            }
        }
    }

    /// Where the producer's first control batch from `from` on lies. A log that was sealed with the transaction open has none;
    /// all of it to its end is aborted then. `None` where there is no such log.
    async fn find_end(
        &self,
        log: LogId,
        producer: i64,
        from: Offset,
    ) -> Result<Option<Offset>, StoreError> {
        let mut from = from;
        loop {
            let bounds = match self.store().bounds(log).await {
                Ok(bounds) => bounds,
                Err(StoreError::NoSuchLog { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            from = from.max(bounds.start);
            if from >= bounds.end {
                return Ok(Some(bounds.end));
            }
            let batches = self.store().read(log, from, LOOK_BYTES).await?;
            let is_end = |batch: &StoredBatch| {
                let by = batch.batch.producer().map(|by| by.id);
                batch.batch.is_control() && by == Some(producer) && batch.base_offset >= from
            };
            if let Some(end) = batches.iter().find(|batch| is_end(batch)) {
                return Ok(Some(end.base_offset));
            }
            from = batches.last().map_or(bounds.end, StoredBatch::end);
        }
    }

    /// Writes down where the newest aborted transactions end.
    ///
    /// # Errors
    /// The store's; the next call tries again.
    pub async fn settle_aborted(&self) -> Result<(), StoreError> {
        let unsettled = self.aborted.take_unsettled();
        for some in unsettled.chunks(AT_ONCE) {
            let writes = some.iter().map(|(log, aborted)| Write::Put {
                key: key(*log, aborted.producer, aborted.first),
                value: encode(&Kept::At(aborted.last)),
            });
            let txn = Txn {
                writes: writes.collect(),
                ..Txn::default()
            };
            if let Err(error) = self.store().commit(txn).await {
                self.aborted.state().unsettled.extend(unsettled);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Forgets aborted transactions of a log of which compaction has left no record.
    ///
    /// # Errors
    /// The store's; nothing is forgotten then.
    pub async fn forget_aborted(&self, log: LogId, gone: &[AbortedIn]) -> Result<(), StoreError> {
        for some in gone.chunks(AT_ONCE) {
            let writes = some.iter().map(|aborted| Write::Delete {
                key: key(log, aborted.producer, aborted.first),
            });
            let txn = Txn {
                writes: writes.collect(),
                ..Txn::default()
            };
            self.store().commit(txn).await?;
            self.aborted.remove(log, some);
        }
        Ok(())
    }

    /// Forgets aborted transactions whose records are gone from their logs.
    ///
    /// # Errors
    /// The store's. What was not removed then is found at the next start.
    pub async fn trim_aborted(&self) -> Result<(), StoreError> {
        for log in self.aborted.logs() {
            let start = match self.store().bounds(log).await {
                Ok(bounds) => bounds.start,
                Err(StoreError::NoSuchLog { .. }) => Offset(u64::MAX),
                Err(error) => return Err(error),
            };
            let gone = self.aborted.drop_before(log, start);
            for some in gone.chunks(AT_ONCE) {
                let writes = some.iter().map(|aborted| Write::Delete {
                    key: key(log, aborted.producer, aborted.first),
                });
                let txn = Txn {
                    writes: writes.collect(),
                    ..Txn::default()
                };
                self.store().commit(txn).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
