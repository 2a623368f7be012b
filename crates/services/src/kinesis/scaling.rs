//! On-demand streams: shards are split when the load observed on them asks for it.
//!
//! A shard that takes half of what a shard may take, on average over a minute, is split in the middle ("Amazon Kinesis Data
//! Streams on-demand capacity mode now scales up to 1 GB/second", AWS Big Data Blog: 0.5 MB/s or 500 records/s), until the
//! stream takes 200 MB/s. So a stream always has room for twice its peak. It is never scaled down: AWS keeps capacity for the
//! peak of the last 30 days, and an idle shard costs next to nothing here.
//!
//! Load is observed with and without limits. It is kept in memory: a restart observes anew.

use std::collections::HashMap;
use std::time::Duration;

use model::{HashKey, HashRange, StreamId, Timestamp};
use streams::{Mode, ReshardError, Stream, StreamName, StreamsError, Topology};

use super::Kinesis;
use super::error::KinesisError;

/// Load is averaged over so many slots of [`SLOT`].
const SLOTS: usize = 6;
const SLOT: Duration = Duration::from_secs(10);
const WINDOW_SECONDS: u64 = SLOTS as u64 * SLOT.as_secs();

/// Bytes a second on one shard from which on it is split.
const SPLIT_BYTES: u64 = (1 << 20) / 2;
/// Records a second on one shard from which on it is split.
const SPLIT_RECORDS: u64 = 500;
/// Open shards of a stream that load alone makes: 200 MB/s.
const SHARDS_MAX: usize = 200;
/// Shards whose load is kept. On-demand streams have at most a few hundred each, and idle shards are forgotten.
const OBSERVED_MAX: usize = 50_000;

/// What was written to one shard in the last minute.
#[derive(Clone, Debug, Default)]
struct Window {
    /// Bytes and records by slot, in a ring.
    slots: [(u64, u64); SLOTS],
    /// The newest slot's number since the epoch.
    newest: i64,
}

fn slot_of(time: Timestamp) -> i64 {
    time.0.div_euclid(SLOT.as_millis() as i64)
}

impl Window {
    fn turn(&mut self, now: Timestamp) {
        let slot = slot_of(now);
        let passed = slot.saturating_sub(self.newest);
        if passed < -(SLOTS as i64) {
            // The clock was set back: the window would stand still until it is there again, and only fill.
            *self = Window::default();
        } else if passed <= 0 {
            return;
        }
        for number in (self.newest + 1..=slot).rev().take(SLOTS) {
            self.slots[number.rem_euclid(SLOTS as i64) as usize] = (0, 0);
        }
        self.newest = slot;
    }

    fn add(&mut self, bytes: usize, records: usize, now: Timestamp) {
        self.turn(now);
        let slot = &mut self.slots[self.newest.rem_euclid(SLOTS as i64) as usize];
        slot.0 += bytes as u64;
        slot.1 += records as u64;
    }

    fn total(&self) -> (u64, u64) {
        let add = |sum: (u64, u64), slot: &(u64, u64)| (sum.0 + slot.0, sum.1 + slot.1);
        self.slots.iter().fold((0, 0), add)
    }

    fn is_hot(&self) -> bool {
        let (bytes, records) = self.total();
        bytes >= SPLIT_BYTES * WINDOW_SECONDS || records >= SPLIT_RECORDS * WINDOW_SECONDS
    }
}

/// The load of on-demand streams.
#[derive(Debug, Default)]
pub(super) struct Load {
    streams: HashMap<StreamId, StreamLoad>,
    shards: usize,
}

#[derive(Debug)]
struct StreamLoad {
    name: StreamName,
    shards: HashMap<u32, Window>,
}

impl Load {
    /// So much was written to a shard of an on-demand stream.
    pub(super) fn wrote(
        &mut self,
        stream: &Stream,
        shard: u32,
        bytes: usize,
        records: usize,
        now: Timestamp,
    ) {
        if self.shards >= OBSERVED_MAX {
            self.forget_idle(now);
        }
        let known = self
            .streams
            .entry(stream.settings.id)
            .or_insert_with(|| StreamLoad {
                name: stream.name.clone(),
                shards: HashMap::new(),
            });
        if self.shards >= OBSERVED_MAX && !known.shards.contains_key(&shard) {
            return;
        }
        let before = known.shards.len();
        known
            .shards
            .entry(shard)
            .or_default()
            .add(bytes, records, now);
        self.shards += known.shards.len() - before;
    }

    /// The streams with hot shards, and which these are.
    fn hot(&mut self, now: Timestamp) -> Vec<(StreamName, StreamId, Vec<u32>)> {
        self.forget_idle(now);
        let hot = self.streams.iter().filter_map(|(id, stream)| {
            let shards = stream.shards.iter().filter(|(_, window)| window.is_hot());
            let mut shards: Vec<u32> = shards.map(|(shard, _)| *shard).collect();
            shards.sort_unstable();
            (!shards.is_empty()).then(|| (stream.name.clone(), *id, shards))
        });
        hot.collect()
    }

    fn forget_idle(&mut self, now: Timestamp) {
        self.streams.retain(|_, stream| {
            stream.shards.retain(|_, window| {
                window.turn(now);
                window.total() != (0, 0)
            });
            !stream.shards.is_empty()
        });
        self.shards = self
            .streams
            .values()
            .map(|stream| stream.shards.len())
            .sum();
    }
}

/// Where to split which of the `hot` shards, so that the stream stays within its bound.
fn splits(topology: &Topology, hot: &[u32]) -> Vec<(u32, HashKey)> {
    let room = SHARDS_MAX.saturating_sub(topology.open_count());
    let open = hot.iter().filter_map(|index| topology.get(*index));
    let split = open
        .filter(|shard| shard.is_open())
        .filter_map(|shard| Some((shard.index, middle(&shard.range)?)));
    split.take(room).collect()
}

/// Where a range's second half starts; `None` for a single key.
fn middle(range: &HashRange) -> Option<HashKey> {
    let width = range.last.0 - range.first.0;
    (width > 0).then(|| HashKey(range.first.0 + width / 2 + 1))
}

impl Kinesis {
    /// Splits the shards of on-demand streams that are hot. Gives how many were split.
    ///
    /// # Errors
    /// The store's, the first of them, once every stream has had its turn. Streams that were deleted or changed meanwhile are
    /// passed over.
    pub async fn scale_on_demand(&self) -> Result<usize, KinesisError> {
        let hot = self.plane.load().hot(self.clock.now());
        let mut done = 0;
        let mut failure = None;
        for (name, id, shards) in hot {
            match self.scale(&name, id, &shards).await {
                Ok(split) => done += split,
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(done), Err)
    }

    /// Splits the `hot` shards of one stream, if it is still the on-demand stream `id`. Gives how many were split.
    async fn scale(
        &self,
        name: &StreamName,
        id: StreamId,
        hot: &[u32],
    ) -> Result<usize, KinesisError> {
        let stream = match self.streams.find(name).await {
            Ok(stream) => stream,
            Err(StreamsError::NotFound) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        if stream.settings.id != id || stream.settings.mode != Mode::OnDemand {
            return Ok(0);
        }
        let mut done = 0;
        for (shard, start) in splits(&stream.topology, hot) {
            done += usize::from(self.split_hot(name, shard, start).await?);
        }
        Ok(done)
    }

    /// Whether the shard was there to be split still.
    async fn split_hot(
        &self,
        name: &StreamName,
        shard: u32,
        start: HashKey,
    ) -> Result<bool, KinesisError> {
        let plan = |_: &Stream, planner: streams::reshard::Planner<'_>| {
            Ok::<_, StreamsError>(planner.split(shard, start)?)
        };
        match self.streams.reshard(name, plan).await {
            Ok(_) => Ok(true),
            Err(
                StreamsError::NotFound
                | StreamsError::Reshard(ReshardError::NoSuchShard(_) | ReshardError::Closed(_)),
            ) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Runs [`Kinesis::scale_on_demand`] every `period` for as long as it is polled.
    pub async fn keep_scaling(&self, period: Duration) {
        loop {
            tokio::time::sleep(period).await;
            match self.scale_on_demand().await {
                Ok(0) => {}
                Ok(split) => tracing::info!(split, "split shards of on-demand streams under load"),
                Err(error) => {
                    tracing::warn!(%error, "could not scale on-demand streams; trying again later")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
