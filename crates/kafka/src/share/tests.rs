//! Where groups begin.

use std::time::Duration;

use model::{BatchBuilder, HashKey};
use streams::StreamsError;

use crate::world::{World, batch};

/// What a split makes of a partition that a group reads is read from its start, though the group begins at the end of others.
#[tokio::test]
async fn what_was_put_after_a_split_is_not_passed_over() {
    let world = World::new().await;
    world.topic("t", 1, &[("retention.ms", "1000")]).await;
    world.produce("t", batch(&["a", "b"]).bytes().clone()).await;
    let begin = async |group| {
        let topic = world.broker.topic("t").await.unwrap();
        let start = world.broker.share_start(group, &topic, 3).await.unwrap();
        start.0
    };
    let topic = world.broker.topic("t").await.unwrap();
    let start = world.broker.share_start("g", &topic, 0).await.unwrap();
    assert_eq!(start.0, 2, "the end is where it begins by default");
    world.broker.shared("g", &topic, 0).await.unwrap();
    let name = world.broker.stream_name("t");
    for shard in [0, 1] {
        let split = |stream: &streams::Stream, planner: streams::Planner<'_>| {
            let range = stream.topology.get(shard).unwrap().range;
            let middle = range.first.0 + (range.last.0 - range.first.0) / 2;
            Ok::<_, StreamsError>(planner.split(shard, HashKey(middle))?)
        };
        world.broker.streams.reshard(&name, split).await.unwrap();
    }
    let stream = world.broker.streams.find(&name).await.unwrap();
    let mut record = BatchBuilder::with_capacity(64);
    record.push(world.clock.now(), Some(b"k"), Some(b"c"), &[]);
    let put = world
        .broker
        .streams
        .append(&stream, vec![(3, record)])
        .await;
    assert!(put[0].is_ok(), "{put:?}");
    assert_eq!(begin("g").await, 0);
    assert_eq!(begin("other").await, 1);
    world.clock.advance(Duration::from_secs(3_600));
    world.broker.streams.expire().await.unwrap();
    world.broker.streams.expire().await.unwrap();
    let stream = world.broker.streams.find(&name).await.unwrap();
    assert!(stream.topology.get(0).is_none());
    assert_eq!(begin("g").await, 1, "what is there still of the partition");
}
