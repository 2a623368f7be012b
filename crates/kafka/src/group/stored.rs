//! What is kept of a group, so that its members go on after a restart as if nothing had happened.
//!
//! Kept: `kafka-group, group` → [`Document`], and of a consumer group `kafka-group-member, group, member` → [`ConsumerMember`].
//! Written once a generation or epoch, and a member's where its assignment changes; never for a mere heartbeat.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use store::key::encode;
use store::{Key, Write};
use tokio::time::Instant;

use super::classic::{Group, Limits, Member, Protocol};
use crate::offsets;

mod consumer;

pub(crate) use consumer::{Consumer, ConsumerMember};

const FOLDER: &str = "kafka-group";
const MEMBER_FOLDER: &str = "kafka-group-member";

/// A group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Document {
    /// Since when it is as it is; offsets of a group without members are kept for a while from then on.
    pub(crate) since: Timestamp,
    pub(crate) kind: Kind,
}

/// What sort of group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Kind {
    Classic(Classic),
    Consumer(Consumer),
    Share(Share),
}

/// A share group, without its members, who join again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Share {
    pub(crate) epoch: i32,
}

/// A classic group between two rebalances; without members where it was in one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Classic {
    generation: i32,
    protocol_type: Option<String>,
    protocol: Option<String>,
    leader: Option<String>,
    members: Vec<ClassicMember>,
    /// Whether the members are of a consumer group that it was, and have to join again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_downgraded: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct ClassicMember {
    id: String,
    instance: Option<String>,
    client_id: String,
    client_host: String,
    session_timeout_ms: u64,
    rebalance_timeout_ms: u64,
    #[serde(with = "base64")]
    metadata: Bytes,
    #[serde(with = "base64")]
    assignment: Bytes,
    /// The generation that it knows, where that is another than the group's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    former_generation: Option<i32>,
}

/// Above all groups.
pub(crate) fn folder() -> Key {
    Key::of(&[FOLDER])
}

/// Where a group lies.
pub(crate) fn key(group: &str) -> Key {
    let mut key = BytesMut::from(folder().children().as_bytes());
    offsets::put_group(&mut key, group);
    Key::from_bytes(key.freeze())
}

/// The group that lies under a key.
pub(crate) fn group(key: &Key) -> Option<String> {
    offsets::group_after(folder().children().as_bytes(), key)
}

/// Above all members of a consumer group.
pub(crate) fn member_folder(group: &str) -> Key {
    let mut key = BytesMut::from(Key::of(&[MEMBER_FOLDER]).children().as_bytes());
    offsets::put_group(&mut key, group);
    Key::from_bytes(key.freeze())
}

/// Where a member of a consumer group lies.
pub(crate) fn member_key(group: &str, member: &str) -> Key {
    let mut key = BytesMut::from(member_folder(group).children().as_bytes());
    offsets::put_group(&mut key, member);
    Key::from_bytes(key.freeze())
}

/// Keeps a group.
pub(crate) fn put(group: &str, document: &Document) -> Write {
    Write::Put {
        key: key(group),
        value: encode(document),
    }
}

impl Classic {
    /// What is to be kept of a group.
    pub(crate) fn of(group: &Group) -> Classic {
        let protocol = group.protocol().unwrap_or_default();
        let members: Vec<ClassicMember> = group
            .settled()
            .into_iter()
            .map(|(member, assignment)| ClassicMember {
                id: member.id.clone(),
                instance: member.instance.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                session_timeout_ms: millis(member.session_timeout),
                rebalance_timeout_ms: millis(member.rebalance_timeout),
                metadata: member.metadata(protocol),
                assignment,
                former_generation: member.former_generation,
            })
            .collect();
        let has_members = !members.is_empty();
        let while_there = |text: Option<&str>| text.filter(|_| has_members).map(str::to_owned);
        Classic {
            generation: group.generation(),
            protocol_type: group.protocol_type().map(str::to_owned),
            protocol: while_there(group.protocol()),
            leader: while_there(group.leader()),
            members,
            is_downgraded: group.is_downgraded(),
        }
    }

    /// The group that was kept.
    pub(crate) fn restored(self, limits: Limits, now: Instant) -> Group {
        let protocol = self.protocol.clone().unwrap_or_default();
        let members = self.members.into_iter().map(|member| {
            let timeouts = (
                Duration::from_millis(member.session_timeout_ms),
                Duration::from_millis(member.rebalance_timeout_ms),
            );
            let mut settled = Member::settled(
                (member.id, member.instance),
                (member.client_id, member.client_host),
                timeouts,
                vec![Protocol {
                    name: protocol.clone(),
                    metadata: member.metadata,
                }],
                member.assignment,
            );
            settled.former_generation = member.former_generation;
            settled
        });
        let members = members.collect();
        if self.is_downgraded {
            // Nobody waits for anything yet.
            let mut effects = Vec::new();
            return Group::downgraded(limits, self.generation, members, now, &mut effects);
        }
        let protocols = (self.protocol_type, self.protocol);
        Group::restored(
            limits,
            self.generation,
            protocols,
            self.leader,
            members,
            now,
        )
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Members' own bytes inside JSON.
mod base64 {
    use base64_simd::STANDARD;
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode_to_string(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = STANDARD.decode_to_vec(text).map_err(de::Error::custom)?;
        Ok(bytes.into())
    }
}
