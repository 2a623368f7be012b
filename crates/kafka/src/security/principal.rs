//! Who somebody is, as ACLs name them: `User:alice`.

use std::fmt;

/// The kind of all principals but those of other authorizers, which may be named in ACLs all the same.
const USER: &str = "User";

/// Somebody.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Principal {
    /// `User`, but for custom ones.
    pub kind: String,
    /// The name.
    pub name: String,
}

impl Principal {
    /// The user of that name.
    pub fn user(name: impl Into<String>) -> Principal {
        Principal {
            kind: USER.into(),
            name: name.into(),
        }
    }

    /// Somebody who did not say who they are.
    #[must_use]
    pub fn anonymous() -> Principal {
        Principal::user("ANONYMOUS")
    }

    /// `KIND:NAME`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Principal> {
        let (kind, name) = text.split_once(':')?;
        let is_whole = !kind.is_empty() && !name.is_empty();
        is_whole.then(|| Principal {
            kind: kind.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_are_read_and_written() {
        for text in ["User:alice", "User:CN=a,O=b:c", "Role:x"] {
            assert_eq!(Principal::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "alice", "User:", ":alice"] {
            assert_eq!(Principal::parse(text), None, "{text:?}");
        }
    }
}
