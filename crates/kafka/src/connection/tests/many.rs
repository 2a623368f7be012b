//! The same thing many times over in one request: it is answered in good time, and no longer than if it were said once.

use std::time::Duration;

use super::*;
use crate::create_partitions::create_partitions;
use crate::create_topics::create_topics;
use crate::join_group::join_group;
use crate::list_offsets::list_offsets;
use crate::metadata::metadata;
use crate::transaction::list_transactions::list_transactions;
use crate::wire::create_partitions_request::CreatePartitionsTopic;
use crate::wire::join_group_request::JoinGroupRequestProtocol;
use crate::wire::list_offsets_request::ListOffsetsTopic;
use crate::wire::{
    CreatableTopic, CreatePartitionsRequestData, CreateTopicsRequestData, ErrorCode,
    JoinGroupRequestData, ListOffsetsPartition, ListOffsetsRequestData,
    ListTransactionsRequestData, MetadataRequestTopic,
};
use crate::world::answer;

/// Longest that a request of some megabytes may keep a thread, in a build for tests.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn topics_that_are_to_grow_are_told_apart_in_good_time() {
    let world = World::new().await;
    let names = (0..200_000).map(|number| format!("a{number}"));
    let names = names.chain(["twice".into(), "twice".into()]);
    let topics = names.map(|name| CreatePartitionsTopic {
        name: text(&name),
        count: 2,
        ..CreatePartitionsTopic::default()
    });
    let request = CreatePartitionsRequestData {
        topics: topics.collect(),
        ..CreatePartitionsRequestData::default()
    };
    let began = Instant::now();
    let made = answer(create_partitions(world.call(3), request).await).await;
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    let mut codes: Vec<i16> = made.results.iter().map(|one| one.error_code).collect();
    let again = ErrorCode::InvalidRequest.code();
    assert_eq!((codes.pop(), codes.pop()), (Some(again), Some(again)));
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert!(codes.iter().all(|code| *code == unknown));
}

#[tokio::test]
async fn a_topic_is_described_once_however_often_it_is_named() {
    let world = World::new().await;
    world.topic("t", 100, &[]).await;
    let topic = MetadataRequestTopic {
        name: Some(text("t")),
        ..MetadataRequestTopic::default()
    };
    let request = MetadataRequestData {
        topics: Some(vec![topic; 10_000]),
        ..MetadataRequestData::default()
    };
    let described = answer(metadata(world.call(9), request).await).await;
    assert_eq!(described.topics.len(), 1);
}

#[tokio::test]
async fn a_partitions_offset_is_asked_for_once() {
    let world = World::new().await;
    world.topic("t", 2, &[]).await;
    let partitions = [0, 1, 0].map(|partition_index| ListOffsetsPartition {
        partition_index,
        current_leader_epoch: -1,
        timestamp: -1,
        ..ListOffsetsPartition::default()
    });
    let request = ListOffsetsRequestData {
        topics: vec![ListOffsetsTopic {
            name: text("t"),
            partitions: partitions.to_vec(),
            ..ListOffsetsTopic::default()
        }],
        ..ListOffsetsRequestData::default()
    };
    let found = answer(list_offsets(world.call(7), request).await).await;
    let codes = found.topics[0].partitions.iter().map(|one| one.error_code);
    let refused = ErrorCode::InvalidRequest.code();
    assert_eq!(codes.collect::<Vec<_>>(), [refused, 0, refused]);
}

#[tokio::test]
async fn a_member_knows_so_many_protocols_and_no_more() {
    let world = World::new().await;
    let join = |count: usize| JoinGroupRequestData {
        group_id: text("g"),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: text("consumer"),
        protocols: (0..count)
            .map(|number| JoinGroupRequestProtocol {
                name: text(&format!("p{number}")),
                ..JoinGroupRequestProtocol::default()
            })
            .collect(),
        ..JoinGroupRequestData::default()
    };
    let code = async |count| {
        let joined = join_group(world.call(4), join(count)).await;
        answer(joined).await.error_code
    };
    assert_eq!(code(101).await, ErrorCode::InvalidRequest.code());
    assert_eq!(code(100).await, ErrorCode::MemberIdRequired.code());
}

#[tokio::test]
async fn a_pattern_of_transactional_ids_has_a_limit() {
    let world = World::new().await;
    let code = async |pattern: &str| {
        let request = ListTransactionsRequestData {
            duration_filter: -1,
            transactional_id_pattern: Some(text(pattern)),
            ..ListTransactionsRequestData::default()
        };
        let listed = list_transactions(world.call(2), request).await;
        answer(listed).await.error_code
    };
    assert_eq!(code("a.*").await, 0);
    let refused = ErrorCode::InvalidRegularExpression.code();
    assert_eq!(code(&"a".repeat(5_000)).await, refused);
    assert_eq!(code("(?:.?){80000}").await, refused);
    assert_eq!(code("a)|(b").await, refused);
}

/// Java's client reads the configurations of a topic that would be made.
#[tokio::test]
async fn a_topic_to_be_is_described_as_one_that_is() {
    let world = World::new().await;
    let make = async |validate_only| {
        let request = CreateTopicsRequestData {
            validate_only,
            topics: vec![CreatableTopic {
                name: text("t"),
                num_partitions: 3,
                replication_factor: 1,
                ..CreatableTopic::default()
            }],
            ..CreateTopicsRequestData::default()
        };
        let mut made = answer(create_topics(world.call(7), request).await).await;
        made.topics.remove(0)
    };
    let (trial, made) = (make(true).await, make(false).await);
    assert!(trial.configs.as_ref().is_some_and(|all| all.len() > 10));
    assert_eq!(
        (trial.error_code, trial.num_partitions, &trial.configs),
        (made.error_code, made.num_partitions, &made.configs)
    );
}
