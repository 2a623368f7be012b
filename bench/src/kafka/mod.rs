//! Measures Kafka brokers by the tools that Apache Kafka and librdkafka ship: the same clients in Java and in C for all of them.
//!
//! `tools` and `librdkafka` run them and read what they print, `compare` says which, `workloads` ties both to the command line.

pub(crate) mod args;
mod compare;
mod librdkafka;
pub(crate) mod ping;
mod tools;
pub(crate) mod workloads;
