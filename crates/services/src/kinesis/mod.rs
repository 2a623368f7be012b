//! Kinesis Data Streams.
//!
//! **What it promises.** An AWS client uses it as it uses AWS: the operations of botocore's newest model, names, constraints,
//! errors and texts; account and region isolation; hash ranges that cover the ring exactly once after every resharding; order
//! within a shard, and from parent to child.
//!
//! **What is different.** CREATING and UPDATING pass in a moment, and DELETING at once. Resharding of any size is one step.
//! Quotas and rates hold under [`Limits::Aws`] alone. Key ids name no keys until there is a KMS, and resource policies are kept
//! but not enforced until there is IAM: another account is refused. Channels on a stream are not supported.
//!
//! **Beyond AWS.** A stream is a Kafka topic, too. What Kafka's clients wrote is read here: the partition key is the record's
//! key by the rules of `keys`, the data its value (empty where it has none), the arrival its timestamp; headers do not show.
//! Topics' names may have 249 characters, so that every operation but CreateStream takes as many.
//!
//! **Where to read.** [`operations`] is the table of contents. `api` has the wire's shapes, `rules` their constraints, `error` the
//! refusals, `limits` the numbers, `records` what is kept beside the streams; then handlers, grouped by what users do together. Queues on streams are in `queues`.

mod account;
mod api;
mod arrival;
mod calls;
mod capacity;
mod consumers;
mod counters;
mod encryption;
mod error;
mod fanout;
mod get;
mod hot;
mod iterators;
mod keys;
mod lifecycle;
mod limits;
mod monitoring;
mod naming;
mod numbers;
mod pages;
mod plane;
mod policies;
mod published;
mod put;
mod queues;
mod records;
mod reshard;
mod retention;
mod room;
mod rules;
mod scaling;
mod shard_counters;
mod shards;
#[cfg(test)]
pub(crate) mod slow;
mod tags;
mod throughput;
mod tokens;
#[cfg(test)]
mod world;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use aws::{Operations, Support};
use model::Clock;
use store::Store;
use streams::Streams;

use self::calls::{at_most, at_most_per_stream};
use self::queues::{create, dead_letters, list, manage, receive, settle};

pub use self::error::KinesisError;
pub use self::limits::Limits;

/// Every operation of Kinesis. The numbers are calls a second, which hold under [`Limits::Aws`].
#[rustfmt::skip]
#[must_use]
pub fn operations() -> Operations<Kinesis> {
    Operations::new("kinesis", "Kinesis_20131202")
        .on("CreateStream", rules::CREATE_STREAM, at_most(5, lifecycle::create_stream))
        .on("DeleteStream", rules::DELETE_STREAM, at_most(5, lifecycle::delete_stream))
        .on("DescribeStream", rules::DESCRIBE_STREAM, at_most(10, lifecycle::describe_stream))
        .on("DescribeStreamSummary", rules::DESCRIBE_STREAM_SUMMARY, at_most(20, lifecycle::describe_stream_summary))
        .on("ListStreams", rules::LIST_STREAMS, at_most(5, lifecycle::list_streams))

        .raw("PutRecord", put::put_record)
        .raw("PutRecords", put::put_records)
        .on("GetShardIterator", rules::GET_SHARD_ITERATOR, iterators::get_shard_iterator)
        .raw("GetRecords", get::get_records)
        .event_stream("SubscribeToShard", rules::SUBSCRIBE_TO_SHARD, fanout::subscribe_to_shard)

        .on("ListShards", rules::LIST_SHARDS, at_most_per_stream(1_000, shards::list_shards))
        .on("SplitShard", rules::SPLIT_SHARD, at_most(5, reshard::split_shard))
        .on("MergeShards", rules::MERGE_SHARDS, at_most(5, reshard::merge_shards))
        .on("UpdateShardCount", rules::UPDATE_SHARD_COUNT, at_most(10, reshard::update_shard_count))

        .on("RegisterStreamConsumer", rules::REGISTER_STREAM_CONSUMER, at_most(5, consumers::register_stream_consumer))
        .on("DeregisterStreamConsumer", rules::DEREGISTER_STREAM_CONSUMER, at_most_per_stream(5, consumers::deregister_stream_consumer))
        .on("DescribeStreamConsumer", rules::DESCRIBE_STREAM_CONSUMER, at_most_per_stream(20, consumers::describe_stream_consumer))
        .on("ListStreamConsumers", rules::LIST_STREAM_CONSUMERS, at_most_per_stream(5, consumers::list_stream_consumers))

        .on("IncreaseStreamRetentionPeriod", rules::INCREASE_STREAM_RETENTION_PERIOD, at_most(5, retention::increase_stream_retention_period))
        .on("DecreaseStreamRetentionPeriod", rules::DECREASE_STREAM_RETENTION_PERIOD, at_most(5, retention::decrease_stream_retention_period))
        .on("StartStreamEncryption", rules::START_STREAM_ENCRYPTION, at_most(5, encryption::start_stream_encryption))
        .on("StopStreamEncryption", rules::STOP_STREAM_ENCRYPTION, at_most(5, encryption::stop_stream_encryption))
        .on("EnableEnhancedMonitoring", rules::ENABLE_ENHANCED_MONITORING, at_most(5, monitoring::enable_enhanced_monitoring))
        .on("DisableEnhancedMonitoring", rules::DISABLE_ENHANCED_MONITORING, at_most(5, monitoring::disable_enhanced_monitoring))
        .on("UpdateStreamMode", rules::UPDATE_STREAM_MODE, at_most(5, capacity::update_stream_mode))
        .on("UpdateStreamWarmThroughput", rules::UPDATE_STREAM_WARM_THROUGHPUT, at_most(5, capacity::update_stream_warm_throughput))
        .on("UpdateStreamRecordDistributionStrategy", rules::UPDATE_STREAM_RECORD_DISTRIBUTION_STRATEGY, at_most(5, capacity::update_stream_record_distribution_strategy))
        .on("UpdateMaxRecordSize", rules::UPDATE_MAX_RECORD_SIZE, at_most(5, capacity::update_max_record_size))

        .on("AddTagsToStream", rules::ADD_TAGS_TO_STREAM, at_most(5, tags::add_tags_to_stream))
        .on("RemoveTagsFromStream", rules::REMOVE_TAGS_FROM_STREAM, at_most(5, tags::remove_tags_from_stream))
        .on("ListTagsForStream", rules::LIST_TAGS_FOR_STREAM, at_most(5, tags::list_tags_for_stream))
        .on("TagResource", rules::TAG_RESOURCE, at_most(5, tags::tag_resource))
        .on("UntagResource", rules::UNTAG_RESOURCE, at_most(5, tags::untag_resource))
        .on("ListTagsForResource", rules::LIST_TAGS_FOR_RESOURCE, at_most(5, tags::list_tags_for_resource))
        .on("PutResourcePolicy", rules::PUT_RESOURCE_POLICY, at_most(5, policies::put_resource_policy))
        .on("GetResourcePolicy", rules::GET_RESOURCE_POLICY, at_most(5, policies::get_resource_policy))
        .on("DeleteResourcePolicy", rules::DELETE_RESOURCE_POLICY, at_most(5, policies::delete_resource_policy))

        .on("DescribeLimits", rules::NONE, at_most(1, account::describe_limits))
        .on("DescribeAccountSettings", rules::NONE, at_most(5, account::describe_account_settings))
        .on("UpdateAccountSettings", rules::UPDATE_ACCOUNT_SETTINGS, at_most(5, account::update_account_settings))

        .on("CreateQueue", rules::CREATE_QUEUE, at_most(5, create::create_queue))
        .on("DeleteQueue", rules::DELETE_QUEUE, at_most(5, manage::delete_queue))
        .on("DescribeQueue", rules::DESCRIBE_QUEUE, at_most(20, manage::describe_queue))
        .on("ListQueues", rules::LIST_QUEUES, at_most(5, list::list_queues))
        .on("UpdateQueue", rules::UPDATE_QUEUE, at_most(5, manage::update_queue))
        .on("ReceiveQueueRecords", rules::RECEIVE_QUEUE_RECORDS, receive::receive_queue_records)
        .abandonable()
        .on("AcknowledgeQueueRecords", rules::ACKNOWLEDGE_QUEUE_RECORDS, settle::acknowledge_queue_records)
        .on("UpdateQueueRecordsVisibility", rules::UPDATE_QUEUE_RECORDS_VISIBILITY, settle::update_queue_records_visibility)
        .on("ReceiveDeadLetterQueueRecords", rules::RECEIVE_DEAD_LETTER_QUEUE_RECORDS, receive::receive_dead_letter_queue_records)
        .abandonable()
        .on("AcknowledgeDeadLetterQueueRecords", rules::ACKNOWLEDGE_DEAD_LETTER_QUEUE_RECORDS, settle::acknowledge_dead_letter_queue_records)
        .on("RestoreDeadLetterQueueRecords", rules::RESTORE_DEAD_LETTER_QUEUE_RECORDS, dead_letters::restore_dead_letter_queue_records)
        .on("UpdateDeadLetterQueueRecordsVisibility", rules::UPDATE_DEAD_LETTER_QUEUE_RECORDS_VISIBILITY, settle::update_dead_letter_queue_records_visibility)

        .planned("CreateChannel")
        .planned("DeleteChannel")
        .planned("DescribeChannel")
        .planned("ListChannels")
        .planned("UpdateChannel")
}

/// Every operation, and whether it is answered, by name: for docs and the README.
#[must_use]
pub fn support() -> Vec<(&'static str, Support)> {
    let mut operations: Vec<_> = operations().names().collect();
    operations.sort_unstable_by_key(|(name, _)| *name);
    operations
}

/// What the handlers work on.
pub struct Kinesis {
    /// The streams there are.
    pub streams: Arc<Streams>,
    /// Where documents beside them are kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// Whether quotas hold.
    pub limits: Limits,
    /// Changes of what hangs on streams take turns.
    amending: tokio::sync::Mutex<()>,
    plane: plane::Plane,
}

impl fmt::Debug for Kinesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kinesis({:?})", self.limits)
    }
}

impl Kinesis {
    /// Kinesis over the streams of one store, which take its documents along from now on when they are deleted.
    #[must_use]
    pub fn new(streams: Arc<Streams>, limits: Limits) -> Kinesis {
        streams.own_documents(&records::OF_STREAMS);
        records::before_growth(&streams);
        Kinesis {
            store: Arc::clone(streams.store()),
            clock: streams.clock().clone(),
            streams,
            limits,
            amending: tokio::sync::Mutex::default(),
            plane: plane::Plane::default(),
        }
    }
}
