//! DescribeGroups 0–6 (KIP-345, KIP-430, KIP-1043): classic groups and their members.

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::group::{GroupView, Kind, MemberView};
use crate::named;
use crate::session::Call;
use crate::wire::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use crate::wire::{DescribeGroupsRequestData, DescribeGroupsResponseData, ErrorCode, text};

/// Where operations were not asked for.
pub(crate) const NO_OPERATIONS: i32 = i32::MIN;
/// From this version on, a group that is not there is an error and not merely dead.
const TELLS_NOT_FOUND_FROM: i16 = 6;
const HAS_INSTANCES_FROM: i16 = 4;

pub(crate) async fn describe_groups(
    call: Call,
    request: DescribeGroupsRequestData,
) -> Reply<DescribeGroupsResponseData> {
    let mut groups = Vec::with_capacity(request.groups.len());
    for group in &request.groups {
        let mut described = describe(&call, group.as_str());
        if request.include_authorized_operations && described.error_code == 0 {
            described.authorized_operations =
                call.authorized_operations(Resource::Group(group.as_str()));
        }
        groups.push(described);
    }
    DescribeGroupsResponseData {
        groups,
        ..DescribeGroupsResponseData::default()
    }
    .into()
}

fn describe(call: &Call, group: &str) -> DescribedGroup {
    let mut described = DescribedGroup {
        group_id: text(group),
        authorized_operations: NO_OPERATIONS,
        ..DescribedGroup::default()
    };
    if !call.may(Operation::Describe, Resource::Group(group)) {
        described.error_code = ErrorCode::GroupAuthorizationFailed.code();
        return described;
    }
    let known = call.broker.groups.describe(group);
    match known.filter(|(group, _)| group.kind == Kind::Classic) {
        Some((group, members)) => fill(&mut described, call, &group, members),
        None => {
            described.group_state = text("Dead");
            if call.version >= TELLS_NOT_FOUND_FROM {
                described.error_code = ErrorCode::GroupIdNotFound.code();
                let refusal = named::not_found(call, group, Kind::Classic);
                described.error_message = refusal.message.as_deref().map(text);
            }
        }
    }
    described
}

fn fill(described: &mut DescribedGroup, call: &Call, group: &GroupView, members: Vec<MemberView>) {
    let is_stable = group.state == "Stable";
    described.group_state = text(group.state);
    described.protocol_type = text(&group.protocol_type);
    described.protocol_data = text(if is_stable { &group.protocol } else { "" });
    let has_instances = call.version >= HAS_INSTANCES_FROM;
    let members = members.into_iter().map(|member| DescribedGroupMember {
        member_id: text(&member.id),
        group_instance_id: member
            .instance
            .filter(|_| has_instances)
            .as_deref()
            .map(text),
        client_id: text(&member.client_id),
        client_host: text(&member.client_host),
        member_metadata: member.metadata,
        member_assignment: member.assignment,
        ..DescribedGroupMember::default()
    });
    described.members = members.collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{World, answer, begin};

    async fn described(world: &World, group: &str) -> DescribedGroup {
        let request = DescribeGroupsRequestData {
            groups: vec![text(group)],
            ..DescribeGroupsRequestData::default()
        };
        let told = answer(describe_groups(world.call(6), request).await).await;
        told.groups[0].clone()
    }

    #[tokio::test]
    async fn members_have_what_they_had_while_the_work_is_divided_anew() {
        let world = World::new().await;
        let member = world.join("g", "").await;
        answer(world.sync(&member).await).await;
        let stable = described(&world, "g").await;
        assert_eq!(stable.group_state.as_str(), "Stable");
        assert_eq!(stable.members[0].member_assignment, "all");
        let _waits = begin(world.ask_to_join("g", "").await);
        let rebalancing = described(&world, "g").await;
        assert_eq!(rebalancing.group_state.as_str(), "PreparingRebalance");
        let is_it = |one: &&DescribedGroupMember| one.member_id == member.joined.member_id;
        let found = rebalancing.members.iter().find(is_it).unwrap();
        assert_eq!(found.member_assignment, "all");
        assert!(found.member_metadata.is_empty());
    }
}
