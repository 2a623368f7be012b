//! Constraints on an operation's input, declared as data and checked on the document before the handler sees it.
//!
//! ```
//! use aws::rules::Rule;
//!
//! const RULES: &[Rule] = &[
//!     Rule::at("StreamName").length(1, 128).pattern("[a-zA-Z0-9_.-]+"),
//!     Rule::at("Records").required().length(1, 500),
//!     Rule::at("Records.member.PartitionKey").required().length(1, 256),
//!     Rule::at("Tags.key").length(1, 128),
//! ];
//! assert_eq!(RULES[0].length_max, Some(128));
//! ```
//!
//! A path names members as AWS spells them. `member` goes into each element of a list, `key` and `value` into a map's
//! entries. The order of the rules is the order in which failures are told. Fields are public so that a test can hold
//! a table against AWS's published model. A member of the wrong type is no business of rules: reading the shape
//! refuses it.

mod check;

pub use check::Checker;

/// What one member of an input must satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Where the member is: `StreamName`, `Records.member.Data`, `Tags.value`.
    pub path: &'static str,
    /// Whether the member must be there.
    pub required: bool,
    /// Least length: characters of text, bytes of a blob, elements of a list, entries of a map.
    pub length_min: Option<u64>,
    /// Greatest length, counted likewise.
    pub length_max: Option<u64>,
    /// Least number.
    pub at_least: Option<i64>,
    /// Greatest number.
    pub at_most: Option<i64>,
    /// Regular expression which the whole text must match.
    pub pattern: Option<&'static str>,
    /// The values of an enumeration, in the order AWS lists them; empty for no enumeration.
    pub values: &'static [&'static str],
    /// Whether the member is a blob: JSON's text is then base64, and measured decoded.
    pub blob: bool,
    /// How AWS prints an element of this list where the element is a structure.
    pub element: Option<&'static str>,
}

impl Rule {
    /// A rule for the member at `path` which asks nothing yet.
    #[must_use]
    pub const fn at(path: &'static str) -> Self {
        Rule {
            path,
            required: false,
            length_min: None,
            length_max: None,
            at_least: None,
            at_most: None,
            pattern: None,
            values: &[],
            blob: false,
            element: None,
        }
    }

    /// The member must be there.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Length of `min` to `max`, both included.
    #[must_use]
    pub const fn length(mut self, min: u64, max: u64) -> Self {
        self.length_min = Some(min);
        self.length_max = Some(max);
        self
    }

    /// Length of `min` or more.
    #[must_use]
    pub const fn length_min(mut self, min: u64) -> Self {
        self.length_min = Some(min);
        self
    }

    /// A blob of `min` to `max` bytes, both included.
    #[must_use]
    pub const fn blob(mut self, min: u64, max: u64) -> Self {
        self.blob = true;
        self.length(min, max)
    }

    /// A number from `least` to `most`, both included.
    #[must_use]
    pub const fn range(mut self, least: i64, most: i64) -> Self {
        self.at_least = Some(least);
        self.at_most = Some(most);
        self
    }

    /// A number of `least` or more.
    #[must_use]
    pub const fn at_least(mut self, least: i64) -> Self {
        self.at_least = Some(least);
        self
    }

    /// Text which matches `pattern` from end to end.
    #[must_use]
    pub const fn pattern(mut self, pattern: &'static str) -> Self {
        self.pattern = Some(pattern);
        self
    }

    /// One of `values`.
    #[must_use]
    pub const fn one_of(mut self, values: &'static [&'static str]) -> Self {
        self.values = values;
        self
    }

    /// How AWS prints each element of this list in a refusal, such as
    /// `com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry@c965e310`.
    #[must_use]
    pub const fn element(mut self, text: &'static str) -> Self {
        self.element = Some(text);
        self
    }
}
