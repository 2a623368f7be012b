//! Moves batches from full journal files to segments, so that the files can be used again; and lets go of segments that
//! nothing is wanted of. In steps, since what the sequencer must be asked in between is for the caller to bring about:
//!
//! 1. [`Core::plan_compaction`]: which files, and which batches in them.
//! 2. [`Core::write_segments`]: the segments, durable, each as a request to [`Core::submit`].
//! 3. When all are answered, [`Core::finish_compaction`]: a checkpoint, then the files are free.
//!
//! [`Core::unwanted_segments`] names segments to remove: submit the requests, then [`Core::remove_segments`].
//!
//! A crash between any two steps costs the work only: segments that are not known are removed at the next start, and files
//! whose batches are in known segments hold nothing that is looked up.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::LogId;
use store::StoreError;

use crate::checkpoint::Checkpoint;
use crate::embedded::core::{Core, unavailable};
use crate::embedded::options::Durability;
use crate::embedded::read::{read_run, run_length};
use crate::embedded::view::View;
use crate::journal::file::JournalFile;
use crate::segments::{SegmentId, SegmentWriter};
use crate::state::request::{NewSegment, Request};
use crate::tail::Entry;

/// A log with as many bytes gets segments of its own.
const OWN_SEGMENT_BYTES: u64 = 8 << 20;
/// A segment is ended past these bytes, so that retention has something to drop.
const SEGMENT_BYTES: u64 = 128 << 20;
/// A segment is ended past these logs, so that making it known fits a frame.
const SEGMENT_LOGS: usize = 10_000;

/// What to compact.
#[derive(Debug)]
pub struct Plan {
    /// The newest journal file in it.
    last_file: u64,
    files: Vec<JournalFile>,
    logs: Vec<PlannedLog>,
}

#[derive(Debug)]
struct PlannedLog {
    log: LogId,
    born: u64,
    bytes: u64,
    entries: Vec<Entry>,
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
    /// The full journal files' batches, if it is time. All of them, so that segments are large and few.
    #[must_use]
    pub fn plan_compaction(&self, when: When) -> Option<Plan> {
        let view = self.view();
        let files: Vec<JournalFile> = view.tail.files().map(|(file, _)| file.clone()).collect();
        // Frames are shown in order: when the last file has one, those before it are full.
        let (_, full) = files.split_last()?;
        let last_file = full.last()?.number;
        // Before the journal is at its limit, whatever the options say.
        let files_max = self.options.compact_files.min(self.pool.files_max() / 2);
        let is_due = full.len() >= files_max || view.tail.len() >= self.options.compact_entries;
        if when == When::Due && !is_due {
            return None;
        }
        let mut logs: Vec<PlannedLog> = view
            .tail
            .logs()
            .filter_map(|log| planned(&view, log, last_file))
            .collect();
        logs.sort_unstable_by_key(|planned| planned.log);
        Some(Plan {
            last_file,
            files: full.to_vec(),
            logs,
        })
    }

    /// Writes the segments of a plan and gives the requests that make them known. Blocks its thread for long.
    ///
    /// # Errors
    /// [`StoreError::Full`]; [`StoreError::Damaged`]; [`StoreError::Unavailable`]. The plan is of no use then.
    pub fn write_segments(&self, plan: &Plan) -> Result<Vec<Request>, StoreError> {
        let (own, shared): (Vec<_>, Vec<_>) = plan
            .logs
            .iter()
            .partition(|log| log.bytes >= OWN_SEGMENT_BYTES);
        let mut requests = Vec::new();
        for log in own {
            self.write_own(plan, log, &mut requests)?;
        }
        self.write_shared(plan, &shared, &mut requests)?;
        Ok(requests)
    }

    fn write_own(
        &self,
        plan: &Plan,
        log: &PlannedLog,
        requests: &mut Vec<Request>,
    ) -> Result<(), StoreError> {
        let mut writer = self.new_segment()?;
        let entries: Vec<&Entry> = log.entries.iter().collect();
        let mut rest = &entries[..];
        while !rest.is_empty() {
            if writer.bytes() >= SEGMENT_BYTES {
                let full = std::mem::replace(&mut writer, self.new_segment()?);
                requests.push(finish(full, &[log])?);
            }
            let added = self.add_run(plan, log.log, rest, &mut writer)?;
            rest = &rest[added..];
        }
        requests.push(finish(writer, &[log])?);
        Ok(())
    }

    fn write_shared(
        &self,
        plan: &Plan,
        logs: &[&PlannedLog],
        requests: &mut Vec<Request>,
    ) -> Result<(), StoreError> {
        let mut rest = logs;
        while !rest.is_empty() {
            let mut writer = self.new_segment()?;
            let mut count = 0;
            for log in rest.iter().take(SEGMENT_LOGS) {
                if writer.bytes() >= SEGMENT_BYTES {
                    break;
                }
                let entries: Vec<&Entry> = log.entries.iter().collect();
                let mut left = &entries[..];
                while !left.is_empty() {
                    let added = self.add_run(plan, log.log, left, &mut writer)?;
                    left = &left[added..];
                }
                count += 1;
            }
            let (written, after) = rest.split_at(count);
            requests.push(finish(writer, written)?);
            rest = after;
        }
        Ok(())
    }

    fn new_segment(&self) -> Result<SegmentWriter, StoreError> {
        let id = SegmentId(self.next_segment.fetch_add(1, Ordering::Relaxed));
        SegmentWriter::new(self.options.disk.clone(), id)
    }

    /// Adds batches that lie near each other in one file, or the first of them from memory. Gives how many it added.
    fn add_run(
        &self,
        plan: &Plan,
        log: LogId,
        entries: &[&Entry],
        writer: &mut SegmentWriter,
    ) -> Result<usize, StoreError> {
        let Some(first) = entries.first() else {
            return Ok(0);
        };
        if let Some(batch) = &first.cached {
            writer.add(log, first.base_offset, batch)?;
            return Ok(1);
        }
        let file = plan.files.iter().find(|file| file.number == first.file);
        let file = file.ok_or_else(|| unavailable("a planned file is missing".into()))?;
        let (run, _) = entries.split_at(run_length(entries));
        for stored in read_run(run, file).map_err(|error| self.located(error))? {
            writer.add(log, stored.base_offset, &stored.batch)?;
        }
        Ok(run.len())
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
        self.pool.give_back(disk, &files).map_err(refused)
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

    /// Removes the files of segments that are not known any more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the files are removed at the next start.
    pub fn remove_segments(&self, ids: &[SegmentId]) -> Result<(), StoreError> {
        ids.iter().try_for_each(|&id| self.segments.remove(id))
    }
}

fn planned(view: &View, log: LogId, last_file: u64) -> Option<PlannedLog> {
    let entries: Vec<Entry> = view
        .tail
        .entries(log)
        .take_while(|entry| entry.file <= last_file)
        .cloned()
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
    let summary = writer.finish()?;
    // Both are in order of the logs, one range for each.
    let ranges = summary
        .ranges
        .into_iter()
        .zip(logs)
        .map(|(range, log)| (log.born, range))
        .collect();
    Ok(Request::AddSegment(NewSegment {
        id: summary.id,
        bytes: summary.bytes,
        ranges,
    }))
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
