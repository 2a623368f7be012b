//! Sizes as people write them.

use std::fmt;

/// A number of bytes, written `64MiB`, `1GiB` or `65536`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ByteSize(pub u64);

const UNITS: &[(&str, u32)] = &[("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

impl ByteSize {
    /// The size that `text` names; `G`, `M` and `K` are read as `GiB`, `MiB` and `KiB`.
    #[must_use]
    pub fn parse(text: &str) -> Option<ByteSize> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
        let unit = text[digits.len()..].trim();
        let shift = match unit {
            "" => 0,
            _ => {
                let known = |(name, _): &&(&str, u32)| {
                    unit.eq_ignore_ascii_case(name) || unit.eq_ignore_ascii_case(&name[..1])
                };
                UNITS.iter().find(known)?.1
            }
        };
        let count: u64 = digits.parse().ok()?;
        count.checked_mul(1 << shift).map(ByteSize)
    }
}

/// In the largest unit that leaves no remainder.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, shift): &&(&str, u32)| self.0 != 0 && self.0.is_multiple_of(1 << shift);
        let (name, shift) = UNITS.iter().find(fits).unwrap_or(&("B", 0));
        write!(f, "{}{name}", self.0 >> shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        let check = |text, expected: Option<u64>| {
            assert_eq!(ByteSize::parse(text), expected.map(ByteSize), "{text}");
        };
        check("0", Some(0));
        check("65536", Some(65536));
        check("64KiB", Some(65536));
        check("64 k", Some(65536));
        check("1GiB", Some(1 << 30));
        check("256m", Some(256 << 20));
        check("7B", Some(7));
        check("", None);
        check("-1", None);
        check("1.5GiB", None);
        check("1TiB", None);
        check("99999999999GiB", None);
    }

    #[test]
    fn sizes_show_in_the_largest_whole_unit() {
        assert_eq!(ByteSize(256 << 20).to_string(), "256MiB");
        assert_eq!(ByteSize(1025).to_string(), "1025B");
        assert_eq!(ByteSize(0).to_string(), "0B");
    }
}
