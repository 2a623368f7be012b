//! DeleteMessage and DeleteMessageBatch: durable when they answer.
//!
//! A standard queue deletes by the newest handle, also when the message's time in flight is over; an older one is answered as if it
//! had been deleted, and is not, as AWS has it: somebody else works on it. A FIFO queue deletes only what is in flight by that
//! handle, since the order would not hold otherwise.
//!
//! A message that is about to be moved elsewhere is deleted all the same, and not moved. Once it was, its handles are old ones.

use std::sync::Arc;

use aws::Caller;
use model::Offset;
use streams::delivery::{self, Standing};

use super::api::messages::{BatchOutput, BatchResult, DeleteMessageBatchInput, DeleteMessageInput};
use super::error::SqsError;
use super::queues::Queue;
use super::rates::Action;
use super::{Sqs, batches, counters, handles};

/// DeleteMessage.
pub(super) async fn delete_message(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: DeleteMessageInput,
) -> Result<(), SqsError> {
    let queue = sqs.find(&caller, input.queue_url.as_deref()).await?;
    sqs.admit(&queue, Action::Delete, std::iter::empty())?;
    let delivery = queue.delivery().await?;
    let _turn = queue.moving().deleter().await;
    let message = to_delete(&queue, delivery, input.receipt_handle.as_deref())?;
    delete(&queue, delivery, message.as_slice()).await
}

/// DeleteMessageBatch.
pub(super) async fn delete_message_batch(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: DeleteMessageBatchInput,
) -> Result<BatchOutput<BatchResult>, SqsError> {
    let queue = sqs.find(&caller, input.queue_url.as_deref()).await?;
    sqs.admit(&queue, Action::Delete, std::iter::empty())?;
    // An empty list is no list in Query.
    let entries = input.entries.unwrap_or_default();
    let ids: Vec<Option<&str>> = entries.iter().map(|entry| entry.id.as_deref()).collect();
    batches::must_be_a_batch(&ids, "DeleteMessageBatchRequestEntry")?;
    let delivery = queue.delivery().await?;
    let _turn = queue.moving().deleter().await;
    let mut messages = Vec::with_capacity(entries.len());
    let mut outcomes = Vec::with_capacity(entries.len());
    for entry in &entries {
        let id = entry.id.as_deref().unwrap_or_default();
        outcomes.push(
            match to_delete(&queue, delivery, entry.receipt_handle.as_deref()) {
                Ok(message) => {
                    messages.extend(message);
                    Ok(BatchResult { id: id.to_owned() })
                }
                Err(error) => Err(batches::failure(id, &error)),
            },
        );
    }
    delete(&queue, delivery, &messages).await?;
    Ok(batches::output(outcomes))
}

/// The message that a handle deletes; `None` where there is nothing to do.
fn to_delete(
    queue: &Queue,
    delivery: &delivery::Queue,
    handle: Option<&str>,
) -> Result<Option<Offset>, SqsError> {
    let handle = handle
        .filter(|handle| !handle.is_empty())
        .ok_or_else(|| SqsError::missing("ReceiptHandle"))?;
    let receipt = handles::receipt(queue.settings.id, handle)?;
    let standing = delivery.standing(receipt);
    let has_expired = match standing {
        Standing::Current => false,
        Standing::Lapsed | Standing::Stale => true,
        Standing::Gone => queue.moving().remembers(receipt.offset),
    };
    if has_expired && queue.settings.fifo.is_some() {
        let reason = "The receipt handle has expired.";
        return Err(SqsError::invalid(handle, "ReceiptHandle", reason));
    }
    let is_there = matches!(standing, Standing::Current | Standing::Lapsed);
    Ok(is_there.then_some(receipt.offset))
}

async fn delete(
    queue: &Queue,
    delivery: &delivery::Queue,
    messages: &[Offset],
) -> Result<(), SqsError> {
    if messages.is_empty() {
        return Ok(());
    }
    delivery.acknowledge(messages).await?;
    counters::add(&queue.counters().messages_deleted, messages.len());
    Ok(())
}
