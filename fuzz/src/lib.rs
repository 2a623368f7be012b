//! What several fuzz targets need: requests written as text, and answering one.

pub mod kafka;

use std::net::SocketAddr;
use std::sync::Arc;

use aws::{Body, Peer, Router};
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use tokio::runtime::{Builder, Runtime};

/// Reads `METHOD TARGET`, then a header a line, an empty line, and the body. `None` where hyper would not let it pass.
#[must_use]
pub fn request(data: &[u8]) -> Option<(Parts, Bytes)> {
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, &data[data.len()..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = first.split_once(' ')?;
    let mut builder = Request::builder().method(method).uri(target);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        builder = builder.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    let (parts, ()) = builder.body(()).ok()?.into_parts();
    Some((parts, Bytes::copy_from_slice(body)))
}

/// Where all requests come from.
#[must_use]
pub fn peer() -> Peer {
    Peer {
        address: SocketAddr::from(([127, 0, 0, 1], 4)),
        secure: false,
    }
}

/// A runtime of one thread, so that a run is the same each time.
///
/// # Panics
/// If the system gives none.
#[must_use]
pub fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime of this thread")
}

/// Has `router` answer.
#[must_use]
pub fn answer(
    runtime: &Runtime,
    router: &Arc<Router>,
    (parts, body): (Parts, Bytes),
) -> Response<Body> {
    runtime.block_on(Arc::clone(router).answer(parts, body, peer()))
}
