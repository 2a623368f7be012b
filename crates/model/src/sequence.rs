//! Kinesis sequence numbers.
//!
//! A sequence number is a 186-bit number in decimal, always 56 digits long and starting like AWS's, so that clients that
//! compare text and clients that compare big integers agree.
//!
//! | bits | field | why there |
//! |---|---|---|
//! | 185 | 1 | fixes the length at 56 digits |
//! | 128–167 | generation | a shard's: greater than its parents', so a child's numbers are greater than theirs |
//! | 96–127 | shard | tells a number of another shard |
//! | 0–63 | offset | grows with each record |
//!
//! It promises growth within a shard and from parent to child. It does not promise dense numbers or a time.

use std::fmt;
use std::str::FromStr;

use crate::log::Offset;

/// A record's sequence number in a stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SequenceNumber {
    /// The shard's generation in its stream, below 2^40.
    pub generation: u64,
    /// The shard's number in its stream.
    pub shard: u32,
    /// The record's place in the shard.
    pub offset: Offset,
}

/// Limit of [`SequenceNumber::generation`].
pub const GENERATION_MAX: u64 = (1 << 40) - 1;

const DIGITS: usize = 56;
/// A power of ten below 2^60, so that a limb with a carry fits 128 bits with room.
const CHUNK: u128 = 1_000_000_000_000_000_000;
const CHUNK_DIGITS: usize = 18;
const TOP_BIT: u64 = 1 << (185 - 128);

impl SequenceNumber {
    /// The number's three 64-bit limbs, most significant first.
    fn limbs(self) -> [u64; 3] {
        [
            TOP_BIT | self.generation & GENERATION_MAX,
            u64::from(self.shard) << 32,
            self.offset.0,
        ]
    }

    fn from_limbs([high, middle, low]: [u64; 3]) -> Option<SequenceNumber> {
        let generation = high.checked_sub(TOP_BIT)?;
        if generation > GENERATION_MAX || middle & 0xFFFF_FFFF != 0 {
            return None;
        }
        Some(SequenceNumber {
            generation,
            shard: (middle >> 32) as u32,
            offset: Offset(low),
        })
    }

    /// Writes its 56 digits, without allocating.
    #[must_use]
    pub fn digits(self) -> [u8; DIGITS] {
        let mut limbs = self.limbs();
        let mut digits = [b'0'; DIGITS];
        let mut end = DIGITS;
        while end > 0 {
            let mut chunk = divide(&mut limbs);
            let start = end.saturating_sub(CHUNK_DIGITS);
            for digit in digits[start..end].iter_mut().rev() {
                *digit = b'0' + (chunk % 10) as u8;
                chunk /= 10;
            }
            end = start;
        }
        digits
    }
}

/// Divides the number by [`CHUNK`] in place and gives the remainder.
fn divide(limbs: &mut [u64; 3]) -> u64 {
    let mut remainder: u128 = 0;
    for limb in limbs {
        let value = remainder << 64 | u128::from(*limb);
        *limb = (value / CHUNK) as u64;
        remainder = value % CHUNK;
    }
    remainder as u64
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).map_err(|_| fmt::Error)?)
    }
}

/// The text is no sequence number of this server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a sequence number of this server")]
pub struct NotASequenceNumber;

impl FromStr for SequenceNumber {
    type Err = NotASequenceNumber;

    fn from_str(text: &str) -> Result<SequenceNumber, NotASequenceNumber> {
        if text.len() != DIGITS || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotASequenceNumber);
        }
        let mut limbs = [0u64; 3];
        for digit in text.bytes() {
            let mut carry = u128::from(digit - b'0');
            for limb in limbs.iter_mut().rev() {
                let value = u128::from(*limb) * 10 + carry;
                *limb = value as u64;
                carry = value >> 64;
            }
        }
        SequenceNumber::from_limbs(limbs).ok_or(NotASequenceNumber)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(generation: u64, shard: u32, offset: u64) -> SequenceNumber {
        SequenceNumber {
            generation,
            shard,
            offset: Offset(offset),
        }
    }

    #[test]
    fn the_smallest_and_greatest_have_56_digits_like_aws() {
        assert_eq!(
            number(0, 0, 0).to_string(),
            "49039857307708443467467104868809893875799651909875269632"
        );
        let greatest = number(GENERATION_MAX, u32::MAX, u64::MAX).to_string();
        assert!(
            greatest.starts_with("49") && greatest.len() == 56,
            "{greatest}"
        );
    }

    #[test]
    fn text_of_others_is_refused() {
        for bad in [
            "",
            "0",
            "49590338271490256608559692538361571095921575989136588898x",
            &"9".repeat(56),
            &"0".repeat(56),
        ] {
            assert_eq!(
                bad.parse::<SequenceNumber>(),
                Err(NotASequenceNumber),
                "{bad}"
            );
        }
    }

    proptest! {
        #[test]
        fn text_makes_the_round_trip(generation in 0..=GENERATION_MAX, shard: u32, offset: u64) {
            let original = number(generation, shard, offset);
            prop_assert_eq!(original.to_string().parse(), Ok(original));
        }

        #[test]
        fn text_sorts_as_the_numbers_do(a in (0..9u64, 0..9u32, any::<u64>()), b in (0..9u64, 0..9u32, any::<u64>())) {
            let (a, b) = (number(a.0, a.1, a.2), number(b.0, b.1, b.2));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }
    }
}
