//! Members of a JSON object, read by name and type; what is wrong names the member and the fix, what nobody read is known.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

/// What is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ConfigError {
    /// Where, such as `flows[0].filePattern`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// One object of the configuration.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// Before the names of members in messages: `flows[0].`, or nothing.
    prefix: String,
    members: &'a Map<String, Value>,
    read: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The members of `value`, found at `place`: empty for the whole file.
    pub(super) fn of(place: &str, value: &'a Value) -> Result<Fields<'a>, ConfigError> {
        let members = value.as_object().ok_or_else(|| ConfigError {
            field: if place.is_empty() { "the file" } else { place }.to_owned(),
            problem: format!("must be an object {{...}}, got {}", kind(value)),
        })?;
        let prefix = if place.is_empty() {
            String::new()
        } else {
            format!("{place}.")
        };
        Ok(Fields {
            prefix,
            members,
            read: Vec::new(),
        })
    }

    /// An error of the member `name`.
    pub(super) fn wrong(&self, name: &str, problem: impl Into<String>) -> ConfigError {
        ConfigError {
            field: format!("{}{name}", self.prefix),
            problem: problem.into(),
        }
    }

    /// The member as it stands; null is as good as none.
    pub(super) fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.read.push(name);
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// Text that is not empty.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, ConfigError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(other) => {
                Err(self.wrong(name, format!("must be text in quotes, got {}", kind(other))))
            }
        }
    }

    /// A whole number in a range; digits in quotes are one too, as in the AWS agent.
    pub(super) fn number(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ConfigError> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let number = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number.filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let (least, most) = range.into_inner();
                let problem = format!("must be a whole number from {least} to {most}, got {value}");
                Err(self.wrong(name, problem))
            }
        }
    }

    /// True or false; in quotes too, as in the AWS agent.
    pub(super) fn truth(&mut self, name: &'static str) -> Result<Option<bool>, ConfigError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(*truth)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(other) => Err(self.wrong(name, format!("must be true or false, got {other}"))),
        }
    }

    /// A list of texts; a text alone is a list of one.
    pub(super) fn texts(&mut self, name: &'static str) -> Result<Option<Vec<String>>, ConfigError> {
        let items = match self.value(name) {
            None => return Ok(None),
            Some(Value::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        let text = |item: &Value| item.as_str().map(str::to_owned);
        let texts: Option<Vec<String>> = items.iter().map(text).collect();
        let problem = "must be text in quotes, or a list of such texts";
        texts.map(Some).ok_or_else(|| self.wrong(name, problem))
    }

    /// A list of objects.
    pub(super) fn objects(&mut self, name: &'static str) -> Result<Vec<Fields<'a>>, ConfigError> {
        let items = match self.value(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(other) => {
                let problem = format!("must be a list [...], got {}", kind(other));
                return Err(self.wrong(name, problem));
            }
        };
        let place = |at: usize| format!("{}{name}[{at}]", self.prefix);
        let objects = items.iter().enumerate();
        objects
            .map(|(at, item)| Fields::of(&place(at), item))
            .collect()
    }

    /// One of some words, in any case.
    pub(super) fn word<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let found = words
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(&text));
        match found {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let problem = format!("must be one of {}, got {text:?}", known.join(", "));
                Err(self.wrong(name, problem))
            }
        }
    }

    /// Warns of members that nobody read.
    pub(super) fn finish(self, warnings: &mut Vec<String>) {
        for name in self.members.keys() {
            if !self.read.contains(&name.as_str()) {
                let prefix = &self.prefix;
                warnings.push(format!("{prefix}{name}: unknown, and so without effect"));
            }
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
