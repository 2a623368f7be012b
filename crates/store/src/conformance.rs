//! What every engine is held to. An engine's tests call [`check_all`] with a way to make an empty store, and
//! [`check_history`] with many seeds.
//!
//! The history check is model-based: it asks random things of the engine and of the naive engine in turn and compares every
//! answer; then it reads everything back.

// A failed expectation is the suite's answer.
#![allow(clippy::unwrap_used)]

mod history;
mod rules;

pub use history::{check_history, compare, rewrite_all};
pub use rules::{batch, check_all};
