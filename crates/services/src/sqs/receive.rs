//! ReceiveMessage.
//!
//! A receive takes what is there, or waits for it as long as it is told to. What it takes is hidden from others from then on;
//! messages received too often go to the dead-letter queue first, and others take their place.

pub(super) mod asked;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws::Caller;
use aws::shapes::Blob;
use streams::delivery::{self, Delivered, Taken};
use tokio::time::Instant;

use self::asked::Asked;
use super::api::messages::{
    MessageAttributeValue, ReceiveMessageInput, ReceiveMessageOutput, ReceivedMessage,
};
use super::attempts::Given;
use super::error::SqsError;
use super::message::{Attribute, AttributeValue, Message, content};
use super::queues::Queue;
use super::rates::Action;
use super::send::sequence_number;
use super::{Sqs, counters, handles, limits, md5};

/// Messages of one answer.
const MESSAGES_MAX: i64 = 10;
/// Times a receive finds nothing but dead letters before it gives up.
const ROUNDS_MAX: usize = 1_000;

/// How a receive goes.
#[derive(Clone, Copy, Debug)]
struct How {
    max: usize,
    visibility: Duration,
    wait: Duration,
}

/// ReceiveMessage. Dropped while it waits, it takes nothing.
pub(super) async fn receive_message(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: ReceiveMessageInput,
) -> Result<ReceiveMessageOutput, SqsError> {
    let queue = sqs.find(&caller, input.queue_url.as_deref()).await?;
    sqs.admit(&queue, Action::Receive, std::iter::empty())?;
    let how = How::of(&input, &queue)?;
    let asked = Asked::of(&input)?;
    let attempt = attempt_id(&input, &queue)?;
    let delivery = queue.delivery().await?;
    let repeated = match attempt {
        Some(id) => sqs.repeat(&queue, delivery, id, how.visibility).await?,
        None => None,
    };
    let messages = match repeated {
        Some(messages) => messages,
        None => sqs.receive(&queue, delivery, how, attempt).await?,
    };
    let counters = queue.counters();
    if messages.is_empty() {
        counters::add(&counters.empty_receives, 1);
    }
    counters::add(&counters.messages_received, messages.len());
    let messages = messages
        .iter()
        .map(|delivered| received(&queue, delivered, &asked))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(ReceiveMessageOutput { messages })
}

impl How {
    fn of(input: &ReceiveMessageInput, queue: &Queue) -> Result<How, SqsError> {
        let max = input.max_number_of_messages.unwrap_or(1);
        if !(1..=MESSAGES_MAX).contains(&max) {
            return Err(SqsError::invalid(
                &max.to_string(),
                "MaxNumberOfMessages",
                "Must be between 1 and 10, if provided.",
            ));
        }
        let seconds = |given: Option<i64>, default: u32, most: u32, parameter: &str| {
            let given = given.unwrap_or(default.into());
            match u64::try_from(given) {
                Ok(seconds) if seconds <= most.into() => Ok(Duration::from_secs(seconds)),
                _ => Err(SqsError::invalid(
                    &given.to_string(),
                    parameter,
                    &format!("Must be >= 0 and <= {most}, if provided."),
                )),
            }
        };
        let settings = &queue.settings;
        Ok(How {
            max: usize::try_from(max).unwrap_or(1),
            visibility: seconds(
                input.visibility_timeout,
                settings.visibility_timeout,
                *limits::VISIBILITY_TIMEOUT.end(),
                "VisibilityTimeout",
            )?,
            wait: seconds(
                input.wait_time_seconds,
                settings.receive_message_wait_time_seconds,
                *limits::RECEIVE_WAIT_SECONDS.end(),
                "WaitTimeSeconds",
            )?,
        })
    }
}

/// The attempt's id, which FIFO queues alone know of.
fn attempt_id<'a>(
    input: &'a ReceiveMessageInput,
    queue: &Queue,
) -> Result<Option<&'a str>, SqsError> {
    let Some(id) = input.receive_request_attempt_id.as_deref() else {
        return Ok(None);
    };
    if queue.settings.fifo.is_none() {
        return Err(SqsError::invalid(
            id,
            "ReceiveRequestAttemptId",
            "The request include parameter that is not valid for this queue type.",
        ));
    }
    content::must_be_an_id(id, "ReceiveRequestAttemptId")?;
    Ok(Some(id))
}

impl Sqs {
    /// Takes messages, waiting for them where there are none. Remembers them under the attempt's id.
    async fn receive(
        self: &Arc<Self>,
        queue: &Arc<Queue>,
        delivery: &delivery::Queue,
        how: How,
        attempt: Option<&str>,
    ) -> Result<Vec<Delivered>, SqsError> {
        self.restore_redrive(queue, delivery).await?;
        let until = Instant::now() + how.wait;
        for _ in 0..ROUNDS_MAX {
            let wait = until.saturating_duration_since(Instant::now());
            let Taken {
                messages,
                dead,
                is_over_limit,
            } = delivery.receive(how.max, how.visibility, wait).await?;
            let found_dead = !dead.is_empty();
            self.note(queue, &messages, attempt);
            if found_dead {
                // They are held back for a while, and found again if this fails.
                let moved = self.give_up(queue, dead).await;
                if messages.is_empty() {
                    moved?;
                }
            }
            if !messages.is_empty() {
                return Ok(messages);
            }
            let is_fifo = queue.settings.fifo.is_some();
            if is_over_limit && !is_fifo && how.wait.is_zero() {
                return Err(SqsError::OverLimit(
                    "The number of messages in flight exceeds the limit of this queue.".into(),
                ));
            }
            if !found_dead {
                break;
            }
        }
        Ok(Vec::new())
    }

    fn note(&self, queue: &Queue, messages: &[Delivered], attempt: Option<&str>) {
        let Some(id) = attempt else {
            return;
        };
        let given = messages.iter().map(|delivered| Given {
            receipt: delivered.receipt,
            first_received: delivered.first_received,
        });
        let now = self.clock.now();
        queue.attempts().remember(id, given.collect(), now);
    }

    /// The messages that an earlier receive of this attempt took, hidden anew.
    async fn repeat(
        &self,
        queue: &Queue,
        delivery: &delivery::Queue,
        id: &str,
        visibility: Duration,
    ) -> Result<Option<Vec<Delivered>>, SqsError> {
        let standing = |receipt| delivery.standing(receipt);
        let Some(given) = queue.attempts().recall(id, self.clock.now(), standing) else {
            return Ok(None);
        };
        let mut messages = Vec::with_capacity(given.len());
        for Given {
            receipt,
            first_received,
        } in given
        {
            // One that comes back in this very moment is left out: it will be received again.
            if delivery.set_visibility(receipt, visibility).is_err() {
                continue;
            }
            let message = delivery.peek(receipt.offset).await?;
            messages.extend(message.map(|message| Delivered {
                receipt,
                first_received,
                ..message
            }));
        }
        Ok(Some(messages))
    }
}

/// A message as it is answered.
pub(super) fn received(
    queue: &Queue,
    delivered: &Delivered,
    asked: &Asked,
) -> Result<ReceivedMessage, SqsError> {
    let record = delivered.record().ok_or_else(|| {
        tracing::error!(
            queue = queue.name.name,
            "a delivered batch does not hold its message"
        );
        SqsError::InternalFailure
    })?;
    let mut message = Message::read(&record)?;
    message
        .attributes
        .retain(|attribute| asked.has_attribute(attribute.name));
    Ok(ReceivedMessage {
        message_id: message.id.to_string(),
        receipt_handle: handles::handle(queue.settings.id, delivered.receipt),
        md5_of_body: md5::hexadecimal(&message.digest),
        body: message.body.to_owned(),
        attributes: system_attributes(queue, delivered, &message, asked),
        // Of those that are answered, since that is what the client sees.
        md5_of_message_attributes: md5::of_attributes(&message.attributes),
        message_attributes: message.attributes.iter().map(told).collect(),
    })
}

fn told(attribute: &Attribute<'_>) -> (String, MessageAttributeValue) {
    let (string_value, binary_value) = match attribute.value {
        AttributeValue::Text(text) => (Some(text.to_owned()), None),
        AttributeValue::Binary(bytes) => (None, Some(Blob::from(bytes.to_vec()))),
    };
    let value = MessageAttributeValue {
        string_value,
        binary_value,
        data_type: Some(attribute.data_type.to_owned()),
        ..MessageAttributeValue::default()
    };
    (attribute.name.to_owned(), value)
}

/// Those system attributes that are asked for and that the message has.
fn system_attributes(
    queue: &Queue,
    delivered: &Delivered,
    message: &Message<'_>,
    asked: &Asked,
) -> BTreeMap<&'static str, String> {
    let receipt = delivered.receipt;
    // A dead letter's receives go on from those of the queue it comes from.
    let receives_before = message.origin.map_or(0, |origin| origin.receives);
    let first_received = message
        .origin
        .map_or(delivered.first_received, |origin| origin.first_received);
    let is_fifo = queue.settings.fifo.is_some();
    let attributes = [
        (
            "ApproximateFirstReceiveTimestamp",
            Some(first_received.to_string()),
        ),
        (
            "ApproximateReceiveCount",
            Some(receipt.receives.saturating_add(receives_before).to_string()),
        ),
        ("AWSTraceHeader", message.trace.map(str::to_owned)),
        (
            "DeadLetterQueueSourceArn",
            message.origin.map(|origin| origin.source_arn.to_owned()),
        ),
        (
            "MessageDeduplicationId",
            message.deduplication.as_deref().map(str::to_owned),
        ),
        ("MessageGroupId", message.group.map(str::to_owned)),
        ("SenderId", Some(message.sender.to_owned())),
        ("SentTimestamp", Some(message.sent.to_string())),
        (
            "SequenceNumber",
            is_fifo.then(|| sequence_number(receipt.offset)),
        ),
    ];
    attributes
        .into_iter()
        .filter(|(name, _)| asked.has_system_attribute(name))
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}
