//! Protocol Buffers' encoding, as far as three messages need it. `model::varint` is the zigzag one of Kafka.

use std::ops::Range;

/// Wire types.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const DELIMITED: u64 = 2;
const FIXED_32: u64 = 5;

/// The bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Bytes that `value` takes.
pub(super) fn varint_length(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Adds `value` to `target`.
pub(super) fn write_varint(target: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    while rest >= 0x80 {
        target.push((rest as u8) | 0x80);
        rest >>= 7;
    }
    target.push(rest as u8);
}

/// Adds the head of field `number`, whose content is `length` bytes.
pub(super) fn write_head(target: &mut Vec<u8>, number: u64, length: usize) {
    write_varint(target, number << 3 | DELIMITED);
    write_varint(target, length as u64);
}

/// Adds field `number` with a number in it.
pub(super) fn write_number(target: &mut Vec<u8>, number: u64, value: u64) {
    write_varint(target, number << 3 | VARINT);
    write_varint(target, value);
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Number(u64),
    /// Where it lies in the bytes read.
    Delimited(Range<usize>),
    /// Something of fixed width, which our messages have not.
    Fixed,
}

/// The fields of the message in `range` of `bytes`, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn of(bytes: &'a [u8], range: Range<usize>) -> Fields<'a> {
        Fields {
            bytes,
            at: range.start,
            end: range.end.min(bytes.len()),
        }
    }

    /// The next field: its number and what it holds. `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Content)>, Malformed> {
        if self.at >= self.end {
            return Ok(None);
        }
        let head = self.varint()?;
        let number = head >> 3;
        if number == 0 {
            return Err(Malformed);
        }
        let content = match head & 7 {
            VARINT => Content::Number(self.varint()?),
            DELIMITED => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Content::Delimited(self.skip(length)?)
            }
            FIXED_64 => {
                self.skip(8)?;
                Content::Fixed
            }
            FIXED_32 => {
                self.skip(4)?;
                Content::Fixed
            }
            _ => return Err(Malformed),
        };
        Ok(Some((number, content)))
    }

    fn skip(&mut self, length: usize) -> Result<Range<usize>, Malformed> {
        let start = self.at;
        let end = start.checked_add(length).ok_or(Malformed)?;
        if end > self.end {
            return Err(Malformed);
        }
        self.at = end;
        Ok(start..end)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            if self.at >= self.end {
                return Err(Malformed);
            }
            let byte = self.bytes.get(self.at).ok_or(Malformed)?;
            self.at += 1;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }
}
