//! Every published limit, its number and its source, and whether quotas hold at all.
//!
//! Numbers are from the developer guide's page "Quotas and limits" and from the API reference of each operation. Those that the
//! operations' own constraints express (lengths, ranges) are in [`super::rules`].

use std::time::Duration;

/// Whether AWS's quotas on accounts, rates and throughput are enforced. Sizes and forms hold either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Limits {
    /// As AWS does, to find out in good time what would fail there.
    Aws,
    /// Hardware is the limit.
    #[default]
    None,
}

/// Shards an account may have in a region: the default quota of the larger regions.
pub(super) const SHARDS_PER_ACCOUNT: u64 = 20_000;
/// Shards of one stream after UpdateShardCount.
pub(super) const SHARDS_PER_STREAM: u64 = 10_000;
/// On-demand streams of an account.
pub(super) const ON_DEMAND_STREAMS: u64 = 50;
/// The most that DescribeLimits can tell, by its model.
pub(super) const COUNT_MAX: u64 = 1_000_000;
/// Streams of an account in CREATING at once.
pub(super) const CREATING_STREAMS: usize = 5;
/// Consumers of a stream.
pub(super) const CONSUMERS: usize = 20;
/// Consumers of an on-demand stream in an account with a throughput commitment; the most AWS allows anywhere.
pub(super) const CONSUMERS_MAX: usize = 50;
/// Consumers of a stream in CREATING at once.
pub(super) const CREATING_CONSUMERS: usize = 5;
/// Queues of an account in CREATING at once.
pub(super) const CREATING_QUEUES: usize = 5;
/// Records of a queue in flight: "Quotas and limits for queues" in the developer guide.
pub(super) const IN_FLIGHT: usize = 120_000;
/// Longest name of a stream in bytes: of a topic that Kafka's clients made. AWS, and CreateStream here, allow 128.
pub(super) const STREAM_NAME_MAX: u64 = 249;
/// Tags of a stream, a consumer or a queue.
pub(super) const TAGS: usize = 50;

/// Shards of an on-demand stream to begin with: 4 MiB/s.
pub(super) const ON_DEMAND_SHARDS: u32 = 4;
/// The most throughput that can be kept ready, in MiB/s: 10 GiB/s.
pub(super) const WARM_THROUGHPUT_MAX: u32 = 10_240;

/// Retention of a new stream, and the least, in hours.
pub(super) const RETENTION_HOURS_MIN: i64 = 24;
/// Most retention, in hours: 365 days.
pub(super) const RETENTION_HOURS_MAX: i64 = 8_760;

/// Largest record of a new stream.
pub(super) const RECORD_KIB_DEFAULT: u32 = 1_024;

/// Shards, streams or consumers a page holds at most, and where the request does not say.
pub(super) mod page {
    /// DescribeStream.
    pub(in super::super) const DESCRIBED_SHARDS: usize = 100;
    /// ListShards.
    pub(in super::super) const SHARDS: usize = 1_000;
    /// ListStreams.
    pub(in super::super) const STREAMS: usize = 100;
    /// ListStreamConsumers.
    pub(in super::super) const CONSUMERS: usize = 100;
    /// ListQueues.
    pub(in super::super) const QUEUES: usize = 100;
    /// ListTagsForStream.
    pub(in super::super) const TAGS: usize = 50;
}

/// How long a page token may be used.
pub(super) const TOKEN_LIFETIME: Duration = Duration::from_secs(300);

/// Largest resource policy, in bytes.
pub(super) const POLICY_BYTES: usize = 20_480;

/// Changes of the mode of a stream in 24 hours.
pub(super) const MODE_CHANGES_PER_DAY: usize = 2;
/// UpdateShardCount of a stream in 24 hours.
pub(super) const SCALINGS_PER_DAY: usize = 10;

/// How long an account's throughput commitment holds at least. AWS's is 24 hours.
pub(super) const COMMITMENT: Duration = Duration::from_secs(24 * 60 * 60);
