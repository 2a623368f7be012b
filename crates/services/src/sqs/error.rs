//! What SQS answers instead of a result. A variant for each error of AWS's model, and for those that the model leaves out but AWS
//! answers; names, codes and status in one table. Texts are AWS's word for word where recorded answers have them (localstack's
//! snapshots, taken from AWS, record many).
//!
//! Two names each: JSON has the shape's (`QueueDoesNotExist`), Query has an older code (`AWS.SimpleQueueService.NonExistentQueue`),
//! which JSON's clients get too, in the header `x-amzn-query-error`.

use aws::ServiceError;
use store::StoreError;
use streams::StreamsError;

/// Why an operation was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SqsError {
    /// Another account's queue.
    #[error("{0}")]
    AccessDenied(String),
    /// Two entries of a batch have one id.
    #[error("{0}")]
    BatchEntryIdsNotDistinct(String),
    /// The messages of a batch are too large together.
    #[error("{0}")]
    BatchRequestTooLong(String),
    /// A batch without entries.
    #[error("{0}")]
    EmptyBatchRequest(String),
    /// What is given as a queue's URL is none.
    #[error("{0}")]
    InvalidAddress(String),
    /// There is no such attribute, or not of such a queue, or it can't be set.
    #[error("{0}")]
    InvalidAttributeName(String),
    /// An attribute can't have this value.
    #[error("{0}")]
    InvalidAttributeValue(String),
    /// An entry's id is malformed.
    #[error("{0}")]
    InvalidBatchEntryId(String),
    /// A message holds characters that messages must not.
    #[error("{0}")]
    InvalidMessageContents(String),
    /// A parameter can't have this value.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// The message is not in flight.
    #[error("{0}")]
    MessageNotInflight(String),
    /// A parameter must be given.
    #[error("{0}")]
    MissingParameter(String),
    /// More than a queue may have.
    #[error("{0}")]
    OverLimit(String),
    /// The queue was purged less than a minute ago.
    #[error("{0}")]
    PurgeQueueInProgress(String),
    /// A queue of this name was deleted less than a minute ago.
    #[error("{0}")]
    QueueDeletedRecently(String),
    /// There is none of that name.
    #[error("The specified queue does not exist.")]
    QueueDoesNotExist,
    /// There is one of that name, and it is another.
    #[error("{0}")]
    QueueNameExists(String),
    /// The receipt handle is not one of this queue's.
    #[error("{0}")]
    ReceiptHandleIsInvalid(String),
    /// There is no such move task, or no such queue for one.
    #[error("{0}")]
    ResourceNotFound(String),
    /// More calls than AWS would answer.
    #[error("{0}")]
    RequestThrottled(String),
    /// A batch of too many entries.
    #[error("{0}")]
    TooManyEntriesInBatchRequest(String),
    /// This can't be done, or not now.
    #[error("{0}")]
    UnsupportedOperation(String),
    /// The store can't write just now; the same request may be sent again.
    #[error("the store takes no writes just now")]
    Unavailable,
    /// No room on the disk; the same request may be sent again.
    #[error(
        "the server's disk is full: free space in the data directory, writes resume by themselves"
    )]
    DiskFull,
    /// Something of ours went wrong. What it was is in the log alone.
    #[error("We encountered an internal error. Please try again.")]
    InternalFailure,
    /// What the wire's own checks answered, for handlers of raw requests.
    #[error(transparent)]
    Wire(#[from] ServiceError),
}

/// How an error is called: the shape's name in JSON, the code in Query, the HTTP status.
type Name = (&'static str, &'static str, u16);

impl SqsError {
    #[rustfmt::skip]
    fn name(&self) -> Name {
        match self {
            SqsError::AccessDenied(_) => ("AccessDeniedException", "AccessDenied", 403),
            SqsError::BatchEntryIdsNotDistinct(_) => ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400),
            SqsError::BatchRequestTooLong(_) => ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", 400),
            SqsError::EmptyBatchRequest(_) => ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", 400),
            SqsError::InvalidAddress(_) => ("InvalidAddress", "InvalidAddress", 404),
            SqsError::InvalidAttributeName(_) => ("InvalidAttributeName", "InvalidAttributeName", 400),
            SqsError::InvalidAttributeValue(_) => ("InvalidAttributeValue", "InvalidAttributeValue", 400),
            SqsError::InvalidBatchEntryId(_) => ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", 400),
            SqsError::InvalidMessageContents(_) => ("InvalidMessageContents", "InvalidMessageContents", 400),
            SqsError::InvalidParameterValue(_) => ("InvalidParameterValueException", "InvalidParameterValue", 400),
            SqsError::MessageNotInflight(_) => ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", 400),
            SqsError::MissingParameter(_) => ("MissingRequiredParameterException", "MissingParameter", 400),
            SqsError::OverLimit(_) => ("OverLimit", "OverLimit", 403),
            SqsError::PurgeQueueInProgress(_) => ("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", 403),
            SqsError::QueueDeletedRecently(_) => ("QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently", 400),
            SqsError::QueueDoesNotExist => ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400),
            SqsError::QueueNameExists(_) => ("QueueNameExists", "QueueAlreadyExists", 400),
            SqsError::ReceiptHandleIsInvalid(_) => ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404),
            SqsError::ResourceNotFound(_) => ("ResourceNotFoundException", "ResourceNotFoundException", 404),
            SqsError::RequestThrottled(_) => ("RequestThrottled", "RequestThrottled", 403),
            SqsError::TooManyEntriesInBatchRequest(_) => ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400),
            SqsError::UnsupportedOperation(_) => ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", 400),
            SqsError::Unavailable | SqsError::DiskFull => ("ServiceUnavailable", "ServiceUnavailable", 503),
            SqsError::InternalFailure => ("InternalFailure", "InternalError", 500),
            // Not asked: such an error has its own.
            SqsError::Wire(_) => ("InternalFailure", "InternalError", 500),
        }
    }

    /// How Query calls it, which is how an entry of a batch tells its failure in both protocols.
    pub(super) fn query_code(&self) -> &'static str {
        self.name().1
    }

    /// A parameter that must be given was not.
    pub(super) fn missing(parameter: &str) -> Self {
        SqsError::MissingParameter(format!(
            "The request must contain the parameter {parameter}."
        ))
    }

    /// The general form of what is wrong with a parameter.
    pub(super) fn invalid(value: &str, parameter: &str, reason: &str) -> Self {
        SqsError::InvalidParameterValue(format!(
            "Value {value} for parameter {parameter} is invalid. Reason: {reason}"
        ))
    }

    pub(super) fn attribute_value(attribute: &str) -> Self {
        SqsError::InvalidAttributeValue(format!("Invalid value for the parameter {attribute}."))
    }

    pub(super) fn attribute_value_because(attribute: &str, reason: &str) -> Self {
        SqsError::InvalidAttributeValue(format!(
            "Invalid value for the parameter {attribute}. Reason: {reason}"
        ))
    }

    pub(super) fn unknown_attribute(attribute: &str) -> Self {
        SqsError::InvalidAttributeName(format!("Unknown Attribute {attribute}."))
    }
}

impl From<SqsError> for ServiceError {
    fn from(error: SqsError) -> Self {
        let error = match error {
            SqsError::Wire(error) => return error,
            error => error,
        };
        let (code, query_code, status) = error.name();
        let text = error.to_string();
        let told = if status < 500 {
            ServiceError::sender(code, text)
        } else {
            ServiceError::receiver(code, text)
        };
        told.with_status(status).with_query_code(query_code)
    }
}

/// What is common to streams and queues.
impl From<StreamsError> for SqsError {
    fn from(error: StreamsError) -> Self {
        match error {
            StreamsError::NotFound => SqsError::QueueDoesNotExist,
            StreamsError::Store(error) => error.into(),
            error => {
                tracing::error!(%error, "a queue was taken for a stream");
                SqsError::InternalFailure
            }
        }
    }
}

/// The one place where the store's remedies become AWS's. Logged here, since nobody above can do anything about it.
impl From<StoreError> for SqsError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => {
                tracing::warn!(%error, "the store did not write");
                SqsError::DiskFull
            }
            StoreError::Unavailable { .. } | StoreError::Conflict { .. } => {
                tracing::warn!(%error, "the store did not write");
                SqsError::Unavailable
            }
            // The logs go with the queue.
            StoreError::NoSuchLog { .. } => SqsError::QueueDoesNotExist,
            StoreError::Invalid { what } => SqsError::InvalidParameterValue(what),
            // Clients send the request again, not knowing whether it was carried out: as with AWS.
            error => {
                tracing::error!(%error, "the store failed");
                SqsError::InternalFailure
            }
        }
    }
}
