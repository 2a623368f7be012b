//! Where partitions begin and end, and where they were at a time.

use std::collections::BTreeMap;

use super::wire::messages::ListOffsetsRequestData;
use super::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use super::{Kafka, Place, check, text};
use crate::error::ClientError;

/// Sees what is committed alone.
pub(super) const READ_COMMITTED: i8 = 1;
/// What a consumer has for a broker's number.
pub(super) const CONSUMER: i32 = -1;
/// No leader's epoch is known.
pub(super) const NO_EPOCH: i32 = -1;
/// What stands in place of a time.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// A point of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Its oldest record.
    Start,
    /// After its newest record that readers see.
    End,
    /// The first record of that time or later, in milliseconds since 1970; the end where there is none.
    Time(i64),
}

/// Offsets by place.
pub type Offsets = BTreeMap<Place, i64>;

impl Kafka {
    /// The offsets of a point of some partitions.
    ///
    /// # Errors
    /// The first partition's that cannot be told.
    pub async fn offsets(&self, places: &[Place], at: At) -> Result<Offsets, ClientError> {
        let timestamp = match at {
            At::Start => EARLIEST,
            At::End => LATEST,
            At::Time(time) => time.max(0),
        };
        let topics = by_topic(places.iter().map(|place| (place, ())));
        let topics = topics.iter().map(|(name, partitions)| ListOffsetsTopic {
            name: text(name),
            partitions: partitions
                .iter()
                .map(|(partition, ())| ListOffsetsPartition {
                    partition_index: *partition,
                    current_leader_epoch: NO_EPOCH,
                    timestamp,
                    ..ListOffsetsPartition::default()
                })
                .collect(),
            ..ListOffsetsTopic::default()
        });
        let request = ListOffsetsRequestData {
            replica_id: CONSUMER,
            isolation_level: READ_COMMITTED,
            topics: topics.collect(),
            ..ListOffsetsRequestData::default()
        };
        let answer = self.ask(&request).await?;
        let mut offsets = Offsets::new();
        for topic in &answer.topics {
            for partition in &topic.partitions {
                check("ListOffsets", partition.error_code, None)?;
                let place = Place {
                    topic: topic.name.to_string(),
                    partition: partition.partition_index,
                };
                offsets.insert(place, partition.offset);
            }
        }
        if let At::Time(_) = at {
            let late: Vec<Place> = offsets
                .iter()
                .filter(|(_, offset)| **offset < 0)
                .map(|(place, _)| place.clone())
                .collect();
            if !late.is_empty() {
                offsets.extend(Box::pin(self.offsets(&late, At::End)).await?);
            }
        }
        Ok(offsets)
    }
}

/// What requests have: partitions under their topics.
pub(super) fn by_topic<'a, T>(
    places: impl Iterator<Item = (&'a Place, T)>,
) -> BTreeMap<&'a str, Vec<(i32, T)>> {
    let mut topics: BTreeMap<&str, Vec<(i32, T)>> = BTreeMap::new();
    for (place, value) in places {
        let partitions = topics.entry(&place.topic).or_default();
        partitions.push((place.partition, value));
    }
    topics
}
