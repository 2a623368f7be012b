//! A message: what it holds, and how it lies in its queue's log.
//!
//! A record, as [`model::record`] lays it out:
//!
//! | part | content |
//! |---|---|
//! | timestamp | when it was sent; dead letters of standard queues keep the time of their first queue |
//! | key | the message group's id; null without one |
//! | value | the body, UTF-8 |
//! | header `i` | its id, 16 bytes |
//! | header `m` | the MD5 of the body, which receives tell, 16 bytes |
//! | header `s` | who sent it |
//! | header `w` | how long it is kept from sight at first, ms, u32; absent for not at all, and on FIFO queues, whose delay is the queue's |
//! | header `d` | its de-duplication id |
//! | header `t` | the X-Ray trace header |
//! | header `a` | its attributes, by name in order, see below |
//! | header `o` | of a dead letter: receives before, u32; first of them, ms since 1970, i64; the ARN of the queue it comes from |
//!
//! Attributes, each: name length u16, name, type length u16, type, kind u8 (1 text, 2 binary), value length u32, value. Numbers are
//! big-endian; text is UTF-8.
//!
//! A record that is none of ours is [`StoreError::Damaged`], which the log's checksums exclude but for a bug.

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use model::{BatchBuilder, RecordRef, Rng, Timestamp, record::Header};
use store::StoreError;
use streams::delivery::{Arrival, Group};

use super::md5;

pub(super) mod content;

const ID: &[u8] = b"i";
const DIGEST: &[u8] = b"m";
const SENDER: &[u8] = b"s";
const DELAY: &[u8] = b"w";
const DEDUPLICATION: &[u8] = b"d";
const TRACE: &[u8] = b"t";
const ATTRIBUTES: &[u8] = b"a";
const ORIGIN: &[u8] = b"o";

/// A message's id: random, shown as a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct MessageId(pub [u8; 16]);

impl MessageId {
    /// A new one.
    pub(super) fn random(rng: &Rng) -> MessageId {
        let mut bytes = [0; 16];
        rng.fill(&mut bytes);
        MessageId::of(bytes)
    }

    /// New ones, `count` of them: asking for random bytes takes longer than having them.
    pub(super) fn several(rng: &Rng, count: usize) -> impl Iterator<Item = MessageId> {
        let mut bytes = vec![[0; 16]; count];
        rng.fill(bytes.as_flattened_mut());
        bytes.into_iter().map(MessageId::of)
    }

    fn of(mut bytes: [u8; 16]) -> MessageId {
        // The marks of a version 4 UUID, RFC 9562.
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        MessageId(bytes)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = md5::hexadecimal(&self.0);
        let (first, rest) = digits.split_at(8);
        let (second, rest) = rest.split_at(4);
        let (third, rest) = rest.split_at(4);
        let (fourth, fifth) = rest.split_at(4);
        for (part, end) in [
            (first, "-"),
            (second, "-"),
            (third, "-"),
            (fourth, "-"),
            (fifth, ""),
        ] {
            f.write_str(part)?;
            f.write_str(end)?;
        }
        Ok(())
    }
}

/// A message, borrowed from a request or from a record.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Message<'a> {
    /// Its id, the same for as long as it lives, in dead-letter queues too.
    pub id: MessageId,
    /// When it was sent.
    pub sent: Timestamp,
    /// What it says.
    pub body: &'a str,
    /// The MD5 of that.
    pub digest: [u8; 16],
    /// Its group's id.
    pub group: Option<&'a str>,
    /// Its de-duplication id, as given or made of the body.
    pub deduplication: Option<Cow<'a, str>>,
    /// How long it is kept from sight at first, in whole milliseconds; zero on FIFO queues.
    pub delay: Duration,
    /// Who sent it.
    pub sender: &'a str,
    /// The X-Ray trace header.
    pub trace: Option<&'a str>,
    /// Its attributes, by name in order.
    pub attributes: Vec<Attribute<'a>>,
    /// Where it was before, if it is a dead letter.
    pub origin: Option<Origin<'a>>,
}

/// An attribute of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Attribute<'a> {
    /// 1 to 256 bytes.
    pub name: &'a str,
    /// `String`, `Number` or `Binary`, and a label after a full stop.
    pub data_type: &'a str,
    /// What it says.
    pub value: AttributeValue<'a>,
}

/// What an attribute says. Numbers are text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AttributeValue<'a> {
    /// Text or a number.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

impl<'a> AttributeValue<'a> {
    /// The byte that stands for its kind, here and in MD5s.
    pub(super) fn kind(self) -> u8 {
        match self {
            AttributeValue::Text(_) => 1,
            AttributeValue::Binary(_) => 2,
        }
    }

    pub(super) fn as_bytes(self) -> &'a [u8] {
        match self {
            AttributeValue::Text(text) => text.as_bytes(),
            AttributeValue::Binary(bytes) => bytes,
        }
    }
}

/// Where a dead letter was before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Origin<'a> {
    /// How often it was received there.
    pub receives: u32,
    /// When for the first time.
    pub first_received: Timestamp,
    /// The queue it was sent to.
    pub source_arn: &'a str,
}

impl<'a> Message<'a> {
    /// Adds it to a batch.
    pub(super) fn push_to(&self, builder: &mut BatchBuilder) {
        let delay = u32::try_from(self.delay.as_millis()).unwrap_or(u32::MAX);
        let delay = (delay > 0).then(|| delay.to_be_bytes());
        let attributes = self.attribute_bytes();
        let origin = self.origin.map(|origin| origin.to_bytes());
        let parts: [(&[u8], Option<&[u8]>); 8] = [
            (ID, Some(&self.id.0)),
            (DIGEST, Some(&self.digest)),
            (SENDER, Some(self.sender.as_bytes())),
            (DELAY, delay.as_ref().map(<[u8; 4]>::as_slice)),
            (
                DEDUPLICATION,
                self.deduplication.as_deref().map(str::as_bytes),
            ),
            (TRACE, self.trace.map(str::as_bytes)),
            (ATTRIBUTES, (!attributes.is_empty()).then_some(&attributes)),
            (ORIGIN, origin.as_deref()),
        ];
        let headers: Vec<Header<'_>> = parts
            .into_iter()
            .filter(|(_, value)| value.is_some())
            .map(|(name, value)| Header { name, value })
            .collect();
        let key = self.group.map(str::as_bytes);
        builder.push(self.sent, key, Some(self.body.as_bytes()), &headers);
    }

    /// The message that a record holds.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for a record that is no message.
    pub(super) fn read(record: &RecordRef<'a>) -> Result<Message<'a>, StoreError> {
        Message::parse(record).ok_or_else(|| StoreError::Damaged {
            file: "queue".into(),
            position: record.offset.0,
            what: "a record of a queue is no message".into(),
        })
    }

    fn parse(record: &RecordRef<'a>) -> Option<Message<'a>> {
        let (mut id, mut digest) = (None, None);
        let mut message = Message {
            id: MessageId([0; 16]),
            sent: record.timestamp,
            body: text(record.value?)?,
            digest: [0; 16],
            group: record.key.map_or(Some(None), |key| text(key).map(Some))?,
            deduplication: None,
            delay: Duration::ZERO,
            sender: "",
            trace: None,
            attributes: Vec::new(),
            origin: None,
        };
        for header in record.headers() {
            let value = header.value?;
            match header.name {
                ID => id = Some(MessageId(value.try_into().ok()?)),
                DIGEST => digest = Some(value.try_into().ok()?),
                SENDER => message.sender = text(value)?,
                DELAY => message.delay = delay_of(value)?,
                DEDUPLICATION => message.deduplication = Some(text(value)?.into()),
                TRACE => message.trace = Some(text(value)?),
                ATTRIBUTES => message.attributes = attributes_of(value)?,
                ORIGIN => message.origin = Some(Origin::of_bytes(value)?),
                // One that a later version writes.
                _ => {}
            }
        }
        message.id = id?;
        message.digest = digest?;
        Some(message)
    }

    /// Bytes that count against a queue's largest message: the body, and names, types and values of the attributes.
    pub(super) fn size(&self) -> usize {
        self.body.len() + self.attributes.iter().map(Attribute::size).sum::<usize>()
    }

    fn attribute_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for attribute in &self.attributes {
            for text in [attribute.name, attribute.data_type] {
                let length = u16::try_from(text.len()).expect("names and types are short");
                bytes.extend_from_slice(&length.to_be_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
            let value = attribute.value.as_bytes();
            let length = u32::try_from(value.len()).expect("a message is short");
            bytes.push(attribute.value.kind());
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(value);
        }
        bytes
    }
}

impl Attribute<'_> {
    fn size(&self) -> usize {
        self.name.len() + self.data_type.len() + self.value.as_bytes().len()
    }
}

impl<'a> Origin<'a> {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.receives.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.first_received.0.to_be_bytes());
        bytes.extend_from_slice(self.source_arn.as_bytes());
        bytes
    }

    fn of_bytes(bytes: &'a [u8]) -> Option<Origin<'a>> {
        let (receives, rest) = bytes.split_first_chunk()?;
        let (first_received, arn) = rest.split_first_chunk()?;
        Some(Origin {
            receives: u32::from_be_bytes(*receives),
            first_received: Timestamp(i64::from_be_bytes(*first_received)),
            source_arn: text(arn)?,
        })
    }
}

/// What delivery must know of a message. `queue_delay` is what a FIFO queue delays all of its messages by.
pub(super) fn arrival(record: &RecordRef<'_>, queue_delay: Duration) -> Arrival {
    let own = record
        .headers()
        .find(|header| header.name == DELAY)
        .and_then(|header| delay_of(header.value?));
    let sent = record.timestamp;
    Arrival {
        sent,
        due: sent.plus(own.unwrap_or(queue_delay)),
        group: record.key.map(Group::of),
    }
}

fn delay_of(bytes: &[u8]) -> Option<Duration> {
    let millis = u32::from_be_bytes(bytes.try_into().ok()?);
    Some(Duration::from_millis(millis.into()))
}

fn attributes_of(bytes: &[u8]) -> Option<Vec<Attribute<'_>>> {
    let mut rest = bytes;
    let mut attributes = Vec::new();
    while !rest.is_empty() {
        let (name, after) = short_text(rest)?;
        let (data_type, after) = short_text(after)?;
        let (&kind, after) = after.split_first()?;
        let (length, after) = after.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (value, after) = after.split_at_checked(length)?;
        let value = match kind {
            1 => AttributeValue::Text(text(value)?),
            2 => AttributeValue::Binary(value),
            _ => return None,
        };
        attributes.push(Attribute {
            name,
            data_type,
            value,
        });
        rest = after;
    }
    Some(attributes)
}

fn short_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (bytes, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((text(bytes)?, rest))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests;
