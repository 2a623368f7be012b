//! The field's words, without I/O: records and batches, offsets and sequence numbers, hash ranges, ARNs, and the seams for
//! time and randomness that make everything above testable.
//!
//! It must never know: a wire protocol, a file, a socket, an async runtime.
//!
//! Read in this order: [`time`], [`rng`], [`log`], [`record`], [`batch`], [`hash`], [`sequence`], [`arn`].

pub mod time;

pub mod rng;

pub mod log;

pub mod varint;

pub mod record;

pub mod batch;

pub mod hash;

pub mod sequence;

pub mod arn;

pub mod tally;

pub use arn::{AccountId, Arn, Region};
pub use batch::{Batch, BatchBuilder, BatchError};
pub use hash::{HashKey, HashRange};
pub use log::{LogId, Offset, StreamId};
pub use record::{Header, RecordRef};
pub use rng::Rng;
pub use sequence::SequenceNumber;
pub use tally::Tally;
pub use time::{Clock, Timestamp};
