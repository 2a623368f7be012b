//! Offsets that groups have committed, one document for each group and partition, so that any of them can be written in one
//! transaction with whatever else must hold with it.
//!
//! Kept: `kafka-offset, group, stream number, partition` → [`CommittedOffset`]. The stream's number and not the topic's name is
//! in the key: a topic that is made again under its name begins without offsets.

use bytes::{BufMut, Bytes, BytesMut};
use model::{StreamId, Timestamp};
use serde::{Deserialize, Serialize};
use store::key::encode;
use store::{Key, Write};

const FOLDER: &[u8] = b"kafka-offset";
/// Divides the parts of a key.
const DIVIDER: u8 = 0;

/// What a group has committed for a partition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct CommittedOffset {
    /// The topic's name, for who asks for all of a group's offsets.
    pub(crate) topic: String,
    /// The next offset to read.
    pub(crate) offset: i64,
    /// Of the last record read; -1 where the client did not say.
    pub(crate) leader_epoch: i32,
    /// The client's own words.
    pub(crate) metadata: String,
    /// When it was committed.
    pub(crate) at: Timestamp,
    /// Until when it is kept, where its client said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
}

/// The path above all offsets of a group.
pub(crate) fn folder(group: &str) -> Key {
    let mut key = BytesMut::new();
    key.put_slice(FOLDER);
    key.put_u8(DIVIDER);
    put_group(&mut key, group);
    Key::from_bytes(key.freeze())
}

/// The path above a group's offsets of one stream.
pub(crate) fn folder_of(group: &str, stream: StreamId) -> Key {
    let mut key = BytesMut::from(folder(group).children().as_bytes());
    key.put_slice(format!("{:016x}", stream.0).as_bytes());
    Key::from_bytes(key.freeze())
}

/// Where a group's offset of a partition lies.
pub(crate) fn key(group: &str, stream: StreamId, partition: u32) -> Key {
    let mut key = BytesMut::from(folder_of(group, stream).children().as_bytes());
    key.put_slice(format!("{partition:08x}").as_bytes());
    Key::from_bytes(key.freeze())
}

/// The stream and the partition that a key below [`folder`] is of.
pub(crate) fn place(key: &Key) -> Option<(StreamId, u32)> {
    let bytes = key.as_bytes();
    // Two numbers in hexadecimal and a divider between them.
    let place = bytes.get(bytes.len().checked_sub(16 + 1 + 8)?..)?;
    let place = std::str::from_utf8(place).ok()?;
    let (stream, partition) = place.split_once('\0')?;
    Some((
        StreamId(u64::from_str_radix(stream, 16).ok()?),
        u32::from_str_radix(partition, 16).ok()?,
    ))
}

/// Commits an offset, as part of a transaction.
pub(crate) fn put(
    group: &str,
    stream: StreamId,
    partition: u32,
    committed: &CommittedOffset,
) -> Write {
    Write::Put {
        key: key(group, stream, partition),
        value: encode(committed),
    }
}

/// Above all offsets of all groups.
pub(crate) fn all() -> Key {
    Key::from_bytes(Bytes::from_static(FOLDER))
}

/// The group that an offset is of.
pub(crate) fn group(key: &Key) -> Option<String> {
    group_after(all().children().as_bytes(), key)
}

/// The group's name that stands after `prefix` in a key.
pub(crate) fn group_after(prefix: &[u8], key: &Key) -> Option<String> {
    let rest = key.as_bytes().strip_prefix(prefix)?;
    let mut name = Vec::with_capacity(rest.len());
    let mut bytes = rest.iter().copied();
    while let Some(byte) = bytes.next().filter(|byte| *byte != DIVIDER) {
        name.push(match byte {
            1 => bytes.next()?.checked_sub(1)?,
            other => other,
        });
    }
    String::from_utf8(name).ok()
}

/// A group's name may hold any character: a zero byte becomes two bytes, and so does the one that begins those.
pub(crate) fn put_group(key: &mut BytesMut, group: &str) {
    for byte in Bytes::copy_from_slice(group.as_bytes()) {
        match byte {
            0 => key.put_slice(&[1, 1]),
            1 => key.put_slice(&[1, 2]),
            other => key.put_u8(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_its_place_whatever_the_group_is_called() {
        for group in ["g", "", "a\0b", "a\u{1}b", "Gruppe ü"] {
            let key = key(group, StreamId(77), 3);
            assert_eq!(place(&key), Some((StreamId(77), 3)), "{group:?}");
            assert_eq!(super::group(&key).as_deref(), Some(group));
            assert!(
                key.as_bytes()
                    .starts_with(folder(group).children().as_bytes())
            );
        }
        assert_ne!(folder("a\0b"), folder("a\u{1}b"));
    }
}
