//! Groups made durable, and held while others write beside them.

use std::sync::Arc;

use store::{StoreError, Txn, Write};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::time::Instant;

use super::consumer::Changes;
use super::stored::{self, ConsumerMember, Document};
use super::{Effect, Groups, Machine, Shared};
use crate::wire::ErrorCode;

/// What is being written of a group.
struct Writing {
    revision: u64,
    txn: Txn,
    /// Of a consumer group, or what was left of one.
    changes: Changes,
}

/// Writes a group until nothing new is to be written.
pub(super) async fn keep(shared: Arc<Shared>, group: String) {
    loop {
        let Some(turn) = shared.turn(&group) else {
            return;
        };
        let _turn = turn.write().await;
        let Some(writing) = shared.begin_keeping(&group, &turn) else {
            return;
        };
        let outcome = shared.store.commit(writing.txn).await;
        let outcome = outcome.map(drop).map_err(|error| refusal(&group, &error));
        if !shared.end_keeping(&group, writing.revision, writing.changes, outcome) {
            return;
        }
    }
}

impl Groups {
    /// Holds the group for somebody who commits offsets of it, as long as `admit` lets them. The group that was made for them may
    /// be gone before it is held, and is made again then.
    ///
    /// # Errors
    /// As `admit`.
    pub(crate) async fn hold_for(
        &self,
        group: &str,
        admit: impl Fn() -> Result<(), ErrorCode>,
    ) -> Result<OwnedRwLockReadGuard<()>, ErrorCode> {
        loop {
            admit()?;
            if let Some(held) = self.hold(group).await {
                admit()?;
                return Ok(held);
            }
        }
    }

    /// Waits until nothing of the group is being written, and lets nothing be until what is given is dropped. Who commits
    /// offsets meanwhile has them there before anybody else is given the partitions. `None` where there is no such group.
    ///
    /// Not to be awaited by a request's handler: who holds the group may wait for that handler to be done.
    pub(crate) async fn hold(&self, group: &str) -> Option<OwnedRwLockReadGuard<()>> {
        loop {
            let turn = self.shared.turn(group)?;
            let held = Arc::clone(&turn).read_owned().await;
            if self.shared.is_turn(group, &turn) {
                return Some(held);
            }
        }
    }

    /// Holds the group as who writes it does.
    #[cfg(test)]
    pub(crate) async fn alone(&self, group: &str) -> OwnedRwLockWriteGuard<()> {
        let turn = self.shared.alone(group).await;
        turn.expect("there is the group")
    }
}

/// What a client is told, so that it asks again where that can help.
pub(super) fn refusal(group: &str, error: &StoreError) -> ErrorCode {
    tracing::warn!(group, %error, "a group could not be made durable");
    match error {
        StoreError::Invalid { .. } => ErrorCode::UnknownServerError,
        _ => ErrorCode::CoordinatorNotAvailable,
    }
}

impl Shared {
    fn turn(&self, group: &str) -> Option<Arc<RwLock<()>>> {
        let state = self.state();
        state.groups.get(group).map(|entry| Arc::clone(&entry.turn))
    }

    /// Whether a turn is still the group's: it may have been removed and made again.
    fn is_turn(&self, group: &str, turn: &Arc<RwLock<()>>) -> bool {
        let now = self.turn(group);
        now.is_some_and(|now| Arc::ptr_eq(&now, turn))
    }

    /// Waits until nobody holds the group, and holds it alone. `None` where there is no such group.
    pub(super) async fn alone(&self, group: &str) -> Option<OwnedRwLockWriteGuard<()>> {
        loop {
            let turn = self.turn(group)?;
            let held = Arc::clone(&turn).write_owned().await;
            if self.is_turn(group, &turn) {
                return Some(held);
            }
        }
    }

    /// What is to be written of the group that the turn is of; nothing where it was removed and made again meanwhile.
    fn begin_keeping(&self, group: &str, turn: &Arc<RwLock<()>>) -> Option<Writing> {
        let mut state = self.state();
        let entry = state.groups.get_mut(group)?;
        if !Arc::ptr_eq(&entry.turn, turn) {
            return None;
        }
        entry.must_be_stored = false;
        entry.since = self.clock.now();
        let mut writes: Vec<Write> = Vec::new();
        let mut taken = Changes::default();
        let leftovers = std::mem::take(&mut entry.leftovers);
        let kind = match &mut entry.machine {
            Machine::Classic(machine) => stored::Kind::Classic(stored::Classic::of(machine)),
            Machine::Consumer(machine) => {
                taken = machine.take_changes();
                taken.members.extend(leftovers.iter().cloned());
                let members = taken.members.iter();
                writes.extend(members.map(|id| ConsumerMember::put(group, machine, id)));
                stored::Kind::Consumer(stored::Consumer::of(machine))
            }
            Machine::Share(machine) => {
                machine.begin_keeping();
                stored::Kind::Share(stored::Share {
                    epoch: machine.epoch(),
                })
            }
        };
        if !matches!(entry.machine, Machine::Consumer(_)) {
            let gone = leftovers.iter().map(|id| stored::member_key(group, id));
            writes.extend(gone.map(|key| Write::Delete { key }));
            taken.members = leftovers;
        }
        let since = entry.since;
        writes.push(stored::put(group, &Document { since, kind }));
        Some(Writing {
            revision: entry.machine.revision(),
            txn: Txn {
                writes,
                ..Txn::default()
            },
            changes: taken,
        })
    }

    /// Whether there is more to write.
    fn end_keeping(
        self: &Arc<Shared>,
        group: &str,
        revision: u64,
        changes: Changes,
        outcome: Result<(), ErrorCode>,
    ) -> bool {
        let mut state = self.state();
        let Some(entry) = state.groups.get_mut(group) else {
            return false;
        };
        let (due, held) = std::mem::take(&mut entry.held)
            .into_iter()
            .partition(|(at, _)| *at <= revision);
        entry.held = held;
        for (_, answer) in due {
            match outcome {
                Ok(()) => answer.send(),
                Err(code) => answer.fail(code),
            }
        }
        let mut effects: Vec<Effect> = Vec::new();
        if outcome.is_err() && !matches!(entry.machine, Machine::Consumer(_)) {
            entry.leftovers.extend(changes.members.iter().cloned());
        }
        match &mut entry.machine {
            Machine::Classic(machine) => {
                machine.on_stored(revision, outcome, Instant::now(), &mut effects);
            }
            Machine::Consumer(machine) if outcome.is_err() => machine.put_back(changes),
            Machine::Share(machine) if outcome.is_err() => machine.must_be_kept(),
            Machine::Consumer(_) | Machine::Share(_) => {}
        }
        self.carry_out(&mut state, group, effects);
        self.schedule(&mut state, group);
        let Some(entry) = state.groups.get_mut(group) else {
            return false;
        };
        entry.is_being_stored = entry.must_be_stored;
        entry.must_be_stored
    }
}
