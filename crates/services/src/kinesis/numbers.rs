//! Places in shards, as clients write them: sequence numbers.
//!
//! A record at offset `o` has the sequence number whose offset field is `o + 1`. The field 0 is left for the shard's own
//! start, which must lie before every record: clients take `StartingSequenceNumber` for a position and expect to read all
//! that follows, whether they ask for what is at or after it.

use model::{Offset, SequenceNumber};
use streams::Shard;

const DIGITS: usize = 56;

/// The sequence number of the record at `offset`.
pub(crate) fn record(shard: &Shard, offset: Offset) -> SequenceNumber {
    number(shard, offset.plus(1))
}

/// Where the shard starts: below its first record.
pub(crate) fn starting(shard: &Shard) -> SequenceNumber {
    number(shard, Offset::ZERO)
}

/// Where a closed shard that ends at `end` stops: above its last record.
pub(crate) fn ending(shard: &Shard, end: Offset) -> SequenceNumber {
    number(shard, end.plus(1))
}

/// Where everything before offset `next` has been read: the last record's number, or the shard's start.
pub(crate) fn read_up_to(shard: &Shard, next: Offset) -> SequenceNumber {
    number(shard, next)
}

/// The first offset at a sequence number.
pub(crate) fn offset_at(number: SequenceNumber) -> Offset {
    Offset(number.offset.0.saturating_sub(1))
}

/// The first offset after a sequence number.
pub(crate) fn offset_after(number: SequenceNumber) -> Offset {
    number.offset
}

fn number(shard: &Shard, offset: Offset) -> SequenceNumber {
    SequenceNumber {
        generation: shard.generation,
        shard: shard.index,
        offset,
    }
}

/// The digits of one sequence number after the other: counting up is far cheaper than converting each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    digits: [u8; DIGITS],
}

impl Counter {
    /// Counts from the record at `offset`.
    pub(crate) fn from(shard: &Shard, offset: Offset) -> Counter {
        Counter {
            digits: record(shard, offset).digits(),
        }
    }

    /// The number's digits.
    pub(crate) fn digits(&self) -> &[u8; DIGITS] {
        &self.digits
    }

    /// Goes on to the next record. Offsets stay below 2^63, so that the digits never overflow into the shard's.
    pub(crate) fn advance(&mut self) {
        for digit in self.digits.iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{HashRange, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn shard(index: u32) -> Shard {
        Shard {
            index,
            range: HashRange::ALL,
            parents: Vec::new(),
            generation: 3,
            opened: Timestamp(0),
            closed: None,
            expired: false,
            former: Vec::new(),
        }
    }

    #[test]
    fn a_shards_start_lies_before_its_records_and_its_end_after() {
        let shard = shard(1);
        let first = record(&shard, Offset(0));
        assert!(starting(&shard) < first);
        assert_eq!(offset_at(starting(&shard)), Offset(0));
        assert_eq!(offset_after(starting(&shard)), Offset(0));
        assert!(ending(&shard, Offset(1)) > first);
        assert!(ending(&shard, Offset(0)) > starting(&shard));
        assert_eq!(read_up_to(&shard, Offset(1)), first);
    }

    proptest! {
        #[test]
        fn a_record_is_found_at_its_number(offset in 0..u64::MAX / 2, index: u32) {
            let number = record(&shard(index), Offset(offset));
            prop_assert_eq!(offset_at(number), Offset(offset));
            prop_assert_eq!(offset_after(number), Offset(offset + 1));
        }

        #[test]
        fn counting_gives_the_same_digits(start in 0..u64::MAX / 4, index: u32) {
            let shard = shard(index);
            let mut counter = Counter::from(&shard, Offset(start));
            for offset in start..start + 25 {
                prop_assert_eq!(*counter.digits(), record(&shard, Offset(offset)).digits());
                counter.advance();
            }
        }
    }
}
