//! What there is of a queue while it is used: a machine for each shard of its stream, one for records restored, one for dead
//! letters. Opened when the queue is first used, renewed when the queue or its stream has changed.
//!
//! A task for each queue in use waits for a shard to be closed, and takes up the shards made of it: who waits for a record gets
//! those of new shards, too.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::stream::{self, FuturesUnordered, StreamExt};
use model::{LogId, Offset, StreamId};
use store::{LogChange, StoreError, Version};
use streams::Stream;
use streams::delivery::{self, Logs, Order, Policy, Source};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::{Kinesis, KinesisError, limits};
use super::counters::Counters;
use super::record::{QueueName, Settings};
use super::source::{References, ShardSource};
use super::{ATTEMPTS, Queue, of_store, put};

/// Acknowledgements remembered for those who send them again.
const REMEMBERED: usize = 1_000;
/// Journals read at once.
const OPENING: usize = 32;
/// When to look again for what the store did not tell.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The delivery of a log's records.
#[derive(Debug)]
pub(super) struct Machine {
    /// Which of the queue's logs, as [`super::record`] numbers them.
    pub(super) partition: u32,
    pub(super) delivery: delivery::Queue,
    /// Held for writing by who moves records elsewhere, for reading by who acknowledges them: one that was acknowledged is not
    /// moved.
    pub(super) moving: tokio::sync::RwLock<()>,
    /// Where it is a shard's.
    source: Option<Arc<ShardSource>>,
    /// What was acknowledged lately.
    acknowledged: Mutex<VecDeque<Offset>>,
}

impl Machine {
    /// Remembers an acknowledgement for a while.
    pub(super) fn remember(&self, offsets: &[Offset]) {
        let mut acknowledged = lock(&self.acknowledged);
        acknowledged.extend(offsets);
        let surplus = acknowledged.len().saturating_sub(REMEMBERED);
        acknowledged.drain(..surplus);
    }

    /// Whether a record that is gone was acknowledged, as far as is remembered.
    pub(super) fn remembers(&self, offset: Offset) -> bool {
        lock(&self.acknowledged).contains(&offset)
    }
}

/// All machines of a queue, as its settings and its stream's had it.
#[derive(Debug)]
pub(super) struct Machines {
    queue: Version,
    pub(super) stream: Arc<Stream>,
    pub(super) shards: BTreeMap<u32, Arc<Machine>>,
    pub(super) restored: Arc<Machine>,
    pub(super) dead: Arc<Machine>,
}

impl Machines {
    /// Those that ReceiveQueueRecords reads, from one that is another each time.
    pub(super) fn in_turn(&self, turn: usize) -> Vec<&Arc<Machine>> {
        let mut all: Vec<_> = self.shards.values().chain([&self.restored]).collect();
        let first = turn % all.len();
        all.rotate_left(first);
        all
    }

    /// The machine of a log that a receipt handle names; `None` where a shard is gone, and its records with it.
    pub(super) fn get(&self, partition: u32) -> Option<&Arc<Machine>> {
        let own = [&self.restored, &self.dead].into_iter();
        let mut own = own.filter(|machine| machine.partition == partition);
        own.next().or_else(|| self.shards.get(&partition))
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Machine>> {
        self.shards.values().chain([&self.restored, &self.dead])
    }
}

/// One queue in use.
pub(super) struct Live {
    machines: Mutex<Option<Arc<Machines>>>,
    opening: tokio::sync::Mutex<()>,
    changes: watch::Sender<u64>,
    has_ended: AtomicBool,
    turn: AtomicUsize,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(keeper) = lock(&self.keeper).take() {
            keeper.abort();
        }
    }
}

impl Live {
    fn new() -> Live {
        Live {
            machines: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            changes: watch::Sender::new(0),
            has_ended: AtomicBool::new(false),
            turn: AtomicUsize::new(0),
            keeper: Mutex::default(),
        }
    }

    /// Tells when there are other machines, or the queue is deleted.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whose turn it is to be looked at first.
    pub(super) fn next_turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    fn current(&self) -> Option<Arc<Machines>> {
        lock(&self.machines).clone()
    }

    /// The machines, if they are of these versions or newer ones.
    fn at(&self, queue: Version, stream: Version) -> Option<Arc<Machines>> {
        self.current()
            .filter(|machines| machines.queue >= queue && machines.stream.version >= stream)
    }

    fn set(&self, machines: Arc<Machines>) {
        *lock(&self.machines) = Some(machines);
        self.changes.send_modify(|count| *count += 1);
    }

    fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
        self.changes.send_modify(|count| *count += 1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The queues in use.
#[derive(Debug, Default)]
pub(in super::super) struct Known {
    live: Mutex<HashMap<StreamId, Arc<Live>>>,
    /// Changes of queues take turns: in each other's way they would give up.
    pub(super) changing: tokio::sync::Mutex<()>,
    pub(in super::super) counters: Counters,
    /// The stream as it was when the queue was looked through last for journals that have no shard.
    tidied: Mutex<HashMap<StreamId, Version>>,
}

impl Known {
    /// The queue of that number.
    pub(super) fn live(&self, number: StreamId) -> Arc<Live> {
        let mut known = lock(&self.live);
        Arc::clone(known.entry(number).or_insert_with(|| Arc::new(Live::new())))
    }

    fn if_used(&self, number: StreamId) -> Option<Arc<Live>> {
        lock(&self.live).get(&number).cloned()
    }

    /// A queue is deleted: who waits for its records is told.
    pub(super) fn end(&self, number: StreamId) {
        lock(&self.tidied).remove(&number);
        let ended = lock(&self.live).remove(&number);
        if let Some(live) = ended {
            live.end();
        }
    }

    /// Whether a queue was looked through with the stream as it is.
    pub(super) fn is_tidied(&self, number: StreamId, stream: Version) -> bool {
        lock(&self.tidied).get(&number) == Some(&stream)
    }

    /// A queue was looked through.
    pub(super) fn tidied(&self, number: StreamId, stream: Version) {
        lock(&self.tidied).insert(number, stream);
    }

    /// Whether any queue is in use.
    #[cfg(test)]
    pub(in super::super) fn is_any_in_use(&self) -> bool {
        !self.machines().is_empty()
    }

    /// Takes so many records from each log of each queue in use.
    #[cfg(test)]
    pub(in super::super) async fn take_from_each(&self, count: usize) {
        for machine in self.machines() {
            let taken = machine.delivery.take(count, Duration::from_secs(30)).await;
            taken.expect("the store in memory gives what it has");
        }
    }

    /// Every machine of every queue in use.
    pub(super) fn machines(&self) -> Vec<Arc<Machine>> {
        let used: Vec<Arc<Live>> = lock(&self.live).values().cloned().collect();
        let machines = used.iter().filter_map(|live| live.current());
        machines
            .flat_map(|machines| machines.all().cloned().collect::<Vec<_>>())
            .collect()
    }
}

impl Kinesis {
    /// The machines of a queue, as it and its stream are now.
    ///
    /// # Errors
    /// [`KinesisError::ResourceNotFound`] where it was deleted meanwhile; the store's.
    pub(super) async fn machines(
        self: &Arc<Self>,
        live: &Arc<Live>,
        queue: &Queue,
    ) -> Result<Arc<Machines>, KinesisError> {
        if live.has_ended.load(Ordering::SeqCst) {
            return Err(super::not_found(&queue.name));
        }
        let stream = self
            .find_named(&queue.settings.stream_name(&queue.name))
            .await?;
        if let Some(machines) = live.at(queue.version, stream.version) {
            return Ok(machines);
        }
        let _turn = live.opening.lock().await;
        let queue = self.take_up(queue.clone(), &stream).await?;
        if let Some(machines) = live.at(queue.version, stream.version) {
            return Ok(machines);
        }
        let opened = self.open(live.current(), &queue, &stream).await;
        let machines = Arc::new(opened.map_err(|error| {
            if matches!(error, StoreError::NoSuchLog { .. }) {
                self.plane.queues.end(queue.settings.number);
            }
            of_store(error, &queue.name)
        })?);
        live.set(Arc::clone(&machines));
        let mut keeper = lock(&live.keeper);
        if keeper.is_none() {
            let (kinesis, used) = (Arc::downgrade(self), Arc::downgrade(live));
            *keeper = Some(spawn_keeper(kinesis, used, queue.name.clone()));
        }
        Ok(machines)
    }

    /// Renews the machines of a queue that is in use.
    pub(super) async fn refresh(self: &Arc<Self>, queue: &Queue) -> Result<(), KinesisError> {
        if let Some(live) = self.plane.queues.if_used(queue.settings.number) {
            self.machines(&live, queue).await?;
        }
        Ok(())
    }

    /// Makes the journals of shards that were made since the queue looked last: all of their records are delivered.
    async fn take_up(&self, queue: Queue, stream: &Stream) -> Result<Queue, KinesisError> {
        let mut queue = queue;
        let next = stream.settings.next_shard;
        for _ in 0..ATTEMPTS {
            if queue.settings.taken_up >= next {
                return Ok(queue);
            }
            let new = stream.topology.shards_from(queue.settings.taken_up);
            let mut txn = queue.unchanged();
            txn.logs = new
                .map(|shard| LogChange::Create(queue.settings.journal(shard.index)))
                .collect();
            let settings = Settings {
                taken_up: next,
                ..queue.settings.clone()
            };
            txn.writes.push(put(&queue.name, &settings));
            match self.store.commit(txn).await {
                Ok(_) | Err(StoreError::Conflict { .. }) => queue = self.queue(&queue.name).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(KinesisError::Unavailable)
    }

    /// Machines for what the stream has now: those there are, and new ones for what has none.
    async fn open(
        &self,
        before: Option<Arc<Machines>>,
        queue: &Queue,
        stream: &Arc<Stream>,
    ) -> Result<Machines, StoreError> {
        let settings = &queue.settings;
        let policy = policy(settings, stream);
        let (restored, dead) = match &before {
            Some(before) => (Arc::clone(&before.restored), Arc::clone(&before.dead)),
            None => (
                self.open_own(settings.restored(), policy).await?,
                self.open_own(settings.dead(), policy).await?,
            ),
        };
        restored.delivery.set_policy(policy);
        dead.delivery.set_policy(Policy {
            max_receives: None,
            ..policy
        });
        let mut shards = BTreeMap::new();
        let mut missing = Vec::new();
        for shard in stream.topology.shards() {
            let known = before
                .as_ref()
                .and_then(|before| before.shards.get(&shard.index));
            let Some(machine) = known else {
                missing.push(shard.index);
                continue;
            };
            if let Some(source) = &machine.source {
                source.set(stream);
            }
            machine.delivery.set_policy(policy);
            shards.insert(shard.index, Arc::clone(machine));
        }
        let mut opening = stream::iter(missing)
            .map(|shard| self.open_shard(settings, stream, shard, policy))
            .buffer_unordered(OPENING);
        while let Some(opened) = opening.next().await {
            if let Some(machine) = opened? {
                shards.insert(machine.partition, machine);
            }
        }
        Ok(Machines {
            queue: queue.version,
            stream: Arc::clone(stream),
            shards,
            restored,
            dead,
        })
    }

    async fn open_own(
        &self,
        (messages, journal): (LogId, LogId),
        policy: Policy,
    ) -> Result<Arc<Machine>, StoreError> {
        let logs = Logs {
            messages,
            journal,
            is_owned: true,
        };
        self.open_machine(messages.partition, logs, Arc::new(References), None, policy)
            .await
    }

    /// `None` where nothing of the shard is delivered: it was closed when the queue was made, or its records have expired.
    async fn open_shard(
        &self,
        settings: &Settings,
        stream: &Arc<Stream>,
        shard: u32,
        policy: Policy,
    ) -> Result<Option<Arc<Machine>>, StoreError> {
        let source = Arc::new(ShardSource::new(
            Arc::clone(&self.streams),
            shard,
            Arc::clone(stream),
        ));
        let logs = Logs {
            messages: stream.log(shard),
            journal: settings.journal(shard),
            is_owned: false,
        };
        let reader = Arc::clone(&source) as Arc<dyn Source>;
        let opened = self.open_machine(shard, logs, reader, Some(source), policy);
        match opened.await {
            Ok(machine) => Ok(Some(machine)),
            Err(StoreError::NoSuchLog { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn open_machine(
        &self,
        partition: u32,
        logs: Logs,
        reader: Arc<dyn Source>,
        source: Option<Arc<ShardSource>>,
        policy: Policy,
    ) -> Result<Arc<Machine>, StoreError> {
        let (store, clock) = (Arc::clone(&self.store), self.clock.clone());
        let delivery = delivery::Queue::open(store, clock, logs, reader, policy).await?;
        Ok(Arc::new(Machine {
            partition,
            delivery,
            moving: tokio::sync::RwLock::default(),
            source,
            acknowledged: Mutex::default(),
        }))
    }
}

/// How a queue delivers the records of its stream.
fn policy(settings: &Settings, stream: &Stream) -> Policy {
    Policy {
        order: Order::Fair,
        in_flight_max: limits::IN_FLIGHT,
        max_receives: settings.max_receives,
        retention: stream.settings.retention(),
        keep: Duration::ZERO,
    }
}

/// Apart, since the task does again what began it.
fn spawn_keeper(kinesis: Weak<Kinesis>, live: Weak<Live>, name: QueueName) -> JoinHandle<()> {
    tokio::spawn(keep(kinesis, live, name))
}

/// Renews a queue's machines whenever a shard is closed, until the queue is deleted or no longer in use.
async fn keep(kinesis: Weak<Kinesis>, live: Weak<Live>, name: QueueName) {
    loop {
        let (mut changes, mut closed) = {
            let (Some(kinesis), Some(live)) = (kinesis.upgrade(), live.upgrade()) else {
                return;
            };
            let changes = live.changes();
            let Some(machines) = live
                .current()
                .filter(|_| !live.has_ended.load(Ordering::SeqCst))
            else {
                return;
            };
            let open = machines.stream.topology.open_shards();
            let watches =
                open.filter_map(|shard| kinesis.streams.watch(&machines.stream, shard.index).ok());
            let closed: FuturesUnordered<_> = watches
                .map(|mut watch| async move { watch.past(Offset(u64::MAX)).await })
                .collect();
            (changes, closed)
        };
        tokio::select! {
            Some(_) = closed.next() => {}
            changed = changes.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            }
        }
        drop(closed);
        let (Some(kinesis), Some(live)) = (kinesis.upgrade(), live.upgrade()) else {
            return;
        };
        let before = *live.changes().borrow();
        let renewed = async {
            let queue = kinesis.queue(&name).await?;
            kinesis.machines(&live, &queue).await
        };
        match renewed.await {
            Err(KinesisError::ResourceNotFound(_)) => return,
            // Logged where it was made.
            Err(_) => tokio::time::sleep(RETRY_AFTER).await,
            Ok(_) if *live.changes().borrow() == before => tokio::time::sleep(RETRY_AFTER).await,
            Ok(_) => {}
        }
    }
}
