//! Transactions (KIP-98, KIP-360, KIP-447, KIP-588, KIP-890): which are open in a log, which were aborted, and who may write in
//! one.
//!
//! What an id goes through is decided by [`machine`]; this is its owner. Per id there is one turn, held while a step is decided,
//! written down and taken over, whether or not the client still waits for it. An end is one commit of the store: markers for all
//! partitions, groups' offsets, notes of what was aborted, and the new state, or nothing of it.
//!
//! A batch written in a transaction must not land behind its end. So each write is admitted ([`Transactions::admit`]) and counted
//! until it is durable, and an end lets no more in and waits for those under way.
//!
//! A shard that was closed by resharding takes no marker. A transaction with records there ends without one: what is committed
//! is read as it is, what is aborted is noted to go on to the shard's end, and its producer writes nothing there ever after.
//!
//! Read on in [`machine`], [`kept`], `end`, [`upkeep`]; the other files answer one request each.

pub(crate) mod add_offsets_to_txn;
pub(crate) mod add_partitions_to_txn;
pub(crate) mod describe_producers;
pub(crate) mod describe_transactions;
mod end;
pub(crate) mod end_txn;
mod ids;
pub(crate) mod init_producer_id;
mod kept;
pub(crate) mod list_transactions;
pub(crate) mod machine;
mod restore;
mod silence;
pub(crate) mod txn_offset_commit;
pub(crate) mod upkeep;
mod withdrawal;
pub(crate) mod write_txn_markers;
mod writing;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::batch::Producer;
use model::{LogId, Offset, Timestamp};
use store::{StoreError, Txn, Write};
use streams::Streams;
use streams::aborted::AbortedIn;
use tokio::sync::OwnedMutexGuard;

use crate::apart::apart;
use crate::error::Refusal;
use crate::wire::ErrorCode;

use ids::ProducerIds;
use machine::{Addition, Asking, End, Init, Machine, NONE, Offsets, Place, Stage, Step};
use writing::Coordinated;
pub(crate) use writing::Writing;

/// Transactional ids known at one time. They are forgotten after a week without use.
const IDS_MAX: usize = 1_000_000;

/// All transactions there are.
#[derive(Debug)]
pub(crate) struct Transactions {
    streams: Arc<Streams>,
    ids: ProducerIds,
    by_id: Mutex<HashMap<String, Arc<Coordinated>>>,
    /// Open transactions that are about to commit a group's offset of a partition, counted.
    pending: Mutex<HashMap<(String, LogId), u32>>,
}

/// The right to take the next step of an id.
struct Turn {
    id: String,
    one: Arc<Coordinated>,
    _held: OwnedMutexGuard<()>,
}

impl Transactions {
    /// Up to where all transactions of a log that ends at `end` are decided.
    pub(crate) fn last_stable(&self, log: LogId, end: Offset) -> Offset {
        self.streams.undecided().last_stable(log, end)
    }

    /// The aborted transactions with records in `from..until`.
    pub(crate) fn aborted(&self, log: LogId, from: Offset, until: Offset) -> Vec<AbortedIn> {
        self.streams.aborted().overlapping(log, from, until)
    }

    /// Whether an open transaction is about to commit a group's offset of a partition (KIP-447): who wants stable offsets must
    /// wait for it.
    pub(crate) fn has_pending_offset(&self, group: &str, log: LogId) -> bool {
        self.pending().contains_key(&(group.to_owned(), log))
    }

    /// Lets a producer write to a log in the transaction it has open (KIP-890). The write is under way until what is given is told
    /// what became of it.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidProducerIdMapping`], [`ErrorCode::ProducerFenced`] for who is not the id's producer;
    /// [`ErrorCode::ConcurrentTransactions`] while the transaction ends; [`ErrorCode::TransactionAbortable`] where the log is not
    /// in it.
    pub(crate) async fn admit(
        &self,
        transactional_id: &str,
        producer: Producer,
        log: LogId,
    ) -> Result<Writing, Refusal> {
        let one = self
            .find(transactional_id)
            .ok_or(ErrorCode::InvalidProducerIdMapping)?;
        let asking = Asking {
            producer_id: producer.id,
            epoch: producer.epoch,
        };
        let writing = Writing::begin(&self.streams, one, log, asking)?;
        let end = self.streams.store().bounds(log).await?.end;
        Ok(writing.announce(end))
    }

    /// Whether a log is in the transaction that the producer has open.
    pub(crate) fn has(&self, id: &str, asking: Asking, log: LogId) -> bool {
        let is_such = |machine: &Machine| {
            machine.check(asking).is_ok() && machine.stage == Stage::Ongoing && machine.has(log)
        };
        self.find(id).is_some_and(|one| one.is_such(is_such))
    }

    /// Whether a producer may write outside of a transaction: not to a log where it has one open.
    pub(crate) fn admits_plain(&self, producer: Producer, log: LogId) -> bool {
        !self.streams.undecided().is_open(log, producer.id)
    }

    /// A producer id without a transactional id.
    pub(crate) async fn new_producer(&self) -> Result<i64, StoreError> {
        self.ids.next(&**self.streams.store()).await
    }

    /// A transactional producer begins or goes on.
    pub(crate) async fn init(self: &Arc<Self>, id: &str, init: Init) -> Result<Asking, Refusal> {
        let (this, id) = (Arc::clone(self), id.to_owned());
        apart(async move {
            let turn = this.turn_or_new(&id).await?;
            let begun = this.init_in_turn(&turn, init).await;
            if turn.one.machine().is_none() {
                this.by_id().remove(&turn.id);
            }
            begun
        })
        .await
    }

    async fn init_in_turn(&self, turn: &Turn, init: Init) -> Result<Asking, Refusal> {
        let machine = turn.one.machine();
        let fresh_id = match &machine {
            Some(machine) if !machine.is_exhausted() => NONE,
            _ => self.new_producer().await?,
        };
        let step = match machine {
            None => Some(Step {
                next: Machine::new(fresh_id, init, self.now()),
                ending: None,
            }),
            Some(machine) => machine.init(init, fresh_id, self.now())?,
        };
        self.take(turn, step, Vec::new()).await
    }

    /// Adds partitions to a transaction.
    pub(crate) async fn add(
        self: &Arc<Self>,
        id: &str,
        asking: Asking,
        additions: Vec<Addition>,
    ) -> Result<(), Refusal> {
        let (this, id) = (Arc::clone(self), id.to_owned());
        apart(async move {
            let turn = this.turn(&id).await?;
            let machine = turn.machine()?;
            let step = machine.add(asking, &additions, this.now())?;
            this.take(&turn, step, Vec::new()).await?;
            for one in &additions {
                this.streams.undecided().enter(one.log, asking.producer_id);
            }
            Ok(())
        })
        .await
    }

    /// Adds a group to a transaction.
    pub(crate) async fn add_group(
        self: &Arc<Self>,
        id: &str,
        asking: Asking,
        group: &str,
    ) -> Result<(), Refusal> {
        let (this, id, group) = (Arc::clone(self), id.to_owned(), group.to_owned());
        apart(async move {
            let turn = this.turn(&id).await?;
            let step = turn.machine()?.add_group(asking, &group, this.now())?;
            this.take(&turn, step, Vec::new()).await.map(drop)
        })
        .await
    }

    /// Notes offsets that are committed if the transaction is.
    pub(crate) async fn commit_offsets(
        self: &Arc<Self>,
        id: &str,
        asking: Asking,
        offsets: Offsets,
        adds: bool,
    ) -> Result<(), Refusal> {
        let (this, id) = (Arc::clone(self), id.to_owned());
        apart(async move {
            let turn = this.turn(&id).await?;
            let writes = offsets
                .iter()
                .map(|(place, offset)| kept::put_offset(&id, place, offset))
                .collect();
            let machine = turn.machine()?;
            let step = machine.commit_offsets(asking, offsets, adds, this.now())?;
            if end_bytes(&id, &step.next.offsets) > END_BYTES_MAX {
                return Err(ErrorCode::InvalidCommitOffsetSize.into());
            }
            this.take(&turn, Some(step), writes).await.map(drop)
        })
        .await
    }

    /// Ends a transaction. Gives what its producer is to go on as.
    pub(crate) async fn end(self: &Arc<Self>, id: &str, end: End) -> Result<Asking, Refusal> {
        let (this, id) = (Arc::clone(self), id.to_owned());
        apart(async move {
            let turn = this.turn(&id).await?;
            let machine = turn.machine()?;
            let fresh_id = if end.bumps && machine.is_exhausted() {
                this.new_producer().await?
            } else {
                NONE
            };
            let step = machine.end(end, fresh_id, this.now())?;
            this.take(&turn, step, Vec::new()).await
        })
        .await
    }

    /// Whether partitions are in the transaction, for who only asks.
    ///
    /// # Errors
    /// As [`Transactions::admit`], for all of them.
    pub(crate) fn verify(
        &self,
        id: &str,
        asking: Asking,
        logs: &[LogId],
    ) -> Result<Vec<bool>, ErrorCode> {
        let machine = self.find(id).and_then(|one| one.machine());
        let machine = machine.ok_or(ErrorCode::InvalidProducerIdMapping)?;
        machine.check(asking)?;
        let is_ongoing = machine.stage == Stage::Ongoing;
        Ok(logs
            .iter()
            .map(|log| is_ongoing && machine.has(*log))
            .collect())
    }

    /// Writes a step down and takes it over, with `writes` in the same commit.
    async fn take(
        &self,
        turn: &Turn,
        step: Option<Step>,
        mut writes: Vec<Write>,
    ) -> Result<Asking, Refusal> {
        let Some(step) = step else {
            return Ok(turn.machine()?.asking());
        };
        let asking = step.next.asking();
        if step.ending.is_some() {
            self.end_with(turn, step).await?;
            return Ok(asking);
        }
        writes.push(kept::put(&turn.id, &step.next));
        let txn = Txn {
            writes,
            ..Txn::default()
        };
        self.streams.store().commit(txn).await?;
        let known = turn.one.machine().map(|machine| machine.offsets);
        for place in step.next.offsets.keys() {
            if !known
                .as_ref()
                .is_some_and(|known| known.contains_key(place))
            {
                self.count_pending(place);
            }
        }
        turn.one.become_(Some(step.next));
        Ok(asking)
    }

    fn find(&self, id: &str) -> Option<Arc<Coordinated>> {
        self.by_id().get(id).cloned()
    }

    async fn turn(&self, id: &str) -> Result<Turn, Refusal> {
        loop {
            let one = self.find(id).ok_or(ErrorCode::InvalidProducerIdMapping)?;
            if let Some(turn) = self.turn_at(id, one).await {
                return Ok(turn);
            }
        }
    }

    async fn turn_or_new(&self, id: &str) -> Result<Turn, Refusal> {
        loop {
            let one = {
                let mut by_id = self.by_id();
                if by_id.len() >= IDS_MAX && !by_id.contains_key(id) {
                    return Err(ErrorCode::CoordinatorNotAvailable.into());
                }
                Arc::clone(by_id.entry(id.to_owned()).or_default())
            };
            if let Some(turn) = self.turn_at(id, one).await {
                return Ok(turn);
            }
        }
    }

    /// `None` where the id was forgotten while its turn was waited for.
    async fn turn_at(&self, id: &str, one: Arc<Coordinated>) -> Option<Turn> {
        let held = one.turn().await;
        let is_known = self.find(id).is_some_and(|known| Arc::ptr_eq(&known, &one));
        is_known.then(|| Turn {
            id: id.to_owned(),
            one,
            _held: held,
        })
    }

    fn by_id(&self) -> MutexGuard<'_, HashMap<String, Arc<Coordinated>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every id and its state, in no order.
    pub(crate) fn all(&self) -> Vec<(String, Machine)> {
        let by_id = self.by_id();
        by_id
            .iter()
            .filter_map(|(id, one)| Some((id.clone(), one.machine()?)))
            .collect()
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<(String, LogId), u32>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Groups with offsets that open transactions are about to commit.
    pub(crate) fn pending_groups(&self) -> HashSet<String> {
        let pending = self.pending();
        pending.keys().map(|(group, _)| group.clone()).collect()
    }

    fn count_pending(&self, (group, stream, partition): &Place) {
        let log = LogId::new(*stream, *partition);
        *self.pending().entry((group.clone(), log)).or_default() += 1;
    }

    fn discount_pending(&self, (group, stream, partition): &Place) {
        let place = (group.clone(), LogId::new(*stream, *partition));
        let mut pending = self.pending();
        if let Some(count) = pending.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                pending.remove(&place);
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.streams.clock().now()
    }
}

/// Most bytes that a transaction's offsets may take when it ends, all in one write with its markers: one that could not be ended
/// would hold its partitions for ever.
const END_BYTES_MAX: usize = 32 << 20;

/// About what it takes to commit offsets and to drop the notes of them. Keys may be twice as long as what they are made of.
fn end_bytes(id: &str, offsets: &Offsets) -> usize {
    let bytes = offsets.iter().map(|((group, ..), offset)| {
        let keys = 2 * (id.len() + 2 * group.len());
        keys + offset.metadata.len() + offset.topic.len() + 200
    });
    bytes.sum()
}

/// What a client of this version understands: those before `knows_fenced` have an older word for it (KIP-588), and what the store
/// refuses they ask a coordinator for again only by a coordinator's word.
fn for_version(code: ErrorCode, version: i16, knows_fenced: i16) -> ErrorCode {
    match code {
        ErrorCode::KafkaStorageError | ErrorCode::RequestTimedOut => {
            ErrorCode::CoordinatorNotAvailable
        }
        ErrorCode::ProducerFenced if version < knows_fenced => ErrorCode::InvalidProducerEpoch,
        other => other,
    }
}

impl Turn {
    fn machine(&self) -> Result<Machine, Refusal> {
        let machine = self.one.machine();
        machine.ok_or_else(|| ErrorCode::InvalidProducerIdMapping.into())
    }
}

#[cfg(test)]
mod tests;
