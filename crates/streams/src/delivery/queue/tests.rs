//! A queue over the store in memory.

use model::{BatchBuilder, LogId, Offset, RecordRef, StreamId};
use store::{Append, LogChange, Memory, StoredBatch};

use super::*;
use crate::delivery::{Arrival, Group, Order};

const START: Timestamp = Timestamp(1_000_000);
const VISIBILITY: Duration = Duration::from_secs(30);
/// As long as a task of the queue's really sleeps.
const BRIEF: Duration = Duration::from_millis(50);
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
    queue.start_at(queue.end()).await.unwrap();
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

#[tokio::test]
async fn who_waits_for_messages_to_give_up_is_woken_and_gets_no_others() {
    let world = World::new().await;
    let queue = Arc::new(world.open().await);
    let policy = Policy {
        max_receives: Some(1),
        ..queue.policy()
    };
    queue.set_policy(policy);
    world.send(3).await;
    let taken = queue.take(1, VISIBILITY).await.unwrap();
    let waiter = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move {
            queue.ready_dead().await;
            queue.take_dead(10).await.unwrap()
        })
    };
    tokio::task::yield_now().await;
    // Others that are to be had are no reason to wake up.
    world.send(1).await;
    tokio::task::yield_now().await;
    assert!(!waiter.is_finished());
    let receipt = taken.messages[0].receipt;
    queue.set_visibility(receipt, Duration::ZERO).unwrap();
    let dead = waiter.await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].receipt, receipt);
    // Held back for its mover.
    assert!(queue.take_dead(10).await.unwrap().is_empty());
    assert_eq!(queue.in_flight(), 1);
}

#[tokio::test]
async fn messages_whose_time_is_over_wake_who_waits_to_give_them_up() {
    let world = World::new().await;
    let queue = Arc::new(world.open().await);
    queue.set_policy(Policy {
        max_receives: Some(1),
        ..queue.policy()
    });
    world.send(1).await;
    assert_eq!(queue.take(1, BRIEF).await.unwrap().messages.len(), 1);
    let waiter = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.ready_dead().await })
    };
    tokio::task::yield_now().await;
    world.clock.advance(BRIEF);
    tokio::time::timeout(WAIT, waiter)
        .await
        .expect("it is woken")
        .unwrap();
}

/// What a receive that waits gets when `look`, and nothing else, sees that messages in flight have come back; and how long it took.
async fn woken_by(look: impl AsyncFn(&Queue)) -> (Vec<Offset>, Duration) {
    let world = World::new().await;
    let queue = Arc::new(world.open().await);
    world.send(1).await;
    assert_eq!(queue.take(1, BRIEF).await.unwrap().messages.len(), 1);
    let waiter = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.receive(1, VISIBILITY, WAIT).await.unwrap() })
    };
    while !queue.shared.is_awaited() {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    // The queue's own task does not look: for it, no time passes.
    world.clock.advance(BRIEF);
    look(&queue).await;
    let taken = waiter.await.unwrap();
    (offsets(&taken), begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn whoever_sees_that_messages_are_back_tells_who_waits_for_them() {
    let found = [
        woken_by(async |queue| assert!(queue.take_dead(10).await.unwrap().is_empty())).await,
        woken_by(async |queue| assert!(!queue.shared.has_spent())).await,
        woken_by(async |queue| assert_eq!(queue.counts().await.unwrap().visible, 1)).await,
        woken_by(async |queue| assert_eq!(queue.browse(Offset::ZERO, 9).await.unwrap().len(), 1))
            .await,
        woken_by(async |queue| assert_eq!(queue.in_flight(), 0)).await,
    ];
    for (offsets, waited) in found {
        assert_eq!(offsets, [Offset(0)]);
        assert_eq!(waited, Duration::ZERO);
    }
}

#[tokio::test]
async fn a_message_hidden_for_no_time_is_taken_once_at_a_time() {
    let world = World::new().await;
    let queue = world.open().await;
    world.send(2_000).await;
    let taken = queue.take(1_500, Duration::ZERO).await.unwrap();
    let mut found = offsets(&taken);
    found.dedup();
    assert_eq!(found.len(), 1_500);
    assert!(
        taken
            .messages
            .iter()
            .all(|message| message.receipt.receives == 1)
    );
}

/// Shows a log up to where it is told.
struct Gate(tokio::sync::watch::Sender<Offset>);

impl Source for Gate {
    fn open(&self, stored: StoredBatch) -> Result<StoredBatch, StoreError> {
        Ok(stored)
    }

    fn arrival(&self, record: &RecordRef<'_>) -> Arrival {
        Plain.arrival(record)
    }

    fn shown_until(&self, end: Offset) -> Offset {
        end.min(*self.0.borrow())
    }

    fn shown_past(&self, seen: Offset) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut shown = self.0.subscribe();
        Box::pin(async move {
            let _ = shown.wait_for(|shown| *shown > seen).await;
        })
    }
}

#[tokio::test]
async fn what_is_not_decided_is_waited_for() {
    let world = World::new().await;
    let gate = Arc::new(Gate(tokio::sync::watch::Sender::new(Offset(2))));
    let policy = world.open().await.policy();
    let (store, clock) = (Arc::clone(&world.store), world.clock.clone());
    let source = Arc::clone(&gate) as Arc<dyn Source>;
    let queue = Queue::open(store, clock, world.logs, source, policy);
    let queue = queue.await.unwrap();
    for _ in 0..4 {
        world.send(1).await;
    }
    assert_eq!(queue.counts().await.unwrap().visible, 2);
    let shown = queue.take(10, VISIBILITY).await.unwrap();
    assert_eq!(offsets(&shown), [Offset(0), Offset(1)]);
    assert!(queue.browse(Offset(2), 10).await.unwrap().is_empty());
    let receive = queue.receive(10, VISIBILITY, WAIT);
    let (received, ()) = tokio::join!(receive, async {
        while !queue.shared.is_awaited() {
            tokio::task::yield_now().await;
        }
        gate.0.send_replace(Offset(u64::MAX));
    });
    assert_eq!(offsets(&received.unwrap()), [Offset(2), Offset(3)]);
}

/// All messages are of one group.
struct OneGroup;

impl Source for OneGroup {
    fn open(&self, stored: StoredBatch) -> Result<StoredBatch, StoreError> {
        Ok(stored)
    }

    fn arrival(&self, record: &RecordRef<'_>) -> Arrival {
        Arrival {
            group: Some(Group(7)),
            ..Plain.arrival(record)
        }
    }
}

#[tokio::test]
async fn a_receive_takes_a_group_though_part_of_it_was_counted_before() {
    let world = World::new().await;
    let policy = Policy {
        order: Order::Grouped,
        ..world.open().await.policy()
    };
    let (store, clock) = (Arc::clone(&world.store), world.clock.clone());
    let queue = Queue::open(store, clock, world.logs, Arc::new(OneGroup), policy);
    let queue = queue.await.unwrap();
    world.send(1).await;
    assert_eq!(queue.counts().await.unwrap().visible, 1);
    world.send(1).await;
    world.send(1).await;
    let taken = queue.take(10, VISIBILITY).await.unwrap();
    assert_eq!(offsets(&taken), [Offset(0), Offset(1), Offset(2)]);
}

#[tokio::test]
async fn a_claim_is_kept_in_part_or_not_at_all() {
    let world = World::new().await;
    let queue = world.open().await;
    world.send(4).await;
    drop(queue.claim(10, VISIBILITY).await.unwrap());
    let claim = queue.claim(10, VISIBILITY).await.unwrap();
    assert!(claim.live().all(|receipt| receipt.receives == 1));
    let kept = claim.keep(|offset| offset < Offset(2));
    assert_eq!(kept.len(), 2);
    let again = queue.take(10, VISIBILITY).await.unwrap();
    assert_eq!(offsets(&again), [Offset(2), Offset(3)]);
    let is_first = |message: &Delivered| message.receipt.receives == 1;
    assert!(again.messages.iter().all(is_first));
}

#[tokio::test]
async fn what_is_released_is_visible_at_once_and_counts_as_delivered() {
    let world = World::new().await;
    let queue = world.open().await;
    world.send(3).await;
    let claim = queue.claim(2, VISIBILITY).await.unwrap();
    let stale = claim.keep(|_| true);
    world.clock.advance(VISIBILITY);
    // The second has lapsed, the first is another's by now.
    let taken = queue.take(1, VISIBILITY).await.unwrap();
    assert_eq!(offsets(&taken), [Offset(0)]);
    queue.release(&stale);
    let counts = queue.counts().await.unwrap();
    assert_eq!((counts.visible, counts.in_flight), (2, 1));
    queue.release(&[taken.messages[0].receipt]);
    assert_eq!(queue.in_flight(), 0);
    queue.close().await.unwrap();
    drop(queue);
    let queue = world.open().await;
    let again = queue.take(10, VISIBILITY).await.unwrap();
    let receives = again
        .messages
        .iter()
        .map(|message| message.receipt.receives);
    assert_eq!(receives.collect::<Vec<_>>(), [3, 2, 1]);
}

#[tokio::test]
async fn what_is_held_back_to_be_moved_was_not_received() {
    let world = World::new().await;
    let queue = world.open().await;
    world.send(3).await;
    let before = queue.take(1, BRIEF).await.unwrap().messages[0].receipt;
    world.clock.advance(BRIEF);
    let held = queue.hold_back(10, Offset(2)).await.unwrap();
    let messages = held.messages().iter();
    let found: Vec<Offset> = messages.map(|message| message.receipt.offset).collect();
    assert_eq!(found, [Offset(0), Offset(1)]);
    let others = queue.take(10, VISIBILITY).await.unwrap();
    assert_eq!(offsets(&others), [Offset(2)]);
    drop(held);
    assert_eq!(queue.standing(before), Standing::Lapsed);
    let again = queue.take(10, BRIEF).await.unwrap();
    let again = again
        .messages
        .iter()
        .map(|message| message.receipt.receives);
    assert_eq!(again.collect::<Vec<_>>(), [2, 1]);
    world.clock.advance(BRIEF);
    let held = queue.hold_back(1, Offset(2)).await.unwrap();
    held.move_to(Txn::default()).await.unwrap();
    let counts = queue.counts().await.unwrap();
    assert_eq!((counts.visible, counts.in_flight), (1, 1));
}

/// Messages are read by those who claim them.
struct Elsewhere;

impl Source for Elsewhere {
    fn open(&self, stored: StoredBatch) -> Result<StoredBatch, StoreError> {
        Ok(stored)
    }

    fn arrival(&self, record: &RecordRef<'_>) -> Arrival {
        Plain.arrival(record)
    }

    fn is_read_elsewhere(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn messages_that_are_read_elsewhere_are_not_kept_in_memory() {
    let world = World::new().await;
    let policy = world.open().await.policy();
    let (store, clock) = (Arc::clone(&world.store), world.clock.clone());
    let queue = Queue::open(store, clock, world.logs, Arc::new(Elsewhere), policy);
    let queue = queue.await.unwrap();
    world.send(4).await;
    let claim = queue.claim(1, VISIBILITY).await.unwrap();
    assert_eq!(claim.keep(|_| true).len(), 1);
    assert_eq!(queue.counts().await.unwrap().visible, 3);
    assert_eq!(queue.shared.recent_bytes(), 0);
    // Who takes them all the same gets them.
    assert_eq!(queue.take(10, VISIBILITY).await.unwrap().messages.len(), 3);
}
