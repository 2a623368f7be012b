//! AWS's wire: how requests reach a service and how answers leave it.
//!
//! This crate must never know a service: no operation, no shape, no rule of any of them. A service hands in a table of
//! operations ([`Operations`]) and gets called with plain structs.
//!
//! Read in this order:
//! - `service`: what a service hands in. `caller`, `error`, `shapes`: the words its handlers use.
//! - `rules`: constraints on input, as data.
//! - `value`: the one document between formats and shapes.
//! - `protocol`: the seam; behind it one file a format: `json`, `cbor`.

pub mod body;
pub mod caller;
pub mod cbor;
pub mod error;
pub mod event_stream;
pub mod json;
pub mod limits;
pub mod protocol;
pub mod router;
pub mod rules;
pub mod server;
pub mod service;
pub mod shapes;
pub mod sigv4;
pub mod tls;
pub mod value;

pub use body::Body;
pub use caller::{Caller, RequestId};
pub use error::{Fault, ServiceError};
pub use limits::Limits;
pub use model::{AccountId, Region};
pub use protocol::{Format, Protocol};
pub use router::{Auth, Observation, Observer, OwnPages, Peer, Router};
pub use rules::{Checker, Rule};
pub use server::Server;
pub use service::{Endpoint, Event, Operations, RawReply, RawRequest, Support};
pub use shapes::{Blob, Timestamp};
pub use value::{Value, from_value, to_value};
