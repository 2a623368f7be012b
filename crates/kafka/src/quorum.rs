//! DescribeQuorum 0–2 (KIP-595, KIP-836, KIP-853), UpdateFeatures 0–2 (KIP-584, KIP-778) and UnregisterBroker 0: a cluster of
//! one, which is its own controller, has the features it has, and stays.

use crate::access::{Operation, Resource};
use crate::broker::{LEADER_EPOCH, NODE_ID};
use crate::connection::Reply;
use crate::metadata::endpoint;
use crate::session::Call;
use crate::wire::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use crate::wire::update_features_response::UpdatableFeatureResult;
use crate::wire::{
    DescribeQuorumRequestData, DescribeQuorumResponseData, ErrorCode, UnregisterBrokerRequestData,
    UnregisterBrokerResponseData, UpdateFeaturesRequestData, UpdateFeaturesResponseData, text,
};

/// The log of metadata, which Kafka's tools ask for by this name.
const METADATA: &str = "__cluster_metadata";

pub(crate) async fn describe_quorum(
    call: Call,
    request: DescribeQuorumRequestData,
) -> Reply<DescribeQuorumResponseData> {
    if !call.may(Operation::Describe, Resource::Cluster) {
        return DescribeQuorumResponseData {
            error_code: ErrorCode::ClusterAuthorizationFailed.code(),
            ..DescribeQuorumResponseData::default()
        }
        .into();
    }
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter();
        TopicData {
            topic_name: topic.topic_name.clone(),
            partitions: partitions
                .map(|asked| partition(&call, topic.topic_name.as_str(), asked.partition_index))
                .collect(),
            ..TopicData::default()
        }
    });
    let (host, port) = endpoint(&call.session);
    let node = Node {
        node_id: NODE_ID,
        listeners: vec![Listener {
            name: text("CONTROLLER"),
            host: text(&host),
            port: u16::try_from(port).unwrap_or_default(),
            ..Listener::default()
        }],
        ..Node::default()
    };
    DescribeQuorumResponseData {
        topics: topics.collect(),
        nodes: if call.version >= 2 {
            vec![node]
        } else {
            Vec::new()
        },
        ..DescribeQuorumResponseData::default()
    }
    .into()
}

fn partition(call: &Call, topic: &str, partition_index: i32) -> PartitionData {
    if topic != METADATA || partition_index != 0 {
        return PartitionData {
            partition_index,
            error_code: ErrorCode::UnknownTopicOrPartition.code(),
            ..PartitionData::default()
        };
    }
    // It is the leader, and so has always just caught up with itself.
    let now = call.broker.clock.now().0;
    let stamp = if call.version >= 1 { now } else { -1 };
    PartitionData {
        partition_index,
        leader_id: NODE_ID,
        leader_epoch: LEADER_EPOCH,
        current_voters: vec![ReplicaState {
            replica_id: NODE_ID,
            last_fetch_timestamp: stamp,
            last_caught_up_timestamp: stamp,
            ..ReplicaState::default()
        }],
        ..PartitionData::default()
    }
}

pub(crate) async fn update_features(
    call: Call,
    request: UpdateFeaturesRequestData,
) -> Reply<UpdateFeaturesResponseData> {
    let mut response = UpdateFeaturesResponseData::default();
    if !call.may(Operation::Alter, Resource::Cluster) {
        response.error_code = ErrorCode::ClusterAuthorizationFailed.code();
        return response.into();
    }
    let Some(first) = request.feature_updates.first() else {
        response.error_code = ErrorCode::InvalidRequest.code();
        response.error_message = Some(text("Can not provide empty FeatureUpdates"));
        return response.into();
    };
    let why = |feature: &str, level: i16| {
        text(&format!(
            "Invalid update version {level} for feature {feature}. The features of this broker come with its version and cannot be changed."
        ))
    };
    response.error_code = ErrorCode::InvalidUpdateVersion.code();
    response.error_message = Some(why(first.feature.as_str(), first.max_version_level));
    if call.version < 2 {
        let results = request.feature_updates.iter();
        response.results = results
            .map(|update| UpdatableFeatureResult {
                feature: update.feature.clone(),
                error_code: ErrorCode::InvalidUpdateVersion.code(),
                error_message: Some(why(update.feature.as_str(), update.max_version_level)),
                ..UpdatableFeatureResult::default()
            })
            .collect();
        response.error_code = 0;
        response.error_message = None;
    }
    response.into()
}

pub(crate) async fn unregister_broker(
    call: Call,
    request: UnregisterBrokerRequestData,
) -> Reply<UnregisterBrokerResponseData> {
    let (code, why) = if !call.may(Operation::Alter, Resource::Cluster) {
        (
            ErrorCode::ClusterAuthorizationFailed,
            "Cluster authorization failed.".to_owned(),
        )
    } else if request.broker_id == NODE_ID {
        let why = format!("broker {NODE_ID} is the only one of its cluster");
        (ErrorCode::InvalidRequest, why)
    } else {
        let why = format!(
            "Broker ID {} is not currently registered",
            request.broker_id
        );
        (ErrorCode::BrokerIdNotRegistered, why)
    };
    UnregisterBrokerResponseData {
        error_code: code.code(),
        error_message: Some(text(&why)),
        ..UnregisterBrokerResponseData::default()
    }
    .into()
}
