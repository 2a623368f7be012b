//! Expressions: conditions, filters, updates, projections and key conditions, from text to what is held against an item.
//!
//! A request's names and values are a [`Context`]; parsing an expression notes what it used of them. Parsing says everything that is
//! wrong with an expression; holding a condition against an item can't fail, and applying an update fails only for what the item holds.
//!
//! The texts of errors are AWS's, as recorded by the test suites of dynalite, Alternator and dynamodb-conformance, which run against it.

mod condition;
mod context;
#[cfg(test)]
pub(super) mod fixture;
mod key_condition;
mod parser;
mod path;
mod projection;
mod reserved;
#[cfg(test)]
mod tests;
mod token;
mod update;

pub use self::condition::Condition;
pub(super) use self::condition::{Comparator, Operand, Test};
pub use self::context::Context;
pub use self::key_condition::{KeyCondition, KeySchema, KeyTests, RangeTest};
pub use self::path::Path;
pub use self::projection::Projection;
pub(super) use self::update::{Change, Source};
pub use self::update::{Touched, Update};
