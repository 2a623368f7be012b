//! What is kept of transactions.
//!
//! - `kafka-transaction, transactional id` → [`Machine`].
//! - `kafka-transaction-offset, transactional id, group, stream number, partition` → [`CommittedOffset`]: an offset that is
//!   committed if the open transaction is. They are documents of their own, as a transaction may have thousands.
//! - `counter, kafka-producer` → the first producer id of the next block.

use bytes::{BufMut, Bytes, BytesMut};
use model::StreamId;
use store::key::encode;
use store::{Key, Scan, Store, StoreError, Write};

use crate::offsets::CommittedOffset;
use crate::transaction::machine::{Machine, Offsets, Place};

const FOLDER: &[u8] = b"kafka-transaction";
const OFFSET_FOLDER: &[u8] = b"kafka-transaction-offset";
/// Divides the parts of a key.
const DIVIDER: u8 = 0;

/// Where producer ids are counted.
pub(super) fn counter() -> Key {
    Key::of(&["counter", "kafka-producer"])
}

/// The path above all transactional ids.
fn folder() -> Key {
    Key::from_bytes(Bytes::from_static(FOLDER))
}

fn key(id: &str) -> Key {
    Key::from_bytes(joined(FOLDER, &[id]))
}

fn offset_folder(id: &str) -> Key {
    Key::from_bytes(joined(OFFSET_FOLDER, &[id]))
}

fn offset_key(id: &str, group: &str, stream: StreamId, partition: u32) -> Key {
    let mut key = BytesMut::from(&joined(OFFSET_FOLDER, &[id, group])[..]);
    let place = format!("\0{:016x}\0{partition:08x}", stream.0);
    key.put_slice(place.as_bytes());
    Key::from_bytes(key.freeze())
}

/// Writes a state down, its offsets apart.
pub(super) fn put(id: &str, machine: &Machine) -> Write {
    Write::Put {
        key: key(id),
        value: encode(machine),
    }
}

/// Forgets an id.
pub(super) fn delete(id: &str) -> Write {
    Write::Delete { key: key(id) }
}

/// Notes an offset of an open transaction.
pub(super) fn put_offset(
    id: &str,
    (group, stream, partition): &Place,
    committed: &CommittedOffset,
) -> Write {
    Write::Put {
        key: offset_key(id, group, *stream, *partition),
        value: encode(committed),
    }
}

/// Removes what [`put_offset`] noted.
pub(super) fn delete_offset(id: &str, (group, stream, partition): &Place) -> Write {
    Write::Delete {
        key: offset_key(id, group, *stream, *partition),
    }
}

/// All ids and their states.
pub(super) async fn all(store: &dyn Store) -> Result<Vec<(String, Machine)>, StoreError> {
    let mut all = Vec::new();
    for (key, document) in store.scan(Scan::below(&folder())).await? {
        let Some(id) = last_part(&key) else {
            continue;
        };
        let mut machine: Machine = document.decode()?;
        if !machine.groups.is_empty() {
            machine.offsets = offsets(store, &id).await?;
        }
        all.push((id, machine));
    }
    Ok(all)
}

async fn offsets(store: &dyn Store, id: &str) -> Result<Offsets, StoreError> {
    let found = store.scan(Scan::below(&offset_folder(id))).await?;
    let mut offsets = Offsets::new();
    for (key, document) in found {
        let Some((stream, partition)) = crate::offsets::place(&key) else {
            continue;
        };
        let bytes = key.as_bytes();
        // Before the place and its divider stands the group.
        let before = bytes.len().saturating_sub(1 + 16 + 1 + 8);
        let group = last_part(&Key::from_bytes(Bytes::copy_from_slice(
            bytes.get(..before).unwrap_or_default(),
        )));
        if let Some(group) = group {
            offsets.insert((group, stream, partition), document.decode()?);
        }
    }
    Ok(offsets)
}

/// Parts that may hold any character, divided: a zero byte becomes two bytes, and so does the one that begins those.
fn joined(folder: &[u8], parts: &[&str]) -> Bytes {
    let mut key = BytesMut::from(folder);
    for part in parts {
        key.put_u8(DIVIDER);
        for byte in part.bytes() {
            match byte {
                0 => key.put_slice(&[1, 1]),
                1 => key.put_slice(&[1, 2]),
                other => key.put_u8(other),
            }
        }
    }
    key.freeze()
}

/// The last part of a key made by [`joined`].
fn last_part(key: &Key) -> Option<String> {
    let part = key.as_bytes().rsplit(|&byte| byte == DIVIDER).next()?;
    let mut plain = Vec::with_capacity(part.len());
    let mut bytes = part.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            1 => plain.push(bytes.next()?.checked_sub(1)?),
            other => plain.push(other),
        }
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_is_read_back_from_its_key() {
        for id in ["copy-1", "", "a\0b\u{1}c", "ü"] {
            assert_eq!(last_part(&key(id)).as_deref(), Some(id));
            let offset = offset_key(id, "g\0", StreamId(7), 3);
            assert_eq!(crate::offsets::place(&offset), Some((StreamId(7), 3)));
            let below = offset_folder(id).children();
            assert!(offset.as_bytes().starts_with(below.as_bytes()));
        }
    }
}
