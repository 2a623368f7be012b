//! ListGroups 0–5 (KIP-518, KIP-848): all groups, or those in some states or of some types.

use std::collections::HashSet;

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::group::GroupView;
use crate::session::Call;
use crate::wire::{KafkaString, ListGroupsRequestData, ListGroupsResponseData, ListedGroup, text};

pub(crate) async fn list_groups(
    call: Call,
    request: ListGroupsRequestData,
) -> Reply<ListGroupsResponseData> {
    let sees_all = call.may(Operation::Describe, Resource::Cluster);
    let sees =
        |group: &GroupView| sees_all || call.may(Operation::Describe, Resource::Group(&group.name));
    let (states, types) = (
        wanted(&request.states_filter),
        wanted(&request.types_filter),
    );
    let mut groups = call.broker.groups.list();
    groups.retain(|group| {
        is_wanted(&states, group.state) && is_wanted(&types, group.kind.name()) && sees(group)
    });
    groups.sort_by(|one, other| one.name.cmp(&other.name));
    let listed = groups.iter().map(|group| ListedGroup {
        group_id: text(&group.name),
        protocol_type: text(&group.protocol_type),
        group_state: text(group.state),
        group_type: text(group.kind.name()),
        ..ListedGroup::default()
    });
    ListGroupsResponseData {
        groups: listed.collect(),
        ..ListGroupsResponseData::default()
    }
    .into()
}

/// Names without regard to case.
fn wanted(filter: &[KafkaString]) -> HashSet<String> {
    let names = filter.iter().map(|name| name.as_str().trim());
    names.map(str::to_ascii_lowercase).collect()
}

fn is_wanted(filter: &HashSet<String>, value: &str) -> bool {
    filter.is_empty() || filter.contains(&value.to_ascii_lowercase())
}
