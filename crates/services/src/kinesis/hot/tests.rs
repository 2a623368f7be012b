//! The quick readers against the document, and the replies against documents.

use aws::{Format, RawRequest, Timestamp, Value};
use bytes::Bytes;
use http::HeaderMap;
use model::{Offset, SequenceNumber};
use proptest::prelude::*;

use super::put::Data;
use super::reply::{
    ChildShard, EntryReply, PageReply, PutReply, RecordReply, RecordsWriter, put_record,
    put_records,
};
use super::{cbor, document, json};

const FORMATS: [Format; 2] = [Format::Json, Format::Cbor];

/// Both readers must agree wherever the quick one has an opinion. Gives whether it had.
fn check_put_records(format: Format, body: &Bytes) -> bool {
    let quick = match format {
        Format::Json => json::put_records(body),
        Format::Cbor => cbor::put_records(body),
    };
    let slow = document::put_records(format, body);
    if let Some(quick) = &quick {
        assert_eq!(Ok(quick), slow.as_ref(), "{body:?}");
    }
    let request = RawRequest {
        format,
        body: body.clone(),
        headers: HeaderMap::new(),
    };
    assert_eq!(super::put_records(&request), slow);
    quick.is_some()
}

fn check_put_record(format: Format, body: &Bytes) -> bool {
    let quick = match format {
        Format::Json => json::put_record(body),
        Format::Cbor => cbor::put_record(body),
    };
    let slow = document::put_record(format, body);
    if let Some(quick) = &quick {
        assert_eq!(Ok(quick), slow.as_ref(), "{body:?}");
    }
    quick.is_some()
}

fn map(members: Vec<(&str, Value)>) -> Value {
    let members = members.into_iter();
    Value::Map(
        members
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

/// Data as each format has it: JSON's document takes bytes and writes base64.
fn data() -> impl Strategy<Value = Value> {
    prop::collection::vec(any::<u8>(), 0..80).prop_map(|bytes| Value::Bytes(bytes.into()))
}

fn plain_record() -> impl Strategy<Value = Value> {
    let hash_key = prop::option::of(any::<u128>());
    (data(), "\\PC{1,20}|[\"\\\\\n]{1,3}", hash_key).prop_map(|(data, key, hash_key)| {
        let mut members = vec![("Data", data), ("PartitionKey", key.into())];
        members.extend(hash_key.map(|key| ("ExplicitHashKey", key.to_string().into())));
        map(members)
    })
}

/// Anything that a member may be by mistake.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(Value::Bool(true)),
        any::<i64>().prop_map(Value::Int),
        "[A-Za-z0-9+/=]{0,12}".prop_map(Value::from),
        Just(Value::from("x".repeat(300))),
        Just(Value::from("00")),
        Just(Value::from("9".repeat(39))),
        Just(Value::List(vec![])),
        Just(map(vec![("Data", "eA==".into())])),
        data(),
    ]
}

const MEMBERS: [&str; 9] = [
    "Data",
    "PartitionKey",
    "ExplicitHashKey",
    "SequenceNumberForOrdering",
    "StreamName",
    "StreamARN",
    "StreamId",
    "DryRun",
    "Unknown",
];

fn odd_members() -> impl Strategy<Value = Vec<(String, Value)>> {
    let member = (prop::sample::select(&MEMBERS[..]), odd());
    prop::collection::vec(
        member.prop_map(|(name, value)| (name.to_owned(), value)),
        0..3,
    )
}

/// A record with some members replaced, doubled or added.
fn odd_record() -> impl Strategy<Value = Value> {
    (plain_record(), odd_members(), any::<bool>()).prop_map(|(record, odd, front)| {
        let Value::Map(members) = record else {
            unreachable!("a record is a map");
        };
        let both = if front {
            [odd, members]
        } else {
            [members, odd]
        };
        Value::Map(both.concat())
    })
}

fn stream() -> impl Strategy<Value = (String, Value)> {
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    prop_oneof![
        Just(("StreamName".to_owned(), Value::from("a-stream.1"))),
        Just(("StreamARN".to_owned(), Value::from(arn))),
        Just(("StreamARN".to_owned(), Value::from("arn:no"))),
        Just(("StreamName".to_owned(), Value::from("a b"))),
    ]
}

proptest! {
    #[test]
    fn plain_requests_are_read_quickly(records in prop::collection::vec(plain_record(), 1..20)) {
        for format in FORMATS {
            let single = records[0].clone();
            let body = map(vec![("StreamName", "s".into()), ("Records", Value::List(records.clone()))]);
            prop_assert!(check_put_records(format, &format.encode(&body)));
            let Value::Map(mut members) = single else { unreachable!("a record is a map") };
            members.push(("StreamName".to_owned(), "s".into()));
            members.push(("SequenceNumberForOrdering".to_owned(), "17".into()));
            prop_assert!(check_put_record(format, &format.encode(&Value::Map(members))));
        }
    }

    #[test]
    fn both_ways_read_the_same(
        records in prop::collection::vec(prop_oneof![plain_record(), odd_record(), odd()], 0..4),
        stream in stream(),
        more in odd_members(),
    ) {
        for format in FORMATS {
            let mut members = vec![("Records".to_owned(), Value::List(records.clone())), stream.clone()];
            members.extend(more.clone());
            check_put_records(format, &format.encode(&Value::Map(members)));
            for record in &records {
                if let Value::Map(members) = record {
                    let mut members = members.clone();
                    members.extend([stream.clone()]);
                    members.extend(more.clone());
                    check_put_record(format, &format.encode(&Value::Map(members)));
                }
            }
        }
    }

    #[test]
    fn broken_bodies_are_read_the_same(
        records in prop::collection::vec(plain_record(), 1..3), at: prop::sample::Index, byte: u8,
    ) {
        for format in FORMATS {
            let body = map(vec![("StreamName", "s".into()), ("Records", Value::List(records.clone()))]);
            let mut bytes = format.encode(&body).to_vec();
            let at = at.index(bytes.len());
            check_put_records(format, &bytes[..at].to_vec().into());
            bytes[at] = byte;
            check_put_records(format, &bytes.into());
        }
    }

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        for format in FORMATS {
            check_put_records(format, &bytes.clone().into());
            check_put_record(format, &bytes.clone().into());
        }
    }
}

#[test]
fn what_clients_send_is_borrowed_and_decoded() {
    let body = br#"{"StreamName":"s","Records":[{"Data":"aGk=","PartitionKey":"k"}]}"#;
    let read = json::put_records(body).unwrap();
    assert!(matches!(
        &read.entries[0].data,
        Data::Base64(std::borrow::Cow::Borrowed(_), 2)
    ));
    assert_eq!(read.entries[0].data.bytes(), b"hi");
    assert_eq!(read.entries[0].len(), 3);
}

/// As Jackson writes for the AWS SDK for Java: maps and lists without a length, text in pieces.
#[test]
fn cbor_of_no_given_length_is_read_quickly() {
    let body = b"\xbf\x6aStreamName\x61s\x67Records\x9f\xbf\x64Data\x42hi\x6cPartitionKey\x7f\x61k\x61l\xff\xff\xff\xff";
    let read = cbor::put_records(body).unwrap();
    assert_eq!(read.entries[0].key.as_deref(), Some("kl"));
    assert!(check_put_records(Format::Cbor, &Bytes::from_static(body)));
}

/// 501 records, and more than a list says, are for the document reader to refuse.
#[test]
fn too_many_records_are_refused_by_either_way() {
    let record = map(vec![
        ("Data", Value::Bytes(Bytes::new())),
        ("PartitionKey", "k".into()),
    ]);
    for format in FORMATS {
        let body = map(vec![
            ("StreamName", "s".into()),
            ("Records", Value::List(vec![record.clone(); 501])),
        ]);
        assert!(!check_put_records(format, &format.encode(&body)));
    }
}

fn decoded(format: Format, bytes: Vec<u8>) -> Value {
    format
        .decode(&bytes.into())
        .expect("a reply is a structure")
}

fn check_reply(format: Format, bytes: Vec<u8>, expected: &Value) {
    // Through the codec once more, so that formats' own differences (base64, floats) are on both sides.
    let expected = decoded(format, format.encode(expected).to_vec());
    assert_eq!(decoded(format, bytes), expected);
}

#[test]
fn put_replies_are_the_documents() {
    for (format, encrypted) in [
        (FORMATS[0], false),
        (FORMATS[0], true),
        (FORMATS[1], false),
        (FORMATS[1], true),
    ] {
        let number = SequenceNumber {
            generation: 3,
            shard: 1,
            offset: Offset(7),
        };
        let digits = number.to_string();
        let reply = PutReply { number, encrypted };
        let mut expected = vec![
            ("ShardId", "shardId-000000000001".into()),
            ("SequenceNumber", digits.as_str().into()),
        ];
        expected.extend(encrypted.then(|| ("EncryptionType", "KMS".into())));
        check_reply(format, put_record(format, &reply), &map(expected));

        let entries = vec![
            EntryReply::Put(number),
            EntryReply::Failed {
                code: "InternalFailure",
                message: "\"no\"".into(),
            },
        ];
        let mut expected = vec![
            ("FailedRecordCount", Value::Int(1)),
            (
                "Records",
                Value::List(vec![
                    map(vec![
                        ("SequenceNumber", digits.as_str().into()),
                        ("ShardId", "shardId-000000000001".into()),
                    ]),
                    map(vec![
                        ("ErrorCode", "InternalFailure".into()),
                        ("ErrorMessage", "\"no\"".into()),
                    ]),
                ]),
            ),
        ];
        expected.extend(encrypted.then(|| ("EncryptionType", "KMS".into())));
        check_reply(
            format,
            put_records(format, entries.into_iter(), 1, encrypted),
            &map(expected),
        );
    }
}

fn child_document() -> Value {
    let range = map(vec![
        ("StartingHashKey", "5".into()),
        ("EndingHashKey", u128::MAX.to_string().into()),
    ]);
    let parents = Value::List(vec!["shardId-000000000000".into()]);
    map(vec![
        ("ShardId", "shardId-000000000001".into()),
        ("ParentShards", parents),
        ("HashKeyRange", range),
    ])
}

fn record_document(format: Format, record: &RecordReply<'_>) -> Value {
    let arrival = record.arrival.map(|arrival| match format {
        Format::Json => Value::Float(arrival.seconds()),
        Format::Cbor => Value::Timestamp(arrival),
    });
    let mut members = vec![("SequenceNumber", "49".into())];
    members.extend(arrival.map(|arrival| ("ApproximateArrivalTimestamp", arrival)));
    members.push(("Data", Value::Bytes(Bytes::copy_from_slice(record.data))));
    members.extend(record.key.map(|key| ("PartitionKey", key.into())));
    members.extend(record.encrypted.then(|| ("EncryptionType", "KMS".into())));
    map(members)
}

#[test]
fn pages_of_records_are_the_documents() {
    let children = [ChildShard {
        shard_id: "shardId-000000000001".into(),
        parents: vec!["shardId-000000000000".into()],
        first: model::HashKey(5),
        last: model::HashKey::MAX,
    }];
    let record = RecordReply {
        number: b"49",
        arrival: Some(Timestamp::from_millis(1_700_000_000_120)),
        key: Some("\"\u{1}鍵"),
        data: b"hi",
        encrypted: true,
    };
    let bare = RecordReply {
        arrival: None,
        key: None,
        data: b"",
        encrypted: false,
        ..record
    };
    for format in FORMATS {
        let page = PageReply {
            next_iterator: None,
            millis_behind: 7,
            children: &children,
        };
        let mut writer = RecordsWriter::new(format, &page, 2, 10);
        writer.record(&record);
        writer.record(&bare);
        let records = [&record, &bare].map(|record| record_document(format, record));
        let expected = map(vec![
            ("MillisBehindLatest", Value::Int(7)),
            ("ChildShards", Value::List(vec![child_document()])),
            ("Records", Value::List(records.into())),
        ]);
        check_reply(format, writer.finish(), &expected);
    }
}

#[test]
fn an_open_shards_page_names_the_next_iterator() {
    for format in FORMATS {
        let page = PageReply {
            next_iterator: Some("AAA="),
            millis_behind: 0,
            children: &[],
        };
        let bytes = RecordsWriter::new(format, &page, 0, 0).finish();
        let expected = map(vec![
            ("NextShardIterator", "AAA=".into()),
            ("MillisBehindLatest", Value::Int(0)),
            ("Records", Value::List(vec![])),
        ]);
        check_reply(format, bytes, &expected);
    }
}
