//! Journal files that become segments where they are. Copying what large producers write, from the journal to segments, took a third
//! of the processor time and half of what the disk writes; and where few logs have much in a file each, a copy sorted by log is read no
//! faster. What else is in such a file is copied as ever.
//!
//! A kept file goes when nothing in it is wanted. [`Core::plan_thinning`] sees to it that what little is still wanted of some does not
//! hold much of the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::Ordering;

use model::LogId;
use store::StoreError;

use crate::disk::Disk;
use crate::embedded::compact::{PlannedLog, SEGMENT_BYTES, Sources, When, finished, planned};
use crate::embedded::core::Core;
use crate::embedded::rewrite::Part;
use crate::embedded::view::View;
use crate::journal::file::JournalFile;
use crate::segments::{self, Extent, KeptLog, SegmentId, SegmentRange};
use crate::state::request::Request;

/// Files kept at once, so that logs that were large in one of them are few.
const FILES_MAX: usize = 16;
/// A log is large with this part of a file: it is read from it as well as from a segment of its own, and few ranges are to be remembered.
const LARGE_LOG_SHARE: u64 = 64;

/// What large logs have in a file.
#[derive(Default)]
struct Shares {
    large: Vec<LogId>,
    large_bytes: u64,
}

/// What a log has in a file.
#[derive(Clone, Copy)]
struct Share {
    bytes: u64,
    batches: u64,
}

impl Share {
    fn is_large(self, file_bytes: u64, batch_bytes_min: u64) -> bool {
        self.bytes >= file_bytes / LARGE_LOG_SHARE
            && self.bytes / self.batches.max(1) >= batch_bytes_min
    }
}

impl Core {
    /// The oldest of these files that are kept, and what of them: nothing where the first is to be copied.
    pub(super) fn keepable(
        &self,
        view: &View,
        files: &[JournalFile],
        when: When,
    ) -> Option<Sources> {
        let files = files.get(..files.len().min(FILES_MAX))?;
        let shares = self.shares(view, files);
        let is_kept = |file: &&JournalFile| {
            let is_known = view.state.segment(SegmentId::of_journal(file.number));
            let enough = file.capacity / 100 * self.options.keep_percent;
            let share = shares.get(&file.number);
            // A file without batches is only let go of.
            share.is_none_or(|share| share.large_bytes >= enough && is_known.is_none())
        };
        let count = files.iter().take_while(is_kept).count();
        let files = files.get(..count)?;
        let last = files.last()?.number;
        let large: BTreeSet<LogId> = shares
            .range(..=last)
            .flat_map(|(_, share)| &share.large)
            .copied()
            .collect();
        if !self.can_keep || (large.is_empty() && when == When::Due) {
            return None;
        }
        Some(Sources {
            files: files.to_vec(),
            large,
        })
    }

    /// What logs have in these files, those without a batch apart.
    fn shares(&self, view: &View, files: &[JournalFile]) -> BTreeMap<u64, Shares> {
        let capacities: BTreeMap<u64, u64> = files
            .iter()
            .map(|file| (file.number, file.capacity))
            .collect();
        let last = files.last().map_or(0, |file| file.number);
        let mut shares: BTreeMap<u64, Shares> = BTreeMap::new();
        for log in view.tail.logs() {
            let entries = view.tail.entries(log);
            let mut entries = entries.take_while(|entry| entry.file <= last).peekable();
            while let Some(first) = entries.next() {
                let mut own = Share {
                    bytes: first.length.into(),
                    batches: 1,
                };
                while let Some(entry) = entries.next_if(|entry| entry.file == first.file) {
                    own.bytes += u64::from(entry.length);
                    own.batches += 1;
                }
                let file = shares.entry(first.file).or_default();
                let capacity = capacities.get(&first.file).copied().unwrap_or(u64::MAX);
                if own.is_large(capacity, self.options.keep_batch_bytes) {
                    file.large_bytes += own.bytes;
                    file.large.push(log);
                }
            }
        }
        shares
    }

    /// Removes the second names of files whose segments never became known, as an attempt that failed leaves them.
    pub(super) fn forget_unknown(&self, files: &[JournalFile]) -> Result<(), StoreError> {
        for file in files {
            let id = SegmentId::of_journal(file.number);
            let is_known = self.view().state.segment(id).is_some();
            if !is_known && file.is_kept().unwrap_or(true) {
                self.segments.remove(id)?;
            }
        }
        Ok(())
    }

    /// Makes segments of a plan's files, oldest first, as requests.
    pub(super) fn keep_files(
        &self,
        files: &[JournalFile],
        kept: &[PlannedLog],
    ) -> Result<Vec<Request>, StoreError> {
        let mut requests = Vec::new();
        for file in files {
            let mut logs = Vec::new();
            let mut owners = Vec::new();
            for planned in kept {
                let entries = planned.entries_in(file.number);
                let Some(first) = entries.first() else {
                    continue;
                };
                let mut log = KeptLog::new(planned.log, first.base_offset);
                for entry in entries {
                    let extent = Extent {
                        position: entry.position,
                        length: entry.length,
                    };
                    log.add(entry.base_offset, entry.end(), entry.max_timestamp, extent);
                }
                logs.push(log);
                owners.push(planned);
            }
            if logs.is_empty() {
                continue;
            }
            let id = SegmentId::of_journal(file.number);
            let disk: &dyn Disk = &*self.options.disk;
            let summary = segments::keep(disk, &file.name(), file.capacity, id, &logs)?;
            requests.push(finished(summary, &owners));
            self.files_kept.fetch_add(1, Ordering::Relaxed);
        }
        Ok(requests)
    }

    /// Parts of logs to be moved out of kept files that hold less that is wanted than what is not, once there is too much of that.
    #[must_use]
    pub fn plan_thinning(&self) -> Vec<Part> {
        let view = self.view();
        let (mut wanted, mut waste) = (0, 0);
        let mut thin: BTreeSet<SegmentId> = BTreeSet::new();
        for (id, segment) in view.state.segments() {
            wanted += segment.wanted_bytes;
            if id.journal().is_none() || segment.ranges == 0 {
                continue;
            }
            let unwanted = segment.bytes.saturating_sub(segment.wanted_bytes);
            waste += unwanted;
            if unwanted > segment.wanted_bytes {
                thin.insert(id);
            }
        }
        let allowed = self.options.kept_waste_bytes.saturating_add(wanted / 4);
        if thin.is_empty() || waste <= allowed {
            return Vec::new();
        }
        let is_thin = |range: &&SegmentRange| thin.contains(&range.segment);
        let parts = view.state.logs().filter_map(|(log, state)| {
            let mut bytes = 0;
            let sources = state.ranges.iter().skip_while(|range| !is_thin(range));
            let sources = sources.take_while(|range| {
                let is_first = bytes == 0;
                bytes += range.batch_bytes;
                is_thin(range) && (is_first || bytes <= SEGMENT_BYTES)
            });
            Part::whole(log, state, sources.cloned().collect())
        });
        let mut parts: Vec<Part> = parts.collect();
        parts.sort_unstable_by_key(Part::log);
        parts
    }
}

/// Whether files can have two names on this disk: not on every file system.
pub(super) fn can_link(disk: &dyn Disk, name: &str) -> bool {
    let second = format!("{}/link.tmp", segments::FOLDER);
    match disk.link(name, &second) {
        Ok(()) => disk.remove(&second).is_ok(),
        Err(error) => {
            let is_full = matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            );
            if !is_full {
                tracing::info!(%error, "files cannot have two names here: journal files are copied");
            }
            is_full
        }
    }
}

/// The logs of a plan: those that stay where they are, and those that are copied.
pub(super) fn split(
    view: &View,
    large: &BTreeSet<LogId>,
    last_file: u64,
) -> (Vec<PlannedLog>, Vec<PlannedLog>) {
    let mut logs: Vec<PlannedLog> = view
        .tail
        .logs()
        .filter_map(|log| planned(view, log, last_file))
        .collect();
    logs.sort_unstable_by_key(|planned| planned.log);
    logs.into_iter()
        .partition(|planned| large.contains(&planned.log))
}
