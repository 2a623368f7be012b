//! The framing of `aws-chunked` bodies: finds the data in them, without looking at signatures.
//!
//! ```text
//! body    = chunk* last trailer* CRLF?
//! chunk   = size [";" extensions] CRLF data CRLF       size in hex, extensions such as chunk-signature=<64 hex>
//! last    = "0" [";" extensions] CRLF
//! trailer = name ":" value CRLF                        such as x-amz-checksum-crc32:<base64>
//! ```
//!
//! Source: "Signature calculations for the authorization header: transferring payload in multiple chunks" and "... including
//! trailing headers" in the S3 API reference.

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::CHUNK_LINE_BYTES_MAX;

/// Why a body is no `aws-chunked` one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Malformed {
    /// It does not follow the grammar, or a line is too long.
    Framing,
    /// A chunk is larger than allowed.
    ChunkTooLarge,
}

/// Reads a body piece by piece.
pub(crate) struct Frames {
    state: State,
    /// A line that has begun; of all trailers together, how long they are.
    line: Vec<u8>,
    trailer_bytes: usize,
    trailers: HeaderMap,
    chunk_bytes_max: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Size,
    Data {
        left: u64,
    },
    /// The line end after a chunk's data.
    DataEnd,
    Trailer,
    /// The empty line after the trailers has been seen.
    Done,
}

impl Frames {
    /// At a body's start. Chunks may be up to `chunk_bytes_max` long.
    pub(crate) fn new(chunk_bytes_max: u64) -> Frames {
        Frames {
            state: State::Size,
            line: Vec::new(),
            trailer_bytes: 0,
            trailers: HeaderMap::new(),
            chunk_bytes_max,
        }
    }

    /// The next data in `input`, which moves past it; `None` when `input` is used up.
    pub(crate) fn next(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, Malformed> {
        while !input.is_empty() {
            if let State::Data { left } = self.state {
                let here = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                let data = input.split_to(here);
                let left = left - here as u64;
                self.state = if left == 0 {
                    State::DataEnd
                } else {
                    State::Data { left }
                };
                return Ok(Some(data));
            }
            if self.take_line(input)? {
                let line = std::mem::take(&mut self.line);
                self.on_line(line.strip_suffix(b"\r").unwrap_or(&line))?;
            }
        }
        Ok(None)
    }

    /// What was said in trailers, once the body is whole; `None` while it is not. Some clients end without the empty line.
    pub(crate) fn finish(&mut self) -> Option<HeaderMap> {
        let is_whole = match self.state {
            State::Done => true,
            State::Trailer => self.line.is_empty(),
            _ => false,
        };
        is_whole.then(|| std::mem::take(&mut self.trailers))
    }

    /// Moves `input` up to the line's end into `line`; whether the end was there.
    fn take_line(&mut self, input: &mut Bytes) -> Result<bool, Malformed> {
        let end = input.iter().position(|&byte| byte == b'\n');
        let part = input.split_to(end.unwrap_or(input.len()));
        if self.line.len() + part.len() > CHUNK_LINE_BYTES_MAX {
            return Err(Malformed::Framing);
        }
        self.line.extend_from_slice(&part);
        if end.is_some() {
            input.advance(1);
        }
        Ok(end.is_some())
    }

    fn on_line(&mut self, line: &[u8]) -> Result<(), Malformed> {
        self.state = match self.state {
            State::Size => match size(line)? {
                0 => State::Trailer,
                left if left > self.chunk_bytes_max => return Err(Malformed::ChunkTooLarge),
                left => State::Data { left },
            },
            State::DataEnd if line.is_empty() => State::Size,
            State::Trailer if line.is_empty() => State::Done,
            State::Trailer => {
                self.on_trailer(line)?;
                State::Trailer
            }
            // One more line end is harmless, and sent by some after trailers.
            State::Done if line.is_empty() => State::Done,
            State::DataEnd | State::Done | State::Data { .. } => return Err(Malformed::Framing),
        };
        Ok(())
    }

    fn on_trailer(&mut self, line: &[u8]) -> Result<(), Malformed> {
        self.trailer_bytes += line.len();
        if self.trailer_bytes > CHUNK_LINE_BYTES_MAX {
            return Err(Malformed::Framing);
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let (name, value) = line.split_at(colon.ok_or(Malformed::Framing)?);
        let name = HeaderName::from_bytes(name.trim_ascii()).map_err(|_| Malformed::Framing)?;
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let value = HeaderValue::from_bytes(value).map_err(|_| Malformed::Framing)?;
        self.trailers.insert(name, value);
        Ok(())
    }
}

/// The size a chunk's line gives.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
    if !(1..=16).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Malformed::Framing);
    }
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or(Malformed::Framing)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `body` in pieces of `step` bytes: its data, and its trailers if it was whole.
    fn read(body: &[u8], step: usize) -> Result<(Vec<u8>, Option<HeaderMap>), Malformed> {
        let mut frames = Frames::new(100);
        let mut data = Vec::new();
        for piece in body.chunks(step) {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(some) = frames.next(&mut piece)? {
                data.extend_from_slice(&some);
            }
        }
        Ok((data, frames.finish()))
    }

    const SIGNED: &[u8] = b"5;chunk-signature=abc\r\nhello\r\n1;chunk-signature=def\r\n!\r\n0;chunk-signature=0\r\n\r\n";
    const TRAILED: &[u8] =
        b"6\r\nhello!\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:ab\r\n\r\n";

    #[test]
    fn data_is_found_however_the_body_is_cut() {
        for body in [SIGNED, TRAILED] {
            for step in 1..=body.len() {
                let (data, trailers) = read(body, step).unwrap();
                assert_eq!(data, b"hello!", "in steps of {step}");
                assert!(trailers.is_some());
            }
        }
        let (_, trailers) = read(TRAILED, 7).unwrap();
        assert_eq!(trailers.unwrap()["x-amz-checksum-crc32"], "AAAAAA==");
    }

    #[test]
    fn a_body_cut_short_is_not_whole() {
        for length in 0..SIGNED.len() - 2 {
            let whole = read(&SIGNED[..length], 3).map(|(_, trailers)| trailers.is_some());
            assert_eq!(whole, Ok(false), "of {length} bytes");
        }
    }

    #[test]
    fn what_is_no_framing_is_refused() {
        let check = |body: &[u8], why| assert_eq!(read(body, 5).err(), Some(why), "{body:?}");
        check(b"hello\r\n", Malformed::Framing);
        check(b"\r\n", Malformed::Framing);
        check(b"-1\r\n", Malformed::Framing);
        check(b"11111111111111111\r\n", Malformed::Framing);
        check(b"ffffffff\r\n", Malformed::ChunkTooLarge);
        check(b"1\r\nab\r\n", Malformed::Framing);
        check(b"0\r\nno colon\r\n", Malformed::Framing);
        check(b"0\r\n\r\nmore\r\n", Malformed::Framing);
        check(&vec![b'0'; CHUNK_LINE_BYTES_MAX + 1], Malformed::Framing);
    }

    #[test]
    fn garbage_never_panics() {
        let rng = model::Rng::seeded(1);
        for _ in 0..2000 {
            let mut body = [SIGNED, TRAILED][usize::try_from(rng.below(2)).unwrap()].to_vec();
            let at = usize::try_from(rng.below(body.len() as u64)).unwrap();
            body[at] = u8::try_from(rng.below(256)).unwrap();
            let _ = read(&body, 4);
        }
    }
}
