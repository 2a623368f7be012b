//! From a request to the operation that answers it, and back to a reply.
//!
//! `route` is the one place that looks at how a request names its operation: `X-Amz-Target`, Query's `Action`, or RPC v2's path.
//! REST paths are to join there. `admit` judges a request by its head before any of its body is held. A body that is compressed
//! is signed as it comes, and routed as it is meant.

mod admit;
mod guest;
mod reply;
mod request_ids;
mod route;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{Request, Response};
use model::{AccountId, Clock, Rng};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinError, JoinHandle};
use tokio::time::Instant;

use self::admit::{Bodies, Judged};
pub use self::guest::{Guest, Told};
use self::guest::{Hosted, is_plain_read};
use self::reply::Replier;
use self::request_ids::RequestIds;
use self::route::Lost;
use crate::body::{Body, BodyError, Incoming, Untaken, collect, discard};
use crate::error::ServiceError;
use crate::gzip;
use crate::held::{Buffered, Held};
use crate::limits::Limits;
use crate::protocol::Protocol;
use crate::service::Endpoint;
use crate::sigv4::Verifier;

/// Answers requests for our own pages: `/metrics`, and all under `/_headwater/`. Whatever body they have is thrown away: nobody has
/// signed it. What a guest's clients ask of `/metrics` is not for them.
pub type OwnPages =
    Arc<dyn Fn(Request<Bytes>) -> BoxFuture<'static, Response<Bytes>> + Send + Sync>;
/// Is told of every request answered.
pub type Observer = Arc<dyn Fn(&Observation<'_>) + Send + Sync>;

/// What there is to know of a request once it is answered. A reply that streams counts as answered when it begins.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// The service by its signing name; empty where none was found.
    pub service: &'static str,
    /// The operation; empty where none was found.
    pub operation: &'static str,
    /// HTTP status.
    pub status: u16,
    /// AWS's name for the error, if it was one.
    pub error: Option<&'a str>,
    /// Length of the request's body, as far as it was read.
    pub bytes_in: usize,
    /// Length of the reply's body; 0 where it is not known when the reply begins.
    pub bytes_out: usize,
    /// From the last byte of the request, or a guest's first, to the reply.
    pub duration: Duration,
}

/// Whether signatures are checked.
#[derive(Debug, Default)]
pub enum Auth {
    /// They are not: credentials say who is calling, and are believed. For loopback alone.
    #[default]
    Off,
    /// Every request must be signed by a key the verifier knows.
    On(Verifier),
}

/// The far end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether it came over TLS.
    pub secure: bool,
}

/// Finds the operation for each request and has it answered.
pub struct Router {
    by_target: HashMap<&'static str, Arc<Endpoint>>,
    /// Those that speak Query.
    by_query: Vec<Arc<Endpoint>>,
    accounts: HashMap<String, AccountId>,
    auth: Auth,
    limits: Limits,
    clock: Clock,
    observer: Option<Observer>,
    own_pages: Option<OwnPages>,
    guest: Option<Hosted>,
    request_ids: RequestIds,
    buffered: Buffered,
    draining: watch::Sender<bool>,
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.by_target.values()).finish()
    }
}

impl Router {
    /// A router for these services, with authentication off and default limits.
    ///
    /// # Panics
    /// If two have the same target prefix.
    #[must_use]
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        let mut by_target = HashMap::new();
        let mut by_query = Vec::new();
        for endpoint in endpoints {
            let prefix = endpoint.target_prefix();
            let endpoint = Arc::new(endpoint);
            if endpoint.query().is_some() {
                by_query.push(Arc::clone(&endpoint));
            }
            let twice = by_target.insert(prefix, endpoint).is_some();
            assert!(!twice, "two services are called {prefix}");
        }
        Router {
            by_target,
            by_query,
            accounts: HashMap::new(),
            auth: Auth::Off,
            limits: Limits::default(),
            clock: Clock::system(),
            observer: None,
            own_pages: None,
            guest: None,
            request_ids: RequestIds::new(&Rng::system()),
            buffered: Buffered::default(),
            draining: watch::Sender::new(false),
        }
    }

    /// The same with authentication as given.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// The same, with the accounts that access keys belong to. A key that is not named here is of the account whose twelve
    /// digits it is, or of the one without a name.
    #[must_use]
    pub fn accounts(mut self, accounts: HashMap<String, AccountId>) -> Self {
        self.accounts = accounts;
        self
    }

    /// The same with other limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same with another clock, against which signatures' dates are held.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The same, telling `observer` of every request answered. It is called on the request's path: be quick.
    #[must_use]
    pub fn observe(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The same with pages of our own. They see requests without their signature being checked; who asks is the [`Peer`] in
    /// the request's extensions.
    #[must_use]
    pub fn own_pages(mut self, pages: OwnPages) -> Self {
        self.own_pages = Some(pages);
        self
    }

    pub(crate) fn limits_in_force(&self) -> &Limits {
        &self.limits
    }

    /// Ends all replies of events, and all operations that are abandonable, now and from now on: the server is to stop.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Waits until no request is being answered, by whichever connection it came and even if that is gone.
    pub(crate) async fn finished(&self) {
        // Every reply in the making holds a receiver.
        self.draining.closed().await;
    }

    /// What is held, as a further connection sees it.
    pub(crate) fn share(&self) -> Buffered {
        self.buffered.for_connection()
    }

    /// Answers a request: leaves it to the guest if it is the guest's; judges it by its head; collects its body if there is hope
    /// for it, then as [`Router::answer`].
    pub async fn handle<B>(self: Arc<Self>, request: Request<B>, peer: Peer) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BodyError>,
    {
        let share = self.share();
        self.handle_sharing(request, peer, share).await
    }

    /// As [`Router::handle`], for one of the requests of a connection that hold memory together.
    pub(crate) async fn handle_sharing<B>(
        self: Arc<Self>,
        request: Request<B>,
        peer: Peer,
        share: Buffered,
    ) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BodyError>,
    {
        let (parts, body) = request.into_parts();
        if let Some(guest) = self.guest_for(&parts) {
            let body = Incoming::new(body, &self.limits);
            return self.host(guest, parts, body, peer).await;
        }
        if self.is_own_page(&parts) {
            discard(body, &self.limits).await;
            return self.own_page(parts, peer, &share).await;
        }
        let judged = match self.judge(&parts) {
            Ok(judged) => judged,
            Err(refusal) => {
                let bytes_in = discard(body, &self.limits).await;
                return counted(self.replier(bytes_in).refuse(&refusal), &share);
            }
        };
        let mut held = judged.hold_none(&share);
        match collect(body, &self.limits, &mut held).await {
            Ok(body) => self.answer_judged(judged, parts, body, peer, held).await,
            Err(why) => self.refuse_body(&parts, why),
        }
    }

    /// Answers a request whose body is here. What it does is done to the end even if the caller loses interest, for a
    /// client's disconnect must not undo a commit halfway; but for operations that say they are abandonable. Guests have
    /// no part in this.
    pub async fn answer(self: Arc<Self>, parts: Parts, body: Bytes, peer: Peer) -> Response<Body> {
        let share = self.share();
        if self.is_own_page(&parts) {
            return self.own_page(parts, peer, &share).await;
        }
        match self.judge(&parts) {
            Ok(judged) => {
                let held = judged.hold_none(&share);
                self.answer_judged(judged, parts, body, peer, held).await
            }
            Err(refusal) => counted(self.replier(body.len()).refuse(&refusal), &share),
        }
    }

    async fn answer_judged(
        self: Arc<Self>,
        judged: Judged,
        parts: Parts,
        sent: Bytes,
        peer: Peer,
        mut held: Held,
    ) -> Response<Body> {
        let share = held.buffered().clone();
        // Who does not read its replies is not to fill the memory with them.
        if share.is_over(&self.limits) {
            return self.refuse_body(&parts, Untaken::NoRoom);
        }
        let body = match gzip::open(&parts.headers, &sent, &self.limits, &mut held) {
            Ok(body) => body,
            Err(why) => return self.refuse_body(&parts, why),
        };
        let replier = self.replier(sent.len());
        let bytes = Bodies {
            sent: &sent,
            meant: &body,
        };
        let admitted = self.admit(judged, &parts, bytes, replier.request_id, peer);
        let (mut call, caller) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => return counted(replier.refuse(&refusal), &share),
        };
        held.verify();
        let replier = replier.for_call(&call);
        let failed = replier.clone();
        let payload = call.payload(parts, body, &caller);
        let is_abandonable = call.endpoint.is_abandonable(call.operation);
        let unsent = share.hold_none();
        let work = tokio::spawn(async move {
            let answered = call.endpoint.call(call.operation, caller, payload).await;
            drop(held);
            let response = match answered {
                Ok(reply) => replier.reply(reply),
                Err(error) => replier.error(&error),
            };
            response.map(|body| body.counted(unsent))
        });
        let done = if is_abandonable {
            self.wait_for(work).await
        } else {
            Some(work.await)
        };
        match done {
            Some(Ok(response)) => response,
            Some(Err(panic)) => {
                tracing::error!(%panic, service = failed.service, operation = failed.operation, "a handler failed");
                failed.error(&ServiceError::internal())
            }
            None => failed.error(&stopping()),
        }
    }

    /// Waits for work that ends early if this wait does, or if the server is to stop: then there is nothing to tell.
    async fn wait_for<T>(&self, work: JoinHandle<T>) -> Option<Result<T, JoinError>> {
        let _ended_with_this = Abandoned(work.abort_handle());
        let mut draining = self.draining.subscribe();
        tokio::select! {
            biased;
            done = work => Some(done),
            _ = draining.wait_for(|draining| *draining) => None,
        }
    }

    fn replier(&self, bytes_in: usize) -> Replier {
        Replier {
            request_id: self.request_ids.next(),
            protocol: Protocol::Json11,
            query: None,
            is_checksummed: false,
            service: "",
            operation: "",
            bytes_in,
            started: Instant::now(),
            observer: self.observer.clone(),
            draining: self.draining.subscribe(),
        }
    }

    fn refuse_body(&self, parts: &Parts, why: Untaken) -> Response<Body> {
        let limit = self.limits.body_bytes_max;
        let error = match why {
            Untaken::TooLarge => ServiceError::sender(
                "RequestEntityTooLarge",
                format!("the request's body must be at most {limit} bytes"),
            )
            .with_status(413),
            Untaken::NoRoom => ServiceError::receiver(
                "ServiceUnavailable",
                "the server holds as many bytes of requests and of replies that nobody reads as it may: try again",
            )
            .with_status(503),
            Untaken::NotGzip => ServiceError::serialization("the request's body is not gzip"),
            Untaken::TooSlow | Untaken::Broken => {
                ServiceError::sender("RequestTimeout", "the request's body did not arrive")
                    .with_status(408)
            }
        };
        let replier = self.replier(0);
        match self.route(parts, &[]) {
            Ok(call) => replier.for_call(&call).error(&error),
            Err(lost) => replier.lost(&Lost { error, ..lost }),
        }
    }

    fn is_own_page(&self, parts: &Parts) -> bool {
        match parts.uri.path() {
            METRICS => is_plain_read(parts) || self.claimed_by_guest(parts).is_none(),
            path => path == "/_headwater" || path.starts_with("/_headwater/"),
        }
    }

    /// Health is small, and asked for just when there is no room; the metrics are not.
    async fn own_page(&self, mut parts: Parts, peer: Peer, share: &Buffered) -> Response<Body> {
        if parts.uri.path() == METRICS && share.is_over(&self.limits) {
            return self.refuse_body(&parts, Untaken::NoRoom);
        }
        parts.extensions.insert(peer);
        let request = Request::from_parts(parts, Bytes::new());
        let response = match &self.own_pages {
            Some(pages) => pages(request).await.map(Body::from),
            None => {
                let mut response = Response::new(Body::from(Bytes::from_static(b"no such page\n")));
                *response.status_mut() = http::StatusCode::NOT_FOUND;
                response
            }
        };
        counted(response, share)
    }
}

/// A reply that counts among those that are not read yet.
fn counted(response: Response<Body>, share: &Buffered) -> Response<Body> {
    response.map(|body| body.counted(share.hold_none()))
}

/// Ends a task when dropped.
struct Abandoned(AbortHandle);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn stopping() -> ServiceError {
    ServiceError::receiver("ServiceUnavailable", "the server is stopping: try again")
        .with_status(503)
}

/// The one page of our own that is large. It may also be the name of a guest's bucket.
const METRICS: &str = "/metrics";

#[cfg(test)]
mod tests;
