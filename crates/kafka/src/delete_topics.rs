//! DeleteTopics 1–6 (KIP-4, KIP-516, KIP-599): each topic for itself, with all its records. One that is asked for twice, by its
//! name, its id or both, stays.

use std::collections::{HashMap, HashSet};

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::session::Call;
use crate::topics::{Doubles, Topic};
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
    let twice = Twice::of(&asked);
    let mut responses = Vec::with_capacity(asked.len());
    for topic in &asked {
        let mut result = DeletableTopicResult {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            ..DeletableTopicResult::default()
        };
        match delete(&call, topic, &twice).await {
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

/// What a request names by name and by id.
struct Twice<'a> {
    names: HashSet<&'a str>,
    doubles: Doubles<'a>,
    ids: HashMap<KafkaUuid, u32>,
}

impl<'a> Twice<'a> {
    fn of(asked: &'a [DeleteTopicState]) -> Twice<'a> {
        let by_name = asked
            .iter()
            .filter(|topic| topic.topic_id == KafkaUuid::ZERO);
        let names = by_name.filter_map(|topic| topic.name.as_ref().map(KafkaString::as_str));
        let mut ids = HashMap::new();
        for topic in asked.iter().filter(|topic| topic.name.is_none()) {
            *ids.entry(topic.topic_id).or_default() += 1;
        }
        Twice {
            names: names.clone().collect(),
            doubles: Doubles::of(names),
            ids,
        }
    }

    /// Refuses a topic that is named by its name and by its id.
    fn check(&self, topic: &Topic) -> Result<(), Refusal> {
        if self.names.contains(topic.name()) && self.ids.contains_key(&topic.id) {
            return Err(invalid(
                "The provided topic name maps to an ID that was already supplied.",
            ));
        }
        Ok(())
    }
}

fn invalid(why: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, why)
}

async fn delete(
    call: &Call,
    asked: &DeleteTopicState,
    twice: &Twice<'_>,
) -> Result<(KafkaString, KafkaUuid), Refusal> {
    let name = asked.name.as_ref().map(KafkaString::as_str);
    let may = |name: &str| call.may(Operation::Delete, Resource::Topic(name));
    let topic = match name {
        Some(_) if asked.topic_id != KafkaUuid::ZERO => {
            return Err(invalid("You may not specify both topic name and topic id."));
        }
        Some(name) => {
            twice.doubles.check(name)?;
            if !may(name) {
                return Err(ErrorCode::TopicAuthorizationFailed.into());
            }
            call.broker.topic(name).await?
        }
        None if asked.topic_id == KafkaUuid::ZERO => {
            return Err(invalid("Neither topic name nor id were specified."));
        }
        None => {
            if twice
                .ids
                .get(&asked.topic_id)
                .is_some_and(|times| *times > 1)
            {
                return Err(invalid("Duplicate topic id."));
            }
            let topic = call.broker.topic_by_id(asked.topic_id).await?;
            if !may(topic.name()) {
                return Err(ErrorCode::TopicAuthorizationFailed.into());
            }
            topic
        }
    };
    twice.check(&topic)?;
    let partitions = topic.stream.topology.partitions().count();
    call.take_mutations(u32::try_from(partitions).unwrap_or(u32::MAX), 5)?;
    call.broker.streams.delete(&topic.stream.name).await?;
    Ok((text(topic.name()), topic.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{World, answer};

    fn named(name: &str) -> DeleteTopicState {
        DeleteTopicState {
            name: Some(text(name)),
            ..DeleteTopicState::default()
        }
    }

    fn with_id(topic_id: KafkaUuid) -> DeleteTopicState {
        DeleteTopicState {
            topic_id,
            ..DeleteTopicState::default()
        }
    }

    #[tokio::test]
    async fn a_topic_that_is_asked_for_twice_stays() {
        let world = World::new().await;
        world.topic("t", 1, &[]).await;
        world.topic("other", 1, &[]).await;
        let id = world.broker.topic("t").await.unwrap().id;
        let delete = async |topics: Vec<DeleteTopicState>| {
            let request = DeleteTopicsRequestData {
                topics,
                ..DeleteTopicsRequestData::default()
            };
            let deleted = answer(delete_topics(world.call(6), request).await).await;
            let codes = deleted.responses.iter().map(|one| one.error_code);
            codes.collect::<Vec<_>>()
        };
        let invalid = ErrorCode::InvalidRequest.code();
        let both = DeleteTopicState {
            topic_id: id,
            ..named("t")
        };
        for wrong in [
            vec![named("t"), named("t")],
            vec![with_id(id), with_id(id)],
            vec![named("t"), with_id(id)],
            vec![with_id(id), named("t")],
            vec![both],
            vec![with_id(KafkaUuid::ZERO)],
        ] {
            let expected = vec![invalid; wrong.len()];
            assert_eq!(delete(wrong.clone()).await, expected, "{wrong:?}");
        }
        assert!(world.broker.topic("t").await.is_ok());
        assert_eq!(delete(vec![with_id(id), named("other")]).await, [0, 0]);
        assert!(world.broker.topic("t").await.is_err());
    }
}
