//! All buckets and what is in them: the one owner of S3's state, in the catalog and in files.
//!
//! **Order of a write.** The body is durable; then the catalog names it, and the answer goes out; then what it replaced is
//! removed. So an object is there whole or not at all, an overwrite is one step, and what a crash leaves over is a file that
//! nothing names.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use model::{Clock, Rng};
use s3s::S3Request;
use serde::de::DeserializeOwned;
use store::{Check, Expect, Key, Scan, Store, StoreError, Txn, Write, key::encode};
use tokio::task::spawn_blocking;

use crate::OpenError;
use crate::bodies::{Bodies, BodyId, Unnamed};
use crate::caller::{Auth, Caller};
use crate::conditions::OnWrite;
use crate::error::{Error, Result};
use crate::limits::SCAN_PAGE;
use crate::records::{self, Bucket, Home, Object, Part};
use crate::turns::Turns;

/// The state, and what it is changed with.
pub(crate) struct Namespace {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bodies: Bodies,
    pub(crate) turns: Turns,
    pub(crate) clock: Clock,
    pub(crate) rng: Rng,
    pub(crate) auth: Auth,
}

impl Namespace {
    /// Opens the bodies in `directory` and removes those that `store` does not name.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        directory: &Path,
        clock: Clock,
        rng: Rng,
        auth: Auth,
    ) -> std::result::Result<Namespace, OpenError> {
        let named = named(&*store).await?;
        let directory = directory.to_owned();
        let of_rng = rng.clone();
        let bodies = on_disk(move || Bodies::open(&directory, of_rng)).await?;
        settle(&*store, &bodies, named.is_empty(), &rng).await?;
        let swept = bodies.clone();
        let removed = on_disk(move || swept.sweep(&named)).await?;
        if removed > 0 {
            tracing::info!(
                removed,
                "removed what unfinished uploads and deletions left"
            );
        }
        Ok(Namespace {
            store,
            bodies,
            turns: Turns::default(),
            clock,
            rng,
            auth,
        })
    }

    /// Who sent a request. Where signatures are checked it is who signed it.
    pub(crate) fn caller<T>(&self, request: &S3Request<T>) -> Caller {
        let mut caller = request
            .extensions
            .get::<Caller>()
            .cloned()
            .unwrap_or_else(|| Caller {
                account: model::AccountId::unnamed(),
                region: model::Region::unnamed(),
            });
        if let Some(signed) = &request.credentials {
            caller.account = self.auth.account(&signed.access_key);
        }
        caller
    }

    pub(crate) async fn document<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>> {
        match self.store.get(key).await? {
            Some(document) => Ok(Some(document.decode()?)),
            None => Ok(None),
        }
    }

    /// A bucket that `caller` may use: with authentication on, its owner alone. `expected` is the owner the client expects.
    pub(crate) async fn bucket(
        &self,
        name: &str,
        caller: &Caller,
        expected: Option<&str>,
    ) -> Result<Bucket> {
        let bucket: Option<Bucket> = self.document(&records::bucket(name)).await?;
        let bucket = bucket.ok_or(Error::NoSuchBucket)?;
        let is_callers = !self.auth.is_on() || bucket.owner == caller.account.as_str();
        let is_expected = expected.is_none_or(|expected| expected == bucket.owner);
        if is_callers && is_expected {
            Ok(bucket)
        } else {
            Err(Error::AccessDenied)
        }
    }

    pub(crate) async fn object(&self, bucket: &str, key: &str) -> Result<Option<Object>> {
        self.document(&records::object(bucket, key)).await
    }

    /// Names `object`, whose body is durable and named by nothing yet.
    pub(crate) async fn publish(
        &self,
        bucket: &str,
        key: &str,
        object: &Object,
        body: Unnamed,
        condition: &OnWrite,
    ) -> Result<()> {
        let _bucket = self.turns.in_bucket().await;
        let _key = self.turns.of([&records::object(bucket, key)]).await;
        self.replace(bucket, key, object, vec![body], condition, Vec::new())
            .await
    }

    /// As [`Namespace::publish`], for who has the key's turn; `writes` are done with it.
    pub(crate) async fn replace(
        &self,
        bucket: &str,
        key: &str,
        object: &Object,
        fresh: Vec<Unnamed>,
        condition: &OnWrite,
        mut writes: Vec<Write>,
    ) -> Result<()> {
        let before = self.object(bucket, key).await?;
        condition.check(before.as_ref())?;
        writes.push(Write::Put {
            key: records::object(bucket, key),
            value: encode(object),
        });
        self.commit(bucket, writes, fresh).await?;
        if let Some(before) = before {
            self.bodies.remove(before.bodies()).await;
        }
        Ok(())
    }

    /// Commits changes to what is in `bucket`, which name the bodies of `fresh`.
    pub(crate) async fn commit(
        &self,
        bucket: &str,
        writes: Vec<Write>,
        fresh: Vec<Unnamed>,
    ) -> Result<()> {
        let bodies: Vec<BodyId> = fresh.into_iter().map(Unnamed::keep).collect();
        let txn = Txn {
            checks: vec![Check {
                key: records::bucket(bucket),
                expect: Expect::Present,
            }],
            writes,
            ..Txn::default()
        };
        let Err(error) = self.store.commit(txn).await else {
            return Ok(());
        };
        // Where the outcome is unknown they may be named: the sweep at the next start will know.
        if !matches!(error, StoreError::Unknown { .. }) {
            self.bodies.remove(bodies).await;
        }
        Err(match error {
            StoreError::Conflict { .. } => Error::NoSuchBucket,
            other => other.into(),
        })
    }

    /// Every document below `base`.
    pub(crate) async fn all<T: DeserializeOwned>(&self, base: &Key) -> Result<Vec<(Key, T)>> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = page(&*self.store, base, after).await?;
            let is_last = page.len() < SCAN_PAGE;
            after = page.last().map(|(key, _)| key.clone());
            for (key, document) in page {
                all.push((key, document.decode()?));
            }
            if is_last {
                return Ok(all);
            }
        }
    }
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::result::Result<T, OpenError> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(OpenError::Bodies)
}

/// Sees to it that the directory is the one `store` names bodies in: each has the other's mark.
async fn settle(
    store: &dyn Store,
    bodies: &Bodies,
    names_none: bool,
    rng: &Rng,
) -> std::result::Result<(), OpenError> {
    let looked = bodies.clone();
    let (found, is_empty) = on_disk(move || Ok((looked.mark()?, looked.is_empty()?))).await?;
    let home: Option<Home> = match store.get(&records::home()).await? {
        Some(document) => Some(document.decode()?),
        None => None,
    };
    let mark = match home {
        Some(home) if found.as_ref() == Some(&home.mark) => return Ok(()),
        Some(_) if !names_none => return Err(OpenError::Missing),
        _ if !is_empty => return Err(OpenError::Foreign),
        // Nothing is lost by marking it anew: there are no bodies, here or in documents.
        _ => format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64()),
    };
    let marked = bodies.clone();
    let written = mark.clone();
    on_disk(move || marked.set_mark(&written)).await?;
    let txn = Txn {
        writes: vec![Write::Put {
            key: records::home(),
            value: encode(&Home { mark }),
        }],
        ..Txn::default()
    };
    store.commit(txn).await?;
    Ok(())
}

async fn page(
    store: &dyn Store,
    base: &Key,
    after: Option<Key>,
) -> std::result::Result<Vec<(Key, store::Document)>, StoreError> {
    let mut scan = Scan::below(base);
    scan.after = after;
    scan.limit = SCAN_PAGE;
    store.scan(scan).await
}

/// Every body that a document names.
async fn named(store: &dyn Store) -> std::result::Result<HashSet<BodyId>, StoreError> {
    let mut named = HashSet::new();
    for base in [records::all_objects(), records::all_parts()] {
        let mut after = None;
        loop {
            let page = page(store, &base, after).await?;
            for (_, document) in &page {
                if base == records::all_parts() {
                    named.insert(document.decode::<Part>()?.piece.body);
                } else {
                    named.extend(document.decode::<Object>()?.bodies());
                }
            }
            let is_last = page.len() < SCAN_PAGE;
            after = page.into_iter().next_back().map(|(key, _)| key);
            if is_last {
                break;
            }
        }
    }
    Ok(named)
}
