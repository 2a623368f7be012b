//! A Kafka broker over the store: what Kafka calls a topic is a stream, its partitions the stream's shards.
//!
//! It must never know: a service of AWS's, an engine. Wire types stay in the files that answer a request; nothing stored is
//! made of them.
//!
//! Read in this order: [`wire`], [`connection`], [`apis`] (the table of everything answered), [`broker`]; then [`topics`] and
//! [`mod@produce`], after which the other files, one for each API or a few that belong together, are alike.

mod wire;

mod input;

mod connection;

mod server;

mod session;

mod apis;

mod broker;

mod counters;

mod topic_ends;

mod asked;

mod error;

mod apart;

mod access;

mod security;

mod topics;

mod configs;

mod partition;
mod pattern;

mod offsets;

mod group;

mod transaction;

mod find_coordinator;

mod join_group;

mod sync_group;

mod heartbeat;

mod leave_group;

mod offset_commit;

mod offset_fetch;

mod offset_delete;

mod delete_groups;

mod describe_groups;

mod list_groups;

mod consumer_group_heartbeat;

mod named;

mod consumer_group_describe;

mod share;

mod share_group_heartbeat;

mod share_group_describe;

mod share_fetch;

mod share_acknowledge;

mod share_group_offsets;

mod api_versions;

mod metadata;

mod produce;

mod fetch;

mod list_offsets;

mod create_topics;

mod delete_topics;

mod describe_configs;

mod alter_configs;

mod list_config_resources;

mod create_partitions;

mod delete_records;

mod offset_for_leader_epoch;

mod describe_cluster;

mod describe_topic_partitions;

mod log_dirs;

mod elect_leaders;

mod reassignments;

mod quorum;

mod quotas;

mod client_quotas;

#[cfg(test)]
mod world;

pub use apis::support;
pub use asked::Unanswered;
pub use broker::{Broker, DiskSpace, Options, Space};
pub use counters::TopicCounts;
pub use group::GroupLag;
pub use security::principal::Principal;
pub use security::sasl::{
    IamVerifier, KeyFile, KeySet, KeySource, Mechanism, OAuth, Reading, SignedConnect,
};
pub use security::{PrincipalRules, SecurityOptions, User, check_key_set};
pub use server::{ConnectionLimits, Listener, Protocol, Server, serve_stream};
pub use topic_ends::{PartitionEnds, TopicEnds};
