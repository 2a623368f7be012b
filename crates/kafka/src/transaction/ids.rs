//! Producer ids: each is given once. They are taken from the store a block at a time; those of a block that a stop or a crash
//! leaves over are never given.

use std::ops::Range;

use store::key::encode;
use store::{Check, Document, Expect, Store, StoreError, Txn, Write};
use tokio::sync::Mutex;

use crate::transaction::kept;

/// Ids taken at once: Kafka's.
const BLOCK: i64 = 1000;

/// Where ids come from.
#[derive(Debug, Default)]
pub(super) struct ProducerIds {
    left: Mutex<Range<i64>>,
}

impl ProducerIds {
    /// An id that nobody had or will have.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn next(&self, store: &dyn Store) -> Result<i64, StoreError> {
        let mut left = self.left.lock().await;
        if left.is_empty() {
            *left = take_block(store).await?;
        }
        let id = left.start;
        left.start += 1;
        Ok(id)
    }
}

async fn take_block(store: &dyn Store) -> Result<Range<i64>, StoreError> {
    let key = kept::counter();
    let last = store.get(&key).await?;
    let start: i64 = last.as_ref().map_or(Ok(0), Document::decode)?;
    let end = start.saturating_add(BLOCK);
    let txn = Txn {
        checks: vec![Check {
            key: key.clone(),
            expect: last.map_or(Expect::Absent, |last| Expect::At(last.version)),
        }],
        writes: vec![Write::Put {
            key,
            value: encode(&end),
        }],
        ..Txn::default()
    };
    store.commit(txn).await?;
    Ok(start..end)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::{Clock, Timestamp};
    use store::Memory;

    use super::*;

    #[tokio::test]
    async fn no_id_is_given_twice_whatever_stops_between() {
        let store = Memory::new(Clock::manual(Timestamp(0)));
        let mut given = BTreeSet::new();
        for life in 1..=3_i64 {
            let ids = ProducerIds::default();
            for _ in 0..life * 700 {
                assert!(given.insert(ids.next(&store).await.unwrap()));
            }
        }
        assert!(given.iter().all(|id| *id >= 0));
    }
}
