//! DescribeQueue, UpdateQueue and DeleteQueue.

use std::sync::Arc;

use aws::Caller;
use store::{LogChange, StoreError, Txn, Write};

use super::super::api::queues::{
    DeadLetterConfiguration, NamedQueueInput, QueueAttributes, QueueDescription, QueueOutput,
    StartingPosition, StreamConfiguration, UpdateQueueInput,
};
use super::super::{Kinesis, KinesisError};
use super::record::{self, QueueName, Settings};
use super::{ATTEMPTS, Queue, create, named};

/// DescribeQueue.
pub(in super::super) async fn describe_queue(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: NamedQueueInput,
) -> Result<QueueOutput, KinesisError> {
    let queue = kinesis.queue(&named(&caller, &input.queue_arn)?).await?;
    Ok(described(&queue, kinesis.clock.now()))
}

/// UpdateQueue. What it changes holds at once; UPDATING is shown for a moment.
pub(in super::super) async fn update_queue(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: UpdateQueueInput,
) -> Result<QueueOutput, KinesisError> {
    let name = named(&caller, &input.queue_arn)?;
    let queue = kinesis
        .change_queue(&name, |settings| {
            let now = kinesis.clock.now();
            let status = settings.status(now);
            if status != "ACTIVE" {
                return Err(KinesisError::ResourceInUse(format!(
                    "Queue {} under account {} not ACTIVE, instead in state {status}",
                    name.arn(),
                    name.account
                )));
            }
            let before = settings.clone();
            create::apply(Some(&input.queue_attributes), settings)?;
            if *settings != before {
                settings.updated = Some(now);
            }
            Ok(())
        })
        .await?;
    kinesis.refresh(&queue).await?;
    Ok(described(&queue, kinesis.clock.now()))
}

/// DeleteQueue. Gone at once; those who wait for its records are told, and its receipt handles are worth nothing.
pub(in super::super) async fn delete_queue(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: NamedQueueInput,
) -> Result<(), KinesisError> {
    let name = named(&caller, &input.queue_arn)?;
    let number = kinesis.delete_queue(&name).await?;
    kinesis.plane.queues.end(number);
    kinesis.plane.queues.counters.forget(&name);
    Ok(())
}

/// A queue as clients see it.
pub(super) fn described(queue: &Queue, now: model::Timestamp) -> QueueOutput {
    let Queue { name, settings, .. } = queue;
    let position = &settings.position;
    // "While the queue is CREATING, the response echoes what you configured."
    let time = if settings.is_creating(now) {
        position.asked
    } else {
        Some(position.from)
    };
    let configuration = StreamConfiguration {
        stream_arn: settings.stream_name(name).arn().to_string(),
        starting_position: Some(StartingPosition {
            r#type: position.kind.clone(),
            timestamp: time.map(Into::into),
        }),
    };
    let queue_description = QueueDescription {
        queue_name: settings.name.clone(),
        queue_arn: name.arn().to_string(),
        queue_status: settings.status(now),
        queue_creation_timestamp: settings.created.into(),
        stream_configuration_list: vec![configuration],
        queue_attributes: attributes(settings),
    };
    QueueOutput { queue_description }
}

fn attributes(settings: &Settings) -> QueueAttributes {
    let target = match settings.max_receives {
        Some(_) => "BUILT_IN",
        None => "NONE",
    };
    QueueAttributes {
        visibility_timeout_seconds: Some(settings.visibility_seconds),
        dead_letter_configuration: Some(DeadLetterConfiguration {
            target_type: target.to_owned(),
            max_receive_count: settings.max_receives,
        }),
    }
}

impl Kinesis {
    /// Removes a queue with all its logs. Gives its number.
    async fn delete_queue(&self, name: &QueueName) -> Result<model::StreamId, KinesisError> {
        let _turn = self.plane.queues.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let queue = self.queue(name).await?;
            let settings = &queue.settings;
            let stream = self.find_named(&settings.stream_name(name)).await?;
            let mut txn = Txn {
                writes: vec![
                    Write::Delete { key: name.key() },
                    Write::Delete {
                        key: record::name_key(&name.account, &name.region, &settings.name),
                    },
                ],
                logs: settings.own_logs().map(LogChange::Delete).to_vec(),
                ..queue.unchanged()
            };
            for shard in 0..settings.taken_up {
                let journal = settings.journal(shard);
                match self.store.bounds(journal).await {
                    Ok(_) => txn.logs.push(LogChange::Delete(journal)),
                    Err(StoreError::NoSuchLog { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let mut of_stream = stream.settings.clone();
            of_stream.queues = of_stream.queues.saturating_sub(1);
            match self.streams.change_with(&stream, &of_stream, txn).await {
                Ok(()) => return Ok(settings.number),
                // Changed in between, or a journal went with its shard.
                Err(StoreError::Conflict { .. } | StoreError::NoSuchLog { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(KinesisError::Unavailable)
    }
}
