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

    /// Forgets producers silent since before `time`.
    pub fn forget_before(&mut self, time: Timestamp) {
        self.by_id.retain(|_, known| known.last_time >= time);
        let by_id = &self.by_id;
        self.by_age.retain(|_, id| by_id.contains_key(id));
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
        producers.forget_before(Timestamp(PRODUCERS_MAX as i64));
        assert_eq!((producers.len(), producers.by_age.len()), (1, 1));
    }
}
