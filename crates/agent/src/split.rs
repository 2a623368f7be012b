//! Where a record ends: with its line, or before a line that begins the next.

use memchr::{memchr, memrchr};
use regex::bytes::Regex;

/// How a flow's files divide into records.
#[derive(Debug)]
pub(crate) enum Splitter {
    /// A line is a record.
    Lines,
    /// As many whole lines as fit in so many bytes are a record; a longer line is one too.
    Aggregated(usize),
    /// A line that matches begins a record.
    Starts(Regex),
}

/// Whether more may follow what has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The writer may be in the middle of a record.
    Open,
    /// Nothing has come for a while, so that the last whole line ends its record.
    Settled,
}

impl Splitter {
    /// Length of the record that `data` begins with, its newline included; `None` where its end is not there yet.
    pub(crate) fn next(&self, data: &[u8], reach: Reach) -> Option<usize> {
        let first = memchr(b'\n', data)? + 1;
        match self {
            Splitter::Lines => Some(first),
            Splitter::Aggregated(most) => {
                let within = data.get(..*most).unwrap_or(data);
                Some(memrchr(b'\n', within).map_or(first, |at| at + 1))
            }
            Splitter::Starts(start) => {
                let mut end = first;
                loop {
                    let rest = data.get(end..).unwrap_or_default();
                    let Some(length) = memchr(b'\n', rest) else {
                        break;
                    };
                    let line = rest.get(..=length).unwrap_or_default();
                    if start.is_match(line) {
                        return Some(end);
                    }
                    end += line.len();
                }
                let is_whole = end == data.len();
                (reach == Reach::Settled && is_whole).then_some(end)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the splitter makes of `data`, and what is left.
    fn all<'a>(splitter: &Splitter, mut data: &'a [u8], reach: Reach) -> (Vec<&'a [u8]>, &'a [u8]) {
        let mut records = Vec::new();
        while let Some(length) = splitter.next(data, reach) {
            let (record, rest) = data.split_at(length);
            records.push(record);
            data = rest;
        }
        (records, data)
    }

    /// Lines with their newlines; what is after the last one is left.
    fn lines(data: &[u8]) -> (Vec<&[u8]>, &[u8]) {
        let mut lines: Vec<&[u8]> = data.split_inclusive(|byte| *byte == b'\n').collect();
        let left = lines.pop_if(|line| !line.ends_with(b"\n"));
        (lines, left.unwrap_or_default())
    }

    proptest! {
        #[test]
        fn lines_are_what_a_naive_reader_finds(data in "[ab\n]{0,60}") {
            let data = data.as_bytes();
            prop_assert_eq!(all(&Splitter::Lines, data, Reach::Open), lines(data));
        }

        #[test]
        fn aggregates_are_whole_lines_and_as_many_as_fit(data in "[ab\n]{0,60}", most in 1..20usize) {
            let data = data.as_bytes();
            let (records, left) = all(&Splitter::Aggregated(most), data, Reach::Open);
            let (lines, expected_left) = lines(data);
            prop_assert_eq!(left, expected_left);
            let mut expected: Vec<Vec<u8>> = Vec::new();
            for line in lines {
                match expected.last_mut() {
                    Some(last) if last.len() + line.len() <= most => last.extend(line),
                    _ => expected.push(line.to_vec()),
                }
            }
            prop_assert_eq!(records, expected);
        }

        #[test]
        fn records_of_lines_begin_where_the_pattern_matches(data in "[ab\n]{0,60}") {
            let data = data.as_bytes();
            let splitter = Splitter::Starts(Regex::new(r"\A(?:a)").unwrap());
            let (lines, left) = lines(data);
            let mut expected: Vec<Vec<u8>> = Vec::new();
            for line in lines {
                match expected.last_mut() {
                    Some(last) if !line.starts_with(b"a") => last.extend(line),
                    _ => expected.push(line.to_vec()),
                }
            }
            let (settled, settled_left) = all(&splitter, data, Reach::Settled);
            let (open, _) = all(&splitter, data, Reach::Open);
            if left.is_empty() {
                prop_assert_eq!(&settled, &expected);
                prop_assert!(settled_left.is_empty());
            }
            // The last record may go on, unless something is known to have ended it.
            expected.pop();
            prop_assert_eq!(open, expected);
        }
    }
}
