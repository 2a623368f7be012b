//! CBOR, as the AWS SDK for Java writes it to Kinesis (`application/x-amz-cbor-1.1`), and as Smithy's RPC v2 has it.
//!
//! | major type | written as                         | read besides                                   |
//! |------------|------------------------------------|------------------------------------------------|
//! | 0, 1       | shortest head                      | any head; beyond 64 bits signed: a float       |
//! | 2, 3       | definite length                    | indefinite, as Jackson writes                  |
//! | 4, 5       | definite length, text keys         | indefinite                                     |
//! | 6          | tag 1: timestamp, see below        | other tags are ignored, what they mark is kept |
//! | 7          | false, true, null, 64-bit float    | undefined as null, half and single floats      |
//!
//! A timestamp to Kinesis is tag 1 around whole **milliseconds**, not RFC 8949's seconds: the SDK for Java writes
//! `instant.toEpochMilli()` and reads the same (`SdkCborGenerator`, `AwsCborProtocolFactory` of aws-sdk-java-v2). In RPC v2 it is
//! the RFC's seconds, whole or not: [`Epoch`]. Tag 1 around a float is seconds in both.
//!
//! Every length is held against the bytes that are there before anything is allocated; depth and the number of values are bounded.

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

use std::borrow::Cow;

use bytes::Bytes;

use crate::shapes::Timestamp;
use crate::value::{DEPTH_MAX, VALUES_MAX, Value};

/// Most elements allocated on the word of a length alone.
const PREALLOCATED_MAX: usize = 1024;
const TAG_EPOCH: u64 = 1;

/// What tag 1 counts, where it stands around a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Epoch {
    /// Milliseconds, as Kinesis has it.
    #[default]
    Millis,
    /// Seconds, as RFC 8949 and RPC v2 have it.
    Seconds,
}

/// The bytes are not CBOR, or not such as AWS clients write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed CBOR at byte {0}")]
pub struct Malformed(pub usize);

/// What comes next in the bytes. Borrowed from them but for texts and blobs written in pieces.
#[derive(Debug, Clone, PartialEq)]
pub enum Item<'a> {
    /// Null, or undefined.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// A blob.
    Bytes(Cow<'a, [u8]>),
    /// A moment.
    Timestamp(Timestamp),
    /// So many elements follow; `None`: until `Break`.
    List(Option<u64>),
    /// So many keys, each with its value, follow; `None`: until `Break`.
    Map(Option<u64>),
    /// The end of a list or map of no given length.
    Break,
}

/// Reads items one after the other: for hot operations, which know what they expect.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    epoch: Epoch,
}

impl<'a> Reader<'a> {
    /// A reader at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader {
            bytes,
            at: 0,
            epoch: Epoch::Millis,
        }
    }

    /// The same, of bytes whose timestamps count in `epoch`'s unit.
    #[must_use]
    pub fn counting(self, epoch: Epoch) -> Self {
        Reader { epoch, ..self }
    }

    /// Whether all bytes are read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The next item. Of a list or map, only its head: its elements are the next items.
    ///
    /// # Errors
    /// If the bytes end too soon, or are no CBOR.
    pub fn item(&mut self) -> Result<Item<'a>, Malformed> {
        loop {
            let head = self.head()?;
            return match head.major {
                0 => Ok(unsigned(self.argument(head)?)),
                1 => Ok(negative(self.argument(head)?)),
                2 => self.blob(head).map(Item::Bytes),
                3 => self.text(head).map(Item::Text),
                4 => Ok(Item::List(self.count(head)?)),
                5 => Ok(Item::Map(self.count(head)?)),
                6 if self.argument(head)? == TAG_EPOCH => self.timestamp(),
                6 => continue,
                _ => self.simple(head),
            };
        }
    }

    /// Passes over the next item whole, whatever is in it.
    ///
    /// # Errors
    /// If it is malformed, or nested too deep.
    pub fn skip(&mut self) -> Result<(), Malformed> {
        let first = self.item()?;
        self.skip_rest(&first, DEPTH_MAX)
    }

    /// Passes over what belongs to `item`, which has just been read.
    fn skip_rest(&mut self, item: &Item<'_>, depth: usize) -> Result<(), Malformed> {
        let (count, per_entry) = match item {
            Item::Break => return Err(self.malformed()),
            Item::List(count) => (*count, 1),
            Item::Map(count) => (*count, 2),
            _ => return Ok(()),
        };
        let depth = depth.checked_sub(1).ok_or(self.malformed())?;
        let mut left = count.map(|count| count.saturating_mul(per_entry));
        while left != Some(0) {
            let inner = self.item()?;
            if left.is_none() && inner == Item::Break {
                return Ok(());
            }
            self.skip_rest(&inner, depth)?;
            left = left.map(|left| left - 1);
        }
        Ok(())
    }

    fn malformed(&self) -> Malformed {
        Malformed(self.at)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(count).ok_or(self.malformed())?;
        let taken = self.bytes.get(self.at..end).ok_or(self.malformed())?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let at = self.malformed();
        self.take(N)?.try_into().map_err(|_| at)
    }

    fn head(&mut self) -> Result<Head, Malformed> {
        let [byte] = self.array()?;
        Ok(Head {
            major: byte >> 5,
            info: byte & 0x1f,
        })
    }

    /// The number in or after a head.
    fn argument(&mut self, head: Head) -> Result<u64, Malformed> {
        match head.info {
            info @ 0..=23 => Ok(info.into()),
            24 => self.array().map(|[byte]| byte.into()),
            25 => self.array().map(|b| u16::from_be_bytes(b).into()),
            26 => self.array().map(|b| u32::from_be_bytes(b).into()),
            27 => self.array().map(u64::from_be_bytes),
            _ => Err(self.malformed()),
        }
    }

    fn count(&mut self, head: Head) -> Result<Option<u64>, Malformed> {
        if head.is_indefinite() {
            return Ok(None);
        }
        self.argument(head).map(Some)
    }

    fn piece(&mut self, head: Head) -> Result<&'a [u8], Malformed> {
        let length = self.argument(head)?;
        let length = usize::try_from(length).map_err(|_| self.malformed())?;
        self.take(length)
    }

    fn blob(&mut self, head: Head) -> Result<Cow<'a, [u8]>, Malformed> {
        if !head.is_indefinite() {
            return self.piece(head).map(Cow::Borrowed);
        }
        let mut whole = Vec::new();
        loop {
            let next = self.head()?;
            if next.is_break() {
                return Ok(Cow::Owned(whole));
            }
            if next.major != head.major || next.is_indefinite() {
                return Err(self.malformed());
            }
            whole.extend_from_slice(self.piece(next)?);
        }
    }

    fn text(&mut self, head: Head) -> Result<Cow<'a, str>, Malformed> {
        let at = self.malformed();
        match self.blob(head)? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes)
                .map(Cow::Borrowed)
                .map_err(|_| at),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| at),
        }
    }

    fn timestamp(&mut self) -> Result<Item<'a>, Malformed> {
        let at = self.malformed();
        let head = self.head()?;
        let moment = match head.major {
            0 => match unsigned(self.argument(head)?) {
                Item::Int(count) => self.moment(count),
                _ => return Err(at),
            },
            1 => match negative(self.argument(head)?) {
                Item::Int(count) => self.moment(count),
                _ => return Err(at),
            },
            7 => match self.simple(head)? {
                Item::Float(seconds) => Timestamp::from_seconds(seconds),
                _ => return Err(at),
            },
            _ => return Err(at),
        };
        Ok(Item::Timestamp(moment))
    }

    fn moment(&self, count: i64) -> Timestamp {
        match self.epoch {
            Epoch::Millis => Timestamp::from_millis(count),
            Epoch::Seconds => Timestamp::from_millis(count.saturating_mul(1000)),
        }
    }

    fn simple(&mut self, head: Head) -> Result<Item<'a>, Malformed> {
        match head.info {
            20 => Ok(Item::Bool(false)),
            21 => Ok(Item::Bool(true)),
            22 | 23 => Ok(Item::Null),
            25 => self
                .array()
                .map(|b| Item::Float(half(u16::from_be_bytes(b)))),
            26 => self
                .array()
                .map(|b| Item::Float(f32::from_be_bytes(b).into())),
            27 => self.array().map(|b| Item::Float(f64::from_be_bytes(b))),
            31 => Ok(Item::Break),
            _ => Err(self.malformed()),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Head {
    major: u8,
    info: u8,
}

impl Head {
    fn is_indefinite(self) -> bool {
        self.info == 31
    }

    fn is_break(self) -> bool {
        self.major == 7 && self.info == 31
    }
}

fn unsigned<'a>(number: u64) -> Item<'a> {
    i64::try_from(number).map_or(Item::Float(number as f64), Item::Int)
}

/// Major type 1 stands for -1 - `number`.
fn negative<'a>(number: u64) -> Item<'a> {
    i64::try_from(number).map_or(Item::Float(-1.0 - number as f64), |number| {
        Item::Int(-1 - number)
    })
}

/// An IEEE 754 half float (RFC 8949, appendix D).
fn half(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 0x1f);
    let mantissa = f64::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => mantissa * 2.0_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2.0_f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// Reads a document; `None` if this is not one CBOR item. Blobs share the body's memory.
#[must_use]
pub fn decode(body: &Bytes) -> Option<Value> {
    decode_counting(body, Epoch::Millis)
}

/// As [`decode`], of bytes whose timestamps count in `epoch`'s unit.
#[must_use]
pub fn decode_counting(body: &Bytes, epoch: Epoch) -> Option<Value> {
    let mut reader = Reader::new(body).counting(epoch);
    let mut room = VALUES_MAX;
    let document = value(&mut reader, body, DEPTH_MAX, &mut room).ok()??;
    reader.is_at_end().then_some(document)
}

/// The next value, while there is room for more; `None` is a break.
fn value(
    reader: &mut Reader<'_>,
    body: &Bytes,
    depth: usize,
    room: &mut usize,
) -> Result<Option<Value>, Malformed> {
    let depth_left = depth.checked_sub(1).ok_or(reader.malformed())?;
    *room = room.checked_sub(1).ok_or(reader.malformed())?;
    Ok(Some(match reader.item()? {
        Item::Break => return Ok(None),
        Item::Null => Value::Null,
        Item::Bool(truth) => Value::Bool(truth),
        Item::Int(number) => Value::Int(number),
        Item::Float(number) => Value::Float(number),
        Item::Text(text) => Value::Text(text.into_owned()),
        Item::Bytes(Cow::Borrowed(bytes)) => Value::Bytes(share(body, bytes)),
        Item::Bytes(Cow::Owned(bytes)) => Value::Bytes(bytes.into()),
        Item::Timestamp(moment) => Value::Timestamp(moment),
        Item::List(count) => {
            let mut items = Vec::with_capacity(capacity(count));
            while count.is_none_or(|count| (items.len() as u64) < count) {
                match value(reader, body, depth_left, room)? {
                    Some(item) => items.push(item),
                    None if count.is_none() => break,
                    None => return Err(reader.malformed()),
                }
            }
            Value::List(items)
        }
        Item::Map(count) => {
            let mut members = Vec::with_capacity(capacity(count));
            while count.is_none_or(|count| (members.len() as u64) < count) {
                let name = match reader.item()? {
                    Item::Text(name) => name.into_owned(),
                    Item::Break if count.is_none() => break,
                    _ => return Err(reader.malformed()),
                };
                let member = value(reader, body, depth_left, room)?.ok_or(reader.malformed())?;
                members.push((name, member));
            }
            Value::Map(members)
        }
    }))
}

fn capacity(count: Option<u64>) -> usize {
    count
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(0)
        .min(PREALLOCATED_MAX)
}

/// `part` of `body`, without copying. An empty part may lie anywhere, so it is made anew.
fn share(body: &Bytes, part: &[u8]) -> Bytes {
    if part.is_empty() {
        return Bytes::new();
    }
    body.slice_ref(part)
}

/// Writes items one after the other.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    epoch: Epoch,
}

impl Writer {
    /// A writer with room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Writer {
            out: Vec::with_capacity(capacity),
            epoch: Epoch::Millis,
        }
    }

    /// What has been written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    fn head(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        match argument {
            0..=23 => self.out.push(major | argument as u8),
            24..=0xff => self.out.extend([major | 24, argument as u8]),
            0x100..=0xffff => {
                self.out.push(major | 25);
                self.out.extend((argument as u16).to_be_bytes());
            }
            0x1_0000..=0xffff_ffff => {
                self.out.push(major | 26);
                self.out.extend((argument as u32).to_be_bytes());
            }
            _ => {
                self.out.push(major | 27);
                self.out.extend(argument.to_be_bytes());
            }
        }
    }

    /// The head of a map: `count` texts, each followed by its value, must follow.
    pub fn map(&mut self, count: usize) {
        self.head(5, count as u64);
    }

    /// The head of a list: `count` items must follow.
    pub fn list(&mut self, count: usize) {
        self.head(4, count as u64);
    }

    /// Text.
    pub fn text(&mut self, text: &str) {
        self.head(3, text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }

    /// A blob.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.head(2, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// A whole number.
    pub fn int(&mut self, number: i64) {
        match u64::try_from(number) {
            Ok(number) => self.head(0, number),
            // -1 - number, which flips every bit.
            Err(_) => self.head(1, !number as u64),
        }
    }

    /// Any number.
    pub fn float(&mut self, number: f64) {
        self.out.push(0xfb);
        self.out.extend(number.to_be_bytes());
    }

    /// A truth value.
    pub fn bool(&mut self, truth: bool) {
        self.out.push(if truth { 0xf5 } else { 0xf4 });
    }

    /// Null.
    pub fn null(&mut self) {
        self.out.push(0xf6);
    }

    /// A moment: tag 1 and milliseconds, or seconds.
    pub fn timestamp(&mut self, moment: Timestamp) {
        self.head(6, TAG_EPOCH);
        match self.epoch {
            Epoch::Millis => self.int(moment.millis()),
            Epoch::Seconds if moment.millis() % 1000 == 0 => self.int(moment.millis() / 1000),
            Epoch::Seconds => self.float(moment.seconds()),
        }
    }

    /// A document.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.null(),
            Value::Bool(truth) => self.bool(*truth),
            Value::Int(number) => self.int(*number),
            Value::Float(number) => self.float(*number),
            Value::Text(text) | Value::Untyped(text) => self.text(text),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::Timestamp(moment) => self.timestamp(*moment),
            Value::List(items) => {
                self.list(items.len());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Map(members) => {
                self.map(members.len());
                for (name, member) in members {
                    self.text(name);
                    self.value(member);
                }
            }
        }
    }
}

/// Writes a document.
#[must_use]
pub fn encode(document: &Value) -> Bytes {
    encode_counting(document, Epoch::Millis)
}

/// As [`encode`], with timestamps in `epoch`'s unit.
#[must_use]
pub fn encode_counting(document: &Value, epoch: Epoch) -> Bytes {
    let mut writer = Writer {
        epoch,
        ..Writer::default()
    };
    writer.value(document);
    writer.into_bytes().into()
}

#[cfg(test)]
mod tests;
