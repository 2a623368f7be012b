//! Who is in a consumer group: joining, coming back, leaving.

use std::collections::BTreeSet;

use model::StreamId;

use super::{AWAY, Beat, BeatAnswer, Group, JOINING, LEAVING, MEMBERS_MAX, Member, Refused};
use crate::group::limits;
use crate::wire::ErrorCode;

impl Group {
    /// Whether somebody can come who is nobody's successor.
    pub(crate) fn check_new(&self, member: &str) -> Result<(), Refused> {
        if self.members.contains_key(member) {
            let message = format!("Member {member} is in the group by the classic protocol.");
            return Err((ErrorCode::FencedMemberEpoch, message));
        }
        if self.members.len() >= MEMBERS_MAX {
            let message = format!(
                "The consumer group has reached its maximum capacity of {MEMBERS_MAX} members."
            );
            return Err((ErrorCode::GroupMaxSizeReached, message));
        }
        Ok(())
    }

    /// Whether the group has room for the names of the topics that a member reads, beside those of the others.
    pub(super) fn may_all_read(&self, member: &str, names: &BTreeSet<String>) -> bool {
        let others = self.members.values().filter(|one| one.id != member);
        limits::may_all_read(others.flat_map(|one| &one.names).chain(names))
    }

    /// Finds or makes the member that a heartbeat is of.
    pub(super) fn admit(&mut self, beat: &Beat) -> Result<(), Refused> {
        let names = beat.names.as_ref();
        if names.is_some_and(|names| !self.may_all_read(&beat.member, names)) {
            let message = "The members of the consumer group read too many topics by name.";
            return Err((ErrorCode::GroupMaxSizeReached, message.into()));
        }
        let is_known = self.members.contains_key(&beat.member);
        if !is_known {
            self.check_new(&beat.member)?;
        }
        match &beat.instance {
            Some(instance) => self.admit_static(beat, instance),
            None if is_known => self.check_epoch(beat),
            None if beat.epoch == JOINING => {
                self.insert(Member::new(beat));
                Ok(())
            }
            None => Err(unknown(&beat.member)),
        }
    }

    fn admit_static(&mut self, beat: &Beat, instance: &str) -> Result<(), Refused> {
        let known = self.statics.get(instance).cloned();
        if beat.epoch != JOINING {
            self.check_static(instance, &beat.member)?;
            return self.check_epoch(beat);
        }
        let Some(known) = known else {
            if self.members.contains_key(&beat.member) {
                return Err(unknown(&beat.member));
            }
            self.insert(Member::new(beat));
            return Ok(());
        };
        // One of the classic protocol does not say that it will be back.
        let is_free = |member: &&Member| member.epoch == AWAY || member.classic.is_some();
        if self.members.get(&known).filter(is_free).is_none() {
            let message = format!(
                "Static member {} with instance id {instance} cannot join the group because the instance id is owned by \
                 {known} member.",
                beat.member
            );
            return Err((ErrorCode::UnreleasedInstanceId, message));
        }
        self.rename(&known, &beat.member);
        Ok(())
    }

    /// A static member is back under another name, and has what it had.
    pub(super) fn rename(&mut self, known: &str, name: &str) {
        let Some(mut member) = self.take(known) else {
            return;
        };
        name.clone_into(&mut member.id);
        member.epoch = JOINING;
        member.previous_epoch = JOINING;
        member.classic = None;
        self.insert(member);
    }

    fn check_static(&self, instance: &str, member: &str) -> Result<(), Refused> {
        match self.statics.get(instance) {
            None => {
                let message = format!("Instance id {instance} is unknown.");
                Err((ErrorCode::UnknownMemberId, message))
            }
            Some(known) if known != member => {
                let message = format!(
                    "Static member {member} with instance id {instance} was fenced by member {known}."
                );
                Err((ErrorCode::FencedInstanceId, message))
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether a member's epoch is the one it was given, or the one before it where the answer may have been lost.
    fn check_epoch(&self, beat: &Beat) -> Result<(), Refused> {
        let Some(member) = self.members.get(&beat.member) else {
            return Err(unknown(&beat.member));
        };
        let may_have_missed =
            beat.epoch == member.previous_epoch && member.has_all_of(beat.owned.as_ref());
        // Who was fenced, or whose leaving was lost, joins again by the same name.
        let joins_again = beat.epoch == JOINING && member.classic.is_none();
        let is_current = beat.epoch == member.epoch;
        if is_current || joins_again || (beat.epoch < member.epoch && may_have_missed) {
            return Ok(());
        }
        let size = if beat.epoch > member.epoch {
            "greater"
        } else {
            "smaller"
        };
        let message = format!(
            "The consumer group member has a {size} member epoch ({}) than the one known by the group coordinator ({}). The \
             member must abandon all its partitions and rejoin.",
            beat.epoch, member.epoch
        );
        Err((ErrorCode::FencedMemberEpoch, message))
    }

    /// Takes over what a member says of itself. Whether that changes what is to be divided.
    pub(super) fn subscribe(&mut self, beat: &Beat) -> bool {
        let Some(member) = self.members.get_mut(&beat.member) else {
            return false;
        };
        let before = (member.names.clone(), member.matched.clone());
        if member.take_over(beat) {
            let has_changed = before != (member.names.clone(), member.matched.clone());
            self.note_change(Some(&beat.member));
            return has_changed;
        }
        false
    }

    /// Somebody goes: for good, or a static member for a while.
    pub(super) fn leave(&mut self, beat: &Beat) -> Result<BeatAnswer, Refused> {
        if let Some(instance) = &beat.instance {
            self.check_static(instance, &beat.member)?;
        } else if !self.members.contains_key(&beat.member) {
            return Err(unknown(&beat.member));
        }
        if beat.epoch == LEAVING {
            self.remove(&beat.member);
        } else if let Some(mut member) = self.take(&beat.member) {
            member.go_away();
            self.insert(member);
        }
        Ok(BeatAnswer {
            code: ErrorCode::None,
            message: None,
            member: beat.member.clone(),
            epoch: beat.epoch,
            heartbeat_interval: std::time::Duration::ZERO,
            assignment: None,
        })
    }

    /// Takes a member out for good; its work is to be divided anew.
    pub(super) fn remove(&mut self, id: &str) {
        if self.take(id).is_some() {
            let subscribed = self.subscribed_topics().into_iter().map(str::to_owned);
            let subscribed: BTreeSet<String> = subscribed.collect();
            self.topics.retain(|name, _| subscribed.contains(name));
            // A group of classic members alone goes on as a classic group, in the generation they know.
            if !self.is_all_classic() {
                self.grow();
            }
        }
    }

    fn take(&mut self, id: &str) -> Option<Member> {
        let member = self.members.remove(id)?;
        self.matched_at.remove(id);
        for place in member.held() {
            self.holders.remove(&place);
        }
        if let Some(instance) = &member.instance {
            self.statics.remove(instance);
        }
        self.note_change(Some(id));
        Some(member)
    }

    pub(super) fn insert(&mut self, member: Member) {
        for place in member.held() {
            self.holders.insert(place, member.id.clone());
        }
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), member.id.clone());
        }
        self.note_change(Some(&member.id));
        self.members.insert(member.id.clone(), member);
    }

    /// Whether somebody may commit offsets now.
    pub(crate) fn may_commit(&self, member: &str, epoch: i32) -> Result<(), ErrorCode> {
        if epoch < 0 && self.members.is_empty() {
            return Ok(());
        }
        self.check_reader(member, epoch)
    }

    /// Whether a member that does not know its newest epoch yet may commit offsets of these: all of them have been its since the
    /// epoch it says or before (KIP-1251).
    pub(crate) fn may_commit_late(
        &self,
        member: &str,
        epoch: i32,
        mut places: impl Iterator<Item = (StreamId, u32)>,
    ) -> bool {
        let known = self.members.get(member);
        let known = known.filter(|known| known.classic.is_none());
        known.is_some_and(|known| {
            let has = |place| known.since.get(&place).is_some_and(|since| *since <= epoch);
            (JOINING + 1..known.epoch).contains(&epoch) && places.all(has)
        })
    }

    /// Whether somebody may see the group's offsets: anybody, but who says to be a member must be one.
    pub(crate) fn may_fetch_offsets(
        &self,
        member: Option<&str>,
        epoch: i32,
    ) -> Result<(), ErrorCode> {
        match member {
            None if epoch < 0 => Ok(()),
            member => self.check_reader(member.unwrap_or_default(), epoch),
        }
    }

    fn check_reader(&self, member: &str, epoch: i32) -> Result<(), ErrorCode> {
        let known = self.members.get(member);
        let known = known.ok_or(ErrorCode::UnknownMemberId)?;
        match &known.classic {
            _ if known.epoch == epoch => Ok(()),
            Some(_) => Err(ErrorCode::IllegalGeneration),
            None => Err(ErrorCode::StaleMemberEpoch),
        }
    }
}

fn unknown(member: &str) -> Refused {
    let message = format!("Member {member} is not a member of the group.");
    (ErrorCode::UnknownMemberId, message)
}
