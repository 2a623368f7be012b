use super::*;
use crate::dynamodb::expression::fixture::usual;

fn check_fault(text: &str, fault: &str) {
    assert_eq!(
        KeyTests::parse(text, &mut usual()),
        Err(Invalid::new(fault)),
        "{text}"
    );
}

/// Partition key `a`, a text; sort key `b`, a number.
const KEYS: KeySchema<'_> = KeySchema {
    hash: ("a", Type::S),
    range: Some(("b", Type::N)),
};

fn on(text: &str, keys: &KeySchema<'_>) -> Result<KeyCondition, Invalid> {
    KeyTests::parse(text, &mut usual())
        .unwrap_or_else(|fault| panic!("{text}: {fault}"))
        .on(keys)
}

fn check_range(text: &str, test: Option<RangeTest>) {
    let condition = on(text, &KEYS).unwrap();
    assert_eq!(
        condition.hash,
        ("a".to_owned(), Value::from("text")),
        "{text}"
    );
    assert_eq!(
        condition.range,
        test.map(|test| ("b".to_owned(), test)),
        "{text}"
    );
}

#[test]
fn keys_are_tested() {
    let (one, two) = (Value::from(1), Value::from(2));
    check_range("a = :s", None);
    check_range(":s = #a", None);
    check_range("a = :s AND b = :n", Some(RangeTest::Equal(one.clone())));
    check_range("(b < :n) AND (a = :s)", Some(RangeTest::Less(one.clone())));
    check_range(
        "(a = :s and (b <= :n))",
        Some(RangeTest::LessOrEqual(one.clone())),
    );
    check_range("a = :s AND :n < b", Some(RangeTest::Greater(one.clone())));
    check_range(
        "a = :s AND :n <= b",
        Some(RangeTest::GreaterOrEqual(one.clone())),
    );
    check_range(
        "a = :s AND b BETWEEN :n AND :m",
        Some(RangeTest::Between(one, two)),
    );
    let texts = KeySchema {
        range: Some(("b", Type::S)),
        ..KEYS
    };
    let condition = on("a = :s AND begins_with(b, :t)", &texts).unwrap();
    assert_eq!(
        condition.range,
        Some(("b".to_owned(), RangeTest::BeginsWith("te".into())))
    );
}

#[test]
fn tests_of_keys_have_their_meaning() {
    let two = Value::from(2);
    for (test, holds) in [
        (RangeTest::Equal(2.into()), true),
        (RangeTest::Less(2.into()), false),
        (RangeTest::LessOrEqual(2.into()), true),
        (RangeTest::Greater(1.into()), true),
        (RangeTest::GreaterOrEqual(3.into()), false),
        (RangeTest::Between(2.into(), 3.into()), true),
        (RangeTest::Between(3.into(), 4.into()), false),
        (RangeTest::BeginsWith("2".into()), false),
        (RangeTest::Less("3".into()), false),
    ] {
        assert_eq!(test.holds(&two), holds, "{test:?}");
    }
    assert!(RangeTest::BeginsWith("te".into()).holds(&"text".into()));
}

#[test]
fn what_keys_can_not_be_tested_with_is_refused() {
    for (text, operator) in [
        ("a = :s OR b = :n", "OR"),
        ("NOT a = :s", "NOT"),
        ("a IN (:s)", "IN"),
        ("a <> :s", "<>"),
        ("attribute_exists(a)", "attribute_exists"),
        ("attribute_not_exists(a)", "attribute_not_exists"),
        ("attribute_type(a, :x)", "attribute_type"),
        ("contains(a, :s)", "contains"),
    ] {
        check_fault(
            text,
            &format!("Invalid operator used in KeyConditionExpression: {operator}"),
        );
    }
    check_fault(
        "size(a) = :n",
        "KeyConditionExpressions cannot contain nested operations",
    );
    check_fault(
        "a.b = :s",
        "KeyConditionExpressions cannot have conditions on nested attributes",
    );
    let invalid = "Invalid condition in KeyConditionExpression: ";
    check_fault(
        "a = b",
        &format!("{invalid}Multiple attribute names used in one condition"),
    );
    check_fault(":s = :t", &format!("{invalid}No key attribute specified"));
    for (text, operator) in [
        (":n BETWEEN a AND :m", "BETWEEN"),
        ("begins_with(:s, a)", "begins_with"),
    ] {
        check_fault(
            text,
            &format!(
                "{invalid}{operator} operator must have the key attribute as its first operand"
            ),
        );
    }
    check_fault(
        "a = :s AND a = :t",
        "KeyConditionExpressions must only contain one condition per key",
    );
    check_fault(
        "a = :s AND b = :n AND c = :n",
        "Conditions can be of length 1 or 2 only",
    );
    check_fault(
        "a",
        "Invalid KeyConditionExpression: Syntax error; token: \"<EOF>\", near: \"a\"",
    );
}

#[test]
fn conditions_must_fit_the_keys() {
    let check = |text: &str, keys: &KeySchema<'_>, fault: &str| {
        assert_eq!(on(text, keys), Err(Invalid::new(fault)), "{text}");
    };
    let hash_only = KeySchema {
        range: None,
        ..KEYS
    };
    check(
        "b = :n",
        &KEYS,
        "Query condition missed key schema element: a",
    );
    check(
        "a = :s AND c = :n",
        &KEYS,
        "Query condition missed key schema element: b",
    );
    check(
        "a = :s AND b = :n",
        &hash_only,
        "Query key condition not supported",
    );
    check(
        "a > :s AND b = :n",
        &KEYS,
        "Query key condition not supported",
    );
    check(
        "a = :s AND b BETWEEN :s AND :s",
        &KEYS,
        "One or more parameter values were invalid: Condition parameter type does not match schema type",
    );
    check(
        "a = :n",
        &KEYS,
        "One or more parameter values were invalid: Condition parameter type does not match schema type",
    );
}
