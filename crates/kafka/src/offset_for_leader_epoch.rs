//! OffsetForLeaderEpoch 2–4 (KIP-101, KIP-320): where the records of a leader's epoch end. There is one epoch.

use crate::access::{Operation, Resource};
use crate::broker::LEADER_EPOCH;
use crate::connection::Reply;
use crate::error::Refusal;
use crate::partition::{check_leader_epoch, wire_offset};
use crate::session::Call;
use crate::topics::Topic;
use crate::wire::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use crate::wire::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use crate::wire::{ErrorCode, OffsetForLeaderEpochRequestData, OffsetForLeaderEpochResponseData};

/// There was no such epoch.
const UNDEFINED: i32 = -1;

pub(crate) async fn offset_for_leader_epoch(
    call: Call,
    request: OffsetForLeaderEpochRequestData,
) -> Reply<OffsetForLeaderEpochResponseData> {
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in &request.topics {
        let name = asked.topic.as_str();
        let topic = if call.may(Operation::Describe, Resource::Topic(name)) {
            call.broker.topic(name).await
        } else {
            Err(ErrorCode::TopicAuthorizationFailed.into())
        };
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for partition in &asked.partitions {
            let end = match &topic {
                Ok(topic) => end(&call, topic, partition).await,
                Err(refusal) => Err(refusal.clone()),
            };
            let (error_code, (leader_epoch, end_offset)) = match end {
                Ok(end) => (0, end),
                Err(refusal) => (refusal.number(), (UNDEFINED, i64::from(UNDEFINED))),
            };
            partitions.push(EpochEndOffset {
                error_code,
                partition: partition.partition,
                leader_epoch,
                end_offset,
                ..EpochEndOffset::default()
            });
        }
        topics.push(OffsetForLeaderTopicResult {
            topic: asked.topic.clone(),
            partitions,
            ..OffsetForLeaderTopicResult::default()
        });
    }
    OffsetForLeaderEpochResponseData {
        topics,
        ..OffsetForLeaderEpochResponseData::default()
    }
    .into()
}

/// The newest epoch up to the one asked for, and where it ends.
async fn end(
    call: &Call,
    topic: &Topic,
    asked: &OffsetForLeaderPartition,
) -> Result<(i32, i64), Refusal> {
    let shard = topic.partition(asked.partition)?.index;
    check_leader_epoch(asked.current_leader_epoch)?;
    if asked.leader_epoch != LEADER_EPOCH {
        return Ok((UNDEFINED, i64::from(UNDEFINED)));
    }
    let bounds = call.broker.streams.bounds(&topic.stream, shard).await?;
    Ok((LEADER_EPOCH, wire_offset(bounds.end)))
}
