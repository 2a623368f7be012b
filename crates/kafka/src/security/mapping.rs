//! From a certificate's subject to a user's name (KIP-371): Kafka's `ssl.principal.mapping.rules`, such as
//! `RULE:^CN=(.*?),OU=Service.*$/$1/L, DEFAULT`. The first rule whose pattern matches the whole subject is taken; `DEFAULT`
//! takes the subject as it is.

use regex_lite::{Captures, Regex};

/// Longest text of rules taken, in bytes.
const RULES_BYTES_MAX: usize = 64 << 10;

/// What makes names of subjects.
#[derive(Clone, Debug)]
pub struct PrincipalRules(Vec<Rule>);

#[derive(Clone, Debug)]
enum Rule {
    Default,
    Rewrite(Box<Rewrite>),
}

#[derive(Clone, Debug)]
struct Rewrite {
    /// Matches the whole subject or nothing.
    whole: Regex,
    /// What is replaced wherever it occurs, as Java's `replaceAll` does.
    part: Regex,
    replacement: String,
    case: Case,
}

#[derive(Clone, Copy, Debug)]
enum Case {
    Kept,
    Lower,
    Upper,
}

impl Default for PrincipalRules {
    fn default() -> Self {
        PrincipalRules(vec![Rule::Default])
    }
}

impl PrincipalRules {
    /// Reads rules, divided by commas.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<PrincipalRules, String> {
        if text.len() > RULES_BYTES_MAX {
            return Err(format!("rules of at most {RULES_BYTES_MAX} bytes"));
        }
        let mut rules = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (rule, after) = rule(rest)?;
            rules.push(rule);
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(next) => next.trim_start(),
                None if after.is_empty() => after,
                None => return Err(format!("rules divided by commas, not {after:?}")),
            };
        }
        if rules.is_empty() {
            return Err("DEFAULT or RULE:pattern/replacement/[LU]".to_owned());
        }
        Ok(PrincipalRules(rules))
    }

    /// The name of whoever has this subject; `None` where no rule applies, and the client must be refused.
    pub(crate) fn name(&self, subject: &str) -> Option<String> {
        self.0.iter().find_map(|rule| match rule {
            Rule::Default => Some(subject.to_owned()),
            Rule::Rewrite(rewrite) => rewrite.apply(subject),
        })
    }
}

/// The rule at the front, and what follows it.
fn rule(text: &str) -> Result<(Rule, &str), String> {
    if let Some(rest) = text.strip_prefix("DEFAULT") {
        return Ok((Rule::Default, rest));
    }
    let must_be = || "DEFAULT or RULE:pattern/replacement/[LU]".to_owned();
    let rest = text.strip_prefix("RULE:").ok_or_else(must_be)?;
    let (pattern, rest) = until_slash(rest).ok_or_else(must_be)?;
    let (replacement, rest) = until_slash(rest).ok_or_else(must_be)?;
    let (case, rest) = match rest.as_bytes().first() {
        Some(b'L') => (Case::Lower, &rest[1..]),
        Some(b'U') => (Case::Upper, &rest[1..]),
        _ => (Case::Kept, rest),
    };
    let compiled = |pattern: &str| {
        Regex::new(pattern).map_err(|error| format!("rules with patterns that hold: {error}"))
    };
    let rewrite = Rewrite {
        whole: compiled(&format!("^(?:{pattern})$"))?,
        part: compiled(pattern)?,
        replacement: replacement.to_owned(),
        case,
    };
    Ok((Rule::Rewrite(Box::new(rewrite)), rest))
}

/// The text up to a slash without a backslash before it, and what follows the slash.
fn until_slash(text: &str) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '/' => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

impl Rewrite {
    fn apply(&self, subject: &str) -> Option<String> {
        if !self.whole.is_match(subject) {
            return None;
        }
        let mut name = String::new();
        let mut end = 0;
        for found in self.part.captures_iter(subject) {
            let Some(all) = found.get(0) else { continue };
            name.push_str(&subject[end..all.start()]);
            expand(&mut name, &self.replacement, &found);
            end = all.end();
        }
        name.push_str(&subject[end..]);
        Some(match self.case {
            Case::Kept => name,
            Case::Lower => name.to_lowercase(),
            Case::Upper => name.to_uppercase(),
        })
    }
}

/// Adds a replacement: `$1` is the first group, a backslash takes the next character as it is.
fn expand(target: &mut String, replacement: &str, found: &Captures<'_>) {
    let mut characters = replacement.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => target.extend(characters.next()),
            '$' => {
                let mut group: Option<usize> = None;
                while let Some(digit) = characters.peek().and_then(|next| next.to_digit(10)) {
                    let longer = group.unwrap_or(0) * 10 + digit as usize;
                    // More digits belong to the group's number only while there is such a group.
                    if group.is_some() && longer >= found.len() {
                        break;
                    }
                    group = Some(longer);
                    characters.next();
                }
                match group {
                    Some(group) => {
                        target.push_str(found.get(group).map_or("", |found| found.as_str()));
                    }
                    None => target.push('$'),
                }
            }
            other => target.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: &str, subject: &str, expected: Option<&str>) {
        let rules = PrincipalRules::parse(rules).unwrap();
        assert_eq!(rules.name(subject).as_deref(), expected, "{rules:?}");
    }

    /// The example of KIP-371.
    #[test]
    fn rules_are_applied_in_order() {
        let rules = "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/, \
                     RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/L, \
                     RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/L, DEFAULT";
        check(
            rules,
            "CN=serviceuser,OU=ServiceUsers,O=Unknown,L=Unknown,ST=Unknown,C=Unknown",
            Some("serviceuser"),
        );
        check(
            rules,
            "CN=adminUser,OU=Admin,O=Unknown,L=Unknown,ST=Unknown,C=Unknown",
            Some("adminuser@admin"),
        );
        check(rules, "O=x,CN=Some.One", Some("some.one"));
        check(rules, "O=x", Some("O=x"));
    }

    #[test]
    fn a_subject_without_a_rule_has_no_name() {
        check("RULE:^CN=(.*?),O=x$/$1/U", "CN=a,O=x", Some("A"));
        check("RULE:^CN=(.*?),O=x$/$1/", "CN=a,O=y", None);
        check(r"RULE:^CN=a\/b$/\$1$10/", "CN=a/b", Some("$10"));
    }

    #[test]
    fn mistakes_are_named() {
        for wrong in [
            "",
            "nonsense",
            "RULE:a",
            "RULE:a/b",
            "RULE:(/b/",
            "DEFAULT DEFAULT",
        ] {
            PrincipalRules::parse(wrong).unwrap_err();
        }
    }
}
