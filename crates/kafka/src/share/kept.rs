//! What is kept of a share group's way through a partition: where its journal is. All else is in the journal.
//!
//! Kept: `kafka-share, group, stream number, partition` → [`Kept`].

use bytes::BytesMut;
use model::{LogId, StreamId};
use serde::{Deserialize, Serialize};
use store::key::encode;
use store::{Key, LogChange, Scan, Store, StoreError, Txn, Write};

use crate::offsets;

const FOLDER: &str = "kafka-share";

/// A partition that a share group has begun to read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The number of its journal, partition 0.
    pub(crate) journal: StreamId,
    /// The topic's name, for who asks for all that a group reads.
    pub(crate) topic: String,
}

impl Kept {
    pub(crate) fn journal(&self) -> LogId {
        LogId::new(self.journal, 0)
    }
}

/// Above all partitions of a group.
fn folder(group: &str) -> Key {
    let mut key = BytesMut::from(Key::of(&[FOLDER]).children().as_bytes());
    offsets::put_group(&mut key, group);
    Key::from_bytes(key.freeze())
}

/// Where a group's partition lies.
pub(crate) fn key(group: &str, stream: StreamId, partition: u32) -> Key {
    let place = format!("{:016x}\0{partition:08x}", stream.0);
    let mut key = BytesMut::from(folder(group).children().as_bytes());
    key.extend_from_slice(place.as_bytes());
    Key::from_bytes(key.freeze())
}

/// Keeps one.
pub(crate) fn put(group: &str, stream: StreamId, partition: u32, kept: &Kept) -> Write {
    Write::Put {
        key: key(group, stream, partition),
        value: encode(kept),
    }
}

/// One that is kept.
pub(crate) struct Found {
    pub(crate) key: Key,
    pub(crate) stream: StreamId,
    pub(crate) partition: u32,
    pub(crate) kept: Kept,
}

/// All that are kept of a group.
///
/// # Errors
/// The store's.
pub(crate) async fn all(store: &dyn Store, group: &str) -> Result<Vec<Found>, StoreError> {
    let mut all = Vec::new();
    for (key, document) in store.scan(Scan::below(&folder(group))).await? {
        if let Some((stream, partition)) = offsets::place(&key) {
            let kept = document.decode()?;
            all.push(Found {
                key,
                stream,
                partition,
                kept,
            });
        }
    }
    Ok(all)
}

/// Has `txn` forget one, with its journal.
pub(crate) fn remove(found: &Found, txn: &mut Txn) {
    txn.writes.push(Write::Delete {
        key: found.key.clone(),
    });
    txn.logs.push(LogChange::Delete(found.kept.journal()));
}
