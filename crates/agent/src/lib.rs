//! The agent: tails log files into Kinesis streams and Firehose delivery streams, configured by the file that AWS's Kinesis Agent
//! reads.
//!
//! **Promise.** Every line that is in a file of a flow while the agent runs, or was added while it did not, arrives at least once,
//! across rotations, kills of the agent and of the server. **Not promised:** exactly once. What was sent since the last checkpoint
//! is sent again after a kill, which is at most half a second's worth and what was in flight.
//!
//! Read in this order:
//! - [`config`]: what `agent.json` may say, and what it means here.
//! - `files`: which files a flow has, and how each is known again when it was renamed, copied or emptied.
//! - `split`: where a record ends; `footer`: where a file does. [`convert`]: what `dataProcessingOptions` make of it. `batch`: many records as one request.
//! - `read`: one file into batches. `tail`: the thread of a flow, which reads all its files.
//! - `send`: batches to the server, retried, and their checkpoints in order. [`checkpoint`]: where each file was read to.
//! - [`stats`] and `status`: how far it is; [`publish`]: the same to CloudWatch. [`run`]: all of it together.

mod batch;
pub mod checkpoint;
pub mod config;
pub mod convert;
mod files;
mod footer;
pub mod publish;
mod read;
pub mod run;
mod send;
mod split;
pub mod stats;
mod status;
mod tail;
mod wake;

pub use config::Config;
pub use run::{AgentError, Settings, run};
