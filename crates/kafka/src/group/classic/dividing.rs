//! How the work of a generation is divided: the leader says who gets what, that is made durable, and each member takes its share.

use std::collections::HashMap;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Effect, Group, State, Sync, SyncAnswer, Ticket};
use crate::wire::ErrorCode;

/// The leader's division while it becomes durable.
#[derive(Clone, Debug)]
pub(super) struct Assigning {
    pub(super) revision: u64,
    pub(super) shares: HashMap<String, Bytes>,
}

impl Group {
    /// Somebody asks for their share; the leader brings everybody's.
    pub(crate) fn on_sync(&mut self, ticket: Ticket, sync: Sync, out: &mut Vec<Effect>) {
        if let Err(code) = self.check_sync(&sync) {
            return out.push(Effect::Synced(ticket, SyncAnswer::refused(code)));
        }
        self.unsynced.remove(&sync.member);
        if self.unsynced.is_empty() {
            self.sync_timer = None;
        }
        if self.state == State::Stable {
            let answer = self.sync_answer(&sync.member);
            return out.push(Effect::Synced(ticket, answer));
        }
        if let Some(member) = self.members.get_mut(&sync.member) {
            member.wait_for_share(ticket, out);
        }
        if self.leader.as_ref() == Some(&sync.member) && self.assigning.is_none() {
            self.store(out);
            self.assigning = Some(Assigning {
                revision: self.revision,
                shares: sync.assignments.into_iter().collect(),
            });
        }
    }

    fn check_sync(&self, sync: &Sync) -> Result<(), ErrorCode> {
        self.check_member(&sync.member, sync.instance.as_deref())?;
        self.check_generation(&sync.member, sync.generation)?;
        let differs = |theirs: &Option<String>, ours: &Option<String>| matches!((theirs, ours), (Some(theirs), Some(ours)) if theirs != ours);
        if differs(&sync.protocol_type, &self.protocol_type)
            || differs(&sync.protocol, &self.protocol)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        match self.state {
            State::Empty => Err(ErrorCode::UnknownMemberId),
            State::Preparing => Err(ErrorCode::RebalanceInProgress),
            State::Completing | State::Stable => Ok(()),
        }
    }

    /// What was asked for by [`Effect::Store`] is durable up to `revision`, or not.
    pub(crate) fn on_stored(
        &mut self,
        revision: u64,
        outcome: Result<(), ErrorCode>,
        now: Instant,
        out: &mut Vec<Effect>,
    ) {
        let is_it = |assigning: &mut Assigning| assigning.revision <= revision;
        let Some(assigning) = self.assigning.take_if(is_it) else {
            return;
        };
        if let Err(code) = outcome {
            self.withdraw_shares(code, now, out);
            return self.rebalance_or_complete(now, out);
        }
        self.state = State::Stable;
        let answer = self.sync_answer("");
        for member in self.members.values_mut() {
            let share = assigning.shares.get(&member.id);
            member.assignment = share.cloned().unwrap_or_default();
            if let Some(ticket) = member.awaiting_sync.take() {
                let assignment = member.assignment.clone();
                let answer = SyncAnswer {
                    assignment,
                    ..answer.clone()
                };
                out.push(Effect::Synced(ticket, answer));
                member.deadline = Some(now + member.session_timeout);
            }
        }
    }

    /// The leader's division is void, or could not be kept.
    pub(super) fn withdraw_shares(&mut self, code: ErrorCode, now: Instant, out: &mut Vec<Effect>) {
        self.assigning = None;
        for member in self.members.values_mut() {
            member.assignment.clear();
            // While it waited it need not be heard of: now it must again.
            if member.awaiting_sync.is_some() {
                member.deadline = Some(now + member.session_timeout);
            }
            member.refuse_sync(code, out);
        }
    }

    fn sync_answer(&self, member: &str) -> SyncAnswer {
        let member = self.members.get(member);
        SyncAnswer {
            code: ErrorCode::None,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: member.map_or_else(Bytes::new, |member| member.assignment.clone()),
        }
    }
}
