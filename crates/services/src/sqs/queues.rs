//! The queues there are: made, found, changed, deleted. Each change is one transaction on the catalog and the logs.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws::Caller;
use model::{Batch, Clock, LogId, StreamId, Timestamp};
use store::key::encode;
use store::{Check, Document, Expect, LogChange, Store, StoreError, Txn, Version, Write};
use streams::{Number, delivery};

use super::attempts::Attempts;
use super::counters::QueueCounters;
use super::dedup::Memory;
use super::error::SqsError;
use super::live::Live;
use super::moving::Moving;
use super::rates::Rates;
use super::records::{QueueName, Settings};
use super::source::Reader;
use super::{Sqs, move_task, naming};

/// Attempts at a change that others get in the way of, before the caller is told.
pub(super) const ATTEMPTS: usize = 16;

/// A queue as it was when it was looked up. Shared, never changed: a change makes a new one.
#[derive(Debug)]
pub struct Queue {
    /// Whose, where, its name.
    pub name: QueueName,
    /// What is kept under its name.
    pub settings: Settings,
    version: Version,
    live: Arc<Live>,
    counters: Arc<QueueCounters>,
    below: Below,
}

/// What a queue stands on.
#[derive(Clone)]
struct Below {
    store: Arc<dyn Store>,
    clock: Clock,
}

impl fmt::Debug for Below {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Below")
    }
}

impl Queue {
    /// The delivery of its messages, the same for all who ask.
    ///
    /// # Errors
    /// The store's, where it is begun.
    pub async fn delivery(&self) -> Result<&delivery::Queue, SqsError> {
        let Below { store, clock } = &self.below;
        self.live.delivery(store, clock, &self.settings).await
    }

    /// The delivery, where it was begun.
    pub(super) fn begun(&self) -> Option<&delivery::Queue> {
        self.live.begun()
    }

    /// How its messages are read and written.
    pub(super) fn reader(&self) -> &Reader {
        &self.live.reader
    }

    /// What was sent to it lately.
    pub(super) fn memory(&self) -> &Memory {
        &self.live.memory
    }

    /// What was received from it lately.
    pub(super) fn attempts(&self) -> &Attempts {
        &self.live.attempts
    }

    /// Whose turn it is to delete or to move its messages.
    pub(super) fn moving(&self) -> &Moving {
        &self.live.moving
    }

    /// How often it was called lately.
    pub(super) fn rates(&self) -> &Rates {
        &self.live.rates
    }

    /// What is counted of it.
    pub(super) fn counters(&self) -> &QueueCounters {
        &self.counters
    }

    /// `batch` as it is to lie in the queue's log of messages: sealed where encryption is on.
    #[must_use]
    pub fn seal(&self, batch: Batch) -> Batch {
        self.live.reader.seal(batch)
    }

    /// The log of the messages.
    #[must_use]
    pub fn messages(&self) -> LogId {
        self.settings.messages()
    }

    /// A transaction that holds only if the queue is as it was looked up.
    pub(super) fn unchanged(&self) -> Txn {
        Txn {
            checks: vec![Check {
                key: self.name.key(),
                expect: Expect::At(self.version),
            }],
            ..Txn::default()
        }
    }
}

/// The queues that are known.
#[derive(Default)]
pub(super) struct Cache {
    by_name: HashMap<QueueName, Arc<Queue>>,
    /// Apart from the names, so that there is never a second one of a queue.
    live: HashMap<StreamId, Arc<Live>>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({})", self.by_name.len())
    }
}

/// All that [`Sqs`] remembers of queues.
#[derive(Debug, Default)]
pub(super) struct Known {
    cache: Mutex<Cache>,
    /// Changes of queues take turns: in each other's way they would give up.
    changing: tokio::sync::Mutex<()>,
}

impl Known {
    /// The turn of a change of queues.
    pub(super) async fn change(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a queue was made, or was there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Made {
    /// It is new.
    New,
    /// There is one of that name.
    There,
}

impl Sqs {
    /// The queue whose URL a request gives, as it is now.
    ///
    /// # Errors
    /// [`SqsError::QueueDoesNotExist`]; [`SqsError::InvalidAddress`]; [`SqsError::AccessDenied`] for another account's;
    /// [`SqsError::MissingParameter`] without a URL.
    pub async fn find(&self, caller: &Caller, url: Option<&str>) -> Result<Arc<Queue>, SqsError> {
        self.find_named(&naming::of_url(caller, url)?).await
    }

    /// The queue of that name as it is now.
    ///
    /// # Errors
    /// [`SqsError::QueueDoesNotExist`].
    pub async fn find_named(&self, name: &QueueName) -> Result<Arc<Queue>, SqsError> {
        let Some(document) = self.store.get(&name.key()).await? else {
            self.known.cache().by_name.remove(name);
            return Err(SqsError::QueueDoesNotExist);
        };
        self.loaded(name, &document)
    }

    /// The queue as the document has it, or newer.
    fn loaded(&self, name: &QueueName, document: &Document) -> Result<Arc<Queue>, SqsError> {
        let mut cache = self.known.cache();
        if let Some(queue) = cache.by_name.get(name)
            && queue.version >= document.version
        {
            return Ok(Arc::clone(queue));
        }
        let settings: Settings = document.decode()?;
        let sealer = self
            .keyring
            .sealer(&settings.data_keys, settings.data_key())?;
        let sealer = Arc::new(sealer);
        let live = match cache.live.get(&settings.id) {
            Some(live) => {
                live.set(&settings, sealer);
                Arc::clone(live)
            }
            None => {
                let live = Arc::new(Live::new(&settings, sealer));
                cache.live.insert(settings.id, Arc::clone(&live));
                live
            }
        };
        let queue = Arc::new(Queue {
            name: name.clone(),
            settings,
            version: document.version,
            live,
            counters: self.counters.of(name),
            below: Below {
                store: Arc::clone(&self.store),
                clock: self.clock.clone(),
            },
        });
        cache.by_name.insert(name.clone(), Arc::clone(&queue));
        Ok(queue)
    }

    /// Makes a queue of these settings, whose number and data keys are given here.
    ///
    /// # Errors
    /// [`SqsError::QueueDeletedRecently`] where there was one at `not_since` or later.
    pub(super) async fn make(
        &self,
        name: &QueueName,
        mut settings: Settings,
        not_since: Timestamp,
    ) -> Result<Made, SqsError> {
        let _turn = self.known.change().await;
        self.give_data_key(&mut settings);
        for _ in 0..ATTEMPTS {
            if self.store.get(&name.key()).await?.is_some() {
                return Ok(Made::There);
            }
            self.must_be_long_gone(name, not_since).await?;
            let number = Number::next(&*self.store).await?;
            settings.id = number.id;
            let mut txn = Txn {
                checks: vec![Check {
                    key: name.key(),
                    expect: Expect::Absent,
                }],
                writes: vec![
                    put(name, &settings),
                    Write::Delete {
                        key: name.deleted_key(),
                    },
                ],
                logs: vec![
                    LogChange::Create(settings.messages()),
                    LogChange::Create(settings.journal()),
                ],
                ..Txn::default()
            };
            number.put_into(&mut txn);
            match self.store.commit(txn).await {
                Ok(_) => return Ok(Made::New),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended(name))
    }

    async fn must_be_long_gone(
        &self,
        name: &QueueName,
        not_since: Timestamp,
    ) -> Result<(), SqsError> {
        let Some(deleted) = self.store.get(&name.deleted_key()).await? else {
            return Ok(());
        };
        let deleted: Timestamp = deleted.decode()?;
        // Deleted in the future, a clock was set back meanwhile: long ago.
        if (not_since..=self.clock.now()).contains(&deleted) {
            return Err(SqsError::QueueDeletedRecently(
                "You must wait 60 seconds after deleting a queue before you can create another with the same name."
                    .into(),
            ));
        }
        Ok(())
    }

    /// Changes a queue's settings by `change`, which is asked again where others get in between. Gives the queue as it is then.
    ///
    /// # Errors
    /// What `change` refuses with, or [`SqsError::QueueDoesNotExist`].
    pub(super) async fn change(
        &self,
        name: &QueueName,
        change: impl Fn(&Queue, &mut Settings) -> Result<(), SqsError>,
    ) -> Result<Arc<Queue>, SqsError> {
        let _turn = self.known.change().await;
        for _ in 0..ATTEMPTS {
            let queue = self.find_named(name).await?;
            let mut settings = queue.settings.clone();
            change(&queue, &mut settings)?;
            if settings == queue.settings {
                return Ok(queue);
            }
            if settings.encryption != queue.settings.encryption {
                self.give_data_key(&mut settings);
            }
            let txn = Txn {
                writes: vec![put(name, &settings)],
                ..queue.unchanged()
            };
            match self.store.commit(txn).await {
                Ok(_) => return self.find_named(name).await,
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended(name))
    }

    /// Removes a queue with all its messages.
    ///
    /// # Errors
    /// [`SqsError::QueueDoesNotExist`].
    pub(super) async fn remove(&self, name: &QueueName) -> Result<(), SqsError> {
        let _turn = self.known.change().await;
        for _ in 0..ATTEMPTS {
            let queue = self.find_named(name).await?;
            let txn = Txn {
                writes: vec![
                    Write::Delete { key: name.key() },
                    Write::Put {
                        key: name.deleted_key(),
                        value: encode(&self.clock.now()),
                    },
                    Write::Delete {
                        key: move_task::key(name),
                    },
                ],
                logs: vec![
                    LogChange::Delete(queue.settings.messages()),
                    LogChange::Delete(queue.settings.journal()),
                ],
                ..queue.unchanged()
            };
            match self.store.commit(txn).await {
                Ok(_) => {
                    let mut cache = self.known.cache();
                    cache.by_name.remove(name);
                    cache.live.remove(&queue.settings.id);
                    self.counters.forget(name);
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended(name))
    }

    /// The queues that were looked up and not deleted since.
    pub(super) fn used(&self) -> Vec<Arc<Queue>> {
        self.known.cache().by_name.values().cloned().collect()
    }

    /// A data key of its own for what is encrypted from now on.
    fn give_data_key(&self, settings: &mut Settings) {
        if settings.is_encrypted() {
            settings.data_keys.push(self.keyring.new_data_key());
        }
    }
}

/// Makes these a queue's settings.
pub(super) fn put(name: &QueueName, settings: &Settings) -> Write {
    Write::Put {
        key: name.key(),
        value: encode(settings),
    }
}

/// Others were in the way of a change each time.
pub(super) fn contended(name: &QueueName) -> SqsError {
    tracing::warn!(queue = name.name, "too many changes to a queue at once");
    SqsError::Unavailable
}
