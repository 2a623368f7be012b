//! Members of the classic protocol in a consumer group, while an application goes over from one protocol to the other a process
//! at a time (KIP-848, "Consumer Group Migration"). They join, sync and beat as ever, but their work is divided here: each is told
//! to join again when there is something for it to give up or to get, and nobody waits for anybody.
//!
//! A classic group becomes a consumer group with the first member of the new protocol, and is one again with the last gone.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::member::{partitions, places};
use super::{
    Beat, Found, Group, JOINING, KnownTopic, MEMBERS_MAX, Member, Pace, Partitions, Progress,
    Refused,
};
use crate::group::classic::{self, CONSUMER, Join, JoinAnswer, Protocol, Sync, SyncAnswer};
use crate::group::embedded::{self, NamedPartitions, Subscription};
use crate::group::limits;
use crate::wire::ErrorCode;

/// What a member of the classic protocol has beside what all have.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Classic {
    pub(crate) session_timeout: Duration,
    /// By preference.
    pub(crate) protocols: Vec<Protocol>,
    /// When it is out unless it has asked for its share.
    pub(super) sync_by: Option<Instant>,
    /// When it is out unless it has joined again, as it was told to.
    pub(super) join_by: Option<Instant>,
}

impl Classic {
    /// One of which nothing is awaited.
    pub(crate) fn new(session_timeout: Duration, protocols: Vec<Protocol>) -> Classic {
        Classic {
            session_timeout,
            protocols,
            sync_by: None,
            join_by: None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.sync_by.into_iter().chain(self.join_by).min()
    }

    fn supports(&self, name: &str) -> bool {
        self.protocols.iter().any(|known| known.name == name)
    }

    /// What it is told to divide by, which is not used.
    fn protocol(&self) -> Option<String> {
        let first = self.protocols.first();
        first.map(|protocol| protocol.name.clone())
    }

    fn subscription(&self) -> Option<Subscription> {
        classic::subscription(&self.protocols)
    }
}

impl Group {
    /// The consumer group that a classic group of consumers becomes. `found` has the topics that its members read.
    ///
    /// # Errors
    /// [`ErrorCode::GroupIdNotFound`] where what members say to each other is not what consumers do;
    /// [`ErrorCode::CoordinatorNotAvailable`] where `found` lacks a topic that somebody may be reading.
    pub(crate) fn upgraded(
        classic: &classic::Group,
        found: &Found,
        now: Instant,
    ) -> Result<Group, Refused> {
        let mut group = Group {
            epoch: classic.generation(),
            assignment_epoch: classic.generation(),
            ..Group::default()
        };
        for (name, topic) in found {
            let known = topic.as_ref().map(|topic| (name.clone(), topic.clone()));
            group.topics.extend(known);
        }
        for member in classic.members() {
            let has = may_have(classic, member, found)?;
            let mut upgraded = group.upgraded_member(member, &has)?;
            upgraded.session = now + member.session_timeout;
            group.insert(upgraded);
        }
        group.note_change(None);
        Ok(group)
    }

    fn upgraded_member(
        &self,
        member: &classic::Member,
        has: &NamedPartitions,
    ) -> Result<Member, Refused> {
        let classic = Classic::new(member.session_timeout, member.protocols.clone());
        let said = said_by(member)?;
        // Between two generations more than one may say to have it.
        let has = self.streams(has);
        let has = places(&has).filter(|place| !self.holders.contains_key(place));
        let has = partitions(has);
        let epoch = member.former_generation.unwrap_or(self.epoch);
        Ok(Member {
            id: member.id.clone(),
            instance: member.instance.clone(),
            rack: said.rack,
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout: member.rebalance_timeout,
            names: said.topics,
            epoch,
            previous_epoch: epoch,
            assigned: has.clone(),
            target: has,
            classic: Some(classic),
            ..Member::blank()
        })
    }

    /// The members of the classic group that this one becomes now that all are of the classic protocol; none while there is
    /// somebody of the new one.
    pub(crate) fn downgraded_members(&self) -> Option<Vec<classic::Member>> {
        if !self.is_all_classic() {
            return None;
        }
        let members = self.members.values().filter_map(|member| {
            let classic = member.classic.as_ref()?;
            let mut settled = classic::Member::settled(
                (member.id.clone(), member.instance.clone()),
                (member.client_id.clone(), member.client_host.clone()),
                (classic.session_timeout, member.rebalance_timeout),
                classic.protocols.clone(),
                // What it has yet to give up, too: until all have joined it may be reading that.
                self.share(&partitions(member.held()), classic),
            );
            settled.former_generation = Some(member.epoch);
            Some(settled)
        });
        Some(members.collect())
    }

    pub(super) fn is_all_classic(&self) -> bool {
        let mut members = self.members.values();
        !self.members.is_empty() && members.all(|member| member.classic.is_some())
    }

    /// Somebody of the classic protocol joins, for the first time or again. `found` has the topics, if they were looked at.
    pub(crate) fn on_classic_join(
        &mut self,
        join: &Join,
        found: Option<&Found>,
        now: Instant,
    ) -> JoinAnswer {
        match self.classic_join(join, found, now) {
            Ok(answer) => answer,
            Err(ErrorCode::MemberIdRequired) => {
                JoinAnswer::refused(ErrorCode::MemberIdRequired, &join.new_member)
            }
            Err(code) => JoinAnswer::refused(code, &join.member),
        }
    }

    fn classic_join(
        &mut self,
        join: &Join,
        found: Option<&Found>,
        now: Instant,
    ) -> Result<JoinAnswer, ErrorCode> {
        let mut classic = Classic::new(join.session_timeout, join.protocols.clone());
        let said = classic.subscription();
        let said = said.filter(|_| self.supports(join));
        let said = said.ok_or(ErrorCode::InconsistentGroupProtocol)?;
        if !self.has_room_for(join, &said) {
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        let id = self.admit_classic(join)?;
        classic.sync_by = Some(now + join.rebalance_timeout);
        self.take_in(&beat(&id, join, &said), found, now);
        if let Some(member) = self.members.get_mut(&id) {
            member.classic = Some(classic);
            member.session = now + join.session_timeout;
            self.note_change(Some(&id));
        }
        let owned = self.streams(&said.owned);
        self.reconcile(&id, Some(&owned), now);
        let member = self.members.get(&id).ok_or(ErrorCode::UnknownMemberId)?;
        Ok(JoinAnswer {
            code: ErrorCode::None,
            member: id,
            generation: member.epoch,
            protocol_type: Some(CONSUMER.to_owned()),
            protocol: join.protocols.first().map(|first| first.name.clone()),
            // So that nobody divides.
            leader: String::new(),
            skip_assignment: false,
            members: Vec::new(),
        })
    }

    /// Whether whoever joins could divide the work with all others of the classic protocol, which they may have to again.
    fn supports(&self, join: &Join) -> bool {
        let knows_all = |name: &str| {
            let mut others = self.members.values().filter(|one| one.id != join.member);
            others.all(|one| one.classic.as_ref().is_none_or(|one| one.supports(name)))
        };
        join.protocol_type == CONSUMER && join.protocols.iter().any(|one| knows_all(&one.name))
    }

    /// Whether what members say of themselves stays little enough to be kept.
    fn has_room_for(&self, join: &Join, said: &Subscription) -> bool {
        let others = self.members.values().filter(|one| one.id != join.member);
        let others = others.filter_map(|one| one.classic.as_ref());
        let all = others.map(|one| &one.protocols[..]);
        let all = all.chain([&join.protocols[..]]);
        limits::may_say(&join.protocols)
            && limits::may_all_say(all)
            && is_short(said)
            && self.may_all_read(&join.member, &said.topics)
    }

    /// Finds or makes the member that joins, and tells its name.
    fn admit_classic(&mut self, join: &Join) -> Result<String, ErrorCode> {
        let known = join
            .instance
            .as_ref()
            .map(|instance| self.statics.get(instance).cloned());
        match known {
            Some(Some(known)) if join.member.is_empty() => {
                self.rename(&known, &join.new_member);
                return Ok(join.new_member.clone());
            }
            Some(Some(known)) if known != join.member => return Err(ErrorCode::FencedInstanceId),
            Some(None) if !join.member.is_empty() => return Err(ErrorCode::UnknownMemberId),
            _ => {}
        }
        if self.members.contains_key(&join.member) {
            return Ok(join.member.clone());
        }
        if self.members.len() >= MEMBERS_MAX {
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        let id = match join.member.as_str() {
            "" if join.must_know_member && join.instance.is_none() => {
                return Err(ErrorCode::MemberIdRequired);
            }
            "" => join.new_member.clone(),
            // The name that it was told before, or had in the group.
            member => member.to_owned(),
        };
        self.insert(Member {
            id: id.clone(),
            instance: join.instance.clone(),
            ..Member::blank()
        });
        Ok(id)
    }

    /// Somebody of the classic protocol asks for their share. What others hand in for it is nobody's business.
    pub(crate) fn on_classic_sync(&mut self, sync: &Sync, now: Instant) -> SyncAnswer {
        match self.classic_sync(sync, now) {
            Ok(answer) => answer,
            Err(code) => SyncAnswer::refused(code),
        }
    }

    fn classic_sync(&mut self, sync: &Sync, now: Instant) -> Result<SyncAnswer, ErrorCode> {
        let id = &sync.member;
        let (member, classic) = self.classic_member(id, sync.instance.as_deref())?;
        if sync.generation != member.epoch {
            return Err(ErrorCode::IllegalGeneration);
        }
        let protocol = classic.protocol();
        let is_other_type = sync
            .protocol_type
            .as_deref()
            .is_some_and(|it| it != CONSUMER);
        let is_other = sync
            .protocol
            .as_ref()
            .is_some_and(|name| !classic.supports(name));
        if is_other_type || is_other {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        let assignment = self.share(&member.assigned, classic);
        if self.epoch > member.epoch && member.progress != Progress::Unrevoked {
            self.call_back(id, now);
            return Err(ErrorCode::RebalanceInProgress);
        }
        if let Some(member) = self.members.get_mut(id) {
            member.touch_classic(now, |classic| classic.sync_by = None);
        }
        Ok(SyncAnswer {
            code: ErrorCode::None,
            protocol_type: Some(CONSUMER.to_owned()),
            protocol,
            assignment,
        })
    }

    /// Somebody of the classic protocol is alive.
    ///
    /// # Errors
    /// What they have to know instead.
    pub(crate) fn on_classic_heartbeat(
        &mut self,
        member: &str,
        instance: Option<&str>,
        generation: i32,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        let (known, _) = self.classic_member(member, instance)?;
        if generation != known.epoch {
            return Err(ErrorCode::IllegalGeneration);
        }
        let has_to_join = match known.progress {
            _ if self.epoch > known.epoch => true,
            Progress::Unrevoked => true,
            Progress::Unreleased => !self.is_kept_waiting(known),
            Progress::Stable => false,
        };
        if let Some(known) = self.members.get_mut(member) {
            known.touch_classic(now, |_| ());
        }
        if has_to_join {
            self.call_back(member, now);
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    /// Whether something that a member is to have is still somebody else's.
    fn is_kept_waiting(&self, member: &Member) -> bool {
        places(&member.target).any(|place| {
            let holder = self.holders.get(&place);
            holder.is_some_and(|holder| *holder != member.id)
        })
    }

    /// Has a member join again, in as much time as it says to need for that.
    fn call_back(&mut self, member: &str, now: Instant) {
        if let Some(member) = self.members.get_mut(member)
            && let Some(classic) = &mut member.classic
        {
            let by = now + member.rebalance_timeout;
            classic.join_by.get_or_insert(by);
        }
    }

    /// Members go, of whatever protocol: they leave, or an administrator takes them out, by name or by instance. Tells of each
    /// whether it was one.
    pub(crate) fn on_classic_leave(
        &mut self,
        leaving: &[(String, Option<String>)],
    ) -> Vec<Result<(), ErrorCode>> {
        let mut outcomes = Vec::with_capacity(leaving.len());
        for (member, instance) in leaving {
            outcomes.push(self.classic_leave(member, instance.as_deref()));
        }
        outcomes
    }

    fn classic_leave(&mut self, member: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
        let id = if member.is_empty() {
            let known = instance.and_then(|instance| self.statics.get(instance));
            known.cloned().ok_or(ErrorCode::UnknownMemberId)?
        } else {
            classic::check_instance(&self.statics, member, instance)?;
            member.to_owned()
        };
        if !self.members.contains_key(&id) {
            return Err(ErrorCode::UnknownMemberId);
        }
        self.remove(&id);
        Ok(())
    }

    fn classic_member(
        &self,
        id: &str,
        instance: Option<&str>,
    ) -> Result<(&Member, &Classic), ErrorCode> {
        classic::check_instance(&self.statics, id, instance)?;
        let member = self.members.get(id);
        let member = member.and_then(|member| Some((member, member.classic.as_ref()?)));
        member.ok_or(ErrorCode::UnknownMemberId)
    }

    /// Partitions in a member's own protocol's bytes.
    fn share(&self, given: &Partitions, classic: &Classic) -> bytes::Bytes {
        let version = classic.subscription().map_or(0, |said| said.version);
        let mut named = NamedPartitions::new();
        for (name, topic) in &self.topics {
            if let Some(indexes) = given.get(&topic.stream) {
                named.insert(name.clone(), indexes.clone());
            }
        }
        embedded::put_assignment(version, &named)
    }

    /// Partitions of topics that the group knows.
    fn streams(&self, named: &NamedPartitions) -> Partitions {
        let known = |(name, indexes): (&String, &BTreeSet<u32>)| {
            let topic: &KnownTopic = self.topics.get(name)?;
            Some((topic.stream, indexes.clone()))
        };
        named.iter().filter_map(known).collect()
    }
}

impl Member {
    fn touch_classic(&mut self, now: Instant, change: impl FnOnce(&mut Classic)) {
        if let Some(classic) = &mut self.classic {
            self.session = now + classic.session_timeout;
            change(classic);
        }
    }
}

/// What a member may be reading. Where it has been given nothing while its group was between two generations, that is what it said
/// to have when it joined last.
fn may_have(
    group: &classic::Group,
    member: &classic::Member,
    found: &Found,
) -> Result<NamedPartitions, Refused> {
    let given = embedded::assignment(member.assignment.clone());
    let given = given.ok_or_else(|| {
        let own = "was given by its own assignor cannot be told";
        (
            ErrorCode::GroupIdNotFound,
            format!("what member {} {own}", member.id),
        )
    })?;
    let is_between = member.assignment.is_empty() && group.state() != classic::State::Stable;
    let has = if is_between {
        said_by(member)?.owned
    } else {
        given
    };
    match has.keys().find(|topic| !found.contains_key(*topic)) {
        Some(topic) => {
            let why = format!("topic {topic} could not be looked at");
            Err((ErrorCode::CoordinatorNotAvailable, why))
        }
        None => Ok(has),
    }
}

fn said_by(member: &classic::Member) -> Result<Subscription, Refused> {
    let refused = |why: &str| {
        let why = format!("what member {} reads {why}", member.id);
        (ErrorCode::GroupIdNotFound, why)
    };
    let said = classic::subscription(&member.protocols);
    let said = said.ok_or_else(|| refused("cannot be told"))?;
    let is_word = limits::is_word(Some(&member.id));
    if is_word && limits::may_say(&member.protocols) && is_short(&said) {
        Ok(said)
    } else {
        Err(refused("is told at too great a length"))
    }
}

/// Whether that is short enough to be kept of a member.
fn is_short(said: &Subscription) -> bool {
    limits::is_word(said.rack.as_deref()) && limits::may_read(&said.topics)
}

/// A join as a heartbeat that says all, without what the member has.
fn beat(member: &str, join: &Join, said: &Subscription) -> Beat {
    Beat {
        member: member.to_owned(),
        epoch: JOINING,
        instance: join.instance.clone(),
        rack: said.rack.clone(),
        client_id: join.client_id.clone(),
        client_host: join.client_host.clone(),
        rebalance_timeout: Some(join.rebalance_timeout),
        names: Some(said.topics.clone()),
        regex: Some(String::new()),
        matched: None,
        assignor: None,
        owned: None,
        pace: Pace::default(),
    }
}
