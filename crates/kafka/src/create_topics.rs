//! CreateTopics 2–7 (KIP-4, KIP-195, KIP-464, KIP-525): each topic for itself. There is one broker, so that a replication
//! factor other than 1, or -1 for the default, is refused.

use crate::access::{Operation, Resource};
use crate::broker::NODE_ID;
use crate::configs::{self, Chosen};
use crate::connection::Reply;
use crate::describe_configs::{self, Entry};
use crate::error::Refusal;
use crate::session::Call;
use crate::topics::{Doubles, PARTITIONS_MAX, check_name};
use crate::wire::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequestData,
    CreateTopicsResponseData, ErrorCode, KafkaString, KafkaUuid, text,
};

pub(crate) async fn create_topics(
    call: Call,
    request: CreateTopicsRequestData,
) -> Reply<CreateTopicsResponseData> {
    let mut topics = Vec::with_capacity(request.topics.len());
    let names = request.topics.iter().map(|asked| asked.name.as_str());
    let doubles = Doubles::of(names);
    for asked in &request.topics {
        let created = match doubles.check(asked.name.as_str()) {
            Ok(()) => create(&call, asked, request.validate_only).await,
            Err(refusal) => Err(refusal),
        };
        topics.push(created.unwrap_or_else(|refusal| CreatableTopicResult {
            name: asked.name.clone(),
            error_code: refusal.number(),
            error_message: refusal.message.as_deref().map(text),
            num_partitions: -1,
            replication_factor: -1,
            configs: Some(Vec::new()),
            ..CreatableTopicResult::default()
        }));
    }
    CreateTopicsResponseData {
        topics,
        throttle_time_ms: call.mutation_wait(),
        ..CreateTopicsResponseData::default()
    }
    .into()
}

async fn create(
    call: &Call,
    asked: &CreatableTopic,
    is_trial: bool,
) -> Result<CreatableTopicResult, Refusal> {
    let name = asked.name.as_str();
    let may = call.may(Operation::Create, Resource::Cluster)
        || call.may(Operation::Create, Resource::Topic(name));
    if !may {
        return Err(ErrorCode::TopicAuthorizationFailed.into());
    }
    check_name(name)?;
    match call.broker.topic(name).await {
        Ok(_) => {
            let message = format!("Topic '{name}' already exists.");
            return Err(Refusal::new(ErrorCode::TopicAlreadyExists, message));
        }
        Err(refusal) if refusal.code == ErrorCode::UnknownTopicOrPartition => {}
        Err(refusal) => return Err(refusal),
    }
    let partitions = partitions(asked, call.broker.partitions_default())?;
    let pairs = asked.configs.iter();
    let pairs = pairs.map(|one| {
        (
            one.name.as_str(),
            one.value.as_ref().map(KafkaString::as_str),
        )
    });
    let chosen = Chosen::check(pairs, &call.broker.configs.topic_defaults())?;
    if is_trial {
        call.broker.check_collision(name).await?;
        let entries = describe_configs::of_topic(call, |name| chosen.own(name));
        return Ok(described(
            call,
            (name, KafkaUuid::ZERO),
            partitions,
            &entries,
        ));
    }
    call.take_mutations(partitions, 6)?;
    let topic = call.broker.create_topic(name, partitions, chosen).await?;
    let settings = &topic.stream.settings;
    let entries = describe_configs::of_topic(call, |name| configs::own(settings, name));
    Ok(described(call, (name, topic.id), partitions, &entries))
}

fn described(
    call: &Call,
    (name, topic_id): (&str, KafkaUuid),
    partitions: u32,
    entries: &[Entry],
) -> CreatableTopicResult {
    let mut described = CreatableTopicResult {
        name: text(name),
        topic_id,
        num_partitions: -1,
        replication_factor: -1,
        configs: Some(Vec::new()),
        ..CreatableTopicResult::default()
    };
    // KIP-525: who may make a topic may not see how all are set.
    if !call.may(Operation::DescribeConfigs, Resource::Topic(name)) {
        described.topic_config_error_code = ErrorCode::TopicAuthorizationFailed.code();
        return described;
    }
    let configs = entries.iter().map(|entry| {
        let (value, source) = entry.in_force();
        CreatableTopicConfigs {
            name: text(entry.name()),
            config_source: source as i8,
            value: Some(text(value)),
            ..CreatableTopicConfigs::default()
        }
    });
    described.num_partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
    described.replication_factor = 1;
    described.configs = Some(configs.collect());
    described
}

/// How many partitions are asked for, by number or by assignment.
fn partitions(asked: &CreatableTopic, default: u32) -> Result<u32, Refusal> {
    if asked.assignments.is_empty() {
        if !matches!(asked.replication_factor, -1 | 1) {
            return Err(Refusal::new(
                ErrorCode::InvalidReplicationFactor,
                format!(
                    "Replication factor must be 1, or -1 for the default, as there is one broker; got {}",
                    asked.replication_factor
                ),
            ));
        }
        return match asked.num_partitions {
            -1 => Ok(default),
            count @ 1..=PARTITIONS_MAX => Ok(count.unsigned_abs()),
            count => Err(Refusal::new(
                ErrorCode::InvalidPartitions,
                format!(
                    "Number of partitions must be 1 to {PARTITIONS_MAX}, or -1 for the default; got {count}"
                ),
            )),
        };
    }
    if asked.num_partitions != -1 || asked.replication_factor != -1 {
        return Err(Refusal::new(
            ErrorCode::InvalidRequest,
            "Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time.",
        ));
    }
    let mut indexes: Vec<i32> = asked
        .assignments
        .iter()
        .map(|one| one.partition_index)
        .collect();
    indexes.sort_unstable();
    let are_all_ours = asked
        .assignments
        .iter()
        .all(|one| one.broker_ids == [NODE_ID]);
    let is_gapless = indexes
        .iter()
        .zip(0..)
        .all(|(index, expected)| *index == expected);
    if !are_all_ours || !is_gapless {
        return Err(Refusal::new(
            ErrorCode::InvalidReplicaAssignment,
            format!(
                "Partitions must be numbered from 0 without gaps and assigned to broker {NODE_ID} alone"
            ),
        ));
    }
    Ok(indexes.len() as u32)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::world::{World, answer};

    /// Longest that a request of some megabytes may keep a thread, in a build for tests.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_topic_is_asked_for_once_and_very_many_are_answered_in_good_time() {
        let world = World::new().await;
        let names = (0..200_000).map(|number| format!("a/{number}"));
        let names = names.chain(["twice".into(), "twice".into()]);
        let topics = names.map(|name| CreatableTopic {
            name: text(&name),
            ..CreatableTopic::default()
        });
        let request = CreateTopicsRequestData {
            topics: topics.collect(),
            ..CreateTopicsRequestData::default()
        };
        let began = Instant::now();
        let made = answer(create_topics(world.call(7), request).await).await;
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
        let mut codes: Vec<i16> = made.topics.iter().map(|one| one.error_code).collect();
        let again = ErrorCode::InvalidRequest.code();
        assert_eq!((codes.pop(), codes.pop()), (Some(again), Some(again)));
        let wrong = ErrorCode::InvalidTopicException.code();
        assert!(codes.iter().all(|code| *code == wrong));
        assert!(world.broker.topic("twice").await.is_err());
        let configs = made.topics.iter().map(|one| one.configs.as_deref());
        assert!(configs.into_iter().all(|configs| configs == Some(&[])));
    }
}
