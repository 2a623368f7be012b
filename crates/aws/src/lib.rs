//! AWS's wire: how requests reach a service and how answers leave it.
//!
//! This crate must never know a service: no operation, no shape, no rule of any of them. A service hands in a table of
//! operations ([`Operations`]) and gets called with plain structs.
//!
//! Read in this order:
//! - [`service`]: what a service hands in. [`caller`], [`error`], [`shapes`]: the words its handlers use.
//! - [`rules`]: constraints on input, as data.
//! - [`value`]: the one document between formats and shapes.
//! - [`protocol`]: the seam; behind it one file a format: [`json`], [`cbor`]; beside it [`event_stream`]. [`query`] reads
//!   parameters and answers in XML.
//! - [`router`]: from a request to its operation and back. [`sigv4`]: who sent it.
//! - [`server`]: the port; [`tls`], [`limits`], [`body`] serve it.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use aws::{Caller, Operations, Router, Server, ServiceError};
//!
//! struct Greeter;
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Greeting {
//!     name: String,
//! }
//!
//! async fn greet(_: Arc<Greeter>, caller: Caller, from: Greeting) -> Result<Greeting, ServiceError> {
//!     let name = format!("{} of {}", from.name, caller.account);
//!     Ok(Greeting { name })
//! }
//!
//! # async fn run() -> std::io::Result<()> {
//! let operations = Operations::new("greeter", "Greeter_2026").on("Greet", &[], greet);
//! let router = Router::new([operations.serve(Arc::new(Greeter))]);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:4566").await?;
//! let until_interrupted = async {
//!     let _ = tokio::signal::ctrl_c().await;
//! };
//! Server::new(listener, Arc::new(router), None)
//!     .run(until_interrupted)
//!     .await;
//! # Ok(())
//! # }
//! ```

pub mod body;
pub mod caller;
pub mod cbor;
pub mod error;
pub mod event_stream;
mod gzip;
mod held;
pub mod json;
pub mod limits;
pub mod protocol;
pub mod query;
pub mod router;
pub mod rules;
pub mod server;
pub mod service;
pub mod shapes;
pub mod sigv4;
pub mod tls;
pub mod value;
mod xml;

pub use body::{Body, BodyError, Incoming};
pub use caller::{Caller, RequestId};
pub use error::{Fault, ServiceError};
pub use limits::Limits;
pub use model::{AccountId, Region};
pub use protocol::{Format, Protocol};
pub use query::{Name, Query};
pub use router::{Auth, Guest, Observation, Observer, OwnPages, Peer, Router, Told};
pub use rules::{Checker, Rule};
pub use server::Server;
pub use service::{Endpoint, Event, Operations, RawReply, RawRequest, Support};
pub use shapes::{Blob, Timestamp};
pub use value::{Value, from_value, to_value};
