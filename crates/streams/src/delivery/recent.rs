//! Batches just scanned: most are delivered at once.

use std::collections::VecDeque;

use model::Offset;
use store::StoredBatch;

/// Kept at most, in bytes, but for one batch.
const RECENT_BYTES: usize = 1 << 20;

/// Batches just scanned, oldest first.
#[derive(Default)]
pub(super) struct Recent {
    batches: VecDeque<StoredBatch>,
    bytes: usize,
}

impl Recent {
    pub(super) fn add(&mut self, batches: Vec<StoredBatch>) {
        for batch in batches {
            self.bytes += batch.batch.bytes().len();
            self.batches.push_back(batch);
        }
        while self.bytes > RECENT_BYTES
            && self.batches.len() > 1
            && let Some(oldest) = self.batches.pop_front()
        {
            self.bytes -= oldest.batch.bytes().len();
        }
    }

    pub(super) fn find(&self, offset: Offset) -> Option<StoredBatch> {
        let next = self.batches.partition_point(|batch| batch.end() <= offset);
        let batch = self.batches.get(next)?;
        (batch.base_offset <= offset).then(|| batch.clone())
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.batches.clear();
        self.bytes = 0;
    }
}
