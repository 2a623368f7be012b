//! The producer for programs that are not asynchronous.

use std::fmt;

use model::HashKey;
use tokio::runtime::{Builder, Runtime};

use super::{Metrics, Options, Producer, PutError, Receipt};
use crate::error::ClientError;

/// A [`Producer`] with a runtime of its own, whose methods block. To be used, and dropped, outside asynchronous tasks.
///
/// ```no_run
/// # fn run(options: client::producer::Options) -> Result<(), Box<dyn std::error::Error>> {
/// let producer = client::producer::BlockingProducer::new(options)?;
/// let receipt = producer.put("orders", "customer-7", None, b"hello")?;
/// println!("put to {}", receipt.wait()?.shard);
/// producer.close();
/// # Ok(())
/// # }
/// ```
pub struct BlockingProducer {
    producer: Producer,
    runtime: Option<Runtime>,
}

impl fmt::Debug for BlockingProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.producer.fmt(f)
    }
}

impl BlockingProducer {
    /// A producer and its runtime of two threads.
    ///
    /// # Errors
    /// As [`Producer::new`], or if the threads can't be started.
    pub fn new(options: Options) -> Result<BlockingProducer, ClientError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("producer")
            .enable_all()
            .build()
            .map_err(|error| ClientError::Setup(format!("no runtime: {error}")))?;
        let producer = runtime.block_on(async { Producer::new(options) })?;
        Ok(BlockingProducer {
            producer,
            runtime: Some(runtime),
        })
    }

    /// As [`Producer::put`].
    ///
    /// # Errors
    /// As [`Producer::put`].
    pub fn put(
        &self,
        stream: &str,
        partition_key: &str,
        explicit_hash_key: Option<HashKey>,
        data: &[u8],
    ) -> Result<Receipt, PutError> {
        let tried = self
            .producer
            .try_put(stream, partition_key, explicit_hash_key, data);
        if tried.as_ref().err() != Some(&PutError::Full) {
            return tried;
        }
        let put = self
            .producer
            .put(stream, partition_key, explicit_hash_key, data);
        self.block_on(put).unwrap_or(Err(PutError::Closed))
    }

    /// As [`Producer::send`].
    ///
    /// # Errors
    /// As [`Producer::put`].
    pub fn send(
        &self,
        stream: &str,
        partition_key: &str,
        explicit_hash_key: Option<HashKey>,
        data: &[u8],
    ) -> Result<(), PutError> {
        let tried = self
            .producer
            .try_send(stream, partition_key, explicit_hash_key, data);
        if tried != Err(PutError::Full) {
            return tried;
        }
        let send = self
            .producer
            .send(stream, partition_key, explicit_hash_key, data);
        self.block_on(send).unwrap_or(Err(PutError::Closed))
    }

    /// As [`Producer::deliver`].
    ///
    /// # Errors
    /// As [`Producer::put`].
    pub fn deliver(&self, delivery_stream: &str, data: &[u8]) -> Result<Receipt, PutError> {
        let deliver = self.producer.deliver(delivery_stream, data);
        self.block_on(deliver).unwrap_or(Err(PutError::Closed))
    }

    /// As [`Producer::flush`].
    pub fn flush(&self) {
        self.block_on(self.producer.flush());
    }

    /// As [`Producer::close`]. Dropping does the same.
    pub fn close(&self) {
        self.block_on(self.producer.close());
    }

    /// As [`Producer::metrics`].
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.producer.metrics()
    }

    /// `None` once the runtime is gone, which it is only in the end.
    fn block_on<F: Future>(&self, future: F) -> Option<F::Output> {
        self.runtime
            .as_ref()
            .map(|runtime| runtime.block_on(future))
    }
}

impl Drop for BlockingProducer {
    fn drop(&mut self) {
        self.close();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
