//! Taking a body from the network to the disk: hashed and written piece by piece, checked, synced.

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::HeaderMap;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::StreamingBlob;
use s3s::stream::ByteStream as _;
use s3s::{S3Request, StdError, TrailingHeaders};
use tokio::task::spawn_blocking;

use crate::bodies::{Bodies, Draft, Unnamed};
use crate::checksums::{Algorithm, Checksum, Hasher, Wanted};
use crate::error::{Error, Result};
use crate::incoming::Passage;
use crate::limits::{PUT_BYTES_MAX, WRITE_BYTES};

/// What a request says of its body.
pub(crate) struct Expected {
    /// In bytes.
    pub(crate) length: Option<u64>,
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) checksum: Option<Wanted>,
    pub(crate) trailers: Trailers,
}

/// Where the body's trailers will be found, and why it broke.
pub(crate) struct Trailers {
    by_s3s: Option<TrailingHeaders>,
    passage: Passage,
}

/// A body that is durable and named by nothing yet.
pub(crate) struct Received {
    pub(crate) body: Unnamed,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) md5: [u8; 16],
    pub(crate) checksum: Option<Checksum>,
}

/// What the bytes go through.
pub(crate) struct Sink {
    draft: Draft,
    md5: Md5,
    checksum: Option<Hasher>,
    size: u64,
}

impl Trailers {
    pub(crate) fn of<T>(request: &S3Request<T>) -> Trailers {
        Trailers {
            by_s3s: request.trailing_headers.clone(),
            passage: request.extensions.get().cloned().unwrap_or_default(),
        }
    }

    fn take(&self) -> Option<HeaderMap> {
        match &self.by_s3s {
            Some(checked) => checked.take(),
            None => self.passage.trailers(),
        }
    }

    /// Why the stream of the body failed.
    fn blame(&self, error: &StdError) -> Error {
        if let Some(known) = self.passage.broken() {
            return known;
        }
        // s3s keeps the types of these to itself.
        let text = error.to_string();
        if text.contains("Sha256Mismatch") {
            Error::ContentSha256Mismatch
        } else if text.contains("SignatureMismatch") {
            Error::SignatureDoesNotMatch
        } else {
            Error::IncompleteBody
        }
    }
}

/// How long a body is to be: its own length, not that of the framing around it.
pub(crate) fn length<T>(
    request: &S3Request<T>,
    content_length: Option<i64>,
    body: Option<&StreamingBlob>,
) -> Result<Option<u64>> {
    if let Some(decoded) = request.headers.get("x-amz-decoded-content-length") {
        let decoded = decoded.to_str().ok().and_then(|text| text.parse().ok());
        let invalid = || Error::argument("x-amz-decoded-content-length must be a number of bytes");
        return decoded.map(Some).ok_or_else(invalid);
    }
    if let Some(length) = content_length {
        let invalid = |_| Error::argument("Content-Length must be a number of bytes");
        return u64::try_from(length).map(Some).map_err(invalid);
    }
    let exact = body.and_then(|body| body.remaining_length().exact());
    Ok(exact.map(|length| length as u64))
}

/// The digest a Content-MD5 header gives.
pub(crate) fn content_md5(header: Option<&str>) -> Result<Option<[u8; 16]>> {
    let Some(text) = header else {
        return Ok(None);
    };
    let digest = base64_simd::STANDARD.decode_to_vec(text.as_bytes()).ok();
    let digest = digest.and_then(|digest| <[u8; 16]>::try_from(digest).ok());
    digest.map(Some).ok_or(Error::InvalidDigest("Content-MD5"))
}

/// Takes a body: it is as long and hashes as it was said to, or is not kept.
pub(crate) async fn receive(
    bodies: &Bodies,
    body: Option<StreamingBlob>,
    expected: Expected,
) -> Result<Received> {
    let length = expected.length.ok_or(Error::MissingContentLength)?;
    if length > PUT_BYTES_MAX {
        return Err(Error::EntityTooLarge);
    }
    let algorithm = expected.checksum.as_ref().map(Wanted::algorithm);
    let mut sink = Sink::open(bodies, algorithm).await?;
    let mut gathered = Vec::new();
    let mut gathered_bytes = 0;
    let mut total = 0_u64;
    if let Some(mut body) = body {
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| expected.trailers.blame(&error))?;
            total += piece.len() as u64;
            if total > length {
                return Err(Error::IncompleteBody);
            }
            gathered_bytes += piece.len();
            gathered.push(piece);
            if gathered_bytes >= WRITE_BYTES {
                sink = sink.write(std::mem::take(&mut gathered)).await?;
                gathered_bytes = 0;
            }
        }
    }
    if total != length {
        return Err(Error::IncompleteBody);
    }
    let trailers = expected.trailers.take();
    let check = move |md5: [u8; 16], checksum: Option<&Checksum>| {
        if expected.md5.is_some_and(|said| said != md5) {
            return Err(Error::BadDigest("Content-MD5"));
        }
        match (&expected.checksum, checksum) {
            (Some(wanted), Some(computed)) => wanted.check(computed, trailers.as_ref()),
            _ => Ok(()),
        }
    };
    sink.finish(gathered, check).await
}

impl Sink {
    /// A new body, with its MD5 and one checksum computed as it is written.
    pub(crate) async fn open(bodies: &Bodies, algorithm: Option<Algorithm>) -> Result<Sink> {
        let bodies = bodies.clone();
        let draft = blocking(move || bodies.create()).await?;
        Ok(Sink {
            draft,
            md5: Md5::new(),
            checksum: algorithm.map(Hasher::new),
            size: 0,
        })
    }

    /// Adds bytes.
    pub(crate) async fn write(mut self, pieces: Vec<Bytes>) -> Result<Sink> {
        blocking(move || {
            self.take(&pieces)?;
            Ok(self)
        })
        .await
    }

    /// Adds the last bytes, and makes the body durable if `check` has nothing against it.
    pub(crate) async fn finish(
        mut self,
        pieces: Vec<Bytes>,
        check: impl FnOnce([u8; 16], Option<&Checksum>) -> Result<()> + Send + 'static,
    ) -> Result<Received> {
        blocking(move || {
            self.take(&pieces)?;
            let md5 = self.md5.finalize();
            let checksum = self.checksum.map(Hasher::finish);
            if let Err(refused) = check(md5, checksum.as_ref()) {
                return Ok(Err(refused));
            }
            Ok(Ok(Received {
                body: self.draft.finish()?,
                size: self.size,
                md5,
                checksum,
            }))
        })
        .await?
    }

    fn take(&mut self, pieces: &[Bytes]) -> std::io::Result<()> {
        for piece in pieces {
            self.md5.update(piece);
            if let Some(checksum) = &mut self.checksum {
                checksum.update(piece);
            }
            self.draft.write(piece)?;
            self.size += piece.len() as u64;
        }
        Ok(())
    }
}

/// Work on the disk, away from the threads that serve the network.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(Error::disk)
}
