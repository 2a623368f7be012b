//! A lease this worker has: renewed, checkpointed, given up. Renewals and checkpoints of one lease take turns, as each must
//! know the counter the other left.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::lease::{Change, Condition, Lease};
use super::position::Position;
use super::store::LeaseStore;
use crate::error::ClientError;

/// What is to become of a lease this worker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on.
    Held,
    /// Finish what is begun, then give it up.
    Leaving,
    /// Another has it, or it is gone.
    Lost,
}

/// A lease this worker has.
#[derive(Debug)]
pub(super) struct Holding {
    key: String,
    worker: String,
    store: Arc<dyn LeaseStore>,
    failover: Duration,
    state: Mutex<State>,
    fate: watch::Sender<Fate>,
}

#[derive(Debug)]
struct State {
    lease: Lease,
    /// When the table was last told.
    renewed: Instant,
}

impl Holding {
    /// A lease that was just taken, as it is in the table now.
    pub(super) fn new(
        lease: Lease,
        worker: &str,
        store: Arc<dyn LeaseStore>,
        failover: Duration,
    ) -> Holding {
        Holding {
            key: lease.key.clone(),
            worker: worker.to_owned(),
            store,
            failover,
            state: Mutex::new(State {
                lease,
                renewed: Instant::now(),
            }),
            fate: watch::Sender::new(Fate::Held),
        }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn store(&self) -> &Arc<dyn LeaseStore> {
        &self.store
    }

    /// To hear of its fate.
    pub(super) fn fate(&self) -> watch::Receiver<Fate> {
        self.fate.subscribe()
    }

    pub(super) fn is_lost(&self) -> bool {
        *self.fate.borrow() == Fate::Lost
    }

    /// The lease as this worker knows it.
    pub(super) async fn lease(&self) -> Lease {
        self.state.lock().await.lease.clone()
    }

    /// The worker stops: the lease is to be given up.
    pub(super) fn leave(&self) {
        self.fate.send_if_modified(|fate| {
            let is_held = *fate == Fate::Held;
            if is_held {
                *fate = Fate::Leaving;
            }
            is_held
        });
    }

    fn lose(&self) {
        self.fate.send_replace(Fate::Lost);
    }

    /// Tells the table that this worker lives. `false`: the lease is lost.
    pub(super) async fn renew(&self) -> Result<bool, ClientError> {
        let mut state = self.state.lock().await;
        if self.is_lost() {
            return Ok(false);
        }
        let (condition, change) = state.lease.renewal();
        let outcome = self.step(&mut state, &condition, &change).await;
        if outcome.is_err() && state.renewed.elapsed() > self.failover {
            // Others must think so by now.
            self.lose();
        }
        outcome
    }

    /// Writes a checkpoint. `false`: the lease is lost, and nothing is written.
    pub(super) async fn checkpoint(&self, position: Position) -> Result<bool, ClientError> {
        let mut state = self.state.lock().await;
        if self.is_lost() {
            return Ok(false);
        }
        let (condition, change) = state.lease.checkpointing(position);
        self.step(&mut state, &condition, &change).await
    }

    /// Names the shards that go on where this one ended.
    pub(super) async fn name_children(&self, children: Vec<String>) -> Result<(), ClientError> {
        let mut state = self.state.lock().await;
        let change = Change {
            children: Some(children),
            ..Change::default()
        };
        if change
            .children
            .as_ref()
            .is_some_and(|children| !children.is_empty())
            && self
                .store
                .update(&self.key, &Condition::default(), &change)
                .await?
        {
            state.lease.apply(&change);
        }
        Ok(())
    }

    /// Gives the lease up: to the worker that asked for it, or to whoever takes it.
    pub(super) async fn give_up(&self) -> Result<(), ClientError> {
        let state = self.state.lock().await;
        if self.is_lost() {
            return Ok(());
        }
        let (condition, change) = if state.lease.checkpoint_owner.is_some() {
            state.lease.handover_completed()
        } else {
            state.lease.release()
        };
        let is_done = self.store.update(&self.key, &condition, &change).await?;
        if !is_done && state.lease.checkpoint_owner.is_none() {
            // Asked for in this moment, perhaps: then the next owner need not wait.
            if let Some(lease) = self.store.get(&self.key).await?
                && lease.checkpoint_owner.as_deref() == Some(&self.worker)
            {
                let (condition, change) = lease.handover_completed();
                self.store.update(&self.key, &condition, &change).await?;
            }
        }
        self.lose();
        Ok(())
    }

    /// One step by the counter. Where its condition did not hold, the table says why.
    async fn step(
        &self,
        state: &mut State,
        condition: &Condition,
        change: &Change,
    ) -> Result<bool, ClientError> {
        let begun = Instant::now();
        if self.store.update(&self.key, condition, change).await? {
            state.lease.apply(change);
            state.renewed = begun;
            return Ok(true);
        }
        let mut expected = state.lease.clone();
        expected.apply(change);
        let Some(found) = self.store.get(&self.key).await? else {
            self.lose();
            return Ok(false);
        };
        let is_ours = found.reader() == Some(self.worker.as_str());
        if is_ours && found.counter == expected.counter && found.checkpoint == expected.checkpoint {
            // It was done, and the answer lost.
            self.adopt(state, found, begun);
            return Ok(true);
        }
        if is_ours && found.counter == state.lease.counter && state.lease.checkpoint_owner.is_none()
        {
            // Another asks for it. What is begun may be finished.
            self.adopt(state, found, begun);
            let (condition, _) = state.lease.renewal();
            let is_done = self.store.update(&self.key, &condition, change).await?;
            if is_done {
                state.lease.apply(change);
                return Ok(true);
            }
        }
        self.lose();
        Ok(false)
    }

    fn adopt(&self, state: &mut State, found: Lease, at: Instant) {
        if found.checkpoint_owner.is_some() {
            self.leave();
        }
        state.lease = found;
        state.renewed = at;
    }
}
