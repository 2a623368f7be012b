//! What is wrong with values, expressions and legacy parameters, in AWS's words.

/// A request that breaks a rule: the text of a `ValidationException`, whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Invalid(text.into())
    }

    /// The commonest beginning.
    pub(crate) fn parameters(text: impl std::fmt::Display) -> Self {
        Invalid(format!("One or more parameter values were invalid: {text}"))
    }
}
