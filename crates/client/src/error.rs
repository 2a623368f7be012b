//! Why a call brought no answer.

use std::error::Error;

/// Why a call brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The client cannot be made as asked.
    #[error("{0}")]
    Setup(String),
    /// Nothing was heard from the server. What was asked may or may not have been done.
    #[error(
        "no answer from {endpoint}: is the server running there? start one with `headwater`, or name another by --endpoint"
    )]
    Unreachable {
        /// Where it was looked for.
        endpoint: String,
        /// What the network said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server refused.
    #[error("{operation}: {code}: {message}")]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// AWS's name for the error, such as `ResourceNotFoundException`.
        code: String,
        /// AWS's text.
        message: String,
        /// HTTP status.
        status: u16,
    },
    /// The answer is not what the operation answers.
    #[error("{operation}: the answer cannot be read; is this an AWS-compatible endpoint?")]
    Garbled {
        /// What was asked.
        operation: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// Errors that say "not now": the same call may succeed later.
const PASSING: &[&str] = &[
    "InternalFailure",
    "RequestTimeout",
    "ServiceUnavailable",
    "ServiceUnavailableException",
];

/// Errors that say "not so much", which is "not now" too.
const THROTTLES: &[&str] = &[
    "KMSThrottlingException",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
];

impl ClientError {
    /// AWS's name for the error, where the server gave one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            ClientError::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The answer is wrong in a way that no parser's error tells.
    pub(crate) fn garbled(operation: &'static str, text: &str) -> ClientError {
        ClientError::Garbled {
            operation,
            source: serde::de::Error::custom(text),
        }
    }

    /// Whether an error of this code says "not now".
    pub(crate) fn is_passing_code(code: &str) -> bool {
        PASSING.contains(&code) || THROTTLES.contains(&code)
    }

    /// Whether the server has been asked for more than it gives at a time.
    pub(crate) fn is_throttle(&self) -> bool {
        self.code().is_some_and(|code| THROTTLES.contains(&code))
    }

    /// Whether asking again may help. A retried put may then be there twice: Kinesis promises at least once.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            ClientError::Setup(_) | ClientError::Garbled { .. } => false,
            ClientError::Unreachable { .. } => true,
            ClientError::Refused { code, status, .. } => {
                *status >= 500 || ClientError::is_passing_code(code)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttles_and_server_faults_pass_and_refusals_stay() {
        let check = |code: &str, status, expected| {
            let error = ClientError::Refused {
                operation: "PutRecord",
                code: code.to_owned(),
                message: String::new(),
                status,
            };
            assert_eq!(error.is_passing(), expected, "{code}");
            let is_throttle = status < 500 && expected;
            assert_eq!(error.is_throttle(), is_throttle, "{code}");
        };
        check("ProvisionedThroughputExceededException", 400, true);
        check("InternalFailure", 500, true);
        check("SomethingNew", 503, true);
        check("ResourceNotFoundException", 400, false);
        check("ValidationException", 400, false);
    }
}
