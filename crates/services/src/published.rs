//! What a service tells CloudWatch of itself. A service that has numbers answers with a list of [`Published`] when asked; whoever
//! runs it hands the list to [`crate::metrics::Metrics::publish`] once a minute, which makes values of a minute of them. Nothing is
//! counted twice: the lists are made of what is counted for Prometheus already.

use model::{AccountId, Region};

/// One number of one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Whose it is.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// AWS's namespace: `AWS/Kinesis`.
    pub namespace: &'static str,
    /// AWS's name: `IncomingBytes`.
    pub name: &'static str,
    /// Names and values: `StreamName`.
    pub dimensions: Vec<(&'static str, String)>,
    /// AWS's unit: `Bytes`.
    pub unit: &'static str,
    /// What there is to tell.
    pub told: Told,
}

/// What a number is, and so what a minute's value of it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Told {
    /// Grows from zero with the process: by how much it has grown is the value. Where it has not grown there is none.
    Total(u64),
    /// A count and a sum that grow so: so many samples, of which the average is known.
    Totals {
        /// How many.
        count: u64,
        /// All together.
        sum: f64,
    },
    /// Rises and falls. At zero it is told once, when it gets there.
    Level(f64),
    /// Was last seen at `value`, when `count` was counted: there is a value where that has grown.
    Seen {
        /// What was seen.
        value: f64,
        /// How many times something was seen, since the process began.
        count: u64,
    },
}
