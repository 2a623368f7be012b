use super::*;
use crate::dynamodb::expression::fixture::{context, item, usual};

fn check_fault(text: &str, fault: &str) {
    let expected = Invalid::new(format!("Invalid UpdateExpression: {fault}"));
    assert_eq!(Update::parse(text, &mut usual()), Err(expected), "{text}");
}

fn update(text: &str) -> Update {
    Update::parse(text, &mut usual()).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn check(before: &str, text: &str, after: &str) {
    let mut changed = item(before);
    update(text)
        .apply(&mut changed)
        .unwrap_or_else(|fault| panic!("{text}: {fault}"));
    assert_eq!(changed, item(after), "{text}");
}

/// Refused for what the item holds, which stays as it was.
fn check_refused(before: &str, text: &str, fault: &str) {
    let mut unchanged = item(before);
    assert_eq!(
        update(text).apply(&mut unchanged),
        Err(Invalid::new(fault)),
        "{text}"
    );
    assert_eq!(unchanged, item(before), "{text}");
}

#[test]
fn set_sets() {
    check("{}", "SET a = :s", r#"{"a": {"S": "text"}}"#);
    check(
        r#"{"a": {"N": "1"}}"#,
        "set #b=a, a=:s",
        r#"{"a": {"S": "text"}, "b": {"N": "1"}}"#,
    );
    check(
        r#"{"m": {"M": {}}}"#,
        "SET m.x = :n",
        r#"{"m": {"M": {"x": {"N": "1"}}}}"#,
    );
    check(
        r#"{"a": {"M": {"b": {"L": [{"S": "x"}]}}}}"#,
        "SET a.b[0] = :n",
        r#"{"a": {"M": {"b": {"L": [{"N": "1"}]}}}}"#,
    );
    check("{}", "SET a = (:s)", r#"{"a": {"S": "text"}}"#);
}

#[test]
fn numbers_are_added_and_subtracted() {
    let before = r#"{"a": {"N": "10"}}"#;
    check(before, "SET a = a + :n", r#"{"a": {"N": "11"}}"#);
    check(before, "SET a = :n - a", r#"{"a": {"N": "-9"}}"#);
    check(before, "SET a = (a + :f)", r#"{"a": {"N": "15"}}"#);
    check(
        before,
        "SET b = if_not_exists(c, :n) + if_not_exists(a, :n)",
        r#"{"a": {"N": "10"}, "b": {"N": "11"}}"#,
    );
    check_refused(r#"{"a": {"S": "x"}}"#, "SET a = a + :n", MISMATCH);
    check_refused(
        r#"{"a": {"N": "1e125"}}"#,
        "SET a = a + :n",
        "Number overflow. Attempting to store a number with magnitude larger than supported range",
    );
}

const MISMATCH: &str = "An operand in the update expression has an incorrect data type";
const NOT_THERE: &str =
    "The provided expression refers to an attribute that does not exist in the item";
const NO_PARENT: &str = "The document path provided in the update expression is invalid for update";

#[test]
fn lists_are_appended_to() {
    let before = r#"{"a": {"L": [{"N": "1"}]}}"#;
    check(
        before,
        "SET a = list_append(a, :l)",
        r#"{"a": {"L": [{"N": "1"}, {"N": "9"}]}}"#,
    );
    check(
        before,
        "SET a = list_append(:l, a)",
        r#"{"a": {"L": [{"N": "9"}, {"N": "1"}]}}"#,
    );
    check(
        "{}",
        "SET a = list_append(if_not_exists(a, :l), :l)",
        r#"{"a": {"L": [{"N": "9"}, {"N": "9"}]}}"#,
    );
    check_refused(before, "SET b = list_append(b, :l)", NOT_THERE);
    check_refused(
        r#"{"a": {"N": "1"}}"#,
        "SET a = list_append(a, :l)",
        MISMATCH,
    );
}

#[test]
fn operands_are_of_the_item_as_it_was() {
    check(
        r#"{"a": {"N": "1"}, "b": {"N": "2"}}"#,
        "SET a = b, b = a",
        r#"{"a": {"N": "2"}, "b": {"N": "1"}}"#,
    );
    check(
        r#"{"a": {"N": "1"}}"#,
        "REMOVE a SET b = a",
        r#"{"b": {"N": "1"}}"#,
    );
    check(
        r#"{"a": {"N": "1"}}"#,
        "SET b = a ADD a :n",
        r#"{"a": {"N": "2"}, "b": {"N": "1"}}"#,
    );
}

#[test]
fn indexes_are_of_the_list_as_it_was() {
    let list = r#"{"l": {"L": [{"S": "0"}, {"S": "1"}, {"S": "2"}, {"S": "3"}]}}"#;
    check(
        list,
        "REMOVE l[1], l[2]",
        r#"{"l": {"L": [{"S": "0"}, {"S": "3"}]}}"#,
    );
    check(
        list,
        "REMOVE l[2], l[1], l[9]",
        r#"{"l": {"L": [{"S": "0"}, {"S": "3"}]}}"#,
    );
    check(
        list,
        "SET l[3] = :n, l[9] = :s, l[7] = :m REMOVE l[0], l[4]",
        r#"{"l": {"L": [{"S": "1"}, {"S": "2"}, {"N": "1"}, {"N": "2"}, {"S": "text"}]}}"#,
    );
    check(
        r#"{"l": {"L": [{"S": "0"}, {"M": {"k": {"S": "v"}}}]}}"#,
        "REMOVE l[0], l[1].k",
        r#"{"l": {"L": [{"M": {}}]}}"#,
    );
}

#[test]
fn add_adds() {
    check("{}", "ADD a :f", r#"{"a": {"N": "5"}}"#);
    check(
        r#"{"a": {"N": "1.5"}}"#,
        "ADD a :n",
        r#"{"a": {"N": "2.5"}}"#,
    );
    check("{}", "ADD a :ss", r#"{"a": {"SS": ["a", "b"]}}"#);
    check(
        r#"{"a": {"SS": ["a", "z"]}}"#,
        "ADD a :ss",
        r#"{"a": {"SS": ["a", "b", "z"]}}"#,
    );
    check(
        r#"{"a": {"NS": ["2"]}}"#,
        "ADD a :ns",
        r#"{"a": {"NS": ["1", "2"]}}"#,
    );
    check(
        r#"{"m": {"M": {}}}"#,
        "ADD m.k :n",
        r#"{"m": {"M": {"k": {"N": "1"}}}}"#,
    );
    check_refused(r#"{"a": {"SS": ["a"]}}"#, "ADD a :n", MISMATCH);
    check_refused(r#"{"a": {"SS": ["a"]}}"#, "ADD a :ns", MISMATCH);
}

#[test]
fn delete_takes_members_out() {
    check(
        r#"{"a": {"SS": ["a", "z"]}}"#,
        "DELETE a :ss",
        r#"{"a": {"SS": ["z"]}}"#,
    );
    check(r#"{"a": {"SS": ["a"]}}"#, "DELETE a :ss", "{}");
    check("{}", "DELETE a :ss", "{}");
    check_refused(r#"{"a": {"NS": ["1"]}}"#, "DELETE a :ss", MISMATCH);
}

#[test]
fn remove_removes() {
    check(
        r#"{"a": {"N": "1"}, "b": {"N": "2"}}"#,
        "REMOVE a, c",
        r#"{"b": {"N": "2"}}"#,
    );
    check(
        r#"{"m": {"M": {"k": {"S": "v"}}}}"#,
        "REMOVE m.k, m.j",
        r#"{"m": {"M": {}}}"#,
    );
}

#[test]
fn parents_must_be_there() {
    let before = r#"{"b": {"S": "x"}, "c": {"M": {}}, "d": {"L": []}}"#;
    for text in [
        "SET b.k = :s",
        "SET y.k = :s",
        "SET y[1] = :s",
        "SET c[1] = :s",
        "SET d.k = :s",
        "SET c.k.j = :s",
        "REMOVE b.k",
        "REMOVE y[1]",
        "ADD c[1] :n",
        "DELETE d.k :ss",
        "SET a = :s, y.k = :s",
    ] {
        check_refused(before, text, NO_PARENT);
    }
    check_refused(before, "SET a = zz", NOT_THERE);
}

#[test]
fn nesting_is_counted_from_the_attribute() {
    let nested = |levels: usize| {
        format!(
            "{}{{\"N\":\"1\"}}{}",
            r#"{"L":["#.repeat(levels),
            "]}".repeat(levels)
        )
    };
    let before = item(&format!(r#"{{"a": {}}}"#, nested(1)));
    let apply = |levels: usize| {
        let mut changed = before.clone();
        let mut context = context("{}", &format!(r#"{{":v": {}}}"#, nested(levels)));
        Update::parse("SET a[0] = :v", &mut context)
            .unwrap()
            .apply(&mut changed)
            .map(|_| ())
    };
    assert_eq!(apply(30), Ok(()));
    assert!(
        apply(31)
            .unwrap_err()
            .0
            .starts_with("Nesting Levels have exceeded")
    );
}

#[test]
fn touched_parts_are_told() {
    let before = item(
        r#"{"a": {"M": {"k": {"N": "1"}, "j": {"N": "2"}}}, "b": {"S": "x"}, "c": {"S": "y"}}"#,
    );
    let mut after = before.clone();
    let touched = update("SET a.k = :f REMOVE b ADD d :n")
        .apply(&mut after)
        .unwrap();
    assert_eq!(
        touched.of(&before),
        item(r#"{"a": {"M": {"k": {"N": "1"}}}, "b": {"S": "x"}}"#)
    );
    assert_eq!(
        touched.of(&after),
        item(r#"{"a": {"M": {"k": {"N": "5"}}}, "d": {"N": "1"}}"#)
    );
}

#[test]
fn attributes_and_their_types_are_told() {
    let update =
        update("SET a = c + :n, b[0] = :n, #n = if_not_exists(e, :s) REMOVE f DELETE g :ss");
    let attributes: Vec<&str> = update.attributes().into_iter().collect();
    assert_eq!(attributes, ["a", "b", "f", "g", "name"]);
    let types = ["a", "b", "f", "g", "name", "z"].map(|name| update.type_of(name));
    assert_eq!(
        types,
        [
            Some(Type::N),
            None,
            None,
            Some(Type::SS),
            Some(Type::S),
            None
        ]
    );
}

#[test]
fn broken_syntax_is_refused() {
    for text in [
        "whatever",
        "set a",
        "add a",
        "set a=set",
        "remove a = b",
        "delete a b",
        "add a if_not_exists(b)",
        "remove a b",
        "set a b",
        "set :n = b",
        "remove :n",
        "set a = b / c",
        "set a[1] = 1",
        "set a[1] = \"eight\"",
        "set (a = (b + c))",
        "set a = (b.c).d + e",
        "set a = b + c + d",
        "set a = b + (c + d)",
        "set a = (b + c) + d",
        "set a = :n,",
        "set a = list_append(b + c, d)",
    ] {
        let fault = Update::parse(text, &mut usual()).unwrap_err().0;
        assert!(
            fault.starts_with("Invalid UpdateExpression: Syntax error; token: "),
            "{text}: {fault}"
        );
    }
}

#[test]
fn the_whole_is_checked_in_the_order_of_aws() {
    check_fault(
        "set #zz = :zz set abOrt = nosuch(a)",
        "Attribute name is a reserved keyword; reserved keyword: abOrt",
    );
    check_fault(
        "set #zz = nosuch(:c) set c = d",
        "Invalid function name; function: nosuch",
    );
    for (text, section) in [
        ("set a = #zz set c = :d", "SET"),
        ("remove #zz set a = b remove e", "REMOVE"),
        ("add d :e set a = b add e :f", "ADD"),
        ("delete d :e set a = b delete #b :f", "DELETE"),
    ] {
        let fault =
            format!("The \"{section}\" section can only be used once in an update expression;");
        check_fault(text, &fault);
    }
    check_fault(
        "SET a = :zz, #zz = if_not_exists(:n)",
        "An expression attribute name used in the document path is not defined; attribute name: #zz",
    );
    check_fault(
        "SET a = if_not_exists(:zz), a = :n",
        "An expression attribute value used in expression is not defined; attribute value: :zz",
    );
}

#[test]
fn paths_must_be_apart() {
    let both = |what: &str, one: &str, two: &str| {
        format!(
            "Two document paths {what} with each other; must remove or rewrite one of these paths; path one: {one}, path two: {two}"
        )
    };
    check_fault("set a = :n remove a", &both("overlap", "[a]", "[a]"));
    check_fault(
        "set c[1].a = a, #c = if_not_exists(a)",
        &both("overlap", "[c, [1], a]", "[c]"),
    );
    check_fault(
        "set #c[3].#d = a, #c[3] = a",
        &both("overlap", "[c, [3], [3]]", "[c, [3]]"),
    );
    check_fault(
        "remove a.#c set a[1] = #b",
        &both("conflict", "[a, c]", "[a, [1]]"),
    );
    check_fault(
        "set #c[3].#d = a, #c.#d[3] = b",
        &both("conflict", "[c, [3], [3]]", "[c, [3], [3]]"),
    );
}

#[test]
fn operands_are_checked() {
    let operator = "Incorrect operand type for operator or function; operator: ";
    check_fault(
        "set b = list_append(:s, a) add a.b :s",
        &format!("{operator}ADD, operand type: STRING"),
    );
    check_fault(
        "delete a.b :n",
        &format!("{operator}DELETE, operand type: NUMBER"),
    );
    check_fault("add a :map", &format!("{operator}ADD, operand type: MAP"));
    check_fault("add a :l", &format!("{operator}ADD, operand type: LIST"));
    check_fault(
        "delete a :yes",
        &format!("{operator}DELETE, operand type: BOOLEAN"),
    );
    let function = "Incorrect operand type for operator or function; operator or function: ";
    check_fault(
        "set a = list_append(:s, a)",
        &format!("{function}list_append, operand type: S"),
    );
    check_fault(
        "set a = list_append(a, :map)",
        &format!("{function}list_append, operand type: M"),
    );
    check_fault(
        "set a = a + :yes",
        &format!("{function}+, operand type: BOOL"),
    );
    check_fault("set a = :b - a", &format!("{function}-, operand type: B"));
    check_fault(
        "set a = if_not_exists(c)",
        "Incorrect number of operands for operator or function; operator or function: if_not_exists, number of operands: 1",
    );
    let path = "Operator or function requires a document path; operator or function: if_not_exists";
    check_fault("set a = if_not_exists(:s, c)", path);
    check_fault("set a = if_not_exists(if_not_exists(a, b), c)", path);
}
