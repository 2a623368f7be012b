//! The journal of a queue: what became of its messages, as records of a log of its own.
//!
//! A record's value is entries one after the other, numbers as zigzag varints (as in Kafka's records):
//!
//! | kind | then | meaning |
//! |---|---|---|
//! | 1 done | count, first offset, then each one's distance from the last | these messages are done with |
//! | 2 ranges | count, then for each its start's distance from the last end, and its length | all of these are done with |
//! | 3 hold | offset, sent, receives, first received, until, 0 or 1 and the group's 8 bytes | a message was received, or its visibility set |
//! | 4 whole | nothing | all earlier records are outdone by what follows: written when the journal is cut |
//! | 5 hold again | as of 3, then when it was received last | as 3, of one whose first receive was not its last |
//!
//! Times are in ms, those but `sent` as distance from it. A message done with stays so, in whatever order entries come; of
//! several holds of one message the one with most receives counts, among equals the last. So writers need not take turns.
//!
//! It is bounded: cut whenever it is several times what a whole one takes ([`super::Queue`] does it).

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

use model::{BatchBuilder, Offset, Timestamp, varint};

use super::Group;
use super::state::Hold;

const DONE: u8 = 1;
const RANGES: u8 = 2;
const HOLD: u8 = 3;
const WHOLE: u8 = 4;
const HOLD_AGAIN: u8 = 5;

/// What a journal says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// Done with: from the first offset until before the second.
    Done(Offset, Offset),
    /// Received.
    Hold(Hold),
    /// What came before does not count.
    Whole,
}

/// Entries to be written.
#[derive(Debug, Default)]
pub struct Draft(Vec<u8>);

impl Draft {
    /// A draft that outdoes all before it.
    #[must_use]
    pub fn whole() -> Draft {
        Draft(vec![WHOLE])
    }

    /// These messages are done with.
    #[must_use]
    pub fn done(mut self, offsets: &[Offset]) -> Draft {
        if offsets.is_empty() {
            return self;
        }
        self.0.push(DONE);
        self.number(offsets.len() as i64);
        let mut last = 0;
        for offset in offsets {
            let at = offset.0 as i64;
            self.number(at.wrapping_sub(last));
            last = at;
        }
        self
    }

    /// All of these are done with.
    #[must_use]
    pub fn ranges(mut self, ranges: impl ExactSizeIterator<Item = (Offset, Offset)>) -> Draft {
        self.0.push(RANGES);
        self.number(ranges.len() as i64);
        let mut last = 0;
        for (start, end) in ranges {
            self.number((start.0 as i64).wrapping_sub(last));
            self.number((end.0 - start.0) as i64);
            last = end.0 as i64;
        }
        self
    }

    /// These were received.
    #[must_use]
    pub fn holds<'a>(mut self, holds: impl IntoIterator<Item = &'a Hold>) -> Draft {
        for hold in holds {
            let is_first = hold.received == hold.first_received;
            self.0.push(if is_first { HOLD } else { HOLD_AGAIN });
            let sent = hold.sent.0;
            self.number(hold.offset.0 as i64);
            self.number(sent);
            self.number(i64::from(hold.receives));
            self.number(hold.first_received.0.wrapping_sub(sent));
            self.number(hold.until.0.wrapping_sub(sent));
            match hold.group {
                None => self.0.push(0),
                Some(group) => {
                    self.0.push(1);
                    self.0.extend_from_slice(&group.0.to_be_bytes());
                }
            }
            if !is_first {
                self.number(hold.received.0.wrapping_sub(sent));
            }
        }
        self
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// As a batch of one record.
    #[must_use]
    pub fn into_batch(self, now: Timestamp) -> model::Batch {
        let mut batch = BatchBuilder::with_capacity(self.0.len() + 16);
        batch.push(now, None, Some(&self.0), &[]);
        batch.finish()
    }

    fn number(&mut self, value: i64) {
        varint::write(&mut self.0, value);
    }
}

/// Reads a record's value. `None` where it is no journal's: damage.
#[must_use]
pub fn parse(value: &[u8]) -> Option<Vec<Entry>> {
    let mut reader = Reader(value);
    let mut entries = Vec::new();
    while let Some(kind) = reader.byte() {
        match kind {
            DONE => {
                let count = reader.number()?;
                let mut last = 0i64;
                for _ in 0..count {
                    last = last.wrapping_add(reader.number()?);
                    let offset = Offset(u64::try_from(last).ok()?);
                    entries.push(Entry::Done(offset, offset.plus(1)));
                }
            }
            RANGES => {
                let count = reader.number()?;
                let mut last = 0i64;
                for _ in 0..count {
                    let start = last.checked_add(reader.number()?)?;
                    last = start.checked_add(reader.number()?)?;
                    let (start, end) = (u64::try_from(start).ok()?, u64::try_from(last).ok()?);
                    entries.push(Entry::Done(Offset(start), Offset(end)));
                }
            }
            HOLD => entries.push(Entry::Hold(reader.hold()?)),
            HOLD_AGAIN => {
                let mut hold = reader.hold()?;
                hold.received = Timestamp(hold.sent.0.wrapping_add(reader.number()?));
                entries.push(Entry::Hold(hold));
            }
            WHOLE => entries.push(Entry::Whole),
            _ => return None,
        }
    }
    Some(entries)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn number(&mut self) -> Option<i64> {
        let (number, rest) = varint::read(self.0)?;
        self.0 = rest;
        Some(number)
    }

    fn hold(&mut self) -> Option<Hold> {
        let offset = Offset(u64::try_from(self.number()?).ok()?);
        let sent = self.number()?;
        let receives = u32::try_from(self.number()?).ok()?;
        let first_received = Timestamp(sent.wrapping_add(self.number()?));
        let until = Timestamp(sent.wrapping_add(self.number()?));
        let group = match self.byte()? {
            0 => None,
            1 => {
                let (bytes, rest) = self.0.split_first_chunk()?;
                self.0 = rest;
                Some(Group(u64::from_be_bytes(*bytes)))
            }
            _ => return None,
        };
        Some(Hold {
            offset,
            sent: Timestamp(sent),
            group,
            receives,
            first_received,
            received: first_received,
            until,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hold(numbers: (u32, i64, u32, i64, i64, i64), group: Option<u64>) -> Hold {
        let (offset, sent, receives, first_received, received, until) = numbers;
        Hold {
            offset: Offset(u64::from(offset)),
            sent: Timestamp(sent),
            group: group.map(Group),
            receives,
            first_received: Timestamp(first_received),
            received: Timestamp(received),
            until: Timestamp(until),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            done in proptest::collection::vec(0u64..1 << 62, 0..20),
            gaps in proptest::collection::vec((0u64..1 << 40, 1u64..1 << 40), 0..20),
            holds in proptest::collection::vec((any::<(u32, i64, u32, i64, i64, i64)>(), any::<Option<u64>>()), 0..20),
        ) {
            let done: Vec<Offset> = done.into_iter().map(Offset).collect();
            let mut at = 0;
            let ranges: Vec<(Offset, Offset)> = gaps.iter().map(|(gap, length)| {
                let start = at + gap;
                at = start + length;
                (Offset(start), Offset(at))
            }).collect();
            let holds: Vec<Hold> = holds.into_iter().map(|(numbers, group)| hold(numbers, group)).collect();
            let draft = Draft::whole().done(&done).ranges(ranges.iter().copied()).holds(&holds);
            let mut expected = vec![Entry::Whole];
            expected.extend(done.iter().map(|offset| Entry::Done(*offset, offset.plus(1))));
            expected.extend(ranges.iter().map(|(start, end)| Entry::Done(*start, *end)));
            expected.extend(holds.iter().map(|hold| Entry::Hold(*hold)));
            prop_assert_eq!(parse(&draft.0), Some(expected));
        }

        #[test]
        fn garbage_is_refused_or_read_but_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&bytes);
        }
    }

    #[test]
    fn the_bytes_stay_as_they_are() {
        let draft = Draft::whole()
            .done(&[Offset(5), Offset(3)])
            .ranges([(Offset(0), Offset(2)), (Offset(7), Offset(9))].into_iter())
            .holds(&[
                hold((4, 1_000, 2, 1_500, 1_500, 31_000), Some(1)),
                hold((4, 1_000, 3, 1_500, 31_100, 61_000), None),
            ]);
        let expected: &[u8] = &[
            4, 1, 4, 10, 3, 2, 4, 0, 4, 10, 4, 3, 8, 208, 15, 4, 232, 7, 224, 212, 3, 1, 0, 0, 0,
            0, 0, 0, 0, 1, 5, 8, 208, 15, 6, 232, 7, 192, 169, 7, 0, 168, 214, 3,
        ];
        assert_eq!(draft.0, expected);
    }
}
