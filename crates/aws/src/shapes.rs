//! The two member types that formats disagree about: `Blob` and `Timestamp`. No handler knows which format it was.
//!
//! | type      | JSON                              | CBOR                 | Query, XML  | document             |
//! |-----------|-----------------------------------|----------------------|-------------|----------------------|
//! | Blob      | base64 text                       | byte string          | base64 text | `Value::Bytes`       |
//! | Timestamp | epoch seconds, three decimals     | tag 1, milliseconds  | ISO 8601    | `Value::Timestamp`   |
//!
//! Both also work with serde_json directly, for hot paths that pass the document by.

use std::fmt;

use bytes::Bytes;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

const ISO: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// How the document's serde code recognises a timestamp.
pub(crate) const TIMESTAMP_NAME: &str = "$headwater::Timestamp";

/// Binary data.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Blob(pub Bytes);

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl From<Bytes> for Blob {
    fn from(bytes: Bytes) -> Self {
        Blob(bytes)
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Blob(bytes.into())
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&encode_base64(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Base64Visitor)
        } else {
            deserializer.deserialize_byte_buf(BytesVisitor)
        }
    }
}

struct Base64Visitor;

impl Visitor<'_> for Base64Visitor {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64 text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Blob, E> {
        decode_base64(text).map(Blob).map_err(E::custom)
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Blob, E> {
        Ok(Blob(Bytes::copy_from_slice(bytes)))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Blob, E> {
        Ok(Blob(bytes.into()))
    }
}

/// A moment on the wire: milliseconds since 1970-01-01T00:00:00Z, negative before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis)
    }

    /// From seconds since the epoch, rounded to the millisecond. What cannot be represented becomes the nearest
    /// moment that can; NaN becomes the epoch.
    #[must_use]
    pub fn from_seconds(seconds: f64) -> Self {
        Timestamp((seconds * 1000.0).round() as i64)
    }

    /// From ISO 8601, as XML's formats write it: `2026-11-23T00:00:00.000Z`.
    #[must_use]
    pub(crate) fn parse_iso(text: &str) -> Option<Self> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let millis = moment.unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(millis).ok().map(Timestamp)
    }

    /// In ISO 8601, to the millisecond; one beyond the year 9999 becomes the epoch.
    pub(crate) fn to_iso(self) -> String {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .ok()
            .and_then(|moment| moment.format(ISO).ok())
            .unwrap_or_else(|| "1970-01-01T00:00:00.000Z".to_owned())
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch, with the milliseconds as fraction.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

impl From<model::Timestamp> for Timestamp {
    fn from(moment: model::Timestamp) -> Self {
        Timestamp(moment.0)
    }
}

impl From<Timestamp> for model::Timestamp {
    fn from(moment: Timestamp) -> Self {
        model::Timestamp(moment.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_f64(self.seconds())
        } else {
            serializer.serialize_newtype_struct(TIMESTAMP_NAME, &self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            f64::deserialize(deserializer).map(Timestamp::from_seconds)
        } else {
            deserializer.deserialize_newtype_struct(TIMESTAMP_NAME, MillisVisitor)
        }
    }
}

struct MillisVisitor;

impl Visitor<'_> for MillisVisitor {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a timestamp")
    }

    fn visit_i64<E: Error>(self, millis: i64) -> Result<Timestamp, E> {
        Ok(Timestamp(millis))
    }
}

/// Standard base64 with padding.
#[must_use]
pub fn encode_base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// Decodes base64 as strictly as AWS does.
///
/// # Errors
/// AWS's own text for what is wrong with it.
pub fn decode_base64(text: &str) -> Result<Bytes, String> {
    match base64_simd::STANDARD.decode_to_vec(text) {
        Ok(bytes) => Ok(bytes.into()),
        Err(_) => Err(format!(
            "'{text}' can not be converted to a Blob: {}",
            base64_fault(text)
        )),
    }
}

/// Says what AWS says about text that is not base64, in the order AWS looks.
fn base64_fault(text: &str) -> String {
    if !text.len().is_multiple_of(4) {
        return format!(
            "Base64 encoded length is expected a multiple of 4 bytes but found: {}",
            text.len()
        );
    }
    let in_alphabet = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        let padding_inside = letter == '=' && rest.peek().is_some_and(|&next| next != '=');
        if !in_alphabet(letter) || padding_inside {
            return format!("Invalid Base64 character: '{letter}'");
        }
    }
    "Invalid last non-pad Base64 character dectected".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_fault(text: &str, fault: &str) {
        let expected = format!("'{text}' can not be converted to a Blob: {fault}");
        assert_eq!(decode_base64(text), Err(expected));
    }

    #[test]
    fn bad_base64_is_refused_in_the_words_of_aws() {
        check_fault(
            "23456",
            "Base64 encoded length is expected a multiple of 4 bytes but found: 5",
        );
        check_fault("=+/=", "Invalid Base64 character: '='");
        check_fault("a b=", "Invalid Base64 character: ' '");
        check_fault("+/+=", "Invalid last non-pad Base64 character dectected");
    }

    #[test]
    fn base64_round_trips() {
        for bytes in [&b""[..], b"a", b"ab", b"abc", &[0xff; 100]] {
            assert_eq!(decode_base64(&encode_base64(bytes)).unwrap(), bytes);
        }
    }

    #[test]
    fn serde_json_reads_and_writes_both_shapes_directly() {
        let blob: Blob = serde_json::from_str("\"aGk=\"").unwrap();
        assert_eq!(blob.as_ref(), b"hi");
        assert_eq!(serde_json::to_string(&blob).unwrap(), "\"aGk=\"");
        let moment: Timestamp = serde_json::from_str("1700000000.123").unwrap();
        assert_eq!(moment.millis(), 1_700_000_000_123);
        assert_eq!(serde_json::to_string(&moment).unwrap(), "1700000000.123");
        assert!(serde_json::from_str::<Blob>("\"a\"").is_err());
    }

    #[test]
    fn timestamps_saturate() {
        assert_eq!(Timestamp::from_seconds(f64::INFINITY).millis(), i64::MAX);
        assert_eq!(Timestamp::from_seconds(f64::NAN).millis(), 0);
        assert_eq!(Timestamp::from_seconds(-1.5).millis(), -1500);
    }
}
