//! The Rust client of AWS's wire: what `headwater`'s own verbs use, and what producers and consumers grow from.
//!
//! It must never know an engine, a store or a service's code: it sees a server as any client does, and works against AWS too.
//!
//! Read in this order:
//! - [`call`]: one operation, signed, retried. `connection` is the HTTP below, [`error`] what can go wrong.
//! - [`kinesis`]: the operations of Kinesis Data Streams the verbs need, and their shapes.
//! - [`sqs`]: those of SQS.
//! - [`lineage`]: which shards may be read now, parents before children. [`tail`]: reading all shards of a stream by it.

pub mod call;
mod connection;
pub mod error;
pub mod kinesis;
pub mod lineage;
pub mod sqs;
pub mod tail;

pub use aws::sigv4::Credentials;
pub use call::{Client, Options, Target};
pub use error::ClientError;
pub use kinesis::Kinesis;
pub use sqs::Sqs;
