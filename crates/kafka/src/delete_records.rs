//! DeleteRecords 0–2 (KIP-107, KIP-204): what lies before an offset is dropped, from the readers' sight at once.

use model::Offset;
use store::{LogChange, Txn};

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::partition::wire_offset;
use crate::session::Call;
use crate::topics::Topic;
use crate::wire::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use crate::wire::{DeleteRecordsRequestData, DeleteRecordsResponseData, ErrorCode};

/// In place of an offset: all that is there.
const HIGH_WATERMARK: i64 = -1;
/// No low watermark to tell.
const NOTHING: i64 = -1;

pub(crate) async fn delete_records(
    call: Call,
    request: DeleteRecordsRequestData,
) -> Reply<DeleteRecordsResponseData> {
    Reply::later(async move {
        let mut topics = Vec::with_capacity(request.topics.len());
        for asked in &request.topics {
            let name = asked.name.as_str();
            let topic = if call.may(Operation::Delete, Resource::Topic(name)) {
                call.broker.topic(name).await
            } else {
                Err(ErrorCode::TopicAuthorizationFailed.into())
            };
            let mut partitions = Vec::with_capacity(asked.partitions.len());
            for partition in &asked.partitions {
                let index = partition.partition_index;
                let done = match &topic {
                    Ok(topic) => delete(&call, topic, index, partition.offset).await,
                    Err(refusal) => Err(refusal.clone()),
                };
                partitions.push(DeleteRecordsPartitionResult {
                    partition_index: index,
                    low_watermark: done.as_ref().map_or(NOTHING, |start| wire_offset(*start)),
                    error_code: done.err().map_or(0, |refusal| refusal.number()),
                    ..DeleteRecordsPartitionResult::default()
                });
            }
            topics.push(DeleteRecordsTopicResult {
                name: asked.name.clone(),
                partitions,
                ..DeleteRecordsTopicResult::default()
            });
        }
        DeleteRecordsResponseData {
            topics,
            ..DeleteRecordsResponseData::default()
        }
    })
}

/// Where the partition starts afterwards.
async fn delete(
    call: &Call,
    topic: &Topic,
    partition: i32,
    offset: i64,
) -> Result<Offset, Refusal> {
    let log = topic.log(partition)?;
    if !topic.config.deletes {
        return Err(ErrorCode::PolicyViolation.into());
    }
    let store = call.broker.streams.store();
    let bounds = store.bounds(log).await?;
    let before = match offset {
        HIGH_WATERMARK => bounds.end,
        offset => u64::try_from(offset)
            .ok()
            .map(Offset)
            .filter(|offset| *offset <= bounds.end)
            .ok_or(ErrorCode::OffsetOutOfRange)?,
    };
    if before > bounds.start {
        let txn = Txn {
            logs: vec![LogChange::Trim(log, before)],
            ..Txn::default()
        };
        store.commit(txn).await?;
    }
    Ok(store.bounds(log).await?.start)
}
