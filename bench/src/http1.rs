//! The receiving half of one HTTP/1.1 connection, reduced to what a load generator must know: status, length, body and
//! whether the connection goes on. The body stays where it was read.

use std::io::{ErrorKind, Read};

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;

/// The most an answer may hold, in bytes: GetRecords gives 10 MiB of data, in base64 and JSON, with room to spare.
const ANSWER_MAX: usize = 64 << 20;
/// How much is asked of the kernel at least, in bytes.
const READ_MIN: usize = 64 << 10;

/// One whole answer.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// The server ends the connection after this answer.
    pub(crate) closes: bool,
    pub(crate) body: &'a [u8],
}

/// What reading until the kernel has no more came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The answer is not whole; more will come.
    Partial,
    /// The answer is whole: take it.
    Whole,
    /// The server closed the connection.
    Closed,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    status: u16,
    closes: bool,
    body_at: usize,
    /// `None` for a chunked body.
    body_len: Option<usize>,
}

/// Collects one answer at a time.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    buffer: Vec<u8>,
    filled: usize,
    head: Option<Head>,
    chunked_body: Vec<u8>,
}

impl Incoming {
    /// Reads what `source` has. Returns once the answer is whole or `source` would block.
    pub(crate) fn read_from(&mut self, source: &mut impl Read) -> Result<Progress> {
        loop {
            self.make_room()?;
            match source.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Ok(Progress::Closed),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Progress::Partial);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    return Ok(Progress::Closed);
                }
                Err(error) => return Err(error).context("read an answer"),
            }
            if self.is_whole()? {
                return Ok(Progress::Whole);
            }
        }
    }

    /// The answer that [`Progress::Whole`] announced, or `None` before that.
    pub(crate) fn answer(&self) -> Option<Answer<'_>> {
        let head = self.head?;
        let body = match head.body_len {
            Some(len) => self.buffer[..self.filled].get(head.body_at..head.body_at + len)?,
            None => &self.chunked_body,
        };
        Some(Answer {
            status: head.status,
            closes: head.closes,
            body,
        })
    }

    /// Forgets the answer; the next may be read.
    pub(crate) fn clear(&mut self) {
        self.filled = 0;
        self.head = None;
        self.chunked_body.clear();
    }

    fn make_room(&mut self) -> Result<()> {
        let wanted = match self.head {
            Some(Head {
                body_at,
                body_len: Some(len),
                ..
            }) => body_at + len,
            _ => self.filled + READ_MIN,
        };
        ensure!(
            wanted <= ANSWER_MAX,
            "an answer of more than {ANSWER_MAX} bytes"
        );
        let wanted = wanted.max(self.filled + 1);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted.next_power_of_two(), 0);
        }
        Ok(())
    }

    fn is_whole(&mut self) -> Result<bool> {
        if self.head.is_none() {
            self.head = parse_head(&self.buffer[..self.filled])?;
        }
        let Some(head) = self.head else {
            return Ok(false);
        };
        match head.body_len {
            Some(len) => Ok(self.filled >= head.body_at + len),
            None => self.join_chunks(head.body_at),
        }
    }

    /// Joins the chunks of RFC 9112 section 7.1 once the last has come; starts over while it has not.
    fn join_chunks(&mut self, body_at: usize) -> Result<bool> {
        if !self.buffer[..self.filled].ends_with(b"\r\n\r\n") {
            return Ok(false);
        }
        self.chunked_body.clear();
        let mut rest = &self.buffer[body_at..self.filled];
        while let Some(line_end) = memmem::find(rest, b"\r\n") {
            let size = std::str::from_utf8(&rest[..line_end]).context("chunk size")?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size =
                usize::from_str_radix(size, 16).with_context(|| format!("chunk size {size:?}"))?;
            if size == 0 {
                return Ok(true);
            }
            let data_at = line_end + 2;
            let Some(chunk) = rest.get(data_at..data_at + size) else {
                return Ok(false);
            };
            self.chunked_body.extend_from_slice(chunk);
            rest = rest.get(data_at + size + 2..).unwrap_or_default();
        }
        Ok(false)
    }
}

fn parse_head(bytes: &[u8]) -> Result<Option<Head>> {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..end]).context("answer head is not text")?;
    let mut lines = text.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let mut words = status_line.split(' ');
    let version = words.next().unwrap_or_default();
    let status = words.next().and_then(|word| word.parse::<u16>().ok());
    let Some(status) = status else {
        bail!("not an HTTP answer: {status_line:?}")
    };
    let mut head = Head {
        status,
        closes: version == "HTTP/1.0",
        body_at: end + 4,
        body_len: Some(0),
    };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            head.body_len = Some(
                value
                    .parse()
                    .with_context(|| format!("content-length {value:?}"))?,
            );
        } else if name.eq_ignore_ascii_case("transfer-encoding")
            && value.eq_ignore_ascii_case("chunked")
        {
            head.body_len = None;
        } else if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") {
            head.closes = true;
        }
    }
    Ok(Some(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes one at a time, as the worst network would.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else {
                return Ok(0);
            };
            into[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn check(wire: &str, status: u16, closes: bool, body: &str) {
        let mut incoming = Incoming::default();
        assert_eq!(
            incoming.read_from(&mut Drip(wire.as_bytes())).unwrap(),
            Progress::Whole
        );
        let answer = incoming.answer().unwrap();
        assert_eq!((answer.status, answer.closes), (status, closes));
        assert_eq!(answer.body, body.as_bytes());
        incoming.clear();
        assert!(incoming.answer().is_none());
    }

    #[test]
    fn answers_are_read_byte_by_byte() {
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            200,
            false,
            "{}",
        );
        check(
            "HTTP/1.1 400 Bad Request\r\ncontent-length:0\r\nConnection: close\r\n\r\n",
            400,
            true,
            "",
        );
        check(
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
            200,
            true,
            "x",
        );
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\n\r\n\r\n\r\n0\r\n\r\n",
            200,
            false,
            "abc\r\n\r\n",
        );
    }

    #[test]
    fn a_cut_answer_is_not_whole() {
        let mut incoming = Incoming::default();
        let mut wire = Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc");
        assert_eq!(incoming.read_from(&mut wire).unwrap(), Progress::Closed);
        assert!(incoming.answer().is_none());
    }

    #[test]
    fn nonsense_is_an_error() {
        let mut incoming = Incoming::default();
        assert!(
            incoming
                .read_from(&mut Drip(b"SSH-2.0-OpenSSH\r\n\r\n"))
                .is_err()
        );
    }
}
