//! What each operation's input must satisfy, equal to AWS's model but for the length of streams' names: a test compares every
//! table here with it.
//!
//! What the model does not say (50 tags, 24 hours, one of name and ARN) is in [`super::limits`] and the handlers.

use aws::Rule;

use super::limits::STREAM_NAME_MAX;

const NAME: &str = "[a-zA-Z0-9_.-]+";
const HASH_KEY: &str = r"^(0|([1-9]\d{0,38}))$";
const SEQUENCE_NUMBER: &str = r"^(0|([1-9]\d{0,128}))$";
const POSITIONS: &[&str] = &[
    "AT_SEQUENCE_NUMBER",
    "AFTER_SEQUENCE_NUMBER",
    "TRIM_HORIZON",
    "LATEST",
    "AT_TIMESTAMP",
];
const STRATEGIES: &[&str] = &["AUTO", "USER_PARTITION_KEY"];

/// A member that is a name or a shard's id.
const fn named(path: &'static str) -> Rule {
    Rule::at(path).length(1, 128).pattern(NAME)
}

/// The name of a stream that is there. Topics that Kafka's clients made may have longer names than AWS lets streams have.
const fn stream_named(path: &'static str) -> Rule {
    Rule::at(path).length(1, STREAM_NAME_MAX).pattern(NAME)
}

const STREAM_NAME: Rule = stream_named("StreamName");
const STREAM_ARN: Rule = Rule::at("StreamARN")
    .length(1, 2_048)
    .pattern(STREAM_ARN_PATTERN);
/// "Not Implemented. Reserved for future use.": its form is checked, and nothing more.
const STREAM_ID: Rule = Rule::at("StreamId")
    .length(1, 24)
    .pattern("[a-z0-9]{20}-[a-z0-9]{3}");
const RESOURCE_ARN: Rule = Rule::at("ResourceARN")
    .required()
    .length(1, 2_048)
    .pattern(r"arn:aws.*:kinesis:.*:\d{12}:.*(stream|channel|queue)/\S+");
const CONSUMER_ARN: Rule = Rule::at("ConsumerARN").length(1, 2_048).pattern(
    r"^(arn):aws.*:kinesis:.*:\d{12}:.*stream\/[a-zA-Z0-9_.-]+\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+",
);
const NEXT_TOKEN: Rule = Rule::at("NextToken").length(1, 1_048_576);
const MAX_RESULTS: Rule = Rule::at("MaxResults").range(1, 10_000);
const LIMIT: Rule = Rule::at("Limit").range(1, 10_000);
const TAGS: Rule = Rule::at("Tags").length(1, 200);
const TAG_KEYS: Rule = Rule::at("Tags.key").length(1, 128);
const TAG_VALUES: Rule = Rule::at("Tags.value").length(0, 256);
const KEYS_TO_REMOVE: Rule = Rule::at("TagKeys").required().length(1, 50);
const EACH_KEY_TO_REMOVE: Rule = Rule::at("TagKeys.member").length(1, 128);
const ENCRYPTION_TYPE: Rule = Rule::at("EncryptionType")
    .required()
    .one_of(&["NONE", "KMS"]);
const KEY_ID: Rule = Rule::at("KeyId").required().length(1, 2_048);
const METRICS: Rule = Rule::at("ShardLevelMetrics").required().length(1, 7);
const EACH_METRIC: Rule = Rule::at("ShardLevelMetrics.member").one_of(&[
    "IncomingBytes",
    "IncomingRecords",
    "OutgoingBytes",
    "OutgoingRecords",
    "WriteProvisionedThroughputExceeded",
    "ReadProvisionedThroughputExceeded",
    "IteratorAgeMilliseconds",
    "ALL",
]);
const STREAM_MODE: Rule = Rule::at("StreamModeDetails.StreamMode")
    .required()
    .one_of(&["PROVISIONED", "ON_DEMAND"]);
const RETENTION: Rule = Rule::at("RetentionPeriodHours").required();

const QUEUE_ARN: Rule = Rule::at("QueueARN")
    .required()
    .length(1, 2_048)
    .pattern(r"arn:aws.*:kinesis:.*:\d{12}:queue/\S+");
const STREAM_ARN_PATTERN: &str = r"arn:aws.*:kinesis:.*:\d{12}:stream/\S+";
const ENTRIES: Rule = Rule::at("Entries").required().length(1, 10);
const EACH_HANDLE: Rule = Rule::at("Entries.member.ReceiptHandle")
    .required()
    .length(1, 1_024);
const QUEUE_VISIBILITY: Rule =
    Rule::at("QueueAttributes.VisibilityTimeoutSeconds").range(0, 43_200);
const DEAD_LETTER_TARGET: Rule = Rule::at("QueueAttributes.DeadLetterConfiguration.TargetType")
    .required()
    .one_of(&["BUILT_IN", "NONE"]);
const MAX_RECEIVE_COUNT: Rule =
    Rule::at("QueueAttributes.DeadLetterConfiguration.MaxReceiveCount").range(1, 1_000);

/// For operations without input, or with one that the model asks nothing of.
pub(super) const NONE: &[Rule] = &[];

pub(super) const ADD_TAGS_TO_STREAM: &[Rule] = &[
    STREAM_NAME,
    TAGS.required(),
    TAG_KEYS,
    TAG_VALUES,
    STREAM_ARN,
    STREAM_ID,
];

pub(super) const CREATE_STREAM: &[Rule] = &[
    named("StreamName").required(),
    Rule::at("ShardCount").at_least(1),
    STREAM_MODE,
    TAGS,
    TAG_KEYS,
    TAG_VALUES,
    Rule::at("WarmThroughputMiBps").at_least(0),
    Rule::at("MaxRecordSizeInKiB").range(1_024, 10_240),
    Rule::at("RecordDistributionStrategy").one_of(STRATEGIES),
];

pub(super) const DECREASE_STREAM_RETENTION_PERIOD: &[Rule] =
    &[STREAM_NAME, RETENTION, STREAM_ARN, STREAM_ID];

pub(super) const INCREASE_STREAM_RETENTION_PERIOD: &[Rule] = DECREASE_STREAM_RETENTION_PERIOD;

pub(super) const DELETE_RESOURCE_POLICY: &[Rule] = &[RESOURCE_ARN, STREAM_ID];

pub(super) const GET_RESOURCE_POLICY: &[Rule] = DELETE_RESOURCE_POLICY;

pub(super) const LIST_TAGS_FOR_RESOURCE: &[Rule] = DELETE_RESOURCE_POLICY;

pub(super) const ACKNOWLEDGE_QUEUE_RECORDS: &[Rule] = &[QUEUE_ARN, ENTRIES, EACH_HANDLE];

pub(super) const ACKNOWLEDGE_DEAD_LETTER_QUEUE_RECORDS: &[Rule] = ACKNOWLEDGE_QUEUE_RECORDS;

pub(super) const RESTORE_DEAD_LETTER_QUEUE_RECORDS: &[Rule] = ACKNOWLEDGE_QUEUE_RECORDS;

pub(super) const UPDATE_QUEUE_RECORDS_VISIBILITY: &[Rule] = &[
    QUEUE_ARN,
    ENTRIES,
    EACH_HANDLE,
    Rule::at("Entries.member.VisibilityTimeoutSeconds")
        .required()
        .range(0, 43_200),
];

pub(super) const UPDATE_DEAD_LETTER_QUEUE_RECORDS_VISIBILITY: &[Rule] =
    UPDATE_QUEUE_RECORDS_VISIBILITY;

pub(super) const RECEIVE_QUEUE_RECORDS: &[Rule] = &[
    QUEUE_ARN,
    Rule::at("Limit").range(1, 10),
    Rule::at("WaitTimeSeconds").range(1, 20),
    Rule::at("VisibilityTimeoutSeconds").range(0, 43_200),
];

pub(super) const RECEIVE_DEAD_LETTER_QUEUE_RECORDS: &[Rule] = RECEIVE_QUEUE_RECORDS;

pub(super) const CREATE_QUEUE: &[Rule] = &[
    named("QueueName").required(),
    Rule::at("StreamConfigurationList")
        .required()
        .length(1, 10_000),
    Rule::at("StreamConfigurationList.member.StreamARN")
        .required()
        .length(1, 2_048)
        .pattern(STREAM_ARN_PATTERN),
    Rule::at("StreamConfigurationList.member.StartingPosition.Type")
        .required()
        .one_of(&["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]),
    QUEUE_VISIBILITY,
    DEAD_LETTER_TARGET,
    MAX_RECEIVE_COUNT,
    TAGS,
    TAG_KEYS,
    TAG_VALUES,
];

pub(super) const UPDATE_QUEUE: &[Rule] = &[
    QUEUE_ARN,
    Rule::at("QueueAttributes").required(),
    QUEUE_VISIBILITY,
    DEAD_LETTER_TARGET,
    MAX_RECEIVE_COUNT,
];

pub(super) const DESCRIBE_QUEUE: &[Rule] = &[QUEUE_ARN];

pub(super) const DELETE_QUEUE: &[Rule] = DESCRIBE_QUEUE;

pub(super) const LIST_QUEUES: &[Rule] = &[
    MAX_RESULTS,
    NEXT_TOKEN,
    Rule::at("StreamFilter").length(1, 10_000),
    Rule::at("StreamFilter.member.StreamARN")
        .required()
        .length(1, 2_048)
        .pattern(STREAM_ARN_PATTERN),
];

pub(super) const DELETE_STREAM: &[Rule] = &[STREAM_NAME, STREAM_ARN, STREAM_ID];

pub(super) const DESCRIBE_STREAM_SUMMARY: &[Rule] = DELETE_STREAM;

pub(super) const DEREGISTER_STREAM_CONSUMER: &[Rule] =
    &[STREAM_ARN, named("ConsumerName"), CONSUMER_ARN, STREAM_ID];

pub(super) const DESCRIBE_STREAM_CONSUMER: &[Rule] = DEREGISTER_STREAM_CONSUMER;

pub(super) const DESCRIBE_STREAM: &[Rule] = &[
    STREAM_NAME,
    LIMIT,
    named("ExclusiveStartShardId"),
    STREAM_ARN,
    STREAM_ID,
];

pub(super) const DISABLE_ENHANCED_MONITORING: &[Rule] =
    &[STREAM_NAME, METRICS, EACH_METRIC, STREAM_ARN, STREAM_ID];

pub(super) const ENABLE_ENHANCED_MONITORING: &[Rule] = DISABLE_ENHANCED_MONITORING;

pub(super) const GET_RECORDS: &[Rule] = &[
    Rule::at("ShardIterator").required().length(1, 512),
    LIMIT,
    STREAM_ARN,
    STREAM_ID,
];

pub(super) const GET_SHARD_ITERATOR: &[Rule] = &[
    STREAM_NAME,
    named("ShardId").required(),
    Rule::at("ShardIteratorType").required().one_of(POSITIONS),
    Rule::at("StartingSequenceNumber").pattern(SEQUENCE_NUMBER),
    STREAM_ARN,
    STREAM_ID,
];

pub(super) const LIST_SHARDS: &[Rule] = &[
    STREAM_NAME,
    NEXT_TOKEN,
    named("ExclusiveStartShardId"),
    MAX_RESULTS,
    Rule::at("ShardFilter.Type").required().one_of(&[
        "AFTER_SHARD_ID",
        "AT_TRIM_HORIZON",
        "FROM_TRIM_HORIZON",
        "AT_LATEST",
        "AT_TIMESTAMP",
        "FROM_TIMESTAMP",
    ]),
    named("ShardFilter.ShardId"),
    STREAM_ARN,
    STREAM_ID,
];

pub(super) const LIST_STREAM_CONSUMERS: &[Rule] =
    &[STREAM_ARN.required(), NEXT_TOKEN, MAX_RESULTS, STREAM_ID];

pub(super) const LIST_STREAMS: &[Rule] =
    &[LIMIT, stream_named("ExclusiveStartStreamName"), NEXT_TOKEN];

pub(super) const LIST_TAGS_FOR_STREAM: &[Rule] = &[
    STREAM_NAME,
    Rule::at("ExclusiveStartTagKey").length(1, 128),
    Rule::at("Limit").range(1, 50),
    STREAM_ARN,
    STREAM_ID,
];

pub(super) const MERGE_SHARDS: &[Rule] = &[
    STREAM_NAME,
    named("ShardToMerge").required(),
    named("AdjacentShardToMerge").required(),
    STREAM_ARN,
    STREAM_ID,
];

pub(super) const PUT_RECORD: &[Rule] = &[
    STREAM_NAME,
    Rule::at("Data").required().blob(0, 10_485_760),
    Rule::at("PartitionKey").length(1, 256),
    Rule::at("ExplicitHashKey").pattern(HASH_KEY),
    Rule::at("SequenceNumberForOrdering").pattern(SEQUENCE_NUMBER),
    STREAM_ARN,
    STREAM_ID,
];

pub(super) const PUT_RECORDS: &[Rule] = &[
    Rule::at("Records")
        .required()
        .length(1, 500)
        .element("com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry@c965e310"),
    Rule::at("Records.member.Data")
        .required()
        .blob(0, 10_485_760),
    Rule::at("Records.member.ExplicitHashKey").pattern(HASH_KEY),
    Rule::at("Records.member.PartitionKey").length(1, 256),
    STREAM_NAME,
    STREAM_ARN,
    STREAM_ID,
];

pub(super) const PUT_RESOURCE_POLICY: &[Rule] =
    &[RESOURCE_ARN, STREAM_ID, Rule::at("Policy").required()];

pub(super) const REGISTER_STREAM_CONSUMER: &[Rule] = &[
    STREAM_ARN.required(),
    named("ConsumerName").required(),
    STREAM_ID,
    TAGS,
    TAG_KEYS,
    TAG_VALUES,
];

pub(super) const REMOVE_TAGS_FROM_STREAM: &[Rule] = &[
    STREAM_NAME,
    KEYS_TO_REMOVE,
    EACH_KEY_TO_REMOVE,
    STREAM_ARN,
    STREAM_ID,
];

pub(super) const SPLIT_SHARD: &[Rule] = &[
    STREAM_NAME,
    named("ShardToSplit").required(),
    Rule::at("NewStartingHashKey").required().pattern(HASH_KEY),
    STREAM_ARN,
    STREAM_ID,
];

pub(super) const START_STREAM_ENCRYPTION: &[Rule] =
    &[STREAM_NAME, ENCRYPTION_TYPE, KEY_ID, STREAM_ARN, STREAM_ID];

pub(super) const STOP_STREAM_ENCRYPTION: &[Rule] = START_STREAM_ENCRYPTION;

pub(super) const SUBSCRIBE_TO_SHARD: &[Rule] = &[
    CONSUMER_ARN.required(),
    STREAM_ID,
    named("ShardId").required(),
    Rule::at("StartingPosition").required(),
    Rule::at("StartingPosition.Type")
        .required()
        .one_of(POSITIONS),
    Rule::at("StartingPosition.SequenceNumber").pattern(SEQUENCE_NUMBER),
];

pub(super) const TAG_RESOURCE: &[Rule] = &[
    TAGS.required(),
    TAG_KEYS,
    TAG_VALUES,
    RESOURCE_ARN,
    STREAM_ID,
];

pub(super) const UNTAG_RESOURCE: &[Rule] =
    &[KEYS_TO_REMOVE, EACH_KEY_TO_REMOVE, RESOURCE_ARN, STREAM_ID];

pub(super) const UPDATE_ACCOUNT_SETTINGS: &[Rule] = &[
    Rule::at("MinimumThroughputBillingCommitment").required(),
    Rule::at("MinimumThroughputBillingCommitment.Status")
        .required()
        .one_of(&["ENABLED", "DISABLED"]),
];

pub(super) const UPDATE_MAX_RECORD_SIZE: &[Rule] = &[
    STREAM_ARN,
    STREAM_ID,
    Rule::at("MaxRecordSizeInKiB")
        .required()
        .range(1_024, 10_240),
];

pub(super) const UPDATE_SHARD_COUNT: &[Rule] = &[
    STREAM_NAME,
    Rule::at("TargetShardCount").required().at_least(1),
    Rule::at("ScalingType")
        .required()
        .one_of(&["UNIFORM_SCALING"]),
    STREAM_ARN,
    STREAM_ID,
];

pub(super) const UPDATE_STREAM_MODE: &[Rule] = &[
    STREAM_ARN.required(),
    STREAM_ID,
    Rule::at("StreamModeDetails").required(),
    STREAM_MODE,
    Rule::at("WarmThroughputMiBps").at_least(0),
];

pub(super) const UPDATE_STREAM_RECORD_DISTRIBUTION_STRATEGY: &[Rule] = &[
    STREAM_ARN.required(),
    STREAM_ID,
    Rule::at("RecordDistributionStrategy")
        .required()
        .one_of(STRATEGIES),
];

pub(super) const UPDATE_STREAM_WARM_THROUGHPUT: &[Rule] = &[
    STREAM_ARN,
    STREAM_NAME,
    STREAM_ID,
    Rule::at("WarmThroughputMiBps").required().at_least(0),
];
