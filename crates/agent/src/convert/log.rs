//! LOGTOJSON: the groups of a pattern become members.

use regex::bytes::{CaptureLocations, Regex};

use super::formats::LogFormat;
use super::print::{Layout, Object};
use super::{Outcome, without_newline};

/// LOGTOJSON.
#[derive(Debug)]
pub struct Log {
    pattern: Regex,
    names: Vec<String>,
    /// In Apache's logs a `-` says that there is no value.
    has_dashes: bool,
    layout: Layout,
}

impl Log {
    /// A format, or a pattern of one's own in its place, and names of one's own for the groups.
    ///
    /// # Errors
    /// Where the pattern has not as many groups as there are names: both numbers.
    pub fn new(
        format: LogFormat,
        pattern: Option<Regex>,
        names: Option<Vec<String>>,
        layout: Layout,
    ) -> Result<Log, (usize, usize)> {
        let pattern = pattern.unwrap_or_else(|| format.pattern());
        let names = names.unwrap_or_else(|| {
            let names = format.fields().iter();
            names.map(|name| (*name).to_owned()).collect()
        });
        let groups = pattern.captures_len() - 1;
        if groups != names.len() {
            return Err((groups, names.len()));
        }
        Ok(Log {
            pattern,
            names,
            has_dashes: format.is_apache(),
            layout,
        })
    }

    /// Records that don't match are left out, as the AWS agent does.
    pub(super) fn convert(&self, record: &[u8], out: &mut Vec<u8>) -> Outcome {
        let record = without_newline(record);
        let mut groups: CaptureLocations = self.pattern.capture_locations();
        if self.pattern.captures_read(&mut groups, record).is_none() {
            return Outcome::Skipped;
        }
        let mut object = Object::begin(out, self.layout);
        for (at, name) in self.names.iter().enumerate() {
            let range = groups.get(at + 1);
            let value = range.and_then(|(start, end)| record.get(start..end));
            object.text(name, value.filter(|text| !self.has_dashes || *text != b"-"));
        }
        object.end();
        Outcome::Converted
    }
}
