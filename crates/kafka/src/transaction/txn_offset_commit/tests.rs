//! Offsets noted while a group changes.

use super::*;
use crate::world::{World, answer, begin, is_pending};

fn code(answer: &TxnOffsetCommitResponseData) -> i16 {
    answer.topics[0].partitions[0].error_code
}

#[tokio::test]
async fn offsets_of_a_generation_that_has_passed_meanwhile_are_refused() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let producer = world.producer("a").await;
    let first = world.join("g", "").await;
    assert_eq!(answer(world.sync(&first).await).await.error_code, 0);
    // The group is being written: what comes now waits for that.
    let writing = world.broker.groups.alone("g").await;
    let noting = world.commit_with(&producer, ("g", Some(&first)), ("t", 0), 7);
    let late = begin(noting.await);
    let _other = world.ask_to_join("g", "").await;
    let again = world.join("g", first.joined.member_id.as_str()).await;
    assert!(again.joined.generation_id > first.joined.generation_id);
    drop(writing);
    assert_eq!(code(&late.await), ErrorCode::IllegalGeneration.code());
    assert!(world.broker.transactions.pending_groups().is_empty());
}

#[tokio::test]
async fn nobody_is_given_work_before_what_was_noted_is_there() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let producer = world.producer("a").await;
    let member = world.join("g", "").await;
    // The producer's transaction is at something else.
    let busy = world.broker.transactions.turn("a").await.unwrap();
    let noting = world.commit_with(&producer, ("g", Some(&member)), ("t", 0), 7);
    let noting = begin(noting.await);
    let mut synced = begin(world.sync(&member).await);
    // Whatever else is to be done is done.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(is_pending(&mut synced));
    drop(busy);
    assert_eq!(code(&noting.await), 0);
    assert_eq!(synced.await.error_code, 0);
}

/// Its offsets cross the heartbeat's answer.
#[tokio::test]
async fn who_has_not_heard_of_its_new_epoch_notes_what_it_had_before() {
    let world = World::new().await;
    for topic in ["t", "u"] {
        world.topic(topic, 1, &[]).await;
    }
    let producer = world.producer("p").await;
    let before = world.reads("g", "a", 0, &["t"]).await;
    let since = world.reads("g", "a", 1, &["t", "u"]).await;
    let note = async |member, topic| {
        let noted = world.commit_with(&producer, ("g", Some(member)), (topic, 0), 7);
        code(&answer(noted.await).await)
    };
    assert_eq!(note(&before, "t").await, 0);
    assert_eq!(
        note(&before, "u").await,
        ErrorCode::IllegalGeneration.code()
    );
    assert_eq!(note(&since, "u").await, 0);
}

#[tokio::test]
async fn offsets_that_are_refused_leave_no_group() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let producer = world.producer("a").await;
    let refused = world.commit_with(&producer, ("g", None), ("nowhere", 0), 7);
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(code(&answer(refused.await).await), unknown);
    assert!(!world.broker.groups.is_known("g"));
    let _newer = world.producer("a").await;
    let fenced = world.commit_with(&producer, ("g", None), ("t", 0), 7);
    let old = ErrorCode::InvalidProducerEpoch.code();
    assert_eq!(code(&answer(fenced.await).await), old);
    assert!(!world.broker.groups.is_known("g"));
}
