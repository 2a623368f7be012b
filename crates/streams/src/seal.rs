//! Encryption at rest: a batch's records sealed with AES-256-GCM under the stream's data key, which is itself sealed under the
//! server's master key and kept with the stream's settings.
//!
//! A sealed payload, big-endian:
//!
//! | at | size | field |
//! |---|---|---|
//! | 0 | 4 | number of the data key |
//! | 4 | 16 | salt, random |
//! | 20 | 12 | nonce, random |
//! | 32 | n | records, encrypted |
//! | 32+n | 16 | tag over the records, and over stream, shard and the batch header from byte 23 |
//!
//! Each batch has a key of its own: HMAC-SHA-256 of the salt under the data key (NIST SP 800-108r1, one block). Random 96-bit
//! nonces alone would bound a data key to 2^32 batches (NIST SP 800-38D, 8.3), which a busy stream has in days.
//!
//! It promises that records of an encrypted stream are on no disk in the clear, and that a batch opens only in the shard it was
//! put to. It does not hide how many records there are, their times or sizes, nor names and settings of streams.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use model::{Batch, LogId, Rng};
use serde::{Deserialize, Serialize};
use store::StoreError;

const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
const PREFIX_BYTES: usize = 4 + SALT_BYTES + NONCE_LEN;
const TAG_BYTES: usize = 16;
/// What the derived keys are for, before the salt.
const LABEL: &[u8] = b"headwater batch\0";

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
            .collect::<Result<Vec<_>, _>>()?;
        if current.is_some_and(|number| number as usize >= keys.len()) {
            return Err(damaged(
                "the key that is to encrypt new records is not there",
            ));
        }
        Ok(Sealer {
            keys,
            current,
            rng: self.rng.clone(),
        })
    }

    fn unwrap(&self, wrapped: &WrappedKey) -> Result<DataKey, StoreError> {
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
        if opened.len() != KEY_BYTES {
            return Err(wrong());
        }
        Ok(DataKey(hmac::Key::new(hmac::HMAC_SHA256, opened)))
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

/// What batches' keys are made of.
struct DataKey(hmac::Key);

impl DataKey {
    /// The key of the batch with this salt.
    fn of_batch(&self, salt: &[u8; SALT_BYTES]) -> LessSafeKey {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(LABEL);
        context.update(salt);
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(context.sign().as_ref());
        cipher(&key)
    }
}

/// Seals and opens the batches of one stream.
pub struct Sealer {
    keys: Vec<DataKey>,
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
    #[must_use]
    pub fn seal(&self, log: LogId, batch: Batch) -> Batch {
        self.seal_under(self.current, log, batch)
    }

    /// `batch` as it is to lie in `log` in place of `former`: sealed under the same key, whatever is in force now.
    #[must_use]
    pub fn reseal(&self, log: LogId, former: &Batch, batch: Batch) -> Batch {
        let number = former.payload().first_chunk::<4>();
        let number = number.filter(|_| former.is_sealed());
        self.seal_under(number.map(|number| u32::from_be_bytes(*number)), log, batch)
    }

    fn seal_under(&self, number: Option<u32>, log: LogId, batch: Batch) -> Batch {
        let Some((number, key)) = number.and_then(|n| Some((n, self.keys.get(n as usize)?))) else {
            return batch;
        };
        // At once: asking for random bytes takes longer than having them.
        let (mut random, mut salt, mut nonce) =
            ([0; SALT_BYTES + NONCE_LEN], [0; SALT_BYTES], [0; NONCE_LEN]);
        self.rng.fill(&mut random);
        salt.copy_from_slice(&random[..SALT_BYTES]);
        nonce.copy_from_slice(&random[SALT_BYTES..]);
        let records = batch.payload();
        let bound_to = Aad::from(context(log, &batch));
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        let length = PREFIX_BYTES + records.len() + TAG_BYTES;
        batch.with_payload_by(length, true, |bytes| {
            bytes.extend_from_slice(&number.to_be_bytes());
            bytes.extend_from_slice(&salt);
            bytes.extend_from_slice(&nonce);
            let from = bytes.len();
            bytes.extend_from_slice(records);
            let tag = key
                .of_batch(&salt)
                .seal_in_place_separate_tag(nonce_used, bound_to, &mut bytes[from..])
                .expect("a batch is short enough to seal");
            bytes.extend_from_slice(tag.as_ref());
        })
    }

    /// `batch` of `log` in the clear.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for one that does not open under these keys.
    pub fn open(&self, log: LogId, batch: Batch) -> Result<Batch, StoreError> {
        if !batch.is_sealed() {
            return Ok(batch);
        }
        let wrong = || {
            damaged(&format!(
                "an encrypted batch of log {log} does not open under the stream's keys"
            ))
        };
        let (number, rest) = batch.payload().split_first_chunk::<4>().ok_or_else(wrong)?;
        let (salt, rest) = rest.split_first_chunk().ok_or_else(wrong)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(wrong)?;
        let key = self
            .keys
            .get(u32::from_be_bytes(*number) as usize)
            .ok_or_else(wrong)?;
        let bound_to = Aad::from(context(log, &batch));
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut outcome = Ok(());
        let opened = batch.with_payload_by(sealed.len(), false, |bytes| {
            let from = bytes.len();
            bytes.extend_from_slice(sealed);
            let records = key
                .of_batch(salt)
                .open_in_place(nonce, bound_to, &mut bytes[from..]);
            match records.map(|records| records.len()) {
                Ok(length) => bytes.truncate(from + length),
                Err(_) => outcome = Err(wrong()),
            }
        });
        outcome.map(|()| opened)
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
