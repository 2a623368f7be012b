use super::*;
use crate::dynamodb::expression::fixture::item;
use crate::dynamodb::expression::{KeySchema, RangeTest};
use crate::dynamodb::value::Item;

fn read_expected(json: &str, operator: Option<&str>) -> Result<Condition, Invalid> {
    expected(serde_json::from_str(json).unwrap(), operator)
}

fn read_filter(json: &str) -> Result<Condition, Invalid> {
    filter(serde_json::from_str(json).unwrap(), None)
}

fn read_updates(json: &str) -> Result<Update, Invalid> {
    updates(serde_json::from_str(json).unwrap())
}

fn check_fault<T: std::fmt::Debug>(result: Result<T, Invalid>, fault: &str) {
    let whole = format!("One or more parameter values were invalid: {fault}");
    assert_eq!(result.unwrap_err().0, whole);
}

fn lease() -> Item {
    item(
        r#"{"leaseKey": {"S": "shardId-0"}, "leaseOwner": {"S": "worker"}, "leaseCounter": {"N": "7"}, "tags": {"SS": ["a", "b"]}}"#,
    )
}

/// What the KCL says to take, renew and create a lease.
#[test]
fn leases_are_held_by_expected() {
    let check = |json: &str, held: Option<&Item>, holds: bool| {
        assert_eq!(
            read_expected(json, None).unwrap().holds(held),
            holds,
            "{json}"
        );
    };
    let lease = lease();
    let renewed =
        r#"{"leaseCounter": {"Value": {"N": "7"}}, "leaseOwner": {"Value": {"S": "worker"}}}"#;
    check(renewed, Some(&lease), true);
    check(renewed, None, false);
    check(
        r#"{"leaseCounter": {"Value": {"N": "8"}, "Exists": true}}"#,
        Some(&lease),
        false,
    );
    check(r#"{"leaseKey": {"Exists": false}}"#, Some(&lease), false);
    check(r#"{"leaseKey": {"Exists": false}}"#, None, true);
    check(
        r#"{"leaseOwner": {"Value": {"S": "other"}}, "leaseCounter": {"Value": {"N": "7"}}}"#,
        Some(&lease),
        false,
    );
}

#[test]
fn operators_have_their_meaning() {
    let check = |attribute: &str, operator: &str, values: &str, holds: bool| {
        let json = format!(
            r#"{{"{attribute}": {{"ComparisonOperator": "{operator}", "AttributeValueList": [{values}]}}}}"#
        );
        assert_eq!(
            read_filter(&json).unwrap().holds(Some(&lease())),
            holds,
            "{json}"
        );
        assert_eq!(
            read_expected(&json, None).unwrap().holds(Some(&lease())),
            holds,
            "{json}"
        );
    };
    let n = "leaseCounter";
    check(n, "EQ", r#"{"N": "7.0"}"#, true);
    check(n, "NE", r#"{"N": "7"}"#, false);
    check("zz", "NE", r#"{"N": "7"}"#, true);
    check(n, "LE", r#"{"N": "7"}"#, true);
    check(n, "LT", r#"{"N": "7"}"#, false);
    check(n, "GE", r#"{"N": "6"}"#, true);
    check(n, "GT", r#"{"S": "6"}"#, false);
    check(n, "NOT_NULL", "", true);
    check(n, "NULL", "", false);
    check("zz", "NULL", "", true);
    check("leaseKey", "CONTAINS", r#"{"S": "Id"}"#, true);
    check("tags", "CONTAINS", r#"{"S": "a"}"#, true);
    check("tags", "NOT_CONTAINS", r#"{"S": "a"}"#, false);
    check("zz", "NOT_CONTAINS", r#"{"S": "a"}"#, true);
    check("leaseKey", "BEGINS_WITH", r#"{"S": "shard"}"#, true);
    check(n, "IN", r#"{"N": "1"}, {"N": "7"}"#, true);
    check(n, "IN", r#"{"N": "1"}"#, false);
    check(n, "BETWEEN", r#"{"N": "7"}, {"N": "8"}"#, true);
    check("tags", "EQ", r#"{"SS": ["b", "a"]}"#, true);
}

#[test]
fn several_attributes_are_joined() {
    let json =
        r#"{"leaseCounter": {"Value": {"N": "1"}}, "leaseOwner": {"Value": {"S": "worker"}}}"#;
    let holds = |operator| read_expected(json, operator).unwrap().holds(Some(&lease()));
    assert!(!holds(None));
    assert!(!holds(Some("AND")));
    assert!(holds(Some("OR")));
    assert_eq!(
        read_expected(json, Some("XOR")).unwrap_err().0,
        "1 validation error detected: Value 'XOR' at 'conditionalOperator' failed to satisfy constraint: Member must satisfy enum value set: [OR, AND]"
    );
    let one = read_expected(r#"{"a": {"Exists": false}}"#, Some("OR"))
        .unwrap_err()
        .0;
    assert_eq!(
        one,
        "ConditionalOperator can only be used when Filter or Expected has two or more elements"
    );
    assert_eq!(
        check_operator(Some("OR"), None).unwrap_err().0,
        "ConditionalOperator cannot be used without Filter or Expected"
    );
}

#[test]
fn expected_has_rules() {
    for (json, fault) in [
        (
            r#"{"Value": {"S": ""}, "AttributeValueList": []}"#,
            "Value and AttributeValueList cannot be used together for Attribute: a",
        ),
        (
            r#"{"Exists": true, "ComparisonOperator": "EQ"}"#,
            "Exists and ComparisonOperator cannot be used together for Attribute: a",
        ),
        (
            r#"{"ComparisonOperator": "LT"}"#,
            "Value or AttributeValueList must be used with ComparisonOperator: LT for Attribute: a",
        ),
        (
            r#"{"AttributeValueList": []}"#,
            "AttributeValueList can only be used with a ComparisonOperator for Attribute: a",
        ),
        (
            "{}",
            "Value must be provided when Exists is null for Attribute: a",
        ),
        (
            r#"{"Exists": true}"#,
            "Value must be provided when Exists is true for Attribute: a",
        ),
        (
            r#"{"Exists": false, "Value": {"S": ""}}"#,
            "Value cannot be used when Exists is false for Attribute: a",
        ),
        (
            r#"{"ComparisonOperator": "EQ", "AttributeValueList": [{"S": ""}, {"S": ""}]}"#,
            "Invalid number of argument(s) for the EQ ComparisonOperator",
        ),
    ] {
        check_fault(read_expected(&format!(r#"{{"a": {json}}}"#), None), fault);
    }
}

#[test]
fn comparisons_have_rules() {
    let of = |operator: &str, values: &str| {
        read_filter(&format!(
            r#"{{"a": {{"ComparisonOperator": "{operator}", "AttributeValueList": [{values}]}}}}"#
        ))
    };
    for (operator, values) in [
        ("NULL", r#"{"S": ""}"#),
        ("IN", ""),
        ("BETWEEN", r#"{"S": ""}"#),
        ("EQ", ""),
    ] {
        let fault = format!("Invalid number of argument(s) for the {operator} ComparisonOperator");
        check_fault(of(operator, values), &fault);
    }
    check_fault(
        of("IN", r#"{"S": "b"}, {"N": "1"}"#),
        "AttributeValues inside AttributeValueList must be of same type",
    );
    check_fault(
        of("LE", r#"{"SS": ["a"]}"#),
        "ComparisonOperator LE is not valid for SS AttributeValue type",
    );
    check_fault(
        of("BEGINS_WITH", r#"{"N": "1"}"#),
        "ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type",
    );
    assert_eq!(
        of("BETWEEN", r#"{"N": "2"}, {"N": "1"}"#).unwrap_err().0,
        "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"
    );
    assert_eq!(
        of("EQ", "{}").unwrap_err().0,
        "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
    );
    assert!(
        of("Eq", "")
            .unwrap_err()
            .0
            .contains("Value 'Eq' at 'comparisonOperator'")
    );
}

#[test]
fn key_conditions_are_key_tests() {
    let read = |json: &str| key_conditions(serde_json::from_str(json).unwrap());
    let keys = KeySchema {
        hash: ("a", Type::S),
        range: Some(("b", Type::N)),
    };
    let equal = r#""a": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "x"}]}"#;
    let with = |json: &str| {
        read(&format!("{{{equal}, \"b\": {json}}}"))
            .unwrap()
            .on(&keys)
    };
    let range = |json: &str| with(json).unwrap().range.unwrap().1;
    assert_eq!(
        range(r#"{"ComparisonOperator": "GT", "AttributeValueList": [{"N": "1"}]}"#),
        RangeTest::Greater(1.into())
    );
    assert_eq!(
        range(
            r#"{"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"N": "1"}, {"N": "2"}]}"#
        ),
        RangeTest::Between(1.into(), 2.into())
    );
    for json in [
        r#"{"ComparisonOperator": "NULL"}"#,
        r#"{"ComparisonOperator": "NE", "AttributeValueList": [{"N": "1"}]}"#,
    ] {
        assert_eq!(
            with(json).unwrap_err().0,
            "Attempted conditional constraint is not an indexable operation"
        );
    }
    assert_eq!(
        read("{}").unwrap_err().0,
        "Conditions can be of length 1 or 2 only"
    );
}

#[test]
fn updates_put_add_and_delete() {
    let check = |json: &str, before: &str, after: &str| {
        let mut changed = item(before);
        read_updates(json).unwrap().apply(&mut changed).unwrap();
        assert_eq!(changed, item(after), "{json}");
    };
    let before = r#"{"a": {"N": "1"}, "s": {"SS": ["x", "y"]}, "l": {"L": []}}"#;
    check(
        r#"{"a": {"Value": {"N": "5"}}, "l": {"Action": "DELETE"}, "s": {"Action": "DELETE", "Value": {"SS": ["x"]}}}"#,
        before,
        r#"{"a": {"N": "5"}, "s": {"SS": ["y"]}}"#,
    );
    check(
        r#"{"a": {"Action": "ADD", "Value": {"N": "-3"}}, "s": {"Action": "ADD", "Value": {"SS": ["z"]}},
            "l": {"Action": "ADD", "Value": {"L": [{"S": "1"}]}}, "new": {"Action": "ADD", "Value": {"N": "2"}}}"#,
        before,
        r#"{"a": {"N": "-2"}, "s": {"SS": ["x", "y", "z"]}, "l": {"L": [{"S": "1"}]}, "new": {"N": "2"}}"#,
    );
    check(
        r#"{"s": {"Action": "DELETE", "Value": {"SS": ["x", "y"]}}}"#,
        before,
        r#"{"a": {"N": "1"}, "l": {"L": []}}"#,
    );
    check(
        r#"{"z": {"Action": "DELETE", "Value": {"SS": ["x"]}}}"#,
        before,
        before,
    );
    // A name is a name here, and no path.
    check(
        r#"{"a.b": {"Action": "PUT", "Value": {"N": "1"}}}"#,
        "{}",
        r#"{"a.b": {"N": "1"}}"#,
    );
}

#[test]
fn updates_have_rules() {
    check_fault(
        read_updates(r#"{"a": {"Action": "PUT"}}"#),
        "Only DELETE action is allowed when no attribute value is specified",
    );
    check_fault(
        read_updates(r#"{"a": {"Action": "DELETE", "Value": {"N": "1"}}}"#),
        "DELETE action with value is not supported for the type N",
    );
    check_fault(
        read_updates(r#"{"a": {"Action": "ADD", "Value": {"S": ""}}}"#),
        "ADD action is not supported for the type S",
    );
    assert!(
        read_updates(r#"{"a": {"Action": "SET"}}"#)
            .unwrap_err()
            .0
            .contains("Value 'SET' at 'action'")
    );
    let mut unchanged = lease();
    let update = read_updates(r#"{"leaseOwner": {"Action": "ADD", "Value": {"N": "1"}}}"#).unwrap();
    assert_eq!(
        update.apply(&mut unchanged),
        Err(Invalid::new("Type mismatch for attribute to update"))
    );
    assert_eq!(unchanged, lease());
}

#[test]
fn attributes_to_get_are_a_projection() {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
    };
    let projection = attributes_to_get(names(&["leaseCounter", "zz"])).unwrap();
    assert_eq!(
        projection.of(&lease()),
        item(r#"{"leaseCounter": {"N": "7"}}"#)
    );
    check_fault(
        attributes_to_get(names(&["a", "b", "a"])),
        "Duplicate value in attribute name: a",
    );
}

#[test]
fn both_kinds_of_parameters_are_not_mixed() {
    let expressions = [("UpdateExpression", true), ("ConditionExpression", false)];
    let mixed = not_mixed(
        &expressions,
        &[("AttributeUpdates", true), ("Expected", true)],
    );
    assert_eq!(
        mixed.unwrap_err().0,
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributeUpdates, Expected} Expression parameters: {UpdateExpression}"
    );
    assert_eq!(not_mixed(&expressions, &[("Expected", false)]), Ok(()));
    assert_eq!(
        not_mixed(&[("UpdateExpression", false)], &[("Expected", true)]),
        Ok(())
    );
}
