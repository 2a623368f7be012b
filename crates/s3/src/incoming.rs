//! A request's body on its way to s3s: bounded in time, and in what s3s would hold of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

use crate::chunked::{Frames, Malformed};
use crate::error::Error;
use crate::limits::{BODY_PAUSE_MAX, CHUNK_BYTES_MAX, XML_BYTES_MAX};

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How a body is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    /// As it comes.
    Plain,
    /// `aws-chunked`, which s3s decodes and checks: chunks are bounded, and the end must come.
    Guarded,
    /// `aws-chunked`, decoded here.
    Decoded,
}

/// What becomes known of a request while it is answered, and has no way through s3s.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passage(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    operation: &'static str,
    trailers: Option<HeaderMap>,
    broken: Option<Error>,
}

impl Passage {
    /// The trailers, once the body was read to its end.
    pub(crate) fn trailers(&self) -> Option<HeaderMap> {
        self.with(|seen| seen.trailers.take())
    }

    /// Why the body ended early, if it was stopped here.
    pub(crate) fn broken(&self) -> Option<Error> {
        self.with(|seen| seen.broken.take())
    }

    /// Which operation it is for; empty before it was found.
    pub(crate) fn operation(&self) -> &'static str {
        self.with(|seen| seen.operation)
    }

    pub(crate) fn is_for(&self, operation: &'static str) {
        self.with(|seen| seen.operation = operation);
    }

    fn with<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The body.
pub(crate) struct Incoming<B> {
    inner: Pin<Box<B>>,
    framing: Framing,
    frames: Frames,
    /// Read from the connection, and not yet looked through.
    rest: Bytes,
    passage: Passage,
    room: Room,
    /// How much of it was read.
    bytes: usize,
    /// How long the next piece, or all of a body that is held, may take.
    until: Pin<Box<Sleep>>,
}

/// What a body needs before it is read.
enum Room {
    /// Nothing: it is passed on as it comes.
    Unneeded,
    /// One of few places, since it will be held in memory. Waited for from the first read on, which is after the signature
    /// was checked.
    Awaited(Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>),
    Taken(#[expect(dead_code, reason = "given back when dropped")] OwnedSemaphorePermit),
}

impl<B> Incoming<B> {
    /// `places` are those for bodies that are held in memory, if this one will be.
    pub(crate) fn new(
        inner: B,
        framing: Framing,
        passage: Passage,
        places: Option<Arc<Semaphore>>,
    ) -> Incoming<B> {
        let chunk_bytes_max = match framing {
            Framing::Guarded => CHUNK_BYTES_MAX,
            // Chunks are passed on as they come, whatever their size.
            Framing::Plain | Framing::Decoded => u64::MAX,
        };
        Incoming {
            inner: Box::pin(inner),
            framing,
            frames: Frames::new(chunk_bytes_max),
            rest: Bytes::new(),
            passage,
            room: match places {
                None => Room::Unneeded,
                Some(places) => Room::Awaited(Box::pin(places.acquire_owned())),
            },
            bytes: 0,
            until: Box::pin(sleep(BODY_PAUSE_MAX)),
        }
    }

    fn stop(&self, why: Error) -> BoxError {
        let text = why.to_string();
        self.passage.with(|seen| seen.broken = Some(why));
        text.into()
    }

    /// Holds the framing against a piece that is passed on as it is.
    fn guard(&mut self, piece: &Bytes) -> Result<(), Malformed> {
        let mut piece = piece.clone();
        while self.frames.next(&mut piece)?.is_some() {}
        Ok(())
    }

    /// At the connection's end of the body.
    fn finish(&mut self) -> Result<(), BoxError> {
        if self.framing == Framing::Plain {
            return Ok(());
        }
        let Some(trailers) = self.frames.finish() else {
            return Err(self.stop(Error::IncompleteBody));
        };
        // A body may be asked for more after its end.
        self.passage.with(|seen| {
            seen.trailers.get_or_insert(trailers);
        });
        Ok(())
    }

    fn refuse(&self, malformed: Malformed) -> BoxError {
        self.stop(match malformed {
            Malformed::Framing => Error::IncompleteBody,
            Malformed::ChunkTooLarge => Error::request("A chunk must be at most 16 MiB."),
        })
    }
}

impl<B> Incoming<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    /// The next piece from the connection, if it comes in time.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        if let Room::Awaited(place) = &mut self.room {
            match place.as_mut().poll(cx) {
                Poll::Ready(Ok(place)) => self.room = Room::Taken(place),
                Poll::Ready(Err(closed)) => return Poll::Ready(Some(Err(closed.into()))),
                Poll::Pending => return self.poll_late(cx),
            }
        }
        loop {
            let Poll::Ready(next) = self.inner.as_mut().poll_frame(cx) else {
                return self.poll_late(cx);
            };
            let is_held = !matches!(self.room, Room::Unneeded);
            if !is_held {
                self.until.as_mut().reset(Instant::now() + BODY_PAUSE_MAX);
            }
            match next {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                // HTTP's own trailers are none of S3's.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        self.bytes = self.bytes.saturating_add(data.len());
                        if is_held && self.bytes > XML_BYTES_MAX {
                            return Poll::Ready(Some(Err(self.stop(Error::BodyTooLarge))));
                        }
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }

    /// An error once the time is up.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        let late = self.until.as_mut().poll(cx);
        late.map(|()| Some(Err(self.stop(Error::RequestTimeout))))
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        loop {
            match self.frames.next(&mut self.rest) {
                Ok(Some(data)) => return Poll::Ready(Some(Ok(data))),
                Ok(None) => {}
                Err(malformed) => return Poll::Ready(Some(Err(self.refuse(malformed)))),
            }
            match self.poll_piece(cx) {
                Poll::Ready(Some(Ok(piece))) => self.rest = piece,
                other => return other,
            }
        }
    }
}

impl<B> Body for Incoming<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let next = match this.framing {
            Framing::Plain | Framing::Guarded => this.poll_piece(cx),
            Framing::Decoded => this.poll_data(cx),
        };
        let Poll::Ready(next) = next else {
            return Poll::Pending;
        };
        Poll::Ready(match next {
            Some(Ok(piece)) => {
                if this.framing == Framing::Guarded
                    && let Err(malformed) = this.guard(&piece)
                {
                    return Poll::Ready(Some(Err(this.refuse(malformed))));
                }
                Some(Ok(Frame::data(piece)))
            }
            Some(Err(error)) => Some(Err(error)),
            None => this.finish().err().map(Err),
        })
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Plain | Framing::Guarded => self.inner.size_hint(),
            Framing::Decoded => SizeHint::default(),
        }
    }
}
