//! Members of groups, for tests: what clients of one group ask, in the order clients ask it.

use bytes::{BufMut, Bytes, BytesMut};

use super::{World, answer};
use crate::connection::Reply;
use crate::consumer_group_heartbeat::consumer_group_heartbeat;
use crate::join_group::join_group;
use crate::leave_group::leave_group;
use crate::offset_commit::offset_commit;
use crate::offset_fetch::offset_fetch;
use crate::sync_group::sync_group;
use crate::wire::join_group_request::JoinGroupRequestProtocol;
use crate::wire::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::wire::offset_fetch_request::OffsetFetchRequestGroup;
use crate::wire::sync_group_request::SyncGroupRequestAssignment;
use crate::wire::{
    ConsumerGroupHeartbeatRequestData, JoinGroupRequestData, JoinGroupResponseData,
    LeaveGroupRequestData, OffsetCommitRequestData, OffsetCommitResponseData,
    OffsetFetchRequestData, OffsetFetchResponseData, SyncGroupRequestData, SyncGroupResponseData,
    text,
};

/// Who joined a group, and as what.
pub(crate) struct Member {
    pub(crate) group: String,
    pub(crate) joined: JoinGroupResponseData,
}

/// A subscription as consumers write it, to one topic.
fn subscription(topic: &str) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    bytes.put_i16(topic.len() as i16);
    bytes.put_slice(topic.as_bytes());
    bytes.put_i32(-1);
    bytes.freeze()
}

impl World {
    /// Asks to join a group as a consumer of topic `t`; `member` is empty for somebody new.
    pub(crate) async fn ask_to_join(
        &self,
        group: &str,
        member: &str,
    ) -> Reply<JoinGroupResponseData> {
        self.ask_to_join_as(3, group, member).await
    }

    /// The same in a version of the request.
    pub(crate) async fn ask_to_join_as(
        &self,
        version: i16,
        group: &str,
        member: &str,
    ) -> Reply<JoinGroupResponseData> {
        let request = JoinGroupRequestData {
            group_id: text(group),
            member_id: text(member),
            session_timeout_ms: 30_000,
            rebalance_timeout_ms: 30_000,
            protocol_type: text("consumer"),
            protocols: vec![JoinGroupRequestProtocol {
                name: text("range"),
                metadata: subscription("t"),
                ..JoinGroupRequestProtocol::default()
            }],
            ..JoinGroupRequestData::default()
        };
        join_group(self.call(version), request).await
    }

    /// Joins, and is answered: alone, or as the last of all members.
    pub(crate) async fn join(&self, group: &str, member: &str) -> Member {
        let joined = answer(self.ask_to_join(group, member).await).await;
        assert_eq!(joined.error_code, 0, "{joined:?}");
        Member {
            group: group.to_owned(),
            joined,
        }
    }

    /// The leader divides the work: all of it is its own.
    pub(crate) async fn sync(&self, member: &Member) -> Reply<SyncGroupResponseData> {
        self.divide(member, Bytes::from_static(b"all")).await
    }

    /// The leader divides the work, and so much is its own.
    pub(crate) async fn divide(
        &self,
        member: &Member,
        share: Bytes,
    ) -> Reply<SyncGroupResponseData> {
        let joined = &member.joined;
        let request = SyncGroupRequestData {
            group_id: text(&member.group),
            generation_id: joined.generation_id,
            member_id: joined.member_id.clone(),
            assignments: vec![SyncGroupRequestAssignment {
                member_id: joined.member_id.clone(),
                assignment: share,
                ..SyncGroupRequestAssignment::default()
            }],
            ..SyncGroupRequestData::default()
        };
        sync_group(self.call(3), request).await
    }

    /// A member goes.
    pub(crate) async fn leave(&self, member: &Member) {
        let request = LeaveGroupRequestData {
            group_id: text(&member.group),
            member_id: member.joined.member_id.clone(),
            ..LeaveGroupRequestData::default()
        };
        let left = answer(leave_group(self.call(2), request).await).await;
        assert_eq!(left.error_code, 0, "{left:?}");
    }

    /// Commits an offset of partition 0 of a topic: as a member, or as somebody outside the group.
    pub(crate) async fn commit(
        &self,
        group: &str,
        member: Option<&Member>,
        topic: &str,
        offset: i64,
    ) -> Reply<OffsetCommitResponseData> {
        let joined = member.map(|member| &member.joined);
        let request = OffsetCommitRequestData {
            group_id: text(group),
            generation_id_or_member_epoch: joined.map_or(-1, |joined| joined.generation_id),
            member_id: joined.map_or_else(|| text(""), |joined| joined.member_id.clone()),
            topics: vec![OffsetCommitRequestTopic {
                name: text(topic),
                partitions: vec![OffsetCommitRequestPartition {
                    committed_offset: offset,
                    ..OffsetCommitRequestPartition::default()
                }],
                ..OffsetCommitRequestTopic::default()
            }],
            ..OffsetCommitRequestData::default()
        };
        offset_commit(self.call(8), request).await
    }

    /// Who is `member` of a group by the new protocol says what it reads: as what it is in the group then.
    pub(crate) async fn reads(
        &self,
        group: &str,
        member: &str,
        epoch: i32,
        names: &[&str],
    ) -> Member {
        let request = ConsumerGroupHeartbeatRequestData {
            group_id: text(group),
            member_id: text(member),
            member_epoch: epoch,
            rebalance_timeout_ms: 30_000,
            subscribed_topic_names: Some(names.iter().map(|name| text(name)).collect()),
            topic_partitions: Some(Vec::new()),
            ..ConsumerGroupHeartbeatRequestData::default()
        };
        let told = answer(consumer_group_heartbeat(self.call(1), request).await).await;
        assert_eq!(told.error_code, 0, "{told:?}");
        Member {
            group: group.to_owned(),
            joined: JoinGroupResponseData {
                generation_id: told.member_epoch,
                member_id: text(member),
                ..JoinGroupResponseData::default()
            },
        }
    }

    /// What OffsetFetch answers for all of a group's offsets.
    pub(crate) async fn offsets(&self, group: &str, is_stable: bool) -> OffsetFetchResponseData {
        let request = OffsetFetchRequestData {
            groups: vec![OffsetFetchRequestGroup {
                group_id: text(group),
                ..OffsetFetchRequestGroup::default()
            }],
            require_stable: is_stable,
            ..OffsetFetchRequestData::default()
        };
        answer(offset_fetch(self.call(8), request).await).await
    }

    /// The only offset that a group has committed; -1 where it has none.
    pub(crate) async fn committed(&self, group: &str) -> i64 {
        let found = self.offsets(group, false).await;
        let topic = found.groups[0].topics.first();
        topic.map_or(-1, |topic| topic.partitions[0].committed_offset)
    }
}
