//! One folder for each AWS service: what users know, over streams and the store.
//!
//! It must never know: a wire format, a socket, which engine stores its records.
//!
//! Read `kinesis` first; its siblings have the same anatomy.

pub mod dynamodb;
pub mod kinesis;
pub mod metrics;
pub mod published;
pub mod sqs;
