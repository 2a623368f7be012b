//! How many partitions may be made and deleted: tests of `controller_mutation_rate` (KIP-599).

use super::*;
use crate::create_topics::create_topics;
use crate::delete_topics::delete_topics;
use crate::metadata::metadata;
use crate::wire::{
    CreatableTopic, CreateTopicsRequestData, CreateTopicsResponseData, DeleteTopicsRequestData,
    MetadataRequestData, MetadataRequestTopic, text,
};
use crate::world::{World, answer};

async fn create(
    world: &World,
    version: i16,
    name: &str,
    partitions: i32,
) -> CreateTopicsResponseData {
    let request = CreateTopicsRequestData {
        topics: vec![CreatableTopic {
            name: text(name),
            num_partitions: partitions,
            replication_factor: 1,
            ..CreatableTopic::default()
        }],
        ..CreateTopicsRequestData::default()
    };
    answer(create_topics(world.call(version), request).await).await
}

async fn limited(rate: f64) -> World {
    let world = World::new().await;
    let all = Entity {
        user: Some(Who::Default),
        ..Entity::default()
    };
    let store = world.broker.streams.store();
    let changes = [(MUTATIONS.to_owned(), Some(rate))];
    let changed = world.broker.quotas.change(&**store, &all, &changes);
    changed.await.unwrap();
    world
}

#[tokio::test(start_paused = true)]
async fn who_makes_too_many_partitions_is_refused_until_it_has_waited() {
    let world = limited(2.0).await;
    let made = create(&world, 7, "a", 10).await;
    assert_eq!(made.topics[0].error_code, 0, "what is left is taken");
    // Eight are owed, and two come in each second.
    assert_eq!(made.throttle_time_ms, 4_000);
    let refused = create(&world, 7, "b", 1).await;
    let exceeded = ErrorCode::ThrottlingQuotaExceeded.code();
    assert_eq!(refused.topics[0].error_code, exceeded);
    let request = DeleteTopicsRequestData {
        topic_names: vec![text("a")],
        ..DeleteTopicsRequestData::default()
    };
    let kept = answer(delete_topics(world.call(5), request.clone()).await).await;
    assert_eq!(kept.responses[0].error_code, exceeded);
    assert!(world.broker.topic("a").await.is_ok());
    tokio::time::advance(Duration::from_millis(4_500)).await;
    assert_eq!(create(&world, 7, "b", 1).await.topics[0].error_code, 0);
    tokio::time::advance(Duration::from_secs(1)).await;
    let gone = answer(delete_topics(world.call(5), request).await).await;
    assert_eq!(gone.responses[0].error_code, 0);
}

#[tokio::test(start_paused = true)]
async fn older_clients_that_know_no_refusal_are_told_to_wait() {
    let world = limited(1.0).await;
    for (name, wait) in [("a", 2_000), ("b", 5_000)] {
        let made = create(&world, 5, name, 3).await;
        assert_eq!(made.topics[0].error_code, 0);
        assert_eq!(made.throttle_time_ms, wait);
    }
    assert!(world.session.mute.ends().is_some());
}

#[tokio::test(start_paused = true)]
async fn topics_made_by_asking_for_them_count_too() {
    let world = limited(1.0).await;
    let ask = async |name: &str| {
        let request = MetadataRequestData {
            topics: Some(vec![MetadataRequestTopic {
                name: Some(text(name)),
                ..MetadataRequestTopic::default()
            }]),
            allow_auto_topic_creation: true,
            ..MetadataRequestData::default()
        };
        let found = answer(metadata(world.call(12), request).await).await;
        found.topics[0].error_code
    };
    assert_eq!(create(&world, 7, "a", 2).await.topics[0].error_code, 0);
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(ask("b").await, unknown);
    assert_eq!(ask("a").await, 0, "which is there already");
    assert!(world.broker.topic("b").await.is_err());
    tokio::time::advance(Duration::from_millis(1_500)).await;
    assert_eq!(ask("b").await, 0);
    assert_eq!(ask("c").await, unknown, "counted");
}
