//! A worker: takes leases, renews them, reads their shards, and sees to it that there are leases to take.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::Rng;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::api;
use super::board::{Board, Choice};
use super::config::{Config, Retrieval};
use super::feed::Source;
use super::hierarchy::{expired, finished, missing, unnamed_children};
use super::holding::Holding;
use super::leader::Leadership;
use super::lease::{Change, Condition, Lease};
use super::metrics::{Metrics, Snapshot, add, set};
use super::processor::Processor;
use super::published::Report;
use super::seen::Uniqueness;
use super::shard::{Shard, Shared};
use super::store::LeaseStore;
use crate::cloudwatch::Publisher;
use crate::error::ClientError;
use crate::kinesis::Kinesis;

/// Leases renewed at one time.
const RENEWALS_MAX: usize = 32;

/// A worker, to be [run](Worker::run).
#[derive(Debug)]
pub struct Worker {
    config: Config,
    kinesis: Kinesis,
    leases: Arc<dyn LeaseStore>,
    uniqueness: Option<Uniqueness>,
    metrics: Arc<Metrics>,
    stop: watch::Sender<bool>,
}

/// Stops a worker, and shows how it stands.
#[derive(Debug, Clone)]
pub struct Handle {
    metrics: Arc<Metrics>,
    stop: watch::Sender<bool>,
}

impl Handle {
    /// The worker finishes what it has begun, lets its processors checkpoint, gives its leases up, and ends.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// What the worker counted.
    #[must_use]
    pub fn metrics(&self) -> Snapshot {
        self.metrics.snapshot()
    }
}

impl Worker {
    /// A worker on a stream of `kinesis`, sharing it with others by `leases`.
    #[must_use]
    pub fn new(config: Config, kinesis: Kinesis, leases: Arc<dyn LeaseStore>) -> Worker {
        let publishing = config.publishing.as_ref();
        let report = publishing.map(|asked| Report::new(asked.level, &config.worker));
        Worker {
            config,
            kinesis,
            leases,
            uniqueness: None,
            metrics: Arc::new(Metrics::with(report)),
            stop: watch::Sender::new(false),
        }
    }

    /// Gives processors only records that were not processed before.
    #[must_use]
    pub fn with_uniqueness(self, uniqueness: Uniqueness) -> Worker {
        Worker {
            uniqueness: Some(uniqueness),
            ..self
        }
    }

    /// To stop it, and to see how it stands.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            metrics: Arc::clone(&self.metrics),
            stop: self.stop.clone(),
        }
    }

    /// Reads, with a processor of `processors` for each shard, until it is stopped. What fails on the way is tried again.
    ///
    /// Dropped before it ends, it leaves its leases to expire.
    ///
    /// # Errors
    /// If it cannot begin: the table of leases, the marks of what was seen, the registered reader or the stream's shards cannot
    /// be had.
    pub async fn run<P: Processor>(
        self,
        mut processors: impl FnMut(&str) -> P,
    ) -> Result<(), ClientError> {
        self.leases.prepare().await?;
        if let Some(uniqueness) = &self.uniqueness {
            uniqueness.seen.prepare().await?;
        }
        let source = self.source().await?;
        let publisher = self.publisher()?;
        let stop = self.stop.subscribe();
        let shared = Arc::new(Shared {
            config: self.config,
            kinesis: self.kinesis,
            source,
            metrics: self.metrics,
            uniqueness: self.uniqueness,
            ended: watch::Sender::new(0),
        });
        let mut running = Running {
            holdings: Arc::default(),
            leases: self.leases,
            board: Board::default(),
            leadership: Leadership::default(),
            led: false,
            pending: BTreeMap::new(),
            synced: None,
            readers: JoinSet::new(),
            rng: Rng::system(),
            shared,
        };
        running.sync().await?;
        running.run(stop, &mut processors).await;
        if let Some(publisher) = publisher {
            publisher.close().await;
        }
        Ok(())
    }

    /// Publishes until it is closed, or dropped with the worker.
    fn publisher(&self) -> Result<Option<Publisher>, ClientError> {
        let metrics = Arc::clone(&self.metrics);
        let gather = move |now| {
            let report = metrics.report.as_ref();
            report.map_or_else(Vec::new, |report| report.take(now))
        };
        let publishing = self.config.publishing.as_ref();
        publishing.map(|asked| asked.start(gather)).transpose()
    }

    async fn source(&self) -> Result<Source, ClientError> {
        match &self.config.retrieval {
            Retrieval::Polling { records_max, idle } => Ok(Source::Poll {
                records_max: *records_max,
                idle: *idle,
            }),
            Retrieval::FanOut { consumer } => {
                let stream = self.kinesis.describe(&self.config.stream).await?;
                let arn = &stream.summary.stream_arn;
                Ok(Source::FanOut {
                    consumer_arn: api::register(&self.kinesis, arn, consumer).await?,
                })
            }
        }
    }
}

type Holdings = Arc<Mutex<BTreeMap<String, Arc<Holding>>>>;

fn held(holdings: &Holdings) -> Vec<Arc<Holding>> {
    let holdings = holdings.lock().unwrap_or_else(PoisonError::into_inner);
    holdings.values().cloned().collect()
}

/// A worker that runs.
struct Running {
    shared: Arc<Shared>,
    leases: Arc<dyn LeaseStore>,
    holdings: Holdings,
    board: Board,
    /// Of a worker of the KCL 3, where there is one.
    leadership: Leadership,
    /// Whether that leader assigns leases, as far as is known.
    led: bool,
    /// Leases asked for from workers that live, and when.
    pending: BTreeMap<String, Instant>,
    synced: Option<Instant>,
    /// Each gives the lease it had.
    readers: JoinSet<String>,
    rng: Rng,
}

impl Running {
    async fn run<P: Processor>(
        &mut self,
        mut stop: watch::Receiver<bool>,
        processors: &mut impl FnMut(&str) -> P,
    ) {
        let mut renewer = JoinSet::new();
        renewer.spawn(renew(Arc::clone(&self.shared), Arc::clone(&self.holdings)));
        let mut looks = interval(self.shared.config.look);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asks = interval(self.shared.config.renewal());
        asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ended = self.shared.ended.subscribe();
        loop {
            let outcome = tokio::select! {
                () = stopped(&mut stop) => break,
                _ = looks.tick() => self.look(processors).await,
                // New leases to take.
                _ = ended.changed() => self.look(processors).await,
                _ = asks.tick(), if self.awaits() => self.ask(processors).await,
                Some(reader) = self.readers.join_next() => {
                    self.end(reader);
                    Ok(())
                }
            };
            if let Err(error) = outcome {
                tracing::warn!(%error, "leases cannot be looked at, and are tried again");
            }
        }
        self.finish().await;
    }

    /// Looks at all leases, takes what is to be taken, and counts that.
    async fn look<P: Processor>(
        &mut self,
        processors: &mut impl FnMut(&str) -> P,
    ) -> Result<(), ClientError> {
        let begun = Instant::now();
        let metrics = Arc::clone(&self.shared.metrics);
        let before = metrics.taken_in_all();
        let outcome = self.look_at_all(processors).await;
        metrics.report(|report| {
            report.looked(&metrics.look(before), outcome.is_ok(), begun.elapsed());
        });
        outcome
    }

    async fn look_at_all<P: Processor>(
        &mut self,
        processors: &mut impl FnMut(&str) -> P,
    ) -> Result<(), ClientError> {
        let config = self.shared.config.clone();
        let leases = self.leases.list().await?;
        let now = Instant::now();
        self.board.observe(leases.clone(), now);
        let workers = self.board.workers(&config.worker, config.failover, now);
        set(&self.shared.metrics.leases_total, leases.len());
        set(&self.shared.metrics.workers, workers.len());
        for lease in &leases {
            if self.is_given_to_us(lease) {
                self.take(lease, processors).await?;
            }
        }
        let choices = if self.is_led(now).await? {
            Vec::new()
        } else {
            self.board
                .choose(&config.worker, &config.share(), now, &self.rng)
        };
        for choice in &choices {
            self.carry_out(choice, now, processors).await?;
        }
        if config.cleans_up {
            for key in finished(&leases) {
                self.leases.delete_finished(&key).await?;
            }
        }
        // One of the workers is enough.
        let is_first = workers.keys().next() == Some(&config.worker);
        if is_first
            && self
                .synced
                .is_none_or(|synced| synced.elapsed() >= config.sync)
        {
            self.sync().await?;
        }
        Ok(())
    }

    async fn carry_out<P: Processor>(
        &mut self,
        choice: &Choice,
        now: Instant,
        processors: &mut impl FnMut(&str) -> P,
    ) -> Result<(), ClientError> {
        let metrics = Arc::clone(&self.shared.metrics);
        match choice {
            Choice::Steal(lease) if !self.shared.config.handover.is_zero() => {
                let (condition, change) = lease.handover_to(&self.shared.config.worker);
                if self.leases.update(&lease.key, &condition, &change).await? {
                    add(&metrics.stolen, 1);
                    self.pending.insert(lease.key.clone(), now);
                }
            }
            Choice::Steal(lease) => {
                if self.take(lease, processors).await? {
                    add(&metrics.stolen, 1);
                }
            }
            Choice::Take(lease) => {
                if self.take(lease, processors).await? {
                    add(&metrics.taken, 1);
                }
            }
        }
        Ok(())
    }

    /// Whether a leader lives, which then is told that this worker does: it assigns leases, and nobody else takes any.
    async fn is_led(&mut self, now: Instant) -> Result<bool, ClientError> {
        let lock = self.leases.leader().await?;
        self.leadership.observe(lock, now);
        let config = &self.shared.config;
        self.led = self.leadership.lives(config.look, now);
        if self.led {
            self.leases.report(&config.worker).await?;
        }
        Ok(self.led)
    }

    /// Whether leases may become ours without a step of this worker.
    fn awaits(&self) -> bool {
        self.led || !self.pending.is_empty()
    }

    /// Ours by the table, and not known of: from before a restart, or handed over.
    fn is_given_to_us(&self, lease: &Lease) -> bool {
        let worker = &self.shared.config.worker;
        let holdings = self.holdings.lock().unwrap_or_else(PoisonError::into_inner);
        lease.owner.as_ref() == Some(worker)
            && lease
                .checkpoint_owner
                .as_ref()
                .is_none_or(|owner| owner == worker)
            && !holdings.contains_key(&lease.key)
    }

    /// Takes a lease and begins to read. `false`: another was faster.
    async fn take<P: Processor>(
        &mut self,
        lease: &Lease,
        processors: &mut impl FnMut(&str) -> P,
    ) -> Result<bool, ClientError> {
        let config = &self.shared.config;
        let is_held = {
            let holdings = self.holdings.lock().unwrap_or_else(PoisonError::into_inner);
            holdings.contains_key(&lease.key)
        };
        let (condition, change) = lease.taking(&config.worker);
        // One that was lost and is still being left comes back with the next look.
        if is_held || !self.leases.update(&lease.key, &condition, &change).await? {
            return Ok(false);
        }
        let mut taken = lease.clone();
        taken.apply(&change);
        self.pending.remove(&taken.key);
        tracing::info!(lease = taken.key, from = lease.owner, "lease taken");
        let holding = Arc::new(Holding::new(
            taken,
            &config.worker,
            Arc::clone(&self.leases),
            config.failover,
        ));
        let key = holding.key().to_owned();
        {
            let mut holdings = self.holdings.lock().unwrap_or_else(PoisonError::into_inner);
            holdings.insert(key.clone(), Arc::clone(&holding));
            set(&self.shared.metrics.leases_held, holdings.len());
        }
        let processor = processors(&key);
        let shared = Arc::clone(&self.shared);
        self.readers.spawn(async move {
            Shard::new(shared, holding, processor).await.run().await;
            key
        });
        Ok(true)
    }

    /// Looks whether leases that were asked for are given up by now.
    async fn ask<P: Processor>(
        &mut self,
        processors: &mut impl FnMut(&str) -> P,
    ) -> Result<(), ClientError> {
        let (worker, patience) = (
            self.shared.config.worker.clone(),
            self.shared.config.handover,
        );
        // What a leader assigns must be renewed within the failover time.
        if self.led {
            self.look(processors).await?;
        }
        for (key, since) in self.pending.clone() {
            let lease = self.leases.get(&key).await?;
            let Some(lease) = lease.filter(|lease| lease.owner.as_deref() == Some(&worker)) else {
                self.pending.remove(&key);
                continue;
            };
            if lease.checkpoint_owner.is_none() || since.elapsed() > patience {
                self.take(&lease, processors).await?;
            }
        }
        Ok(())
    }

    /// Makes the leases there must be.
    async fn sync(&mut self) -> Result<(), ClientError> {
        let config = &self.shared.config;
        let leases = self.leases.list().await?;
        let shards = if leases.is_empty() {
            api::shards_at(&self.shared.kinesis, &config.stream, config.start).await?
        } else {
            self.shared.kinesis.shards(&config.stream).await?
        };
        for lease in missing(&shards, &leases, &config.start.position()) {
            self.leases.create(&lease).await?;
        }
        for (key, children) in unnamed_children(&shards, &leases) {
            let change = Change {
                children: Some(children),
                ..Change::default()
            };
            self.leases
                .update(&key, &Condition::default(), &change)
                .await?;
        }
        if config.cleans_up {
            for key in expired(&shards, &leases) {
                self.leases.delete_finished(&key).await?;
            }
        }
        self.synced = Some(Instant::now());
        Ok(())
    }

    fn end(&mut self, reader: Result<String, tokio::task::JoinError>) {
        match reader {
            Ok(key) => {
                let mut holdings = self.holdings.lock().unwrap_or_else(PoisonError::into_inner);
                holdings.remove(&key);
                set(&self.shared.metrics.leases_held, holdings.len());
            }
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }

    /// Gives all leases up.
    async fn finish(&mut self) {
        // First, or what is given up could be assigned to this worker again.
        if self.led
            && let Err(error) = self.leases.retire(&self.shared.config.worker).await
        {
            tracing::warn!(%error, "the leader could not be told that this worker ends");
        }
        for holding in held(&self.holdings) {
            holding.leave();
        }
        let all = async {
            while let Some(reader) = self.readers.join_next().await {
                if let Ok(key) = &reader {
                    tracing::debug!(lease = key, "lease given up");
                }
            }
        };
        if tokio::time::timeout(self.shared.config.grace, all)
            .await
            .is_err()
        {
            tracing::warn!("processors did not stop in time: what they have begun comes again");
        }
        set(&self.shared.metrics.leases_held, 0);
    }
}

/// Waits until the worker is to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Where nobody can say so any more, it never is.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Renews all leases, again and again.
async fn renew(shared: Arc<Shared>, holdings: Holdings) {
    let mut ticks = interval(shared.config.renewal());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let begun = Instant::now();
        let held_now = held(&holdings);
        let count = held_now.len() as u64;
        let mut are_renewed = true;
        let mut renewals = JoinSet::new();
        for holding in held_now {
            if renewals.len() >= RENEWALS_MAX
                && let Some(renewed) = renewals.join_next().await
            {
                are_renewed &= renewed.unwrap_or(false);
            }
            let metrics = Arc::clone(&shared.metrics);
            renewals.spawn(async move { renew_one(&holding, &metrics).await });
        }
        are_renewed &= renewals.join_all().await.into_iter().all(|renewed| renewed);
        let took = begun.elapsed();
        shared
            .metrics
            .report(|report| report.renewed(count, are_renewed, took));
    }
}

/// Whether the lease was renewed or is lost, which is known by then.
async fn renew_one(holding: &Holding, metrics: &Metrics) -> bool {
    let begun = Instant::now();
    let renewed = holding.renew().await;
    let is_known = renewed.is_ok();
    metrics.report(|report| report.renewed_one(is_known, begun.elapsed()));
    match renewed {
        Ok(true) => add(&metrics.renewals, 1),
        Ok(false) => {}
        Err(error) => {
            tracing::warn!(lease = holding.key(), %error, "the lease cannot be renewed, and is tried again");
        }
    }
    is_known
}
