//! Groups as those see them who ask.

use std::collections::BTreeSet;

use bytes::Bytes;
use model::Timestamp;

use super::classic::{self, CONSUMER};
use super::consumer::{self, Partitions};
use super::{Groups, Machine, share};
use crate::wire::ErrorCode;

/// What sort of group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Classic,
    Consumer,
    Share,
}

impl Kind {
    /// As Kafka's tools show it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Classic => "classic",
            Kind::Consumer => "consumer",
            Kind::Share => "share",
        }
    }
}

/// A group without its members.
#[derive(Clone, Debug)]
pub(crate) struct GroupView {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) state: &'static str,
    /// What members have in common; empty before anybody joined.
    pub(crate) protocol_type: String,
    /// How the work is divided; empty while it is not.
    pub(crate) protocol: String,
    /// Of a consumer group.
    pub(crate) epoch: i32,
    pub(crate) assignment_epoch: i32,
}

/// A member. What one kind of group has and the other has not is empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemberView {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) rack: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) metadata: Bytes,
    pub(crate) assignment: Bytes,
    pub(crate) epoch: i32,
    pub(crate) names: Vec<String>,
    pub(crate) regex: Option<String>,
    pub(crate) assigned: Partitions,
    pub(crate) target: Partitions,
    /// Of a consumer group's member: whether it is of the classic protocol.
    pub(crate) is_classic: bool,
}

/// Which of a group's topics are being read, so that their offsets stay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Subscribed {
    /// Nobody says which.
    Unknown,
    Topics(BTreeSet<String>),
}

impl Subscribed {
    pub(crate) fn has(&self, topic: &str) -> bool {
        match self {
            Subscribed::Unknown => true,
            Subscribed::Topics(topics) => topics.contains(topic),
        }
    }
}

/// From when on a group's offsets grow old.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ageing {
    /// They do not.
    Never,
    /// Since nobody is in the group, or their commit if that was later.
    Since(Timestamp),
    /// Each since its commit, those of topics that are read excepted.
    SinceCommit(Subscribed),
}

impl Groups {
    /// All groups.
    pub(crate) fn list(&self) -> Vec<GroupView> {
        let state = self.shared.state();
        let groups = state.groups.iter();
        groups
            .map(|(name, entry)| entry.machine.view(name))
            .collect()
    }

    /// One group and its members.
    pub(crate) fn describe(&self, group: &str) -> Option<(GroupView, Vec<MemberView>)> {
        let state = self.shared.state();
        let machine = &state.groups.get(group)?.machine;
        Some((machine.view(group), machine.members()))
    }

    /// The topics whose offsets may not be deleted.
    ///
    /// # Errors
    /// [`ErrorCode::GroupIdNotFound`]; [`ErrorCode::NonEmptyGroup`] where members are at something nobody here understands.
    pub(crate) fn subscribed(&self, group: &str) -> Result<Subscribed, ErrorCode> {
        let state = self.shared.state();
        let entry = state.groups.get(group);
        match &entry.ok_or(ErrorCode::GroupIdNotFound)?.machine {
            Machine::Classic(machine) if machine.state() == classic::State::Empty => {
                Ok(Subscribed::Topics(BTreeSet::new()))
            }
            Machine::Classic(machine) if machine.protocol_type() != Some(CONSUMER) => {
                Err(ErrorCode::NonEmptyGroup)
            }
            machine => Ok(machine.subscribed()),
        }
    }

    /// From when on the group's offsets grow old; `None` where there is no such group.
    pub(crate) fn ageing(&self, group: &str) -> Option<Ageing> {
        let state = self.shared.state();
        let entry = state.groups.get(group)?;
        if entry.must_be_stored {
            // Since when it is as it is now is told once that is being written.
            return Some(Ageing::Never);
        }
        Some(match &entry.machine {
            Machine::Classic(machine) => match (machine.protocol_type(), machine.state()) {
                (None, _) => Ageing::SinceCommit(Subscribed::Topics(BTreeSet::new())),
                (Some(_), classic::State::Empty) => Ageing::Since(entry.since),
                (Some(CONSUMER), classic::State::Stable) => {
                    Ageing::SinceCommit(entry.machine.subscribed())
                }
                (Some(_), _) => Ageing::Never,
            },
            Machine::Consumer(_) => Ageing::SinceCommit(entry.machine.subscribed()),
            Machine::Share(_) => Ageing::Never,
        })
    }
}

impl Machine {
    fn view(&self, name: &str) -> GroupView {
        let name = name.to_owned();
        match self {
            Machine::Classic(group) => GroupView {
                name,
                kind: Kind::Classic,
                state: group.state().name(),
                protocol_type: group.protocol_type().unwrap_or_default().to_owned(),
                protocol: group.protocol().unwrap_or_default().to_owned(),
                epoch: group.generation(),
                assignment_epoch: group.generation(),
            },
            Machine::Consumer(group) => GroupView {
                name,
                kind: Kind::Consumer,
                state: group.state().name(),
                protocol_type: CONSUMER.to_owned(),
                protocol: group.assignor().name().to_owned(),
                epoch: group.epoch(),
                assignment_epoch: group.assignment_epoch(),
            },
            Machine::Share(group) => GroupView {
                name,
                kind: Kind::Share,
                state: group.state(),
                protocol_type: Kind::Share.name().to_owned(),
                protocol: share::ASSIGNOR.to_owned(),
                epoch: group.epoch(),
                assignment_epoch: group.epoch(),
            },
        }
    }

    fn members(&self) -> Vec<MemberView> {
        match self {
            Machine::Classic(group) => {
                let is_stable = group.state() == classic::State::Stable;
                let protocol = group.protocol().filter(|_| is_stable);
                let view = |member| classic_member(member, protocol);
                group.members().map(view).collect()
            }
            Machine::Consumer(group) => group.members().map(consumer_member).collect(),
            Machine::Share(group) => group.members().map(share_member).collect(),
        }
    }

    fn subscribed(&self) -> Subscribed {
        match self {
            Machine::Classic(group) => match group.subscribed_topics() {
                Some(topics) => Subscribed::Topics(topics),
                None => Subscribed::Unknown,
            },
            Machine::Consumer(group) => {
                let topics = group.subscribed_topics();
                Subscribed::Topics(topics.into_iter().map(str::to_owned).collect())
            }
            Machine::Share(group) => {
                let topics = group.subscribed_topics();
                Subscribed::Topics(topics.into_iter().map(str::to_owned).collect())
            }
        }
    }
}

fn classic_member(member: &classic::Member, protocol: Option<&str>) -> MemberView {
    MemberView {
        id: member.id.clone(),
        instance: member.instance.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        metadata: protocol.map_or_else(Bytes::new, |protocol| member.metadata(protocol)),
        // While the work is divided anew it is what the member had: Kafka's tools show who reads what by it.
        assignment: member.assignment.clone(),
        ..MemberView::default()
    }
}

fn consumer_member(member: &consumer::Member) -> MemberView {
    MemberView {
        id: member.id.clone(),
        instance: member.instance.clone(),
        rack: member.rack.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        epoch: member.epoch,
        names: member.names.iter().cloned().collect(),
        regex: member.regex.clone(),
        assigned: member.assigned.clone(),
        target: member.target.clone(),
        is_classic: member.classic.is_some(),
        ..MemberView::default()
    }
}

fn share_member(member: &share::Member) -> MemberView {
    MemberView {
        id: member.id.clone(),
        rack: member.rack.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        epoch: member.epoch,
        names: member.names.iter().cloned().collect(),
        assigned: member.assigned.clone(),
        target: member.assigned.clone(),
        ..MemberView::default()
    }
}
