//! WriteTxnMarkers 1–2 (KIP-98, KIP-664): a producer's transaction is ended in some partitions by themselves. Brokers of one
//! cluster tell each other so; here it is an administrator who has a transaction aborted that nobody ends.
//!
//! Where the coordinator knows the transaction, it goes on in its other partitions, and in these from the marker on.

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::session::Call;
use crate::transaction::machine::Asking;
use crate::wire::{
    ErrorCode, WritableTxnMarker, WritableTxnMarkerPartitionResult, WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult, WriteTxnMarkersRequestData, WriteTxnMarkersResponseData,
};

pub(crate) async fn write_txn_markers(
    call: Call,
    request: WriteTxnMarkersRequestData,
) -> Reply<WriteTxnMarkersResponseData> {
    Reply::later(async move {
        // KIP-1037: administrators are not brokers.
        let may = call.may(Operation::Alter, Resource::Cluster)
            || call.may(Operation::ClusterAction, Resource::Cluster);
        let mut markers = Vec::with_capacity(request.markers.len());
        for marker in &request.markers {
            let mut topics = Vec::with_capacity(marker.topics.len());
            for topic in &marker.topics {
                let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
                for &partition_index in &topic.partition_indexes {
                    let written = if may {
                        write(&call, marker, topic.name.as_str(), partition_index).await
                    } else {
                        Err(ErrorCode::ClusterAuthorizationFailed.into())
                    };
                    partitions.push(WritableTxnMarkerPartitionResult {
                        partition_index,
                        error_code: written.map_or_else(|refusal| refusal.number(), |()| 0),
                        ..WritableTxnMarkerPartitionResult::default()
                    });
                }
                topics.push(WritableTxnMarkerTopicResult {
                    name: topic.name.clone(),
                    partitions,
                    ..WritableTxnMarkerTopicResult::default()
                });
            }
            markers.push(WritableTxnMarkerResult {
                producer_id: marker.producer_id,
                topics,
                ..WritableTxnMarkerResult::default()
            });
        }
        WriteTxnMarkersResponseData {
            markers,
            ..WriteTxnMarkersResponseData::default()
        }
    })
}

async fn write(
    call: &Call,
    marker: &WritableTxnMarker,
    topic: &str,
    partition: i32,
) -> Result<(), Refusal> {
    if marker.producer_id < 0 || marker.producer_epoch < 0 {
        return Err(ErrorCode::InvalidRequest.into());
    }
    let log = call.broker.topic(topic).await?.log(partition)?;
    let asking = Asking {
        producer_id: marker.producer_id,
        epoch: marker.producer_epoch,
    };
    let transactions = &call.broker.transactions;
    transactions
        .mark(log, asking, marker.transaction_result)
        .await
}
