//! Our own pages, beside AWS's operations on the same port: `/_headwater/health` and `/metrics`.
//!
//! They tell nothing of what streams hold and need no signature, so that probes and scrapers work with `--auth on`.

use std::sync::Arc;

use aws::router::OwnPages;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use serde::Serialize;

use super::engine::Engine;
use super::metrics::Metrics;
use crate::VERSION;
use crate::config::{Config, Durability, StoreKind};

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

fn page(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
