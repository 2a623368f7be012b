//! Groups that go over from the classic protocol to the one of KIP-848 and back, a member at a time, and what members of the
//! classic protocol ask of a group whose work is divided here.
//!
//! As `group.consumer.migration.policy=bidirectional` has it, which is Apache Kafka's default.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::classic::{self, CONSUMER, Effect, Join, JoinAnswer, Sync, SyncAnswer};
use super::consumer::{self, Beat, Found};
use super::{Answer, Entry, Groups, Machine, Shared, State};
use crate::wire::ErrorCode;

#[cfg(test)]
mod tests;

impl Groups {
    /// The topics that have to be looked at for a member of the classic protocol to join; `None` where that takes none.
    pub(crate) fn wanted_by_join(&self, group: &str, join: &Join) -> Option<BTreeSet<String>> {
        let state = self.shared.state();
        let machine = machine_of(&state, group)?;
        let mut names: BTreeSet<String> = join.topics().unwrap_or_default();
        names.extend(machine.subscribed_topics().into_iter().map(str::to_owned));
        Some(names)
    }

    /// A member of the classic protocol joins a consumer group that has members.
    pub(super) fn join_consumers(
        &self,
        state: &mut State,
        group: &str,
        (join, found): (&Join, Option<&Found>),
        sender: oneshot::Sender<JoinAnswer>,
    ) {
        self.shared.on_mixed(state, group, |machine, now| {
            let answer = machine.on_classic_join(join, found, now);
            Some(Answer::Join(sender, answer))
        });
    }

    /// A member of the classic protocol asks a consumer group for its share. What is given back was not a consumer group's.
    pub(super) fn sync_consumers(
        &self,
        state: &mut State,
        group: &str,
        sync: &Sync,
        sender: oneshot::Sender<SyncAnswer>,
    ) -> Option<oneshot::Sender<SyncAnswer>> {
        if machine_of(state, group).is_none() {
            return Some(sender);
        }
        self.shared.on_mixed(state, group, |machine, now| {
            let answer = machine.on_classic_sync(sync, now);
            Some(Answer::Sync(sender, answer))
        });
        None
    }

    /// Members leave a consumer group, or an administrator takes them out.
    pub(super) fn leave_consumers(
        &self,
        state: &mut State,
        group: &str,
        members: &[(String, Option<String>)],
    ) -> Option<Vec<Result<(), ErrorCode>>> {
        let mut outcomes = None;
        self.shared.on_mixed(state, group, |machine, _| {
            outcomes = Some(machine.on_classic_leave(members));
            None
        });
        outcomes
    }
}

/// The consumer group of that name, if it is one.
fn machine_of<'a>(state: &'a State, group: &str) -> Option<&'a consumer::Group> {
    match &state.groups.get(group)?.machine {
        Machine::Consumer(machine) => Some(machine),
        Machine::Classic(_) | Machine::Share(_) => None,
    }
}

impl Shared {
    /// Lets a consumer group do something for a member of the classic protocol, and carries out what comes of it.
    fn on_mixed(
        self: &Arc<Shared>,
        state: &mut State,
        group: &str,
        act: impl FnOnce(&mut consumer::Group, Instant) -> Option<Answer>,
    ) {
        let Some(entry) = state.groups.get_mut(group) else {
            return;
        };
        let Machine::Consumer(machine) = &mut entry.machine else {
            return;
        };
        if let Some(answer) = act(machine, Instant::now()) {
            entry.answer_when_kept(answer);
        }
        self.after_change(state, group);
    }

    /// Makes a consumer group a classic one if all its members are of the classic protocol now, has what is new of a group made
    /// durable, and sees to its next deadline.
    pub(super) fn after_change(self: &Arc<Shared>, state: &mut State, group: &str) {
        self.downgrade_if_all_classic(state, group);
        self.store_changes(state, group);
        self.schedule(state, group);
    }

    fn downgrade_if_all_classic(self: &Arc<Shared>, state: &mut State, group: &str) {
        let Some(entry) = state.groups.get_mut(group) else {
            return;
        };
        let Machine::Consumer(machine) = &entry.machine else {
            return;
        };
        let Some(members) = machine.downgraded_members() else {
            return;
        };
        tracing::info!(group, "a consumer group is a classic group again");
        let (now, mut effects) = (Instant::now(), vec![Effect::Store]);
        let classic =
            classic::Group::downgraded(self.limits, machine.epoch(), members, now, &mut effects);
        entry.become_other(Machine::Classic(classic));
        self.carry_out(state, group, effects);
    }

    /// Makes a classic group whose members are consumers a consumer group, for the first one of the new protocol. Those of the
    /// classic protocol that wait for something ask again.
    ///
    /// # Errors
    /// As [`consumer::Group::upgraded`], or as the first one is refused; the classic group is then as it was.
    pub(super) fn upgrade(
        self: &Arc<Shared>,
        state: &mut State,
        group: &str,
        beat: &Beat,
        found: Option<&Found>,
    ) -> Result<(), (ErrorCode, String)> {
        let refused_as = |code, why: &str| {
            let message = format!("Group {group} cannot be upgraded to a consumer group: {why}.");
            (code, message)
        };
        let refused = |why: &str| refused_as(ErrorCode::GroupIdNotFound, why);
        let Some(entry) = state.groups.get_mut(group) else {
            return Err(refused("it is gone"));
        };
        let Machine::Classic(machine) = &mut entry.machine else {
            return Err(refused("it is no classic group"));
        };
        if machine.protocol_type() != Some(CONSUMER) {
            return Err(refused("its members are not consumers"));
        }
        let found = found.ok_or_else(|| refused("its topics could not be looked at"))?;
        let upgraded = consumer::Group::upgraded(machine, found, Instant::now());
        let upgraded = upgraded.map_err(|(code, why)| refused_as(code, &why))?;
        upgraded.check_new(&beat.member)?;
        tracing::info!(group, "a classic group is a consumer group from now on");
        let mut effects = Vec::new();
        machine.dismiss(&mut effects);
        self.carry_out(state, group, effects);
        if let Some(entry) = state.groups.get_mut(group) {
            entry.become_other(Machine::Consumer(upgraded));
        }
        Ok(())
    }
}

impl Entry {
    /// Makes it a group of another sort. What is kept of a consumer group's members goes when the group is written next.
    pub(super) fn become_other(&mut self, mut machine: Machine) {
        if let Machine::Consumer(former) = &mut self.machine {
            self.leftovers.extend(former.take_changes().members);
            let members = former.members().map(|member| member.id.clone());
            self.leftovers.extend(members);
        }
        // Answers are held until the revision they came with is durable.
        machine.follow(self.machine.revision());
        self.machine = machine;
    }

    /// Answers at once, or once what the answer tells of is durable: it may be a change that is being written for another.
    pub(super) fn answer_when_kept(&mut self, answer: Answer) {
        if self.machine.has_changes() || self.is_being_stored {
            self.held.push((self.machine.revision(), answer));
        } else {
            answer.send();
        }
    }
}
