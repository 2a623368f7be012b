//! Partition keys of records that other protocols wrote. AWS's are text of 1 to 256 characters; Kafka's keys are any bytes or
//! none.
//!
//! | key | partition key shown |
//! |---|---|
//! | text of 1 to 256 characters | itself |
//! | none | none: so AWS shows records of streams that distribute them evenly, which were put without a key |
//! | other bytes, or none of them | `base64:` and the bytes in base64 |
//! | too long for that | `sha256:` and the SHA-256 of the bytes in hexadecimal |
//!
//! So records of one key always show one partition key.

use std::borrow::Cow;
use std::fmt::Write as _;

use aws_lc_rs::digest;
use model::RecordRef;

/// Characters of a partition key at most ("PutRecord", API reference).
const CHARACTERS_MAX: usize = 256;

/// The partition key that a record shows, if it shows one.
pub(super) fn partition_key<'a>(record: &RecordRef<'a>) -> Option<Cow<'a, str>> {
    record.key.map(shown)
}

fn shown(key: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(key)
        && is_possible(text)
    {
        return text.into();
    }
    let base64 = format!("base64:{}", base64_simd::STANDARD.encode_to_string(key));
    if is_possible(&base64) {
        return base64.into();
    }
    let mut hashed = "sha256:".to_owned();
    for byte in digest::digest(&digest::SHA256, key).as_ref() {
        write!(hashed, "{byte:02x}").expect("memory is no I/O");
    }
    hashed.into()
}

fn is_possible(text: &str) -> bool {
    // Most keys are short: those need no counting.
    !text.is_empty() && (text.len() <= CHARACTERS_MAX || text.chars().nth(CHARACTERS_MAX).is_none())
}

#[cfg(test)]
mod tests {
    use model::{BatchBuilder, Offset, Timestamp};

    use super::*;

    fn check(key: Option<&[u8]>, expected: Option<&str>) {
        let mut builder = BatchBuilder::with_capacity(8);
        builder.push(Timestamp(0), key, None, &[]);
        let batch = builder.finish();
        let record = batch.records(Offset(70)).next().unwrap();
        assert_eq!(partition_key(&record).as_deref(), expected);
    }

    #[test]
    fn keys_that_kinesis_could_not_have_are_shown_as_text_it_could() {
        check(Some(b"k"), Some("k"));
        check(None, None);
        check(Some(b""), Some("base64:"));
        check(Some(&[0xff, 0]), Some("base64:/wA="));
        let longest = "\u{fc}".repeat(256);
        check(Some(longest.as_bytes()), Some(&longest));
        check(
            Some(&[0xff; 186]),
            Some(&format!("base64:{}", "/".repeat(248))),
        );
        let hash_of_257_x = "sha256:";
        let mut builder = BatchBuilder::with_capacity(8);
        builder.push(Timestamp(0), Some(&[b'x'; 257]), None, &[]);
        let batch = builder.finish();
        let record = batch.records(Offset(0)).next().unwrap();
        let shown = partition_key(&record).unwrap();
        assert!(shown.starts_with(hash_of_257_x) && shown.len() == 7 + 64);
    }
}
