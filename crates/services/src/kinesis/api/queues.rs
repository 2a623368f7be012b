//! Queues on streams: made, described, listed, changed; their records received, acknowledged, hidden, restored.

use std::collections::BTreeMap;

use aws::Timestamp;
use aws::shapes::Blob;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct CreateQueueInput {
    pub queue_name: String,
    pub stream_configuration_list: Vec<StreamConfiguration>,
    pub queue_attributes: Option<QueueAttributes>,
    pub tags: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct StreamConfiguration {
    #[serde(rename = "StreamARN")]
    pub stream_arn: String,
    pub starting_position: Option<StartingPosition>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct StartingPosition {
    pub r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct QueueAttributes {
    pub visibility_timeout_seconds: Option<u32>,
    pub dead_letter_configuration: Option<DeadLetterConfiguration>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct DeadLetterConfiguration {
    pub target_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_receive_count: Option<u32>,
}

/// CreateQueue, DescribeQueue and UpdateQueue.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct QueueOutput {
    pub queue_description: QueueDescription,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct QueueDescription {
    pub queue_name: String,
    #[serde(rename = "QueueARN")]
    pub queue_arn: String,
    pub queue_status: &'static str,
    pub queue_creation_timestamp: Timestamp,
    pub stream_configuration_list: Vec<StreamConfiguration>,
    pub queue_attributes: QueueAttributes,
}

/// DeleteQueue and DescribeQueue.
#[derive(Debug, Deserialize)]
pub(in super::super) struct NamedQueueInput {
    #[serde(rename = "QueueARN")]
    pub queue_arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct UpdateQueueInput {
    #[serde(rename = "QueueARN")]
    pub queue_arn: String,
    pub queue_attributes: QueueAttributes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct ListQueuesInput {
    pub max_results: Option<usize>,
    pub next_token: Option<String>,
    pub stream_filter: Option<Vec<StreamFilter>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct StreamFilter {
    #[serde(rename = "StreamARN")]
    pub stream_arn: String,
    pub stream_creation_timestamp: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct ListQueuesOutput {
    pub queue_summaries: Vec<QueueSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct QueueSummary {
    pub queue_name: String,
    #[serde(rename = "QueueARN")]
    pub queue_arn: String,
    pub queue_status: &'static str,
    pub queue_creation_timestamp: Timestamp,
    pub streams: Vec<StreamIdentifier>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct StreamIdentifier {
    #[serde(rename = "StreamARN")]
    pub stream_arn: String,
    pub stream_creation_timestamp: Timestamp,
}

/// ReceiveQueueRecords and ReceiveDeadLetterQueueRecords.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct ReceiveInput {
    #[serde(rename = "QueueARN")]
    pub queue_arn: String,
    pub limit: Option<usize>,
    pub wait_time_seconds: Option<u64>,
    pub visibility_timeout_seconds: Option<u32>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct ReceiveOutput {
    pub queue_records: Vec<QueueRecord>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct QueueRecord {
    pub receipt_handle: String,
    pub record_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_key: Option<String>,
    pub data: Blob,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approximate_arrival_timestamp: Option<Timestamp>,
    pub first_receive_timestamp: Timestamp,
    pub receive_count: u32,
}

/// Acknowledgements and restorations.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct HandlesInput {
    #[serde(rename = "QueueARN")]
    pub queue_arn: String,
    pub entries: Vec<HandleEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct HandleEntry {
    pub receipt_handle: String,
}

/// UpdateQueueRecordsVisibility and UpdateDeadLetterQueueRecordsVisibility.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct VisibilityInput {
    #[serde(rename = "QueueARN")]
    pub queue_arn: String,
    pub entries: Vec<VisibilityEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct VisibilityEntry {
    pub receipt_handle: String,
    pub visibility_timeout_seconds: u32,
}

/// What became of each entry.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct EntriesOutput {
    pub successful: Vec<Success>,
    pub failed: Vec<Failure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct Success {
    pub receipt_handle: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct Failure {
    pub receipt_handle: String,
    pub error_code: &'static str,
    pub error_message: String,
}
