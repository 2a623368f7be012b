//! Offsets that a transaction is about to change (KIP-447), and those of partitions that a reshard has made.

use std::time::Duration;

use model::HashKey;
use streams::StreamsError;

use super::*;
use crate::transaction::end_txn::end_txn;
use crate::transaction::init_producer_id::init_producer_id;
use crate::transaction::txn_offset_commit::txn_offset_commit;
use crate::wire::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use crate::wire::{
    EndTxnRequestData, InitProducerIdRequestData, InitProducerIdResponseData,
    TxnOffsetCommitRequestData,
};
use crate::world::{World, answer};

async fn init(world: &World) -> InitProducerIdResponseData {
    let request = InitProducerIdRequestData {
        transactional_id: Some(text("id")),
        transaction_timeout_ms: 60_000,
        producer_id: -1,
        producer_epoch: -1,
        ..InitProducerIdRequestData::default()
    };
    let given = answer(init_producer_id(world.call(4), request).await).await;
    assert_eq!(given.error_code, 0, "{given:?}");
    given
}

async fn commit_in_transaction(world: &World, by: &InitProducerIdResponseData, offset: i64) {
    let request = TxnOffsetCommitRequestData {
        transactional_id: text("id"),
        group_id: text("g"),
        producer_id: by.producer_id,
        producer_epoch: by.producer_epoch,
        generation_id: -1,
        topics: vec![TxnOffsetCommitRequestTopic {
            name: text("t"),
            partitions: vec![TxnOffsetCommitRequestPartition {
                committed_offset: offset,
                ..TxnOffsetCommitRequestPartition::default()
            }],
            ..TxnOffsetCommitRequestTopic::default()
        }],
        ..TxnOffsetCommitRequestData::default()
    };
    let noted = answer(txn_offset_commit(world.call(5), request).await).await;
    assert_eq!(noted.topics[0].partitions[0].error_code, 0, "{noted:?}");
}

async fn end(world: &World, by: &InitProducerIdResponseData, commits: bool) {
    let request = EndTxnRequestData {
        transactional_id: text("id"),
        producer_id: by.producer_id,
        producer_epoch: by.producer_epoch,
        committed: commits,
        ..EndTxnRequestData::default()
    };
    let ended = answer(end_txn(world.call(4), request).await).await;
    assert_eq!(ended.error_code, 0, "{ended:?}");
}

/// Asserts what is answered to who wants to be certain: an offset, or that it is not decided. By all topics and by name.
async fn check(world: &World, expected: Result<i64, ErrorCode>) {
    let named = OffsetFetchRequestData {
        groups: vec![OffsetFetchRequestGroup {
            group_id: text("g"),
            topics: Some(vec![OffsetFetchRequestTopics {
                name: text("t"),
                partition_indexes: vec![0],
                ..OffsetFetchRequestTopics::default()
            }]),
            ..OffsetFetchRequestGroup::default()
        }],
        require_stable: true,
        ..OffsetFetchRequestData::default()
    };
    let named = answer(offset_fetch(world.call(8), named).await).await;
    for found in [named, world.offsets("g", true).await] {
        let partition = &found.groups[0].topics[0].partitions[0];
        let seen = match partition.error_code {
            0 => Ok(partition.committed_offset),
            code => Err(ErrorCode::from(code)),
        };
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn an_offset_that_a_transaction_is_about_to_change_is_not_told_as_certain() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    answer(world.commit("g", None, "t", 3).await).await;
    check(&world, Ok(3)).await;
    for (commits, offset, after) in [(true, 7, 7), (false, 9, 7)] {
        let before = world.committed("g").await;
        let by = init(&world).await;
        commit_in_transaction(&world, &by, offset).await;
        check(&world, Err(ErrorCode::UnstableOffsetCommit)).await;
        assert_eq!(world.committed("g").await, before, "who does not mind");
        end(&world, &by, commits).await;
        check(&world, Ok(after)).await;
    }
}

/// Splits a shard of topic `t` in the middle of its range.
async fn split(world: &World, shard: u32) {
    let name = world.broker.stream_name("t");
    let plan = |stream: &streams::Stream, planner: streams::Planner<'_>| {
        let range = stream.topology.get(shard).unwrap().range;
        let middle = range.first.0 + (range.last.0 - range.first.0) / 2;
        Ok::<_, StreamsError>(planner.split(shard, HashKey(middle))?)
    };
    world.broker.streams.reshard(&name, plan).await.unwrap();
}

/// What a version of the request answers for the first partitions of topic `t`: by name, from version 10 on by id.
async fn told(world: &World, version: i16, group: &str, is_stable: bool) -> Vec<(i64, i16)> {
    let partitions: Vec<i32> = vec![0, 1, 2, 3, 4, 5];
    let id = match version {
        10.. => world.broker.topic("t").await.unwrap().id,
        _ => KafkaUuid::ZERO,
    };
    let asked = OffsetFetchRequestTopics {
        name: text("t"),
        topic_id: id,
        partition_indexes: partitions.clone(),
        ..OffsetFetchRequestTopics::default()
    };
    let mut request = OffsetFetchRequestData {
        require_stable: is_stable,
        ..OffsetFetchRequestData::default()
    };
    if version < BATCHES_FROM {
        request.group_id = text(group);
        request.topics = Some(vec![
            crate::wire::offset_fetch_request::OffsetFetchRequestTopic {
                name: text("t"),
                partition_indexes: partitions,
                ..Default::default()
            },
        ]);
    } else {
        request.groups = vec![OffsetFetchRequestGroup {
            group_id: text(group),
            topics: Some(vec![asked]),
            ..OffsetFetchRequestGroup::default()
        }];
    }
    let found = answer(offset_fetch(world.call(version), request).await).await;
    if version < BATCHES_FROM {
        let partitions = found.topics[0].partitions.iter();
        let told = partitions.map(|one| (one.committed_offset, one.error_code));
        return told.collect();
    }
    let partitions = found.groups[0].topics[0].partitions.iter();
    let told = partitions.map(|one| (one.committed_offset, one.error_code));
    told.collect()
}

#[tokio::test]
async fn who_has_read_a_shard_begins_at_the_start_of_what_it_was_split_into() {
    let world = World::new().await;
    world.topic("t", 1, &[("retention.ms", "1000")]).await;
    answer(world.commit("g", None, "t", 3).await).await;
    split(&world, 0).await;
    split(&world, 1).await;
    // Shards 3 and 4 are of 1, which the group never read, and 5 is not there.
    for version in 1..=10 {
        let expected = [3, 0, 0, 0, 0, -1].map(|offset| (offset, 0));
        assert_eq!(
            told(&world, version, "g", false).await,
            expected,
            "{version}"
        );
        let others = told(&world, version, "h", false).await;
        assert_eq!(others, [(-1, 0); 6], "who never read: {version}");
    }
    let all = world.offsets("g", false).await;
    let partitions = &all.groups[0].topics[0].partitions;
    assert_eq!(partitions.len(), 1, "what was committed alone: {all:?}");
    // A group that was away for as long as records are kept has still read the shard that is gone.
    for _ in 0..2 {
        world.clock.advance(Duration::from_secs(3_600));
        world.broker.streams.expire().await.unwrap();
    }
    let name = world.broker.stream_name("t");
    let stream = world.broker.streams.find(&name).await.unwrap();
    assert!(stream.topology.get(0).is_none());
    let expected = [3, 0, 0, 0, 0, -1].map(|offset| (offset, 0));
    assert_eq!(told(&world, 8, "g", false).await, expected);
}

#[tokio::test]
async fn partitions_that_were_added_are_of_no_other() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    answer(world.commit("g", None, "t", 3).await).await;
    let name = world.broker.stream_name("t");
    let plan =
        |_: &streams::Stream, planner: streams::Planner<'_>| Ok::<_, StreamsError>(planner.grow(2));
    world.broker.streams.reshard(&name, plan).await.unwrap();
    let expected = [3, -1, -1, -1, -1, -1].map(|offset| (offset, 0));
    assert_eq!(told(&world, 8, "g", false).await, expected);
}

#[tokio::test]
async fn a_parent_that_a_transaction_is_about_to_commit_leaves_its_children_undecided() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    for (commits, after) in [(false, -1), (true, 0)] {
        let by = init(&world).await;
        commit_in_transaction(&world, &by, 7).await;
        if !commits {
            split(&world, 0).await;
        }
        let unstable = (-1, ErrorCode::UnstableOffsetCommit.code());
        let told_now = told(&world, 8, "g", true).await;
        assert_eq!(told_now[..4], [unstable, unstable, unstable, (-1, 0)]);
        assert_eq!(told(&world, 8, "g", false).await[1], (-1, 0));
        end(&world, &by, commits).await;
        assert_eq!(told(&world, 8, "g", true).await[1], (after, 0));
    }
}
