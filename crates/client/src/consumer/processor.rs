//! What a user of the consumer writes: a processor for each shard, and what it is given.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use formats::aggregation::Key;
use model::{HashKey, Timestamp};

use super::checkpointer::{CheckpointError, Checkpointer};
use super::position::Position;
use crate::envelope::EnvelopeError;

/// Why a processor could not do its part. It is logged, and the same is given to it again after a pause.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A record as its writer's user wrote it: aggregates are taken apart.
#[derive(Debug, Clone)]
pub struct Record {
    /// The number of the record of the stream it came in.
    pub sequence_number: Arc<str>,
    /// Its place inside an aggregated record, from 0; 0 otherwise.
    pub sub_sequence: u64,
    /// Whether it came in an aggregated record.
    pub is_aggregated: bool,
    /// What its writer called it.
    pub partition_key: Key,
    /// The hash key its writer gave, known only of aggregated ones.
    pub explicit_hash_key: Option<HashKey>,
    /// The record; of one in an envelope, what [`Record::envelope`] says.
    pub data: Bytes,
    /// Whether it came in an envelope.
    pub envelope: Envelope,
    /// When the stream's record arrived.
    pub arrived: Option<Timestamp>,
}

/// How a record came, where the worker opens them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Envelope {
    /// In none; or the worker does not open them. Its data are as they came.
    Plain,
    /// In one that was opened: its data are what was in it.
    Opened,
    /// In one that could not be opened: its data are as they came.
    Unopened(EnvelopeError),
}

/// A record is in an envelope that could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the record at sequence number {sequence_number}, place {sub_sequence}, cannot be opened: {why}"
)]
pub struct Unopened {
    /// The number of the record of the stream it came in.
    pub sequence_number: Arc<str>,
    /// Its place inside an aggregated record.
    pub sub_sequence: u64,
    /// Why.
    pub why: EnvelopeError,
}

impl Record {
    /// Its data, unless they are in an envelope that could not be opened. A processor that fails with this error is given the
    /// batch again after a pause, until a worker that has the key reads the shard: for those who must not go on without it.
    ///
    /// # Errors
    /// [`Unopened`] naming the record and why.
    pub fn opened(&self) -> Result<&Bytes, Unopened> {
        match &self.envelope {
            Envelope::Plain | Envelope::Opened => Ok(&self.data),
            Envelope::Unopened(why) => Err(Unopened {
                sequence_number: Arc::clone(&self.sequence_number),
                sub_sequence: self.sub_sequence,
                why: why.clone(),
            }),
        }
    }
}

/// Where a processor begins.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// The shard.
    pub shard: Arc<str>,
    /// The last checkpoint: records after it follow.
    pub checkpoint: Position,
    /// A checkpoint that a KCL worker prepared and did not complete.
    pub pending_checkpoint: Option<Position>,
}

/// Some records of a shard, in order.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The shard.
    pub shard: Arc<str>,
    /// Never none.
    pub records: Arc<[Record]>,
    /// How far behind the newest record of the shard these were when they were read, in milliseconds.
    pub millis_behind: u64,
    /// To say how far the shard is processed.
    pub checkpointer: Checkpointer,
}

/// Processes one shard's records. One value is made for each shard a worker reads, and its methods are called one after the
/// other: `initialize`, then `process` again and again, then one of the others as the last.
pub trait Processor: Send + 'static {
    /// Before the first batch.
    fn initialize(
        &mut self,
        beginning: &Beginning,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = beginning;
        async { Ok(()) }
    }

    /// Some records. The next come when this is done; a batch it fails on comes again.
    fn process(&mut self, batch: Batch) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Another worker has the shard now. No checkpoint can be written any more.
    fn lease_lost(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// All records of the shard were given, and no more will come. It must checkpoint, as it does unless it is told otherwise:
    /// the shards that follow are read only then.
    fn shard_ended(
        &mut self,
        checkpointer: &Checkpointer,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        async { Ok(checkpointer.checkpoint().await?) }
    }

    /// The worker stops, or another asks for the shard. What was not checkpointed until this is done comes again. It
    /// checkpoints nothing unless it is told to: only a processor knows whether all it was given is processed.
    fn shutdown_requested(
        &mut self,
        checkpointer: &Checkpointer,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = checkpointer;
        async { Ok(()) }
    }
}

/// A processor that is one function, and checkpoints after each batch the function took.
#[derive(Debug, Clone)]
pub struct Each<F>(F);

/// A processor that calls `function` with each batch, and checkpoints when that succeeded.
pub fn each<F, R>(function: F) -> Each<F>
where
    F: FnMut(Batch) -> R + Send + 'static,
    R: Future<Output = Result<(), Failure>> + Send,
{
    Each(function)
}

impl<F, R> Processor for Each<F>
where
    F: FnMut(Batch) -> R + Send + 'static,
    R: Future<Output = Result<(), Failure>> + Send,
{
    async fn process(&mut self, batch: Batch) -> Result<(), Failure> {
        let checkpointer = batch.checkpointer.clone();
        (self.0)(batch).await?;
        match checkpointer.checkpoint().await {
            // The worker hears of it and ends this processor.
            Ok(()) | Err(CheckpointError::LeaseLost) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
