//! Who can log in by name and password: users of the configuration, and users whom clients have made
//! (AlterUserScramCredentials).
//!
//! Kept: `kafka-scram, name` → [`Kept`]. Users of the configuration are never kept, and can be changed there alone: else a
//! password that was changed over the wire would go on holding for PLAIN.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::hmac;
use base64_simd::STANDARD;
use model::Rng;
use serde::{Deserialize, Serialize};
use store::key::encode;
use store::{Document, Key, Scan, Store, StoreError, Txn, Write};

use super::sasl::scram::{Credential, Hash, ITERATIONS_MIN};

/// Above all users.
const FOLDER: &str = "kafka-scram";
/// Longest name, in bytes: it must fit into a key.
pub(crate) const NAME_BYTES_MAX: usize = 1024;
/// Bytes of a salt made here.
const SALT_BYTES: usize = 20;

/// Somebody who can log in by PLAIN and SCRAM.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Their name.
    pub name: String,
    /// What they must know.
    pub password: String,
}

/// Without the password.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({})", self.name)
    }
}

/// The users of the configuration, and what hides who exists.
pub(crate) struct Users {
    configured: HashMap<String, Configured>,
    /// Makes passwords comparable in constant time, and salts for those who do not exist.
    secret: hmac::Key,
    /// Held by whoever changes users that are kept.
    pub(super) changing: tokio::sync::Mutex<()>,
}

struct Configured {
    password: String,
    salt: [u8; SALT_BYTES],
    /// Made when first wanted: it takes milliseconds.
    sha256: OnceLock<Credential>,
    sha512: OnceLock<Credential>,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.configured.len())
    }
}

impl Users {
    pub(crate) fn new(users: &[User], rng: &Rng) -> Users {
        let mut secret = [0; 32];
        rng.fill(&mut secret);
        let configured = users.iter().map(|user| {
            let mut salt = [0; SALT_BYTES];
            rng.fill(&mut salt);
            let configured = Configured {
                password: user.password.clone(),
                salt,
                sha256: OnceLock::new(),
                sha512: OnceLock::new(),
            };
            (user.name.clone(), configured)
        });
        Users {
            configured: configured.collect(),
            secret: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// Whether that is the password of a configured user.
    pub(crate) fn has_password(&self, name: &str, password: &str) -> bool {
        let found = self.configured.get(name);
        let expected = found.map_or("", |user| user.password.as_str());
        let expected = hmac::sign(&self.secret, expected.as_bytes());
        let is_it = hmac::verify(&self.secret, password.as_bytes(), expected.as_ref()).is_ok();
        is_it && found.is_some()
    }

    /// Whether a user is of the configuration.
    pub(crate) fn is_configured(&self, name: &str) -> bool {
        self.configured.contains_key(name)
    }

    /// Names of the configuration.
    pub(crate) fn configured(&self) -> impl Iterator<Item = &str> {
        self.configured.keys().map(String::as_str)
    }

    /// What a proof of that user is checked against. One that nothing holds against where there is no such user.
    pub(crate) async fn credential(
        &self,
        store: &dyn Store,
        name: &str,
        hash: Hash,
    ) -> Result<Credential, StoreError> {
        if let Some(user) = self.configured.get(name) {
            let made = match hash {
                Hash::Sha256 => &user.sha256,
                Hash::Sha512 => &user.sha512,
            };
            let make = || Credential::of_password(hash, &user.password, &user.salt, ITERATIONS_MIN);
            return Ok(made.get_or_init(make).clone());
        }
        let kept = kept(store, name).await?;
        Ok(match kept.and_then(|kept| kept.credential(hash)) {
            Some(credential) => credential,
            None => {
                let salt = hmac::sign(&self.secret, name.as_bytes());
                Credential::of_nobody(hash, salt.as_ref().get(..SALT_BYTES).unwrap_or_default())
            }
        })
    }
}

/// What is kept of a user.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Kept {
    sha256: Option<KeptCredential>,
    sha512: Option<KeptCredential>,
}

/// A credential with its bytes in base64.
#[derive(Clone, Serialize, Deserialize)]
struct KeptCredential {
    salt: String,
    iterations: u32,
    stored_key: String,
    server_key: String,
}

impl Kept {
    fn slot(&mut self, hash: Hash) -> &mut Option<KeptCredential> {
        match hash {
            Hash::Sha256 => &mut self.sha256,
            Hash::Sha512 => &mut self.sha512,
        }
    }

    /// The credential for one hash; none where it does not read as one.
    pub(crate) fn credential(&self, hash: Hash) -> Option<Credential> {
        let kept = match hash {
            Hash::Sha256 => self.sha256.as_ref()?,
            Hash::Sha512 => self.sha512.as_ref()?,
        };
        let bytes = |text: &str| STANDARD.decode_to_vec(text.as_bytes()).ok();
        Some(Credential {
            hash,
            salt: bytes(&kept.salt)?,
            iterations: kept.iterations,
            stored_key: bytes(&kept.stored_key)?,
            server_key: bytes(&kept.server_key)?,
        })
    }

    /// Iterations by hash, as clients are told.
    pub(crate) fn iterations(&self) -> impl Iterator<Item = (Hash, u32)> {
        let both = [(Hash::Sha256, &self.sha256), (Hash::Sha512, &self.sha512)];
        both.into_iter()
            .filter_map(|(hash, kept)| Some((hash, kept.as_ref()?.iterations)))
    }

    /// Sets the credential of its hash.
    pub(crate) fn set(&mut self, credential: &Credential) {
        let text = |bytes: &[u8]| STANDARD.encode_to_string(bytes);
        *self.slot(credential.hash) = Some(KeptCredential {
            salt: text(&credential.salt),
            iterations: credential.iterations,
            stored_key: text(&credential.stored_key),
            server_key: text(&credential.server_key),
        });
    }

    /// Removes the credential of a hash; whether there was one.
    pub(crate) fn remove(&mut self, hash: Hash) -> bool {
        self.slot(hash).take().is_some()
    }

    fn is_empty(&self) -> bool {
        self.sha256.is_none() && self.sha512.is_none()
    }
}

fn key(name: &str) -> Option<Key> {
    let is_one = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains('\0');
    is_one.then(|| Key::of(&[FOLDER, name]))
}

/// What is kept of that user.
pub(crate) async fn kept(store: &dyn Store, name: &str) -> Result<Option<Kept>, StoreError> {
    let Some(key) = key(name) else {
        return Ok(None);
    };
    let document = store.get(&key).await?;
    document.as_ref().map(Document::decode).transpose()
}

/// All users kept, by name.
pub(crate) async fn all_kept(store: &dyn Store) -> Result<Vec<(String, Kept)>, StoreError> {
    let found = store.scan(Scan::below(&Key::of(&[FOLDER]))).await?;
    let mut users = Vec::with_capacity(found.len());
    for (key, document) in found {
        if let Some(name) = key.last_part() {
            users.push((name.to_owned(), document.decode()?));
        }
    }
    Ok(users)
}

/// Keeps users as they are now; one without credentials is forgotten. All or none.
pub(crate) async fn keep(store: &dyn Store, users: &[(String, Kept)]) -> Result<(), StoreError> {
    let write = |(name, kept): &(String, Kept)| {
        let key = key(name)?;
        Some(if kept.is_empty() {
            Write::Delete { key }
        } else {
            let value = encode(kept);
            Write::Put { key, value }
        })
    };
    let txn = Txn {
        writes: users.iter().filter_map(write).collect(),
        ..Txn::default()
    };
    if txn.writes.is_empty() {
        return Ok(());
    }
    store.commit(txn).await.map(drop)
}
