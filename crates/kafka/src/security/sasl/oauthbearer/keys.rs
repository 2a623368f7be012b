//! The issuer's public keys: read from where they are published, kept, and read again.
//!
//! A known key is used at once, whatever becomes of its source. The set is read anew every [`KeySet::refresh`], which is what
//! makes a key that the issuer has withdrawn stop to hold, and when a token names a key that is not in it, but then at most
//! once in [`READ_AGAIN_AFTER`]: who shows made-up keys must not have the source asked over and over. Where reading fails, the
//! keys known before go on to hold, as Kafka has it.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use tokio::time::Instant;

/// How long after the keys were read they are not read again for the sake of one that is not known.
pub(super) const READ_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How long after they could not be read it is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// Longest that reading them may take, for which a login with a key that is not known waits.
const READING_TIME_MAX: Duration = Duration::from_secs(10);
/// Kafka's default for `sasl.oauthbearer.jwks.endpoint.refresh.ms`.
const REFRESH_DEFAULT: Duration = Duration::from_secs(60 * 60);

/// The text of a key set, or why it can't be had.
pub type Reading<'a> = Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send + 'a>>;

/// Where a JSON Web Key Set is published.
pub trait KeySource: fmt::Debug + fmt::Display + Send + Sync {
    /// Reads it. Given up on after some seconds.
    fn read(&self) -> Reading<'_>;
}

/// A file with a JSON Web Key Set.
#[derive(Clone, Debug)]
pub struct KeyFile(pub PathBuf);

impl fmt::Display for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.display())
    }
}

impl KeySource for KeyFile {
    fn read(&self) -> Reading<'_> {
        Box::pin(async {
            let text = tokio::fs::read(&self.0).await;
            text.map(Bytes::from).map_err(|error| error.to_string())
        })
    }
}

/// Which keys sign tokens.
#[derive(Clone, Debug)]
pub struct KeySet {
    /// Where they are published.
    pub source: Arc<dyn KeySource>,
    /// How often they are read anew: Kafka's `sasl.oauthbearer.jwks.endpoint.refresh.ms`.
    pub refresh: Duration,
}

impl KeySet {
    /// Keys published there, read anew every hour.
    #[must_use]
    pub fn of(source: Arc<dyn KeySource>) -> KeySet {
        KeySet {
            source,
            refresh: REFRESH_DEFAULT,
        }
    }
}

/// The keys as they were last read.
#[derive(Debug)]
pub(crate) struct Keys {
    set: KeySet,
    known: Mutex<Option<JwkSet>>,
    /// When they were last read or tried to be; whoever reads holds it, so that one does and others wait for the outcome.
    reading: tokio::sync::Mutex<Option<Instant>>,
}

impl Keys {
    pub(super) fn new(set: KeySet) -> Arc<Keys> {
        Arc::new(Keys {
            set,
            known: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        })
    }

    /// The key of that id; the only one where a token does not say.
    pub(super) async fn find(&self, id: Option<&str>) -> Option<Jwk> {
        if let Some(key) = self.find_known(id) {
            return Some(key);
        }
        let mut read_at = self.reading.lock().await;
        if let Some(key) = self.find_known(id) {
            return Some(key);
        }
        if read_at.is_some_and(|at| at.elapsed() < READ_AGAIN_AFTER) {
            return None;
        }
        self.read(&mut read_at).await;
        self.find_known(id)
    }

    /// Reads the keys; whether that could be done.
    async fn read(&self, read_at: &mut Option<Instant>) -> bool {
        let source = &self.set.source;
        let text = tokio::time::timeout(READING_TIME_MAX, source.read()).await;
        *read_at = Some(Instant::now());
        let read = text
            .unwrap_or_else(|_| Err("no answer in time".to_owned()))
            .and_then(|text| key_set(&text));
        match read {
            Ok(keys) => {
                *self.known() = Some(keys);
                true
            }
            Err(why) => {
                tracing::warn!(%source, %why, "could not read the keys that sign Kafka clients' tokens");
                false
            }
        }
    }

    /// Takes keys as if they had been read.
    #[cfg(test)]
    pub(super) fn know(&self, keys: JwkSet) {
        *self.known() = Some(keys);
    }

    fn known(&self) -> MutexGuard<'_, Option<JwkSet>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find_known(&self, id: Option<&str>) -> Option<Jwk> {
        let known = self.known();
        let keys = known.as_ref()?;
        match id {
            Some(id) => keys.find(id).cloned(),
            None => match keys.keys.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            },
        }
    }
}

/// Reads the keys now and then anew, for as long as anybody has them.
pub(crate) async fn keep_refreshed(keys: Weak<Keys>) {
    loop {
        let Some(held) = keys.upgrade() else {
            return;
        };
        let is_read = held.read(&mut *held.reading.lock().await).await;
        let refresh = held.set.refresh;
        drop(held);
        let pause = if is_read {
            refresh
        } else {
            refresh.min(RETRY_AFTER)
        };
        tokio::time::sleep(pause).await;
    }
}

/// Reads a JSON Web Key Set. Keys of kinds that nobody here knows are passed over: an issuer may have more than it signs
/// tokens with.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn key_set(text: &[u8]) -> Result<JwkSet, String> {
    let not_one = |why: &dyn fmt::Display| format!("not a JSON Web Key Set: {why}");
    let set: serde_json::Value = serde_json::from_slice(text).map_err(|error| not_one(&error))?;
    let keys = set.get("keys").and_then(serde_json::Value::as_array);
    let keys = keys.ok_or_else(|| not_one(&"there is no list \"keys\""))?;
    let usable = keys
        .iter()
        .filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok())
        .filter(|key| DecodingKey::from_jwk(key).is_ok());
    let set = JwkSet {
        keys: usable.collect(),
    };
    if set.keys.is_empty() {
        return Err("there is no key in it that can be used here".to_owned());
    }
    Ok(set)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests;
