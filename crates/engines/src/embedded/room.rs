//! Compaction where the disk has little room.

use std::collections::BTreeMap;

use crate::embedded::core::Core;
use crate::embedded::view::View;
use crate::journal::file::JournalFile;
use crate::journal::pool::Blocked;

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
}
