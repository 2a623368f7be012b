//! A group whose work is divided here (KIP-848): members say what they read by heartbeats, and learn by the answers what is
//! theirs. Nobody waits for anybody: a partition goes to its new owner as soon as the former one has let go of it.
//!
//! A machine without I/O. Three numbers tell how far things are: the group's epoch grows when what is to be divided, or among
//! whom, changes; the assignment's follows when the targets have been computed; each member's when it has given up what its
//! target does not hold.
//!
//! What it holds to: a partition is held by one member at a time; epochs only grow; a member learns only what is durable,
//! since who owns the machine keeps answers until [`Group::take_changes`] is written.

pub(crate) mod assignor;
mod member;
mod membership;
pub(crate) mod mixed;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use model::StreamId;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub(crate) use member::{Member, Progress};

use crate::wire::ErrorCode;
use assignor::{Assignor, Subscriber};

/// Partitions by topic.
pub(crate) type Partitions = BTreeMap<StreamId, BTreeSet<u32>>;

/// The epoch of who joins.
pub(crate) const JOINING: i32 = 0;
/// The epoch of who leaves.
pub(crate) const LEAVING: i32 = -1;
/// The epoch of a static member that will be back.
pub(crate) const AWAY: i32 = -2;

/// Members of one group: `group.consumer.max.size`.
const MEMBERS_MAX: usize = 10_000;

/// How often members are to be heard of, and how long they may not be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pace {
    /// `consumer.heartbeat.interval.ms`.
    pub(crate) heartbeat_interval: Duration,
    /// `consumer.session.timeout.ms`.
    pub(crate) session_timeout: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            heartbeat_interval: Duration::from_secs(5),
            session_timeout: Duration::from_secs(45),
        }
    }
}

/// How a group stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Empty,
    /// Targets are to be computed.
    Assigning,
    /// Some member has not come to its target.
    Reconciling,
    Stable,
}

impl State {
    /// As Kafka's tools show it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Assigning => "Assigning",
            State::Reconciling => "Reconciling",
            State::Stable => "Stable",
        }
    }
}

/// A topic that members read. Partitions of a stream that was resharded need not be numbered without gaps.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct KnownTopic {
    pub(crate) stream: StreamId,
    pub(crate) partitions: Vec<u32>,
}

/// What was found of the topics looked for, those that are not there included.
pub(crate) type Found = BTreeMap<String, Option<KnownTopic>>;

/// ConsumerGroupHeartbeat. What is `None` is as it was last said.
#[derive(Clone, Debug)]
pub(crate) struct Beat {
    pub(crate) member: String,
    pub(crate) epoch: i32,
    pub(crate) instance: Option<String>,
    pub(crate) rack: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) rebalance_timeout: Option<Duration>,
    pub(crate) names: Option<BTreeSet<String>>,
    /// A pattern of topics' names; empty for none.
    pub(crate) regex: Option<String>,
    /// What the member's pattern matches now, where that was looked at.
    pub(crate) matched: Option<BTreeSet<String>>,
    pub(crate) assignor: Option<Assignor>,
    /// What the member has.
    pub(crate) owned: Option<Partitions>,
    /// How the group is configured now.
    pub(crate) pace: Pace,
}

/// The answer to a [`Beat`].
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct BeatAnswer {
    pub(crate) code: ErrorCode,
    pub(crate) message: Option<String>,
    pub(crate) member: String,
    pub(crate) epoch: i32,
    pub(crate) heartbeat_interval: Duration,
    /// What the member is to have; `None` where that is as it was.
    pub(crate) assignment: Option<Partitions>,
}

impl BeatAnswer {
    pub(crate) fn refused(code: ErrorCode, message: impl Into<String>) -> BeatAnswer {
        BeatAnswer {
            code,
            message: Some(message.into()),
            member: String::new(),
            epoch: 0,
            heartbeat_interval: Duration::ZERO,
            assignment: None,
        }
    }
}

/// Why a heartbeat is not taken.
pub(super) type Refused = (ErrorCode, String);

/// What is to be made durable: members by name that are new, changed or gone; the group itself always.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) members: BTreeSet<String>,
}

/// One group; without members to begin with.
#[derive(Debug, Default)]
pub(crate) struct Group {
    epoch: i32,
    assignment_epoch: i32,
    members: BTreeMap<String, Member>,
    /// Member by instance.
    statics: HashMap<String, String>,
    /// Who has a partition, or has yet to let go of it.
    holders: HashMap<(StreamId, u32), String>,
    /// The topics that members read, as the targets know them.
    topics: BTreeMap<String, KnownTopic>,
    /// When topics were last looked at.
    looked_at: Option<Instant>,
    /// The same for what each member's pattern matches among the topics that it may see.
    matched_at: HashMap<String, Instant>,
    changes: Option<Changes>,
    /// Grows with each change that is to be made durable.
    revision: u64,
}

impl Group {
    /// A group as it was when it was last made durable; its members have a session's time to be heard of again.
    pub(crate) fn restored(
        (epoch, assignment_epoch): (i32, i32),
        topics: BTreeMap<String, KnownTopic>,
        members: Vec<Member>,
        now: Instant,
    ) -> Group {
        let mut group = Group::default();
        (group.epoch, group.assignment_epoch) = (epoch, assignment_epoch);
        group.topics = topics;
        for mut member in members {
            let classic = member.classic.as_ref();
            let timeout = classic.map(|classic| classic.session_timeout);
            member.session = now + timeout.unwrap_or(Pace::default().session_timeout);
            member.begin_revoking(now);
            if let Some(instance) = &member.instance {
                group.statics.insert(instance.clone(), member.id.clone());
            }
            for place in member.held() {
                group.holders.insert(place, member.id.clone());
            }
            group.members.insert(member.id.clone(), member);
        }
        group
    }

    pub(crate) fn epoch(&self) -> i32 {
        self.epoch
    }

    pub(crate) fn assignment_epoch(&self) -> i32 {
        self.assignment_epoch
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    pub(crate) fn topics(&self) -> &BTreeMap<String, KnownTopic> {
        &self.topics
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Counts changes on from those of the group that this one was.
    pub(crate) fn follow(&mut self, revision: u64) {
        self.revision += revision;
    }

    /// Number of the last change.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn state(&self) -> State {
        let is_settled = |member: &Member| member.is_settled_at(self.assignment_epoch);
        if self.members.is_empty() {
            State::Empty
        } else if self.epoch > self.assignment_epoch {
            State::Assigning
        } else if self.members.values().all(is_settled) {
            State::Stable
        } else {
            State::Reconciling
        }
    }

    /// How the work is divided: as most members want it.
    pub(crate) fn assignor(&self) -> Assignor {
        let votes = |wanted: Assignor| {
            let votes = self.members.values().filter_map(|member| member.assignor);
            votes.filter(|vote| *vote == wanted).count()
        };
        if votes(Assignor::Range) > votes(Assignor::Uniform) {
            Assignor::Range
        } else {
            Assignor::Uniform
        }
    }

    /// All topics that members read, by name.
    pub(crate) fn subscribed_topics(&self) -> BTreeSet<&str> {
        let members = self.members.values();
        members.flat_map(Member::subscribed_topics).collect()
    }

    /// Whether it is time to see which topics there are, or which of them a member's pattern matches.
    pub(crate) fn should_look(&self, member: &str, now: Instant, patience: Duration) -> bool {
        let is_old = |at: Option<&Instant>| at.is_none_or(|at| now >= *at + patience);
        let member = self.members.get(member);
        is_old(self.looked_at.as_ref())
            || member.is_some_and(|member| {
                member.regex.is_some() && is_old(self.matched_at.get(&member.id))
            })
    }

    /// Somebody is alive, joins, or goes. `found` has the topics, if they were looked at.
    pub(crate) fn on_beat(
        &mut self,
        beat: &Beat,
        found: Option<&Found>,
        now: Instant,
    ) -> BeatAnswer {
        let outcome = match beat.epoch {
            LEAVING | AWAY => self.leave(beat),
            _ => self.beat(beat, found, now),
        };
        outcome.unwrap_or_else(|(code, message)| BeatAnswer::refused(code, message))
    }

    fn beat(
        &mut self,
        beat: &Beat,
        found: Option<&Found>,
        now: Instant,
    ) -> Result<BeatAnswer, Refused> {
        self.admit(beat)?;
        self.take_in(beat, found, now);
        let was_assigned = self.assigned(&beat.member);
        self.reconcile(&beat.member, beat.owned.as_ref(), now);
        let is_assigned = self.assigned(&beat.member);
        let says_topics = beat.names.is_some() || beat.regex.is_some();
        let says_all = beat.rebalance_timeout.is_some() && says_topics && beat.owned.is_some();
        let wants_all = beat.epoch == JOINING || says_all;
        let Some(member) = self.members.get_mut(&beat.member) else {
            return Err((ErrorCode::UnknownMemberId, "no such member".into()));
        };
        member.session = now + beat.pace.session_timeout;
        Ok(BeatAnswer {
            code: ErrorCode::None,
            message: None,
            member: beat.member.clone(),
            epoch: member.epoch,
            heartbeat_interval: beat.pace.heartbeat_interval,
            assignment: (wants_all || was_assigned != is_assigned).then_some(is_assigned),
        })
    }

    /// Takes over what a member says and what was found of the topics, and divides anew where that changes anything.
    fn take_in(&mut self, beat: &Beat, found: Option<&Found>, now: Instant) {
        let has_changed = self.subscribe(beat);
        if beat.matched.is_some() {
            self.matched_at.insert(beat.member.clone(), now);
        }
        let has_learnt = self.learn(found, now);
        // Epoch 0 is for joining: no member may stay in it, even of a group that has nothing to read.
        if has_learnt || has_changed || self.epoch == 0 {
            self.grow();
        }
        if self.epoch > self.assignment_epoch {
            self.assign();
        }
    }

    fn assigned(&self, member: &str) -> Partitions {
        let member = self.members.get(member);
        member.map_or_else(Partitions::new, |member| member.assigned.clone())
    }

    /// Takes over what was found of the topics. Whether that changes what is to be divided.
    fn learn(&mut self, found: Option<&Found>, now: Instant) -> bool {
        let subscribed: BTreeSet<&str> = self
            .members
            .values()
            .flat_map(Member::subscribed_topics)
            .collect();
        let mut topics = BTreeMap::new();
        for name in subscribed {
            let topic = match found.and_then(|found| found.get(name)) {
                Some(topic) => topic.as_ref(),
                None => self.topics.get(name),
            };
            topics.extend(topic.map(|topic| (name.to_owned(), topic.clone())));
        }
        if found.is_some() {
            self.looked_at = Some(now);
        }
        let is_news = topics != self.topics;
        self.topics = topics;
        is_news
    }

    /// The group's next epoch.
    fn grow(&mut self) {
        self.epoch = self.epoch.saturating_add(1);
        self.note_change(None);
    }

    /// Notes that the group, and a member of it, are to be made durable.
    fn note_change(&mut self, member: Option<&str>) {
        if self.changes.is_none() {
            self.revision += 1;
        }
        let changes = self.changes.get_or_insert_default();
        changes.members.extend(member.map(str::to_owned));
    }

    /// Whether something is to be made durable.
    pub(crate) fn has_changes(&self) -> bool {
        self.changes.is_some()
    }

    /// What is to be made durable, all of it at once.
    pub(crate) fn take_changes(&mut self) -> Changes {
        self.changes.take().unwrap_or_default()
    }

    /// Members of whom something is to be made durable, that they are gone perhaps.
    pub(crate) fn changed_members(&self) -> impl Iterator<Item = &str> {
        let changes = self.changes.iter();
        changes.flat_map(|changes| changes.members.iter().map(String::as_str))
    }

    /// Changes that could not be made durable are still to be.
    pub(crate) fn put_back(&mut self, changes: Changes) {
        let pending = self.changes.get_or_insert_default();
        pending.members.extend(changes.members);
    }

    /// Computes what each member is to have.
    fn assign(&mut self) {
        let streams = |member: &Member| {
            let names = member.subscribed_topics();
            let topics = names.filter_map(|name| self.topics.get(name));
            topics.map(|topic| topic.stream).collect()
        };
        let subscribers: Vec<Subscriber> = self
            .members
            .values()
            .map(|member| Subscriber {
                member: member.id.clone(),
                // So that a static member has the same place whatever it is called.
                place: member.instance.clone().unwrap_or_else(|| member.id.clone()),
                topics: streams(member),
                target: member.target.clone(),
            })
            .collect();
        let topics = self.topics.values();
        let all = topics.map(|topic| (topic.stream, topic.partitions.clone()));
        let targets = self.assignor().assign(&subscribers, &all.collect());
        let mut changed = Vec::new();
        for (id, target) in targets {
            if let Some(member) = self.members.get_mut(&id)
                && member.target != target
            {
                member.target = target;
                changed.push(id);
            }
        }
        for id in changed {
            self.note_change(Some(&id));
        }
        self.assignment_epoch = self.epoch;
        self.note_change(None);
    }

    /// Brings a member as near to its target as others let it.
    fn reconcile(&mut self, id: &str, owned: Option<&Partitions>, now: Instant) {
        let Some(mut member) = self.members.remove(id) else {
            return;
        };
        let is_free = |place: &(StreamId, u32)| {
            let holder = self.holders.get(place);
            holder.is_none_or(|holder| holder == id)
        };
        let before = member.held();
        if member.reconcile(self.assignment_epoch, owned, is_free, now) {
            for place in before {
                self.holders.remove(&place);
            }
            for place in member.held() {
                self.holders.insert(place, id.to_owned());
            }
            self.note_change(Some(id));
        }
        self.members.insert(id.to_owned(), member);
    }

    /// When [`Group::on_timer`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.members.values().map(Member::deadline).min()
    }

    /// Time has passed: who was not heard of, or did not let go in time, is out.
    pub(crate) fn on_timer(&mut self, now: Instant) {
        let is_late = |member: &&Member| member.deadline() <= now;
        let late = self.members.values().filter(is_late);
        let late: Vec<String> = late.map(|member| member.id.clone()).collect();
        for id in late {
            tracing::info!(member = %id, "a member of a consumer group was not heard of in time");
            self.remove(&id);
        }
    }
}
