//! SendMessage and SendMessageBatch.
//!
//! The messages of a request are one batch in the queue's log, durable before the answer. What is wrong with one entry of a batch
//! concerns that entry alone, but for what AWS looks at first: ids, groups and de-duplication ids of FIFO queues, the total size.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws::Caller;
use aws_lc_rs::digest;
use model::{BatchBuilder, Offset};
use store::{Append, StoreError};

use super::api::messages::{
    BatchOutput, MessageAttributeValue, SendMessageBatchEntry, SendMessageBatchInput,
    SendMessageBatchResult, SendMessageInput, SendMessageOutput,
};
use super::batches;
use super::dedup::{Key, Sent, Verdict};
use super::error::SqsError;
use super::message::{Message, MessageId, content};
use super::queues::Queue;
use super::rates::Action;
use super::records::{Fifo, Settings};
use super::{Sqs, counters, limits, md5};

/// Messages of one request together, in bytes.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Sequence numbers have twenty digits, and grow with the offset.
const FIRST_SEQUENCE_NUMBER: u128 = 18_800_000_000_000_000_000;
/// Bytes of a message in a batch besides its body, but for attributes.
const OVERHEAD: usize = 128;

type Attributes = BTreeMap<String, MessageAttributeValue>;

/// SendMessage.
pub(super) async fn send_message(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: SendMessageInput,
) -> Result<SendMessageOutput, SqsError> {
    let queue = sqs.find(&caller, input.queue_url.as_deref()).await?;
    let outgoing = Outgoing::from(&input);
    sqs.admit(&queue, Action::Send, outgoing.group.into_iter())?;
    if outgoing.body.is_none_or(str::is_empty) {
        return Err(SqsError::missing("MessageBody"));
    }
    outgoing.must_be_addressed(queue.settings.fifo.as_ref(), SqsError::MissingParameter)?;
    let id = MessageId::random(&sqs.rng);
    let digest = md5::of_body(outgoing.body.unwrap_or_default());
    let message = outgoing.message(&sqs, &queue.settings, &caller, id, digest)?;
    if message.size() > queue.settings.maximum_message_size as usize {
        return Err(too_long(&queue.settings, "are invalid"));
    }
    let answer = outgoing.answer(&message);
    let sent = sqs.put(&queue, &[message]).await?;
    let sent = sent.first().ok_or(SqsError::InternalFailure)?;
    Ok(SendMessageOutput {
        md5_of_message_body: answer.body,
        md5_of_message_attributes: answer.attributes,
        md5_of_message_system_attributes: answer.system_attributes,
        message_id: sent.id.to_string(),
        sequence_number: sequence_number_in(&queue, sent.offset),
    })
}

/// SendMessageBatch.
pub(super) async fn send_message_batch(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: SendMessageBatchInput,
) -> Result<BatchOutput<SendMessageBatchResult>, SqsError> {
    let queue = sqs.find(&caller, input.queue_url.as_deref()).await?;
    // An empty list is no list in Query.
    let entries = input.entries.unwrap_or_default();
    let trace = input.trace_header.as_deref();
    let of_entry = |entry| Outgoing::of_entry(entry, trace);
    let outgoing: Vec<Outgoing<'_>> = entries.iter().map(of_entry).collect();
    let groups = outgoing.iter().filter_map(|entry| entry.group);
    sqs.admit(&queue, Action::Send, groups)?;
    let ids: Vec<Option<&str>> = entries.iter().map(|entry| entry.id.as_deref()).collect();
    must_be_a_batch(&ids, &outgoing, &queue.settings)?;

    let mut messages = Vec::with_capacity(entries.len());
    let mut outcomes = Vec::with_capacity(entries.len());
    let message_ids = MessageId::several(&sqs.rng, entries.len());
    let bodies = outgoing.iter().map(|entry| entry.body.unwrap_or_default());
    let marks = message_ids.zip(md5::of_bodies(bodies));
    for ((id, outgoing), (message_id, digest)) in ids.iter().zip(&outgoing).zip(marks) {
        let id = id.unwrap_or_default();
        let checked = outgoing
            .message(&sqs, &queue.settings, &caller, message_id, digest)
            .and_then(|message| must_fit(message, &queue.settings));
        outcomes.push(match checked {
            Ok(message) => {
                let answer = outgoing.answer(&message);
                messages.push(message);
                Ok((id, answer))
            }
            Err(error) => Err(batches::failure(id, &error)),
        });
    }
    let mut sent = sqs.put(&queue, &messages).await?.into_iter();
    let mut results = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        results.push(match outcome {
            Ok((id, answer)) => {
                let sent = sent.next().ok_or(SqsError::InternalFailure)?;
                Ok(answer.result(id, &queue, sent))
            }
            Err(failure) => Err(failure),
        });
    }
    Ok(batches::output(results))
}

/// What AWS looks at before it looks at each entry.
fn must_be_a_batch(
    ids: &[Option<&str>],
    outgoing: &[Outgoing<'_>],
    settings: &Settings,
) -> Result<(), SqsError> {
    batches::must_be_a_batch(ids, "SendMessageBatchRequestEntry")?;
    for (place, entry) in outgoing.iter().enumerate() {
        if entry.body.is_none_or(str::is_empty) {
            let place = place + 1;
            let member = format!("SendMessageBatchRequestEntry.{place}.MessageBody");
            return Err(SqsError::missing(&member));
        }
    }
    let total: usize = outgoing.iter().map(Outgoing::size).sum();
    if total > BATCH_BYTES_MAX {
        return Err(SqsError::BatchRequestTooLong(format!(
            "Batch requests cannot be longer than {BATCH_BYTES_MAX} bytes. You have sent {total} bytes."
        )));
    }
    for entry in outgoing {
        entry.must_be_addressed(settings.fifo.as_ref(), SqsError::InvalidParameterValue)?;
    }
    Ok(())
}

fn must_fit<'a>(message: Message<'a>, settings: &Settings) -> Result<Message<'a>, SqsError> {
    if message.size() > settings.maximum_message_size as usize {
        return Err(too_long(settings, "cannot be validated"));
    }
    Ok(message)
}

/// AWS finds other words for one message than for one of a batch.
fn too_long(settings: &Settings, what: &str) -> SqsError {
    SqsError::InvalidParameterValue(format!(
        "One or more parameters {what}. Reason: Message must be shorter than {} bytes.",
        settings.maximum_message_size
    ))
}

/// A message as a request has it, unchecked.
struct Outgoing<'a> {
    body: Option<&'a str>,
    delay_seconds: Option<i64>,
    attributes: Option<&'a Attributes>,
    system_attributes: Option<&'a Attributes>,
    deduplication: Option<&'a str>,
    group: Option<&'a str>,
    /// The trace that the request is part of.
    trace: Option<&'a str>,
}

impl<'a> From<&'a SendMessageInput> for Outgoing<'a> {
    fn from(input: &'a SendMessageInput) -> Self {
        Outgoing {
            trace: input.trace_header.as_deref(),
            body: input.message_body.as_deref(),
            delay_seconds: input.delay_seconds,
            attributes: input.message_attributes.as_ref(),
            system_attributes: input.message_system_attributes.as_ref(),
            deduplication: input.message_deduplication_id.as_deref(),
            group: input.message_group_id.as_deref(),
        }
    }
}

impl<'a> Outgoing<'a> {
    fn of_entry(input: &'a SendMessageBatchEntry, trace: Option<&'a str>) -> Self {
        Outgoing {
            body: input.message_body.as_deref(),
            delay_seconds: input.delay_seconds,
            attributes: input.message_attributes.as_ref(),
            system_attributes: input.message_system_attributes.as_ref(),
            deduplication: input.message_deduplication_id.as_deref(),
            group: input.message_group_id.as_deref(),
            trace,
        }
    }

    /// Bytes that count against the largest batch.
    fn size(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let attributes = self.attributes.into_iter().flatten();
        let attributes = attributes.map(|(name, value)| {
            let binary = value.binary_value.as_ref().map_or(0, |blob| blob.0.len());
            name.len() + text(&value.data_type) + text(&value.string_value) + binary
        });
        self.body.map_or(0, str::len) + attributes.sum::<usize>()
    }

    /// Refuses a message for a FIFO queue without what places it there. `missing` is the error for one without a group: AWS finds
    /// another for batches.
    fn must_be_addressed(
        &self,
        fifo: Option<&Fifo>,
        missing: fn(String) -> SqsError,
    ) -> Result<(), SqsError> {
        let Some(fifo) = fifo else {
            return Ok(());
        };
        if self.group.is_none() {
            let text = "The request must contain the parameter MessageGroupId.";
            return Err(missing(text.into()));
        }
        if self.deduplication.is_none() && !fifo.content_based_deduplication {
            return Err(SqsError::InvalidParameterValue(
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
                    .into(),
            ));
        }
        Ok(())
    }

    /// The message, if it may be put. `digest` is the MD5 of its body.
    fn message(
        &self,
        sqs: &Sqs,
        settings: &Settings,
        caller: &'a Caller,
        id: MessageId,
        digest: [u8; 16],
    ) -> Result<Message<'a>, SqsError> {
        if let Some(group) = self.group {
            content::must_be_an_id(group, "MessageGroupId")?;
        }
        let deduplication = self.deduplication_id(settings)?;
        let delay = self.delay(settings)?;
        let body = self.body.unwrap_or_default();
        content::must_be_clean(body)?;
        let attributes = self.attributes.map(content::attributes);
        let trace = self.system_attributes.map(content::trace_header);
        Ok(Message {
            id,
            sent: sqs.clock.now(),
            body,
            digest,
            group: self.group,
            deduplication,
            delay,
            sender: caller.account.as_str(),
            trace: trace.transpose()?.flatten().or(self.trace),
            attributes: attributes.transpose()?.unwrap_or_default(),
            origin: None,
        })
    }

    fn answer(&self, message: &Message<'_>) -> Answer {
        // Not of a trace from the headers: the sender has no attribute to compare with.
        let given = self.system_attributes.and(message.trace);
        let trace = given.map(content::trace_attribute);
        Answer {
            body: md5::hexadecimal(&message.digest),
            attributes: md5::of_attributes(&message.attributes),
            system_attributes: trace.and_then(|trace| md5::of_attributes(&[trace])),
        }
    }

    fn deduplication_id(&self, settings: &Settings) -> Result<Option<Cow<'a, str>>, SqsError> {
        match (self.deduplication, &settings.fifo) {
            (Some(id), None) => Err(SqsError::invalid(
                id,
                "MessageDeduplicationId",
                "The request include parameter that is not valid for this queue type.",
            )),
            (Some(id), Some(_)) => {
                content::must_be_an_id(id, "MessageDeduplicationId")?;
                Ok(Some(id.into()))
            }
            (None, None) => Ok(None),
            (None, Some(_)) => {
                let body = self.body.unwrap_or_default().as_bytes();
                let digest = digest::digest(&digest::SHA256, body);
                Ok(Some(md5::hexadecimal(digest.as_ref()).into()))
            }
        }
    }

    /// How long the message itself is kept from sight: on FIFO queues, all are for as long.
    fn delay(&self, settings: &Settings) -> Result<Duration, SqsError> {
        let refuse = |seconds: i64, reason: &str| {
            Err(SqsError::invalid(
                &seconds.to_string(),
                "DelaySeconds",
                reason,
            ))
        };
        match (self.delay_seconds, &settings.fifo) {
            (None | Some(0), Some(_)) => Ok(Duration::ZERO),
            (Some(seconds), Some(_)) => refuse(
                seconds,
                "The request include parameter that is not valid for this queue type.",
            ),
            (None, None) => Ok(Duration::from_secs(settings.delay_seconds.into())),
            (Some(seconds), None) => match u32::try_from(seconds) {
                Ok(seconds) if limits::DELAY_SECONDS.contains(&seconds) => {
                    Ok(Duration::from_secs(seconds.into()))
                }
                _ => refuse(seconds, "DelaySeconds must be >= 0 and <= 900."),
            },
        }
    }
}

/// What is answered of a message whether or not it was there before.
struct Answer {
    body: String,
    attributes: Option<String>,
    system_attributes: Option<String>,
}

impl Answer {
    fn result(self, id: &str, queue: &Queue, sent: Sent) -> SendMessageBatchResult {
        SendMessageBatchResult {
            id: id.to_owned(),
            message_id: sent.id.to_string(),
            md5_of_message_body: self.body,
            md5_of_message_attributes: self.attributes,
            md5_of_message_system_attributes: self.system_attributes,
            sequence_number: sequence_number_in(queue, sent.offset),
        }
    }
}

fn sequence_number_in(queue: &Queue, offset: Offset) -> Option<String> {
    let is_fifo = queue.settings.fifo.is_some();
    is_fifo.then(|| sequence_number(offset))
}

/// The sequence number of a message of a FIFO queue.
pub(super) fn sequence_number(offset: Offset) -> String {
    (FIRST_SEQUENCE_NUMBER + u128::from(offset.0)).to_string()
}

impl Sqs {
    /// Puts messages into a queue, in order; those that were sent to a FIFO queue lately are answered as they were then.
    async fn put(&self, queue: &Queue, messages: &[Message<'_>]) -> Result<Vec<Sent>, SqsError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let Some(fifo) = &queue.settings.fifo else {
            return Ok(self.append(queue, messages.iter()).await?);
        };
        let scope = fifo.deduplication_scope;
        let now = self.clock.now();
        let memory = queue.memory();
        let keys: Vec<Key> = messages
            .iter()
            .map(|message| {
                let id = message.deduplication.as_deref().unwrap_or_default();
                Key::of(scope, message.group, id)
            })
            .collect();
        let admitted = loop {
            memory.load(&*self.store, queue, scope, now).await?;
            if let Some(admitted) = memory.admit(scope, &keys, now).await {
                break admitted;
            }
        };
        let verdicts = messages.iter().zip(admitted.verdicts());
        let new = verdicts.filter(|(_, verdict)| matches!(verdict, Verdict::New));
        let new: Vec<&Message<'_>> = new.map(|(message, _)| message).collect();
        if new.is_empty() {
            return Ok(admitted.put(Vec::new()));
        }
        match self.append(queue, new.into_iter()).await {
            Ok(sent) => Ok(admitted.put(sent)),
            Err(error @ StoreError::Unknown { .. }) => Err(error.into()),
            Err(error) => {
                admitted.not_put();
                Err(error.into())
            }
        }
    }

    async fn append<'m, 'a: 'm>(
        &self,
        queue: &Queue,
        messages: impl Iterator<Item = &'m Message<'a>> + Clone + Send,
    ) -> Result<Vec<Sent>, StoreError> {
        let (mut count, mut bytes) = (0, 0);
        for message in messages.clone() {
            count += 1;
            bytes += message.size();
        }
        let mut builder = BatchBuilder::with_capacity(bytes + count * OVERHEAD);
        messages
            .clone()
            .for_each(|message| message.push_to(&mut builder));
        let append = Append::to(queue.messages(), queue.seal(builder.finish()));
        let appended = match self.store.append(vec![append]).await.pop() {
            Some(appended) => appended?,
            None => {
                return Err(StoreError::Unknown {
                    during: "sending messages".into(),
                });
            }
        };
        counters::add(&queue.counters().messages_sent, count);
        counters::add(&queue.counters().sent_bytes, bytes);
        let base = appended.base_offset;
        Ok((0..)
            .zip(messages)
            .map(|(place, message)| Sent {
                id: message.id,
                offset: base.plus(place),
                at: message.sent,
            })
            .collect())
    }
}
