//! What goes on beside the requests: tables and indexes on their way out lose what is in them, new indexes are filled.
//!
//! Each is a walk over keys in chunks, one transaction a chunk. What was not done when the server stopped goes on at the next start:
//! [`Dynamo::resume`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use store::{Key, Scan, Txn, Write};
use tokio::task::JoinHandle;

use super::Dynamo;
use super::error::DynamoError;
use super::live::Count;
use super::plan::{Before, Plan};
use super::records::{Index, IndexState};
use super::rows::{self, Run};
use super::tables::Found;
use super::value::{item_bytes, read_item};
use super::write::damaged;

/// Documents of one transaction.
const CHUNK: usize = 256;
/// How long a task that failed waits before it tries again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a request waits for what it set going, so that what is small is done by the next one.
const MOMENT: Duration = Duration::from_millis(100);

/// Does what is to be done for a table, beside the request that asked for it, which waits a moment.
pub(super) async fn begin(dynamo: &Arc<Dynamo>, found: Arc<Found>) {
    // Whatever comes of it, the work goes on by itself.
    let _ = tokio::time::timeout(MOMENT, spawn(dynamo, found)).await;
}

fn spawn(dynamo: &Arc<Dynamo>, found: Arc<Found>) -> JoinHandle<()> {
    let dynamo = Arc::clone(dynamo);
    tokio::spawn(async move { dynamo.settle(found).await })
}

impl Dynamo {
    /// Goes on with what was not done when the server stopped. For once, at the start.
    pub async fn resume(self: &Arc<Self>) {
        match self.all().await {
            Ok(tables) => tables
                .into_iter()
                .for_each(|found| drop(spawn(self, found))),
            Err(error) => {
                tracing::error!(%error, "could not look for unfinished changes of tables")
            }
        }
    }

    /// Until nothing is left to be done for a table, or it is gone.
    async fn settle(&self, mut found: Arc<Found>) {
        loop {
            match self.settle_once(&found).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, table = found.name.name, "could not finish a change of a table; trying again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
            match self.look(&found.name).await {
                Ok(Some(now)) if now.table.id == found.table.id => found = now,
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(%error, "could not look at a table; trying again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Does one thing of what is left; gives whether nothing was.
    async fn settle_once(&self, found: &Arc<Found>) -> Result<bool, DynamoError> {
        if found.table.is_deleting {
            self.clear(&Run::of(rows::table(&found.table).as_bytes().to_vec()))
                .await?;
            self.forget(found).await?;
            return Ok(true);
        }
        let busy = found
            .table
            .global
            .iter()
            .find(|(_, index)| index.state != IndexState::Active);
        if let Some((name, index)) = busy {
            match index.state {
                IndexState::Deleting => self.drop_index(found, name, index).await?,
                _ => self.fill_index(found, name, index).await?,
            }
            return Ok(false);
        }
        self.settle_expiry(found).await
    }

    /// Deletes all that lies in a run. Nobody else writes there.
    pub(super) async fn clear(&self, run: &Run) -> Result<(), DynamoError> {
        loop {
            let scan = Scan {
                prefix: run.prefix_key(),
                after: None,
                limit: CHUNK,
            };
            let documents = self.store.scan(scan).await?;
            if documents.is_empty() {
                return Ok(());
            }
            let delete = |(key, _)| Write::Delete { key };
            let txn = Txn {
                writes: documents.into_iter().map(delete).collect(),
                ..Txn::default()
            };
            self.store.commit(txn).await?;
        }
    }

    async fn drop_index(
        &self,
        found: &Found,
        name: &str,
        index: &Index,
    ) -> Result<(), DynamoError> {
        self.clear(&Run::of(rows::part(&found.table, index.number)))
            .await?;
        self.change(&found.name, DynamoError::no_resource, |table| {
            table
                .global
                .retain(|other, kept| other != name || kept.number != index.number);
            Ok(())
        })
        .await?;
        found.live.drop_index(index.number);
        Ok(())
    }

    /// Gives each item that was there before the index its entry.
    async fn fill_index(
        &self,
        found: &Arc<Found>,
        name: &str,
        index: &Index,
    ) -> Result<(), DynamoError> {
        self.fill(found, |plan, found, before| {
            plan.fill(found, index, before);
        })
        .await?;
        self.change(&found.name, DynamoError::no_resource, |table| {
            if let Some(filled) = table.global.get_mut(name) {
                filled.state = IndexState::Active;
            }
            Ok(())
        })
        .await?;
        let count = self.count(found, index.number).await?;
        found.live.drop_index(index.number);
        found.live.note(index.number, count);
        Ok(())
    }

    /// Walks all items of a table, and has `add` say what is to be written for each. Items that are written meanwhile wait their turn.
    pub(super) async fn fill(
        &self,
        found: &Arc<Found>,
        add: impl Fn(&mut Plan, &Arc<Found>, &Before),
    ) -> Result<(), DynamoError> {
        let mut found = Arc::clone(found);
        let mut after = None;
        loop {
            let scan = Scan {
                prefix: Run::of(rows::part(&found.table, 0)).prefix_key(),
                after: after.clone(),
                limit: CHUNK,
            };
            let documents = self.store.scan(scan).await?;
            let Some((last, _)) = documents.last() else {
                return Ok(());
            };
            let last = last.clone();
            let keys: Vec<Key> = documents.into_iter().map(|(key, _)| key).collect();
            let _turns = self.turns.at(&keys).await;
            let mut plan = Plan::default();
            for key in keys {
                let before = self.before(key).await?;
                if before.item.is_some() {
                    add(&mut plan, &found, &before);
                }
            }
            if self.commit_once(plan).await? {
                after = Some(last);
            } else {
                // The table was changed meanwhile: once more, by what it is now.
                found = self.found_again(&found).await?;
            }
        }
    }

    /// Asserts that the items of a table were counted since the server started, by counting them if they were not.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn must_be_counted(&self, found: &Found) -> Result<(), DynamoError> {
        if found.live.is_counted() {
            return Ok(());
        }
        let _turn = found.live.counting.lock().await;
        if found.live.is_counted() {
            return Ok(());
        }
        let mut counts = HashMap::new();
        let indexes = found.table.indexes().map(|(_, index)| index.number);
        for number in std::iter::once(0).chain(indexes) {
            counts.insert(number, self.count(found, number).await?);
        }
        found.live.counted(counts);
        Ok(())
    }

    async fn count(&self, found: &Found, number: u16) -> Result<Count, DynamoError> {
        let mut count = Count::default();
        let mut after = None;
        loop {
            let scan = Scan {
                prefix: Run::of(rows::part(&found.table, number)).prefix_key(),
                after,
                limit: CHUNK,
            };
            let documents = self.store.scan(scan).await?;
            for (key, document) in &documents {
                let item = read_item(&document.value).map_err(|error| damaged(key, error))?;
                count.add(Count::one(item_bytes(&item)));
            }
            match documents.last() {
                Some((last, _)) if documents.len() == CHUNK => after = Some(last.clone()),
                _ => return Ok(count),
            }
            tokio::task::yield_now().await;
        }
    }
}
