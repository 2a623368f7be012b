//! SASL OAUTHBEARER (RFC 7628, KIP-255, KIP-768): the client shows a token that somebody trusted has signed.
//!
//! A token is a JSON Web Token, signed by a key of the key set in [`OAuth::jwks`] ([`keys`]). Times, issuer, audience, scope
//! and the name are checked here against the broker's own clock; the library checks the signature alone.

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

pub(super) mod keys;

use std::sync::Arc;
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use model::Timestamp;
use serde_json::{Map, Value};

use super::{Identity, Refused};
use keys::{KeySet, Keys};

/// What divides the parts of a message.
const DIVIDER: char = '\u{1}';
/// How far the issuer's clock may be from ours: Kafka's `sasl.oauthbearer.clock.skew.seconds`.
const SKEW: Duration = Duration::from_secs(30);
/// What a client is told of a token that does not hold, before it is refused (RFC 7628, 3.2.2).
pub(super) const INVALID_TOKEN: &str = "{\"status\":\"invalid_token\"}";

/// Which tokens hold.
#[derive(Clone, Debug)]
pub struct OAuth {
    /// The issuer's public keys. Without any only unsigned tokens can hold.
    pub jwks: Option<KeySet>,
    /// What `iss` must be, if anything.
    pub issuer: Option<String>,
    /// What `aud` must be or hold, if anything.
    pub audience: Option<String>,
    /// What `scope` must hold.
    pub scopes: Vec<String>,
    /// Which claim is the user's name.
    pub principal_claim: String,
    /// Whether tokens hold that nobody has signed. For development: whoever connects is who they say they are.
    pub unsecured: bool,
}

impl Default for OAuth {
    fn default() -> Self {
        OAuth {
            jwks: None,
            issuer: None,
            audience: None,
            scopes: Vec::new(),
            principal_claim: "sub".to_owned(),
            unsecured: false,
        }
    }
}

/// The client's first message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Bearer {
    pub(super) acts_for: Option<String>,
    pub(super) token: String,
}

impl Bearer {
    /// Reads `n,[a=authorization id],^Aauth=Bearer TOKEN^A[name=value^A]^A`.
    pub(crate) fn parse(message: &[u8]) -> Result<Bearer, Refused> {
        let malformed = || Refused::because("Invalid OAUTHBEARER client first message");
        let text = std::str::from_utf8(message).map_err(|_| malformed())?;
        let (head, pairs) = text.split_once(DIVIDER).ok_or_else(malformed)?;
        let acts_for = head
            .strip_prefix("n,")
            .and_then(|head| head.strip_suffix(','))
            .ok_or_else(malformed)?;
        let acts_for = match acts_for {
            "" => None,
            named => Some(named.strip_prefix("a=").ok_or_else(malformed)?.to_owned()),
        };
        let shown = pairs
            .split(DIVIDER)
            .find_map(|pair| pair.strip_prefix("auth="));
        let (scheme, token) = shown
            .and_then(|shown| shown.split_once(' '))
            .ok_or_else(malformed)?;
        let token = token.trim();
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~+/.=".contains(&byte);
        if !scheme.eq_ignore_ascii_case("bearer")
            || token.is_empty()
            || !token.bytes().all(is_token)
        {
            return Err(malformed());
        }
        Ok(Bearer {
            acts_for,
            token: token.to_owned(),
        })
    }
}

/// Checks tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    options: OAuth,
    keys: Option<Arc<Keys>>,
}

impl Tokens {
    pub(crate) fn new(options: OAuth) -> Tokens {
        Tokens {
            keys: options.jwks.clone().map(Keys::new),
            options,
        }
    }

    /// Begins to read the keys, and goes on to for as long as these are there.
    pub(crate) fn keep_refreshed(&self) {
        if let Some(keys) = &self.keys {
            tokio::spawn(keys::keep_refreshed(Arc::downgrade(keys)));
        }
    }

    /// Whose token it is and until when it holds; else why it does not, for the log.
    pub(super) async fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, String> {
        let header = part(token, 0)?;
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let claims = if algorithm == "none" {
            self.unsigned(token)?
        } else {
            let id = header.get("kid").and_then(Value::as_str);
            let key = self.key(id).await?;
            signed(token, algorithm, &key)?
        };
        self.options.check(&claims, now)
    }

    fn unsigned(&self, token: &str) -> Result<Map<String, Value>, String> {
        if !self.options.unsecured {
            return Err("a token without a signature".to_owned());
        }
        if !token.ends_with('.') || token.matches('.').count() != 2 {
            return Err("an unsigned token with a signature".to_owned());
        }
        part(token, 1)
    }

    async fn key(&self, id: Option<&str>) -> Result<Jwk, String> {
        let found = match &self.keys {
            Some(keys) => keys.find(id).await,
            None => None,
        };
        found.ok_or_else(|| format!("a token signed by a key that is not known: {id:?}"))
    }
}

/// The claims of a token whose signature holds.
fn signed(token: &str, algorithm: &str, key: &Jwk) -> Result<Map<String, Value>, String> {
    let is_public = !matches!(key.algorithm, AlgorithmParameters::OctetKey(_));
    let algorithm: Algorithm = algorithm
        .parse()
        .map_err(|_| format!("a token signed by an unknown algorithm: {algorithm:?}"))?;
    let is_shared = matches!(
        algorithm,
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512
    );
    // A public key must never be taken for a shared secret, which everybody would know.
    if is_shared == is_public {
        return Err("a token signed by another kind of key".to_owned());
    }
    let key = DecodingKey::from_jwk(key).map_err(|error| format!("an unusable key: {error}"))?;
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation);
    decoded
        .map(|decoded| decoded.claims)
        .map_err(|error| format!("a token that does not hold: {error}"))
}

/// One of a token's JSON objects.
fn part(token: &str, number: usize) -> Result<Map<String, Value>, String> {
    let none = || "not a JSON Web Token".to_owned();
    let text = token.split('.').nth(number).ok_or_else(none)?;
    let bytes = URL_SAFE_NO_PAD
        .decode_to_vec(text.trim_end_matches('=').as_bytes())
        .map_err(|_| none())?;
    serde_json::from_slice(&bytes).map_err(|_| none())
}

impl OAuth {
    /// Whether claims are what they must be.
    fn check(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<Identity, String> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let until = moment(claims, "exp")?.ok_or("a token without an end")?;
        if until.plus(SKEW) <= now {
            return Err(format!("a token that ended at {until}"));
        }
        for name in ["nbf", "iat"] {
            if moment(claims, name)?.is_some_and(|from| from.minus(SKEW) > now) {
                return Err(format!("a token whose {name} is still to come"));
            }
        }
        if let Some(issuer) = &self.issuer
            && text("iss") != Some(issuer)
        {
            return Err(format!("a token of another issuer: {:?}", text("iss")));
        }
        if let Some(audience) = &self.audience
            && !words(claims.get("aud")).contains(&audience.as_str())
        {
            return Err("a token for another audience".to_owned());
        }
        let mut scopes = words(claims.get("scope"));
        scopes.extend(words(claims.get("scp")));
        if let Some(missing) = self
            .scopes
            .iter()
            .find(|scope| !scopes.contains(&scope.as_str()))
        {
            return Err(format!("a token without the scope {missing}"));
        }
        let name = text(&self.principal_claim).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| format!("a token without {}", self.principal_claim))?;
        Ok(Identity {
            name: name.to_owned(),
            until: Some(until),
        })
    }
}

/// A claim in seconds since the epoch.
fn moment(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, String> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = value.as_f64().filter(|seconds| seconds.is_finite());
    let seconds = seconds.ok_or_else(|| format!("a token whose {name} is no time"))?;
    Ok(Some(Timestamp((seconds * 1000.0) as i64)))
}

/// A list, or words in one text.
fn words(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => text.split_whitespace().collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
