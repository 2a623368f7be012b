//! What a log remembers of its idempotent producers (KIP-98, KIP-360): enough to know a retry from news.
//!
//! Shared by all engines: it is a decision rule, pure, with the state passed in.

use std::collections::{BTreeMap, VecDeque};

use model::batch::Producer;
use model::{Offset, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

/// Batches per producer that a retry is known for: clients keep at most five in flight.
pub const BATCHES_KEPT: usize = 5;
/// Producers remembered per log; the longest silent is forgotten first.
pub const PRODUCERS_MAX: usize = 10_000;

/// The producers of one log.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Producers {
    by_id: BTreeMap<i64, Known>,
    /// Ids by the offset they last wrote at, for forgetting.
    by_age: BTreeMap<Offset, i64>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Known {
    epoch: i16,
    last_time: Timestamp,
    batches: VecDeque<Kept>,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct Kept {
    sequence: i32,
    count: u32,
    base_offset: Offset,
}

/// A producer as its log remembers it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducerSeen {
    /// Its id.
    pub id: i64,
    /// The newest epoch seen.
    pub epoch: i16,
    /// Its last record's number; -1 where none of this epoch was seen.
    pub last_sequence: i32,
    /// The greatest timestamp of its last batch.
    pub last_time: Timestamp,
    /// Where its last batches lie, oldest first, at most [`BATCHES_KEPT`].
    pub batches: Vec<Offset>,
}

impl Kept {
    /// Its last record's number; -1 for what a transaction's end has left of an earlier epoch's.
    fn last_sequence(&self) -> i32 {
        match self.sequence {
            -1 => -1,
            first => sequence_after(first, self.count.saturating_sub(1)),
        }
    }
}

/// What a batch is to its log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// To be appended.
    New,
    /// There already, at this offset.
    Duplicate(Offset),
}

impl Producers {
    /// Whether a batch of `count` records by `producer` is news. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError::ProducerFenced`] and [`StoreError::OutOfOrderSequence`].
    pub fn judge(&self, producer: Producer, count: u32) -> Result<Verdict, StoreError> {
        let Some(known) = self.by_id.get(&producer.id) else {
            return Ok(Verdict::New);
        };
        if producer.epoch < known.epoch {
            return Err(StoreError::ProducerFenced {
                id: producer.id,
                ours: producer.epoch,
                theirs: known.epoch,
            });
        }
        if is_marker(producer) {
            return Ok(Verdict::New);
        }
        if producer.epoch > known.epoch {
            return if producer.sequence == 0 {
                Ok(Verdict::New)
            } else {
                Err(out_of_order(producer, 0))
            };
        }
        let repeat = known
            .batches
            .iter()
            .find(|kept| kept.sequence == producer.sequence && kept.count == count);
        if let Some(kept) = repeat {
            return Ok(Verdict::Duplicate(kept.base_offset));
        }
        let expected = known
            .batches
            .back()
            .map_or(0, |last| sequence_after(last.sequence, last.count));
        if producer.sequence == expected {
            Ok(Verdict::New)
        } else {
            Err(out_of_order(producer, expected))
        }
    }

    /// Remembers a batch that was judged new and is placed at `base_offset`.
    pub fn remember(
        &mut self,
        producer: Producer,
        count: u32,
        base_offset: Offset,
        time: Timestamp,
    ) {
        if is_marker(producer) {
            self.remember_marker(producer, time);
            return;
        }
        let known = self.by_id.entry(producer.id).or_insert(Known {
            epoch: producer.epoch,
            last_time: time,
            batches: VecDeque::new(),
        });
        if let Some(last) = known.batches.back() {
            self.by_age.remove(&last.base_offset);
        }
        if producer.epoch != known.epoch {
            known.epoch = producer.epoch;
            known.batches.clear();
        }
        if known.batches.len() == BATCHES_KEPT {
            known.batches.pop_front();
        }
        known.batches.push_back(Kept {
            sequence: producer.sequence,
            count,
            base_offset,
        });
        known.last_time = time;
        self.by_age.insert(base_offset, producer.id);
        if self.by_id.len() > PRODUCERS_MAX
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.by_id.remove(&oldest);
        }
    }

    /// A transaction's end moves its producer's epoch, which shuts out the instances before, and takes no sequence number.
    fn remember_marker(&mut self, producer: Producer, time: Timestamp) {
        let Some(known) = self.by_id.get_mut(&producer.id) else {
            return;
        };
        if producer.epoch > known.epoch {
            known.epoch = producer.epoch;
            // One is kept for its place among the others by age; no sequence of the new epoch repeats it.
            known.batches.drain(..known.batches.len().saturating_sub(1));
            if let Some(last) = known.batches.back_mut() {
                last.sequence = -1;
                last.count = 1;
            }
        }
        known.last_time = time;
    }

    /// Forgets producers that wrote nothing at `offset` or after it. By offsets and not by times, which are the writers' own: a
    /// producer that brings in last year's records is not silent.
    pub fn forget_before(&mut self, offset: Offset) {
        let kept = self.by_age.split_off(&offset);
        for id in std::mem::replace(&mut self.by_age, kept).values() {
            self.by_id.remove(id);
        }
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = ProducerSeen> {
        self.by_id.iter().map(|(&id, known)| ProducerSeen {
            id,
            epoch: known.epoch,
            last_sequence: known.batches.back().map_or(-1, Kept::last_sequence),
            last_time: known.last_time,
            batches: known.batches.iter().map(|kept| kept.base_offset).collect(),
        })
    }

    /// Producers remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

/// Whether the batch is a transaction's end, which stands outside the producer's row.
fn is_marker(producer: Producer) -> bool {
    producer.sequence < 0
}

fn out_of_order(producer: Producer, expected: i32) -> StoreError {
    StoreError::OutOfOrderSequence {
        id: producer.id,
        expected,
        got: producer.sequence,
    }
}

/// The number after `count` records from `sequence`; wraps from `i32::MAX` to 0.
fn sequence_after(sequence: i32, count: u32) -> i32 {
    let next = (i64::from(sequence) + i64::from(count)) % (i64::from(i32::MAX) + 1);
    i32::try_from(next).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn producer(epoch: i16, sequence: i32) -> Producer {
        Producer {
            id: 1,
            epoch,
            sequence,
        }
    }

    fn known(batches: &[(i32, u32)]) -> Producers {
        let mut producers = Producers::default();
        for (index, &(sequence, count)) in batches.iter().enumerate() {
            producers.remember(
                producer(0, sequence),
                count,
                Offset(index as u64 * 10),
                Timestamp(index as i64),
            );
        }
        producers
    }

    #[test]
    fn a_repeat_is_known_and_a_gap_refused() {
        let producers = known(&[(0, 2), (2, 3)]);
        assert!(matches!(
            producers.judge(producer(0, 2), 3),
            Ok(Verdict::Duplicate(Offset(10)))
        ));
        assert!(matches!(
            producers.judge(producer(0, 5), 1),
            Ok(Verdict::New)
        ));
        assert!(matches!(
            producers.judge(producer(0, 6), 1),
            Err(StoreError::OutOfOrderSequence { expected: 5, .. })
        ));
    }

    #[test]
    fn an_older_epoch_is_fenced_and_a_newer_starts_at_zero() {
        let mut producers = known(&[(0, 1)]);
        assert!(matches!(
            producers.judge(producer(1, 0), 1),
            Ok(Verdict::New)
        ));
        assert!(producers.judge(producer(1, 1), 1).is_err());
        producers.remember(producer(1, 0), 1, Offset(10), Timestamp(1));
        assert!(matches!(
            producers.judge(producer(0, 1), 1),
            Err(StoreError::ProducerFenced { .. })
        ));
    }

    #[test]
    fn only_the_last_five_batches_are_kept() {
        let producers = known(&[(0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1)]);
        assert!(producers.judge(producer(0, 0), 1).is_err());
        assert!(matches!(
            producers.judge(producer(0, 1), 1),
            Ok(Verdict::Duplicate(_))
        ));
    }

    #[test]
    fn a_marker_is_in_no_row_and_fences_older_epochs() {
        let mut producers = known(&[(0, 2)]);
        assert!(matches!(
            producers.judge(producer(0, -1), 1),
            Ok(Verdict::New)
        ));
        producers.remember(producer(0, -1), 1, Offset(10), Timestamp(5));
        assert!(matches!(
            producers.judge(producer(0, 2), 1),
            Ok(Verdict::New)
        ));
        producers.remember(producer(1, -1), 1, Offset(11), Timestamp(6));
        assert!(matches!(
            producers.judge(producer(0, 2), 1),
            Err(StoreError::ProducerFenced { .. })
        ));
        assert!(matches!(
            producers.judge(producer(1, 0), 1),
            Ok(Verdict::New)
        ));
        assert!(producers.judge(producer(1, 2), 1).is_err());
        assert!(producers.judge(producer(0, -1), 1).is_err());
    }

    #[test]
    fn what_is_seen_is_told() {
        let mut producers = known(&[(0, 2), (2, 3)]);
        let seen = |producers: &Producers| {
            let seen = producers.iter().next().unwrap();
            (seen.epoch, seen.last_sequence, seen.batches.len())
        };
        assert_eq!(seen(&producers), (0, 4, 2));
        producers.remember(producer(1, -1), 1, Offset(20), Timestamp(9));
        assert_eq!(seen(&producers), (1, -1, 1));
    }

    #[test]
    fn sequences_wrap() {
        assert_eq!(sequence_after(i32::MAX, 1), 0);
        assert_eq!(sequence_after(i32::MAX - 1, 3), 1);
    }

    #[test]
    fn the_longest_silent_is_forgotten_first() {
        let mut producers = Producers::default();
        for id in 0..=PRODUCERS_MAX as i64 {
            producers.remember(
                Producer {
                    id,
                    epoch: 0,
                    sequence: 0,
                },
                1,
                Offset(id as u64),
                Timestamp(id),
            );
        }
        assert_eq!(producers.len(), PRODUCERS_MAX);
        assert!(!producers.by_id.contains_key(&0));
        producers.forget_before(Offset(PRODUCERS_MAX as u64));
        assert_eq!((producers.len(), producers.by_age.len()), (1, 1));
    }
}
