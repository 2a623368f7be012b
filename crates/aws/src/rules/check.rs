//! Checking a document against rules, and telling all that failed in AWS's form.
//!
//! The forms are those kinesalite's test suite recorded from AWS (test/putRecords.js, test/addTagsToStream.js):
//! a member of its own is told as `Value '' at 'records.1.member.partitionKey' failed to satisfy constraint: Member must
//! ...`; scalars inside a list, and keys and values of a map, are told at the list or map, all constraints together.

use regex_lite::Regex;

use super::Rule;
use crate::error::ServiceError;
use crate::value::Value;

/// AWS stops telling after this many.
const FAILURES_MAX: usize = 10;
/// Longest text of a value in a refusal, in characters: a refusal must not multiply a large request.
const SHOWN_MAX: usize = 32 * 1024;
/// Longest text that is held against a pattern, in bytes: matching costs some 100 ns a byte, and no AWS member with a
/// pattern is nearly as long.
const MATCHED_MAX: usize = 16 * 1024;

/// A table of rules, made ready: paths split, patterns compiled.
#[derive(Debug)]
pub struct Checker {
    rules: &'static [Rule],
    ready: Vec<Ready>,
}

#[derive(Debug)]
struct Ready {
    rule: &'static Rule,
    path: Vec<&'static str>,
    pattern: Option<Regex>,
}

impl Checker {
    /// Makes a table ready.
    ///
    /// # Panics
    /// If a pattern is not a regular expression: a mistake in our own table, found when the service starts.
    #[must_use]
    pub fn new(rules: &'static [Rule]) -> Self {
        let ready = rules.iter().map(Ready::new).collect();
        Checker { rules, ready }
    }

    /// The table.
    #[must_use]
    pub fn rules(&self) -> &'static [Rule] {
        self.rules
    }

    /// Checks a document.
    ///
    /// # Errors
    /// `ValidationException` which tells every failure, up to ten.
    pub fn check(&self, document: &Value) -> Result<(), ServiceError> {
        let mut failures = Failures(Vec::new());
        for ready in &self.ready {
            ready.descend(document, &ready.path, &mut String::new(), &mut failures);
        }
        failures.into_result()
    }
}

struct Failures(Vec<String>);

impl Failures {
    fn add(&mut self, value: &Value, rule: &Rule, place: &str, constraint: &str) {
        if self.0.len() >= FAILURES_MAX {
            return;
        }
        let shown = match value {
            Value::Null => "null".to_owned(),
            value => format!("'{}'", show(value, rule)),
        };
        self.0.push(format!(
            "Value {shown} at '{place}' failed to satisfy constraint: {constraint}"
        ));
    }

    fn into_result(self) -> Result<(), ServiceError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let count = self.0.len();
        let errors = if count == 1 { "error" } else { "errors" };
        Err(ServiceError::sender(
            "ValidationException",
            format!(
                "{count} validation {errors} detected: {}",
                self.0.join("; ")
            ),
        ))
    }
}

impl Ready {
    fn new(rule: &'static Rule) -> Self {
        let pattern = rule.pattern.map(|pattern| {
            Regex::new(&format!("^(?:{pattern})$"))
                .unwrap_or_else(|fault| panic!("rule at {}: {fault}", rule.path))
        });
        Ready {
            rule,
            path: rule.path.split('.').collect(),
            pattern,
        }
    }

    fn descend(&self, value: &Value, path: &[&str], place: &mut String, out: &mut Failures) {
        let Some((&step, rest)) = path.split_first() else {
            self.member(value, place, out);
            return;
        };
        match (step, value) {
            ("member", Value::List(items)) if rest.is_empty() => {
                self.together(value, items.iter(), place, "Member must", out);
            }
            ("member", Value::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let numbered = format!("{}.member", index + 1);
                    self.inside(item, &numbered, rest, place, out);
                }
            }
            ("key", Value::Map(entries)) if rest.is_empty() => {
                let keys: Vec<Value> = entries.iter().map(|(key, _)| key.as_str().into()).collect();
                self.together(value, keys.iter(), place, "Map keys must", out);
            }
            ("value", Value::Map(entries)) if rest.is_empty() => {
                let values = entries.iter().map(|(_, value)| value);
                self.together(value, values, place, "Map value must", out);
            }
            ("value", Value::Map(entries)) => {
                for (key, item) in entries {
                    self.inside(item, &format!("{key}.member"), rest, place, out);
                }
            }
            (name, Value::Map(_)) => {
                let member = value.get(name).unwrap_or(&Value::Null);
                self.inside(member, &lower_first(name), rest, place, out);
            }
            // Absent, or of a wrong type: not for this rule to say.
            _ => {}
        }
    }

    /// Goes on below `step`, with the place told for what is found there.
    fn inside(
        &self,
        value: &Value,
        step: &str,
        rest: &[&str],
        place: &mut String,
        out: &mut Failures,
    ) {
        let length = place.len();
        if length > 0 {
            place.push('.');
        }
        place.push_str(step);
        self.descend(value, rest, place, out);
        place.truncate(length);
    }

    /// A member told by itself: one failure for each constraint not met.
    fn member(&self, value: &Value, place: &str, out: &mut Failures) {
        for constraint in Constraint::ALL {
            if !self.holds(*constraint, value) {
                out.add(value, self.rule, place, &self.text(*constraint));
            }
        }
    }

    /// Elements told at their container: one failure that lists all constraints.
    fn together<'a>(
        &self,
        container: &Value,
        mut elements: impl Iterator<Item = &'a Value>,
        place: &str,
        subject: &str,
        out: &mut Failures,
    ) {
        let fails = |element: &Value| Constraint::ALL.iter().any(|c| !self.holds(*c, element));
        if elements.any(fails) {
            let all: Vec<String> = Constraint::ALL
                .iter()
                .filter(|constraint| self.asks(**constraint))
                .map(|constraint| self.text(*constraint))
                .collect();
            let constraint = format!("{subject} satisfy constraint: [{}]", all.join(", "));
            out.add(container, self.rule, place, &constraint);
        }
    }

    fn asks(&self, constraint: Constraint) -> bool {
        let rule = self.rule;
        match constraint {
            Constraint::Required => rule.required,
            Constraint::Pattern => rule.pattern.is_some(),
            Constraint::LengthMax => rule.length_max.is_some(),
            Constraint::LengthMin => rule.length_min.is_some(),
            Constraint::AtMost => rule.at_most.is_some(),
            Constraint::AtLeast => rule.at_least.is_some(),
            Constraint::Values => !rule.values.is_empty(),
        }
    }

    fn holds(&self, constraint: Constraint, value: &Value) -> bool {
        let rule = self.rule;
        if value.is_null() {
            return !(constraint == Constraint::Required && rule.required);
        }
        let length = || length(value, rule);
        match constraint {
            Constraint::Required => true,
            Constraint::Pattern => both(self.pattern.as_ref(), value.as_text(), |pattern, text| {
                self.matches(pattern, text)
            }),
            Constraint::LengthMax => both(rule.length_max, length(), |max, is| is <= max),
            Constraint::LengthMin => both(rule.length_min, length(), |min, is| is >= min),
            Constraint::AtMost => both(rule.at_most, number(value), |most, is| is <= most),
            Constraint::AtLeast => both(rule.at_least, number(value), |least, is| is >= least),
            Constraint::Values => match value.as_text() {
                Some(text) => rule.values.is_empty() || rule.values.contains(&text),
                None => true,
            },
        }
    }

    /// Whether all of `text` matches. One too long to be looked at does not, unless its length is told already.
    fn matches(&self, pattern: &Regex, text: &str) -> bool {
        if text.len() <= MATCHED_MAX {
            return pattern.is_match(text);
        }
        let longest = self.rule.length_max.unwrap_or(u64::MAX);
        text.chars().count() as u64 > longest
    }

    fn text(&self, constraint: Constraint) -> String {
        let rule = self.rule;
        let number = |bound: Option<i64>| bound.unwrap_or_default();
        let length = |bound: Option<u64>| bound.unwrap_or_default();
        match constraint {
            Constraint::Required => "Member must not be null".to_owned(),
            Constraint::Pattern => format!(
                "Member must satisfy regular expression pattern: {}",
                rule.pattern.unwrap_or_default()
            ),
            Constraint::LengthMax => format!(
                "Member must have length less than or equal to {}",
                length(rule.length_max)
            ),
            Constraint::LengthMin => format!(
                "Member must have length greater than or equal to {}",
                length(rule.length_min)
            ),
            Constraint::AtMost => format!(
                "Member must have value less than or equal to {}",
                number(rule.at_most)
            ),
            Constraint::AtLeast => format!(
                "Member must have value greater than or equal to {}",
                number(rule.at_least)
            ),
            Constraint::Values => format!(
                "Member must satisfy enum value set: [{}]",
                rule.values.join(", ")
            ),
        }
    }
}

/// In the order AWS tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Constraint {
    Required,
    Pattern,
    LengthMax,
    LengthMin,
    AtMost,
    AtLeast,
    Values,
}

impl Constraint {
    const ALL: &[Constraint] = &[
        Constraint::Required,
        Constraint::Pattern,
        Constraint::LengthMax,
        Constraint::LengthMin,
        Constraint::AtMost,
        Constraint::AtLeast,
        Constraint::Values,
    ];
}

/// True unless a bound is set, the value can be measured, and the measure is out of bounds.
fn both<B, M>(bound: Option<B>, measure: Option<M>, holds: impl Fn(B, M) -> bool) -> bool {
    match (bound, measure) {
        (Some(bound), Some(measure)) => holds(bound, measure),
        _ => true,
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Float(number) => Some(*number as i64),
        Value::Untyped(text) => text.parse().ok(),
        _ => None,
    }
}

fn length(value: &Value, rule: &Rule) -> Option<u64> {
    let length = match value {
        Value::Text(text) | Value::Untyped(text) if rule.blob => decoded_length(text),
        Value::Text(text) | Value::Untyped(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        Value::Map(members) => members.len(),
        _ => return None,
    };
    Some(length as u64)
}

/// How many bytes padded base64 text stands for.
fn decoded_length(text: &str) -> usize {
    let padding = text.bytes().rev().take(2).filter(|b| *b == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// A value as Java prints it, which is how AWS does; cut where it gets long.
fn show(value: &Value, rule: &Rule) -> String {
    let mut text = String::new();
    print(value, rule, &mut text);
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn print(value: &Value, rule: &Rule, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(&truth.to_string()),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&number.to_string()),
        Value::Timestamp(moment) => out.push_str(&moment.seconds().to_string()),
        Value::Bytes(bytes) => out.push_str(&heap_buffer(bytes.len())),
        Value::Text(text) | Value::Untyped(text) if rule.blob => {
            out.push_str(&heap_buffer(decoded_length(text)))
        }
        Value::Text(text) | Value::Untyped(text) => out.push_str(text),
        Value::List(items) => {
            let items = items.iter().map(|item| (None, item));
            print_all(items, '[', ']', rule, out);
        }
        Value::Map(members) => {
            let members = members.iter().map(|(key, item)| (Some(key), item));
            print_all(members, '{', '}', rule, out);
        }
    }
}

fn print_all<'a>(
    items: impl Iterator<Item = (Option<&'a String>, &'a Value)>,
    open: char,
    close: char,
    rule: &Rule,
    out: &mut String,
) {
    out.push(open);
    for (index, (key, item)) in items.enumerate() {
        // More is cut off anyway: a character has four bytes at most.
        if out.len() > 4 * SHOWN_MAX {
            return;
        }
        if index > 0 {
            out.push_str(", ");
        }
        if let Some(key) = key {
            out.push_str(key);
            out.push('=');
        }
        match rule.element {
            Some(text) => out.push_str(text),
            None => print(item, rule, out),
        }
    }
    out.push(close);
}

fn heap_buffer(length: usize) -> String {
    format!("java.nio.HeapByteBuffer[pos=0 lim={length} cap={length}]")
}

#[cfg(test)]
mod tests;
