//! Topics that are made because somebody asks for them, and which partitions they are told to have.

use std::collections::BTreeSet;
use std::time::Duration;

use model::HashKey;
use streams::StreamsError;

use super::*;
use crate::describe_topic_partitions::describe_topic_partitions;
use crate::fetch::fetch;
use crate::list_offsets::list_offsets;
use crate::wire::describe_topic_partitions_request::TopicRequest;
use crate::wire::fetch_request::FetchTopic;
use crate::wire::list_offsets_request::ListOffsetsTopic;
use crate::wire::{
    DescribeTopicPartitionsRequestData, FetchPartition, FetchRequestData, ListOffsetsPartition,
    ListOffsetsRequestData,
};
use crate::world::{World, answer, batch};

async fn ask(world: &World, name: &str) -> MetadataResponseTopic {
    let request = MetadataRequestData {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(text(name)),
            ..MetadataRequestTopic::default()
        }]),
        allow_auto_topic_creation: true,
        ..MetadataRequestData::default()
    };
    let mut answer = answer(metadata(world.call(12), request).await).await;
    answer.topics.remove(0)
}

/// Producers that start together all ask at once for the topic they are to write to.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_topic_that_many_ask_for_at_once_is_made_once() {
    let world = Arc::new(World::new().await);
    for round in 0..20 {
        let name = format!("t{round}");
        let asking: Vec<_> = (0..16)
            .map(|_| {
                let (world, name) = (Arc::clone(&world), name.clone());
                tokio::spawn(async move {
                    let topic = ask(&world, &name).await;
                    let records = batch(&["x"]).bytes().clone();
                    let written = world.produce(&name, records).await;
                    (topic, written)
                })
            })
            .collect();
        let mut ids = BTreeSet::new();
        let mut offsets = BTreeSet::new();
        for one in asking {
            let (topic, written) = one.await.unwrap();
            assert_eq!(topic.error_code, 0, "{topic:?}");
            assert_eq!(topic.partitions.len(), 1);
            assert_eq!(written.error_code, 0, "{written:?}");
            ids.insert(topic.topic_id.to_string());
            offsets.insert(written.base_offset);
        }
        assert_eq!(ids.len(), 1, "one topic of that name");
        assert_eq!(offsets, (0..16).collect(), "all records are in it");
    }
    let names = world.broker.topic_names().await.unwrap();
    assert_eq!(names.len(), 20);
}

/// Clients take the number of partitions that are listed for their count, and the one before it for the last: a shard that a
/// split closed stays a partition after its records have expired, closed and empty where it ended.
#[tokio::test]
async fn no_number_is_missing_after_a_closed_partition_has_expired() {
    let world = World::new().await;
    world.topic("t", 1, &[("retention.ms", "1000")]).await;
    let written = world.produce("t", batch(&["a", "b"]).bytes().clone()).await;
    assert_eq!(written.error_code, 0);
    let name = world.broker.stream_name("t");
    let split = |_: &streams::Stream, planner: streams::reshard::Planner<'_>| {
        Ok::<_, StreamsError>(planner.split(0, HashKey(1 << 127))?)
    };
    world.broker.streams.reshard(&name, split).await.unwrap();
    world.clock.advance(Duration::from_secs(3_600));
    world.broker.streams.expire().await.unwrap();
    world.broker.streams.expire().await.unwrap();
    let stream = world.broker.streams.find(&name).await.unwrap();
    assert!(stream.topology.get(0).is_none(), "expired for Kinesis");

    let told = ask(&world, "t").await;
    let numbers = told.partitions.iter().map(|it| it.partition_index);
    assert_eq!(numbers.collect::<Vec<_>>(), [0, 1, 2]);
    let request = DescribeTopicPartitionsRequestData {
        topics: vec![TopicRequest {
            name: text("t"),
            ..TopicRequest::default()
        }],
        response_partition_limit: 100,
        ..DescribeTopicPartitionsRequestData::default()
    };
    let told = answer(describe_topic_partitions(world.call(0), request).await).await;
    let numbers = told.topics[0].partitions.iter();
    let numbers = numbers.map(|it| it.partition_index);
    assert_eq!(numbers.collect::<Vec<_>>(), [0, 1, 2]);

    for timestamp in [-2, -1] {
        let request = ListOffsetsRequestData {
            topics: vec![ListOffsetsTopic {
                name: text("t"),
                partitions: vec![ListOffsetsPartition {
                    current_leader_epoch: -1,
                    timestamp,
                    ..ListOffsetsPartition::default()
                }],
                ..ListOffsetsTopic::default()
            }],
            ..ListOffsetsRequestData::default()
        };
        let told = answer(list_offsets(world.call(7), request).await).await;
        let told = &told.topics[0].partitions[0];
        assert_eq!((told.error_code, told.offset), (0, 2), "{timestamp}");
    }
    let request = FetchRequestData {
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: text("t"),
            partitions: vec![FetchPartition {
                fetch_offset: 2,
                partition_max_bytes: 1 << 20,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequestData::default()
    };
    let fetched = answer(fetch(world.call(12), request).await).await;
    let fetched = &fetched.topics[0].partitions[0];
    assert_eq!((fetched.error_code, fetched.batches.len()), (0, 0));
    let refused = world.produce("t", batch(&["c"]).bytes().clone()).await;
    assert_eq!(refused.error_code, ErrorCode::PolicyViolation.code());
}

#[tokio::test]
async fn the_brokers_own_topics_are_known_by_their_names() {
    let world = World::new().await;
    for name in ["__consumer_offsets", "__share_group_state"] {
        let topic = ask(&world, name).await;
        assert!(topic.is_internal, "{name}");
    }
    assert!(!ask(&world, "__orders").await.is_internal);
    let request = DescribeTopicPartitionsRequestData::default();
    let all = answer(describe_topic_partitions(world.call(0), request).await).await;
    let internal = all.topics.iter().map(|topic| topic.is_internal);
    assert_eq!(internal.collect::<Vec<_>>(), [true, false, true]);
}
