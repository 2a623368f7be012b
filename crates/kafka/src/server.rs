//! Listeners: sockets on which Kafka clients are served.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::broker::Broker;
use crate::connection;
use crate::security::acl;
use crate::security::principal::Principal;
use crate::session::Session;

/// Longest that TLS may take to agree.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest that requests under way may take to finish once the server is to stop.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest that a connection is held up whose address has opened too many: Kafka's longest, a quota's window.
const HOLD_UP_MAX: Duration = Duration::from_secs(1);
/// When to accept again after the system had no descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How clients of one socket are spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Protocol {
    /// In the clear; nobody is asked who they are.
    #[default]
    Plaintext,
    /// Over TLS; a client's certificate, where one is wanted, says who it is.
    Ssl,
    /// In the clear, after a login.
    SaslPlaintext,
    /// Over TLS, after a login.
    SaslSsl,
}

impl Protocol {
    /// All there are.
    pub const ALL: [Protocol; 4] = [
        Protocol::Plaintext,
        Protocol::Ssl,
        Protocol::SaslPlaintext,
        Protocol::SaslSsl,
    ];

    /// As Kafka's `listeners` have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Plaintext => "PLAINTEXT",
            Protocol::Ssl => "SSL",
            Protocol::SaslPlaintext => "SASL_PLAINTEXT",
            Protocol::SaslSsl => "SASL_SSL",
        }
    }

    /// Whether a login comes first.
    #[must_use]
    pub fn asks_who(self) -> bool {
        matches!(self, Protocol::SaslPlaintext | Protocol::SaslSsl)
    }

    /// Whether it goes over TLS.
    #[must_use]
    pub fn is_sealed(self) -> bool {
        matches!(self, Protocol::Ssl | Protocol::SaslSsl)
    }
}

/// How clients of one socket are spoken to, and what they are told.
#[derive(Debug, Default)]
pub struct Listener {
    /// What clients are told to connect to, where that is not the address they came to: host and port.
    pub advertised: Option<(String, u16)>,
    /// What is spoken.
    pub protocol: Protocol,
    /// The certificate to show and whose to want, where that is over TLS. Without it such a listener serves nobody.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// How many connections are served at one time, over all listeners; further ones are hung up on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnectionLimits {
    /// All together: Kafka's `max.connections`.
    pub all: usize,
    /// From one address: Kafka's `max.connections.per.ip`.
    pub per_address: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        ConnectionLimits {
            all: 10_000,
            per_address: usize::MAX,
        }
    }
}

/// A broker on its sockets.
#[derive(Debug)]
pub struct Server {
    broker: Arc<Broker>,
    sockets: Vec<(TcpListener, Arc<Listener>)>,
    limits: ConnectionLimits,
}

impl Server {
    /// A server without a socket.
    #[must_use]
    pub fn new(broker: Arc<Broker>) -> Server {
        Server {
            broker,
            sockets: Vec::new(),
            limits: ConnectionLimits::default(),
        }
    }

    /// Serves on `socket`, too.
    #[must_use]
    pub fn on(mut self, socket: TcpListener, listener: Listener) -> Server {
        self.sockets.push((socket, Arc::new(listener)));
        self
    }

    /// Serves so many connections.
    #[must_use]
    pub fn limits(mut self, limits: ConnectionLimits) -> Server {
        self.limits = limits;
        self
    }

    /// Serves until `stop` completes; then requests under way are finished, within [`DRAIN_TIME_MAX`].
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (stopper, stopped) = watch::channel(false);
        let places = Arc::new(Places::new(self.limits));
        let mut serving = JoinSet::new();
        for (socket, listener) in self.sockets {
            let door = Door {
                broker: Arc::clone(&self.broker),
                listener,
                places: Arc::clone(&places),
                stop: stopped.clone(),
            };
            serving.spawn(door.accept(socket));
        }
        let upkeep = tokio::spawn(crate::transaction::upkeep::run(Arc::clone(&self.broker)));
        let refreshing = tokio::spawn(acl::keep_refreshed(Arc::clone(&self.broker)));
        stop.await;
        upkeep.abort();
        stopper.send_replace(true);
        while serving.join_next().await.is_some() {}
        refreshing.abort();
    }
}

/// Serves one connection that is open already, whatever carries it, until the client ends it. For tests.
pub async fn serve_stream<S>(broker: Arc<Broker>, listener: Arc<Listener>, stream: S)
where
    S: AsyncRead + AsyncWrite + Send,
{
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let session = Arc::new(Session::new(nowhere, nowhere, listener, None));
    connection::serve(broker, session, stream, std::future::pending()).await;
}

/// One listener, open.
#[derive(Clone)]
struct Door {
    broker: Arc<Broker>,
    listener: Arc<Listener>,
    places: Arc<Places>,
    stop: watch::Receiver<bool>,
}

impl Door {
    async fn accept(self, socket: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = is_true(self.stop.clone()) => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = socket.accept() => match accepted {
                    Ok((stream, peer)) => match Place::take(&self.places, peer.ip()) {
                        Some(place) => {
                            connections.spawn(self.clone().one(stream, peer, place));
                        }
                        None => tracing::info!(%peer, "hung up on a Kafka client: too many connections"),
                    },
                    Err(error) => {
                        tracing::warn!(%error, "could not accept a Kafka connection");
                        tokio::time::sleep(ACCEPT_AGAIN).await;
                    }
                }
            }
        }
        drop(socket);
        let drained = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(DRAIN_TIME_MAX, drained).await;
    }

    async fn one(self, stream: TcpStream, peer: SocketAddr, place: Place) {
        let wait = self.broker.quotas.connection_wait(peer.ip());
        if !wait.is_zero() {
            // KIP-612: held up, so that clients do not try again at once, then closed.
            tokio::select! {
                () = tokio::time::sleep(wait.min(HOLD_UP_MAX)) => {}
                () = is_true(self.stop.clone()) => {}
            }
            return;
        }
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let _ = stream.set_nodelay(true);
        if !self.listener.protocol.is_sealed() {
            self.serve(stream, peer, local, None).await;
        } else if let Some(tls) = self.listener.tls.clone() {
            let shaking_hands = TlsAcceptor::from(tls).accept(stream);
            match tokio::time::timeout(HANDSHAKE_TIME_MAX, shaking_hands).await {
                Ok(Ok(stream)) => self.sealed(stream, peer, local).await,
                Ok(Err(error)) => tracing::info!(%peer, %error, "a Kafka client failed at TLS"),
                Err(_) => tracing::info!(%peer, "a Kafka client was too slow at TLS"),
            }
        }
        drop(place);
    }

    /// Over TLS: the certificate says who it is, where there is one and no login comes.
    async fn sealed(self, stream: TlsStream<TcpStream>, peer: SocketAddr, local: SocketAddr) {
        let certificates = stream.get_ref().1.peer_certificates();
        let certificates = certificates.filter(|_| !self.listener.protocol.asks_who());
        let certified = match certificates.and_then(<[_]>::first) {
            None => None,
            Some(certificate) => match self.broker.security.certified(certificate) {
                Some(principal) => Some(principal),
                None => {
                    tracing::info!(%peer, "refused a Kafka client whose certificate names nobody");
                    return;
                }
            },
        };
        self.serve(stream, peer, local, certified).await;
    }

    async fn serve<S>(
        self,
        stream: S,
        peer: SocketAddr,
        local: SocketAddr,
        certified: Option<Principal>,
    ) where
        S: AsyncRead + AsyncWrite + Send,
    {
        let session = Arc::new(Session::new(peer, local, self.listener, certified));
        connection::serve(self.broker, session, stream, is_true(self.stop)).await;
    }
}

/// Connections being served.
struct Places {
    limits: ConnectionLimits,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    /// Addresses with a connection: never more than there are connections.
    by_address: HashMap<IpAddr, usize>,
}

impl Places {
    fn new(limits: ConnectionLimits) -> Places {
        Places {
            limits,
            taken: Mutex::default(),
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place, given back when dropped.
struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Place {
    fn take(places: &Arc<Places>, address: IpAddr) -> Option<Place> {
        let mut taken = places.taken();
        let here = taken.by_address.get(&address).copied().unwrap_or(0);
        if taken.all >= places.limits.all || here >= places.limits.per_address {
            return None;
        }
        taken.all += 1;
        taken.by_address.insert(address, here + 1);
        drop(taken);
        Some(Place {
            places: Arc::clone(places),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Some(here) = taken.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

async fn is_true(mut watched: watch::Receiver<bool>) {
    let _ = watched.wait_for(|now| *now).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let places = Arc::new(Places::new(ConnectionLimits {
            all: 3,
            per_address: 2,
        }));
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = Place::take(&places, here).unwrap();
        let second = Place::take(&places, here).unwrap();
        assert!(Place::take(&places, here).is_none());
        let third = Place::take(&places, there).unwrap();
        assert!(Place::take(&places, there).is_none());
        drop(first);
        let fourth = Place::take(&places, there).unwrap();
        drop((second, third, fourth));
        assert!(places.taken().all == 0 && places.taken().by_address.is_empty());
    }
}
