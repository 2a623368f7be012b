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

pub mod caller;
pub mod cbor;
pub mod error;
pub mod json;
pub mod protocol;
pub mod rules;
pub mod service;
pub mod shapes;
pub mod sigv4;
pub mod value;

pub use caller::{Caller, RequestId};
pub use error::{Fault, ServiceError};
pub use model::{AccountId, Region};
pub use protocol::{Format, Protocol};
pub use rules::{Checker, Rule};
pub use service::{Endpoint, Event, Operations, RawReply, RawRequest, Support};
pub use shapes::{Blob, Timestamp};
pub use value::{Value, from_value, to_value};
