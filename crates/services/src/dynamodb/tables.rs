//! The tables there are: made, found, changed. Each change is one transaction on the catalog.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws::Caller;
use store::key::encode;
use store::{Check, Document, Expect, Scan, StoreError, Txn, Version, Write};

use super::Dynamo;
use super::error::DynamoError;
use super::live::Live;
use super::naming;
use super::records::{Index, IndexState, Table, TableName};

/// Attempts at a change that others get in the way of, before the caller is told.
const ATTEMPTS: usize = 16;

/// A table as it was when it was looked up. Shared, never changed: a change makes a new one.
#[derive(Debug)]
pub(super) struct Found {
    /// Whose, where, its name.
    pub name: TableName,
    /// What is kept under its name.
    pub table: Table,
    /// Which version of it.
    pub version: Version,
    /// What is known of it in this process.
    pub(super) live: Arc<Live>,
}

impl Found {
    /// What holds as long as the table is as it was looked up.
    pub(super) fn unchanged(&self) -> Check {
        Check {
            key: self.name.key(),
            expect: Expect::At(self.version),
        }
    }

    /// The index of that name that can be read.
    ///
    /// # Errors
    /// [`DynamoError::Validation`] where there is none.
    pub(super) fn index(&self, name: &str) -> Result<&Index, DynamoError> {
        let known = self.table.index(name);
        let index = known.filter(|index| index.state != IndexState::Deleting);
        let index = index.ok_or_else(|| {
            DynamoError::validation(format!(
                "The table does not have the specified index: {name}"
            ))
        })?;
        if index.state == IndexState::Filling {
            return Err(DynamoError::validation(format!(
                "Cannot read from backfilling global secondary index: {name}"
            )));
        }
        Ok(index)
    }
}

/// What is remembered of tables: as many as there are.
#[derive(Default)]
pub(super) struct Known {
    cache: Mutex<Cache>,
    /// Changes of tables take turns: in each other's way they would give up.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Cache {
    by_name: HashMap<TableName, Arc<Found>>,
    live: HashMap<u128, Arc<Live>>,
}

impl Known {
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the table of that name, if it was looked up.
    pub(super) fn live(&self, name: &TableName) -> Option<Arc<Live>> {
        let cache = self.cache();
        cache.by_name.get(name).map(|found| Arc::clone(&found.live))
    }

    /// All tables that were looked up, as they were then.
    pub(super) fn all(&self) -> Vec<Arc<Found>> {
        self.cache().by_name.values().cloned().collect()
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Known({})", self.cache().by_name.len())
    }
}

impl Dynamo {
    /// The table that a request about items names, which must not be on its way out.
    ///
    /// # Errors
    /// [`DynamoError::ResourceNotFound`]; [`DynamoError::Validation`] for what can't be a name.
    pub(super) async fn find(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<Arc<Found>, DynamoError> {
        let name = naming::table(caller, name)?;
        match self.look(&name).await? {
            Some(found) if !found.table.is_deleting => Ok(found),
            _ => Err(DynamoError::no_resource()),
        }
    }

    /// The table of that name as it is now, even one on its way out.
    pub(super) async fn look(&self, name: &TableName) -> Result<Option<Arc<Found>>, DynamoError> {
        let Some(document) = self.store.get(&name.key()).await? else {
            self.known.cache().by_name.remove(name);
            return Ok(None);
        };
        self.loaded(name, &document).map(Some)
    }

    fn loaded(&self, name: &TableName, document: &Document) -> Result<Arc<Found>, DynamoError> {
        let mut cache = self.known.cache();
        if let Some(found) = cache.by_name.get(name)
            && found.version >= document.version
        {
            return Ok(Arc::clone(found));
        }
        let table: Table = document.decode()?;
        let live = Arc::clone(cache.live.entry(table.id).or_default());
        let found = Arc::new(Found {
            name: name.clone(),
            table,
            version: document.version,
            live,
        });
        cache.by_name.insert(name.clone(), Arc::clone(&found));
        Ok(found)
    }

    /// All tables of all accounts.
    pub(super) async fn all(&self) -> Result<Vec<Arc<Found>>, DynamoError> {
        let documents = self.store.scan(Scan::below(&TableName::top())).await?;
        documents
            .iter()
            .filter_map(|(key, document)| {
                let name = TableName::from_key(key)?;
                Some(self.loaded(&name, document))
            })
            .collect()
    }

    /// Makes a table.
    ///
    /// # Errors
    /// [`DynamoError::ResourceInUse`] where there is one of that name.
    pub(super) async fn make(
        &self,
        name: &TableName,
        table: &Table,
    ) -> Result<Arc<Found>, DynamoError> {
        let _turn = self.known.changing.lock().await;
        let txn = Txn {
            checks: vec![Check {
                key: name.key(),
                expect: Expect::Absent,
            }],
            writes: vec![put(name, table)],
            ..Txn::default()
        };
        match self.store.commit(txn).await {
            Ok(_) => self.look(name).await?.ok_or(DynamoError::Unavailable),
            Err(StoreError::Conflict { .. }) => Err(DynamoError::ResourceInUse(format!(
                "Table already exists: {}",
                name.name
            ))),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes a table by `change`, which is asked again where others get in between. Gives the table as it is then.
    ///
    /// # Errors
    /// What `change` refuses with; what `missing` says where there is no such table.
    pub(super) async fn change(
        &self,
        name: &TableName,
        missing: impl Fn() -> DynamoError,
        change: impl Fn(&mut Table) -> Result<(), DynamoError>,
    ) -> Result<Arc<Found>, DynamoError> {
        let _turn = self.known.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let found = self.look(name).await?.ok_or_else(&missing)?;
            let mut table = found.table.clone();
            change(&mut table)?;
            if table == found.table {
                return Ok(found);
            }
            let txn = Txn {
                checks: vec![found.unchanged()],
                writes: vec![put(name, &table)],
                ..Txn::default()
            };
            match self.store.commit(txn).await {
                Ok(_) => return self.look(name).await?.ok_or_else(missing),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        tracing::warn!(table = name.name, "too many changes to a table at once");
        Err(DynamoError::Unavailable)
    }

    /// Removes the document of a table whose items are gone.
    pub(super) async fn forget(&self, found: &Found) -> Result<(), DynamoError> {
        let txn = Txn {
            checks: vec![found.unchanged()],
            writes: vec![Write::Delete {
                key: found.name.key(),
            }],
            ..Txn::default()
        };
        self.store.commit(txn).await?;
        let mut cache = self.known.cache();
        cache.by_name.remove(&found.name);
        cache.live.remove(&found.table.id);
        Ok(())
    }
}

fn put(name: &TableName, table: &Table) -> Write {
    Write::Put {
        key: name.key(),
        value: encode(table),
    }
}
