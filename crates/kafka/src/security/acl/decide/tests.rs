use proptest::prelude::*;

use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

/// `ALLOW|DENY KIND PATTERN NAME PRINCIPAL HOST OPERATION`.
fn rule(text: &str) -> Rule {
    let words: Vec<&str> = text.split(' ').collect();
    let [permission, of, pattern, name, principal, host, operation] = words.as_slice() else {
        panic!("{text}");
    };
    Rule {
        of: match *of {
            "topic" => SubjectOf::Topic,
            "group" => SubjectOf::Group,
            _ => SubjectOf::Cluster,
        },
        pattern: match *pattern {
            "prefix" => Pattern::Prefixed,
            _ => Pattern::Literal,
        },
        name: (*name).to_owned(),
        principal: format!("User:{principal}"),
        host: (*host).to_owned(),
        operation: *Operation::ALL
            .iter()
            .find(|one| format!("{one:?}") == *operation)
            .unwrap(),
        permission: match *permission {
            "DENY" => Permission::Deny,
            _ => Permission::Allow,
        },
    }
}

fn standing(rules: &[Rule], allow_unlisted: bool) -> Standing {
    let all = allow_unlisted.then(|| Arc::new(Index::of(rules.iter())));
    Standing::of(rules, 1, &Principal::user("alice"), HERE, all)
}

fn check(rules: &[&str], asked: Operation, topic: &str, expected: bool) {
    let rules: Vec<Rule> = rules.iter().map(|text| rule(text)).collect();
    let found = standing(&rules, false).allows(asked, SubjectOf::Topic, topic);
    assert_eq!(found, expected, "{asked:?} {topic} by {rules:?}");
}

#[test]
fn nothing_is_allowed_that_no_rule_allows() {
    check(&[], Operation::Read, "t", false);
    check(
        &["ALLOW topic literal t alice * Read"],
        Operation::Read,
        "t",
        true,
    );
    check(
        &["ALLOW topic literal t alice * Read"],
        Operation::Write,
        "t",
        false,
    );
    check(
        &["ALLOW topic literal t alice * Read"],
        Operation::Read,
        "tt",
        false,
    );
    check(
        &["ALLOW topic literal t bob * Read"],
        Operation::Read,
        "t",
        false,
    );
    check(
        &["ALLOW group literal t alice * Read"],
        Operation::Read,
        "t",
        false,
    );
    check(
        &["ALLOW topic literal t * * All"],
        Operation::Read,
        "t",
        true,
    );
}

#[test]
fn names_are_whole_beginnings_or_any() {
    check(
        &["ALLOW topic literal * alice * Read"],
        Operation::Read,
        "t",
        true,
    );
    check(
        &["ALLOW topic prefix ord alice * Read"],
        Operation::Read,
        "orders",
        true,
    );
    check(
        &["ALLOW topic prefix ord alice * Read"],
        Operation::Read,
        "ord",
        true,
    );
    check(
        &["ALLOW topic prefix ord alice * Read"],
        Operation::Read,
        "or",
        false,
    );
    check(
        &["ALLOW topic prefix * alice * Read"],
        Operation::Read,
        "t",
        false,
    );
    check(
        &["ALLOW topic prefix ä alice * Read"],
        Operation::Read,
        "ü",
        false,
    );
}

#[test]
fn addresses_count() {
    check(
        &["ALLOW topic literal t alice 10.0.0.1 Read"],
        Operation::Read,
        "t",
        true,
    );
    check(
        &["ALLOW topic literal t alice ::ffff:10.0.0.1 Read"],
        Operation::Read,
        "t",
        true,
    );
    check(
        &["ALLOW topic literal t alice 10.0.0.2 Read"],
        Operation::Read,
        "t",
        false,
    );
    check(
        &[
            "ALLOW topic literal t alice * Read",
            "DENY topic literal t * 10.0.0.1 Read",
        ],
        Operation::Read,
        "t",
        false,
    );
}

#[test]
fn denying_beats_allowing() {
    let all = "ALLOW topic literal * alice * All";
    check(
        &[all, "DENY topic literal t alice * Read"],
        Operation::Read,
        "t",
        false,
    );
    check(
        &[all, "DENY topic literal t alice * Read"],
        Operation::Read,
        "u",
        true,
    );
    check(
        &[all, "DENY topic literal t alice * Read"],
        Operation::Describe,
        "t",
        true,
    );
    check(
        &[all, "DENY topic prefix t alice * All"],
        Operation::Describe,
        "tt",
        false,
    );
    check(
        &[all, "DENY topic literal t bob * All"],
        Operation::Read,
        "t",
        true,
    );
}

#[test]
fn some_operations_imply_describing() {
    for operation in ["Read", "Write", "Delete", "Alter", "Describe", "All"] {
        let rule = format!("ALLOW topic literal t alice * {operation}");
        check(&[&rule], Operation::Describe, "t", true);
    }
    for operation in ["Create", "AlterConfigs", "DescribeConfigs"] {
        let rule = format!("ALLOW topic literal t alice * {operation}");
        check(&[&rule], Operation::Describe, "t", false);
    }
    check(
        &["ALLOW topic literal t alice * AlterConfigs"],
        Operation::DescribeConfigs,
        "t",
        true,
    );
    check(
        &["ALLOW topic literal t alice * Alter"],
        Operation::DescribeConfigs,
        "t",
        false,
    );
}

#[test]
fn what_no_rule_is_about_may_be_allowed() {
    let rules = [rule("ALLOW topic literal t bob * Read")];
    let standing = standing(&rules, true);
    assert!(standing.allows(Operation::Read, SubjectOf::Topic, "u"));
    assert!(!standing.allows(Operation::Read, SubjectOf::Topic, "t"));
    assert!(standing.allows_any(Operation::Write, SubjectOf::Topic));
}

#[test]
fn anything_of_a_kind_is_allowed_where_something_is_left() {
    let check = |rules: &[&str], expected: bool| {
        let rules: Vec<Rule> = rules.iter().map(|text| rule(text)).collect();
        let found = standing(&rules, false).allows_any(Operation::Write, SubjectOf::Topic);
        assert_eq!(found, expected, "{rules:?}");
    };
    check(&[], false);
    check(&["ALLOW topic literal t alice * Write"], true);
    check(&["ALLOW topic literal t alice * Read"], false);
    check(&["ALLOW topic literal t bob * Write"], false);
    check(
        &[
            "ALLOW topic literal t alice * Write",
            "DENY topic literal t alice * Write",
        ],
        false,
    );
    check(
        &[
            "ALLOW topic literal tt alice * Write",
            "DENY topic prefix t alice * Write",
        ],
        false,
    );
    check(
        &[
            "ALLOW topic prefix tt alice * Write",
            "DENY topic prefix t alice * Write",
        ],
        false,
    );
    check(
        &[
            "ALLOW topic prefix t alice * Write",
            "DENY topic prefix tt alice * Write",
        ],
        true,
    );
    check(
        &[
            "ALLOW topic literal * alice * Write",
            "DENY topic prefix t alice * Write",
        ],
        true,
    );
    check(
        &[
            "ALLOW topic literal t alice * Write",
            "DENY topic literal * alice * Write",
        ],
        false,
    );
}

/// The rules as the documentation has them, one after the other.
fn naive(
    rules: &[Rule],
    allow_unlisted: bool,
    asked: Operation,
    of: SubjectOf,
    name: &str,
) -> bool {
    let is_about = |rule: &Rule| {
        rule.of == of
            && match rule.pattern {
                Pattern::Literal => rule.name == "*" || rule.name == name,
                Pattern::Prefixed => name.starts_with(&rule.name),
            }
    };
    let is_own = |rule: &Rule| {
        (rule.principal == "User:alice" || rule.principal == "User:*")
            && (rule.host == "*" || rule.host == "10.0.0.1")
    };
    let about: Vec<&Rule> = rules.iter().filter(|rule| is_about(rule)).collect();
    if about.is_empty() {
        return allow_unlisted;
    }
    let own: Vec<&&Rule> = about.iter().filter(|rule| is_own(rule)).collect();
    let is_denied = own.iter().any(|rule| {
        rule.permission == Permission::Deny
            && (rule.operation == Operation::All || rule.operation == asked)
    });
    let allowing: &[Operation] = match asked {
        Operation::Describe => &[
            Operation::Describe,
            Operation::Read,
            Operation::Write,
            Operation::Delete,
            Operation::Alter,
        ],
        Operation::DescribeConfigs => &[Operation::DescribeConfigs, Operation::AlterConfigs],
        _ => &[asked],
    };
    let is_allowed = own.iter().any(|rule| {
        rule.permission == Permission::Allow
            && (rule.operation == Operation::All || allowing.contains(&rule.operation))
    });
    is_allowed && !is_denied
}

fn any_rule() -> impl Strategy<Value = Rule> {
    (
        prop::sample::select(vec![SubjectOf::Topic, SubjectOf::Group]),
        prop::sample::select(vec![Pattern::Literal, Pattern::Prefixed]),
        prop::sample::select(vec!["*", "a", "ab", "abc", "b", "ä"]),
        prop::sample::select(vec!["User:alice", "User:bob", "User:*"]),
        prop::sample::select(vec!["*", "10.0.0.1", "10.0.0.2"]),
        prop::sample::select(Operation::ALL.to_vec()),
        prop::bool::weighted(0.3),
    )
        .prop_map(
            |(of, pattern, name, principal, host, operation, denies)| Rule {
                of,
                pattern,
                name: name.to_owned(),
                principal: principal.to_owned(),
                host: host.to_owned(),
                operation,
                permission: if denies {
                    Permission::Deny
                } else {
                    Permission::Allow
                },
            },
        )
}

proptest! {
    #[test]
    fn the_index_decides_as_the_rules_read(
        rules in prop::collection::vec(any_rule(), 0..12),
        allow_unlisted: bool,
        asked in prop::sample::select(Operation::ALL[1..].to_vec()),
        name in prop::sample::select(vec!["a", "ab", "abc", "abcd", "b", "ä", "äb", "*"]),
    ) {
        let standing = standing(&rules, allow_unlisted);
        for of in [SubjectOf::Topic, SubjectOf::Group, SubjectOf::Cluster] {
            let expected = naive(&rules, allow_unlisted, asked, of, name);
            prop_assert_eq!(standing.allows(asked, of, name), expected);
        }
    }
}
