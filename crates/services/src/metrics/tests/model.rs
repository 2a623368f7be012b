//! The table and the errors against AWS's own model, as botocore 1.44.5 carries it.
//!
//! `testdata/model.json` holds, for each operation, its input's members by path, its output's members, its errors. It is made anew by
//!
//! ```sh
//! pip download --no-deps botocore && unzip botocore*.whl
//! python3 testdata/model.py botocore/data/cloudwatch src/metrics/testdata/model.json
//! ```

use std::collections::{BTreeMap, BTreeSet};

use aws::{Fault, ServiceError, Support};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::{MetricsError, support};

/// What AWS answers although its model has it nowhere.
const UNMODELLED: &[&str] = &[
    "LimitExceededFault",
    "RequestEntityTooLarge",
    "SerializationException",
    "ThrottlingException",
    "UnknownOperationException",
    "ValidationException",
];

#[derive(Deserialize)]
pub(super) struct Operation {
    output: BTreeSet<String>,
    errors: BTreeSet<String>,
}

impl Operation {
    /// Asserts that an answer has no member that the model has not.
    pub(super) fn must_have_all_of(&self, name: &str, answer: &Value) {
        for member in answer.as_object().into_iter().flat_map(Map::keys) {
            assert!(self.output.contains(member), "{name} answers {member}");
        }
    }

    /// Asserts that a refusal is one that the model lists, or one of those that every operation has.
    pub(super) fn must_have_error(&self, name: &str, shape: &str) {
        let known = self.errors.contains(shape)
            || UNMODELLED.contains(&shape)
            // ListMetrics and others may be refused for their parameters too.
            || shape.starts_with("InvalidParameter");
        assert!(known, "{name} is refused with {shape}");
    }
}

pub(super) fn model() -> BTreeMap<String, Operation> {
    serde_json::from_str(include_str!("../testdata/model.json")).unwrap()
}

#[test]
fn every_operation_of_the_model_is_in_the_table() {
    let ours: BTreeSet<&str> = support().into_iter().map(|(name, _)| name).collect();
    let model = model();
    let theirs: BTreeSet<&str> = model.keys().map(String::as_str).collect();
    assert_eq!(ours, theirs);
}

#[test]
fn errors_are_called_as_the_model_calls_them() {
    let model = model();
    let known: BTreeSet<&str> = model
        .values()
        .flat_map(|of| of.errors.iter().map(String::as_str))
        .collect();
    let text = || "text".to_owned();
    for (error, code, status) in [
        (
            MetricsError::InvalidParameterValue(text()),
            "InvalidParameterValue",
            400,
        ),
        (
            MetricsError::InvalidParameterCombination(text()),
            "InvalidParameterCombination",
            400,
        ),
        (
            MetricsError::MissingParameter(text()),
            "MissingParameter",
            400,
        ),
        (
            MetricsError::InvalidNextToken(text()),
            "InvalidNextToken",
            400,
        ),
        (MetricsError::LimitExceeded(text()), "LimitExceeded", 400),
        (
            MetricsError::InternalServiceFault,
            "InternalServiceError",
            500,
        ),
    ] {
        let error = ServiceError::from(error);
        assert!(known.contains(&*error.code), "{error}");
        assert_eq!((error.query_code, error.status), (Some(code), status));
        assert_eq!(error.fault == Fault::Sender, status < 500);
    }
}

/// `docs/compat/cloudwatch.md`, which says which operations are answered.
fn page() -> String {
    let operations = support();
    let is_answered = |(_, support): &&(&str, Support)| *support == Support::Full;
    let answered = operations.iter().filter(is_answered).count();
    let mut page = format!(
        "# CloudWatch: operations\n\n\
         Made from the operation table by `BLESS=1 cargo test -p services page`; a test compares.\n\n\
         {answered} of {} operations are answered; the others say that they are not supported. RPC v2 (CBOR), JSON and Query are \
         all spoken.\n\n\
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
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/compat/cloudwatch.md"
    );
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
