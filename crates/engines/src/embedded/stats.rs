//! What is read from memory alone: bounds, documents, and figures for metrics.

use std::sync::atomic::Ordering;

use model::{LogId, Timestamp};
use store::producers::ProducerSeen;
use store::{Append, Bounds, Document, Key, Scan, ScanBack, StoreError, Watch};

use crate::embedded::core::Core;
use crate::frame::decision::APPEND_BYTES_MAX;
use crate::state::request::Request;

/// Figures for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Bytes of journal files: in use, ready and free.
    pub journal_bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Their bytes.
    pub segment_bytes: u64,
    /// Bytes of the newest batches in memory.
    pub cache_bytes: u64,
    /// Batches in the journal and not yet in segments.
    pub journal_batches: u64,
    /// Logs.
    pub logs: u64,
    /// Documents.
    pub documents: u64,
    /// Journal files that were made segments since the start.
    pub files_kept: u64,
    /// Frames written since the start.
    pub frames: u64,
    /// Syncs of frames since the start.
    pub syncs: u64,
}

impl Core {
    /// Figures for metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let view = self.view();
        let segments = view.state.segments();
        let (segments, segment_bytes) = segments.fold((0, 0), |(count, bytes), (_, segment)| {
            (count + 1, bytes + segment.bytes)
        });
        Stats {
            journal_bytes: self.pool.bytes(),
            segments,
            segment_bytes,
            cache_bytes: view.tail.cached_bytes() as u64,
            journal_batches: view.tail.len() as u64,
            logs: view.state.log_count() as u64,
            documents: view.state.document_count() as u64,
            files_kept: self.files_kept.load(Ordering::Relaxed),
            frames: self.frames.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
        }
    }

    /// As [`store::Log::bounds`].
    ///
    /// # Errors
    /// As there.
    pub fn bounds(&self, log: LogId) -> Result<Bounds, StoreError> {
        self.view().state.log(log).map(|state| state.bounds)
    }

    /// As [`store::Log::producers`].
    ///
    /// # Errors
    /// [`StoreError::NoSuchLog`].
    pub fn producers(&self, log: LogId) -> Result<Vec<ProducerSeen>, StoreError> {
        let view = self.view();
        view.state
            .log(log)
            .map(|state| state.producers.iter().collect())
    }

    /// As [`store::Catalog::get`].
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Document> {
        self.view().state.document(key).cloned()
    }

    /// As [`store::Catalog::scan`].
    #[must_use]
    pub fn scan(&self, scan: Scan) -> Vec<(Key, Document)> {
        self.view().state.scan(scan)
    }

    /// As [`store::Catalog::scan_back`].
    #[must_use]
    pub fn scan_back(&self, scan: &ScanBack) -> Vec<(Key, Document)> {
        self.view().state.scan_back(scan)
    }

    /// As [`store::Log::watch`].
    ///
    /// # Errors
    /// As there.
    pub fn watch(&self, log: LogId) -> Result<Watch, StoreError> {
        self.view_mut().watch(log)
    }

    /// The time by the clock in the options.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    /// Appends as requests that each fit a frame well, with the number of appends in each.
    pub(super) fn split_appends(&self, appends: Vec<Append>) -> Vec<(usize, Request)> {
        let limit = self.options.frame_bytes_max.min(self.request_bytes_max());
        let mut requests = Vec::new();
        let mut part = Vec::new();
        let mut bytes = 0;
        for append in appends {
            let own = APPEND_BYTES_MAX + append.batch.bytes().len();
            if bytes + own > limit && !part.is_empty() {
                requests.push((part.len(), Request::Append(std::mem::take(&mut part))));
                bytes = 0;
            }
            bytes += own;
            part.push(append);
        }
        if !part.is_empty() {
            requests.push((part.len(), Request::Append(part)));
        }
        requests
    }
}
