//! Many user records in one record of a stream: the aggregated record of the Kinesis Producer Library (KPL), which the KCL,
//! Lambda and AWS's aggregation modules take apart.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | magic `F3 89 9A C2` |
//! | 4 | n | message `AggregatedRecord` in Protocol Buffers, see below |
//! | 4 + n | 16 | MD5 of the message |
//!
//! | message | number | field | type |
//! |---|---|---|---|
//! | AggregatedRecord | 1 | partition_key_table | repeated string |
//! | | 2 | explicit_hash_key_table | repeated string |
//! | | 3 | records | repeated Record |
//! | Record | 1 | partition_key_index | required uint64 |
//! | | 2 | explicit_hash_key_index | optional uint64 |
//! | | 3 | data | required bytes |
//! | | 4 | tags | repeated, never written, passed over |
//!
//! The source is `aggregation-format.md` in awslabs/amazon-kinesis-producer. What is written here has its fields in order of
//! their numbers and its tables in order of first use, so it is byte for byte what AWS's modules write.
//!
//! A record that only looks aggregated (wrong MD5, a malformed message, an index outside its table) is a plain one, as the KCL
//! has it. So is one with text that is not UTF-8, or with groups, which the format never had.
//!
//! An aggregate goes to one shard by the first record's key. A reader should hold all keys against the shard's range by
//! [`Deaggregated::lies_within`] and pass over an aggregate that does not lie in it, as the KCL does: it was caught by a
//! resharding, and its producer, told so by the answer, has put its records again.

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

mod read;
mod table;
mod wire;
mod write;

pub use read::{Deaggregated, Key, UserRecord, deaggregate};
pub use write::{Aggregator, Finished, Limits};

use md5::{Digest, Md5};
use model::HashKey;

/// What an aggregated record begins with.
pub const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];
const DIGEST_BYTES: usize = 16;

/// Fields of AggregatedRecord and Record.
mod field {
    pub(super) const PARTITION_KEYS: u64 = 1;
    pub(super) const HASH_KEYS: u64 = 2;
    pub(super) const RECORDS: u64 = 3;

    pub(super) const PARTITION_KEY_INDEX: u64 = 1;
    pub(super) const HASH_KEY_INDEX: u64 = 2;
    pub(super) const DATA: u64 = 3;
}

/// The hash key that Kinesis gives to a partition key: its MD5, big-endian.
#[must_use]
pub fn hash_key(partition_key: &str) -> HashKey {
    HashKey(u128::from_be_bytes(
        Md5::digest(partition_key.as_bytes()).into(),
    ))
}

#[cfg(test)]
mod tests;
