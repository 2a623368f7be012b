//! The Rust client of AWS's wire: what `headwater`'s own verbs use, and what producers and consumers grow from.
//!
//! It must never know an engine, a store or a service's code: it sees a server as any client does, and works against AWS too.
//!
//! Read in this order:
//! - [`call`]: one operation, signed, retried. `connection` is the HTTP below, `pace` how long it is waited for, [`error`] what
//!   can go wrong.
//! - [`environment`]: where AWS's tools look for region, endpoint and keys.
//! - [`kinesis`]: the operations of Kinesis Data Streams the verbs need, and their shapes.
//! - [`sqs`]: those of SQS. [`dynamodb`]: those of DynamoDB that keep leases. [`kafka`]: those of Kafka.
//! - [`cloudwatch`]: metrics of one's own, published in the background.
//! - [`producer`]: what the KPL does. [`envelope`]: compressed and encrypted records.
//! - [`lineage`]: which shards may be read now, parents before children. [`tail`]: reading all shards of a stream by it.
//! - [`consumer`]: many workers sharing a stream, as with the KCL.
//! - [`page`]: a document by an unsigned GET.

pub mod call;
pub mod cloudwatch;
mod connection;
pub mod consumer;
pub mod dynamodb;
pub mod envelope;
pub mod environment;
pub mod error;
pub mod kafka;
pub mod kinesis;
pub mod lineage;
mod pace;
pub mod page;
pub mod producer;
pub mod sqs;
pub mod tail;

pub use aws::sigv4::Credentials;
pub use call::{Body, Client, Options, Target};
pub use cloudwatch::CloudWatch;
pub use error::ClientError;
pub use kafka::Kafka;
pub use kinesis::Kinesis;
pub use model::{HashKey, Region};
pub use page::Page;
pub use producer::Producer;
pub use sqs::Sqs;

/// The guide's examples, which have to compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/producer.md")]
struct Guide;
