//! DeleteTopics 1–6 (KIP-4, KIP-516, KIP-599): each topic for itself, with all its records.

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::session::Call;
use crate::wire::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequestData, DeleteTopicsResponseData,
    ErrorCode, KafkaString, KafkaUuid, text,
};

pub(crate) async fn delete_topics(
    call: Call,
    request: DeleteTopicsRequestData,
) -> Reply<DeleteTopicsResponseData> {
    let by_name = request.topic_names.iter().map(|name| DeleteTopicState {
        name: Some(name.clone()),
        ..DeleteTopicState::default()
    });
    let asked: Vec<DeleteTopicState> = by_name.chain(request.topics.iter().cloned()).collect();
    let mut responses = Vec::with_capacity(asked.len());
    for topic in &asked {
        let mut result = DeletableTopicResult {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            ..DeletableTopicResult::default()
        };
        match delete(&call, topic).await {
            Ok((name, id)) => {
                result.name = Some(name);
                result.topic_id = id;
            }
            Err(refusal) => {
                result.error_code = refusal.number();
                result.error_message = refusal.message.as_deref().map(text);
            }
        }
        responses.push(result);
    }
    DeleteTopicsResponseData {
        responses,
        throttle_time_ms: call.mutation_wait(),
        ..DeleteTopicsResponseData::default()
    }
    .into()
}

async fn delete(
    call: &Call,
    asked: &DeleteTopicState,
) -> Result<(KafkaString, KafkaUuid), Refusal> {
    let name = asked.name.as_ref().map(KafkaString::as_str);
    let may = |name: &str| call.may(Operation::Delete, Resource::Topic(name));
    if let Some(name) = name
        && !may(name)
    {
        return Err(ErrorCode::TopicAuthorizationFailed.into());
    }
    let topic = match name {
        Some(name) if asked.topic_id == KafkaUuid::ZERO => call.broker.topic(name).await?,
        None => call.broker.topic_by_id(asked.topic_id).await?,
        Some(_) => {
            return Err(Refusal::new(
                ErrorCode::InvalidRequest,
                "You may not specify both topic name and topic id.",
            ));
        }
    };
    if name.is_none() && !may(topic.name()) {
        return Err(ErrorCode::TopicAuthorizationFailed.into());
    }
    let partitions = topic.stream.topology.partitions().count();
    call.take_mutations(u32::try_from(partitions).unwrap_or(u32::MAX), 5)?;
    call.broker.streams.delete(&topic.stream.name).await?;
    Ok((text(topic.name()), topic.id))
}
