//! What a verb shows, and what it says when the server refuses.

use std::io::{self, Write as _};

use client::ClientError;
use serde::Serialize;

use crate::Failure;

/// How a verb shows what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// Aligned, for people.
    Human,
    /// One JSON document, or one a line where there is no end.
    Json,
}

/// Prints a document.
pub(super) fn json<T: Serialize>(document: &T) -> Result<(), Failure> {
    print(serde_json::to_string_pretty(document))
}

/// Prints a document on one line, since there may be no end of them.
pub(super) fn json_line<T: Serialize>(document: &T) -> Result<(), Failure> {
    print(serde_json::to_string(document))
}

/// What has become of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum State {
    /// It is no more.
    Deleted,
    /// It has nothing in it.
    Empty,
}

/// Tells what has become of `name`.
pub(super) fn tell(name: &str, state: State, output: Output) -> Result<(), Failure> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Told<'a> {
        name: &'a str,
        state: State,
    }
    match (output, state) {
        (Output::Json, state) => return json(&Told { name, state }),
        (Output::Human, State::Deleted) => writeln!(io::stdout(), "{name} is deleted")?,
        (Output::Human, State::Empty) => writeln!(io::stdout(), "{name} is empty")?,
    }
    Ok(())
}

fn print(text: serde_json::Result<String>) -> Result<(), Failure> {
    let text = text.map_err(|error| Failure::because("could not write JSON", error))?;
    writeln!(io::stdout(), "{text}")?;
    Ok(())
}

/// What the server refused, with the fix where one is known: `hints` are for errors of the service, by their codes.
pub(super) fn refused(error: ClientError, hints: &[(&str, &str)]) -> Failure {
    let hint = match error.code() {
        Some(
            "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "InvalidClientTokenId"
            | "SignatureDoesNotMatch",
        ) => {
            "the server runs with --auth on: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to one of its keys"
        }
        Some(code) => hints
            .iter()
            .find_map(|(of, hint)| (*of == code).then_some(*hint))
            .unwrap_or_default(),
        None => "",
    };
    if hint.is_empty() {
        return Failure::because("not done", error);
    }
    let said = error.to_string();
    let said = said.trim_end_matches('.');
    Failure::running(format!("not done: {said}; {hint}"))
}
