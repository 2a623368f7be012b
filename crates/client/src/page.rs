//! One document that a server publishes for anybody, by an unsigned GET: an issuer's public keys.

use std::fmt;
use std::path::Path;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, LOCATION, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::Full;

use crate::connection::Connections;
use crate::error::ClientError;

/// Where a document is published.
pub struct Page {
    address: Uri,
    connections: Connections,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({self})")
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Page {
    /// The document at `address`, an `http` or `https` URL. For `https` the certificate must be signed by one in
    /// `authorities`, a PEM file, or by one that the machine trusts.
    ///
    /// # Errors
    /// [`ClientError::Setup`] where the address or the authorities are unusable.
    pub fn at(address: &str, authorities: Option<&Path>) -> Result<Page, ClientError> {
        let uri: Option<Uri> = address.parse().ok();
        let uri = uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        let address = uri.ok_or_else(|| {
            ClientError::Setup(format!(
                "must be like https://issuer.example.org/keys, got {address:?}"
            ))
        })?;
        Ok(Page {
            connections: Connections::to(&address, authorities)?,
            address,
        })
    }

    /// What it holds now, over a connection of its own: it is asked for seldom. Redirects are not followed.
    ///
    /// # Errors
    /// What is wrong, also with a document of more than `bytes_max`.
    pub async fn read(&self, bytes_max: usize) -> Result<Bytes, String> {
        let path = self.address.path_and_query();
        let host = self.address.authority();
        let request = Request::get(path.map_or("/", |path| path.as_str()))
            .header(HOST, host.map_or("", |host| host.as_str()))
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "headwater")
            .body(Full::default())
            .map_err(|error| error.to_string())?;
        let answer = self.connections.exchange_once(request, bytes_max).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status() == StatusCode::OK {
            return Ok(answer.into_body());
        }
        let elsewhere = answer.headers().get(LOCATION);
        let elsewhere =
            elsewhere.map(|to| format!(", to {}", String::from_utf8_lossy(to.as_bytes())));
        Err(format!(
            "the server answers {}{}",
            answer.status(),
            elsewhere.unwrap_or_default()
        ))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What is read from a server that answers so, and what it was asked.
    async fn read(answer: &'static str) -> (Result<Bytes, String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(asked).unwrap()
        });
        let page = Page::at(&format!("http://{at}/keys?v=1"), None).unwrap();
        (page.read(10).await, serving.await.unwrap())
    }

    #[tokio::test]
    async fn a_document_is_read_and_what_is_none_is_said() {
        let (read_one, asked) = read("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        assert_eq!(read_one.unwrap(), "{}");
        assert!(asked.starts_with("GET /keys?v=1 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("host: 127.0.0.1:"), "{asked}");
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        assert_eq!(read(chunked).await.0.unwrap(), "{}");
        let long = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n01234567890";
        assert!(read(long).await.0.unwrap_err().contains("limit"));
        let moved = "HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n";
        let why = read(moved).await.0.unwrap_err();
        assert_eq!(why, "the server answers 302 Found, to /login");
        assert!(read("nonsense\r\n\r\n").await.0.is_err());
        for wrong in ["keys.json", "ftp://x/y", "http://"] {
            assert!(Page::at(wrong, None).is_err(), "{wrong}");
        }
    }
}
