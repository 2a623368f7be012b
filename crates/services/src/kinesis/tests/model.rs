//! The table and the rules against AWS's own model, as botocore 1.44.5 carries it.
//!
//! `testdata/model.json` holds, for each operation, its input's members by path with type, bounds, pattern, enumeration and whether
//! required; its output's members; its errors. It is made anew by
//!
//! ```sh
//! pip download --no-deps botocore && unzip botocore*.whl
//! python3 testdata/model.py botocore/data/kinesis src/kinesis/testdata/model.json
//! ```

use std::collections::{BTreeMap, BTreeSet};

use aws::{Fault, Rule, ServiceError, Support};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::{KinesisError, operations, rules, support};

#[derive(Deserialize)]
pub(super) struct Operation {
    input: BTreeMap<String, Member>,
    output: BTreeSet<String>,
    errors: BTreeSet<String>,
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
    pub(super) fn must_have_error(&self, name: &str, code: &str) {
        let is_common = [
            "ValidationException",
            "UnknownOperationException",
            "AccessDeniedException",
        ];
        let known = self.errors.contains(code) || is_common.contains(&code);
        assert!(known, "{name} is refused with {code}");
    }
}

#[derive(Deserialize, PartialEq, Debug, Default, Clone)]
struct Member {
    r#type: String,
    min: Option<i64>,
    max: Option<i64>,
    pattern: Option<String>,
    #[serde(default, rename = "enum")]
    values: Vec<String>,
    #[serde(default)]
    required: bool,
}

pub(super) fn model() -> BTreeMap<String, Operation> {
    serde_json::from_str(include_str!("../testdata/model.json")).unwrap()
}

/// The model's operations that are answered, with our rules for each.
fn all_rules() -> Vec<(&'static str, &'static [Rule])> {
    let table = operations();
    let mut all: Vec<_> = table.rules().collect();
    all.extend([
        ("GetRecords", rules::GET_RECORDS),
        ("PutRecord", rules::PUT_RECORD),
        ("PutRecords", rules::PUT_RECORDS),
    ]);
    all
}

#[test]
fn every_operation_of_the_model_is_in_the_table() {
    let ours: BTreeSet<&str> = support().into_iter().map(|(name, _)| name).collect();
    let model = model();
    let theirs: BTreeSet<&str> = model.keys().map(String::as_str).collect();
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), 57);
}

#[test]
fn channels_alone_are_planned() {
    for (name, support) in support() {
        let is_planned = name.contains("Channel");
        assert_eq!(support == Support::Planned, is_planned, "{name}");
    }
}

#[test]
fn every_operation_answered_has_rules() {
    let ruled: BTreeSet<&str> = all_rules().into_iter().map(|(name, _)| name).collect();
    for (name, support) in support() {
        assert_eq!(ruled.contains(name), support == Support::Full, "{name}");
    }
}

#[test]
fn rules_are_those_of_the_model() {
    let model = model();
    for (name, rules) in all_rules() {
        let operation = &model[name];
        let mut asked: BTreeMap<&str, Member> = BTreeMap::new();
        for rule in rules {
            let member = operation.input.get(rule.path);
            let member = member.unwrap_or_else(|| panic!("{name} has no member {}", rule.path));
            asked.insert(rule.path, as_member(rule, &member.r#type));
        }
        for (path, theirs) in &operation.input {
            let unasked = Member {
                r#type: theirs.r#type.clone(),
                ..Member::default()
            };
            let ours = asked.get(path.as_str()).unwrap_or(&unasked);
            let theirs = &beyond(name, path, theirs);
            assert_eq!(ours, theirs, "{name}: {path}");
        }
        assert_eq!(
            asked.len(),
            rules.len(),
            "{name} has two rules for one member"
        );
    }
}

/// The model's member with the one difference there is: a stream that Kafka made may have a longer name.
fn beyond(operation: &str, path: &str, theirs: &Member) -> Member {
    let mut member = theirs.clone();
    if matches!(path, "StreamName" | "ExclusiveStartStreamName") && operation != "CreateStream" {
        member.max = Some(249);
    }
    member
}

/// A rule in the model's terms: its `min` and `max` bound what the type has, a length or a number.
fn as_member(rule: &Rule, r#type: &str) -> Member {
    assert!(r#type != "blob" || rule.blob, "{} is a blob", rule.path);
    let is_number = matches!(r#type, "integer" | "long");
    let length = |bound: Option<u64>| bound.map(|bound| bound as i64);
    let (min, max) = if is_number {
        (rule.at_least, rule.at_most)
    } else {
        (length(rule.length_min), length(rule.length_max))
    };
    Member {
        r#type: r#type.to_owned(),
        min,
        max,
        pattern: rule.pattern.map(str::to_owned),
        values: rule
            .values
            .iter()
            .map(|value| (*value).to_owned())
            .collect(),
        required: rule.required,
    }
}

/// `docs/compat/kinesis.md`, which says which operations are answered.
fn page() -> String {
    let operations = support();
    let answered = operations
        .iter()
        .filter(|(_, support)| *support == Support::Full)
        .count();
    let mut page = format!(
        "# Kinesis Data Streams: operations\n\n\
         Made from the operation table by `BLESS=1 cargo test -p services page`; a test compares.\n\n\
         {answered} of {} operations are answered; the others say that they are not supported.\n\n\
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
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compat/kinesis.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compat")).unwrap();
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
        .collect();
    for of in [
        KinesisError::AccessDenied,
        KinesisError::DryRun,
        KinesisError::ExpiredIterator,
        KinesisError::ExpiredNextToken,
        KinesisError::InvalidArgument,
        KinesisError::LimitExceeded,
        KinesisError::ProvisionedThroughputExceeded,
        KinesisError::ResourceInUse,
        KinesisError::ResourceNotFound,
        KinesisError::Throttling,
        KinesisError::Validation,
    ] {
        let error = ServiceError::from(of("text".into()));
        assert!(known.contains(&*error.code), "{error}");
        assert_eq!((error.status, error.message.as_str()), (400, "text"));
    }
    let error = ServiceError::from(KinesisError::InternalFailure);
    assert!(known.contains(&*error.code), "{error}");
    assert_eq!((error.status, error.fault), (500, Fault::Receiver));
    let error = ServiceError::from(KinesisError::Unavailable);
    assert_eq!((error.status, error.fault), (503, Fault::Receiver));
}
