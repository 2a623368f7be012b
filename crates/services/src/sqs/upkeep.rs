//! What goes on beside the requests: messages expire, deletions are forgotten, and before the store is closed what delivery has not
//! written down yet is.

use std::time::Duration;

use model::Timestamp;
use store::{Check, Expect, LogChange, Scan, StoreError, Txn, Write};

use super::error::SqsError;
use super::records::{QueueName, Settings};
use super::{Sqs, limits, live};

/// How a pass over all queues goes.
#[derive(Default)]
struct Pass {
    trimmed: usize,
    first_error: Option<SqsError>,
}

impl Pass {
    fn note(&mut self, outcome: Result<bool, StoreError>) {
        match outcome {
            Ok(trimmed) => self.trimmed += usize::from(trimmed),
            // Deleted or trimmed meanwhile.
            Err(StoreError::NoSuchLog { .. } | StoreError::Conflict { .. }) => {}
            Err(error) => {
                self.first_error.get_or_insert(error.into());
            }
        }
    }
}

impl Sqs {
    /// Drops what has expired in all queues, used or not. Gives the number of queues trimmed.
    ///
    /// # Errors
    /// The first of the store's, once all that could be dropped is: what is wrong with one queue must not fill the disk with the
    /// others' messages.
    pub async fn expire(&self) -> Result<usize, SqsError> {
        let now = self.clock.now();
        let mut pass = Pass::default();
        for (_, document) in self.store.scan(Scan::below(&QueueName::top())).await? {
            let outcome = match document.decode() {
                Ok(settings) => self.expire_queue(&settings, now).await,
                Err(error) => Err(error),
            };
            pass.note(outcome);
        }
        self.forget_deletions(now, &mut pass).await?;
        pass.first_error.map_or(Ok(pass.trimmed), Err)
    }

    async fn expire_queue(&self, settings: &Settings, now: Timestamp) -> Result<bool, StoreError> {
        let log = settings.messages();
        let bounds = self.store.bounds(log).await?;
        let kept = settings.retention().max(live::keep(settings));
        let before = now.minus(kept);
        let keep_from = self.store.offset_for_time(log, before).await?;
        if bounds.start == bounds.end || keep_from <= bounds.start {
            return Ok(false);
        }
        let txn = Txn {
            logs: vec![LogChange::Trim(log, keep_from)],
            ..Txn::default()
        };
        self.store.commit(txn).await?;
        Ok(true)
    }

    /// Forgets deletions that no longer matter.
    async fn forget_deletions(&self, now: Timestamp, pass: &mut Pass) -> Result<(), SqsError> {
        let deleted = Scan::below(&QueueName::deleted_top());
        for (key, document) in self.store.scan(deleted).await? {
            let at: Timestamp = document.decode()?;
            // In the future, a clock was set back meanwhile: it would never be forgotten.
            if at <= now && now.since(at) <= limits::RECREATION {
                continue;
            }
            let txn = Txn {
                checks: vec![Check {
                    key: key.clone(),
                    expect: Expect::At(document.version),
                }],
                writes: vec![Write::Delete { key }],
                ..Txn::default()
            };
            pass.note(self.store.commit(txn).await.map(|_| false));
        }
        Ok(())
    }

    /// Runs [`Sqs::expire`] every `period` for as long as it is polled.
    pub async fn keep_expiring(&self, period: Duration) {
        loop {
            tokio::time::sleep(period).await;
            match self.expire().await {
                Ok(0) => {}
                Ok(trimmed) => tracing::debug!(trimmed, "dropped expired messages"),
                Err(error) => {
                    tracing::warn!(%error, "could not drop expired messages; trying again later");
                }
            }
        }
    }

    /// Writes down what delivery has not yet: before the store is closed. What can't be written is delivered again early.
    pub async fn close(&self) {
        for queue in self.used() {
            let Some(delivery) = queue.begun() else {
                continue;
            };
            if let Err(error) = delivery.close().await {
                let QueueName { account, name, .. } = &queue.name;
                tracing::warn!(%error, %account, name, "could not write down a queue's last receives");
            }
        }
    }
}
