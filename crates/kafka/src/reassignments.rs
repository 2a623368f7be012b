//! AlterPartitionReassignments 0–1 and ListPartitionReassignments 0 (KIP-455): a partition may be put where it is, on the one
//! broker there is, and so no move is ever under way.

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::create_partitions::check_replicas;
use crate::error::Refusal;
use crate::session::Call;
use crate::wire::alter_partition_reassignments_request::ReassignablePartition;
use crate::wire::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use crate::wire::{
    AlterPartitionReassignmentsRequestData, AlterPartitionReassignmentsResponseData, ErrorCode,
    ListPartitionReassignmentsRequestData, ListPartitionReassignmentsResponseData, text,
};

pub(crate) async fn alter_partition_reassignments(
    call: Call,
    request: AlterPartitionReassignmentsRequestData,
) -> Reply<AlterPartitionReassignmentsResponseData> {
    let mut response = AlterPartitionReassignmentsResponseData::default();
    if call.version >= 1 {
        response.allow_replication_factor_change = request.allow_replication_factor_change;
    }
    if !call.may(Operation::Alter, Resource::Cluster) {
        response.error_code = ErrorCode::ClusterAuthorizationFailed.code();
        return response.into();
    }
    for asked in &request.topics {
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for partition in &asked.partitions {
            let refusal = alter(&call, asked.name.as_str(), partition).await.err();
            partitions.push(ReassignablePartitionResponse {
                partition_index: partition.partition_index,
                error_code: refusal.as_ref().map_or(0, Refusal::number),
                error_message: refusal.and_then(|refusal| refusal.message.as_deref().map(text)),
                ..ReassignablePartitionResponse::default()
            });
        }
        response.responses.push(ReassignableTopicResponse {
            name: asked.name.clone(),
            partitions,
            ..ReassignableTopicResponse::default()
        });
    }
    response.into()
}

async fn alter(call: &Call, name: &str, asked: &ReassignablePartition) -> Result<(), Refusal> {
    let unknown = |what: String| Refusal::new(ErrorCode::UnknownTopicOrPartition, what);
    let topic = call.broker.topic(name).await;
    let topic = topic.map_err(|refusal| match refusal.code {
        ErrorCode::UnknownTopicOrPartition => {
            unknown(format!("Unable to find a topic named {name}."))
        }
        _ => refusal,
    })?;
    let partition = asked.partition_index;
    topic
        .partition(partition)
        .map_err(|_| unknown(format!("Unable to find partition {name}:{partition}.")))?;
    match &asked.replicas {
        Some(replicas) => check_replicas(replicas),
        None => Err(Refusal::new(
            ErrorCode::NoReassignmentInProgress,
            "No partition reassignment is in progress.",
        )),
    }
}

pub(crate) async fn list_partition_reassignments(
    call: Call,
    _request: ListPartitionReassignmentsRequestData,
) -> Reply<ListPartitionReassignmentsResponseData> {
    let code = if call.may(Operation::Describe, Resource::Cluster) {
        ErrorCode::None
    } else {
        ErrorCode::ClusterAuthorizationFailed
    };
    ListPartitionReassignmentsResponseData {
        error_code: code.code(),
        ..ListPartitionReassignmentsResponseData::default()
    }
    .into()
}
