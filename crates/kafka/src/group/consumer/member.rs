//! One member of a consumer group, and its way to its target: first it gives up what is not in it, then it gets what others have
//! given up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::StreamId;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::assignor::Assignor;
use super::mixed::Classic;
use super::{AWAY, Beat, JOINING, Partitions};

/// How far a member is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Progress {
    /// It has what it is to have at its epoch.
    Stable,
    /// It has to give partitions up.
    Unrevoked,
    /// It waits for others to give partitions up.
    Unreleased,
}

/// One member.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) rack: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) names: BTreeSet<String>,
    pub(crate) regex: Option<String>,
    /// What the pattern matches.
    pub(crate) matched: BTreeSet<String>,
    pub(crate) assignor: Option<Assignor>,
    pub(crate) epoch: i32,
    pub(crate) previous_epoch: i32,
    pub(crate) progress: Progress,
    /// What it has, or is told to have by the next answer.
    pub(crate) assigned: Partitions,
    /// What it was told to give up, and until when it may take.
    pub(crate) revoking: Partitions,
    pub(crate) target: Partitions,
    /// Since which of its epochs each that it holds has been its (KIP-1251). Not known of what it held before a restart.
    pub(crate) since: BTreeMap<(StreamId, u32), i32>,
    /// Of a member of the classic protocol.
    pub(crate) classic: Option<Classic>,
    /// When it is out unless heard of.
    pub(crate) session: Instant,
    /// When it is out unless it has given up what it must.
    pub(crate) revoked_by: Option<Instant>,
}

impl Member {
    /// One that joins.
    pub(super) fn new(beat: &Beat) -> Member {
        Member {
            id: beat.member.clone(),
            instance: beat.instance.clone(),
            ..Member::blank()
        }
    }

    /// One that nothing is known of.
    pub(crate) fn blank() -> Member {
        Member {
            id: String::new(),
            instance: None,
            rack: None,
            client_id: String::new(),
            client_host: String::new(),
            rebalance_timeout: Duration::ZERO,
            names: BTreeSet::new(),
            regex: None,
            matched: BTreeSet::new(),
            assignor: None,
            epoch: JOINING,
            previous_epoch: JOINING,
            progress: Progress::Stable,
            assigned: Partitions::new(),
            revoking: Partitions::new(),
            target: Partitions::new(),
            since: BTreeMap::new(),
            classic: None,
            session: Instant::now(),
            revoked_by: None,
        }
    }

    /// The topics it reads, by name.
    pub(super) fn subscribed_topics(&self) -> impl Iterator<Item = &str> {
        let all = self.names.iter().chain(&self.matched);
        all.map(String::as_str)
    }

    /// Takes over what it says of itself. Whether anything is new.
    pub(super) fn take_over(&mut self, beat: &Beat) -> bool {
        let before = self.clone();
        let mut said = self.clone();
        said.client_id.clone_from(&beat.client_id);
        said.client_host.clone_from(&beat.client_host);
        said.rack = beat.rack.clone().or(said.rack);
        said.rebalance_timeout = beat.rebalance_timeout.unwrap_or(said.rebalance_timeout);
        said.names = beat.names.clone().unwrap_or(said.names);
        said.assignor = beat.assignor.or(said.assignor);
        if let Some(regex) = &beat.regex {
            said.regex = Some(regex.clone()).filter(|regex| !regex.is_empty());
        }
        said.matched = beat.matched.clone().unwrap_or(said.matched);
        if said.regex.is_none() {
            said.matched.clear();
        }
        // Who beats is of the new protocol; who joins by the old one is made one of it after this.
        said.classic = None;
        *self = said;
        *self != before
    }

    /// Whether it has come to the targets of that epoch.
    pub(super) fn is_settled_at(&self, epoch: i32) -> bool {
        self.progress == Progress::Stable && self.epoch == epoch
    }

    /// When it is out.
    pub(super) fn deadline(&self) -> Instant {
        let classic = self.classic.as_ref().and_then(Classic::deadline);
        let others = self.revoked_by.into_iter().chain(classic);
        others.fold(self.session, Instant::min)
    }

    /// All partitions that nobody else may have.
    pub(super) fn held(&self) -> Vec<(StreamId, u32)> {
        places(&self.assigned)
            .chain(places(&self.revoking))
            .collect()
    }

    /// Whether it was given all that it says to have.
    pub(super) fn has_all_of(&self, owned: Option<&Partitions>) -> bool {
        let has = |(stream, partition): (StreamId, u32)| {
            let assigned = self.assigned.get(&stream);
            assigned.is_some_and(|assigned| assigned.contains(&partition))
        };
        owned.is_some_and(|owned| places(owned).all(has))
    }

    /// It is gone for a while; what it was to give up it has given up.
    pub(super) fn go_away(&mut self) {
        self.epoch = AWAY;
        self.revoking.clear();
        self.revoked_by = None;
    }

    pub(super) fn begin_revoking(&mut self, now: Instant) {
        let is_revoking = self.progress == Progress::Unrevoked;
        self.revoked_by = is_revoking.then(|| now + self.rebalance_timeout);
    }

    /// Goes on towards the target of `epoch`, given what the member says to have. Whether anything has changed.
    pub(super) fn reconcile(
        &mut self,
        epoch: i32,
        owned: Option<&Partitions>,
        is_free: impl Fn(&(StreamId, u32)) -> bool,
        now: Instant,
    ) -> bool {
        if self.is_settled_at(epoch) {
            return false;
        }
        let reached = match self.progress {
            Progress::Unrevoked if still_has(owned, &self.revoking) => return false,
            Progress::Unrevoked => self.epoch.saturating_add(1),
            Progress::Stable | Progress::Unreleased => self.epoch,
        };
        let before = self.clone();
        self.step(reached, epoch, owned, is_free);
        if *self == before {
            return false;
        }
        self.begin_revoking(now);
        true
    }

    fn step(
        &mut self,
        reached: i32,
        epoch: i32,
        owned: Option<&Partitions>,
        is_free: impl Fn(&(StreamId, u32)) -> bool,
    ) {
        let target: BTreeSet<(StreamId, u32)> = places(&self.target).collect();
        let assigned: BTreeSet<(StreamId, u32)> = places(&self.assigned).collect();
        let kept = assigned.intersection(&target).copied();
        let given_up = assigned.difference(&target).copied();
        let (kept, given_up) = (partitions(kept), partitions(given_up));
        let before = self.epoch;
        if !given_up.is_empty() && still_has(owned, &given_up) {
            self.move_to(reached);
            self.progress = Progress::Unrevoked;
            (self.assigned, self.revoking) = (kept, given_up);
            self.date(&assigned, before);
            return;
        }
        let missing = target.difference(&assigned).copied();
        let (free, taken): (Vec<_>, Vec<_>) = missing.partition(is_free);
        self.move_to(epoch);
        self.progress = if taken.is_empty() {
            Progress::Stable
        } else {
            Progress::Unreleased
        };
        self.assigned = partitions(places(&kept).chain(free));
        self.revoking.clear();
        self.date(&assigned, before);
    }

    /// Notes since when it has what it has, given what it had at the epoch before.
    fn date(&mut self, had: &BTreeSet<(StreamId, u32)>, before: i32) {
        let dated = self.held().into_iter().map(|place| {
            let known = self.since.get(&place).copied();
            let new = match had.contains(&place) {
                true => before,
                false => self.epoch,
            };
            (place, known.unwrap_or(new))
        });
        self.since = dated.collect();
    }

    fn move_to(&mut self, epoch: i32) {
        if epoch != self.epoch {
            self.previous_epoch = self.epoch;
            self.epoch = epoch;
        }
    }
}

/// Whether a member may still read what it was to give up. One that does not say may.
fn still_has(owned: Option<&Partitions>, given_up: &Partitions) -> bool {
    let is_given_up = |(stream, partition): (StreamId, u32)| {
        let given_up = given_up.get(&stream);
        given_up.is_some_and(|given_up| given_up.contains(&partition))
    };
    owned.is_none_or(|owned| places(owned).any(is_given_up))
}

/// Each of them.
pub(crate) fn places(partitions: &Partitions) -> impl Iterator<Item = (StreamId, u32)> {
    partitions
        .iter()
        .flat_map(|(stream, indexes)| indexes.iter().map(|index| (*stream, *index)))
}

/// All of them by topic.
pub(crate) fn partitions(places: impl IntoIterator<Item = (StreamId, u32)>) -> Partitions {
    let mut partitions = Partitions::new();
    for (stream, index) in places {
        partitions.entry(stream).or_default().insert(index);
    }
    partitions
}
