//! Who is forgotten, and when; and ids that nobody has used for a week.

use model::batch::Producer;
use model::{BatchBuilder, Timestamp};

use super::*;
use crate::transaction::machine::{IDLE_MAX, Init};
use crate::world::World;

/// Writes a record as an idempotent producer.
async fn write(world: &World, producer: i64, sequence: i32) {
    let by = Producer {
        id: producer,
        epoch: 0,
        sequence,
    };
    let mut batch = BatchBuilder::with_capacity(8).by(by);
    batch.push(Timestamp(1), None, Some(b"x"), &[]);
    let written = world.produce("t", batch.finish().bytes().clone()).await;
    assert_eq!(written.error_code, 0, "{written:?}");
}

async fn known(world: &World) -> Vec<i64> {
    let topic = world.broker.topic("t").await.unwrap();
    let store = world.broker.streams.store();
    let seen = store.producers(topic.stream.log(0)).await.unwrap();
    let mut ids: Vec<i64> = seen.iter().map(|one| one.id).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn who_was_silent_for_two_looks_is_forgotten() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let mut silence = Silence::default();
    write(&world, 1, 0).await;
    write(&world, 2, 0).await;
    silence.look(&world.broker).await.unwrap();
    write(&world, 2, 1).await;
    silence.look(&world.broker).await.unwrap();
    assert_eq!(known(&world).await, [1, 2], "half a day is not a day");
    silence.look(&world.broker).await.unwrap();
    assert_eq!(known(&world).await, [2]);
    silence.look(&world.broker).await.unwrap();
    assert!(known(&world).await.is_empty());
    // It begins anew, as a producer does that is told it is unknown.
    write(&world, 1, 0).await;
    assert_eq!(known(&world).await, [1]);
}

#[tokio::test]
async fn an_id_that_nobody_uses_for_a_week_is_forgotten() {
    let world = World::new().await;
    let transactions = &world.broker.transactions;
    let init = Init {
        timeout_ms: 60_000,
        expected: None,
    };
    let given = transactions.init("t", init).await.unwrap();
    world.clock.advance(IDLE_MAX - Duration::from_millis(1));
    transactions.expire(world.broker.clock.now()).await;
    assert_eq!(transactions.all().len(), 1);
    world.clock.advance(Duration::from_millis(1));
    transactions.expire(world.broker.clock.now()).await;
    assert!(transactions.all().is_empty());
    let anew = transactions.init("t", init).await.unwrap();
    assert_ne!(anew.producer_id, given.producer_id);
}
