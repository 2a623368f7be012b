//! From a request to the operation that answers it, and back to a reply.
//!
//! Today every service here is named by `X-Amz-Target`. Query's `Action`, REST paths and RPC v2's paths join in
//! `Router::route`, which is the one place that looks at how a request names its operation.

mod reply;
mod request_ids;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{Method, Request, Response};
use model::{AccountId, Clock, Region, Rng};
use tokio::sync::watch;
use tokio::time::Instant;

use self::reply::Replier;
use self::request_ids::RequestIds;
use crate::body::{Body, Buffered, Held, Untaken, collect};
use crate::caller::{Caller, RequestId};
use crate::error::ServiceError;
use crate::limits::Limits;
use crate::protocol::Protocol;
use crate::service::Endpoint;
use crate::sigv4::{Identity, Verifier, host};

/// Answers requests for our own pages: `/metrics`, and all under `/_headwater/`.
pub type OwnPages =
    Arc<dyn Fn(Request<Bytes>) -> BoxFuture<'static, Response<Bytes>> + Send + Sync>;
/// Is told of every request answered.
pub type Observer = Arc<dyn Fn(&Observation<'_>) + Send + Sync>;

/// What there is to know of a request once it is answered. A reply of events counts as answered when it begins.
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
    /// Length of the request's body.
    pub bytes_in: usize,
    /// Length of the reply's body; 0 for one of events.
    pub bytes_out: usize,
    /// From the last byte of the request to the reply.
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
    accounts: HashMap<String, AccountId>,
    auth: Auth,
    limits: Limits,
    clock: Clock,
    observer: Option<Observer>,
    own_pages: Option<OwnPages>,
    request_ids: RequestIds,
    buffered: Buffered,
    draining: watch::Sender<bool>,
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.by_target.values()).finish()
    }
}

/// A request that has found its operation.
struct Call {
    endpoint: Arc<Endpoint>,
    operation: &'static str,
    protocol: Protocol,
}

/// A request that has not.
enum Lost {
    /// It speaks a protocol we can answer in.
    Known(Protocol, ServiceError),
    /// It does not; AWS then answers in XML.
    Unknown(ServiceError),
}

impl Router {
    /// A router for these services, with authentication off and default limits.
    ///
    /// # Panics
    /// If two have the same target prefix.
    #[must_use]
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        let mut by_target = HashMap::new();
        for endpoint in endpoints {
            let prefix = endpoint.target_prefix();
            let twice = by_target.insert(prefix, Arc::new(endpoint)).is_some();
            assert!(!twice, "two services are called {prefix}");
        }
        Router {
            by_target,
            accounts: HashMap::new(),
            auth: Auth::Off,
            limits: Limits::default(),
            clock: Clock::system(),
            observer: None,
            own_pages: None,
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

    /// Ends all replies of events, now and from now on: the server is to stop.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Waits until no request is being answered, by whichever connection it came and even if that is gone.
    pub(crate) async fn finished(&self) {
        // Every reply in the making holds a receiver.
        self.draining.closed().await;
    }

    /// Answers a request: collects its body, then as [`Router::answer`].
    pub async fn handle<B>(self: Arc<Self>, request: Request<B>, peer: Peer) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let (parts, body) = request.into_parts();
        let mut held = self.buffered.hold_none();
        match collect(body, &self.limits, &mut held).await {
            Ok(body) => self.answer_holding(parts, body, peer, held).await,
            Err(why) => self.refuse_body(&parts, why),
        }
    }

    /// Answers a request whose body is here. What it does is done to the end even if the caller loses interest: a
    /// client's disconnect must not undo a commit halfway.
    pub async fn answer(self: Arc<Self>, parts: Parts, body: Bytes, peer: Peer) -> Response<Body> {
        let held = self.buffered.hold_none();
        self.answer_holding(parts, body, peer, held).await
    }

    async fn answer_holding(
        self: Arc<Self>,
        parts: Parts,
        body: Bytes,
        peer: Peer,
        held: Held,
    ) -> Response<Body> {
        if is_own_page(parts.uri.path()) {
            return self.own_page(parts, body, peer).await;
        }
        let replier = self.replier(body.len());
        let call = match self.route(&parts) {
            Ok(call) => call,
            Err(lost) => return replier.lost(&lost),
        };
        let replier = replier.for_call(&call);
        let caller = match self.admit(&parts, &body, &call, replier.request_id, peer) {
            Ok(caller) => caller,
            Err(error) => return replier.error(&error),
        };
        let failed = replier.clone();
        let work = tokio::spawn(async move {
            let answered = call
                .endpoint
                .call(call.operation, call.protocol, caller, parts.headers, body)
                .await;
            drop(held);
            match answered {
                Ok(reply) => replier.reply(reply),
                Err(error) => replier.error(&error),
            }
        });
        match work.await {
            Ok(response) => response,
            Err(panic) => {
                tracing::error!(%panic, service = failed.service, operation = failed.operation, "a handler failed");
                failed.error(&ServiceError::internal())
            }
        }
    }

    fn replier(&self, bytes_in: usize) -> Replier {
        Replier {
            request_id: self.request_ids.next(),
            protocol: Protocol::Json11,
            service: "",
            operation: "",
            bytes_in,
            started: Instant::now(),
            observer: self.observer.clone(),
            draining: self.draining.subscribe(),
        }
    }

    /// Which operation a request names. AWS does not care about the path here.
    fn route(&self, parts: &Parts) -> Result<Call, Lost> {
        let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok());
        let denied = || {
            Lost::Unknown(
                ServiceError::sender(
                    "AccessDeniedException",
                    "Unable to determine service/operation name to be authorized",
                )
                .with_status(403),
            )
        };
        if parts.method != Method::POST {
            return Err(denied());
        }
        let content_type = header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let protocol = Protocol::of_content_type(content_type);
        let Some(target) = header("x-amz-target") else {
            return Err(
                protocol.map_or_else(denied, |p| Lost::Known(p, unknown("no X-Amz-Target")))
            );
        };
        let Some(protocol) = protocol else {
            return Err(Lost::Unknown(unknown(content_type).with_status(404)));
        };
        let found = target.rsplit_once('.').and_then(|(prefix, name)| {
            let endpoint = self.by_target.get(prefix)?;
            Some((Arc::clone(endpoint), endpoint.operation(name)?))
        });
        match found {
            Some((endpoint, operation)) => Ok(Call {
                endpoint,
                operation,
                protocol,
            }),
            None => Err(Lost::Known(protocol, unknown(target))),
        }
    }

    /// Who is calling; refuses a request whose signature does not hold.
    fn admit(
        &self,
        parts: &Parts,
        body: &[u8],
        call: &Call,
        request_id: RequestId,
        peer: Peer,
    ) -> Result<Caller, ServiceError> {
        let identity = match &self.auth {
            Auth::On(verifier) => {
                let signer = verifier.identify(parts, body, self.clock.now())?;
                check_service(&signer, call.endpoint.signing_name())?;
                Some(signer)
            }
            Auth::Off => Identity::of(parts),
        };
        let account = identity.as_ref().and_then(|identity| {
            let named = self.accounts.get(&*identity.access_key).cloned();
            named.or_else(|| AccountId::parse(&identity.access_key))
        });
        let region = identity
            .as_ref()
            .and_then(|identity| Region::parse(&identity.region));
        let access_key = identity.map(|identity| identity.access_key.into_owned());
        Ok(Caller {
            account: account.unwrap_or_else(AccountId::unnamed),
            region: region.unwrap_or_else(Region::unnamed),
            access_key,
            request_id,
            host: host(parts).unwrap_or_default().to_owned(),
            secure: peer.secure,
            peer: peer.address,
        })
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
                "the server holds as many request bodies as it may: try again",
            )
            .with_status(503),
            Untaken::TooSlow | Untaken::Broken => {
                ServiceError::sender("RequestTimeout", "the request's body did not arrive")
                    .with_status(408)
            }
        };
        let replier = self.replier(0);
        match self.route(parts) {
            Ok(call) => replier.for_call(&call).error(&error),
            Err(Lost::Known(protocol, _)) => replier.lost(&Lost::Known(protocol, error)),
            Err(Lost::Unknown(_)) => replier.lost(&Lost::Unknown(error)),
        }
    }

    async fn own_page(&self, mut parts: Parts, body: Bytes, peer: Peer) -> Response<Body> {
        parts.extensions.insert(peer);
        match &self.own_pages {
            Some(pages) => pages(Request::from_parts(parts, body))
                .await
                .map(Body::from),
            None => {
                let mut response = Response::new(Body::from(Bytes::from_static(b"no such page\n")));
                *response.status_mut() = http::StatusCode::NOT_FOUND;
                response
            }
        }
    }
}

fn is_own_page(path: &str) -> bool {
    path == "/metrics" || path == "/_headwater" || path.starts_with("/_headwater/")
}

fn unknown(what: &str) -> ServiceError {
    ServiceError::sender(
        "UnknownOperationException",
        format!("no such operation: {what}"),
    )
}

fn check_service(signer: &Identity<'_>, signing_name: &str) -> Result<(), ServiceError> {
    if signer.service == signing_name {
        return Ok(());
    }
    Err(ServiceError::sender(
        "InvalidSignatureException",
        format!("Credential should be scoped to correct service: '{signing_name}'."),
    ))
}

#[cfg(test)]
mod tests;
