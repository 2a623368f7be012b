//! How a group of consumers becomes a consumer group, and is what one becomes.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::{CONSUMER, Effect, Group, Limits, Member, Protocol};
use crate::group::embedded::{self, Subscription};
use crate::wire::ErrorCode;

/// What a consumer says of itself, for the protocol that it likes best.
pub(crate) fn subscription(protocols: &[Protocol]) -> Option<Subscription> {
    embedded::subscription(protocols.first()?.metadata.clone())
}

impl Group {
    /// A group of consumers that was a consumer group: its members join again.
    pub(crate) fn downgraded(
        limits: Limits,
        generation: i32,
        members: Vec<Member>,
        now: Instant,
        out: &mut Vec<Effect>,
    ) -> Group {
        let leader = members.first().map(|member| member.id.clone());
        let protocols = (Some(CONSUMER.to_owned()), None);
        let mut group = Group::restored(limits, generation, protocols, leader, members, now);
        group.protocol = group.elected_protocol();
        group.is_downgraded = true;
        group.rebalance_or_complete(now, out);
        group
    }

    /// As of [`Group::downgraded`]: it was kept before its members had joined again.
    pub(crate) fn is_downgraded(&self) -> bool {
        self.is_downgraded
    }

    /// The topics that members read or have been given, where they are consumers and say so.
    pub(crate) fn topics_of_consumers(&self) -> BTreeSet<String> {
        let mut topics = BTreeSet::new();
        let is_consumers = self.protocol_type.as_deref() == Some(CONSUMER);
        for member in self.members.values().filter(|_| is_consumers) {
            if let Some(said) = subscription(&member.protocols) {
                topics.extend(said.topics);
                topics.extend(said.owned.into_keys());
            }
            let given = embedded::assignment(member.assignment.clone());
            topics.extend(given.into_iter().flat_map(BTreeMap::into_keys));
        }
        topics
    }

    /// Has all who wait for something ask again: the group is about to be another sort of group.
    pub(crate) fn dismiss(&mut self, out: &mut Vec<Effect>) {
        for member in self.members.values_mut() {
            member.refuse_join(ErrorCode::RebalanceInProgress, out);
            member.refuse_sync(ErrorCode::RebalanceInProgress, out);
        }
    }

    /// Counts changes on from those of the group that this one was.
    pub(crate) fn follow(&mut self, revision: u64) {
        self.revision += revision;
    }
}
