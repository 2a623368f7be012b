//! What the frames add up to: logs, documents, leases and segments. Pure: no I/O, no clock.
//!
//! Two values of this one type live side by side: the sequencer's, ahead, against which requests are decided, and the
//! readers', which follows as frames become durable. Recovery is [`State::apply`] of every frame.
//!
//! Read on in [`decide`] for how a request becomes decisions, and in `snapshot` for how a state is written down.

pub mod decide;
pub mod request;
mod snapshot;
mod transaction;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::{Bound, Range};

use model::{LogId, Offset};
use store::producers::Producers;
use store::{Bounds, Document, Key, Lease, Scan, ScanBack, StoreError};

use crate::frame::{Decision, Extent, Malformed, RewrittenSegment};
use crate::segments::{SegmentId, SegmentRange};

/// All that is known.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct State {
    /// The newest transaction's number.
    version: u64,
    logs: HashMap<LogId, LogState>,
    documents: BTreeMap<Key, Document>,
    leases: BTreeMap<Key, Lease>,
    segments: BTreeMap<SegmentId, SegmentState>,
}

/// What is known of one log.
#[derive(Clone, PartialEq, Debug)]
pub struct LogState {
    /// Tells it from earlier logs of the same number.
    pub born: u64,
    /// Where it starts and ends.
    pub bounds: Bounds,
    /// Whom a retry is known of.
    pub producers: Producers,
    /// Its part of the segments, oldest first, with gaps where a rewrite left some; what follows them lies in the journal.
    pub ranges: VecDeque<SegmentRange>,
}

/// What is known of one segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentState {
    /// Its length.
    pub bytes: u64,
    /// Ranges in it that are still wanted.
    pub ranges: usize,
    /// Bytes of their batches.
    pub wanted_bytes: u64,
}

impl State {
    /// What is known of `log`.
    ///
    /// # Errors
    /// [`StoreError::NoSuchLog`].
    pub fn log(&self, log: LogId) -> Result<&LogState, StoreError> {
        self.logs.get(&log).ok_or(StoreError::NoSuchLog { log })
    }

    /// All logs, in no order.
    pub fn logs(&self) -> impl Iterator<Item = (LogId, &LogState)> {
        self.logs.iter().map(|(&log, state)| (log, state))
    }

    /// The document under `key`.
    #[must_use]
    pub fn document(&self, key: &Key) -> Option<&Document> {
        self.documents.get(key)
    }

    /// Documents in key order.
    #[must_use]
    pub fn scan(&self, scan: Scan) -> Vec<(Key, Document)> {
        let start = match scan.after {
            Some(after) if after >= scan.prefix => Bound::Excluded(after),
            _ => Bound::Included(scan.prefix.clone()),
        };
        self.documents
            .range((start, Bound::Unbounded))
            .take_while(|(key, _)| key.as_bytes().starts_with(scan.prefix.as_bytes()))
            .take(scan.limit)
            .map(|(key, document)| (key.clone(), document.clone()))
            .collect()
    }

    /// Documents against key order.
    #[must_use]
    pub fn scan_back(&self, scan: &ScanBack) -> Vec<(Key, Document)> {
        if scan
            .before
            .as_ref()
            .is_some_and(|before| *before <= scan.prefix)
        {
            return Vec::new();
        }
        let end = scan.end().map_or(Bound::Unbounded, Bound::Excluded);
        self.documents
            .range((Bound::Included(scan.prefix.clone()), end))
            .rev()
            .take(scan.limit)
            .map(|(key, document)| (key.clone(), document.clone()))
            .collect()
    }

    /// Logs there are.
    #[must_use]
    pub fn log_count(&self) -> usize {
        self.logs.len()
    }

    /// Documents there are.
    #[must_use]
    pub fn document_count(&self) -> usize {
        self.documents.len()
    }

    /// The segments, those without a wanted range too.
    pub fn segments(&self) -> impl Iterator<Item = (SegmentId, SegmentState)> {
        self.segments.iter().map(|(&id, &segment)| (id, segment))
    }

    /// What is known of a segment.
    #[must_use]
    pub fn segment(&self, id: SegmentId) -> Option<SegmentState> {
        self.segments.get(&id).copied()
    }

    /// Makes a decision so.
    ///
    /// # Errors
    /// [`Malformed`] where it contradicts what is known; it was not decided against this state then.
    pub fn apply(&mut self, decision: &Decision) -> Result<(), Malformed> {
        match decision {
            Decision::Append(extent) => self.apply_append(extent)?,
            Decision::CreateLog { log, born } => {
                self.version = self.version.max(*born);
                if self.logs.insert(*log, LogState::born(*born)).is_some() {
                    return Err(Malformed("a log is made twice"));
                }
            }
            Decision::SealLog { log } => self.log_mut(*log)?.bounds.sealed = true,
            Decision::TrimLog { log, start } => self.apply_trim(*log, *start)?,
            Decision::ForgetProducers { log, before } => {
                self.log_mut(*log)?.producers.forget_before(*before);
            }
            Decision::DeleteLog { log } => {
                let state = self.logs.remove(log).ok_or(MISSING)?;
                self.let_go(&state.ranges);
            }
            Decision::Put {
                key,
                version,
                value,
            } => {
                self.version = self.version.max(version.0);
                let document = Document {
                    version: *version,
                    value: value.clone(),
                };
                self.documents.insert(key.clone(), document);
            }
            Decision::Remove { key } => {
                self.documents.remove(key);
            }
            Decision::Lease(lease) => {
                self.leases.insert(lease.name.clone(), lease.clone());
            }
            Decision::AddSegment { id, bytes, ranges } => {
                self.apply_segment(*id, *bytes, ranges)?
            }
            Decision::RemoveSegment { id } => {
                self.segments.remove(id);
            }
            Decision::Rewrite {
                log,
                start,
                end,
                segment,
            } => self.apply_rewrite(*log, *start..*end, segment.as_ref())?,
        }
        Ok(())
    }

    fn log_mut(&mut self, log: LogId) -> Result<&mut LogState, Malformed> {
        self.logs.get_mut(&log).ok_or(MISSING)
    }

    fn apply_append(&mut self, extent: &Extent) -> Result<(), Malformed> {
        let log = self.log_mut(extent.log)?;
        if extent.base_offset != log.bounds.end {
            return Err(Malformed("a batch is not at its log's end"));
        }
        log.bounds.end = extent.end();
        if let Some(producer) = extent.producer {
            log.producers.remember(
                producer,
                extent.offsets,
                extent.base_offset,
                extent.max_timestamp,
            );
        }
        Ok(())
    }

    fn apply_trim(&mut self, log: LogId, start: Offset) -> Result<(), Malformed> {
        let state = self.log_mut(log)?;
        state.bounds.start = start;
        let gone = state.ranges.partition_point(|range| range.end <= start);
        let gone: VecDeque<_> = state.ranges.drain(..gone).collect();
        self.let_go(&gone);
        Ok(())
    }

    fn apply_segment(
        &mut self,
        id: SegmentId,
        bytes: u64,
        ranges: &[SegmentRange],
    ) -> Result<(), Malformed> {
        for range in ranges {
            let log = self.log_mut(range.log)?;
            if log.ranges.back().is_some_and(|last| last.end > range.start) {
                return Err(Malformed("a segment overlaps an earlier one"));
            }
            log.ranges.push_back(range.clone());
        }
        let segment = SegmentState {
            bytes,
            ranges: ranges.len(),
            wanted_bytes: ranges.iter().map(|range| range.batch_bytes).sum(),
        };
        self.segments.insert(id, segment);
        Ok(())
    }

    fn apply_rewrite(
        &mut self,
        log: LogId,
        span: Range<Offset>,
        segment: Option<&RewrittenSegment>,
    ) -> Result<(), Malformed> {
        let ranges = &mut self.log_mut(log)?.ranges;
        let first = ranges.partition_point(|range| range.start < span.start);
        let upto = ranges.partition_point(|range| range.end <= span.end);
        if first > upto {
            return Err(Malformed("a rewrite cuts a segment's part of its log"));
        }
        let gone: VecDeque<_> = ranges.drain(first..upto).collect();
        if let Some(RewrittenSegment { range, .. }) = segment {
            let before = first.checked_sub(1).and_then(|last| ranges.get(last));
            let is_after = before.is_none_or(|before| before.end <= range.start);
            let is_before = ranges.get(first).is_none_or(|next| range.end <= next.start);
            if !is_after || !is_before {
                return Err(Malformed("a rewrite overlaps what it leaves"));
            }
            ranges.insert(first, range.clone());
        }
        self.let_go(&gone);
        if let Some(RewrittenSegment { bytes, range }) = segment {
            let state = SegmentState {
                bytes: *bytes,
                ranges: 1,
                wanted_bytes: range.batch_bytes,
            };
            self.segments.insert(range.segment, state);
        }
        Ok(())
    }

    /// Counts ranges out of their segments.
    fn let_go(&mut self, ranges: &VecDeque<SegmentRange>) {
        for range in ranges {
            if let Some(segment) = self.segments.get_mut(&range.segment) {
                segment.ranges = segment.ranges.saturating_sub(1);
                segment.wanted_bytes = segment.wanted_bytes.saturating_sub(range.batch_bytes);
            }
        }
    }
}

const MISSING: Malformed = Malformed("a log is not there");

impl LogState {
    fn born(born: u64) -> LogState {
        LogState {
            born,
            bounds: Bounds::default(),
            producers: Producers::default(),
            ranges: VecDeque::new(),
        }
    }
}

#[cfg(test)]
mod tests;
