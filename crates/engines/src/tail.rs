//! Where the batches lie that are in the journal and not yet in segments, and the newest of them themselves, under one
//! budget for all logs. The oldest cached batch goes first, whatever its log: who reads far behind reads from the disk and
//! puts nothing in here, so that it cannot push out what others are about to read.

use std::collections::{BTreeMap, HashMap, VecDeque};

use model::{Batch, LogId, Offset, Timestamp};

use crate::frame::{Decision, Extent};
use crate::journal::file::JournalFile;
use crate::journal::recovery::Anchor;

/// What a cached batch takes beside its bytes: its entry and its place in the row of cached ones, both in rows that grow by doubling,
/// the count of who shares its bytes, and what the allocator adds to each. Measured with batches of 1.5 KiB.
const CACHED_BYTES: usize = 256;

/// Batches in the journal, by log.
#[derive(Debug)]
pub struct Tail {
    logs: HashMap<LogId, VecDeque<Entry>>,
    files: BTreeMap<u64, (JournalFile, Anchor)>,
    entries: usize,
    /// Cached batches by age.
    cached: VecDeque<(LogId, Offset)>,
    cached_bytes: usize,
    cache_bytes_max: usize,
}

/// A batch in the journal.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its first record's offset.
    pub base_offset: Offset,
    /// The greatest timestamp of its records.
    pub max_timestamp: Timestamp,
    /// Its file's number.
    pub file: u64,
    /// Where it starts in the file.
    pub position: u64,
    /// Offsets it takes.
    pub offsets: u32,
    /// Its bytes.
    pub length: u32,
    /// Itself, while the cache has it.
    pub cached: Option<Batch>,
}

impl Entry {
    /// The offset after its last.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.base_offset.plus(u64::from(self.offsets))
    }

    /// What it counts for while it is cached.
    fn weight(&self) -> usize {
        self.length as usize + CACHED_BYTES
    }

    /// The same without the batch itself, which it would keep in memory for as long as it is kept.
    pub(crate) fn uncached(&self) -> Entry {
        Entry {
            cached: None,
            ..*self
        }
    }
}

impl Tail {
    /// Nothing yet; up to `cache_bytes_max` of batches will be cached.
    #[must_use]
    pub fn new(cache_bytes_max: usize) -> Tail {
        Tail {
            logs: HashMap::new(),
            files: BTreeMap::new(),
            entries: 0,
            cached: VecDeque::new(),
            cached_bytes: 0,
            cache_bytes_max,
        }
    }

    /// Takes note of a journal file from its first frame on.
    pub fn add_file(&mut self, file: &JournalFile, anchor: Anchor) {
        self.files
            .entry(file.number)
            .or_insert_with(|| (file.clone(), anchor));
    }

    /// Takes out the files up to `last`. Whoever is reading one finds it gone and looks again.
    pub fn take_files(&mut self, last: u64) -> Vec<JournalFile> {
        let kept = self.files.split_off(&(last + 1));
        let taken = std::mem::replace(&mut self.files, kept);
        taken.into_values().map(|(file, _)| file).collect()
    }

    /// A file that still holds what it held.
    #[must_use]
    pub fn file(&self, number: u64) -> Option<&JournalFile> {
        self.files.get(&number).map(|(file, _)| file)
    }

    /// The files with frames, oldest first. All but the last are full.
    pub fn files(&self) -> impl DoubleEndedIterator<Item = (&JournalFile, Anchor)> {
        self.files.values().map(|(file, anchor)| (file, *anchor))
    }

    /// Takes note of a decision in a frame whose payload starts at `payload_at` of file `file`. `batch` is an append's, if
    /// it is to be cached.
    pub fn apply(&mut self, decision: &Decision, file: u64, payload_at: u64, batch: Option<Batch>) {
        match decision {
            Decision::Append(extent) => self.add(extent, file, payload_at, batch),
            Decision::TrimLog { log, start } => self.drop_before(*log, *start),
            Decision::DeleteLog { log } => {
                for entry in self.logs.remove(log).into_iter().flatten() {
                    self.forget(&entry);
                }
            }
            Decision::AddSegment { ranges, .. } => {
                for range in ranges {
                    self.drop_before(range.log, range.end);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, extent: &Extent, file: u64, payload_at: u64, batch: Option<Batch>) {
        let entry = Entry {
            base_offset: extent.base_offset,
            max_timestamp: extent.max_timestamp,
            file,
            position: payload_at + u64::from(extent.position),
            offsets: extent.offsets,
            length: extent.length,
            cached: batch,
        };
        if entry.cached.is_some() {
            self.cached.push_back((extent.log, extent.base_offset));
            self.cached_bytes += entry.weight();
        }
        self.entries += 1;
        // Most logs have few batches here: the usual first capacity of four would be most of what a log costs.
        self.logs
            .entry(extent.log)
            .or_insert_with(|| VecDeque::with_capacity(1))
            .push_back(entry);
        self.hold_budget();
    }

    fn drop_before(&mut self, log: LogId, start: Offset) {
        let Some(mut entries) = self.logs.remove(&log) else {
            return;
        };
        while let Some(entry) = entries.front().filter(|entry| entry.end() <= start) {
            self.forget(entry);
            entries.pop_front();
        }
        if !entries.is_empty() {
            if entries.capacity() > 16 && entries.len() < entries.capacity() / 4 {
                entries.shrink_to(entries.len() * 2);
            }
            self.logs.insert(log, entries);
        }
    }

    /// Counts an entry out. Its place in the row of cached batches stays until its turn comes.
    fn forget(&mut self, entry: &Entry) {
        self.entries -= 1;
        if entry.cached.is_some() {
            self.cached_bytes -= entry.weight();
        }
    }

    fn hold_budget(&mut self) {
        while self.cached_bytes > self.cache_bytes_max || self.cached.len() > self.entries * 2 + 64
        {
            let Some((log, base_offset)) = self.cached.pop_front() else {
                return;
            };
            let Some(entries) = self.logs.get_mut(&log) else {
                continue;
            };
            let index = entries.partition_point(|entry| entry.base_offset < base_offset);
            let entry = entries.get_mut(index);
            // A log deleted and made again may have another batch at this offset: it loses its place a little early.
            if let Some(entry) = entry.filter(|entry| entry.base_offset == base_offset)
                && entry.cached.take().is_some()
            {
                self.cached_bytes -= entry.weight();
            }
        }
    }

    /// The batches of `log`, oldest first; none where segments have all.
    pub fn entries(&self, log: LogId) -> impl DoubleEndedIterator<Item = &Entry> {
        self.logs.get(&log).into_iter().flatten()
    }

    /// The batches of `log` from the one that holds `from`.
    pub fn entries_from(&self, log: LogId, from: Offset) -> impl Iterator<Item = &Entry> {
        let entries = self.logs.get(&log);
        let first = entries.map_or(0, |row| row.partition_point(|entry| entry.end() <= from));
        entries.into_iter().flat_map(move |row| row.range(first..))
    }

    /// The batch of an entry, as long as it is cached.
    pub(crate) fn cached(&self, log: LogId, entry: &Entry) -> Option<Batch> {
        let here = self.entries_from(log, entry.base_offset).next()?;
        let is_it = (here.file, here.position) == (entry.file, entry.position);
        here.cached.clone().filter(|_| is_it)
    }

    /// The journal file from which on batches are cached.
    pub(crate) fn cached_from(&self) -> Option<u64> {
        let &(log, offset) = self.cached.front()?;
        self.entries_from(log, offset)
            .next()
            .map(|entry| entry.file)
    }

    /// The logs with batches in the journal.
    pub fn logs(&self) -> impl Iterator<Item = LogId> {
        self.logs.keys().copied()
    }

    /// Batches in the journal.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Bytes that cached batches take.
    #[must_use]
    pub fn cached_bytes(&self) -> usize {
        self.cached_bytes
    }
}
