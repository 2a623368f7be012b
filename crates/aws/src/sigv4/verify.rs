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
    pub(crate) fn identify(
        &self,
        parts: &Parts,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Identity<'static>, ServiceError> {
        let claim = Claim::of(parts)?;
        check_signed_headers(parts, &claim)?;
        let secret = self.keys.secret(&claim.scope.access_key).ok_or_else(|| {
            ServiceError::sender(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )
        })?;
        check_time(&claim, now)?;
        let payload = payload_hash(parts, body, &claim)?;
        let text = canonical::request(parts, &claim.scope.service, &claim.signed_headers, &payload);
        let to_sign = canonical::string_to_sign(&claim.scope, claim.signed_at, &text);
        let key = self.signing_keys.get(&claim.scope, secret);
        let expected = hex(hmac::sign(&key, to_sign.as_bytes()).as_ref());
        verify_slices_are_equal(expected.as_bytes(), claim.signature.as_bytes())
            .map_err(|_| mismatch(&text, &to_sign))?;
        Ok(Identity {
            access_key: claim.scope.access_key.into(),
            region: claim.scope.region.into(),
            service: claim.scope.service.into(),
        })
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

/// The payload's part in the canonical request: what the client says, once it is seen to be true.
fn payload_hash(parts: &Parts, body: &[u8], claim: &Claim) -> Result<String, ServiceError> {
    let said = parts.headers.get("x-amz-content-sha256");
    let Some(said) = said.and_then(|value| value.to_str().ok()) else {
        // S3's presigned requests leave the payload unsigned without a word.
        let unsigned = claim.scope.service == "s3" && claim.place != Place::Header;
        return Ok(if unsigned {
            UNSIGNED_PAYLOAD.to_owned()
        } else {
            sha256_hex(body)
        });
    };
    if said == UNSIGNED_PAYLOAD {
        return Ok(said.to_owned());
    }
    if said.starts_with("STREAMING-") {
        return Err(invalid(format!(
            "payloads signed in chunks ({said}) are not supported by this server"
        )));
    }
    if said == sha256_hex(body) {
        return Ok(said.to_owned());
    }
    Err(invalid(
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ))
}

fn mismatch(canonical_request: &str, string_to_sign: &str) -> ServiceError {
    invalid(format!(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this \
         request should have been\n'{canonical_request}'\n\nThe String-to-Sign should have been\n'{string_to_sign}'\n"
    ))
}
