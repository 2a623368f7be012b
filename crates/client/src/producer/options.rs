//! How a producer works, with the defaults of the KPL.

use std::time::Duration;

use formats::aggregation::Limits;

use crate::cloudwatch::Publishing;
use crate::envelope::Sealer;
use crate::environment::Environment;
use crate::error::ClientError;

/// Records in one PutRecords or PutRecordBatch, at most: the services' limit.
pub const REQUEST_RECORDS_MAX: usize = 500;
/// Bytes in one PutRecords, at most: AWS's limit since 2025, before that half of it.
pub const REQUEST_BYTES_MAX: usize = 10 << 20;
/// Bytes of one record, at most: AWS's limit for streams that allow it.
pub const RECORD_BYTES_MAX: usize = 10 << 20;

/// How finely metrics are published: each beside all coarser ones. The KPL's MetricsGranularity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Granularity {
    /// All streams together.
    Global,
    /// Each stream too.
    Stream,
    /// Each shard too.
    Shard,
}

/// How a producer works. Made with [`Options::new`], then changed where need be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The server of streams, and who signs. Its `attempts` count for nothing here: `record_ttl` decides.
    pub connection: crate::Options,
    /// The endpoint of Firehose, where it is another than that of streams, as with AWS.
    pub firehose_endpoint: Option<String>,
    /// Longest a record waits for others to go with. The KPL's RecordMaxBufferedTime; 100 ms.
    pub max_buffered_time: Duration,
    /// Age at which a record is given up. The KPL's RecordTtl; 30 s.
    pub record_ttl: Duration,
    /// How records are packed into aggregates; `None`: each is put by itself. 51,200 bytes.
    pub aggregation: Option<Limits>,
    /// Most records of one request. The KPL's CollectionMaxCount; 500.
    pub request_records: usize,
    /// Most bytes of one request, keys and data. The KPL's CollectionMaxSize; 5 MiB.
    pub request_bytes: usize,
    /// Most bytes of one record, key and data; 1 MiB. AWS takes up to 10 MiB where a stream is set so.
    pub record_bytes: usize,
    /// Most bytes held for records that are not yet acknowledged, with 64 for each record. Beyond it puts wait; 64 MiB.
    pub memory: usize,
    /// Requests on their way at once, for each stream. The KPL's MaxConnections; 24.
    pub requests: usize,
    /// Longest wait for an answer. The KPL's RequestTimeout; 6 s.
    pub request_timeout: Duration,
    /// Per cent of AWS's limits of a shard (1 MB/s and 1,000 records/s) that are used at most. The KPL's RateLimit; 150.
    /// `None` where the server has no such limits, as Headwater has not.
    pub rate_limit: Option<u32>,
    /// Sends a token with each request, by which Headwater writes a request that is sent again only once. AWS passes over it.
    pub idempotent: bool,
    /// Ends each record of a delivery stream with a newline.
    pub firehose_newline: bool,
    /// Compresses or encrypts each record's data.
    pub sealer: Option<Sealer>,
    /// Publishes the KPL's metrics to CloudWatch; `None`: none. The KPL's namespace is `KinesisProducerLibrary`, its level
    /// detailed, and it publishes once a minute.
    pub publishing: Option<Publishing>,
    /// How finely they are published; each shard.
    pub granularity: Granularity,
}

impl Options {
    /// The defaults of the KPL, for the server of `connection`.
    #[must_use]
    pub fn new(connection: crate::Options) -> Options {
        Options {
            connection,
            firehose_endpoint: None,
            max_buffered_time: Duration::from_millis(100),
            record_ttl: Duration::from_secs(30),
            aggregation: Some(Limits::default()),
            request_records: REQUEST_RECORDS_MAX,
            request_bytes: 5 << 20,
            record_bytes: 1 << 20,
            memory: 64 << 20,
            requests: 24,
            request_timeout: Duration::from_secs(6),
            rate_limit: Some(150),
            idempotent: false,
            firehose_newline: false,
            sealer: None,
            publishing: None,
            granularity: Granularity::Shard,
        }
    }

    /// The defaults, for what variables and files say as AWS's tools read them, see [`crate::environment`]. Shards' rates are
    /// limited where the server is AWS's, not where it is another.
    ///
    /// # Errors
    /// [`ClientError::Setup`] naming what is missing.
    pub fn from_environment() -> Result<Options, ClientError> {
        let environment = Environment::of_process();
        let options = Options::new(environment.options("kinesis")?);
        let is_aws = environment.endpoint("kinesis").is_none();
        Ok(Options {
            firehose_endpoint: Some(environment.options("firehose")?.endpoint),
            rate_limit: options.rate_limit.filter(|_| is_aws),
            ..options
        })
    }

    /// Refuses what can't work, naming the option.
    pub(super) fn check(&self) -> Result<(), ClientError> {
        let refused = |text: &str| Err(ClientError::Setup(text.to_owned()));
        if !(1..=REQUEST_RECORDS_MAX).contains(&self.request_records) {
            return refused("request_records must be 1 to 500");
        }
        if !(1..=RECORD_BYTES_MAX).contains(&self.record_bytes) {
            return refused("record_bytes must be 1 to 10 MiB");
        }
        if !(self.record_bytes..=REQUEST_BYTES_MAX).contains(&self.request_bytes) {
            return refused("request_bytes must be record_bytes to 10 MiB");
        }
        if self.memory < 2 * self.record_bytes || self.memory > tokio::sync::Semaphore::MAX_PERMITS
        {
            return refused("memory must be at least twice record_bytes");
        }
        if self.record_ttl <= self.max_buffered_time {
            return refused("record_ttl must be longer than max_buffered_time");
        }
        if self.requests == 0 || self.rate_limit == Some(0) {
            return refused("requests and rate_limit must be at least 1");
        }
        let too_large = |limits: &Limits| limits.bytes > self.record_bytes;
        if self.aggregation.as_ref().is_some_and(too_large) {
            return refused("an aggregate must not be larger than record_bytes");
        }
        Ok(())
    }
}
