//! TLS for the listener: a certificate given as PEM files, or one of our own made on first use.
//!
//! Our own is for `localhost`, the loopback addresses and this machine's name, signed by itself: clients must be told to
//! trust `certificate.pem` (`AWS_CA_BUNDLE`), or not to check. The private key is readable by its owner alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds no certificate, or no private key.
    #[error("{path} is not the PEM file wanted: {source}")]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls_pki_types::pem::Error,
    },
    /// Certificate and key do not go together, or are of a kind we can't use.
    #[error("certificate and key can't be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// Nobody could show a certificate that these authorities have signed.
    #[error("the authorities of clients can't be used: {0}")]
    Authorities(#[from] VerifierBuilderError),
    /// Our own certificate could not be made.
    #[error("making a certificate: {0}")]
    Unmade(#[from] rcgen::Error),
}

/// Which certificates clients are to show.
#[derive(Clone, Copy, Debug)]
pub enum ClientCertificates<'a> {
    /// None.
    Ignored,
    /// One that an authority in this PEM file has signed, or none.
    Requested(&'a Path),
    /// One that an authority in this PEM file has signed.
    Required(&'a Path),
}

/// A certificate with its chain, and its private key.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// The certificate chain and private key in these PEM files.
    ///
    /// # Errors
    /// If a file can't be read or is not what it should be.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Identity, TlsError> {
        let chain = certificates(certificate)?;
        Ok(Identity {
            chain,
            key: PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|source| TlsError::Pem {
                path: key.to_owned(),
                source,
            })?,
        })
    }

    /// The certificate of our own in `directory`, made if it isn't there.
    ///
    /// # Errors
    /// If the files can't be read, written or used.
    pub fn self_signed(directory: &Path) -> Result<Identity, TlsError> {
        let certificate = directory.join(CERTIFICATE);
        let key = directory.join(KEY);
        if !certificate.exists() || !key.exists() {
            let (certificate_pem, key_pem) = make()?;
            let in_directory = |source| TlsError::File {
                path: directory.to_owned(),
                source,
            };
            fs::create_dir_all(directory).map_err(in_directory)?;
            // The certificate comes last: where it is, its key is.
            write_private(&key, &key_pem)?;
            write_private(&certificate, &certificate_pem)?;
            make_public(&certificate)?;
        }
        Identity::from_files(&certificate, &key)
    }

    /// TLS with it, for clients that show certificates or not, and speak one of `protocols` (ALPN) where any are named.
    ///
    /// # Errors
    /// If certificate and key do not go together, or the authorities can't be read.
    pub fn server(
        &self,
        clients: ClientCertificates<'_>,
        protocols: &[&[u8]],
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let verifier = |authorities: &Path| {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(authorities)? {
                roots.add(certificate)?;
            }
            Ok::<_, TlsError>(WebPkiClientVerifier::builder_with_provider(
                Arc::new(roots),
                provider,
            ))
        };
        let builder = match clients {
            ClientCertificates::Ignored => builder.with_no_client_auth(),
            ClientCertificates::Requested(authorities) => builder
                .with_client_cert_verifier(verifier(authorities)?.allow_unauthenticated().build()?),
            ClientCertificates::Required(authorities) => {
                builder.with_client_cert_verifier(verifier(authorities)?.build()?)
            }
        };
        let mut config = builder.with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

/// What a listener of HTTP speaks.
const HTTP: &[&[u8]] = &[b"h2", b"http/1.1"];

/// TLS for HTTP with the certificate chain and private key in these PEM files.
///
/// # Errors
/// If a file can't be read or is not what it should be, or the two do not go together.
pub fn from_files(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    Identity::from_files(certificate, key)?.server(ClientCertificates::Ignored, HTTP)
}

/// TLS for HTTP with the certificate of our own in `directory`, made if it isn't there.
///
/// # Errors
/// If the files can't be read, written or used.
pub fn self_signed(directory: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    Identity::self_signed(directory)?.server(ClientCertificates::Ignored, HTTP)
}

/// The certificates in a PEM file, of which there must be one at least.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |source| TlsError::Pem {
        path: path.to_owned(),
        source,
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match found.map_err(pem)? {
        none if none.is_empty() => Err(pem(rustls_pki_types::pem::Error::NoItemsFound)),
        found => Ok(found),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })
}

fn make() -> Result<(String, String), TlsError> {
    let mut names = vec![
        "localhost".to_owned(),
        "*.localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    names.extend(machine_name());
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "headwater");
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// This machine's name, where it can be told and can stand in a certificate.
fn machine_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    (!name.is_empty() && name != "localhost" && name.chars().all(plain)).then(|| name.to_owned())
}

/// Writes a file that is whole or not there, readable by its owner alone from the start.
fn write_private(path: &Path, text: &str) -> Result<(), TlsError> {
    let unfinished = path.with_extension("unfinished");
    let write = || {
        // Left by a start that was killed; its mode is not to be trusted.
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })
}

/// Lets everybody read the certificate.
fn make_public(path: &Path) -> Result<(), TlsError> {
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(path, mode).map_err(|source| TlsError::File {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn fresh_directory(name: &str) -> PathBuf {
        let directory =
            std::env::temp_dir().join(format!("headwater-tls-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        directory
    }

    #[test]
    fn a_certificate_is_made_once_and_its_key_is_private() {
        let directory = fresh_directory("once");
        self_signed(&directory).unwrap();
        let key = fs::read(directory.join(KEY)).unwrap();
        let mode = fs::metadata(directory.join(KEY))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let mode = fs::metadata(directory.join(CERTIFICATE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o644);
        self_signed(&directory).unwrap();
        assert_eq!(fs::read(directory.join(KEY)).unwrap(), key);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn unusable_files_are_named() {
        let directory = fresh_directory("unusable");
        let missing = from_files(&directory.join("a"), &directory.join("b")).unwrap_err();
        assert!(
            missing.to_string().contains("/a: No such file"),
            "{missing}"
        );
        self_signed(&directory).unwrap();
        fs::write(directory.join(KEY), "not a key").unwrap();
        let damaged = self_signed(&directory).unwrap_err();
        assert!(
            damaged.to_string().contains("key.pem is not the PEM file"),
            "{damaged}"
        );
        fs::remove_dir_all(directory).unwrap();
    }
}
