//! Whether a request's signature holds.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use http::request::Parts;
use model::Timestamp;

use super::canonical::AUTHORITY;
use super::claim::{Claim, Identity, Place, invalid};
use super::key::{Keys, SigningKeys, hex, sha256_hex};
use super::{UNSIGNED_PAYLOAD, canonical, moment};
use crate::error::ServiceError;

/// How far a client's clock may be from ours, either way.
const SKEW_MS_MAX: i64 = 15 * 60 * 1000;

/// Checks signatures against the keys it knows.
#[derive(Debug)]
pub struct Verifier {
    keys: Keys,
    signing_keys: SigningKeys,
}

/// Who signed a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signer {
    /// With which key.
    pub access_key: String,
    /// For which service.
    pub service: String,
}

/// A signature of which all holds that the head of its request tells.
#[derive(Debug)]
pub(crate) struct Signed {
    claim: Claim,
    payload: Payload,
}

/// What a request's head says of the body that is signed.
#[derive(Debug)]
enum Payload {
    /// It is not.
    Unsigned,
    /// It is the one of this hash, in hexadecimal.
    Hash(String),
    /// Nothing: the signature can't be checked without it.
    Unsaid,
}

impl Signed {
    /// For which service.
    pub(crate) fn service(&self) -> &str {
        &self.claim.scope.service
    }

    /// Whether it is known already that the signer has the key; else the body is needed to tell.
    pub(crate) fn is_verified(&self) -> bool {
        self.payload.said().is_some()
    }
}

impl Verifier {
    /// A verifier that knows `keys`.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        Verifier {
            keys,
            signing_keys: SigningKeys::default(),
        }
    }

    /// Checks a request whose whole body is here.
    ///
    /// # Errors
    /// AWS's own: `MissingAuthenticationTokenException`, `IncompleteSignatureException`,
    /// `UnrecognizedClientException`, `InvalidSignatureException`.
    pub fn verify(&self, parts: &Parts, body: &[u8], now: Timestamp) -> Result<(), ServiceError> {
        self.identify(parts, body, now).map(drop)
    }

    /// As [`Verifier::verify`] for a request without a body, and says with which access key and for which service it is signed.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub fn signer(&self, parts: &Parts, now: Timestamp) -> Result<Signer, ServiceError> {
        let identity = self.identify(parts, &[], now)?;
        Ok(Signer {
            access_key: identity.access_key.into_owned(),
            service: identity.service.into_owned(),
        })
    }

    /// As [`Verifier::verify`], and says who signed: the very claim that was checked, never a second reading of the request.
    fn identify(
        &self,
        parts: &Parts,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Identity<'static>, ServiceError> {
        let signed = self.begin(parts, now)?;
        self.finish(signed, parts, body)
    }

    /// Checks all that a request's head tells of its signature: where it tells what body is signed, that is the signature itself.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub(crate) fn begin(&self, parts: &Parts, now: Timestamp) -> Result<Signed, ServiceError> {
        let claim = Claim::of(parts)?;
        check_signed_headers(parts, &claim)?;
        self.secret(&claim)?;
        check_time(&claim, now)?;
        let payload = Payload::of(parts, &claim)?;
        if let Some(said) = payload.said() {
            self.check(parts, &claim, said)?;
        }
        Ok(Signed { claim, payload })
    }

    /// Checks the rest, with the same head, once the body is here; says who signed.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub(crate) fn finish(
        &self,
        signed: Signed,
        parts: &Parts,
        body: &[u8],
    ) -> Result<Identity<'static>, ServiceError> {
        let Signed { claim, payload } = signed;
        match payload {
            Payload::Unsigned => {}
            Payload::Hash(said) if said == sha256_hex(body) => {}
            Payload::Hash(_) => return Err(other_payload()),
            Payload::Unsaid => self.check(parts, &claim, &sha256_hex(body))?,
        }
        Ok(Identity {
            access_key: claim.scope.access_key.into(),
            region: claim.scope.region.into(),
            service: claim.scope.service.into(),
        })
    }

    fn secret(&self, claim: &Claim) -> Result<&str, ServiceError> {
        self.keys.secret(&claim.scope.access_key).ok_or_else(|| {
            ServiceError::sender(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )
        })
    }

    /// Whether the signature holds for a payload of this hash.
    fn check(&self, parts: &Parts, claim: &Claim, payload: &str) -> Result<(), ServiceError> {
        let text = canonical::request(parts, &claim.scope.service, &claim.signed_headers, payload);
        let to_sign = canonical::string_to_sign(&claim.scope, claim.signed_at, &text);
        let key = self.signing_keys.get(&claim.scope, self.secret(claim)?);
        let expected = hex(hmac::sign(&key, to_sign.as_bytes()).as_ref());
        verify_slices_are_equal(expected.as_bytes(), claim.signature.as_bytes())
            .map_err(|_| mismatch(&text, &to_sign))
    }
}

/// What would change the request's meaning must be signed.
fn check_signed_headers(parts: &Parts, claim: &Claim) -> Result<(), ServiceError> {
    let signed = |name: &str| claim.signed_headers.iter().any(|header| header == name);
    if !signed("host") && !signed(AUTHORITY) {
        return Err(invalid(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ));
    }
    if parts.headers.contains_key("x-amz-target") && !signed("x-amz-target") {
        return Err(invalid(
            "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization.",
        ));
    }
    Ok(())
}

fn check_time(claim: &Claim, now: Timestamp) -> Result<(), ServiceError> {
    let lifetime_ms = match claim.place {
        Place::Header => SKEW_MS_MAX,
        Place::Query { expires_seconds } => {
            i64::try_from(expires_seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
        }
    };
    let signed_at = claim.signed_at;
    let shown = moment::format(signed_at);
    let now_shown = moment::format(now);
    let oldest = Timestamp(now.0.saturating_sub(lifetime_ms));
    if signed_at < oldest {
        return Err(invalid(format!(
            "Signature expired: {shown} is now earlier than {} ({now_shown} - {} min.)",
            moment::format(oldest),
            lifetime_ms / 60_000
        )));
    }
    let newest = Timestamp(now.0.saturating_add(SKEW_MS_MAX));
    if signed_at > newest {
        return Err(invalid(format!(
            "Signature not yet current: {shown} is still later than {} ({now_shown} + {} min.)",
            moment::format(newest),
            SKEW_MS_MAX / 60_000
        )));
    }
    Ok(())
}

impl Payload {
    fn of(parts: &Parts, claim: &Claim) -> Result<Payload, ServiceError> {
        let said = parts.headers.get("x-amz-content-sha256");
        let Some(said) = said.and_then(|value| value.to_str().ok()) else {
            // S3's presigned requests leave the payload unsigned without a word.
            let is_unsigned = claim.scope.service == "s3" && claim.place != Place::Header;
            return Ok(if is_unsigned {
                Payload::Unsigned
            } else {
                Payload::Unsaid
            });
        };
        if said == UNSIGNED_PAYLOAD {
            return Ok(Payload::Unsigned);
        }
        if said.starts_with("STREAMING-") {
            return Err(invalid(format!(
                "payloads signed in chunks ({said}) are not supported by this server"
            )));
        }
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if said.len() == 64 && said.bytes().all(is_digit) {
            return Ok(Payload::Hash(said.to_owned()));
        }
        Err(other_payload())
    }

    /// The payload's part in the canonical request, where the head tells it.
    fn said(&self) -> Option<&str> {
        match self {
            Payload::Unsigned => Some(UNSIGNED_PAYLOAD),
            Payload::Hash(said) => Some(said),
            Payload::Unsaid => None,
        }
    }
}

fn other_payload() -> ServiceError {
    invalid("The provided 'x-amz-content-sha256' header does not match what was computed.")
}

fn mismatch(canonical_request: &str, string_to_sign: &str) -> ServiceError {
    invalid(format!(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this \
         request should have been\n'{canonical_request}'\n\nThe String-to-Sign should have been\n'{string_to_sign}'\n"
    ))
}
