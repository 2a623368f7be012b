//! DescribeQuorum 0–2 (KIP-595, KIP-836, KIP-853), UpdateFeatures 0–2 (KIP-584, KIP-778) and UnregisterBroker 0: a cluster of
//! one, which is its own controller, has the features it has, and stays.

use crate::access::{Operation, Resource};
use crate::api_versions::feature_level;
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
    if request.feature_updates.is_empty() {
        response.error_code = ErrorCode::InvalidRequest.code();
        response.error_message = Some(text("Can not provide empty FeatureUpdates"));
        return response.into();
    }
    let refused: Vec<Option<String>> = request
        .feature_updates
        .iter()
        .map(|update| cannot_update(update.feature.as_str(), update.max_version_level))
        .collect();
    if call.version >= 2 {
        // All or none.
        if let Some(why) = refused.into_iter().flatten().next() {
            response.error_code = ErrorCode::InvalidUpdateVersion.code();
            response.error_message = Some(text(&why));
        }
        return response.into();
    }
    let results = request.feature_updates.iter().zip(refused);
    response.results = results
        .map(|(update, why)| UpdatableFeatureResult {
            feature: update.feature.clone(),
            error_code: match why {
                Some(_) => ErrorCode::InvalidUpdateVersion.code(),
                None => 0,
            },
            error_message: why.as_deref().map(text),
            ..UpdatableFeatureResult::default()
        })
        .collect();
    response.into()
}

/// Why a feature can't be brought to a level: any but the one it has, as features come with the broker's version.
fn cannot_update(feature: &str, level: i16) -> Option<String> {
    let why = match feature_level(feature) {
        None => "This broker does not support this feature.".to_owned(),
        Some(current) if current == level => return None,
        Some(current) => format!(
            "It is at {current}: the features of this broker come with its version and cannot be changed."
        ),
    };
    Some(format!(
        "Invalid update version {level} for feature {feature}. {why}"
    ))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::update_features_request::FeatureUpdateKey;
    use crate::world::{World, answer};

    #[tokio::test]
    async fn features_stay_at_the_level_they_have() {
        let world = World::new().await;
        let update = async |version, features: &[(&str, i16)]| {
            let updates = features.iter().map(|(feature, level)| FeatureUpdateKey {
                feature: text(feature),
                max_version_level: *level,
                ..FeatureUpdateKey::default()
            });
            let request = UpdateFeaturesRequestData {
                feature_updates: updates.collect(),
                ..UpdateFeaturesRequestData::default()
            };
            answer(update_features(world.call(version), request).await).await
        };
        let invalid = ErrorCode::InvalidUpdateVersion.code();
        let (current, other) = (("transaction.version", 2), ("share.version", 0));
        let unknown = ("moon.version", 1);
        assert_eq!(update(2, &[current]).await.error_code, 0);
        for wrong in [other, unknown] {
            let refused = update(2, &[current, wrong]).await;
            assert_eq!(refused.error_code, invalid);
            let why = refused.error_message.unwrap();
            assert!(why.as_str().contains(wrong.0), "{why:?}");
        }
        let each = update(1, &[current, other]).await;
        assert_eq!(each.error_code, 0);
        let codes: Vec<i16> = each.results.iter().map(|one| one.error_code).collect();
        assert_eq!(codes, [0, invalid]);
        let none = update(1, &[]).await.error_code;
        assert_eq!(none, ErrorCode::InvalidRequest.code());
    }
}
