//! HTTP/1.1 connections to one endpoint, plain or TLS, kept for the next request; and HTTP/2 for answers that go on.

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::error::ClientError;
use crate::pace::{Counted, Moved};

/// Largest answer taken. GetRecords gives 10 MiB, a third more as base64.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// What a server may send ahead on a connection of one answer.
const WINDOW_BYTES: u32 = 4 << 20;
/// Longest that connecting may take, and again longest for a request and its answer beside what their bytes need.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// Connections kept while nobody uses them.
const IDLE_MAX: usize = 32;

/// What helps where a certificate is not trusted.
const TRUST: &str = "a server's own certificate is trusted by --ca DATA/tls/certificate.pem";

type Failed = Box<dyn Error + Send + Sync>;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The connections to one endpoint.
pub(crate) struct Connections {
    /// `host:port`.
    address: String,
    tls: Option<(ClientConfig, ServerName<'static>)>,
    origin: Uri,
    idle: Mutex<Vec<Connection>>,
}

impl Connections {
    /// Connections to the host of `endpoint`. For `https` the certificate must be signed by one in `authorities`, a PEM file, or
    /// by one that the machine trusts.
    pub(crate) fn to(endpoint: &Uri, authorities: Option<&Path>) -> Result<Self, ClientError> {
        let refused = |what: &str| ClientError::Setup(format!("endpoint {endpoint}: {what}"));
        let host = endpoint.host().ok_or_else(|| refused("there is no host"))?;
        let is_tls = endpoint.scheme() == Some(&Scheme::HTTPS);
        let port = endpoint.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let tls = if is_tls {
            let bare = host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned();
            let name = ServerName::try_from(bare).map_err(|_| refused("not a host name"))?;
            let roots = match authorities {
                Some(path) => roots_of(path)?,
                None => roots_of_the_machine()?,
            };
            Some((configuration(roots)?, name))
        } else {
            None
        };
        Ok(Connections {
            address: format!("{host}:{port}"),
            tls,
            origin: endpoint.clone(),
            idle: Mutex::default(),
        })
    }

    /// Sends a request and waits for the whole answer: as long as there is hope for it.
    pub(crate) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Failed> {
        let mut connection = match self.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let response = connection.exchange(request, ANSWER_BYTES_MAX).await?;
        self.give_back(connection);
        Ok(response)
    }

    /// As [`Connections::exchange`], over a new connection that is not kept, for an answer of at most `bytes_max`.
    pub(crate) async fn exchange_once(
        &self,
        request: Request<Full<Bytes>>,
        bytes_max: usize,
    ) -> Result<Response<Bytes>, Failed> {
        self.connect().await?.exchange(request, bytes_max).await
    }

    /// Sends a request over an HTTP/2 connection of its own, which lives as long as the answer's body.
    pub(crate) async fn open(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Failed> {
        timeout(ANSWER_TIME_MAX, self.open_unhurried(request)).await?
    }

    async fn open_unhurried(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Failed> {
        let stream = self.stream(&[b"h2"]).await?;
        let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .handshake(TokioIo::new(stream))
            .await?;
        tokio::spawn(connection);
        let (mut parts, body) = request.into_parts();
        // HTTP/2 has the host in the address.
        parts.uri = self.origin.clone();
        parts.headers.remove(http::header::HOST);
        Ok(sender
            .send_request(Request::from_parts(parts, body))
            .await?)
    }

    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(connection) = idle.pop() {
            if connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !connection.sender.is_closed() {
            idle.push(connection);
        }
    }

    async fn connect(&self) -> Result<Connection, Failed> {
        let connecting = async { Connection::over(self.stream(&[]).await?).await };
        timeout(ANSWER_TIME_MAX, connecting).await?
    }

    /// A connection, plain or TLS, for one of these protocols where both sides choose.
    async fn stream(&self, protocols: &[&[u8]]) -> Result<Box<dyn Stream>, Failed> {
        let tcp = TcpStream::connect(&self.address).await?;
        tcp.set_nodelay(true)?;
        let Some((config, name)) = &self.tls else {
            return Ok(Box::new(tcp));
        };
        let mut config = config.clone();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let connector = TlsConnector::from(Arc::new(config));
        let secured = connector.connect(name.clone(), tcp).await;
        Ok(Box::new(
            secured.map_err(|error| format!("{error}; {TRUST}"))?,
        ))
    }
}

/// One HTTP/1.1 connection, for one request after the other.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    moved: Moved,
}

impl Connection {
    async fn over<S: Stream + 'static>(stream: S) -> Result<Connection, Failed> {
        let moved = Moved::default();
        let stream = Counted::new(stream, moved.clone());
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Its errors come out of the request that meets them.
        tokio::spawn(connection);
        Ok(Connection { sender, moved })
    }

    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        bytes_max: usize,
    ) -> Result<Response<Bytes>, Failed> {
        let sender = &mut self.sender;
        let exchange = async {
            let (parts, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, bytes_max).collect().await?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        self.moved.within(ANSWER_TIME_MAX, exchange).await?
    }
}

fn roots_of(authorities: &Path) -> Result<RootCertStore, ClientError> {
    let refused = |what: &dyn std::fmt::Display| {
        ClientError::Setup(format!("{}: {what}", authorities.display()))
    };
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(authorities).map_err(|error| refused(&error))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| refused(&error))?;
        roots.add(certificate).map_err(|error| refused(&error))?;
    }
    Ok(roots)
}

fn roots_of_the_machine() -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // Machines trust certificates that are too old for rustls to read: those are passed over.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let text = format!("https: this machine trusts no certificates; {TRUST}");
        return Err(ClientError::Setup(text));
    }
    Ok(roots)
}

fn configuration(roots: RootCertStore) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Setup(format!("TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests;
