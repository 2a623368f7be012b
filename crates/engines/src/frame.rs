//! The durable unit: a frame of decisions already made, and the batches they place.
//!
//! | at | size | field | note |
//! |---|---|---|---|
//! | 0 | 4 | magic | `HWfr` |
//! | 4 | 2 | format | 1 |
//! | 6 | 2 | zero | |
//! | 8 | 8 | generation | of the journal file: random for each use of a file, so that neither bytes of an earlier use nor a record that imitates a frame pass for one |
//! | 16 | 8 | sequence | grows by one from 1 over all files |
//! | 24 | 4 | previous | header checksum of the frame before, 0 for the first |
//! | 28 | 8 | durable up to | greatest sequence known durable when this frame was made |
//! | 36 | 4 | n | bytes of decisions |
//! | 40 | 4 | m | bytes of payload |
//! | 44 | 4 | CRC-32C | of the payload |
//! | 48 | 4 | CRC-32C | of bytes 0–47 and the decisions: the header checksum |
//! | 52 | n | decisions | see [`decision`] |
//! | 52 + n | m | payload | batches as they came, at the positions their decisions say |
//!
//! Big-endian. Frames start at multiples of [`ALIGNMENT`] in their file; what lies between a frame's end and the next
//! multiple means nothing. A frame is valid when (1) magic and format are right, (2) the header checksum is, (3) generation,
//! sequence and previous are those expected at its place, (4) the payload's checksum is right, (5) its decisions read to
//! their end and place batches inside the payload.

pub mod decision;
pub mod fields;

use bytes::{Bytes, BytesMut};
use model::Batch;

pub use decision::{Decision, Extent, RewrittenSegment};
pub use fields::Malformed;

use fields::Fields;

/// Bytes before the decisions.
pub const HEADER_BYTES: usize = 52;
/// Frames start at multiples of this: a page, so that no two share one, a write needs nothing of what was there, and can go
/// around the page cache; and a scan for frames after a bad one is cheap.
pub const ALIGNMENT: u64 = 4096;

const MAGIC: [u8; 4] = *b"HWfr";
const FORMAT: u16 = 1;
const CHECKSUM_AT: usize = 48;
/// Batches at least this long are written from where they lie, smaller ones are gathered: a system call's slice costs as much
/// as copying this.
const GATHERED_BELOW: usize = 2 << 10;
const PADDING: [u8; ALIGNMENT as usize] = [0; ALIGNMENT as usize];

const _: () = assert!(HEADER_BYTES == CHECKSUM_AT + 4);

/// `length` and what fills its last page.
#[must_use]
pub fn aligned(length: u64) -> u64 {
    length.next_multiple_of(ALIGNMENT)
}

/// A frame's fixed fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Its file's.
    pub generation: u64,
    /// Its number.
    pub sequence: u64,
    /// The header checksum of the frame before.
    pub previous: u32,
    /// Frames up to this one were durable when it was made.
    pub durable_upto: u64,
    /// Bytes of decisions.
    pub decision_bytes: u32,
    /// Bytes of payload.
    pub payload_bytes: u32,
    /// The payload's checksum.
    pub payload_crc: u32,
    /// The header's own checksum, which the next frame repeats.
    pub checksum: u32,
}

impl Header {
    /// Reads the fixed fields at the front of `bytes`; nothing is verified but magic and format.
    ///
    /// # Errors
    /// What is wrong.
    pub fn peek(bytes: &[u8]) -> Result<Header, Malformed> {
        let (magic, rest) = bytes
            .split_first_chunk::<4>()
            .ok_or(Malformed("a frame's header is cut short"))?;
        if *magic != MAGIC {
            return Err(Malformed("no frame starts here"));
        }
        let fixed = rest.get(..HEADER_BYTES - 4).unwrap_or_default();
        let mut fields = Fields::of(Bytes::copy_from_slice(fixed));
        if fields.u16()? != FORMAT || fields.u16()? != 0 {
            return Err(Malformed("a frame has an unknown format"));
        }
        Ok(Header {
            generation: fields.u64()?,
            sequence: fields.u64()?,
            previous: fields.u32()?,
            durable_upto: fields.u64()?,
            decision_bytes: fields.u32()?,
            payload_bytes: fields.u32()?,
            payload_crc: fields.u32()?,
            checksum: fields.u32()?,
        })
    }

    /// Bytes before the payload.
    #[must_use]
    pub fn head_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.decision_bytes)
    }

    /// Bytes of the whole frame, without what fills its last page.
    #[must_use]
    pub fn frame_bytes(&self) -> u64 {
        self.head_bytes() + u64::from(self.payload_bytes)
    }

    /// Whether the header checksum is that of `head`: fixed fields and decisions.
    #[must_use]
    pub fn covers(&self, head: &[u8]) -> bool {
        head.len() as u64 == self.head_bytes() && head_checksum(head) == self.checksum
    }
}

fn head_checksum(head: &[u8]) -> u32 {
    let fixed = crc32c::crc32c(&head[..CHECKSUM_AT]);
    crc32c::crc32c_append(fixed, &head[HEADER_BYTES..])
}

/// A frame read back.
#[derive(Clone, PartialEq, Debug)]
pub struct Frame {
    /// Its fixed fields.
    pub header: Header,
    /// What was decided.
    pub decisions: Vec<Decision>,
}

impl Frame {
    /// Takes all of `bytes` as one frame, both checksums verified.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Frame, Malformed> {
        let header = Header::peek(bytes)?;
        if bytes.len() as u64 != header.frame_bytes() {
            return Err(Malformed("a frame is cut short"));
        }
        let (head, payload) = bytes.split_at(HEADER_BYTES + header.decision_bytes as usize);
        if !header.covers(head) {
            return Err(Malformed("a frame's header does not match its checksum"));
        }
        if crc32c::crc32c(payload) != header.payload_crc {
            return Err(Malformed("a frame's payload does not match its checksum"));
        }
        let mut fields = Fields::of(Bytes::copy_from_slice(&head[HEADER_BYTES..]));
        let mut decisions = Vec::new();
        while !fields.is_empty() {
            let decision = Decision::decode(&mut fields)?;
            if let Decision::Append(extent) = &decision {
                let end = u64::from(extent.position) + u64::from(extent.length);
                if end > u64::from(header.payload_bytes) || extent.offsets == 0 {
                    return Err(Malformed("a frame places a batch outside its payload"));
                }
            }
            decisions.push(decision);
        }
        Ok(Frame { header, decisions })
    }
}

/// Batches gathered for a frame.
#[derive(Debug, Default)]
pub struct Payload {
    pieces: Vec<Bytes>,
    small: BytesMut,
    length: u32,
    crc: u32,
}

impl Payload {
    /// Adds a batch and gives its position.
    ///
    /// # Panics
    /// Over 4 GiB: a frame is held to its journal file's size before.
    pub fn push(&mut self, batch: &Batch) -> u32 {
        let bytes = batch.bytes();
        let position = self.length;
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.length = u32::try_from(bytes.len())
            .ok()
            .and_then(|length| position.checked_add(length))
            .expect("a frame fits its file");
        if bytes.len() < GATHERED_BELOW {
            self.small.extend_from_slice(bytes);
        } else {
            self.end_small();
            self.pieces.push(bytes.clone());
        }
        position
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length as usize
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn end_small(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(self.small.split().freeze());
        }
    }
}

/// What surrounds a frame's decisions.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// As [`Header::generation`].
    pub generation: u64,
    /// As [`Header::sequence`].
    pub sequence: u64,
    /// As [`Header::previous`].
    pub previous: u32,
    /// As [`Header::durable_upto`].
    pub durable_upto: u64,
}

/// A frame's bytes.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// To be written one after the other; whole pages in sum.
    pub pieces: Vec<Bytes>,
    /// Bytes before the payload.
    pub head_bytes: u64,
    /// Bytes with what fills the last page.
    pub length: u64,
    /// The header checksum.
    pub checksum: u32,
}

/// A frame's bytes, the payload's not copied.
///
/// # Panics
/// With over 4 GiB of decisions: a frame is held to its journal file's size before.
#[must_use]
pub fn encode(place: Place, decisions: &[Decision], mut payload: Payload) -> Encoded {
    payload.end_small();
    let mut head = Vec::with_capacity(HEADER_BYTES + decisions.len() * decision::APPEND_BYTES_MAX);
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&FORMAT.to_be_bytes());
    head.extend_from_slice(&[0; 2]);
    head.extend_from_slice(&place.generation.to_be_bytes());
    head.extend_from_slice(&place.sequence.to_be_bytes());
    head.extend_from_slice(&place.previous.to_be_bytes());
    head.extend_from_slice(&place.durable_upto.to_be_bytes());
    head.extend_from_slice(&[0; 4]);
    head.extend_from_slice(&payload.length.to_be_bytes());
    head.extend_from_slice(&payload.crc.to_be_bytes());
    head.extend_from_slice(&[0; 4]);
    for decision in decisions {
        decision.encode(&mut head);
    }
    let decision_bytes = u32::try_from(head.len() - HEADER_BYTES).expect("a frame fits its file");
    head[36..40].copy_from_slice(&decision_bytes.to_be_bytes());
    let checksum = head_checksum(&head);
    head[CHECKSUM_AT..HEADER_BYTES].copy_from_slice(&checksum.to_be_bytes());
    let head_bytes = head.len() as u64;
    let unpadded = head_bytes + u64::from(payload.length);
    let length = aligned(unpadded);
    let mut pieces = Vec::with_capacity(payload.pieces.len() + 2);
    pieces.push(Bytes::from(head));
    pieces.append(&mut payload.pieces);
    pieces.push(Bytes::from_static(&PADDING[..(length - unpadded) as usize]));
    Encoded {
        pieces,
        head_bytes,
        length,
        checksum,
    }
}

#[cfg(test)]
mod tests;
