//! Engines: what makes the store's promises true. [`Embedded`] keeps everything in one data directory.
//!
//! It must never know: what a shard or a queue is, a protocol, a request's principal.
//!
//! Read in this order: [`disk`], the only way to bytes at rest; [`frame`], the durable unit; [`state`], what frames add up
//! to; [`journal`], the files frames are written to and how they are read back; [`segments`], where batches move to;
//! [`checkpoint`]; [`tail`], what is not in segments yet; [`embedded`], which puts them together; [`sim`], the disk that
//! tests crash.

pub mod disk;

pub mod frame;

pub mod state;

pub mod journal;

pub mod segments;

pub mod checkpoint;

pub mod tail;

pub mod embedded;

pub mod sim;

pub use embedded::{Durability, Embedded, Options};
