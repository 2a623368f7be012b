//! What Kinesis answers instead of a result. A variant for each error of AWS's model; code and status in one table, the texts
//! beside it, word for word where AWS's own are known (kinesalite's tests and issues of AWS's clients record many).

use aws::ServiceError;
use model::{AccountId, Region};
use store::StoreError;
use streams::{ReshardError, Status, StreamName, StreamsError};

/// Why an operation was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum KinesisError {
    /// The caller may not do this.
    #[error("{0}")]
    AccessDenied(String),
    /// All is well, and nothing was done, as `DryRun` asked.
    #[error("{0}")]
    DryRun(String),
    /// A shard iterator older than it may get.
    #[error("{0}")]
    ExpiredIterator(String),
    /// A page token older than it may get.
    #[error("{0}")]
    ExpiredNextToken(String),
    /// A member's value is not possible here.
    #[error("{0}")]
    InvalidArgument(String),
    /// More than an account or a stream may have, or calls too often.
    #[error("{0}")]
    LimitExceeded(String),
    /// More than a shard takes or gives.
    #[error("{0}")]
    ProvisionedThroughputExceeded(String),
    /// There is one already, or it is not ACTIVE.
    #[error("{0}")]
    ResourceInUse(String),
    /// There is none.
    #[error("{0}")]
    ResourceNotFound(String),
    /// More than a queue gives just now.
    #[error("{0}")]
    Throttling(String),
    /// A member, or a combination of members, breaks a constraint.
    #[error("{0}")]
    Validation(String),
    /// The store can't write just now; the same request may be sent again.
    #[error("the store takes no writes just now")]
    Unavailable,
    /// No room on the disk; the same request may be sent again.
    #[error(
        "the server's disk is full: free space in the data directory, writes resume by themselves"
    )]
    DiskFull,
    /// Something of ours went wrong. What it was is in the log alone.
    #[error(
        "The processing of the request failed because of an unknown error, exception, or failure."
    )]
    InternalFailure,
    /// What the wire's own checks answered, for handlers of raw requests.
    #[error(transparent)]
    Wire(#[from] ServiceError),
}

impl KinesisError {
    /// AWS's name for it, and the HTTP status.
    fn code(&self) -> (&'static str, u16) {
        match self {
            KinesisError::AccessDenied(_) => ("AccessDeniedException", 400),
            KinesisError::DryRun(_) => ("DryRunOperationException", 400),
            KinesisError::ExpiredIterator(_) => ("ExpiredIteratorException", 400),
            KinesisError::ExpiredNextToken(_) => ("ExpiredNextTokenException", 400),
            KinesisError::InvalidArgument(_) => ("InvalidArgumentException", 400),
            KinesisError::LimitExceeded(_) => ("LimitExceededException", 400),
            KinesisError::ProvisionedThroughputExceeded(_) => {
                ("ProvisionedThroughputExceededException", 400)
            }
            KinesisError::ResourceInUse(_) => ("ResourceInUseException", 400),
            KinesisError::ResourceNotFound(_) => ("ResourceNotFoundException", 400),
            KinesisError::Throttling(_) => ("ThrottlingException", 400),
            KinesisError::Validation(_) => ("ValidationException", 400),
            KinesisError::Unavailable | KinesisError::DiskFull => ("ServiceUnavailable", 503),
            KinesisError::InternalFailure => ("InternalFailureException", 500),
            // Not asked: such an error has its own.
            KinesisError::Wire(_) => ("InternalFailure", 500),
        }
    }

    pub(super) fn no_stream(name: &StreamName) -> Self {
        let StreamName { account, name, .. } = name;
        KinesisError::ResourceNotFound(format!("Stream {name} under account {account} not found."))
    }

    pub(super) fn stream_exists(name: &StreamName) -> Self {
        let StreamName { account, name, .. } = name;
        KinesisError::ResourceInUse(format!(
            "Stream {name} under account {account} already exists."
        ))
    }

    pub(super) fn has_queues(name: &StreamName) -> Self {
        let StreamName { account, name, .. } = name;
        KinesisError::ResourceInUse(format!(
            "Stream {name} under account {account} has queues. Delete them first."
        ))
    }

    pub(super) fn not_active(name: &StreamName, status: Status) -> Self {
        let StreamName { account, name, .. } = name;
        let status = status_text(status);
        KinesisError::ResourceInUse(format!(
            "Stream {name} under account {account} not ACTIVE, instead in state {status}"
        ))
    }

    /// `shard` as the client wrote it, or as [`super::naming::shard_id`] writes it.
    pub(super) fn no_shard(name: &StreamName, shard: &str) -> Self {
        let StreamName { account, name, .. } = name;
        KinesisError::ResourceNotFound(format!(
            "Could not find shard {shard} in stream {name} under account {account}."
        ))
    }

    pub(super) fn too_many_shards(
        account: &AccountId,
        region: &Region,
        now: u64,
        limit: u64,
        more: u64,
    ) -> Self {
        KinesisError::LimitExceeded(format!(
            "This request would exceed the shard limit for the account {account} in {region}. Current shard count for the \
             account: {now}. Limit: {limit}. Number of additional shards that would have resulted from this request: {more}. \
             Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) \
             for current limits and how to request higher limits."
        ))
    }

    /// Where a stream's error is one a caller can do something about.
    pub(super) fn of_streams(error: StreamsError, name: &StreamName) -> Self {
        match error {
            StreamsError::NotFound => KinesisError::no_stream(name),
            StreamsError::Exists => KinesisError::stream_exists(name),
            StreamsError::HasQueues => KinesisError::has_queues(name),
            other => other.into(),
        }
    }
}

/// A status as AWS spells it.
pub(super) fn status_text(status: Status) -> &'static str {
    match status {
        Status::Creating => "CREATING",
        Status::Updating => "UPDATING",
        Status::Active => "ACTIVE",
    }
}

impl From<KinesisError> for ServiceError {
    fn from(error: KinesisError) -> Self {
        let (code, status) = error.code();
        match error {
            KinesisError::Wire(error) => error,
            error if status < 500 => {
                ServiceError::sender(code, error.to_string()).with_status(status)
            }
            error => ServiceError::receiver(code, error.to_string()).with_status(status),
        }
    }
}

/// Without the stream's name at hand; [`KinesisError::of_streams`] says more.
impl From<StreamsError> for KinesisError {
    fn from(error: StreamsError) -> Self {
        match error {
            StreamsError::NotFound => KinesisError::ResourceNotFound("Stream not found.".into()),
            StreamsError::Exists => KinesisError::ResourceInUse("Stream already exists.".into()),
            StreamsError::HasQueues => KinesisError::ResourceInUse("Stream has queues.".into()),
            // Only Kafka's clients ask for it.
            error @ StreamsError::Followed(_) => KinesisError::ResourceInUse(error.to_string()),
            StreamsError::Reshard(error) => error.into(),
            StreamsError::Store(error) => error.into(),
        }
    }
}

/// Handlers tell most of these in AWS's words before it comes to a plan.
impl From<ReshardError> for KinesisError {
    fn from(error: ReshardError) -> Self {
        match error {
            ReshardError::NoSuchShard(_) => KinesisError::ResourceNotFound(error.to_string()),
            ReshardError::Closed(_)
            | ReshardError::OutsideRange { .. }
            | ReshardError::NotAdjacent(..)
            | ReshardError::NoShards => KinesisError::InvalidArgument(error.to_string()),
        }
    }
}

/// The one place where the store's remedies become AWS's. Logged here, since nobody above can do anything about it.
impl From<StoreError> for KinesisError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => {
                tracing::warn!(%error, "the store did not write");
                KinesisError::DiskFull
            }
            StoreError::Unavailable { .. } | StoreError::Conflict { .. } => {
                tracing::warn!(%error, "the store did not write");
                KinesisError::Unavailable
            }
            StoreError::NoSuchLog { .. } => {
                KinesisError::ResourceNotFound("Stream or shard not found.".into())
            }
            StoreError::Invalid { what } => KinesisError::InvalidArgument(what),
            // The SDKs send the request again after an InternalFailure, as after a throttle; so may whoever does not
            // know whether a put arrived. AWS gives the same answer, with the same doubt.
            error => {
                tracing::error!(%error, "the store failed");
                KinesisError::InternalFailure
            }
        }
    }
}
