//! What PutRecord and PutRecords ask, borrowed from the body, and a quick check that it keeps AWS's rules.

use std::borrow::Cow;

use model::Arn;

use crate::kinesis::limits::STREAM_NAME_MAX;

/// Most records in one PutRecords.
pub(in crate::kinesis) const RECORDS_MAX: usize = 500;
/// Largest data of a record whatever its stream says, in bytes.
pub(in crate::kinesis) const DATA_MAX: usize = 10 << 20;
/// Longest partition key, in characters.
pub(in crate::kinesis) const KEY_MAX: usize = 256;

/// PutRecords.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::kinesis) struct PutRecords<'a> {
    pub(in crate::kinesis) target: Target<'a>,
    pub(in crate::kinesis) entries: Vec<Entry<'a>>,
    pub(in crate::kinesis) dry_run: bool,
}

/// PutRecord.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::kinesis) struct PutRecord<'a> {
    pub(in crate::kinesis) target: Target<'a>,
    pub(in crate::kinesis) entry: Entry<'a>,
    /// `SequenceNumberForOrdering`.
    pub(in crate::kinesis) after: Option<Cow<'a, str>>,
    pub(in crate::kinesis) dry_run: bool,
}

/// Which stream.
#[derive(Clone, PartialEq, Debug, Default)]
pub(in crate::kinesis) struct Target<'a> {
    pub(in crate::kinesis) name: Option<Cow<'a, str>>,
    pub(in crate::kinesis) arn: Option<Cow<'a, str>>,
}

/// One record to put.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::kinesis) struct Entry<'a> {
    /// The partition key; streams that distribute records by themselves need none.
    pub(in crate::kinesis) key: Option<Cow<'a, str>>,
    /// The explicit hash key, in AWS's form.
    pub(in crate::kinesis) hash_key: Option<Cow<'a, str>>,
    pub(in crate::kinesis) data: Data<'a>,
}

impl Entry<'_> {
    /// Bytes that count against limits: key and data.
    pub(in crate::kinesis) fn len(&self) -> usize {
        self.key.as_ref().map_or(0, |key| key.len()) + self.data.len()
    }

    pub(super) fn keeps_rules(&self) -> bool {
        let key_fits = self.key.as_deref().is_none_or(is_partition_key);
        let hash_key_fits = self.hash_key.as_deref().is_none_or(is_hash_key);
        key_fits && hash_key_fits && self.data.len() <= DATA_MAX
    }
}

/// A record's data as it came.
#[derive(Clone, Debug)]
pub(in crate::kinesis) enum Data<'a> {
    /// As base64 text that has been found good, and its length decoded.
    Base64(Cow<'a, str>, usize),
    /// As it is.
    Plain(Cow<'a, [u8]>),
}

impl<'a> Data<'a> {
    /// Data in base64; `None` where it is not.
    pub(super) fn base64(text: Cow<'a, str>) -> Option<Data<'a>> {
        base64_simd::STANDARD.check(text.as_bytes()).ok()?;
        let length = base64_simd::STANDARD.decoded_length(text.as_bytes()).ok()?;
        Some(Data::Base64(text, length))
    }

    /// Bytes of it.
    pub(in crate::kinesis) fn len(&self) -> usize {
        match self {
            Data::Base64(_, length) => *length,
            Data::Plain(bytes) => bytes.len(),
        }
    }

    /// Writes it to `target`, which is of its length.
    pub(in crate::kinesis) fn write_to(&self, target: &mut [u8]) {
        match self {
            Data::Base64(text, _) => {
                let into = base64_simd::Out::from_slice(target);
                base64_simd::STANDARD
                    .decode(text.as_bytes(), into)
                    .expect("the text was checked when it was read");
            }
            Data::Plain(bytes) => target.copy_from_slice(bytes),
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len()];
        self.write_to(&mut bytes);
        bytes
    }
}

/// Equal if they stand for the same bytes.
impl PartialEq for Data<'_> {
    fn eq(&self, other: &Self) -> bool {
        let decoded = |data: &Self| {
            let mut bytes = vec![0; data.len()];
            data.write_to(&mut bytes);
            bytes
        };
        decoded(self) == decoded(other)
    }
}

impl PutRecords<'_> {
    /// Whether all is as AWS's rules ask. May say no to what is in order: the rules themselves have the last word.
    pub(super) fn keeps_rules(&self) -> bool {
        let count_fits = (1..=RECORDS_MAX).contains(&self.entries.len());
        count_fits && self.target.keeps_rules() && self.entries.iter().all(Entry::keeps_rules)
    }
}

impl PutRecord<'_> {
    /// As [`PutRecords::keeps_rules`].
    pub(super) fn keeps_rules(&self) -> bool {
        let after_fits = self
            .after
            .as_deref()
            .is_none_or(|text| is_number(text, 129));
        after_fits && self.target.keeps_rules() && self.entry.keeps_rules()
    }
}

impl Target<'_> {
    fn keeps_rules(&self) -> bool {
        let name_fits = self.name.as_deref().is_none_or(is_stream_name);
        let arn_fits = self.arn.as_deref().is_none_or(is_stream_arn);
        name_fits && arn_fits
    }
}

fn is_stream_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    (1..=STREAM_NAME_MAX).contains(&(text.len() as u64)) && text.bytes().all(allowed)
}

fn is_stream_arn(text: &str) -> bool {
    let is_plain = text.len() <= 2048 && text.bytes().all(|b| b.is_ascii_graphic());
    let names_stream = |arn: &Arn| {
        let resource = arn.resource.strip_prefix("stream/").unwrap_or_default();
        arn.partition.starts_with("aws") && arn.service == "kinesis" && !resource.is_empty()
    };
    is_plain && text.parse().is_ok_and(|arn| names_stream(&arn))
}

fn is_partition_key(text: &str) -> bool {
    // No text has more characters than bytes.
    !text.is_empty() && (text.len() <= KEY_MAX || text.chars().count() <= KEY_MAX)
}

fn is_hash_key(text: &str) -> bool {
    is_number(text, 39)
}

/// `0|([1-9]\d{0,n})` of at most `digits` digits.
fn is_number(text: &str, digits: usize) -> bool {
    let is_digits = text.bytes().all(|b| b.is_ascii_digit());
    let starts_well = text == "0" || text.starts_with(|c: char| ('1'..='9').contains(&c));
    is_digits && starts_well && text.len() <= digits
}
