//! The table, what inputs must have and the errors against AWS's own model, as botocore 1.44.5 carries it.
//!
//! `testdata/model.json` holds, for each operation, its input's members by path with type and whether required, which is all that
//! SQS's model says of them; its output's members; its errors. It is made anew by
//!
//! ```sh
//! pip download --no-deps botocore && unzip botocore*.whl
//! python3 testdata/model.py botocore/data/sqs src/sqs/testdata/model.json
//! ```

use std::collections::{BTreeMap, BTreeSet};

use aws::{Fault, ServiceError, Support};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::{SqsError, operations, support};
use super::world;

/// What AWS answers although its model has it nowhere: the framework's own, and those that SQS's Query protocol has as texts.
const UNMODELLED: &[&str] = &[
    "AccessDeniedException",
    "InvalidAttributeName",
    "InvalidParameterValueException",
    "MissingRequiredParameterException",
    "SerializationException",
    "UnknownOperationException",
];

#[derive(Deserialize)]
pub(in super::super) struct Operation {
    input: BTreeMap<String, Member>,
    output: BTreeSet<String>,
    errors: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Member {
    r#type: String,
    #[serde(default)]
    required: bool,
}

impl Operation {
    /// Asserts that an answer has no member that the model has not.
    pub(super) fn must_have_all_of(&self, name: &str, answer: &Value) {
        let members = answer.as_object().into_iter().flat_map(Map::keys);
        for member in members {
            assert!(self.output.contains(member), "{name} answers {member}");
        }
    }

    /// Asserts that a refusal is one that the model lists, or one of those that every operation has.
    pub(super) fn must_have_error(&self, name: &str, shape: &str) {
        let known = self.errors.contains(shape) || UNMODELLED.contains(&shape);
        assert!(known, "{name} is refused with {shape}");
    }

    /// The members that must be there, at the top.
    fn required(&self) -> impl Iterator<Item = (&str, &Member)> {
        let at_top = self.input.iter().filter(|(path, _)| !path.contains('.'));
        at_top
            .filter(|(_, member)| member.required)
            .map(|(path, member)| (path.as_str(), member))
    }
}

pub(in super::super) fn model() -> BTreeMap<String, Operation> {
    serde_json::from_str(include_str!("../testdata/model.json")).unwrap()
}

#[test]
fn every_operation_of_the_model_is_in_the_table() {
    let ours: BTreeSet<&str> = support().into_iter().map(|(name, _)| name).collect();
    let model = model();
    let theirs: BTreeSet<&str> = model.keys().map(String::as_str).collect();
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), 23);
    assert_eq!(operations().names().count(), 23);
}

/// A value of the member's type, for inputs in which another is missing.
fn some(path: &str, member: &Member, url: &str) -> Value {
    match (path, member.r#type.as_str()) {
        ("QueueUrl", _) => json!(url),
        ("AWSAccountIds", _) => json!(["123456789012"]),
        ("Actions", _) => json!(["SendMessage"]),
        (_, "string") => json!("a"),
        (_, "integer") => json!(1),
        (_, "map") => json!({"a": "b"}),
        // Entries, which are of another kind for each operation.
        (_, "list") => json!([]),
        (_, other) => panic!("{path} is of type {other}"),
    }
}

#[tokio::test]
async fn what_the_model_requires_is_missed_in_the_words_of_aws() {
    let world = world();
    let url = world.plain("q").await;
    let answered = support()
        .into_iter()
        .filter(|(_, support)| *support == Support::Full);
    let model = model();
    for (name, _) in answered {
        for (missing, member) in model[name].required() {
            // A batch without entries is told so by an error of its own.
            if member.r#type == "list" && missing == "Entries" {
                continue;
            }
            let others = model[name].required().filter(|(path, _)| *path != missing);
            let input: Map<String, Value> = others
                .map(|(path, member)| (path.to_owned(), some(path, member, &url)))
                .collect();
            let text = format!("The request must contain the parameter {missing}.");
            world
                .refused(
                    "MissingRequiredParameterException",
                    &text,
                    name,
                    input.into(),
                )
                .await;
        }
    }
}

/// `docs/compat/sqs.md`, which says which operations are answered.
fn page() -> String {
    let operations = support();
    let answered = operations
        .iter()
        .filter(|(_, support)| *support == Support::Full)
        .count();
    let mut page = format!(
        "# SQS: operations\n\n\
         Made from the operation table by `BLESS=1 cargo test -p services page`; a test compares.\n\n\
         {answered} of {} operations are answered; the others say that they are not supported. JSON and Query are both spoken.\n\n\
         | operation | answered |\n|---|---|\n",
        operations.len()
    );
    for (name, support) in operations {
        let answered = match support {
            Support::Full => "yes",
            Support::Planned => "not yet",
        };
        page.push_str(&format!("| {name} | {answered} |\n"));
    }
    page
}

#[test]
fn the_page_of_operations_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compat/sqs.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        kept,
        page(),
        "make it anew: BLESS=1 cargo test -p services page"
    );
}

#[test]
fn every_error_is_one_of_the_models() {
    let model = model();
    let known: BTreeSet<&str> = model
        .values()
        .flat_map(|operation| operation.errors.iter().map(String::as_str))
        .chain(UNMODELLED.iter().copied())
        .collect();
    for of in [
        SqsError::AccessDenied,
        SqsError::BatchEntryIdsNotDistinct,
        SqsError::BatchRequestTooLong,
        SqsError::EmptyBatchRequest,
        SqsError::InvalidAddress,
        SqsError::InvalidAttributeName,
        SqsError::InvalidAttributeValue,
        SqsError::InvalidBatchEntryId,
        SqsError::InvalidMessageContents,
        SqsError::InvalidParameterValue,
        SqsError::MessageNotInflight,
        SqsError::MissingParameter,
        SqsError::OverLimit,
        SqsError::PurgeQueueInProgress,
        SqsError::QueueDeletedRecently,
        SqsError::QueueNameExists,
        SqsError::ReceiptHandleIsInvalid,
        SqsError::RequestThrottled,
        SqsError::ResourceNotFound,
        SqsError::TooManyEntriesInBatchRequest,
        SqsError::UnsupportedOperation,
    ] {
        let error = ServiceError::from(of("text".into()));
        assert!(known.contains(&*error.code), "{error}");
        assert_eq!(
            (error.fault, error.message.as_str()),
            (Fault::Sender, "text")
        );
        assert!((400..500).contains(&error.status), "{error}");
    }
    let error = ServiceError::from(SqsError::QueueDoesNotExist);
    assert!(known.contains(&*error.code), "{error}");
    let old_name = Some("AWS.SimpleQueueService.NonExistentQueue");
    assert_eq!((error.status, error.query_code), (400, old_name));
    let error = ServiceError::from(SqsError::InternalFailure);
    assert_eq!((error.status, error.fault), (500, Fault::Receiver));
    let error = ServiceError::from(SqsError::Unavailable);
    assert_eq!((error.status, error.fault), (503, Fault::Receiver));
}
