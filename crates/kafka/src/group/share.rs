//! A group whose members share partitions (KIP-932): each partition is read by one or more members at once, so that nobody has
//! to let go of anything before another may begin. Who is alive, and who reads what.
//!
//! A machine without I/O. The group's epoch grows when members or their topics change; each member learns its partitions by the
//! answer to its next heartbeat. Members are not made durable, since they hold nothing: after a restart they join again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::consumer::{BeatAnswer, Found, JOINING, KnownTopic, LEAVING, Partitions};
use crate::wire::ErrorCode;

/// Members of one group: Kafka's `group.share.max.size`.
const MEMBERS_MAX: usize = 200;

/// How the group divides the work, as Kafka's tools show it.
pub(crate) const ASSIGNOR: &str = "simple";

/// ShareGroupHeartbeat. What is `None` is as it was last said.
#[derive(Clone, Debug)]
pub(crate) struct ShareBeat {
    pub(crate) member: String,
    pub(crate) epoch: i32,
    pub(crate) rack: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) names: Option<BTreeSet<String>>,
    /// How long a member of the group may not be heard of: `share.session.timeout.ms`.
    pub(crate) session_timeout: Duration,
    /// How often it is to be heard of: `share.heartbeat.interval.ms`.
    pub(crate) heartbeat_interval: Duration,
}

/// One member.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) rack: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) names: BTreeSet<String>,
    pub(crate) epoch: i32,
    previous_epoch: i32,
    pub(crate) assigned: Partitions,
    /// What it was told last.
    told: Option<Partitions>,
    session: Instant,
}

/// One group.
#[derive(Debug, Default)]
pub(crate) struct Group {
    epoch: i32,
    members: BTreeMap<String, Member>,
    topics: BTreeMap<String, KnownTopic>,
    looked_at: Option<Instant>,
    has_changed: bool,
    revision: u64,
}

impl Group {
    /// A group as it was when it was last made durable.
    pub(crate) fn restored(epoch: i32) -> Group {
        Group {
            epoch,
            ..Group::default()
        }
    }

    pub(crate) fn epoch(&self) -> i32 {
        self.epoch
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// As Kafka's tools show it.
    pub(crate) fn state(&self) -> &'static str {
        if self.is_empty() { "Empty" } else { "Stable" }
    }

    /// Counts changes on from those of the group that this one was.
    pub(crate) fn follow(&mut self, revision: u64) {
        self.revision += revision;
    }

    /// Number of the last change.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether something is to be made durable.
    pub(crate) fn has_changes(&self) -> bool {
        self.has_changed
    }

    /// The group as it is now is being made durable.
    pub(crate) fn begin_keeping(&mut self) {
        self.has_changed = false;
    }

    /// It could not be.
    pub(crate) fn must_be_kept(&mut self) {
        self.has_changed = true;
    }

    /// All topics that members read, by name.
    pub(crate) fn subscribed_topics(&self) -> BTreeSet<&str> {
        let names = self.members.values().flat_map(|member| &member.names);
        names.map(String::as_str).collect()
    }

    /// Whether it is time to see which topics there are.
    pub(crate) fn should_look(&self, now: Instant, patience: Duration) -> bool {
        self.looked_at.is_none_or(|at| now >= at + patience)
    }

    /// Somebody is alive, joins, or goes. `found` has the topics, if they were looked at.
    pub(crate) fn on_beat(
        &mut self,
        beat: &ShareBeat,
        found: Option<&Found>,
        now: Instant,
    ) -> BeatAnswer {
        let outcome = match beat.epoch {
            LEAVING => self.leave(beat),
            _ => self.beat(beat, found, now),
        };
        outcome.unwrap_or_else(|(code, message)| BeatAnswer::refused(code, message))
    }

    fn leave(&mut self, beat: &ShareBeat) -> Result<BeatAnswer, (ErrorCode, String)> {
        if self.members.remove(&beat.member).is_none() {
            return Err(unknown(&beat.member));
        }
        self.divide();
        Ok(answer(beat, LEAVING, None))
    }

    fn beat(
        &mut self,
        beat: &ShareBeat,
        found: Option<&Found>,
        now: Instant,
    ) -> Result<BeatAnswer, (ErrorCode, String)> {
        let is_new = self.admit(beat, now)?;
        let has_changed = self.take_over(beat, now);
        if self.learn(found, now) || has_changed || is_new {
            self.divide();
        }
        let epoch = self.epoch;
        let Some(member) = self.members.get_mut(&beat.member) else {
            return Err(unknown(&beat.member));
        };
        if member.epoch != epoch {
            member.previous_epoch = member.epoch;
            member.epoch = epoch;
        }
        let wants_all = beat.epoch == JOINING || beat.names.is_some();
        let is_news = wants_all || member.told.as_ref() != Some(&member.assigned);
        if is_news {
            member.told = Some(member.assigned.clone());
        }
        Ok(answer(beat, epoch, member.told.clone().filter(|_| is_news)))
    }

    /// Finds or makes the member that a heartbeat is of. Whether it is new.
    fn admit(&mut self, beat: &ShareBeat, now: Instant) -> Result<bool, (ErrorCode, String)> {
        if let Some(member) = self.members.get(&beat.member) {
            let epochs = [JOINING, member.epoch, member.previous_epoch];
            if epochs.contains(&beat.epoch) {
                return Ok(false);
            }
            let message = format!(
                "The share group member has another member epoch ({}) than the one known by the group coordinator ({}).",
                beat.epoch, member.epoch
            );
            return Err((ErrorCode::FencedMemberEpoch, message));
        }
        if beat.epoch != JOINING {
            return Err(unknown(&beat.member));
        }
        if self.members.len() >= MEMBERS_MAX {
            let message = format!(
                "The share group has reached its maximum capacity of {MEMBERS_MAX} members."
            );
            return Err((ErrorCode::GroupMaxSizeReached, message));
        }
        let member = Member {
            id: beat.member.clone(),
            rack: None,
            client_id: String::new(),
            client_host: String::new(),
            names: BTreeSet::new(),
            epoch: JOINING,
            previous_epoch: JOINING,
            assigned: Partitions::new(),
            told: None,
            session: now,
        };
        self.members.insert(beat.member.clone(), member);
        Ok(true)
    }

    /// Takes over what a member says of itself. Whether that changes what is to be divided.
    fn take_over(&mut self, beat: &ShareBeat, now: Instant) -> bool {
        let Some(member) = self.members.get_mut(&beat.member) else {
            return false;
        };
        member.session = now + beat.session_timeout;
        member.client_id.clone_from(&beat.client_id);
        member.client_host.clone_from(&beat.client_host);
        member.rack = beat.rack.clone().or(member.rack.take());
        match &beat.names {
            Some(names) if *names != member.names => {
                member.names.clone_from(names);
                true
            }
            _ => false,
        }
    }

    /// Takes over what was found of the topics. Whether that changes what is to be divided.
    fn learn(&mut self, found: Option<&Found>, now: Instant) -> bool {
        let mut topics = BTreeMap::new();
        for name in self.subscribed_topics() {
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

    /// Divides the partitions anew, in the group's next epoch: each topic's among those who read it, so that all have about as
    /// many, and each partition has somebody. With fewer partitions than members, some have several.
    fn divide(&mut self) {
        self.epoch = self.epoch.saturating_add(1);
        if !self.has_changed {
            self.revision += 1;
        }
        self.has_changed = true;
        let mut targets: BTreeMap<String, Partitions> = BTreeMap::new();
        let mut turn = 0;
        for (name, topic) in &self.topics {
            let readers = self.members.values();
            let readers: Vec<&Member> = readers
                .filter(|member| member.names.contains(name))
                .collect();
            if readers.is_empty() || topic.partitions.is_empty() {
                continue;
            }
            let places = topic.partitions.len().max(readers.len());
            let partitions = topic.partitions.iter().cycle();
            let members = readers.iter().cycle().skip(turn % readers.len());
            for (partition, member) in partitions.zip(members).take(places) {
                let target = targets.entry(member.id.clone()).or_default();
                let of_topic: &mut BTreeSet<u32> = target.entry(topic.stream).or_default();
                of_topic.insert(*partition);
            }
            turn += topic.partitions.len();
        }
        for (id, member) in &mut self.members {
            member.assigned = targets.remove(id).unwrap_or_default();
        }
    }

    /// When [`Group::on_timer`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.members.values().map(|member| member.session).min()
    }

    /// Time has passed: who was not heard of is out.
    pub(crate) fn on_timer(&mut self, now: Instant) {
        let before = self.members.len();
        self.members.retain(|_, member| member.session > now);
        if self.members.len() < before {
            let gone = before - self.members.len();
            tracing::info!(gone, "members of a share group were not heard of in time");
            self.divide();
        }
    }

    #[cfg(test)]
    fn assigned_to(&self, member: &str) -> Vec<(model::StreamId, u32)> {
        let member = &self.members[member];
        let topics = member.assigned.iter();
        let each = topics.flat_map(|(stream, all)| all.iter().map(|at| (*stream, *at)));
        each.collect()
    }
}

fn answer(beat: &ShareBeat, epoch: i32, assignment: Option<Partitions>) -> BeatAnswer {
    BeatAnswer {
        code: ErrorCode::None,
        message: None,
        member: beat.member.clone(),
        epoch,
        heartbeat_interval: beat.heartbeat_interval,
        assignment,
    }
}

fn unknown(member: &str) -> (ErrorCode, String) {
    let message = format!("Member {member} is not a member of the group.");
    (ErrorCode::UnknownMemberId, message)
}

#[cfg(test)]
mod tests {
    use model::StreamId;

    use super::*;

    fn beat(member: &str, epoch: i32, names: Option<&[&str]>) -> ShareBeat {
        ShareBeat {
            member: member.to_owned(),
            epoch,
            rack: None,
            client_id: "c".into(),
            client_host: "/h".into(),
            names: names.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(5),
        }
    }

    fn found(topics: &[(&str, u64, u32)]) -> Found {
        let known = |stream: u64, count: u32| KnownTopic {
            stream: StreamId(stream),
            partitions: (0..count).collect(),
        };
        topics
            .iter()
            .map(|(name, stream, count)| ((*name).to_owned(), Some(known(*stream, *count))))
            .collect()
    }

    #[test]
    fn every_partition_has_somebody_and_every_member_something() {
        let now = Instant::now();
        for (members, partitions) in [(1, 1), (2, 1), (1, 5), (3, 5), (5, 3), (7, 7)] {
            let mut group = Group::default();
            let found = found(&[("t", 1, partitions)]);
            for member in 0..members {
                let beat = beat(&format!("m{member}"), JOINING, Some(&["t"]));
                let answer = group.on_beat(&beat, Some(&found), now);
                assert_eq!(answer.code, ErrorCode::None);
            }
            let mut all = BTreeSet::new();
            for member in 0..members {
                let has = group.assigned_to(&format!("m{member}"));
                assert!(!has.is_empty() || members > partitions.max(members));
                all.extend(has);
            }
            assert_eq!(all.len(), partitions as usize, "{members} {partitions}");
        }
    }

    #[test]
    fn who_is_not_heard_of_is_out_and_the_epoch_tells_the_others() {
        let start = Instant::now();
        let mut group = Group::default();
        let found = found(&[("t", 1, 2)]);
        group.on_beat(&beat("a", JOINING, Some(&["t"])), Some(&found), start);
        let joined = group.on_beat(&beat("b", JOINING, Some(&["t"])), Some(&found), start);
        assert_eq!(joined.epoch, 2);
        let later = start + Duration::from_secs(40);
        let told = group.on_beat(&beat("a", 1, None), None, later);
        assert_eq!(told.epoch, 2);
        assert_eq!(group.assigned_to("a").len(), 1);
        assert!(told.assignment.is_some());
        assert_eq!(group.deadline(), Some(start + Duration::from_secs(45)));
        group.on_timer(start + Duration::from_secs(46));
        assert_eq!(group.assigned_to("a").len(), 2);
        let gone = group.on_beat(&beat("b", 2, None), None, later);
        assert_eq!(gone.code, ErrorCode::UnknownMemberId);
        let fenced = group.on_beat(&beat("a", 9, None), None, later);
        assert_eq!(fenced.code, ErrorCode::FencedMemberEpoch);
        let left = group.on_beat(&beat("a", LEAVING, None), None, later);
        assert_eq!(left.epoch, LEAVING);
        assert!(group.is_empty());
    }
}
