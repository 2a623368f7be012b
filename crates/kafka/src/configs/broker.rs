//! The broker's own configurations: what of Apache Kafka's there is here, with what holds where nothing was set. Those that
//! can be changed while it runs are kept as documents; a topic that does not say itself follows them at once.
//!
//! Source: <https://kafka.apache.org/documentation/#brokerconfigs>.

use super::{Definition, INT_MAX, Kind, UNLIMITED, define};

/// A configuration of the broker.
#[derive(Debug)]
pub(crate) struct BrokerDefinition {
    pub(crate) definition: Definition,
    /// Whether it can be changed while the broker runs.
    pub(crate) is_dynamic: bool,
    /// The topic configuration that follows it.
    pub(crate) topic: Option<&'static str>,
}

const fn fixed(name: &'static str, kind: Kind, default: &'static str) -> BrokerDefinition {
    BrokerDefinition {
        definition: define(name, kind, default),
        is_dynamic: false,
        topic: None,
    }
}

impl BrokerDefinition {
    const fn changeable(mut self) -> BrokerDefinition {
        self.is_dynamic = true;
        self
    }

    const fn followed_by(mut self, topic: &'static str) -> BrokerDefinition {
        self.topic = Some(topic);
        self
    }

    /// The configuration of that name.
    pub(crate) fn find(name: &str) -> Option<&'static BrokerDefinition> {
        BROKER.iter().find(|one| one.definition.name == name)
    }

    /// The one that the topic configuration `name` follows.
    pub(crate) fn behind(name: &str) -> Option<&'static BrokerDefinition> {
        BROKER.iter().find(|one| one.topic == Some(name))
    }
}

const NATURAL: Kind = Kind::Int(1, INT_MAX);
const MILLISECONDS: Kind = Kind::Int(0, INT_MAX);

/// All of them, by name.
pub(crate) const BROKER: &[BrokerDefinition] = &[
    fixed("advertised.listeners", Kind::List, ""),
    fixed("auto.create.topics.enable", Kind::Boolean, "true").changeable(),
    fixed("broker.id", Kind::Int(0, INT_MAX), "1"),
    fixed("compression.type", COMPRESSION, "producer")
        .changeable()
        .followed_by("compression.type"),
    fixed("connections.max.idle.ms", Kind::Long(0, i64::MAX), "600000"),
    fixed("default.replication.factor", NATURAL, "1"),
    fixed("delete.topic.enable", Kind::Boolean, "true"),
    fixed("fetch.max.bytes", Kind::Int(1024, INT_MAX), "57671680"),
    fixed(
        "follower.replication.throttled.rate",
        LONG,
        "9223372036854775807",
    )
    .changeable(),
    fixed("group.consumer.heartbeat.interval.ms", NATURAL, "5000"),
    fixed("group.consumer.max.heartbeat.interval.ms", NATURAL, "15000"),
    fixed("group.consumer.max.session.timeout.ms", NATURAL, "60000"),
    fixed(
        "group.consumer.migration.policy",
        Kind::OneOf(&["bidirectional", "disabled", "downgrade", "upgrade"]),
        "bidirectional",
    ),
    fixed("group.consumer.min.heartbeat.interval.ms", NATURAL, "5000"),
    fixed("group.consumer.min.session.timeout.ms", NATURAL, "45000"),
    fixed("group.consumer.session.timeout.ms", NATURAL, "45000"),
    fixed("group.initial.rebalance.delay.ms", MILLISECONDS, "0"),
    fixed("group.max.session.timeout.ms", MILLISECONDS, "1800000"),
    fixed("group.min.session.timeout.ms", MILLISECONDS, "6000"),
    fixed("group.share.delivery.count.limit", NATURAL, "5"),
    fixed("group.share.heartbeat.interval.ms", NATURAL, "5000"),
    fixed("group.share.max.delivery.count.limit", NATURAL, "10"),
    fixed("group.share.max.heartbeat.interval.ms", NATURAL, "15000"),
    fixed(
        "group.share.max.partition.max.record.locks",
        NATURAL,
        "4000",
    ),
    fixed("group.share.max.record.lock.duration.ms", NATURAL, "60000"),
    fixed("group.share.max.session.timeout.ms", NATURAL, "60000"),
    fixed("group.share.min.delivery.count.limit", NATURAL, "2"),
    fixed("group.share.min.heartbeat.interval.ms", NATURAL, "5000"),
    fixed("group.share.min.partition.max.record.locks", NATURAL, "100"),
    fixed("group.share.min.record.lock.duration.ms", NATURAL, "15000"),
    fixed("group.share.min.session.timeout.ms", NATURAL, "45000"),
    fixed("group.share.partition.max.record.locks", NATURAL, "2000"),
    fixed("group.share.record.lock.duration.ms", NATURAL, "30000"),
    fixed("group.share.session.timeout.ms", NATURAL, "45000"),
    fixed(
        "leader.replication.throttled.rate",
        LONG,
        "9223372036854775807",
    )
    .changeable(),
    fixed("listeners", Kind::List, ""),
    fixed("log.cleanup.policy", CLEANUP, "delete").followed_by("cleanup.policy"),
    fixed("log.message.timestamp.after.max.ms", LONG, "3600000")
        .changeable()
        .followed_by("message.timestamp.after.max.ms"),
    fixed(
        "log.message.timestamp.before.max.ms",
        LONG,
        "9223372036854775807",
    )
    .changeable()
    .followed_by("message.timestamp.before.max.ms"),
    fixed("log.message.timestamp.type", TIMESTAMPS, "CreateTime")
        .changeable()
        .followed_by("message.timestamp.type"),
    fixed("log.retention.bytes", FROM_UNLIMITED, "-1")
        .changeable()
        .followed_by("retention.bytes"),
    fixed("log.retention.ms", FROM_UNLIMITED, "604800000")
        .changeable()
        .followed_by("retention.ms"),
    fixed(
        "log.segment.bytes",
        Kind::Int(1_048_576, INT_MAX),
        "1073741824",
    )
    .changeable()
    .followed_by("segment.bytes"),
    fixed("message.max.bytes", Kind::Int(0, INT_MAX), "1048588")
        .changeable()
        .followed_by("max.message.bytes"),
    fixed("min.insync.replicas", NATURAL, "1")
        .changeable()
        .followed_by("min.insync.replicas"),
    fixed("node.id", Kind::Int(0, INT_MAX), "1"),
    fixed("num.partitions", NATURAL, "1").changeable(),
    fixed("offset.metadata.max.bytes", Kind::Int(0, INT_MAX), "4096"),
    fixed("offsets.retention.minutes", NATURAL, "10080"),
    fixed("producer.id.expiration.ms", NATURAL, "86400000"),
    fixed(
        "replica.alter.log.dirs.io.max.bytes.per.second",
        LONG,
        "9223372036854775807",
    )
    .changeable(),
    fixed("socket.request.max.bytes", NATURAL, "104857600"),
    fixed("transaction.max.timeout.ms", NATURAL, "900000"),
    fixed("transactional.id.expiration.ms", NATURAL, "604800000"),
    fixed("unclean.leader.election.enable", Kind::Boolean, "false")
        .changeable()
        .followed_by("unclean.leader.election.enable"),
];

const CLEANUP: Kind = Kind::ListOf(&["compact", "delete"]);
const COMPRESSION: Kind =
    Kind::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]);
const TIMESTAMPS: Kind = Kind::OneOf(&["CreateTime", "LogAppendTime"]);
const LONG: Kind = Kind::Long(0, i64::MAX);
const FROM_UNLIMITED: Kind = Kind::Long(UNLIMITED, i64::MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_agrees_with_the_topics() {
        assert!(BROKER.is_sorted_by_key(|one| one.definition.name));
        for BrokerDefinition {
            definition, topic, ..
        } in BROKER
        {
            let name = definition.name;
            assert!(definition.check(definition.default).is_ok(), "{name}");
            if let Some(topic) = topic {
                let topic = Definition::find(topic).unwrap();
                assert_eq!(topic.default, definition.default, "{name}");
            }
        }
    }
}
