//! A producer: takes user records and puts them, many to a request and many to a record, as the Kinesis Producer Library (KPL)
//! does.
//!
//! Read in this order: [`options`] and [`outcome`], what users see; `stream` and `lane`, where records wait; `dispatch` and
//! `send`, how they leave; `item`, what is sent; `map`, `rate`, `ledger`, `request` and `firehose`, what those need;
//! `published`, what goes to CloudWatch.
//!
//! **Promises.** A record whose receipt says so, or that a flush or [`Producer::close`] has waited for and that no counter shows
//! as failed, is acknowledged by the service. Memory stays below [`Options::memory`], plus the bodies of requests on their
//! way. Records of one shard are sent in the order in which they were put, and come in that order unless the service fails
//! some of them.
//!
//! **Non-promises.** A record may be there twice: after a request without an answer it is sent again, unless
//! [`Options::idempotent`] and the server prevent it, and after a resharding. A record that expired may be there nevertheless.
//! What is still waiting when the runtime ends is lost: close first.

mod blocking;
mod dispatch;
mod firehose;
mod item;
mod lane;
mod ledger;
mod map;
mod metrics;
pub mod options;
pub mod outcome;
mod published;
mod rate;
mod request;
mod send;
mod shared;
mod stream;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use model::HashKey;
use tokio::runtime::Handle;
use tokio::sync::{TryAcquireError, oneshot};

pub use self::blocking::BlockingProducer;
use self::item::{Asked, charge};
use self::lane::Incoming;
pub use self::metrics::{Metrics, Spread};
pub use self::options::{Granularity, Options};
pub use self::outcome::{Outcome, PutError, Receipt};
use self::shared::Shared;
use self::stream::Kind;
use crate::cloudwatch::Publisher;
use crate::error::ClientError;

/// Most characters of a partition key.
const PARTITION_KEY_MAX: usize = 256;

/// Puts records, see [the module](self). Cheap to clone; when the last clone is dropped, what is waiting is still sent as long
/// as the runtime lives.
///
/// ```no_run
/// use client::producer::Options;
/// use client::{Credentials, Producer};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let connection = client::Options {
///     endpoint: "http://127.0.0.1:4566".to_owned(),
///     region: model::Region::unnamed(),
///     credentials: Credentials {
///         access_key: "any".to_owned(),
///         secret_key: "any".to_owned(),
///         session_token: None,
///     },
///     authorities: None,
///     attempts: 1,
/// };
/// let producer = Producer::new(Options {
///     rate_limit: None,
///     ..Options::new(connection)
/// })?;
/// let receipt = producer.put("orders", "customer-7", None, b"hello").await?;
/// producer.send("orders", "customer-8", None, b"nobody waits for this one").await?;
/// println!("put to {}", receipt.await?.shard);
/// producer.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Producer(Arc<Owned>);

/// Ends the producer with its last user.
struct Owned {
    shared: Arc<Shared>,
    runtime: Handle,
    /// Of its metrics. Dropped, it publishes what it knows then.
    publisher: Option<Publisher>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Producer({})", self.0.shared.options.connection.endpoint)
    }
}

impl Producer {
    /// A producer whose tasks run on the runtime that this is called in.
    ///
    /// # Errors
    /// [`ClientError::Setup`] naming the option that can't work.
    ///
    /// # Panics
    /// Outside a runtime of tokio. [`BlockingProducer`] brings its own.
    pub fn new(options: Options) -> Result<Producer, ClientError> {
        let publishing = options.publishing.clone();
        let shared = Arc::new(Shared::new(options)?);
        // Held weakly: the publisher must not keep what it reports on.
        let source = Arc::downgrade(&shared);
        let gather = move |now| {
            let shared = source.upgrade();
            shared.map_or_else(Vec::new, |shared| shared.publication(now))
        };
        let publisher = publishing.map(|publishing| publishing.start(gather));
        Ok(Producer(Arc::new(Owned {
            shared,
            runtime: Handle::current(),
            publisher: publisher.transpose()?,
        })))
    }

    /// Puts a record to a stream, named or given by its ARN. Waits while memory is full; the receipt tells, later, what became
    /// of the record.
    ///
    /// # Errors
    /// [`PutError::Invalid`] for a record that can't be put, [`PutError::Closed`].
    pub async fn put(
        &self,
        stream: &str,
        partition_key: &str,
        explicit_hash_key: Option<HashKey>,
        data: &[u8],
    ) -> Result<Receipt, PutError> {
        let (asked, receipt) = oneshot::channel();
        let record = incoming(partition_key, explicit_hash_key, data, Some(asked));
        self.accept(Kind::Stream, stream, record).await?;
        Ok(Receipt(receipt))
    }

    /// As [`Producer::put`], without waiting.
    ///
    /// # Errors
    /// [`PutError::Full`] besides.
    pub fn try_put(
        &self,
        stream: &str,
        partition_key: &str,
        explicit_hash_key: Option<HashKey>,
        data: &[u8],
    ) -> Result<Receipt, PutError> {
        let (asked, receipt) = oneshot::channel();
        let record = incoming(partition_key, explicit_hash_key, data, Some(asked));
        self.try_accept(Kind::Stream, stream, record)?;
        Ok(Receipt(receipt))
    }

    /// As [`Producer::put`] for a record nobody asks after: only [`Producer::metrics`] tell of it. The fastest way.
    ///
    /// # Errors
    /// As [`Producer::put`].
    pub async fn send(
        &self,
        stream: &str,
        partition_key: &str,
        explicit_hash_key: Option<HashKey>,
        data: &[u8],
    ) -> Result<(), PutError> {
        let record = incoming(partition_key, explicit_hash_key, data, None);
        self.accept(Kind::Stream, stream, record).await
    }

    /// As [`Producer::send`], without waiting.
    ///
    /// # Errors
    /// [`PutError::Full`] besides.
    pub fn try_send(
        &self,
        stream: &str,
        partition_key: &str,
        explicit_hash_key: Option<HashKey>,
        data: &[u8],
    ) -> Result<(), PutError> {
        let record = incoming(partition_key, explicit_hash_key, data, None);
        self.try_accept(Kind::Stream, stream, record)
    }

    /// Puts a record to a delivery stream of Firehose, as [`Producer::put`] does to a stream.
    ///
    /// # Errors
    /// As [`Producer::put`].
    pub async fn deliver(&self, delivery_stream: &str, data: &[u8]) -> Result<Receipt, PutError> {
        let (asked, receipt) = oneshot::channel();
        let record = incoming("", None, data, Some(asked));
        self.accept(Kind::Delivery, delivery_stream, record).await?;
        Ok(Receipt(receipt))
    }

    /// As [`Producer::deliver`] for a record nobody asks after.
    ///
    /// # Errors
    /// As [`Producer::put`].
    pub async fn send_delivery(&self, delivery_stream: &str, data: &[u8]) -> Result<(), PutError> {
        let record = incoming("", None, data, None);
        self.accept(Kind::Delivery, delivery_stream, record).await
    }

    /// Sends what is waiting without waiting for company, and returns when all that was put before is settled: acknowledged, or
    /// failed and counted.
    pub async fn flush(&self) {
        let generation = self.0.shared.flush();
        self.0.shared.ledger.settled(generation).await;
    }

    /// Takes no more records, sends what is waiting and returns when all is settled, and the last metrics are published.
    pub async fn close(&self) {
        let generation = self.0.shared.end();
        self.0.shared.ledger.settled(generation).await;
        if let Some(publisher) = &self.0.publisher {
            publisher.close().await;
        }
    }

    /// What was done so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.0.shared.metrics()
    }

    async fn accept(&self, kind: Kind, name: &str, record: Incoming<'_>) -> Result<(), PutError> {
        let shared = &self.0.shared;
        let data = self.prepared(kind, &record)?;
        let charge = charge(record.partition_key, &data);
        // Without waiting, if it can be: that is cheaper by far.
        match shared.room.try_acquire_many(charge as u32) {
            Ok(permit) => permit.forget(),
            Err(_) => {
                let permit = shared.room.acquire_many(charge as u32).await;
                permit.map_err(|_| PutError::Closed)?.forget();
            }
        }
        self.add(kind, name, record, &data, charge)
    }

    fn try_accept(&self, kind: Kind, name: &str, record: Incoming<'_>) -> Result<(), PutError> {
        let data = self.prepared(kind, &record)?;
        let charge = charge(record.partition_key, &data);
        let permit = self.0.shared.room.try_acquire_many(charge as u32);
        let permit = permit.map_err(|error| match error {
            TryAcquireError::Closed => PutError::Closed,
            TryAcquireError::NoPermits => PutError::Full,
        })?;
        permit.forget();
        self.add(kind, name, record, &data, charge)
    }

    /// Hands a record to its stream. Its memory is counted already.
    fn add(
        &self,
        kind: Kind,
        name: &str,
        record: Incoming<'_>,
        data: &[u8],
        charge: usize,
    ) -> Result<(), PutError> {
        let shared = &self.0.shared;
        let record = Incoming { data, ..record };
        let added = shared
            .stream(kind, name, &self.0.runtime)
            .and_then(|stream| {
                let enough = shared.options.request_bytes;
                let is_in = stream.add(record, &shared.ledger, enough, || shared.is_closed());
                if is_in { Ok(()) } else { Err(PutError::Closed) }
            });
        if added.is_err() {
            shared.room.add_permits(charge);
        }
        added
    }

    /// Checks a record and gives its data as it is to be sent.
    fn prepared<'a>(&self, kind: Kind, record: &Incoming<'a>) -> Result<Cow<'a, [u8]>, PutError> {
        let options = &self.0.shared.options;
        let invalid = |text: String| Err(PutError::Invalid(text));
        let key = record.partition_key;
        let is_long = key.len() > PARTITION_KEY_MAX && key.chars().count() > PARTITION_KEY_MAX;
        if kind == Kind::Stream && (key.is_empty() || is_long) {
            return invalid("a partition key must have 1 to 256 characters".to_owned());
        }
        let data = match &options.sealer {
            Some(sealer) => {
                let sealed = sealer.seal(record.data);
                Cow::Owned(sealed.map_err(|error| PutError::Invalid(error.to_string()))?)
            }
            None if kind == Kind::Delivery && options.firehose_newline => {
                Cow::Owned([record.data, b"\n"].concat())
            }
            None => Cow::Borrowed(record.data),
        };
        let most = match kind {
            Kind::Stream => options.record_bytes,
            Kind::Delivery => options.record_bytes.min(firehose::RECORD_BYTES_MAX),
        };
        let bytes = key.len() + data.len();
        if bytes > most {
            return invalid(format!(
                "a record must have at most {most} bytes, this has {bytes}"
            ));
        }
        Ok(data)
    }
}

fn incoming<'a>(
    partition_key: &'a str,
    explicit_hash_key: Option<HashKey>,
    data: &'a [u8],
    asked: Option<Asked>,
) -> Incoming<'a> {
    Incoming {
        partition_key,
        explicit_hash_key,
        data,
        asked,
    }
}

#[cfg(test)]
mod tests;
