//! Fields of frames and checkpoints: big-endian numbers, and bytes with their length before them.

use bytes::{Buf, BufMut, Bytes};
use model::{LogId, Offset, StreamId, Timestamp};
use store::Key;

/// The bytes end early or say what cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

impl From<Malformed> for String {
    fn from(malformed: Malformed) -> String {
        malformed.0.into()
    }
}

const CUT: Malformed = Malformed("a field is cut short");

/// Bytes that a [`LogId`] takes.
pub const LOG_BYTES: usize = 12;

/// Reads fields from the front of bytes that may be anything.
#[derive(Debug)]
pub struct Fields {
    rest: Bytes,
}

impl Fields {
    /// Reads from the front of `bytes`. What is given out shares their memory.
    #[must_use]
    pub fn of(bytes: Bytes) -> Fields {
        Fields { rest: bytes }
    }

    /// Whether all has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`Malformed`] at the end, as for all that follow.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.rest.try_get_u8().map_err(|_| CUT)
    }

    /// The next two bytes.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.rest.try_get_u16().map_err(|_| CUT)
    }

    /// The next four bytes.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.rest.try_get_u32().map_err(|_| CUT)
    }

    /// The next eight bytes.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.rest.try_get_u64().map_err(|_| CUT)
    }

    /// The next eight bytes, signed.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn i64(&mut self) -> Result<i64, Malformed> {
        self.rest.try_get_i64().map_err(|_| CUT)
    }

    /// A log's number.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn log(&mut self) -> Result<LogId, Malformed> {
        Ok(LogId::new(StreamId(self.u64()?), self.u32()?))
    }

    /// An offset.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn offset(&mut self) -> Result<Offset, Malformed> {
        self.u64().map(Offset)
    }

    /// A time.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn timestamp(&mut self) -> Result<Timestamp, Malformed> {
        self.i64().map(Timestamp)
    }

    /// Up to 64 KiB with a two-byte length before them.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn short(&mut self) -> Result<Bytes, Malformed> {
        let length = usize::from(self.u16()?);
        self.take(length)
    }

    /// Bytes with a four-byte length before them.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn long(&mut self) -> Result<Bytes, Malformed> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    /// A key of a document or lease.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn key(&mut self) -> Result<Key, Malformed> {
        // A copy, so that a small key does not keep a whole frame in memory.
        self.short().map(|bytes| Key::from_bytes(owned(&bytes)))
    }

    fn take(&mut self, length: usize) -> Result<Bytes, Malformed> {
        if length > self.rest.len() {
            return Err(CUT);
        }
        Ok(self.rest.split_to(length))
    }
}

/// A copy that keeps nothing else in memory.
#[must_use]
pub fn owned(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// Writes a log's number.
pub fn put_log(target: &mut Vec<u8>, log: LogId) {
    target.put_u64(log.stream.0);
    target.put_u32(log.partition);
}

/// Writes what [`Fields::short`] reads.
///
/// # Panics
/// Over 64 KiB: whoever decides what is written holds keys to their limit.
pub fn put_short(target: &mut Vec<u8>, bytes: &[u8]) {
    target.put_u16(u16::try_from(bytes.len()).expect("keys are held to their limit"));
    target.put_slice(bytes);
}

/// Writes what [`Fields::long`] reads.
///
/// # Panics
/// Over 4 GiB: whoever decides what is written holds documents to their limit.
pub fn put_long(target: &mut Vec<u8>, bytes: &[u8]) {
    target.put_u32(u32::try_from(bytes.len()).expect("documents are held to their limit"));
    target.put_slice(bytes);
}
