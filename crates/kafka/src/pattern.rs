//! Patterns that clients send for whole names. Matching takes time in proportion to the name times the pattern, whatever they are.

use regex_lite::{Regex, RegexBuilder};

/// Longest pattern, in bytes.
const BYTES_MAX: usize = 4 << 10;
/// Largest pattern once compiled, in bytes.
const SIZE_MAX: usize = 1 << 20;

/// The pattern, for whole names.
///
/// # Errors
/// Why it is none.
pub(crate) fn whole(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > BYTES_MAX {
        return Err("it is too long".into());
    }
    let build = |pattern: &str| RegexBuilder::new(pattern).size_limit(SIZE_MAX).build();
    // By itself first, so that it cannot close the group that is put around it.
    build(pattern)
        .and_then(|_| build(&format!("^(?:{pattern})$")))
        .map_err(|error| error.to_string())
}
