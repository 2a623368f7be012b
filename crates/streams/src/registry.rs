//! The streams there are: made, found, changed, resharded, deleted. Each change is one transaction on the catalog and the logs.
//!
//! Kept: `stream, account, region, name` → [`Settings`]; `shard, stream number, shard number` → [`Shard`]. A change of any shard
//! also writes its stream's settings, so that their version tells whether a stream in the cache is still as it was.

mod delete;
mod growth;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::sequence::GENERATION_MAX;
use model::{AccountId, Clock, HashRange, LogId, Region, StreamId};
use store::key::encode;
use store::{Check, Document, Expect, Key, LogChange, Scan, Store, StoreError, Txn, Write};

pub use self::growth::Follower;
use crate::aborted::Aborted;
use crate::inflated::Inflated;
use crate::numbers::Number;
use crate::reshard::{Plan, Planner, ReshardError};
use crate::seal::Keyring;
use crate::stream::{Mode, Settings, Status, Stream, StreamName};
use crate::topology::{Shard, Topology};
use crate::turns::Turns;
use crate::undecided::Undecided;

/// Attempts at a change that others get in the way of, before the caller is told.
const ATTEMPTS: usize = 16;

/// Why a stream was not made, found or changed.
#[derive(Debug, thiserror::Error)]
pub enum StreamsError {
    /// There is none of that name.
    #[error("there is no such stream")]
    NotFound,
    /// There is one of that name already.
    #[error("there is such a stream already")]
    Exists,
    /// Queues deliver its records.
    #[error("the stream has queues")]
    HasQueues,
    /// It can't grow in place under this reader.
    #[error("the reader {0} would not find shards that have no parents")]
    Followed(String),
    /// Its shards can't be divided so.
    #[error(transparent)]
    Reshard(#[from] ReshardError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a new stream is to be.
#[derive(Clone, Debug)]
pub struct NewStream {
    /// Open shards to begin with, at least 1.
    pub shards: u32,
    /// Who decides how many there are later.
    pub mode: Mode,
    /// How long records are kept, in milliseconds; without it, for ever.
    pub retention_ms: Option<u64>,
    /// Largest record in bytes.
    pub max_record_bytes: u32,
    /// Throughput kept ready, in MiB/s.
    pub warm_throughput_mibps: Option<u32>,
    /// Bytes kept in each shard; without it, all.
    pub retention_bytes: Option<u64>,
    /// As [`Settings::extra`].
    pub extra: BTreeMap<String, String>,
    /// Documents to be made with the stream, or not at all: tags and the like.
    pub documents: Vec<Write>,
    /// Whether it is shown as being made for a moment, which clients of Kinesis wait to see pass. Kafka's take the answer to
    /// mean that it is there.
    pub is_awaited: bool,
}

/// The streams of one store.
pub struct Streams {
    store: Arc<dyn Store>,
    clock: Clock,
    keyring: Keyring,
    undecided: Undecided,
    pub(crate) aborted: Aborted,
    cache: Mutex<HashMap<StreamName, Arc<Stream>>>,
    /// All creations take the next number of one counter.
    creating: tokio::sync::Mutex<()>,
    loading: Turns,
    changing: Turns,
    /// As [`Streams::own_documents`] was told.
    owned: Mutex<BTreeSet<&'static str>>,
    /// As [`Streams::ask_before_growth`] was told.
    asked: Mutex<Option<(&'static str, Follower)>>,
    pub(crate) inflated: Inflated,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streams")
    }
}

impl Streams {
    /// The streams in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Clock, keyring: Keyring) -> Streams {
        Streams {
            store,
            clock,
            keyring,
            undecided: Undecided::default(),
            aborted: Aborted::default(),
            cache: Mutex::default(),
            creating: tokio::sync::Mutex::default(),
            loading: Turns::default(),
            changing: Turns::default(),
            owned: Mutex::default(),
            asked: Mutex::default(),
            inflated: Inflated::default(),
        }
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The clock in use.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The master key's ring.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Which transactions are open, and how far they let each log be read.
    #[must_use]
    pub fn undecided(&self) -> &Undecided {
        &self.undecided
    }

    /// Makes a stream, its shards and their logs.
    ///
    /// # Errors
    /// [`StreamsError::Exists`]; [`ReshardError::NoShards`].
    pub async fn create(
        &self,
        name: &StreamName,
        new: NewStream,
    ) -> Result<Arc<Stream>, StreamsError> {
        if new.shards == 0 {
            return Err(ReshardError::NoShards.into());
        }
        self.make(name, &new).await?;
        self.find(name).await
    }

    async fn make(&self, name: &StreamName, new: &NewStream) -> Result<(), StreamsError> {
        let _turn = self.creating.lock().await;
        for _ in 0..ATTEMPTS {
            match self.store.commit(self.creation(name, new).await?).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { key }) if key == name.key() => {
                    return Err(StreamsError::Exists);
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended(name))
    }

    async fn creation(&self, name: &StreamName, new: &NewStream) -> Result<Txn, StoreError> {
        let number = Number::next(&*self.store).await?;
        let id = number.id;
        let generation = first_generation(id);
        let now = self.clock.now();
        let mut settings = Settings {
            id,
            created: now,
            mode: new.mode,
            retention_ms: new.retention_ms,
            retention_bytes: new.retention_bytes,
            max_record_bytes: new.max_record_bytes,
            encryption: None,
            data_keys: Vec::new(),
            warm_throughput_mibps: new.warm_throughput_mibps,
            shard_metrics: Vec::new(),
            extra: new.extra.clone(),
            busy: None,
            generation,
            next_shard: new.shards,
            queues: 0,
        };
        if new.is_awaited {
            settings.show(Status::Creating, now);
        }
        let mut txn = Txn {
            checks: vec![Check {
                key: name.key(),
                expect: Expect::Absent,
            }],
            writes: new.documents.clone(),
            ..Txn::default()
        };
        number.put_into(&mut txn);
        txn.writes.push(Write::Put {
            key: name.key(),
            value: encode(&settings),
        });
        for (index, range) in (0..new.shards).zip(HashRange::even(new.shards)) {
            let shard = Shard {
                index,
                range,
                parents: Vec::new(),
                generation,
                opened: now,
                closed: None,
                expired: false,
                former: Vec::new(),
            };
            txn.writes.push(put_shard(id, &shard));
            txn.logs.push(LogChange::Create(LogId::new(id, index)));
        }
        Ok(txn)
    }

    /// The stream of that name as it is now.
    ///
    /// # Errors
    /// [`StreamsError::NotFound`].
    pub async fn find(&self, name: &StreamName) -> Result<Arc<Stream>, StreamsError> {
        if let Some(stream) = self.known(name, &self.document(name).await?) {
            return Ok(stream);
        }
        let _turn = self.loading.at(name).await;
        for _ in 0..ATTEMPTS {
            let document = self.document(name).await?;
            if let Some(stream) = self.known(name, &document) {
                return Ok(stream);
            }
            if let Some(stream) = self.load(name, &document).await? {
                self.cache().insert(name.clone(), stream.clone());
                return Ok(stream);
            }
        }
        Err(contended(name))
    }

    async fn document(&self, name: &StreamName) -> Result<Document, StreamsError> {
        let document = self.store.get(&name.key()).await?;
        document.ok_or_else(|| {
            self.cache().remove(name);
            StreamsError::NotFound
        })
    }

    /// The stream from the cache, if it is there as the document has it.
    fn known(&self, name: &StreamName, document: &Document) -> Option<Arc<Stream>> {
        let cached = self.cache().get(name).cloned();
        cached.filter(|stream| stream.version == document.version)
    }

    /// The stream from the store; `None` if it changed meanwhile.
    async fn load(
        &self,
        name: &StreamName,
        document: &Document,
    ) -> Result<Option<Arc<Stream>>, StreamsError> {
        let settings: Settings = document.decode()?;
        let shards = self
            .store
            .scan(Scan::below(&shard_folder(settings.id)))
            .await?;
        // The shards are those of the settings only if these did not change meanwhile.
        if self.document(name).await?.version != document.version {
            return Ok(None);
        }
        let shards = shards
            .iter()
            .map(|(_, shard)| shard.decode())
            .collect::<Result<Vec<Shard>, _>>()?;
        let current = settings
            .encryption
            .as_ref()
            .map(|encryption| encryption.data_key);
        Ok(Some(Arc::new(Stream {
            name: name.clone(),
            version: document.version,
            topology: Topology::of(shards),
            sealer: self.keyring.sealer(&settings.data_keys, current)?,
            settings,
        })))
    }

    /// Names of an account's streams in a region, in order, after `after`.
    ///
    /// # Errors
    /// The store's.
    pub async fn names(
        &self,
        account: &AccountId,
        region: &Region,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StreamName>, StreamsError> {
        let folder = StreamName::folder(account, region);
        let named = |name: &str| StreamName {
            account: account.clone(),
            region: region.clone(),
            name: name.into(),
        };
        let scan = Scan {
            after: after.map(|name| named(name).key()),
            limit,
            ..Scan::below(&folder)
        };
        let found = self.store.scan(scan).await?;
        Ok(found
            .iter()
            .filter_map(|(key, _)| StreamName::from_key(key))
            .collect())
    }

    /// Names of all streams of all accounts.
    ///
    /// # Errors
    /// The store's.
    pub async fn all_names(&self) -> Result<Vec<StreamName>, StreamsError> {
        let found = self.store.scan(Scan::below(&Key::of(&["stream"]))).await?;
        Ok(found
            .iter()
            .filter_map(|(key, _)| StreamName::from_key(key))
            .collect())
    }

    /// Changes a stream's settings by `change`, which is asked again where others get in between. Gives what it gave.
    ///
    /// # Errors
    /// What `change` refuses with, or the stream's own.
    pub async fn update<E: From<StreamsError>>(
        &self,
        name: &StreamName,
        change: impl Fn(&Stream, &mut Settings) -> Result<(), E>,
    ) -> Result<Arc<Stream>, E> {
        let _turn = self.changing.at(name).await;
        for _ in 0..ATTEMPTS {
            let stream = self.find(name).await?;
            let mut settings = stream.settings.clone();
            change(&stream, &mut settings)?;
            if settings == stream.settings {
                return Ok(stream);
            }
            let txn = Txn {
                writes: vec![put_settings(name, &settings)],
                ..unchanged(&stream)
            };
            match self.store.commit(txn).await {
                Ok(_) => return Ok(self.find(name).await?),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(StreamsError::from(error).into()),
            }
        }
        Err(contended(name).into())
    }

    /// Gives `stream` these settings in one transaction with `txn`, if it is as it was looked up.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where it is not; the transaction's.
    pub async fn change_with(
        &self,
        stream: &Stream,
        settings: &Settings,
        mut txn: Txn,
    ) -> Result<(), StoreError> {
        txn.checks.extend(unchanged(stream).checks);
        txn.writes.push(put_settings(&stream.name, settings));
        self.store.commit(txn).await.map(drop)
    }

    /// Divides a stream's ring anew, in one step. `plan` is asked again where others get in between.
    ///
    /// # Errors
    /// What `plan` refuses with, or the stream's own; [`StreamsError::Followed`] for growth in place.
    pub async fn reshard<E: From<StreamsError>>(
        &self,
        name: &StreamName,
        plan: impl Fn(&Stream, Planner<'_>) -> Result<Plan, E>,
    ) -> Result<Arc<Stream>, E> {
        let _turn = self.changing.at(name).await;
        for _ in 0..ATTEMPTS {
            let stream = self.find(name).await?;
            let Settings {
                generation,
                next_shard,
                ..
            } = stream.settings;
            let planner = Planner::new(&stream.topology, generation, next_shard, self.clock.now());
            let plan = plan(&stream, planner)?;
            if plan.opens.is_empty() {
                return Ok(stream);
            }
            let mut txn = self.resharding(&stream, &plan);
            if !plan.moves.is_empty() {
                txn.checks.extend(self.may_grow(name).await?);
            }
            match self.store.commit(txn).await {
                Ok(_) => return Ok(self.find(name).await?),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(StreamsError::from(error).into()),
            }
        }
        Err(contended(name).into())
    }

    fn resharding(&self, stream: &Stream, plan: &Plan) -> Txn {
        let now = self.clock.now();
        let id = stream.settings.id;
        let mut settings = stream.settings.clone();
        settings.generation = plan.generation;
        settings.next_shard +=
            u32::try_from(plan.opens.len()).expect("a plan has fewer shards than numbers");
        // Growth in place is Kafka's, whose clients wait for nothing more than the answer.
        if plan.moves.is_empty() {
            settings.show(Status::Updating, now);
        }
        let mut txn = Txn {
            writes: vec![put_settings(&stream.name, &settings)],
            ..unchanged(stream)
        };
        for shard in plan
            .closes
            .iter()
            .filter_map(|&index| stream.topology.get(index))
        {
            txn.writes.push(put_shard(
                id,
                &Shard {
                    closed: Some(now),
                    ..shard.clone()
                },
            ));
            txn.logs.push(LogChange::Seal(stream.log(shard.index)));
        }
        for &(index, range) in &plan.moves {
            let moved = stream.topology.get(index);
            txn.writes
                .extend(moved.map(|shard| put_shard(id, &shard.moved(range, now))));
        }
        for shard in &plan.opens {
            let log = stream.log(shard.index);
            txn.writes.push(put_shard(id, shard));
            txn.logs.push(LogChange::Create(log));
            if !shard.is_open() {
                txn.logs.push(LogChange::Seal(log));
            }
        }
        txn
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<StreamName, Arc<Stream>>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The generation that a stream's shards begin with. Each stream has a million of its own, so that what a reader kept of a
/// deleted stream is told from what the next of its name gives; half a million streams later they come round again.
fn first_generation(id: StreamId) -> u64 {
    const OF_EACH: u64 = 1 << 20;
    // Half of the numbers there are, so that no count of reshardings goes beyond them.
    const STREAMS: u64 = (GENERATION_MAX + 1) / OF_EACH / 2;
    id.0 % STREAMS * OF_EACH
}

/// A transaction that holds only if the stream is as it was looked up.
fn unchanged(stream: &Stream) -> Txn {
    let check = Check {
        key: stream.name.key(),
        expect: Expect::At(stream.version),
    };
    Txn {
        checks: vec![check],
        ..Txn::default()
    }
}

fn put_settings(name: &StreamName, settings: &Settings) -> Write {
    Write::Put {
        key: name.key(),
        value: encode(settings),
    }
}

fn put_shard(stream: StreamId, shard: &Shard) -> Write {
    Write::Put {
        key: shard_key(stream, shard.index),
        value: encode(shard),
    }
}

fn shard_folder(stream: StreamId) -> Key {
    Key::of(&["shard", &format!("{:016x}", stream.0)])
}

fn shard_key(stream: StreamId, index: u32) -> Key {
    Key::of(&[
        "shard",
        &format!("{:016x}", stream.0),
        &format!("{index:08x}"),
    ])
}

fn contended(name: &StreamName) -> StreamsError {
    let reason = format!("too many changes to stream {} at once", name.name);
    StoreError::Unavailable {
        reason,
        source: None,
    }
    .into()
}
