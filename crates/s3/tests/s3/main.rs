//! The endpoint from outside: a listener, and requests as clients send them.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod crashes;
mod hostile;
mod listings;
mod multipart;
mod objects;
mod server;
mod signed;
