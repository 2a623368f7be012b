//! What went wrong below, in Kafka's words.

use store::StoreError;
use streams::StreamsError;

use crate::wire::ErrorCode;

/// Why a request, or a part of it, was not done.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// Kafka's code.
    pub(crate) code: ErrorCode,
    /// More than the code says, where there is more to say.
    pub(crate) message: Option<String>,
}

impl Refusal {
    /// A code and why.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal {
            code,
            message: Some(message.into()),
        }
    }

    /// The code's number.
    pub(crate) fn number(&self) -> i16 {
        self.code.code()
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Refusal {
        Refusal {
            code,
            message: None,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        let code = match &error {
            StoreError::Unavailable { .. } | StoreError::Full | StoreError::Damaged { .. } => {
                ErrorCode::KafkaStorageError
            }
            // Only what may be there already is asked for again by clients that can tell.
            StoreError::Unknown { .. } => ErrorCode::RequestTimedOut,
            StoreError::NoSuchLog { .. } => ErrorCode::UnknownTopicOrPartition,
            StoreError::Sealed { .. } => ErrorCode::PolicyViolation,
            StoreError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            StoreError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
            StoreError::ProducerFenced { .. } => ErrorCode::InvalidProducerEpoch,
            StoreError::Invalid { .. } => ErrorCode::InvalidRequest,
            StoreError::Fenced { .. } | StoreError::Conflict { .. } => {
                ErrorCode::UnknownServerError
            }
        };
        match &error {
            StoreError::Damaged { .. } => tracing::error!(%error, "stored bytes are damaged"),
            StoreError::Unavailable { .. } | StoreError::Full | StoreError::Unknown { .. } => {
                tracing::warn!(%error, "the store refused a request");
            }
            _ => {}
        }
        Refusal::new(code, error.to_string())
    }
}

impl From<StreamsError> for Refusal {
    fn from(error: StreamsError) -> Refusal {
        match error {
            StreamsError::NotFound => ErrorCode::UnknownTopicOrPartition.into(),
            StreamsError::Exists => ErrorCode::TopicAlreadyExists.into(),
            StreamsError::Reshard(error) => {
                Refusal::new(ErrorCode::InvalidPartitions, error.to_string())
            }
            StreamsError::HasQueues => {
                let why = "queues deliver the topic's records; delete them first";
                Refusal::new(ErrorCode::PolicyViolation, why)
            }
            StreamsError::Followed(reader) => {
                let why = format!(
                    "the Kinesis consumer {reader} is registered for the topic's stream and would not find partitions that are \
                     added; call Kinesis's UpdateShardCount instead, or deregister it first"
                );
                Refusal::new(ErrorCode::PolicyViolation, why)
            }
            StreamsError::Store(error) => error.into(),
        }
    }
}
