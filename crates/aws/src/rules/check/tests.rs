//! AWS's answers as kinesalite's suite recorded them.

use bytes::Bytes;

use super::*;

const ENTRY: &str = "com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry@c965e310";
const RULES: &[Rule] = &[
    Rule::at("Records").required().length(1, 500).element(ENTRY),
    Rule::at("Records.member.PartitionKey")
        .required()
        .length(1, 256),
    Rule::at("Records.member.ExplicitHashKey").pattern("0|([1-9]\\d{0,38})"),
    Rule::at("Records.member.Data")
        .required()
        .blob(0, 1_048_576),
    Rule::at("StreamName")
        .required()
        .length(1, 128)
        .pattern("[a-zA-Z0-9_.-]+"),
    Rule::at("Tags").length(1, 10),
    Rule::at("Tags.key").length(1, 128),
    Rule::at("Tags.value").length(0, 256),
    Rule::at("Metrics.member").one_of(&["A", "ALL"]),
    Rule::at("ShardCount").range(1, 100_000),
    Rule::at("StartingPosition.Type")
        .required()
        .one_of(&["LATEST", "TRIM_HORIZON"]),
];

fn map(members: Vec<(&str, Value)>) -> Value {
    Value::Map(
        members
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v))
            .collect(),
    )
}

fn record(key: &str) -> Value {
    map(vec![("PartitionKey", key.into()), ("Data", "".into())])
}

/// The members given, with what is required filled in, fail in just these ways.
fn check(members: Vec<(&str, Value)>, failures: &[&str]) {
    let mut members = members;
    for (name, filler) in [
        ("StreamName", Value::from("a")),
        ("Records", Value::List(vec![record("a")])),
    ] {
        if !members.iter().any(|(given, _)| *given == name) {
            members.push((name, filler));
        }
    }
    let found = Checker::new(RULES).check(&map(members));
    if failures.is_empty() {
        assert_eq!(found, Ok(()));
        return;
    }
    let errors = if failures.len() == 1 {
        "error"
    } else {
        "errors"
    };
    let text = format!(
        "{} validation {errors} detected: {}",
        failures.len(),
        failures.join("; ")
    );
    let error = found.unwrap_err();
    assert_eq!(error.code, "ValidationException");
    assert_eq!(error.status, 400);
    assert_eq!(error.message, text);
}

#[test]
fn what_is_required_must_be_there() {
    check(
        vec![("StreamName", Value::Null), ("Records", Value::Null)],
        &[
            "Value null at 'records' failed to satisfy constraint: Member must not be null",
            "Value null at 'streamName' failed to satisfy constraint: Member must not be null",
        ],
    );
    check(vec![], &[]);
}

#[test]
fn every_failure_is_told() {
    check(
        vec![("StreamName", "".into()), ("Records", Value::List(vec![]))],
        &[
            "Value '[]' at 'records' failed to satisfy constraint: Member must have length greater than or equal to 1",
            "Value '' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
            "Value '' at 'streamName' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ],
    );
    check(
        vec![("StreamName", "a b".into())],
        &[
            "Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        ],
    );
}

#[test]
fn elements_are_numbered_from_one() {
    let bad = map(vec![
        ("PartitionKey", "".into()),
        ("ExplicitHashKey", "01".into()),
        ("Data", "".into()),
    ]);
    check(
        vec![("Records", Value::List(vec![record("a"), bad]))],
        &[
            "Value '' at 'records.2.member.partitionKey' failed to satisfy constraint: Member must have length greater than or equal to 1",
            "Value '01' at 'records.2.member.explicitHashKey' failed to satisfy constraint: Member must satisfy regular expression pattern: 0|([1-9]\\d{0,38})",
        ],
    );
}

#[test]
fn blobs_are_measured_in_bytes_in_either_form() {
    let told = "Value 'java.nio.HeapByteBuffer[pos=0 lim=1048577 cap=1048577]' at 'records.1.member.data' failed to satisfy constraint: Member must have length less than or equal to 1048576";
    let bytes = vec![0; 1_048_577];
    let text = crate::shapes::encode_base64(&bytes);
    for data in [Value::Text(text), Value::Bytes(Bytes::from(bytes))] {
        let record = map(vec![("PartitionKey", "a".into()), ("Data", data)]);
        check(vec![("Records", Value::List(vec![record]))], &[told]);
    }
}

#[test]
fn no_more_than_ten_are_told() {
    let records = (0..501).map(|_| record("")).collect();
    let shown = vec![ENTRY; 501].join(", ");
    let mut told = vec![format!(
        "Value '[{shown}]' at 'records' failed to satisfy constraint: Member must have length less than or equal to 500"
    )];
    told.extend((1..10).map(|n| format!(
        "Value '' at 'records.{n}.member.partitionKey' failed to satisfy constraint: Member must have length greater than or equal to 1"
    )));
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    check(vec![("Records", Value::List(records))], &told);
}

#[test]
fn map_entries_and_scalar_elements_are_told_at_their_container() {
    let long = "a".repeat(257);
    let tags = |key: &str, value: &str| map(vec![(key, value.into())]);
    check(
        vec![("Tags", tags(&long, "3"))],
        &[&format!(
            "Value '{{{long}=3}}' at 'tags' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1]"
        )],
    );
    check(
        vec![("Tags", tags("c", &long))],
        &[&format!(
            "Value '{{c={long}}}' at 'tags' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 256, Member must have length greater than or equal to 0]"
        )],
    );
    let metrics = Value::List(vec!["ALL".into(), "B".into()]);
    check(
        vec![("Metrics", metrics)],
        &[
            "Value '[ALL, B]' at 'metrics' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [A, ALL]]",
        ],
    );
}

#[test]
fn numbers_and_members_of_structures() {
    check(
        vec![("ShardCount", Value::Int(0))],
        &[
            "Value '0' at 'shardCount' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ],
    );
    check(
        vec![("ShardCount", Value::Int(100_001))],
        &[
            "Value '100001' at 'shardCount' failed to satisfy constraint: Member must have value less than or equal to 100000",
        ],
    );
    check(
        vec![("StartingPosition", map(vec![]))],
        &[
            "Value null at 'startingPosition.type' failed to satisfy constraint: Member must not be null",
        ],
    );
    check(
        vec![("StartingPosition", map(vec![("Type", "X".into())]))],
        &[
            "Value 'X' at 'startingPosition.type' failed to satisfy constraint: Member must satisfy enum value set: [LATEST, TRIM_HORIZON]",
        ],
    );
}

#[test]
fn wrong_types_are_left_to_the_shape() {
    check(
        vec![("StreamName", Value::Int(1)), ("ShardCount", "x".into())],
        &[],
    );
}

#[test]
fn a_long_value_is_cut_in_the_telling() {
    let record = map(vec![
        ("PartitionKey", "ü".repeat(100_000).into()),
        ("Data", "".into()),
    ]);
    let document = map(vec![
        ("Records", Value::List(vec![record])),
        ("StreamName", "a".into()),
    ]);
    let error = Checker::new(RULES).check(&document).unwrap_err();
    assert!(error.message.chars().count() < SHOWN_MAX + 200);
}

#[test]
fn a_long_list_is_not_printed_to_its_end() {
    let rule = Rule::at("Records").element(ENTRY);
    let mut text = String::new();
    print(&Value::List(vec![Value::Null; 100_000]), &rule, &mut text);
    assert!(
        text.len() < 4 * SHOWN_MAX + 2 * ENTRY.len(),
        "{}",
        text.len()
    );
}

#[test]
fn a_text_too_long_to_match_fails_once() {
    let name = "a".repeat(MATCHED_MAX + 1);
    let document = map(vec![("StreamName", name.as_str().into())]);
    let failures = |rules: &'static [Rule]| {
        let refused = Checker::new(rules).check(&document).unwrap_err();
        refused.message.matches("failed to satisfy").count()
    };
    const BOUNDED: &[Rule] = &[Rule::at("StreamName").length(1, 128).pattern("a+")];
    const UNBOUNDED: &[Rule] = &[Rule::at("StreamName").pattern("a+")];
    assert_eq!((failures(BOUNDED), failures(UNBOUNDED)), (1, 1));
}
