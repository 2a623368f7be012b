//! What every protocol means by a stream, without a wire: its life, its shards and their lineage, its retention, its
//! encryption, reading from a position; and delivery as queues have it.
//!
//! It must never know: a protocol's words or errors, which engine stores its records.
//!
//! Read in this order: [`stream`], [`topology`], [`reshard`], [`numbers`], [`registry`], [`records`], [`inflate`],
//! [`visible`], [`seal`], [`retention`]; [`undecided`] and [`aborted`], which tell committed records from others; then
//! [`compaction`], and [`delivery`] by itself.

pub mod stream;

pub mod topology;

mod turns;

pub mod reshard;

pub mod numbers;

pub mod registry;

pub mod records;

pub mod inflate;

mod inflated;

mod deflate;

pub mod visible;

pub mod seal;

pub mod retention;

pub mod compaction;

pub mod undecided;

pub mod aborted;

pub mod delivery;

pub use inflate::{InflateError, inflate, inflated, look_into};
pub use numbers::Number;
pub use records::{Position, ReadBatch};
pub use registry::{Follower, NewStream, Streams, StreamsError};
pub use reshard::{Plan, Planner, ReshardError};
pub use seal::{Keyring, Sealer, WrappedKey};
pub use stream::{Mode, Settings, Status, Stream, StreamName};
pub use topology::{Former, Shard, Topology};
pub use visible::Visible;

#[cfg(test)]
mod tests;
