//! Secret keys, and the signing keys derived from them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::{digest, hmac};

use super::TERMINATOR;

/// What a client signs with.
#[derive(Clone)]
pub struct Credentials {
    /// Names the key.
    pub access_key: String,
    /// The key.
    pub secret_key: String,
    /// Given with temporary keys.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.access_key)
    }
}

/// The keys a server knows: secret key by access key.
#[derive(Clone, Default)]
pub struct Keys(HashMap<String, String>);

impl Keys {
    pub(super) fn secret(&self, access_key: &str) -> Option<&str> {
        self.0.get(access_key).map(String::as_str)
    }
}

/// Pairs of access key and secret key.
impl FromIterator<(String, String)> for Keys {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(pairs: T) -> Self {
        Keys(pairs.into_iter().collect())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

/// What a signing key is good for: one key, day, region and service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) access_key: String,
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
}

impl Scope {
    /// As it stands in the string to sign.
    pub(super) fn text(&self) -> String {
        format!(
            "{}/{}/{}/{TERMINATOR}",
            self.date, self.region, self.service
        )
    }

    /// The key for everything signed in this scope.
    pub(super) fn signing_key(&self, secret: &str) -> hmac::Key {
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
        for part in [&self.date, &self.region, &self.service, TERMINATOR] {
            let tag = hmac::sign(&key, part.as_bytes());
            key = hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref());
        }
        key
    }
}

/// Signing keys in use. A day's few are enough; at the limit all are forgotten, which costs four HMACs each.
#[derive(Debug, Default)]
pub(super) struct SigningKeys(Mutex<HashMap<Scope, hmac::Key>>);

const SIGNING_KEYS_MAX: usize = 1024;

impl SigningKeys {
    pub(super) fn get(&self, scope: &Scope, secret: &str) -> hmac::Key {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = known.get(scope) {
            return key.clone();
        }
        if known.len() >= SIGNING_KEYS_MAX {
            known.clear();
        }
        let key = scope.signing_key(secret);
        known.insert(scope.clone(), key.clone());
        key
    }
}

/// Lower-case hexadecimal SHA-256.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)].into());
        out.push(DIGITS[usize::from(byte & 0xf)].into());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "Derive a signing key for Signature Version 4", AWS General Reference, with its example key.
    #[test]
    fn the_published_signing_key_is_derived() {
        let scope = Scope {
            access_key: "AKIDEXAMPLE".to_owned(),
            date: "20120215".to_owned(),
            region: "us-east-1".to_owned(),
            service: "iam".to_owned(),
        };
        let key = scope.signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let known = hmac::Key::new(
            hmac::HMAC_SHA256,
            &[
                0xf4, 0x78, 0x0e, 0x2d, 0x9f, 0x65, 0xfa, 0x89, 0x5f, 0x9c, 0x67, 0xb3, 0x2c, 0xe1,
                0xba, 0xf0, 0xb0, 0xd8, 0xa4, 0x35, 0x05, 0xa0, 0x00, 0xa1, 0xa9, 0xe0, 0x90, 0xd4,
                0x14, 0xdb, 0x40, 0x4d,
            ],
        );
        let signed = |key: &hmac::Key| hex(hmac::sign(key, b"x").as_ref());
        assert_eq!(signed(&key), signed(&known));
    }

    #[test]
    fn forgotten_signing_keys_are_derived_again() {
        let keys = SigningKeys::default();
        let scope = |n: usize| Scope {
            access_key: n.to_string(),
            date: "20120215".to_owned(),
            region: "r".to_owned(),
            service: "s".to_owned(),
        };
        let tag = |key: hmac::Key| hex(hmac::sign(&key, b"x").as_ref());
        let first = tag(keys.get(&scope(0), "secret"));
        for n in 0..=SIGNING_KEYS_MAX {
            keys.get(&scope(n), "secret");
        }
        assert!(keys.0.lock().unwrap().len() <= SIGNING_KEYS_MAX);
        assert_eq!(tag(keys.get(&scope(0), "secret")), first);
    }
}
