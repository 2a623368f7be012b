//! Groups as they are described: those that may be seen, and what their members read with the topics' names.

use std::collections::{BTreeSet, HashMap};

use model::StreamId;

use crate::access::{Operation, Resource};
use crate::error::Refusal;
use crate::group::consumer::Partitions;
use crate::group::{GroupView, Kind, MemberView};
use crate::session::Call;
use crate::wire::{ErrorCode, KafkaString, KafkaUuid, text};

/// Partitions of one topic.
pub(crate) struct Named {
    pub(crate) id: KafkaUuid,
    pub(crate) name: KafkaString,
    pub(crate) partitions: Vec<i32>,
}

/// Names of topics looked up for one request; nothing for those that are no more or may not be seen.
#[derive(Default)]
pub(crate) struct Names(HashMap<StreamId, Option<String>>);

impl Names {
    /// The partitions of those topics that are still there and may be seen.
    pub(crate) async fn of(&mut self, call: &Call, partitions: &Partitions) -> Vec<Named> {
        let mut named = Vec::with_capacity(partitions.len());
        for (&stream, indexes) in partitions {
            let id = call.broker.topic_id(stream);
            let name = match self.0.get(&stream) {
                Some(known) => known.clone(),
                None => {
                    let name = name(call, id).await;
                    self.0.insert(stream, name.clone());
                    name
                }
            };
            let Some(name) = name else {
                continue;
            };
            let indexes = indexes.iter();
            named.push(Named {
                id,
                name: text(&name),
                partitions: indexes
                    .filter_map(|index| i32::try_from(*index).ok())
                    .collect(),
            });
        }
        named
    }
}

/// A group of that kind and its members, if there is one and all its topics may be seen.
///
/// # Errors
/// [`ErrorCode::GroupAuthorizationFailed`], [`ErrorCode::GroupIdNotFound`], [`ErrorCode::TopicAuthorizationFailed`].
pub(crate) async fn visible(
    call: &Call,
    group: &str,
    kind: Kind,
) -> Result<(GroupView, Vec<MemberView>), Refusal> {
    if !call.may(Operation::Describe, Resource::Group(group)) {
        return Err(ErrorCode::GroupAuthorizationFailed.into());
    }
    let known = call.broker.groups.describe(group);
    let Some((view, members)) = known.filter(|(view, _)| view.kind == kind) else {
        return Err(not_found(call, group, kind));
    };
    if !may_see_all(call, &members).await {
        let why = "The group has topics that the client is not authorized to describe.";
        return Err(Refusal::new(ErrorCode::TopicAuthorizationFailed, why));
    }
    Ok((view, members))
}

/// Why there is no group of that kind.
pub(crate) fn not_found(call: &Call, group: &str, kind: Kind) -> Refusal {
    let why = match call.broker.groups.describe(group) {
        Some(_) => format!("Group {group} is not a {} group.", kind.name()),
        None => format!("Group {group} not found."),
    };
    Refusal::new(ErrorCode::GroupIdNotFound, why)
}

/// Whether all topics that these members read may be seen: of a group with others nobody is told half.
async fn may_see_all(call: &Call, members: &[MemberView]) -> bool {
    let may = |name: &str| call.may(Operation::Describe, Resource::Topic(name));
    let mut streams = BTreeSet::new();
    for member in members {
        if !member.names.iter().all(|name| may(name)) {
            return false;
        }
        streams.extend(member.assigned.keys().chain(member.target.keys()));
    }
    for stream in streams {
        let topic = call.broker.topic_by_id(call.broker.topic_id(stream)).await;
        if topic.is_ok_and(|topic| !may(topic.name())) {
            return false;
        }
    }
    true
}

async fn name(call: &Call, id: KafkaUuid) -> Option<String> {
    let topic = call.broker.topic_by_id(id).await.ok()?;
    let name = topic.name().to_owned();
    call.may(Operation::Describe, Resource::Topic(&name))
        .then_some(name)
}
