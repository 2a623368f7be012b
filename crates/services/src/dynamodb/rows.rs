//! Where items and the entries of indexes lie in the catalog: keys of bytes, all of one table together, all of one partition
//! together and in order.
//!
//! | bytes | field | |
//! |---|---|---|
//! | 14 | `dynamodb-item`, 00 | |
//! | 16 | the table's id | big-endian |
//! | 2 | 0 for the items; an index's number | big-endian |
//! | 16 | the partition key's hash: the first half of SHA-256 over its key bytes | |
//! | any | the sort key's key bytes, where there is one | `value::key` |
//! | 1 | 01, so that a bound before and after all that has a sort key can be written | |
//! | 32 | of entries alone: hashes of the item's partition key and sort key | |
//!
//! An entry of the index of expiry has the second in 8 bytes, big-endian, in place of the hash and the rest, then 01 and the 32.
//!
//! By its hash a partition's place is the same for all time, so that Scan's order and its segments are, too: a segment is a range of
//! hashes. Longest: 14 + 16 + 2 + 16 + 2,050 + 1 + 32 bytes, within the store's limit.

use aws_lc_rs::digest;
use bytes::Bytes;
use store::Key;
use store::key::KEY_BYTES_MAX;

use super::limits::RANGE_BYTES;
use super::records::{Index, KeySchema, Table};
use super::value::{Item, Value};

const FOLDER: &[u8; 14] = b"dynamodb-item\0";
const HASH: usize = 16;
const END: u8 = 1;
/// Before an index's number.
const TABLE_BYTES: usize = FOLDER.len() + 16;

const _: () = assert!(TABLE_BYTES + 2 + HASH + 2 * RANGE_BYTES + 2 + 1 + 2 * HASH <= KEY_BYTES_MAX);

/// What the keys of all items and entries of a table start with.
pub(super) fn table(table: &Table) -> Key {
    Key::from_bytes([&FOLDER[..], &table.id.to_be_bytes()].concat().into())
}

/// What the keys of all entries of an index, or with number 0 of all items, start with.
pub(super) fn part(table: &Table, number: u16) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    bytes.extend_from_slice(FOLDER);
    bytes.extend_from_slice(&table.id.to_be_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes
}

/// What the keys of a partition start with.
pub(super) fn partition(table: &Table, number: u16, hash: &Value) -> Vec<u8> {
    let mut bytes = part(table, number);
    bytes.extend_from_slice(&digest_of(hash));
    bytes
}

/// The key of the item that has this key, which must have all parts of the schema.
pub(super) fn item(table: &Table, key: &Item) -> Option<Key> {
    let mut bytes = sorted(table, 0, &table.key, key)?;
    bytes.push(END);
    Some(Key::from_bytes(bytes.into()))
}

/// The key of an item's entry in an index; `None` for an item that has none, since it lacks a part of the index's key.
pub(super) fn entry(table: &Table, index: &Index, item: &Item) -> Option<Key> {
    let mut bytes = sorted(table, index.number, &index.key, item)?;
    bytes.push(END);
    bytes.extend_from_slice(&base(table, item)?);
    Some(Key::from_bytes(bytes.into()))
}

/// The key of an item's entry in the index of expiry, numbered `number`.
pub(super) fn expiring(table: &Table, number: u16, second: u64, item: &Item) -> Option<Key> {
    let mut bytes = part(table, number);
    bytes.extend_from_slice(&second.to_be_bytes());
    bytes.push(END);
    bytes.extend_from_slice(&base(table, item)?);
    Some(Key::from_bytes(bytes.into()))
}

/// What lies before all that expires at `second` or later, and after all that expires before.
pub(super) fn expiring_from(table: &Table, number: u16, second: u64) -> Key {
    let bytes = [&part(table, number)[..], &second.to_be_bytes()].concat();
    Key::from_bytes(bytes.into())
}

/// The second at which what lies under a key of the index of expiry expires.
pub(super) fn second_of(key: &Key) -> Option<u64> {
    let bytes = key.as_bytes().get(TABLE_BYTES + 2..)?.first_chunk::<8>()?;
    Some(u64::from_be_bytes(*bytes))
}

/// Partition and sort key.
fn sorted(table: &Table, number: u16, schema: &KeySchema, item: &Item) -> Option<Vec<u8>> {
    let mut bytes = partition(table, number, item.get(&schema.hash.name)?);
    if let Some(range) = &schema.range
        && !item.get(&range.name)?.write_key(&mut bytes)
    {
        return None;
    }
    Some(bytes)
}

/// What tells an item from all others of its table.
fn base(table: &Table, item: &Item) -> Option<[u8; 2 * HASH]> {
    let mut bytes = [0; 2 * HASH];
    let (hash, range) = bytes.split_at_mut(HASH);
    hash.copy_from_slice(&digest_of(item.get(&table.key.hash.name)?));
    if let Some(part) = &table.key.range {
        range.copy_from_slice(&digest_of(item.get(&part.name)?));
    }
    Some(bytes)
}

fn digest_of(value: &Value) -> [u8; HASH] {
    let mut bytes = Vec::new();
    value.write_key(&mut bytes);
    let whole = digest::digest(&digest::SHA256, &bytes);
    let mut half = [0; HASH];
    half.copy_from_slice(&whole.as_ref()[..HASH]);
    half
}

/// A run of keys: those that start with `prefix`, after `after` and before `before`, neither included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Run {
    pub prefix: Vec<u8>,
    pub after: Option<Vec<u8>>,
    pub before: Option<Vec<u8>>,
}

impl Run {
    /// All that starts so.
    pub(super) fn of(prefix: Vec<u8>) -> Run {
        Run {
            prefix,
            after: None,
            before: None,
        }
    }

    /// A segment of the whole of an index, or of the items: a range of hashes.
    pub(super) fn segment(table: &Table, number: u16, segment: u32, total: u32) -> Run {
        let prefix = part(table, number);
        // The first hash of a segment, as the first eight of its bytes; `None` past the last.
        let start = |segment: u32| -> Option<Vec<u8>> {
            let first = (u128::from(segment) << 64).div_ceil(u128::from(total.max(1)));
            let first = u64::try_from(first).ok()?;
            Some([&prefix[..], &first.to_be_bytes()].concat())
        };
        Run {
            after: if segment == 0 { None } else { start(segment) },
            before: start(segment + 1),
            prefix,
        }
    }

    /// Those whose sort key is `value` or greater.
    pub(super) fn from(mut self, value: &Value) -> Run {
        self.after = Some(self.key_of(value));
        self
    }

    /// Those whose sort key is greater than `value`.
    pub(super) fn past(mut self, value: &Value) -> Run {
        self.after = Some([self.key_of(value), vec![END + 1]].concat());
        self
    }

    /// Those whose sort key is `value` or less.
    pub(super) fn upto(mut self, value: &Value) -> Run {
        self.before = Some([self.key_of(value), vec![END + 1]].concat());
        self
    }

    /// Those whose sort key is less than `value`.
    pub(super) fn under(mut self, value: &Value) -> Run {
        self.before = Some(self.key_of(value));
        self
    }

    /// Those whose sort key is `value`.
    pub(super) fn at(mut self, value: &Value) -> Run {
        self.prefix = self.key_of(value);
        self.prefix.push(END);
        self
    }

    /// Those whose sort key, text or bytes, starts with `value`.
    pub(super) fn starting(mut self, value: &Value) -> Run {
        self.prefix = self.key_of(value);
        // Text and bytes end in two zeros, without which they are the beginning of all that starts with them.
        self.prefix.truncate(self.prefix.len().saturating_sub(2));
        self
    }

    fn key_of(&self, value: &Value) -> Vec<u8> {
        let mut bytes = self.prefix.clone();
        value.write_key(&mut bytes);
        bytes
    }

    /// Goes on after the entry of that key; before it, in descending order.
    pub(super) fn resume(mut self, key: &Key, forward: bool) -> Run {
        let key = key.as_bytes().to_vec();
        if forward {
            self.after = Some(self.after.map_or(key.clone(), |after| after.max(key)));
        } else {
            self.before = Some(self.before.map_or(key.clone(), |before| before.min(key)));
        }
        self
    }

    /// Whether a key lies between the bounds.
    pub(super) fn spans(&self, key: &Key) -> bool {
        let key = key.as_bytes();
        key.starts_with(&self.prefix)
            && self
                .after
                .as_ref()
                .is_none_or(|after| key > after.as_slice())
            && self
                .before
                .as_ref()
                .is_none_or(|before| key < before.as_slice())
    }

    /// What all of its keys start with.
    pub(super) fn prefix_key(&self) -> Key {
        Key::from_bytes(Bytes::from(self.prefix.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::Timestamp;

    use super::super::records::{
        Billing, Caps, Encryption, IndexState, KeyKind, KeyPart, Projection,
    };
    use super::*;

    fn schema(hash: &str, range: Option<&str>) -> KeySchema {
        let part = |name: &str| KeyPart {
            name: name.into(),
            kind: KeyKind::S,
        };
        KeySchema {
            hash: part(hash),
            range: range.map(part),
        }
    }

    fn table_of(range: Option<&str>) -> Table {
        Table {
            id: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10,
            created: Timestamp(0),
            is_deleting: false,
            key: schema("p", range),
            local: BTreeMap::new(),
            global: BTreeMap::new(),
            next_index: 1,
            billing: Billing::OnDemand(Caps::default()),
            on_demand_since: None,
            tags: BTreeMap::new(),
            encryption: Encryption::Owned,
            class: None,
            is_protected: false,
            expiry: None,
            recovery: None,
            policy: None,
        }
    }

    fn hex(key: &Key) -> String {
        let bytes = key.as_bytes().strip_prefix(FOLDER.as_slice()).unwrap();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Partition key `p`, sort key `s`, and a third attribute `g`, each with its name for value.
    fn whole() -> Item {
        ["p", "s", "g"]
            .map(|name| (name.to_owned(), Value::from(name)))
            .into()
    }

    #[test]
    fn the_bytes_stay_as_they_are() {
        let id = "0102030405060708090a0b0c0d0e0f10";
        let (p, s, g) = (
            "08fc2a16d94eadbedfd6e73e5c8cfb2e",
            "5b65513847f4ca18d21ee85ab708f0a2",
            "c39990946aa5ac502f4f91f1f35869e1",
        );
        let (plain, sorted) = (table_of(None), table_of(Some("s")));
        let key = |table: &Table| hex(&item(table, &whole()).unwrap());
        assert_eq!(key(&plain), format!("{id}0000{p}01"));
        assert_eq!(key(&sorted), format!("{id}0000{p}73000001"));
        let mut index = Index {
            number: 0x0203,
            key: schema("g", None),
            projection: Projection::All,
            throughput: None,
            state: IndexState::Active,
        };
        let of = |index: &Index| hex(&entry(&sorted, index, &whole()).unwrap());
        assert_eq!(of(&index), format!("{id}0203{g}01{p}{s}"));
        index.key = schema("g", Some("s"));
        assert_eq!(of(&index), format!("{id}0203{g}73000001{p}{s}"));
        let due = expiring(&sorted, 4, 0x6500_0000, &whole()).unwrap();
        assert_eq!(hex(&due), format!("{id}0004000000006500000001{p}{s}"));
        assert_eq!(second_of(&due), Some(0x6500_0000));
        index.key = schema("missing", None);
        assert_eq!(entry(&sorted, &index, &whole()), None);
    }

    #[test]
    fn segments_meet_and_are_all() {
        let table = table_of(None);
        for total in [1, 2, 3, 1_000_000] {
            let first = Run::segment(&table, 0, 0, total);
            assert_eq!(first.after, None);
            let last = Run::segment(&table, 0, total - 1, total);
            assert_eq!(last.before, None);
            for segment in 1..total.min(1_000) {
                let before = Run::segment(&table, 0, segment - 1, total).before;
                assert_eq!(before, Run::segment(&table, 0, segment, total).after);
            }
        }
    }
}
