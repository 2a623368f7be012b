//! Amazon DynamoDB.
//!
//! **What it promises.** An AWS client uses it as it uses AWS: names, constraints, errors and texts of the operations that are answered;
//! account and region isolation; a write durable before it is answered; conditions that hold at the moment of the write, whoever writes
//! beside; transactions whole or not at all; indexes that are never behind their table.
//!
//! **What is different.** CREATING and UPDATING pass in a moment. Every read is consistent, on indexes too: asking for less costs half,
//! as with AWS, and no more. Transactions that meet at an item wait for each other where AWS cancels one. Capacity holds under
//! [`Limits::Aws`] alone. Tables on demand do not grow. Key ids name no keys until there is a KMS. Policies are kept but not enforced
//! until there is IAM: another account is refused. Point-in-time recovery is a setting, without backups behind it. There are no streams.
//!
//! **Where to read.** [`operations`] is the table of contents. `api` has the wire's shapes, `rules` their constraints, `error` the
//! refusals, `limits` the numbers, `records` and `rows` what is kept; `tables` how tables are found and changed; `write` and `plan` how
//! items are written, `pages` and `read` how they are read; `counters` and `published` what CloudWatch is told; then handlers, grouped by what users do together. [`value`],
//! [`expression`] and [`legacy`] are the language of items: no I/O, no state.

mod account;
mod api;
mod backups;
mod batch;
mod capacity;
mod collections;
mod conditions;
mod counted;
mod counters;
mod create;
mod describe;
mod error;
mod expiry;
pub mod expression;
mod fingerprint;
mod invalid;
mod items;
pub mod legacy;
mod lifecycle;
mod limits;
mod live;
mod naming;
mod pages;
mod plan;
mod policies;
mod published;
mod read;
mod records;
mod rows;
mod rules;
mod schema;
mod source;
mod tables;
mod tags;
mod throughput;
mod tokens;
mod transact;
mod turns;
mod update;
mod upkeep;
pub mod value;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use aws::{Operations, Support};
use model::{Clock, Rng};
use store::Store;

use self::counted::counted;
pub use self::error::DynamoError;
pub use self::invalid::Invalid;
pub use crate::kinesis::Limits;

/// Every operation of DynamoDB.
#[rustfmt::skip]
#[must_use]
pub fn operations() -> Operations<Dynamo> {
    Operations::new("dynamodb", "DynamoDB_20120810")
        .checksummed()
        .tell_errors(counted::count_error)
        .on("CreateTable", rules::CREATE_TABLE, create::create_table)
        .on("DescribeTable", rules::TABLE, lifecycle::describe_table)
        .on("ListTables", rules::LIST_TABLES, lifecycle::list_tables)
        .on("DeleteTable", rules::TABLE, lifecycle::delete_table)
        .on("UpdateTable", rules::UPDATE_TABLE, update::update_table)
        .on("TagResource", rules::TAG_RESOURCE, tags::tag_resource)
        .on("UntagResource", rules::UNTAG_RESOURCE, tags::untag_resource)
        .on("ListTagsOfResource", rules::RESOURCE, tags::list_tags_of_resource)
        .on("UpdateTimeToLive", rules::UPDATE_TIME_TO_LIVE, expiry::update_time_to_live)
        .on("DescribeTimeToLive", rules::TABLE, expiry::describe_time_to_live)
        .on("UpdateContinuousBackups", rules::UPDATE_CONTINUOUS_BACKUPS, backups::update_continuous_backups)
        .on("DescribeContinuousBackups", rules::TABLE, backups::describe_continuous_backups)
        .on("PutResourcePolicy", rules::PUT_RESOURCE_POLICY, policies::put_resource_policy)
        .on("GetResourcePolicy", rules::RESOURCE, policies::get_resource_policy)
        .on("DeleteResourcePolicy", rules::RESOURCE, policies::delete_resource_policy)
        .on("DescribeLimits", rules::NONE, account::describe_limits)
        .on("DescribeEndpoints", rules::NONE, account::describe_endpoints)

        .on("PutItem", rules::PUT_ITEM, counted("PutItem", items::put_item))
        .on("GetItem", rules::GET_ITEM, counted("GetItem", items::get_item))
        .on("UpdateItem", rules::UPDATE_ITEM, counted("UpdateItem", items::update_item))
        .on("DeleteItem", rules::DELETE_ITEM, counted("DeleteItem", items::delete_item))
        .on("Query", rules::QUERY, counted("Query", read::query))
        .on("Scan", rules::SCAN, counted("Scan", read::scan))
        .on("BatchGetItem", rules::BATCH_GET_ITEM, counted("BatchGetItem", batch::batch_get_item))
        .on("BatchWriteItem", rules::BATCH_WRITE_ITEM, counted("BatchWriteItem", batch::batch_write_item))
        .on("TransactWriteItems", rules::TRANSACT_WRITE_ITEMS, counted("TransactWriteItems", transact::transact_write_items))
        .on("TransactGetItems", rules::TRANSACT_GET_ITEMS, counted("TransactGetItems", transact::transact_get_items))

        .planned("BatchExecuteStatement")
        .planned("CancelBulkOperation")
        .planned("CreateBackup")
        .planned("CreateGlobalTable")
        .planned("DeleteBackup")
        .planned("DescribeBackup")
        .planned("DescribeBulkOperation")
        .planned("DescribeContributorInsights")
        .planned("DescribeExport")
        .planned("DescribeGlobalTable")
        .planned("DescribeGlobalTableSettings")
        .planned("DescribeImport")
        .planned("DescribeKinesisStreamingDestination")
        .planned("DescribeTableReplicaAutoScaling")
        .planned("DisableKinesisStreamingDestination")
        .planned("EnableKinesisStreamingDestination")
        .planned("ExecuteStatement")
        .planned("ExecuteTransaction")
        .planned("ExportTableToPointInTime")
        .planned("ImportTable")
        .planned("ListBackups")
        .planned("ListBulkOperations")
        .planned("ListContributorInsights")
        .planned("ListExports")
        .planned("ListGlobalTables")
        .planned("ListImports")
        .planned("RestoreTableFromBackup")
        .planned("RestoreTableToPointInTime")
        .planned("SearchVectors")
        .planned("StartBulkPutItems")
        .planned("UpdateContributorInsights")
        .planned("UpdateGlobalTable")
        .planned("UpdateGlobalTableSettings")
        .planned("UpdateKinesisStreamingDestination")
        .planned("UpdateTableReplicaAutoScaling")
}

/// Every operation, and whether it is answered, by name: for docs and the README.
#[must_use]
pub fn support() -> Vec<(&'static str, Support)> {
    let mut operations: Vec<_> = operations().names().collect();
    operations.sort_unstable_by_key(|(name, _)| *name);
    operations
}

/// What the handlers work on.
pub struct Dynamo {
    /// Where tables and items are kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// For ids.
    pub rng: Rng,
    /// Whether capacity holds.
    pub limits: Limits,
    known: tables::Known,
    user_errors: counters::UserErrors,
    turns: turns::Turns,
}

impl fmt::Debug for Dynamo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dynamo({:?})", self.limits)
    }
}

impl Dynamo {
    /// DynamoDB over a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Clock, rng: Rng, limits: Limits) -> Dynamo {
        Dynamo {
            store,
            clock,
            rng,
            limits,
            known: tables::Known::default(),
            user_errors: counters::UserErrors::default(),
            turns: turns::Turns::default(),
        }
    }
}
