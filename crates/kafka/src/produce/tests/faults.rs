//! Producers are told which records are wrong (KIP-467): Java's fail those alone for what is wrong with them.

use super::*;

/// Records by whether they have a key and how many milliseconds after the start they are of.
fn records(of: &[(bool, i64)]) -> Bytes {
    let mut builder = BatchBuilder::with_capacity(8);
    for &(has_key, ms) in of {
        let key = has_key.then_some(&b"k"[..]);
        builder.push(Timestamp(START.0 + ms), key, Some(b"v"), &[]);
    }
    builder.finish().bytes().clone()
}

#[tokio::test]
async fn a_producer_is_told_which_records_are_wrong() {
    use ErrorCode::{InvalidRecord, InvalidTimestamp};
    let world = World::new().await;
    let configs = [
        ("cleanup.policy", "compact"),
        ("message.timestamp.before.max.ms", "1000"),
    ];
    world.topic("t", 1, &configs).await;
    type Case<'a> = (&'a [(bool, i64)], ErrorCode, &'a [i32]);
    let cases: [Case<'_>; 3] = [
        (
            &[(true, 0), (false, 0), (true, 0), (false, 0)],
            InvalidRecord,
            &[1, 3],
        ),
        (&[(true, 0), (true, -2_000)], InvalidTimestamp, &[1]),
        (&[(false, 0), (true, -2_000)], InvalidTimestamp, &[0, 1]),
    ];
    for (of, code, wrong) in cases {
        let plain = Batch::parse(records(of)).unwrap();
        let payload = zstd::stream::encode_all(plain.payload(), 1).unwrap();
        let zipped = patched(&plain.with_payload(&payload, false), 22, &[4]);
        for records in [plain.bytes().clone(), zipped] {
            let told = world.produce("t", records).await;
            assert_eq!(told.error_code, code.code(), "{told:?}");
            let indexes: Vec<i32> = told
                .record_errors
                .iter()
                .map(|one| one.batch_index)
                .collect();
            assert_eq!(indexes, wrong);
            let says = |one: &BatchIndexAndErrorMessage| one.batch_index_error_message.is_some();
            assert!(told.record_errors.iter().all(says), "{told:?}");
        }
    }
    let many: Vec<(bool, i64)> = vec![(false, 0); 5_000];
    let told = world.produce("t", records(&many)).await;
    assert_eq!(told.record_errors.len(), 1_000);
}

#[tokio::test]
async fn a_client_from_before_zstandard_does_not_write_it() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let plain = batch(&["a"]);
    let payload = zstd::stream::encode_all(plain.payload(), 1).unwrap();
    let zipped = patched(&plain.with_payload(&payload, false), 22, &[4]);
    let code = ErrorCode::UnsupportedCompressionType.code();
    for (version, expected) in [(6, code), (7, 0)] {
        let request = produce_request(&[("t", 0, Some(zipped.clone()))]);
        let told = answer(produce(world.call(version), request).await).await;
        assert_eq!(
            told.responses[0].partition_responses[0].error_code,
            expected
        );
    }
}
