//! Who somebody is that says to be a member: one at all, the one of its instance, in the group's generation.

use std::collections::HashMap;

use tokio::time::Instant;

use super::{Commit, Group, State};
use crate::wire::ErrorCode;

impl Group {
    /// Somebody is alive.
    pub(crate) fn on_heartbeat(
        &mut self,
        member: &str,
        instance: Option<&str>,
        generation: i32,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        self.check_member(member, instance)?;
        self.check_generation(member, generation)?;
        self.touch(member, now);
        match self.state {
            State::Empty => Err(ErrorCode::UnknownMemberId),
            State::Preparing => Err(ErrorCode::RebalanceInProgress),
            State::Completing | State::Stable => Ok(()),
        }
    }

    /// Puts a member's deadline off; one that waits for the others has none.
    fn touch(&mut self, member: &str, now: Instant) {
        if let Some(member) = self.members.get_mut(member)
            && member.deadline.is_some()
        {
            member.deadline = Some(now + member.session_timeout);
        }
    }

    /// Whether somebody may commit offsets now. Who may has been heard of.
    pub(crate) fn on_commit(
        &mut self,
        commit: Commit,
        generation: i32,
        member: &str,
        instance: Option<&str>,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        // Somebody who takes part in no group, or an administrator.
        if generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        if generation >= 0 || !member.is_empty() || instance.is_some() {
            self.check_member(member, instance)?;
            self.check_generation(member, generation)?;
        } else if commit == Commit::Plain {
            return Err(ErrorCode::UnknownMemberId);
        }
        if commit == Commit::Plain {
            if self.state == State::Completing {
                return Err(ErrorCode::RebalanceInProgress);
            }
            self.touch(member, now);
        }
        Ok(())
    }

    pub(super) fn check_member(
        &self,
        member: &str,
        instance: Option<&str>,
    ) -> Result<(), ErrorCode> {
        check_instance(&self.statics, member, instance)?;
        if self.members.contains_key(member) {
            Ok(())
        } else {
            Err(ErrorCode::UnknownMemberId)
        }
    }

    /// Whether a member is in that generation. While a group that was a consumer group has had none of its own, each has come as
    /// far as it had there, and is to join again with what it has.
    pub(super) fn check_generation(&self, member: &str, generation: i32) -> Result<(), ErrorCode> {
        let member = self.members.get(member);
        let former = member.and_then(|member| member.former_generation);
        if generation == former.unwrap_or(self.generation) {
            Ok(())
        } else {
            Err(ErrorCode::IllegalGeneration)
        }
    }
}

/// Whether a member that says to be a static one is the one of that instance now.
pub(crate) fn check_instance(
    statics: &HashMap<String, String>,
    member: &str,
    instance: Option<&str>,
) -> Result<(), ErrorCode> {
    match instance.map(|instance| statics.get(instance)) {
        Some(None) => Err(ErrorCode::UnknownMemberId),
        Some(Some(known)) if known != member => Err(ErrorCode::FencedInstanceId),
        _ => Ok(()),
    }
}
