//! ChangeMessageVisibility and ChangeMessageVisibilityBatch.
//!
//! A message is hidden for so long from now; for no time, it is back at once. All in all a receive hides it for twelve hours.

use std::sync::Arc;
use std::time::Duration;

use aws::Caller;
use streams::delivery::{self, Receipt, Standing};

use super::api::messages::{
    BatchOutput, BatchResult, ChangeMessageVisibilityBatchInput, ChangeMessageVisibilityInput,
};
use super::error::SqsError;
use super::queues::Queue;
use super::rates::Action;
use super::{Sqs, batches, handles, limits};

/// ChangeMessageVisibility.
pub(super) async fn change_message_visibility(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: ChangeMessageVisibilityInput,
) -> Result<(), SqsError> {
    let queue = sqs.find(&caller, input.queue_url.as_deref()).await?;
    sqs.admit(&queue, Action::ChangeVisibility, std::iter::empty())?;
    let change = Change {
        queue: &queue,
        delivery: queue.delivery().await?,
        handle: input.receipt_handle.as_deref(),
        seconds: input.visibility_timeout,
    };
    change.run(&sqs)
}

/// ChangeMessageVisibilityBatch.
pub(super) async fn change_message_visibility_batch(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: ChangeMessageVisibilityBatchInput,
) -> Result<BatchOutput<BatchResult>, SqsError> {
    let queue = sqs.find(&caller, input.queue_url.as_deref()).await?;
    sqs.admit(&queue, Action::ChangeVisibility, std::iter::empty())?;
    // An empty list is no list in Query.
    let entries = input.entries.unwrap_or_default();
    let ids: Vec<Option<&str>> = entries.iter().map(|entry| entry.id.as_deref()).collect();
    batches::must_be_a_batch(&ids, "ChangeMessageVisibilityBatchRequestEntry")?;
    let delivery = queue.delivery().await?;
    let outcomes = entries.iter().map(|entry| {
        let id = entry.id.as_deref().unwrap_or_default();
        let change = Change {
            queue: &queue,
            delivery,
            handle: entry.receipt_handle.as_deref(),
            seconds: entry.visibility_timeout,
        };
        match change.run(&sqs) {
            Ok(()) => Ok(BatchResult { id: id.to_owned() }),
            Err(error) => Err(batches::failure(id, &error)),
        }
    });
    Ok(batches::output(outcomes.collect()))
}

/// One change, unchecked.
struct Change<'a> {
    queue: &'a Queue,
    delivery: &'a delivery::Queue,
    handle: Option<&'a str>,
    seconds: Option<i64>,
}

impl Change<'_> {
    fn run(&self, sqs: &Sqs) -> Result<(), SqsError> {
        let handle = self
            .handle
            .filter(|handle| !handle.is_empty())
            .ok_or_else(|| SqsError::missing("ReceiptHandle"))?;
        let seconds = self
            .seconds
            .ok_or_else(|| SqsError::missing("VisibilityTimeout"))?;
        let most = *limits::VISIBILITY_TIMEOUT.end();
        let refuse = |reason: &str| {
            Err(SqsError::invalid(
                &seconds.to_string(),
                "VisibilityTimeout",
                reason,
            ))
        };
        let after = match u64::try_from(seconds) {
            Ok(seconds) if seconds <= most.into() => Duration::from_secs(seconds),
            _ => return refuse(&format!("Must be between 0 and {most}.")),
        };
        let receipt = handles::receipt(self.queue.settings.id, handle)?;
        let received = self.delivery.received_at(receipt);
        let hidden = received.map_or(Duration::ZERO, |at| sqs.clock.now().since(at));
        if hidden + after > Duration::from_secs(most.into()) {
            return refuse(&format!(
                "Total VisibilityTimeout for the message is beyond the limit [{most} seconds]"
            ));
        }
        self.queue.attempts().spoil(receipt.offset);
        match self.hide(receipt, after) {
            Ok(()) => Ok(()),
            Err(standing) => refuse_standing(handle, standing, self.queue.settings.fifo.is_some()),
        }
    }

    /// On standard queues an older handle hides the message as the newest does (localstack's tests, run against AWS).
    fn hide(&self, receipt: Receipt, after: Duration) -> Result<(), Standing> {
        match self.delivery.set_visibility(receipt, after) {
            Err(Standing::Stale) if self.queue.settings.fifo.is_none() => {
                let newest = Receipt {
                    receives: u32::MAX,
                    ..receipt
                };
                self.delivery.set_visibility(newest, after)
            }
            outcome => outcome,
        }
    }
}

/// What a handle that hides nothing is answered with.
fn refuse_standing(handle: &str, standing: Standing, is_fifo: bool) -> Result<(), SqsError> {
    match standing {
        // Nothing is hidden, and no error: so AWS answered (localstack's snapshots).
        Standing::Current | Standing::Lapsed if !is_fifo => Ok(()),
        Standing::Current | Standing::Lapsed => Err(SqsError::MessageNotInflight(
            "The message referred to isn't in flight.".into(),
        )),
        Standing::Stale | Standing::Gone => Err(SqsError::invalid(
            handle,
            "ReceiptHandle",
            "Message does not exist or is not available for visibility timeout change.",
        )),
    }
}
