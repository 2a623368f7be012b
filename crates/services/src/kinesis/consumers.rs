//! Consumers with enhanced fan-out: registered, described, listed and deregistered. Reading as one is in `fanout`.

use std::sync::Arc;

use aws::Caller;
use model::Timestamp;
use streams::{Mode, Stream, StreamName};

use super::api::consumers as wire;
use super::calls::OfStream;
use super::limits::{self, page};
use super::naming::Resource;
use super::records::{Attached, Commitment, Consumer};
use super::tokens::{self, Page};
use super::{Kinesis, KinesisError, Limits, naming, shards, tags};

/// RegisterStreamConsumer.
pub(super) async fn register_stream_consumer(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: wire::RegisterStreamConsumerInput,
) -> Result<wire::RegisterStreamConsumerOutput, KinesisError> {
    let stream = naming::stream_name(&caller, None, Some(&input.stream_arn))?;
    let name = input.consumer_name;
    let given = input.tags.unwrap_or_default();
    let tags = tags::merge(&name, &stream.account, &Default::default(), &given)?;
    let commitment = kinesis.commitment(&caller.account, &caller.region).await?;
    let now = kinesis.clock.now();
    let consumer = kinesis
        .amend(&stream, |found, attached| {
            kinesis.must_be_made(found)?;
            if attached.consumers.contains_key(&name) {
                return Err(exists(&found.name, &name));
            }
            let most = most_consumers(kinesis.limits, found, commitment, now);
            let queues = found.settings.queues as usize;
            if attached.consumers.len() + queues >= most {
                return Err(too_many(&found.name, most));
            }
            may_create_another(
                kinesis.limits,
                &found.name,
                attached.consumers.values(),
                now,
            )?;
            let consumer = Consumer {
                created: now,
                tags: tags.clone(),
                policy: None,
            };
            attached.consumers.insert(name.clone(), consumer.clone());
            Ok(consumer)
        })
        .await?;
    Ok(wire::RegisterStreamConsumerOutput {
        consumer: described(&stream, &name, &consumer, now),
    })
}

/// Without AWS's quotas, the most that AWS allows anywhere.
pub(super) fn most_consumers(
    limits: Limits,
    stream: &Stream,
    commitment: Option<Commitment>,
    now: Timestamp,
) -> usize {
    let is_advantage = stream.settings.mode == Mode::OnDemand
        && commitment.is_some_and(|commitment| commitment.holds(now));
    match limits {
        Limits::Aws if !is_advantage => limits::CONSUMERS,
        Limits::Aws | Limits::None => limits::CONSUMERS_MAX,
    }
}

/// A stream has as many consumers and queues as it may.
pub(super) fn too_many(stream: &StreamName, most: usize) -> KinesisError {
    let StreamName { account, name, .. } = stream;
    KinesisError::LimitExceeded(format!(
        "Stream {name} under account {account} has {most} registered consumers, queues included, and may not have more."
    ))
}

fn may_create_another<'a>(
    limits: Limits,
    stream: &StreamName,
    consumers: impl Iterator<Item = &'a Consumer>,
    now: Timestamp,
) -> Result<(), KinesisError> {
    let StreamName { account, name, .. } = stream;
    let creating = consumers
        .filter(|consumer| consumer.is_creating(now))
        .count();
    if limits == Limits::Aws && creating >= limits::CREATING_CONSUMERS {
        return Err(KinesisError::LimitExceeded(format!(
            "Stream {name} under account {account} may have {} consumers in CREATING at once.",
            limits::CREATING_CONSUMERS
        )));
    }
    Ok(())
}

/// DescribeStreamConsumer.
pub(super) async fn describe_stream_consumer(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: wire::NamedConsumerInput,
) -> Result<wire::DescribeStreamConsumerOutput, KinesisError> {
    let (stream, name) = named(&kinesis, &caller, &input).await?;
    let consumer = kinesis.consumer(&stream, &name).await?;
    let now = kinesis.clock.now();
    let described = described(&stream.name, &name.name, &consumer, now);
    Ok(wire::DescribeStreamConsumerOutput {
        consumer_description: wire::ConsumerDescription {
            consumer_name: described.consumer_name,
            consumer_arn: described.consumer_arn,
            consumer_status: described.consumer_status,
            consumer_creation_timestamp: described.consumer_creation_timestamp,
            stream_arn: stream.name.arn().to_string(),
        },
    })
}

/// DeregisterStreamConsumer. Gone at once; its subscriptions end.
pub(super) async fn deregister_stream_consumer(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: wire::NamedConsumerInput,
) -> Result<(), KinesisError> {
    let (stream, name) = named(&kinesis, &caller, &input).await?;
    kinesis
        .amend(&stream.name, |found, attached| {
            name.among(&found.name, attached)?;
            attached.consumers.remove(&name.name);
            Ok(())
        })
        .await?;
    let mut subscriptions = kinesis.plane.subscriptions();
    subscriptions.end(stream.settings.id, &name.name);
    Ok(())
}

/// ListStreamConsumers, by name.
pub(super) async fn list_stream_consumers(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: wire::ListStreamConsumersInput,
) -> Result<wire::ListStreamConsumersOutput, KinesisError> {
    let now = kinesis.clock.now();
    let stream = kinesis.find(&caller, None, Some(&input.stream_arn)).await?;
    shards::must_be_of(&stream, input.stream_creation_timestamp)?;
    let after = match &input.next_token {
        Some(_) if input.stream_creation_timestamp.is_some() => {
            return Err(KinesisError::InvalidArgument(
                "NextToken and StreamCreationTimestamp cannot be provided together.".into(),
            ));
        }
        Some(token) => match tokens::redeem(&caller, now, token)? {
            Page::Consumers {
                name,
                stream: id,
                after,
            } if name == stream.name.name && id == stream.settings.id => Some(after),
            _ => return Err(tokens::invalid()),
        },
        None => None,
    };
    let limit = input
        .max_results
        .map_or(page::CONSUMERS, |max| max.min(page::CONSUMERS));
    let attached = kinesis.attached(&stream.name).await?;
    let mut listed = attached
        .consumers
        .iter()
        .filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after));
    let page: Vec<_> = listed.by_ref().take(limit).collect();
    let more = listed.next().is_some();
    let next_token = page.last().filter(|_| more).map(|(last, _)| {
        let page = Page::Consumers {
            name: stream.name.name.clone(),
            stream: stream.settings.id,
            after: (*last).clone(),
        };
        tokens::issue(&caller, now, page)
    });
    let consumers = page
        .into_iter()
        .map(|(name, consumer)| described(&stream.name, name, consumer, now))
        .collect();
    Ok(wire::ListStreamConsumersOutput {
        consumers,
        next_token,
    })
}

/// A consumer as a request names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ConsumerName {
    pub name: String,
    /// When it was registered, in seconds, if the request says so: one of the same name registered later is another.
    pub created: Option<i64>,
}

impl ConsumerName {
    /// The consumer named, among those of `stream`.
    pub(super) fn among<'a>(
        &self,
        stream: &StreamName,
        attached: &'a mut Attached,
    ) -> Result<&'a mut Consumer, KinesisError> {
        let is_it = |consumer: &&mut Consumer| {
            let seconds = consumer.created_seconds();
            self.created.is_none_or(|created| created == seconds)
        };
        let found = attached.consumers.get_mut(&self.name).filter(is_it);
        found.ok_or_else(|| {
            let StreamName { account, name, .. } = stream;
            KinesisError::ResourceNotFound(format!(
                "Consumer {} under stream {name} and account {account} not found.",
                self.name
            ))
        })
    }
}

impl Kinesis {
    /// The consumer of that name.
    pub(super) async fn consumer(
        &self,
        stream: &Stream,
        name: &ConsumerName,
    ) -> Result<Consumer, KinesisError> {
        let mut attached = self.attached(&stream.name).await?;
        Ok(name.among(&stream.name, &mut attached)?.clone())
    }

    /// The stream and the consumer that a consumer's ARN names, ready to read: for SubscribeToShard.
    ///
    /// # Errors
    /// [`KinesisError::ResourceNotFound`] without it, [`KinesisError::ResourceInUse`] while it is being made.
    pub(super) async fn active_consumer(
        &self,
        caller: &Caller,
        arn: &str,
    ) -> Result<(Arc<Stream>, ConsumerName), KinesisError> {
        let (stream, name) = by_arn(caller, arn)?;
        let stream = self.find_named(&stream).await?;
        let consumer = self.consumer(&stream, &name).await?;
        if consumer.is_creating(self.clock.now()) {
            return Err(not_active(&stream.name, &name.name, &consumer));
        }
        Ok((stream, name))
    }
}

/// What DescribeStreamConsumer and DeregisterStreamConsumer name: a consumer by its ARN, or by its stream and name, or by all,
/// which must agree.
async fn named(
    kinesis: &Kinesis,
    caller: &Caller,
    input: &wire::NamedConsumerInput,
) -> Result<(Arc<Stream>, ConsumerName), KinesisError> {
    let (stream, name) = match (&input.consumer_arn, &input.stream_arn, &input.consumer_name) {
        (Some(arn), stream, name) => {
            let by_arn = by_arn(caller, arn)?;
            let stream_differs = stream
                .as_ref()
                .is_some_and(|arn| *arn != by_arn.0.arn().to_string());
            let name_differs = name.as_ref().is_some_and(|name| *name != by_arn.1.name);
            if stream_differs || name_differs {
                return Err(KinesisError::InvalidArgument(
                    "StreamARN, ConsumerName and ConsumerARN must name the same consumer.".into(),
                ));
            }
            by_arn
        }
        (None, Some(stream), Some(name)) => {
            let stream = naming::stream_name(caller, None, Some(stream))?;
            let name = ConsumerName {
                name: name.clone(),
                created: None,
            };
            (stream, name)
        }
        _ => {
            return Err(KinesisError::InvalidArgument(
                "Either ConsumerARN, or StreamARN and ConsumerName must be provided.".into(),
            ));
        }
    };
    Ok((kinesis.find_named(&stream).await?, name))
}

fn by_arn(caller: &Caller, arn: &str) -> Result<(StreamName, ConsumerName), KinesisError> {
    match Resource::parse(caller, arn)? {
        Resource::Consumer { stream, consumer } => Ok((stream, consumer)),
        Resource::Stream(_) => Err(KinesisError::InvalidArgument(format!(
            "{arn} is not the ARN of a consumer."
        ))),
    }
}

fn described(
    stream: &StreamName,
    name: &str,
    consumer: &Consumer,
    now: Timestamp,
) -> wire::Consumer {
    wire::Consumer {
        consumer_name: name.to_owned(),
        consumer_arn: format!(
            "{}/consumer/{name}:{}",
            stream.arn(),
            consumer.created_seconds()
        ),
        consumer_status: if consumer.is_creating(now) {
            "CREATING"
        } else {
            "ACTIVE"
        },
        consumer_creation_timestamp: consumer.created.into(),
    }
}

fn exists(stream: &StreamName, consumer: &str) -> KinesisError {
    let StreamName { account, name, .. } = stream;
    KinesisError::ResourceInUse(format!(
        "Consumer {consumer} under stream {name} and account {account} already exists."
    ))
}

fn not_active(stream: &StreamName, consumer: &str, found: &Consumer) -> KinesisError {
    let StreamName { account, name, .. } = stream;
    KinesisError::ResourceInUse(format!(
        "Consumer {consumer} with creation timestamp {} under stream {name} and account {account} is not in ACTIVE status.",
        found.created_seconds()
    ))
}

impl OfStream for wire::ListStreamConsumersInput {
    fn stream(&self) -> &str {
        &self.stream_arn
    }
}

impl OfStream for wire::NamedConsumerInput {
    fn stream(&self) -> &str {
        let consumer = self.consumer_arn.as_deref().unwrap_or_default();
        let of = consumer.split_once("/consumer/").map(|(stream, _)| stream);
        self.stream_arn.as_deref().or(of).unwrap_or_default()
    }
}
