use super::*;
use crate::dynamodb::expression::fixture::{item, usual};

fn sample() -> Item {
    item(
        r#"{
        "s": {"S": "text"}, "n": {"N": "2"}, "b": {"B": "YWJj"}, "yes": {"BOOL": true}, "nil": {"NULL": true},
        "l": {"L": [{"S": "x"}, {"M": {"k": {"N": "1"}}}]}, "m": {"M": {"k": {"S": "v"}, "2": {"N": "2"}}},
        "ss": {"SS": ["b", "a"]}, "ns": {"NS": ["1", "2"]}, "bs": {"BS": ["YQ==", "Yg=="]}, "name": {"S": "é"}
    }"#,
    )
}

fn holds(text: &str) -> bool {
    let condition = Condition::parse(text, &mut usual());
    condition
        .unwrap_or_else(|fault| panic!("{text}: {fault}"))
        .holds(Some(&sample()))
}

fn check_true(texts: &[&str]) {
    for text in texts {
        assert!(holds(text), "{text}");
    }
}

fn check_false(texts: &[&str]) {
    for text in texts {
        assert!(!holds(text), "{text}");
    }
}

fn check_fault(text: &str, fault: &str) {
    let expected = Invalid::new(format!("Invalid ConditionExpression: {fault}"));
    assert_eq!(
        Condition::parse(text, &mut usual()),
        Err(expected),
        "{text}"
    );
}

#[test]
fn values_are_compared_within_their_type() {
    check_true(&[
        "s = :s",
        "n = :m",
        "n<>:n",
        "n > :n",
        "n >= :m",
        "n < :f",
        "n <= :m",
        ":n < n",
        "s > :t",
        "b > :b",
        "ss = :ss",
        "yes = :yes",
        "nil = :null",
        "l[1].k = :n",
        "m.k <> :s",
        "s <> :n",
    ]);
    check_false(&[
        "s = :n",
        "s < :n",
        "s > :n",
        "n < :n",
        "yes = :null",
        "m < l",
        "ss <> :ss",
    ]);
}

#[test]
fn what_is_not_there_is_only_unequal() {
    check_true(&[
        "zz <> :s",
        "zz <> yy",
        "NOT zz = :s",
        "attribute_not_exists(zz)",
        "NOT contains(zz, :s)",
    ]);
    check_false(&[
        "zz = :s",
        "zz = yy",
        "zz < :n",
        "zz BETWEEN :n AND :m",
        "zz IN (:n)",
        "attribute_exists(zz)",
        "attribute_exists(l[2])",
        "attribute_exists(s.k)",
        "attribute_exists(m[0])",
        "size(zz) < :n",
        "size(n) < :f",
        "begins_with(zz, :s)",
        "attribute_type(zz, :x)",
    ]);
    assert!(
        Condition::parse("attribute_not_exists(a)", &mut usual())
            .unwrap()
            .holds(None)
    );
    assert!(
        !Condition::parse("attribute_exists(a)", &mut usual())
            .unwrap()
            .holds(None)
    );
}

#[test]
fn between_and_in_have_their_meaning() {
    check_true(&[
        "n BETWEEN :n AND :m",
        "n between :m and :f",
        "n IN (:n, :m)",
        "s in (:n,:s)",
        ":m BETWEEN n AND n",
    ]);
    check_false(&[
        "n BETWEEN :f AND size(l)",
        "n IN (:n, :f)",
        "s BETWEEN :n AND :m",
    ]);
}

#[test]
fn functions_have_their_meaning() {
    check_true(&[
        "attribute_exists(m.k)",
        "attribute_exists(#n)",
        "attribute_type(ss, :x)",
        "begins_with(s, :t)",
        "begins_with(s, :e)",
        "begins_with(b, :b)",
        "contains(s, :t)",
        "contains(b, :b)",
        "contains(ns, :n)",
        "contains(bs, :b)",
        "contains(l, l[0])",
        "contains(l, l[1])",
        "size(s) > :n",
        "size(l) = :m",
        "size(m) = n",
        "size(ss) = :m",
        "size(b) > size(l)",
        // Bytes, not letters.
        "size(#n) = :m",
    ]);
    check_false(&[
        "attribute_type(s, :x)",
        "begins_with(s, :b)",
        "begins_with(n, :t)",
        "contains(s, :n)",
        "contains(ss, :n)",
        "contains(ns, :f)",
        "contains(l, :s)",
        "contains(m, :s)",
    ]);
}

#[test]
fn not_binds_closer_than_and_and_and_closer_than_or() {
    let (yes, no) = ("s = :s", "s = :n");
    check_true(&[
        &format!("{yes} OR {no} AND {no}"),
        &format!("{no} AND {no} OR {yes}"),
        &format!("NOT {no} AND {yes}"),
        &format!("NOT ({no} AND {yes})"),
        &format!("not not {yes}"),
        &format!("({yes}) and ({yes})"),
        &format!("({yes} OR {no}) AND ({no} OR ({yes}))"),
    ]);
    check_false(&[
        &format!("({yes} OR {no}) AND {no}"),
        &format!("NOT {yes} OR {no}"),
        &format!("NOT ({yes} OR {no})"),
    ]);
}

#[test]
fn operands_may_be_in_parentheses() {
    check_true(&[
        "(s) = (:s)",
        "(m.k) <> :s",
        "(m).k <> :s",
        "(l)[1].k = :n",
        "(size(l)) = :m",
        "(:n) < (n)",
    ]);
    check_true(&[
        "contains((l), (l[0]))",
        "(attribute_exists(s))",
        "(n) IN ((:m))",
    ]);
}

#[test]
fn redundant_parentheses_are_refused() {
    let fault = "The expression has redundant parentheses;";
    for text in [
        "((s = :s))",
        "s = ((:s))",
        "((s)) = :s",
        "(((s = :s) AND n = :n))",
        "NOT ((s = :s))",
    ] {
        check_fault(text, fault);
    }
    check_true(&["((s = :s) AND (n = :m))"]);
}

#[test]
fn broken_syntax_is_refused() {
    for text in [
        "a",
        "a = :s AND b",
        "a AND b = :s",
        ":s",
        "(a)",
        "NOT a",
        "a = :s OR",
        "a BETWEEN :n",
        "a BETWEEN :n OR :m",
        "a IN :s",
        "a IN ()",
        "a = :s)",
        "(a = :s",
        "a = :s b = :s",
        "(a = :s) = :s",
        "a = NOT b",
        "size()",
        "a. = :s",
        "a[] = :s",
        "a[:n] = :s",
        "a[-1] = :s",
        "_a = :s",
        "c._d = :s",
        "and = :s",
        "a + b = :s",
        "a == :s",
        "# = :s",
    ] {
        let fault = Condition::parse(text, &mut usual()).unwrap_err().0;
        assert!(
            fault.starts_with("Invalid ConditionExpression: Syntax error; token: "),
            "{text}: {fault}"
        );
    }
}

#[test]
fn functions_and_words_are_checked_over_the_whole() {
    check_fault(
        "nosuch(:undefined)",
        "Invalid function name; function: nosuch",
    );
    check_fault("Size(a) = :n", "Invalid function name; function: Size");
    let misused = "The function is not allowed to be used this way in an expression; function: ";
    check_fault("abort = :s AND size(a)", &format!("{misused}size"));
    check_fault("NOT size(a)", &format!("{misused}size"));
    check_fault("contains(a, :n) = :n", &format!("{misused}contains"));
    check_fault("size(contains(a, :n)) = :n", &format!("{misused}contains"));
    let reserved = "Attribute name is a reserved keyword; reserved keyword: ";
    check_fault("a = #zz AND b.abOrt = :s", &format!("{reserved}abOrt"));
    check_fault("name = :s", &format!("{reserved}name"));
}

#[test]
fn names_and_values_must_be_defined() {
    check_fault(
        "a = #zz",
        "An expression attribute name used in the document path is not defined; attribute name: #zz",
    );
    check_fault(
        "a = :zz",
        "An expression attribute value used in expression is not defined; attribute value: :zz",
    );
}

#[test]
fn operands_are_checked() {
    let count = "Incorrect number of operands for operator or function; operator or function: ";
    check_fault(
        "contains(a)",
        &format!("{count}contains, number of operands: 1"),
    );
    check_fault(
        "size(a, b) = :n",
        &format!("{count}size, number of operands: 2"),
    );
    check_fault(
        "attribute_exists(a, b)",
        &format!("{count}attribute_exists, number of operands: 2"),
    );
    let path = "Operator or function requires a document path; operator or function: ";
    check_fault("attribute_exists(:s)", &format!("{path}attribute_exists"));
    check_fault(
        "attribute_not_exists(size(a))",
        &format!("{path}attribute_not_exists"),
    );
    let distinct = "The first operand must be distinct from the remaining operands for this operator or function; operator: ";
    check_fault("a = a", &format!("{distinct}=, first operand: [a]"));
    check_fault(
        "contains(a.b[1], #a.b[1])",
        &format!("{distinct}contains, first operand: [a, b, [1]]"),
    );
    let function = "Incorrect operand type for operator or function; operator or function: ";
    check_fault(
        "begins_with(a, :n)",
        &format!("{function}begins_with, operand type: N"),
    );
    check_fault(
        "begins_with(a, size(b))",
        &format!("{function}begins_with, operand type: N"),
    );
    check_fault(
        "size(:yes) = :n",
        &format!("{function}size, operand type: BOOL"),
    );
    check_fault(
        "attribute_type(a, :n)",
        &format!("{function}attribute_type, operand type: N"),
    );
    check_fault(
        "attribute_type(a, b)",
        &format!("{function}attribute_type, operand type: {{NS,SS,L,BS,N,M,B,BOOL,NULL,S}}"),
    );
    check_fault(
        "attribute_type(a, :s)",
        "Invalid attribute type name found; type: text, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
    );
    check_fault(
        "a < :ss",
        "Incorrect operand type for operator or function; operator: <, operand type: SS",
    );
}

#[test]
fn bounds_and_lists_are_checked() {
    check_fault(
        "a BETWEEN :n AND :s",
        "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:text}",
    );
    check_fault(
        "a BETWEEN :m AND :n",
        "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
    );
    let among = |count: usize| format!("a IN ({})", vec![":n"; count].join(","));
    assert!(Condition::parse(&among(100), &mut usual()).is_ok());
    check_fault(
        &among(101),
        "The IN operator is provided with too many operands; number of operands: 101",
    );
}

#[test]
fn attributes_are_told() {
    let text = "#a.b[1] = c AND (size(d) < :n OR NOT attribute_exists(e.f)) AND g IN (h, :n)";
    let condition = Condition::parse(text, &mut usual()).unwrap();
    let attributes: Vec<&str> = condition.attributes().into_iter().collect();
    assert_eq!(attributes, ["a", "c", "d", "e", "g", "h"]);
    let nested: Vec<_> = condition
        .paths()
        .into_iter()
        .filter(|path| path.is_nested())
        .collect();
    assert_eq!(nested.len(), 2);
}
