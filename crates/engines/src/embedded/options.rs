//! How an embedded engine is to be.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Clock, Rng};

use crate::disk::{Disk, RealDisk};

/// When a write counts as durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// When the disk has it.
    #[default]
    Sync,
    /// When the operating system has it: a power cut loses the newest acked writes. For comparison only.
    Os,
}

/// How an embedded engine is to be. The fields may be changed before it is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it lives.
    pub disk: Arc<dyn Disk>,
    /// What stands before file names in errors, so that an operator finds them.
    pub data_dir: PathBuf,
    /// Length of a journal file, from 16 KiB. The largest transaction fits in one.
    pub journal_file_bytes: u64,
    /// Most bytes of journal files in use; appends wait there until the compactor has caught up.
    pub journal_bytes_max: u64,
    /// Length of a new file at start when none is free, so that a start is quick.
    pub first_file_bytes: u64,
    /// Most bytes of a frame that gathers several requests.
    pub frame_bytes_max: usize,
    /// Frames being written at once, from 1.
    pub in_flight: usize,
    /// Bytes of the newest batches kept in memory.
    pub cache_bytes: usize,
    /// Bytes of segments' blocks and indexes kept in memory.
    pub segment_cache_bytes: usize,
    /// Bytes of requests waiting and in flight, past which callers wait.
    pub queue_bytes_max: usize,
    /// Full journal files from which on they are compacted.
    pub compact_files: usize,
    /// Batches in the journal from which on they are compacted.
    pub compact_entries: usize,
    /// Bytes that a log's batches have on average from which on a journal file of few logs is kept as a segment, in place of being
    /// copied to some.
    pub keep_batch_bytes: u64,
    /// Percentage of a kept journal file that such logs have at least: the rest is of no use from then on.
    pub keep_percent: u64,
    /// Bytes in kept journal files that nobody wants any more, a quarter of what all segments hold apart: with more, what is wanted is
    /// moved elsewhere.
    pub kept_waste_bytes: u64,
    /// When a write counts as durable.
    pub durability: Durability,
    /// For leases.
    pub clock: Clock,
    /// For the generations of journal files; what it gives must not be told to clients.
    pub rng: Rng,
}

impl Options {
    /// On the real disk, in the folder `data_dir`, which is made if it is not there.
    ///
    /// # Errors
    /// What the system says.
    pub fn at(data_dir: &Path) -> std::io::Result<Options> {
        let disk = Arc::new(RealDisk::new(data_dir)?);
        Ok(Options {
            data_dir: data_dir.to_path_buf(),
            ..Options::on(disk)
        })
    }

    /// On any disk.
    #[must_use]
    pub fn on(disk: Arc<dyn Disk>) -> Options {
        Options {
            disk,
            data_dir: PathBuf::new(),
            journal_file_bytes: 64 << 20,
            journal_bytes_max: 4 << 30,
            first_file_bytes: 4 << 20,
            frame_bytes_max: 8 << 20,
            in_flight: 3,
            cache_bytes: 64 << 20,
            segment_cache_bytes: 64 << 20,
            queue_bytes_max: 64 << 20,
            compact_files: 8,
            compact_entries: 500_000,
            keep_batch_bytes: 4 << 10,
            keep_percent: 75,
            kept_waste_bytes: 256 << 20,
            durability: Durability::Sync,
            clock: Clock::system(),
            rng: Rng::system(),
        }
    }
}

impl Options {
    /// The error with the data directory before the file's name.
    pub(crate) fn located(&self, error: store::StoreError) -> store::StoreError {
        match error {
            store::StoreError::Damaged {
                file,
                position,
                what,
            } => store::StoreError::Damaged {
                file: self.data_dir.join(file),
                position,
                what,
            },
            other => other,
        }
    }
}
