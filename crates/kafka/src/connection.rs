//! One connection: requests are taken off the socket as they come, begun in that order, and answered in that order, however
//! many are under way at once.
//!
//! A request's handler is awaited before the next is begun; what may take long (a write becoming durable, a fetch waiting for
//! records) is handed back as [`Reply::Later`] and goes on beside the requests after it. So two writes of one connection reach
//! the log in the order they were sent.
//!
//! A client over its quota is answered at once, and then not read for as long as it was told to wait (KIP-219).
//!
//! Bounds: one request is at most [`Limits::request_bytes_max`], of which no more is allocated than has come; requests under
//! way at most [`Limits::pending_max`], then nothing is read until one is answered.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use kacrab_protocol::version::{request_header_version, response_header_version};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::apis::Apis;
use crate::broker::Broker;
use crate::input::{Input, TooLong};
use crate::security::sasl::{MESSAGE_BYTES_MAX, bare_message};
use crate::session::{Call, Session};
use crate::wire::{ApiKey, ProtocolError, RequestHeaderData};

/// Bytes before a request: its length.
const LENGTH_BYTES: usize = 4;
/// Answers waiting to be sent, in bytes, beyond which no more are taken from those that are ready: who does not read is not
/// read from.
const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// Longest to wait for a client to take notice that nothing more comes.
const PARTING_TIME_MAX: Duration = Duration::from_secs(1);

/// What one connection may take.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Largest request, in bytes: Kafka's `socket.request.max.bytes`.
    pub(crate) request_bytes_max: usize,
    /// Requests under way.
    pub(crate) pending_max: usize,
    /// Longest without a request: Kafka's `connections.max.idle.ms`.
    pub(crate) idle_max: Duration,
    /// Longest a client may leave an answer unread, or a request half sent.
    pub(crate) stall_max: Duration,
    /// Longest a client may take to say who it is, where it must.
    pub(crate) login_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            request_bytes_max: 100 << 20,
            pending_max: 64,
            idle_max: Duration::from_secs(600),
            stall_max: Duration::from_secs(60),
            login_max: Duration::from_secs(30),
        }
    }
}

/// An answer to come.
pub(crate) type Later<R> = Pin<Box<dyn Future<Output = R> + Send>>;

/// What a handler gives.
pub(crate) enum Reply<R> {
    /// The answer.
    Now(R),
    /// The answer, once this completes. Meanwhile the next requests are begun.
    Later(Later<R>),
    /// No answer is wanted. Where this completes with `false`, the connection is closed instead.
    Silent(Later<bool>),
}

impl<R> Reply<R> {
    /// An answer to come.
    pub(crate) fn later(answer: impl Future<Output = R> + Send + 'static) -> Reply<R> {
        Reply::Later(Box::pin(answer))
    }

    /// An answer to come of what others wait for: begun here, before the connection's next request is, and brought to its end
    /// even if the client does not read.
    pub(crate) fn apart(answer: impl Future<Output = R> + Send + 'static) -> Reply<R>
    where
        R: Send + 'static,
    {
        let mut answer = Box::pin(answer);
        // Whoever awaits it polls it again, so that nobody need be woken now.
        if let Poll::Ready(answer) = answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return answer.into();
        }
        Reply::later(async move {
            match tokio::spawn(answer).await {
                Ok(answer) => answer,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime ends, and this with it.
                    Err(_) => std::future::pending().await,
                },
            }
        })
    }
}

impl<R> From<R> for Reply<R> {
    fn from(answer: R) -> Reply<R> {
        Reply::Now(answer)
    }
}

/// Bytes to be sent, in pieces: records go from the cache to the socket without being copied, and what lies between them is in
/// one buffer.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    pieces: VecDeque<Chunk>,
    /// Small things: those of all [`Chunk::Own`] in order, then what is in no piece yet.
    own: BytesMut,
    /// Bytes of all [`Chunk::Own`].
    owned: usize,
    /// Bytes of all [`Chunk::Shared`].
    shared: usize,
}

#[derive(Debug)]
enum Chunk {
    /// So many of the small things' bytes.
    Own(usize),
    Shared(Bytes),
}

impl Chunk {
    fn len(&self) -> usize {
        match self {
            Chunk::Own(length) => *length,
            Chunk::Shared(bytes) => bytes.len(),
        }
    }
}

impl Chunks {
    /// Where small things are added.
    pub(crate) fn tail(&mut self) -> &mut BytesMut {
        &mut self.own
    }

    /// Adds bytes that are there already.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.close();
        self.shared += bytes.len();
        self.pieces.push_back(Chunk::Shared(bytes));
    }

    fn close(&mut self) {
        let open = self.own.len() - self.owned;
        if open > 0 {
            self.owned += open;
            self.pieces.push_back(Chunk::Own(open));
        }
    }

    /// The same behind a head that is made from its length.
    pub(crate) fn behind(mut self, head: impl FnOnce(usize) -> Bytes) -> Chunks {
        let head = head(self.remaining());
        if !head.is_empty() {
            self.shared += head.len();
            self.pieces.push_front(Chunk::Shared(head));
        }
        self
    }

    fn append(&mut self, mut other: Chunks) {
        if !self.has_remaining() {
            *self = other;
            return;
        }
        other.close();
        let mut own = other.own.freeze();
        for piece in other.pieces {
            self.push(match piece {
                Chunk::Own(length) => own.split_to(length),
                Chunk::Shared(bytes) => bytes,
            });
        }
    }

    /// What is to be sent, in order, none of it empty.
    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.own[..];
        let mut own = move |length| {
            let (first, after) = rest.split_at(length);
            rest = after;
            first
        };
        let open = self.own.len() - self.owned;
        let pieces = self.pieces.iter().map(Some).chain([None]);
        let slices = pieces.map(move |piece| match piece {
            Some(Chunk::Own(length)) => own(*length),
            Some(Chunk::Shared(bytes)) => &bytes[..],
            None => own(open),
        });
        slices.filter(|slice| !slice.is_empty())
    }
}

impl Buf for Chunks {
    fn remaining(&self) -> usize {
        self.shared + self.own.len()
    }

    fn chunk(&self) -> &[u8] {
        self.slices().next().unwrap_or_default()
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(first) = self.pieces.front_mut() {
            let length = first.len();
            let step = count.min(length);
            match first {
                Chunk::Own(length) => {
                    *length -= step;
                    self.own.advance(step);
                    self.owned -= step;
                }
                Chunk::Shared(bytes) => {
                    bytes.advance(step);
                    self.shared -= step;
                }
            }
            count -= step;
            if step < length {
                return;
            }
            self.pieces.pop_front();
        }
        self.own.advance(count);
    }

    fn chunks_vectored<'a>(&'a self, target: &mut [io::IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slot, slice) in target.iter_mut().zip(self.slices()) {
            *slot = io::IoSlice::new(slice);
            count += 1;
        }
        count
    }
}

/// What has become of a request.
type Answer = Later<Option<Chunks>>;

/// Why a connection is closed on a client.
#[derive(Debug, thiserror::Error)]
enum HangUp {
    #[error(transparent)]
    TooLong(#[from] TooLong),
    #[error("a request does not read as what it says it is: {0}")]
    Malformed(#[from] ProtocolError),
    #[error("API {key} is not answered in version {version}")]
    Unsupported { key: i16, version: i16 },
    #[error("{0:?} before the client has said who it is, or after that has run out")]
    Unauthenticated(ApiKey),
    #[error("a request that can have no other answer")]
    Refused,
    #[error("the client leaves things half done")]
    Stalled,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Serves until the client goes, or `stop` completes and nothing is under way.
pub(crate) async fn serve<S>(
    broker: Arc<Broker>,
    session: Arc<Session>,
    stream: S,
    stop: impl Future<Output = ()>,
) where
    S: AsyncRead + AsyncWrite + Send,
{
    let peer = session.peer;
    let _counted = broker.counters.connected();
    let connection = Connection {
        limits: Limits::default(),
        broker,
        session,
        input: Input::default(),
        output: Chunks::default(),
        pending: FuturesOrdered::new(),
        client_id: "".into(),
    };
    match connection.run(stream, stop).await {
        Ok(()) => {}
        Err(HangUp::Io(error)) => tracing::debug!(%peer, %error, "a Kafka connection broke"),
        Err(why) => tracing::info!(%peer, %why, "closed a Kafka connection"),
    }
}

/// Sends a part of the output, or, where there is none any more, what TLS still has of it. Says whether all of it has gone.
async fn send(writer: &mut (impl AsyncWrite + Unpin), output: &mut Chunks) -> io::Result<bool> {
    if !output.has_remaining() {
        writer.flush().await?;
        return Ok(true);
    }
    if writer.write_buf(output).await? == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    // What is not flushed at once is by the next call, so that nothing else waits for it.
    let is_last = !output.has_remaining();
    let flushed = is_last.then(|| writer.flush().now_or_never()).flatten();
    Ok(flushed.transpose()?.is_some())
}

struct Connection {
    limits: Limits,
    broker: Arc<Broker>,
    session: Arc<Session>,
    input: Input,
    output: Chunks,
    pending: FuturesOrdered<Answer>,
    /// The last request's: seldom another than the next one's.
    client_id: Arc<str>,
}

impl Connection {
    async fn run<S>(mut self, stream: S, stop: impl Future<Output = ()>) -> Result<(), HangUp>
    where
        S: AsyncRead + AsyncWrite + Send,
    {
        let (mut reader, mut writer) = tokio::io::split(stream);
        tokio::pin!(stop);
        let mut is_stopping = false;
        let login_by = Instant::now() + self.limits.login_max;
        let mut last_progress = Instant::now();
        let mut last_taken = Instant::now();
        let mut needs_flush = false;
        loop {
            let muted = self.session.mute.ends();
            if muted.is_none() {
                self.begin().await?;
            }
            is_stopping |= self.session.is_over();
            let has_output = self.output.has_remaining() || needs_flush;
            if is_stopping && self.pending.is_empty() && !has_output {
                // So that TLS can tell an end from a cut.
                let _ = tokio::time::timeout(PARTING_TIME_MAX, writer.shutdown()).await;
                return Ok(());
            }
            let may_read =
                !is_stopping && muted.is_none() && self.pending.len() < self.limits.pending_max;
            let may_answer = !self.pending.is_empty() && self.output.remaining() < OUTPUT_BYTES_MAX;
            let patience = self.patience();
            tokio::select! {
                biased;
                sent = send(&mut writer, &mut self.output), if has_output => {
                    needs_flush = !sent?;
                    last_taken = Instant::now();
                }
                Some(answer) = self.pending.next(), if may_answer => {
                    if !has_output {
                        last_taken = Instant::now();
                    }
                    self.output.append(answer.ok_or(HangUp::Refused)?);
                }
                read = self.input.read(&mut reader), if may_read => {
                    if read? == 0 {
                        return Ok(());
                    }
                }
                () = &mut stop, if !is_stopping => is_stopping = true,
                () = tokio::time::sleep_until(login_by), if self.session.is_unknown() => {
                    return Err(HangUp::Stalled);
                }
                () = tokio::time::sleep_until(last_taken + self.limits.stall_max), if has_output => {
                    return Err(HangUp::Stalled);
                }
                () = tokio::time::sleep_until(muted.unwrap_or(last_progress)), if muted.is_some() => {}
                () = tokio::time::sleep_until(last_progress + patience), if muted.is_none() => {
                    if self.pending.is_empty() {
                        return self.give_up();
                    }
                }
            }
            last_progress = Instant::now();
        }
    }

    /// How long nothing may happen.
    fn patience(&self) -> Duration {
        if self.output.has_remaining() || !self.input.is_empty() {
            self.limits.stall_max
        } else {
            self.limits.idle_max
        }
    }

    fn give_up(&self) -> Result<(), HangUp> {
        if self.output.has_remaining() || !self.input.is_empty() {
            return Err(HangUp::Stalled);
        }
        Ok(())
    }

    /// The largest request taken now: who has not said who they are has nothing large to say.
    fn request_bytes_max(&self) -> usize {
        if self.session.is_unknown() {
            MESSAGE_BYTES_MAX.min(self.limits.request_bytes_max)
        } else {
            self.limits.request_bytes_max
        }
    }

    /// Begins the requests that are there whole.
    async fn begin(&mut self) -> Result<(), HangUp> {
        while self.pending.len() < self.limits.pending_max && !self.session.is_over() {
            let Some(request) = self.input.next(self.request_bytes_max())? else {
                return Ok(());
            };
            self.dispatch(request).await?;
        }
        Ok(())
    }

    async fn dispatch(&mut self, mut request: Bytes) -> Result<(), HangUp> {
        if self.session.is_bare() {
            match bare_message(&self.broker, &self.session, &request).await {
                Reply::Now(answer) => self.pending.push_back(Box::pin(std::future::ready(answer))),
                Reply::Later(answer) => self.pending.push_back(answer),
                Reply::Silent(_) => {}
            }
            return Ok(());
        }
        let mut peek = request.clone();
        let key = kacrab_protocol::primitives::read_i16(&mut peek).map_err(ProtocolError::from)?;
        let version =
            kacrab_protocol::primitives::read_i16(&mut peek).map_err(ProtocolError::from)?;
        let Some(api) = self.broker.apis.find(key) else {
            return Err(HangUp::Unsupported { key, version });
        };
        let is_unknown_version = !api.versions.contains(&version);
        if is_unknown_version && api.key != ApiKey::ApiVersions {
            return Err(HangUp::Unsupported { key, version });
        }
        if !self.session.admits(api.key, self.broker.clock.now()) {
            return Err(HangUp::Unauthenticated(api.key));
        }
        let header_version = request_header_version(key, version);
        let header = RequestHeaderData::read(&mut request, header_version)?;
        let correlation = header.correlation_id;
        if is_unknown_version {
            // KIP-511: told in version 0, which every client reads, what there is.
            let refusal = crate::api_versions::unsupported(&self.broker.apis);
            let answer = Apis::encode(api.key, correlation, 0, &refusal)?;
            self.pending
                .push_back(Box::pin(std::future::ready(Some(answer))));
            return Ok(());
        }
        let client_id = header.client_id.as_ref().map_or("", |id| id.as_str());
        if *self.client_id != *client_id {
            self.client_id = client_id.into();
        }
        let call = Call {
            broker: Arc::clone(&self.broker),
            session: Arc::clone(&self.session),
            client_id: Arc::clone(&self.client_id),
            version,
            bytes: request.len(),
        };
        match (api.serve)(call, request, correlation).await? {
            Reply::Now(answer) => self.pending.push_back(Box::pin(std::future::ready(answer))),
            Reply::Later(answer) => self.pending.push_back(answer),
            Reply::Silent(done) => self
                .pending
                .push_back(Box::pin(async { done.await.then(Chunks::default) })),
        }
        Ok(())
    }
}

/// The bytes before an answer's body.
pub(crate) fn answer_head(key: ApiKey, version: i16, correlation: i32, body_bytes: usize) -> Bytes {
    let is_flexible = response_header_version(key as i16, version) > 0;
    let header_bytes = 4 + usize::from(is_flexible);
    let mut head = BytesMut::with_capacity(LENGTH_BYTES + header_bytes);
    head.put_u32((header_bytes + body_bytes) as u32);
    head.put_i32(correlation);
    if is_flexible {
        head.put_u8(0);
    }
    head.freeze()
}

#[cfg(test)]
mod tests;
