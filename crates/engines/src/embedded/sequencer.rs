//! Who decides, and what was decided and is not durable yet: the frames in flight and the file being filled.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::Bytes;
use model::Batch;

use crate::disk::File;
use crate::embedded::core::Caller;
use crate::embedded::options::Durability;
use crate::frame::{self, Decision, Place, aligned};
use crate::journal::file::{FRAMES_FROM, JournalFile};
use crate::journal::recovery::Anchor;
use crate::state::State;
use crate::state::decide::Draft;
use crate::state::request::Reply;

/// The part of a journal file that only requests which make room may use.
pub(super) const RESERVE_DIVISOR: u64 = 64;

/// Who decides, and what was decided and is not durable yet.
pub(super) struct Sequencer {
    pub(super) decided: State,
    pub(super) sequence: u64,
    pub(super) previous: u32,
    pub(super) current: Option<Current>,
    pub(super) in_flight: VecDeque<InFlight>,
    pub(super) durable_upto: u64,
    /// Whether the last frame only marks what was durable.
    pub(super) is_marked: bool,
}

impl Sequencer {
    /// What a file has to have for a frame with `bytes` of requests.
    pub(super) fn file_bytes_for(bytes: usize) -> u64 {
        FRAMES_FROM + aligned((frame::HEADER_BYTES + bytes) as u64)
    }

    /// Whether a frame with `bytes` of requests fits the current file, which may be a full disk's last: that is for what makes room.
    pub(super) fn fits(&self, bytes: usize, frees: bool, is_at_last: bool) -> bool {
        if is_at_last && !frees {
            return false;
        }
        let Some(current) = &self.current else {
            return false;
        };
        let capacity = current.file.capacity;
        let limit = if frees {
            capacity
        } else {
            capacity - capacity / RESERVE_DIVISOR
        };
        current.position + aligned((frame::HEADER_BYTES + bytes) as u64) <= limit
    }

    /// Goes on with `file`. Gives what is left behind.
    pub(super) fn turn_to(&mut self, file: JournalFile) -> Option<Left> {
        let anchor = Anchor {
            file: file.number,
            sequence: self.sequence,
            previous: self.previous,
        };
        let next = Current {
            file,
            anchor,
            position: FRAMES_FROM,
        };
        let left = self.current.replace(next)?;
        Some(Left {
            frames: self.sequence - left.anchor.sequence,
            bytes: left.position - FRAMES_FROM,
            file: left.file,
        })
    }

    /// Gives the draft its number and place.
    pub(super) fn launch(
        &mut self,
        draft: Draft,
        answers: Answers,
        durability: Durability,
    ) -> Option<FrameWrite> {
        let current = self.current.as_mut()?;
        let place = Place {
            generation: current.file.generation,
            sequence: self.sequence,
            previous: self.previous,
            durable_upto: match durability {
                Durability::Sync => self.durable_upto,
                // Nothing is known: a frame that a power cut takes is then no damage.
                Durability::Os => 0,
            },
        };
        let encoded = frame::encode(place, &draft.decisions, draft.payload);
        let write = FrameWrite {
            sequence: self.sequence,
            file: current.file.writer(self.sequence),
            position: current.position,
            pieces: encoded.pieces,
            durability,
        };
        assert!(
            current.position + encoded.length <= current.file.capacity,
            "a request's footprint covers its bytes"
        );
        self.in_flight.push_back(InFlight {
            sequence: self.sequence,
            file: current.file.clone(),
            anchor: current.anchor,
            payload_at: current.position + encoded.head_bytes,
            decisions: draft.decisions,
            batches: draft.batches,
            answers,
            is_written: false,
        });
        current.position += encoded.length;
        self.sequence += 1;
        self.previous = encoded.checksum;
        Some(write)
    }
}

/// The file being filled.
pub(super) struct Current {
    file: JournalFile,
    anchor: Anchor,
    position: u64,
}

/// A file that is not filled any further.
pub(super) struct Left {
    pub(super) file: JournalFile,
    pub(super) frames: u64,
    /// Of all its frames.
    pub(super) bytes: u64,
}

/// A frame being written.
pub(super) struct InFlight {
    pub(super) sequence: u64,
    pub(super) file: JournalFile,
    pub(super) anchor: Anchor,
    pub(super) payload_at: u64,
    pub(super) decisions: Vec<Decision>,
    pub(super) batches: Vec<Batch>,
    pub(super) answers: Answers,
    pub(super) is_written: bool,
}

pub(super) type Answers = Vec<(Caller, Reply)>;

/// A frame to be written.
#[derive(Clone, Debug)]
pub struct FrameWrite {
    sequence: u64,
    file: Arc<dyn File>,
    position: u64,
    pieces: Vec<Bytes>,
    pub(super) durability: Durability,
}

impl FrameWrite {
    /// Its number.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    fn slices(&self) -> Vec<IoSlice<'_>> {
        self.pieces
            .iter()
            .map(|piece| IoSlice::new(piece))
            .collect()
    }

    /// Writes it.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(&self) -> io::Result<()> {
        self.file.write_at(&self.slices(), self.position)
    }

    /// Makes it durable, where that is asked for.
    ///
    /// # Errors
    /// What the disk says.
    pub fn sync(&self) -> io::Result<()> {
        match self.durability {
            Durability::Sync => self.file.sync_data(),
            Durability::Os => Ok(()),
        }
    }

    /// Writes it and makes it durable: what [`Core::on_written`] is to be told.
    ///
    /// # Errors
    /// What the disk says.
    pub fn run(&self) -> io::Result<()> {
        match self.durability {
            Durability::Sync => self.file.write_durably(&self.slices(), self.position),
            Durability::Os => self.write(),
        }
    }
}
