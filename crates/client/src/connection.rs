//! HTTP/1.1 connections to one endpoint, plain or TLS, kept for the next request.

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::error::ClientError;

/// Largest answer taken. GetRecords gives 10 MiB, a third more as base64.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Connections kept while nobody uses them.
const IDLE_MAX: usize = 32;

type Failed = Box<dyn Error + Send + Sync>;
type Sender = SendRequest<Full<Bytes>>;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The connections to one endpoint.
pub(crate) struct Connections {
    /// `host:port`.
    address: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    idle: Mutex<Vec<Sender>>,
}

impl Connections {
    /// Connections to the host of `endpoint`. For `https` the certificate must be signed by one in `authorities`, a PEM file.
    pub(crate) fn to(endpoint: &Uri, authorities: Option<&Path>) -> Result<Self, ClientError> {
        let refused = |what: &str| ClientError::Setup(format!("endpoint {endpoint}: {what}"));
        let host = endpoint.host().ok_or_else(|| refused("there is no host"))?;
        let is_tls = endpoint.scheme() == Some(&Scheme::HTTPS);
        let port = endpoint.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let tls = match (is_tls, authorities) {
            (false, _) => None,
            (true, None) => {
                return Err(refused(
                    "https needs the certificate to trust: --ca DATA/tls/certificate.pem for a server's own",
                ));
            }
            (true, Some(path)) => {
                let bare = host
                    .trim_start_matches('[')
                    .trim_end_matches(']')
                    .to_owned();
                let name = ServerName::try_from(bare).map_err(|_| refused("not a host name"))?;
                Some((connector(path)?, name))
            }
        };
        Ok(Connections {
            address: format!("{host}:{port}"),
            tls,
            idle: Mutex::default(),
        })
    }

    /// Sends a request and waits for the whole answer.
    pub(crate) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Failed> {
        let mut sender = match self.take() {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let response = sender.send_request(request).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
        self.give_back(sender);
        Ok(Response::from_parts(parts, body.to_bytes()))
    }

    fn take(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(sender) = idle.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    fn give_back(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !sender.is_closed() {
            idle.push(sender);
        }
    }

    async fn connect(&self) -> Result<Sender, Failed> {
        let tcp = TcpStream::connect(&self.address).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some((connector, name)) => Box::new(connector.connect(name.clone(), tcp).await?),
        };
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Its errors come out of the request that meets them.
        tokio::spawn(connection);
        Ok(sender)
    }
}

fn connector(authorities: &Path) -> Result<TlsConnector, ClientError> {
    let refused = |what: &dyn std::fmt::Display| {
        ClientError::Setup(format!("{}: {what}", authorities.display()))
    };
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(authorities).map_err(|error| refused(&error))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| refused(&error))?;
        roots.add(certificate).map_err(|error| refused(&error))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
