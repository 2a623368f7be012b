//! Takes apart `application/vnd.amazon.eventstream` as SubscribeToShard sends it. Checksums are not verified: the bytes came
//! over loopback, and computing them would cost the processors that are being measured.
//!
//! | offset | size | field (big-endian)                                  |
//! |--------|------|-----------------------------------------------------|
//! | 0      | 4    | total length of the message, checksums included     |
//! | 4      | 4    | length of the headers                               |
//! | 8      | 4    | CRC-32 of the bytes before                          |
//! | 12     | h    | headers: name length (1), name, type (1), value     |
//! | 12 + h | p    | payload                                             |
//! | last 4 | 4    | CRC-32 of all bytes before                          |

use anyhow::{Result, ensure};

/// The most one message may hold, in bytes: AWS's own limit is 16 MiB.
const MESSAGE_MAX: usize = 24 << 20;
const PRELUDE: usize = 12;
const TRAILER: usize = 4;
/// The type of a header whose value is a string with a length of 2 bytes before it.
const HEADER_STRING: u8 = 7;

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The header `:event-type`, or `:exception-type` of an exception.
    pub(crate) kind: String,
    /// The header `:message-type` says `exception` or `error`.
    pub(crate) is_exception: bool,
    pub(crate) payload: Vec<u8>,
}

/// Collects messages from the pieces HTTP/2 delivers.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    pending: Vec<u8>,
}

impl Messages {
    /// Adds a piece of the body.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.pending.extend_from_slice(piece);
    }

    /// The next whole message, if there is one.
    pub(crate) fn pop(&mut self) -> Result<Option<Message>> {
        let Some(total) = be_u32(&self.pending, 0) else {
            return Ok(None);
        };
        ensure!(
            (PRELUDE + TRAILER..=MESSAGE_MAX).contains(&total),
            "an event of {total} bytes"
        );
        if self.pending.len() < total {
            return Ok(None);
        }
        let bytes: Vec<u8> = self.pending.drain(..total).collect();
        let headers_len = be_u32(&bytes, 4).unwrap_or_default();
        let payload_at = PRELUDE + headers_len;
        ensure!(
            payload_at + TRAILER <= total,
            "event headers of {headers_len} bytes in a message of {total}"
        );
        let mut message = Message {
            kind: String::new(),
            is_exception: false,
            payload: Vec::new(),
        };
        message.read_headers(&bytes[PRELUDE..payload_at]);
        message
            .payload
            .extend_from_slice(&bytes[payload_at..total - TRAILER]);
        Ok(Some(message))
    }
}

impl Message {
    /// Reads headers up to the first that is not a string; the ones wanted all are.
    fn read_headers(&mut self, mut headers: &[u8]) {
        while let Some((name, value, rest)) = string_header(headers) {
            match name {
                b":event-type" | b":exception-type" => {
                    self.kind = String::from_utf8_lossy(value).into_owned()
                }
                b":message-type" => self.is_exception = value != b"event",
                _ => {}
            }
            headers = rest;
        }
    }
}

fn string_header(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name_len, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*name_len))?;
    let (kind, rest) = rest.split_first()?;
    if *kind != HEADER_STRING {
        return None;
    }
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((name, value, rest))
}

fn be_u32(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_be_bytes(*field)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let mut encoded = Vec::new();
        for (name, value) in headers {
            encoded.push(name.len() as u8);
            encoded.extend_from_slice(name.as_bytes());
            encoded.push(HEADER_STRING);
            encoded.extend_from_slice(&(value.len() as u16).to_be_bytes());
            encoded.extend_from_slice(value.as_bytes());
        }
        let total = PRELUDE + encoded.len() + payload.len() + TRAILER;
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&(total as u32).to_be_bytes());
        bytes.extend_from_slice(&(encoded.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&encoded);
        bytes.extend_from_slice(payload);
        bytes.extend_from_slice(&[0; 4]);
        bytes
    }

    #[test]
    fn messages_come_out_whole_however_they_come_in() {
        let mut wire = encode(
            &[
                (":message-type", "event"),
                (":event-type", "SubscribeToShardEvent"),
            ],
            b"{}",
        );
        wire.extend(encode(
            &[(":exception-type", "X"), (":message-type", "exception")],
            b"",
        ));
        let mut messages = Messages::default();
        let mut found = Vec::new();
        for byte in wire {
            messages.push(&[byte]);
            found.extend(messages.pop().unwrap());
        }
        let event = Message {
            kind: "SubscribeToShardEvent".into(),
            is_exception: false,
            payload: b"{}".to_vec(),
        };
        let exception = Message {
            kind: "X".into(),
            is_exception: true,
            payload: Vec::new(),
        };
        assert_eq!(found, [event, exception]);
    }

    #[test]
    fn lengths_that_cannot_be_are_errors() {
        let mut messages = Messages::default();
        messages.push(&[0, 0, 0, 1, 0, 0, 0, 0]);
        assert!(messages.pop().is_err());
        let mut wire = encode(&[], b"");
        wire[7] = 200;
        let mut messages = Messages::default();
        messages.push(&wire);
        assert!(messages.pop().is_err());
    }
}
