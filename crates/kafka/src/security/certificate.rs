//! The subject of a client's certificate as Java writes it (RFC 2253): what Kafka takes for the client's name.

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

use x509_parser::parse_x509_certificate;
use x509_parser::x509::AttributeTypeAndValue;

/// The attributes with names of their own; all others are numbers, and their values hexadecimal.
const NAMES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
];

/// The subject of a certificate in DER, the most specific part first; `None` where it cannot be read.
pub(crate) fn subject(der: &[u8]) -> Option<String> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    let mut parts: Vec<String> = certificate
        .subject()
        .iter_rdn()
        .map(|part| {
            let attributes: Vec<String> = part.iter().map(attribute).collect();
            attributes.join("+")
        })
        .collect();
    parts.reverse();
    Some(parts.join(","))
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let id = attribute.attr_type().to_id_string();
    let name = NAMES.iter().find(|(known, _)| *known == id);
    match (name, attribute.as_str()) {
        (Some((_, name)), Ok(text)) => format!("{name}={}", escaped(text)),
        _ => format!("{id}=#{}", hex_of(attribute)),
    }
}

fn escaped(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(text.len());
    for (at, character) in text.chars().enumerate() {
        let is_outer_space = character == ' ' && (at == 0 || at == last);
        if is_outer_space || ",=+<>#;\"\\".contains(character) {
            out.push('\\');
        }
        if character == '\0' {
            out.push_str("\\00");
        } else {
            out.push(character);
        }
    }
    out
}

/// The value's DER: tag, length, content.
fn hex_of(attribute: &AttributeTypeAndValue<'_>) -> String {
    let value = attribute.attr_value();
    let content = value.data;
    let mut bytes = vec![u8::try_from(value.tag().0).unwrap_or(u8::MAX)];
    let length = content.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    if content.len() < 0x80 {
        bytes.push(content.len() as u8);
    } else {
        bytes.push(0x80 | length.len() as u8);
        bytes.extend(length);
    }
    bytes.extend(content);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_divides_is_escaped() {
        assert_eq!(escaped("a,b"), r"a\,b");
        assert_eq!(escaped(" a b "), r"\ a b\ ");
        assert_eq!(escaped(r#"#"\<>;+="#), r#"\#\"\\\<\>\;\+\="#);
    }

    #[test]
    fn garbage_has_no_subject() {
        assert_eq!(subject(b""), None);
        assert_eq!(subject(&[0x30, 0x82, 0xff, 0xff, 1]), None);
    }
}
