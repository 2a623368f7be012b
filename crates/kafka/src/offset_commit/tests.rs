//! Commits while a group changes.

use super::*;
use crate::wire::text;
use crate::world::{World, answer, begin, is_pending};

fn code(answer: &OffsetCommitResponseData) -> i16 {
    answer.topics[0].partitions[0].error_code
}

#[tokio::test]
async fn a_commit_of_a_generation_that_has_passed_meanwhile_is_refused() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let first = world.join("g", "").await;
    assert_eq!(answer(world.sync(&first).await).await.error_code, 0);
    let done = answer(world.commit("g", Some(&first), "t", 3).await).await;
    assert_eq!(code(&done), 0);
    // The group is being written: the next commit, admitted, waits for that.
    let writing = world.broker.groups.alone("g").await;
    let late = begin(world.commit("g", Some(&first), "t", 7).await);
    let _other = world.ask_to_join("g", "").await;
    let again = world.join("g", first.joined.member_id.as_str()).await;
    assert!(again.joined.generation_id > first.joined.generation_id);
    drop(writing);
    assert_eq!(code(&late.await), ErrorCode::IllegalGeneration.code());
    assert_eq!(world.committed("g").await, 3);
}

#[tokio::test]
async fn nobody_is_given_work_before_what_was_committed_is_there() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let first = world.join("g", "").await;
    let committing = world.broker.groups.hold("g").await;
    let mut synced = begin(world.sync(&first).await);
    // Whatever else is to be done is done.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(is_pending(&mut synced));
    drop(committing);
    assert_eq!(synced.await.error_code, 0);
}

/// Whose requests are read together, and whose answers nobody has waited for yet.
#[tokio::test]
async fn a_commit_before_a_leave_is_done_before_it() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let member = world.join("g", "").await;
    assert_eq!(answer(world.sync(&member).await).await.error_code, 0);
    let committing = world.commit("g", Some(&member), "t", 3).await;
    world.leave(&member).await;
    assert_eq!(code(&answer(committing).await), 0);
    assert_eq!(world.committed("g").await, 3);
}

#[tokio::test]
async fn a_commit_goes_on_though_its_answer_is_not_read() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    answer(world.commit("g", None, "t", 3).await).await;
    let writing = world.broker.groups.alone("g").await;
    let _unread = begin(world.commit("g", None, "t", 7).await);
    drop(writing);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.committed("g").await, 7);
}

/// Its commit crosses the heartbeat's answer; Java's consumer ends with an exception where that is refused.
#[tokio::test]
async fn who_has_not_heard_of_its_new_epoch_commits_what_it_had_before() {
    let world = World::new().await;
    for topic in ["t", "u"] {
        world.topic(topic, 1, &[]).await;
    }
    let member = world.reads("g", "a", 0, &["t"]).await;
    assert_eq!(member.joined.generation_id, 1);
    let member = world.reads("g", "a", 1, &["t", "u"]).await;
    assert_eq!(member.joined.generation_id, 2);
    let commit = async |epoch, names: &[&str]| {
        let topics = names.iter().map(|name| OffsetCommitRequestTopic {
            name: text(name),
            partitions: vec![OffsetCommitRequestPartition::default()],
            ..OffsetCommitRequestTopic::default()
        });
        let request = OffsetCommitRequestData {
            group_id: text("g"),
            member_id: text("a"),
            generation_id_or_member_epoch: epoch,
            topics: topics.collect(),
            ..OffsetCommitRequestData::default()
        };
        let done = answer(offset_commit(world.call(9), request).await).await;
        let codes = done.topics.iter().map(|one| one.partitions[0].error_code);
        codes.collect::<Vec<_>>()
    };
    let stale = ErrorCode::StaleMemberEpoch.code();
    assert_eq!(commit(1, &["t"]).await, [0]);
    assert_eq!(commit(1, &["u"]).await, [stale]);
    assert_eq!(commit(1, &["t", "u"]).await, [stale, stale]);
    assert_eq!(commit(2, &["t", "u"]).await, [0, 0]);
    assert_eq!(commit(3, &["t"]).await, [stale]);
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(commit(1, &["t", "none"]).await, [0, unknown]);
}

#[tokio::test]
async fn a_commit_of_which_nothing_is_taken_leaves_no_group() {
    let world = World::new().await;
    let refused = answer(world.commit("g", None, "nowhere", 3).await).await;
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(code(&refused), unknown);
    assert!(!world.broker.groups.is_known("g"));
    world.topic("t", 1, &[]).await;
    answer(world.commit("g", None, "t", 3).await).await;
    let refused = answer(world.commit("g", None, "nowhere", 3).await).await;
    assert_eq!(code(&refused), unknown);
    assert!(world.broker.groups.is_known("g"));
}
