//! Offsets that a transaction is about to change (KIP-447).

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
