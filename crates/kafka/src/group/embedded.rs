//! What consumers of the classic protocol say to each other inside JoinGroup and SyncGroup: what they read and have, and what they
//! are to have. To a classic group these are bytes; here they are read where members of both protocols are in one group.
//!
//! Source: ConsumerProtocolSubscription.json and ConsumerProtocolAssignment.json of Apache Kafka, versions 0–3.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use kacrab_protocol::primitives::{read_i16, write_i16};

use crate::wire::consumer_protocol_assignment::TopicPartition;
use crate::wire::{ConsumerProtocolAssignmentData, ConsumerProtocolSubscriptionData, text};

/// The newest version; a newer one begins as this does.
const VERSION_MAX: i16 = 3;

/// Partitions by topic's name.
pub(crate) type NamedPartitions = BTreeMap<String, BTreeSet<u32>>;

/// What a member says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Subscription {
    pub(crate) version: i16,
    pub(crate) topics: BTreeSet<String>,
    /// What it has and could go on with; nothing from who gives up everything before it joins.
    pub(crate) owned: NamedPartitions,
    pub(crate) rack: Option<String>,
}

/// What a member says of itself; `None` where its metadata is not of a consumer.
pub(crate) fn subscription(mut metadata: Bytes) -> Option<Subscription> {
    let version = version(&mut metadata)?;
    let said = ConsumerProtocolSubscriptionData::read(&mut metadata, version).ok()?;
    let topics = said.topics.iter().map(|topic| topic.as_str().to_owned());
    let owned = said.owned_partitions.iter();
    Some(Subscription {
        version,
        topics: topics.collect(),
        owned: named(owned.map(|one| (one.topic.as_str(), &one.partitions[..]))),
        rack: said.rack_id.map(|rack| rack.as_str().to_owned()),
    })
}

/// The topics that a member reads; `None` as of [`subscription`]. What newer versions add need not be understood.
pub(crate) fn topics(mut metadata: Bytes) -> Option<BTreeSet<String>> {
    version(&mut metadata)?;
    let said = ConsumerProtocolSubscriptionData::read(&mut metadata, 0).ok()?;
    let topics = said.topics.iter();
    Some(topics.map(|topic| topic.as_str().to_owned()).collect())
}

/// What a member has been given by its group's leader. `None` where it cannot be read, or the leader's own data is in it, which
/// nobody here could hand on.
pub(crate) fn assignment(mut given: Bytes) -> Option<NamedPartitions> {
    if given.is_empty() {
        return Some(NamedPartitions::new());
    }
    let version = version(&mut given)?;
    let said = ConsumerProtocolAssignmentData::read(&mut given, version).ok()?;
    if said.user_data.is_some_and(|data| !data.is_empty()) {
        return None;
    }
    let assigned = said.assigned_partitions.iter();
    Some(named(
        assigned.map(|one| (one.topic.as_str(), &one.partitions[..])),
    ))
}

/// What a member is given, in the version that it speaks.
pub(crate) fn put_assignment(version: i16, given: &NamedPartitions) -> Bytes {
    let version = version.clamp(0, VERSION_MAX);
    let topics = given.iter().map(|(topic, indexes)| TopicPartition {
        topic: text(topic),
        partitions: indexes
            .iter()
            .filter_map(|index| i32::try_from(*index).ok())
            .collect(),
        ..TopicPartition::default()
    });
    let data = ConsumerProtocolAssignmentData {
        assigned_partitions: topics.collect(),
        ..ConsumerProtocolAssignmentData::default()
    };
    let mut bytes = BytesMut::new();
    write_i16(&mut bytes, version);
    match data.write(&mut bytes, version) {
        Ok(()) => bytes.freeze(),
        // No name is too long: they came in by the same protocol.
        Err(_) => Bytes::new(),
    }
}

fn version(bytes: &mut Bytes) -> Option<i16> {
    let version = read_i16(bytes).ok()?;
    (version >= 0).then_some(version.min(VERSION_MAX))
}

fn named<'a>(topics: impl Iterator<Item = (&'a str, &'a [i32])>) -> NamedPartitions {
    let mut all = NamedPartitions::new();
    for (topic, indexes) in topics {
        let indexes = indexes
            .iter()
            .filter_map(|index| u32::try_from(*index).ok());
        all.entry(topic.to_owned()).or_default().extend(indexes);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_comes_back_as_it_was_put() {
        let given = NamedPartitions::from([
            ("a".to_owned(), BTreeSet::from([0, 7])),
            ("b".to_owned(), BTreeSet::from([1])),
        ]);
        for version in 0..=VERSION_MAX {
            assert_eq!(
                assignment(put_assignment(version, &given)),
                Some(given.clone())
            );
        }
        assert_eq!(assignment(Bytes::new()), Some(NamedPartitions::new()));
    }

    #[test]
    fn a_leaders_own_data_and_damage_are_not_read() {
        // Version 0, no topics, two bytes of data.
        let data = Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2]);
        assert_eq!(assignment(data), None);
        assert_eq!(assignment(Bytes::from_static(&[0])), None);
        assert_eq!(subscription(Bytes::from_static(&[0xff, 0xff, 0, 0])), None);
        assert_eq!(subscription(Bytes::new()), None);
    }

    #[test]
    fn a_newer_subscription_is_read_as_far_as_it_is_known() {
        // Version 4: topic "t", no data, partition 2 of it, generation 9, rack "r", and what is new.
        let metadata = Bytes::from_static(&[
            0, 4, 0, 0, 0, 1, 0, 1, b't', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0,
            1, 0, 0, 0, 2, 0, 0, 0, 9, 0, 1, b'r', 1, 2, 3,
        ]);
        let said = subscription(metadata.clone()).unwrap();
        assert_eq!(said.version, VERSION_MAX);
        assert_eq!(said.topics, BTreeSet::from(["t".to_owned()]));
        assert_eq!(
            said.owned,
            NamedPartitions::from([("t".to_owned(), BTreeSet::from([2]))])
        );
        assert_eq!(said.rack.as_deref(), Some("r"));
        assert_eq!(topics(metadata), Some(said.topics));
    }
}
