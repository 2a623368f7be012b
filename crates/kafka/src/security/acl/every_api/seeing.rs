//! Which refusal somebody is told who may see a part.

use super::*;
use crate::access::CLUSTER;
use crate::wire::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequestGroup, DescribeShareGroupOffsetsRequestTopic,
};
use crate::wire::metadata_request::MetadataRequestTopic;

#[tokio::test]
async fn who_asks_for_metadata_by_the_id_of_a_topic_is_told_that_they_may_not() {
    let broker = broker().await;
    let ask = async |topic_id| {
        let request = MetadataRequestData {
            topics: Some(vec![MetadataRequestTopic {
                topic_id,
                ..MetadataRequestTopic::default()
            }]),
            ..MetadataRequestData::default()
        };
        let asked = ask!(Refuse, 12, request => MetadataResponseData);
        answer(&broker, ApiKey::Metadata, &asked.unwrap()).await
    };
    let shown = ask(broker.topic(SECRET).await.unwrap().id).await;
    let refused = ErrorCode::TopicAuthorizationFailed.code();
    assert_eq!(codes(&shown), [refused, 0], "{shown}");
    assert!(!shown.contains(SECRET), "{shown}");
    let shown = ask(broker.topic_id(model::StreamId(77))).await;
    let unknown = ErrorCode::UnknownTopicId.code();
    assert_eq!(codes(&shown), [unknown, 0], "{shown}");
}

#[tokio::test]
async fn what_may_be_done_to_the_cluster_is_for_who_may_describe_it() {
    let broker = broker().await;
    let ask = async || {
        let request = DescribeClusterRequestData {
            include_cluster_authorized_operations: true,
            ..DescribeClusterRequestData::default()
        };
        let asked = ask!(ShowNothing, 1, request => DescribeClusterResponseData);
        answer(&broker, ApiKey::DescribeCluster, &asked.unwrap()).await
    };
    let of_cluster = SubjectOf::Cluster;
    allow(&broker, of_cluster, CLUSTER, Operation::Create).await;
    let shown = ask().await;
    assert!(shown.contains("operations: 0"), "{shown}");
    allow(&broker, of_cluster, CLUSTER, Operation::Describe).await;
    let shown = ask().await;
    assert!(shown.contains("operations: 288"), "{shown}");
}

#[tokio::test]
async fn the_topics_asked_for_by_name_are_refused_and_the_others_left_out() {
    let broker = broker().await;
    broker.topic_or_new("seen").await.unwrap();
    allow(&broker, SubjectOf::Group, "g", Operation::Describe).await;
    allow(&broker, SubjectOf::Topic, "seen", Operation::Describe).await;
    let names = ["seen", SECRET].map(|name| DescribeShareGroupOffsetsRequestTopic {
        topic_name: text(name),
        partitions: vec![0],
        ..DescribeShareGroupOffsetsRequestTopic::default()
    });
    let request = DescribeShareGroupOffsetsRequestData {
        groups: vec![DescribeShareGroupOffsetsRequestGroup {
            group_id: text("g"),
            topics: Some(names.to_vec()),
            ..DescribeShareGroupOffsetsRequestGroup::default()
        }],
        ..DescribeShareGroupOffsetsRequestData::default()
    };
    let asked = ask!(Refuse, 1, request => DescribeShareGroupOffsetsResponseData);
    let shown = answer(&broker, ApiKey::DescribeShareGroupOffsets, &asked.unwrap()).await;
    let refused = ErrorCode::TopicAuthorizationFailed.code();
    assert_eq!(codes(&shown), [0, refused, 0], "{shown}");
    assert_eq!(shown.matches("start_offset: -1").count(), 2, "{shown}");
}
