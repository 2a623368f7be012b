//! Our own pages, beside AWS's operations on the same port: `/_headwater/health` and `/metrics`.
//!
//! They tell nothing of what streams hold and need no signature. The metrics name accounts and streams, though: with `--auth on`
//! other machines read them only where `--metrics all` says so.

use std::sync::Arc;

use aws::Peer;
use aws::router::OwnPages;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use serde::Serialize;

use super::engine::Engine;
use super::metrics::Metrics;
use crate::VERSION;
use crate::config::{Auth, Config, Durability, MetricsFor, StoreKind};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
/// What `prometheus-client` writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What `/_headwater/health` answers.
#[derive(Debug, Serialize)]
struct Health {
    /// `ok`, or `poisoned`: the store refuses writes and the server is about to stop.
    status: &'static str,
    version: &'static str,
    store: &'static str,
    durability: &'static str,
    poisoned: bool,
}

struct Pages {
    metrics: Arc<Metrics>,
    engine: Engine,
    /// Whether metrics are for this machine alone.
    are_metrics_local: bool,
    store: &'static str,
    durability: &'static str,
}

/// The pages, for the router.
pub(super) fn own_pages(metrics: Arc<Metrics>, engine: Engine, config: &Config) -> OwnPages {
    let (store, durability) = match (config.store.value, config.durability.value) {
        (StoreKind::Embedded, Durability::Sync) => ("embedded", "sync"),
        (StoreKind::Embedded, Durability::Os) => ("embedded", "os"),
        (StoreKind::Memory, _) => ("memory", "none"),
        (StoreKind::Discard, _) => ("discard", "none"),
    };
    let pages = Pages {
        metrics,
        engine,
        are_metrics_local: config.auth.value == Auth::On
            && config.metrics.value == MetricsFor::Loopback,
        store,
        durability,
    };
    Arc::new(move |request: Request<Bytes>| {
        let response = pages.answer(&request);
        Box::pin(std::future::ready(response))
    })
}

impl Pages {
    fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return page(StatusCode::METHOD_NOT_ALLOWED, TEXT, "GET only\n");
        }
        match request.uri().path() {
            "/_headwater/health" => self.health(),
            "/metrics" | "/_headwater/metrics" if self.are_metrics_local && !is_local(request) => {
                page(
                    StatusCode::FORBIDDEN,
                    TEXT,
                    "metrics are for this machine alone; --metrics all opens them\n",
                )
            }
            "/metrics" | "/_headwater/metrics" => match self.metrics.text() {
                Ok(text) => page(StatusCode::OK, OPEN_METRICS, text),
                Err(error) => {
                    tracing::error!(%error, "metrics could not be written");
                    page(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "no metrics\n")
                }
            },
            _ => page(
                StatusCode::NOT_FOUND,
                TEXT,
                "there are /_headwater/health and /metrics\n",
            ),
        }
    }

    fn health(&self) -> Response<Bytes> {
        let poisoned = self.engine.is_poisoned();
        let health = Health {
            status: if poisoned { "poisoned" } else { "ok" },
            version: VERSION,
            store: self.store,
            durability: self.durability,
            poisoned,
        };
        let status = if poisoned {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::OK
        };
        let body = serde_json::to_vec(&health).expect("a struct of words and a flag is JSON");
        page(status, JSON, body)
    }
}

/// Whether it comes from this machine. A request of unknown origin does not.
fn is_local(request: &Request<Bytes>) -> bool {
    let peer = request.extensions().get::<Peer>();
    peer.is_some_and(|peer| peer.address.ip().to_canonical().is_loopback())
}

fn page(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn check(peer: Option<&str>, expected: bool) {
        let mut request = Request::new(Bytes::new());
        if let Some(address) = peer {
            let address: SocketAddr = address.parse().unwrap();
            let peer = Peer {
                address,
                secure: false,
            };
            request.extensions_mut().insert(peer);
        }
        assert_eq!(is_local(&request), expected, "{peer:?}");
    }

    #[test]
    fn only_loopback_is_this_machine() {
        check(Some("127.0.0.1:1"), true);
        check(Some("[::1]:1"), true);
        check(Some("[::ffff:127.0.0.1]:1"), true);
        check(Some("192.0.2.7:1"), false);
        check(None, false);
    }
}
