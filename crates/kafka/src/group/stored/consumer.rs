//! What is kept of a consumer group and of each of its members.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use model::StreamId;
use serde::{Deserialize, Serialize};
use store::Write;
use store::key::encode;
use tokio::time::Instant;

use super::{base64, member_key, millis};
use crate::group::classic::Protocol;
use crate::group::consumer::assignor::Assignor;
use crate::group::consumer::mixed::Classic;
use crate::group::consumer::{Group, KnownTopic, Member, Partitions, Progress};

/// A consumer group, without its members.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Consumer {
    epoch: i32,
    assignment_epoch: i32,
    topics: BTreeMap<String, KnownTopic>,
}

/// A member: what it reads, what it has, and what it is to have.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ConsumerMember {
    id: String,
    instance: Option<String>,
    rack: Option<String>,
    client_id: String,
    client_host: String,
    rebalance_timeout_ms: u64,
    names: BTreeSet<String>,
    regex: Option<String>,
    matched: BTreeSet<String>,
    assignor: Option<Assignor>,
    epoch: i32,
    previous_epoch: i32,
    progress: Progress,
    assigned: Stored,
    revoking: Stored,
    target: Stored,
    /// Of a member of the classic protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classic: Option<StoredClassic>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct StoredClassic {
    session_timeout_ms: u64,
    protocols: Vec<StoredProtocol>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct StoredProtocol {
    name: String,
    #[serde(with = "base64")]
    metadata: Bytes,
}

impl StoredClassic {
    fn of(classic: &Classic) -> StoredClassic {
        let protocols = classic.protocols.iter();
        StoredClassic {
            session_timeout_ms: millis(classic.session_timeout),
            protocols: protocols
                .map(|protocol| StoredProtocol {
                    name: protocol.name.clone(),
                    metadata: protocol.metadata.clone(),
                })
                .collect(),
        }
    }

    fn restored(self) -> Classic {
        let protocols = self.protocols.into_iter().map(|protocol| Protocol {
            name: protocol.name,
            metadata: protocol.metadata,
        });
        Classic::new(
            Duration::from_millis(self.session_timeout_ms),
            protocols.collect(),
        )
    }
}

/// [`Partitions`] as JSON can have them.
type Stored = Vec<(StreamId, Vec<u32>)>;

fn stored(partitions: &Partitions) -> Stored {
    let each = partitions.iter();
    each.map(|(stream, indexes)| (*stream, indexes.iter().copied().collect()))
        .collect()
}

fn restored(stored: Stored) -> Partitions {
    let each = stored.into_iter();
    each.map(|(stream, indexes)| (stream, indexes.into_iter().collect()))
        .collect()
}

impl Consumer {
    /// What is to be kept of a group.
    pub(crate) fn of(group: &Group) -> Consumer {
        Consumer {
            epoch: group.epoch(),
            assignment_epoch: group.assignment_epoch(),
            topics: group.topics().clone(),
        }
    }

    /// The group that was kept.
    pub(crate) fn restored(self, members: Vec<ConsumerMember>, now: Instant) -> Group {
        let members = members.into_iter().map(ConsumerMember::restored);
        let epochs = (self.epoch, self.assignment_epoch);
        Group::restored(epochs, self.topics, members.collect(), now)
    }
}

impl ConsumerMember {
    /// Keeps what a group has of a member, or that it has none.
    pub(crate) fn put(name: &str, group: &Group, member: &str) -> Write {
        let key = member_key(name, member);
        match group.member(member) {
            Some(member) => Write::Put {
                key,
                value: encode(&ConsumerMember::of(member)),
            },
            None => Write::Delete { key },
        }
    }

    fn of(member: &Member) -> ConsumerMember {
        ConsumerMember {
            id: member.id.clone(),
            instance: member.instance.clone(),
            rack: member.rack.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: millis(member.rebalance_timeout),
            names: member.names.clone(),
            regex: member.regex.clone(),
            matched: member.matched.clone(),
            assignor: member.assignor,
            epoch: member.epoch,
            previous_epoch: member.previous_epoch,
            progress: member.progress,
            assigned: stored(&member.assigned),
            revoking: stored(&member.revoking),
            target: stored(&member.target),
            classic: member.classic.as_ref().map(StoredClassic::of),
        }
    }

    fn restored(self) -> Member {
        Member {
            id: self.id,
            instance: self.instance,
            rack: self.rack,
            client_id: self.client_id,
            client_host: self.client_host,
            rebalance_timeout: Duration::from_millis(self.rebalance_timeout_ms),
            names: self.names,
            regex: self.regex,
            matched: self.matched,
            assignor: self.assignor,
            epoch: self.epoch,
            previous_epoch: self.previous_epoch,
            progress: self.progress,
            assigned: restored(self.assigned),
            revoking: restored(self.revoking),
            target: restored(self.target),
            classic: self.classic.map(StoredClassic::restored),
            ..Member::blank()
        }
    }
}
