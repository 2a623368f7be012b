//! Groups of every kind: who is in them, how far they have read, and setting them back.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes};
use serde::Serialize;

use super::offsets::{NO_EPOCH, Offsets, by_topic};
use super::wire::messages::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use super::wire::messages::describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup;
use super::wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use super::wire::messages::offset_fetch_request::OffsetFetchRequestGroup;
use super::wire::messages::{
    AlterShareGroupOffsetsRequestData, ConsumerGroupDescribeRequestData,
    ConsumerProtocolAssignmentData, DeleteGroupsRequestData, DescribeGroupsRequestData,
    DescribeShareGroupOffsetsRequestData, ListGroupsRequestData, OffsetCommitRequestData,
    OffsetFetchRequestData, ShareGroupDescribeRequestData, consumer_group_describe_response,
    share_group_describe_response,
};
use super::{Kafka, Place, check, incomplete, text};
use crate::error::ClientError;

/// Who commits without being a member.
const NO_GENERATION: i32 = -1;
/// As long as the broker keeps offsets.
const AS_THE_BROKER_HAS: i64 = -1;

/// What sort of group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// Its members divide the work among themselves.
    Classic,
    /// The broker divides it (KIP-848).
    Consumer,
    /// Its members get records one by one (KIP-932).
    Share,
}

/// A group.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What sort.
    pub kind: Kind,
    /// As Kafka's tools show it: `Stable`, `Empty` and others.
    pub state: String,
}

/// A group and who is in it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Described {
    /// The group.
    #[serde(flatten)]
    pub group: Group,
    /// How the work is divided; empty while it is not.
    pub assignor: String,
    /// Who is in it.
    pub members: Vec<Member>,
}

/// Who is in a group.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Member {
    /// Its id.
    pub id: String,
    /// What its client calls itself.
    pub client_id: String,
    /// Where it is.
    pub host: String,
    /// What it reads.
    pub partitions: Vec<Place>,
}

/// How far a group has read of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Progress {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// The next record it reads; of a share group, the first it is not done with.
    pub offset: i64,
    /// Where the partition ends.
    pub end: i64,
    /// How many records that is behind; of a share group, how many it is not done with.
    pub lag: i64,
}

impl Kafka {
    /// All groups, by name.
    ///
    /// # Errors
    /// The server's.
    pub async fn groups(&self) -> Result<Vec<Group>, ClientError> {
        let answer = self.ask(&ListGroupsRequestData::default()).await?;
        check("ListGroups", answer.error_code, None)?;
        let groups = answer.groups.iter().map(|group| Group {
            name: group.group_id.to_string(),
            kind: match group.group_type.as_str() {
                "consumer" => Kind::Consumer,
                "share" => Kind::Share,
                _ => Kind::Classic,
            },
            state: group.group_state.to_string(),
        });
        let mut groups: Vec<Group> = groups.collect();
        groups.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(groups)
    }

    /// One group.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND`, and the server's.
    pub async fn group(&self, name: &str) -> Result<Group, ClientError> {
        let groups = self.groups().await?;
        let found = groups.into_iter().find(|group| group.name == name);
        found.ok_or_else(|| ClientError::Refused {
            operation: "ListGroups",
            code: "GROUP_ID_NOT_FOUND".to_owned(),
            message: format!("Group {name} not found."),
            status: 400,
        })
    }

    /// One group and its members.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND`, and the server's.
    pub async fn describe_group(&self, name: &str) -> Result<Described, ClientError> {
        let group = self.group(name).await?;
        let (assignor, members) = match group.kind {
            Kind::Classic => self.classic(name).await?,
            Kind::Consumer => self.consumer(name).await?,
            Kind::Share => self.share(name).await?,
        };
        Ok(Described {
            group,
            assignor,
            members,
        })
    }

    async fn classic(&self, name: &str) -> Result<(String, Vec<Member>), ClientError> {
        let request = DescribeGroupsRequestData {
            groups: vec![text(name)],
            ..DescribeGroupsRequestData::default()
        };
        let answer = self.ask(&request).await?;
        let found = answer.groups.into_iter().next();
        let found = found.ok_or_else(|| incomplete("DescribeGroups"))?;
        check("DescribeGroups", found.error_code, None)?;
        let members = found.members.iter().map(|member| Member {
            id: member.member_id.to_string(),
            client_id: member.client_id.to_string(),
            host: member.client_host.to_string(),
            partitions: assigned(member.member_assignment.clone()),
        });
        Ok((found.protocol_data.to_string(), members.collect()))
    }

    async fn consumer(&self, name: &str) -> Result<(String, Vec<Member>), ClientError> {
        let request = ConsumerGroupDescribeRequestData {
            group_ids: vec![text(name)],
            ..ConsumerGroupDescribeRequestData::default()
        };
        let answer = self.ask(&request).await?;
        let found = answer.groups.into_iter().next();
        let found = found.ok_or_else(|| incomplete("ConsumerGroupDescribe"))?;
        let said = found.error_message.as_ref();
        check("ConsumerGroupDescribe", found.error_code, said)?;
        let places = |has: &consumer_group_describe_response::Assignment| {
            let topics = has.topic_partitions.iter();
            places(topics.map(|topic| (topic.topic_name.to_string(), topic.partitions.clone())))
        };
        let members = found.members.iter().map(|member| Member {
            id: member.member_id.to_string(),
            client_id: member.client_id.to_string(),
            host: member.client_host.to_string(),
            partitions: places(&member.assignment),
        });
        Ok((found.assignor_name.to_string(), members.collect()))
    }

    async fn share(&self, name: &str) -> Result<(String, Vec<Member>), ClientError> {
        let request = ShareGroupDescribeRequestData {
            group_ids: vec![text(name)],
            ..ShareGroupDescribeRequestData::default()
        };
        let answer = self.ask(&request).await?;
        let found = answer.groups.into_iter().next();
        let found = found.ok_or_else(|| incomplete("ShareGroupDescribe"))?;
        let said = found.error_message.as_ref();
        check("ShareGroupDescribe", found.error_code, said)?;
        let places = |has: &share_group_describe_response::Assignment| {
            let topics = has.topic_partitions.iter();
            places(topics.map(|topic| (topic.topic_name.to_string(), topic.partitions.clone())))
        };
        let members = found.members.iter().map(|member| Member {
            id: member.member_id.to_string(),
            client_id: member.client_id.to_string(),
            host: member.client_host.to_string(),
            partitions: places(&member.assignment),
        });
        Ok((found.assignor_name.to_string(), members.collect()))
    }

    /// How far a group has read of every partition it has read of.
    ///
    /// # Errors
    /// The server's.
    pub async fn progress(&self, name: &str, kind: Kind) -> Result<Vec<Progress>, ClientError> {
        let read = match kind {
            Kind::Classic | Kind::Consumer => {
                let offsets = self.committed(name).await?;
                offsets
                    .into_iter()
                    .map(|(place, offset)| (place, (offset, None)))
                    .collect()
            }
            Kind::Share => self.shared(name).await?,
        };
        let places: Vec<Place> = read.keys().cloned().collect();
        let ends = match places.is_empty() {
            true => Offsets::new(),
            false => self.offsets(&places, super::offsets::At::End).await?,
        };
        let progress = read.into_iter().map(|(place, (offset, lag))| {
            let end = ends.get(&place).copied().unwrap_or(offset);
            Progress {
                lag: lag.unwrap_or_else(|| end.saturating_sub(offset).max(0)),
                place,
                offset,
                end,
            }
        });
        Ok(progress.collect())
    }

    /// What a group has committed, classic or consumer.
    ///
    /// # Errors
    /// The server's.
    pub async fn committed(&self, name: &str) -> Result<Offsets, ClientError> {
        let request = OffsetFetchRequestData {
            groups: vec![OffsetFetchRequestGroup {
                group_id: text(name),
                topics: None,
                ..OffsetFetchRequestGroup::default()
            }],
            ..OffsetFetchRequestData::default()
        };
        let answer = self.ask(&request).await?;
        let found = answer.groups.first();
        let found = found.ok_or_else(|| incomplete("OffsetFetch"))?;
        check("OffsetFetch", found.error_code, None)?;
        let mut offsets = Offsets::new();
        for topic in &found.topics {
            for partition in &topic.partitions {
                check("OffsetFetch", partition.error_code, None)?;
                let place = Place {
                    topic: topic.name.to_string(),
                    partition: partition.partition_index,
                };
                offsets.insert(place, partition.committed_offset);
            }
        }
        offsets.retain(|_, offset| *offset >= 0);
        Ok(offsets)
    }

    /// Where a share group is, and how much it has yet to do.
    async fn shared(&self, name: &str) -> Result<BTreeMap<Place, (i64, Option<i64>)>, ClientError> {
        let request = DescribeShareGroupOffsetsRequestData {
            groups: vec![DescribeShareGroupOffsetsRequestGroup {
                group_id: text(name),
                topics: None,
                ..DescribeShareGroupOffsetsRequestGroup::default()
            }],
            ..DescribeShareGroupOffsetsRequestData::default()
        };
        let answer = self.ask(&request).await?;
        let found = answer.groups.first();
        let found = found.ok_or_else(|| incomplete("DescribeShareGroupOffsets"))?;
        let said = found.error_message.as_ref();
        check("DescribeShareGroupOffsets", found.error_code, said)?;
        let mut offsets = BTreeMap::new();
        for topic in &found.topics {
            for partition in &topic.partitions {
                let said = partition.error_message.as_ref();
                check("DescribeShareGroupOffsets", partition.error_code, said)?;
                let place = Place {
                    topic: topic.topic_name.to_string(),
                    partition: partition.partition_index,
                };
                offsets.insert(place, (partition.start_offset, Some(partition.lag)));
            }
        }
        offsets.retain(|_, (offset, _)| *offset >= 0);
        Ok(offsets)
    }

    /// Has a group that nobody is in go on from these offsets. A classic group that is not there is made by it.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID` or `NON_EMPTY_GROUP` while somebody is in it, and the server's.
    pub async fn move_group(
        &self,
        name: &str,
        kind: Kind,
        offsets: &Offsets,
    ) -> Result<(), ClientError> {
        match kind {
            Kind::Classic | Kind::Consumer => self.commit(name, offsets).await,
            Kind::Share => self.restart(name, offsets).await,
        }
    }

    async fn commit(&self, name: &str, offsets: &Offsets) -> Result<(), ClientError> {
        let topics = by_topic(offsets.iter());
        let topics = topics
            .iter()
            .map(|(topic, partitions)| OffsetCommitRequestTopic {
                name: text(topic),
                partitions: partitions
                    .iter()
                    .map(|(partition, offset)| OffsetCommitRequestPartition {
                        partition_index: *partition,
                        committed_offset: **offset,
                        committed_leader_epoch: NO_EPOCH,
                        ..OffsetCommitRequestPartition::default()
                    })
                    .collect(),
                ..OffsetCommitRequestTopic::default()
            });
        let request = OffsetCommitRequestData {
            group_id: text(name),
            generation_id_or_member_epoch: NO_GENERATION,
            retention_time_ms: AS_THE_BROKER_HAS,
            topics: topics.collect(),
            ..OffsetCommitRequestData::default()
        };
        let answer = self.ask(&request).await?;
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        for partition in partitions {
            check("OffsetCommit", partition.error_code, None)?;
        }
        Ok(())
    }

    async fn restart(&self, name: &str, offsets: &Offsets) -> Result<(), ClientError> {
        let topics = by_topic(offsets.iter());
        let topics = topics
            .iter()
            .map(|(topic, partitions)| AlterShareGroupOffsetsRequestTopic {
                topic_name: text(topic),
                partitions: partitions
                    .iter()
                    .map(
                        |(partition, offset)| AlterShareGroupOffsetsRequestPartition {
                            partition_index: *partition,
                            start_offset: **offset,
                            ..AlterShareGroupOffsetsRequestPartition::default()
                        },
                    )
                    .collect(),
                ..AlterShareGroupOffsetsRequestTopic::default()
            });
        let request = AlterShareGroupOffsetsRequestData {
            group_id: text(name),
            topics: topics.collect(),
            ..AlterShareGroupOffsetsRequestData::default()
        };
        let answer = self.ask(&request).await?;
        let said = answer.error_message.as_ref();
        check("AlterShareGroupOffsets", answer.error_code, said)?;
        let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
        for partition in partitions {
            let said = partition.error_message.as_ref();
            check("AlterShareGroupOffsets", partition.error_code, said)?;
        }
        Ok(())
    }

    /// Deletes a group that nobody is in.
    ///
    /// # Errors
    /// `NON_EMPTY_GROUP`, `GROUP_ID_NOT_FOUND`, and the server's.
    pub async fn delete_group(&self, name: &str) -> Result<(), ClientError> {
        let request = DeleteGroupsRequestData {
            groups_names: vec![text(name)],
            ..DeleteGroupsRequestData::default()
        };
        let answer = self.ask(&request).await?;
        let done = answer.results.first();
        let done = done.ok_or_else(|| incomplete("DeleteGroups"))?;
        check("DeleteGroups", done.error_code, None)
    }
}

fn places(topics: impl Iterator<Item = (String, Vec<i32>)>) -> Vec<Place> {
    let mut places: Vec<Place> = topics
        .flat_map(|(topic, partitions)| {
            partitions.into_iter().map(move |partition| Place {
                topic: topic.clone(),
                partition,
            })
        })
        .collect();
    places.sort();
    places
}

/// What a classic group's member was given, where its members are consumers; others write there what they like.
fn assigned(mut assignment: Bytes) -> Vec<Place> {
    if assignment.len() < 2 {
        return Vec::new();
    }
    // Newer versions only add to the end.
    let version = assignment.get_i16().clamp(0, 3);
    let read = ConsumerProtocolAssignmentData::read(&mut assignment, version);
    let topics = read
        .map(|read| read.assigned_partitions)
        .unwrap_or_default();
    places(
        topics
            .into_iter()
            .map(|topic| (topic.topic.to_string(), topic.partitions)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_member_was_given_is_read() {
        let bytes = b"\0\x01\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\x02\0\0\0\0\0\0\0\0";
        let found = assigned(Bytes::from_static(bytes));
        let numbers: Vec<i32> = found.iter().map(|place| place.partition).collect();
        assert_eq!(numbers, [0, 2]);
        assert!(found.iter().all(|place| place.topic == "t"));
        assert!(assigned(Bytes::from_static(b"\0")).is_empty());
        assert!(assigned(Bytes::from_static(b"\0\0garbage of connectors")).is_empty());
    }
}
