//! The topic configurations of Apache Kafka 4 and their defaults.
//!
//! Source: <https://kafka.apache.org/documentation/#topicconfigs>.

use super::{Definition, INT_MAX, Kind, UNLIMITED, define};

/// All of them, by name.
pub(crate) const TOPIC: &[Definition] = &[
    define(
        "cleanup.policy",
        Kind::ListOf(&["compact", "delete"]),
        "delete",
    ),
    define("compression.gzip.level", Kind::IntOr(-1, 1, 9), "-1"),
    define("compression.lz4.level", Kind::Int(1, 17), "9"),
    define(
        "compression.type",
        Kind::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        "producer",
    ),
    define("compression.zstd.level", Kind::Int(-131_072, 22), "3"),
    define("delete.retention.ms", Kind::Long(0, i64::MAX), "86400000"),
    define("file.delete.delay.ms", Kind::Long(0, i64::MAX), "60000"),
    define(
        "flush.messages",
        Kind::Long(1, i64::MAX),
        "9223372036854775807",
    ),
    define("flush.ms", Kind::Long(0, i64::MAX), "9223372036854775807"),
    define(
        "follower.replication.throttled.replicas",
        Kind::Replicas,
        "",
    ),
    define("index.interval.bytes", Kind::Int(0, INT_MAX), "4096"),
    define("leader.replication.throttled.replicas", Kind::Replicas, ""),
    define("local.retention.bytes", Kind::Long(-2, i64::MAX), "-2"),
    define("local.retention.ms", Kind::Long(-2, i64::MAX), "-2"),
    define(
        "max.compaction.lag.ms",
        Kind::Long(1, i64::MAX),
        "9223372036854775807",
    ),
    define("max.message.bytes", Kind::Int(0, INT_MAX), "1048588"),
    define(
        "message.timestamp.after.max.ms",
        Kind::Long(0, i64::MAX),
        "3600000",
    ),
    define(
        "message.timestamp.before.max.ms",
        Kind::Long(0, i64::MAX),
        "9223372036854775807",
    ),
    define(
        "message.timestamp.type",
        Kind::OneOf(&["CreateTime", "LogAppendTime"]),
        "CreateTime",
    ),
    define("min.cleanable.dirty.ratio", Kind::Double(0.0, 1.0), "0.5"),
    define("min.compaction.lag.ms", Kind::Long(0, i64::MAX), "0"),
    define("min.insync.replicas", Kind::Int(1, INT_MAX), "1"),
    define("preallocate", Kind::Boolean, "false"),
    define("remote.log.copy.disable", Kind::Boolean, "false"),
    define("remote.log.delete.on.disable", Kind::Boolean, "false"),
    define("remote.storage.enable", Kind::Boolean, "false"),
    define("retention.bytes", Kind::Long(UNLIMITED, i64::MAX), "-1"),
    define("retention.ms", Kind::Long(UNLIMITED, i64::MAX), "604800000"),
    define("segment.bytes", Kind::Int(1_048_576, INT_MAX), "1073741824"),
    define("segment.index.bytes", Kind::Int(4, INT_MAX), "10485760"),
    define("segment.jitter.ms", Kind::Long(0, i64::MAX), "0"),
    define("segment.ms", Kind::Long(1, i64::MAX), "604800000"),
    define("unclean.leader.election.enable", Kind::Boolean, "false"),
];

/// The broker's configurations of Apache Kafka that would hold for topics that do not say themselves, where this broker has none:
/// clients are shown them as synonyms, with their defaults. Those that are not here and not the broker's have no synonym.
const BEHIND: &[(&str, &str)] = &[
    ("compression.gzip.level", "compression.gzip.level"),
    ("compression.lz4.level", "compression.lz4.level"),
    ("compression.zstd.level", "compression.zstd.level"),
    ("delete.retention.ms", "log.cleaner.delete.retention.ms"),
    ("file.delete.delay.ms", "log.segment.delete.delay.ms"),
    ("flush.messages", "log.flush.interval.messages"),
    ("index.interval.bytes", "log.index.interval.bytes"),
    ("local.retention.bytes", "log.local.retention.bytes"),
    ("local.retention.ms", "log.local.retention.ms"),
    ("max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"),
    (
        "min.cleanable.dirty.ratio",
        "log.cleaner.min.cleanable.ratio",
    ),
    ("min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms"),
    ("preallocate", "log.preallocate"),
    ("segment.index.bytes", "log.index.size.max.bytes"),
];

/// What the topic's configuration `name` is called among Apache Kafka's broker configurations.
pub(crate) fn behind(name: &str) -> Option<&'static str> {
    let found = BEHIND.iter().find(|(topic, _)| *topic == name);
    found.map(|(_, broker)| *broker)
}
