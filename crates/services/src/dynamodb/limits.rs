//! Every published limit, its number and its source.
//!
//! Numbers are from the developer guide's page "Quotas in Amazon DynamoDB" and from the API reference of each operation.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Letters of a table's or an index's name.
pub(super) const NAME_LENGTH: RangeInclusive<usize> = 3..=255;
/// Largest item, names and values together, in bytes.
pub(super) const ITEM_BYTES: u64 = 400 * 1024;
/// What AWS says of an update that makes a larger one.
pub(super) const UPDATE_TOO_LARGE: &str =
    "Item size to update has exceeded the maximum allowed size";
/// Largest partition key, in bytes.
pub(super) const HASH_BYTES: usize = 2_048;
/// Largest sort key, in bytes.
pub(super) const RANGE_BYTES: usize = 1_024;

/// Global secondary indexes of a table.
pub(super) const GLOBAL_INDEXES: usize = 20;
/// Local secondary indexes of a table.
pub(super) const LOCAL_INDEXES: usize = 5;
/// Attributes that all indexes of a table together include by name.
pub(super) const PROJECTED_ATTRIBUTES: usize = 100;
/// Attributes that one index includes by name.
pub(super) const INCLUDED_ATTRIBUTES: usize = 20;

/// Bytes read for a page of Query or Scan.
pub(super) const PAGE_BYTES: u64 = 1 << 20;
/// Bytes of a BatchGetItem's answer, of a BatchWriteItem.
pub(super) const BATCH_BYTES: u64 = 16 << 20;
/// Keys of a BatchGetItem.
pub(super) const BATCH_GETS: usize = 100;
/// Writes of a BatchWriteItem.
pub(super) const BATCH_WRITES: usize = 25;
/// Actions of a transaction.
pub(super) const TRANSACTION_ACTIONS: usize = 100;
/// Bytes of a transaction's items together.
pub(super) const TRANSACTION_BYTES: u64 = 4 << 20;
/// How long a transaction's token is remembered.
pub(super) const TOKEN_LIFETIME: Duration = Duration::from_secs(600);

/// Tables on a page of ListTables.
pub(super) const TABLES_PAGE: usize = 100;
/// Tags of a table.
pub(super) const TAGS: usize = 50;
/// Tags on a page of ListTagsOfResource.
pub(super) const TAGS_PAGE: usize = 10;
/// Largest resource policy, in bytes.
pub(super) const POLICY_BYTES: usize = 20 * 1024;

/// Read units of an account in a region, which DescribeLimits tells. The default quota.
pub(super) const ACCOUNT_UNITS: i64 = 80_000;
/// Read units of a table.
pub(super) const TABLE_UNITS: i64 = 40_000;
/// Read units a second of a new table on demand.
pub(super) const ON_DEMAND_READ: i64 = 12_000;
/// Write units a second of a new table on demand.
pub(super) const ON_DEMAND_WRITE: i64 = 4_000;
/// Seconds of unused capacity that are kept for a burst.
pub(super) const BURST_SECONDS: i64 = 300;

/// Days that point-in-time recovery reaches back.
pub(super) const RECOVERY_DAYS: RangeInclusive<i64> = 1..=35;
/// Items older than this by their own attribute are not expired: "more than five years in the past".
pub(super) const EXPIRY_REACH: Duration = Duration::from_secs(5 * 365 * 24 * 60 * 60);
