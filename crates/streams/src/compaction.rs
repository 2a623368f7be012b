//! Log compaction, Kafka's `cleanup.policy=compact` (KIP-58, KIP-354, KIP-534): of each key the latest record stays, at its
//! offset; what it replaces goes.
//!
//! A log has an older part, in which each key has one record, and a newer one. When enough of it is new, it is gone through
//! twice: the new part for the latest offset of each key, as many keys as fit in bounded memory, then all up to there, dropping
//! what has a later record ([`store::Log::rewrite`]). What is young, undecided, or the log's last batch is not touched. How far a
//! log is compacted is kept: `compaction, stream number, shard number` → [`policy::Progress`]; a crash costs the work only, since
//! going through a log again changes nothing more.
//!
//! Kafka leaves a partition's newest segment alone until it rolls. Here the journal is in its place: what is in it is compacted
//! when it has been there for `segment.ms` or has `segment.bytes`; what has left it is, at any time.
//!
//! It runs beside requests, one log at a time, and rests for as long as it works. Read on in [`policy`], [`keys`], [`judge`].

mod judge;
mod keys;
mod policy;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{LogId, Offset, Timestamp};
use store::key::encode;
use store::{Key, Piece, StoreError, StoredBatch, Txn, Write};

use crate::registry::{Streams, StreamsError};
use crate::stream::{Stream, StreamName};

use judge::{AbortedBy, Judge, Pace, Scene};
use keys::LatestKeys;
use policy::{Due, Policy, Progress, Standing};

/// Bytes read at once to note keys.
const READ_BYTES: usize = 1 << 20;

fn key(log: LogId) -> Key {
    Key::of(&[
        "compaction",
        &format!("{:016x}", log.stream.0),
        &format!("{:08x}", log.partition),
    ])
}

/// Forgets how far a log is compacted, as part of the transaction that deletes it.
pub(crate) fn forget(log: LogId) -> Write {
    Write::Delete { key: key(log) }
}

/// A log to be compacted.
struct Task {
    stream: Arc<Stream>,
    log: LogId,
    policy: Policy,
    standing: Standing,
    due: Due,
}

/// Tells work on other threads that nobody waits for it any more.
#[derive(Default)]
struct GiveUp(Arc<AtomicBool>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Streams {
    /// Compacts the logs that are due, the one with the largest part of new records first. Gives the number of bytes that became
    /// free.
    ///
    /// # Errors
    /// The first of the store's, once all is done that could be.
    pub async fn compact(&self) -> Result<u64, StreamsError> {
        let mut first_error = None;
        let mut tasks = Vec::new();
        for name in self.all_names().await? {
            if let Err(error) = self.look_at(&name, &mut tasks).await {
                first_error.get_or_insert(error);
            }
        }
        tasks.sort_by(|one: &Task, other: &Task| other.due.ratio.total_cmp(&one.due.ratio));
        let mut freed = 0;
        for task in tasks {
            match self.compact_log(&task).await {
                Ok(bytes) => freed += bytes,
                // Deleted, or trimmed by retention in the middle of it: what is left is looked at again.
                Err(StoreError::NoSuchLog { .. } | StoreError::OffsetOutOfRange { .. }) => {}
                Err(error) => {
                    first_error.get_or_insert(error.into());
                }
            }
        }
        first_error.map_or(Ok(freed), Err)
    }

    async fn look_at(&self, name: &StreamName, tasks: &mut Vec<Task>) -> Result<(), StreamsError> {
        let stream = match self.find(name).await {
            Ok(stream) => stream,
            Err(StreamsError::NotFound) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(policy) = Policy::of(&stream.settings) else {
            return Ok(());
        };
        let now = self.clock().now();
        for shard in stream.topology.shards() {
            let log = stream.log(shard.index);
            let standing = match self.standing(log, &policy, now).await {
                Ok(standing) => standing,
                Err(StoreError::NoSuchLog { .. } | StoreError::OffsetOutOfRange { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            if let Some(due) = standing.due(&policy, now) {
                tasks.push(Task {
                    stream: stream.clone(),
                    log,
                    policy,
                    standing,
                    due,
                });
            }
        }
        Ok(())
    }

    async fn standing(
        &self,
        log: LogId,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Standing, StoreError> {
        let kept = self.store().get(&key(log)).await?;
        let progress = kept.map_or(Ok(Progress::default()), |kept| kept.decode())?;
        let bounds = self.store().bounds(log).await?;
        let pieces = self.store().pieces(log).await?;
        let mut standing = Standing {
            bounds,
            pieces,
            progress,
            limit: Offset(bounds.end.0.saturating_sub(1)),
            oldest_new: None,
        };
        standing.limit = (standing.limit).min(self.undecided().last_stable(log, bounds.end));
        if !policy.lag_min.is_zero() {
            let young = now.minus(policy.lag_min).plus(Duration::from_millis(1));
            let young = self.store().offset_for_time(log, young).await?;
            standing.limit = standing.limit.min(young);
        }
        let dirty_from = standing.dirty_from();
        if policy.lag_max.is_some() && dirty_from < standing.limit {
            standing.oldest_new = self.written_at(log, dirty_from).await?;
        }
        if let Some(piece) = standing.pieces.last().copied()
            && piece.start < standing.limit
            && !self.has_rolled(log, &piece, policy, now).await?
        {
            standing.limit = piece.start;
        }
        Ok(standing)
    }

    /// Whether what lies in the journal has been there for long enough.
    async fn has_rolled(
        &self,
        log: LogId,
        piece: &Piece,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if piece.is_settled || piece.bytes >= policy.rolls_at_bytes {
            return Ok(true);
        }
        let waits = policy.lag_max.unwrap_or(Duration::MAX);
        let rolls_at = now.minus(policy.rolls_after.min(waits));
        let oldest = self.written_at(log, piece.start).await?;
        Ok(oldest.is_some_and(|oldest| oldest <= rolls_at))
    }

    /// The greatest timestamp of the first batch from `offset` on.
    async fn written_at(
        &self,
        log: LogId,
        offset: Offset,
    ) -> Result<Option<Timestamp>, StoreError> {
        let found = self.store().read(log, offset, 1).await?;
        Ok(found.first().map(|stored| stored.batch.max_timestamp()))
    }

    async fn compact_log(&self, task: &Task) -> Result<u64, StoreError> {
        let Task { log, due, .. } = *task;
        let mut from = due.dirty_from;
        let mut freed = 0;
        loop {
            let (upto, bytes) = self.compact_part(task, from).await?;
            freed += bytes;
            from = upto;
            if upto >= due.upto {
                tracing::debug!(%log, %upto, freed, "compacted");
                return Ok(freed);
            }
        }
    }

    /// Compacts the log up to where the keys from `from` on fit in memory. Gives that, and the bytes that became free.
    async fn compact_part(&self, task: &Task, from: Offset) -> Result<(Offset, u64), StoreError> {
        let given_up = GiveUp::default();
        let log = task.log;
        let bounds = self.store().bounds(log).await?;
        let aborted = self.aborted().overlapping(log, bounds.start, task.due.upto);
        let scene = Scene {
            stream: task.stream.clone(),
            log,
            aborted: AbortedBy::of(aborted),
            now: self.clock().now(),
            tombstones_for: task.policy.tombstones_for,
        };
        let noting = Noting {
            scene,
            keys: LatestKeys::new(),
            pace: Pace::new(given_up.0.clone()),
            next: from.max(bounds.start),
            upto: task.due.upto,
            is_begun: false,
            is_full: false,
        };
        let noting = self.note_keys(noting).await?;
        let upto = if noting.is_full {
            noting.next
        } else {
            task.due.upto
        };
        let judge = Judge::new(noting.scene, noting.keys, noting.pace);
        let judge = Arc::new(Mutex::new(judge));
        let freed = self
            .drop_superseded(log, bounds.start, upto, &judge)
            .await?;
        let (vanished, horizon) = {
            let mut judge = judge.lock().unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut judge.vanished), judge.horizon)
        };
        self.forget_aborted(log, &vanished).await?;
        // What could not go this time goes the next.
        let horizon = if vanished.is_empty() {
            horizon
        } else {
            Some(self.clock().now())
        };
        self.note_progress(task, Progress { upto, horizon }).await?;
        Ok((upto, freed))
    }

    async fn note_keys(&self, noting: Noting) -> Result<Noting, StoreError> {
        let mut noting = noting;
        let log = noting.scene.log;
        while !noting.is_full && noting.next < noting.upto {
            let batches = self.store().read(log, noting.next, READ_BYTES).await?;
            if batches.is_empty() {
                break;
            }
            let noted = tokio::task::spawn_blocking(move || noting.note(&batches).map(|()| noting));
            noting = noted.await.unwrap_or_else(|error| {
                Err(StoreError::Unavailable {
                    reason: format!("keys were not noted to their end: {error}"),
                    source: None,
                })
            })?;
        }
        Ok(noting)
    }

    async fn drop_superseded(
        &self,
        log: LogId,
        from: Offset,
        upto: Offset,
        judge: &Arc<Mutex<Judge>>,
    ) -> Result<u64, StoreError> {
        let mut from = from;
        let mut freed: u64 = 0;
        while from < upto {
            let judge = Arc::clone(judge);
            let rewriter = move |stored: &StoredBatch| {
                let mut judge = judge.lock().unwrap_or_else(PoisonError::into_inner);
                judge.judge(stored)
            };
            let rewritten = self
                .store()
                .rewrite(log, from..upto, Box::new(rewriter))
                .await?;
            freed += rewritten.bytes_before.saturating_sub(rewritten.bytes_after);
            from = rewritten.upto;
        }
        Ok(freed)
    }

    /// Notes how far a log is compacted, unless its stream was deleted meanwhile: nobody would remove the note.
    async fn note_progress(&self, task: &Task, progress: Progress) -> Result<(), StoreError> {
        if progress == task.standing.progress {
            return Ok(());
        }
        let txn = Txn {
            checks: vec![store::Check {
                key: task.stream.name.key(),
                expect: store::Expect::Present,
            }],
            writes: vec![Write::Put {
                key: key(task.log),
                value: encode(&progress),
            }],
            ..Txn::default()
        };
        match self.store().commit(txn).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The first pass: the latest offset of each key.
struct Noting {
    scene: Scene,
    keys: LatestKeys,
    pace: Pace,
    next: Offset,
    upto: Offset,
    /// Whether all keys of a batch are noted.
    is_begun: bool,
    /// Whether no more keys find room.
    is_full: bool,
}

impl Noting {
    fn note(&mut self, batches: &[StoredBatch]) -> Result<(), StoreError> {
        for stored in batches {
            if stored.end() > self.upto {
                self.next = self.upto;
                return Ok(());
            }
            self.pace.spent(stored.batch.bytes().len())?;
            if self.scene.note(stored, &mut self.keys)?.is_err() {
                self.is_full = true;
                // A batch with more keys than there is room for keeps those that found none.
                if !self.is_begun {
                    self.next = stored.end();
                }
                return Ok(());
            }
            self.is_begun = true;
            self.next = stored.end();
        }
        Ok(())
    }
}

/// Runs [`Streams::compact`] every `period` for as long as it is polled. To be started once open transactions are known
/// ([`Streams::undecided`]): before, records would be taken for decided that are not.
pub async fn run(streams: &Streams, period: Duration) {
    loop {
        tokio::time::sleep(period).await;
        match streams.compact().await {
            Ok(0) => {}
            Ok(freed) => tracing::info!(freed, "compacted logs"),
            Err(error) => tracing::warn!(%error, "could not compact all logs; trying again later"),
        }
    }
}
