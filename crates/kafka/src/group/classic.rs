//! A group whose members divide the work among themselves (KIP-62, KIP-345, KIP-394, KIP-800, KIP-814): all join, the leader is
//! told who they are and hands in who gets what, each takes its share.
//!
//! A machine without I/O: what happens comes in by the `on_` methods, what is to be done about it goes out as [`Effect`]s. A
//! request that has to wait is known by the ticket it came with.
//!
//! What it holds to: a generation's work is divided once, and is durable before any member learns of it; a member acts in one
//! generation at a time; generations only grow.

mod dividing;
mod member;
mod messages;
mod migration;
mod rebalance;
mod standing;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use dividing::Assigning;
pub(crate) use member::{Member, Protocol};
pub(crate) use messages::{Commit, Join, JoinAnswer, Sync, SyncAnswer};
pub(crate) use migration::subscription;
pub(crate) use standing::check_instance;

use crate::wire::ErrorCode;

/// Names a request that waits for its answer.
pub(crate) type Ticket = u64;

/// Longest a member that has just come waits for its first rebalance: it has no name yet to be heard of by.
const FIRST_JOIN_MAX: Duration = Duration::from_secs(300);
/// What the protocol of consumers is called.
pub(crate) const CONSUMER: &str = "consumer";

/// Kafka's settings of all groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long the first member waits for others: `group.initial.rebalance.delay.ms`.
    pub(crate) initial_delay: Duration,
    /// Members of one group: `group.max.size`.
    pub(crate) members_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            initial_delay: Duration::ZERO,
            members_max: 10_000,
        }
    }
}

/// What is to be done.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Effect {
    /// A join is answered.
    Joined(Ticket, JoinAnswer),
    /// A sync is answered.
    Synced(Ticket, SyncAnswer),
    /// What the group is now is to be made durable, and the group told by [`Group::on_stored`]. Answers beside it wait for it.
    Store,
}

/// How a group stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Without members.
    Empty,
    /// Members are asked to join again.
    Preparing,
    /// All have joined; the leader's division is awaited, or becoming durable.
    Completing,
    /// Everybody has their share.
    Stable,
}

impl State {
    /// As Kafka's tools show it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Preparing => "PreparingRebalance",
            State::Completing => "CompletingRebalance",
            State::Stable => "Stable",
        }
    }
}

/// When the joining ends.
#[derive(Clone, Copy, Debug)]
enum JoinTimer {
    /// Of a group that was empty: a little later for each member that comes, but not for ever.
    Initial {
        at: Instant,
        delay: Duration,
        left: Duration,
    },
    /// Those who have not joined are out.
    Rebalance { at: Instant },
}

impl JoinTimer {
    fn at(self) -> Instant {
        match self {
            JoinTimer::Initial { at, .. } | JoinTimer::Rebalance { at } => at,
        }
    }
}

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    limits: Limits,
    state: State,
    generation: i32,
    protocol_type: Option<String>,
    protocol: Option<String>,
    leader: Option<String>,
    members: BTreeMap<String, Member>,
    /// Member by instance.
    statics: HashMap<String, String>,
    /// Members that were told their name and have yet to join by it, and until when they may.
    pending: BTreeMap<String, Instant>,
    /// Members that have yet to ask for their share.
    unsynced: BTreeSet<String>,
    join_timer: Option<JoinTimer>,
    sync_timer: Option<Instant>,
    /// Whether somebody came since the initial delay was last looked at.
    has_news: bool,
    assigning: Option<Assigning>,
    /// Whether it was a consumer group and no generation of its own has begun since.
    is_downgraded: bool,
    /// Grows with each [`Effect::Store`].
    revision: u64,
}

impl Group {
    /// A group without members.
    pub(crate) fn new(limits: Limits) -> Group {
        Group {
            limits,
            state: State::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            statics: HashMap::new(),
            pending: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            join_timer: None,
            sync_timer: None,
            has_news: false,
            assigning: None,
            is_downgraded: false,
            revision: 0,
        }
    }

    /// A group as it was when it was last made durable; its members have a session's time to be heard of again.
    pub(crate) fn restored(
        limits: Limits,
        generation: i32,
        protocols: (Option<String>, Option<String>),
        leader: Option<String>,
        members: Vec<Member>,
        now: Instant,
    ) -> Group {
        let mut group = Group::new(limits);
        group.generation = generation;
        (group.protocol_type, group.protocol) = protocols;
        group.leader = leader;
        for mut member in members {
            member.deadline = Some(now + member.session_timeout);
            if let Some(instance) = &member.instance {
                group.statics.insert(instance.clone(), member.id.clone());
            }
            group.members.insert(member.id.clone(), member);
        }
        if !group.members.is_empty() {
            group.state = State::Stable;
        }
        group
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    /// What members have in common: `consumer`, `connect`; none before anybody joined.
    pub(crate) fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    /// How the work is divided.
    pub(crate) fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    pub(crate) fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Whether nobody is there or about to come.
    pub(crate) fn is_deserted(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty() && self.state == State::Empty
    }

    /// Number of the last [`Effect::Store`].
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// What each member is to keep over a restart; none while the work is being divided, after which all must join again.
    pub(crate) fn settled(&self) -> Vec<(&Member, Bytes)> {
        let share = |member: &Member| match &self.assigning {
            Some(assigning) => assigning.shares.get(&member.id).cloned(),
            None => Some(member.assignment.clone()),
        };
        let is_settled = match self.state {
            State::Stable => true,
            State::Completing => self.assigning.is_some(),
            State::Preparing => self.is_downgraded,
            State::Empty => false,
        };
        let members = self.members.values().filter(|_| is_settled);
        members
            .map(|member| (member, share(member).unwrap_or_default()))
            .collect()
    }

    /// The topics that members read, where the members are consumers that say so.
    pub(crate) fn subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if self.protocol_type.as_deref() != Some(CONSUMER) {
            return None;
        }
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(member.subscribed_topics(self.protocol.as_deref()?)?);
        }
        Some(topics)
    }

    /// When [`Group::on_timer`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let members = self.members.values().filter_map(|member| member.deadline);
        let timers = self.join_timer.map(JoinTimer::at).into_iter();
        let timers = timers.chain(self.sync_timer);
        members
            .chain(self.pending.values().copied())
            .chain(timers)
            .min()
    }

    /// Somebody joins.
    pub(crate) fn on_join(
        &mut self,
        ticket: Ticket,
        join: Join,
        now: Instant,
        out: &mut Vec<Effect>,
    ) {
        let refuse = |out: &mut Vec<Effect>, code, member: &str| {
            out.push(Effect::Joined(ticket, JoinAnswer::refused(code, member)));
        };
        if !self.has_room(&join) {
            refuse(out, ErrorCode::GroupMaxSizeReached, "");
            return self.shut_out(&join.member, now, out);
        }
        if !self.supports(&join) {
            return refuse(out, ErrorCode::InconsistentGroupProtocol, &join.member);
        }
        if join.member.is_empty() {
            self.join_new(ticket, join, now, out);
        } else if self.pending.contains_key(&join.member) && join.instance.is_none() {
            let member = join.member.clone();
            self.add(ticket, member, join, now, out);
        } else if let Err(code) = self.check_member(&join.member, join.instance.as_deref()) {
            refuse(out, code, &join.member);
        } else {
            self.join_again(ticket, join, now, out);
        }
    }

    fn join_new(&mut self, ticket: Ticket, join: Join, now: Instant, out: &mut Vec<Effect>) {
        let member = join.new_member.clone();
        let known = join
            .instance
            .as_ref()
            .and_then(|instance| self.statics.get(instance).cloned());
        if let Some(known) = known {
            return self.replace(ticket, &known, join, now, out);
        }
        if join.instance.is_some() || !join.must_know_member {
            return self.add(ticket, member, join, now, out);
        }
        self.pending
            .insert(member.clone(), now + join.session_timeout);
        out.push(Effect::Joined(
            ticket,
            JoinAnswer::refused(ErrorCode::MemberIdRequired, &member),
        ));
    }

    fn join_again(&mut self, ticket: Ticket, join: Join, now: Instant, out: &mut Vec<Effect>) {
        let is_leader = self.leader.as_ref() == Some(&join.member);
        let is_same = self
            .members
            .get(&join.member)
            .is_some_and(|member| member.protocols == join.protocols);
        let has_missed_answer = match self.state {
            State::Completing => is_same,
            State::Stable => is_same && !is_leader,
            State::Empty | State::Preparing => false,
        };
        if has_missed_answer {
            let answer = self.join_answer(&join.member);
            return out.push(Effect::Joined(ticket, answer));
        }
        self.update(ticket, &join.member.clone(), join, out);
        self.rebalance_or_complete(now, out);
    }

    /// Members go, by name or by instance. Tells of each whether it was one.
    pub(crate) fn on_leave(
        &mut self,
        leaving: &[(String, Option<String>)],
        now: Instant,
        out: &mut Vec<Effect>,
    ) -> Vec<Result<(), ErrorCode>> {
        let mut outcomes = Vec::with_capacity(leaving.len());
        let count = self.members.len();
        for (member, instance) in leaving {
            outcomes.push(self.leave(member, instance.as_deref(), out));
        }
        if self.members.len() < count && self.state != State::Empty {
            self.rebalance_or_complete(now, out);
        } else {
            // Of those who were only about to join, nobody else need know.
            self.complete_if_ready(now, out);
        }
        outcomes
    }

    fn leave(
        &mut self,
        member: &str,
        instance: Option<&str>,
        out: &mut Vec<Effect>,
    ) -> Result<(), ErrorCode> {
        if member.is_empty() {
            let known = instance.and_then(|instance| self.statics.get(instance).cloned());
            let known = known.ok_or(ErrorCode::UnknownMemberId)?;
            self.remove(&known, ErrorCode::UnknownMemberId, out);
        } else {
            if !self.pending.contains_key(member) {
                self.check_member(member, instance)?;
            }
            self.remove(member, ErrorCode::UnknownMemberId, out);
        }
        Ok(())
    }

    fn store(&mut self, out: &mut Vec<Effect>) {
        self.revision += 1;
        out.push(Effect::Store);
    }

    fn join_answer(&self, member: &str) -> JoinAnswer {
        let is_leader = self.leader.as_deref() == Some(member);
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let all = self.members.values().filter(|_| is_leader);
        JoinAnswer {
            code: ErrorCode::None,
            member: member.to_owned(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            members: all
                .map(|one| {
                    let metadata = one.metadata(protocol);
                    (one.id.clone(), one.instance.clone(), metadata)
                })
                .collect(),
        }
    }
}
