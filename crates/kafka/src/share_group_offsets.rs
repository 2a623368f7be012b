//! DescribeShareGroupOffsets 0–1, AlterShareGroupOffsets 0, DeleteShareGroupOffsets 0 (KIP-932, KIP-1226): how far a share group
//! is with partitions. Only a group that nobody is in can be had read from elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use store::Bounds;

use crate::access::{Operation, Resource};
use crate::broker::LEADER_EPOCH;
use crate::connection::Reply;
use crate::error::Refusal;
use crate::group::Kind;
use crate::named;
use crate::partition::wire_offset;
use crate::session::Call;
use crate::share::kept;
use crate::topics::Topic;
use crate::wire::alter_share_group_offsets_response::{
    AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
};
use crate::wire::delete_share_group_offsets_response::DeleteShareGroupOffsetsResponseTopic;
use crate::wire::describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup;
use crate::wire::describe_share_group_offsets_response::{
    DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
};
use crate::wire::{
    AlterShareGroupOffsetsRequestData, AlterShareGroupOffsetsResponseData,
    DeleteShareGroupOffsetsRequestData, DeleteShareGroupOffsetsResponseData,
    DescribeShareGroupOffsetsRequestData, DescribeShareGroupOffsetsResponseData, ErrorCode, text,
};

/// Instead of an offset where the group has not begun.
const NOWHERE: i64 = -1;
/// From this version on, how much is left to do is told.
const TELLS_LAG_FROM: i16 = 1;

pub(crate) async fn describe(
    call: Call,
    request: DescribeShareGroupOffsetsRequestData,
) -> Reply<DescribeShareGroupOffsetsResponseData> {
    Reply::later(async move {
        let mut response = DescribeShareGroupOffsetsResponseData::default();
        for asked in &request.groups {
            let group = asked.group_id.as_str();
            let described = describe_group(&call, group, asked).await;
            response.groups.push(described.unwrap_or_else(|refusal| {
                DescribeShareGroupOffsetsResponseGroup {
                    group_id: asked.group_id.clone(),
                    error_code: refusal.number(),
                    error_message: refusal.message.as_deref().map(text),
                    ..DescribeShareGroupOffsetsResponseGroup::default()
                }
            }));
        }
        response
    })
}

async fn describe_group(
    call: &Call,
    group: &str,
    asked: &DescribeShareGroupOffsetsRequestGroup,
) -> Result<DescribeShareGroupOffsetsResponseGroup, Refusal> {
    if !call.may(Operation::Describe, Resource::Group(group)) {
        return Err(ErrorCode::GroupAuthorizationFailed.into());
    }
    // A group that there is not is one that has begun nowhere, as Kafka has it.
    let found = kept::all(&**call.broker.streams.store(), group).await?;
    let mut wanted: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    match &asked.topics {
        Some(topics) => {
            for topic in topics {
                let partitions = wanted.entry(topic.topic_name.as_str().to_owned());
                partitions.or_default().extend(&topic.partitions);
            }
        }
        None => {
            for one in &found {
                let partitions = wanted.entry(one.kept.topic.clone()).or_default();
                partitions.extend(i32::try_from(one.partition));
            }
        }
    }
    let mut topics = Vec::new();
    for (name, partitions) in wanted {
        let refusal = match call.may(Operation::Describe, Resource::Topic(&name)) {
            true => match call.broker.topic(&name).await {
                Ok(topic) => {
                    topics.push(describe_topic(call, group, &topic, partitions, &found).await);
                    continue;
                }
                Err(_) => None,
            },
            false => Some(ErrorCode::TopicAuthorizationFailed.into()),
        };
        // Whoever has not named it does not learn of it.
        if asked.topics.is_some() {
            topics.push(without_progress(&name, partitions, refusal.as_ref()));
        }
    }
    Ok(DescribeShareGroupOffsetsResponseGroup {
        group_id: text(group),
        topics,
        ..DescribeShareGroupOffsetsResponseGroup::default()
    })
}

async fn describe_topic(
    call: &Call,
    group: &str,
    topic: &Arc<Topic>,
    partitions: BTreeSet<i32>,
    found: &[kept::Found],
) -> DescribeShareGroupOffsetsResponseTopic {
    let mut described = DescribeShareGroupOffsetsResponseTopic {
        topic_name: text(topic.name()),
        topic_id: topic.id,
        ..DescribeShareGroupOffsetsResponseTopic::default()
    };
    for index in partitions {
        let mut part = DescribeShareGroupOffsetsResponsePartition {
            partition_index: index,
            start_offset: NOWHERE,
            ..DescribeShareGroupOffsetsResponsePartition::default()
        };
        let is_it = |one: &&kept::Found| {
            one.stream == topic.stream.settings.id && i32::try_from(one.partition) == Ok(index)
        };
        if let Some(one) = found.iter().find(is_it) {
            match progress(call, group, topic, one.partition).await {
                Ok((start, lag)) => {
                    part.start_offset = start;
                    part.leader_epoch = LEADER_EPOCH;
                    if call.version >= TELLS_LAG_FROM {
                        part.lag = lag;
                    }
                }
                Err(refusal) => {
                    part.error_code = refusal.number();
                    part.error_message = refusal.message.as_deref().map(text);
                }
            }
        }
        described.partitions.push(part);
    }
    described
}

/// Of a topic that is not there, or that whoever asks may not see.
fn without_progress(
    name: &str,
    partitions: BTreeSet<i32>,
    refusal: Option<&Refusal>,
) -> DescribeShareGroupOffsetsResponseTopic {
    let partitions =
        partitions
            .into_iter()
            .map(|index| DescribeShareGroupOffsetsResponsePartition {
                partition_index: index,
                start_offset: NOWHERE,
                error_code: refusal.map_or(0, Refusal::number),
                error_message: refusal
                    .and_then(|refusal| refusal.message.as_deref())
                    .map(text),
                ..DescribeShareGroupOffsetsResponsePartition::default()
            });
    DescribeShareGroupOffsetsResponseTopic {
        topic_name: text(name),
        partitions: partitions.collect(),
        ..DescribeShareGroupOffsetsResponseTopic::default()
    }
}

/// The first record that the group is not done with, and how many such there are.
async fn progress(
    call: &Call,
    group: &str,
    topic: &Arc<Topic>,
    shard: u32,
) -> Result<(i64, i64), Refusal> {
    let shared = call.broker.shared(group, topic, shard).await?;
    let counts = shared.queue.counts().await?;
    let lag = counts.visible.saturating_add(counts.in_flight);
    let lag = i64::try_from(lag).unwrap_or(i64::MAX);
    Ok((wire_offset(shared.queue.base()), lag))
}

fn must_be_share(call: &Call, group: &str) -> Result<(), Refusal> {
    if call.broker.groups.is_share(group) {
        return Ok(());
    }
    Err(named::not_found(call, group, Kind::Share))
}

/// Refuses what can be done only to a share group that nobody is in.
///
/// # Errors
/// [`ErrorCode::NonEmptyGroup`], [`ErrorCode::GroupIdNotFound`].
pub(crate) fn must_be_empty(call: &Call, group: &str) -> Result<(), Refusal> {
    let known = call.broker.groups.describe(group);
    match known.filter(|(group, _)| group.kind == Kind::Share) {
        None => must_be_share(call, group),
        Some((_, members)) if members.is_empty() => Ok(()),
        Some(_) => Err(ErrorCode::NonEmptyGroup.into()),
    }
}

/// As [`must_be_empty`], for a group that is made if there is none of that name: it can be told where to begin before its first
/// member comes.
async fn may_begin(call: &Call, group: &str) -> Result<(), Refusal> {
    if call.broker.groups.describe(group).is_none()
        && let Ok(made) = call.broker.groups.make_shared(group).await
        && made.code != ErrorCode::None
    {
        return Err(made.code.into());
    }
    must_be_empty(call, group)
}

pub(crate) async fn alter(
    call: Call,
    request: AlterShareGroupOffsetsRequestData,
) -> Reply<AlterShareGroupOffsetsResponseData> {
    // Those who open partitions wait for it.
    Reply::apart(async move {
        let group = request.group_id.as_str();
        let allowed = if call.may(Operation::Read, Resource::Group(group)) {
            may_begin(&call, group).await
        } else {
            Err(ErrorCode::GroupAuthorizationFailed.into())
        };
        let mut response = AlterShareGroupOffsetsResponseData::default();
        if let Err(refusal) = allowed {
            response.error_code = refusal.number();
            response.error_message = refusal.message.as_deref().map(text);
            return response;
        }
        for asked in &request.topics {
            let name = asked.topic_name.as_str();
            let topic = find(&call, name).await;
            let mut altered = AlterShareGroupOffsetsResponseTopic {
                topic_name: asked.topic_name.clone(),
                topic_id: topic
                    .as_ref()
                    .map_or_else(|_| Default::default(), |topic| topic.id),
                ..AlterShareGroupOffsetsResponseTopic::default()
            };
            for part in &asked.partitions {
                let (index, start) = (part.partition_index, part.start_offset);
                let outcome = match &topic {
                    Ok(topic) => alter_one(&call, group, topic, index, start).await,
                    Err(refusal) => Err(refusal.clone()),
                };
                let refusal = outcome.err();
                altered
                    .partitions
                    .push(AlterShareGroupOffsetsResponsePartition {
                        partition_index: index,
                        error_code: refusal.as_ref().map_or(0, Refusal::number),
                        error_message: refusal
                            .and_then(|refusal| refusal.message)
                            .as_deref()
                            .map(text),
                        ..AlterShareGroupOffsetsResponsePartition::default()
                    });
            }
            response.responses.push(altered);
        }
        response
    })
}

async fn find(call: &Call, name: &str) -> Result<Arc<Topic>, Refusal> {
    if !call.may(Operation::Read, Resource::Topic(name)) {
        return Err(ErrorCode::TopicAuthorizationFailed.into());
    }
    call.broker.topic(name).await
}

async fn alter_one(
    call: &Call,
    group: &str,
    topic: &Topic,
    index: i32,
    start: i64,
) -> Result<(), Refusal> {
    let shard = topic.partition(index)?.index;
    let Bounds {
        start: first, end, ..
    } = call.broker.streams.bounds(&topic.stream, shard).await?;
    let start = u64::try_from(start).unwrap_or(0);
    let start = model::Offset(start).clamp(first, end);
    call.broker
        .restart_sharing(group, topic, shard, start)
        .await
}

pub(crate) async fn delete(
    call: Call,
    request: DeleteShareGroupOffsetsRequestData,
) -> Reply<DeleteShareGroupOffsetsResponseData> {
    // Those who open partitions wait for it.
    Reply::apart(async move {
        let group = request.group_id.as_str();
        let allowed = if call.may(Operation::Delete, Resource::Group(group)) {
            must_be_empty(&call, group)
        } else {
            Err(ErrorCode::GroupAuthorizationFailed.into())
        };
        let mut response = DeleteShareGroupOffsetsResponseData::default();
        if let Err(refusal) = allowed {
            response.error_code = refusal.number();
            response.error_message = refusal.message.as_deref().map(text);
            return response;
        }
        for asked in &request.topics {
            let topic = find(&call, asked.topic_name.as_str()).await;
            let topic_id = topic
                .as_ref()
                .map_or_else(|_| Default::default(), |topic| topic.id);
            let outcome = match topic {
                Ok(topic) => delete_one(&call, group, &topic).await,
                Err(refusal) => Err(refusal),
            };
            let refusal = outcome.err();
            response
                .responses
                .push(DeleteShareGroupOffsetsResponseTopic {
                    topic_name: asked.topic_name.clone(),
                    topic_id,
                    error_code: refusal.as_ref().map_or(0, Refusal::number),
                    error_message: refusal
                        .and_then(|refusal| refusal.message)
                        .as_deref()
                        .map(text),
                    ..DeleteShareGroupOffsetsResponseTopic::default()
                });
        }
        response
    })
}

async fn delete_one(call: &Call, group: &str, topic: &Topic) -> Result<(), Refusal> {
    let stream = topic.stream.settings.id;
    let forgotten = call
        .broker
        .forget_shared(group, |found| found.stream == stream)
        .await;
    match forgotten {
        Ok(0) => {
            let why = format!("The group has no offsets of topic {}.", topic.name());
            Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, why))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::alter_share_group_offsets_request::{
        AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
    };
    use crate::world::{World, answer, batch};

    async fn begin_at(
        world: &World,
        group: &str,
        start: i64,
    ) -> AlterShareGroupOffsetsResponseData {
        let request = AlterShareGroupOffsetsRequestData {
            group_id: text(group),
            topics: vec![AlterShareGroupOffsetsRequestTopic {
                topic_name: text("t"),
                partitions: vec![AlterShareGroupOffsetsRequestPartition {
                    start_offset: start,
                    ..AlterShareGroupOffsetsRequestPartition::default()
                }],
                ..AlterShareGroupOffsetsRequestTopic::default()
            }],
            ..AlterShareGroupOffsetsRequestData::default()
        };
        answer(alter(world.call(0), request).await).await
    }

    /// Error, message and start of a group's only partition.
    async fn described(world: &World, group: &str) -> (i16, Option<String>, Option<i64>) {
        let request = DescribeShareGroupOffsetsRequestData {
            groups: vec![DescribeShareGroupOffsetsRequestGroup {
                group_id: text(group),
                topics: None,
                ..DescribeShareGroupOffsetsRequestGroup::default()
            }],
            ..DescribeShareGroupOffsetsRequestData::default()
        };
        let told = answer(describe(world.call(1), request).await).await;
        let told = &told.groups[0];
        let start = told
            .topics
            .first()
            .map(|topic| topic.partitions[0].start_offset);
        let message = told
            .error_message
            .as_ref()
            .map(|why| why.as_str().to_owned());
        (told.error_code, message, start)
    }

    #[tokio::test]
    async fn a_group_is_told_where_to_begin_before_its_first_member_comes() {
        let world = World::new().await;
        world.topic("t", 1, &[]).await;
        world.produce("t", batch(&["a", "b"]).bytes().clone()).await;
        assert_eq!(described(&world, "g").await, (0, None, None));
        let altered = begin_at(&world, "g", 1).await;
        assert_eq!(altered.error_code, 0, "{altered:?}");
        assert_eq!(altered.responses[0].partitions[0].error_code, 0);
        assert_eq!(described(&world, "g").await, (0, None, Some(1)));
        let again = world.opened_again().await;
        assert_eq!(described(&again, "g").await, (0, None, Some(1)));
        let unnamed = begin_at(&world, "", 0).await;
        assert_eq!(unnamed.error_code, ErrorCode::InvalidGroupId.code());
        world.join("classic", "").await;
        let other = begin_at(&world, "classic", 0).await;
        let why = other.error_message.map(|why| why.as_str().to_owned());
        assert_eq!(why.as_deref(), Some("Group classic is not a share group."));
    }
}
