//! One target: the lanes of its shards, which callers fill and its dispatcher empties.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use formats::aggregation::{Limits, hash_key};
use model::HashKey;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::item::Item;
use super::lane::{Added, Incoming, Lane};
use super::ledger::Ledger;
use super::map::{Place, ShardMap, place_of};
use super::options::REQUEST_RECORDS_MAX;
use super::rate::Bucket;

/// What is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A stream of Kinesis.
    Stream,
    /// A delivery stream of Firehose.
    Delivery,
}

/// What is known of a stream's shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Routing {
    /// Nothing yet: its one lane only collects.
    Unknown,
    /// A lane for each open shard, with records packed for it.
    Known,
    /// Shards are not to be known or do not go by keys: records go one by one.
    Blind,
}

/// One target.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// The name where it was given by its ARN: what metrics call it.
    pub(super) label: Arc<str>,
    lanes: RwLock<Lanes>,
    /// Bytes made ready by callers since the dispatcher last looked.
    fresh: AtomicUsize,
    /// User records that lanes took in which are no more.
    received_before: AtomicU64,
    /// What has this generation or an earlier one is sent without waiting for company.
    flushed: AtomicU64,
    /// For the dispatcher: there is something to look at.
    pub(super) wake: Notify,
}

/// A lane for each shard, by hash key.
#[derive(Debug)]
pub(super) struct Lanes {
    pub(super) routing: Routing,
    firsts: Vec<HashKey>,
    lanes: Vec<Mutex<Lane>>,
}

impl Lanes {
    fn one(routing: Routing, lane: Lane) -> Lanes {
        Lanes {
            routing,
            firsts: vec![HashKey::MIN],
            lanes: vec![Mutex::new(lane)],
        }
    }

    /// The lane at this place among them.
    pub(super) fn lane(&self, at: usize) -> Option<MutexGuard<'_, Lane>> {
        self.lanes.get(at).map(locked)
    }

    pub(super) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, Lane>> {
        self.lanes.iter().map(locked)
    }

    pub(super) fn count(&self) -> usize {
        self.lanes.len()
    }

    /// Whether these are the lanes of the map's shards.
    fn is_as(&self, map: &ShardMap) -> bool {
        let is_same = |(lane, place): (MutexGuard<'_, Lane>, &Place)| {
            lane.shard.as_ref() == Some(&place.shard)
        };
        self.routing == Routing::Known
            && self.lanes.len() == map.open.len()
            && self.each().zip(&map.open).all(is_same)
    }

    /// Where a record belongs. The digest of its key is not made where there is no choice.
    fn place(&self, partition_key: &str, explicit: Option<HashKey>) -> usize {
        if self.lanes.len() < 2 {
            return 0;
        }
        let key = explicit.unwrap_or_else(|| hash_key(partition_key));
        place_of(&self.firsts, key)
    }
}

fn locked(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stream {
    pub(super) fn new(kind: Kind, name: &str, limits: Option<Limits>) -> Stream {
        let lanes = match kind {
            Kind::Stream => Lanes::one(Routing::Unknown, Lane::new(None, limits, None)),
            Kind::Delivery => Lanes::one(Routing::Blind, Lane::new(None, None, None)),
        };
        Stream {
            kind,
            name: name.to_owned(),
            label: name.rsplit('/').next().unwrap_or(name).into(),
            lanes: RwLock::new(lanes),
            fresh: AtomicUsize::new(0),
            received_before: AtomicU64::new(0),
            flushed: AtomicU64::new(0),
            wake: Notify::new(),
        }
    }

    /// Takes a record in, unless `refuses` says otherwise once its lane is held. Wakes the dispatcher where there is reason:
    /// `enough` bytes are ready, or an empty lane has something to wait for.
    pub(super) fn add(
        &self,
        record: Incoming<'_>,
        ledger: &Ledger,
        enough: usize,
        refuses: impl FnOnce() -> bool,
    ) -> bool {
        let added = {
            let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
            let place = lanes.place(record.partition_key, record.explicit_hash_key);
            let Some(mut lane) = lanes.lane(place) else {
                return false;
            };
            if refuses() {
                return false;
            }
            lane.add(record, Instant::now(), ledger)
        };
        match added {
            Added::Joined => {}
            Added::Woke => self.wake.notify_one(),
            Added::Ready(bytes) => {
                // A request is full by its bytes or by its records.
                let bytes = bytes.max(enough / REQUEST_RECORDS_MAX);
                if self.fresh.fetch_add(bytes, Ordering::Relaxed) + bytes >= enough {
                    self.fresh.store(0, Ordering::Relaxed);
                    self.wake.notify_one();
                }
            }
        }
        true
    }

    pub(super) fn read(&self) -> std::sync::RwLockReadGuard<'_, Lanes> {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// User records that it was given.
    pub(super) fn received(&self) -> u64 {
        let lanes = self.read();
        let now: u64 = lanes.each().map(|lane| lane.received).sum();
        now + self.received_before.load(Ordering::Relaxed)
    }

    /// Lays lanes anew. Their lock is held.
    fn replace(&self, lanes: &mut Lanes, next: Lanes) {
        let gone: u64 = lanes.each().map(|lane| lane.received).sum();
        self.received_before.fetch_add(gone, Ordering::Relaxed);
        *lanes = next;
    }

    /// From now on, nothing of this generation or an earlier one waits for company.
    pub(super) fn flush(&self, generation: u64) {
        self.flushed.fetch_max(generation + 1, Ordering::SeqCst);
        self.wake.notify_one();
    }

    pub(super) fn is_flushed(&self, generation: u64) -> bool {
        generation < self.flushed.load(Ordering::SeqCst)
    }

    /// Lanes for the shards of a map, which are filled with what the old ones held. No request may be on its way.
    pub(super) fn follow(
        &self,
        map: &ShardMap,
        limits: Option<Limits>,
        rate: Option<u32>,
        ledger: &Ledger,
    ) {
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        if lanes.is_as(map) {
            return;
        }
        let now = Instant::now();
        let lane = |shard| {
            let bucket = rate.map(|per_cent| Bucket::new(per_cent, now));
            Mutex::new(Lane::new(Some(shard), limits, bucket))
        };
        let next = Lanes {
            routing: Routing::Known,
            firsts: map.open.iter().map(|place| place.range.first).collect(),
            lanes: map
                .open
                .iter()
                .map(|place| lane(place.shard.clone()))
                .collect(),
        };
        move_over(&lanes, &next, limits, ledger);
        self.replace(&mut lanes, next);
    }

    /// One lane for all records, which go one by one.
    pub(super) fn go_blind(&self, ledger: &Ledger) {
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        let next = Lanes::one(Routing::Blind, Lane::new(None, None, None));
        move_over(&lanes, &next, None, ledger);
        self.replace(&mut lanes, next);
    }

    /// Puts records, sorted by their shards, in front of all others.
    pub(super) fn put_back(&self, items: Vec<Item>, limits: Option<Limits>, ledger: &Ledger) {
        let lanes = self.read();
        let limits = limits.filter(|_| lanes.routing != Routing::Blind);
        let mut sorted: Vec<Vec<Item>> = (0..lanes.count()).map(|_| Vec::new()).collect();
        for item in items {
            for (place, item) in item.sort(|key| place_of(&lanes.firsts, key), limits, ledger) {
                if let Some(items) = sorted.get_mut(place) {
                    items.push(item);
                }
            }
        }
        for (mut lane, items) in lanes.each().zip(sorted) {
            lane.put_back(items);
        }
    }
}

fn move_over(from: &Lanes, to: &Lanes, limits: Option<Limits>, ledger: &Ledger) {
    for mut lane in from.each() {
        for item in lane.drain() {
            for (place, item) in item.sort(|key| place_of(&to.firsts, key), limits, ledger) {
                if let Some(mut lane) = to.lane(place) {
                    lane.push(item);
                }
            }
        }
    }
}
