//! What people type. A verb that talks to a server does so as any client would: over AWS's wire. It prints by `writeln!`, as
//! `println!` panics where nobody reads any more: `headwater stream ls | head -1`.

pub(crate) mod agent;
pub(crate) mod completions;
pub(crate) mod config;
mod confirm;
mod connect;
pub(crate) mod group;
mod lines;
mod output;
mod pair;
mod progress;
pub(crate) mod queue;
pub(crate) mod stream;
mod table;
mod time;
pub(crate) mod topic;
