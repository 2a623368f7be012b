//! The requests that are asked here, each in one version: one that names topics by name, and that brokers of Kafka 4 answer.

use bytes::{Bytes, BytesMut};
use kacrab_protocol::ProtocolError;
pub use kacrab_protocol::generated as messages;
use messages::*;

/// A request that can be asked.
pub trait Request {
    /// What answers it.
    type Answer;
    /// Its number.
    const KEY: ApiKey;
    /// What it is called.
    const NAME: &'static str;
    /// The version it is asked in.
    const VERSION: i16;

    /// Adds it to `target`.
    ///
    /// # Errors
    /// That a field has no form in this version.
    fn write(&self, target: &mut BytesMut) -> Result<(), ProtocolError>;

    /// Takes the answer off the front of `bytes`.
    ///
    /// # Errors
    /// That it is no such answer.
    fn read(bytes: &mut Bytes) -> Result<Self::Answer, ProtocolError>;
}

/// Ties the generated types, which share no trait, to the one above.
macro_rules! requests {
    ($($key:ident $version:literal: $request:ident => $answer:ident,)*) => {$(
        impl Request for $request {
            type Answer = $answer;
            const KEY: ApiKey = ApiKey::$key;
            const NAME: &'static str = stringify!($key);
            const VERSION: i16 = $version;

            fn write(&self, target: &mut BytesMut) -> Result<(), ProtocolError> {
                self.write(target, Self::VERSION)
            }

            fn read(bytes: &mut Bytes) -> Result<$answer, ProtocolError> {
                $answer::read(bytes, Self::VERSION)
            }
        }
    )*};
}

requests! {
    Metadata 12: MetadataRequestData => MetadataResponseData,
    CreateTopics 7: CreateTopicsRequestData => CreateTopicsResponseData,
    DeleteTopics 5: DeleteTopicsRequestData => DeleteTopicsResponseData,
    DescribeConfigs 4: DescribeConfigsRequestData => DescribeConfigsResponseData,
    IncrementalAlterConfigs 1: IncrementalAlterConfigsRequestData => IncrementalAlterConfigsResponseData,
    ListOffsets 7: ListOffsetsRequestData => ListOffsetsResponseData,
    Fetch 12: FetchRequestData => FetchResponseData,
    InitProducerId 4: InitProducerIdRequestData => InitProducerIdResponseData,
    Produce 9: ProduceRequestData => ProduceResponseData,
    AddPartitionsToTxn 3: AddPartitionsToTxnRequestData => AddPartitionsToTxnResponseData,
    EndTxn 3: EndTxnRequestData => EndTxnResponseData,
    ListGroups 5: ListGroupsRequestData => ListGroupsResponseData,
    JoinGroup 9: JoinGroupRequestData => JoinGroupResponseData,
    DescribeGroups 5: DescribeGroupsRequestData => DescribeGroupsResponseData,
    ConsumerGroupHeartbeat 1: ConsumerGroupHeartbeatRequestData => ConsumerGroupHeartbeatResponseData,
    ConsumerGroupDescribe 1: ConsumerGroupDescribeRequestData => ConsumerGroupDescribeResponseData,
    ShareGroupHeartbeat 1: ShareGroupHeartbeatRequestData => ShareGroupHeartbeatResponseData,
    ShareGroupDescribe 1: ShareGroupDescribeRequestData => ShareGroupDescribeResponseData,
    OffsetFetch 8: OffsetFetchRequestData => OffsetFetchResponseData,
    OffsetCommit 8: OffsetCommitRequestData => OffsetCommitResponseData,
    DeleteGroups 2: DeleteGroupsRequestData => DeleteGroupsResponseData,
    DescribeShareGroupOffsets 1: DescribeShareGroupOffsetsRequestData => DescribeShareGroupOffsetsResponseData,
    AlterShareGroupOffsets 0: AlterShareGroupOffsetsRequestData => AlterShareGroupOffsetsResponseData,
}
