//! What CloudWatch answers instead of a result. Two names each: the shape's in RPC v2 and JSON, an older code in Query, which the
//! others' clients get too, in the header `x-amzn-query-error`. Texts are AWS's word for word where recorded answers have them.

use aws::ServiceError;
use store::StoreError;

/// Why an operation was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MetricsError {
    /// Parameters that exclude each other, or ask for too much together.
    #[error("{0}")]
    InvalidParameterCombination(String),
    /// A parameter can't have this value.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// A parameter must be given.
    #[error("{0}")]
    MissingParameter(String),
    /// What GetMetricData answers in place of the two above.
    #[error("{0}")]
    Validation(String),
    /// The token is none of this request's.
    #[error("{0}")]
    InvalidNextToken(String),
    /// There is no room for more metrics.
    #[error("{0}")]
    LimitExceeded(String),
    /// More than one request may bring.
    #[error("{0}")]
    RequestEntityTooLarge(String),
    /// More values than can be taken in at the moment.
    #[error("Rate exceeded")]
    Throttling,
    /// The store can't write just now; the same request may be sent again.
    #[error("the store takes no writes just now")]
    Unavailable,
    /// Something of ours went wrong. What it was is in the log alone.
    #[error("We encountered an internal error. Please try again.")]
    InternalServiceFault,
}

impl MetricsError {
    /// The shape's name, the code in Query, the HTTP status.
    #[rustfmt::skip]
    fn name(&self) -> (&'static str, &'static str, u16) {
        match self {
            MetricsError::InvalidParameterCombination(_) => ("InvalidParameterCombinationException", "InvalidParameterCombination", 400),
            MetricsError::InvalidParameterValue(_) => ("InvalidParameterValueException", "InvalidParameterValue", 400),
            MetricsError::MissingParameter(_) => ("MissingRequiredParameterException", "MissingParameter", 400),
            MetricsError::Validation(_) => ("ValidationException", "ValidationError", 400),
            MetricsError::InvalidNextToken(_) => ("InvalidNextToken", "InvalidNextToken", 400),
            MetricsError::LimitExceeded(_) => ("LimitExceededFault", "LimitExceeded", 400),
            MetricsError::RequestEntityTooLarge(_) => ("RequestEntityTooLarge", "RequestEntityTooLarge", 413),
            MetricsError::Throttling => ("ThrottlingException", "Throttling", 400),
            MetricsError::Unavailable => ("ServiceUnavailable", "ServiceUnavailable", 503),
            MetricsError::InternalServiceFault => ("InternalServiceFault", "InternalServiceError", 500),
        }
    }

    /// A parameter that must be given was not.
    pub(super) fn missing(parameter: &str) -> Self {
        MetricsError::MissingParameter(format!("The parameter {parameter} is required."))
    }

    /// A value that can't be, whatever it is.
    pub(super) fn invalid(value: impl std::fmt::Display, parameter: &str) -> Self {
        MetricsError::InvalidParameterValue(format!(
            "The value {value} for parameter {parameter} is invalid."
        ))
    }

    /// A value that is not one of a set.
    pub(super) fn not_in_set(parameter: &str, set: &str) -> Self {
        MetricsError::InvalidParameterValue(format!(
            "The parameter {parameter} must be a value in the set [ {set} ]."
        ))
    }

    /// More of them than may be.
    pub(super) fn too_many(collection: &str, max: usize) -> Self {
        MetricsError::InvalidParameterValue(format!(
            "The collection {collection} must not have a size greater than {max}."
        ))
    }

    /// The same refusal as GetMetricData words it.
    pub(super) fn into_validation(self) -> Self {
        match self {
            MetricsError::InvalidParameterCombination(text)
            | MetricsError::InvalidParameterValue(text)
            | MetricsError::MissingParameter(text) => MetricsError::Validation(text),
            other => other,
        }
    }
}

impl From<MetricsError> for ServiceError {
    fn from(error: MetricsError) -> Self {
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

/// The one place where the store's remedies become AWS's. Logged here, since nobody above can do anything about it.
impl From<StoreError> for MetricsError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } | StoreError::Full | StoreError::Conflict { .. } => {
                tracing::warn!(%error, "the store did not write");
                MetricsError::Unavailable
            }
            error => {
                tracing::error!(%error, "the store failed");
                MetricsError::InternalServiceFault
            }
        }
    }
}
