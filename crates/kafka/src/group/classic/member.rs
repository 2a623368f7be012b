//! One member of a classic group.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Effect, Join, JoinAnswer, SyncAnswer, Ticket};
use crate::group::embedded;
use crate::wire::ErrorCode;

/// A way to divide the work that a member knows, and what it says about itself for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Protocol {
    pub(crate) name: String,
    pub(crate) metadata: Bytes,
}

/// One member.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    /// By preference.
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) assignment: Bytes,
    pub(super) awaiting_join: Option<Ticket>,
    pub(super) awaiting_sync: Option<Ticket>,
    /// The generation that it knows, where its group was a consumer group and has had none since.
    pub(crate) former_generation: Option<i32>,
    /// Whether it has not been through a rebalance.
    pub(super) is_new: bool,
    /// Until when it must be heard of; nothing while it waits for the group.
    pub(super) deadline: Option<Instant>,
}

impl Member {
    /// One that joins.
    pub(super) fn joining(id: String, join: Join, ticket: Ticket) -> Member {
        Member {
            id,
            instance: join.instance,
            client_id: join.client_id,
            client_host: join.client_host,
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            protocols: join.protocols,
            assignment: Bytes::new(),
            awaiting_join: Some(ticket),
            awaiting_sync: None,
            former_generation: None,
            is_new: true,
            deadline: None,
        }
    }

    /// One with its share, from what is stored.
    pub(crate) fn settled(
        (id, instance): (String, Option<String>),
        (client_id, client_host): (String, String),
        (session_timeout, rebalance_timeout): (Duration, Duration),
        protocols: Vec<Protocol>,
        assignment: Bytes,
    ) -> Member {
        Member {
            id,
            instance,
            client_id,
            client_host,
            session_timeout,
            rebalance_timeout,
            protocols,
            assignment,
            awaiting_join: None,
            awaiting_sync: None,
            former_generation: None,
            is_new: false,
            deadline: None,
        }
    }

    /// What it says about itself for a protocol.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let known = self.protocols.iter().find(|known| known.name == protocol);
        known.map_or_else(Bytes::new, |known| known.metadata.clone())
    }

    /// The topics that a consumer reads; none where its metadata does not say.
    pub(super) fn subscribed_topics(&self, protocol: &str) -> Option<BTreeSet<String>> {
        embedded::topics(self.metadata(protocol))
    }

    /// Whether it waits for others and need not be heard of.
    pub(super) fn is_excused(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    pub(super) fn wait_for_join(&mut self, ticket: Ticket, out: &mut Vec<Effect>) {
        self.refuse_join(ErrorCode::RebalanceInProgress, out);
        self.awaiting_join = Some(ticket);
    }

    pub(super) fn wait_for_share(&mut self, ticket: Ticket, out: &mut Vec<Effect>) {
        self.refuse_sync(ErrorCode::RebalanceInProgress, out);
        self.awaiting_sync = Some(ticket);
    }

    pub(super) fn refuse_join(&mut self, code: ErrorCode, out: &mut Vec<Effect>) {
        if let Some(ticket) = self.awaiting_join.take() {
            let member = if code == ErrorCode::UnknownMemberId {
                ""
            } else {
                &self.id
            };
            out.push(Effect::Joined(ticket, JoinAnswer::refused(code, member)));
        }
    }

    pub(super) fn refuse_sync(&mut self, code: ErrorCode, out: &mut Vec<Effect>) {
        if let Some(ticket) = self.awaiting_sync.take() {
            out.push(Effect::Synced(ticket, SyncAnswer::refused(code)));
        }
    }
}
