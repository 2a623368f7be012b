//! Finds the few members of an answer that a measurement needs, without decoding the rest.
//!
//! Sound for what Kinesis answers: base64 holds no quotes, numbers no escapes, and iterators no escaped quotes. Whatever is not found
//! counts as absent, so a server that answers otherwise shows as failing rather than as fast.

use memchr::{memchr, memmem};

use crate::cbor;
use crate::request::Format;

/// The records in a GetRecords answer or a SubscribeToShard event.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) records: u64,
    /// Bytes of data, decoded.
    pub(crate) bytes: u64,
}

/// `FailedRecordCount` of a PutRecords answer.
pub(crate) fn failed_records(format: Format, body: &[u8]) -> Option<u64> {
    number(format, body, "FailedRecordCount")
}

/// `MillisBehindLatest` of a GetRecords answer, in milliseconds.
pub(crate) fn millis_behind(format: Format, body: &[u8]) -> Option<u64> {
    number(format, body, "MillisBehindLatest")
}

/// `NextShardIterator` of a GetRecords answer; `None` when null or absent: the shard has ended.
pub(crate) fn next_iterator(format: Format, body: &[u8]) -> Option<String> {
    let after = after_name(format, body, "NextShardIterator")?;
    match format {
        // moto's iterators hold line ends, which JSON escapes.
        Format::Json => {
            let quoted_len = json_string(after)?.0.len() + 2;
            serde_json::from_slice(&after[..quoted_len]).ok()
        }
        Format::Cbor => String::from_utf8(cbor::read_string(after)?.0.to_vec()).ok(),
    }
}

/// Counts the records and their decoded data.
pub(crate) fn records(format: Format, body: &[u8]) -> Seen {
    let mut seen = Seen::default();
    each_data(format, body, |data| {
        seen.records += 1;
        seen.bytes += match format {
            Format::Json => {
                let padding = data.iter().rev().take_while(|byte| **byte == b'=').count();
                (data.len() / 4 * 3 - padding) as u64
            }
            Format::Cbor => data.len() as u64,
        };
    });
    seen
}

/// Calls `with` on the data of each record: base64 text in JSON, the bytes themselves in CBOR.
pub(crate) fn each_data<'a>(format: Format, body: &'a [u8], mut with: impl FnMut(&'a [u8])) {
    let name = match format {
        Format::Json => &b"\"Data\""[..],
        Format::Cbor => b"\x64Data",
    };
    let finder = memmem::Finder::new(name);
    let mut rest = body;
    while let Some(at) = finder.find(rest) {
        rest = &rest[at + name.len()..];
        let value = match format {
            Format::Json => json_value(rest).and_then(json_string),
            Format::Cbor => cbor::read_string(rest),
        };
        if let Some((data, after)) = value {
            with(data);
            rest = after;
        }
    }
}

fn number(format: Format, body: &[u8], name: &str) -> Option<u64> {
    let after = after_name(format, body, name)?;
    match format {
        Format::Json => {
            let digits = after
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            std::str::from_utf8(&after[..digits]).ok()?.parse().ok()
        }
        Format::Cbor => match cbor::read_head(after)? {
            (cbor::UINT, value, _) => Some(value),
            _ => None,
        },
    }
}

fn after_name<'a>(format: Format, body: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut wanted = Vec::with_capacity(name.len() + 2);
    match format {
        Format::Json => {
            wanted.push(b'"');
            wanted.extend_from_slice(name.as_bytes());
            wanted.push(b'"');
        }
        Format::Cbor => cbor::write_text(&mut wanted, name),
    }
    // Members outside Records stand first or last; servers differ. Last is searched for first, as records are long.
    let at = memmem::rfind(body, &wanted)? + wanted.len();
    match format {
        Format::Json => json_value(&body[at..]),
        Format::Cbor => Some(&body[at..]),
    }
}

/// Skips the colon and the spaces some servers write around it.
fn json_value(bytes: &[u8]) -> Option<&[u8]> {
    Some(
        bytes
            .trim_ascii_start()
            .strip_prefix(b":")?
            .trim_ascii_start(),
    )
}

fn json_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = bytes.strip_prefix(b"\"")?;
    let end = memchr(b'"', text)?;
    Some((&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_scanned_with_and_without_spaces() {
        for body in [
            &br#"{"MillisBehindLatest":17,"NextShardIterator":"ab/+=\n","Records":[{"Data":"AAAA"},{"Data":"AA=="}]}"#[..],
            br#"{"Records": [{"Data" : "AAAA"}, {"Data": "AA=="}], "NextShardIterator": "ab/+=\n", "MillisBehindLatest": 17}"#,
        ] {
            assert_eq!(records(Format::Json, body), Seen { records: 2, bytes: 4 });
            assert_eq!(next_iterator(Format::Json, body), Some("ab/+=\n".to_owned()));
            assert_eq!(millis_behind(Format::Json, body), Some(17));
        }
        assert_eq!(
            next_iterator(Format::Json, br#"{"NextShardIterator":null}"#),
            None
        );
        assert_eq!(
            failed_records(Format::Json, br#"{"FailedRecordCount": 3}"#),
            Some(3)
        );
        assert_eq!(failed_records(Format::Json, br#"{"Records":[]}"#), None);
    }

    #[test]
    fn cbor_data_that_looks_like_a_name_is_not_counted() {
        let body = b"\xa2\x67Records\x82\xa1\x64Data\x4b\x64Data\x41\x00....\xa1\x64Data\x41\x07\x71NextShardIterator\x62ab";
        assert_eq!(
            records(Format::Cbor, body),
            Seen {
                records: 2,
                bytes: 12
            }
        );
        assert_eq!(next_iterator(Format::Cbor, body), Some("ab".to_owned()));
        assert_eq!(
            failed_records(Format::Cbor, b"\xa1\x71FailedRecordCount\x18\x20"),
            Some(32)
        );
    }
}
