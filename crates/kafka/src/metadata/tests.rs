//! Topics that are made because somebody asks for them.

use std::collections::BTreeSet;

use super::*;
use crate::world::{World, answer};

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
                    let batch = crate::world::batch(&["x"]);
                    let written = world.produce(&name, batch.bytes().clone()).await;
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
