//! What is dropped, and when.

use std::time::Duration;

use super::*;
use crate::delete_topics::delete_topics;
use crate::offset_commit::offset_commit;
use crate::share_group_heartbeat::share_group_heartbeat;
use crate::wire::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::wire::{
    DeleteTopicsRequestData, OffsetCommitRequestData, ShareGroupHeartbeatRequestData, text,
};
use crate::world::{World, answer};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Lets time pass, and asserts what the group has committed after a look at what is old.
async fn check(world: &World, days: u32, group: &str, expected: i64) {
    world.clock.advance(DAY * days);
    sweep(&world.broker).await.unwrap();
    assert_eq!(world.committed(group).await, expected, "{group}");
}

#[tokio::test]
async fn offsets_that_nobody_commits_as_a_member_grow_old_from_their_commit() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    answer(world.commit("g", None, "t", 5).await).await;
    check(&world, 6, "g", 5).await;
    assert!(world.broker.groups.is_known("g"));
    check(&world, 1, "g", -1).await;
    assert!(!world.broker.groups.is_known("g"), "nothing is left of it");
}

#[tokio::test]
async fn an_offset_is_kept_for_as_long_as_an_old_client_says() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    for (group, days) in [("short", 2), ("long", 30)] {
        let request = OffsetCommitRequestData {
            group_id: text(group),
            generation_id_or_member_epoch: -1,
            retention_time_ms: days * DAY.as_millis() as i64,
            topics: vec![OffsetCommitRequestTopic {
                name: text("t"),
                partitions: vec![OffsetCommitRequestPartition {
                    committed_offset: 5,
                    ..OffsetCommitRequestPartition::default()
                }],
                ..OffsetCommitRequestTopic::default()
            }],
            ..OffsetCommitRequestData::default()
        };
        answer(offset_commit(world.call(4), request).await).await;
    }
    check(&world, 1, "short", 5).await;
    check(&world, 1, "short", -1).await;
    check(&world, 27, "long", 5).await;
    check(&world, 1, "long", -1).await;
}

#[tokio::test]
async fn a_share_group_stays_until_it_is_deleted() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let heartbeat = async |member_epoch| {
        let request = ShareGroupHeartbeatRequestData {
            group_id: text("g"),
            member_id: text("m"),
            member_epoch,
            subscribed_topic_names: Some(vec![text("t")]),
            ..ShareGroupHeartbeatRequestData::default()
        };
        answer(share_group_heartbeat(world.call(1), request).await).await
    };
    assert_eq!(heartbeat(0).await.error_code, 0);
    assert_eq!(heartbeat(-1).await.error_code, 0);
    world.clock.advance(DAY * 30);
    sweep(&world.broker).await.unwrap();
    assert!(world.broker.groups.is_known("g"));
}

#[tokio::test]
async fn offsets_of_a_group_grow_old_once_its_last_member_is_gone() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let member = world.join("g", "").await;
    assert_eq!(answer(world.sync(&member).await).await.error_code, 0);
    answer(world.commit("g", Some(&member), "t", 5).await).await;
    check(&world, 30, "g", 5).await;
    world.leave(&member).await;
    // Not even before it is written down that it is empty.
    check(&world, 0, "g", 5).await;
    while world.broker.groups.ageing("g") == Some(Ageing::Never) {
        tokio::task::yield_now().await;
    }
    check(&world, 6, "g", 5).await;
    check(&world, 1, "g", -1).await;
    assert!(!world.broker.groups.is_known("g"));
}

#[tokio::test]
async fn a_live_group_loses_the_offsets_of_what_it_reads_no_more() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    world.topic("former", 1, &[]).await;
    let member = world.join("g", "").await;
    assert_eq!(answer(world.sync(&member).await).await.error_code, 0);
    for topic in ["t", "former"] {
        answer(world.commit("g", Some(&member), topic, 5).await).await;
    }
    let topics = async || {
        let found = world.offsets("g", false).await;
        let topics = found.groups[0].topics.iter();
        topics
            .map(|topic| topic.name.to_string())
            .collect::<Vec<_>>()
    };
    world.clock.advance(DAY * 6);
    sweep(&world.broker).await.unwrap();
    assert_eq!(topics().await, ["former", "t"]);
    world.clock.advance(DAY);
    sweep(&world.broker).await.unwrap();
    assert_eq!(topics().await, ["t"]);
}

/// Its last member's leaving is about to be written down when it is deleted.
#[tokio::test]
async fn a_group_that_is_deleted_at_once_is_gone() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let member = world.join("g", "").await;
    assert_eq!(answer(world.sync(&member).await).await.error_code, 0);
    world.leave(&member).await;
    let forgetting = world.broker.groups.begin_to_forget("g").await.unwrap();
    forgetting.forget(Vec::new()).await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!world.broker.groups.is_known("g"));
    let left = world.broker.streams.store();
    let left = left
        .scan(Scan::below(&crate::group::stored::folder()))
        .await;
    assert!(left.unwrap().is_empty());
}

#[tokio::test]
async fn offsets_go_with_their_topic() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    answer(world.commit("g", None, "t", 5).await).await;
    let request = DeleteTopicsRequestData {
        topic_names: vec![text("t")],
        ..DeleteTopicsRequestData::default()
    };
    let deleted = answer(delete_topics(world.call(5), request).await).await;
    assert_eq!(deleted.responses[0].error_code, 0);
    world.topic("t", 1, &[]).await;
    sweep(&world.broker).await.unwrap();
    let left = world.broker.streams.store();
    let left = left.scan(Scan::below(&offsets::all())).await.unwrap();
    assert!(left.is_empty());
}
