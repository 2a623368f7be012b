//! What a message may hold: characters, attributes, ids. Texts of refusals are AWS's, as recorded by localstack's snapshots and by
//! local-aws-sqs, whose tests ran against AWS.

use std::collections::BTreeMap;

use super::{Attribute, AttributeValue};
use crate::sqs::api::messages::MessageAttributeValue;
use crate::sqs::error::SqsError;

/// Attributes of one message.
const ATTRIBUTES_MAX: usize = 10;
/// Bytes of an attribute's name, and of its type.
const NAME_BYTES_MAX: usize = 256;
/// Letters of a message group's id, and of a de-duplication id.
const ID_LENGTH_MAX: usize = 128;
/// Significant digits of a number. See "Amazon SQS message metadata", message attribute data types.
const DIGITS_MAX: usize = 38;
/// Decimal exponents of the least and the greatest number.
const EXPONENTS: std::ops::RangeInclusive<i64> = -128..=126;
/// The one system attribute that senders set.
const TRACE_HEADER: &str = "AWSTraceHeader";

/// Whether a message may hold all characters of `text`.
pub(in crate::sqs) fn is_clean(text: &str) -> bool {
    // Text that is nothing but ASCII, as most is, is judged by its bytes.
    let is_plain = |b: u8| (0x20..0x80).contains(&b) || matches!(b, 0x9 | 0xa | 0xd);
    if text.bytes().all(is_plain) {
        return true;
    }
    // Surrogates, which XML excludes too, are no characters of Rust's.
    text.chars()
        .all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}'))
}

/// Refuses characters that XML 1.0 has no place for.
pub(in crate::sqs) fn must_be_clean(text: &str) -> Result<(), SqsError> {
    if is_clean(text) {
        return Ok(());
    }
    Err(SqsError::InvalidMessageContents(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | \
         #x10000 to #x10FFFF"
            .into(),
    ))
}

/// Refuses what can't be a message group's id, a de-duplication id or an attempt's.
pub(in crate::sqs) fn must_be_an_id(id: &str, parameter: &str) -> Result<(), SqsError> {
    let is_id = (1..=ID_LENGTH_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    if is_id {
        return Ok(());
    }
    let reason = format!(
        "{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length."
    );
    Err(SqsError::invalid(id, parameter, &reason))
}

/// A message's attributes as a request has them, by name in order.
///
/// # Errors
/// [`SqsError::InvalidParameterValue`] in most cases.
pub(in crate::sqs) fn attributes(
    given: &BTreeMap<String, MessageAttributeValue>,
) -> Result<Vec<Attribute<'_>>, SqsError> {
    if given.len() > ATTRIBUTES_MAX {
        return refuse(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{ATTRIBUTES_MAX}].",
            given.len()
        ));
    }
    let mut attributes = Vec::with_capacity(given.len());
    for (name, value) in given {
        must_be_a_name(name)?;
        attributes.push(attribute(name, value, "(user)")?);
    }
    Ok(attributes)
}

/// Longest trace header, in bytes. It does not count towards a message's size, and X-Ray's have a hundred or so.
const TRACE_BYTES_MAX: usize = 1 << 10;

/// The trace header among a request's system attributes.
///
/// # Errors
/// [`SqsError::InvalidParameterValue`] for another attribute, and for one that is no text.
pub(in crate::sqs) fn trace_header(
    given: &BTreeMap<String, MessageAttributeValue>,
) -> Result<Option<&str>, SqsError> {
    let mut trace = None;
    for (name, value) in given {
        if name != TRACE_HEADER {
            return refuse(format!(
                "Message system attribute name '{name}' is invalid."
            ));
        }
        match attribute(name, value, "system")? {
            Attribute {
                data_type: "String",
                value: AttributeValue::Text(text),
                ..
            } if text.len() <= TRACE_BYTES_MAX => trace = Some(text),
            Attribute {
                data_type: "String",
                value: AttributeValue::Text(_),
                ..
            } => {
                return refuse(format!(
                    "The message system attribute 'AWSTraceHeader' must be an X-Ray trace header of up to {TRACE_BYTES_MAX} bytes."
                ));
            }
            _ => {
                return refuse(
                    "The message system attribute 'AWSTraceHeader' is reserved for AWS X-Ray trace header. The type must be \
                     'String'."
                        .into(),
                );
            }
        }
    }
    Ok(trace)
}

/// The trace header as an attribute: what its MD5 is of.
pub(in crate::sqs) fn trace_attribute(trace: &str) -> Attribute<'_> {
    Attribute {
        name: TRACE_HEADER,
        data_type: "String",
        value: AttributeValue::Text(trace),
    }
}

fn must_be_a_name(name: &str) -> Result<(), SqsError> {
    let what = "Message (user) attribute name";
    if name.trim().is_empty() {
        return refuse("The request must contain non-empty message (user) attribute names.".into());
    }
    if name.len() > NAME_BYTES_MAX {
        return refuse(format!("{what} must be shorter than 256 bytes."));
    }
    // Letters with accents pass, though the guide does not say so (localstack's tests, run against AWS).
    let is_legal = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.chars().all(is_legal) {
        return refuse(
            "Invalid non-alphanumeric character was found in the message attribute name. Can only include alphanumeric \
             characters, hyphens, underscores, or dots."
                .into(),
        );
    }
    let folded = name.to_ascii_lowercase();
    if folded.starts_with("aws.") || folded.starts_with("amazon.") {
        return refuse(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal \
             use."
                .into(),
        );
    }
    if name.starts_with('.') {
        return refuse(format!("{what} must not begin with character '.'."));
    }
    if name.ends_with('.') {
        return refuse(format!("{what} must not end with character '.'."));
    }
    if name.contains("..") {
        return refuse(format!("{what} must not have successive '.' characters."));
    }
    Ok(())
}

/// `owner` is how texts tell users' attributes from the system's.
fn attribute<'a>(
    name: &'a str,
    given: &'a MessageAttributeValue,
    owner: &str,
) -> Result<Attribute<'a>, SqsError> {
    let has_list = |count: Option<usize>| count.is_some_and(|count| count > 0);
    if has_list(given.string_list_values.as_ref().map(Vec::len))
        || has_list(given.binary_list_values.as_ref().map(Vec::len))
    {
        return Err(SqsError::UnsupportedOperation(
            "Message attribute list values in SendMessage operation are not supported.".into(),
        ));
    }
    let data_type = given.data_type.as_deref().unwrap_or_default();
    let text = given.string_value.as_deref();
    let binary = given.binary_value.as_ref().map(AsRef::<[u8]>::as_ref);
    if data_type.is_empty() {
        let missing = if text.is_none() && binary.is_none() {
            "value"
        } else {
            "type"
        };
        return refuse(format!(
            "The message {owner} attribute '{name}' must contain a non-empty message attribute {missing}."
        ));
    }
    let kind = must_be_a_type(name, data_type, owner)?;
    let value = match (text, binary) {
        (Some(_), Some(_)) => {
            return refuse(format!(
                "Message {owner} attribute '{name}' must have a single value."
            ));
        }
        (Some(text), None) if !text.is_empty() => AttributeValue::Text(text),
        (None, Some(bytes)) if !bytes.is_empty() => AttributeValue::Binary(bytes),
        _ => {
            return refuse(format!(
                "Message {owner} attribute '{name}' must contain a non-empty value of type '{data_type}'."
            ));
        }
    };
    must_fit(name, kind, value, owner)?;
    Ok(Attribute {
        name,
        data_type,
        value,
    })
}

/// The type's first part.
fn must_be_a_type<'a>(name: &str, data_type: &'a str, owner: &str) -> Result<&'a str, SqsError> {
    if data_type.len() > NAME_BYTES_MAX {
        return refuse(format!(
            "Message {owner} attribute type must be shorter than 256 bytes."
        ));
    }
    let kind = data_type.split('.').next().unwrap_or_default();
    if !matches!(kind, "String" | "Number" | "Binary") {
        return refuse(format!(
            "The type of message {owner} attribute '{name}' is invalid. You must use only the following supported type \
             prefixes: Binary, Number, String."
        ));
    }
    Ok(kind)
}

/// Refuses a value that is none of its type.
fn must_fit(
    name: &str,
    kind: &str,
    value: AttributeValue<'_>,
    owner: &str,
) -> Result<(), SqsError> {
    match (kind, value) {
        ("Binary", AttributeValue::Text(_)) => refuse(format!(
            "Message {owner} attribute '{name}' with type 'Binary' must use field 'Binary'."
        )),
        ("String" | "Number", AttributeValue::Binary(_)) => refuse(format!(
            "Message {owner} attribute '{name}' with type '{kind}' must use field 'String'."
        )),
        ("Number", AttributeValue::Text(text)) if !is_number(text) => refuse(format!(
            "Can't cast the value of message {owner} attribute '{name}' to a number."
        )),
        (_, AttributeValue::Text(text)) if !is_clean(text) => refuse(format!(
            "Message {owner} attribute '{name}' contains invalid characters. Valid unicode characters are #x9 | #xA | #xD | \
             #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
        )),
        _ => Ok(()),
    }
}

/// Whether `text` is a number of up to 38 digits between 10^-128 and 10^126, or 0.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => match exponent.parse::<i64>() {
            Ok(exponent) => (mantissa, exponent),
            Err(_) => return false,
        },
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return true;
    }
    let leading_zeros = (digits.len() - significant.len()) as i64;
    let magnitude = exponent
        .saturating_add(whole.len() as i64 - leading_zeros)
        .saturating_sub(1);
    significant.trim_end_matches('0').len() <= DIGITS_MAX && EXPONENTS.contains(&magnitude)
}

fn refuse<T>(text: String) -> Result<T, SqsError> {
    Err(SqsError::InvalidParameterValue(text))
}

#[cfg(test)]
mod tests {
    use aws::shapes::Blob;

    use super::*;

    fn text(data_type: &str, value: &str) -> MessageAttributeValue {
        MessageAttributeValue {
            data_type: Some(data_type.into()),
            string_value: Some(value.into()),
            ..MessageAttributeValue::default()
        }
    }

    fn binary(data_type: &str, value: &'static [u8]) -> MessageAttributeValue {
        MessageAttributeValue {
            data_type: Some(data_type.into()),
            binary_value: Some(Blob(value.into())),
            ..MessageAttributeValue::default()
        }
    }

    /// What is answered to one attribute: nothing where it is accepted.
    fn answer(name: &str, value: MessageAttributeValue) -> String {
        let given = BTreeMap::from([(name.to_owned(), value)]);
        attributes(&given).map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn characters_are_those_of_xml() {
        for good in [
            "a",
            "\t\n\r ~",
            "\u{7f}é\u{d7ff}\u{e000}\u{fffd}",
            "\u{10000}\u{10ffff}",
        ] {
            assert!(is_clean(good), "{good:?}");
        }
        for bad in ["\0", "a\u{8}", "\u{b}", "\u{1f}é", "\u{fffe}", "\u{ffff}"] {
            assert!(!is_clean(bad), "{bad:?}");
        }
    }

    #[test]
    fn ids_are_128_visible_characters() {
        for good in ["a", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", &"a".repeat(128)] {
            assert_eq!(must_be_an_id(good, "MessageGroupId"), Ok(()));
        }
        for bad in ["", "group 123", "é", "a\u{8}", &"a".repeat(129)] {
            let expected = format!(
                "Value {bad} for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric \
                 and punctuation characters. 1 to 128 in length."
            );
            let refused = must_be_an_id(bad, "MessageGroupId").unwrap_err();
            assert_eq!(refused, SqsError::InvalidParameterValue(expected));
        }
    }

    #[test]
    fn names_of_attributes_follow_the_guide() {
        let refused = |name: &str, expected: &str| {
            let seen = answer(name, text("String", "v"));
            assert!(seen.contains(expected), "{name}: {seen}");
            assert_eq!(seen.is_empty(), expected.is_empty(), "{name}: {seen}");
        };
        refused("attr.1øßä", "");
        refused(&"n".repeat(256), "");
        refused(&"n".repeat(257), "shorter than 256 bytes");
        refused("", "non-empty message (user) attribute names");
        refused(
            "aWs.x",
            "You can't use message attribute names beginning with 'AWS.'",
        );
        refused(
            "AMAZON.x",
            "'Amazon'. These strings are reserved for internal use.",
        );
        refused(".x", "must not begin with character '.'.");
        refused("x.", "must not end with character '.'.");
        refused("x..y", "successive '.'");
        for letter in ["!", "\"", "§", "(", "?", " "] {
            refused(&format!("a{letter}b"), "Invalid non-alphanumeric character");
        }
    }

    #[test]
    fn values_are_of_their_type() {
        let check = |value: MessageAttributeValue, expected: &str| {
            assert_eq!(answer("A", value), expected);
        };
        check(text("String", "x"), "");
        check(text("String.label", "x"), "");
        check(text("Number.int", "12"), "");
        check(binary("Binary.png", &[0, 1]), "");
        check(
            text("String", ""),
            "Message (user) attribute 'A' must contain a non-empty value of type 'String'.",
        );
        check(
            text("Strin", "x"),
            "The type of message (user) attribute 'A' is invalid. You must use only the following supported type prefixes: \
             Binary, Number, String.",
        );
        check(
            text("Number", "Hello"),
            "Can't cast the value of message (user) attribute 'A' to a number.",
        );
        check(
            text("Binary", "x"),
            "Message (user) attribute 'A' with type 'Binary' must use field 'Binary'.",
        );
        check(
            binary("Number", b"1"),
            "Message (user) attribute 'A' with type 'Number' must use field 'String'.",
        );
        check(
            MessageAttributeValue::default(),
            "The message (user) attribute 'A' must contain a non-empty message attribute value.",
        );
        check(
            text("", "x"),
            "The message (user) attribute 'A' must contain a non-empty message attribute type.",
        );
        let both = MessageAttributeValue {
            string_value: Some("x".into()),
            ..binary("Binary", b"x")
        };
        check(
            both,
            "Message (user) attribute 'A' must have a single value.",
        );
        let long = text(&format!("Number.{}", "L".repeat(256)), "1");
        check(
            long,
            "Message (user) attribute type must be shorter than 256 bytes.",
        );
        assert!(answer("A", text("String", "a\u{8}")).contains("invalid characters"));
        let list = MessageAttributeValue {
            string_list_values: Some(vec!["a".into()]),
            ..text("String", "x")
        };
        check(
            list,
            "Message attribute list values in SendMessage operation are not supported.",
        );
    }

    #[test]
    fn there_are_ten_attributes_at_most() {
        let many = |count: usize| -> BTreeMap<String, MessageAttributeValue> {
            (0..count)
                .map(|at| (format!("a{at}"), text("String", "v")))
                .collect()
        };
        assert_eq!(attributes(&many(10)).unwrap().len(), 10);
        let refused = attributes(&many(11)).unwrap_err().to_string();
        assert_eq!(
            refused,
            "Number of message attributes [11] exceeds the allowed maximum [10]."
        );
    }

    #[test]
    fn numbers_have_38_digits_and_two_bounds() {
        let digits = "1".repeat(38);
        let good = [
            "0",
            "-0.0",
            "+1",
            "1.",
            ".5",
            "1e3",
            "1E-128",
            "9e126",
            "1614717034367",
            "00012",
            &digits,
            &format!("{digits}000"),
        ];
        for good in good {
            assert!(is_number(good), "{good}");
        }
        let bad = [
            "",
            "-",
            ".",
            "e5",
            "1e",
            "0x10",
            "1 ",
            "NaN",
            "inf",
            "1e127",
            "1e-129",
            "1.2.3",
            "--1",
            "1e99999999999999999999",
            &"1".repeat(39),
        ];
        for bad in bad {
            assert!(!is_number(bad), "{bad}");
        }
    }

    #[test]
    fn the_trace_header_is_the_one_system_attribute() {
        let of = |name: &str, value: MessageAttributeValue| {
            let given = BTreeMap::from([(name.to_owned(), value)]);
            trace_header(&given).map(|trace| trace.map(str::to_owned))
        };
        let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
        assert_eq!(
            of("AWSTraceHeader", text("String", trace)),
            Ok(Some(trace.into()))
        );
        let refused = of("Hello", text("String", "x")).unwrap_err().to_string();
        assert_eq!(refused, "Message system attribute name 'Hello' is invalid.");
        for wrong in [
            text("Number", "1"),
            text("String.x", "1"),
            binary("Binary", b"1"),
        ] {
            let refused = of("AWSTraceHeader", wrong).unwrap_err().to_string();
            assert!(refused.ends_with("The type must be 'String'."), "{refused}");
        }
        assert_eq!(trace_header(&BTreeMap::new()), Ok(None));
    }
}
