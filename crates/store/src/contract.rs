//! The three traits. Everything a service knows of storage is here.
//!
//! **Guarantees.** A write is durable and ordered before its answer. Reads see durable writes only, and all that were answered
//! before the read began. Offsets of one log have no gaps but those of compaction. A transaction is seen whole or not at all.
//! A producer's repeated batch is known for its last five batches per log. Dropping the future of a write does not undo it.
//!
//! **Non-guarantees.** No order between logs but that of transactions touching both. No snapshot over several calls. Records
//! are bytes: the store does not decode, decrypt or check keys.
//!
//! **Failure.** [`StoreError`] says whether the write certainly failed ([`StoreError::Unknown`] is the only one that does not).

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use model::{Batch, LogId, Offset, Timestamp};
use tokio::sync::watch;

use crate::error::StoreError;
use crate::key::{Document, Key};
use crate::producers::ProducerSeen;
use crate::txn::{Append, Appended, Committed, Txn};

/// An answer to come.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Partitions of records: append-only, durable and ordered before the answer.
pub trait Log: Send + Sync {
    /// Adds batches, each for itself: one may fail where the next succeeds. Answers are in the order of `appends`; batches
    /// for one log keep their order. Faster than [`Catalog::commit`], which is all or nothing.
    fn append(&self, appends: Vec<Append>) -> Answer<'_, Vec<Result<Appended, StoreError>>>;

    /// Batches in order, from the one that holds `from`, or from the next where a rewrite left a gap there, until `max_bytes`
    /// are gathered: at least one where there is any. None at the log's end.
    ///
    /// # Errors
    /// [`StoreError::OffsetOutOfRange`] below the start or past the end; [`StoreError::NoSuchLog`]; [`StoreError::Damaged`].
    fn read(
        &self,
        log: LogId,
        from: Offset,
        max_bytes: usize,
    ) -> Answer<'_, Result<Vec<StoredBatch>, StoreError>>;

    /// Where the log starts and ends.
    ///
    /// # Errors
    /// [`StoreError::NoSuchLog`].
    fn bounds(&self, log: LogId) -> Answer<'_, Result<Bounds, StoreError>>;

    /// The base offset of the first batch whose greatest timestamp is `time` or later; the end where there is none. Records
    /// at the batch's front may be earlier: the reader skips them.
    ///
    /// # Errors
    /// [`StoreError::NoSuchLog`]; [`StoreError::Damaged`].
    fn offset_for_time(
        &self,
        log: LogId,
        time: Timestamp,
    ) -> Answer<'_, Result<Offset, StoreError>>;

    /// The offset to trim to so that `bytes` remain, newest first: whole batches, the one in which they run out among them. The
    /// start where there are no more.
    ///
    /// # Errors
    /// [`StoreError::NoSuchLog`]; [`StoreError::Damaged`].
    fn offset_for_size(&self, log: LogId, bytes: u64) -> Answer<'_, Result<Offset, StoreError>>;

    /// Whom a retry is known of, by id.
    ///
    /// # Errors
    /// [`StoreError::NoSuchLog`].
    fn producers(&self, log: LogId) -> Answer<'_, Result<Vec<ProducerSeen>, StoreError>>;

    /// Tells of the log's growth. Holds nothing up and costs nothing while nobody watches.
    ///
    /// # Errors
    /// [`StoreError::NoSuchLog`].
    fn watch(&self, log: LogId) -> Result<Watch, StoreError>;

    /// How the log lies: pieces in order, which together hold all of its batches.
    ///
    /// # Errors
    /// [`StoreError::NoSuchLog`].
    fn pieces(&self, log: LogId) -> Answer<'_, Result<Vec<Piece>, StoreError>>;

    /// Replaces or drops batches, as log compaction does; all others stay where they are, and the log's bounds do too. Of the
    /// batches whose end is in `span`, past its start and up to its end, `rewriter` is asked of each in order, until a part of
    /// the engine's choosing is done: the answer says how far that was. The part is replaced at once: readers, and a start
    /// after a crash, see all of it as it was or all as it became. A log deleted or trimmed meanwhile stays so.
    ///
    /// One rewrite of a log at a time; `rewriter` may take its time, appends and reads do not wait for it. What lies in the
    /// journal ([`Piece::is_settled`]) is moved out of it for the purpose, at the price of a copy.
    ///
    /// # Errors
    /// [`StoreError::OffsetOutOfRange`] where `span` reaches past the end; [`StoreError::NoSuchLog`];
    /// [`StoreError::Invalid`] for a replacement that takes other offsets than what it replaces; what `rewriter` fails with.
    /// Nothing is changed then, but with [`StoreError::Unknown`] it may be.
    fn rewrite(
        &self,
        log: LogId,
        span: Range<Offset>,
        rewriter: Rewriter,
    ) -> Answer<'_, Result<Rewritten, StoreError>>;
}

/// What becomes of a batch in a rewrite.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// It stays as it is.
    Keep,
    /// Another takes its place and its offsets.
    Replace(Batch),
    /// It goes, and its offsets are a gap.
    Drop,
}

impl Change {
    /// What `stored` is after this change.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] where the new one takes other offsets.
    pub fn apply(self, stored: StoredBatch) -> Result<Option<StoredBatch>, StoreError> {
        match self {
            Change::Keep => Ok(Some(stored)),
            Change::Drop => Ok(None),
            Change::Replace(batch) if batch.offsets() == stored.batch.offsets() => {
                let base_offset = stored.base_offset;
                Ok(Some(StoredBatch { base_offset, batch }))
            }
            Change::Replace(batch) => Err(StoreError::Invalid {
                what: format!(
                    "a batch of {} offsets cannot replace one of {} at {}",
                    batch.offsets(),
                    stored.batch.offsets(),
                    stored.base_offset
                ),
            }),
        }
    }
}

/// Says what becomes of each batch of a rewrite, in order. Asked on a thread that may be blocked for a while.
pub type Rewriter = Box<dyn FnMut(&StoredBatch) -> Result<Change, StoreError> + Send>;

/// How far a rewrite came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rewritten {
    /// All that was asked for is done up to here; the next rewrite begins here.
    pub upto: Offset,
    /// Bytes of the batches that were read for it.
    pub bytes_before: u64,
    /// Bytes of what they are now.
    pub bytes_after: u64,
}

/// A run of a log's batches that lie together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// The first one's base offset.
    pub start: Offset,
    /// The offset after the last.
    pub end: Offset,
    /// Bytes of all of them.
    pub bytes: u64,
    /// The greatest timestamp of their records.
    pub max_timestamp: Timestamp,
    /// Whether they lie where they will stay, and not in a journal that is on its way there.
    pub is_settled: bool,
}

/// Small documents under ordered keys, and the transaction over documents and logs.
pub trait Catalog: Send + Sync {
    /// The document under `key`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where the engine cannot tell.
    fn get(&self, key: &Key) -> Answer<'_, Result<Option<Document>, StoreError>>;

    /// Documents in key order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where the engine cannot tell.
    fn scan(&self, scan: Scan) -> Answer<'_, Result<Vec<(Key, Document)>, StoreError>>;

    /// Documents against key order: of those whose keys start with `prefix` and lie before `before`, the last `limit`, the
    /// greatest key first. Engines that keep keys in order do it without looking at the rest.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where the engine cannot tell.
    fn scan_back(&self, scan: ScanBack) -> Answer<'_, Result<Vec<(Key, Document)>, StoreError>> {
        Box::pin(async move {
            let forward = Scan {
                prefix: scan.prefix,
                after: None,
                limit: usize::MAX,
            };
            let mut found = self.scan(forward).await?;
            found.retain(|(key, _)| scan.before.as_ref().is_none_or(|before| key < before));
            found.reverse();
            found.truncate(scan.limit);
            Ok(found)
        })
    }

    /// Does all of `txn` or nothing.
    ///
    /// # Errors
    /// The first check, log change or append that was refused.
    fn commit(&self, txn: Txn) -> Answer<'_, Result<Committed, StoreError>>;
}

/// Which documents to give.
#[derive(Clone, Debug)]
pub struct Scan {
    /// What their keys start with.
    pub prefix: Key,
    /// Only keys after this one.
    pub after: Option<Key>,
    /// No more than these.
    pub limit: usize,
}

impl Scan {
    /// All documents strictly below the path `key`.
    #[must_use]
    pub fn below(key: &Key) -> Scan {
        Scan {
            prefix: key.children(),
            after: None,
            limit: usize::MAX,
        }
    }
}

/// Which documents to give, from the greatest key down.
#[derive(Clone, Debug)]
pub struct ScanBack {
    /// What their keys start with.
    pub prefix: Key,
    /// Only keys before this one.
    pub before: Option<Key>,
    /// No more than these.
    pub limit: usize,
}

impl ScanBack {
    /// The bound past the last key that can be given: `before`, or what lies after all that start with `prefix`. `None`: no bound.
    #[must_use]
    pub fn end(&self) -> Option<Key> {
        let past = past_all(self.prefix.as_bytes());
        match (&self.before, past) {
            (Some(before), Some(past)) => Some(before.clone().min(past)),
            (Some(before), None) => Some(before.clone()),
            (None, past) => past,
        }
    }
}

/// The least key after all that start with `prefix`; none where nothing comes after.
fn past_all(prefix: &[u8]) -> Option<Key> {
    let length = prefix.iter().rposition(|&byte| byte != u8::MAX)? + 1;
    let mut past = prefix[..length].to_vec();
    *past.last_mut()? += 1;
    Some(Key::from_bytes(past.into()))
}

/// Names owned by one node for a while.
pub trait Leases: Send + Sync {
    /// Takes the lease `name` for `owner` for `duration`, or renews it where `owner` has it, the epoch unchanged. A new owner
    /// gets a greater epoch, which fences the former one out of [`Catalog::commit`] at once. Expiry alone fences nobody.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] while another owner's time has not run out.
    fn acquire(
        &self,
        name: &Key,
        owner: &str,
        duration: Duration,
    ) -> Answer<'_, Result<Lease, StoreError>>;

    /// Gives the lease up, so that another may take it before its time runs out.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] where another has it.
    fn release(&self, lease: &Lease) -> Answer<'_, Result<(), StoreError>>;
}

/// A lease held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// What is leased.
    pub name: Key,
    /// Who holds it.
    pub owner: String,
    /// Grows with each new owner, from 1.
    pub epoch: u64,
    /// When it may be taken by others.
    pub until: Timestamp,
}

/// All three.
pub trait Store: Log + Catalog + Leases {}

impl<T: Log + Catalog + Leases> Store for T {}

/// Where a log starts and ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bounds {
    /// First offset held.
    pub start: Offset,
    /// Next offset to be given.
    pub end: Offset,
    /// Whether appends are refused.
    pub sealed: bool,
}

/// A batch and its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredBatch {
    /// Its first record's offset. The offset inside the bytes is whatever its writer left there.
    pub base_offset: Offset,
    /// The batch.
    pub batch: Batch,
}

impl StoredBatch {
    /// The offset after its last.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.base_offset.plus(u64::from(self.batch.offsets()))
    }

    /// Its records in order, with their offsets. None from a compressed or sealed batch.
    pub fn records(&self) -> impl Iterator<Item = model::RecordRef<'_>> {
        self.batch.records(self.base_offset)
    }

    /// Its bytes with the base offset and a leader epoch set, as a Kafka client wants them. Copies.
    #[must_use]
    pub fn placed_bytes(&self, leader_epoch: i32) -> Bytes {
        let bytes = self.batch.bytes();
        let mut placed = BytesMut::with_capacity(bytes.len());
        placed.put_u64(self.base_offset.0);
        placed.put_slice(&bytes[8..12]);
        placed.put_i32(leader_epoch);
        placed.put_slice(&bytes[16..]);
        placed.freeze()
    }
}

/// Tells of a log's growth, sealing and deletion.
pub struct Watch {
    bounds: watch::Receiver<Bounds>,
}

impl Watch {
    /// For engines: a watch over a channel that carries the log's bounds and is closed when the log is deleted.
    #[must_use]
    pub fn new(bounds: watch::Receiver<Bounds>) -> Watch {
        Watch { bounds }
    }

    /// The newest bounds known.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        *self.bounds.borrow()
    }

    /// Waits until the log ends after `offset` or is sealed; `None` when it was deleted. Cancel-safe.
    pub async fn past(&mut self, offset: Offset) -> Option<Bounds> {
        // A closed channel still shows its last value, which would be taken for news again and again.
        if self.bounds.has_changed().is_err() {
            return None;
        }
        let grown = self
            .bounds
            .wait_for(|bounds| bounds.end > offset || bounds.sealed)
            .await;
        grown.ok().map(|bounds| *bounds)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({:?})", self.bounds())
    }
}
