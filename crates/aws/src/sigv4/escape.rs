//! Percent-encoding as SigV4 wants it: all but `A-Z a-z 0-9 - . _ ~`, in capitals.

use std::borrow::Cow;

/// Encodes; `keep_slash` for paths.
pub(super) fn encode_into(out: &mut String, bytes: &[u8], keep_slash: KeepSlash) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if plain || (byte == b'/' && keep_slash == KeepSlash::Yes) {
            out.push(byte.into());
        } else {
            out.push('%');
            out.push(DIGITS[usize::from(byte >> 4)].into());
            out.push(DIGITS[usize::from(byte & 0xf)].into());
        }
    }
}

/// Whether a slash stands for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeepSlash {
    Yes,
    No,
}

/// Decodes `%XX`; what is no such escape is left as it is.
pub(crate) fn decode(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return Cow::Borrowed(text.as_bytes());
    }
    let digit = |byte: Option<&u8>| byte.and_then(|b| char::from(*b).to_digit(16));
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(out)
}

/// Decodes to text; bytes that are not UTF-8 are replaced.
pub(crate) fn decode_text(text: &str) -> String {
    String::from_utf8_lossy(&decode(text)).into_owned()
}

/// The names and values of a query, still encoded.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(plain: &[u8], encoded: &str) {
        let mut out = String::new();
        encode_into(&mut out, plain, KeepSlash::No);
        assert_eq!(out, encoded);
        assert_eq!(decode(encoded).as_ref(), plain);
    }

    #[test]
    fn escapes() {
        check(b"aZ0-._~", "aZ0-._~");
        check(b"a b/+%", "a%20b%2F%2B%25");
        check("ü".as_bytes(), "%C3%BC");
        assert_eq!(decode("%",).as_ref(), b"%");
        assert_eq!(decode("%4").as_ref(), b"%4");
        assert_eq!(decode("%zz%41").as_ref(), b"%zzA");
    }

    #[test]
    fn queries_come_apart() {
        let found: Vec<_> = pairs("a=1&b&&c=d=e").collect();
        assert_eq!(found, [("a", "1"), ("b", ""), ("c", "d=e")]);
    }
}
