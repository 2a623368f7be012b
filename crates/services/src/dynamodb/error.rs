//! What DynamoDB answers instead of a result. A variant for each error of AWS's model that is used; names, status and further
//! members in one table. Texts are AWS's where recorded answers have them (dynalite's test suite records many).

use aws::{ServiceError, Value};
use store::StoreError;

use super::invalid::Invalid;
use super::value::Item;

/// What stands before the names of DynamoDB's own errors.
const NAMESPACE: &str = "com.amazonaws.dynamodb.v20120810#";
/// What stands before the names of errors that the framework has for all services.
const VALIDATION: &str = "com.amazon.coral.validate#";

/// Why an operation was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DynamoError {
    /// A condition was not met. The item as it is, where that was asked for.
    #[error("The conditional request failed")]
    ConditionalCheckFailed(Option<Item>),
    /// A token came again with another transaction.
    #[error("{0}")]
    IdempotentParameterMismatch(String),
    /// Something of AWS's is at its limit.
    #[error("{0}")]
    LimitExceeded(String),
    /// There is no policy.
    #[error("{0}")]
    PolicyNotFound(String),
    /// The table's or index's capacity is used up.
    #[error(
        "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level \
         with the UpdateTable API."
    )]
    ThroughputExceeded,
    /// The table is busy, or there already.
    #[error("{0}")]
    ResourceInUse(String),
    /// There is no such table or index.
    #[error("{0}")]
    ResourceNotFound(String),
    /// There is no such table, as the operations on backups say it.
    #[error("{0}")]
    TableNotFound(String),
    /// A transaction was not carried out: a reason for each action.
    #[error("{}", cancelled(.0))]
    TransactionCanceled(Vec<Reason>),
    /// More than a table on demand takes.
    #[error(
        "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your table or index so \
         please try again shortly. If exceptions persist, check if you have a hot key: \
         https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"
    )]
    Throttling,
    /// The request can't be meant.
    #[error("{0}")]
    Validation(String),
    /// Something that is not built.
    #[error("{0}")]
    Unsupported(String),
    /// Nothing was written; asking again may succeed.
    #[error("the store is unavailable: try again")]
    Unavailable,
    /// Something of ours went wrong.
    #[error("Internal server error")]
    Internal,
}

/// Why one action of a transaction kept it from being carried out, or that it did not.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Reason {
    /// `None`, `ConditionalCheckFailed`, `ValidationError` and others.
    pub code: &'static str,
    /// What is told.
    pub message: Option<String>,
    /// The item as it is, where that was asked for.
    pub item: Option<Item>,
}

impl Reason {
    /// This action was not the reason.
    pub(super) fn none() -> Reason {
        Reason {
            code: "None",
            ..Reason::default()
        }
    }

    fn document(&self) -> Value {
        let mut members = vec![("Code".to_owned(), Value::from(self.code))];
        if let Some(message) = &self.message {
            members.push(("Message".to_owned(), message.as_str().into()));
        }
        if let Some(item) = &self.item {
            members.push(("Item".to_owned(), document(item)));
        }
        Value::Map(members)
    }
}

fn cancelled(reasons: &[Reason]) -> String {
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code).collect();
    format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    )
}

fn document(item: &Item) -> Value {
    aws::to_value(item).unwrap_or_default()
}

impl DynamoError {
    pub(super) fn validation(text: impl Into<String>) -> Self {
        DynamoError::Validation(text.into())
    }

    /// The commonest beginning of a validation's text.
    pub(super) fn parameters(text: impl std::fmt::Display) -> Self {
        DynamoError::Validation(format!("One or more parameter values were invalid: {text}"))
    }

    /// What operations on items say of a table that is not there.
    pub(super) fn no_resource() -> Self {
        DynamoError::ResourceNotFound("Requested resource not found".into())
    }

    /// What operations on tables say of one that is not there.
    pub(super) fn no_table(name: &str) -> Self {
        DynamoError::ResourceNotFound(format!(
            "Requested resource not found: Table: {name} not found"
        ))
    }

    fn name(&self) -> &'static str {
        match self {
            DynamoError::ConditionalCheckFailed(_) => "ConditionalCheckFailedException",
            DynamoError::IdempotentParameterMismatch(_) => "IdempotentParameterMismatchException",
            DynamoError::LimitExceeded(_) => "LimitExceededException",
            DynamoError::PolicyNotFound(_) => "PolicyNotFoundException",
            DynamoError::ThroughputExceeded => "ProvisionedThroughputExceededException",
            DynamoError::ResourceInUse(_) => "ResourceInUseException",
            DynamoError::ResourceNotFound(_) => "ResourceNotFoundException",
            DynamoError::TableNotFound(_) => "TableNotFoundException",
            DynamoError::TransactionCanceled(_) => "TransactionCanceledException",
            DynamoError::Throttling => "ThrottlingException",
            DynamoError::Validation(_) => "ValidationException",
            DynamoError::Unsupported(_) => "UnknownOperationException",
            DynamoError::Unavailable => "ServiceUnavailable",
            DynamoError::Internal => "InternalServerError",
        }
    }
}

impl From<DynamoError> for ServiceError {
    fn from(error: DynamoError) -> Self {
        let namespace = match error {
            DynamoError::Validation(_) => VALIDATION,
            DynamoError::Unsupported(_) => "com.amazon.coral.service#",
            _ => NAMESPACE,
        };
        let code = format!("{namespace}{}", error.name());
        let text = error.to_string();
        match error {
            DynamoError::Unavailable => ServiceError::receiver(code, text).with_status(503),
            DynamoError::Internal => ServiceError::receiver(code, text),
            DynamoError::ConditionalCheckFailed(Some(item)) => {
                ServiceError::sender(code, text).with_field("Item", document(&item))
            }
            DynamoError::TransactionCanceled(reasons) => {
                let reasons = reasons.iter().map(Reason::document).collect();
                // This one error spells its text with a capital as well.
                ServiceError::sender(code, text.clone())
                    .with_field("Message", text)
                    .with_field("CancellationReasons", Value::List(reasons))
            }
            _ => ServiceError::sender(code, text),
        }
    }
}

impl From<Invalid> for DynamoError {
    fn from(error: Invalid) -> Self {
        DynamoError::Validation(error.0)
    }
}

/// The one place where the store's remedies become AWS's. Logged here, since nobody above can do anything about it.
impl From<StoreError> for DynamoError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } | StoreError::Full | StoreError::Conflict { .. } => {
                tracing::warn!(%error, "the store did not write");
                DynamoError::Unavailable
            }
            StoreError::Invalid { what } => DynamoError::Validation(what),
            // Clients send the request again, not knowing whether it was carried out: as with AWS.
            error => {
                tracing::error!(%error, "the store failed");
                DynamoError::Internal
            }
        }
    }
}
