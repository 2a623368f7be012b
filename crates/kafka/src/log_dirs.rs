//! DescribeLogDirs 1–5 (KIP-113, KIP-827) and AlterReplicaLogDirs 1–2: the one place where all records lie, what each
//! partition takes there, and that nothing can be moved to another.

use std::collections::HashSet;

use crate::access::{Operation, Resource};
use crate::broker::Space;
use crate::connection::Reply;
use crate::error::Refusal;
use crate::session::Call;
use crate::topics::Topic;
use crate::wire::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use crate::wire::describe_log_dirs_request::DescribableLogDirTopic;
use crate::wire::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use crate::wire::{
    AlterReplicaLogDirsRequestData, AlterReplicaLogDirsResponseData, DescribeLogDirsRequestData,
    DescribeLogDirsResponseData, ErrorCode, text,
};

/// The place's size is not known.
const UNKNOWN_BYTES: i64 = -1;

pub(crate) async fn describe_log_dirs(
    call: Call,
    request: DescribeLogDirsRequestData,
) -> Reply<DescribeLogDirsResponseData> {
    if !call.may(Operation::Describe, Resource::Cluster) {
        let refused = ErrorCode::ClusterAuthorizationFailed;
        return DescribeLogDirsResponseData {
            error_code: if call.version >= 3 { refused.code() } else { 0 },
            ..DescribeLogDirsResponseData::default()
        }
        .into();
    }
    Reply::later(async move {
        let (topics, error_code) = match topics(&call, request.topics).await {
            Ok(topics) => (topics, 0),
            Err(refusal) => (Vec::new(), refusal.number()),
        };
        let space = call.broker.options.disk_space.now();
        let bytes = |of: fn(Space) -> u64| {
            space.map_or(UNKNOWN_BYTES, |space| {
                i64::try_from(of(space)).unwrap_or(i64::MAX)
            })
        };
        DescribeLogDirsResponseData {
            results: vec![DescribeLogDirsResult {
                error_code,
                log_dir: text(&call.broker.options.log_dir),
                topics,
                total_bytes: bytes(|space| space.total),
                usable_bytes: bytes(|space| space.usable),
                ..DescribeLogDirsResult::default()
            }],
            ..DescribeLogDirsResponseData::default()
        }
    })
}

async fn topics(
    call: &Call,
    asked: Option<Vec<DescribableLogDirTopic>>,
) -> Result<Vec<DescribeLogDirsTopic>, Refusal> {
    let asked: Vec<(String, Option<Vec<i32>>)> = match asked {
        None => {
            let names = call.broker.topic_names().await?;
            names.into_iter().map(|name| (name, None)).collect()
        }
        Some(asked) => {
            let asked = asked.into_iter();
            asked
                .map(|topic| (topic.topic.as_str().to_owned(), Some(topic.partitions)))
                .collect()
        }
    };
    let mut topics = Vec::with_capacity(asked.len());
    for (name, wanted) in asked {
        // What is not there takes no room.
        let Ok(topic) = call.broker.topic(&name).await else {
            continue;
        };
        let partitions = partitions(call, &topic, wanted.as_deref()).await?;
        topics.push(DescribeLogDirsTopic {
            name: text(&name),
            partitions,
            ..DescribeLogDirsTopic::default()
        });
    }
    Ok(topics)
}

async fn partitions(
    call: &Call,
    topic: &Topic,
    wanted: Option<&[i32]>,
) -> Result<Vec<DescribeLogDirsPartition>, Refusal> {
    let wanted: Option<HashSet<i32>> = wanted.map(|wanted| wanted.iter().copied().collect());
    let mut partitions = Vec::new();
    for shard in topic.stream.topology.partitions() {
        let index = i32::try_from(shard.index).unwrap_or(i32::MAX);
        if wanted
            .as_ref()
            .is_some_and(|wanted| !wanted.contains(&index))
        {
            continue;
        }
        let log = topic.stream.log(shard.index);
        let pieces = call.broker.streams.store().pieces(log).await?;
        let bytes: u64 = pieces.iter().map(|piece| piece.bytes).sum();
        partitions.push(DescribeLogDirsPartition {
            partition_index: index,
            partition_size: i64::try_from(bytes).unwrap_or(i64::MAX),
            ..DescribeLogDirsPartition::default()
        });
    }
    Ok(partitions)
}

pub(crate) async fn alter_replica_log_dirs(
    call: Call,
    request: AlterReplicaLogDirsRequestData,
) -> Reply<AlterReplicaLogDirsResponseData> {
    let may = call.may(Operation::Alter, Resource::Cluster);
    let mut results = Vec::new();
    for dir in &request.dirs {
        let is_here = dir.path.as_str() == call.broker.options.log_dir;
        for asked in &dir.topics {
            let topic = call.broker.topic(asked.name.as_str()).await;
            let outcome = |partition: i32| {
                let topic = topic.as_ref().map_err(|refusal| refusal.code)?;
                topic.partition(partition).map_err(|refusal| refusal.code)?;
                if is_here {
                    Ok(())
                } else {
                    Err(ErrorCode::LogDirNotFound)
                }
            };
            let partitions = asked.partitions.iter().map(|&partition_index| {
                let outcome = if may {
                    outcome(partition_index)
                } else {
                    Err(ErrorCode::ClusterAuthorizationFailed)
                };
                AlterReplicaLogDirPartitionResult {
                    partition_index,
                    error_code: outcome.err().map_or(0, |code| code.code()),
                    ..AlterReplicaLogDirPartitionResult::default()
                }
            });
            results.push(AlterReplicaLogDirTopicResult {
                topic_name: asked.name.clone(),
                partitions: partitions.collect(),
                ..AlterReplicaLogDirTopicResult::default()
            });
        }
    }
    AlterReplicaLogDirsResponseData {
        results,
        ..AlterReplicaLogDirsResponseData::default()
    }
    .into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::Clock;

    use super::*;
    use crate::broker::{DiskSpace, Options};
    use crate::world::{START, World, answer};

    #[tokio::test]
    async fn room_on_the_disk_is_told_where_it_is_known() {
        let told = async |disk_space| {
            let clock = Clock::manual(START);
            let store = Arc::new(store::Memory::new(clock.clone()));
            let options = Options {
                disk_space,
                ..Options::default()
            };
            let world = World::with(store, clock, options).await;
            let request = DescribeLogDirsRequestData::default();
            let described = answer(describe_log_dirs(world.call(4), request).await).await;
            let place = &described.results[0];
            (place.total_bytes, place.usable_bytes)
        };
        let space = Space {
            total: 100,
            usable: 40,
        };
        let known = DiskSpace::told_by(move || Some(space));
        assert_eq!(told(known).await, (100, 40));
        assert_eq!(told(DiskSpace::default()).await, (-1, -1));
    }
}
