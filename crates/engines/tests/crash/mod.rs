//! Seeded crashes: a history is a disk, an engine on it that is driven step by step, and a naive model beside it. Each round
//! of a history ends in a power cut or a killed process; the engine is opened again and audited against the model.

// A test and an example share these files: nothing in them is private to either.
#![allow(unreachable_pub)]

mod driver;
mod history;
mod model;
mod requests;

pub use history::{History, run};
