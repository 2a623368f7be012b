//! One history: lives of a queue on one disk, each ended by a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use engines::Options;
use engines::sim::{Image, SimDisk};
use model::{Clock, Offset, Rng, Timestamp};
use store::{LogChange, StoreError, Txn};
use streams::delivery::{Order, Policy, Queue};

use super::driver::Driver;
use super::engine::{self, Engine};
use super::ledger::{self, DEAD, LOGS, Letters};
use super::model::{Counts, Found, Model};

const START: Timestamp = Timestamp(1_000_000);
/// How long the drained copy hides what it gives.
const VISIBILITY: Duration = Duration::from_secs(30);

/// A history to be run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct History {
    pub(crate) seed: u64,
    /// Lives; each ends in a crash but the last.
    pub(crate) rounds: u64,
}

/// How a history ended: equal for equal histories.
#[derive(PartialEq, Debug)]
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) image: Image,
    pub(crate) trace: u32,
}

/// Says which seed it was when the test falls over.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "to replay: HEADWATER_CRASH_SEED={} cargo test -p streams --test crash -- --nocapture one_seed",
                self.0
            );
        }
    }
}

/// What stays the same through a history.
struct Stage {
    rng: Rng,
    clock: Clock,
    options: Options,
    policy: Policy,
}

/// Runs a history.
///
/// # Panics
/// Where the queue breaks a promise.
pub(crate) fn run(history: History) -> Outcome {
    let _replay = Replay(history.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let rng = Rng::seeded(history.seed);
    let clock = Clock::manual(START);
    let order = [Order::Fair, Order::Grouped][rng.below(2) as usize];
    let stage = Stage {
        options: engine::options(&rng, &clock),
        clock,
        policy: Policy {
            order,
            in_flight_max: [20, 120_000][rng.below(2) as usize],
            max_receives: [None, Some(1), Some(3)][rng.below(3) as usize],
            retention: None,
            keep: Duration::from_secs([0, 20][rng.below(2) as usize]),
        },
        rng,
    };
    runtime.unwrap().block_on(stage.run(history.rounds))
}

impl Stage {
    async fn run(&self, rounds: u64) -> Outcome {
        let rng = &self.rng;
        let mut counts = Counts::default();
        let mut model = Model::new(self.policy.order);
        let mut disk = SimDisk::new(Rng::seeded(rng.next_u64()));
        self.make_logs(&disk).await;
        for _ in 0..rounds {
            let mut engine = self.open(disk);
            let queue = self.queue(&engine, &self.clock, self.policy).await.unwrap();
            self.audit(&engine, &queue, &mut model, &mut counts).await;
            if rng.below(3) == 0 {
                self.drain_a_copy(&engine, &model, &mut counts).await;
            }
            if rng.below(2) == 0 {
                self.count(&queue, &model).await;
            }
            let (clock, model) = (&self.clock, &mut model);
            let mut driver = Driver::new(&mut engine, queue, model, clock, rng, &mut counts);
            driver.live().await;
            driver.end().await;
            disk = self.end(&engine.disk);
        }
        let engine = self.open(disk);
        let queue = self.queue(&engine, &self.clock, self.policy).await.unwrap();
        self.audit(&engine, &queue, &mut model, &mut counts).await;
        self.drain_a_copy(&engine, &model, &mut counts).await;
        Outcome {
            counts,
            image: engine.disk.image(),
            trace: engine.disk.trace(),
        }
    }

    fn open(&self, disk: SimDisk) -> Engine {
        Engine::open(&self.options, disk, Rng::seeded(self.rng.next_u64()))
    }

    async fn queue(
        &self,
        engine: &Engine,
        clock: &Clock,
        policy: Policy,
    ) -> Result<Queue, StoreError> {
        Queue::open(
            engine.store(),
            clock.clone(),
            LOGS,
            Arc::new(Letters),
            policy,
        )
        .await
    }

    async fn make_logs(&self, disk: &SimDisk) {
        let mut engine = self.open(disk.clone());
        let logs = [LOGS.messages, LOGS.journal, DEAD];
        let txn = Txn {
            logs: logs.into_iter().map(LogChange::Create).collect(),
            ..Txn::default()
        };
        let store = engine.store();
        engine.serve(store.commit(txn)).await.unwrap();
    }

    /// Cuts the power, or only ends the process: at whatever it was doing, too.
    fn end(&self, disk: &SimDisk) -> SimDisk {
        self.clock
            .advance(Duration::from_millis(self.rng.below(5_000)));
        disk.set_capacity(u64::MAX);
        if self.rng.below(4) == 0 {
            disk.restart()
        } else {
            disk.crash()
        }
    }

    /// Compares what is found with what must be there.
    async fn audit(&self, engine: &Engine, queue: &Queue, model: &mut Model, counts: &mut Counts) {
        let now = self.clock.now();
        let mut open = BTreeMap::new();
        for (delivered, lies) in queue.browse(Offset::ZERO, usize::MAX).await.unwrap() {
            let number = ledger::read(&delivered.record().unwrap()).number;
            let what = (delivered.receipt, delivered.first_received, lies);
            assert!(open.insert(number, what).is_none(), "{number} twice");
        }
        let log = ledger::all(&engine.core, LOGS.messages);
        let copies = ledger::all(&engine.core, DEAD);
        let found = Found {
            start: engine.core.bounds(LOGS.messages).unwrap().start,
            log: log
                .into_iter()
                .map(|(number, (at, _))| (number, at))
                .collect(),
            copies: copies
                .into_iter()
                .filter_map(|(number, (_, op))| Some((number, op?)))
                .collect(),
            open,
            now,
        };
        model.audit(&found, counts);
    }

    /// The queue's counts against the model's.
    async fn count(&self, queue: &Queue, model: &Model) {
        let counts = queue.counts().await.unwrap();
        let found = (counts.visible, counts.in_flight, counts.delayed);
        assert_eq!(Some(found), model.totals(self.clock.now()));
    }

    /// Takes everything out of a copy of the disk: all that is to be had is given, once, when it is due, and in the order of its
    /// group. Whatever this does, the history does not see it.
    async fn drain_a_copy(&self, engine: &Engine, model: &Model, counts: &mut Counts) {
        let clock = Clock::manual(self.clock.now());
        let disk = SimDisk::with_image(Rng::seeded(0), &engine.disk.image());
        let mut engine = Engine::open(&self.options, disk, Rng::seeded(self.rng.next_u64()));
        let policy = Policy {
            max_receives: None,
            in_flight_max: usize::MAX,
            ..self.policy
        };
        let queue = self.queue(&engine, &clock, policy).await.unwrap();
        let mut left: BTreeSet<u64> = model.letters.keys().copied().collect();
        while !left.is_empty() {
            let now = clock.now();
            let max = 1 + self.rng.below(10) as usize;
            let taken = queue.take(max, VISIBILITY).await.unwrap();
            let mut offsets = Vec::new();
            for delivered in &taken.messages {
                let number = ledger::read(&delivered.record().unwrap()).number;
                assert!(left.contains(&number), "{number} is given again");
                let known = &model.letters[&number];
                assert!(known.held_until <= now, "{number} is given early");
                assert_eq!(delivered.receipt.receives, known.receives + 1);
                if self.policy.order == Order::Grouped {
                    let mut earlier = model.earlier_of_group(number);
                    assert!(earlier.all(|it| !left.contains(&it)), "{number} overtakes");
                }
                left.remove(&number);
                offsets.push(delivered.receipt.offset);
            }
            counts.drained += offsets.len() as u64;
            if !offsets.is_empty() {
                engine.serve(queue.acknowledge(&offsets)).await.unwrap();
                continue;
            }
            let is_free = |number: &&u64| {
                let mut earlier = model.earlier_of_group(**number);
                self.policy.order == Order::Fair || earlier.all(|it| !left.contains(&it))
            };
            let times = left.iter().filter(is_free);
            let next = times.map(|number| model.letters[number].held_until).min();
            let next = next.expect("the oldest of a group is free");
            assert!(next > now, "{left:?} are to be had and not given");
            clock.advance(next.since(now));
        }
        let counts = queue.counts().await.unwrap();
        assert_eq!(
            (counts.visible, counts.in_flight, counts.delayed),
            (0, 0, 0)
        );
        assert_eq!(queue.browse(Offset::ZERO, 1).await.unwrap().len(), 0);
    }
}
