//! Every API in the table, asked by somebody to whom nothing is allowed: each must refuse, or show nothing. An API that is
//! not listed here fails the test: whoever adds one says what it must answer.
#![allow(clippy::too_many_lines, reason = "tables: an arm for each API")]

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use model::{Clock, Rng, Timestamp};
use store::Memory;
use streams::{Keyring, Streams};

use super::{Operation, Pattern, Permission, Rule, SubjectOf};
use crate::broker::{Broker, Options};
use crate::connection::Reply;
use crate::security::SecurityOptions;
use crate::server::Listener;
use crate::session::{Call, Session};
use crate::wire::alter_configs_request::AlterConfigsResource;
use crate::wire::describe_producers_request::TopicRequest;
use crate::wire::fetch_request::FetchTopic;
use crate::wire::leave_group_request::MemberIdentity;
use crate::wire::*;

/// A name that nobody without rights may see, in topics, groups and transactions alike.
const SECRET: &str = "the-secret";

/// What must come of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Must {
    /// One of the errors for who may not, and none other.
    Refuse,
    /// No error, and nothing of the secret.
    ShowNothing,
    /// Whatever: it tells and changes nothing that anybody may not know and do.
    Harmless,
}

struct Asked {
    version: i16,
    body: Bytes,
    must: Must,
    shown: fn(&mut Bytes, i16) -> String,
}

/// A request in a version, as its bytes, and how its answer reads.
macro_rules! ask {
    ($must:ident, $version:literal, $request:expr => $response:ty) => {{
        let mut body = BytesMut::new();
        $request.write(&mut body, $version).unwrap();
        Some(Asked {
            version: $version,
            body: body.freeze(),
            must: Must::$must,
            shown: |bytes, version| format!("{:?}", <$response>::read(bytes, version).unwrap()),
        })
    }};
}

// Below the macro, which it uses.
mod seeing;

fn secret() -> KafkaString {
    text(SECRET)
}

fn asked(key: ApiKey) -> Option<Asked> {
    match key {
        ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate => Some(Asked {
            version: 0,
            body: Bytes::new(),
            must: Must::Harmless,
            shown: |_, _| String::new(),
        }),
        ApiKey::Produce
        | ApiKey::Fetch
        | ApiKey::ListOffsets
        | ApiKey::Metadata
        | ApiKey::CreateTopics
        | ApiKey::DeleteTopics
        | ApiKey::CreatePartitions
        | ApiKey::DeleteRecords
        | ApiKey::DescribeProducers => of_topics(key),
        ApiKey::DescribeConfigs
        | ApiKey::AlterConfigs
        | ApiKey::IncrementalAlterConfigs
        | ApiKey::ListConfigResources
        | ApiKey::DescribeAcls
        | ApiKey::CreateAcls
        | ApiKey::DeleteAcls
        | ApiKey::DescribeUserScramCredentials
        | ApiKey::AlterUserScramCredentials => of_the_cluster(key),
        ApiKey::InitProducerId
        | ApiKey::AddPartitionsToTxn
        | ApiKey::AddOffsetsToTxn
        | ApiKey::TxnOffsetCommit
        | ApiKey::EndTxn
        | ApiKey::WriteTxnMarkers
        | ApiKey::DescribeTransactions
        | ApiKey::ListTransactions => of_transactions(key),
        _ => of_groups(key)
            .or_else(|| of_share_groups(key))
            .or_else(|| of_the_broker(key)),
    }
}

fn of_topics(key: ApiKey) -> Option<Asked> {
    match key {
        ApiKey::Produce => ask!(Refuse, 12, ProduceRequestData {
            acks: -1,
            timeout_ms: 1000,
            topic_data: vec![TopicProduceData {
                name: secret(),
                partition_data: vec![PartitionProduceData::default()],
                ..TopicProduceData::default()
            }],
            ..ProduceRequestData::default()
        } => ProduceResponseData),
        ApiKey::Fetch => ask!(Refuse, 12, FetchRequestData {
            session_epoch: -1,
            max_bytes: 1000,
            topics: vec![FetchTopic {
                topic: secret(),
                partitions: vec![FetchPartition::default()],
                ..FetchTopic::default()
            }],
            ..FetchRequestData::default()
        } => FetchResponseData),
        ApiKey::ListOffsets => ask!(Refuse, 7, ListOffsetsRequestData {
            topics: vec![ListOffsetsTopic {
                name: secret(),
                partitions: vec![ListOffsetsPartition::default()],
                ..ListOffsetsTopic::default()
            }],
            ..ListOffsetsRequestData::default()
        } => ListOffsetsResponseData),
        ApiKey::Metadata => ask!(ShowNothing, 12, MetadataRequestData {
            topics: None,
            ..MetadataRequestData::default()
        } => MetadataResponseData),
        ApiKey::CreateTopics => ask!(Refuse, 7, CreateTopicsRequestData {
            topics: vec![CreatableTopic {
                name: text("another"),
                num_partitions: 1,
                replication_factor: 1,
                ..CreatableTopic::default()
            }],
            ..CreateTopicsRequestData::default()
        } => CreateTopicsResponseData),
        ApiKey::DeleteTopics => ask!(Refuse, 6, DeleteTopicsRequestData {
            topics: vec![DeleteTopicState {
                name: Some(secret()),
                ..DeleteTopicState::default()
            }],
            ..DeleteTopicsRequestData::default()
        } => DeleteTopicsResponseData),
        ApiKey::CreatePartitions => ask!(Refuse, 3, CreatePartitionsRequestData {
            topics: vec![CreatePartitionsTopic {
                name: secret(),
                count: 5,
                ..CreatePartitionsTopic::default()
            }],
            ..CreatePartitionsRequestData::default()
        } => CreatePartitionsResponseData),
        ApiKey::DeleteRecords => ask!(Refuse, 2, DeleteRecordsRequestData {
            topics: vec![DeleteRecordsTopic {
                name: secret(),
                partitions: vec![DeleteRecordsPartition::default()],
                ..DeleteRecordsTopic::default()
            }],
            ..DeleteRecordsRequestData::default()
        } => DeleteRecordsResponseData),
        ApiKey::DescribeProducers => ask!(Refuse, 0, DescribeProducersRequestData {
            topics: vec![TopicRequest {
                name: secret(),
                partition_indexes: vec![0],
                ..TopicRequest::default()
            }],
            ..DescribeProducersRequestData::default()
        } => DescribeProducersResponseData),
        _ => None,
    }
}

fn of_the_cluster(key: ApiKey) -> Option<Asked> {
    match key {
        ApiKey::DescribeConfigs => ask!(Refuse, 4, DescribeConfigsRequestData {
            resources: vec![DescribeConfigsResource {
                resource_type: 2,
                resource_name: secret(),
                ..DescribeConfigsResource::default()
            }],
            ..DescribeConfigsRequestData::default()
        } => DescribeConfigsResponseData),
        ApiKey::AlterConfigs => ask!(Refuse, 2, AlterConfigsRequestData {
            resources: vec![AlterConfigsResource {
                resource_type: 2,
                resource_name: secret(),
                ..AlterConfigsResource::default()
            }],
            ..AlterConfigsRequestData::default()
        } => AlterConfigsResponseData),
        ApiKey::IncrementalAlterConfigs => ask!(Refuse, 1, IncrementalAlterConfigsRequestData {
            resources: vec![incremental_alter_configs_request::AlterConfigsResource {
                resource_type: 2,
                resource_name: secret(),
                ..incremental_alter_configs_request::AlterConfigsResource::default()
            }],
            ..IncrementalAlterConfigsRequestData::default()
        } => IncrementalAlterConfigsResponseData),
        ApiKey::ListConfigResources => ask!(
            Refuse, 0, ListConfigResourcesRequestData::default() => ListConfigResourcesResponseData
        ),
        ApiKey::DescribeAcls => ask!(Refuse, 3, DescribeAclsRequestData {
            resource_type_filter: 1,
            pattern_type_filter: 1,
            operation: 1,
            permission_type: 1,
            ..DescribeAclsRequestData::default()
        } => DescribeAclsResponseData),
        ApiKey::CreateAcls => ask!(Refuse, 3, CreateAclsRequestData {
            creations: vec![AclCreation {
                resource_type: 2,
                resource_name: secret(),
                resource_pattern_type: 3,
                principal: text("User:ANONYMOUS"),
                host: text("*"),
                operation: 2,
                permission_type: 3,
                ..AclCreation::default()
            }],
            ..CreateAclsRequestData::default()
        } => CreateAclsResponseData),
        ApiKey::DeleteAcls => ask!(Refuse, 3, DeleteAclsRequestData {
            filters: vec![DeleteAclsFilter {
                resource_type_filter: 1,
                pattern_type_filter: 1,
                operation: 1,
                permission_type: 1,
                ..DeleteAclsFilter::default()
            }],
            ..DeleteAclsRequestData::default()
        } => DeleteAclsResponseData),
        ApiKey::DescribeUserScramCredentials => ask!(
            Refuse, 0, DescribeUserScramCredentialsRequestData::default()
                => DescribeUserScramCredentialsResponseData
        ),
        ApiKey::AlterUserScramCredentials => ask!(Refuse, 0, AlterUserScramCredentialsRequestData {
            deletions: vec![ScramCredentialDeletion {
                name: text("somebody"),
                mechanism: 1,
                ..ScramCredentialDeletion::default()
            }],
            ..AlterUserScramCredentialsRequestData::default()
        } => AlterUserScramCredentialsResponseData),
        _ => None,
    }
}

fn of_transactions(key: ApiKey) -> Option<Asked> {
    match key {
        ApiKey::InitProducerId => ask!(Refuse, 4, InitProducerIdRequestData {
            transaction_timeout_ms: 1000,
            producer_id: -1,
            producer_epoch: -1,
            ..InitProducerIdRequestData::default()
        } => InitProducerIdResponseData),
        ApiKey::AddPartitionsToTxn => ask!(Refuse, 5, AddPartitionsToTxnRequestData {
            transactions: vec![AddPartitionsToTxnTransaction {
                transactional_id: secret(),
                topics: vec![AddPartitionsToTxnTopic {
                    name: secret(),
                    partitions: vec![0],
                    ..AddPartitionsToTxnTopic::default()
                }],
                ..AddPartitionsToTxnTransaction::default()
            }],
            ..AddPartitionsToTxnRequestData::default()
        } => AddPartitionsToTxnResponseData),
        ApiKey::AddOffsetsToTxn => ask!(Refuse, 4, AddOffsetsToTxnRequestData {
            transactional_id: secret(),
            group_id: secret(),
            ..AddOffsetsToTxnRequestData::default()
        } => AddOffsetsToTxnResponseData),
        ApiKey::TxnOffsetCommit => ask!(Refuse, 5, TxnOffsetCommitRequestData {
            transactional_id: secret(),
            group_id: secret(),
            topics: vec![TxnOffsetCommitRequestTopic {
                name: secret(),
                partitions: vec![TxnOffsetCommitRequestPartition::default()],
                ..TxnOffsetCommitRequestTopic::default()
            }],
            ..TxnOffsetCommitRequestData::default()
        } => TxnOffsetCommitResponseData),
        ApiKey::EndTxn => ask!(Refuse, 5, EndTxnRequestData {
            transactional_id: secret(),
            ..EndTxnRequestData::default()
        } => EndTxnResponseData),
        ApiKey::WriteTxnMarkers => ask!(Refuse, 1, WriteTxnMarkersRequestData {
            markers: vec![WritableTxnMarker {
                topics: vec![WritableTxnMarkerTopic {
                    name: secret(),
                    partition_indexes: vec![0],
                    ..WritableTxnMarkerTopic::default()
                }],
                ..WritableTxnMarker::default()
            }],
            ..WriteTxnMarkersRequestData::default()
        } => WriteTxnMarkersResponseData),
        ApiKey::DescribeTransactions => ask!(Refuse, 0, DescribeTransactionsRequestData {
            transactional_ids: vec![secret()],
            ..DescribeTransactionsRequestData::default()
        } => DescribeTransactionsResponseData),
        ApiKey::ListTransactions => ask!(
            ShowNothing, 1, ListTransactionsRequestData::default() => ListTransactionsResponseData
        ),
        _ => None,
    }
}

fn of_groups(key: ApiKey) -> Option<Asked> {
    match key {
        ApiKey::FindCoordinator => ask!(Refuse, 4, FindCoordinatorRequestData {
            coordinator_keys: vec![secret()],
            ..FindCoordinatorRequestData::default()
        } => FindCoordinatorResponseData),
        ApiKey::JoinGroup => ask!(Refuse, 9, JoinGroupRequestData {
            group_id: secret(),
            session_timeout_ms: 10_000,
            protocol_type: text("consumer"),
            protocols: vec![JoinGroupRequestProtocol::default()],
            ..JoinGroupRequestData::default()
        } => JoinGroupResponseData),
        ApiKey::SyncGroup => ask!(Refuse, 5, SyncGroupRequestData {
            group_id: secret(),
                protocol_type: Some(text("consumer")),
                protocol_name: Some(text("range")),
            ..SyncGroupRequestData::default()
        } => SyncGroupResponseData),
        ApiKey::Heartbeat => ask!(Refuse, 4, HeartbeatRequestData {
            group_id: secret(),
            ..HeartbeatRequestData::default()
        } => HeartbeatResponseData),
        ApiKey::LeaveGroup => ask!(Refuse, 5, LeaveGroupRequestData {
            group_id: secret(),
            members: vec![MemberIdentity::default()],
            ..LeaveGroupRequestData::default()
        } => LeaveGroupResponseData),
        ApiKey::OffsetCommit => ask!(Refuse, 9, OffsetCommitRequestData {
            group_id: secret(),
            generation_id_or_member_epoch: -1,
            topics: vec![OffsetCommitRequestTopic {
                name: secret(),
                partitions: vec![OffsetCommitRequestPartition::default()],
                ..OffsetCommitRequestTopic::default()
            }],
            ..OffsetCommitRequestData::default()
        } => OffsetCommitResponseData),
        ApiKey::OffsetFetch => ask!(Refuse, 9, OffsetFetchRequestData {
            groups: vec![OffsetFetchRequestGroup {
                group_id: secret(),
                topics: None,
                ..OffsetFetchRequestGroup::default()
            }],
            ..OffsetFetchRequestData::default()
        } => OffsetFetchResponseData),
        ApiKey::OffsetDelete => ask!(Refuse, 0, OffsetDeleteRequestData {
            group_id: secret(),
            ..OffsetDeleteRequestData::default()
        } => OffsetDeleteResponseData),
        ApiKey::DeleteGroups => ask!(Refuse, 2, DeleteGroupsRequestData {
            groups_names: vec![secret()],
            ..DeleteGroupsRequestData::default()
        } => DeleteGroupsResponseData),
        ApiKey::DescribeGroups => ask!(Refuse, 5, DescribeGroupsRequestData {
            groups: vec![secret()],
            ..DescribeGroupsRequestData::default()
        } => DescribeGroupsResponseData),
        ApiKey::ListGroups => ask!(
            ShowNothing, 5, ListGroupsRequestData::default() => ListGroupsResponseData
        ),
        ApiKey::ConsumerGroupHeartbeat => ask!(Refuse, 1, ConsumerGroupHeartbeatRequestData {
            group_id: secret(),
            member_id: text("member"),
            rebalance_timeout_ms: 1000,
            subscribed_topic_names: Some(vec![secret()]),
            topic_partitions: Some(Vec::new()),
            ..ConsumerGroupHeartbeatRequestData::default()
        } => ConsumerGroupHeartbeatResponseData),
        ApiKey::ConsumerGroupDescribe => ask!(Refuse, 1, ConsumerGroupDescribeRequestData {
            group_ids: vec![secret()],
            ..ConsumerGroupDescribeRequestData::default()
        } => ConsumerGroupDescribeResponseData),
        _ => None,
    }
}

fn of_share_groups(key: ApiKey) -> Option<Asked> {
    match key {
        ApiKey::ShareGroupHeartbeat => ask!(Refuse, 1, ShareGroupHeartbeatRequestData {
            group_id: secret(),
            member_id: text("member"),
            subscribed_topic_names: Some(vec![secret()]),
            ..ShareGroupHeartbeatRequestData::default()
        } => ShareGroupHeartbeatResponseData),
        ApiKey::ShareGroupDescribe => ask!(Refuse, 1, ShareGroupDescribeRequestData {
            group_ids: vec![secret()],
            ..ShareGroupDescribeRequestData::default()
        } => ShareGroupDescribeResponseData),
        ApiKey::ShareFetch => ask!(Refuse, 1, ShareFetchRequestData {
            group_id: Some(secret()),
            member_id: Some(text("member")),
            ..ShareFetchRequestData::default()
        } => ShareFetchResponseData),
        ApiKey::ShareAcknowledge => ask!(Refuse, 1, ShareAcknowledgeRequestData {
            group_id: Some(secret()),
            member_id: Some(text("member")),
            ..ShareAcknowledgeRequestData::default()
        } => ShareAcknowledgeResponseData),
        ApiKey::DescribeShareGroupOffsets => ask!(Refuse, 0, DescribeShareGroupOffsetsRequestData {
            groups: vec![DescribeShareGroupOffsetsRequestGroup {
                group_id: secret(),
                topics: None,
                ..DescribeShareGroupOffsetsRequestGroup::default()
            }],
            ..DescribeShareGroupOffsetsRequestData::default()
        } => DescribeShareGroupOffsetsResponseData),
        ApiKey::AlterShareGroupOffsets => ask!(Refuse, 0, AlterShareGroupOffsetsRequestData {
            group_id: secret(),
            ..AlterShareGroupOffsetsRequestData::default()
        } => AlterShareGroupOffsetsResponseData),
        ApiKey::DeleteShareGroupOffsets => ask!(Refuse, 0, DeleteShareGroupOffsetsRequestData {
            group_id: secret(),
            ..DeleteShareGroupOffsetsRequestData::default()
        } => DeleteShareGroupOffsetsResponseData),
        _ => None,
    }
}

fn of_the_broker(key: ApiKey) -> Option<Asked> {
    match key {
        // Where the brokers are is what everybody must know who is to connect to them.
        ApiKey::DescribeCluster => ask!(
            ShowNothing, 1, DescribeClusterRequestData {
                endpoint_type: 1,
                ..DescribeClusterRequestData::default()
            } => DescribeClusterResponseData
        ),
        ApiKey::DescribeQuorum => ask!(
            Refuse, 1, DescribeQuorumRequestData::default() => DescribeQuorumResponseData
        ),
        ApiKey::UpdateFeatures => ask!(
            Refuse, 1, UpdateFeaturesRequestData::default() => UpdateFeaturesResponseData
        ),
        ApiKey::UnregisterBroker => ask!(
            Refuse, 0, UnregisterBrokerRequestData::default() => UnregisterBrokerResponseData
        ),
        ApiKey::DescribeClientQuotas => ask!(
            Refuse, 1, DescribeClientQuotasRequestData::default() => DescribeClientQuotasResponseData
        ),
        ApiKey::AlterClientQuotas => ask!(Refuse, 1, AlterClientQuotasRequestData {
            entries: vec![Default::default()],
            ..AlterClientQuotasRequestData::default()
        } => AlterClientQuotasResponseData),
        ApiKey::ElectLeaders => ask!(
            Refuse, 2, ElectLeadersRequestData::default() => ElectLeadersResponseData
        ),
        ApiKey::DescribeLogDirs => ask!(
            Refuse, 4, DescribeLogDirsRequestData::default() => DescribeLogDirsResponseData
        ),
        ApiKey::AlterReplicaLogDirs => ask!(Refuse, 2, AlterReplicaLogDirsRequestData {
            dirs: vec![AlterReplicaLogDir {
                path: text("/"),
                topics: vec![AlterReplicaLogDirTopic {
                    name: secret(),
                    partitions: vec![0],
                    ..AlterReplicaLogDirTopic::default()
                }],
                ..AlterReplicaLogDir::default()
            }],
            ..AlterReplicaLogDirsRequestData::default()
        } => AlterReplicaLogDirsResponseData),
        ApiKey::AlterPartitionReassignments => ask!(
            Refuse, 0, AlterPartitionReassignmentsRequestData::default()
                => AlterPartitionReassignmentsResponseData
        ),
        ApiKey::ListPartitionReassignments => ask!(
            Refuse, 0, ListPartitionReassignmentsRequestData::default()
                => ListPartitionReassignmentsResponseData
        ),
        ApiKey::OffsetForLeaderEpoch => ask!(Refuse, 4, OffsetForLeaderEpochRequestData {
            topics: vec![OffsetForLeaderTopic {
                topic: secret(),
                partitions: vec![OffsetForLeaderPartition::default()],
                ..OffsetForLeaderTopic::default()
            }],
            ..OffsetForLeaderEpochRequestData::default()
        } => OffsetForLeaderEpochResponseData),
        ApiKey::DescribeTopicPartitions => ask!(Refuse, 0, DescribeTopicPartitionsRequestData {
            topics: vec![describe_topic_partitions_request::TopicRequest {
                name: secret(),
                ..describe_topic_partitions_request::TopicRequest::default()
            }],
            response_partition_limit: 10,
            ..DescribeTopicPartitionsRequestData::default()
        } => DescribeTopicPartitionsResponseData),
        _ => None,
    }
}

/// A broker with a topic, whose ACLs allow nothing.
async fn broker() -> Arc<Broker> {
    let security = SecurityOptions {
        acls: true,
        ..SecurityOptions::default()
    };
    let broker = open(security).await;
    broker.topic_or_new(SECRET).await.unwrap();
    broker
}

/// A broker in memory.
pub(in crate::security) async fn open(security: SecurityOptions) -> Arc<Broker> {
    let clock = Clock::manual(Timestamp(1_000_000));
    let rng = Rng::seeded(1);
    let store = Memory::new(clock.clone());
    let keyring = Keyring::new(&[7; 32], rng.clone());
    let streams = Arc::new(Streams::new(Arc::new(store), clock, keyring));
    let options = Options {
        security,
        ..Options::default()
    };
    Broker::open(streams, &rng, options).await.unwrap()
}

async fn answer(broker: &Arc<Broker>, key: ApiKey, asked: &Asked) -> String {
    let here = SocketAddr::from(([127, 0, 0, 1], 1));
    let session = Session::new(here, here, Arc::new(Listener::default()), None);
    let call = Call {
        broker: Arc::clone(broker),
        session: Arc::new(session),
        client_id: "".into(),
        version: asked.version,
        bytes: 0,
    };
    let api = broker.apis.find(key as i16).unwrap();
    assert!(
        api.versions.contains(&asked.version),
        "{key:?} {}",
        asked.version
    );
    let reply = (api.serve)(call, asked.body.clone(), 7).await.unwrap();
    let mut chunks = match reply {
        Reply::Now(chunks) => chunks.unwrap(),
        Reply::Later(chunks) => chunks.await.unwrap(),
        Reply::Silent(_) => panic!("{key:?} says nothing"),
    };
    let mut bytes = chunks.copy_to_bytes(chunks.remaining());
    let is_flexible =
        kacrab_protocol::version::response_header_version(key as i16, asked.version) > 0;
    bytes.advance(8 + usize::from(is_flexible));
    (asked.shown)(&mut bytes, asked.version)
}

/// Every number behind `error_code:` in an answer.
fn codes(shown: &str) -> Vec<i16> {
    let found = shown.split("error_code: ").skip(1);
    let number = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '-');
        text[..end.unwrap_or(text.len())].parse().unwrap()
    };
    found.map(number).collect()
}

/// Clients look for the topic that has come in its place; told that they may not, they end.
#[tokio::test]
async fn who_asks_by_an_id_that_is_none_is_told_so() {
    let broker = broker().await;
    let topic_id = broker.topic_id(model::StreamId(77));
    let fetch = FetchRequestData {
        max_bytes: 1000,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic_id,
            partitions: vec![FetchPartition::default()],
            ..FetchTopic::default()
        }],
        ..FetchRequestData::default()
    };
    let produce = ProduceRequestData {
        acks: -1,
        topic_data: vec![TopicProduceData {
            topic_id,
            partition_data: vec![PartitionProduceData::default()],
            ..TopicProduceData::default()
        }],
        ..ProduceRequestData::default()
    };
    let asked = [
        (ApiKey::Fetch, ask!(Refuse, 13, fetch => FetchResponseData)),
        (
            ApiKey::Produce,
            ask!(Refuse, 13, produce => ProduceResponseData),
        ),
    ];
    let unknown = ErrorCode::UnknownTopicId.code();
    for (key, asked) in asked {
        let shown = answer(&broker, key, &asked.unwrap()).await;
        assert!(codes(&shown).contains(&unknown), "{shown}");
    }
}

/// Lets everybody do something.
async fn allow(broker: &Broker, of: SubjectOf, name: &str, operation: Operation) {
    let rule = Rule {
        of,
        pattern: Pattern::Literal,
        name: name.to_owned(),
        principal: "User:*".to_owned(),
        host: "*".to_owned(),
        operation,
        permission: Permission::Allow,
    };
    let acls = broker.security.acls.as_ref().unwrap();
    acls.add(&**broker.streams.store(), &[rule]).await.unwrap();
}

#[tokio::test]
async fn who_sees_one_topic_is_not_told_the_next_ones_name() {
    let broker = broker().await;
    broker.topic_or_new("a").await.unwrap();
    allow(&broker, SubjectOf::Topic, "a", Operation::Describe).await;
    let request = DescribeTopicPartitionsRequestData {
        response_partition_limit: 1,
        ..DescribeTopicPartitionsRequestData::default()
    };
    let asked = ask!(ShowNothing, 0, request => DescribeTopicPartitionsResponseData);
    let shown = answer(&broker, ApiKey::DescribeTopicPartitions, &asked.unwrap()).await;
    assert!(
        shown.contains("\"a\"") && !shown.contains(SECRET),
        "{shown}"
    );
}

#[tokio::test]
async fn an_administrator_may_write_markers() {
    let broker = broker().await;
    allow(
        &broker,
        SubjectOf::Cluster,
        "kafka-cluster",
        Operation::Alter,
    )
    .await;
    let asked = asked(ApiKey::WriteTxnMarkers).unwrap();
    let shown = answer(&broker, ApiKey::WriteTxnMarkers, &asked).await;
    let refused = ErrorCode::ClusterAuthorizationFailed.code();
    assert!(!codes(&shown).contains(&refused), "{shown}");
}

#[tokio::test]
async fn a_group_with_a_topic_that_may_not_be_seen_is_not_shown() {
    let broker = broker().await;
    allow(&broker, SubjectOf::Group, "g", Operation::Read).await;
    let beat = |name: KafkaString| ConsumerGroupHeartbeatRequestData {
        group_id: text("g"),
        member_id: text("m"),
        rebalance_timeout_ms: 1000,
        subscribed_topic_names: Some(vec![name]),
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequestData::default()
    };
    allow(&broker, SubjectOf::Topic, SECRET, Operation::Describe).await;
    let asked = ask!(Refuse, 1, beat(secret()) => ConsumerGroupHeartbeatResponseData);
    let joined = answer(&broker, ApiKey::ConsumerGroupHeartbeat, &asked.unwrap()).await;
    assert!(codes(&joined).iter().all(|code| *code == 0), "{joined}");
    let describe = async || {
        let request = ConsumerGroupDescribeRequestData {
            group_ids: vec![text("g")],
            ..ConsumerGroupDescribeRequestData::default()
        };
        let asked = ask!(Refuse, 1, request => ConsumerGroupDescribeResponseData);
        answer(&broker, ApiKey::ConsumerGroupDescribe, &asked.unwrap()).await
    };
    assert!(describe().await.contains(SECRET));
    let acls = broker.security.acls.as_ref().unwrap();
    let store = &**broker.streams.store();
    acls.remove(store, |rule| rule.of == SubjectOf::Topic)
        .await
        .unwrap();
    let shown = describe().await;
    let refused = ErrorCode::TopicAuthorizationFailed.code();
    assert!(
        codes(&shown).contains(&refused) && !shown.contains(SECRET),
        "{shown}"
    );
}

#[tokio::test]
async fn nobody_gets_anything_that_is_not_allowed() {
    let broker = broker().await;
    let refusals = [
        ErrorCode::TopicAuthorizationFailed,
        ErrorCode::GroupAuthorizationFailed,
        ErrorCode::ClusterAuthorizationFailed,
        ErrorCode::TransactionalIdAuthorizationFailed,
    ]
    .map(|refusal| refusal.code());
    let mut wrong = Vec::new();
    for api in broker.apis.iter() {
        let key = api.key;
        let Some(asked) = asked(key) else {
            wrong.push(format!("{key:?} is not listed in this test"));
            continue;
        };
        if asked.must == Must::Harmless {
            continue;
        }
        let shown = answer(&broker, key, &asked).await;
        let codes = codes(&shown);
        let is_refused = codes.iter().any(|code| refusals.contains(code))
            && codes
                .iter()
                .all(|code| *code == 0 || refusals.contains(code));
        let is_empty = codes.iter().all(|code| *code == 0) && !shown.contains(SECRET);
        match asked.must {
            Must::Refuse if !is_refused => wrong.push(format!("{key:?} does not refuse: {shown}")),
            Must::ShowNothing if !is_empty => wrong.push(format!("{key:?} shows: {shown}")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let topics = broker.topic_names().await.unwrap();
    assert_eq!(topics, [SECRET]);
}
