//! Bodies: collecting a request's within limits, or passing it on as it comes; a reply's as one piece, as events, or as a
//! stream.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::held::Held;
use crate::limits::Limits;

/// Why a body breaks off.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// A reply's body.
pub struct Body(Kind);

enum Kind {
    Whole(Bytes),
    Events(BoxStream<'static, Bytes>),
    Streaming(UnsyncBoxBody<Bytes, BodyError>),
}

impl Body {
    pub(crate) fn events(events: BoxStream<'static, Bytes>) -> Self {
        Body(Kind::Events(events))
    }

    /// A body that is sent as it comes. One that breaks off breaks the connection, so that the client can't take it for
    /// whole.
    pub fn streaming<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        Body(Kind::Streaming(body.map_err(Into::into).boxed_unsync()))
    }

    /// The same, counted in `held` until it is sent: as long as anything keeps a slice of it.
    pub(crate) fn counted(self, mut held: Held) -> Self {
        match self.0 {
            Kind::Whole(bytes) if !bytes.is_empty() => {
                held.count(bytes.len());
                let counted = Counted { bytes, _held: held };
                Body(Kind::Whole(Bytes::from_owner(counted)))
            }
            other => Body(other),
        }
    }

    /// The body, if it is one piece; a reply of events is not.
    #[must_use]
    pub fn whole(&self) -> Option<&Bytes> {
        match &self.0 {
            Kind::Whole(bytes) => Some(bytes),
            Kind::Events(_) | Kind::Streaming(_) => None,
        }
    }
}

/// A reply's bytes. HTTP/2 takes a body off our hands long before the client takes it, so the bytes themselves must know.
struct Counted {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Body(Kind::Whole(bytes))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Whole(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Kind::Events(_) => f.write_str("Body(events)"),
            Kind::Streaming(_) => f.write_str("Body(streaming)"),
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Events(events) => {
                let next = events.as_mut().poll_next(cx);
                next.map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
            }
            Kind::Streaming(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Events(_) => false,
            Kind::Streaming(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Events(_) => SizeHint::default(),
            Kind::Streaming(body) => body.size_hint(),
        }
    }
}

/// A request's body as it comes. It breaks off where the client does, or pauses longer than the limits have it.
pub struct Incoming {
    body: UnsyncBoxBody<Bytes, BodyError>,
    pause_max: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    read: Arc<AtomicUsize>,
}

impl Incoming {
    pub(crate) fn new<B>(body: B, limits: &Limits) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        Incoming {
            body: body.map_err(Into::into).boxed_unsync(),
            pause_max: limits.body_pause_max,
            pause: None,
            read: Arc::default(),
        }
    }

    /// How many bytes have been read so far, now and later.
    pub(crate) fn count(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.read)
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = self.read.load(Ordering::Relaxed);
        write!(f, "Incoming({read} bytes so far)")
    }
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(cx) {
            self.pause = None;
            if let Some(Ok(frame)) = &next {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.read.fetch_add(bytes, Ordering::Relaxed);
            }
            return Poll::Ready(next);
        }
        let pause_over = Instant::now() + self.pause_max;
        let pause = self
            .pause
            .get_or_insert_with(|| Box::pin(sleep_until(pause_over)));
        pause
            .as_mut()
            .poll(cx)
            .map(|()| Some(Err("the client paused too long within the body".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why a request's body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Untaken {
    /// It is, or says it will be, longer than the limit.
    TooLarge,
    /// Too much is held for other requests.
    NoRoom,
    /// The client paused too long, or took too long over the whole.
    TooSlow,
    /// The connection broke, or the body's framing did.
    Broken,
    /// It is not compressed as it says.
    NotGzip,
}

/// Collects a body. One that comes as a single frame is passed on uncopied; one of known length is copied once.
pub(crate) async fn collect<B: HttpBody<Data = Bytes> + Unpin>(
    mut body: B,
    limits: &Limits,
    held: &mut Held,
) -> Result<Bytes, Untaken> {
    let expected = body.size_hint();
    let at_least = usize::try_from(expected.lower()).map_err(|_| Untaken::TooLarge)?;
    if at_least > limits.body_bytes_max {
        return Err(Untaken::TooLarge);
    }
    let until = Instant::now() + limits.body_time_max;
    let mut first = Bytes::new();
    let mut whole = Vec::new();
    while let Some(data) = next_data(&mut body, limits, until).await? {
        if first.len() + whole.len() + data.len() > limits.body_bytes_max {
            return Err(Untaken::TooLarge);
        }
        held.add(data.len(), limits)?;
        if first.is_empty() && whole.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve_exact(at_least.max(first.len() + data.len()));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    if whole.is_empty() {
        return Ok(first);
    }
    Ok(whole.into())
}

/// Reads a body as [`collect`] does and keeps nothing of it; says how many bytes came. A client that sends all it has before it
/// listens hears the answer then.
pub(crate) async fn discard<B: HttpBody<Data = Bytes> + Unpin>(
    mut body: B,
    limits: &Limits,
) -> usize {
    let mut read = 0;
    if body.size_hint().lower() > limits.body_bytes_max as u64 {
        return read;
    }
    let until = Instant::now() + limits.body_time_max;
    while read <= limits.body_bytes_max
        && let Ok(Some(data)) = next_data(&mut body, limits, until).await
    {
        read += data.len();
    }
    read
}

/// The next data of a body; trailers are passed over. The timer is not set up unless the client makes us wait.
async fn next_data<B: HttpBody<Data = Bytes> + Unpin>(
    body: &mut B,
    limits: &Limits,
    until: Instant,
) -> Result<Option<Bytes>, Untaken> {
    let mut pause: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        loop {
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(Ok(None)),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Untaken::Broken)),
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Ok(Some(data)));
                    }
                }
                Poll::Pending => {
                    let pause = pause.get_or_insert_with(|| {
                        let pause_over = Instant::now() + limits.body_pause_max;
                        Box::pin(sleep_until(pause_over.min(until)))
                    });
                    return pause.as_mut().poll(cx).map(|()| Err(Untaken::TooSlow));
                }
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use futures_util::stream::{self, StreamExt};
    use http_body_util::StreamBody;

    use super::*;
    use crate::held::Buffered;

    async fn check(pieces: &[&'static str], expected: Result<&'static str, Untaken>) {
        let limits = Limits {
            body_bytes_max: 10,
            buffered_bytes_max: 8,
            body_pause_max: Duration::from_secs(5),
            ..Limits::default()
        };
        let frames: Vec<Result<_, Infallible>> = pieces
            .iter()
            .map(|piece| Ok(Frame::data(Bytes::from(*piece))))
            .collect();
        let all = Buffered::default();
        let mut held = all.hold_none();
        let body = StreamBody::new(stream::iter(frames));
        let found = collect(body, &limits, &mut held).await;
        assert_eq!(found, expected.map(Bytes::from));
        drop(held);
        let none = Limits {
            buffered_bytes_max: 0,
            ..limits
        };
        assert!(!all.is_over(&none));
    }

    #[tokio::test]
    async fn bodies_are_collected_within_limits() {
        check(&[], Ok("")).await;
        check(&["abc"], Ok("abc")).await;
        check(&["abc", "", "de", "f"], Ok("abcdef")).await;
        check(&["abcdefghi"], Err(Untaken::NoRoom)).await;
        check(&["abcdefghijk"], Err(Untaken::TooLarge)).await;
        check(&["abcd", "abcdefg"], Err(Untaken::TooLarge)).await;
    }

    #[tokio::test]
    async fn a_length_beyond_the_limit_is_refused_unread() {
        let limits = Limits {
            body_bytes_max: 3,
            ..Limits::default()
        };
        let body = http_body_util::Full::new(Bytes::from("abcd"));
        let mut held = Buffered::default().hold_none();
        assert_eq!(
            collect(body, &limits, &mut held).await,
            Err(Untaken::TooLarge)
        );
    }

    #[tokio::test]
    async fn a_client_that_stops_is_given_up() {
        let first = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from("a")))]);
        let body = StreamBody::new(first.chain(stream::pending()));
        let mut held = Buffered::default().hold_none();
        let limits = Limits {
            body_pause_max: Duration::from_millis(10),
            ..Limits::default()
        };
        let found = collect(body, &limits, &mut held).await;
        assert_eq!(found, Err(Untaken::TooSlow));
    }

    #[tokio::test]
    async fn a_client_that_drips_is_given_up() {
        let drips = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(2)).await;
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from("a"))), ()))
        });
        let mut held = Buffered::default().hold_none();
        let limits = Limits {
            body_time_max: Duration::from_millis(20),
            ..Limits::default()
        };
        let found = collect(StreamBody::new(Box::pin(drips)), &limits, &mut held).await;
        assert_eq!(found, Err(Untaken::TooSlow));
    }
}
