//! What the store must hold, in the fewest lines: maps, changed one request after the other.

use std::collections::BTreeMap;

use bytes::Bytes;
use engines::embedded::{Core, Outcome, Reply, Request};
use model::{LogId, Offset};
use store::producers::{Producers, Verdict};
use store::{
    Append, Appended, Bounds, Change, Committed, Expect, Key, Lease, LogChange, Scan, StoreError,
    StoredBatch, Txn, Version, Write,
};

/// The store as it must be.
#[derive(Clone, Default, Debug)]
pub struct Model {
    pub logs: BTreeMap<LogId, ModelLog>,
    pub documents: BTreeMap<Key, ModelDocument>,
    /// Epochs.
    pub leases: BTreeMap<Key, u64>,
}

#[derive(Clone, Default, Debug)]
pub struct ModelLog {
    pub batches: Vec<StoredBatch>,
    pub bounds: Bounds,
    producers: Producers,
}

#[derive(Clone, PartialEq, Debug)]
pub struct ModelDocument {
    /// `None` until the transaction that put it is answered.
    pub version: Option<Version>,
    pub value: Bytes,
}

/// What an engine holds.
#[derive(PartialEq, Debug)]
pub struct Dump {
    logs: BTreeMap<LogId, (Bounds, Vec<StoredBatch>)>,
    documents: BTreeMap<Key, (Version, Bytes)>,
    leases: BTreeMap<Key, u64>,
}

/// What a rewrite makes of batches. It comes to the same before and after any other request.
#[derive(Clone, Debug)]
pub struct Rewrite {
    log: LogId,
    changes: Vec<(StoredBatch, Option<StoredBatch>)>,
}

impl Rewrite {
    pub fn of(log: LogId) -> Rewrite {
        let changes = Vec::new();
        Rewrite { log, changes }
    }

    pub fn note(&mut self, stored: &StoredBatch, change: &Change) {
        let new = change
            .clone()
            .apply(stored.clone())
            .expect("the same offsets");
        self.changes.push((stored.clone(), new));
    }
}

impl Model {
    /// Does what `rewrite` says to the batches that are still there: each is told by its bytes.
    pub fn rewrite(&mut self, rewrite: &Rewrite) {
        let Some(log) = self.logs.get_mut(&rewrite.log) else {
            return;
        };
        for (old, new) in &rewrite.changes {
            let Some(at) = log.batches.iter().position(|stored| stored == old) else {
                continue;
            };
            match new {
                Some(new) => log.batches[at] = new.clone(),
                None => drop(log.batches.remove(at)),
            }
        }
    }

    /// Does `request` if it can be done, and gives the answer; the version in it is 0.
    pub fn decide(&mut self, request: &Request) -> Reply {
        match request {
            Request::Append(appends) => {
                let place = |append| self.append(append);
                Ok(Outcome::Appended(appends.iter().map(place).collect()))
            }
            Request::Commit(txn) => {
                let mut trial = self.clone();
                let committed = trial.commit(txn)?;
                *self = trial;
                Ok(Outcome::Committed(committed))
            }
            Request::Acquire { name, .. } => {
                let epoch = self.leases.entry(name.clone()).or_insert(0);
                *epoch += 1;
                Ok(Outcome::Leased(lease_of(request, *epoch)))
            }
            _ => Ok(Outcome::Done),
        }
    }

    fn append(&mut self, append: &Append) -> Result<Appended, StoreError> {
        let log = append.log;
        let state = self
            .logs
            .get_mut(&log)
            .ok_or(StoreError::NoSuchLog { log })?;
        let Bounds { start, end, sealed } = state.bounds;
        let count = append.batch.offsets();
        if let Some(producer) = append.batch.producer()
            && let Verdict::Duplicate(base_offset) = state.producers.judge(producer, count)?
        {
            return Ok(Appended {
                base_offset,
                duplicate: true,
            });
        }
        if sealed {
            return Err(StoreError::Sealed { log });
        }
        if let Some(asked) = append.expected.filter(|&asked| asked != end) {
            return Err(StoreError::OffsetOutOfRange { asked, start, end });
        }
        if let Some(producer) = append.batch.producer() {
            let time = append.batch.max_timestamp();
            state.producers.remember(producer, count, end, time);
        }
        state.batches.push(StoredBatch {
            base_offset: end,
            batch: append.batch.clone(),
        });
        state.bounds.end = end.plus(u64::from(count));
        Ok(Appended {
            base_offset: end,
            duplicate: false,
        })
    }

    /// Leaves half of the work behind on an error: for a trial's copy.
    fn commit(&mut self, txn: &Txn) -> Result<Committed, StoreError> {
        if let Some(fence) = &txn.fence {
            let theirs = self.leases.get(&fence.lease).copied().unwrap_or(0);
            if theirs != fence.epoch {
                return Err(StoreError::Fenced {
                    ours: fence.epoch,
                    theirs,
                });
            }
        }
        for check in &txn.checks {
            let found = self.documents.get(&check.key);
            let holds = match check.expect {
                Expect::Absent => found.is_none(),
                Expect::Present => found.is_some(),
                Expect::At(version) => found.is_some_and(|d| d.version == Some(version)),
            };
            if !holds {
                let key = check.key.clone();
                return Err(StoreError::Conflict { key });
            }
        }
        for write in &txn.writes {
            match write {
                Write::Put { key, value } => {
                    let document = ModelDocument {
                        version: None,
                        value: value.clone(),
                    };
                    self.documents.insert(key.clone(), document);
                }
                Write::Delete { key } => {
                    self.documents.remove(key);
                }
            }
        }
        txn.logs
            .iter()
            .try_for_each(|&change| self.change(change))?;
        let appends = txn.appends.iter().map(|append| self.append(append));
        Ok(Committed {
            version: Version(0),
            appends: appends.collect::<Result<_, _>>()?,
        })
    }

    fn change(&mut self, change: LogChange) -> Result<(), StoreError> {
        let (LogChange::Create(log)
        | LogChange::Seal(log)
        | LogChange::Trim(log, _)
        | LogChange::ForgetProducers(log, _)
        | LogChange::Delete(log)) = change;
        if let LogChange::Create(_) = change {
            let key = Key::of(&["log", &log.to_string()]);
            return match self.logs.insert(log, ModelLog::default()) {
                None => Ok(()),
                Some(_) => Err(StoreError::Conflict { key }),
            };
        }
        let missing = StoreError::NoSuchLog { log };
        let state = self.logs.get_mut(&log).ok_or(missing)?;
        match change {
            LogChange::Seal(_) => state.bounds.sealed = true,
            LogChange::Trim(_, before) => {
                let Bounds { start, end, .. } = state.bounds;
                if before > end {
                    return Err(StoreError::OffsetOutOfRange {
                        asked: before,
                        start,
                        end,
                    });
                }
                state.batches.retain(|stored| stored.end() > before);
                state.bounds.start = start.max(before);
            }
            LogChange::ForgetProducers(..) => {}
            _ => {
                self.logs.remove(&log);
            }
        }
        Ok(())
    }

    /// Takes the version that `txn`, the newest, was answered with.
    ///
    /// # Panics
    /// Where it is not greater than those before.
    pub fn settle(&mut self, txn: &Txn, version: Version) {
        let newest = self.newest_version();
        assert!(version > newest, "{version:?} was given after {newest:?}");
        for write in &txn.writes {
            if let Write::Put { key, .. } = write
                && let Some(document) = self.documents.get_mut(key)
            {
                document.version = Some(version);
            }
        }
    }

    fn newest_version(&self) -> Version {
        let versions = self.documents.values().filter_map(|d| d.version);
        versions.max().unwrap_or_default()
    }

    /// Where the engine differs from this, if anywhere.
    pub fn difference(&self, found: &Dump) -> Option<String> {
        let expected: Vec<_> = self.logs.keys().collect();
        let real: Vec<_> = found.logs.keys().collect();
        if expected != real {
            return Some(format!("logs are {real:?}, expected {expected:?}"));
        }
        for ((log, expected), (bounds, batches)) in self.logs.iter().zip(found.logs.values()) {
            if *bounds != expected.bounds || *batches != expected.batches {
                return Some(format!(
                    "log {log} is {bounds:?} with {:?}, expected {:?} with {:?}",
                    places(batches),
                    expected.bounds,
                    places(&expected.batches)
                ));
            }
        }
        let expected: Vec<_> = self.documents.keys().collect();
        let real: Vec<_> = found.documents.keys().collect();
        if expected != real {
            return Some(format!("documents are {real:?}, expected {expected:?}"));
        }
        for ((key, expected), (version, value)) in
            self.documents.iter().zip(found.documents.values())
        {
            if *value != expected.value || expected.version.is_some_and(|own| own != *version) {
                return Some(format!(
                    "document {key} is {value:?} of {version:?}, expected {expected:?}"
                ));
            }
        }
        (found.leases != self.leases)
            .then(|| format!("leases are {:?}, expected {:?}", found.leases, self.leases))
    }

    /// Takes the versions found for documents whose transactions were never answered.
    ///
    /// # Panics
    /// Where one of them is not greater than all that were answered before.
    pub fn adopt_versions(&mut self, found: &Dump) {
        let newest = self.newest_version();
        for (key, (version, _)) in &found.documents {
            if let Some(document) = self.documents.get_mut(key) {
                let is_news = document.version.is_none();
                assert!(!is_news || *version > newest, "{key} has {version:?}");
                document.version = Some(*version);
            }
        }
    }
}

impl Dump {
    /// All that `core` holds of `logs`, its documents, and the epochs of `leases`.
    pub fn of(core: &Core, logs: impl Iterator<Item = LogId>, leases: &[Key]) -> Dump {
        let mut dump = Dump {
            logs: BTreeMap::new(),
            documents: BTreeMap::new(),
            leases: BTreeMap::new(),
        };
        for log in logs {
            let Ok(bounds) = core.bounds(log) else {
                continue;
            };
            let batches = core.read(log, bounds.start, usize::MAX).expect("readable");
            check_order(log, bounds, &batches);
            dump.logs.insert(log, (bounds, batches));
        }
        let all = Scan {
            prefix: Key::of(&[""]),
            after: None,
            limit: usize::MAX,
        };
        for (key, document) in core.scan(all) {
            dump.documents
                .insert(key, (document.version, document.value));
        }
        for lease in leases {
            if let Some(epoch) = probe(core, lease) {
                dump.leases.insert(lease.clone(), epoch);
            }
        }
        dump
    }
}

/// The lease's epoch, by an error: nothing is written.
fn probe(core: &Core, lease: &Key) -> Option<u64> {
    let txn = Txn {
        fence: Some(store::Fence {
            lease: lease.clone(),
            epoch: u64::MAX,
        }),
        ..Txn::default()
    };
    let mut answers = core.submit(vec![Request::Commit(txn)]);
    assert!(core.next_frame().is_none(), "a refusal is not written");
    match answers.remove(0).try_recv() {
        Ok(Err(StoreError::Fenced { theirs, .. })) => (theirs > 0).then_some(theirs),
        other => panic!("a stale fence was answered {other:?}"),
    }
}

fn check_order(log: LogId, bounds: Bounds, batches: &[StoredBatch]) {
    let mut next = Offset(0);
    for stored in batches {
        let is_right = stored.base_offset >= next && stored.end() > bounds.start;
        assert!(is_right, "log {log} is out of order: {:?}", places(batches));
        next = stored.end();
    }
    assert!(next <= bounds.end, "log {log} ends at {}", bounds.end);
}

fn places(batches: &[StoredBatch]) -> Vec<String> {
    let place = |stored: &StoredBatch| {
        let first = stored.records().next();
        let key = first.and_then(|record| record.key).unwrap_or_default();
        format!("{}:{}", stored.base_offset, String::from_utf8_lossy(key))
    };
    batches.iter().map(place).collect()
}

/// An answer to be compared: errors by what they say.
pub fn text_of(reply: &Reply) -> String {
    match reply {
        Ok(Outcome::Appended(appends)) => {
            let each = appends.iter().map(|append| match append {
                Ok(appended) => format!("{appended:?}"),
                Err(error) => error.to_string(),
            });
            each.collect::<Vec<_>>().join("; ")
        }
        Ok(outcome) => format!("{outcome:?}"),
        Err(error) => error.to_string(),
    }
}

/// The lease that an acquisition gives.
///
/// # Panics
/// Where it is none.
pub fn lease_of(request: &Request, epoch: u64) -> Lease {
    let Request::Acquire {
        name,
        owner,
        duration,
        now,
    } = request
    else {
        panic!("{request:?} acquires nothing");
    };
    Lease {
        name: name.clone(),
        owner: owner.clone(),
        epoch,
        until: now.plus(*duration),
    }
}
