//! What becomes of each batch, once the latest offset of each key is known. Pure but for the pauses of [`Pace`].
//!
//! Records go that have a later one of their key, that have no key, or that an aborted transaction wrote; tombstones and the
//! ends of transactions without records go when they have been there to be seen for long enough. That time begins when a
//! compaction first sees them with nothing left that they undo, and is written into their batch (KIP-534).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use model::{LogId, Offset, Timestamp};
use store::{Change, StoreError, StoredBatch};
use tokio::time::Instant;

use super::keys::{Full, LatestKeys};
use crate::aborted::AbortedIn;
use crate::deflate::deflate;
use crate::inflate::inflate;
use crate::stream::Stream;

/// Work is divided by pauses after as many bytes.
const PAUSE_BYTES: usize = 1 << 20;
/// No pause is longer.
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// Aborted transactions of a log, by their producer.
#[derive(Debug, Default)]
pub(super) struct AbortedBy(HashMap<i64, Vec<AbortedIn>>);

impl AbortedBy {
    pub(super) fn of(all: Vec<AbortedIn>) -> AbortedBy {
        let mut by_producer: HashMap<i64, Vec<AbortedIn>> = HashMap::new();
        for aborted in all {
            by_producer
                .entry(aborted.producer)
                .or_default()
                .push(aborted);
        }
        for some in by_producer.values_mut() {
            some.sort_unstable_by_key(|aborted| aborted.last);
        }
        AbortedBy(by_producer)
    }

    /// The one that the producer's batch at `offset` is of, if any.
    fn find(&self, producer: i64, offset: Offset) -> Option<AbortedIn> {
        let some = self.0.get(&producer)?;
        let at = some.partition_point(|aborted| aborted.last < offset);
        some.get(at)
            .copied()
            .filter(|aborted| aborted.first <= offset)
    }

    /// Whether a batch was written in a transaction that was aborted.
    fn has(&self, stored: &StoredBatch) -> bool {
        let producer = stored.batch.producer();
        stored.batch.is_transactional()
            && producer.is_some_and(|by| self.find(by.id, stored.base_offset).is_some())
    }
}

/// Leaves the processor and the disk to others for as long as it had them itself.
#[derive(Debug)]
pub(super) struct Pace {
    bytes: usize,
    began: Instant,
    is_over: Arc<AtomicBool>,
}

impl Pace {
    pub(super) fn new(is_over: Arc<AtomicBool>) -> Pace {
        Pace {
            bytes: 0,
            began: Instant::now(),
            is_over,
        }
    }

    /// Has worked on so many bytes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where nobody waits for the work any more.
    pub(super) fn spent(&mut self, bytes: usize) -> Result<(), StoreError> {
        if self.is_over.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable {
                reason: "the compaction was given up".into(),
                source: None,
            });
        }
        self.bytes += bytes;
        if self.bytes >= PAUSE_BYTES {
            thread::park_timeout(self.began.elapsed().min(PAUSE_MAX));
            self.bytes = 0;
            self.began = Instant::now();
        }
        Ok(())
    }
}

/// What both passes over a log know.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) stream: Arc<Stream>,
    pub(super) log: LogId,
    pub(super) aborted: AbortedBy,
    pub(super) now: Timestamp,
    pub(super) tombstones_for: Duration,
}

impl Scene {
    /// The batch in the clear and uncompressed; `None` where it does not read to its end: it stays as it is then.
    fn opened(&self, stored: &StoredBatch) -> Result<Option<StoredBatch>, StoreError> {
        let clear = self.stream.sealer.open(self.log, stored.batch.clone())?;
        let opened = inflate(&clear).ok().map(|batch| StoredBatch {
            base_offset: stored.base_offset,
            batch,
        });
        Ok(opened.filter(|opened| opened.records().count() as u32 == opened.batch.record_count()))
    }

    /// Takes note of a batch's keys.
    pub(super) fn note(
        &self,
        stored: &StoredBatch,
        keys: &mut LatestKeys,
    ) -> Result<Result<(), Full>, StoreError> {
        if stored.batch.is_control() || self.aborted.has(stored) {
            return Ok(Ok(()));
        }
        let Some(opened) = self.opened(stored)? else {
            return Ok(Ok(()));
        };
        let put = |record: model::RecordRef<'_>| match record.key {
            Some(key) => keys.put(key, record.offset),
            None => Ok(()),
        };
        Ok(opened.records().try_for_each(put))
    }

    /// `new`, which is not compressed, in the form that `former` has.
    fn closed(&self, former: &StoredBatch, new: &model::Batch) -> Result<model::Batch, StoreError> {
        let small =
            deflate(new, former.batch.codec()).map_err(|error| StoreError::Unavailable {
                reason: "a batch could not be compressed".into(),
                source: Some(Arc::new(error)),
            })?;
        Ok(self.stream.sealer.reseal(self.log, &former.batch, small))
    }
}

/// Says what becomes of each batch, in order from the log's start.
#[derive(Debug)]
pub(super) struct Judge {
    scene: Scene,
    keys: LatestKeys,
    pace: Pace,
    /// Producers with records of the transaction whose end is still to come.
    with_records: HashSet<i64>,
    /// Aborted transactions of which there is nothing left.
    pub(super) vanished: Vec<AbortedIn>,
    /// When the first of what is still to be seen for a while may go.
    pub(super) horizon: Option<Timestamp>,
}

impl Judge {
    pub(super) fn new(scene: Scene, keys: LatestKeys, pace: Pace) -> Judge {
        Judge {
            scene,
            keys,
            pace,
            with_records: HashSet::new(),
            vanished: Vec::new(),
            horizon: None,
        }
    }

    /// What becomes of it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it does not open under the stream's keys; as [`Pace::spent`].
    pub(super) fn judge(&mut self, stored: &StoredBatch) -> Result<Change, StoreError> {
        self.pace.spent(stored.batch.bytes().len())?;
        if stored.batch.is_control() {
            return self.judge_end(stored);
        }
        if stored.batch.is_transactional()
            && let Some(producer) = stored.batch.producer()
        {
            self.with_records.insert(producer.id);
        }
        if self.scene.aborted.has(stored) {
            return Ok(Change::Drop);
        }
        let Some(opened) = self.scene.opened(stored)? else {
            return Ok(Change::Keep);
        };
        let was_to_be_seen = opened.batch.delete_horizon();
        let tombstones_go = was_to_be_seen.is_some_and(|until| until <= self.scene.now);
        let mut stays = Vec::with_capacity(opened.batch.record_count() as usize);
        let mut has_tombstones = false;
        for record in opened.records() {
            let is_latest = record.key.is_some_and(|key| {
                let latest = self.keys.get(key);
                latest.is_none_or(|latest| latest <= record.offset)
            });
            let is_tombstone = record.value.is_none();
            let it_stays = is_latest && !(is_tombstone && tombstones_go);
            has_tombstones |= it_stays && is_tombstone;
            stays.push(it_stays);
        }
        let until = has_tombstones.then(|| was_to_be_seen.unwrap_or(self.new_horizon()));
        self.note_horizon(until);
        let is_first_seen = until.is_some() && was_to_be_seen.is_none();
        if !is_first_seen && stays.iter().all(|&stays| stays) {
            return Ok(Change::Keep);
        }
        let mut stays = stays.into_iter();
        self.replaced(stored, &opened, until, |_| stays.next() == Some(true))
    }

    /// The end of a transaction.
    fn judge_end(&mut self, stored: &StoredBatch) -> Result<Change, StoreError> {
        let Some(producer) = stored.batch.producer() else {
            return Ok(Change::Keep);
        };
        if self.with_records.remove(&producer.id) {
            return Ok(Change::Keep);
        }
        match stored.batch.delete_horizon() {
            Some(until) if until <= self.scene.now => {
                let aborted = self.scene.aborted.find(producer.id, stored.base_offset);
                // Readers that are told of an aborted transaction wait for its end.
                self.vanished.extend(aborted);
                Ok(aborted.map_or(Change::Drop, |_| Change::Keep))
            }
            Some(until) => {
                self.note_horizon(Some(until));
                Ok(Change::Keep)
            }
            None => {
                let Some(opened) = self.scene.opened(stored)? else {
                    return Ok(Change::Keep);
                };
                let until = Some(self.new_horizon());
                self.note_horizon(until);
                self.replaced(stored, &opened, until, |_| true)
            }
        }
    }

    fn replaced(
        &self,
        stored: &StoredBatch,
        opened: &StoredBatch,
        until: Option<Timestamp>,
        stays: impl FnMut(&model::RecordRef<'_>) -> bool,
    ) -> Result<Change, StoreError> {
        let new = opened.batch.compacted(opened.base_offset, until, stays);
        let Some(new) = new else {
            return Ok(Change::Drop);
        };
        Ok(Change::Replace(self.scene.closed(stored, &new)?))
    }

    fn new_horizon(&self) -> Timestamp {
        self.scene.now.plus(self.scene.tombstones_for)
    }

    fn note_horizon(&mut self, until: Option<Timestamp>) {
        self.horizon = match (self.horizon, until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}
