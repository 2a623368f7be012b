//! PutRecord and PutRecords from CBOR, as the AWS SDK for Java writes it: maps and lists of given length or not.

use std::borrow::Cow;

use aws::cbor::{Item, Reader};

use super::put::{Data, Entry, PutRecord, PutRecords, RECORDS_MAX, Target};

/// Reads the plain case; `None` for what only the document reader can judge.
pub(super) fn put_records(body: &[u8]) -> Option<PutRecords<'_>> {
    let mut reader = Reader::new(body);
    let mut target = Target::default();
    let mut entries = None;
    let mut left = map(&mut reader)?;
    while let Some(name) = next_member(&mut reader, &mut left)? {
        match &*name {
            "Records" => once(&mut entries, list_of_entries(&mut reader)?)?,
            "StreamName" => once(&mut target.name, text(&mut reader)?)?,
            "StreamARN" => once(&mut target.arn, text(&mut reader)?)?,
            _ => return None,
        }
    }
    let read = PutRecords {
        target,
        entries: entries?,
        dry_run: false,
    };
    (reader.is_at_end() && read.keeps_rules()).then_some(read)
}

/// As [`put_records`].
pub(super) fn put_record(body: &[u8]) -> Option<PutRecord<'_>> {
    let mut reader = Reader::new(body);
    let mut target = Target::default();
    let mut after = None;
    let mut parts = Parts::default();
    let mut left = map(&mut reader)?;
    while let Some(name) = next_member(&mut reader, &mut left)? {
        match &*name {
            "StreamName" => once(&mut target.name, text(&mut reader)?)?,
            "StreamARN" => once(&mut target.arn, text(&mut reader)?)?,
            "SequenceNumberForOrdering" => once(&mut after, text(&mut reader)?)?,
            name => parts.read(name, &mut reader)?,
        }
    }
    let read = PutRecord {
        target,
        entry: parts.entry()?,
        after,
        dry_run: false,
    };
    (reader.is_at_end() && read.keeps_rules()).then_some(read)
}

/// The members of a record, as they come.
#[derive(Default)]
struct Parts<'a> {
    key: Option<Cow<'a, str>>,
    hash_key: Option<Cow<'a, str>>,
    data: Option<Cow<'a, [u8]>>,
}

impl<'a> Parts<'a> {
    fn read(&mut self, name: &str, reader: &mut Reader<'a>) -> Option<()> {
        match name {
            "PartitionKey" => once(&mut self.key, text(reader)?),
            "ExplicitHashKey" => once(&mut self.hash_key, text(reader)?),
            "Data" => match reader.item().ok()? {
                Item::Bytes(bytes) => once(&mut self.data, bytes),
                _ => None,
            },
            _ => None,
        }
    }

    fn entry(self) -> Option<Entry<'a>> {
        Some(Entry {
            key: self.key,
            hash_key: self.hash_key,
            data: Data::Plain(self.data?),
        })
    }
}

fn list_of_entries<'a>(reader: &mut Reader<'a>) -> Option<Vec<Entry<'a>>> {
    let Item::List(count) = reader.item().ok()? else {
        return None;
    };
    let expected = count.and_then(|count| usize::try_from(count).ok());
    if expected.is_some_and(|count| count > RECORDS_MAX) {
        return None;
    }
    let mut entries = Vec::with_capacity(expected.unwrap_or(0));
    while entries.len() < expected.unwrap_or(RECORDS_MAX + 1) {
        let mut left = match reader.item().ok()? {
            Item::Map(left) => left,
            Item::Break if count.is_none() => break,
            _ => return None,
        };
        let mut parts = Parts::default();
        while let Some(name) = next_member(reader, &mut left)? {
            parts.read(&name, reader)?;
        }
        entries.push(parts.entry()?);
    }
    Some(entries)
}

fn map(reader: &mut Reader<'_>) -> Option<Option<u64>> {
    match reader.item().ok()? {
        Item::Map(count) => Some(count),
        _ => None,
    }
}

/// The next member's name, or `Some(None)` at the map's end. `left` counts members still to come, where that is known.
#[allow(clippy::option_option)]
fn next_member<'a>(
    reader: &mut Reader<'a>,
    left: &mut Option<u64>,
) -> Option<Option<Cow<'a, str>>> {
    if let Some(left) = left {
        let Some(fewer) = left.checked_sub(1) else {
            return Some(None);
        };
        *left = fewer;
    }
    match reader.item().ok()? {
        Item::Text(name) => Some(Some(name)),
        Item::Break if left.is_none() => Some(None),
        _ => None,
    }
}

fn text<'a>(reader: &mut Reader<'a>) -> Option<Cow<'a, str>> {
    match reader.item().ok()? {
        Item::Text(text) => Some(text),
        _ => None,
    }
}

/// Sets a member that must not come twice.
fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}
