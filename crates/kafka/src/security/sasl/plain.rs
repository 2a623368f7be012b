//! SASL PLAIN (RFC 4616): a name and a password in the clear, for listeners with TLS.

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

use super::{Identity, Refused};
use crate::security::users::Users;

/// Who sent `[authorization id] NUL name NUL password`.
pub(super) fn verify(message: &[u8], users: &Users) -> Result<Identity, Refused> {
    let text = std::str::from_utf8(message)
        .map_err(|_| Refused::because("Invalid SASL/PLAIN response: not UTF-8"))?;
    let parts: Vec<&str> = text.splitn(4, '\0').collect();
    let [acts_for, name, password] = parts.as_slice() else {
        let count = parts.len();
        return Err(Refused::because(format!(
            "Invalid SASL/PLAIN response: expected 3 tokens, got {count}"
        )));
    };
    if name.is_empty() || password.is_empty() {
        let which = if name.is_empty() {
            "username"
        } else {
            "password"
        };
        return Err(Refused::because(format!(
            "Authentication failed: {which} not specified"
        )));
    }
    if !users.has_password(name, password) {
        return Err(Refused::because(
            "Authentication failed: Invalid username or password",
        ));
    }
    if !acts_for.is_empty() && acts_for != name {
        return Err(Refused::other_authorization_id());
    }
    Ok(Identity::lasting(*name))
}

#[cfg(test)]
mod tests {
    use model::Rng;

    use super::*;
    use crate::security::User;

    #[test]
    fn names_and_passwords_are_checked() {
        let alice = User {
            name: "alice".into(),
            password: "hush".into(),
        };
        let users = Users::new(&[alice], &Rng::seeded(1));
        let check = |message: &[u8], expected: Result<&str, &str>| {
            let found = verify(message, &users);
            let found = found.as_ref().map(|who| who.name.as_str());
            let found = found.map_err(|refused| refused.message.as_str());
            assert_eq!(found, expected);
        };
        let wrong = Err("Authentication failed: Invalid username or password");
        check(b"\0alice\0hush", Ok("alice"));
        check(b"alice\0alice\0hush", Ok("alice"));
        check(b"\0alice\0hus", wrong);
        check(b"\0alice\0hushh", wrong);
        check(b"\0bob\0hush", wrong);
        check(
            b"bob\0alice\0hush",
            Err(
                "Authentication failed: Client requested an authorization id that is different from username",
            ),
        );
        check(
            b"\0\0hush",
            Err("Authentication failed: username not specified"),
        );
        check(
            b"\0alice\0",
            Err("Authentication failed: password not specified"),
        );
        check(
            b"alice",
            Err("Invalid SASL/PLAIN response: expected 3 tokens, got 1"),
        );
        check(
            b"\0a\0b\0c",
            Err("Invalid SASL/PLAIN response: expected 3 tokens, got 4"),
        );
        check(b"\0\xff\0b", Err("Invalid SASL/PLAIN response: not UTF-8"));
    }
}
