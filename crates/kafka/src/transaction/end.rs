//! The end of a transaction: one commit of everything it changes.
//!
//! A marker is a control batch of one record, by the transaction's producer and outside its row of sequence numbers. Its key is
//! a version and a type, its value a version and the coordinator's epoch, each 16 bits but the epoch's 32. It lies in the clear in
//! encrypted streams, too: there is nothing of a user's in it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::BufMut;
use model::batch::Producer;
use model::{Batch, BatchBuilder, LogId, Offset, Timestamp};
use store::{Append, StoreError, Txn};
use streams::aborted::{self, AbortedIn};

use crate::apart::apart;
use crate::error::Refusal;
use crate::offsets::{self, CommittedOffset};
use crate::transaction::machine::{Asking, Ending, Machine, Place, Stage, Step, logs_of};
use crate::transaction::{Transactions, Turn, kept};

/// Of all markers: there is one coordinator and it never changes.
pub(super) const COORDINATOR_EPOCH: i32 = 0;
/// Bytes of a marker's record, about.
const MARKER_BYTES: usize = 32;

/// The marker of a transaction's end.
pub(super) fn marker(producer_id: i64, epoch: i16, commits: bool, now: Timestamp) -> Batch {
    let (mut key, mut value) = (Vec::with_capacity(4), Vec::with_capacity(6));
    key.put_i16(0);
    key.put_i16(commits.into());
    value.put_i16(0);
    value.put_i32(COORDINATOR_EPOCH);
    let mut builder = BatchBuilder::with_capacity(MARKER_BYTES)
        .control()
        .by(Producer {
            id: producer_id,
            epoch,
            sequence: -1,
        });
    builder.push(now, Some(&key), Some(&value), &[]);
    builder.finish()
}

/// What was found in the way of a commit: logs that take no marker, and those that know a greater epoch.
#[derive(Default)]
struct Obstacles {
    gone: HashSet<LogId>,
    sealed: HashSet<LogId>,
    epochs: HashMap<LogId, i16>,
}

/// An end about to be committed.
struct Draft {
    txn: Txn,
    /// The markers' logs, in the order of the appends.
    marked: Vec<LogId>,
    /// Aborted in these logs, from there; and where a log is sealed, its end.
    aborted: Vec<(LogId, Offset, Option<Offset>)>,
}

impl Transactions {
    /// Ends a transaction by `step` and takes it over.
    pub(super) async fn end_with(&self, turn: &Turn, step: Step) -> Result<(), Refusal> {
        let Some(ending) = &step.ending else {
            return Ok(());
        };
        turn.one.shut().await;
        let decided = match self.commit_end(turn, &step, ending).await {
            Ok(decided) => decided,
            Err(error) => {
                turn.one.reopen();
                return Err(error.into());
            }
        };
        // Readers must know what was aborted before they are let past it.
        for (log, aborted) in decided {
            self.streams.aborted().add(log, aborted);
        }
        for (log, _) in logs_of(&ending.topics) {
            self.streams.undecided().decide(log, ending.producer_id);
        }
        for place in ending.offsets.keys() {
            self.discount_pending(place);
        }
        turn.one.become_(Some(step.next));
        Ok(())
    }

    /// Ends a producer's transaction in one log by itself.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidProducerEpoch`] where the log knows a newer instance of the producer.
    pub(super) async fn mark(
        self: &Arc<Self>,
        log: LogId,
        asking: Asking,
        commits: bool,
    ) -> Result<(), Refusal> {
        let this = Arc::clone(self);
        let producer = asking.producer_id;
        apart(async move {
            let known = this.all().into_iter().find(|(_, machine)| {
                machine.stage == Stage::Ongoing && machine.producer_id == producer
            });
            let turn = match &known {
                Some((id, _)) => Some(this.turn(id).await?),
                None => None,
            };
            if let Some(turn) = &turn {
                turn.one.shut().await;
            }
            let marked = this.mark_now(turn.as_ref(), log, asking, commits).await;
            match (&turn, marked) {
                (Some(turn), Ok(Some(machine))) => turn.one.become_(Some(machine)),
                (Some(turn), Ok(None)) => turn.one.reopen(),
                (Some(turn), Err(error)) => {
                    turn.one.reopen();
                    return Err(error.into());
                }
                (None, marked) => drop(marked?),
            }
            Ok(())
        })
        .await
    }

    /// Gives the state that the transaction's coordinator goes on with, where there is one.
    async fn mark_now(
        &self,
        turn: Option<&Turn>,
        log: LogId,
        asking: Asking,
        commits: bool,
    ) -> Result<Option<Machine>, StoreError> {
        let producer = asking.producer_id;
        let marker = marker(producer, asking.epoch, commits, self.now());
        let mut txn = Txn {
            appends: vec![Append::to(log, marker)],
            ..Txn::default()
        };
        let end = self.streams.store().bounds(log).await?.end;
        let machine = turn.and_then(|turn| turn.one.machine());
        let next = machine
            .filter(|machine| machine.producer_id == producer)
            .filter(|machine| machine.stage == Stage::Ongoing && machine.has(log))
            .map(|machine| machine.cut(log, end).next);
        if let (Some(turn), Some(next)) = (turn, &next) {
            txn.writes.push(kept::put(&turn.id, next));
        }
        let first = self.streams.undecided().first(log, producer);
        let aborts_from = first.filter(|_| !commits);
        if let Some(first) = aborts_from {
            txn.writes.push(aborted::put(log, producer, first, end));
        }
        let committed = self.streams.store().commit(txn).await?;
        if let (Some(first), Some(marked)) = (aborts_from, committed.appends.first()) {
            let last = marked.base_offset;
            let aborted = AbortedIn {
                producer,
                first,
                last,
            };
            self.streams.aborted().add(log, aborted);
        }
        if first.is_some() {
            self.streams.undecided().decide(log, producer);
        }
        if next.is_some() {
            self.streams.undecided().enter(log, producer);
        }
        Ok(next)
    }

    /// Commits; gives what was aborted and where.
    async fn commit_end(
        &self,
        turn: &Turn,
        step: &Step,
        ending: &Ending,
    ) -> Result<Vec<(LogId, AbortedIn)>, StoreError> {
        let mut obstacles = Obstacles::default();
        loop {
            let draft = self.draft(turn, step, ending, &mut obstacles).await?;
            let Draft {
                txn,
                marked,
                aborted,
            } = draft;
            match self.streams.store().commit(txn).await {
                Ok(committed) => {
                    let places = marked
                        .into_iter()
                        .zip(committed.appends.iter().map(|one| one.base_offset));
                    let places: HashMap<LogId, Offset> = places.collect();
                    let find = |(log, first, end): (LogId, Offset, Option<Offset>)| {
                        let last = end.or_else(|| places.get(&log).copied())?;
                        let producer = ending.producer_id;
                        Some((
                            log,
                            AbortedIn {
                                producer,
                                first,
                                last,
                            },
                        ))
                    };
                    return Ok(aborted.into_iter().filter_map(find).collect());
                }
                Err(error) => self.go_around(error, ending, &mut obstacles).await?,
            }
        }
    }

    async fn draft(
        &self,
        turn: &Turn,
        step: &Step,
        ending: &Ending,
        obstacles: &mut Obstacles,
    ) -> Result<Draft, StoreError> {
        let mut draft = Draft {
            txn: Txn {
                writes: vec![kept::put(&turn.id, &step.next)],
                ..Txn::default()
            },
            marked: Vec::new(),
            aborted: Vec::new(),
        };
        let now = self.now();
        for (log, _) in logs_of(&ending.topics) {
            let bounds = match self.streams.store().bounds(log).await {
                Ok(bounds) if !obstacles.gone.contains(&log) => bounds,
                Ok(_) | Err(StoreError::NoSuchLog { .. }) => {
                    obstacles.gone.insert(log);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let is_sealed = bounds.sealed || obstacles.sealed.contains(&log);
            let first = self.streams.undecided().first(log, ending.producer_id);
            if let Some(first) = first.filter(|_| !ending.commits) {
                let end = is_sealed.then_some(bounds.end);
                draft
                    .txn
                    .writes
                    .push(aborted::put(log, ending.producer_id, first, bounds.end));
                draft.aborted.push((log, first, end));
            }
            if !is_sealed {
                let epoch = obstacles.epochs.get(&log).copied().unwrap_or(ending.epoch);
                let marker = marker(ending.producer_id, epoch, ending.commits, now);
                draft.txn.appends.push(Append::to(log, marker));
                draft.marked.push(log);
            }
        }
        for (place, committed) in &ending.offsets {
            let (group, stream, partition) = place;
            draft.txn.writes.push(kept::delete_offset(&turn.id, place));
            if ending.commits && !self.is_overtaken(place, committed).await? {
                let put = offsets::put(group, *stream, *partition, committed);
                draft.txn.writes.push(put);
            }
        }
        Ok(draft)
    }

    /// Whether something newer was committed beside the transaction: a group that was set back stays so.
    async fn is_overtaken(
        &self,
        (group, stream, partition): &Place,
        committed: &CommittedOffset,
    ) -> Result<bool, StoreError> {
        let key = offsets::key(group, *stream, *partition);
        let Some(document) = self.streams.store().get(&key).await? else {
            return Ok(false);
        };
        let known: CommittedOffset = document.decode()?;
        Ok(known.at > committed.at)
    }

    /// Notes what was in the way, so that the next attempt leaves it out; each log can be so three times.
    async fn go_around(
        &self,
        error: StoreError,
        ending: &Ending,
        obstacles: &mut Obstacles,
    ) -> Result<(), StoreError> {
        let is_news = match &error {
            StoreError::NoSuchLog { log } => obstacles.gone.insert(*log),
            StoreError::Sealed { log } => obstacles.sealed.insert(*log),
            // Somebody wrote under the producer's id with an epoch it was never given. It must not keep the transaction open.
            StoreError::ProducerFenced { .. } => self.raise_epochs(ending, obstacles).await?,
            _ => false,
        };
        if is_news { Ok(()) } else { Err(error) }
    }

    /// Finds logs that know greater epochs of the producer than its markers have; whether there are more than were known.
    async fn raise_epochs(
        &self,
        ending: &Ending,
        obstacles: &mut Obstacles,
    ) -> Result<bool, StoreError> {
        let mut is_news = false;
        for (log, _) in logs_of(&ending.topics) {
            if obstacles.gone.contains(&log) {
                continue;
            }
            let seen = match self.streams.store().producers(log).await {
                Ok(seen) => seen,
                Err(StoreError::NoSuchLog { .. }) => continue,
                Err(error) => return Err(error),
            };
            let seen = seen.iter().find(|one| one.id == ending.producer_id);
            if let Some(seen) = seen.filter(|seen| seen.epoch > ending.epoch) {
                is_news |= obstacles.epochs.insert(log, seen.epoch) != Some(seen.epoch);
            }
        }
        Ok(is_news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_has_the_bytes_that_clients_read() {
        let batch = marker(7, 3, true, Timestamp(5));
        assert!(batch.is_control() && batch.is_transactional());
        assert_eq!(batch.producer().map(|by| by.sequence), Some(-1));
        let records: Vec<_> = batch.records(Offset::ZERO).collect();
        let [record] = &records[..] else {
            panic!("one record: {records:?}")
        };
        assert_eq!(record.key, Some(&[0, 0, 0, 1][..]));
        assert_eq!(record.value, Some(&[0, 0, 0, 0, 0, 0][..]));
        assert_eq!(record.timestamp, Timestamp(5));
    }
}
