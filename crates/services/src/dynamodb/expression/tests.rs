//! What all expressions share: names and values, syntax errors, limits, and that no text makes a parser panic.

use proptest::prelude::*;

use super::fixture::{context, try_context, usual};
use super::*;
use crate::dynamodb::Invalid;

fn check_update_fault(text: &str, fault: &str) {
    let expected = Invalid::new(format!("Invalid UpdateExpression: {fault}"));
    assert_eq!(Update::parse(text, &mut usual()), Err(expected), "{text}");
}

fn check_condition_fault(text: &str, fault: &str) {
    let expected = Invalid::new(format!("Invalid ConditionExpression: {fault}"));
    assert_eq!(
        Condition::parse(text, &mut usual()),
        Err(expected),
        "{text}"
    );
}

#[test]
fn names_and_values_have_rules() {
    let check = |names: &str, values: &str, fault: &str| {
        assert_eq!(try_context(names, values).unwrap_err(), Invalid::new(fault));
    };
    check(
        r#"{"a": "b"}"#,
        "{}",
        "ExpressionAttributeNames contains invalid key: Syntax error; key: \"a\"",
    );
    check(
        r##"{"#a-b": "b"}"##,
        "{}",
        "ExpressionAttributeNames contains invalid key: Syntax error; key: \"#a-b\"",
    );
    check(
        "{}",
        r#"{":": {"S": ""}}"#,
        "ExpressionAttributeValues contains invalid key: Syntax error; key: \":\"",
    );
    check(
        "{}",
        r#"{":b": {"NS": ["1", "b"]}}"#,
        "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: b for key :b",
    );
    let empty = Context::new(Some([].into()), None).unwrap_err();
    assert_eq!(empty.0, "ExpressionAttributeNames must not be empty");
    let empty = Context::new(None, Some([].into())).unwrap_err();
    assert_eq!(empty.0, "ExpressionAttributeValues must not be empty");
}

#[test]
fn names_and_values_must_be_used() {
    let names = r##"{"#a": "a", "#b": "b", "#c": "c"}"##;
    let mut names_left = context(names, r#"{":v": {"S": ""}}"#);
    Condition::parse("#b = :v", &mut names_left).unwrap();
    assert_eq!(
        names_left.all_used().unwrap_err().0,
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #c}"
    );
    let mut values_left = context("{}", r#"{":v": {"S": ""}, ":w": {"S": ""}}"#);
    Update::parse("SET b = :v", &mut values_left).unwrap();
    assert_eq!(
        values_left.all_used().unwrap_err().0,
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}"
    );
    Condition::parse_filter("a = :w", &mut values_left).unwrap();
    assert_eq!(values_left.all_used(), Ok(()));
}

#[test]
fn names_and_values_need_expressions() {
    let query = [
        ("ProjectionExpression", false),
        ("FilterExpression", false),
        ("KeyConditionExpression", false),
    ];
    assert_eq!(
        Context::check_wanted(&query, true, true).unwrap_err().0,
        "ExpressionAttributeNames can only be specified when using expressions"
    );
    let only = "ExpressionAttributeValues can only be specified when using expressions: ";
    assert_eq!(
        Context::check_wanted(&query, false, true).unwrap_err().0,
        format!("{only}FilterExpression and KeyConditionExpression are null")
    );
    assert_eq!(
        Context::check_wanted(&[("ConditionExpression", false)], false, true)
            .unwrap_err()
            .0,
        format!("{only}ConditionExpression is null")
    );
    assert_eq!(Context::check_wanted(&query, false, false), Ok(()));
    assert_eq!(
        Context::check_wanted(&[("UpdateExpression", true)], true, true),
        Ok(())
    );
    // A read by key has no expression that could use values, and no parameter for them either.
    assert_eq!(
        Context::check_wanted(&[("ProjectionExpression", true)], true, false),
        Ok(())
    );
}

#[test]
fn syntax_errors_name_the_token_and_what_is_around_it() {
    let update = |text: &str, token: &str, near: &str| {
        check_update_fault(
            text,
            &format!("Syntax error; token: \"{token}\", near: \"{near}\""),
        );
    };
    update("INVALID SYNTAX", "INVALID", "INVALID SYNTAX");
    update("SET #a = :n, #b = :m,", "<EOF>", ",");
    update("ADD  SET #a = :n", "SET", "ADD  SET #a");
    update("DELETE ss bad_value", "bad_value", "ss bad_value");
    update("SET a =  ", "<EOF>", "=");
    let condition = |text: &str, token: &str, near: &str| {
        check_condition_fault(
            text,
            &format!("Syntax error; token: \"{token}\", near: \"{near}\""),
        );
    };
    condition("foo", "<EOF>", "foo");
    condition("a ; b", ";", "a ; b");
    condition("a = = b", "=", "= = b");
    let projection = Projection::parse("!!", &mut usual()).unwrap_err();
    assert_eq!(
        projection.0,
        "Invalid ProjectionExpression: Syntax error; token: \"!\", near: \"!!\""
    );
}

#[test]
fn expressions_must_say_something_within_their_size() {
    check_update_fault("", "The expression can not be empty;");
    check_condition_fault("  ", "The expression can not be empty;");
    let padded = |length: usize| format!("attribute_exists(a){}", " ".repeat(length - 19));
    assert!(Condition::parse(&padded(4096), &mut usual()).is_ok());
    check_condition_fault(
        &padded(4097),
        "Expression size has exceeded the maximum allowed size; expression size: 4097",
    );
}

#[test]
fn operators_are_counted() {
    let chain = |count: usize| vec!["a<b"; count].join(" and ");
    assert!(Condition::parse(&chain(300), &mut usual()).is_ok());
    let fault = "The expression contains too many operators; operator count: 301";
    check_condition_fault(&chain(301), fault);
    let nested = |count: usize| {
        format!(
            "{}a<b{}",
            "a<b and (".repeat(count - 1),
            ")".repeat(count - 1)
        )
    };
    let deep = Condition::parse(&nested(300), &mut usual()).unwrap();
    assert!(!deep.holds(None));
    check_condition_fault(&nested(301), fault);
}

/// However an expression is nested, parsing, checking, holding and dropping it take a part of the stack that a thread has, without
/// optimisation too.
#[test]
fn depth_is_bounded() {
    let thread = std::thread::Builder::new().stack_size(1024 * 1024);
    thread.spawn(check_depth).unwrap().join().unwrap();
}

fn check_depth() {
    let texts = [
        "(".repeat(4096),
        "NOT ".repeat(1000) + "a",
        "size(".repeat(800),
        format!("SET a = {}", "(".repeat(4000)),
        format!("SET a = {}b", "if_not_exists(a, ".repeat(240)),
        format!("a{}", "[0]".repeat(1300)),
        format!("a{}", ".b".repeat(2000)),
    ];
    for text in texts {
        assert!(Condition::parse(&text, &mut usual()).is_err());
        assert!(KeyTests::parse(&text, &mut usual()).is_err());
        assert!(Update::parse(&text, &mut usual()).is_err());
        assert!(Projection::parse(&text, &mut usual()).is_err());
    }
    let nested = "NOT (a<b AND (a<b OR ".repeat(149) + "a<b" + &"))".repeat(149);
    let nested = Condition::parse(&nested, &mut usual()).unwrap();
    assert!(nested.holds(None) && nested.attributes().contains("b"));
    let negated = "NOT ".repeat(301) + "attribute_exists(a)";
    let negated = Condition::parse(&negated, &mut usual()).unwrap();
    assert!(negated.holds(None));
    let nested = format!(
        "SET a = {}:n{}",
        "if_not_exists(a, ".repeat(64),
        ")".repeat(64)
    );
    let mut item = value_item();
    assert!(
        Update::parse(&nested, &mut usual())
            .unwrap()
            .apply(&mut item)
            .is_ok()
    );
}

fn value_item() -> crate::dynamodb::value::Item {
    fixture::item(r#"{"b": {"N": "1"}}"#)
}

#[test]
fn paths_have_limits() {
    let path = |steps: usize| format!("a{}", "[0]".repeat(steps - 1));
    assert!(Projection::parse(&path(32), &mut usual()).is_ok());
    let projection = |text: &str, fault: &str| {
        let expected = Invalid::new(format!("Invalid ProjectionExpression: {fault}"));
        assert_eq!(Projection::parse(text, &mut usual()), Err(expected));
    };
    projection(
        &path(33),
        "The document path has too many nesting elements; nesting levels: 33",
    );
    for index in ["2147483648", "999999999999999999999"] {
        projection(
            &format!("a[{index}]"),
            &format!("List index is not within the allowable range; index: [{index}]"),
        );
    }
}

/// Texts made of what expressions are made of, so that parsers get far into them.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "SET ",
        "REMOVE ",
        "ADD ",
        "DELETE ",
        " AND ",
        " OR ",
        "NOT ",
        " BETWEEN ",
        " IN ",
        "a",
        "b.c",
        "[0]",
        "#a",
        "#zz",
        ":n",
        ":s",
        ":l",
        ":zz",
        "(",
        ")",
        ",",
        "=",
        "<>",
        "<",
        ">=",
        "+",
        "-",
        " ",
        "size(",
        "attribute_exists(",
        "attribute_type(",
        "contains(",
        "begins_with(",
        "if_not_exists(",
        "list_append(",
        "é",
        "1",
    ]);
    let pieces = prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat());
    prop_oneof![pieces, ".*"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_parsed_or_refused(text in texts()) {
        let item = fixture::item(r#"{"a": {"L": [{"N": "1"}]}, "b": {"M": {"c": {"S": "x"}}}}"#);
        if let Ok(condition) = Condition::parse(&text, &mut usual()) {
            prop_assert_eq!(condition.holds(Some(&item)), condition.holds(Some(&item.clone())));
        }
        if let Ok(update) = Update::parse(&text, &mut usual()) {
            let mut changed = item.clone();
            if update.apply(&mut changed).is_err() {
                prop_assert_eq!(&changed, &item);
            }
        }
        if let Ok(projection) = Projection::parse(&text, &mut usual()) {
            prop_assert!(projection.of(&item).len() <= item.len());
        }
        if let Err(Invalid(fault)) = KeyTests::parse(&text, &mut usual()) {
            prop_assert!(!fault.is_empty());
        }
    }
}
