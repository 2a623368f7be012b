//! CreatePartitions 0–3 (KIP-195, KIP-599): partitions are added beside those there are, which go on as they were.
//!
//! A topic's partition numbers are its stream's shard numbers, which have no holes. In a stream that Kinesis has resharded some
//! are closed, and of these the oldest are empty.

use std::sync::Arc;

use crate::access::{Operation, Resource};
use crate::broker::NODE_ID;
use crate::connection::Reply;
use crate::error::Refusal;
use crate::session::Call;
use crate::topics::{Doubles, PARTITIONS_MAX, Topic};
use crate::wire::create_partitions_request::CreatePartitionsTopic;
use crate::wire::create_partitions_response::CreatePartitionsTopicResult;
use crate::wire::{CreatePartitionsRequestData, CreatePartitionsResponseData, ErrorCode, text};

pub(crate) async fn create_partitions(
    call: Call,
    request: CreatePartitionsRequestData,
) -> Reply<CreatePartitionsResponseData> {
    let mut results = Vec::with_capacity(request.topics.len());
    let names = request.topics.iter().map(|asked| asked.name.as_str());
    let doubles = Doubles::of(names);
    for asked in &request.topics {
        let outcome = match doubles.check(asked.name.as_str()) {
            Ok(()) => create(&call, asked, request.validate_only).await,
            Err(refusal) => Err(refusal),
        };
        let refusal = outcome.err();
        results.push(CreatePartitionsTopicResult {
            name: asked.name.clone(),
            error_code: refusal.as_ref().map_or(0, Refusal::number),
            error_message: refusal.and_then(|refusal| refusal.message.as_deref().map(text)),
            ..CreatePartitionsTopicResult::default()
        });
    }
    CreatePartitionsResponseData {
        results,
        throttle_time_ms: call.mutation_wait(),
        ..CreatePartitionsResponseData::default()
    }
    .into()
}

async fn create(call: &Call, asked: &CreatePartitionsTopic, is_trial: bool) -> Result<(), Refusal> {
    let name = asked.name.as_str();
    if !call.may(Operation::Alter, Resource::Topic(name)) {
        return Err(ErrorCode::TopicAuthorizationFailed.into());
    }
    let topic: Arc<Topic> = call.broker.topic(name).await?;
    let added = check(asked, topic.stream.settings.next_shard)?;
    call.broker.streams.may_grow(&topic.stream.name).await?;
    if is_trial {
        return Ok(());
    }
    call.take_mutations(added, 3)?;
    let plan = |stream: &streams::Stream, planner: streams::Planner<'_>| {
        Ok::<_, Refusal>(planner.grow(check(asked, stream.settings.next_shard)?))
    };
    call.broker
        .streams
        .reshard(&topic.stream.name, plan)
        .await
        .map(drop)
}

/// How many partitions are to be added to those numbered up to `next`.
fn check(asked: &CreatePartitionsTopic, next: u32) -> Result<u32, Refusal> {
    let invalid = |why: String| Refusal::new(ErrorCode::InvalidPartitions, why);
    let count = asked.count;
    if i64::from(count) == i64::from(next) {
        return Err(invalid(format!("Topic already has {next} partition(s).")));
    }
    let added = u32::try_from(count)
        .ok()
        .and_then(|count| count.checked_sub(next))
        .ok_or_else(|| {
            invalid(format!(
                "The topic {} currently has {next} partition(s); {count} would not be an increase.",
                asked.name.as_str()
            ))
        })?;
    if count > PARTITIONS_MAX {
        return Err(invalid(format!(
            "a topic has at most {PARTITIONS_MAX} partitions, got {count}"
        )));
    }
    let Some(assignments) = &asked.assignments else {
        return Ok(added);
    };
    let invalid = |why: String| Refusal::new(ErrorCode::InvalidReplicaAssignment, why);
    if assignments.len() != added as usize {
        return Err(invalid(format!(
            "Attempted to add {added} additional partition(s), but only {} assignment(s) were specified.",
            assignments.len()
        )));
    }
    for assignment in assignments {
        check_replicas(&assignment.broker_ids)?;
    }
    Ok(added)
}

/// Whether a partition's replicas can lie on these brokers: there is one.
///
/// # Errors
/// [`ErrorCode::InvalidReplicaAssignment`].
pub(crate) fn check_replicas(brokers: &[i32]) -> Result<(), Refusal> {
    let why = match brokers {
        [NODE_ID] => return Ok(()),
        [] => "The manual partition assignment includes an empty replica list.".to_owned(),
        _ => match brokers.iter().find(|broker| **broker != NODE_ID) {
            Some(other) => format!(
                "The manual partition assignment includes broker {other}, but no such broker is registered."
            ),
            None => format!(
                "The manual partition assignment includes the broker {NODE_ID} more than once."
            ),
        },
    };
    Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::create_partitions_request::CreatePartitionsAssignment;
    use crate::world::{World, answer};

    #[tokio::test]
    async fn a_topic_is_ready_for_kinesis_as_soon_as_it_is_made_or_has_grown() {
        let world = World::new().await;
        let status = async || {
            let topic = world.call(3).broker.topic("t").await.unwrap();
            topic.stream.status(world.clock.now())
        };
        world.topic("t", 2, &[]).await;
        assert_eq!(status().await, streams::Status::Active);
        let request = CreatePartitionsRequestData {
            topics: vec![CreatePartitionsTopic {
                name: text("t"),
                count: 3,
                ..CreatePartitionsTopic::default()
            }],
            ..CreatePartitionsRequestData::default()
        };
        let grown = answer(create_partitions(world.call(3), request).await).await;
        assert_eq!(grown.results[0].error_code, 0);
        assert_eq!(status().await, streams::Status::Active);
    }

    #[test]
    fn only_more_can_be_asked_for() {
        let asked = |count, assignments: Option<Vec<Vec<i32>>>| CreatePartitionsTopic {
            name: text("t"),
            count,
            assignments: assignments.map(|all| {
                let all = all.into_iter();
                all.map(|broker_ids| CreatePartitionsAssignment {
                    broker_ids,
                    ..CreatePartitionsAssignment::default()
                })
                .collect()
            }),
            ..CreatePartitionsTopic::default()
        };
        let code = |count, assignments| check(&asked(count, assignments), 3).map_err(|r| r.code);
        assert_eq!(code(5, None), Ok(2));
        assert_eq!(code(5, Some(vec![vec![1], vec![1]])), Ok(2));
        for count in [3, 2, 0, -1, i32::MIN, i32::MAX] {
            assert_eq!(
                code(count, None),
                Err(ErrorCode::InvalidPartitions),
                "{count}"
            );
        }
        for wrong in [
            vec![],
            vec![vec![1]],
            vec![vec![1], vec![2]],
            vec![vec![1], vec![1, 1]],
        ] {
            let refused = code(5, Some(wrong.clone()));
            assert_eq!(
                refused,
                Err(ErrorCode::InvalidReplicaAssignment),
                "{wrong:?}"
            );
        }
    }
}
