//! ListOffsets 1–11 (KIP-79, KIP-396, KIP-734, KIP-405, KIP-1005, KIP-1023): the offset of a partition's start, end, or of a time.

use std::collections::HashSet;

use model::{LogId, Offset, Timestamp};
use store::{Bounds, Store};
use streams::Position;

use crate::access::{Operation, Resource};
use crate::broker::LEADER_EPOCH;
use crate::connection::Reply;
use crate::error::Refusal;
use crate::partition::{Isolation, check_leader_epoch, wire_offset};
use crate::session::Call;
use crate::topics::Topic;
use crate::wire::{
    ErrorCode, ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequestData,
    ListOffsetsResponseData, ListOffsetsTopicResponse,
};

/// What stands in place of a time.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;
/// From this version on answers have a leader's epoch.
const WITH_LEADER_EPOCH: i16 = 4;
/// Nothing is found, or nothing to tell.
const NOTHING: i64 = -1;

pub(crate) async fn list_offsets(
    call: Call,
    request: ListOffsetsRequestData,
) -> Reply<ListOffsetsResponseData> {
    let isolation = Isolation::of(request.isolation_level);
    let doubles = doubles(&request);
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in &request.topics {
        let name = asked.name.as_str();
        let topic = if call.may(Operation::Describe, Resource::Topic(name)) {
            call.broker.topic(name).await
        } else {
            Err(ErrorCode::TopicAuthorizationFailed.into())
        };
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for partition in &asked.partitions {
            let found = match &topic {
                Ok(_) if doubles.contains(&(name, partition.partition_index)) => {
                    Err(ErrorCode::InvalidRequest.into())
                }
                Ok(topic) => find(&call, topic, partition, isolation).await,
                Err(refusal) => Err(refusal.clone()),
            };
            partitions.push(answer(partition.partition_index, found, call.version));
        }
        topics.push(ListOffsetsTopicResponse {
            name: asked.name.clone(),
            partitions,
            ..ListOffsetsTopicResponse::default()
        });
    }
    ListOffsetsResponseData {
        topics,
        ..ListOffsetsResponseData::default()
    }
    .into()
}

/// Partitions that are asked for more than once.
fn doubles(request: &ListOffsetsRequestData) -> HashSet<(&str, i32)> {
    let mut seen = HashSet::new();
    let all = request.topics.iter().flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(|one| (topic.name.as_str(), one.partition_index))
    });
    all.filter(|one| !seen.insert(*one)).collect()
}

fn answer(
    partition_index: i32,
    found: Result<Option<(i64, Offset)>, Refusal>,
    version: i16,
) -> ListOffsetsPartitionResponse {
    let mut answer = ListOffsetsPartitionResponse {
        partition_index,
        timestamp: NOTHING,
        offset: NOTHING,
        leader_epoch: -1,
        ..ListOffsetsPartitionResponse::default()
    };
    match found {
        Ok(Some((timestamp, offset))) => {
            answer.timestamp = timestamp;
            answer.offset = wire_offset(offset);
            if version >= WITH_LEADER_EPOCH {
                answer.leader_epoch = LEADER_EPOCH;
            }
        }
        Ok(None) => {}
        Err(refusal) => answer.error_code = refusal.number(),
    }
    answer
}

/// The version of the request from which on a time, or what stands in its place, can be asked for.
fn known_from(time: i64) -> i16 {
    match time {
        0.. | LATEST | EARLIEST => 1,
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        _ => i16::MAX,
    }
}

/// A timestamp, where it is a record's, and an offset.
async fn find(
    call: &Call,
    topic: &Topic,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<Option<(i64, Offset)>, Refusal> {
    if call.version < known_from(asked.timestamp) {
        return Err(ErrorCode::UnsupportedVersion.into());
    }
    check_leader_epoch(asked.current_leader_epoch)?;
    let shard = topic.partition(asked.partition_index)?.index;
    let log = topic.stream.log(shard);
    let streams = &call.broker.streams;
    let bounds = streams.store().bounds(log).await?;
    let end = match isolation {
        Isolation::Uncommitted => bounds.end,
        Isolation::Committed => last_stable(call, log, bounds),
    };
    let time = match asked.timestamp {
        LATEST => return Ok(Some((NOTHING, end))),
        EARLIEST | EARLIEST_LOCAL => return Ok(Some((NOTHING, bounds.start))),
        // Nothing is tiered, and nothing will be.
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => return Ok(None),
        MAX_TIMESTAMP => match greatest_time(&**streams.store(), log, bounds.end).await? {
            Some(time) => time,
            None => return Ok(None),
        },
        time => Timestamp(time),
    };
    let offset = streams
        .locate(&topic.stream, shard, Position::Time(time))
        .await?;
    if offset >= end {
        return Ok(None);
    }
    let read = streams.read(&topic.stream, shard, offset, 1).await?;
    let Some(batch) = read.first() else {
        return Ok(None);
    };
    let batch = streams::inflated(&batch.stored)
        .map_err(|error| Refusal::new(ErrorCode::CorruptMessage, error.to_string()))?;
    let timestamp = batch.records().find(|record| record.offset == offset);
    Ok(Some((
        timestamp.map_or(time.0, |record| record.timestamp.0),
        offset,
    )))
}

/// Up to where all transactions are decided: never before the start, whatever became of an open transaction's first records.
pub(crate) fn last_stable(call: &Call, log: LogId, bounds: Bounds) -> Offset {
    let transactions = &call.broker.transactions;
    transactions.last_stable(log, bounds.end).max(bounds.start)
}

/// The greatest timestamp in a log that ends at `end`, by halving what it can be: the store tells for each time whether there
/// is a later batch.
async fn greatest_time(
    store: &dyn Store,
    log: LogId,
    end: Offset,
) -> Result<Option<Timestamp>, Refusal> {
    let is_there = async |time: i64| -> Result<bool, Refusal> {
        Ok(store.offset_for_time(log, Timestamp(time)).await? < end)
    };
    let (mut known, mut beyond) = (0, i64::MAX);
    if !is_there(known).await? {
        return Ok(None);
    }
    while beyond - known > 1 {
        let middle = known + (beyond - known) / 2;
        if is_there(middle).await? {
            known = middle;
        } else {
            beyond = middle;
        }
    }
    Ok(Some(Timestamp(known)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ListOffsetsTopic, text};
    use crate::world::{World, answer, batch};

    #[tokio::test]
    async fn what_stands_in_place_of_a_time_is_known_from_its_version_on() {
        let world = World::new().await;
        world.topic("t", 1, &[]).await;
        world.produce("t", batch(&["0", "1"]).bytes().clone()).await;
        let find = async |version, timestamp| {
            let request = ListOffsetsRequestData {
                topics: vec![ListOffsetsTopic {
                    name: text("t"),
                    partitions: vec![ListOffsetsPartition {
                        timestamp,
                        ..ListOffsetsPartition::default()
                    }],
                    ..ListOffsetsTopic::default()
                }],
                ..ListOffsetsRequestData::default()
            };
            let answer = answer(list_offsets(world.call(version), request).await).await;
            let found = &answer.topics[0].partitions[0];
            (found.error_code, found.offset)
        };
        // As Apache Kafka 4.3.1 answers.
        let unsupported = (ErrorCode::UnsupportedVersion.code(), -1);
        for (timestamp, from, offset) in [
            (LATEST, 1, 2),
            (EARLIEST, 1, 0),
            (0, 1, 0),
            (EARLIEST_LOCAL, 8, 0),
            (LATEST_TIERED, 9, -1),
            (EARLIEST_PENDING_UPLOAD, 11, -1),
        ] {
            assert_eq!(find(from, timestamp).await, (0, offset), "{timestamp}");
            if from > 1 {
                let earlier = find(from - 1, timestamp).await;
                assert_eq!(earlier, unsupported, "{timestamp}");
            }
        }
        assert_eq!(find(6, MAX_TIMESTAMP).await, unsupported);
        assert_eq!(find(7, MAX_TIMESTAMP).await.0, 0);
        assert_eq!(find(11, -7).await, unsupported);
    }
}
