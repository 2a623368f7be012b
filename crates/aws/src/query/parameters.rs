//! The parameters of a request: those of its URL, then those of its body, form-encoded both.

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

use std::borrow::Cow;

use http::Uri;

use crate::error::ServiceError;
use crate::sigv4::escape;

/// Most parameters of one request. SendMessageBatch has some 500 at most; PutMetricData's 1 MiB has room for some 30,000.
pub(super) const PARAMETERS_MAX: usize = 50_000;

/// The decoded parameters of one request, in the order they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    pub(super) pairs: Vec<(String, String)>,
}

impl Parameters {
    /// Reads the parameters of a URL and of a form.
    ///
    /// # Errors
    /// `MalformedQueryString` if they are not UTF-8 or are too many.
    pub fn read(uri: &Uri, form: &[u8]) -> Result<Self, ServiceError> {
        let mut parameters = Parameters::default();
        parameters.add(uri.query().unwrap_or_default())?;
        let form = std::str::from_utf8(form).map_err(|_| malformed("the form is not UTF-8"))?;
        parameters.add(form.trim_end_matches(['\r', '\n']))?;
        Ok(parameters)
    }

    fn add(&mut self, encoded: &str) -> Result<(), ServiceError> {
        for (name, value) in escape::pairs(encoded) {
            if self.pairs.len() == PARAMETERS_MAX {
                return Err(malformed(&format!(
                    "there must be at most {PARAMETERS_MAX} parameters"
                )));
            }
            self.pairs.push((decode(name)?, decode(value)?));
        }
        Ok(())
    }

    /// The value of the first parameter of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }
}

/// As HTML's forms encode: a plus is a space, the rest percent-encoded.
fn decode(text: &str) -> Result<String, ServiceError> {
    let spaced: Cow<'_, str> = if text.contains('+') {
        text.replace('+', " ").into()
    } else {
        text.into()
    };
    let bytes = escape::decode(&spaced).into_owned();
    String::from_utf8(bytes).map_err(|_| malformed("a parameter is not UTF-8"))
}

pub(super) fn malformed(why: &str) -> ServiceError {
    ServiceError::sender(
        "MalformedQueryString",
        format!("The query string is malformed: {why}."),
    )
    .with_status(404)
}
