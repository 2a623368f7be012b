//! ShareGroupDescribe 1 (KIP-932): share groups, their members, and what each reads.

use crate::access::Resource;
use crate::connection::Reply;
use crate::describe_groups::NO_OPERATIONS;
use crate::group::consumer::Partitions;
use crate::group::{Kind, MemberView};
use crate::named::{Names, visible};
use crate::session::Call;
use crate::wire::share_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use crate::wire::{ShareGroupDescribeRequestData, ShareGroupDescribeResponseData, text};

pub(crate) async fn share_group_describe(
    call: Call,
    request: ShareGroupDescribeRequestData,
) -> Reply<ShareGroupDescribeResponseData> {
    let mut names = Names::default();
    let mut groups = Vec::with_capacity(request.group_ids.len());
    for group in &request.group_ids {
        let mut described = describe(&call, group.as_str(), &mut names).await;
        if request.include_authorized_operations && described.error_code == 0 {
            described.authorized_operations =
                call.authorized_operations(Resource::Group(group.as_str()));
        }
        groups.push(described);
    }
    ShareGroupDescribeResponseData {
        groups,
        ..ShareGroupDescribeResponseData::default()
    }
    .into()
}

async fn describe(call: &Call, group: &str, names: &mut Names) -> DescribedGroup {
    let mut described = DescribedGroup {
        group_id: text(group),
        authorized_operations: NO_OPERATIONS,
        ..DescribedGroup::default()
    };
    let (view, members) = match visible(call, group, Kind::Share).await {
        Ok(found) => found,
        Err(refusal) => {
            described.error_code = refusal.number();
            described.error_message = refusal.message.as_deref().map(text);
            return described;
        }
    };
    described.group_state = text(view.state);
    described.group_epoch = view.epoch;
    described.assignment_epoch = view.assignment_epoch;
    described.assignor_name = text(&view.protocol);
    for member in members {
        described
            .members
            .push(described_member(call, member, names).await);
    }
    described
}

async fn described_member(call: &Call, member: MemberView, names: &mut Names) -> Member {
    Member {
        member_id: text(&member.id),
        rack_id: member.rack.as_deref().map(text),
        member_epoch: member.epoch,
        client_id: text(&member.client_id),
        client_host: text(&member.client_host),
        subscribed_topic_names: member.names.iter().map(|name| text(name)).collect(),
        assignment: assignment(call, &member.assigned, names).await,
        ..Member::default()
    }
}

/// Partitions with their topics' names.
async fn assignment(call: &Call, partitions: &Partitions, names: &mut Names) -> Assignment {
    let named = names.of(call, partitions).await.into_iter();
    let topic_partitions = named.map(|topic| TopicPartitions {
        topic_id: topic.id,
        topic_name: topic.name,
        partitions: topic.partitions,
        ..TopicPartitions::default()
    });
    Assignment {
        topic_partitions: topic_partitions.collect(),
        ..Assignment::default()
    }
}
