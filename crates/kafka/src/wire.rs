//! The seam to the generated codec: which request has which answer, and how both are read and written. The codec bounds every
//! array by the bytes that are left, so that a hostile length allocates nothing.

use bytes::Bytes;

// Several requests and answers have parts of one name: the plain one is the fetch's.
pub(crate) use kacrab_protocol::generated::fetch_request::FetchPartition;
pub(crate) use kacrab_protocol::generated::*;
pub(crate) use kacrab_protocol::{KafkaString, KafkaUuid, ProtocolError};

use crate::connection::Chunks;

/// A request's body.
pub(crate) trait Request: Sized + Send + 'static {
    /// What answers it.
    type Response: Response;
    /// Its number.
    const KEY: ApiKey;

    /// Takes it off the front of `bytes`.
    fn decode(bytes: &mut Bytes, version: i16) -> Result<Self, ProtocolError>;
}

/// A response's body.
pub(crate) trait Response: Send + 'static {
    /// Adds it to `target`.
    fn encode(&self, target: &mut Chunks, version: i16) -> Result<(), ProtocolError>;

    /// Tells the client to wait for so many milliseconds, if it is not told to wait longer already. Some answers have no place
    /// for that.
    fn throttle(&mut self, ms: i32);
}

/// Ties the generated types, which share no trait, to the two above.
macro_rules! messages {
    ($($key:ident: $request:ident => $response:ident,)*) => {$(
        impl Request for $request {
            type Response = $response;
            const KEY: ApiKey = ApiKey::$key;

            fn decode(bytes: &mut Bytes, version: i16) -> Result<Self, ProtocolError> {
                $request::read(bytes, version)
            }
        }

        impl Response for $response {
            fn encode(&self, target: &mut Chunks, version: i16) -> Result<(), ProtocolError> {
                self.write(target.tail(), version)
            }

            fn throttle(&mut self, ms: i32) {
                messages!(@throttle self, ms, $key);
            }
        }
    )*};
    (@throttle $answer:ident, $ms:ident, SaslHandshake) => {
        let _ = $ms;
    };
    (@throttle $answer:ident, $ms:ident, SaslAuthenticate) => {
        let _ = $ms;
    };
    (@throttle $answer:ident, $ms:ident, WriteTxnMarkers) => {
        let _ = $ms;
    };
    (@throttle $answer:ident, $ms:ident, DescribeQuorum) => {
        let _ = $ms;
    };
    (@throttle $answer:ident, $ms:ident, $key:ident) => {
        $answer.throttle_time_ms = $answer.throttle_time_ms.max($ms);
    };
}

messages! {
    Produce: ProduceRequestData => ProduceResponseData,
    ListOffsets: ListOffsetsRequestData => ListOffsetsResponseData,
    Metadata: MetadataRequestData => MetadataResponseData,
    OffsetCommit: OffsetCommitRequestData => OffsetCommitResponseData,
    OffsetFetch: OffsetFetchRequestData => OffsetFetchResponseData,
    FindCoordinator: FindCoordinatorRequestData => FindCoordinatorResponseData,
    JoinGroup: JoinGroupRequestData => JoinGroupResponseData,
    Heartbeat: HeartbeatRequestData => HeartbeatResponseData,
    LeaveGroup: LeaveGroupRequestData => LeaveGroupResponseData,
    SyncGroup: SyncGroupRequestData => SyncGroupResponseData,
    DescribeGroups: DescribeGroupsRequestData => DescribeGroupsResponseData,
    ListGroups: ListGroupsRequestData => ListGroupsResponseData,
    SaslHandshake: SaslHandshakeRequestData => SaslHandshakeResponseData,
    ApiVersions: ApiVersionsRequestData => ApiVersionsResponseData,
    CreateTopics: CreateTopicsRequestData => CreateTopicsResponseData,
    DeleteTopics: DeleteTopicsRequestData => DeleteTopicsResponseData,
    DeleteRecords: DeleteRecordsRequestData => DeleteRecordsResponseData,
    InitProducerId: InitProducerIdRequestData => InitProducerIdResponseData,
    OffsetForLeaderEpoch: OffsetForLeaderEpochRequestData => OffsetForLeaderEpochResponseData,
    AddPartitionsToTxn: AddPartitionsToTxnRequestData => AddPartitionsToTxnResponseData,
    AddOffsetsToTxn: AddOffsetsToTxnRequestData => AddOffsetsToTxnResponseData,
    EndTxn: EndTxnRequestData => EndTxnResponseData,
    WriteTxnMarkers: WriteTxnMarkersRequestData => WriteTxnMarkersResponseData,
    TxnOffsetCommit: TxnOffsetCommitRequestData => TxnOffsetCommitResponseData,
    DescribeAcls: DescribeAclsRequestData => DescribeAclsResponseData,
    CreateAcls: CreateAclsRequestData => CreateAclsResponseData,
    DeleteAcls: DeleteAclsRequestData => DeleteAclsResponseData,
    DescribeConfigs: DescribeConfigsRequestData => DescribeConfigsResponseData,
    AlterConfigs: AlterConfigsRequestData => AlterConfigsResponseData,
    AlterReplicaLogDirs: AlterReplicaLogDirsRequestData => AlterReplicaLogDirsResponseData,
    DescribeLogDirs: DescribeLogDirsRequestData => DescribeLogDirsResponseData,
    SaslAuthenticate: SaslAuthenticateRequestData => SaslAuthenticateResponseData,
    CreatePartitions: CreatePartitionsRequestData => CreatePartitionsResponseData,
    DeleteGroups: DeleteGroupsRequestData => DeleteGroupsResponseData,
    ElectLeaders: ElectLeadersRequestData => ElectLeadersResponseData,
    IncrementalAlterConfigs: IncrementalAlterConfigsRequestData => IncrementalAlterConfigsResponseData,
    AlterPartitionReassignments: AlterPartitionReassignmentsRequestData => AlterPartitionReassignmentsResponseData,
    ListPartitionReassignments: ListPartitionReassignmentsRequestData => ListPartitionReassignmentsResponseData,
    OffsetDelete: OffsetDeleteRequestData => OffsetDeleteResponseData,
    DescribeClientQuotas: DescribeClientQuotasRequestData => DescribeClientQuotasResponseData,
    AlterClientQuotas: AlterClientQuotasRequestData => AlterClientQuotasResponseData,
    DescribeUserScramCredentials: DescribeUserScramCredentialsRequestData => DescribeUserScramCredentialsResponseData,
    AlterUserScramCredentials: AlterUserScramCredentialsRequestData => AlterUserScramCredentialsResponseData,
    DescribeQuorum: DescribeQuorumRequestData => DescribeQuorumResponseData,
    UpdateFeatures: UpdateFeaturesRequestData => UpdateFeaturesResponseData,
    UnregisterBroker: UnregisterBrokerRequestData => UnregisterBrokerResponseData,
    DescribeCluster: DescribeClusterRequestData => DescribeClusterResponseData,
    DescribeProducers: DescribeProducersRequestData => DescribeProducersResponseData,
    DescribeTransactions: DescribeTransactionsRequestData => DescribeTransactionsResponseData,
    ListTransactions: ListTransactionsRequestData => ListTransactionsResponseData,
    ConsumerGroupHeartbeat: ConsumerGroupHeartbeatRequestData => ConsumerGroupHeartbeatResponseData,
    ConsumerGroupDescribe: ConsumerGroupDescribeRequestData => ConsumerGroupDescribeResponseData,
    ListConfigResources: ListConfigResourcesRequestData => ListConfigResourcesResponseData,
    DescribeTopicPartitions: DescribeTopicPartitionsRequestData => DescribeTopicPartitionsResponseData,
    ShareGroupHeartbeat: ShareGroupHeartbeatRequestData => ShareGroupHeartbeatResponseData,
    ShareGroupDescribe: ShareGroupDescribeRequestData => ShareGroupDescribeResponseData,
    ShareFetch: ShareFetchRequestData => ShareFetchResponseData,
    ShareAcknowledge: ShareAcknowledgeRequestData => ShareAcknowledgeResponseData,
    DescribeShareGroupOffsets: DescribeShareGroupOffsetsRequestData => DescribeShareGroupOffsetsResponseData,
    AlterShareGroupOffsets: AlterShareGroupOffsetsRequestData => AlterShareGroupOffsetsResponseData,
    DeleteShareGroupOffsets: DeleteShareGroupOffsetsRequestData => DeleteShareGroupOffsetsResponseData,
}

impl Request for FetchRequestData {
    type Response = crate::fetch::Fetched;
    const KEY: ApiKey = ApiKey::Fetch;

    fn decode(bytes: &mut Bytes, version: i16) -> Result<Self, ProtocolError> {
        FetchRequestData::read(bytes, version)
    }
}

/// `text` as the wire has it.
pub(crate) fn text(text: &str) -> KafkaString {
    KafkaString::from(text.to_owned())
}
