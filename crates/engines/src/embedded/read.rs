//! Reading: from the cache where it is there, otherwise from the journal and the segments. What needs the disk blocks its
//! thread.
//!
//! A reader looks up where batches lie, lets go of the view, and reads. In between the compactor may move them and have the
//! journal file written anew: so after each read from a journal file the reader asks whether the file still holds what it
//! held, and looks up again if not. A checksum alone would not do: other valid batches may lie there by now.

use std::sync::Arc;

use model::{Batch, LogId, Offset, Timestamp};
use store::{Bounds, StoreError, StoredBatch};

use crate::embedded::ahead::{self, Stretch};
use crate::embedded::core::{Core, unavailable};
use crate::embedded::view::View;
use crate::frame::decision::damaged;
use crate::journal::file::JournalFile;
use crate::segments::{Room, SegmentRange};
use crate::tail::Entry;

/// Look-ups before a reader gives up: each loses against a whole compaction in between.
const ATTEMPTS: usize = 8;
/// Batches of one log that lie this near to each other in a journal file are read at once.
const GAP_MAX: u64 = 16 << 10;
/// Bytes read at once.
const RUN_BYTES_MAX: u64 = 4 << 20;
/// Bytes read at once when batches are looked at one by one.
const STEP_BYTES: usize = 1 << 20;

/// What a look-up found.
pub(super) enum Found {
    /// All of it, in memory.
    Batches(Vec<StoredBatch>),
    /// Where it lies.
    Places(Places),
}

/// Where batches lie: first in segments, then in the journal.
pub(super) struct Places {
    segments: Vec<SegmentRange>,
    entries: Vec<Entry>,
    /// The journal files of `entries`.
    files: Vec<JournalFile>,
}

impl Places {
    /// Whether the first of them is in a segment.
    pub(super) fn are_in_segments(&self) -> bool {
        !self.segments.is_empty()
    }

    /// Those in the journal for which there is room.
    fn taken<'a>(&'a self, room: &'a mut Room) -> impl Iterator<Item = &'a Entry> {
        self.entries
            .iter()
            .take_while(|entry| room.take(entry.length as usize))
    }
}

/// Adds what was read of a range. Says whether the reader has what it wants.
fn add(
    batches: &mut Vec<StoredBatch>,
    found: Vec<StoredBatch>,
    range: &SegmentRange,
    room: &Room,
) -> bool {
    let is_whole = found.last().is_some_and(|last| last.end() >= range.end);
    if batches.is_empty() {
        *batches = found;
    } else {
        batches.extend(found);
    }
    !is_whole || room.is_full()
}

/// Where the bytes that are to stay of a log run out.
struct Over {
    /// The log's.
    start: Offset,
    range: SegmentRange,
    /// Bytes that are to stay of the range, fewer than it has.
    left: u64,
}

/// The places are not those looked up any more.
struct Moved;

impl View {
    fn look_up(&self, log: LogId, from: Offset, max_bytes: usize) -> Result<Found, StoreError> {
        let state = self.state.log(log)?;
        let Bounds { start, end, .. } = state.bounds;
        if from < start || from > end {
            return Err(StoreError::OffsetOutOfRange {
                asked: from,
                start,
                end,
            });
        }
        let first = state.ranges.partition_point(|range| range.end <= from);
        let mut segments = Vec::new();
        let mut bytes: u64 = 0;
        for range in state.ranges.range(first..) {
            segments.push(range.clone());
            // The first range may be read from its middle: it counts for nothing.
            if segments.len() > 1 {
                bytes = bytes.saturating_add(range.batch_bytes);
            }
            if bytes > max_bytes as u64 {
                break;
            }
        }
        let entries = self.entries_within(log, from, max_bytes);
        let is_cached = entries.iter().all(|entry| entry.cached.is_some());
        if segments.is_empty() && is_cached {
            return Ok(Found::Batches(
                entries.iter().filter_map(cached_batch).collect(),
            ));
        }
        let mut numbers: Vec<u64> = entries.iter().map(|entry| entry.file).collect();
        numbers.dedup();
        let files = numbers
            .iter()
            .filter_map(|&number| self.tail.file(number).cloned())
            .collect();
        Ok(Found::Places(Places {
            segments,
            entries,
            files,
        }))
    }

    fn entries_within(&self, log: LogId, from: Offset, max_bytes: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut bytes: usize = 0;
        for entry in self.tail.entries_from(log, from) {
            bytes = bytes.saturating_add(entry.length as usize);
            if bytes > max_bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry.clone());
        }
        entries
    }
}

pub(super) fn cached_batch(entry: &Entry) -> Option<StoredBatch> {
    entry.cached.clone().map(|batch| StoredBatch {
        base_offset: entry.base_offset,
        batch,
    })
}

impl Core {
    /// What a read finds in memory, or where it is to be read with [`Core::read`].
    pub(super) fn look_up(
        &self,
        log: LogId,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Found, StoreError> {
        self.view().look_up(log, from, max_bytes)
    }

    /// As [`store::Log::read`]. Blocks its thread.
    ///
    /// # Errors
    /// As there.
    pub fn read(
        &self,
        log: LogId,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<StoredBatch>, StoreError> {
        for _ in 0..ATTEMPTS {
            let places = match self.look_up(log, from, max_bytes)? {
                Found::Batches(batches) => return Ok(batches),
                Found::Places(places) => places,
            };
            match self.read_places(&places, from, max_bytes) {
                Ok(Ok(batches)) => return Ok(batches),
                Ok(Err(Moved)) => {}
                Err(error) if !self.are_dropped(&places.segments) => return Err(error),
                Err(_) => {}
            }
        }
        Err(unavailable("batches move faster than they are read".into()))
    }

    /// What [`Core::read`] would give, where all of it is in memory; only as much as is read ahead, so that nobody's turn is long.
    /// Blocks nobody.
    pub(super) fn read_cached(
        &self,
        places: &Places,
        from: Offset,
        max_bytes: usize,
    ) -> Option<Vec<StoredBatch>> {
        if max_bytes > ahead::BYTES_MAX {
            return None;
        }
        let mut batches = Vec::new();
        let room = &mut Room::of(max_bytes);
        for range in &places.segments {
            let found = self.segments.read_cached(range, from, room)?;
            if add(&mut batches, found, range, room) {
                return (!batches.is_empty()).then_some(batches);
            }
        }
        for entry in places.taken(room) {
            batches.push(cached_batch(entry)?);
        }
        Some(batches)
    }

    /// Brings into memory what is asked for next, where it lies in segments. Blocks its thread.
    pub(super) fn read_ahead(&self, stretch: Stretch) {
        let Ok(Found::Places(places)) = self.look_up(stretch.log, stretch.from, stretch.max_bytes)
        else {
            return;
        };
        let room = &mut Room::of(stretch.max_bytes);
        for range in &places.segments {
            // What is wrong with it is told to whoever reads it.
            let brought = self.segments.bring(range, stretch.from, room);
            if !brought.unwrap_or_default() || room.is_full() {
                return;
            }
        }
    }

    /// Whether one of these ranges was dropped since it was looked up, and its file with it.
    pub(super) fn are_dropped(&self, ranges: &[SegmentRange]) -> bool {
        let view = self.view();
        ranges.iter().any(|range| {
            let state = view.state.log(range.log);
            !state.is_ok_and(|state| state.ranges.contains(range))
        })
    }

    fn read_places(
        &self,
        places: &Places,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Result<Vec<StoredBatch>, Moved>, StoreError> {
        let mut batches = Vec::new();
        let room = &mut Room::of(max_bytes);
        for range in &places.segments {
            let found = self
                .segments
                .read(range, from, room)
                .map_err(|error| self.located(error))?;
            if add(&mut batches, found, range, room) {
                return Ok(Ok(batches));
            }
        }
        let entries: Vec<&Entry> = places.taken(room).collect();
        match self.read_entries(&entries, &places.files)? {
            Ok(found) => batches.extend(found),
            Err(Moved) => return Ok(Err(Moved)),
        }
        Ok(Ok(batches))
    }

    fn read_entries(
        &self,
        entries: &[&Entry],
        files: &[JournalFile],
    ) -> Result<Result<Vec<StoredBatch>, Moved>, StoreError> {
        let mut batches = Vec::with_capacity(entries.len());
        let mut rest = entries;
        while let Some(first) = rest.first() {
            if let Some(stored) = cached_batch(first) {
                batches.push(stored);
                rest = &rest[1..];
                continue;
            }
            let (run, after) = rest.split_at(run_length(rest));
            let Some(file) = files.iter().find(|file| file.number == first.file) else {
                return Ok(Err(Moved));
            };
            let found = read_run(run, file);
            if self.view().tail.file(file.number).is_none() {
                return Ok(Err(Moved));
            }
            let found = found.map(|found| apart(run, found));
            batches.extend(found.map_err(|error| self.located(error))?);
            rest = after;
        }
        Ok(Ok(batches))
    }

    /// As [`store::Log::offset_for_time`]. Blocks its thread.
    ///
    /// # Errors
    /// As there.
    pub fn offset_for_time(&self, log: LogId, time: Timestamp) -> Result<Offset, StoreError> {
        for _ in 0..ATTEMPTS {
            match self.try_offset_for_time(log, time) {
                Ok(Err(Moved)) => {}
                Ok(Ok(offset)) => return Ok(offset),
                Err(error) => return Err(error),
            }
        }
        Err(unavailable("batches move faster than they are read".into()))
    }

    fn try_offset_for_time(
        &self,
        log: LogId,
        time: Timestamp,
    ) -> Result<Result<Offset, Moved>, StoreError> {
        let (bounds, ranges, in_tail) = {
            let view = self.view();
            let state = view.state.log(log)?;
            let could = |range: &&SegmentRange| range.max_timestamp >= time;
            let ranges: Vec<SegmentRange> = state.ranges.iter().filter(could).cloned().collect();
            let found = view
                .tail
                .entries_from(log, state.bounds.start)
                .find(|entry| entry.max_timestamp >= time);
            (state.bounds, ranges, found.map(|entry| entry.base_offset))
        };
        for range in &ranges {
            match self.time_in(range, bounds.start, time) {
                Ok(Some(base)) => return Ok(Ok(base.max(bounds.start))),
                Ok(None) => {}
                Err(_) if self.are_dropped(&ranges) => return Ok(Err(Moved)),
                Err(error) => return Err(self.located(error)),
            }
        }
        Ok(Ok(in_tail.map_or(bounds.end, |base| base.max(bounds.start))))
    }

    /// The first batch of a range, from the one that holds `start`, whose greatest timestamp is `time` or later.
    fn time_in(
        &self,
        range: &SegmentRange,
        start: Offset,
        time: Timestamp,
    ) -> Result<Option<Offset>, StoreError> {
        let found = self.segments.offset_for_time(range, time)?;
        if found.is_none_or(|base| base >= start) {
            return Ok(found);
        }
        // It is before the start: look at the batches from there on.
        let mut from = start;
        loop {
            let room = &mut Room::of(STEP_BYTES);
            let batches = self.segments.read(range, from, room)?;
            let Some(last) = batches.last() else {
                return Ok(None);
            };
            let found = batches
                .iter()
                .find(|stored| stored.batch.max_timestamp() >= time);
            if let Some(stored) = found {
                return Ok(Some(stored.base_offset));
            }
            from = last.end();
        }
    }

    /// As [`store::Log::offset_for_size`]. Blocks its thread.
    ///
    /// # Errors
    /// As there.
    pub fn offset_for_size(&self, log: LogId, bytes: u64) -> Result<Offset, StoreError> {
        for _ in 0..ATTEMPTS {
            let Over { start, range, left } = match self.range_over(log, bytes)? {
                Ok(offset) => return Ok(offset),
                Err(over) => over,
            };
            match self.segments.offset_for_size(&range, left) {
                Ok(found) => return Ok(found.max(start)),
                Err(_) if self.are_dropped(std::slice::from_ref(&range)) => {}
                Err(error) => return Err(self.located(error)),
            }
        }
        Err(unavailable("batches move faster than they are read".into()))
    }

    /// The offset, or the range in which the bytes run out and how many of them are left for it.
    fn range_over(&self, log: LogId, bytes: u64) -> Result<Result<Offset, Over>, StoreError> {
        let mut left = bytes;
        let view = self.view();
        let state = view.state.log(log)?;
        let start = state.bounds.start;
        let mut keep_from = state.bounds.end;
        for entry in view.tail.entries(log).rev() {
            if left == 0 {
                return Ok(Ok(keep_from.max(start)));
            }
            left = left.saturating_sub(u64::from(entry.length));
            keep_from = entry.base_offset;
        }
        for range in state.ranges.iter().rev() {
            if left == 0 {
                break;
            }
            let Some(rest) = left.checked_sub(range.batch_bytes) else {
                return Ok(Err(Over {
                    start,
                    range: range.clone(),
                    left,
                }));
            };
            left = rest;
            keep_from = range.start;
        }
        Ok(Ok(keep_from.max(start)))
    }

    /// The error with the data directory before the file's name.
    pub(super) fn located(&self, error: StoreError) -> StoreError {
        self.options.located(error)
    }
}

/// How many of `entries` lie in one file near enough to be read at once.
pub(super) fn run_length(entries: &[&Entry]) -> usize {
    let Some(first) = entries.first() else {
        return 0;
    };
    let mut end = first.position + u64::from(first.length);
    let mut count = 1;
    for entry in &entries[1..] {
        let is_near = entry.file == first.file
            && entry.cached.is_none()
            && entry.position >= end
            && entry.position - end <= GAP_MAX
            && entry.position + u64::from(entry.length) - first.position <= RUN_BYTES_MAX;
        if !is_near {
            break;
        }
        end = entry.position + u64::from(entry.length);
        count += 1;
    }
    count
}

/// What was read at once, each batch by itself where most of it is others': a reader that takes its time would hold all of it.
fn apart(run: &[&Entry], found: Vec<StoredBatch>) -> Vec<StoredBatch> {
    let wanted: u64 = run.iter().map(|entry| u64::from(entry.length)).sum();
    if run_bytes(run) <= 2 * wanted {
        return found;
    }
    found.iter().map(detached).collect()
}

/// From the first batch to the end of the last.
fn run_bytes(run: &[&Entry]) -> u64 {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return 0;
    };
    last.position + u64::from(last.length) - first.position
}

/// The batch by itself, without the bytes around it that were read with it.
pub(super) fn detached(stored: &StoredBatch) -> StoredBatch {
    StoredBatch {
        base_offset: stored.base_offset,
        batch: stored.batch.detached(),
    }
}

/// Reads batches that lie near each other.
pub(super) fn read_run(run: &[&Entry], file: &JournalFile) -> Result<Vec<StoredBatch>, StoreError> {
    let Some(first) = run.first() else {
        return Ok(Vec::new());
    };
    let bytes = file
        .file
        .read(run_bytes(run) as usize, first.position)
        .map_err(|error| StoreError::Unavailable {
            reason: format!("cannot read {}", file.name()),
            source: Some(Arc::new(error)),
        })?;
    let batch_of = |entry: &&Entry| {
        let from = (entry.position - first.position) as usize;
        let upto = from + entry.length as usize;
        let is_damaged = |what: &str| damaged(&file.name(), entry.position, what);
        if upto > bytes.len() {
            return Err(is_damaged("the file ends early"));
        }
        let batch = Batch::parse(bytes.slice(from..upto));
        Ok(StoredBatch {
            base_offset: entry.base_offset,
            batch: batch.map_err(|error| is_damaged(&error.to_string()))?,
        })
    };
    run.iter().map(batch_of).collect()
}
