//! Attributes of queues told and set.

use std::sync::Arc;

use aws::Caller;

use super::api::queues::{
    GetQueueAttributesInput, GetQueueAttributesOutput, SetQueueAttributesInput,
};
use super::attributes::{self, Asked, Attributes};
use super::error::SqsError;
use super::queues::Queue;
use super::{Sqs, naming};

/// Those that the delivery of messages tells.
const COUNTS: &[&str] = &[
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
];

/// GetQueueAttributes. None are told where none are asked for.
pub(super) async fn get_queue_attributes(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: GetQueueAttributesInput,
) -> Result<GetQueueAttributesOutput, SqsError> {
    let queue = sqs.find(&caller, input.queue_url.as_deref()).await?;
    let asked = Asked::of(input.attribute_names)?;
    let mut attributes = attributes::told(&queue.settings, &asked);
    attributes.extend(about(&queue).filter(|(name, _)| asked.has(name)));
    if asked.has_any(COUNTS) {
        let counts = counted(&queue).await?;
        attributes.extend(counts.into_iter().filter(|(name, _)| asked.has(name)));
    }
    Ok(GetQueueAttributesOutput { attributes })
}

/// What is told of a queue beside its settings.
fn about(queue: &Queue) -> impl Iterator<Item = (String, String)> {
    let seconds = |at: model::Timestamp| at.0.div_euclid(1_000).to_string();
    let told = [
        ("CreatedTimestamp", seconds(queue.settings.created)),
        ("LastModifiedTimestamp", seconds(queue.settings.modified)),
        ("QueueArn", queue.name.arn().to_string()),
    ];
    told.into_iter()
        .map(|(name, value)| (name.to_owned(), value))
}

async fn counted(queue: &Queue) -> Result<Attributes, SqsError> {
    let counts = queue.delivery().await?.counts().await?;
    let numbers = [counts.visible, counts.in_flight, counts.delayed];
    let told = COUNTS.iter().zip(numbers);
    Ok(told
        .map(|(name, number)| ((*name).to_owned(), number.to_string()))
        .collect())
}

/// SetQueueAttributes.
pub(super) async fn set_queue_attributes(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: SetQueueAttributesInput,
) -> Result<(), SqsError> {
    let name = naming::of_url(&caller, input.queue_url.as_deref())?;
    let given = input
        .attributes
        .ok_or_else(|| SqsError::missing("Attributes"))?;
    let queue = sqs.find_named(&name).await?;
    let mut wanted = queue.settings.clone();
    attributes::set(&mut wanted, &given)?;
    if given.contains_key("RedrivePolicy") {
        sqs.must_take_dead_letters(&name, &wanted).await?;
    }
    let now = sqs.clock.now();
    sqs.change(&name, |_, settings| {
        attributes::set(settings, &given)?;
        settings.modified = now;
        Ok(())
    })
    .await?;
    Ok(())
}
