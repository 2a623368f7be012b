//! What every engine promises: three ideas, [`Log`], [`Catalog`] and [`Leases`], and the errors they speak.
//!
//! It must never know: a file, a database, a protocol, what a shard or a queue is.
//!
//! Read in this order: [`key`], [`txn`], [`contract`], [`error`]; then [`memory`], the naive engine that says in the fewest
//! lines what the others must do; then `conformance`, which holds every engine to it.

pub mod key;

pub mod txn;

pub mod contract;

pub mod error;

pub mod producers;

pub mod memory;

#[cfg(any(test, feature = "testing"))]
pub mod conformance;

pub use contract::{
    Answer, Bounds, Catalog, Change, Lease, Leases, Log, Piece, Rewriter, Rewritten, Scan,
    ScanBack, Store, StoredBatch, Watch,
};
pub use error::StoreError;
pub use key::{Document, Key, Version};
pub use memory::Memory;
pub use txn::{Append, Appended, Check, Committed, Expect, Fence, LogChange, Txn, Write};
