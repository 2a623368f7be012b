//! Places in a shard, as checkpoints name them: a sequence number with a place inside an aggregated record, or one of four
//! words.
//!
//! The order is the KCL's: the words for a start come before every number, `SHARD_END` after, and numbers are compared as
//! numbers of any length.

use std::cmp::Ordering;
use std::fmt;

/// A place in a shard.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Position {
    /// From the first record of a time or later; the time is the application's own.
    AtTimestamp,
    /// From the oldest record there is.
    TrimHorizon,
    /// From what comes next.
    Latest,
    /// At a record.
    At(Place),
    /// All of the shard is read, and it takes no more.
    ShardEnd,
}

/// A record's place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    sequence_number: String,
    /// Which of the records inside an aggregated one, from 0. 0 for a record that is not aggregated.
    pub sub_sequence: u64,
}

impl Place {
    /// The place of that sequence number, which must be a decimal number.
    #[must_use]
    pub fn new(sequence_number: &str, sub_sequence: u64) -> Option<Place> {
        let is_number = !sequence_number.is_empty()
            && sequence_number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Place {
            sequence_number: sequence_number.to_owned(),
            sub_sequence,
        })
    }

    /// The sequence number, as Kinesis gave it.
    #[must_use]
    pub fn sequence_number(&self) -> &str {
        &self.sequence_number
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Place) -> Ordering {
        compare_numbers(&self.sequence_number, &other.sequence_number)
            .then(self.sub_sequence.cmp(&other.sub_sequence))
            // Leading zeros make no other place, but equality must agree with order.
            .then_with(|| self.sequence_number.cmp(&other.sequence_number))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Place) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares decimal numbers of any length.
pub(crate) fn compare_numbers(one: &str, other: &str) -> Ordering {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

impl Position {
    /// Reads what a lease table holds; `sub_sequence` counts with a number alone.
    #[must_use]
    pub fn parse(text: &str, sub_sequence: u64) -> Option<Position> {
        match text {
            "AT_TIMESTAMP" => Some(Position::AtTimestamp),
            "TRIM_HORIZON" => Some(Position::TrimHorizon),
            "LATEST" => Some(Position::Latest),
            "SHARD_END" => Some(Position::ShardEnd),
            number => Place::new(number, sub_sequence).map(Position::At),
        }
    }

    /// What a lease table holds.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Position::AtTimestamp => "AT_TIMESTAMP",
            Position::TrimHorizon => "TRIM_HORIZON",
            Position::Latest => "LATEST",
            Position::At(place) => &place.sequence_number,
            Position::ShardEnd => "SHARD_END",
        }
    }

    /// The place inside an aggregated record; 0 for a word.
    #[must_use]
    pub fn sub_sequence(&self) -> u64 {
        match self {
            Position::At(place) => place.sub_sequence,
            _ => 0,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Position::AtTimestamp => 0,
            Position::TrimHorizon => 1,
            Position::Latest => 2,
            Position::At(_) => 3,
            Position::ShardEnd => 4,
        }
    }
}

impl Ord for Position {
    fn cmp(&self, other: &Position) -> Ordering {
        match (self, other) {
            (Position::At(one), Position::At(other)) => one.cmp(other),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Position) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::At(place) if place.sub_sequence > 0 => {
                write!(f, "{}/{}", place.sequence_number, place.sub_sequence)
            }
            _ => f.write_str(self.text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(number: &str, sub: u64) -> Position {
        Position::parse(number, sub).unwrap()
    }

    #[test]
    fn words_surround_the_numbers() {
        let ordered = [
            Position::AtTimestamp,
            Position::TrimHorizon,
            Position::Latest,
            at("0", 0),
            at("9", 0),
            at("9", 1),
            at("10", 0),
            at(
                "49590338271490256608559692538361571095921575989136588898",
                0,
            ),
            Position::ShardEnd,
        ];
        let mut sorted = ordered.to_vec();
        sorted.reverse();
        sorted.sort();
        assert_eq!(sorted, ordered);
    }

    #[test]
    fn other_words_are_no_positions() {
        for wrong in ["", "trim_horizon", "12a", "-1", " 1", "SHARD_END "] {
            assert_eq!(Position::parse(wrong, 0), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_compare_as_numbers(one: u128, other: u128, sub in 0u64..3, sub_other in 0u64..3) {
            let expected = (one, sub).cmp(&(other, sub_other));
            prop_assert_eq!(at(&one.to_string(), sub).cmp(&at(&other.to_string(), sub_other)), expected);
        }

        #[test]
        fn text_round_trips(number in "[0-9]{1,60}", sub: u64) {
            let position = at(&number, sub);
            prop_assert_eq!(Position::parse(position.text(), position.sub_sequence()), Some(position));
        }
    }
}
