//! PutRecord and PutRecords from JSON. Texts without escapes are borrowed; base64 has none in most clients' JSON.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::put::{Data, Entry, PutRecord, PutRecords, RECORDS_MAX, Target};

/// Reads the plain case; `None` for what only the document reader can judge.
pub(super) fn put_records(body: &[u8]) -> Option<PutRecords<'_>> {
    let input: JsonPutRecords<'_> = serde_json::from_slice(body).ok()?;
    let entries = input.records.0.into_iter().map(JsonEntry::entry);
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
    records: JsonEntries<'a>,
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

/// As many records as a request may have. More are refused as they are read, before they take memory.
struct JsonEntries<'a>(Vec<JsonEntry<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for JsonEntries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<JsonEntries<'a>, D::Error> {
        deserializer
            .deserialize_seq(EntriesVisitor)
            .map(JsonEntries)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Vec<JsonEntry<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {RECORDS_MAX} records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element()? {
            if entries.len() == RECORDS_MAX {
                return Err(A::Error::invalid_length(entries.len() + 1, &self));
            }
            entries.push(entry);
        }
        Ok(entries)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_records_are_read_than_a_request_may_have() {
        let list = |count| format!("[{}]", vec![r#"{"Data":""}"#; count].join(","));
        let told = |text: &str| {
            let read = serde_json::from_str::<JsonEntries<'_>>(text);
            read.map(|entries| entries.0.len())
                .map_err(|error| error.to_string())
        };
        assert_eq!(told(&list(RECORDS_MAX)), Ok(RECORDS_MAX));
        let refused = told(&(list(RECORDS_MAX + 1) + " and what follows is not looked at"));
        assert!(refused.is_err_and(|text| text.starts_with("invalid length 501")));
    }
}
