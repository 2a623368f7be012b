//! Queues on streams: records of a stream handed out one by one, acknowledged, handed out again, given up, restored.
//!
//! A queue has no records of its own. For each shard of its stream it has a machine of [`streams::delivery`] over the shard's log,
//! with a journal of its own; shards that a resharding makes are taken up as they come ([`live`]). A record received too often is
//! moved to a log of references, from where [`dead_letters`] delivers it; one that is restored, to another such log, which
//! ReceiveQueueRecords reads beside the shards. Each move is one transaction.
//!
//! **Promises.** A record that the stream keeps is delivered until it is acknowledged, or is a dead letter. What was acknowledged
//! when that was answered never comes back, whatever happens to the server. A dead letter is in one place at any moment.
//!
//! **Non-promises.** At least once, in no order. A receive is written down within 100 ms: a crash may forget it.
//!
//! Read in this order: `record`, `create`, `manage`, `list`; `live`, `receive`, `settle`, `dead_letters`; `upkeep`,
//! `counters`.

mod counters;
pub(super) mod create;
pub(super) mod dead_letters;
mod handles;
pub(super) mod list;
mod live;
pub(super) mod manage;
pub(super) mod receive;
pub(super) mod record;
mod reference;
pub(super) mod settle;
mod source;
mod upkeep;

use std::sync::Arc;

use aws::Caller;
use model::Arn;
use store::key::encode;
use store::{Check, Expect, StoreError, Txn, Version, Write};

use self::record::QueueName;
use super::Kinesis;
use super::error::KinesisError;

pub(super) use self::live::Known;
pub(super) use self::record::Settings;

/// Attempts at a change that others get in the way of, before the caller is told.
const ATTEMPTS: usize = 16;

/// A queue as it was when it was looked up.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub(super) name: QueueName,
    pub(super) settings: Settings,
    version: Version,
}

impl Queue {
    /// A transaction that holds only if the queue is as it was looked up.
    fn unchanged(&self) -> Txn {
        Txn {
            checks: vec![Check {
                key: self.name.key(),
                expect: Expect::At(self.version),
            }],
            ..Txn::default()
        }
    }
}

/// The queue that an ARN names, if it is a queue's.
///
/// # Errors
/// [`KinesisError::AccessDenied`] for another account's, [`KinesisError::ResourceNotFound`] for another region's.
pub(super) fn of_arn(caller: &Caller, text: &str) -> Result<Option<QueueName>, KinesisError> {
    let Ok(arn) = text.parse::<Arn>() else {
        return Ok(None);
    };
    let id = arn.resource.strip_prefix("queue/");
    let Some(id) = id.filter(|_| arn.service == "kinesis") else {
        return Ok(None);
    };
    let name = QueueName {
        id: id.to_owned(),
        account: arn.account,
        region: arn.region,
    };
    if name.account != caller.account {
        return Err(KinesisError::AccessDenied(format!(
            "User: arn:aws:iam::{}:root is not authorized to access resource: {text}",
            caller.account
        )));
    }
    if name.region != caller.region || !record::is_id(id) {
        return Err(not_found(&name));
    }
    Ok(Some(name))
}

/// The queue that a request must name.
fn named(caller: &Caller, text: &str) -> Result<QueueName, KinesisError> {
    of_arn(caller, text)?
        .ok_or_else(|| KinesisError::InvalidArgument(format!("{text} is not the ARN of a queue.")))
}

fn not_found(name: &QueueName) -> KinesisError {
    KinesisError::ResourceNotFound(format!(
        "Queue {} under account {} not found.",
        name.arn(),
        name.account
    ))
}

/// A queue's logs that are gone: so is the queue.
fn of_store(error: StoreError, name: &QueueName) -> KinesisError {
    match error {
        StoreError::NoSuchLog { .. } => not_found(name),
        error => error.into(),
    }
}

impl Kinesis {
    /// The queue as it is now.
    ///
    /// # Errors
    /// [`KinesisError::ResourceNotFound`].
    pub(super) async fn queue(&self, name: &QueueName) -> Result<Queue, KinesisError> {
        let document = self.store.get(&name.key()).await?;
        let document = document.ok_or_else(|| not_found(name))?;
        Ok(Queue {
            name: name.clone(),
            settings: document.decode()?,
            version: document.version,
        })
    }

    /// Changes what is kept of a queue by `change`, which is asked again where others get in between. Gives it as it is then.
    ///
    /// # Errors
    /// What `change` refuses with, or [`KinesisError::ResourceNotFound`].
    pub(super) async fn change_queue(
        self: &Arc<Self>,
        name: &QueueName,
        change: impl Fn(&mut Settings) -> Result<(), KinesisError>,
    ) -> Result<Queue, KinesisError> {
        let _turn = self.plane.queues.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let queue = self.queue(name).await?;
            let mut settings = queue.settings.clone();
            change(&mut settings)?;
            if settings == queue.settings {
                return Ok(queue);
            }
            let mut txn = queue.unchanged();
            txn.writes.push(put(name, &settings));
            match self.store.commit(txn).await {
                Ok(_) => return self.queue(name).await,
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(KinesisError::Unavailable)
    }
}

fn put(name: &QueueName, settings: &Settings) -> Write {
    Write::Put {
        key: name.key(),
        value: encode(settings),
    }
}
