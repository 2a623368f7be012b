//! Compaction where the disk has little room, and what is left of one that failed.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use store::StoreError;

use crate::embedded::core::Core;
use crate::embedded::view::View;
use crate::journal::file::JournalFile;
use crate::journal::pool::Blocked;
use crate::segments::SegmentId;
use crate::state::request::Request;

impl Core {
    /// Of a full disk, the oldest of these files to be compacted whatever their number: as many as make room, at least twice what
    /// they need for what is wanted of them. None on any other disk.
    pub(super) fn wasted<'a>(&self, view: &View, files: &'a [JournalFile]) -> &'a [JournalFile] {
        let is_full = self.pool.blocked() == Some(Blocked::Full);
        let Some(last) = files.last().filter(|_| is_full) else {
            return &[];
        };
        let mut wanted_of: BTreeMap<u64, u64> = BTreeMap::new();
        for log in view.tail.logs() {
            let entries = view.tail.entries(log);
            for entry in entries.take_while(|entry| entry.file <= last.number) {
                *wanted_of.entry(entry.file).or_default() += u64::from(entry.length);
            }
        }
        let (mut bytes, mut wanted, mut count) = (0, 0, 0);
        for (number, file) in (1..).zip(files) {
            bytes += file.capacity;
            wanted += wanted_of.get(&file.number).copied().unwrap_or(0);
            if wanted <= bytes / 2 {
                count = number;
            }
        }
        files.get(..count).unwrap_or_default()
    }

    /// The first of these files, as many as are compacted at once: the oldest alone after there was no room for what was wanted of
    /// more, and then twice as many each time.
    pub(super) fn at_once<'a>(&self, files: &'a [JournalFile]) -> &'a [JournalFile] {
        let count = self.files_at_once.load(Ordering::Relaxed);
        files.get(..files.len().min(count)).unwrap_or(files)
    }

    /// Takes note of how a step of a compaction went.
    pub(super) fn note_full(&self, error: &StoreError) {
        if matches!(error, StoreError::Full) {
            self.files_at_once.store(1, Ordering::Relaxed);
        }
    }

    /// Takes note of a compaction that went well.
    pub(super) fn note_room(&self) {
        let count = self.files_at_once.load(Ordering::Relaxed);
        self.files_at_once
            .store(count.saturating_mul(2), Ordering::Relaxed);
    }

    /// Removes segments that were written and will not become known: the requests that say so were never made, or have certainly
    /// failed.
    pub fn discard(&self, requests: &[Request]) {
        self.discard_segments(requests.iter().filter_map(Request::new_segment));
    }

    /// The same by their numbers. Those that were journal files stay: they take no room, and go with these.
    pub(super) fn discard_segments(&self, ids: impl Iterator<Item = SegmentId>) {
        for id in ids.filter(|id| id.journal().is_none()) {
            // A request may make one known though it fails.
            let is_known = self.view().state.segment(id).is_some();
            if !is_known && let Err(error) = self.segments.remove(id) {
                tracing::warn!(%error, "a segment of no use stays until the next start");
            }
        }
    }
}
