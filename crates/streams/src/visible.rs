//! A shard as readers of single records see it, whichever protocol wrote it: in the clear and uncompressed, nothing of
//! transactions that are not decided or were aborted, and not their markers.
//!
//! What cannot be shown takes offsets all the same, so reading goes on past it. A batch that does not inflate is skipped, and
//! counted, so that it does not hold a shard up for ever; one that does not open under the stream's keys is an error, since a
//! key may be newer than the stream in hand.

use model::{LogId, Offset, Timestamp};
use store::{StoreError, StoredBatch};

use crate::aborted::AbortedIn;
use crate::records::ReadBatch;
use crate::registry::Streams;
use crate::stream::Stream;

/// Some of a shard's batches, as a reader of records has them.
#[derive(Clone, Debug, Default)]
pub struct Visible {
    /// In order; in the clear, uncompressed.
    pub batches: Vec<ReadBatch>,
    /// Where to go on: after what is given and what is hidden among it.
    pub next: Offset,
    /// Batches skipped because they do not inflate.
    pub unreadable: usize,
}

impl Streams {
    /// What is to be seen from the batch that holds `from`, before `until`, which [`Streams::shown_until`] gave: about `max_bytes`, counted without compression,
    /// where there is more; at least one batch looked at where there is any. May be nothing, with more behind it.
    ///
    /// # Errors
    /// As [`store::Log::read`].
    pub async fn read_visible(
        &self,
        stream: &Stream,
        shard: u32,
        from: Offset,
        until: Offset,
        max_bytes: usize,
    ) -> Result<Visible, StoreError> {
        let log = stream.log(shard);
        let mut visible = Visible {
            next: from,
            ..Visible::default()
        };
        let mut bytes = 0;
        let batches = self.store().read(log, from, max_bytes).await?;
        let aborted = self.aborted_among(log, &batches);
        for stored in batches {
            if stored.base_offset >= until || bytes >= max_bytes {
                break;
            }
            visible.next = stored.end();
            if is_hidden(&stored, &aborted) {
                continue;
            }
            let is_encrypted = stored.batch.is_sealed();
            let opened = StoredBatch {
                base_offset: stored.base_offset,
                batch: stream.sealer.open(log, stored.batch)?,
            };
            match self.inflated.of(log, opened).await {
                Some(stored) => {
                    bytes += stored.batch.payload().len();
                    visible.batches.push(ReadBatch {
                        stored,
                        is_encrypted,
                    });
                }
                None => visible.unreadable += 1,
            }
        }
        Ok(visible)
    }

    /// Up to where a log that ends at `end` is shown: records of a transaction that is not decided are not.
    #[must_use]
    pub fn shown_until(&self, log: LogId, end: Offset) -> Offset {
        self.undecided().last_stable(log, end)
    }

    /// Whether readers of single records pass over a whole batch: a transaction's marker, or what was aborted.
    #[must_use]
    pub fn hides(&self, log: LogId, stored: &StoredBatch) -> bool {
        let aborted = self.aborted_among(log, std::slice::from_ref(stored));
        is_hidden(stored, &aborted)
    }

    fn aborted_among(&self, log: LogId, batches: &[StoredBatch]) -> Vec<AbortedIn> {
        let mut transactional = batches
            .iter()
            .filter(|stored| stored.batch.is_transactional());
        let Some(first) = transactional.next() else {
            return Vec::new();
        };
        let last = transactional.next_back().unwrap_or(first);
        self.aborted()
            .overlapping(log, first.base_offset, last.end())
    }

    /// The time of the batch that holds `offset`: of its first record, or of its newest where that is not told without reading
    /// it. `None` at the log's end.
    ///
    /// # Errors
    /// As [`store::Log::read`].
    pub async fn time_at(
        &self,
        stream: &Stream,
        shard: u32,
        offset: Offset,
    ) -> Result<Option<Timestamp>, StoreError> {
        let batches = self.store().read(stream.log(shard), offset, 1).await?;
        Ok(batches.first().map(|stored| stored.batch.told_time()))
    }
}

/// Whether a batch holds nothing of users', or nothing that came to be.
fn is_hidden(stored: &StoredBatch, aborted: &[AbortedIn]) -> bool {
    stored.batch.is_control() || aborted.iter().any(|one| one.covers(stored))
}
