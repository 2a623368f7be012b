//! How a classic group gets from one generation to the next, and who is in it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::member::{Member, Protocol};
use super::{Effect, FIRST_JOIN_MAX, Group, Join, JoinTimer, State, Ticket};
use crate::group::limits;
use crate::wire::ErrorCode;

impl Group {
    /// Whether the group is small enough to take in whoever joins.
    pub(super) fn has_room(&self, join: &Join) -> bool {
        let others = self.members.values().filter(|one| one.id != join.member);
        let said = others.map(|one| &one.protocols[..]);
        let said = said.chain([&join.protocols[..]]);
        if !limits::may_say(&join.protocols) || !limits::may_all_say(said) {
            return false;
        }
        let is_known = self.members.contains_key(&join.member);
        let is_pending = self.pending.contains_key(&join.member);
        let count = self.members.len() + self.pending.len();
        is_known || is_pending || count < self.limits.members_max
    }

    /// Whether whoever joins has a way to divide the work in common with all who are there.
    pub(super) fn supports(&self, join: &Join) -> bool {
        if self.state == State::Empty {
            return !join.protocol_type.is_empty() && !join.protocols.is_empty();
        }
        if self.protocol_type.as_ref() != Some(&join.protocol_type) {
            return false;
        }
        !self.known_to_all(&join.protocols).is_empty()
    }

    /// Of these ways to divide the work, those that all members know.
    fn known_to_all<'a>(&'a self, protocols: &'a [Protocol]) -> HashSet<&'a str> {
        let names = |protocols: &'a [Protocol]| protocols.iter().map(|one| one.name.as_str());
        let mut common: HashSet<&str> = names(protocols).collect();
        for member in self.members.values() {
            let known = names(&member.protocols);
            common = known.filter(|name| common.contains(name)).collect();
        }
        common
    }

    pub(super) fn add(
        &mut self,
        ticket: Ticket,
        id: String,
        join: Join,
        now: Instant,
        out: &mut Vec<Effect>,
    ) {
        tracing::debug!(member = %id, reason = %join.reason, "a member joins a group");
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        self.pending.remove(&id);
        self.has_news = true;
        self.leader.get_or_insert_with(|| id.clone());
        if let Some(instance) = &join.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
        let mut member = Member::joining(id.clone(), join, ticket);
        member.deadline = Some(now + FIRST_JOIN_MAX);
        self.members.insert(id, member);
        self.rebalance_or_complete(now, out);
    }

    pub(super) fn update(&mut self, ticket: Ticket, id: &str, join: Join, out: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        tracing::debug!(member = %id, reason = %join.reason, "a member joins its group again");
        member.protocols = join.protocols;
        member.session_timeout = join.session_timeout;
        member.rebalance_timeout = join.rebalance_timeout;
        member.wait_for_join(ticket, out);
    }

    /// A static member comes back and does not know its name: it has another from now on, and whoever has the old one is
    /// fenced. If nothing else is new, nobody else need know (KIP-345).
    pub(super) fn replace(
        &mut self,
        ticket: Ticket,
        known: &str,
        join: Join,
        now: Instant,
        out: &mut Vec<Effect>,
    ) {
        let Some(mut member) = self.members.remove(known) else {
            return;
        };
        member.refuse_join(ErrorCode::FencedInstanceId, out);
        member.refuse_sync(ErrorCode::FencedInstanceId, out);
        let id = join.new_member.clone();
        let former_leader = self.leader.clone().unwrap_or_default();
        if former_leader == known {
            self.leader = Some(id.clone());
        }
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
        self.unsynced.remove(known);
        member.id.clone_from(&id);
        member.deadline = Some(now + join.session_timeout);
        self.members.insert(id.clone(), member);
        let can_skip_assignment = join.can_skip_assignment;
        self.update(ticket, &id, join, out);
        match self.state {
            State::Stable if self.protocol == self.elected_protocol() => {
                if let Some(member) = self.members.get_mut(&id) {
                    member.awaiting_join = None;
                }
                let mut answer = self.join_answer(&id);
                if can_skip_assignment {
                    answer.skip_assignment = answer.leader == id;
                } else {
                    // An older client is told of the former leader, so that it does not think it is to divide.
                    answer.leader = former_leader;
                    answer.members.clear();
                }
                self.store(out);
                out.push(Effect::Joined(ticket, answer));
            }
            // The leader may have been told of the former name.
            State::Stable | State::Completing => self.prepare(now, out),
            State::Empty | State::Preparing => self.complete_if_ready(now, out),
        }
    }

    /// Takes somebody out; what they wait for is answered with `code`.
    pub(super) fn remove(&mut self, id: &str, code: ErrorCode, out: &mut Vec<Effect>) {
        self.pending.remove(id);
        self.unsynced.remove(id);
        let Some(mut member) = self.members.remove(id) else {
            return;
        };
        member.refuse_join(code, out);
        member.refuse_sync(code, out);
        if let Some(instance) = &member.instance {
            self.statics.remove(instance);
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// Takes out somebody there is no room for any more; others get what they had.
    pub(super) fn shut_out(&mut self, id: &str, now: Instant, out: &mut Vec<Effect>) {
        let was_member = self.members.contains_key(id);
        self.remove(id, ErrorCode::UnknownMemberId, out);
        if was_member {
            self.rebalance_or_complete(now, out);
        }
    }

    pub(super) fn rebalance_or_complete(&mut self, now: Instant, out: &mut Vec<Effect>) {
        match self.state {
            State::Preparing => self.complete_if_ready(now, out),
            State::Empty | State::Completing | State::Stable => self.prepare(now, out),
        }
    }

    /// Begins a rebalance.
    fn prepare(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.state == State::Completing {
            self.withdraw_shares(ErrorCode::RebalanceInProgress, now, out);
        }
        self.unsynced.clear();
        self.sync_timer = None;
        let was_empty = self.state == State::Empty;
        self.state = State::Preparing;
        if was_empty {
            let delay = self.limits.initial_delay;
            self.has_news = false;
            self.join_timer = Some(JoinTimer::Initial {
                at: now + delay,
                delay,
                left: self.rebalance_timeout().saturating_sub(delay),
            });
        } else if self.have_all_joined() {
            self.complete(now, out);
        } else {
            let at = now + self.rebalance_timeout();
            self.join_timer = Some(JoinTimer::Rebalance { at });
        }
    }

    fn have_all_joined(&self) -> bool {
        let mut members = self.members.values();
        self.pending.is_empty() && members.all(|member| member.awaiting_join.is_some())
    }

    fn rebalance_timeout(&self) -> Duration {
        let timeouts = self.members.values().map(|member| member.rebalance_timeout);
        timeouts.max().unwrap_or_default()
    }

    pub(super) fn complete_if_ready(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let is_initial = matches!(self.join_timer, Some(JoinTimer::Initial { .. }));
        if self.state == State::Preparing && !is_initial && self.have_all_joined() {
            self.complete(now, out);
        }
    }

    /// Ends the joining: whoever has joined is the next generation. Static members stay although they have not.
    fn complete(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.join_timer = None;
        let missing = |member: &&Member| member.awaiting_join.is_none();
        let late: Vec<String> = self
            .members
            .values()
            .filter(missing)
            .filter(|member| member.instance.is_none())
            .map(|member| member.id.clone())
            .collect();
        for id in late {
            self.remove(&id, ErrorCode::UnknownMemberId, out);
        }
        if !self.members.is_empty() && !self.elect_leader() {
            let at = now + self.rebalance_timeout();
            self.join_timer = Some(JoinTimer::Rebalance { at });
            return;
        }
        self.is_downgraded = false;
        // After two thousand million rebalances it begins anew rather than end.
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.unsynced.clear();
        if self.members.is_empty() {
            self.state = State::Empty;
            self.protocol = None;
            self.leader = None;
            return self.store(out);
        }
        self.protocol = self.elected_protocol();
        self.state = State::Completing;
        let ids: BTreeSet<String> = self.members.keys().cloned().collect();
        for id in &ids {
            let answer = self.join_answer(id);
            let Some(member) = self.members.get_mut(id) else {
                continue;
            };
            member.is_new = false;
            member.former_generation = None;
            member.deadline = Some(now + member.session_timeout);
            if let Some(ticket) = member.awaiting_join.take() {
                out.push(Effect::Joined(ticket, answer));
            }
        }
        self.unsynced = ids;
        self.sync_timer = Some(now + self.rebalance_timeout());
    }

    /// Whether there is a leader who has joined; another is chosen where the last one has not.
    fn elect_leader(&mut self) -> bool {
        let has_joined = |member: &&Member| member.awaiting_join.is_some();
        let leader = self.leader.as_ref().and_then(|id| self.members.get(id));
        if leader.as_ref().is_some_and(has_joined) {
            return true;
        }
        let next = self.members.values().find(has_joined);
        let next = next.map(|member| member.id.clone());
        let is_found = next.is_some();
        if is_found {
            self.leader = next;
        }
        is_found
    }

    /// What most members like best of what all of them know.
    pub(super) fn elected_protocol(&self) -> Option<String> {
        let known_to_all = self.known_to_all(&self.members.values().next()?.protocols);
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let mut names = member.protocols.iter().map(|one| one.name.as_str());
            let choice = names.find(|name| known_to_all.contains(name));
            *votes.entry(choice?).or_default() += 1;
        }
        let most = votes.into_iter().max_by_key(|(_, votes)| *votes);
        most.map(|(name, _)| name.to_owned())
    }

    /// Time has passed.
    pub(crate) fn on_timer(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let is_due = |at: &Instant| *at <= now;
        let pending = self.pending.len();
        self.pending.retain(|_, at| !is_due(at));
        if self.pending.len() < pending {
            self.complete_if_all_joined(now, out);
        }
        self.expire_members(now, out);
        if let Some(timer) = self.join_timer.take_if(|timer| is_due(&timer.at())) {
            self.end_joining(timer, now, out);
        }
        if self.sync_timer.take_if(|at| is_due(at)).is_some() && !self.unsynced.is_empty() {
            for id in std::mem::take(&mut self.unsynced) {
                self.remove(&id, ErrorCode::UnknownMemberId, out);
            }
            self.prepare(now, out);
        }
    }

    fn expire_members(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let is_late = |member: &&Member| member.deadline.is_some_and(|at| at <= now);
        let late = self.members.values().filter(is_late);
        let late: Vec<String> = late.map(|member| member.id.clone()).collect();
        for id in late {
            // A rebalance begun for another may have given this one time again.
            let Some(member) = self.members.get_mut(&id).filter(|one| is_late(&&**one)) else {
                continue;
            };
            if member.is_excused() {
                member.deadline = None;
                continue;
            }
            tracing::info!(member = %id, "a member of a group was not heard of in time");
            self.remove(&id, ErrorCode::UnknownMemberId, out);
            match self.state {
                State::Stable | State::Completing => self.prepare(now, out),
                State::Preparing => self.complete_if_all_joined(now, out),
                State::Empty => {}
            }
        }
    }

    fn complete_if_all_joined(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.state == State::Preparing && self.have_all_joined() {
            self.complete(now, out);
        }
    }

    fn end_joining(&mut self, timer: JoinTimer, now: Instant, out: &mut Vec<Effect>) {
        if self.state != State::Preparing {
            return;
        }
        match timer {
            JoinTimer::Initial { delay, left, .. } if self.has_news && !left.is_zero() => {
                self.has_news = false;
                let next = self.limits.initial_delay.min(left);
                self.join_timer = Some(JoinTimer::Initial {
                    at: now + next,
                    delay: next,
                    left: left.saturating_sub(delay),
                });
            }
            JoinTimer::Initial { .. } | JoinTimer::Rebalance { .. } => self.complete(now, out),
        }
    }
}
