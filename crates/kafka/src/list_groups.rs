//! ListGroups 0–5 (KIP-518, KIP-848): all groups, or those in some states or of some types.

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
    let mut groups = call.broker.groups.list();
    groups.retain(|group| {
        is_wanted(&request.states_filter, group.state)
            && is_wanted(&request.types_filter, group.kind.name())
            && sees(group)
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

fn is_wanted(filter: &[KafkaString], value: &str) -> bool {
    let is_it = |wanted: &KafkaString| wanted.as_str().trim().eq_ignore_ascii_case(value);
    filter.is_empty() || filter.iter().any(is_it)
}
