//! What data becomes on its way: formats that are written and read alike by producers, consumers and services.
//!
//! It must never know a wire, a store or a clock: bytes in, bytes out.
//!
//! - [`aggregation`]: many user records in one record of a stream, as the Kinesis Producer Library packs them.

pub mod aggregation;
