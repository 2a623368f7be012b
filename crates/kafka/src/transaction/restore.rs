//! Transactions as they were when the server stopped or was killed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use model::{LogId, Offset};
use store::StoreError;
use store::producers::PRODUCERS_MAX;
use streams::Streams;

use crate::transaction::ids::ProducerIds;
use crate::transaction::machine::{Machine, Stage};
use crate::transaction::writing::Coordinated;
use crate::transaction::{Transactions, kept};

/// Bytes read at once to find a transaction's first batch.
const LOOK_BYTES: usize = 256 << 10;

impl Transactions {
    /// All transactions in the store.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn open(streams: Arc<Streams>) -> Result<Arc<Transactions>, StoreError> {
        streams.load_aborted().await?;
        let all = kept::all(&**streams.store()).await?;
        let transactions = Transactions {
            streams,
            ids: ProducerIds::default(),
            by_id: Mutex::default(),
            pending: Mutex::default(),
        };
        let mut by_id = HashMap::with_capacity(all.len());
        for (id, machine) in all {
            if machine.stage == Stage::Ongoing {
                transactions.hold(&machine).await?;
            }
            for place in machine.offsets.keys() {
                transactions.count_pending(place);
            }
            by_id.insert(id, Arc::new(Coordinated::restored(machine)));
        }
        *transactions.by_id() = by_id;
        Ok(Arc::new(transactions))
    }

    /// Holds the logs of an open transaction where they were held before.
    async fn hold(&self, machine: &Machine) -> Result<(), StoreError> {
        for (log, from) in machine.logs() {
            match self.first_batch(log, from, machine.producer_id).await {
                Ok(first) => {
                    let undecided = self.streams.undecided();
                    undecided.restore(log, machine.producer_id, first);
                }
                Err(StoreError::NoSuchLog { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Where the producer's first batch in `log` from `from` on lies. What the log remembers of its producers says so at once,
    /// unless there are more batches than it remembers.
    async fn first_batch(
        &self,
        log: LogId,
        from: Offset,
        producer: i64,
    ) -> Result<Option<Offset>, StoreError> {
        let seen = self.streams.store().producers(log).await?;
        let may_be_forgotten = seen.len() >= PRODUCERS_MAX;
        let until = match seen.into_iter().find(|one| one.id == producer) {
            None if may_be_forgotten => None,
            None => return Ok(None),
            Some(seen) => {
                let Some(&first) = seen.batches.iter().find(|&&batch| batch >= from) else {
                    return Ok(None);
                };
                let is_first = seen.batches.first().is_some_and(|oldest| *oldest < from);
                if is_first {
                    return Ok(Some(first));
                }
                Some(first)
            }
        };
        Ok(self.look_for(log, from, producer).await?.or(until))
    }

    async fn look_for(
        &self,
        log: LogId,
        from: Offset,
        producer: i64,
    ) -> Result<Option<Offset>, StoreError> {
        let store = self.streams.store();
        let mut from = from.max(store.bounds(log).await?.start);
        loop {
            let batches = store.read(log, from, LOOK_BYTES).await?;
            let found = batches.iter().find(|stored| {
                let by = stored.batch.producer().map(|by| by.id);
                by == Some(producer) && !stored.batch.is_control() && stored.base_offset >= from
            });
            if let Some(found) = found {
                return Ok(Some(found.base_offset));
            }
            match batches.last() {
                Some(last) => from = last.end(),
                None => return Ok(None),
            }
        }
    }
}
