//! Groups made durable, and forgotten.

use std::sync::Arc;

use store::{StoreError, Txn, Write};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};
use tokio::time::Instant;

use super::consumer::Changes;
use super::stored::{self, ConsumerMember, Document};
use super::{Effect, Entry, Groups, Machine, Shared};
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
    /// Waits until nothing of the group is being written, and lets nothing be until what is given is dropped. Who commits
    /// offsets meanwhile has them there before anybody else is given the partitions. `None` where there is no such group.
    ///
    /// Not to be awaited by a request's handler: who holds the group may wait for that handler to be done.
    pub(crate) async fn hold(&self, group: &str) -> Option<OwnedRwLockReadGuard<()>> {
        let turn = self.shared.turn(group)?;
        Some(turn.read_owned().await)
    }

    /// Holds the group as who writes it does.
    #[cfg(test)]
    pub(crate) async fn alone(&self, group: &str) -> tokio::sync::OwnedRwLockWriteGuard<()> {
        let turn = self.shared.turn(group).expect("there is the group");
        turn.write_owned().await
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
    pub(super) fn turn(&self, group: &str) -> Option<Arc<RwLock<()>>> {
        let state = self.state();
        state.groups.get(group).map(|entry| Arc::clone(&entry.turn))
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

    /// Removes a group that nobody is in, with `writes` in the same transaction.
    ///
    /// # Errors
    /// [`ErrorCode::GroupIdNotFound`], [`ErrorCode::NonEmptyGroup`], or as [`refusal`].
    pub(super) async fn forget(&self, group: &str, writes: Vec<Write>) -> Result<(), ErrorCode> {
        let turn = self.turn(group).ok_or(ErrorCode::GroupIdNotFound)?;
        let _turn = turn.write().await;
        let mut txn = Txn {
            writes,
            ..Txn::default()
        };
        {
            let state = self.state();
            let entry = state.groups.get(group).ok_or(ErrorCode::GroupIdNotFound)?;
            if !entry.machine.is_deserted() {
                return Err(ErrorCode::NonEmptyGroup);
            }
            // What a write that failed would have removed.
            let gone = entry.leftovers.iter().map(String::as_str);
            let gone = gone.chain(entry.machine.changed_members());
            let gone = gone.map(|id| stored::member_key(group, id));
            txn.writes.extend(gone.map(|key| Write::Delete { key }));
        }
        txn.writes.push(Write::Delete {
            key: stored::key(group),
        });
        let outcome = self.store.commit(txn).await;
        outcome.map_err(|error| refusal(group, &error))?;
        let mut state = self.state();
        // Somebody who has come meanwhile writes it anew when their turn comes. Who was about to write that the last one has gone
        // need not: nothing is being written while the turn is held here.
        let is_deserted = |entry: &Entry| entry.machine.is_deserted();
        if state.groups.get(group).is_some_and(is_deserted)
            && let Some(entry) = state.groups.remove(group)
        {
            if let Some(at) = entry.deadline {
                state.deadlines.remove(&(at, group.to_owned()));
            }
            for (_, answer) in entry.held {
                answer.send();
            }
        }
        Ok(())
    }
}
