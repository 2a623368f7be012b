//! How numbers and texts lie in the bytes this service keeps: the words of `points`, `datum` and `records`.
//!
//! | what | bytes |
//! |---|---|
//! | whole | zigzag varint |
//! | number | of one that is whole and below 2^52: twice it, as a whole; else a whole 1 and eight bytes, little-endian |
//! | text, bytes | their length as a whole, then they themselves |

use model::varint;

/// Whole numbers below this fit a float and a shifted `i64`.
const WHOLE_MAX: f64 = (1_u64 << 52) as f64;
/// What stands before a number's own eight bytes.
const RAW: i64 = 1;

/// Writes one after the other.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn whole(&mut self, value: i64) {
        varint::write(&mut self.0, value);
    }

    pub(super) fn number(&mut self, value: f64) {
        if value.trunc() == value && value.abs() < WHOLE_MAX {
            self.whole((value as i64) << 1);
            return;
        }
        self.whole(RAW);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.whole(bytes.len() as i64);
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads what [`Writer`] wrote. `None` where the bytes are not that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn whole(&mut self) -> Option<i64> {
        let (value, rest) = varint::read(self.0)?;
        self.0 = rest;
        Some(value)
    }

    /// A count of things of which each takes a byte at least.
    pub(super) fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.whole()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    pub(super) fn number(&mut self) -> Option<f64> {
        let whole = self.whole()?;
        if whole & 1 == 0 {
            return Some((whole >> 1) as f64);
        }
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        (whole == RAW).then(|| f64::from_le_bytes(*bytes))
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.whole()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::ZERO, 0..20), text in ".*") {
            let mut writer = Writer::default();
            for number in &numbers {
                writer.number(*number);
            }
            writer.text(&text);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            for number in numbers {
                prop_assert_eq!(reader.number(), Some(number));
            }
            prop_assert_eq!(reader.text(), Some(&*text));
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn garbage_is_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = Reader::new(&bytes);
            while reader.number().is_some() && reader.text().is_some() {}
            prop_assert!(Reader::new(&bytes).count().is_none_or(|count| count < bytes.len()));
        }
    }

    #[test]
    fn whole_numbers_are_short() {
        let length = |number| {
            let mut writer = Writer::default();
            writer.number(number);
            writer.finish().len()
        };
        assert_eq!((length(0.0), length(31.0), length(0.5)), (1, 1, 9));
    }
}
