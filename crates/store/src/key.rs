//! Keys and documents of the catalog.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 4096;
/// Largest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 4 << 20;

/// A document's name. Keys are ordered by their bytes; parts of a path are divided by a zero byte, so that all keys below a
/// path lie together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Bytes);

impl Key {
    /// The key of a path such as `["kinesis", account, region, name]`. Parts must not hold a zero byte, which the services'
    /// rules on names see to.
    #[must_use]
    pub fn of(parts: &[&str]) -> Key {
        debug_assert!(
            parts.iter().all(|part| !part.contains('\0')),
            "a part with a zero byte in {parts:?}"
        );
        Key(parts.join("\0").into())
    }

    /// A key of any bytes.
    #[must_use]
    pub fn from_bytes(bytes: Bytes) -> Key {
        Key(bytes)
    }

    /// What all keys strictly below this path start with.
    #[must_use]
    pub fn children(&self) -> Key {
        Key([self.0.as_ref(), b"\0"].concat().into())
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this key, and a document of `value_bytes` under it, are within the limits.
    ///
    /// # Errors
    /// [`StoreError::Invalid`], naming the limit.
    pub fn fits(&self, value_bytes: usize) -> Result<(), StoreError> {
        let what = if self.0.len() > KEY_BYTES_MAX {
            format!("key is over {KEY_BYTES_MAX} bytes: {self}")
        } else if value_bytes > DOCUMENT_BYTES_MAX {
            format!(
                "document {self} is {value_bytes} bytes, over the limit of {DOCUMENT_BYTES_MAX}"
            )
        } else {
            return Ok(());
        };
        Err(StoreError::Invalid { what })
    }

    /// Its path's last part, where that is UTF-8.
    #[must_use]
    pub fn last_part(&self) -> Option<&str> {
        self.0
            .rsplit(|&b| b == 0)
            .next()
            .and_then(|part| std::str::from_utf8(part).ok())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0).replace('\0', "/"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Which write a document is of: the number of the transaction that put it. Grows over the whole store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Version(pub u64);

/// What lies under a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    /// The transaction that put it.
    pub version: Version,
    /// Its content; JSON by [`encode`] unless its owner says otherwise.
    pub value: Bytes,
}

impl Document {
    /// Its content as a `T`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it is not one: only this server writes documents.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        serde_json::from_slice(&self.value).map_err(|error| StoreError::Damaged {
            file: "catalog".into(),
            position: error.column() as u64,
            what: format!(
                "a document does not read as {}: {error}",
                std::any::type_name::<T>()
            ),
        })
    }
}

/// `value` as a document's content.
///
/// # Panics
/// Where `T` cannot be JSON, such as a map with keys that are no text: a bug of the type.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Bytes {
    serde_json::to_vec(value)
        .expect("stored types are JSON")
        .into()
}
