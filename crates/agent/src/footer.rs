//! `fileFooterPattern`: the record that ends its file. Whatever its writer adds after it is not the flow's.

use memchr::memchr;
use regex::bytes::Regex;

/// What ends a flow's files.
#[derive(Debug)]
pub(crate) struct Footer {
    pattern: Regex,
    /// Whether several lines that were combined are one record.
    is_combined: bool,
}

impl Footer {
    /// A footer that matches whole records; of records that combine lines, each line.
    pub(crate) fn new(pattern: Regex, is_combined: bool) -> Footer {
        Footer {
            pattern,
            is_combined,
        }
    }

    /// Where in a record its file ends.
    pub(crate) fn find(&self, record: &[u8]) -> Option<usize> {
        if !self.is_combined {
            return self.matches(record).then_some(0);
        }
        let mut start = 0;
        while let Some(rest) = record.get(start..)
            && !rest.is_empty()
        {
            let length = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            if self.matches(rest.get(..length).unwrap_or_default()) {
                return Some(start);
            }
            start += length;
        }
        None
    }

    fn matches(&self, record: &[u8]) -> bool {
        self.pattern.is_match(record.trim_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_is_a_whole_record_or_a_whole_line_of_combined_ones() {
        let check = |is_combined, record: &str, expected| {
            let footer = Footer::new(Regex::new(r"\A(?m:END( \d+)?)\z").unwrap(), is_combined);
            assert_eq!(footer.find(record.as_bytes()), expected, "{record:?}");
        };
        check(false, "END\n", Some(0));
        check(false, " \tEND 7 \r\n", Some(0));
        check(false, "END of\n", None);
        check(false, "THE END\n", None);
        check(false, "a\nEND\n", None);
        check(true, "a\nEND\nb\n", Some(2));
        check(true, "a\nEND", Some(2));
        check(true, "a\nb\n", None);
        check(true, "", None);
    }
}
