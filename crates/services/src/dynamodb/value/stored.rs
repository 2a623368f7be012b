//! Items as bytes for the store. A format of our own, because JSON makes blobs a third larger and the decoding slower.
//!
//! An item is one map without its tag. Lengths and counts are LEB128, at most five bytes.
//!
//! | tag | type  | after the tag                                                                        |
//! |-----|-------|--------------------------------------------------------------------------------------|
//! | 1   | S     | length, UTF-8                                                                        |
//! | 2   | N     | number                                                                               |
//! | 3   | B     | length, bytes                                                                        |
//! | 4,5 | BOOL  | nothing: 4 is false, 5 is true                                                       |
//! | 6   | NULL  | nothing                                                                              |
//! | 7   | M     | count; for each, in order: length and UTF-8 of the name, then tag and value          |
//! | 8   | L     | count; for each tag and value                                                        |
//! | 9   | SS    | count; for each length, UTF-8                                                        |
//! | 10  | NS    | count; for each a number                                                             |
//! | 11  | BS    | count; for each length, bytes                                                        |
//!
//! A number: one byte of its length in bytes of digits (0 to 16), plus 128 if negative; exponent, 2 bytes; the digits as an integer
//! without leading zero bytes. Integers are big endian.
//!
//! Promises: what was written is read back equal, and any other bytes are refused or read as some item, without a panic and without
//! more memory than their length calls for. There is no checksum here: the store has its own.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Item, NESTING_MAX, Number, Type, Value};

const FALSE: u8 = 4;
const TRUE: u8 = 5;
const NEGATIVE: u8 = 0x80;

/// Bytes that are no item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged item")]
pub struct Damaged;

/// The item's bytes.
#[must_use]
pub fn write_item(item: &Item) -> Bytes {
    let mut bytes = BytesMut::with_capacity(super::item_bytes(item) + 4 * item.len() + 8);
    write_members(item, &mut bytes);
    bytes.freeze()
}

/// The item whose bytes these are. Its blobs share their memory.
///
/// # Errors
/// If they are no item's.
pub fn read_item(bytes: &Bytes) -> Result<Item, Damaged> {
    let mut reader = Reader(bytes.clone());
    let item = reader.members(0)?;
    match reader.0.is_empty() {
        true => Ok(item),
        false => Err(Damaged),
    }
}

fn write_length(length: usize, bytes: &mut BytesMut) {
    let mut rest = length;
    while rest >= 0x80 {
        bytes.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.put_u8(rest as u8);
}

fn write_data(data: &[u8], bytes: &mut BytesMut) {
    write_length(data.len(), bytes);
    bytes.put_slice(data);
}

fn write_members(members: &BTreeMap<String, Value>, bytes: &mut BytesMut) {
    write_length(members.len(), bytes);
    for (name, value) in members {
        write_data(name.as_bytes(), bytes);
        write_value(value, bytes);
    }
}

fn write_value(value: &Value, bytes: &mut BytesMut) {
    match value {
        Value::Bool(truth) => return bytes.put_u8(if *truth { TRUE } else { FALSE }),
        _ => bytes.put_u8(tag(value.kind())),
    }
    match value {
        Value::Bool(_) | Value::Null => (),
        Value::S(text) => write_data(text.as_bytes(), bytes),
        Value::N(number) => write_number(*number, bytes),
        Value::B(data) => write_data(data, bytes),
        Value::M(members) => write_members(members, bytes),
        Value::L(elements) => {
            write_length(elements.len(), bytes);
            elements
                .iter()
                .for_each(|element| write_value(element, bytes));
        }
        Value::SS(texts) => {
            write_length(texts.len(), bytes);
            texts
                .iter()
                .for_each(|text| write_data(text.as_bytes(), bytes));
        }
        Value::NS(numbers) => {
            write_length(numbers.len(), bytes);
            numbers
                .iter()
                .for_each(|number| write_number(*number, bytes));
        }
        Value::BS(blobs) => {
            write_length(blobs.len(), bytes);
            blobs.iter().for_each(|blob| write_data(blob, bytes));
        }
    }
}

fn tag(kind: Type) -> u8 {
    match kind {
        Type::S => 1,
        Type::N => 2,
        Type::B => 3,
        Type::Bool => FALSE,
        Type::Null => 6,
        Type::M => 7,
        Type::L => 8,
        Type::SS => 9,
        Type::NS => 10,
        Type::BS => 11,
    }
}

fn write_number(number: Number, bytes: &mut BytesMut) {
    let (negative, digits, exponent) = number.parts();
    let skipped = digits.leading_zeros() as usize / 8;
    let data = digits.to_be_bytes();
    // At most 16.
    let length = (data.len() - skipped) as u8;
    bytes.put_u8(if negative { length | NEGATIVE } else { length });
    bytes.put_i16(exponent);
    bytes.put_slice(&data[skipped..]);
}

struct Reader(Bytes);

impl Reader {
    fn byte(&mut self) -> Result<u8, Damaged> {
        self.0.try_get_u8().map_err(|_| Damaged)
    }

    /// A length or a count. Each counted thing takes a byte at least, so that no honest one is above what is left.
    fn length(&mut self) -> Result<usize, Damaged> {
        let mut length = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return match length <= self.0.len() {
                    true => Ok(length),
                    false => Err(Damaged),
                };
            }
        }
        Err(Damaged)
    }

    fn data(&mut self) -> Result<Bytes, Damaged> {
        let length = self.length()?;
        Ok(self.0.split_to(length))
    }

    fn text(&mut self) -> Result<String, Damaged> {
        String::from_utf8(self.data()?.into()).map_err(|_| Damaged)
    }

    fn number(&mut self) -> Result<Number, Damaged> {
        let first = self.byte()?;
        let exponent = self.0.try_get_i16().map_err(|_| Damaged)?;
        let length = usize::from(first & !NEGATIVE);
        if length > 16 || length > self.0.len() {
            return Err(Damaged);
        }
        let digits = self
            .0
            .split_to(length)
            .iter()
            .fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
        Number::from_parts(first & NEGATIVE != 0, digits, exponent).ok_or(Damaged)
    }

    fn members(&mut self, depth: usize) -> Result<BTreeMap<String, Value>, Damaged> {
        let count = self.length()?;
        let mut members = BTreeMap::new();
        for _ in 0..count {
            let name = self.text()?;
            members.insert(name, self.value(depth)?);
        }
        Ok(members)
    }

    fn value(&mut self, depth: usize) -> Result<Value, Damaged> {
        match self.byte()? {
            1 => self.text().map(Value::S),
            2 => self.number().map(Value::N),
            3 => self.data().map(Value::B),
            FALSE => Ok(Value::Bool(false)),
            TRUE => Ok(Value::Bool(true)),
            6 => Ok(Value::Null),
            7 if depth < NESTING_MAX => self.members(depth + 1).map(Value::M),
            8 if depth < NESTING_MAX => self.list(depth + 1),
            9 => self.set(Reader::text).map(Value::SS),
            10 => self.set(Reader::number).map(Value::NS),
            11 => self.set(Reader::data).map(Value::BS),
            _ => Err(Damaged),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Damaged> {
        let count = self.length()?;
        let elements = (0..count).map(|_| self.value(depth));
        elements.collect::<Result<_, _>>().map(Value::L)
    }

    fn set<T: Ord>(
        &mut self,
        read: fn(&mut Reader) -> Result<T, Damaged>,
    ) -> Result<BTreeSet<T>, Damaged> {
        let count = self.length()?;
        (0..count).map(|_| read(self)).collect()
    }
}
