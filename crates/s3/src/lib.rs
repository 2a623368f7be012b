//! S3's API on a store and a directory: enough for `aws s3 cp|ls|rm|sync`, multipart uploads and presigned URLs.
//!
//! The wire is the `s3s` crate's, which this crate exists to keep out of other builds; what the operations mean is here. It
//! knows no socket and no engine: [`S3::answer`] takes an HTTP request from whoever has one.
//!
//! Read in this order: `operations` (what is served), `namespace` (the state, and the order of a write), `records` (what is
//! in the catalog), `bodies` (what is on disk); then the operations, each in the file of its name; then the way in: `caller`,
//! `incoming`, `chunked`.
//!
//! **Not promised.** Versions, encryption, access control lists, policies, lifecycles, events: requests that ask for them
//! are refused. One process owns a directory of bodies: several nodes on one store need a shared place for bodies, which
//! this is not.

mod about;
mod bodies;
mod buckets;
mod caller;
mod checksums;
mod chunked;
mod conditions;
mod copy;
mod delete;
mod error;
mod get;
mod incoming;
mod intake;
mod limits;
mod list;
mod listing;
mod namespace;
mod operations;
mod parts;
mod percent;
mod put;
mod reader;
mod records;
mod shown;
mod tagging;
mod turns;
mod uploads;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use model::{Clock, Rng};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use store::{Store, StoreError};
use tokio::sync::Semaphore;

use crate::caller::Secrets;
use crate::error::Error;
use crate::incoming::{Incoming, Passage};
use crate::limits::{HEADER_BYTES_MAX, URI_BYTES_MAX, XML_BODIES_MAX, XML_BYTES_MAX};
use crate::namespace::Namespace;
use crate::operations::Operations;

pub use crate::caller::{Auth, Secret};
pub use crate::incoming::BoxError;

/// A reply's body. It fails where the disk does while an object is read.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Why S3 could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The catalog could not be read.
    #[error("could not read which objects there are")]
    Store(#[from] StoreError),
    /// The directory of bodies could not be made, read or swept.
    #[error("could not open the objects' bodies")]
    Bodies(#[source] std::io::Error),
}

/// An S3 endpoint, path-style. Cheap to clone.
#[derive(Clone)]
pub struct S3 {
    service: S3Service,
    namespace: Arc<Namespace>,
    xml_bodies: Arc<Semaphore>,
}

impl S3 {
    /// Opens the endpoint: documents in `store`, bodies in `directory`, which is made if need be. Bodies that no document
    /// names, left by uploads that did not end, are removed: nothing else may use the directory.
    ///
    /// # Errors
    /// [`OpenError`] where the catalog or the directory cannot be read.
    pub async fn open(
        store: Arc<dyn Store>,
        directory: &Path,
        clock: Clock,
        rng: Rng,
        auth: Auth,
    ) -> Result<S3, OpenError> {
        let namespace = Namespace::open(store, directory, clock, rng, auth.clone()).await?;
        let namespace = Arc::new(namespace);
        let mut builder = S3ServiceBuilder::new(Operations(Arc::clone(&namespace)));
        let mut config = S3Config::default();
        config.xml_max_body_size = XML_BYTES_MAX;
        // Browsers' forms are refused before s3s sees them, which holds them in memory; this is a second lock on that door.
        config.post_object_max_file_size = 0;
        config.form_max_fields_size = 0;
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        if let Auth::On(secrets) = auth {
            builder.set_auth(Secrets(secrets));
        }
        Ok(S3 {
            service: builder.build(),
            namespace,
            xml_bodies: Arc::new(Semaphore::new(XML_BODIES_MAX)),
        })
    }

    /// Answers a request. What it does is done to the end even if the caller loses interest.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut parts, body) = request.into_parts();
        if let Err(error) = admit(&parts) {
            return refusal(error);
        }
        let passage = Passage::default();
        let caller = self.namespace.auth.claimed(&parts);
        let framing = caller::framing(&parts.headers, &self.namespace.auth);
        if !self.namespace.auth.is_on() {
            caller::unsign(&mut parts);
        }
        parts.extensions.insert(caller);
        parts.extensions.insert(passage.clone());
        let room = is_held(&parts).then(|| Arc::clone(&self.xml_bodies));
        let body = Incoming::new(body, framing, passage, room);
        let request = Request::from_parts(parts, s3s::Body::http_body_unsync(body));
        let service = self.service.clone();
        let work = tokio::spawn(async move { service.call(request).await });
        match work.await {
            Ok(Ok(response)) => with_id(response.map(boxed), &self.namespace.rng),
            Ok(Err(error)) => {
                tracing::error!(?error, "an S3 answer could not be made");
                refusal(Error::Internal)
            }
            Err(panic) => {
                tracing::error!(%panic, "an S3 operation failed");
                refusal(Error::Internal)
            }
        }
    }
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("S3").field(&self.namespace.bodies).finish()
    }
}

/// Refuses what s3s would hold in memory, or is larger than S3 allows.
fn admit(parts: &Parts) -> error::Result<()> {
    let header =
        |(name, value): (&http::HeaderName, &HeaderValue)| name.as_str().len() + value.len();
    if parts.headers.iter().map(header).sum::<usize>() > HEADER_BYTES_MAX {
        return Err(Error::HeadersTooLarge);
    }
    let target = parts.uri.path_and_query();
    if target.is_some_and(|target| target.as_str().len() > URI_BYTES_MAX) {
        return Err(Error::request("The URI is too long."));
    }
    let content_type = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_form = content_type.is_some_and(|given| {
        let form = b"multipart/form-data";
        given.len() >= form.len() && given[..form.len()].eq_ignore_ascii_case(form)
    });
    if parts.method == Method::POST && is_form {
        return Err(Error::NotImplemented(
            "A header you provided implies functionality that is not implemented: browser-based uploads",
        ));
    }
    Ok(())
}

/// Whether s3s reads the whole body before the operation begins, XML that is, rather than pass it on as it comes.
fn is_held(parts: &Parts) -> bool {
    let is_object = parts.uri.path().trim_start_matches('/').contains('/');
    let mut named = parts.uri.query().unwrap_or_default().split('&');
    let is_about = named.any(|pair| matches!(pair.split('=').next(), Some("tagging")));
    let streams = parts.method == Method::PUT && is_object && !is_about;
    !streams
}

fn boxed(body: s3s::Body) -> Body {
    body.boxed_unsync()
}

/// An answer that s3s has no part in.
fn refusal(error: Error) -> Response<Body> {
    match s3s::S3Error::from(error).to_http_response() {
        Ok(response) => response.map(boxed),
        Err(_) => {
            let nothing = http_body_util::Empty::new().map_err(|never| match never {});
            let mut response = Response::new(nothing.boxed_unsync());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

fn with_id(mut response: Response<Body>, rng: &Rng) -> Response<Body> {
    let id = format!("{:016X}", rng.next_u64());
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert("x-amz-request-id", id);
    }
    response
}
