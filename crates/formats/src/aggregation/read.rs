//! Taking user records out of an aggregate. Nothing is copied: keys and data are slices of the record.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use md5::{Digest, Md5};
use model::{HashKey, HashRange};

use super::wire::{Content, Fields, Malformed};
use super::{DIGEST_BYTES, MAGIC, field, hash_key};

/// A partition key: text that shares the record's memory.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Key(Bytes);

impl Key {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Key {
        Key(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What was put by the user of a producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// As the user gave it.
    pub partition_key: Key,
    /// Where the user gave one. Of a plain record it is not known: Kinesis does not tell.
    pub explicit_hash_key: Option<HashKey>,
    /// As the user gave it.
    pub data: Bytes,
    /// Its place among the records of its aggregate, from 0; 0 in a plain record.
    pub sub_sequence: u64,
}

impl UserRecord {
    /// Where on the ring it belongs.
    #[must_use]
    pub fn hash_key(&self) -> HashKey {
        self.explicit_hash_key
            .unwrap_or_else(|| hash_key(self.partition_key.as_str()))
    }
}

/// The user records of one record of a stream, in order: one, if it is a plain one.
#[derive(Debug, Clone)]
pub struct Deaggregated(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Plain(Option<UserRecord>),
    Aggregate(Aggregate),
}

/// The user records in a record of a stream. `data` and `partition_key` are the record's as Kinesis gives them.
///
/// Never fails: what is no aggregate is one plain record.
#[must_use]
pub fn deaggregate(data: &Bytes, partition_key: &str) -> Deaggregated {
    if let Some(aggregate) = Aggregate::read(data) {
        return Deaggregated(Kind::Aggregate(aggregate));
    }
    Deaggregated(Kind::Plain(Some(UserRecord {
        partition_key: partition_key.into(),
        explicit_hash_key: None,
        data: data.clone(),
        sub_sequence: 0,
    })))
}

impl Deaggregated {
    /// Whether the record is an aggregate.
    #[must_use]
    pub fn is_aggregated(&self) -> bool {
        matches!(self.0, Kind::Aggregate(_))
    }

    /// Whether all records still to come belong to the shard of this range. One that is not aggregated always does: Kinesis
    /// itself put it there.
    #[must_use]
    pub fn lies_within(&self, range: &HashRange) -> bool {
        !self.is_aggregated() || self.clone().all(|record| range.contains(record.hash_key()))
    }
}

impl Iterator for Deaggregated {
    type Item = UserRecord;

    fn next(&mut self) -> Option<UserRecord> {
        match &mut self.0 {
            Kind::Plain(record) => record.take(),
            Kind::Aggregate(aggregate) => aggregate.next(),
        }
    }
}

/// Known to be sound: each record's indices are in the tables.
#[derive(Debug, Clone)]
struct Aggregate {
    data: Bytes,
    /// Where each key's text lies in `data`, which is shorter than 4 GiB. A key takes as many bytes or fewer in the message
    /// as here, so a small record cannot grow much.
    partition_keys: Vec<(u32, u32)>,
    hash_keys: Vec<HashKey>,
    /// What of the message is still to be given out.
    rest: Range<usize>,
    given: u64,
}

/// One Record of the message.
struct Raw {
    partition_key: u64,
    hash_key: Option<u64>,
    data: Range<usize>,
}

impl Aggregate {
    fn read(data: &Bytes) -> Option<Aggregate> {
        let end = data.len().checked_sub(DIGEST_BYTES)?;
        if end < MAGIC.len() || u32::try_from(data.len()).is_err() || !data.starts_with(&MAGIC) {
            return None;
        }
        let message = MAGIC.len()..end;
        if Md5::digest(data.get(message.clone())?).as_slice() != data.get(end..)? {
            return None;
        }
        let mut aggregate = Aggregate {
            data: data.clone(),
            partition_keys: Vec::new(),
            hash_keys: Vec::new(),
            rest: message.clone(),
            given: 0,
        };
        aggregate.read_tables(message.clone()).ok()?;
        aggregate.check_records(message).ok()?;
        Some(aggregate)
    }

    fn read_tables(&mut self, message: Range<usize>) -> Result<(), Malformed> {
        let mut fields = Fields::of(&self.data, message);
        while let Some((number, content)) = fields.next()? {
            match (number, content) {
                (field::PARTITION_KEYS, Content::Delimited(range)) => {
                    text(&self.data, &range)?;
                    self.partition_keys
                        .push((range.start as u32, range.end as u32));
                }
                (field::HASH_KEYS, Content::Delimited(range)) => {
                    let key = text(&self.data, &range)?.parse().map_err(|_| Malformed)?;
                    self.hash_keys.push(HashKey(key));
                }
                (field::RECORDS, Content::Delimited(_)) => {}
                (field::PARTITION_KEYS | field::HASH_KEYS | field::RECORDS, _) => {
                    return Err(Malformed);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_records(&self, message: Range<usize>) -> Result<(), Malformed> {
        let mut fields = Fields::of(&self.data, message);
        while let Some((number, content)) = fields.next()? {
            if let (field::RECORDS, Content::Delimited(range)) = (number, content) {
                let raw = raw(&self.data, range)?;
                self.keys(&raw).ok_or(Malformed)?;
            }
        }
        Ok(())
    }

    fn keys(&self, raw: &Raw) -> Option<(Range<usize>, Option<HashKey>)> {
        let at = usize::try_from(raw.partition_key).ok()?;
        let (start, end) = *self.partition_keys.get(at)?;
        let hash_key = match raw.hash_key {
            None => None,
            Some(at) => Some(*self.hash_keys.get(usize::try_from(at).ok()?)?),
        };
        Some((start as usize..end as usize, hash_key))
    }

    fn next(&mut self) -> Option<UserRecord> {
        let mut fields = Fields::of(&self.data, self.rest.clone());
        // Each field was read before: nothing here is malformed.
        while let Ok(Some((number, content))) = fields.next() {
            let (field::RECORDS, Content::Delimited(range)) = (number, content) else {
                continue;
            };
            self.rest.start = range.end;
            let raw = raw(&self.data, range).ok()?;
            let (key, explicit_hash_key) = self.keys(&raw)?;
            let sub_sequence = self.given;
            self.given += 1;
            return Some(UserRecord {
                partition_key: Key(self.data.slice(key)),
                explicit_hash_key,
                data: self.data.slice(raw.data),
                sub_sequence,
            });
        }
        self.rest.start = self.rest.end;
        None
    }
}

fn text<'a>(data: &'a Bytes, range: &Range<usize>) -> Result<&'a str, Malformed> {
    let bytes = data.get(range.clone()).ok_or(Malformed)?;
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}

/// A field that comes twice counts as it comes last, as Protocol Buffers have it.
fn raw(data: &[u8], range: Range<usize>) -> Result<Raw, Malformed> {
    let mut fields = Fields::of(data, range);
    let (mut partition_key, mut hash_key, mut content) = (None, None, None);
    while let Some((number, found)) = fields.next()? {
        match (number, found) {
            (field::PARTITION_KEY_INDEX, Content::Number(index)) => partition_key = Some(index),
            (field::HASH_KEY_INDEX, Content::Number(index)) => hash_key = Some(index),
            (field::DATA, Content::Delimited(range)) => content = Some(range),
            (field::PARTITION_KEY_INDEX | field::HASH_KEY_INDEX | field::DATA, _) => {
                return Err(Malformed);
            }
            _ => {}
        }
    }
    Ok(Raw {
        partition_key: partition_key.ok_or(Malformed)?,
        hash_key,
        data: content.ok_or(Malformed)?,
    })
}
