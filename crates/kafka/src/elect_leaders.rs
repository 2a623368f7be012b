//! ElectLeaders 0–2 (KIP-183, KIP-460): each partition is led by the one broker there is.

use std::sync::Arc;

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::session::Call;
use crate::topics::Topic;
use crate::wire::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use crate::wire::{ElectLeadersRequestData, ElectLeadersResponseData, ErrorCode, text};

/// Greatest `election_type`: unclean; 0 is the preferred leader's.
const UNCLEAN: i8 = 1;

pub(crate) async fn elect_leaders(
    call: Call,
    request: ElectLeadersRequestData,
) -> Reply<ElectLeadersResponseData> {
    let refusal = if !call.may(Operation::Alter, Resource::Cluster) {
        Some(ErrorCode::ClusterAuthorizationFailed)
    } else if (0..=UNCLEAN).contains(&request.election_type) {
        None
    } else {
        Some(ErrorCode::InvalidRequest)
    };
    let mut results = Vec::new();
    // Without topics all partitions are meant; those that need no election are left out then, and none does.
    for asked in request.topic_partitions.iter().flatten() {
        let name = asked.topic.as_str();
        let topic = call.broker.topic(name).await;
        let partitions = asked.partitions.iter().map(|&partition_id| {
            let refusal = match refusal {
                Some(code) => code.into(),
                None => outcome(&topic, name, partition_id),
            };
            PartitionResult {
                partition_id,
                error_code: refusal.number(),
                error_message: refusal.message.as_deref().map(text),
                ..PartitionResult::default()
            }
        });
        results.push(ReplicaElectionResult {
            topic: asked.topic.clone(),
            partition_result: partitions.collect(),
            ..ReplicaElectionResult::default()
        });
    }
    ElectLeadersResponseData {
        error_code: match refusal {
            Some(code) if call.version >= 1 => code.code(),
            _ => 0,
        },
        replica_election_results: results,
        ..ElectLeadersResponseData::default()
    }
    .into()
}

fn outcome(topic: &Result<Arc<Topic>, Refusal>, name: &str, partition: i32) -> Refusal {
    let unknown = |what: String| Refusal::new(ErrorCode::UnknownTopicOrPartition, what);
    match topic {
        Ok(topic) if topic.partition(partition).is_ok() => Refusal::new(
            ErrorCode::ElectionNotNeeded,
            "Leader election not needed for topic partition.",
        ),
        Ok(_) => unknown(format!("No such partition as {name}-{partition}")),
        Err(refusal) if refusal.code == ErrorCode::UnknownTopicOrPartition => {
            unknown(format!("No such topic as {name}"))
        }
        Err(refusal) => refusal.clone(),
    }
}
