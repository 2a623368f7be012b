//! DescribeProducers 0 (KIP-664): who writes to a partition, and since where in a transaction.

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::partition::wire_offset;
use crate::session::Call;
use crate::transaction::machine::NONE;
use crate::wire::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use crate::wire::{DescribeProducersRequestData, DescribeProducersResponseData, ErrorCode, text};

pub(crate) async fn describe_producers(
    call: Call,
    request: DescribeProducersRequestData,
) -> Reply<DescribeProducersResponseData> {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for &partition_index in &topic.partition_indexes {
            let mut answer = PartitionResponse {
                partition_index,
                ..PartitionResponse::default()
            };
            match producers(&call, topic.name.as_str(), partition_index).await {
                Ok(producers) => answer.active_producers = producers,
                Err(refusal) => {
                    answer.error_code = refusal.number();
                    answer.error_message = refusal.message.as_deref().map(text);
                }
            }
            partitions.push(answer);
        }
        topics.push(TopicResponse {
            name: topic.name.clone(),
            partitions,
            ..TopicResponse::default()
        });
    }
    DescribeProducersResponseData {
        topics,
        ..DescribeProducersResponseData::default()
    }
    .into()
}

async fn producers(
    call: &Call,
    topic: &str,
    partition: i32,
) -> Result<Vec<ProducerState>, Refusal> {
    if !call.may(Operation::Read, Resource::Topic(topic)) {
        return Err(ErrorCode::TopicAuthorizationFailed.into());
    }
    let log = call.broker.topic(topic).await?.log(partition)?;
    let streams = &call.broker.streams;
    let seen = streams.store().producers(log).await?;
    let state = |one: store::producers::ProducerSeen| ProducerState {
        producer_id: one.id,
        producer_epoch: one.epoch.into(),
        last_sequence: one.last_sequence,
        last_timestamp: one.last_time.0,
        coordinator_epoch: super::end::COORDINATOR_EPOCH,
        current_txn_start_offset: streams
            .undecided()
            .first(log, one.id)
            .map_or(NONE, wire_offset),
        ..ProducerState::default()
    };
    Ok(seen.into_iter().map(state).collect())
}
