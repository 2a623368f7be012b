//! DescribeTopicPartitions 0 (KIP-966): topics by name, so many partitions at once, and where to go on.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::access::{Operation, Resource};
use crate::broker::{LEADER_EPOCH, NODE_ID};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::metadata::NO_OPERATIONS;
use crate::session::Call;
use crate::topics::{Topic, check_name, is_internal};
use crate::wire::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use crate::wire::{
    DescribeTopicPartitionsRequestData, DescribeTopicPartitionsResponseData, ErrorCode, text,
};

/// Most partitions of one answer: Kafka's `max.request.partition.size.limit`.
const PARTITIONS_MAX: i32 = 2_000;

pub(crate) async fn describe_topic_partitions(
    call: Call,
    request: DescribeTopicPartitionsRequestData,
) -> Reply<DescribeTopicPartitionsResponseData> {
    match describe(&call, &request).await {
        Ok(response) => response,
        Err(refusal) => {
            let topics = request.topics.iter();
            let topics = topics.map(|topic| refused(topic.name.as_str(), &refusal));
            DescribeTopicPartitionsResponseData {
                topics: topics.collect(),
                ..DescribeTopicPartitionsResponseData::default()
            }
        }
    }
    .into()
}

async fn describe(
    call: &Call,
    request: &DescribeTopicPartitionsRequestData,
) -> Result<DescribeTopicPartitionsResponseData, Refusal> {
    let is_all = request.topics.is_empty();
    let mut names: BTreeSet<String> = if is_all {
        let all = call.broker.topic_names().await?.into_iter();
        all.filter(|name| call.may(Operation::Describe, Resource::Topic(name)))
            .collect()
    } else {
        let named = request.topics.iter();
        named.map(|topic| topic.name.as_str().to_owned()).collect()
    };
    let mut first = 0;
    if let Some(cursor) = &request.cursor {
        let name = cursor.topic_name.as_str();
        let invalid = |why: String| Refusal::new(ErrorCode::InvalidRequest, why);
        if !is_all && !names.contains(name) {
            return Err(invalid(format!(
                "DescribeTopicPartitionsRequest topic list should contain the cursor topic: {name}"
            )));
        }
        first = u32::try_from(cursor.partition_index)
            .map_err(|_| invalid("the cursor's partition must not be negative".into()))?;
        names = names.split_off(name);
        if names.first().is_none_or(|begin| begin != name) {
            first = 0;
        }
    }
    let limit = request.response_partition_limit.clamp(1, PARTITIONS_MAX);
    let mut left = usize::try_from(limit).unwrap_or(1);
    let mut response = DescribeTopicPartitionsResponseData::default();
    for name in names {
        if left == 0 {
            response.next_cursor = Some(cursor(&name, 0));
            break;
        }
        match find(call, &name).await {
            Ok(topic) => {
                let (described, next) = described(call, &topic, first, left);
                left -= described.partitions.len();
                response.topics.push(described);
                if let Some(next) = next {
                    response.next_cursor = Some(cursor(&name, next));
                    break;
                }
            }
            Err(_) if is_all => {}
            Err(refusal) => response.topics.push(refused(&name, &refusal)),
        }
        first = 0;
    }
    Ok(response)
}

async fn find(call: &Call, name: &str) -> Result<Arc<Topic>, Refusal> {
    if !call.may(Operation::Describe, Resource::Topic(name)) {
        return Err(ErrorCode::TopicAuthorizationFailed.into());
    }
    check_name(name)?;
    call.broker.topic(name).await
}

fn cursor(name: &str, partition: u32) -> Box<Cursor> {
    Box::new(Cursor {
        topic_name: text(name),
        partition_index: i32::try_from(partition).unwrap_or(i32::MAX),
        ..Cursor::default()
    })
}

fn refused(name: &str, refusal: &Refusal) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: refusal.number(),
        name: Some(text(name)),
        is_internal: is_internal(name),
        topic_authorized_operations: NO_OPERATIONS,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

/// Up to `count` of a topic's partitions from number `first` on, and the next one's number.
fn described(
    call: &Call,
    topic: &Topic,
    first: u32,
    count: usize,
) -> (DescribeTopicPartitionsResponseTopic, Option<u32>) {
    let mut shards = topic.stream.topology.partitions_from(first);
    let partitions = shards
        .by_ref()
        .take(count)
        .map(|shard| DescribeTopicPartitionsResponsePartition {
            partition_index: i32::try_from(shard.index).unwrap_or(i32::MAX),
            leader_id: NODE_ID,
            leader_epoch: LEADER_EPOCH,
            replica_nodes: vec![NODE_ID],
            isr_nodes: vec![NODE_ID],
            eligible_leader_replicas: Some(Vec::new()),
            last_known_elr: Some(Vec::new()),
            ..DescribeTopicPartitionsResponsePartition::default()
        })
        .collect();
    let described = DescribeTopicPartitionsResponseTopic {
        name: Some(text(topic.name())),
        is_internal: is_internal(topic.name()),
        topic_id: topic.id,
        partitions,
        topic_authorized_operations: call.authorized_operations(Resource::Topic(topic.name())),
        ..DescribeTopicPartitionsResponseTopic::default()
    };
    (described, shards.next().map(|shard| shard.index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::describe_topic_partitions_request::{Cursor as Asked, TopicRequest};
    use crate::world::{World, answer};

    /// Page by page, as a client reads: partitions by topic.
    async fn pages(
        world: &World,
        topics: &[&str],
        limit: i32,
    ) -> Vec<Vec<(String, i16, Vec<i32>)>> {
        let mut pages = Vec::new();
        let mut cursor = None;
        loop {
            let topics = topics.iter().map(|name| TopicRequest {
                name: text(name),
                ..TopicRequest::default()
            });
            let request = DescribeTopicPartitionsRequestData {
                topics: topics.collect(),
                response_partition_limit: limit,
                cursor,
                ..DescribeTopicPartitionsRequestData::default()
            };
            let reply = describe_topic_partitions(world.call(0), request).await;
            let page = answer(reply).await;
            let topics = page.topics.iter().map(|topic| {
                let partitions = topic.partitions.iter();
                let partitions = partitions.map(|one| one.partition_index).collect();
                let name = topic.name.as_ref().unwrap().as_str().to_owned();
                (name, topic.error_code, partitions)
            });
            pages.push(topics.collect());
            assert!(pages.len() < 20, "{pages:?}");
            cursor = match page.next_cursor {
                None => return pages,
                Some(next) => Some(Box::new(Asked {
                    topic_name: next.topic_name.clone(),
                    partition_index: next.partition_index,
                    ..Asked::default()
                })),
            };
        }
    }

    #[tokio::test]
    async fn every_partition_is_on_one_page() {
        let world = World::new().await;
        world.topic("a", 2, &[]).await;
        world.topic("b", 3, &[]).await;
        let topic = |name: &str, partitions: &[i32]| (name.to_owned(), 0, partitions.to_vec());
        let all = vec![vec![topic("a", &[0, 1]), topic("b", &[0, 1, 2])]];
        assert_eq!(pages(&world, &[], 2_000).await, all);
        let two = vec![
            vec![topic("a", &[0, 1])],
            vec![topic("b", &[0, 1])],
            vec![topic("b", &[2])],
        ];
        assert_eq!(pages(&world, &[], 2).await, two);
        assert_eq!(pages(&world, &["b"], 0).await.len(), 3);
        let unknown = ErrorCode::UnknownTopicOrPartition.code();
        let found = pages(&world, &["a", "none"], 9).await;
        assert_eq!(
            found,
            [vec![
                topic("a", &[0, 1]),
                ("none".to_owned(), unknown, vec![])
            ]]
        );
    }
}
