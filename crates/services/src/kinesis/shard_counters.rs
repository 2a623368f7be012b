//! What is counted of each shard, for streams whose users asked for it by EnableEnhancedMonitoring.
//!
//! A stream that nobody asked it for costs a look at its settings; one that was asked for, a look into a map for each batch put or
//! read. Bounded: [`SHARDS_MAX`] of all streams together, of which closed ones make room; those beyond are not counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use streams::{Stream, StreamName};

use super::counters::add;

/// Shards that are counted at once: about 2 MiB of counts.
const SHARDS_MAX: usize = 20_000;

/// The counts of one shard.
#[derive(Debug, Default)]
pub(super) struct ShardCounters {
    pub(super) incoming_bytes: AtomicU64,
    pub(super) incoming_records: AtomicU64,
    pub(super) outgoing_bytes: AtomicU64,
    pub(super) outgoing_records: AtomicU64,
    pub(super) write_exceeded: AtomicU64,
    pub(super) read_exceeded: AtomicU64,
    /// Reads by GetRecords, which have seen `iterator_age_ms`.
    pub(super) gets: AtomicU64,
    pub(super) iterator_age_ms: AtomicI64,
}

impl ShardCounters {
    /// Counts a batch that was put.
    pub(super) fn put(&self, bytes: usize, records: usize) {
        add(&self.incoming_bytes, bytes);
        add(&self.incoming_records, records);
    }

    /// Counts a page that was read.
    pub(super) fn read(&self, bytes: usize, records: usize) {
        add(&self.outgoing_bytes, bytes);
        add(&self.outgoing_records, records);
    }

    /// How far behind the tip an answer of GetRecords ended, in milliseconds.
    pub(super) fn saw_iterator_age(&self, millis: i64) {
        self.iterator_age_ms.store(millis, Relaxed);
        add(&self.gets, 1);
    }
}

/// The shards of one stream that are counted.
#[derive(Debug, Default)]
pub(super) struct Monitored {
    /// The metrics that were asked for.
    pub(super) metrics: Vec<String>,
    pub(super) shards: HashMap<u32, Arc<ShardCounters>>,
}

/// The counts of all shards that are counted.
#[derive(Debug, Default)]
pub(super) struct Shards(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    streams: HashMap<StreamName, Monitored>,
    count: usize,
}

impl Known {
    /// Makes room for one shard more, if there is any.
    fn has_room(&mut self, stream: &Stream) -> bool {
        if self.count < SHARDS_MAX {
            return true;
        }
        let Some(known) = self.streams.get_mut(&stream.name) else {
            return false;
        };
        let before = known.shards.len();
        if before <= stream.topology.open_count() {
            return false;
        }
        known
            .shards
            .retain(|index, _| stream.topology.get(*index).is_some_and(|it| it.is_open()));
        self.count -= before - known.shards.len();
        self.count < SHARDS_MAX
    }
}

impl Shards {
    /// The counts of a shard, if somebody asked for them.
    pub(super) fn of(&self, stream: &Stream, shard: u32) -> Option<Arc<ShardCounters>> {
        let asked = &stream.settings.shard_metrics;
        if asked.is_empty() {
            return None;
        }
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(monitored) = known.streams.get(&stream.name)
            && monitored.metrics == *asked
            && let Some(counters) = monitored.shards.get(&shard)
        {
            return Some(Arc::clone(counters));
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = known
            .streams
            .get(&stream.name)
            .is_none_or(|monitored| !monitored.shards.contains_key(&shard));
        if is_new && !known.has_room(stream) {
            return None;
        }
        known.count += usize::from(is_new);
        let monitored = known.streams.entry(stream.name.clone()).or_default();
        monitored.metrics.clone_from(asked);
        Some(Arc::clone(monitored.shards.entry(shard).or_default()))
    }

    /// Counts the shards of a stream no more.
    pub(super) fn forget(&self, stream: &StreamName) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(monitored) = known.streams.remove(stream) {
            known.count -= monitored.shards.len();
        }
    }

    /// Has a look at each stream whose shards are counted.
    pub(super) fn each(&self, mut look: impl FnMut(&StreamName, &Monitored)) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for (stream, monitored) in &known.streams {
            look(stream, monitored);
        }
    }
}
