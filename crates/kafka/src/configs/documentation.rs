//! What clients are told about a configuration that ask for it (KIP-569).

/// What the configuration `name` does; `None` where there is nothing to say beyond its name.
pub(crate) fn of(name: &str) -> Option<&'static str> {
    let found = TEXTS.iter().find(|(names, _)| names.contains(&name));
    found.map(|(_, text)| *text)
}

/// Texts, each for the configurations of these names.
const TEXTS: &[(&[&str], &str)] = &[
    (
        &["cleanup.policy", "log.cleanup.policy"],
        "What becomes of old records: \"delete\" drops them by age and size, \"compact\" keeps the newest of each key, both do both.",
    ),
    (
        &["compression.type"],
        "Kept for clients to see: batches are stored as producers compressed them.",
    ),
    (
        &["delete.retention.ms"],
        "How long the mark that a key is deleted stays in a compacted topic.",
    ),
    (
        &[
            "file.delete.delay.ms",
            "flush.messages",
            "flush.ms",
            "index.interval.bytes",
            "preallocate",
            "segment.bytes",
            "segment.index.bytes",
            "segment.jitter.ms",
            "segment.ms",
            "log.segment.bytes",
        ],
        "Kept for clients to see: records of all topics lie in one journal and are synced before they are acknowledged.",
    ),
    (
        &[
            "follower.replication.throttled.replicas",
            "leader.replication.throttled.replicas",
            "follower.replication.throttled.rate",
            "leader.replication.throttled.rate",
            "replica.alter.log.dirs.io.max.bytes.per.second",
        ],
        "Kept for clients to see: there is one broker and no replication.",
    ),
    (
        &["local.retention.bytes", "local.retention.ms"],
        "Kept for clients to see: nothing is tiered.",
    ),
    (
        &["max.compaction.lag.ms"],
        "Longest that a record of a compacted topic is not looked at by compaction.",
    ),
    (
        &["max.message.bytes", "message.max.bytes"],
        "Largest batch of records that is taken, as it comes, compressed where it is.",
    ),
    (
        &[
            "message.timestamp.after.max.ms",
            "log.message.timestamp.after.max.ms",
        ],
        "How far a record's timestamp may lie after the broker's time.",
    ),
    (
        &[
            "message.timestamp.before.max.ms",
            "log.message.timestamp.before.max.ms",
        ],
        "How far a record's timestamp may lie before the broker's time.",
    ),
    (
        &["message.timestamp.type", "log.message.timestamp.type"],
        "Whether records have their producer's time or that of their arrival.",
    ),
    (
        &["min.cleanable.dirty.ratio"],
        "How much of a compacted topic must be new before it is compacted again.",
    ),
    (
        &["min.compaction.lag.ms"],
        "How long a record of a compacted topic stays in any case.",
    ),
    (
        &["min.insync.replicas"],
        "Kept for clients to see: each record is durable before it is acknowledged.",
    ),
    (
        &["retention.bytes"],
        "Bytes kept of each partition; -1 for all.",
    ),
    (
        &["retention.ms"],
        "How long records are kept; -1 for ever. Kinesis shows it in hours.",
    ),
    (
        &["log.retention.bytes"],
        "retention.bytes of topics made from now on that do not say.",
    ),
    (
        &["log.retention.ms"],
        "retention.ms of topics made from now on that do not say.",
    ),
    (
        &["auto.create.topics.enable"],
        "Whether a topic is made when a client first asks for it.",
    ),
    (
        &["num.partitions"],
        "Partitions of a topic that does not say.",
    ),
    (
        &["advertised.listeners"],
        "Where clients are told to connect.",
    ),
    (&["listeners"], "Where clients are waited for."),
    (
        &["offsets.retention.minutes"],
        "How long the offsets of a group without members are kept.",
    ),
    (
        &["transaction.max.timeout.ms"],
        "Longest timeout a producer may have for its transactions.",
    ),
    (
        &[
            "consumer.heartbeat.interval.ms",
            "share.heartbeat.interval.ms",
        ],
        "How often members of the group say that they are there.",
    ),
    (
        &["consumer.session.timeout.ms", "share.session.timeout.ms"],
        "After what silence a member of the group is taken for gone.",
    ),
    (
        &["share.auto.offset.reset"],
        "Where a share group begins to read a partition.",
    ),
    (
        &[
            "group.share.delivery.count.limit",
            "share.delivery.count.limit",
        ],
        "To how many consumers of a share group a record is given before it is given up.",
    ),
    (
        &[
            "group.share.partition.max.record.locks",
            "share.partition.max.record.locks",
        ],
        "How many records of a partition may be with consumers of a share group at once.",
    ),
    (
        &["share.isolation.level"],
        "Whether a share group gets records of transactions that are not committed.",
    ),
    (
        &["share.record.lock.duration.ms"],
        "How long a consumer of a share group has for a record it was given.",
    ),
    (
        &["interval.ms"],
        "How often clients are to push their metrics.",
    ),
    (&["match"], "Which clients are to push their metrics."),
    (
        &["metrics"],
        "Which metrics clients are to push, by the front of their names.",
    ),
];
