//! Numbers as DynamoDB has them: exact decimals of 38 significant digits, from 1E-130 to 9.99...E+125, and zero.
//!
//! No decimal crate fits: those with 38 digits round, and have another range of exponents. 38 digits fit in a `u128`, so that the whole
//! arithmetic is that of integers.
//!
//! Canonical: `digits` has no trailing zero, and zero is positive with exponent 0. Equality, hashing and order rest on it.

use std::cmp::Ordering;
use std::fmt;

use crate::dynamodb::Invalid;

/// Most significant digits.
pub(super) const DIGITS_MAX: u32 = 38;
/// Exponent of the leading digit of the largest number.
const MAGNITUDE_MAX: i64 = 125;
/// Exponent of the leading digit of the smallest number.
const MAGNITUDE_MIN: i64 = -130;

const OVERFLOW: &str =
    "Number overflow. Attempting to store a number with magnitude larger than supported range";
const UNDERFLOW: &str =
    "Number underflow. Attempting to store a number with magnitude smaller than supported range";
const TOO_PRECISE: &str = "Attempting to store more than 38 significant digits in a Number";
const NOT_A_NUMBER: &str = "The parameter cannot be converted to a numeric value";

/// An exact decimal number: `digits` × 10^`exponent`, negated or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    digits: u128,
    exponent: i16,
}

/// What text says, before any limit: its digits without leading and trailing zeros, and their exponent.
struct Written<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl Number {
    /// Nought.
    pub const ZERO: Number = Number {
        negative: false,
        digits: 0,
        exponent: 0,
    };

    /// Reads text: `-12.5`, `+3`, `.5`, `1E+20`. No spaces, no `NaN`.
    ///
    /// # Errors
    /// If it is no number, or one beyond the range or the precision.
    pub fn parse(text: &str) -> Result<Number, Invalid> {
        if text.is_empty() {
            return Err(Invalid::new(NOT_A_NUMBER));
        }
        let Some(written) = Written::read(text.as_bytes()) else {
            return Err(Invalid::new(format!("{NOT_A_NUMBER}: {text}")));
        };
        written.number()
    }

    /// The sum.
    ///
    /// # Errors
    /// If it is beyond the range or the precision. AWS calls both an overflow.
    pub fn plus(self, other: Number) -> Result<Number, Invalid> {
        let (high, low) = match self.exponent >= other.exponent {
            true => (self, other),
            false => (other, self),
        };
        if low.digits == 0 {
            return Ok(high);
        }
        if high.digits == 0 {
            return Ok(low);
        }
        // The last digit of the sum is that of the lower one: scaling beyond u128 means more than 38 digits.
        let shift = u32::from(high.exponent.abs_diff(low.exponent));
        let scaled = 10_u128
            .checked_pow(shift)
            .and_then(|power| high.digits.checked_mul(power))
            .ok_or_else(|| Invalid::new(OVERFLOW))?;
        let (negative, digits) = if high.negative == low.negative {
            let sum = scaled.checked_add(low.digits);
            (high.negative, sum.ok_or_else(|| Invalid::new(OVERFLOW))?)
        } else if scaled >= low.digits {
            (high.negative, scaled - low.digits)
        } else {
            (low.negative, low.digits - scaled)
        };
        Number::canonical(negative, digits, i64::from(low.exponent))
            .map_err(|_| Invalid::new(OVERFLOW))
    }

    /// The difference.
    ///
    /// # Errors
    /// As [`Number::plus`].
    pub fn minus(self, other: Number) -> Result<Number, Invalid> {
        self.plus(other.negated())
    }

    fn negated(self) -> Number {
        Number {
            negative: !self.negative && self.digits != 0,
            ..self
        }
    }

    /// True below nought.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.negative
    }

    /// The significant digits as a whole number, and how many they are; zero has none.
    pub(super) fn significand(self) -> (u128, u32) {
        (self.digits, count_digits(self.digits))
    }

    /// Exponent of the leading digit, from -130 to 125; nought for zero.
    pub(super) fn magnitude(self) -> i16 {
        match self.digits {
            0 => 0,
            // At most 38 digits.
            digits => self.exponent + count_digits(digits) as i16 - 1,
        }
    }

    /// From its parts, as `stored` has them.
    pub(super) fn from_parts(negative: bool, digits: u128, exponent: i16) -> Option<Number> {
        Number::canonical(negative, digits, i64::from(exponent)).ok()
    }

    /// Sign, digits and exponent, for `stored`.
    pub(super) fn parts(self) -> (bool, u128, i16) {
        (self.negative, self.digits, self.exponent)
    }

    fn canonical(negative: bool, mut digits: u128, mut exponent: i64) -> Result<Number, Invalid> {
        if digits == 0 {
            return Ok(Number::ZERO);
        }
        while digits.is_multiple_of(10) {
            digits /= 10;
            exponent += 1;
        }
        let count = count_digits(digits);
        check_range(exponent + i64::from(count) - 1, count)?;
        let exponent = i16::try_from(exponent).map_err(|_| Invalid::new(OVERFLOW))?;
        Ok(Number {
            negative,
            digits,
            exponent,
        })
    }
}

/// Holds a number to the range first and then to the precision, as AWS does.
fn check_range(magnitude: i64, digits: u32) -> Result<(), Invalid> {
    if magnitude > MAGNITUDE_MAX {
        return Err(Invalid::new(OVERFLOW));
    }
    if magnitude < MAGNITUDE_MIN {
        return Err(Invalid::new(UNDERFLOW));
    }
    if digits > DIGITS_MAX {
        return Err(Invalid::new(TOO_PRECISE));
    }
    Ok(())
}

fn count_digits(digits: u128) -> u32 {
    digits.checked_ilog10().map_or(0, |log| log + 1)
}

impl<'a> Written<'a> {
    fn read(text: &'a [u8]) -> Option<Written<'a>> {
        let (negative, rest) = match text.split_first()? {
            (b'-', rest) => (true, rest),
            (b'+', rest) => (false, rest),
            _ => (false, text),
        };
        let (whole, rest) = leading_digits(rest);
        let (fraction, rest) = match rest.split_first() {
            Some((b'.', rest)) => leading_digits(rest),
            _ => (&[][..], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest.split_first() {
            None => 0,
            Some((b'e' | b'E', rest)) => read_exponent(rest)?,
            Some(_) => return None,
        };
        Some(Written {
            negative,
            whole,
            fraction,
            exponent,
        })
    }

    fn number(&self) -> Result<Number, Invalid> {
        // Fewer digits than bytes in a request, so that lengths fit in i64 with room.
        let places = self.fraction.len() as i64;
        let all: Vec<u8> = [self.whole, self.fraction].concat();
        let Some(first) = all.iter().position(|&digit| digit != b'0') else {
            return Ok(Number::ZERO);
        };
        let last = all
            .iter()
            .rposition(|&digit| digit != b'0')
            .unwrap_or(first);
        let trailing = (all.len() - 1 - last) as i64;
        let significant = &all[first..=last];
        let exponent = self.exponent - places + trailing;
        let count = u32::try_from(significant.len()).unwrap_or(u32::MAX);
        check_range(exponent + i64::from(count) - 1, count)?;
        let digits = significant
            .iter()
            .fold(0_u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
        Number::canonical(self.negative, digits, exponent)
    }
}

fn leading_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// An exponent; one with more digits than any number's becomes one just as far beyond the range.
fn read_exponent(text: &[u8]) -> Option<i64> {
    const FAR: i64 = 1 << 40;
    let (negative, rest) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let (digits, rest) = leading_digits(rest);
    if digits.is_empty() || !rest.is_empty() {
        return None;
    }
    let size = digits.iter().fold(0_i64, |sum, digit| {
        (sum * 10 + i64::from(digit - b'0')).min(FAR)
    });
    Some(if negative { -size } else { size })
}

impl From<i64> for Number {
    fn from(whole: i64) -> Self {
        let mut digits = u128::from(whole.unsigned_abs());
        let mut exponent = 0;
        while digits != 0 && digits.is_multiple_of(10) {
            digits /= 10;
            exponent += 1;
        }
        Number {
            negative: whole < 0,
            digits,
            exponent,
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        match (self.signum(), other.signum()) {
            (-1, -1) => other.cmp_size(self),
            (1, 1) => self.cmp_size(other),
            (one, two) => one.cmp(&two),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Number {
    fn signum(self) -> i8 {
        match (self.digits, self.negative) {
            (0, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        }
    }

    /// Compares two that are not zero, without their signs.
    fn cmp_size(&self, other: &Number) -> Ordering {
        let aligned = |number: &Number| {
            let (digits, count) = number.significand();
            digits * 10_u128.pow(DIGITS_MAX - count)
        };
        self.magnitude()
            .cmp(&other.magnitude())
            .then_with(|| aligned(self).cmp(&aligned(other)))
    }
}

/// As DynamoDB answers: plain decimal notation whatever the magnitude, no exponent, no zeros that say nothing.
/// Source: Alternator's `test_number.py`, which runs against AWS.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        let text = self.digits.to_string();
        if self.exponent >= 0 {
            let zeros = usize::from(self.exponent.unsigned_abs());
            return write!(f, "{text}{:0<zeros$}", "");
        }
        let places = usize::from(self.exponent.unsigned_abs());
        match text.len().checked_sub(places) {
            Some(point) if point > 0 => {
                let (whole, fraction) = text.split_at(point);
                write!(f, "{whole}.{fraction}")
            }
            _ => write!(f, "0.{text:0>places$}"),
        }
    }
}

#[cfg(test)]
mod tests;
