//! Encryption at rest: a batch's records sealed with AES-256-GCM under the stream's data key, which is itself sealed under the
//! server's master key and kept with the stream's settings.
//!
//! A sealed payload, big-endian:
//!
//! | at | size | field |
//! |---|---|---|
//! | 0 | 4 | number of the data key |
//! | 4 | 12 | nonce, random |
//! | 16 | n | records, encrypted |
//! | 16+n | 16 | tag over the records, and over stream, shard and the batch header from byte 23 |
//!
//! It promises that records of an encrypted stream are on no disk in the clear, and that a batch opens only where it was put.
//! It does not hide how many records there are, their times or sizes, nor names and settings of streams. Random 96-bit nonces
//! bound a data key to 2^32 batches (NIST SP 800-38D, 8.3); starting encryption again makes a new one.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use model::{Batch, LogId, Rng};
use serde::{Deserialize, Serialize};
use store::StoreError;

const KEY_BYTES: usize = 32;
const PREFIX_BYTES: usize = 4 + NONCE_LEN;

/// A data key sealed under the master key: nonce, key, tag.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WrappedKey(Vec<u8>);

/// The server's master key. Its bytes are never shown.
#[derive(Clone)]
pub struct Keyring {
    master: Arc<LessSafeKey>,
    rng: Rng,
}

impl Keyring {
    /// A key ring of the given master key.
    #[must_use]
    pub fn new(master: &[u8; KEY_BYTES], rng: Rng) -> Keyring {
        Keyring {
            master: Arc::new(cipher(master)),
            rng,
        }
    }

    /// A new random data key, wrapped.
    #[must_use]
    pub fn new_data_key(&self) -> WrappedKey {
        let mut key = [0; KEY_BYTES];
        self.rng.fill(&mut key);
        let nonce = self.nonce();
        let mut sealed = key.to_vec();
        self.master
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                &mut sealed,
            )
            .expect("a key is short enough to seal");
        WrappedKey([nonce.as_slice(), &sealed].concat())
    }

    /// What seals and opens the batches of a stream with these data keys; new ones under `current`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where a key was not wrapped under this master key.
    pub fn sealer(&self, keys: &[WrappedKey], current: Option<u32>) -> Result<Sealer, StoreError> {
        let keys = keys
            .iter()
            .map(|key| self.unwrap(key))
            .collect::<Result<_, _>>()?;
        Ok(Sealer {
            keys,
            current,
            rng: self.rng.clone(),
        })
    }

    fn unwrap(&self, wrapped: &WrappedKey) -> Result<LessSafeKey, StoreError> {
        let wrong = || {
            damaged(
                "a data key does not open under this server's master key: was the key file replaced?",
            )
        };
        let (nonce, sealed) = wrapped
            .0
            .split_first_chunk::<NONCE_LEN>()
            .ok_or_else(wrong)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .master
            .open_in_place(nonce, Aad::empty(), &mut sealed)
            .map_err(|_| wrong())?;
        let key: &[u8; KEY_BYTES] = (&*opened).try_into().map_err(|_| wrong())?;
        Ok(cipher(key))
    }

    fn nonce(&self) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        self.rng.fill(&mut nonce);
        nonce
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")
    }
}

/// Seals and opens the batches of one stream.
pub struct Sealer {
    keys: Vec<LessSafeKey>,
    current: Option<u32>,
    rng: Rng,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Sealer({} keys, current {:?})",
            self.keys.len(),
            self.current
        )
    }
}

impl Sealer {
    /// `batch` as it is to lie in `log`: sealed where encryption is on.
    pub(crate) fn seal(&self, log: LogId, batch: Batch) -> Batch {
        let Some((number, key)) = self
            .current
            .and_then(|n| Some((n, self.keys.get(n as usize)?)))
        else {
            return batch;
        };
        let mut nonce = [0; NONCE_LEN];
        self.rng.fill(&mut nonce);
        let records = batch.payload();
        let mut payload = Vec::with_capacity(PREFIX_BYTES + records.len() + 16);
        payload.extend_from_slice(&number.to_be_bytes());
        payload.extend_from_slice(&nonce);
        payload.extend_from_slice(records);
        let bound_to = Aad::from(context(log, &batch));
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                bound_to,
                &mut payload[PREFIX_BYTES..],
            )
            .expect("a batch is short enough to seal");
        payload.extend_from_slice(tag.as_ref());
        batch.with_payload(&payload, true)
    }

    /// `batch` in the clear.
    pub(crate) fn open(&self, log: LogId, batch: Batch) -> Result<Batch, StoreError> {
        if !batch.is_sealed() {
            return Ok(batch);
        }
        let wrong = || {
            damaged(&format!(
                "an encrypted batch of log {log} does not open under the stream's keys"
            ))
        };
        let (number, rest) = batch.payload().split_first_chunk::<4>().ok_or_else(wrong)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(wrong)?;
        let key = self
            .keys
            .get(u32::from_be_bytes(*number) as usize)
            .ok_or_else(wrong)?;
        let mut records = sealed.to_vec();
        let bound_to = Aad::from(context(log, &batch));
        let opened = key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), bound_to, &mut records)
            .map_err(|_| wrong())?;
        Ok(batch.with_payload(opened, false))
    }
}

/// What a sealed batch is bound to: its log, and its header after the attributes.
fn context(log: LogId, batch: &Batch) -> Vec<u8> {
    let header = &batch.bytes()[23..model::batch::HEADER_BYTES];
    [
        &log.stream.0.to_be_bytes()[..],
        &log.partition.to_be_bytes(),
        header,
    ]
    .concat()
}

fn cipher(key: &[u8; KEY_BYTES]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("the key has the cipher's length"))
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged {
        file: "encrypted records".into(),
        position: 0,
        what: what.into(),
    }
}
