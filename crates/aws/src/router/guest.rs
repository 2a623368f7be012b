//! A guest: a service that answers HTTP by itself, with bodies that stream both ways. S3 is one.
//!
//! Every protocol here but S3's names its operation in a header or parameter; S3 names it by method and path. So what is
//! signed for the guest is the guest's, and so is what is signed for nobody and speaks no protocol of ours.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{Method, Request, Response};

use super::route::{Lost, header, is_form, is_rpc_v2};
use super::{Peer, Router};
use crate::body::{Body, Incoming};
use crate::error::ServiceError;
use crate::protocol::Protocol;
use crate::query::Parameters;
use crate::sigv4::Identity;

/// Answers requests as they come, and checks who sent them. The [`Peer`] is in the request's extensions; [`Told`] may be put
/// into the response's. What it began is done to the end even if the client goes away, as with operations.
pub type Guest = Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// What a guest tells the observer of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The operation, such as `PutObject`; empty where there was none.
    pub operation: &'static str,
    /// The error's code, if it was one.
    pub error: Option<Cow<'static, str>>,
}

#[derive(Clone)]
pub(super) struct Hosted {
    signing_name: &'static str,
    guest: Guest,
}

impl Router {
    /// The same with a guest, whose requests are those signed for `signing_name`, and those that are signed for nobody and
    /// speak no protocol of ours. Its signatures are its own business, whatever [`Router::auth`] says.
    #[must_use]
    pub fn guest(mut self, signing_name: &'static str, guest: Guest) -> Self {
        self.guest = Some(Hosted {
            signing_name,
            guest,
        });
        self
    }

    /// The guest, if the request is for it.
    pub(super) fn guest_for(&self, parts: &Parts) -> Option<Hosted> {
        if self.is_own_page(parts) {
            return None;
        }
        self.claimed_by_guest(parts).cloned()
    }

    /// The guest, if the request is signed for it, or for nobody and in no protocol of ours.
    pub(super) fn claimed_by_guest(&self, parts: &Parts) -> Option<&Hosted> {
        let hosted = self.guest.as_ref()?;
        let is_for_guest = match Identity::of(parts) {
            Some(identity) => identity.service == hosted.signing_name,
            None => !self.speaks_ours(parts),
        };
        is_for_guest.then_some(hosted)
    }

    fn speaks_ours(&self, parts: &Parts) -> bool {
        let content_type = header(parts, CONTENT_TYPE.as_str()).unwrap_or_default();
        let is_post = parts.method == Method::POST;
        if is_rpc_v2(parts) || is_post && parts.headers.contains_key("x-amz-target") {
            return true;
        }
        if is_post && (Protocol::of_content_type(content_type).is_some() || is_form(content_type)) {
            return true;
        }
        // S3 has no parameter of this name, but a client may send it any.
        let parameters = Parameters::read(&parts.uri, &[]).unwrap_or_default();
        let action = parameters.get("Action");
        action.is_some_and(|action| self.by_query.iter().any(|e| e.operation(action).is_some()))
    }

    /// Has the guest answer.
    pub(super) async fn host(
        &self,
        hosted: Hosted,
        parts: Parts,
        body: Incoming,
        peer: Peer,
    ) -> Response<Body> {
        let mut replier = self.replier(0);
        replier.service = hosted.signing_name;
        let failed = replier.clone();
        let read = body.count();
        let mut request = Request::from_parts(parts, body);
        request.extensions_mut().insert(peer);
        let work = tokio::spawn(async move {
            let response = (hosted.guest)(request).await;
            replier.bytes_in = read.load(Ordering::Relaxed);
            replier.of_guest(response)
        });
        work.await.unwrap_or_else(|panic| {
            tracing::error!(%panic, service = failed.service, "a guest failed");
            failed.lost(&Lost::in_none(ServiceError::internal()))
        })
    }
}

/// Whether this is a GET as probes and scrapers send it, who may have credentials of another kind: nothing in it is AWS's.
pub(super) fn is_plain_read(parts: &Parts) -> bool {
    let is_signed = header(parts, AUTHORIZATION.as_str()).is_some_and(|by| by.starts_with("AWS"));
    let is_mark = |name: &str| name.starts_with("x-amz-") || name.starts_with("amz-sdk-");
    let is_presigned = parts.uri.query().is_some_and(|query| {
        let mut names = query.split('&');
        names.any(|name| name.to_ascii_lowercase().starts_with("x-amz-"))
    });
    matches!(parts.method, Method::GET | Method::HEAD)
        && !is_signed
        && !is_presigned
        && !parts.headers.keys().any(|name| is_mark(name.as_str()))
}
