//! Bytes that sort as keys do: the order of the bytes is the order of the values, within a type.
//!
//! Every encoding ends itself, so that keys of several parts are written one after the other, and none is another's beginning.
//!
//! | type   | bytes                                                                                                  |
//! |--------|--------------------------------------------------------------------------------------------------------|
//! | S, B   | the bytes, 00 written as 00 FF; then 00 00                                                             |
//! | N > 0  | 81; magnitude + 130; pairs of digits + 1, from the leading digit on, the last filled with 0; then 00   |
//! | N = 0  | 80                                                                                                     |
//! | N < 0  | 7F; then what the positive number has after 81, every bit turned                                       |
//!
//! These bytes are kept in the store's keys and must not change.

use super::number::DIGITS_MAX;
use super::{Number, Value};

impl Value {
    /// Appends this value's bytes for a key. False, and nothing appended, for types that can't be keys.
    pub fn write_key(&self, bytes: &mut Vec<u8>) -> bool {
        match self {
            Value::S(text) => write_escaped(text.as_bytes(), bytes),
            Value::B(data) => write_escaped(data, bytes),
            Value::N(number) => write_number(*number, bytes),
            _ => return false,
        }
        true
    }

    /// The length that AWS's limits on keys count: 2,048 for a partition key, 1,024 for a sort key. Numbers are always in the limits.
    #[must_use]
    pub fn key_length(&self) -> usize {
        match self {
            Value::S(text) => text.len(),
            Value::B(data) => data.len(),
            _ => 0,
        }
    }
}

fn write_escaped(data: &[u8], bytes: &mut Vec<u8>) {
    for &byte in data {
        bytes.push(byte);
        if byte == 0 {
            bytes.push(0xff);
        }
    }
    bytes.extend([0, 0]);
}

fn write_number(number: Number, bytes: &mut Vec<u8>) {
    let (digits, count) = number.significand();
    if count == 0 {
        bytes.push(0x80);
        return;
    }
    let turn = if number.is_negative() { 0xff } else { 0 };
    bytes.push(if number.is_negative() { 0x7f } else { 0x81 });
    // From 0 to 255, by the range of numbers.
    bytes.push((number.magnitude() + 130) as u8 ^ turn);
    let mut rest = digits * 10_u128.pow(DIGITS_MAX - count);
    let mut place = 10_u128.pow(DIGITS_MAX - 2);
    while rest > 0 {
        bytes.push(((rest / place) as u8 + 1) ^ turn);
        rest %= place;
        place /= 100;
    }
    bytes.push(turn);
}
