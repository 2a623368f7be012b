//! CSVTOJSON: columns become members. There is no quoting, as in the AWS agent: a delimiter always divides.

use memchr::memchr;
use regex::bytes::Regex;

use super::print::{Layout, Object};
use super::without_newline;

/// What is between two columns.
#[derive(Debug)]
pub enum Delimiter {
    /// One byte, which means itself.
    Byte(u8),
    /// Whatever matches.
    Pattern(Regex),
}

/// CSVTOJSON.
#[derive(Debug)]
pub struct Csv {
    /// The members, in the order of the columns.
    pub names: Vec<String>,
    /// What is between two columns.
    pub delimiter: Delimiter,
    /// How the object is printed.
    pub layout: Layout,
}

impl Csv {
    /// Columns that are not there are null, and so are empty ones at the end, as Java's `split` leaves them out; columns
    /// without a name go.
    pub(super) fn convert(&self, record: &[u8], out: &mut Vec<u8>) {
        let mut rest = Some(self.without_empty_end(without_newline(record)));
        let mut object = Object::begin(out, self.layout);
        for name in &self.names {
            let value = match rest {
                None => None,
                Some(text) => {
                    let (column, after) = self.divide(text);
                    rest = after;
                    Some(column)
                }
            };
            object.text(name, value);
        }
        object.end();
    }

    /// The first column, and what is after the delimiter that ends it.
    fn divide<'a>(&self, text: &'a [u8]) -> (&'a [u8], Option<&'a [u8]>) {
        let found = match &self.delimiter {
            Delimiter::Byte(byte) => memchr(*byte, text).map(|at| (at, at + 1)),
            Delimiter::Pattern(regex) => regex.find(text).map(|found| (found.start(), found.end())),
        };
        match found {
            None => (text, None),
            Some((start, end)) => (text.get(..start).unwrap_or_default(), text.get(end..)),
        }
    }

    /// The text up to the last column that is not empty. Where all are, the first is empty and stays.
    fn without_empty_end<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        let mut end = 0;
        let mut at = 0;
        loop {
            let rest = text.get(at..).unwrap_or_default();
            let (column, after) = self.divide(rest);
            if !column.is_empty() {
                end = at + column.len();
            }
            match after {
                None => return text.get(..end).unwrap_or_default(),
                Some(after) => at = text.len() - after.len(),
            }
        }
    }
}
