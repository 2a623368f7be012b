//! The record's bytes, there and back.

use model::{Batch, Offset};
use proptest::prelude::{any, prop_assert_eq, proptest};

use super::*;

fn full() -> Message<'static> {
    Message {
        id: MessageId([
            0x1d, 0x3f, 0, 1, 2, 3, 0x44, 5, 0x86, 7, 8, 9, 10, 11, 12, 13,
        ]),
        sent: Timestamp(1_700_000_000_123),
        body: "hello, wörld",
        digest: md5::of_body("hello, wörld"),
        group: Some("group-1"),
        deduplication: Some("dedup-1".into()),
        delay: Duration::from_secs(900),
        sender: "123456789012",
        trace: Some("Root=1-5759e988-bd862e3fe1be46a994272793"),
        attributes: vec![
            Attribute {
                name: "Age",
                data_type: "Number.int",
                value: AttributeValue::Text("42"),
            },
            Attribute {
                name: "Icon",
                data_type: "Binary",
                value: AttributeValue::Binary(&[0, 255]),
            },
        ],
        origin: Some(Origin {
            receives: 3,
            first_received: Timestamp(1_700_000_000_456),
            source_arn: "arn:aws:sqs:us-east-1:123456789012:source",
        }),
    }
}

fn plain(body: &str) -> Message<'_> {
    Message {
        id: MessageId([7; 16]),
        sent: Timestamp(5),
        body,
        digest: [9; 16],
        group: None,
        deduplication: None,
        delay: Duration::ZERO,
        sender: "",
        trace: None,
        attributes: Vec::new(),
        origin: None,
    }
}

fn batch(messages: &[Message<'_>]) -> Batch {
    let mut builder = BatchBuilder::with_capacity(256);
    for message in messages {
        message.push_to(&mut builder);
    }
    builder.finish()
}

fn read(batch: &Batch) -> Vec<Message<'_>> {
    batch
        .records(Offset(9))
        .map(|record| Message::read(&record).unwrap())
        .collect()
}

#[test]
fn messages_come_back_as_they_were() {
    let messages = [full(), plain("x"), plain("é")];
    assert_eq!(read(&batch(&messages)), messages);
}

/// What is at rest stays readable: these bytes may not change.
#[test]
fn a_record_lies_as_the_table_says() {
    let batch = batch(&[full()]);
    let seen: String = batch
        .payload()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(seen, include_str!("golden.txt").trim_end());
}

#[test]
fn an_id_shows_as_a_uuid() {
    assert_eq!(
        full().id.to_string(),
        "1d3f0001-0203-4405-8607-08090a0b0c0d"
    );
    let random = MessageId::random(&Rng::seeded(1)).to_string();
    assert_eq!(random.as_bytes()[14], b'4', "{random}");
    assert!(
        matches!(random.as_bytes()[19], b'8' | b'9' | b'a' | b'b'),
        "{random}"
    );
}

#[test]
fn delivery_learns_delay_and_group() {
    let delayed = batch(&[full()]);
    let arrival_of = |batch: &Batch, queue_delay| {
        let record = batch.records(Offset(0)).next().unwrap();
        arrival(&record, queue_delay)
    };
    let expected = Arrival {
        sent: Timestamp(1_700_000_000_123),
        due: Timestamp(1_700_000_900_123),
        group: Some(Group::of(b"group-1")),
    };
    assert_eq!(arrival_of(&delayed, Duration::ZERO), expected);
    let plain = batch(&[plain("x")]);
    let expected = Arrival {
        sent: Timestamp(5),
        due: Timestamp(2_005),
        group: None,
    };
    assert_eq!(arrival_of(&plain, Duration::from_secs(2)), expected);
}

#[test]
fn size_counts_the_body_and_all_of_the_attributes() {
    assert_eq!(plain("é").size(), 2);
    let attributes = "AgeNumber.int42".len() + "IconBinary".len() + 2;
    assert_eq!(full().size(), "hello, wörld".len() + attributes);
}

/// A record with these headers.
fn with_headers(headers: &[(&[u8], Option<&[u8]>)], value: Option<&[u8]>) -> Batch {
    let headers: Vec<Header<'_>> = headers
        .iter()
        .map(|&(name, value)| Header { name, value })
        .collect();
    let mut builder = BatchBuilder::with_capacity(64);
    builder.push(Timestamp(0), None, value, &headers);
    builder.finish()
}

#[test]
fn what_is_no_message_is_damaged() {
    let id: (&[u8], Option<&[u8]>) = (b"i", Some(&[0; 16]));
    let md5: (&[u8], Option<&[u8]>) = (b"m", Some(&[0; 16]));
    let check = |headers: &[(&[u8], Option<&[u8]>)], value: Option<&[u8]>| {
        let batch = with_headers(headers, value);
        let record = batch.records(Offset(3)).next().unwrap();
        let error = Message::read(&record).unwrap_err();
        assert!(
            matches!(error, StoreError::Damaged { position: 3, .. }),
            "{error}"
        );
        // Delivery asks before anybody looks.
        assert_eq!(arrival(&record, Duration::ZERO).sent, Timestamp(0));
    };
    check(&[], Some(b"x"));
    check(&[id], Some(b"x"));
    check(&[md5], Some(b"x"));
    check(&[id, (b"m", Some(&[0; 15]))], Some(b"x"));
    check(&[id, md5], None);
    check(&[id, md5], Some(&[0xff]));
    check(&[md5, (b"i", Some(&[0; 15]))], Some(b"x"));
    check(&[id, md5, (b"w", Some(&[0; 3]))], Some(b"x"));
    check(&[id, md5, (b"s", Some(&[0xff]))], Some(b"x"));
    check(&[id, md5, (b"s", None)], Some(b"x"));
    check(&[id, md5, (b"o", Some(&[0; 11]))], Some(b"x"));
    check(&[id, md5, (b"a", Some(&[0, 1]))], Some(b"x"));
    let of_no_kind = b"\0\x01n\0\x01t\x03\0\0\0\0";
    check(&[id, md5, (b"a", Some(of_no_kind))], Some(b"x"));
    let later = with_headers(&[id, md5, (b"z", Some(b"later"))], Some(b"x"));
    assert_eq!(read(&later)[0].body, "x");
}

proptest! {
    #[test]
    fn any_message_comes_back(
        body in ".{1,40}",
        group in proptest::option::of("[!-~]{1,20}"),
        deduplication in proptest::option::of("[!-~]{1,20}"),
        millis in 0u64..900_000,
        attributes in proptest::collection::btree_map("[a-z]{1,5}", proptest::collection::vec(any::<u8>(), 1..9), 0..10),
    ) {
        let attributes = attributes.iter().map(|(name, value)| Attribute {
            name,
            data_type: "Binary",
            value: AttributeValue::Binary(value),
        });
        let message = Message {
            group: group.as_deref(),
            deduplication: deduplication.as_deref().map(Cow::from),
            delay: Duration::from_millis(millis),
            attributes: attributes.collect(),
            ..plain(&body)
        };
        let batch = batch(std::slice::from_ref(&message));
        prop_assert_eq!(read(&batch), vec![message]);
    }

    #[test]
    fn garbage_in_headers_is_refused_and_no_more(
        name in "[imswdtao]",
        value in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let batch = with_headers(&[(b"i", Some(&[0; 16])), (name.as_bytes(), Some(&value))], Some(b"x"));
        let record = batch.records(Offset(0)).next().unwrap();
        let _ = Message::read(&record);
        let _ = arrival(&record, Duration::ZERO);
    }
}
