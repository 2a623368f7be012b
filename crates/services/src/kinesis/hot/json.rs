//! PutRecord and PutRecords from JSON. Texts without escapes are borrowed; base64 has none in most clients' JSON.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::put::{Data, Entry, PutRecord, PutRecords, Target};

/// Reads the plain case; `None` for what only the document reader can judge.
pub(super) fn put_records(body: &[u8]) -> Option<PutRecords<'_>> {
    let input: JsonPutRecords<'_> = serde_json::from_slice(body).ok()?;
    let entries = input.records.into_iter().map(JsonEntry::entry);
    let read = PutRecords {
        target: target(input.stream_name, input.stream_arn),
        entries: entries.collect::<Option<_>>()?,
        dry_run: false,
    };
    read.keeps_rules().then_some(read)
}

/// As [`put_records`].
pub(super) fn put_record(body: &[u8]) -> Option<PutRecord<'_>> {
    let input: JsonPutRecord<'_> = serde_json::from_slice(body).ok()?;
    let entry = JsonEntry {
        data: input.data,
        partition_key: input.partition_key,
        explicit_hash_key: input.explicit_hash_key,
    };
    let read = PutRecord {
        target: target(input.stream_name, input.stream_arn),
        entry: entry.entry()?,
        after: input.sequence_number_for_ordering.map(|text| text.0),
        dry_run: false,
    };
    read.keeps_rules().then_some(read)
}

fn target<'a>(name: Option<Text<'a>>, arn: Option<Text<'a>>) -> Target<'a> {
    Target {
        name: name.map(|text| text.0),
        arn: arn.map(|text| text.0),
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct JsonPutRecords<'a> {
    #[serde(borrow)]
    records: Vec<JsonEntry<'a>>,
    #[serde(borrow, default)]
    stream_name: Option<Text<'a>>,
    #[serde(borrow, default, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct JsonEntry<'a> {
    #[serde(borrow)]
    data: Text<'a>,
    #[serde(borrow, default)]
    partition_key: Option<Text<'a>>,
    #[serde(borrow, default)]
    explicit_hash_key: Option<Text<'a>>,
}

impl<'a> JsonEntry<'a> {
    fn entry(self) -> Option<Entry<'a>> {
        Some(Entry {
            key: self.partition_key.map(|text| text.0),
            hash_key: self.explicit_hash_key.map(|text| text.0),
            data: Data::base64(self.data.0)?,
        })
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct JsonPutRecord<'a> {
    #[serde(borrow)]
    data: Text<'a>,
    #[serde(borrow, default)]
    partition_key: Option<Text<'a>>,
    #[serde(borrow, default)]
    explicit_hash_key: Option<Text<'a>>,
    #[serde(borrow, default)]
    sequence_number_for_ordering: Option<Text<'a>>,
    #[serde(borrow, default)]
    stream_name: Option<Text<'a>>,
    #[serde(borrow, default, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
}

/// Text, borrowed where it can be. (serde borrows no `Option<Cow<str>>` by itself.)
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        deserializer.deserialize_str(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
