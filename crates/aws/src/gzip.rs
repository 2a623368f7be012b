//! Bodies that come compressed: SDKs compress a PutMetricData from 10 KiB on (Smithy 2.0, `requestCompression`). The signature is
//! over the compressed bytes.

use std::io::Read;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use crate::body::Untaken;
use crate::held::Held;
use crate::limits::Limits;

/// How much is inflated before it is counted.
const PIECE_BYTES: usize = 64 << 10;

/// The body as it was before its client compressed it; itself where the headers do not say so. What is inflated is held to the
/// limits of any body, and counted in `held` piece by piece.
pub(crate) fn open(
    headers: &HeaderMap,
    body: &Bytes,
    limits: &Limits,
    held: &mut Held,
) -> Result<Bytes, Untaken> {
    let is_gzip = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"));
    if !is_gzip || body.is_empty() {
        return Ok(body.clone());
    }
    let mut decoder = MultiGzDecoder::new(body.as_ref());
    let mut whole = Vec::new();
    loop {
        let before = whole.len();
        let piece = (&mut decoder).take(PIECE_BYTES as u64);
        let count = { piece }
            .read_to_end(&mut whole)
            .map_err(|_| Untaken::NotGzip)?;
        if count == 0 {
            return Ok(whole.into());
        }
        if whole.len() > limits.body_bytes_max {
            return Err(Untaken::TooLarge);
        }
        held.add(whole.len() - before, limits)?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::HeaderValue;

    use super::*;
    use crate::held::Buffered;

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    fn opened(encoding: &'static str, body: &Bytes, limits: &Limits) -> Result<Bytes, Untaken> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        open(&headers, body, limits, &mut Buffered::default().hold_none())
    }

    #[test]
    fn what_is_compressed_is_opened() {
        let limits = Limits::default();
        let long = vec![b'x'; 3 * PIECE_BYTES + 1];
        for plain in [&b""[..], b"abc", &long] {
            assert_eq!(opened("gzip", &gzip(plain), &limits).unwrap(), plain);
        }
        let plain = Bytes::from_static(b"abc");
        assert_eq!(opened("identity", &plain, &limits).unwrap(), plain);
        assert_eq!(
            open(
                &HeaderMap::new(),
                &plain,
                &limits,
                &mut Buffered::default().hold_none()
            ),
            Ok(plain)
        );
    }

    #[test]
    fn what_is_not_gzip_or_too_much_is_refused() {
        let limits = Limits {
            body_bytes_max: PIECE_BYTES,
            buffered_bytes_max: PIECE_BYTES / 2,
            ..Limits::default()
        };
        let garbage = Bytes::from_static(b"abc");
        assert_eq!(opened("gzip", &garbage, &limits), Err(Untaken::NotGzip));
        let whole = gzip(b"some text that is cut off");
        let cut = whole.slice(..whole.len() - 3);
        assert_eq!(opened("gzip", &cut, &limits), Err(Untaken::NotGzip));
        let bomb = gzip(&vec![0; 64 * PIECE_BYTES]);
        assert_eq!(opened("gzip", &bomb, &limits), Err(Untaken::NoRoom));
        let limits = Limits {
            buffered_bytes_max: usize::MAX,
            ..limits
        };
        assert_eq!(opened("gzip", &bomb, &limits), Err(Untaken::TooLarge));
    }
}
