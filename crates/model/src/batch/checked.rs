//! A batch's records as they come from outside, each held to what every reader takes: one that Apache Kafka would refuse stops
//! its consumers for good once it is in a log.

use super::Batch;
use crate::log::Offset;
use crate::record::RecordRef;

/// A batch's records are not what its header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("record {index} of its batch: {why}")]
pub struct Malformed {
    /// Which record, from 0; their count where something follows the last.
    pub index: u32,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Batch {
    /// Its records in order, offsets counted from 0, as many as the header says and nothing after them; the first that does not
    /// read so is the last that is given. Timestamps are the records' own. Of a compressed or sealed batch none reads.
    pub fn checked_records(&self) -> impl Iterator<Item = Result<RecordRef<'_>, Malformed>> {
        let is_plain = self.codec() == 0 && !self.is_sealed();
        let mut rest = if is_plain { self.payload() } else { &[] };
        let base_timestamp = self.base_timestamp().0;
        let mut count = self.record_count();
        let mut index = 0;
        std::iter::from_fn(move || {
            let read = if index < count {
                RecordRef::read_strictly(rest, Offset::ZERO, base_timestamp)
            } else if rest.is_empty() {
                return None;
            } else {
                Err("there is more in the batch than its header says")
            };
            let why = match read {
                Ok((record, after)) if record.offset == Offset(u64::from(index)) => {
                    (rest, index) = (after, index + 1);
                    return Some(Ok(record));
                }
                Ok(_) => "its offset is not its place in the batch",
                Err(why) => why,
            };
            (rest, count) = (&[], index);
            Some(Err(Malformed { index, why }))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Header;
    use crate::time::Timestamp;
    use crate::{BatchBuilder, varint};

    fn good() -> Batch {
        let headers = [Some(&b"v"[..]), None].map(|value| Header { name: b"h", value });
        let mut builder = BatchBuilder::with_capacity(64);
        builder.push(Timestamp(1_000), Some(b"k"), Some(b"value"), &headers);
        builder.push(Timestamp(990), None, None, &[]);
        builder.finish()
    }

    /// A record of an offset delta, with this after it: lengths and blocks as they stand.
    fn record(delta: u8, rest: &[u8]) -> Vec<u8> {
        let body = [&[0, 0, delta << 1], rest].concat();
        let mut bytes = Vec::new();
        varint::write(&mut bytes, body.len() as i64);
        bytes.extend(body);
        bytes
    }

    /// Asserts what is said of [`good`] with these bytes for its two records.
    fn check(payload: &[u8], expected: Option<(u32, &str)>) {
        let batch = good().with_payload(payload, false);
        let found = batch.checked_records().find_map(Result::err);
        let found = found.map(|error| (error.index, error.why));
        assert_eq!(found, expected, "{payload:?}");
    }

    #[test]
    fn what_a_builder_makes_is_right() {
        let batch = good();
        let checked: Result<Vec<_>, _> = batch.checked_records().collect();
        let records: Vec<_> = batch.records(Offset::ZERO).collect();
        assert_eq!(checked.unwrap(), records);
    }

    #[test]
    fn the_first_record_that_is_not_right_is_named() {
        // Neither key, nor value, nor headers: 1 is the zigzag of -1.
        let plain = |delta| record(delta, &[1, 1, 0]);
        let with = |rest: &[u8]| [plain(0), record(1, rest)].concat();
        check(&with(&[1, 1, 0]), None);
        // A header "a" without a value; lengths in more bytes than they need.
        check(&with(&[1, 1, 2, 2, b'a', 1]), None);
        check(&with(&[0x82, 0, b'k', 0x81, 0x80, 0x80, 0x80, 0, 0]), None);
        for (rest, why) in [
            (&[][..], "its key does not read"),
            (&[3, 1, 0], "its key does not read"),
            (&[8, 1, 0], "its key does not read"),
            (
                &[0x80, 0x80, 0x80, 0x80, 0x80, 0, 1, 0],
                "its key does not read",
            ),
            (&[1, 3, 0], "its value does not read"),
            (&[1, 20, 0], "its value does not read"),
            (&[1, 1], "its headers do not read"),
            (&[1, 1, 1], "its count of headers is negative"),
            (&[1, 1, 2], "a header's name does not read"),
            (&[1, 1, 2, 1, 1], "a header has no name"),
            (&[1, 1, 2, 2, b'a'], "a header's value does not read"),
            (&[1, 1, 2, 2, b'a', 4, 0], "a header's value does not read"),
            (&[1, 1, 0, 7], "it is longer than what is in it"),
        ] {
            check(&with(rest), Some((1, why)));
        }
        let (one, two) = (plain(0), plain(1));
        check(&one, Some((1, "its length does not read")));
        check(&[&one[..], &[0]].concat(), Some((1, "it is empty")));
        check(
            &[&one[..], &[1]].concat(),
            Some((1, "its length is negative")),
        );
        let longer = Some((1, "it is longer than what is left of the batch"));
        check(&[&one[..], &two[..4]].concat(), longer);
        let misplaced = "its offset is not its place in the batch";
        check(&[&one[..], &plain(0)].concat(), Some((1, misplaced)));
        check(&[&one[..], &plain(2)].concat(), Some((1, misplaced)));
        let after = Some((2, "there is more in the batch than its header says"));
        check(&[&one[..], &two, &[0]].concat(), after);
        check(&[&one[..], &two, &plain(2)].concat(), after);
    }

    #[test]
    fn nothing_is_known_of_what_is_sealed() {
        let sealed = good().with_payload(good().payload(), true);
        assert!(sealed.checked_records().next().unwrap().is_err());
    }

    proptest! {
        /// Whatever passes here reads as before.
        #[test]
        fn garbage_never_panics(payload in proptest::collection::vec(0u8..12, 0..40)) {
            let batch = good().with_payload(&payload, false);
            if let Ok(checked) = batch.checked_records().collect::<Result<Vec<_>, _>>() {
                prop_assert_eq!(checked, batch.records(Offset::ZERO).collect::<Vec<_>>());
            }
        }
    }
}
