//! Which checkpoints of a shard may be written: none behind the last one, none beyond what the processor was given.
//!
//! A state machine without I/O: the checkpointer asks, writes, and tells what was written.

use super::position::Position;

/// How far a shard's processor is, and how far its checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    last: Position,
    largest: Position,
    /// The last position before the end, once the end is reached: a checkpoint there is one at the end.
    end: Option<Position>,
}

/// Why a checkpoint is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot checkpoint at {asked}: it is not between the last checkpoint {last} and the last record given, {largest}"
)]
pub struct OutOfOrder {
    /// What was asked for.
    pub asked: Position,
    /// Where the last checkpoint is.
    pub last: Position,
    /// The furthest that may be.
    pub largest: Position,
}

impl Progress {
    /// A processor that goes on after `checkpoint`.
    pub(crate) fn from(checkpoint: Position) -> Progress {
        Progress {
            largest: checkpoint.clone(),
            last: checkpoint,
            end: None,
        }
    }

    /// Where the last checkpoint is.
    pub(crate) fn last(&self) -> &Position {
        &self.last
    }

    /// The furthest a checkpoint may be.
    pub(crate) fn largest(&self) -> &Position {
        &self.largest
    }

    /// Whether a record is after the last checkpoint, as one read again is not.
    pub(crate) fn is_new(&self, position: &Position) -> bool {
        *position > self.last
    }

    /// The processor is given records up to there.
    pub(crate) fn given(&mut self, position: Position) {
        if position > self.largest {
            self.largest = position;
        }
    }

    /// The processor was given all.
    pub(crate) fn ended(&mut self) {
        if self.largest != Position::ShardEnd {
            self.end = Some(std::mem::replace(&mut self.largest, Position::ShardEnd));
        }
    }

    /// What to write for a checkpoint at `asked`; nothing, where it is there already.
    pub(crate) fn check(&self, asked: &Position) -> Result<Option<Position>, OutOfOrder> {
        if *asked < self.last || *asked > self.largest {
            return Err(OutOfOrder {
                asked: asked.clone(),
                last: self.last.clone(),
                largest: self.largest.clone(),
            });
        }
        let is_end = self.end.as_ref() == Some(asked);
        let target = if is_end { &Position::ShardEnd } else { asked };
        Ok((*target != self.last).then(|| target.clone()))
    }

    /// The checkpoint is written.
    pub(crate) fn written(&mut self, position: Position) {
        self.last = position;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(number: u64, sub: u64) -> Position {
        Position::parse(&number.to_string(), sub).unwrap()
    }

    #[test]
    fn checkpoints_stay_between_the_last_and_what_was_given() {
        let mut progress = Progress::from(at(5, 0));
        progress.given(at(9, 2));
        assert!(progress.check(&at(4, 9)).is_err());
        assert!(progress.check(&at(9, 3)).is_err());
        assert!(progress.check(&Position::ShardEnd).is_err());
        assert_eq!(progress.check(&at(5, 0)), Ok(None));
        assert_eq!(progress.check(&at(9, 1)), Ok(Some(at(9, 1))));
        progress.written(at(9, 1));
        let refused = progress.check(&at(9, 0)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "cannot checkpoint at 9: it is not between the last checkpoint 9/1 and the last record given, 9/2"
        );
    }

    #[test]
    fn the_last_record_of_a_shard_that_ended_is_its_end() {
        let mut progress = Progress::from(Position::TrimHorizon);
        progress.given(at(3, 0));
        progress.ended();
        assert_eq!(progress.check(&at(2, 0)), Ok(Some(at(2, 0))));
        assert_eq!(progress.check(&at(3, 0)), Ok(Some(Position::ShardEnd)));
        assert_eq!(
            progress.check(&Position::ShardEnd),
            Ok(Some(Position::ShardEnd))
        );
        progress.written(Position::ShardEnd);
        assert!(progress.check(&at(3, 0)).is_err());
    }

    proptest! {
        /// Whatever is asked in whatever order, what is written never goes back and never beyond what was given.
        #[test]
        fn what_is_written_only_advances(steps in prop::collection::vec((any::<bool>(), 0u64..20, 0u64..3), 0..60)) {
            let mut progress = Progress::from(Position::Latest);
            let mut given = Position::Latest;
            for (gives, number, sub) in steps {
                let position = at(number, sub);
                if gives {
                    progress.given(position.clone());
                    given = given.max(position);
                } else if let Ok(Some(target)) = progress.check(&position) {
                    prop_assert!(target > *progress.last());
                    prop_assert!(target <= given);
                    progress.written(target);
                } else {
                    prop_assert!(position <= *progress.last() || position > given);
                }
            }
        }
    }
}
