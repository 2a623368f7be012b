//! The listener: one TCP port for HTTP/1.1 and HTTP/2, plain and TLS.
//!
//! The first byte tells: 0x16 begins a TLS handshake, and no HTTP request begins with it. Within TLS, ALPN offers `h2`
//! and `http/1.1`; in plain text HTTP/2 is taken by prior knowledge.
//!
//! Each connection is a task; each request is a further one once its body is here, so that a client's disconnect ends
//! the reading but never the doing. On shutdown no more connections are accepted, replies of events end, requests under
//! way finish, and what is left at the deadline is cut off.

mod activity;
mod replies;
mod socket;

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use self::replies::Tasks;
use self::socket::Socket;
use crate::limits::Limits;
use crate::router::{Peer, Router};

/// First byte of a TLS handshake record (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// How long to wait when the system has no more file descriptors, or the like.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Most bytes read ahead on an HTTP/1.1 connection: bounds a request's head, and lets a large body come in large pieces.
const READ_BUFFER_MAX: usize = 448 << 10;
/// The same where many connections read that far ahead already. Heads are as large as they may be in HTTP/2.
const READ_BUFFER_MIN: usize = 64 << 10;
/// How long a neglected connection may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// A listener and what it serves.
pub struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
}

struct Shared {
    router: Arc<Router>,
    limits: Limits,
    tls: Option<TlsAcceptor>,
    http: Http,
}

/// What is spoken, and how far connections read ahead. Nobody has signed what is in their buffers, and it counts among no request's
/// bytes: so each may have a small one, and the first so many a large one.
struct Http {
    far: Builder<Tasks>,
    near: Builder<Tasks>,
    room_for_far: Semaphore,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({:?})", self.listener)
    }
}

/// How far a shutdown has come, as connections see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// Finish what is under way, take nothing new.
    Draining,
    /// Hang up.
    Closing,
}

impl Server {
    /// A server for `router` on a socket that listens already. Without `tls`, TLS connections are hung up on.
    #[must_use]
    pub fn new(listener: TcpListener, router: Arc<Router>, tls: Option<Arc<ServerConfig>>) -> Self {
        let limits = router.limits_in_force().clone();
        let shared = Shared {
            http: Http::within(&limits),
            tls: tls.map(TlsAcceptor::from),
            router,
            limits,
        };
        Server {
            listener,
            shared: Arc::new(shared),
        }
    }

    /// The address listened on: with port 0 asked for, this has the port given.
    ///
    /// # Errors
    /// If the system can't tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` completes, then until all is finished, at most for the drain time.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Server { listener, shared } = self;
        let phase = watch::Sender::new(Phase::Serving);
        // Every connection holds a sender: when the last is gone, the receiver knows.
        let (alive, mut all_gone) = mpsc::channel::<Infallible>(1);
        {
            let mut shutdown = pin!(shutdown);
            let room = Arc::new(Semaphore::new(shared.limits.connections_max));
            loop {
                let next = async {
                    let permit = Arc::clone(&room).acquire_owned().await;
                    (permit, listener.accept().await)
                };
                let (permit, accepted) = tokio::select! {
                    biased;
                    () = &mut shutdown => break,
                    next = next => next,
                };
                match accepted {
                    Ok((stream, address)) => {
                        let connection = Connection {
                            shared: Arc::clone(&shared),
                            phase: phase.subscribe(),
                        };
                        let alive = alive.clone();
                        tokio::spawn(async move {
                            connection.serve(stream, address).await;
                            drop((permit, alive));
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        drop((listener, alive));
        shared.router.drain();
        phase.send_replace(Phase::Draining);
        let finished = async {
            all_gone.recv().await;
            shared.router.finished().await;
        };
        if timeout(shared.limits.drain_time_max, finished)
            .await
            .is_err()
        {
            tracing::warn!("some requests did not finish in time and are cut off");
            phase.send_replace(Phase::Closing);
            all_gone.recv().await;
        }
    }
}

impl Http {
    fn within(limits: &Limits) -> Http {
        let least = limits.connections_max.saturating_mul(READ_BUFFER_MIN);
        let rest = limits.read_ahead_bytes_max.saturating_sub(least);
        let count = rest / (READ_BUFFER_MAX - READ_BUFFER_MIN);
        Http {
            far: builder(limits, READ_BUFFER_MAX),
            near: builder(limits, READ_BUFFER_MIN),
            room_for_far: Semaphore::new(count.min(Semaphore::MAX_PERMITS)),
        }
    }
}

fn builder(limits: &Limits, read_buffer_max: usize) -> Builder<Tasks> {
    let mut builder = Builder::new(Tasks);
    builder
        .http1()
        .timer(TokioTimer::new())
        // `Activity` watches over this, for both versions alike and without a timer for every request.
        .header_read_timeout(None)
        .keep_alive(true)
        .max_buf_size(read_buffer_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(limits.header_bytes_max)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(8 << 20)
        .max_frame_size(64 << 10)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// What the task of one connection holds.
struct Connection {
    shared: Arc<Shared>,
    phase: watch::Receiver<Phase>,
}

impl Connection {
    async fn serve(self, stream: TcpStream, address: SocketAddr) {
        let mut phase = self.phase.clone();
        let opened = tokio::select! {
            opened = timeout(self.shared.limits.header_time_max, self.open(stream)) => opened,
            _ = phase.wait_for(|phase| *phase > Phase::Serving) => return,
        };
        match opened {
            Ok(Ok(socket)) => self.exchange(socket, address).await,
            Ok(Err(error)) => tracing::debug!(%error, %address, "a connection was not opened"),
            Err(_) => tracing::debug!(%address, "a connection was too slow to open"),
        }
    }

    /// Waits for the first byte and, if it says so, does the TLS handshake.
    async fn open(&self, stream: TcpStream) -> io::Result<Socket> {
        stream.set_nodelay(true)?;
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first != [TLS_HANDSHAKE] {
            return Ok(Socket::plain(stream));
        }
        match &self.shared.tls {
            Some(acceptor) => acceptor.accept(stream).await.map(Socket::tls),
            None => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "TLS is not served here",
            )),
        }
    }

    /// Serves requests until the client hangs up, is too slow or idle too long, or the server is to stop.
    async fn exchange(mut self, socket: Socket, address: SocketAddr) {
        let peer = Peer {
            address,
            secure: socket.is_tls(),
        };
        let activity = socket.activity();
        let router = &self.shared.router;
        let share = router.share();
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let busy = activity.begin(request.version());
            let answer = Arc::clone(router).handle_sharing(request, peer, share.clone());
            async move {
                let response = answer.await;
                Ok::<_, Infallible>(response.map(|body| busy.until_sent(body)))
            }
        });
        let http = &self.shared.http;
        let far = http.room_for_far.try_acquire();
        let http = if far.is_ok() { &http.far } else { &http.near };
        let connection = http.serve_connection(TokioIo::new(socket), service);
        let mut connection = pin!(connection);
        let mut neglected = pin!(activity.neglected(&self.shared.limits));
        let mut draining = false;
        loop {
            tokio::select! {
                ended = &mut connection => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, %address, "a connection broke");
                    }
                    return;
                }
                () = &mut neglected, if !draining => {
                    connection.as_mut().graceful_shutdown();
                    // Nothing moves, so there is nothing to wait for but the goodbye.
                    let _ = timeout(GOODBYE, &mut connection).await;
                    return;
                }
                changed = self.phase.changed() => {
                    let now = *self.phase.borrow_and_update();
                    if changed.is_err() || now == Phase::Closing {
                        return;
                    }
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}
