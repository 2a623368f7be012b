//! A queue over the store in memory.

use model::{BatchBuilder, LogId, Offset, RecordRef, StreamId};
use store::{Append, LogChange, Memory, StoredBatch};

use super::*;
use crate::delivery::{Arrival, Order};

const START: Timestamp = Timestamp(1_000_000);
const VISIBILITY: Duration = Duration::from_secs(30);
const WAIT: Duration = Duration::from_secs(20);

struct Plain;

impl Source for Plain {
    fn open(&self, stored: StoredBatch) -> Result<StoredBatch, StoreError> {
        Ok(stored)
    }

    fn arrival(&self, record: &RecordRef<'_>) -> Arrival {
        Arrival {
            sent: record.timestamp,
            due: record.timestamp,
            group: None,
        }
    }
}

struct World {
    store: Arc<dyn Store>,
    clock: Clock,
    logs: Logs,
}

impl World {
    async fn new() -> World {
        let clock = Clock::manual(START);
        let store: Arc<dyn Store> = Arc::new(Memory::new(clock.clone()));
        let logs = Logs {
            messages: LogId::new(StreamId(1), 0),
            journal: LogId::new(StreamId(1), 1),
            is_owned: true,
        };
        let txn = Txn {
            logs: vec![
                LogChange::Create(logs.messages),
                LogChange::Create(logs.journal),
            ],
            ..Txn::default()
        };
        store.commit(txn).await.unwrap();
        World { store, clock, logs }
    }

    async fn open(&self) -> Queue {
        let policy = Policy {
            order: Order::Fair,
            in_flight_max: 120_000,
            max_receives: None,
            retention: None,
            keep: Duration::ZERO,
        };
        let (store, clock) = (Arc::clone(&self.store), self.clock.clone());
        Queue::open(store, clock, self.logs, Arc::new(Plain), policy)
            .await
            .unwrap()
    }

    async fn send(&self, count: usize) {
        for _ in 0..count.div_ceil(1_000) {
            let mut batch = BatchBuilder::with_capacity(1 << 14);
            for _ in 0..count.min(1_000) {
                batch.push(self.clock.now(), None, Some(b"hello"), &[]);
            }
            let append = Append::to(self.logs.messages, batch.finish());
            self.store
                .append(vec![append])
                .await
                .pop()
                .unwrap()
                .unwrap();
        }
    }
}

fn offsets(taken: &Taken) -> Vec<Offset> {
    taken
        .messages
        .iter()
        .map(|message| message.receipt.offset)
        .collect()
}

#[tokio::test]
async fn a_journal_is_cut_and_says_the_same() {
    let world = World::new().await;
    let queue = world.open().await;
    world.send(100_000).await;
    let mut kept = Vec::new();
    for round in 0..100 {
        let taken = offsets(&queue.take(1_000, VISIBILITY).await.unwrap());
        assert_eq!(taken.len(), 1_000);
        let (keep, done) = taken.split_at(1);
        kept.extend_from_slice(keep);
        queue.acknowledge(done).await.unwrap();
        assert_eq!(queue.counts().await.unwrap().in_flight, round + 1);
    }
    let mut journal = world.store.watch(world.logs.journal).unwrap();
    let mut end = journal.bounds().end;
    while world.store.bounds(world.logs.journal).await.unwrap().start == Offset::ZERO {
        // What waits is taken along by a further write, which has the pump look at the journal's length.
        let more = tokio::time::timeout(WAIT, journal.past(end)).await;
        end = more.expect("the journal is cut").unwrap().end;
    }
    drop(queue);
    let again = world.open().await;
    let counts = again.counts().await.unwrap();
    assert_eq!((counts.visible, counts.in_flight), (0, 100));
    world.clock.advance(VISIBILITY);
    let back = again.take(1_000, VISIBILITY).await.unwrap();
    assert_eq!(offsets(&back), kept);
    assert!(
        back.messages
            .iter()
            .all(|message| message.receipt.receives == 2)
    );
}

#[tokio::test]
async fn messages_done_with_are_purged_and_stay_so() {
    let world = World::new().await;
    let queue = world.open().await;
    world.send(2_000).await;
    assert_eq!(queue.take(10, VISIBILITY).await.unwrap().messages.len(), 10);
    queue.purge().await.unwrap();
    world.send(1).await;
    let left = offsets(&queue.take(10, VISIBILITY).await.unwrap());
    assert_eq!(left, [Offset(2_000)]);
    drop(queue);
    let counts = world.open().await.counts().await.unwrap();
    assert_eq!(counts.visible + counts.in_flight, 1);
}

#[tokio::test]
async fn a_receive_wakes_when_a_message_comes() {
    let world = World::new().await;
    let queue = Arc::new(world.open().await);
    let waiters: Vec<_> = (0..20)
        .map(|_| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { queue.receive(1, VISIBILITY, WAIT).await.unwrap() })
        })
        .collect();
    // Each gets one, however the wake-ups fall.
    for _ in 0..20 {
        world.send(1).await;
        tokio::task::yield_now().await;
    }
    let mut found = Vec::new();
    for waiter in waiters {
        found.extend(offsets(&waiter.await.unwrap()));
    }
    found.sort_unstable();
    assert_eq!(found, (0..20).map(Offset).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_receipt_of_a_message_to_come_is_worth_nothing() {
    let world = World::new().await;
    let queue = world.open().await;
    let forged = Receipt {
        offset: Offset(5),
        receives: 1,
    };
    assert_eq!(queue.standing(forged), Standing::Gone);
    queue.acknowledge(&[forged.offset]).await.unwrap();
    assert_eq!(
        queue.set_visibility(forged, VISIBILITY),
        Err(Standing::Gone)
    );
    world.send(10).await;
    assert_eq!(
        queue.take(100, VISIBILITY).await.unwrap().messages.len(),
        10
    );
}
