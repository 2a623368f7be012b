//! What is asked of a classic group and what it answers.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::{CONSUMER, Protocol};
use crate::group::embedded;
use crate::wire::ErrorCode;

/// JoinGroup.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    /// Whose; empty for somebody new.
    pub(crate) member: String,
    /// What somebody new is to be called.
    pub(crate) new_member: String,
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocol_type: String,
    /// By preference.
    pub(crate) protocols: Vec<Protocol>,
    /// Whether somebody new learns their name first and joins by it (KIP-394).
    pub(crate) must_know_member: bool,
    /// Whether the client understands that a leader need not divide anew (KIP-814).
    pub(crate) can_skip_assignment: bool,
    /// The client's words (KIP-800).
    pub(crate) reason: String,
}

impl Join {
    /// The topics that a consumer reads; `None` of somebody else.
    pub(crate) fn topics(&self) -> Option<BTreeSet<String>> {
        let is_consumer = self.protocol_type == CONSUMER;
        let protocol = self.protocols.first().filter(|_| is_consumer)?;
        embedded::topics(protocol.metadata.clone())
    }
}

/// The answer to a [`Join`].
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct JoinAnswer {
    pub(crate) code: ErrorCode,
    pub(crate) member: String,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: String,
    pub(crate) skip_assignment: bool,
    /// Everybody, with their metadata, for the leader.
    pub(crate) members: Vec<(String, Option<String>, Bytes)>,
}

impl JoinAnswer {
    pub(crate) fn refused(code: ErrorCode, member: &str) -> JoinAnswer {
        JoinAnswer {
            code,
            member: member.to_owned(),
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: String::new(),
            skip_assignment: false,
            members: Vec::new(),
        }
    }
}

/// SyncGroup.
#[derive(Clone, Debug)]
pub(crate) struct Sync {
    pub(crate) member: String,
    pub(crate) instance: Option<String>,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    /// Who gets what, from the leader.
    pub(crate) assignments: Vec<(String, Bytes)>,
}

/// The answer to a [`Sync`].
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct SyncAnswer {
    pub(crate) code: ErrorCode,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) assignment: Bytes,
}

impl SyncAnswer {
    pub(crate) fn refused(code: ErrorCode) -> SyncAnswer {
        SyncAnswer {
            code,
            protocol_type: None,
            protocol: None,
            assignment: Bytes::new(),
        }
    }
}

/// Who commits offsets, which decides what is asked of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Commit {
    /// A consumer, now.
    Plain,
    /// A producer, when its transaction commits (KIP-447).
    Transactional,
}
