//! Which attributes of messages a receive asks for.

use crate::sqs::api::messages::ReceiveMessageInput;
use crate::sqs::attributes;
use crate::sqs::error::SqsError;

/// The attributes that SQS gives messages itself.
const SYSTEM: &[&str] = &[
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
];

/// Which attributes are wanted.
#[derive(Debug, PartialEq)]
pub(in super::super) struct Asked {
    system: Names,
    own: Names,
    /// What the names of further own ones begin with.
    prefixes: Vec<String>,
}

#[derive(Debug, PartialEq)]
enum Names {
    All,
    These(Vec<String>),
}

impl Names {
    fn has(&self, name: &str) -> bool {
        match self {
            Names::All => true,
            Names::These(names) => names.iter().any(|asked| asked == name),
        }
    }
}

impl Asked {
    /// # Errors
    /// [`SqsError::InvalidAttributeName`] for a system attribute that there is not.
    pub(in super::super) fn of(input: &ReceiveMessageInput) -> Result<Asked, SqsError> {
        let system = [
            &input.attribute_names,
            &input.message_system_attribute_names,
        ];
        let system: Vec<&String> = system.into_iter().flatten().flatten().collect();
        // `AttributeNames` was once the list of queues' attributes, and takes their names still.
        let others = system
            .iter()
            .filter(|name| !SYSTEM.contains(&name.as_str()));
        attributes::Asked::of(others.map(|name| (*name).clone()).collect())?;
        let system = if system.iter().any(|name| *name == "All") {
            Names::All
        } else {
            Names::These(system.into_iter().cloned().collect())
        };
        let own = input.message_attribute_names.as_deref().unwrap_or_default();
        let (own, prefixes) = own_names(own);
        Ok(Asked {
            system,
            own,
            prefixes,
        })
    }

    pub(in super::super) fn has_system_attribute(&self, name: &str) -> bool {
        self.system.has(name)
    }

    /// Whether a message's own attribute of this name is wanted.
    pub(in super::super) fn has_attribute(&self, name: &str) -> bool {
        self.own.has(name) || self.prefixes.iter().any(|prefix| name.starts_with(prefix))
    }
}

/// Names, and what further names begin with: `bar.*` is for all that begin with `bar`.
fn own_names(asked: &[String]) -> (Names, Vec<String>) {
    let is_all = |name: &String| matches!(name.as_str(), "All" | ".*" | "*");
    if asked.iter().any(is_all) {
        return (Names::All, Vec::new());
    }
    let (mut names, mut prefixes) = (Vec::new(), Vec::new());
    for name in asked {
        match name.strip_suffix(".*") {
            Some(prefix) => prefixes.push(prefix.to_owned()),
            None => names.push(name.clone()),
        }
    }
    (Names::These(names), prefixes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Option<Vec<String>> {
        Some(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn own(names: &[&str], asked_for: &str) -> bool {
        let input = ReceiveMessageInput {
            message_attribute_names: list(names),
            ..ReceiveMessageInput::default()
        };
        Asked::of(&input).unwrap().has_attribute(asked_for)
    }

    /// As AWS answered it (localstack's snapshots).
    #[test]
    fn own_attributes_are_asked_for_by_name_or_by_prefix() {
        for all in ["All", ".*", "*"] {
            assert!(own(&[all], "Hello"), "{all}");
        }
        assert!(!own(&[], "Hello"));
        assert!(!own(&["Foo", "Help"], "Help.Me"));
        assert!(own(&["Foo", "Hello"], "Hello"));
        assert!(own(&["Hel.*"], "Hello"));
        assert!(own(&["Foo.*", "Hel.*"], "Help.Me"));
        assert!(!own(&["Hel.*"], "General"));
        for illegal in ["AWS.", "..foo"] {
            assert!(!own(&[illegal], "Hello"), "{illegal}");
        }
    }

    #[test]
    fn system_attributes_have_two_lists() {
        let asked = |old: &[&str], new: &[&str]| {
            Asked::of(&ReceiveMessageInput {
                attribute_names: list(old),
                message_system_attribute_names: list(new),
                ..ReceiveMessageInput::default()
            })
        };
        let has =
            |old: &[&str], new: &[&str], name| asked(old, new).unwrap().has_system_attribute(name);
        assert!(has(&["All"], &[], "SenderId"));
        assert!(has(&["SenderId"], &["All"], "SentTimestamp"));
        assert!(has(&["SenderId"], &["SentTimestamp"], "SenderId"));
        assert!(!has(&["SenderId"], &["SentTimestamp"], "SequenceNumber"));
        assert!(!has(&["VisibilityTimeout"], &[], "SenderId"));
        let unknown = SqsError::unknown_attribute("Foo");
        assert_eq!(asked(&[], &["Foo"]).unwrap_err(), unknown);
        assert_eq!(asked(&["Foo"], &[]).unwrap_err(), unknown);
    }
}
