//! An object's bytes on their way to the network: read piece by piece, the next when the last was taken.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future as _;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use s3s::StdError;
use s3s::stream::{ByteStream, RemainingLength};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::bodies::{Bodies, BodyId, Hold, read_at};
use crate::records::Piece;

/// A range of an object's bytes.
pub(crate) struct Reader {
    bodies: Bodies,
    /// Keeps what is read from on disk.
    _hold: Hold,
    slices: VecDeque<Slice>,
    reading: Option<JoinHandle<io::Result<Read>>>,
    remaining: u64,
}

/// A range of one body.
struct Slice {
    body: BodyId,
    file: Option<Arc<File>>,
    position: u64,
    left: u64,
}

/// What one read gave.
struct Read {
    file: Arc<File>,
    bytes: Bytes,
}

impl Reader {
    /// Reads `range` of the bytes that `pieces` hold.
    pub(crate) fn new(bodies: &Bodies, hold: Hold, pieces: &[Piece], range: &Range<u64>) -> Reader {
        let mut slices = VecDeque::new();
        let mut start = 0;
        for piece in pieces {
            let end = start + piece.size;
            let from = range.start.max(start);
            let to = range.end.min(end);
            if from < to {
                slices.push_back(Slice {
                    body: piece.body,
                    file: None,
                    position: from - start,
                    left: to - from,
                });
            }
            start = end;
        }
        Reader {
            bodies: bodies.clone(),
            _hold: hold,
            remaining: slices.iter().map(|slice| slice.left).sum(),
            slices,
            reading: None,
        }
    }

    /// Begins the next read; false where everything was read.
    fn begin(&mut self) -> bool {
        let Some(slice) = self.slices.front() else {
            return false;
        };
        let bodies = self.bodies.clone();
        let (body, position, left) = (slice.body, slice.position, slice.left);
        let file = slice.file.clone();
        self.reading = Some(spawn_blocking(move || {
            let file = match file {
                Some(file) => file,
                None => Arc::new(bodies.read(body)?),
            };
            let bytes = read_at(&file, position, left)?;
            Ok(Read { file, bytes })
        }));
        true
    }

    fn took(&mut self, read: Read) -> Bytes {
        let length = read.bytes.len() as u64;
        self.remaining -= length;
        if let Some(slice) = self.slices.front_mut() {
            slice.file = Some(read.file);
            slice.position += length;
            slice.left -= length;
            if slice.left == 0 {
                self.slices.pop_front();
            }
        }
        read.bytes
    }
}

impl Stream for Reader {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.reading.is_none() && !this.begin() {
            return Poll::Ready(None);
        }
        let Some(reading) = &mut this.reading else {
            return Poll::Ready(None);
        };
        let Poll::Ready(read) = Pin::new(reading).poll(cx) else {
            return Poll::Pending;
        };
        this.reading = None;
        let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
        Poll::Ready(Some(match read {
            Ok(read) => Ok(this.took(read)),
            Err(error) => {
                let body = this.slices.front().map(|slice| slice.body);
                tracing::error!(%error, ?body, "the body of an object could not be read");
                this.slices.clear();
                Err(error.into())
            }
        }))
    }
}

impl ByteStream for Reader {
    fn remaining_length(&self) -> RemainingLength {
        match usize::try_from(self.remaining) {
            Ok(exact) => RemainingLength::new_exact(exact),
            Err(_) => RemainingLength::unknown(),
        }
    }
}
