//! Everything that is answered: one table, from which ApiVersions is answered too. An API that is not in it cannot be asked
//! for.

use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;

use bytes::Bytes;
use tokio::time::Instant;

use crate::connection::{Chunks, Reply, answer_head};
use crate::counters::Counters;
use crate::quotas::time;
use crate::session::Call;
use crate::transaction;
use crate::wire::{ApiKey, ProtocolError, Request, Response};

/// A request being begun.
type Serving = Pin<Box<dyn Future<Output = Result<Reply<Option<Chunks>>, ProtocolError>> + Send>>;

/// One API: its number, the versions answered, and how.
pub(crate) struct Api {
    pub(crate) key: ApiKey,
    pub(crate) versions: RangeInclusive<i16>,
    /// Begins the request whose body is given, under its correlation id.
    pub(crate) serve: Box<dyn Fn(Call, Bytes, i32) -> Serving + Send + Sync>,
}

/// What brokers and controllers say among themselves, and clients never.
const BETWEEN_BROKERS: &[&str] = &[
    "AddRaftVoter",
    "AllocateProducerIds",
    "AlterPartition",
    "AssignReplicasToDirs",
    "BeginQuorumEpoch",
    "BrokerHeartbeat",
    "BrokerRegistration",
    "ControllerRegistration",
    "DeleteShareGroupState",
    "EndQuorumEpoch",
    "Envelope",
    "FetchSnapshot",
    "InitializeShareGroupState",
    "ReadShareGroupState",
    "ReadShareGroupStateSummary",
    "RemoveRaftVoter",
    "UpdateRaftVoter",
    "Vote",
    "WriteShareGroupState",
];

/// Above all numbers that Kafka has given so far.
const KEYS_MAX: i16 = 200;

/// The APIs that Kafka's clients may ask for, by name, and the versions of each that are answered.
#[must_use]
pub fn support() -> Vec<(String, Option<RangeInclusive<i16>>)> {
    let apis = Apis::all(&Counters::default());
    let mut support: Vec<_> = (0..KEYS_MAX)
        .filter_map(ApiKey::from_i16)
        .map(|key| {
            let answered = apis.find(key as i16).map(|api| api.versions.clone());
            (format!("{key:?}"), answered)
        })
        .filter(|(name, _)| !BETWEEN_BROKERS.contains(&name.as_str()))
        .collect();
    support.sort_by(|one, other| one.0.cmp(&other.0));
    support
}

/// All APIs.
pub(crate) struct Apis {
    by_key: Vec<Api>,
    counters: Counters,
}

impl std::fmt::Debug for Apis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Apis({})", self.by_key.len())
    }
}

impl Apis {
    /// The table; requests are counted in `counters`.
    pub(crate) fn all(counters: &Counters) -> Apis {
        let mut apis = Apis {
            by_key: Vec::new(),
            counters: counters.clone(),
        };
        apis.on(0..=4, crate::api_versions::api_versions)
            .on(0..=13, crate::metadata::metadata)
            .on(3..=13, crate::produce::produce)
            .on(4..=18, crate::fetch::fetch)
            .on(1..=11, crate::list_offsets::list_offsets)
            .on(2..=7, crate::create_topics::create_topics)
            .on(1..=6, crate::delete_topics::delete_topics)
            .on(0..=6, crate::find_coordinator::find_coordinator)
            .on(0..=9, crate::join_group::join_group)
            .on(0..=5, crate::sync_group::sync_group)
            .on(0..=4, crate::heartbeat::heartbeat)
            .on(0..=5, crate::leave_group::leave_group)
            .on(2..=10, crate::offset_commit::offset_commit)
            .on(1..=10, crate::offset_fetch::offset_fetch)
            .on(0..=0, crate::offset_delete::offset_delete)
            .on(0..=2, crate::delete_groups::delete_groups)
            .on(0..=6, crate::describe_groups::describe_groups)
            .on(0..=5, crate::list_groups::list_groups)
            .on(
                0..=1,
                crate::consumer_group_heartbeat::consumer_group_heartbeat,
            )
            .on(
                0..=1,
                crate::consumer_group_describe::consumer_group_describe,
            )
            .on(0..=6, transaction::init_producer_id::init_producer_id)
            .on(
                0..=5,
                transaction::add_partitions_to_txn::add_partitions_to_txn,
            )
            .on(0..=4, transaction::add_offsets_to_txn::add_offsets_to_txn)
            .on(0..=5, transaction::txn_offset_commit::txn_offset_commit)
            .on(0..=5, transaction::end_txn::end_txn)
            .on(1..=2, transaction::write_txn_markers::write_txn_markers)
            .on(0..=0, transaction::describe_producers::describe_producers)
            .on(
                0..=0,
                transaction::describe_transactions::describe_transactions,
            )
            .on(0..=2, transaction::list_transactions::list_transactions);
        apis.administration();
        apis.sharing();
        apis.on(0..=1, crate::security::sasl::sasl_handshake)
            .on(0..=2, crate::security::sasl::sasl_authenticate)
            .on(
                0..=0,
                crate::security::scram_users::describe_user_scram_credentials,
            )
            .on(
                0..=0,
                crate::security::scram_users::alter_user_scram_credentials,
            )
            .on(1..=3, crate::security::acl::apis::describe_acls)
            .on(1..=3, crate::security::acl::apis::create_acls)
            .on(1..=3, crate::security::acl::apis::delete_acls);
        apis.by_key.sort_by_key(|api| api.key as i16);
        apis
    }

    /// What administrators ask for.
    fn administration(&mut self) {
        self.on(1..=4, crate::describe_configs::describe_configs)
            .on(0..=2, crate::alter_configs::alter_configs)
            .on(0..=1, crate::alter_configs::incremental_alter_configs)
            .on(0..=1, crate::list_config_resources::list_config_resources)
            .on(0..=3, crate::create_partitions::create_partitions)
            .on(0..=2, crate::delete_records::delete_records)
            .on(
                2..=4,
                crate::offset_for_leader_epoch::offset_for_leader_epoch,
            )
            .on(0..=2, crate::describe_cluster::describe_cluster)
            .on(
                0..=0,
                crate::describe_topic_partitions::describe_topic_partitions,
            )
            .on(1..=5, crate::log_dirs::describe_log_dirs)
            .on(1..=2, crate::log_dirs::alter_replica_log_dirs)
            .on(0..=2, crate::elect_leaders::elect_leaders)
            .on(0..=1, crate::reassignments::alter_partition_reassignments)
            .on(0..=0, crate::reassignments::list_partition_reassignments)
            .on(0..=2, crate::quorum::describe_quorum)
            .on(0..=2, crate::quorum::update_features)
            .on(0..=0, crate::quorum::unregister_broker)
            .on(0..=1, crate::client_quotas::describe_client_quotas)
            .on(0..=1, crate::client_quotas::alter_client_quotas);
    }

    /// Share groups (KIP-932).
    fn sharing(&mut self) {
        self.on(1..=1, crate::share_group_heartbeat::share_group_heartbeat)
            .on(1..=1, crate::share_group_describe::share_group_describe)
            .on(1..=2, crate::share_fetch::share_fetch)
            .on(1..=2, crate::share_acknowledge::share_acknowledge)
            .on(0..=1, crate::share_group_offsets::describe)
            .on(0..=0, crate::share_group_offsets::alter)
            .on(0..=0, crate::share_group_offsets::delete);
    }

    /// Adds an API.
    fn on<Q, F>(
        &mut self,
        versions: RangeInclusive<i16>,
        handler: impl Fn(Call, Q) -> F + Send + Sync + Copy + 'static,
    ) -> &mut Apis
    where
        Q: Request,
        F: Future<Output = Reply<Q::Response>> + Send + 'static,
    {
        let counter = self.counters.requests(Q::KEY);
        let serve = move |call: Call, mut body: Bytes, correlation: i32| -> Serving {
            let version = call.version;
            let counter = counter.clone();
            let began = Instant::now();
            Box::pin(async move {
                let request = Q::decode(&mut body, version)?;
                let reply = if call.is_limited() {
                    time::metered(call.clone(), handler(call, request)).await
                } else {
                    handler(call, request).await
                };
                Ok(match reply {
                    Reply::Now(answer) => {
                        counter.answered(began.elapsed());
                        Reply::Now(Apis::encode_or_log(Q::KEY, correlation, version, &answer))
                    }
                    Reply::Later(answer) => Reply::later(async move {
                        let answer = answer.await;
                        counter.answered(began.elapsed());
                        Apis::encode_or_log(Q::KEY, correlation, version, &answer)
                    }),
                    Reply::Silent(done) => Reply::Silent(Box::pin(async move {
                        let is_done = done.await;
                        counter.answered(began.elapsed());
                        is_done
                    })),
                })
            })
        };
        self.by_key.push(Api {
            key: Q::KEY,
            versions,
            serve: Box::new(serve),
        });
        self
    }

    /// The API of that number.
    pub(crate) fn find(&self, key: i16) -> Option<&Api> {
        let found = self.by_key.binary_search_by_key(&key, |api| api.key as i16);
        found.ok().and_then(|at| self.by_key.get(at))
    }

    /// All of them by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Api> {
        self.by_key.iter()
    }

    /// An answer with its length and header.
    pub(crate) fn encode<R: Response>(
        key: ApiKey,
        correlation: i32,
        version: i16,
        answer: &R,
    ) -> Result<Chunks, ProtocolError> {
        let mut body = Chunks::default();
        answer.encode(&mut body, version)?;
        Ok(body.behind(|bytes| answer_head(key, version, correlation, bytes)))
    }

    /// As [`Apis::encode`]; what cannot be put into the version asked for is a bug of ours, and closes the connection.
    fn encode_or_log<R: Response>(
        key: ApiKey,
        correlation: i32,
        version: i16,
        answer: &R,
    ) -> Option<Chunks> {
        match Apis::encode(key, correlation, version, answer) {
            Ok(chunks) => Some(chunks),
            Err(error) => {
                tracing::error!(?key, version, %error, "an answer has no form in its version");
                None
            }
        }
    }
}
