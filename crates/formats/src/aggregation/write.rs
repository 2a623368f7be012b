//! Packing user records, one after the other, into an aggregate.

use std::fmt::Write as _;

use bytes::Bytes;
use md5::{Digest, Md5};
use model::HashKey;

use super::table::{Found, Table};
use super::wire::{varint_length, write_head, write_number};
use super::{DIGEST_BYTES, MAGIC, field};

/// How much goes into one aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the whole aggregate, magic and digest included. The KPL's AggregationMaxSize.
    pub bytes: usize,
    /// Most user records. The KPL's AggregationMaxCount.
    pub records: usize,
}

/// The KPL's: 51,200 bytes, and as many records as fit.
impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 51_200,
            records: u32::MAX as usize,
        }
    }
}

/// What to put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The aggregate; of a single record, its data as it is, as the KPL has it.
    pub data: Bytes,
    /// The first record's, to put it under.
    pub partition_key: String,
    /// The first record's, to put it under.
    pub explicit_hash_key: Option<HashKey>,
    /// User records in it.
    pub records: usize,
}

/// Packs records until they are taken out. Kept for the next aggregate, it allocates no more.
///
/// ```
/// use formats::aggregation::{Aggregator, Limits, deaggregate};
///
/// let mut aggregator = Aggregator::new(Limits::default());
/// assert!(aggregator.add("user-1", None, b"hello"));
/// assert!(aggregator.add("user-2", None, b"world"));
/// let put = aggregator.finish().unwrap();
///
/// let records: Vec<_> = deaggregate(&put.data, &put.partition_key).collect();
/// assert_eq!(records[1].partition_key.as_str(), "user-2");
/// assert_eq!(records[1].data, "world");
/// ```
#[derive(Debug)]
pub struct Aggregator {
    limits: Limits,
    partition_keys: Table,
    hash_keys: Table,
    records: Vec<u8>,
    count: usize,
    first: First,
    /// For a hash key's digits.
    digits: String,
}

/// What the aggregate is put under, and where its first record's data lies.
#[derive(Debug, Default)]
struct First {
    partition_key: String,
    explicit_hash_key: Option<HashKey>,
    data: (usize, usize),
}

impl Aggregator {
    /// An empty one.
    #[must_use]
    pub fn new(limits: Limits) -> Aggregator {
        Aggregator {
            limits,
            partition_keys: Table::new(field::PARTITION_KEYS),
            hash_keys: Table::new(field::HASH_KEYS),
            records: Vec::new(),
            count: 0,
            first: First::default(),
            digits: String::new(),
        }
    }

    /// Adds a record, if it fits: false says that it does not and that nothing has changed.
    #[must_use]
    pub fn add(
        &mut self,
        partition_key: &str,
        explicit_hash_key: Option<HashKey>,
        data: &[u8],
    ) -> bool {
        if self.count >= self.limits.records {
            return false;
        }
        let key = self.partition_keys.find(partition_key);
        let key_index = self.partition_keys.index(&key);
        let hash_key = explicit_hash_key.map(|hash_key| {
            self.digits.clear();
            let _ = write!(self.digits, "{hash_key}");
            self.hash_keys.find(&self.digits)
        });
        let hash_key_index = hash_key.as_ref().map(|found| self.hash_keys.index(found));

        let number = |value: Option<u64>| value.map_or(0, |value| 1 + varint_length(value));
        let data_bytes = 1 + varint_length(data.len() as u64) + data.len();
        let inner = number(Some(key_index)) + number(hash_key_index) + data_bytes;
        let outer = 1 + varint_length(inner as u64) + inner;
        let in_table = |found: &Found| match found {
            Found::At(_) => 0,
            Found::New { bytes, .. } => *bytes,
        };
        let in_tables = in_table(&key) + hash_key.as_ref().map_or(0, in_table);
        if self.size() + outer + in_tables > self.limits.bytes {
            return false;
        }

        self.partition_keys.insert(partition_key, &key);
        if let Some(found) = &hash_key {
            self.hash_keys.insert(&self.digits, found);
        }
        let target = &mut self.records;
        write_head(target, field::RECORDS, inner);
        write_number(target, field::PARTITION_KEY_INDEX, key_index);
        if let Some(index) = hash_key_index {
            write_number(target, field::HASH_KEY_INDEX, index);
        }
        write_head(target, field::DATA, data.len());
        let start = target.len();
        target.extend_from_slice(data);
        if self.count == 0 {
            self.first.partition_key.push_str(partition_key);
            self.first.explicit_hash_key = explicit_hash_key;
            self.first.data = (start, target.len());
        }
        self.count += 1;
        true
    }

    /// Bytes of the aggregate so far, magic and digest included.
    #[must_use]
    pub fn size(&self) -> usize {
        let tables = self.partition_keys.encoded().len() + self.hash_keys.encoded().len();
        MAGIC.len() + tables + self.records.len() + DIGEST_BYTES
    }

    /// User records so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Takes out the aggregate and begins anew; `None` where there is no record.
    pub fn finish(&mut self) -> Option<Finished> {
        if self.count == 0 {
            return None;
        }
        let data = if self.count == 1 {
            let (start, end) = self.first.data;
            Bytes::copy_from_slice(self.records.get(start..end).unwrap_or_default())
        } else {
            self.whole()
        };
        let finished = Finished {
            data,
            partition_key: std::mem::take(&mut self.first.partition_key),
            explicit_hash_key: self.first.explicit_hash_key.take(),
            records: self.count,
        };
        self.partition_keys.clear();
        self.hash_keys.clear();
        self.records.clear();
        self.count = 0;
        Some(finished)
    }

    fn whole(&self) -> Bytes {
        let mut whole = Vec::with_capacity(self.size());
        whole.extend_from_slice(&MAGIC);
        let mut digest = Md5::new();
        let parts = [
            self.partition_keys.encoded(),
            self.hash_keys.encoded(),
            &self.records,
        ];
        for part in parts {
            digest.update(part);
            whole.extend_from_slice(part);
        }
        whole.extend_from_slice(&digest.finalize());
        whole.into()
    }
}
