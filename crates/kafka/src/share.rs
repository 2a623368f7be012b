//! Records shared out (KIP-932): each share group has a [delivery queue](streams::delivery) over each partition that it reads,
//! the same machine that serves SQS's queues, with a journal of its own. It is opened when a member first fetches.
//!
//! What a group has done with survives a crash as soon as that is answered; how often records were delivered is written down
//! within a tenth of a second. Who has which records is known in memory alone: after a restart they are delivered again when
//! their locks lapse.

pub(crate) mod idle;
pub(crate) mod kept;
pub(crate) mod owners;
pub(crate) mod session;
mod source;
pub(crate) mod together;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{LogId, Offset, Timestamp};
use store::{Append, Check, Expect, LogChange, StoreError, Txn};
use streams::delivery::journal::Draft;
use streams::delivery::{Logs, Order, Policy, Queue, Receipt};
use streams::{Number, Position};

use crate::apart::apart;
use crate::broker::Broker;
use crate::configs::kind::duration_ms;
use crate::error::Refusal;
use crate::partition::Isolation;
use crate::topics::Topic;
use crate::wire::ErrorCode;

use kept::Kept;
use owners::{Owners, Said};
use session::{Sessions, Who};

/// Records of a partition whose members are known, before those are forgotten that nobody has any more: twice as many as can be
/// with members at once (`group.share.max.partition.max.record.locks`).
const OWNERS_MAX: usize = 8_000;
/// Partitions in use at one time, by all groups.
const PARTITIONS_MAX: usize = 100_000;
/// How often a transaction is tried again that others were in the way of.
const ATTEMPTS: usize = 20;

/// A partition in use by a share group.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    source: Arc<source::Partition>,
    owners: Mutex<Owners>,
    /// When somebody asked for it last.
    asked: idle::Last,
}

/// All share groups' sessions and partitions in use.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    pub(crate) sessions: Sessions,
    live: Mutex<HashMap<(String, LogId), Arc<Shared>>>,
    opening: tokio::sync::Mutex<()>,
}

impl Shares {
    fn live(&self) -> MutexGuard<'_, HashMap<(String, LogId), Arc<Shared>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, group: &str, log: LogId, now: Timestamp) -> Option<Arc<Shared>> {
        let live = self.live();
        let shared = live.get(&(group.to_owned(), log))?;
        shared.asked.set(now);
        Some(Arc::clone(shared))
    }

    /// Gives back what a member has. It counts as delivered: the member may have gone because of it, and as many as go so would
    /// have it for ever (KAFKA-19972).
    pub(crate) fn release(&self, (group, member): &Who) {
        let of_group: Vec<Arc<Shared>> = {
            let live = self.live();
            let of_group = live.iter().filter(|((name, _), _)| name == group);
            of_group.map(|(_, shared)| Arc::clone(shared)).collect()
        };
        for shared in of_group {
            let receipts = shared.owners().take_all(member);
            shared.queue.release(&receipts);
        }
    }

    /// Ends the sessions whose connections are gone.
    pub(crate) fn sweep(&self) {
        for who in self.sessions.sweep() {
            self.release(&who);
        }
    }
}

impl Shared {
    fn owners(&self) -> MutexGuard<'_, Owners> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A member has these now.
    pub(crate) fn give(&self, member: &str, receipts: &[Receipt]) {
        let mut owners = self.owners();
        owners.give(member, receipts);
        if owners.len() > OWNERS_MAX {
            owners.prune(|receipt| self.queue.standing(receipt));
        }
    }

    /// Gives up records that were delivered too often.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn give_up(&self, offsets: &[Offset]) -> Result<(), StoreError> {
        self.queue.acknowledge(offsets).await?;
        self.owners().forget(offsets.iter().copied());
        Ok(())
    }

    /// A member's acknowledgement. Durable when this answers; records renewed are its for `lock` from now on.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRecordState`], or the store's.
    pub(crate) async fn acknowledge(
        &self,
        member: &str,
        said: &[Said],
        lock: Duration,
    ) -> Result<(), Refusal> {
        let base = self.queue.base();
        let standing = |receipt| self.queue.standing(receipt);
        let settled = self.owners().settle(member, base, said, standing)?;
        self.queue.acknowledge_held(&settled.done).await?;
        {
            // Not before: who is refused may say it again.
            let mut owners = self.owners();
            owners.forget(settled.done.iter().copied());
            owners.forget_deliveries(&settled.released);
        }
        self.queue.release(&settled.released);
        for receipt in settled.renewed {
            let _ = self.queue.set_visibility(receipt, lock);
        }
        Ok(())
    }
}

impl Broker {
    /// How long a member of a group may keep a record: `share.record.lock.duration.ms`.
    pub(crate) fn share_lock(&self, group: &str) -> Duration {
        self.share_ms(group, "share.record.lock.duration.ms")
    }

    /// A duration that is configured for a group.
    pub(crate) fn share_ms(&self, group: &str, config: &str) -> Duration {
        let ms = self.configs.of_group(group, config);
        Duration::from_millis(ms.trim().parse().unwrap_or(30_000))
    }

    /// How a group's records are delivered: `share.partition.max.record.locks` and `share.delivery.count.limit`.
    fn share_policy(&self, group: &str) -> Policy {
        let number = |config: &str, default: u32| {
            let number = self.configs.of_group(group, config).trim().parse();
            number.unwrap_or(default)
        };
        Policy {
            order: Order::Fair,
            in_flight_max: number("share.partition.max.record.locks", 2_000) as usize,
            max_receives: Some(number("share.delivery.count.limit", 5)),
            retention: None,
            keep: Duration::ZERO,
        }
    }

    fn share_isolation(&self, group: &str) -> Isolation {
        match self
            .configs
            .of_group(group, "share.isolation.level")
            .as_str()
        {
            "read_committed" => Isolation::Committed,
            _ => Isolation::Uncommitted,
        }
    }

    /// A partition as a share group reads it, from where the group's `share.auto.offset.reset` says if it has not begun.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn shared(
        self: &Arc<Broker>,
        group: &str,
        topic: &Arc<Topic>,
        shard: u32,
    ) -> Result<Arc<Shared>, Refusal> {
        let (log, now) = (topic.stream.log(shard), self.clock.now());
        if let Some(shared) = self.shares.find(group, log, now) {
            shared
                .source
                .set(&topic.stream, self.share_isolation(group));
            let policy = self.share_policy(group);
            if shared.queue.policy() != policy {
                shared.queue.set_policy(policy);
            }
            return Ok(shared);
        }
        // One after the other, and nobody waits for a client to read.
        let (this, group, topic) = (Arc::clone(self), group.to_owned(), Arc::clone(topic));
        apart(async move { this.open_shared(&group, &topic, shard).await }).await
    }

    async fn open_shared(
        &self,
        group: &str,
        topic: &Topic,
        shard: u32,
    ) -> Result<Arc<Shared>, Refusal> {
        let (log, now) = (topic.stream.log(shard), self.clock.now());
        let _turn = self.shares.opening.lock().await;
        if let Some(shared) = self.shares.find(group, log, now) {
            return Ok(shared);
        }
        if self.shares.live().len() >= PARTITIONS_MAX {
            return Err(ErrorCode::CoordinatorNotAvailable.into());
        }
        let kept = self.begin_sharing(group, topic, shard).await?;
        let stream = Arc::clone(&topic.stream);
        let source = Arc::new(source::Partition::new(
            Arc::clone(&self.streams),
            shard,
            stream,
        ));
        source.set(&topic.stream, self.share_isolation(group));
        let logs = Logs {
            messages: log,
            journal: kept.journal(),
            is_owned: false,
        };
        let policy = self.share_policy(group);
        let store = Arc::clone(self.streams.store());
        let reader = Arc::clone(&source) as Arc<dyn streams::delivery::Source>;
        let queue = Queue::open(store, self.clock.clone(), logs, reader, policy).await?;
        let shared = Arc::new(Shared {
            queue,
            source,
            owners: Mutex::default(),
            asked: idle::Last::default(),
        });
        shared.asked.set(now);
        let place = (group.to_owned(), log);
        self.shares.live().insert(place, Arc::clone(&shared));
        Ok(shared)
    }

    /// The journal of a group's partition, made if there is none.
    async fn begin_sharing(&self, group: &str, topic: &Topic, shard: u32) -> Result<Kept, Refusal> {
        let key = kept::key(group, topic.stream.settings.id, shard);
        for _ in 0..ATTEMPTS {
            if let Some(document) = self.streams.store().get(&key).await? {
                return Ok(document.decode()?);
            }
            let start = self.share_start(group, topic, shard).await?;
            match self.write_start(group, topic, shard, start, None).await {
                Err(StoreError::Conflict { .. }) => {}
                other => return Ok(other?),
            }
        }
        Err(ErrorCode::CoordinatorNotAvailable.into())
    }

    /// Where a group begins to read: where it is told to, but at the start of what a reshard made of a partition that it reads, or
    /// what was put since would be passed over.
    async fn share_start(
        &self,
        group: &str,
        topic: &Topic,
        shard: u32,
    ) -> Result<Offset, StoreError> {
        let reset = self.configs.of_group(group, "share.auto.offset.reset");
        let position = match reset.split_once(':') {
            Some((_, duration)) => {
                let back = Duration::from_millis(duration_ms(duration).unwrap_or(0));
                Position::Time(self.clock.now().minus(back))
            }
            None if reset == "earliest" => Position::Start,
            None if self.shares_ancestor(group, topic, shard).await? => Position::Start,
            None if self.share_isolation(group) == Isolation::Committed => Position::End,
            None => Position::At(Offset(u64::MAX)),
        };
        self.streams.locate(&topic.stream, shard, position).await
    }

    /// Whether a group reads a shard that this one was made of, be it several reshards ago.
    async fn shares_ancestor(
        &self,
        group: &str,
        topic: &Topic,
        shard: u32,
    ) -> Result<bool, StoreError> {
        let (stream, topology) = (topic.stream.settings.id, &topic.stream.topology);
        let parents = |shard| topology.partition(shard).map_or(&[][..], |it| &it.parents);
        let mut seen = BTreeSet::new();
        let mut next = parents(shard).to_vec();
        while let Some(ancestor) = next.pop() {
            if !seen.insert(ancestor) {
                continue;
            }
            let key = kept::key(group, stream, ancestor);
            if self.streams.store().get(&key).await?.is_some() {
                return Ok(true);
            }
            next.extend(parents(ancestor));
        }
        Ok(false)
    }

    /// Has a group read a partition from `start` on, by a new journal in place of the one it had.
    async fn write_start(
        &self,
        group: &str,
        topic: &Topic,
        shard: u32,
        start: Offset,
        before: Option<&kept::Found>,
    ) -> Result<Kept, StoreError> {
        let stream = topic.stream.settings.id;
        let number = Number::next(&**self.streams.store()).await?;
        let kept = Kept {
            journal: number.id,
            topic: topic.name().to_owned(),
        };
        let mut txn = Txn::default();
        txn.logs.push(LogChange::Create(kept.journal()));
        match before {
            Some(before) => txn.logs.push(LogChange::Delete(before.kept.journal())),
            None => txn.checks.push(Check {
                key: kept::key(group, stream, shard),
                expect: Expect::Absent,
            }),
        }
        if start > Offset::ZERO {
            let draft = Draft::default().ranges([(Offset::ZERO, start)].into_iter());
            let batch = draft.into_batch(self.clock.now());
            txn.appends.push(Append::to(kept.journal(), batch));
        }
        txn.writes.push(kept::put(group, stream, shard, &kept));
        number.put_into(&mut txn);
        self.streams.store().commit(txn).await?;
        Ok(kept)
    }

    /// Has a group that nobody is in read a partition from `start` on.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn restart_sharing(
        &self,
        group: &str,
        topic: &Topic,
        shard: u32,
        start: Offset,
    ) -> Result<(), Refusal> {
        let _turn = self.shares.opening.lock().await;
        let log = topic.stream.log(shard);
        let all = kept::all(&**self.streams.store(), group).await?;
        let before = all
            .iter()
            .find(|one| one.stream == log.stream && one.partition == shard);
        self.shares.live().remove(&(group.to_owned(), log));
        for _ in 0..ATTEMPTS {
            match self.write_start(group, topic, shard, start, before).await {
                Err(StoreError::Conflict { .. }) => {}
                other => return Ok(other.map(drop)?),
            }
        }
        Err(ErrorCode::CoordinatorNotAvailable.into())
    }

    /// Forgets those of a group's partitions that `is_meant`; how many there were.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn forget_shared(
        &self,
        group: &str,
        is_meant: impl Fn(&kept::Found) -> bool,
    ) -> Result<usize, StoreError> {
        let _turn = self.shares.opening.lock().await;
        let mut meant = kept::all(&**self.streams.store(), group).await?;
        meant.retain(|found| is_meant(found));
        for found in &meant {
            let log = LogId::new(found.stream, found.partition);
            self.shares.live().remove(&(group.to_owned(), log));
            let mut txn = Txn::default();
            kept::remove(found, &mut txn);
            self.streams.store().commit(txn).await?;
        }
        Ok(meant.len())
    }
}

#[cfg(test)]
mod tests;
