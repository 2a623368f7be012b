//! Who may read and commit a group's offsets, and which topics a consumer group has to know of.

use std::collections::BTreeSet;
use std::time::Duration;

use model::StreamId;
use tokio::time::Instant;

use super::classic::{self, Commit};
use super::consumer::{Beat, JOINING};
use super::{Groups, Machine, check_name};
use crate::wire::ErrorCode;

/// How long what was found of topics is good enough for a group's heartbeats.
pub(super) const TOPICS_GOOD_FOR: Duration = Duration::from_secs(1);

/// Topics to be looked at for a heartbeat.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// All that the group's members read by name, or by patterns matched before.
    pub(crate) names: BTreeSet<String>,
    /// The member's own pattern.
    pub(crate) regex: Option<String>,
}

impl Groups {
    /// Whether there is such a group.
    pub(crate) fn is_known(&self, group: &str) -> bool {
        self.shared.state().groups.contains_key(group)
    }

    /// What has to be known for a heartbeat; `None` where nothing new is needed.
    pub(crate) fn wanted(&self, group: &str, beat: &Beat) -> Option<Wanted> {
        let state = self.shared.state();
        let mut wanted = Wanted {
            names: beat.names.clone().unwrap_or_default(),
            regex: beat.regex.clone(),
        };
        let is_news = beat.epoch == JOINING || beat.names.is_some() || beat.regex.is_some();
        if let Some(Machine::Consumer(machine)) = state.groups.get(group).map(|one| &one.machine) {
            if !is_news && !machine.should_look(&beat.member, Instant::now(), TOPICS_GOOD_FOR) {
                return None;
            }
            let subscribed = machine.subscribed_topics().into_iter().map(str::to_owned);
            wanted.names.extend(subscribed);
            let known = machine.member(&beat.member);
            wanted.regex = wanted.regex.or_else(|| known?.regex.clone());
        }
        if let Some(Machine::Classic(machine)) = state.groups.get(group).map(|one| &one.machine) {
            // It may be about to become a consumer group.
            wanted.names.extend(machine.topics_of_consumers());
        }
        wanted.regex = wanted.regex.filter(|regex| !regex.is_empty());
        Some(wanted)
    }

    /// Whether somebody may see a group's offsets: who says to be a member must be one.
    pub(crate) fn may_fetch_offsets(
        &self,
        group: &str,
        member: Option<&str>,
        epoch: i32,
    ) -> Result<(), ErrorCode> {
        let state = self.shared.state();
        match state.groups.get(group).map(|entry| &entry.machine) {
            Some(Machine::Consumer(machine)) => machine.may_fetch_offsets(member, epoch),
            Some(Machine::Share(_)) => Err(ErrorCode::GroupIdNotFound),
            Some(Machine::Classic(_)) | None => Ok(()),
        }
    }

    /// Whether a member of the new protocol may commit offsets of these, though there is a newer epoch than the one it says.
    pub(crate) fn may_commit_late(
        &self,
        group: &str,
        epoch: i32,
        member: &str,
        places: impl Iterator<Item = (StreamId, u32)>,
    ) -> bool {
        let state = self.shared.state();
        match state.groups.get(group).map(|entry| &entry.machine) {
            Some(Machine::Consumer(machine)) => machine.may_commit_late(member, epoch, places),
            Some(Machine::Classic(_) | Machine::Share(_)) | None => false,
        }
    }

    /// Whether a member, by its generation and ids, may commit offsets of a group as a transaction commits. A generation of -1
    /// without a member is somebody outside the group, who always may.
    pub(crate) fn admit_commit(
        &self,
        group: &str,
        generation: i32,
        member: &str,
        instance: Option<&str>,
    ) -> Result<(), ErrorCode> {
        self.may_commit(Commit::Transactional, group, generation, member, instance)
    }

    /// Whether somebody may commit offsets of a group now. A generation of -1 without a member is somebody outside the group,
    /// who may while it is empty; a group is made for them if there is none.
    pub(crate) fn may_commit(
        &self,
        commit: Commit,
        group: &str,
        generation: i32,
        member: &str,
        instance: Option<&str>,
    ) -> Result<(), ErrorCode> {
        check_name(group)?;
        let shared = &self.shared;
        let mut state = shared.state();
        if !state.groups.contains_key(group) {
            if generation >= 0 {
                return Err(ErrorCode::IllegalGeneration);
            }
            let machine = Machine::Classic(classic::Group::new(shared.limits));
            shared.make(&mut state, group, machine)?;
        }
        match state.groups.get_mut(group).map(|entry| &mut entry.machine) {
            Some(Machine::Classic(machine)) => {
                machine.on_commit(commit, generation, member, instance, Instant::now())
            }
            // A producer that is in no group, as it may be beside a classic one.
            Some(Machine::Consumer(_))
                if commit == Commit::Transactional
                    && generation < 0
                    && member.is_empty()
                    && instance.is_none() =>
            {
                Ok(())
            }
            Some(Machine::Consumer(machine)) => match machine.may_commit(member, generation) {
                // Producers know no other word for it.
                Err(ErrorCode::StaleMemberEpoch) if commit == Commit::Transactional => {
                    Err(ErrorCode::IllegalGeneration)
                }
                other => other,
            },
            Some(Machine::Share(_)) => Err(ErrorCode::GroupIdNotFound),
            None => Err(ErrorCode::UnknownMemberId),
        }
    }
}
