//! Batches inflated lately. A reader that takes a large batch record by record, and twenty readers at a shard's tip, inflate it
//! once.
//!
//! Kept: up to [`KEPT_BYTES`] but for one batch, first in, first out. A batch that does not inflate is kept as such, so that
//! its error is logged once and not for each reader.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{Batch, LogId, Offset};
use store::StoredBatch;
use tokio::sync::OnceCell;

use crate::inflate::inflate;

/// Kept at most, in bytes, but for one batch.
const KEPT_BYTES: usize = 64 << 20;
/// Batches kept at most, those under way included.
const KEPT_BATCHES: usize = 4_096;

/// A batch's place, and its checksum: compaction writes a batch anew at the same place.
type Place = (LogId, Offset, [u8; 4]);

/// A batch as soon as somebody has inflated it; `None` for one that cannot be.
type Outcome = Arc<OnceCell<Option<Batch>>>;

/// Batches inflated lately.
#[derive(Debug, Default)]
pub(crate) struct Inflated {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    outcomes: HashMap<Place, Outcome>,
    oldest_first: VecDeque<Place>,
    bytes: usize,
}

impl Inflated {
    /// The batch without compression, or `None` where it does not read as what it says it is. Cancel-safe.
    pub(crate) async fn of(&self, log: LogId, stored: StoredBatch) -> Option<StoredBatch> {
        let StoredBatch { base_offset, batch } = stored;
        if batch.codec() == 0 {
            return Some(StoredBatch { base_offset, batch });
        }
        let place = (log, base_offset, checksum(&batch));
        let outcome = self.kept().outcome(place);
        let inflated = outcome
            .get_or_init(|| async {
                let inflated = inflate_or_log(log, base_offset, batch).await;
                self.kept()
                    .settle(&place, inflated.as_ref().map_or(0, memory));
                inflated
            })
            .await;
        inflated
            .clone()
            .map(|batch| StoredBatch { base_offset, batch })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn outcome(&mut self, place: Place) -> Outcome {
        if let Some(outcome) = self.outcomes.get(&place) {
            return Arc::clone(outcome);
        }
        while self.outcomes.len() >= KEPT_BATCHES {
            self.forget_oldest();
        }
        let outcome = Outcome::default();
        self.outcomes.insert(place, Arc::clone(&outcome));
        self.oldest_first.push_back(place);
        outcome
    }

    /// The batch at `place` has turned out to take so many bytes.
    fn settle(&mut self, place: &Place, bytes: usize) {
        // Forgotten meanwhile: whoever asked for it has it alone.
        if !self.outcomes.contains_key(place) {
            return;
        }
        self.bytes += bytes;
        while self.bytes > KEPT_BYTES && self.outcomes.len() > 1 {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.oldest_first.pop_front();
        let Some(outcome) = oldest.and_then(|place| self.outcomes.remove(&place)) else {
            return;
        };
        let bytes = outcome.get().and_then(Option::as_ref).map_or(0, memory);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

fn memory(batch: &Batch) -> usize {
    batch.bytes().len()
}

fn checksum(batch: &Batch) -> [u8; 4] {
    let field = &batch.bytes()[17..21];
    field.try_into().expect("four bytes within the header")
}

async fn inflate_or_log(log: LogId, base_offset: Offset, batch: Batch) -> Option<Batch> {
    // Up to a few hundred milliseconds of work: not on a thread that others wait for.
    let inflating = tokio::task::spawn_blocking(move || inflate(&batch));
    let why = match inflating.await {
        Ok(Ok(inflated)) => return Some(inflated),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!(%log, offset = %base_offset, why, "a batch cannot be read; readers of records skip it");
    None
}

#[cfg(test)]
mod tests {
    use model::{BatchBuilder, StreamId, Timestamp};

    use super::*;

    fn log() -> LogId {
        LogId::new(StreamId(1), 0)
    }

    fn zipped(bytes: usize) -> Batch {
        let mut builder = BatchBuilder::with_capacity(bytes);
        builder.push(Timestamp(1), None, Some(&vec![7; bytes]), &[]);
        let plain = builder.finish();
        let payload = zstd::stream::encode_all(plain.payload(), 1).unwrap();
        with_codec(&plain, 4, &payload)
    }

    fn with_codec(batch: &Batch, codec: u8, payload: &[u8]) -> Batch {
        let mut bytes = batch.with_payload(payload, false).bytes().to_vec();
        bytes[22] = codec;
        Batch::parse_unverified(bytes.into()).unwrap()
    }

    fn at(offset: u64, batch: Batch) -> StoredBatch {
        StoredBatch {
            base_offset: Offset(offset),
            batch,
        }
    }

    #[tokio::test]
    async fn a_batch_is_inflated_once() {
        let inflated = Inflated::default();
        let batch = zipped(1_000);
        let first = inflated.of(log(), at(5, batch.clone())).await.unwrap();
        let again = inflated.of(log(), at(5, batch)).await.unwrap();
        assert_eq!(
            first.batch.bytes().as_ptr(),
            again.batch.bytes().as_ptr(),
            "the same memory"
        );
        assert_eq!(first.records().next().unwrap().value.unwrap().len(), 1_000);
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded_and_the_newest_stays() {
        let inflated = Inflated::default();
        let batch = zipped(30 << 20);
        for offset in 0..5 {
            inflated.of(log(), at(offset, batch.clone())).await.unwrap();
            let kept = inflated.kept();
            assert!(kept.bytes <= KEPT_BYTES);
            assert_eq!(kept.outcomes.len(), kept.oldest_first.len());
        }
        assert_eq!(inflated.kept().outcomes.len(), 2);
        inflated.of(log(), at(9, zipped(80 << 20))).await.unwrap();
        assert_eq!(inflated.kept().outcomes.len(), 1);
        let small = zipped(10);
        for offset in 0..2 * KEPT_BATCHES as u64 {
            let _ = inflated
                .kept()
                .outcome((log(), Offset(offset), checksum(&small)));
        }
        assert_eq!(inflated.kept().outcomes.len(), KEPT_BATCHES);
        assert_eq!(inflated.kept().bytes, 0);
    }

    #[tokio::test]
    async fn what_does_not_inflate_is_none() {
        let inflated = Inflated::default();
        let broken = with_codec(&zipped(10), 4, &[0xff; 50]);
        for _ in 0..2 {
            assert_eq!(inflated.of(log(), at(5, broken.clone())).await, None);
        }
    }
}
