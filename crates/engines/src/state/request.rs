//! What the sequencer can be asked, and what it answers.

use std::time::Duration;

use model::{LogId, Timestamp};
use store::{Append, Appended, Committed, Key, Lease, LogChange, StoreError, Txn, Write};

use crate::frame::RewrittenSegment;
use crate::frame::decision::{APPEND_BYTES_MAX, OTHER_BYTES_MAX};
use crate::segments::{SegmentId, SegmentRange};

/// Most bytes that a range takes in a frame, a generous guess.
const RANGE_BYTES: usize = 128;

/// Bytes that a transaction may write and still count as making room, where it deletes or trims logs.
const WRITTEN_BESIDE_MAX: usize = 64 << 10;

/// What the sequencer can be asked.
#[derive(Clone, Debug)]
pub enum Request {
    /// Batches, each for itself.
    Append(Vec<Append>),
    /// All or nothing.
    Commit(Txn),
    /// A lease taken or renewed.
    Acquire {
        /// Its name.
        name: Key,
        /// For whom.
        owner: String,
        /// For how long.
        duration: Duration,
        /// When it was asked.
        now: Timestamp,
    },
    /// A lease given up.
    Release {
        /// Which.
        lease: Lease,
        /// When it was asked.
        now: Timestamp,
    },
    /// A segment that the compactor has made durable.
    AddSegment(NewSegment),
    /// A segment without wanted ranges.
    RemoveSegment(SegmentId),
    /// A part of a log that lies elsewhere now, made durable there.
    Rewrite(NewRewrite),
}

/// A part of a log that was rewritten.
#[derive(Clone, Debug)]
pub struct NewRewrite {
    /// Of which log.
    pub log: LogId,
    /// The log's [`born`](super::LogState::born).
    pub born: u64,
    /// Where the part lay, in order; not empty. Some may be trimmed by now.
    pub sources: Vec<SegmentRange>,
    /// Where it lies; without it, nothing of it is left.
    pub segment: Option<RewrittenSegment>,
}

/// A segment, and of which logs it was made: a log may have been deleted and made anew since.
#[derive(Clone, Debug)]
pub struct NewSegment {
    /// Which.
    pub id: SegmentId,
    /// Its length.
    pub bytes: u64,
    /// Its ranges, each with its log's [`born`](super::LogState::born).
    pub ranges: Vec<(u64, SegmentRange)>,
}

/// What the sequencer answers when the request is durable.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// To [`Request::Append`], one for each.
    Appended(Vec<Result<Appended, StoreError>>),
    /// To [`Request::Commit`].
    Committed(Committed),
    /// To [`Request::Acquire`].
    Leased(Lease),
    /// To the others.
    Done,
}

/// An outcome, or why there is none.
pub type Reply = Result<Outcome, StoreError>;

impl Request {
    /// Most bytes it can take in a frame.
    #[must_use]
    pub fn footprint(&self) -> usize {
        match self {
            Request::Append(appends) => appends_footprint(appends),
            Request::Commit(txn) => {
                let writes: usize = txn.writes.iter().map(write_footprint).sum();
                writes + txn.logs.len() * OTHER_BYTES_MAX + appends_footprint(&txn.appends)
            }
            Request::Acquire { name, owner, .. } => {
                OTHER_BYTES_MAX + name.as_bytes().len() + owner.len()
            }
            Request::Release { lease, .. } => OTHER_BYTES_MAX + lease.name.as_bytes().len(),
            Request::AddSegment(segment) => OTHER_BYTES_MAX + segment.ranges.len() * RANGE_BYTES,
            Request::RemoveSegment(_) => OTHER_BYTES_MAX,
            Request::Rewrite(_) => 2 * OTHER_BYTES_MAX + RANGE_BYTES,
        }
    }

    /// Bytes of the largest batch that it appends.
    #[must_use]
    pub fn largest_batch(&self) -> usize {
        let appends = match self {
            Request::Append(appends) => appends,
            Request::Commit(txn) => &txn.appends,
            _ => return 0,
        };
        let lengths = appends.iter().map(|append| append.batch.bytes().len());
        lengths.max().unwrap_or(0)
    }

    /// Whether it is the compactor's.
    #[must_use]
    pub fn is_compactors(&self) -> bool {
        matches!(
            self,
            Request::AddSegment(_) | Request::RemoveSegment(_) | Request::Rewrite(_)
        )
    }

    /// The segment that becomes known with it.
    #[must_use]
    pub fn new_segment(&self) -> Option<SegmentId> {
        match self {
            Request::AddSegment(segment) => Some(segment.id),
            Request::Rewrite(rewrite) => Some(rewrite.segment.as_ref()?.range.segment),
            _ => None,
        }
    }

    /// Whether it makes room: such requests may use a full disk's last reserve.
    #[must_use]
    pub fn frees(&self) -> bool {
        match self {
            Request::Commit(txn) => txn_frees(txn),
            Request::AddSegment(_)
            | Request::RemoveSegment(_)
            | Request::Rewrite(_)
            | Request::Release { .. } => true,
            Request::Append(_) | Request::Acquire { .. } => false,
        }
    }
}

/// Whoever deletes a stream writes down that it is gone: that may go along with what is let go of.
fn txn_frees(txn: &Txn) -> bool {
    let makes = |change: &LogChange| matches!(change, LogChange::Create(_));
    if !txn.appends.is_empty() || txn.logs.iter().any(makes) {
        return false;
    }
    let keeps = |write: &&Write| matches!(write, Write::Put { .. });
    let kept: usize = txn.writes.iter().filter(keeps).map(write_footprint).sum();
    let lets_go = |change: &LogChange| matches!(change, LogChange::Delete(_) | LogChange::Trim(..));
    kept == 0 || (kept <= WRITTEN_BESIDE_MAX && txn.logs.iter().any(lets_go))
}

fn write_footprint(write: &Write) -> usize {
    match write {
        Write::Put { key, value } => OTHER_BYTES_MAX + key.as_bytes().len() + value.len(),
        Write::Delete { key } => OTHER_BYTES_MAX + key.as_bytes().len(),
    }
}

fn appends_footprint(appends: &[Append]) -> usize {
    appends
        .iter()
        .map(|append| APPEND_BYTES_MAX + append.batch.bytes().len())
        .sum()
}

/// The logs a transaction touches, for its trial.
pub(super) fn log_of(change: LogChange) -> LogId {
    match change {
        LogChange::Create(log)
        | LogChange::Seal(log)
        | LogChange::Trim(log, _)
        | LogChange::ForgetProducers(log, _)
        | LogChange::Delete(log) => log,
    }
}
