//! What every protocol means by a stream, without a wire: its life, its shards and their lineage, its retention, its
//! encryption, reading from a position; and delivery as queues have it.
//!
//! It must never know: a protocol's words or errors, which engine stores its records.
//!
//! Read in this order: [`stream`], [`topology`], [`reshard`], [`numbers`], [`registry`], [`records`], [`seal`],
//! [`retention`]; then [`delivery`] by
//! itself.

pub mod stream;

pub mod topology;

mod turns;

pub mod reshard;

pub mod numbers;

pub mod registry;

pub mod records;

pub mod seal;

pub mod retention;

pub mod delivery;

pub use numbers::Number;
pub use records::{Position, ReadBatch};
pub use registry::{NewStream, Streams, StreamsError};
pub use reshard::{Plan, ReshardError};
pub use seal::{Keyring, Sealer, WrappedKey};
pub use stream::{Mode, Settings, Status, Stream, StreamName};
pub use topology::{Shard, Topology};

#[cfg(test)]
mod tests;
