//! Moves batches from full journal files to segments, so that the files can be used again; and lets go of segments that
//! nothing is wanted of. In steps, since what the sequencer must be asked in between is for the caller to bring about:
//!
//! 1. [`Core::plan_compaction`]: which files, and which batches in them.
//! 2. [`Core::write_segments`]: the segments, durable, each as a request to [`Core::submit`].
//! 3. When all are answered, [`Core::finish_compaction`]: a checkpoint, then the files are free.
//!
//! [`Core::unwanted_segments`] names segments to remove: [`Core::remove_segments`], and submit the requests; in any order, since a
//! file that is gone is only missed where something of it is wanted.
//!
//! A crash between any two steps costs the work only: segments that are not known are removed at the next start, and files
//! whose batches are in known segments hold nothing that is looked up.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::LogId;
use store::{StoreError, StoredBatch};

use crate::checkpoint::Checkpoint;
use crate::embedded::core::{Core, unavailable};
use crate::embedded::keep;
use crate::embedded::options::Durability;
use crate::embedded::read::{detached, read_run, run_length};
use crate::embedded::view::View;
use crate::journal::file::JournalFile;
use crate::segments::{SegmentId, SegmentSummary, SegmentWriter};
use crate::state::request::{NewSegment, Request};
use crate::tail::Entry;

/// A log with as many bytes gets segments of its own.
const OWN_SEGMENT_BYTES: u64 = 4 << 20;
/// A segment is ended past these bytes, so that retention has something to drop.
pub(super) const SEGMENT_BYTES: u64 = 128 << 20;
/// Full files that are compacted before their number says so, where that makes no more segments than otherwise: where logs have
/// [`EARLY_LOG_BYTES`] on average, so that few of them have too little for segments of their own.
const EARLY_FILES: usize = 2;
const EARLY_LOG_BYTES: u64 = 2 * OWN_SEGMENT_BYTES;
/// Files that are kept early, at once: a checkpoint of all there is comes with them.
const KEPT_FILES: usize = 4;
/// Logs whose segments are written side by side.
const OWN_AT_ONCE: usize = 32;
/// Batches of logs that share segments, held in memory at once.
const GATHERED_BYTES: u64 = 32 << 20;
/// A segment is ended past these logs, so that making it known fits a frame, and the last file of a full disk.
pub(super) const SEGMENT_LOGS: usize = 8_000;

/// Bytes taken from the cache at once: more than these are not kept from going from it.
const CACHED_BYTES: usize = 1 << 20;

/// What to compact.
#[derive(Debug)]
pub struct Plan {
    /// The newest journal file in it.
    last_file: u64,
    files: Vec<JournalFile>,
    /// Logs whose batches stay where they are.
    kept: Vec<PlannedLog>,
    /// Logs that are copied.
    logs: Vec<PlannedLog>,
}

/// What of the journal is compacted.
pub(super) struct Sources {
    pub(super) files: Vec<JournalFile>,
    /// Logs whose batches stay where they are.
    pub(super) large: BTreeSet<LogId>,
}

#[derive(Debug)]
pub(super) struct PlannedLog {
    pub(super) log: LogId,
    born: u64,
    bytes: u64,
    /// In order.
    entries: Vec<Entry>,
}

impl PlannedLog {
    /// Its batches in a journal file.
    pub(super) fn entries_in(&self, file: u64) -> &[Entry] {
        let start = self.entries.partition_point(|entry| entry.file < file);
        let end = self.entries.partition_point(|entry| entry.file <= file);
        self.entries.get(start..end).unwrap_or_default()
    }
}

impl Plan {
    /// A plan that moves these batches of one log, and frees no file.
    pub(super) fn of_one(
        log: LogId,
        born: u64,
        entries: Vec<Entry>,
        files: Vec<JournalFile>,
    ) -> Option<Plan> {
        let bytes = entries.iter().map(|entry| u64::from(entry.length)).sum();
        let planned = PlannedLog {
            log,
            born,
            bytes,
            entries,
        };
        (!planned.entries.is_empty()).then(|| Plan {
            last_file: 0,
            files,
            kept: Vec::new(),
            logs: vec![planned],
        })
    }
}

/// When a compaction is worth it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// When the options say so.
    Due,
    /// Whenever a file is full.
    Now,
}

impl Core {
    /// The full journal files' batches, if it is time: all of them, so that segments are large and few; or the oldest, where these can
    /// be kept. The newest full one is left then: what consumers that keep up read is in memory as long as the journal has it. Where
    /// the disk has little room, see [`super::room`].
    #[must_use]
    pub fn plan_compaction(&self, when: When) -> Option<Plan> {
        let view = self.view();
        let files: Vec<JournalFile> = view.tail.files().map(|(file, _)| file.clone()).collect();
        // Frames are shown in order: when the last file has one, those before it are full.
        let (_, full) = files.split_last()?;
        full.last()?;
        // Before the journal is at its limit, whatever the options say.
        let files_max = self.options.compact_files.min(self.pool.files_max() / 2);
        let is_pressing =
            full.len() >= files_max || view.tail.len() >= self.options.compact_entries;
        let is_due = is_pressing || self.is_early(full.len(), view.tail.logs().count());
        let older = match when {
            When::Due => full.split_last().map_or(full, |(_, older)| older),
            When::Now => full,
        };
        let wasted = self.wasted(&view, full);
        let (full, is_pressing) = match when {
            When::Due if !wasted.is_empty() => (wasted, true),
            When::Due if !is_due => return None,
            _ => (full, is_pressing),
        };
        let full = self.at_once(full);
        let older = older.get(..full.len()).unwrap_or(older);
        let kept = self.keepable(&view, older, when);
        let is_little = |kept: &Sources| kept.files.len() < KEPT_FILES;
        if when == When::Due && !is_pressing && kept.as_ref().is_some_and(is_little) {
            return None;
        }
        let Sources { files, large } = kept.unwrap_or_else(|| Sources {
            files: full.to_vec(),
            large: BTreeSet::new(),
        });
        let last_file = files.last()?.number;
        let (kept, logs) = keep::split(&view, &large, last_file);
        Some(Plan {
            last_file,
            files,
            kept,
            logs,
        })
    }

    /// Whether so many files of so few logs are compacted at once: the logs get segments of their own whenever it is done, and
    /// what is in segments is read with less work than what lies between others' batches.
    fn is_early(&self, files: usize, logs: usize) -> bool {
        let bytes = files as u64 * self.options.journal_file_bytes;
        files >= EARLY_FILES && bytes / EARLY_LOG_BYTES >= logs as u64
    }

    /// Writes the segments of a plan and gives the requests that make them known. Blocks its thread for long.
    ///
    /// # Errors
    /// [`StoreError::Full`]; [`StoreError::Damaged`]; [`StoreError::Unavailable`]. The plan is of no use then.
    pub fn write_segments(&self, plan: &Plan) -> Result<Vec<Request>, StoreError> {
        let mut requests = Vec::new();
        let written = self.write_planned(plan, &mut requests);
        if let Err(error) = &written {
            self.note_full(error);
            self.discard(&requests);
        }
        written.map(|()| requests)
    }

    fn write_planned(&self, plan: &Plan, requests: &mut Vec<Request>) -> Result<(), StoreError> {
        let (own, shared): (Vec<_>, Vec<_>) = plan
            .logs
            .iter()
            .partition(|log| log.bytes >= OWN_SEGMENT_BYTES);
        for logs in own.chunks(OWN_AT_ONCE) {
            self.write_own(plan, logs, requests)?;
        }
        self.write_shared(plan, &shared, requests)?;
        // Last, since it is done again when a copy fails.
        requests.extend(self.keep_files(&plan.files, &plan.kept)?);
        Ok(())
    }

    /// Writes logs that each have segments of their own, side by side: so the journal is read once, from front to back.
    fn write_own(
        &self,
        plan: &Plan,
        logs: &[&PlannedLog],
        requests: &mut Vec<Request>,
    ) -> Result<(), StoreError> {
        let writers = logs.iter().map(|_| self.new_segment());
        let mut writers = writers.collect::<Result<Vec<_>, _>>()?;
        self.visit_planned(plan, logs, |number, stored| {
            let (Some(writer), Some(log)) = (writers.get_mut(number), logs.get(number)) else {
                return Ok(());
            };
            if writer.bytes() >= SEGMENT_BYTES {
                let full = std::mem::replace(writer, self.new_segment()?);
                requests.push(finish(full, &[log])?);
            }
            writer.add(log.log, stored.base_offset, &stored.batch)
        })?;
        for (writer, log) in writers.into_iter().zip(logs) {
            requests.push(finish(writer, &[log])?);
        }
        Ok(())
    }

    /// Writes logs that share segments, some of them at a time. What those have in the journal lies scattered in it: unless all
    /// fit at once, the files are brought into memory first, or every few kilobytes would be a request to the disk.
    fn write_shared(
        &self,
        plan: &Plan,
        logs: &[&PlannedLog],
        requests: &mut Vec<Request>,
    ) -> Result<(), StoreError> {
        if logs.is_empty() {
            return Ok(());
        }
        if gathered_at_once(logs) < logs.len() {
            let cached_from = self.view().tail.cached_from();
            let is_on_disk =
                |file: &&JournalFile| cached_from.is_none_or(|from| file.number < from);
            for file in plan.files.iter().filter(is_on_disk) {
                file.file.will_read();
            }
        }
        self.write_gathered(plan, logs, requests)
    }

    fn write_gathered(
        &self,
        plan: &Plan,
        logs: &[&PlannedLog],
        requests: &mut Vec<Request>,
    ) -> Result<(), StoreError> {
        let mut writer = self.new_segment()?;
        let mut written: Vec<&PlannedLog> = Vec::new();
        let mut rest = logs;
        while !rest.is_empty() {
            let (some, after) = rest.split_at(gathered_at_once(rest));
            for (&log, batches) in some.iter().zip(self.read_planned(plan, some)?) {
                if writer.bytes() >= SEGMENT_BYTES || written.len() >= SEGMENT_LOGS {
                    let full = std::mem::replace(&mut writer, self.new_segment()?);
                    requests.push(finish(full, &written)?);
                    written.clear();
                }
                for stored in &batches {
                    writer.add(log.log, stored.base_offset, &stored.batch)?;
                }
                written.push(log);
            }
            rest = after;
        }
        if !written.is_empty() {
            requests.push(finish(writer, &written)?);
        }
        Ok(())
    }

    /// The batches of each of these logs.
    fn read_planned(
        &self,
        plan: &Plan,
        logs: &[&PlannedLog],
    ) -> Result<Vec<Vec<StoredBatch>>, StoreError> {
        let mut gathered: Vec<Vec<StoredBatch>> = Vec::new();
        gathered.resize_with(logs.len(), Vec::new);
        self.visit_planned(plan, logs, |number, stored| {
            if let Some(batches) = gathered.get_mut(number) {
                batches.push(detached(&stored));
            }
            Ok(())
        })?;
        Ok(gathered)
    }

    /// Gives all batches of these logs to `visit`, with their log's place among them, in the order in which they lie in the
    /// journal, which is each log's own. From memory where they are there still.
    fn visit_planned(
        &self,
        plan: &Plan,
        logs: &[&PlannedLog],
        mut visit: impl FnMut(usize, StoredBatch) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut order: Vec<(&Entry, usize)> = Vec::new();
        for (number, log) in logs.iter().enumerate() {
            order.extend(log.entries.iter().map(|entry| (entry, number)));
        }
        order.sort_unstable_by_key(|(entry, _)| (entry.file, entry.position));
        let entries: Vec<&Entry> = order.iter().map(|(entry, _)| *entry).collect();
        let mut owners = order.iter().map(|(_, number)| *number);
        let mut rest = &entries[..];
        while let Some(first) = rest.first() {
            let mut found = self.cached(logs, &order[order.len() - rest.len()..]);
            if found.is_empty() {
                let file = plan.files.iter().find(|file| file.number == first.file);
                let file = file.ok_or_else(|| unavailable("a planned file is missing".into()))?;
                let run = &rest[..run_length(rest)];
                found = read_run(run, file).map_err(|error| self.located(error))?;
            }
            rest = rest.get(found.len()..).unwrap_or_default();
            for (stored, owner) in found.into_iter().zip(&mut owners) {
                visit(owner, stored)?;
            }
        }
        Ok(())
    }

    /// The first of these batches, as long as they are cached, up to [`CACHED_BYTES`] and one more.
    fn cached(&self, logs: &[&PlannedLog], entries: &[(&Entry, usize)]) -> Vec<StoredBatch> {
        let view = self.view();
        let mut left = CACHED_BYTES;
        let batches = entries.iter().map_while(|(entry, number)| {
            let log = logs.get(*number).filter(|_| left > 0)?;
            left = left.saturating_sub(entry.length as usize);
            Some(StoredBatch {
                base_offset: entry.base_offset,
                batch: view.tail.cached(log.log, entry)?,
            })
        });
        batches.collect()
    }

    pub(super) fn new_segment(&self) -> Result<SegmentWriter, StoreError> {
        let id = SegmentId(self.next_segment.fetch_add(1, Ordering::Relaxed));
        SegmentWriter::new(self.options.disk.clone(), id)
    }

    /// Writes a checkpoint and frees the plan's files. To be called when the plan's segments are known and durable.
    ///
    /// # Errors
    /// [`StoreError::Full`]; [`StoreError::Unavailable`]. The files stay in use then until a later compaction.
    pub fn finish_compaction(&self, plan: &Plan) -> Result<(), StoreError> {
        let checkpoint = self.checkpoint_after(plan.last_file)?;
        let disk = &*self.options.disk;
        self.sync_files().map_err(refused)?;
        checkpoint.write(disk).map_err(refused)?;
        let files = self.view_mut().tail.take_files(plan.last_file);
        self.pool.give_back(disk, &files).map_err(refused)?;
        self.note_room();
        self.forget_unknown(&files)
    }

    /// Makes the journal durable where its frames are not synced one by one: a checkpoint must not be ahead of it.
    fn sync_files(&self) -> io::Result<()> {
        if self.options.durability == Durability::Sync {
            return Ok(());
        }
        let files: Vec<JournalFile> = {
            let view = self.view();
            view.tail.files().map(|(file, _)| file.clone()).collect()
        };
        files.iter().try_for_each(|file| file.file.sync_data())
    }

    /// At the end, where frames are not synced one by one: makes the journal durable.
    pub(super) fn sync_unsynced(&self) {
        if let Err(error) = self.sync_files() {
            tracing::error!(%error, "the journal could not be made durable at the end");
        }
    }

    fn checkpoint_after(&self, last_file: u64) -> Result<Checkpoint, StoreError> {
        let view = self.view();
        let is_left = |log| {
            let first = view.tail.entries(log).next();
            first.is_some_and(|entry| entry.file <= last_file)
        };
        if view.tail.logs().any(is_left) {
            return Err(unavailable(
                "journal files to be freed still hold batches".into(),
            ));
        }
        let next = view.tail.files().find(|(file, _)| file.number > last_file);
        let (_, anchor) = next.ok_or_else(|| unavailable("no journal file is left".into()))?;
        Ok(Checkpoint {
            sequence: view.sequence,
            anchor,
            state: view.state.clone(),
        })
    }

    /// Segments that nothing is wanted of, as requests to be submitted.
    #[must_use]
    pub fn unwanted_segments(&self) -> Vec<SegmentId> {
        let view = self.view();
        view.state
            .segments()
            .filter(|(_, segment)| segment.ranges == 0)
            .map(|(id, _)| id)
            .collect()
    }

    /// Removes the files of segments that nothing is wanted of. That nothing is, is durable: a start that still knows of them does not
    /// miss them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the files are removed at the next start, once they are not known any more.
    pub fn remove_segments(&self, ids: &[SegmentId]) -> Result<(), StoreError> {
        self.sync_files().map_err(refused)?;
        let removed = ids.iter().map(|&id| self.segments.remove(id));
        removed.fold(Ok(()), Result::and)
    }
}

/// How many of these logs, at least one, have no more than [`GATHERED_BYTES`] together.
fn gathered_at_once(logs: &[&PlannedLog]) -> usize {
    let mut bytes: u64 = 0;
    let fits = logs.iter().take_while(|log| {
        bytes += log.bytes;
        bytes <= GATHERED_BYTES
    });
    fits.count().max(1)
}

pub(super) fn planned(view: &View, log: LogId, last_file: u64) -> Option<PlannedLog> {
    let entries: Vec<Entry> = view
        .tail
        .entries(log)
        .take_while(|entry| entry.file <= last_file)
        .map(Entry::uncached)
        .collect();
    if entries.is_empty() {
        return None;
    }
    Some(PlannedLog {
        log,
        born: view.state.log(log).ok()?.born,
        bytes: entries.iter().map(|entry| u64::from(entry.length)).sum(),
        entries,
    })
}

fn finish(writer: SegmentWriter, logs: &[&PlannedLog]) -> Result<Request, StoreError> {
    Ok(finished(writer.finish()?, logs))
}

/// A finished segment of these logs as a request.
pub(super) fn finished(summary: SegmentSummary, logs: &[&PlannedLog]) -> Request {
    // Both are in order of the logs, one range for each.
    let ranges = summary
        .ranges
        .into_iter()
        .zip(logs)
        .map(|(range, log)| (log.born, range))
        .collect();
    Request::AddSegment(NewSegment {
        id: summary.id,
        bytes: summary.bytes,
        ranges,
    })
}

fn refused(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Unavailable {
            reason: format!("cannot free journal files: {error}"),
            source: Some(Arc::new(error)),
        },
    }
}
