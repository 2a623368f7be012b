//! PurgeQueue.

use std::sync::Arc;

use aws::Caller;

use super::api::queues::QueueInput;
use super::error::SqsError;
use super::{Sqs, limits, naming};

/// PurgeQueue: what was sent before is gone when this answers. Once a minute.
pub(super) async fn purge_queue(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: QueueInput,
) -> Result<(), SqsError> {
    let name = naming::of_url(&caller, input.queue_url.as_deref())?;
    let now = sqs.clock.now();
    let queue = sqs
        .change(&name, |queue, settings| {
            // Purged in the future, a clock was set back meanwhile: long ago.
            let lately = |at: model::Timestamp| at <= now && now.since(at) < limits::PURGE;
            if queue.settings.purged.is_some_and(lately) {
                return Err(SqsError::PurgeQueueInProgress(format!(
                    "Only one PurgeQueue operation on {} is allowed every 60 seconds.",
                    name.name
                )));
            }
            settings.purged = Some(now);
            Ok(())
        })
        .await?;
    queue.delivery().await?.purge().await?;
    queue.memory().clear();
    Ok(())
}
