//! PurgeQueue.
//!
//! A purge is one transaction: which messages are gone, and that they are nobody's repeats any more. Both go by a place in the log,
//! whatever is sent meanwhile and whatever the clock says.

use std::sync::Arc;

use aws::Caller;
use model::Timestamp;
use store::StoreError;

use super::api::queues::QueueInput;
use super::error::SqsError;
use super::queues::{ATTEMPTS, contended, put};
use super::records::{QueueName, Settings};
use super::{Sqs, limits, naming};

/// PurgeQueue: what was sent before is gone when this answers. Once a minute.
pub(super) async fn purge_queue(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: QueueInput,
) -> Result<(), SqsError> {
    let name = naming::of_url(&caller, input.queue_url.as_deref())?;
    sqs.purge(&name).await
}

impl Sqs {
    async fn purge(&self, name: &QueueName) -> Result<(), SqsError> {
        let _change = self.known.change().await;
        for _ in 0..ATTEMPTS {
            let queue = self.find_named(name).await?;
            let now = self.clock.now();
            must_not_be_purged_lately(name, &queue.settings, now)?;
            let delivery = queue.delivery().await?;
            // What is purged is not moved elsewhere.
            let _turn = queue.moving().deleter().await;
            let end = delivery.end();
            let settings = Settings {
                purged: Some(now),
                purged_before: end,
                ..queue.settings.clone()
            };
            let mut txn = queue.unchanged();
            txn.writes.push(put(name, &settings));
            match delivery.start_at_with(end, txn).await {
                Ok(_) => {
                    queue.memory().forget_before(end);
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended(name))
    }
}

fn must_not_be_purged_lately(
    name: &QueueName,
    settings: &Settings,
    now: Timestamp,
) -> Result<(), SqsError> {
    // Purged in the future, a clock was set back meanwhile: long ago.
    let lately = |at: Timestamp| at <= now && now.since(at) < limits::PURGE;
    if settings.purged.is_some_and(lately) {
        return Err(SqsError::PurgeQueueInProgress(format!(
            "Only one PurgeQueue operation on {} is allowed every 60 seconds.",
            name.name
        )));
    }
    Ok(())
}
