//! Percent-encoding (RFC 3986) as listings and tag headers have it.

/// `text` with every byte encoded but letters, digits and `-_.~/`, as listings with `encoding-type=url` show keys. A space is
/// `%20`: clients decode by RFC 3986, not as forms.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 15] {
                let digit = char::from_digit(u32::from(digit), 16).unwrap_or_default();
                encoded.push(digit.to_ascii_uppercase());
            }
        }
    }
    encoded
}

/// A form's name or value, decoded: `+` is a space. `None` where it is not UTF-8 or an escape is cut short.
pub(crate) fn decode_form(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high << 4 | low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back() {
        for text in ["", "a/b c+d%e", "ключ", "\u{1}\u{7f}~"] {
            assert_eq!(decode_form(&encode(text)).as_deref(), Some(text));
        }
        assert_eq!(encode("a b/c+é"), "a%20b/c%2B%C3%A9");
        assert_eq!(decode_form("a+b").as_deref(), Some("a b"));
    }

    #[test]
    fn broken_escapes_are_refused() {
        for text in ["%", "%4", "%zz", "%ff", "%+1"] {
            assert_eq!(decode_form(text), None, "{text}");
        }
    }
}
