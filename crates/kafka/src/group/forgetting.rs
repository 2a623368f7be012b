//! Groups removed. What they have committed goes with them, and what open transactions were about to commit: so nothing of it may
//! be written between the look at what there is and the removal.

use std::sync::Arc;

use store::{Txn, Write};
use tokio::sync::OwnedRwLockWriteGuard;

use super::keeping::refusal;
use super::{Entry, Groups, Shared, stored};
use crate::wire::ErrorCode;

/// A group that nobody was in when this was begun. It is held alone: nobody commits offsets of it meanwhile.
pub(crate) struct Forgetting {
    shared: Arc<Shared>,
    group: String,
    _turn: OwnedRwLockWriteGuard<()>,
}

impl Groups {
    /// Begins to remove a group. Not to be awaited by a request's handler, as [`Groups::hold`].
    ///
    /// # Errors
    /// [`ErrorCode::GroupIdNotFound`], [`ErrorCode::NonEmptyGroup`].
    pub(crate) async fn begin_to_forget(&self, group: &str) -> Result<Forgetting, ErrorCode> {
        let turn = self.shared.alone(group).await;
        let forgetting = Forgetting {
            shared: Arc::clone(&self.shared),
            group: group.to_owned(),
            _turn: turn.ok_or(ErrorCode::GroupIdNotFound)?,
        };
        forgetting.leftovers()?;
        Ok(forgetting)
    }
}

impl Forgetting {
    /// What must be removed beside the group, if nobody is in it: what a write that failed would have removed.
    fn leftovers(&self) -> Result<Vec<Write>, ErrorCode> {
        let state = self.shared.state();
        let entry = state.groups.get(&self.group);
        let entry = entry.ok_or(ErrorCode::GroupIdNotFound)?;
        if !entry.machine.is_deserted() {
            return Err(ErrorCode::NonEmptyGroup);
        }
        let gone = entry.leftovers.iter().map(String::as_str);
        let gone = gone.chain(entry.machine.changed_members());
        let gone = gone.map(|id| stored::member_key(&self.group, id));
        Ok(gone.map(|key| Write::Delete { key }).collect())
    }

    /// Removes it, with `writes` in the same transaction.
    ///
    /// # Errors
    /// [`ErrorCode::NonEmptyGroup`] where somebody has come meanwhile, or as [`refusal`].
    pub(crate) async fn forget(self, writes: Vec<Write>) -> Result<(), ErrorCode> {
        let mut txn = Txn {
            writes,
            ..Txn::default()
        };
        txn.writes.extend(self.leftovers()?);
        txn.writes.push(Write::Delete {
            key: stored::key(&self.group),
        });
        let outcome = self.shared.store.commit(txn).await;
        outcome.map_err(|error| refusal(&self.group, &error))?;
        let mut state = self.shared.state();
        // Somebody who has come meanwhile writes it anew when their turn comes. Who was about to write that the last one has gone
        // need not: nothing is being written while the turn is held here.
        let is_deserted = |entry: &Entry| entry.machine.is_deserted();
        if state.groups.get(&self.group).is_some_and(is_deserted)
            && let Some(entry) = state.groups.remove(&self.group)
        {
            if let Some(at) = entry.deadline {
                state.deadlines.remove(&(at, self.group.clone()));
            }
            for (_, answer) in entry.held {
                answer.send();
            }
        }
        Ok(())
    }
}
