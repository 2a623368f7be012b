//! The MD5s by which clients check that what they sent arrived, and that what they receive is whole.
//!
//! Attributes' MD5 is of their concatenation, sorted by name; each is its name, its type and its value, every one of them after
//! its length in four bytes, big-endian, and the value after a byte that tells text (1) from bytes (2). See "Calculating the MD5
//! message digest for message attributes" in the developer guide.

mod lanes;

use md5::{Digest, Md5};

use super::message::Attribute;

/// The MD5 of a message's body.
pub(super) fn of_body(body: &str) -> [u8; 16] {
    Md5::digest(body.as_bytes()).into()
}

/// The MD5s of messages' bodies, in order: faster than one after the other.
pub(super) fn of_bodies<'a>(bodies: impl Iterator<Item = &'a str>) -> Vec<[u8; 16]> {
    let bodies: Vec<&[u8]> = bodies.map(str::as_bytes).collect();
    lanes::digests(&bodies)
}

/// The MD5 of attributes which lie sorted by name; `None` without any.
pub(super) fn of_attributes(attributes: &[Attribute<'_>]) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut digest = Md5::new();
    for attribute in attributes {
        let value = attribute.value.as_bytes();
        add(&mut digest, attribute.name.as_bytes());
        add(&mut digest, attribute.data_type.as_bytes());
        digest.update([attribute.value.kind()]);
        add(&mut digest, value);
    }
    Some(hexadecimal(digest.finalize().as_slice()))
}

fn add(digest: &mut Md5, part: &[u8]) {
    let length = u32::try_from(part.len()).expect("a message is short");
    digest.update(length.to_be_bytes());
    digest.update(part);
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 0xf)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::message::AttributeValue;
    use super::*;

    fn text<'a>(name: &'a str, data_type: &'a str, value: &'a str) -> Attribute<'a> {
        Attribute {
            name,
            data_type,
            value: AttributeValue::Text(value),
        }
    }

    fn hex(body: &str) -> String {
        hexadecimal(&of_body(body))
    }

    #[test]
    fn a_body_s_md5_is_that_of_its_utf_8() {
        // RFC 1321, A.5; the second as AWS answered it (localstack's snapshots).
        assert_eq!(hex(""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex("message-body-1"), "19c9e282d65f9733bc6b35d50062c7ee");
        assert_eq!(hex("foobar"), "3858f62230ac3c915f300c664312c63f");
    }

    /// As AWS answered them (localstack's snapshots).
    #[test]
    fn attributes_have_the_md5s_that_aws_answered() {
        let check = |attributes: &[Attribute<'_>], expected: &str| {
            assert_eq!(of_attributes(attributes).as_deref(), Some(expected));
        };
        let general = text("General", "String", "Kenobi");
        let hello = text("Hello", "String", "There");
        let help = text("Help.Me", "String", "Me");
        check(
            &[general.clone(), hello.clone(), help.clone()],
            "4c360f3fdafd970e05fae2f149d997f5",
        );
        check(
            &[general, hello.clone()],
            "fca026605781cb4126a1e9044df24232",
        );
        check(
            std::slice::from_ref(&hello),
            "a311262e065454b75da111d535b8dacd",
        );
        check(&[hello, help], "83fee93c1bcd8b9a5a923ffacdc636c7");
        check(
            &[text("Foo", "String", "Bar")],
            "ae7155c6026991b6d54b11589678bf9c",
        );
        check(
            &[text("MyAttribute", "String", "foobar")],
            "adb59cd4678ea5a855436b949cd07ab6",
        );
        let binary = Attribute {
            name: "attr1",
            data_type: "Binary",
            value: AttributeValue::Binary(
                b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01",
            ),
        };
        check(&[binary], "8cbe4db156db8a94db8b801b7addb984");
        assert_eq!(of_attributes(&[]), None);
    }
}
