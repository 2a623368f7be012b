//! The rules of produce over the store in memory.

mod faults;
mod transactions;

use model::batch::Producer;
use model::{BatchBuilder, HashKey, Timestamp};
use streams::StreamsError;

use super::*;
use crate::world::{START, World, answer, batch, patched, produce_request};

/// Asserts that a topic with these configurations refuses the records with a code, and says why.
async fn check_refused(
    configs: &[(&str, &str)],
    records: impl Into<Option<Bytes>>,
    code: ErrorCode,
    why: &str,
) {
    let world = World::new().await;
    world.topic("t", 1, configs).await;
    let answer = world.produce("t", records).await;
    assert_eq!(answer.error_code, code.code(), "{answer:?}");
    let message = answer.error_message.unwrap();
    assert!(message.as_str().contains(why), "{message:?}");
    assert_eq!((answer.base_offset, answer.log_start_offset), (-1, -1));
    let next = world.produce("t", batch(&["after"]).bytes().clone()).await;
    let is_first = next.base_offset == 0 || next.error_code != 0;
    assert!(is_first, "nothing of it was written: {next:?}");
}

fn keyless(time: Timestamp) -> Bytes {
    let mut builder = BatchBuilder::with_capacity(8);
    builder.push(time, None, Some(b"v"), &[]);
    builder.finish().bytes().clone()
}

fn from_producer(epoch: i16, sequence: i32, values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::with_capacity(8).by(Producer {
        id: 9,
        epoch,
        sequence,
    });
    for value in values {
        builder.push(START, None, Some(value.as_bytes()), &[]);
    }
    builder.finish().bytes().clone()
}

#[tokio::test]
async fn offsets_follow_each_other() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    for (values, offset) in [(&["a", "b"][..], 0), (&["c"], 2), (&["d"], 3)] {
        let answer = world.produce("t", batch(values).bytes().clone()).await;
        assert_eq!((answer.error_code, answer.base_offset), (0, offset));
        assert_eq!(
            (answer.log_start_offset, answer.log_append_time_ms),
            (0, -1)
        );
    }
}

#[tokio::test]
async fn records_must_be_there() {
    use ErrorCode::InvalidRecord;
    check_refused(&[], None, InvalidRecord, "missing").await;
    check_refused(&[], Bytes::new(), InvalidRecord, "missing").await;
}

#[tokio::test]
async fn a_partitions_records_are_one_batch() {
    let one = batch(&["a"]);
    let two = [&one.bytes()[..], one.bytes()].concat();
    check_refused(
        &[],
        Bytes::from(two),
        ErrorCode::InvalidRecord,
        "exactly one",
    )
    .await;
}

#[tokio::test]
async fn a_batch_has_the_topics_size_at_most() {
    let large = "x".repeat(10_000);
    let large = batch(&[&large]).bytes().clone();
    let configs = [("max.message.bytes", "10000")];
    check_refused(&configs, large.clone(), ErrorCode::MessageTooLarge, "10000").await;
    let world = World::new().await;
    let exact = large.len().to_string();
    world.topic("t", 1, &[("max.message.bytes", &exact)]).await;
    assert_eq!(world.produce("t", large).await.error_code, 0);
}

#[tokio::test]
async fn a_batch_is_whole_and_unharmed() {
    use ErrorCode::CorruptMessage;
    let good = batch(&["a"]).bytes().clone();
    check_refused(&[], good.slice(..good.len() - 1), CorruptMessage, "bytes").await;
    check_refused(&[], good.slice(..20), CorruptMessage, "bytes").await;
    let mut harmed = good.to_vec();
    *harmed.last_mut().unwrap() ^= 1;
    check_refused(&[], Bytes::from(harmed), CorruptMessage, "checksum").await;
}

/// Not as damaged in between, which producers answer with the same again.
#[tokio::test]
async fn a_message_of_magic_1_is_refused_for_good() {
    let mut long = batch(&["a"]).bytes().to_vec();
    long[16] = 1;
    check_refused(&[], Bytes::from(long), ErrorCode::InvalidRecord, "magic 1").await;
    let mut short = vec![0; 12 + 27];
    short[11] = 27;
    short[16] = 1;
    check_refused(&[], Bytes::from(short), ErrorCode::InvalidRecord, "magic 1").await;
}

#[tokio::test]
async fn clients_write_no_control_batches_and_not_our_attribute() {
    let good = batch(&["a"]);
    let control = patched(&good, 21, &(1i16 << 5).to_be_bytes());
    check_refused(&[], control, ErrorCode::InvalidRecord, "control").await;
    let sealed = patched(&good, 21, &(1i16 << 14).to_be_bytes());
    check_refused(&[], sealed, ErrorCode::InvalidRecord, "bit 14").await;
    let transactional = patched(&good, 21, &(1i16 << 4).to_be_bytes());
    check_refused(&[], transactional, ErrorCode::InvalidRecord, "producer id").await;
}

#[tokio::test]
async fn a_header_tells_what_is_in_the_batch() {
    use ErrorCode::InvalidRecord;
    let good = batch(&["a", "b"]);
    let more_offsets = patched(&good, 23, &5i32.to_be_bytes());
    check_refused(&[], more_offsets, InvalidRecord, "last offset delta").await;
    let mut fewer = patched(&good, 57, &1i32.to_be_bytes()).to_vec();
    fewer[23..27].copy_from_slice(&0i32.to_be_bytes());
    let fewer = Batch::parse_unverified(fewer.into()).unwrap();
    let fewer = fewer.with_payload(&fewer.payload()[..3], false);
    check_refused(&[], fewer.bytes().clone(), InvalidRecord, "do not read").await;
    let none = patched(&good, 57, &0i32.to_be_bytes());
    check_refused(&[], none, InvalidRecord, "count").await;
    for (at, bytes) in [
        (51, &(-1i16).to_be_bytes()[..]),
        (53, &(-1i32).to_be_bytes()),
    ] {
        let nobody = Batch::parse(from_producer(0, 0, &["a"])).unwrap();
        let nobody = patched(&nobody, at, bytes);
        check_refused(&[], nobody, InvalidRecord, "epoch and a sequence").await;
    }
}

/// Java's consumers stop for good at a batch that has more in it than its records, or a header without a name.
#[tokio::test]
async fn a_batch_has_its_records_and_nothing_else_in_it() {
    use ErrorCode::InvalidRecord;
    let good = batch(&["a", "b"]);
    let longer = [good.payload(), &[0]].concat();
    let nameless = [&good.payload()[..good.payload().len() - 1], &[2, 1, 1]].concat();
    for (payload, codec, why) in [
        (&longer, 0u8, "record 2"),
        (&nameless, 0, "record 1"),
        (
            &zstd::stream::encode_all(&longer[..], 1).unwrap(),
            4,
            "record 2",
        ),
    ] {
        let wrong = patched(&good.with_payload(payload, false), 22, &[codec]);
        check_refused(&[], wrong, InvalidRecord, why).await;
    }
}

#[tokio::test]
async fn compressed_records_must_inflate_and_read() {
    let good = batch(&["a", "b"]);
    let garbage = patched(&good, 22, &[4]);
    check_refused(&[], garbage, ErrorCode::CorruptMessage, "zstd").await;
    let unknown = patched(&good, 22, &[5]);
    check_refused(&[], unknown, ErrorCode::CorruptMessage, "codec 5").await;
    let payload = zstd::stream::encode_all(good.payload(), 1).unwrap();
    let zipped = patched(&good.with_payload(&payload, false), 22, &[4]);
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    assert_eq!(world.produce("t", zipped.clone()).await.error_code, 0);
    let topic = world.broker.topic("t").await.unwrap();
    let read = world
        .broker
        .streams
        .read(&topic.stream, 0, Offset(0), 1)
        .await;
    let lies = read.unwrap()[0].stored.batch.bytes().clone();
    assert_eq!(lies, zipped, "it lies as it came");
}

/// A batch of 10 MiB that compresses to a few hundred bytes is one like others; one that comes to more than may is to be sent
/// in parts.
#[tokio::test]
async fn a_batch_may_compress_very_well() {
    let zipped = |plain: &[u8]| {
        let payload = zstd::stream::encode_all(plain, 1).unwrap();
        patched(&batch(&["a"]).with_payload(&payload, false), 22, &[4])
    };
    let large = batch(&[&"x".repeat(10 << 20)]);
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    assert_eq!(
        world.produce("t", zipped(large.payload())).await.error_code,
        0
    );
    let bomb = zipped(&vec![0; streams::inflate::INFLATED_BYTES_MAX + 1]);
    check_refused(&[], bomb, ErrorCode::MessageTooLarge, "smaller batches").await;
}

#[tokio::test]
async fn a_compacted_topic_wants_keys() {
    for policy in ["compact", "compact,delete"] {
        let configs = [("cleanup.policy", policy)];
        check_refused(&configs, keyless(START), ErrorCode::InvalidRecord, "key").await;
        let world = World::new().await;
        world.topic("t", 1, &configs).await;
        let with_key = batch(&["a"]).bytes().clone();
        assert_eq!(world.produce("t", with_key).await.error_code, 0);
    }
}

/// Otherwise retention, which goes by time, would drop it at once.
#[tokio::test]
async fn a_batch_without_times_has_that_of_its_arrival() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let answer = world.produce("t", keyless(Timestamp(-1))).await;
    assert_eq!(answer.error_code, 0, "{answer:?}");
    let topic = world.broker.topic("t").await.unwrap();
    let streams = &world.broker.streams;
    let read = streams.read(&topic.stream, 0, Offset::ZERO, 1_000);
    let record = read.await.unwrap()[0].stored.batch.clone();
    assert_eq!(record.max_timestamp(), START);
}

/// What a topic of that configuration keeps of a batch.
async fn kept(configs: &[(&str, &str)], records: Bytes) -> Batch {
    let world = World::new().await;
    world.topic("t", 1, configs).await;
    let answer = world.produce("t", records).await;
    assert_eq!(answer.error_code, 0, "{answer:?}");
    let topic = world.broker.topic("t").await.unwrap();
    let streams = &world.broker.streams;
    let read = streams.read(&topic.stream, 0, Offset::ZERO, 1).await;
    let stored = read.unwrap().remove(0).stored.batch;
    Batch::parse(stored.bytes().clone()).unwrap()
}

/// Three records a second apart, the greatest time in the middle.
fn timed() -> Batch {
    let mut builder = BatchBuilder::with_capacity(8);
    for ms in [-2_000, 0, -1_000] {
        builder.push(Timestamp(START.0 + ms), None, Some(b"v"), &[]);
    }
    builder.finish()
}

/// Sarama left -1 in the header, and its records lost their times; with 0 there retention dropped them at once, and with the
/// greatest number it never did.
#[tokio::test]
async fn the_headers_time_is_the_greatest_of_the_records() {
    let plain = timed();
    let payload = zstd::stream::encode_all(plain.payload(), 1).unwrap();
    let zipped = Batch::parse(patched(&plain.with_payload(&payload, false), 22, &[4])).unwrap();
    for good in [plain, zipped] {
        for wrong in [-1, 0, START.0 + 1, i64::MAX] {
            let records = patched(&good, 35, &wrong.to_be_bytes());
            assert_eq!(kept(&[], records).await, good, "{wrong}");
        }
    }
}

#[tokio::test]
async fn a_record_out_of_bounds_is_not_hidden_by_its_header() {
    let bounds = [("message.timestamp.before.max.ms", "1000")];
    let hidden = patched(&timed(), 35, &START.0.to_be_bytes());
    check_refused(&bounds, hidden, ErrorCode::InvalidTimestamp, "outside").await;
}

#[tokio::test]
async fn a_producer_does_not_say_when_the_log_took_a_batch_in() {
    use ErrorCode::InvalidTimestamp;
    let good = timed();
    let claims = patched(&good, 21, &(1i16 << 3).to_be_bytes());
    let of_the_log = [("message.timestamp.type", "LogAppendTime")];
    check_refused(
        &of_the_log,
        claims.clone(),
        InvalidTimestamp,
        "LogAppendTime",
    )
    .await;
    let without_time = good.taken_in_at(Timestamp(-1)).bytes().clone();
    check_refused(&[], without_time, InvalidTimestamp, "LogAppendTime").await;
    // As in Kafka, the records' own times count.
    assert_eq!(kept(&[], claims).await, good);
}

#[tokio::test]
async fn timestamps_lie_within_what_the_topic_takes() {
    use ErrorCode::InvalidTimestamp;
    let bounds = [
        ("message.timestamp.before.max.ms", "1000"),
        ("message.timestamp.after.max.ms", "500"),
    ];
    let at = |ms: i64| keyless(Timestamp(START.0 + ms));
    check_refused(&bounds, at(-1_001), InvalidTimestamp, "outside").await;
    check_refused(&bounds, at(501), InvalidTimestamp, "outside").await;
    // Unless told otherwise, a topic takes any time of the past, and an hour of the future.
    check_refused(&[], at(3_600_001), InvalidTimestamp, "outside").await;
    let world = World::new().await;
    world.topic("t", 1, &bounds).await;
    for ms in [-1_000, 500, -START.0 - 1] {
        assert_eq!(world.produce("t", at(ms)).await.error_code, 0, "{ms}");
    }
    world.topic("any", 1, &[]).await;
    assert_eq!(world.produce("any", at(-START.0)).await.error_code, 0);
}

#[tokio::test]
async fn a_topic_may_give_records_its_own_time() {
    let world = World::new().await;
    world
        .topic("t", 1, &[("message.timestamp.type", "LogAppendTime")])
        .await;
    let answer = world
        .produce("t", keyless(Timestamp(START.0 + 9_000_000_000)))
        .await;
    assert_eq!((answer.error_code, answer.log_append_time_ms), (0, START.0));
    let topic = world.broker.topic("t").await.unwrap();
    let read = world
        .broker
        .streams
        .read(&topic.stream, 0, Offset(0), 1)
        .await;
    let read = read.unwrap();
    assert_eq!(read[0].stored.records().next().unwrap().timestamp, START);
}

#[tokio::test]
async fn a_repeated_batch_is_there_once() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let produce = async |epoch, sequence, values: &[&str]| {
        let answer = world
            .produce("t", from_producer(epoch, sequence, values))
            .await;
        (answer.error_code, answer.base_offset)
    };
    assert_eq!(produce(0, 0, &["a", "b"]).await, (0, 0));
    assert_eq!(produce(0, 2, &["c"]).await, (0, 2));
    assert_eq!(produce(0, 0, &["a", "b"]).await, (0, 0));
    assert_eq!(produce(0, 2, &["c"]).await, (0, 2));
    let out_of_order = ErrorCode::OutOfOrderSequenceNumber.code();
    assert_eq!(produce(0, 7, &["h"]).await, (out_of_order, -1));
    assert_eq!(produce(1, 0, &["d"]).await, (0, 3));
    let fenced = ErrorCode::InvalidProducerEpoch.code();
    assert_eq!(produce(0, 3, &["d"]).await, (fenced, -1));
}

#[tokio::test]
async fn each_partition_is_answered_for_itself_in_the_requests_order() {
    let world = World::new().await;
    world.topic("t", 2, &[]).await;
    world.topic("u", 1, &[]).await;
    let good = Some(batch(&["a"]).bytes().clone());
    let request = produce_request(&[
        ("t", 1, good.clone()),
        ("nowhere", 0, good.clone()),
        ("u", 0, good.clone()),
        ("t", 2, good.clone()),
        ("t", -1, good.clone()),
        ("t", 0, None),
        ("t", 0, good.clone()),
    ]);
    let answer = answer(produce(world.call(9), request).await).await;
    let told: Vec<_> = answer
        .responses
        .iter()
        .map(|topic| {
            let partition = &topic.partition_responses[0];
            (topic.name.as_str(), partition.index, partition.error_code)
        })
        .collect();
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    let expected = [
        ("t", 1, 0),
        ("nowhere", 0, unknown),
        ("u", 0, 0),
        ("t", 2, unknown),
        ("t", -1, unknown),
        ("t", 0, ErrorCode::InvalidRecord.code()),
        ("t", 0, 0),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn topics_are_named_by_id_from_version_13_on() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let id = world.broker.topic("t").await.unwrap().id;
    let mut request = produce_request(&[("", 0, Some(batch(&["a"]).bytes().clone()))]);
    request.topic_data[0].topic_id = id;
    let known = answer(produce(world.call(13), request.clone()).await).await;
    assert_eq!(known.responses[0].topic_id, id);
    assert_eq!(known.responses[0].partition_responses[0].error_code, 0);
    request.topic_data[0].topic_id = KafkaUuid::from_parts(1, 2);
    let unknown = answer(produce(world.call(13), request).await).await;
    let code = unknown.responses[0].partition_responses[0].error_code;
    assert_eq!(code, ErrorCode::UnknownTopicId.code());
}

#[tokio::test]
async fn acknowledgements_are_of_all_of_one_or_of_none() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let mut request = produce_request(&[("t", 0, Some(batch(&["a"]).bytes().clone()))]);
    request.acks = 2;
    let refused = answer(produce(world.call(9), request.clone()).await).await;
    let code = refused.responses[0].partition_responses[0].error_code;
    assert_eq!(code, ErrorCode::InvalidRequiredAcks.code());
    request.acks = 1;
    let taken = answer(produce(world.call(9), request.clone()).await).await;
    assert_eq!(taken.responses[0].partition_responses[0].base_offset, 0);
    request.acks = 0;
    match produce(world.call(9), request.clone()).await {
        Reply::Silent(done) => assert!(done.await),
        _ => panic!("no answer is wanted"),
    }
    // Whoever wants no answer learns of a refusal by losing the connection.
    request.topic_data[0].partition_data[0].records = None;
    match produce(world.call(9), request).await {
        Reply::Silent(done) => assert!(!done.await),
        _ => panic!("no answer is wanted"),
    }
}

#[tokio::test]
async fn a_partition_that_was_split_takes_nothing_and_names_its_children() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let name = world.broker.stream_name("t");
    let split = |_: &streams::Stream, planner: streams::reshard::Planner<'_>| {
        Ok::<_, StreamsError>(planner.split(0, HashKey(1 << 127))?)
    };
    world.broker.streams.reshard(&name, split).await.unwrap();
    let answer = world.produce("t", batch(&["a"]).bytes().clone()).await;
    assert_eq!(answer.error_code, ErrorCode::PolicyViolation.code());
    let message = answer.error_message.unwrap();
    assert!(message.as_str().ends_with("go to 1 and 2"), "{message:?}");
    let request = produce_request(&[("t", 1, Some(batch(&["a"]).bytes().clone()))]);
    let taken = produce(world.call(9), request).await;
    let taken = crate::world::answer(taken).await;
    assert_eq!(taken.responses[0].partition_responses[0].error_code, 0);
}

#[tokio::test]
async fn writes_of_one_connection_reach_the_log_in_their_order() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let mut replies = Vec::new();
    for value in ["a", "b", "c"] {
        let request = produce_request(&[("t", 0, Some(batch(&[value]).bytes().clone()))]);
        replies.push(produce(world.call(9), request).await);
    }
    // Whichever answer is asked for first.
    for (offset, reply) in [0, 1, 2].into_iter().zip(replies).rev() {
        let answer = answer(reply).await;
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!(partition.base_offset, offset);
    }
}

#[tokio::test]
async fn a_small_batch_does_not_keep_a_large_request_in_memory() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let bytes = batch(&["v"]).bytes().clone();
    let is_kept_as_it_came = async |request_bytes| {
        let records = [("t", 0, Some(bytes.clone()))];
        let call = Call {
            bytes: request_bytes,
            ..world.call(11)
        };
        let answered = answer(produce(call, produce_request(&records)).await).await;
        let offset = answered.responses[0].partition_responses[0].base_offset;
        let topic = world.broker.topic("t").await.unwrap();
        let from = Offset(u64::try_from(offset).unwrap());
        let streams = &world.broker.streams;
        let read = streams.read(&topic.stream, 0, from, 1).await.unwrap();
        read[0].stored.batch.bytes().as_ptr() == bytes.as_ptr()
    };
    assert!(is_kept_as_it_came(bytes.len() + 40).await);
    assert!(!is_kept_as_it_came(bytes.len() * 2 + 2).await);
}
