//! Every published limit, its number and its source, and whether quotas hold at all.
//!
//! Numbers are from the developer guide's page "Amazon SQS quotas" and from the API reference of each operation.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Letters of a queue's name, `.fifo` included.
pub(super) const NAME_LENGTH: RangeInclusive<usize> = 1..=80;

/// How long a queue's messages are kept from sight at first, in seconds: up to 15 minutes.
pub(super) const DELAY_SECONDS: RangeInclusive<u32> = 0..=900;
/// Largest message of a queue, in bytes: 1 MiB since August 2025, 256 KiB before.
pub(super) const MAXIMUM_MESSAGE_SIZE: RangeInclusive<u32> = 1_024..=1_048_576;
/// How long messages are kept, in seconds: a minute to 14 days.
pub(super) const MESSAGE_RETENTION_PERIOD: RangeInclusive<u32> = 60..=1_209_600;
/// How long a receive waits for messages, in seconds.
pub(super) const RECEIVE_WAIT_SECONDS: RangeInclusive<u32> = 0..=20;
/// How long a received message is hidden, in seconds: up to 12 hours.
pub(super) const VISIBILITY_TIMEOUT: RangeInclusive<u32> = 0..=43_200;
/// How long a data key is used, in seconds: a minute to a day.
pub(super) const KEY_REUSE_SECONDS: RangeInclusive<u32> = 60..=86_400;
/// Letters of a KMS key's id.
pub(super) const KEY_ID_LENGTH: usize = 2_048;
/// Receives after which a message is a dead letter.
pub(super) const RECEIVES: RangeInclusive<u32> = 1..=1_000;
/// Queues that a redrive allow policy names, at most.
pub(super) const SOURCE_QUEUES: usize = 10;

/// What a queue has where nothing is said: DelaySeconds, ReceiveMessageWaitTimeSeconds.
pub(super) const NO_SECONDS: u32 = 0;
/// MaximumMessageSize of a new queue.
pub(super) const MAXIMUM_MESSAGE_SIZE_DEFAULT: u32 = 1_048_576;
/// MessageRetentionPeriod of a new queue: 4 days.
pub(super) const MESSAGE_RETENTION_PERIOD_DEFAULT: u32 = 345_600;
/// VisibilityTimeout of a new queue.
pub(super) const VISIBILITY_TIMEOUT_DEFAULT: u32 = 30;
/// KmsDataKeyReusePeriodSeconds of a new queue.
pub(super) const KEY_REUSE_SECONDS_DEFAULT: u32 = 300;

/// Messages of a standard queue in flight. AWS's OverLimit is answered beyond it.
pub(super) const IN_FLIGHT: usize = 120_000;
/// Messages of a FIFO queue in flight.
pub(super) const IN_FLIGHT_FIFO: usize = 20_000;

/// Calls of one action that a FIFO queue answers in a second; in high-throughput mode, sends to one message group.
pub(super) const FIFO_CALLS: u64 = 300;
/// Calls of one action in high-throughput mode: the quota of AWS's largest regions.
pub(super) const FIFO_CALLS_HIGH: u64 = 70_000;

/// How long a de-duplication id is remembered.
pub(super) const DEDUPLICATION: Duration = Duration::from_secs(300);
/// How much longer its message stays in the log.
pub(super) const DEDUPLICATION_GRACE: Duration = Duration::from_secs(60);

/// Queues on a page of ListQueues and ListDeadLetterSourceQueues.
pub(super) const PAGE: RangeInclusive<i64> = 1..=1_000;

/// Tags of a queue.
pub(super) const TAGS: usize = 50;
/// Letters of a tag's key.
pub(super) const TAG_KEY: RangeInclusive<usize> = 1..=128;
/// Letters of a tag's value.
pub(super) const TAG_VALUE: usize = 256;

/// Largest policy, in bytes.
pub(super) const POLICY_BYTES: usize = 8_192;
/// Actions of one permission.
pub(super) const PERMISSION_ACTIONS: usize = 7;
/// Letters of a permission's label.
pub(super) const LABEL_LENGTH: usize = 80;
/// Statements of a policy.
pub(super) const POLICY_STATEMENTS: usize = 20;

/// How long after a queue's deletion its name is not to be had.
pub(super) const RECREATION: Duration = Duration::from_secs(60);
/// How long after a purge there is no other.
pub(super) const PURGE: Duration = Duration::from_secs(60);
