//! What tells a file's content from another's: the MD5 of some of its bytes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

/// First bytes of a file that are looked at.
const HEAD: usize = 256;
/// Bytes before a place that are looked at.
const TAIL: usize = 128;

/// Some bytes, as their number and MD5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    length: u32,
    md5: Hash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hash(u128);

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        let hash = u128::from_str_radix(&text, 16);
        hash.map(Hash).map_err(serde::de::Error::custom)
    }
}

impl Fingerprint {
    pub(crate) fn of(bytes: &[u8]) -> Fingerprint {
        let digest: [u8; 16] = Md5::digest(bytes).into();
        Fingerprint {
            // At most `HEAD`.
            length: bytes.len() as u32,
            md5: Hash(u128::from_be_bytes(digest)),
        }
    }

    /// Of the bytes before `offset`.
    pub(crate) fn tail(file: &File, offset: u64) -> io::Result<Fingerprint> {
        let mut buffer = [0; TAIL];
        let wanted = usize::try_from(offset).map_or(TAIL, |offset| offset.min(TAIL));
        let slice = buffer.get_mut(..wanted).unwrap_or_default();
        let length = read(file, slice, offset - wanted as u64)?;
        Ok(Fingerprint::of(buffer.get(..length).unwrap_or_default()))
    }

    /// Whether a file begins with these bytes, and may go on.
    pub(crate) fn begins(self, file: &File) -> io::Result<bool> {
        let mut buffer = [0; HEAD];
        let wanted = (self.length as usize).min(HEAD);
        let slice = buffer.get_mut(..wanted).unwrap_or_default();
        let length = read(file, slice, 0)?;
        Ok(Fingerprint::of(buffer.get(..length).unwrap_or_default()) == self)
    }

    /// Whether these bytes are before `offset` in a file.
    pub(crate) fn ends_at(self, file: &File, offset: u64) -> io::Result<bool> {
        Ok(Fingerprint::tail(file, offset)? == self)
    }
}

/// The bytes themselves, of what was read of a file. Kept from the reading: the file may hold others by now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Seen {
    /// As if a file had been read up to `offset`.
    pub(crate) fn of(file: &File, offset: u64) -> io::Result<Seen> {
        let before = |most: usize| usize::try_from(offset).map_or(most, |all| all.min(most));
        let mut head = vec![0; before(HEAD)];
        let length = read(file, &mut head, 0)?;
        head.truncate(length);
        let mut tail = vec![0; before(TAIL)];
        let length = read(file, &mut tail, offset - before(TAIL) as u64)?;
        tail.truncate(length);
        Ok(Seen { head, tail })
    }

    /// Goes on with bytes that were read from `start` on.
    pub(crate) fn extend(&mut self, start: u64, bytes: &[u8]) {
        if self.head.len() < HEAD && start == self.head.len() as u64 {
            let more = bytes.len().min(HEAD - self.head.len());
            self.head
                .extend_from_slice(bytes.get(..more).unwrap_or_default());
        }
        let last = bytes.get(bytes.len().saturating_sub(TAIL)..);
        self.tail.extend_from_slice(last.unwrap_or_default());
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
    }

    pub(crate) fn head(&self) -> Fingerprint {
        Fingerprint::of(&self.head)
    }

    pub(crate) fn tail(&self) -> Fingerprint {
        Fingerprint::of(&self.tail)
    }

    /// Whether a file holds the last of these bytes before `offset`.
    pub(crate) fn ends_at(&self, file: &File, offset: u64) -> io::Result<bool> {
        let mut buffer = [0; TAIL];
        let slice = buffer.get_mut(..self.tail.len()).unwrap_or_default();
        let Some(start) = offset.checked_sub(slice.len() as u64) else {
            return Ok(false);
        };
        let length = read(file, slice, start)?;
        Ok(buffer.get(..length) == Some(self.tail.as_slice()))
    }

    /// Whether a file with these [first bytes](head_of) begins as this one, as far as both go; not one that is empty.
    pub(crate) fn begins_like(&self, head: &[u8]) -> bool {
        let length = head.len().min(self.head.len());
        length > 0 && head.get(..length) == self.head.get(..length)
    }
}

/// A file's first bytes, as many as are looked at.
pub(crate) fn head_of(file: &File) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD];
    let length = read(file, &mut head, 0)?;
    head.truncate(length);
    Ok(head)
}

/// Reads until the buffer is full or the file ends.
fn read(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..)
        && !rest.is_empty()
    {
        match file.read_at(rest, offset + length as u64) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
