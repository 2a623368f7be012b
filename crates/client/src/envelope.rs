//! An envelope around a record's data: compressed with Zstandard, encrypted with AES-256-GCM, or both, in that order. Producers
//! [seal](Sealer::seal) each user record before it is aggregated, consumers [open] it after it was taken out.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | magic `E5 48 57 A7` |
//! | 4 | 1 | version, 1 |
//! | 5 | 1 | flags: 1, the content is a Zstandard frame; 2, it is encrypted; others are refused |
//! | 6 | 1 | if encrypted: length k of the key's id |
//! | 7 | k | its id, UTF-8 |
//! | 7 + k | 12 | nonce |
//! | 19 + k | n | AES-256-GCM of the content, bytes 0 to 6 + k authenticated beside it |
//! | 19 + k + n | 16 | its tag |
//!
//! Without encryption the content begins at 6. What does not begin with the magic is plain and is passed on as it is, so that
//! a stream may change from one to the other. Whoever must not take plain records asks [`is_sealed`] first.
//!
//! It promises that a record is the one that a holder of the key sealed. It does not promise that it is new, in its place or
//! under its partition key, which stays readable, as does its length. Nonces are random: a key is good for 2^32 records
//! (NIST SP 800-38D), after which another should take its place; old ids stay readable as long as their keys are given.

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use bytes::Bytes;

/// What a sealed record begins with.
pub const MAGIC: [u8; 4] = [0xE5, 0x48, 0x57, 0xA7];
const VERSION: u8 = 1;
const COMPRESSED: u8 = 1;
const ENCRYPTED: u8 = 2;
const HEAD: usize = 6;
/// Most bytes that [`open`] lets data have once it is decompressed: more than any record can hold as it is, and no bomb.
pub const OPENED_BYTES_MAX: usize = 64 << 20;
/// A frame may ask for so much memory beside its data, as a power of two: Zstandard's levels up to 19 need no more.
const WINDOW_LOG: u32 = 23;

/// Why a sealed record cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It ends too soon, or has flags nobody knows.
    #[error("the envelope is malformed")]
    Malformed,
    /// A newer program made it.
    #[error("the envelope has version {0}, which is not known here")]
    Version(u8),
    /// Its key is not at hand.
    #[error("the record is encrypted under key {0:?}, which is not at hand")]
    UnknownKey(String),
    /// It was not made with this key, or was changed since.
    #[error("the record was changed, or its key {0:?} is another one than here")]
    Forged(String),
    /// It would be too large once decompressed.
    #[error("the record has over {0} bytes when decompressed")]
    TooLarge(usize),
    /// A key's id is no text of 1 to 255 bytes, or its secret is unusable.
    #[error("a key's id must have 1 to 255 bytes")]
    UnusableKey,
    /// The compressor or the cipher failed.
    #[error("the record could not be sealed")]
    NotSealed,
}

/// A key of AES-256, with the id by which records name it.
#[derive(Clone)]
pub struct EncryptionKey {
    id: Arc<str>,
    key: Arc<RandomizedNonceKey>,
}

impl EncryptionKey {
    /// A key of 32 secret bytes.
    ///
    /// # Errors
    /// [`EnvelopeError::UnusableKey`] if the id is empty or longer than 255 bytes.
    pub fn new(id: &str, secret: &[u8; 32]) -> Result<EncryptionKey, EnvelopeError> {
        if !(1..=usize::from(u8::MAX)).contains(&id.len()) {
            return Err(EnvelopeError::UnusableKey);
        }
        let key = RandomizedNonceKey::new(&AES_256_GCM, secret);
        Ok(EncryptionKey {
            id: id.into(),
            key: Arc::new(key.map_err(|_| EnvelopeError::UnusableKey)?),
        })
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionKey({})", self.id)
    }
}

/// The keys that records may be encrypted under, by id.
#[derive(Debug, Clone, Default)]
pub struct Keyring(BTreeMap<Arc<str>, EncryptionKey>);

impl FromIterator<EncryptionKey> for Keyring {
    fn from_iter<T: IntoIterator<Item = EncryptionKey>>(keys: T) -> Keyring {
        let keys = keys.into_iter().map(|key| (Arc::clone(&key.id), key));
        Keyring(keys.collect())
    }
}

/// How records are sealed.
#[derive(Debug, Clone, Default)]
pub struct Sealer {
    /// Zstandard's level, 1 to 19, or negative for speed. Data that does not become smaller stays as it is.
    pub compression: Option<i32>,
    /// The key to encrypt under.
    pub encryption: Option<EncryptionKey>,
}

impl Sealer {
    /// Seals a record's data.
    ///
    /// # Errors
    /// [`EnvelopeError::NotSealed`] if the compressor or the cipher fails.
    pub fn seal(&self, data: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        let compressed = match self.compression {
            None => None,
            Some(level) => {
                let smaller = zstd::bulk::compress(data, level);
                Some(smaller.map_err(|_| EnvelopeError::NotSealed)?)
            }
        };
        let smaller = compressed.filter(|smaller| smaller.len() < data.len());
        let mut flags = 0;
        if smaller.is_some() {
            flags |= COMPRESSED;
        }
        if self.encryption.is_some() {
            flags |= ENCRYPTED;
        }
        let mut sealed = [&MAGIC[..], &[VERSION, flags]].concat();
        let content = smaller.as_deref().unwrap_or(data);
        match &self.encryption {
            None => sealed.extend_from_slice(content),
            Some(key) => {
                sealed.push(key.id.len() as u8);
                sealed.extend_from_slice(key.id.as_bytes());
                let mut content = content.to_vec();
                let aad = Aad::from(&sealed[..]);
                let nonce = key.key.seal_in_place_append_tag(aad, &mut content);
                let nonce = nonce.map_err(|_| EnvelopeError::NotSealed)?;
                sealed.extend_from_slice(nonce.as_ref());
                sealed.extend_from_slice(&content);
            }
        }
        Ok(sealed)
    }
}

/// Whether a record's data is in an envelope.
#[must_use]
pub fn is_sealed(data: &[u8]) -> bool {
    data.starts_with(&MAGIC)
}

/// A record's data out of its envelope; plain data as it is. What would have over 64 MiB is refused.
///
/// # Errors
/// As [`EnvelopeError`] has them.
pub fn open(data: &Bytes, keys: &Keyring) -> Result<Bytes, EnvelopeError> {
    open_within(data, keys, OPENED_BYTES_MAX)
}

/// As [`open`], for data that may have at most so many bytes once it is decompressed.
///
/// # Errors
/// As [`EnvelopeError`] has them.
pub fn open_within(data: &Bytes, keys: &Keyring, bytes_max: usize) -> Result<Bytes, EnvelopeError> {
    if !is_sealed(data) {
        return Ok(data.clone());
    }
    let &[_, _, _, _, version, flags, ..] = &data[..] else {
        return Err(EnvelopeError::Malformed);
    };
    if version != VERSION {
        return Err(EnvelopeError::Version(version));
    }
    if flags & !(COMPRESSED | ENCRYPTED) != 0 {
        return Err(EnvelopeError::Malformed);
    }
    let content = if flags & ENCRYPTED == 0 {
        data.slice(HEAD..)
    } else {
        decrypted(data, keys).ok_or(EnvelopeError::Malformed)??
    };
    if flags & COMPRESSED == 0 {
        return Ok(content);
    }
    decompressed(&content, bytes_max)
}

/// The content of an encrypted record; `None` where it ends too soon.
fn decrypted(data: &Bytes, keys: &Keyring) -> Option<Result<Bytes, EnvelopeError>> {
    let length = usize::from(*data.get(HEAD)?);
    let id_at = HEAD + 1..HEAD + 1 + length;
    let nonce_at = id_at.end..id_at.end + NONCE_LEN;
    let id = std::str::from_utf8(data.get(id_at.clone())?).ok()?;
    let nonce = Nonce::try_assume_unique_for_key(data.get(nonce_at.clone())?).ok()?;
    let mut content = data.get(nonce_at.end..)?.to_vec();
    let Some(key) = keys.0.get(id) else {
        return Some(Err(EnvelopeError::UnknownKey(id.to_owned())));
    };
    let aad = Aad::from(data.get(..id_at.end)?);
    let Ok(plain) = key.key.open_in_place(nonce, aad, &mut content) else {
        return Some(Err(EnvelopeError::Forged(id.to_owned())));
    };
    let length = plain.len();
    content.truncate(length);
    Some(Ok(content.into()))
}

fn decompressed(content: &[u8], bytes_max: usize) -> Result<Bytes, EnvelopeError> {
    let most = bytes_max as u64;
    // What a frame says of itself spares the work; that it says the truth is not relied on.
    let said = zstd::zstd_safe::get_frame_content_size(content);
    if said.ok().flatten().is_some_and(|bytes| bytes > most) {
        return Err(EnvelopeError::TooLarge(bytes_max));
    }
    let mut decoder =
        zstd::stream::read::Decoder::with_buffer(content).map_err(|_| EnvelopeError::Malformed)?;
    // A frame that knows its size has that as its window.
    let window = most.next_power_of_two().ilog2().clamp(WINDOW_LOG, 31);
    decoder
        .window_log_max(window)
        .map_err(|_| EnvelopeError::Malformed)?;
    let mut plain = Vec::new();
    let read = decoder
        .single_frame()
        .take(most.saturating_add(1))
        .read_to_end(&mut plain);
    read.map_err(|_| EnvelopeError::Malformed)?;
    if plain.len() > bytes_max {
        return Err(EnvelopeError::TooLarge(bytes_max));
    }
    Ok(plain.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)] // in a test, a panic is the report

    use proptest::prelude::*;

    use super::*;

    fn key(id: &str, byte: u8) -> EncryptionKey {
        EncryptionKey::new(id, &[byte; 32]).unwrap()
    }

    fn sealers() -> Vec<Sealer> {
        let mut sealers = Vec::new();
        for compression in [None, Some(1)] {
            for encryption in [None, Some(key("k1", 7))] {
                sealers.push(Sealer {
                    compression,
                    encryption,
                });
            }
        }
        sealers
    }

    fn opened(data: &[u8]) -> Result<Bytes, EnvelopeError> {
        let keys = Keyring::from_iter([key("k0", 3), key("k1", 7)]);
        open(&Bytes::copy_from_slice(data), &keys)
    }

    #[test]
    fn what_is_sealed_can_be_opened_and_is_small_and_hidden() {
        let data = b"a record that repeats itself, itself, itself, itself".repeat(20);
        for sealer in sealers() {
            let sealed = sealer.seal(&data).unwrap();
            assert!(is_sealed(&sealed));
            assert_eq!(opened(&sealed).unwrap(), data);
            assert_eq!(sealed.len() < data.len() / 2, sealer.compression.is_some());
            let shows = sealed.windows(8).any(|window| window == b"a record");
            assert!(!(shows && sealer.encryption.is_some()));
        }
    }

    #[test]
    fn bytes_are_as_the_table_says() {
        let sealer = Sealer::default();
        assert_eq!(sealer.seal(b"x").unwrap(), b"\xE5HW\xA7\x01\x00x");
        let sealer = Sealer {
            compression: None,
            encryption: Some(key("k1", 7)),
        };
        let sealed = sealer.seal(b"x").unwrap();
        assert_eq!(&sealed[..9], b"\xE5HW\xA7\x01\x02\x02k1");
        assert_eq!(sealed.len(), 9 + 12 + 1 + 16);
        assert_ne!(sealer.seal(b"x").unwrap(), sealed, "nonces differ");
    }

    #[test]
    fn no_bit_can_be_changed_and_no_key_be_missing() {
        let sealer = Sealer {
            compression: Some(3),
            encryption: Some(key("k1", 7)),
        };
        let sealed = sealer.seal(b"data").unwrap();
        for at in 4..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(opened(&changed).is_err(), "byte {at}");
            assert!(opened(&sealed[..at]).is_err(), "cut at {at}");
        }
        let other = Sealer {
            compression: None,
            encryption: Some(key("k2", 7)),
        };
        let unknown = EnvelopeError::UnknownKey("k2".to_owned());
        assert_eq!(opened(&other.seal(b"data").unwrap()), Err(unknown));
        let mut newer = sealed;
        newer[4] = 2;
        assert_eq!(opened(&newer), Err(EnvelopeError::Version(2)));
        assert!(EncryptionKey::new("", &[0; 32]).is_err());
    }

    #[test]
    fn a_bomb_is_not_set_off() {
        let sealed = |content: &[u8]| [b"\xE5HW\xA7\x01\x01", content].concat();
        let bomb = sealed(&zstd::bulk::compress(&vec![0; OPENED_BYTES_MAX + 1], 1).unwrap());
        let too_large = Err(EnvelopeError::TooLarge(OPENED_BYTES_MAX));
        assert_eq!(opened(&bomb), too_large);
        let keys = Keyring::default();
        let within =
            |sealed: &[u8], most| open_within(&Bytes::copy_from_slice(sealed), &keys, most);
        // A frame of a stream does not say how long it is.
        for frame in [
            zstd::bulk::compress(&[7; 1001], 19).unwrap(),
            zstd::stream::encode_all(&[7; 1001][..], 19).unwrap(),
        ] {
            let frame = sealed(&frame);
            assert_eq!(within(&frame, 1000), Err(EnvelopeError::TooLarge(1000)));
            assert_eq!(within(&frame, 1001).unwrap(), [7; 1001][..]);
        }
    }

    proptest! {
        #[test]
        fn data_makes_the_round_trip(data: Vec<u8>) {
            for sealer in sealers() {
                prop_assert_eq!(opened(&sealer.seal(&data).unwrap()).unwrap(), data.clone());
            }
            if !is_sealed(&data) {
                prop_assert_eq!(opened(&data).unwrap(), data);
            }
        }

        #[test]
        fn garbage_never_panics(data: Vec<u8>) {
            let _ = opened(&[&MAGIC[..], &[VERSION], &data[..]].concat());
        }
    }
}
