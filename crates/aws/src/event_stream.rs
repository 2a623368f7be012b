//! Event streams: the frames of a reply that goes on (`application/vnd.amazon.eventstream`).
//!
//! A message, all numbers big-endian:
//!
//! | offset | size | field                                            |
//! |--------|------|--------------------------------------------------|
//! | 0      | 4    | length of the whole message, 16 to 24 MiB        |
//! | 4      | 4    | length of the headers, up to 128 KiB             |
//! | 8      | 4    | CRC-32 (IEEE) of bytes 0 to 7                    |
//! | 12     | h    | headers                                          |
//! | 12+h   | p    | payload                                          |
//! | 12+h+p | 4    | CRC-32 of everything before                      |
//!
//! A header is its name's length (1 byte), its name, its type (1 byte) and its value; we write type 7 only: text, with
//! a length of 2 bytes before it. Others are read and passed over.
//!
//! Source: "Event stream encoding", Amazon Transcribe Developer Guide; Smithy's `eventstream` trait for the header names.

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

use bytes::Bytes;

/// What a reply of events is labelled.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

const OVERHEAD: usize = 16;
const PRELUDE: usize = 12;
const HEADERS_MAX: usize = 128 * 1024;
const MESSAGE_MAX: usize = 24 * 1024 * 1024;
const TYPE_TEXT: u8 = 7;

/// One message: text headers, and a payload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The payload.
    pub payload: Bytes,
}

impl Message {
    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Writes a message. `headers` are names and values of at most 255 and 65,535 bytes.
///
/// # Panics
/// If a header is longer: ours never are.
#[must_use]
pub fn encode(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let sizes = headers
        .iter()
        .map(|(name, value)| name.len() + value.len() + 4);
    let headers_length: usize = sizes.sum();
    let total = OVERHEAD + headers_length + payload.len();
    let mut out = Vec::with_capacity(total);
    let word = |number: usize| {
        u32::try_from(number)
            .expect("a message is at most 24 MiB")
            .to_be_bytes()
    };
    out.extend(word(total));
    out.extend(word(headers_length));
    let prelude_crc = crc32fast::hash(&out);
    out.extend(prelude_crc.to_be_bytes());
    for (name, value) in headers {
        out.push(u8::try_from(name.len()).expect("our header names are short"));
        out.extend_from_slice(name.as_bytes());
        out.push(TYPE_TEXT);
        let length = u16::try_from(value.len()).expect("our header values are short");
        out.extend(length.to_be_bytes());
        out.extend_from_slice(value.as_bytes());
    }
    out.extend_from_slice(payload);
    let crc = crc32fast::hash(&out);
    out.extend(crc.to_be_bytes());
    out.into()
}

/// The bytes are not an event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A length is beyond its limit, or the parts exceed the whole.
    #[error("a length in an event is out of bounds")]
    Length,
    /// A checksum is wrong.
    #[error("an event's checksum is wrong")]
    Checksum,
    /// The headers do not come out even, or hold something that is no header.
    #[error("an event's headers are malformed")]
    Headers,
}

/// Reads the first message of `bytes`: that, and how long it was. `None`: more bytes are needed.
///
/// # Errors
/// If the bytes are damaged, or no event stream: nothing after them can be trusted either.
pub fn decode(bytes: &Bytes) -> Result<Option<(Message, usize)>, Damage> {
    let Some((prelude, _)) = bytes.split_first_chunk::<PRELUDE>() else {
        return Ok(None);
    };
    let [a, b, c, d, e, f, g, h, crc @ ..] = *prelude;
    if crc32fast::hash(&[a, b, c, d, e, f, g, h]) != u32::from_be_bytes(crc) {
        return Err(Damage::Checksum);
    }
    let total = u32::from_be_bytes([a, b, c, d]) as usize;
    let headers_length = u32::from_be_bytes([e, f, g, h]) as usize;
    let in_bounds = total <= MESSAGE_MAX && headers_length <= HEADERS_MAX;
    if !in_bounds || headers_length + OVERHEAD > total {
        return Err(Damage::Length);
    }
    let Some((checked, crc)) = bytes.get(..total).and_then(<[u8]>::split_last_chunk::<4>) else {
        return Ok(None);
    };
    if crc32fast::hash(checked) != u32::from_be_bytes(*crc) {
        return Err(Damage::Checksum);
    }
    let payload_at = PRELUDE + headers_length;
    let headers = checked.get(PRELUDE..payload_at).ok_or(Damage::Length)?;
    let message = Message {
        headers: read_headers(headers).ok_or(Damage::Headers)?,
        payload: bytes.slice(payload_at..total - 4),
    };
    Ok(Some((message, total)))
}

/// The text headers among `bytes`, which must be headers to the last byte.
fn read_headers(mut bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let mut headers = Vec::new();
    while !bytes.is_empty() {
        let name_length = take(&mut bytes, 1)?.first().copied()?;
        let name = take(&mut bytes, name_length.into())?;
        let kind = take(&mut bytes, 1)?.first().copied()?;
        let length = match kind {
            0 | 1 => 0,
            2 => 1,
            3 => 2,
            4 => 4,
            5 | 8 => 8,
            6 | TYPE_TEXT => {
                let length = take(&mut bytes, 2)?.first_chunk::<2>()?;
                u16::from_be_bytes(*length).into()
            }
            9 => 16,
            _ => return None,
        };
        let value = take(&mut bytes, length)?;
        if kind == TYPE_TEXT {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
            headers.push((text(name)?, text(value)?));
        }
    }
    Some(headers)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// From the test vectors of the AWS SDKs for event streams: no headers, no payload; and a payload alone.
    #[test]
    fn golden_bytes() {
        let empty = b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x7d\x98\xc8\xff";
        assert_eq!(encode(&[], b"").as_ref(), empty);
        let payload =
            b"\x00\x00\x00\x1d\x00\x00\x00\x00\xfd\x52\x8c\x5a{'foo':'bar'}\xc3\x65\x39\x36";
        assert_eq!(encode(&[], b"{'foo':'bar'}").as_ref(), payload);
        let header: &[u8] = b"\x00\x00\x00\x3d\x00\x00\x00\x20\x07\xfd\x83\x96\
            \x0ccontent-type\x07\x00\x10application/json{'foo':'bar'}\x8d\x9c\x08\xb1";
        assert_eq!(
            encode(&[("content-type", "application/json")], b"{'foo':'bar'}").as_ref(),
            header
        );
    }

    #[test]
    fn messages_come_one_after_the_other() {
        let first = encode(&[(":event-type", "a")], b"one");
        let second = encode(&[], b"two");
        let both = Bytes::from([first.as_ref(), second.as_ref()].concat());
        let (message, length) = decode(&both).unwrap().unwrap();
        assert_eq!(
            (message.header(":event-type"), length),
            (Some("a"), first.len())
        );
        let (message, _) = decode(&both.slice(length..)).unwrap().unwrap();
        assert_eq!(message.payload, "two");
        for cut in 0..first.len() {
            assert_eq!(decode(&first.slice(..cut)), Ok(None), "{cut}");
        }
    }

    #[test]
    fn any_flipped_byte_is_noticed() {
        let good = encode(&[(":message-type", "event")], b"payload");
        for at in 0..good.len() {
            let mut bytes = good.to_vec();
            bytes[at] ^= 1;
            assert_eq!(decode(&bytes.into()), Err(Damage::Checksum), "{at}");
        }
    }

    proptest! {
        #[test]
        fn messages_round_trip(
            headers in prop::collection::vec(("[a-z:-]{1,20}", ".{0,40}"), 0..5), payload: Vec<u8>,
        ) {
            let borrowed: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let bytes = encode(&borrowed, &payload);
            let (message, length) = decode(&bytes).unwrap().unwrap();
            prop_assert_eq!(length, bytes.len());
            prop_assert_eq!(message, Message { headers, payload: payload.into() });
        }

        #[test]
        fn garbage_never_panics(bytes: Vec<u8>, headers: Vec<u8>) {
            let _ = decode(&Bytes::from(bytes));
            let _ = read_headers(&headers);
        }
    }
}
