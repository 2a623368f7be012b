//! Groups that are told how often records are given out, and how many at once (KIP-1240).

use super::*;

async fn tell(world: &World, name: &str, value: &str) {
    let store = world.broker.streams.store();
    let configs = &world.broker.configs;
    let told = configs.change(&**store, (Holder::Group, "g"), false, |values| {
        values.insert(name.to_owned(), value.to_owned());
        Ok::<(), StoreError>(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn a_group_decides_how_often_a_record_is_given_out() {
    let world = group(&[("share.delivery.count.limit", "2")]).await;
    world.produce("t", batch(&["0"]).bytes().clone()).await;
    for count in 1..=2 {
        // A session begun anew ends the one before.
        assert_eq!(fetch(&world, "a", 0, 10).await.acquired, [(0, 0, count)]);
    }
    assert_eq!(fetch(&world, "a", 0, 10).await.acquired, []);
    // From now on, for partitions in use, too.
    tell(&world, "share.delivery.count.limit", "3").await;
    world.produce("t", batch(&["1"]).bytes().clone()).await;
    for count in 1..=3 {
        assert_eq!(fetch(&world, "a", 0, 10).await.acquired, [(1, 1, count)]);
    }
    assert_eq!(fetch(&world, "a", 0, 10).await.acquired, []);
}

#[tokio::test]
async fn a_group_decides_how_many_records_are_out_at_once() {
    let world = group(&[("share.partition.max.record.locks", "3")]).await;
    let records = batch(&["0", "1", "2", "3", "4"]);
    world.produce("t", records.bytes().clone()).await;
    assert_eq!(fetch(&world, "a", 0, 10).await.acquired, [(0, 2, 1)]);
    assert_eq!(fetch(&world, "b", 0, 10).await.acquired, []);
    tell(&world, "share.partition.max.record.locks", "4").await;
    assert_eq!(fetch(&world, "b", 1, 10).await.acquired, [(3, 3, 1)]);
}
