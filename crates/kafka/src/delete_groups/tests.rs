//! Groups deleted while others commit offsets of them.

use model::StreamId;
use store::Txn;

use super::*;
use crate::offset_delete::offset_delete;
use crate::offsets::CommittedOffset;
use crate::wire::{
    OffsetDeleteRequestData, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic, text,
};
use crate::world::{World, answer, begin};

async fn ask(world: &World, group: &str) -> Reply<DeleteGroupsResponseData> {
    let request = DeleteGroupsRequestData {
        groups_names: vec![text(group)],
        ..DeleteGroupsRequestData::default()
    };
    delete_groups(world.call(2), request).await
}

async fn delete_it(world: &World, group: &str) -> i16 {
    let deleted = answer(ask(world, group).await).await;
    deleted.results[0].error_code
}

#[tokio::test]
async fn what_transactions_were_to_commit_goes_with_the_group() {
    let world = World::new().await;
    world.topic("t", 2, &[]).await;
    let mut producers = [world.producer("a").await, world.producer("b").await];
    for (partition, producer) in (0..).zip(&producers) {
        world.note_with(producer, "g", partition, 5).await;
        world.note_with(producer, "other", partition, 6).await;
    }
    answer(world.commit("g", None, "t", 4).await).await;
    assert_eq!(delete_it(&world, "g").await, 0);
    assert!(!world.broker.transactions.pending_groups().contains("g"));
    for producer in &mut producers {
        world.end(producer).await;
    }
    for world in [&world, &world.opened_again().await] {
        assert_eq!(world.committed("g").await, -1);
        assert!(!world.broker.groups.is_known("g"), "no more than before");
        assert_eq!(world.committed("other").await, 6);
    }
    // The producers go on, and may commit of it again.
    world.note_with(&producers[0], "g", 0, 7).await;
    world.end(&mut producers[0]).await;
    assert_eq!(world.committed("g").await, 7);
}

#[tokio::test]
async fn a_group_that_only_a_transaction_knows_of_is_one_after_a_restart() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let mut producer = world.producer("a").await;
    world.note_with(&producer, "g", 0, 5).await;
    let world = world.opened_again().await;
    assert_eq!(delete_it(&world, "g").await, 0);
    world.end(&mut producer).await;
    assert_eq!(world.committed("g").await, -1);
}

#[tokio::test]
async fn offsets_that_are_deleted_one_by_one_are_not_committed_after_all() {
    let world = World::new().await;
    world.topic("t", 2, &[]).await;
    let mut producer = world.producer("a").await;
    for partition in [0, 1] {
        world.note_with(&producer, "g", partition, 5).await;
    }
    let request = OffsetDeleteRequestData {
        group_id: text("g"),
        topics: vec![OffsetDeleteRequestTopic {
            name: text("t"),
            partitions: vec![OffsetDeleteRequestPartition::default()],
            ..OffsetDeleteRequestTopic::default()
        }],
        ..OffsetDeleteRequestData::default()
    };
    let deleted = answer(offset_delete(world.call(0), request).await).await;
    assert_eq!(deleted.topics[0].partitions[0].error_code, 0);
    world.end(&mut producer).await;
    let found = world.offsets("g", true).await;
    let partitions = found.groups[0].topics[0].partitions.iter();
    let indexes: Vec<i32> = partitions.map(|one| one.partition_index).collect();
    assert_eq!(indexes, [1]);
}

#[tokio::test]
async fn what_is_being_committed_goes_with_the_group_and_what_comes_after_makes_it_anew() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    answer(world.commit("g", None, "t", 4).await).await;
    let committing = world.broker.groups.hold("g").await;
    let deleting = begin(ask(&world, "g").await);
    let late = begin(world.commit("g", None, "t", 9).await);
    let other = CommittedOffset {
        topic: "t".into(),
        offset: 8,
        leader_epoch: -1,
        metadata: String::new(),
        at: world.clock.now(),
        expires: None,
    };
    let store = world.broker.streams.store();
    let txn = Txn {
        writes: vec![offsets::put("g", StreamId(77), 0, &other)],
        ..Txn::default()
    };
    store.commit(txn).await.unwrap();
    drop(committing);
    assert_eq!(deleting.await.results[0].error_code, 0);
    let committed = late.await;
    assert_eq!(committed.topics[0].partitions[0].error_code, 0);
    assert!(world.broker.groups.is_known("g"));
    let left = store.scan(Scan::below(&offsets::folder("g"))).await;
    assert_eq!(left.unwrap().len(), 1, "the one that came after");
    assert_eq!(world.committed("g").await, 9);
}

#[tokio::test]
async fn nobody_holds_a_group_that_is_gone() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    answer(world.commit("g", None, "t", 4).await).await;
    let groups = world.broker.groups.clone();
    let forgetting = groups.begin_to_forget("g").await.unwrap();
    let holding = begin(Reply::later(
        async move { groups.hold("g").await.is_some() },
    ));
    forgetting.forget(Vec::new()).await.unwrap();
    assert!(!holding.await);
}
