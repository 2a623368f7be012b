//! Measures Kafka brokers by the tools that Apache Kafka ships: the same Java client for all of them.
//!
//! `tools` runs them and reads what they print, `compare` says which, `workloads` ties both to the command line.

pub(crate) mod args;
mod compare;
pub(crate) mod ping;
mod tools;
pub(crate) mod workloads;
