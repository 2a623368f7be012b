use super::*;
use crate::dynamodb::expression::fixture::{item, usual};

fn check(text: &str, projected: &str) {
    let whole = item(
        r#"{"a": {"L": [{"S": "0"}, {"M": {"k": {"S": "v"}, "j": {"S": "w"}}}, {"S": "2"}]}, "m": {"M": {"k": {"N": "1"}}},
            "name": {"S": "n"}}"#,
    );
    let projection = Projection::parse(text, &mut usual()).unwrap();
    assert_eq!(projection.of(&whole), item(projected), "{text}");
}

fn check_fault(text: &str, fault: &str) {
    let expected = Invalid::new(format!("Invalid ProjectionExpression: {fault}"));
    assert_eq!(
        Projection::parse(text, &mut usual()),
        Err(expected),
        "{text}"
    );
}

#[test]
fn parts_are_taken() {
    check("#n", r#"{"name": {"S": "n"}}"#);
    check(
        "m.k, a[2]",
        r#"{"m": {"M": {"k": {"N": "1"}}}, "a": {"L": [{"S": "2"}]}}"#,
    );
    check("a[2], a[0]", r#"{"a": {"L": [{"S": "0"}, {"S": "2"}]}}"#);
    check(
        "a[1].k, a[1].j",
        r#"{"a": {"L": [{"M": {"k": {"S": "v"}, "j": {"S": "w"}}}]}}"#,
    );
    check("zz, m.zz, a[9], #n.k", "{}");
    check("m[0]", "{}");
    check("a.k", "{}");
}

#[test]
fn attributes_are_told() {
    let projection = Projection::parse("#n, m.k, a[1], a[0]", &mut usual()).unwrap();
    let attributes: Vec<&str> = projection.attributes().into_iter().collect();
    assert_eq!(attributes, ["a", "m", "name"]);
    assert_eq!(
        projection
            .paths()
            .iter()
            .filter(|path| path.is_nested())
            .count(),
        3
    );
}

#[test]
fn what_breaks_a_rule_is_refused() {
    for text in ["a,", "a b", ":n", "a..b", "a[1", "size(a)", "(a)", "a[b]"] {
        let fault = Projection::parse(text, &mut usual()).unwrap_err().0;
        assert!(
            fault.starts_with("Invalid ProjectionExpression: Syntax error; "),
            "{text}: {fault}"
        );
    }
    check_fault(
        "#zz, m.Date",
        "Attribute name is a reserved keyword; reserved keyword: Date",
    );
    check_fault(
        "a, #zz",
        "An expression attribute name used in the document path is not defined; attribute name: #zz",
    );
    check_fault(
        "a.b, c, a",
        "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a]",
    );
    check_fault(
        "a.b, a[1]",
        "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a, [1]]",
    );
}
