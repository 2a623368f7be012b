//! The table, the rules and the errors against AWS's own model, as botocore 1.44.5 carries it.
//!
//! `testdata/model.json` holds, for each operation, its input's members by path with their constraints; its output's members; its
//! errors. It is made anew by
//!
//! ```sh
//! pip download --no-deps botocore && unzip botocore*.whl
//! python3 testdata/model.py botocore/data/dynamodb src/dynamodb/testdata/model.json
//! ```

use std::collections::{BTreeMap, BTreeSet};

use aws::{Rule, Support};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::{operations, support};

/// What AWS answers although its model has it nowhere.
const UNMODELLED: &[&str] = &[
    "SerializationException",
    "UnknownOperationException",
    "ValidationException",
];

#[derive(Deserialize)]
pub(super) struct Operation {
    input: BTreeMap<String, Member>,
    output: BTreeSet<String>,
    errors: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Member {
    #[serde(default)]
    required: bool,
    min: Option<i64>,
    max: Option<i64>,
    pattern: Option<String>,
    #[serde(default, rename = "enum")]
    values: Vec<String>,
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
    assert_eq!(ours.len(), operations().names().count());
}

#[test]
fn every_rule_is_the_models() {
    let model = model();
    let table = operations();
    for (name, rules) in table.rules() {
        for rule in rules {
            let member = model[name].input.get(rule.path);
            let member = member.unwrap_or_else(|| panic!("{name} has no member {}", rule.path));
            must_agree(name, rule, member);
        }
    }
}

fn must_agree(name: &str, rule: &Rule, member: &Member) {
    let path = rule.path;
    let least = rule.at_least.or(rule.length_min.map(|min| min as i64));
    let most = rule.at_most.or(rule.length_max.map(|max| max as i64));
    assert_eq!(rule.required, member.required, "{name}: {path}");
    assert_eq!(rule.values, member.values, "{name}: {path}");
    assert_eq!(rule.pattern, member.pattern.as_deref(), "{name}: {path}");
    // What a rule leaves open, its handler says in words of its own.
    assert!(least.is_none() || least == member.min, "{name}: {path}");
    assert!(most.is_none() || most == member.max, "{name}: {path}");
}

/// `docs/compat/dynamodb.md`, which says which operations are answered.
fn page() -> String {
    let operations = support();
    let answered = operations
        .iter()
        .filter(|(_, support)| *support == Support::Full)
        .count();
    let mut page = format!(
        "# DynamoDB: operations\n\n\
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
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compat/dynamodb.md");
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
