//! The embedded engine: everything in one data directory, nothing to install.
//!
//! [`Core`] is all of it but the threads and the waiting; [`Embedded`] adds those and is the store that services see.
//!
//! **Driving [`Core`] by hand** (crash tests): `Core::open(options)`; `submit(vec![request])` gives receivers to be asked
//! with `try_recv`; `next_frame()` gives a [`FrameWrite`] to `write()`, then `sync()`; `on_written(&frame, result)` in any
//! order among frames. In between, whenever wanted: `prepare()` for journal files ahead, `mark_frame()` as in idle times,
//! and a compaction: `plan_compaction(When::Now)`, `write_segments(&plan)`, submit what it gives and bring the answers about,
//! `finish_compaction(&plan)`; or a rewrite: `plan_rewrite(log, &span)`, and as [`Step`] says, `plan_move(log, before)` and its
//! segments, or `write_rewrite(&part, &mut rewriter)` and what it gives; `unwanted_segments()`, `remove_segments(&ids)`, submit
//! [`Request::RemoveSegment`] for each.
//! `read`, `offset_for_time`, `offset_for_size`, `bounds`, `get` and `scan` read what is durable. Nothing in it knows the
//! time or a thread.

mod ahead;
pub mod compact;
pub mod core;
mod keep;
mod line;
mod open;
mod options;
mod read;
mod rewrite;
mod room;
mod sequencer;
mod stats;
mod threads;
mod view;

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{LogId, Offset, Timestamp};
use store::producers::ProducerSeen;
use store::{
    Answer, Append, Appended, Bounds, Catalog, Committed, Document, Key, Lease, Leases, Log, Piece,
    Rewriter, Rewritten, Scan, ScanBack, StoreError, StoredBatch, Txn, Watch,
};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

pub use compact::{Plan, When};
pub use core::Core;
pub use options::{Durability, Options};
pub use rewrite::{Part, Step};
pub use sequencer::FrameWrite;
pub use stats::Stats;

pub use crate::state::request::{NewRewrite, NewSegment, Outcome, Reply, Request};

use ahead::{Ahead, Stretch};
use core::{settled, unavailable};
use line::Asked;
use read::Found;
use threads::{Signals, Threads};

/// Reads that wait for the disk at once: enough to keep it busy, few enough to leave the threads to others.
const DISK_READS: usize = 16;
/// The part of the segments' cache that may be read ahead.
const AHEAD_SHARE: usize = 2;

/// The embedded engine. Dropped, it writes what waits and ends its threads; [`Embedded::close`] says how that went.
#[derive(Debug)]
pub struct Embedded {
    core: Arc<Core>,
    signals: Arc<Signals>,
    threads: Mutex<Threads>,
    disk_reads: Arc<Semaphore>,
    ahead: Arc<Ahead>,
    /// One rewrite at a time.
    rewrites: Arc<Semaphore>,
    lock: Mutex<Option<DirectoryLock>>,
}

/// Keeps other processes out of the data directory.
struct DirectoryLock(#[allow(dead_code)] Box<dyn Send + Sync>); // held, not used

impl std::fmt::Debug for DirectoryLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DirectoryLock")
    }
}

impl Embedded {
    /// Opens the data directory and reads back what is in it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where another process has it, or the disk refuses; otherwise as [`Core::open`].
    pub fn open(options: Options) -> Result<Embedded, StoreError> {
        let lock = options.disk.lock().map_err(|error| {
            let reason = match error.kind() {
                std::io::ErrorKind::WouldBlock => format!(
                    "the data directory {} is in use by another process",
                    options.data_dir.display()
                ),
                _ => format!("cannot lock the data directory: {error}"),
            };
            StoreError::Unavailable {
                reason,
                source: Some(Arc::new(error)),
            }
        })?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let ahead = Ahead::new(
            options.segment_cache_bytes / AHEAD_SHARE,
            processors.min(DISK_READS),
        );
        let core = Arc::new(Core::open(options)?);
        let threads = Threads::start(&core)?;
        Ok(Embedded {
            signals: threads.signals().clone(),
            core,
            threads: Mutex::new(threads),
            disk_reads: Arc::new(Semaphore::new(DISK_READS)),
            ahead: Arc::new(ahead),
            rewrites: Arc::new(Semaphore::new(1)),
            lock: Mutex::new(Some(DirectoryLock(lock))),
        })
    }

    /// Writes what waits, marks the journal as whole, ends the threads and lets go of the data directory. Blocks its thread.
    /// Later requests are refused, reads go on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where a write failed before or meanwhile.
    pub fn close(&self) -> Result<(), StoreError> {
        self.threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .stop();
        self.lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match self.core.poisoned().borrow().clone() {
            Some(reason) => Err(unavailable(reason)),
            None => Ok(()),
        }
    }

    /// Completes when the store must not go on, with the reason: a write or sync failed, and what the disk has is not
    /// known. The program is to exit; its next start reads back what is there.
    pub async fn poisoned(&self) -> String {
        let mut poisoned = self.core.poisoned();
        let seen = poisoned.wait_for(Option::is_some).await;
        match seen {
            Ok(reason) => reason.clone().unwrap_or_default(),
            // The sender lives as long as `self`.
            Err(_) => std::future::pending().await,
        }
    }

    /// Changes from `None` to the reason as [`Embedded::poisoned`] completes.
    #[must_use]
    pub fn poison_watch(&self) -> watch::Receiver<Option<String>> {
        self.core.poisoned()
    }

    /// Figures for metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    /// Puts requests in the row: at once where there is room, else when there is. The answers come when they are durable,
    /// whether or not they are awaited.
    fn ask(&self, requests: Vec<Request>) -> Answer<'_, Vec<Reply>> {
        let count = requests.len();
        let asked = self.core.ask(requests);
        self.signals.work.wake_one();
        Box::pin(async move {
            let receivers = match asked {
                Asked::InRow(receivers) => Ok(receivers),
                Asked::InLine(turn) => turn.await,
            };
            let Ok(receivers) = receivers else {
                let error = self.core.parting_words();
                return vec![Err(error); count];
            };
            let mut replies = Vec::with_capacity(count);
            for answer in receivers {
                replies.push(settled(answer.await));
            }
            replies
        })
    }

    async fn ask_one(&self, request: Request) -> Reply {
        self.ask(vec![request])
            .await
            .pop()
            .unwrap_or_else(|| Err(lost()))
    }

    /// Runs what blocks on the disk, a bounded number at once.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Core) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.disk_reads.clone().acquire_owned().await;
        let core = self.core.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&core)
        });
        done.await
            .unwrap_or_else(|error| Err(unavailable(format!("a read did not end: {error}"))))
    }

    /// Goes on reading where `batches`, which a reader was given from `from`, end.
    fn read_ahead(&self, log: LogId, from: Offset, batches: &[StoredBatch], max_bytes: usize) {
        let Some(end) = batches.last().map(StoredBatch::end) else {
            return;
        };
        let bytes = self.ahead.note(log, (from, end), max_bytes, Instant::now());
        if bytes == 0 {
            return;
        }
        let stretch = Stretch {
            log,
            from: end,
            max_bytes: bytes,
        };
        if self.ahead.push(stretch) {
            let (core, ahead) = (self.core.clone(), self.ahead.clone());
            tokio::task::spawn_blocking(move || {
                while let Some(stretch) = ahead.next_stretch() {
                    core.read_ahead(stretch);
                }
            });
        }
    }
}

fn lost() -> StoreError {
    StoreError::Unknown {
        during: "the store did not answer".into(),
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // Nobody is left to be told; poison has been logged.
        let _ = self.close();
    }
}

impl Log for Embedded {
    fn append(&self, appends: Vec<Append>) -> Answer<'_, Vec<Result<Appended, StoreError>>> {
        let counts_and_requests = self.core.split_appends(appends);
        let counts: Vec<usize> = counts_and_requests
            .iter()
            .map(|(count, _)| *count)
            .collect();
        let requests = counts_and_requests.into_iter().map(|(_, r)| r).collect();
        let replies = self.ask(requests);
        Box::pin(async move {
            let mut results = Vec::new();
            for (reply, count) in replies.await.into_iter().zip(counts) {
                match reply {
                    Ok(Outcome::Appended(placed)) => {
                        results.extend(placed);
                    }
                    Ok(_) => results.extend((0..count).map(|_| Err(lost()))),
                    Err(error) => results.extend((0..count).map(|_| Err(error.clone()))),
                }
            }
            results
        })
    }

    fn read(
        &self,
        log: LogId,
        from: Offset,
        max_bytes: usize,
    ) -> Answer<'_, Result<Vec<StoredBatch>, StoreError>> {
        match self.core.look_up(log, from, max_bytes) {
            Ok(Found::Batches(batches)) => Box::pin(std::future::ready(Ok(batches))),
            Ok(Found::Places(places)) => {
                if let Some(batches) = self.core.read_cached(&places, from, max_bytes) {
                    self.read_ahead(log, from, &batches, max_bytes);
                    return Box::pin(std::future::ready(Ok(batches)));
                }
                let are_in_segments = places.are_in_segments();
                Box::pin(async move {
                    let read = self.on_disk(move |core| core.read(log, from, max_bytes));
                    let batches = read.await?;
                    if are_in_segments {
                        self.read_ahead(log, from, &batches, max_bytes);
                    }
                    Ok(batches)
                })
            }
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn bounds(&self, log: LogId) -> Answer<'_, Result<Bounds, StoreError>> {
        Box::pin(std::future::ready(self.core.bounds(log)))
    }

    fn offset_for_time(
        &self,
        log: LogId,
        time: Timestamp,
    ) -> Answer<'_, Result<Offset, StoreError>> {
        Box::pin(self.on_disk(move |core| core.offset_for_time(log, time)))
    }

    fn offset_for_size(&self, log: LogId, bytes: u64) -> Answer<'_, Result<Offset, StoreError>> {
        Box::pin(self.on_disk(move |core| core.offset_for_size(log, bytes)))
    }

    fn producers(&self, log: LogId) -> Answer<'_, Result<Vec<ProducerSeen>, StoreError>> {
        Box::pin(std::future::ready(self.core.producers(log)))
    }

    fn watch(&self, log: LogId) -> Result<Watch, StoreError> {
        self.core.watch(log)
    }

    fn pieces(&self, log: LogId) -> Answer<'_, Result<Vec<Piece>, StoreError>> {
        Box::pin(std::future::ready(self.core.pieces(log)))
    }

    fn rewrite(
        &self,
        log: LogId,
        span: Range<Offset>,
        mut rewriter: Rewriter,
    ) -> Answer<'_, Result<Rewritten, StoreError>> {
        Box::pin(async move {
            let turn = self.rewrites.clone().acquire_owned().await;
            let (core, signals) = (self.core.clone(), self.signals.clone());
            let done = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                threads::rewrite(&core, &signals, log, &span, &mut *rewriter)
            });
            done.await
                .unwrap_or_else(|error| Err(unavailable(format!("a rewrite did not end: {error}"))))
        })
    }
}

impl Catalog for Embedded {
    fn get(&self, key: &Key) -> Answer<'_, Result<Option<Document>, StoreError>> {
        Box::pin(std::future::ready(Ok(self.core.get(key))))
    }

    fn scan(&self, scan: Scan) -> Answer<'_, Result<Vec<(Key, Document)>, StoreError>> {
        Box::pin(std::future::ready(Ok(self.core.scan(scan))))
    }

    fn scan_back(&self, scan: ScanBack) -> Answer<'_, Result<Vec<(Key, Document)>, StoreError>> {
        Box::pin(std::future::ready(Ok(self.core.scan_back(&scan))))
    }

    fn commit(&self, txn: Txn) -> Answer<'_, Result<Committed, StoreError>> {
        let reply = self.ask(vec![Request::Commit(txn)]);
        Box::pin(async move {
            match reply.await.pop() {
                Some(Ok(Outcome::Committed(committed))) => Ok(committed),
                Some(Err(error)) => Err(error),
                _ => Err(lost()),
            }
        })
    }
}

impl Leases for Embedded {
    fn acquire(
        &self,
        name: &Key,
        owner: &str,
        duration: Duration,
    ) -> Answer<'_, Result<Lease, StoreError>> {
        let request = Request::Acquire {
            name: name.clone(),
            owner: owner.into(),
            duration,
            now: self.core.now(),
        };
        Box::pin(async move {
            match self.ask_one(request).await? {
                Outcome::Leased(lease) => Ok(lease),
                _ => Err(lost()),
            }
        })
    }

    fn release(&self, lease: &Lease) -> Answer<'_, Result<(), StoreError>> {
        let request = Request::Release {
            lease: lease.clone(),
            now: self.core.now(),
        };
        Box::pin(async move { self.ask_one(request).await.map(|_| ()) })
    }
}

#[cfg(test)]
mod tests;
