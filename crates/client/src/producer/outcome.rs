//! What became of a record.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// Where a record was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its shard; empty in a delivery stream.
    pub shard: Arc<str>,
    /// Its place in the shard, which the records of an aggregate share; in a delivery stream its record id.
    pub sequence_number: Arc<str>,
    /// Its place among the records of its aggregate; 0 if it went alone.
    pub sub_sequence: u64,
    /// How often it was sent, at least 1.
    pub attempts: u32,
}

/// Why a record was not put.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// As much is waiting as `memory` allows. Only `try_` forms say this; others wait.
    #[error("the producer's memory is full of records that are not yet acknowledged")]
    Full,
    /// The producer is closed.
    #[error("the producer is closed")]
    Closed,
    /// It cannot be put as it is.
    #[error("{0}")]
    Invalid(String),
    /// It was older than `record_ttl` before it could be put. What its last attempt met is told; it may still be in the
    /// stream if that was no answer at all.
    #[error("the record expired after {attempts} attempts, the last of which met {last}")]
    Expired {
        /// How often it was sent.
        attempts: u32,
        /// The last error's code, or `nothing`.
        last: Arc<str>,
    },
    /// The service refused it, and would again.
    #[error("{code}: {message}")]
    Refused {
        /// AWS's name for the error, such as `ResourceNotFoundException`.
        code: Arc<str>,
        /// AWS's text.
        message: Arc<str>,
    },
}

pub(super) type Settled = Result<Outcome, PutError>;

/// Tells what became of a record, once that is known. To drop it is no harm: the record is put all the same.
#[derive(Debug)]
pub struct Receipt(pub(super) oneshot::Receiver<Settled>);

impl Receipt {
    /// Blocks until it is known.
    ///
    /// # Errors
    /// Why the record was not put.
    ///
    /// # Panics
    /// Within an asynchronous task, where a receipt is to be awaited.
    pub fn wait(self) -> Settled {
        self.0.blocking_recv().unwrap_or(Err(PutError::Closed))
    }
}

impl Future for Receipt {
    type Output = Settled;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settled> {
        // The other end is dropped unanswered only if its runtime ended.
        let told = Pin::new(&mut self.0).poll(context);
        told.map(|told| told.unwrap_or(Err(PutError::Closed)))
    }
}
