//! Client quotas (KIP-13, KIP-124, KIP-219, KIP-546, KIP-599, KIP-612): how much of what a user or a client may take each
//! second, and how many connections an address may open.
//!
//! A quota belongs to an entity: a user, a client id, both, or an address, each by name or as the default for those without
//! their own. Of all that fit a request the most particular one holds, in Kafka's order. Who took too much is told so with an
//! answer that comes at once, and nothing more is read from that connection until the time is over.
//!
//! Kept: `kafka-quota, entity` → [`Stored`].

mod bucket;
mod taker;
pub(crate) mod time;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bucket::Bucket;
use bytes::{BufMut, BytesMut};
use serde::{Deserialize, Serialize};
use store::key::encode;
use store::{Key, Scan, Store, StoreError, Txn, Write};
use taker::{Name, Taker};
use tokio::time::Instant;

use crate::error::Refusal;
use crate::session::Call;
use crate::wire::ErrorCode;

const FOLDER: &str = "kafka-quota";
/// Buckets at one time; when there are more, those nobody owes in are forgotten.
const BUCKETS_MAX: usize = 100_000;

/// The names of what can be limited.
pub(crate) const PRODUCER: &str = "producer_byte_rate";
pub(crate) const CONSUMER: &str = "consumer_byte_rate";
pub(crate) const REQUESTS: &str = "request_percentage";
pub(crate) const MUTATIONS: &str = "controller_mutation_rate";
pub(crate) const CONNECTIONS: &str = "connection_creation_rate";

/// Whose a quota is: neither, a name, or all without one of their own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Entity {
    pub(crate) user: Option<Who>,
    pub(crate) client: Option<Who>,
    /// An address, beside which there is nothing else.
    #[serde(default)]
    pub(crate) ip: Option<Who>,
}

/// A name, or all others.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum Who {
    Named(String),
    Default,
}

/// Values by what they limit.
pub(crate) type Limits = BTreeMap<String, f64>;

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    entity: Entity,
    limits: Limits,
}

/// All quotas.
#[derive(Debug)]
pub(crate) struct Quotas {
    /// Whether there are any: without, nothing else here is looked at.
    is_any: AtomicBool,
    state: Mutex<State>,
    changing: tokio::sync::Mutex<()>,
    began: Instant,
}

#[derive(Debug, Default)]
struct State {
    limits: BTreeMap<Entity, Limits>,
    buckets: HashMap<Taker, Bucket>,
}

impl Quotas {
    /// What is in the store.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn load(store: &dyn Store) -> Result<Quotas, StoreError> {
        let mut limits = BTreeMap::new();
        for (_, document) in store.scan(Scan::below(&Key::of(&[FOLDER]))).await? {
            let stored: Stored = document.decode()?;
            limits.insert(stored.entity, stored.limits);
        }
        Ok(Quotas {
            is_any: AtomicBool::new(!limits.is_empty()),
            state: Mutex::new(State {
                limits,
                buckets: HashMap::new(),
            }),
            changing: tokio::sync::Mutex::default(),
            began: Instant::now(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All entities with their limits.
    pub(crate) fn all(&self) -> BTreeMap<Entity, Limits> {
        self.state().limits.clone()
    }

    /// Changes an entity's limits: to a value, or to none.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn change(
        &self,
        store: &dyn Store,
        entity: &Entity,
        changes: &[(String, Option<f64>)],
    ) -> Result<(), StoreError> {
        let _turn = self.changing.lock().await;
        let mut limits = self.state().limits.get(entity).cloned().unwrap_or_default();
        for (name, value) in changes {
            match value {
                Some(value) => limits.insert(name.clone(), *value),
                None => limits.remove(name),
            };
        }
        let key = key(entity);
        let write = if limits.is_empty() {
            Write::Delete { key }
        } else {
            let stored = Stored {
                entity: entity.clone(),
                limits: limits.clone(),
            };
            let value = encode(&stored);
            Write::Put { key, value }
        };
        let txn = Txn {
            writes: vec![write],
            ..Txn::default()
        };
        store.commit(txn).await?;
        let mut state = self.state();
        if limits.is_empty() {
            state.limits.remove(entity);
        } else {
            state.limits.insert(entity.clone(), limits);
        }
        self.is_any
            .store(!state.limits.is_empty(), Ordering::Relaxed);
        Ok(())
    }

    /// Asks something of the bucket that a user's client takes `what` from, if there is one.
    fn with<T>(
        &self,
        what: &'static str,
        (user, client): (&str, &str),
        ask: impl FnOnce(&mut Bucket, Duration) -> T,
    ) -> Option<T> {
        let state = self.state();
        let (rate, taker) = state.limit(what, user, client)?;
        Some(self.ask(state, rate, taker, ask))
    }

    /// How long a connection from an address that has opened too many is to be held up, before it is closed; one that has not
    /// is counted.
    pub(crate) fn connection_wait(&self, from: IpAddr) -> Duration {
        if !self.is_any.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        let state = self.state();
        let from = from.to_canonical().to_string();
        let Some(rate) = state.connection_rate(&from) else {
            return Duration::ZERO;
        };
        let taker = (CONNECTIONS, Some(Name::of(&from)), None);
        self.ask(state, rate, taker, |bucket, now| {
            if bucket.has_any(now) {
                bucket.take(1.0, now);
                return Duration::ZERO;
            }
            bucket.wait_for_more(now)
        })
    }

    fn ask<T>(
        &self,
        mut state: MutexGuard<'_, State>,
        rate: f64,
        taker: Taker,
        ask: impl FnOnce(&mut Bucket, Duration) -> T,
    ) -> T {
        let now = self.began.elapsed();
        if state.buckets.len() >= BUCKETS_MAX && !state.buckets.contains_key(&taker) {
            state.buckets.retain(|_, bucket| !bucket.is_full(now));
            if state.buckets.len() >= BUCKETS_MAX {
                state.buckets.clear();
            }
        }
        let bucket = state.buckets.entry(taker);
        let bucket = bucket.or_insert_with(|| Bucket::new(rate, now));
        bucket.set_rate(rate, now);
        ask(bucket, now)
    }
}

impl State {
    /// The rate that holds for a user's client, and who shares it.
    fn limit(&self, what: &'static str, user: &str, client: &str) -> Option<(f64, Taker)> {
        let named = |name: &str| Some(Who::Named(name.to_owned()));
        let default = || Some(Who::Default);
        // From the most particular on.
        let order = [
            (named(user), named(client)),
            (named(user), default()),
            (named(user), None),
            (default(), named(client)),
            (default(), default()),
            (default(), None),
            (None, named(client)),
            (None, default()),
        ];
        order.into_iter().find_map(|(of_user, of_client)| {
            let (by_user, by_client) = (of_user.is_some(), of_client.is_some());
            let entity = Entity {
                user: of_user,
                client: of_client,
                ip: None,
            };
            let rate = self.limits.get(&entity)?.get(what)?;
            let shared_by = (
                what,
                by_user.then(|| Name::of(user)),
                by_client.then(|| Name::of(client)),
            );
            Some((*rate, shared_by))
        })
    }

    /// Connections that an address may open each second.
    fn connection_rate(&self, from: &str) -> Option<f64> {
        let of = |who: Who| {
            let entity = Entity {
                ip: Some(who),
                ..Entity::default()
            };
            self.limits.get(&entity)?.get(CONNECTIONS).copied()
        };
        of(Who::Named(from.to_owned())).or_else(|| of(Who::Default))
    }
}

impl Call {
    fn taker(&self) -> (String, &str) {
        (self.session.principal().name.clone(), &self.client_id)
    }

    /// Takes `bytes` from the quota `what`. Gives the milliseconds to tell the client, for which nothing more is read from
    /// its connection.
    pub(crate) fn take(&self, what: &'static str, bytes: usize) -> i32 {
        let quotas = &self.broker.quotas;
        if !quotas.is_any.load(Ordering::Relaxed) {
            return 0;
        }
        let (user, client) = self.taker();
        let take = |bucket: &mut Bucket, now| bucket.take(bytes as f64, now);
        let wait = quotas.with(what, (&user, client), take);
        self.mute(wait.unwrap_or_default())
    }

    /// Whether any quota is to be held. Who has not said who they are yet has none.
    pub(crate) fn is_limited(&self) -> bool {
        self.broker.quotas.is_any.load(Ordering::Relaxed) && !self.session.is_unknown()
    }

    /// Takes time of the broker's threads from the quota of such, in which 100 is one thread's whole time (KIP-124). Gives
    /// what [`Call::take`] does.
    pub(crate) fn take_time(&self, spent: Duration) -> i32 {
        let quotas = &self.broker.quotas;
        let (user, client) = self.taker();
        let percent = spent.as_secs_f64() * 100.0;
        let take = |bucket: &mut Bucket, now| bucket.take(percent, now);
        let wait = quotas.with(REQUESTS, (&user, client), take);
        self.mute(wait.unwrap_or_default())
    }

    /// Takes `count` partitions to be made or deleted from the quota of such.
    ///
    /// # Errors
    /// [`ErrorCode::ThrottlingQuotaExceeded`] where nothing is left and the request's version, from `strict_from` on, can be
    /// told so.
    pub(crate) fn take_mutations(&self, count: u32, strict_from: i16) -> Result<(), Refusal> {
        let quotas = &self.broker.quotas;
        if !quotas.is_any.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (user, client) = self.taker();
        let is_strict = self.version >= strict_from;
        let take = |bucket: &mut Bucket, now| {
            if is_strict && !bucket.has_any(now) {
                return false;
            }
            bucket.take(f64::from(count), now);
            true
        };
        match quotas.with(MUTATIONS, (&user, client), take) {
            Some(false) => Err(Refusal::new(
                ErrorCode::ThrottlingQuotaExceeded,
                "The throttling quota has been exceeded.",
            )),
            Some(true) | None => Ok(()),
        }
    }

    /// Milliseconds to tell a client that has had partitions made or deleted, for which nothing more is read.
    pub(crate) fn mutation_wait(&self) -> i32 {
        let quotas = &self.broker.quotas;
        if !quotas.is_any.load(Ordering::Relaxed) {
            return 0;
        }
        let (user, client) = self.taker();
        let wait = quotas.with(MUTATIONS, (&user, client), |bucket, now| {
            bucket.has_any(now);
            bucket.wait()
        });
        self.mute(wait.unwrap_or_default())
    }

    fn mute(&self, wait: Duration) -> i32 {
        if !wait.is_zero() {
            self.session.mute.until(Instant::now() + wait);
        }
        i32::try_from(wait.as_millis()).unwrap_or(i32::MAX)
    }
}

/// Until when a connection is not read (KIP-219).
#[derive(Debug)]
pub(crate) struct Mute {
    began: Instant,
    /// Milliseconds after that; 0 for not at all.
    until_ms: std::sync::atomic::AtomicU64,
}

impl Default for Mute {
    fn default() -> Self {
        Mute {
            began: Instant::now(),
            until_ms: std::sync::atomic::AtomicU64::new(0),
        }
    }
}

impl Mute {
    /// Not before `time`.
    pub(crate) fn until(&self, time: Instant) {
        let ms = time.duration_since(self.began).as_millis();
        let ms = u64::try_from(ms).unwrap_or(u64::MAX);
        self.until_ms.fetch_max(ms, Ordering::Relaxed);
    }

    /// When it is read again, where that is to come.
    pub(crate) fn ends(&self) -> Option<Instant> {
        match self.until_ms.load(Ordering::Relaxed) {
            0 => None,
            ms => Some(self.began + Duration::from_millis(ms)).filter(|at| *at > Instant::now()),
        }
    }
}

/// Where an entity's limits lie. Names may hold any character: a zero byte becomes two bytes, and so does the one that begins
/// those.
fn key(entity: &Entity) -> Key {
    let mut key = BytesMut::from(Key::of(&[FOLDER]).children().as_bytes());
    let parts = [
        (b'u', &entity.user),
        (b'c', &entity.client),
        (b'i', &entity.ip),
    ];
    for (kind, who) in parts {
        match who {
            None => {}
            Some(Who::Default) => key.put_slice(&[0, kind, b'*']),
            Some(Who::Named(name)) => {
                key.put_slice(&[0, kind, b'=']);
                for byte in name.bytes() {
                    match byte {
                        0 => key.put_slice(&[1, 1]),
                        1 => key.put_slice(&[1, 2]),
                        other => key.put_u8(other),
                    }
                }
            }
        }
    }
    Key::from_bytes(key.freeze())
}

#[cfg(test)]
mod tests {
    use model::{Clock, Timestamp};
    use store::Memory;

    use super::*;

    fn entity(user: Option<&str>, client: Option<&str>) -> Entity {
        let who = |name: &str| match name {
            "*" => Who::Default,
            name => Who::Named(name.into()),
        };
        Entity {
            user: user.map(who),
            client: client.map(who),
            ip: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_opens_so_many_connections_a_second() {
        let store = Memory::new(Clock::manual(Timestamp(1)));
        let quotas = Quotas::load(&store).await.unwrap();
        let here = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(quotas.connection_wait(here), Duration::ZERO);
        let of = |ip| Entity {
            ip: Some(ip),
            ..Entity::default()
        };
        for (who, rate) in [(Who::Default, 1.0), (Who::Named(here.to_string()), 2.0)] {
            let change = [(CONNECTIONS.to_owned(), Some(rate))];
            quotas.change(&store, &of(who), &change).await.unwrap();
        }
        let quotas = Quotas::load(&store).await.unwrap();
        let other = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(quotas.connection_wait(other), Duration::ZERO);
        assert_eq!(quotas.connection_wait(other), Duration::from_secs(1));
        // By the address however it is written.
        let mapped = "::ffff:127.0.0.1".parse().unwrap();
        for from in [here, mapped] {
            assert_eq!(quotas.connection_wait(from), Duration::ZERO);
        }
        for _ in 0..10 {
            // Those refused do not count.
            assert_eq!(quotas.connection_wait(here), Duration::from_millis(500));
        }
        tokio::time::advance(Duration::from_millis(600)).await;
        assert_eq!(quotas.connection_wait(here), Duration::ZERO);
    }

    #[tokio::test]
    async fn the_most_particular_quota_holds_and_is_there_after_a_restart() {
        let store = Memory::new(Clock::manual(Timestamp(1)));
        let quotas = Quotas::load(&store).await.unwrap();
        assert!(!quotas.is_any.load(Ordering::Relaxed));
        // From the least particular on, each takes over from the one before.
        let order = [
            (None, Some("*")),
            (None, Some("app")),
            (Some("*"), None),
            (Some("*"), Some("*")),
            (Some("*"), Some("app")),
            (Some("ann"), None),
            (Some("ann"), Some("*")),
            (Some("ann"), Some("app")),
        ];
        for (at, (user, client)) in order.into_iter().enumerate() {
            let rate = (at + 1) as f64;
            let change = [(PRODUCER.to_owned(), Some(rate))];
            let entity = entity(user, client);
            quotas.change(&store, &entity, &change).await.unwrap();
            let again = Quotas::load(&store).await.unwrap();
            let (found, _) = again.state().limit(PRODUCER, "ann", "app").unwrap();
            assert_eq!(found, rate, "{user:?} {client:?}");
            assert!(again.state().limit(CONSUMER, "ann", "app").is_none());
        }
        let (_, taker) = quotas.state().limit(PRODUCER, "bob", "x").unwrap();
        assert_eq!(
            taker,
            (PRODUCER, Some(Name::of("bob")), Some(Name::of("x")))
        );
        for (user, client) in order {
            let change = [(PRODUCER.to_owned(), None)];
            let entity = entity(user, client);
            quotas.change(&store, &entity, &change).await.unwrap();
        }
        assert!(!quotas.is_any.load(Ordering::Relaxed));
        assert!(Quotas::load(&store).await.unwrap().all().is_empty());
    }
}

#[cfg(test)]
mod mutations;
