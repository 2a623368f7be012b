//! Which refusal somebody is told who may see a part.

use super::*;
use crate::access::CLUSTER;
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
