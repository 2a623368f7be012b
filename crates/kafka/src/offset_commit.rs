//! OffsetCommit 2–10 (KIP-320, KIP-345, KIP-848, KIP-1251): how far a group has read, kept before the answer, all of a request at once.
//! The group is held from the last look at who commits until that is durable: who is given a partition finds all that was
//! committed before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{StreamId, Timestamp};
use store::Txn;

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::group::classic::Commit;
use crate::group::retention;
use crate::offsets::{self, CommittedOffset};
use crate::session::Call;
use crate::topics::Topic;
use crate::wire::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::wire::{
    ErrorCode, KafkaString, KafkaUuid, OffsetCommitRequestData, OffsetCommitRequestPartition,
    OffsetCommitRequestTopic, OffsetCommitResponseData,
};

/// Longest text that goes with an offset, in characters: Kafka's `offset.metadata.max.bytes`.
pub(crate) const METADATA_MAX: usize = 4096;
/// From this version on, an unknown group is told from an old generation.
const KNOWS_GROUP_ID_NOT_FOUND_FROM: i16 = 9;

/// A stream, and a shard of it.
type Place = (StreamId, u32);

/// What is to be committed, by place, so that a partition named twice is written once.
type Commits = BTreeMap<Place, CommittedOffset>;

pub(crate) async fn offset_commit(
    call: Call,
    request: OffsetCommitRequestData,
) -> Reply<OffsetCommitResponseData> {
    let group = request.group_id.as_str();
    let was_known = call.broker.groups.is_known(group);
    let admitted = admit(&call, &request);
    match admitted {
        // It depends on the partitions.
        Ok(()) | Err(ErrorCode::StaleMemberEpoch) => {}
        Err(code) => return refused(&request, code).into(),
    }
    // Only versions 2 to 4 say so (KIP-211).
    let kept_for = u64::try_from(request.retention_time_ms).ok();
    let expires = kept_for.map(|ms| call.broker.clock.now().plus(Duration::from_millis(ms)));
    let mut commits = Commits::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in &request.topics {
        topics.push(check_topic(&call, asked, expires, &mut commits).await);
    }
    let mut response = OffsetCommitResponseData {
        topics,
        ..OffsetCommitResponseData::default()
    };
    if commits.is_empty() {
        if let Err(code) = admitted {
            return refused(&request, code).into();
        }
        if was_known {
            return response.into();
        }
        // The group that was made for these offsets is to be seen nowhere.
        return Reply::apart(async move {
            retention::forget_made(&call.broker, request.group_id.as_str()).await;
            response
        });
    }
    let writes = commits
        .iter()
        .map(|((stream, partition), committed)| offsets::put(group, *stream, *partition, committed))
        .collect();
    let txn = Txn {
        writes,
        ..Txn::default()
    };
    Reply::apart(async move {
        let groups = &call.broker.groups;
        let held = groups.hold_for(request.group_id.as_str(), || {
            admit_to(&call, &request, &commits)
        });
        let _held = match held.await {
            Ok(held) => held,
            Err(code) => return refused(&request, code),
        };
        if let Err(error) = call.broker.streams.store().commit(txn).await {
            // Kafka's clients know this one to be worth another attempt.
            let code = match Refusal::from(error).code {
                ErrorCode::InvalidRequest => ErrorCode::InvalidCommitOffsetSize,
                _ => ErrorCode::CoordinatorNotAvailable,
            };
            let all = response
                .topics
                .iter_mut()
                .flat_map(|one| &mut one.partitions);
            for partition in all.filter(|partition| partition.error_code == 0) {
                partition.error_code = code.code();
            }
        }
        response
    })
}

fn admit(call: &Call, request: &OffsetCommitRequestData) -> Result<(), ErrorCode> {
    let group = request.group_id.as_str();
    if !call.may(Operation::Read, Resource::Group(group)) {
        return Err(ErrorCode::GroupAuthorizationFailed);
    }
    let is_known = call.broker.groups.is_known(group);
    let admitted = call.broker.groups.may_commit(
        Commit::Plain,
        group,
        request.generation_id_or_member_epoch,
        request.member_id.as_str(),
        request.group_instance_id.as_ref().map(KafkaString::as_str),
    );
    match admitted {
        Err(ErrorCode::IllegalGeneration)
            if !is_known && call.version >= KNOWS_GROUP_ID_NOT_FOUND_FROM =>
        {
            Err(ErrorCode::GroupIdNotFound)
        }
        other => other,
    }
}

/// As [`admit`], of a member that may not know its newest epoch yet.
fn admit_to(
    call: &Call,
    request: &OffsetCommitRequestData,
    commits: &Commits,
) -> Result<(), ErrorCode> {
    let (group, member) = (request.group_id.as_str(), request.member_id.as_str());
    let epoch = request.generation_id_or_member_epoch;
    let (groups, places) = (&call.broker.groups, commits.keys().copied());
    match admit(call, request) {
        Err(ErrorCode::StaleMemberEpoch)
            if groups.may_commit_late(group, epoch, member, places) =>
        {
            Ok(())
        }
        other => other,
    }
}

async fn check_topic(
    call: &Call,
    asked: &OffsetCommitRequestTopic,
    expires: Option<Timestamp>,
    commits: &mut Commits,
) -> OffsetCommitResponseTopic {
    let topic = find(call, asked.topic_id, asked.name.as_str()).await;
    let partitions = asked.partitions.iter().map(|partition| {
        let checked = topic
            .as_ref()
            .map_err(|refusal| refusal.code)
            .and_then(|topic| check(call, topic, partition))
            .map(|(place, committed)| {
                let committed = CommittedOffset {
                    expires,
                    ..committed
                };
                commits.insert(place, committed);
            });
        answer(partition, checked)
    });
    OffsetCommitResponseTopic {
        name: asked.name.clone(),
        topic_id: asked.topic_id,
        partitions: partitions.collect(),
        ..OffsetCommitResponseTopic::default()
    }
}

/// The topic whose offsets somebody reads or writes.
async fn find(call: &Call, id: KafkaUuid, name: &str) -> Result<Arc<Topic>, Refusal> {
    if id == KafkaUuid::ZERO {
        if !call.may(Operation::Read, Resource::Topic(name)) {
            return Err(ErrorCode::TopicAuthorizationFailed.into());
        }
        return call.broker.topic(name).await;
    }
    let topic = call.broker.topic_by_id(id).await?;
    if !call.may(Operation::Read, Resource::Topic(topic.name())) {
        return Err(ErrorCode::TopicAuthorizationFailed.into());
    }
    Ok(topic)
}

fn check(
    call: &Call,
    topic: &Topic,
    asked: &OffsetCommitRequestPartition,
) -> Result<(Place, CommittedOffset), ErrorCode> {
    let shard = topic.partition(asked.partition_index);
    let shard = shard.map_err(|refusal| refusal.code)?;
    let metadata = asked.committed_metadata.as_ref();
    let metadata = metadata.map_or("", KafkaString::as_str);
    if metadata.chars().count() > METADATA_MAX {
        return Err(ErrorCode::OffsetMetadataTooLarge);
    }
    let place = (topic.stream.settings.id, shard.index);
    let committed = CommittedOffset {
        topic: topic.name().to_owned(),
        offset: asked.committed_offset,
        leader_epoch: asked.committed_leader_epoch,
        metadata: metadata.to_owned(),
        at: call.broker.clock.now(),
        expires: None,
    };
    Ok((place, committed))
}

fn answer(
    asked: &OffsetCommitRequestPartition,
    checked: Result<(), ErrorCode>,
) -> OffsetCommitResponsePartition {
    OffsetCommitResponsePartition {
        partition_index: asked.partition_index,
        error_code: checked.err().map_or(0, |code| code.code()),
        ..OffsetCommitResponsePartition::default()
    }
}

fn refused(request: &OffsetCommitRequestData, code: ErrorCode) -> OffsetCommitResponseData {
    let topics = request
        .topics
        .iter()
        .map(|asked| OffsetCommitResponseTopic {
            name: asked.name.clone(),
            topic_id: asked.topic_id,
            partitions: asked
                .partitions
                .iter()
                .map(|partition| answer(partition, Err(code)))
                .collect(),
            ..OffsetCommitResponseTopic::default()
        });
    OffsetCommitResponseData {
        topics: topics.collect(),
        ..OffsetCommitResponseData::default()
    }
}

#[cfg(test)]
mod tests;
