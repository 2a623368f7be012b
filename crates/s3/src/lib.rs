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
//! this is not. Signatures' dates are held against the machine's clock, whatever clock is given: s3s asks nobody.

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
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
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

/// What an answer was to, for metrics: in the extensions of every response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The operation, such as `PutObject`; empty where none was begun.
    pub operation: &'static str,
    /// The error's code, if it was one.
    pub error: Option<String>,
}

/// Why S3 could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The catalog could not be read.
    #[error("could not read which objects there are")]
    Store(#[from] StoreError),
    /// The directory of bodies could not be made, read or swept.
    #[error("could not open the objects' bodies")]
    Bodies(#[source] std::io::Error),
    /// The directory holds bodies that another catalog names. To sweep it would be to lose them.
    #[error(
        "the directory holds the objects of another store: give the data directory they belong to, or move them away"
    )]
    Foreign,
    /// The catalog names bodies, and they are not in the directory.
    #[error(
        "the store's objects are not in the directory: put the directory back that belongs to the store"
    )]
    Missing,
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
    /// names, left by uploads that did not end, are removed: nothing else may use the directory. A store that does not
    /// outlive the process needs an empty directory at each start.
    ///
    /// # Errors
    /// [`OpenError`] where the catalog or the directory cannot be read, or they do not belong together.
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
        let passage = Passage::default();
        let is_unasked = expects_in_vain(request.headers());
        let mut response = match admit(request.headers(), request.uri(), request.method()) {
            Ok(()) => self.call(request, passage.clone()).await,
            Err(error) => refusal(error),
        };
        let error = code(&response);
        if let Some(code) = &error {
            explain(&mut response, code);
        }
        let outcome = Outcome {
            operation: passage.operation(),
            error,
        };
        response.extensions_mut().insert(outcome);
        let id = format!("{:016X}", self.namespace.rng.next_u64());
        if let Ok(id) = HeaderValue::try_from(id) {
            response.headers_mut().insert("x-amz-request-id", id);
        }
        if is_unasked {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response.map(BodyExt::boxed_unsync)
    }

    /// Has s3s find and call the operation.
    async fn call<B>(&self, request: Request<B>, passage: Passage) -> Response<s3s::Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut parts, body) = request.into_parts();
        let auth = &self.namespace.auth;
        let caller = auth.claimed(&parts);
        let framing = caller::framing(&parts.headers, auth);
        if !auth.is_on() {
            caller::unsign(&mut parts);
        }
        parts.extensions.insert(caller);
        parts.extensions.insert(passage.clone());
        let places = is_held(&parts).then(|| Arc::clone(&self.xml_bodies));
        if places.is_some() && body.size_hint().lower() > XML_BYTES_MAX as u64 {
            return refusal(Error::BodyTooLarge);
        }
        let body = Incoming::new(body, framing, passage.clone(), places);
        let request = Request::from_parts(parts, s3s::Body::http_body_unsync(body));
        let service = self.service.clone();
        let work = tokio::spawn(async move { service.call(request).await });
        match work.await {
            // s3s takes a body that was stopped here for a failure of its own.
            Ok(Ok(response)) if response.status().is_server_error() => {
                passage.broken().map_or(response, refusal)
            }
            Ok(Ok(response)) => response,
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
fn admit(headers: &HeaderMap, uri: &Uri, method: &Method) -> error::Result<()> {
    let length = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
    if headers.iter().map(length).sum::<usize>() > HEADER_BYTES_MAX {
        return Err(Error::HeadersTooLarge);
    }
    let target = uri.path_and_query();
    if target.is_some_and(|target| target.as_str().len() > URI_BYTES_MAX) {
        return Err(Error::request("The URI is too long."));
    }
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let form = b"multipart/form-data";
    let is_form = content_type
        .and_then(|given| given.trim_ascii_start().get(..form.len()))
        .is_some_and(|given| given.eq_ignore_ascii_case(form));
    if method == Method::POST && is_form {
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

/// Whether a client waits for "100 Continue" before it sends nothing: hyper answers such a request at once, after which botocore
/// (1.44, `AWSConnection.response_class`) misreads the next answer on the connection and waits for ever, as `aws s3 sync` does
/// with an empty file. A connection that is closed it reads well.
fn expects_in_vain(headers: &HeaderMap) -> bool {
    headers.contains_key(EXPECT)
        && headers
            .get(CONTENT_LENGTH)
            .is_none_or(|length| length == "0")
}

/// An answer that s3s has no part in.
fn refusal(error: Error) -> Response<s3s::Body> {
    let answer = s3s::S3Error::from(error).to_http_response();
    answer.unwrap_or_else(|_| {
        let mut response = Response::new(s3s::Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

/// The code of an error: the text of `Code` in its XML.
fn code(response: &Response<s3s::Body>) -> Option<String> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let body = response.body().bytes()?;
    let text = std::str::from_utf8(&body).ok()?;
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    Some(code.to_owned())
}

/// Gives an error that has no message the one AWS has.
fn explain(response: &mut Response<s3s::Body>, code: &str) {
    let Some(text) = error::text(code) else {
        return;
    };
    let bare = format!("<Code>{code}</Code></Error>");
    let is_bare = response
        .body()
        .bytes()
        .is_some_and(|body| body.ends_with(bare.as_bytes()));
    if !is_bare {
        return;
    }
    let answer = s3s::S3Error::with_message(s3s::S3ErrorCode::Custom(code.into()), text);
    if let Ok(explained) = answer.to_http_response() {
        *response.body_mut() = explained.into_body();
    }
}
