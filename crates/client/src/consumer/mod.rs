//! What the Kinesis Client Library does: any number of workers share a stream's shards by leases, read each key's records in
//! the order they were written, and go on where they stopped.
//!
//! **Promise.** Every record from the start on reaches a processor at least once; a shard's records in order, a child's after
//! its parents'. **Not promised:** exactly once. After a crash, or when a lease is taken from a worker that lives on, records
//! after the last checkpoint come again; [`seen`] is the cure for those who need one. Nor what comes between a crash and the next
//! worker's start to a shard without a checkpoint, where the start is [`InitialPosition::Latest`].
//!
//! Read in this order:
//! - [`config`] and [`processor`]: what a user says and writes. [`checkpointer`]: how far a shard is processed.
//! - [`position`], [`lease`], `progress`: what is kept of a shard, and the steps that change it.
//! - [`board`]: which leases a worker takes. [`hierarchy`]: which leases there must be. Both without I/O.
//! - [`leader`]: whether a worker of the KCL 3 says who has which. `fleet`: how it and we hear of each other.
//! - [`store`] and [`table`]: where leases are kept. `holding`: a lease this worker has.
//! - [`worker`]: the whole, in order. `shard`: the reading of one shard. `feed`, `poll`, `fanout`, `api`: where its records
//!   come from.
//! - [`opening`]: records in envelopes. [`seen`] and [`seen_table`]: what was processed is not given again.
//!   [`metrics`]: what is counted. `published`: what of it goes to CloudWatch.

mod api;
pub mod board;
pub mod checkpointer;
pub mod config;
mod fanout;
mod feed;
mod fleet;
pub mod hierarchy;
mod holding;
pub mod leader;
pub mod lease;
pub mod metrics;
pub mod opening;
mod poll;
pub mod position;
pub mod processor;
mod progress;
mod published;
pub mod seen;
pub mod seen_table;
mod shard;
pub mod store;
pub mod table;
pub mod worker;

pub use checkpointer::{CheckpointError, Checkpointer};
pub use config::{Config, InitialPosition, Retrieval};
pub use metrics::Snapshot;
pub use opening::Opening;
pub use position::Position;
pub use processor::{Batch, Beginning, Envelope, Failure, Processor, Record, Unopened, each};
pub use progress::OutOfOrder;
pub use seen::{MemorySeen, Seen, Uniqueness};
pub use seen_table::SeenTable;
pub use store::{LeaseStore, MemoryLeases};
pub use table::LeaseTable;
pub use worker::{Handle, Worker};

/// The examples of the guide.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/guide/consumer.md")]
struct Guide;
