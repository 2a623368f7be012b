//! Who may ask: what a request's head tells of it, before any of its body is held, and the rest once the body is here.
//!
//! Without keys nobody has the server hold a body: it must be signed by a key that is known, in time, for an operation that there
//! is. Who knows no more than a key's name can have one held, since most clients say nothing of their body's hash; what such
//! requests hold together is limited (`Limits::unverified_bytes_max`).

use http::Response;
use http::request::Parts;
use model::{AccountId, Region};

use super::reply::Replier;
use super::route::{Call, Lost};
use super::{Auth, Peer, Router};
use crate::body::Body;
use crate::caller::{Caller, RequestId};
use crate::error::ServiceError;
use crate::held::{Buffered, Held};
use crate::sigv4::{Identity, Signed, Verifier, host};

/// A request that is good as far as its head tells.
pub(super) struct Judged {
    /// What it asks for; `None` where its body says that.
    call: Option<Call>,
    /// `None` where no signature is asked for.
    signed: Option<Signed>,
}

/// A request's body.
#[derive(Clone, Copy)]
pub(super) struct Bodies<'a> {
    /// As it came, and is signed.
    pub(super) sent: &'a [u8],
    /// As it was before its client compressed it.
    pub(super) meant: &'a [u8],
}

/// Why a request is not answered.
pub(super) enum Refusal {
    /// It names no operation, or is refused before it does.
    Lost(Lost),
    /// The sender may not ask for this.
    Denied(Call, ServiceError),
}

impl From<Lost> for Box<Refusal> {
    fn from(lost: Lost) -> Self {
        Box::new(Refusal::Lost(lost))
    }
}

impl Judged {
    /// Whether its sender is known already, or need not be.
    pub(super) fn is_verified(&self) -> bool {
        self.signed.as_ref().is_none_or(Signed::is_verified)
    }

    /// What is held for its body, so far nothing.
    pub(super) fn hold_none(&self, share: &Buffered) -> Held {
        if self.is_verified() {
            share.hold_none()
        } else {
            share.hold_none_unverified()
        }
    }
}

impl Replier {
    pub(super) fn refuse(self, refusal: &Refusal) -> Response<Body> {
        match refusal {
            Refusal::Lost(lost) => self.lost(lost),
            Refusal::Denied(call, error) => self.for_call(call).error(error),
        }
    }
}

impl Router {
    /// Judges a request by its head.
    pub(super) fn judge(&self, parts: &Parts) -> Result<Judged, Box<Refusal>> {
        let call = if self.is_named_in_body(parts) {
            None
        } else {
            Some(self.route(parts, &[])?)
        };
        let signed = match &self.auth {
            Auth::On(verifier) => self.check_head(verifier, parts, call.as_ref()).map(Some),
            Auth::Off => Ok(None),
        };
        match (signed, call) {
            (Ok(signed), call) => Ok(Judged { call, signed }),
            (Err(error), Some(call)) => Err(Box::new(Refusal::Denied(call, error))),
            (Err(error), None) => Err(self.lost_form(parts, error).into()),
        }
    }

    fn check_head(
        &self,
        verifier: &Verifier,
        parts: &Parts,
        call: Option<&Call>,
    ) -> Result<Signed, ServiceError> {
        let signed = verifier.begin(parts, self.clock.now())?;
        if let Some(call) = call {
            check_service(signed.service(), call)?;
        }
        Ok(signed)
    }

    /// What a request asks for and who is asking, once its body is here; refuses one whose signature does not hold.
    pub(super) fn admit(
        &self,
        judged: Judged,
        parts: &Parts,
        body: Bodies<'_>,
        request_id: RequestId,
        peer: Peer,
    ) -> Result<(Call, Caller), Box<Refusal>> {
        let call = match judged.call {
            Some(call) => call,
            None => self.route(parts, body.meant)?,
        };
        match self.identify(judged.signed, parts, body.sent, &call) {
            Ok(identity) => {
                let caller = self.caller(identity, parts, request_id, peer);
                Ok((call, caller))
            }
            Err(error) => Err(Box::new(Refusal::Denied(call, error))),
        }
    }

    fn identify<'a>(
        &self,
        signed: Option<Signed>,
        parts: &'a Parts,
        body: &[u8],
        call: &Call,
    ) -> Result<Option<Identity<'a>>, ServiceError> {
        let Auth::On(verifier) = &self.auth else {
            return Ok(Identity::of(parts));
        };
        // Every request is judged before; one that was not is nobody's.
        let signed = signed.ok_or_else(ServiceError::internal)?;
        let signer = verifier.finish(signed, parts, body)?;
        check_service(&signer.service, call)?;
        Ok(Some(signer))
    }

    fn caller(
        &self,
        identity: Option<Identity<'_>>,
        parts: &Parts,
        request_id: RequestId,
        peer: Peer,
    ) -> Caller {
        let account = identity.as_ref().and_then(|identity| {
            let named = self.accounts.get(&*identity.access_key).cloned();
            named.or_else(|| AccountId::parse(&identity.access_key))
        });
        let region = identity
            .as_ref()
            .and_then(|identity| Region::parse(&identity.region));
        Caller {
            account: account.unwrap_or_else(AccountId::unnamed),
            region: region.unwrap_or_else(Region::unnamed),
            access_key: identity.map(|identity| identity.access_key.into_owned()),
            request_id,
            host: host(parts).unwrap_or_default().to_owned(),
            secure: peer.secure,
            peer: peer.address,
        }
    }
}

fn check_service(signed_for: &str, call: &Call) -> Result<(), ServiceError> {
    let signing_name = call.endpoint.signing_name();
    if signed_for == signing_name {
        return Ok(());
    }
    Err(ServiceError::sender(
        "InvalidSignatureException",
        format!("Credential should be scoped to correct service: '{signing_name}'."),
    ))
}
