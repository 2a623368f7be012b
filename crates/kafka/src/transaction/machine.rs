//! What one transactional id goes through: pure, every step given the time and answered with the state after it.
//!
//! A step is not yet so when it is decided: its owner writes it down first, and takes it over then. Ending a transaction is one
//! step, from ongoing to complete: the store writes records and documents at once, so Kafka's states between, in which markers
//! are on their way, do not exist here, nor does what clients must wait for because of them.
//!
//! Epochs, by KIP-98, KIP-360 and KIP-890: each new instance of a producer has a greater one; so has, with transaction version 2,
//! each transaction. One above [`EPOCH_LAST`] is never given to a client, so that there is always one left to shut out whoever
//! has the last.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{LogId, Offset, StreamId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::offsets::CommittedOffset;
use crate::wire::ErrorCode;

/// In place of an epoch or id that there is not.
pub(crate) const NONE: i64 = -1;
const NO_EPOCH: i16 = -1;
/// The greatest epoch that a client is given.
pub(crate) const EPOCH_LAST: i16 = i16::MAX - 1;
/// Longest that a transaction may be told to take: Kafka's `transaction.max.timeout.ms`.
pub(crate) const TIMEOUT_MS_MAX: i32 = 15 * 60 * 1000;
/// After this long without a transaction an id is forgotten: Kafka's `transactional.id.expiration.ms`.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Longest transactional id, in bytes: it is part of keys.
pub(crate) const ID_BYTES_MAX: usize = 1024;
/// Partitions of one transaction: their markers are written at once, with room to spare in one journal file.
pub(crate) const PARTITIONS_MAX: usize = 20_000;
/// Offsets of one transaction, and bytes of what clients say with them; as above.
pub(crate) const OFFSETS_MAX: usize = 20_000;
pub(crate) const OFFSET_BYTES_MAX: usize = 8 << 20;

/// Where a transactional id stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// No transaction since its producer began.
    Empty,
    /// A transaction is open.
    Ongoing,
    /// The last one was committed.
    Committed,
    /// The last one was aborted.
    Aborted,
}

impl Stage {
    /// All of them.
    pub(crate) const ALL: [Stage; 4] = [
        Stage::Empty,
        Stage::Ongoing,
        Stage::Committed,
        Stage::Aborted,
    ];

    /// As Kafka calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Stage::Empty => "Empty",
            Stage::Ongoing => "Ongoing",
            Stage::Committed => "CompleteCommit",
            Stage::Aborted => "CompleteAbort",
        }
    }
}

/// The partitions of a topic that are in a transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct InTopic {
    pub(crate) stream: StreamId,
    pub(crate) name: String,
    /// By partition: the log's end when it was added. The transaction has nothing before that.
    pub(crate) partitions: BTreeMap<u32, Offset>,
}

/// A partition to be added.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Addition {
    pub(crate) topic: String,
    pub(crate) log: LogId,
    /// The log's end now.
    pub(crate) end: Offset,
}

/// A group, and the stream and partition that an offset of it is of.
pub(crate) type Place = (String, StreamId, u32);

/// Offsets to be committed with the transaction.
pub(crate) type Offsets = BTreeMap<Place, CommittedOffset>;

/// A transactional id's state. What is kept of it is all but the offsets, which have documents of their own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    /// The epoch before, of whoever was given this one and may ask again, not having heard.
    pub(crate) last_epoch: i16,
    /// The producer id before, where its epochs ran out.
    pub(crate) previous_id: i64,
    pub(crate) timeout_ms: i32,
    pub(crate) stage: Stage,
    /// Whether the last transaction's end gave its producer the epoch.
    #[serde(default)]
    pub(crate) has_bumped: bool,
    /// When the open transaction, or the last, began.
    pub(crate) started: Option<Timestamp>,
    /// When anything last changed.
    pub(crate) updated: Timestamp,
    pub(crate) topics: Vec<InTopic>,
    /// Groups whose offsets are to be committed with it.
    pub(crate) groups: BTreeSet<String>,
    #[serde(skip)]
    pub(crate) offsets: Offsets,
}

/// Who asks, as they know themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Asking {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
}

/// How a transaction ends.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Ending {
    pub(crate) commits: bool,
    pub(crate) producer_id: i64,
    /// The markers' epoch.
    pub(crate) epoch: i16,
    pub(crate) topics: Vec<InTopic>,
    pub(crate) offsets: Offsets,
}

/// What is to be written down.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Step {
    /// The state after it.
    pub(crate) next: Machine,
    /// The transaction that ends with it.
    pub(crate) ending: Option<Ending>,
}

impl Step {
    fn to(next: Machine) -> Step {
        Step { next, ending: None }
    }
}

/// A new instance of a producer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Init {
    pub(crate) timeout_ms: i32,
    /// What it was before, where it only goes on (KIP-360).
    pub(crate) expected: Option<Asking>,
}

/// A transaction to be ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) asking: Asking,
    pub(crate) commits: bool,
    /// Whether the producer goes on with another epoch (KIP-890, transaction version 2).
    pub(crate) bumps: bool,
}

impl Machine {
    /// The state of an id that nobody has used.
    pub(crate) fn new(producer_id: i64, init: Init, now: Timestamp) -> Machine {
        Machine {
            producer_id,
            epoch: 0,
            last_epoch: NO_EPOCH,
            previous_id: NONE,
            timeout_ms: init.timeout_ms,
            stage: Stage::Empty,
            has_bumped: false,
            started: None,
            updated: now,
            topics: Vec::new(),
            groups: BTreeSet::new(),
            offsets: Offsets::new(),
        }
    }

    /// Whether the next epoch is one that no client may have: a new producer id is needed.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.epoch >= EPOCH_LAST
    }

    /// A producer begins or goes on; a transaction left open is aborted. `fresh_id` is used where the epochs have run out.
    /// `None` where nothing changes: the producer has not heard the last answer.
    ///
    /// # Errors
    /// [`ErrorCode::ProducerFenced`] where another has begun since.
    pub(crate) fn init(
        &self,
        init: Init,
        fresh_id: i64,
        now: Timestamp,
    ) -> Result<Option<Step>, ErrorCode> {
        if let Some(expected) = init.expected {
            let is_same = expected.producer_id == self.producer_id;
            let was_renewed =
                expected.producer_id == self.previous_id && expected.epoch >= EPOCH_LAST;
            if !is_same && !was_renewed {
                return Err(ErrorCode::ProducerFenced);
            }
            if expected.epoch == self.last_epoch && expected.epoch != NO_EPOCH {
                return Ok(None);
            }
            if was_renewed || expected.epoch != self.epoch {
                return Err(ErrorCode::ProducerFenced);
            }
        }
        let ending = (self.stage == Stage::Ongoing)
            .then(|| self.ending(false, self.epoch.saturating_add(1)));
        let last_epoch = init.expected.map_or(NO_EPOCH, |_| self.epoch);
        let mut next = self.after(Stage::Empty, now);
        next.timeout_ms = init.timeout_ms;
        next.started = None;
        next.raise_epoch(fresh_id);
        next.last_epoch = last_epoch;
        Ok(Some(Step { next, ending }))
    }

    /// Partitions are added to the transaction, which begins with the first. `None` where all are in it.
    ///
    /// # Errors
    /// As [`Machine::check`]; [`ErrorCode::PolicyViolation`] past [`PARTITIONS_MAX`].
    pub(crate) fn add(
        &self,
        asking: Asking,
        additions: &[Addition],
        now: Timestamp,
    ) -> Result<Option<Step>, ErrorCode> {
        self.check(asking)?;
        if self.stage == Stage::Ongoing && additions.iter().all(|one| self.has(one.log)) {
            return Ok(None);
        }
        let mut next = self.ongoing(now);
        for one in additions {
            next.put(one);
        }
        if next.partition_count() > PARTITIONS_MAX {
            return Err(ErrorCode::PolicyViolation);
        }
        Ok(Some(Step::to(next)))
    }

    /// A group's offsets are to be committed with the transaction. `None` where that was said before.
    ///
    /// # Errors
    /// As [`Machine::check`].
    pub(crate) fn add_group(
        &self,
        asking: Asking,
        group: &str,
        now: Timestamp,
    ) -> Result<Option<Step>, ErrorCode> {
        self.check(asking)?;
        if self.stage == Stage::Ongoing && self.groups.contains(group) {
            return Ok(None);
        }
        let mut next = self.ongoing(now);
        next.groups.insert(group.to_owned());
        Ok(Some(Step::to(next)))
    }

    /// Offsets to be committed. `adds` says whether the group need not have been added before (transaction version 2).
    ///
    /// # Errors
    /// As [`Machine::check`]; [`ErrorCode::InvalidTxnState`] where the group is not in the transaction;
    /// [`ErrorCode::InvalidCommitOffsetSize`] past [`OFFSETS_MAX`] or [`OFFSET_BYTES_MAX`].
    pub(crate) fn commit_offsets(
        &self,
        asking: Asking,
        offsets: Offsets,
        adds: bool,
        now: Timestamp,
    ) -> Result<Step, ErrorCode> {
        self.check(asking)?;
        let is_ongoing = self.stage == Stage::Ongoing;
        let are_in = offsets
            .keys()
            .all(|(group, ..)| self.groups.contains(group));
        if !(adds || is_ongoing && are_in) {
            return Err(ErrorCode::InvalidTxnState);
        }
        let mut next = self.ongoing(now);
        next.groups
            .extend(offsets.keys().map(|(group, ..)| group.clone()));
        next.offsets.extend(offsets);
        let bytes: usize = next.offsets.values().map(|one| one.metadata.len()).sum();
        if next.offsets.len() > OFFSETS_MAX || bytes > OFFSET_BYTES_MAX {
            return Err(ErrorCode::InvalidCommitOffsetSize);
        }
        Ok(Step::to(next))
    }

    /// The transaction ends as its producer says. `None` where it has so already. `fresh_id` is used where epochs have run out.
    ///
    /// # Errors
    /// As [`Machine::check`]; [`ErrorCode::InvalidTxnState`] where there is none, or it ended otherwise.
    pub(crate) fn end(
        &self,
        end: End,
        fresh_id: i64,
        now: Timestamp,
    ) -> Result<Option<Step>, ErrorCode> {
        let stage = if end.commits {
            Stage::Committed
        } else {
            Stage::Aborted
        };
        if end.bumps && self.asks_again(end.asking) {
            return if self.stage == stage {
                Ok(None)
            } else {
                Err(ErrorCode::InvalidTxnState)
            };
        }
        self.check(end.asking)?;
        if self.stage != Stage::Ongoing {
            // With version 2 a producer may abort what it never began, to be sure of an epoch of its own.
            return match (end.bumps, end.commits) {
                (true, false) => Ok(Some(Step::to(self.bumped(stage, fresh_id, now)))),
                (false, _) if self.stage == stage => Ok(None),
                _ => Err(ErrorCode::InvalidTxnState),
            };
        }
        if end.bumps {
            return Ok(Some(Step {
                ending: Some(self.ending(end.commits, self.epoch.saturating_add(1))),
                next: self.bumped(stage, fresh_id, now),
            }));
        }
        Ok(Some(Step {
            ending: Some(self.ending(end.commits, self.epoch)),
            next: self.after(stage, now),
        }))
    }

    /// Aborts a transaction that takes longer than its producer said. `None` where there is none. The producer can write no more
    /// to it, and goes on with the next epoch: it is given that by aborting with version 2, or by [`Machine::init`] (KIP-890).
    pub(crate) fn expire(&self, now: Timestamp) -> Option<Step> {
        let allowed = Duration::from_millis(u64::try_from(self.timeout_ms).unwrap_or(0));
        let is_late = self.stage == Stage::Ongoing
            && self
                .started
                .is_none_or(|started| now.since(started) >= allowed);
        if !is_late {
            return None;
        }
        let epoch = self.epoch.saturating_add(1);
        let mut next = self.after(Stage::Aborted, now);
        next.epoch = epoch;
        // The greatest of all is for nobody.
        next.has_bumped = epoch <= EPOCH_LAST;
        next.last_epoch = if next.has_bumped {
            self.epoch
        } else {
            NO_EPOCH
        };
        Some(Step {
            ending: Some(self.ending(false, epoch)),
            next,
        })
    }

    /// Whether nobody has used the id for so long that it can be forgotten.
    pub(crate) fn is_idle(&self, now: Timestamp) -> bool {
        self.stage != Stage::Ongoing && now.since(self.updated) >= IDLE_MAX
    }

    /// A marker was written for one partition by itself: nothing of the transaction lies there before `end`.
    pub(crate) fn cut(&self, log: LogId, end: Offset) -> Step {
        let mut next = self.clone();
        for topic in &mut next.topics {
            if topic.stream == log.stream
                && let Some(from) = topic.partitions.get_mut(&log.partition)
            {
                *from = end;
            }
        }
        Step::to(next)
    }

    /// Who its producer is now.
    pub(crate) fn asking(&self) -> Asking {
        Asking {
            producer_id: self.producer_id,
            epoch: self.epoch,
        }
    }

    /// Whether the asking producer is the one in force.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidProducerIdMapping`] where it is another producer; [`ErrorCode::ProducerFenced`] where a newer instance
    /// has taken over.
    pub(crate) fn check(&self, asking: Asking) -> Result<(), ErrorCode> {
        if asking.producer_id != self.producer_id {
            Err(ErrorCode::InvalidProducerIdMapping)
        } else if asking.epoch != self.epoch || asking.epoch > EPOCH_LAST {
            Err(ErrorCode::ProducerFenced)
        } else {
            Ok(())
        }
    }

    /// Whether a partition is in the open transaction.
    pub(crate) fn has(&self, log: LogId) -> bool {
        self.topics.iter().any(|topic| {
            topic.stream == log.stream && topic.partitions.contains_key(&log.partition)
        })
    }

    /// The logs in the open transaction, each with the offset from which on it has its part.
    pub(crate) fn logs(&self) -> impl Iterator<Item = (LogId, Offset)> {
        logs_of(&self.topics)
    }

    fn partition_count(&self) -> usize {
        self.topics.iter().map(|topic| topic.partitions.len()).sum()
    }

    /// The state with a transaction open: this one, or one begun now.
    fn ongoing(&self, now: Timestamp) -> Machine {
        let mut next = self.clone();
        if self.stage != Stage::Ongoing {
            next.stage = Stage::Ongoing;
            next.started = Some(now);
        }
        next.updated = now;
        next
    }

    fn put(&mut self, one: &Addition) {
        let at = self
            .topics
            .iter()
            .position(|topic| topic.stream == one.log.stream);
        let topic = match at {
            Some(at) => self.topics.get_mut(at),
            None => {
                self.topics.push(InTopic {
                    stream: one.log.stream,
                    name: one.topic.clone(),
                    partitions: BTreeMap::new(),
                });
                self.topics.last_mut()
            }
        };
        if let Some(topic) = topic {
            topic.partitions.entry(one.log.partition).or_insert(one.end);
        }
    }

    fn ending(&self, commits: bool, epoch: i16) -> Ending {
        Ending {
            commits,
            producer_id: self.producer_id,
            epoch,
            topics: self.topics.clone(),
            offsets: self.offsets.clone(),
        }
    }

    /// The state without an open transaction.
    fn after(&self, stage: Stage, now: Timestamp) -> Machine {
        Machine {
            stage,
            has_bumped: false,
            updated: now,
            topics: Vec::new(),
            groups: BTreeSet::new(),
            offsets: Offsets::new(),
            ..self.clone()
        }
    }

    /// As [`Machine::after`], with the next epoch.
    fn bumped(&self, stage: Stage, fresh_id: i64, now: Timestamp) -> Machine {
        let mut next = self.after(stage, now);
        next.raise_epoch(fresh_id);
        next.last_epoch = self.epoch;
        next.has_bumped = true;
        next
    }

    fn raise_epoch(&mut self, fresh_id: i64) {
        if self.is_exhausted() {
            self.previous_id = self.producer_id;
            self.producer_id = fresh_id;
            self.epoch = 0;
        } else {
            self.epoch += 1;
        }
    }

    /// Whether whoever asks was given another epoch by the end they ask for, and did not hear.
    fn asks_again(&self, asking: Asking) -> bool {
        let by_epoch = asking.producer_id == self.producer_id
            && asking.epoch.checked_add(1) == Some(self.epoch);
        let by_id =
            asking.producer_id == self.previous_id && asking.epoch >= EPOCH_LAST && self.epoch == 0;
        self.has_bumped && self.stage != Stage::Ongoing && (by_epoch || by_id)
    }
}

/// The logs of topics in a transaction, each with the offset from which on it has its part.
pub(crate) fn logs_of(topics: &[InTopic]) -> impl Iterator<Item = (LogId, Offset)> {
    topics.iter().flat_map(|topic| {
        topic
            .partitions
            .iter()
            .map(|(&partition, &from)| (LogId::new(topic.stream, partition), from))
    })
}

#[cfg(test)]
mod tests;
