//! Puts over the store in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use aws::Value;
use model::HashRange;
use proptest::prelude::*;
use streams::Mode;

use super::*;
use crate::kinesis::Limits;
use crate::kinesis::hot::put::Data;
use crate::kinesis::naming::shard_id;
use crate::kinesis::world::{World, data, list, map, number, placed, puts, text};

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(test)
}

fn one(more: Vec<(&str, Value)>) -> Value {
    let mut members = vec![("StreamName", "s".into()), ("Data", data("x"))];
    members.extend(more);
    map(members)
}

#[tokio::test]
async fn records_go_where_their_keys_say_and_come_back() {
    let world = World::new(Limits::None);
    world.stream("s", 4).await;
    let put = world
        .put("s", &[("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")])
        .await;
    assert_eq!(put[0].0, put[2].0);
    for (shard, range) in (0..).zip(HashRange::even(4)) {
        for record in world.read("s", shard).await {
            let digest: [u8; 16] = Md5::digest(record.key.as_bytes()).into();
            assert!(range.contains(HashKey(u128::from_be_bytes(digest))));
            assert!(put.contains(&(shard_id(shard), record.number)));
        }
    }
}

#[tokio::test]
async fn an_explicit_hash_key_decides_the_shard() {
    let world = World::new(Limits::None);
    world.stream("s", 2).await;
    let edges = [("0", 0), ("340282366920938463463374607431768211455", 1)];
    for (key, shard) in edges {
        let input = one(vec![
            ("PartitionKey", "k".into()),
            ("ExplicitHashKey", key.into()),
        ]);
        assert_eq!(
            text(&world.put_one(input).await.unwrap(), "ShardId"),
            shard_id(shard)
        );
    }
    let too_large = "340282366920938463463374607431768211456";
    let input = one(vec![
        ("PartitionKey", "k".into()),
        ("ExplicitHashKey", too_large.into()),
    ]);
    let error = world.put_one(input).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(&format!("Specified value was {too_large}")),
        "{error}"
    );
}

#[tokio::test]
async fn a_key_is_needed_unless_the_stream_distributes_by_itself() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let error = world.put_one(one(vec![])).await.unwrap_err();
    assert!(
        matches!(&error, KinesisError::Validation(text) if text.contains("'partitionKey'")),
        "{error}"
    );
}

#[tokio::test]
async fn sizes_are_held_to_the_streams_limit_and_the_requests() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let of = |bytes: usize| {
        map(vec![
            ("PartitionKey", "k".into()),
            ("Data", Value::Bytes(vec![0; bytes].into())),
        ])
    };
    let all = |records: Vec<Value>| {
        map(vec![
            ("StreamName", "s".into()),
            ("Records", Value::List(records)),
        ])
    };
    let mib = 1 << 20;
    let good = world
        .put_with(all(vec![of(mib - 1); 10]), None)
        .await
        .unwrap();
    assert_eq!(number(&good, "FailedRecordCount"), 0);
    for bad in [
        all(vec![of(mib)]),
        all([vec![of(mib - 1); 10], vec![of(0)]].concat()),
    ] {
        let error = world.put_with(bad, None).await.unwrap_err();
        assert!(matches!(error, KinesisError::InvalidArgument(_)), "{error}");
    }
    assert_eq!(world.read("s", 0).await.len(), 10);
}

#[tokio::test]
async fn a_number_for_ordering_must_be_one_that_was_given() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let put = |after: String| {
        world.put_one(one(vec![
            ("PartitionKey", "k".into()),
            ("SequenceNumberForOrdering", after.into()),
        ]))
    };
    let first = world.put("s", &[("k", "1")]).await.remove(0).1;
    let second = text(&put(first.clone()).await.unwrap(), "SequenceNumber");
    assert!(second > first);
    let next: SequenceNumber = second.parse().unwrap();
    let next = SequenceNumber {
        offset: next.offset.plus(1),
        ..next
    };
    for wrong in ["7".to_owned(), next.to_string()] {
        let error = put(wrong).await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("ExclusiveMinimumSequenceNumber"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn limits_refuse_record_by_record() {
    let world = World::new(Limits::Aws);
    world.stream("s", 2).await;
    let records = vec![("k", "x"); 500];
    let mut failed = Vec::new();
    for _ in 0..3 {
        let answer = world.put_with(puts("s", &records), None).await.unwrap();
        let entries = list(&answer, "Records").into_iter();
        let errors: Vec<Value> = entries
            .filter(|entry| entry.get("ErrorCode").is_some())
            .collect();
        assert_eq!(number(&answer, "FailedRecordCount"), errors.len() as i64);
        failed.extend(errors);
    }
    assert_eq!(failed.len(), 500);
    assert_eq!(
        text(&failed[0], "ErrorCode"),
        "ProvisionedThroughputExceededException"
    );
    let message = text(&failed[0], "ErrorMessage");
    assert!(
        message.starts_with("Rate exceeded for shard shardId-"),
        "{message}"
    );
    assert!(
        message.ends_with("in stream s under account 000000000000."),
        "{message}"
    );
    let error = world
        .put_one(one(vec![("PartitionKey", "k".into())]))
        .await
        .unwrap_err();
    assert!(
        matches!(error, KinesisError::ProvisionedThroughputExceeded(_)),
        "{error}"
    );
    world.clock.advance(Duration::from_secs(1));
    world
        .put_one(one(vec![("PartitionKey", "k".into())]))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_repeated_request_is_written_once_also_across_a_split() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let input = || puts("s", &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]);
    let first = placed(&world.put_with(input(), Some("t")).await.unwrap());
    assert_eq!(
        placed(&world.put_with(input(), Some("t")).await.unwrap()),
        first
    );
    world.split("s", 0, HashKey(1 << 127)).await;
    assert_eq!(
        placed(&world.put_with(input(), Some("t")).await.unwrap()),
        first
    );
    world.uniform("s", 5).await;
    assert_eq!(
        placed(&world.put_with(input(), Some("t")).await.unwrap()),
        first
    );
    let other = placed(&world.put_with(input(), Some("u")).await.unwrap());
    assert!(other.iter().all(|place| !first.contains(place)));
    assert_eq!(
        placed(&world.put_with(input(), Some("u")).await.unwrap()),
        other
    );
    for other_records in [
        puts("s", &[("a", "1")]),
        puts("s", &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "changed")]),
    ] {
        let error = world.put_with(other_records, Some("t")).await.unwrap_err();
        assert!(error.to_string().contains("other records"), "{error}");
    }
    assert_eq!(world.read("s", 0).await.len(), 4);
}

#[tokio::test]
async fn a_repeated_request_is_written_once_also_when_partitions_were_added() {
    let world = World::new(Limits::None);
    world.stream("s", 2).await;
    let input = || {
        let keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
        puts("s", &keys.map(|key| (key, "data")))
    };
    let put = async |token| placed(&world.put_with(input(), Some(token)).await.unwrap());
    let before = put("before").await;
    world.grow("s", 3).await.unwrap();
    assert_eq!(put("before").await, before);
    let between = put("between").await;
    assert_ne!(between, before);
    world.grow("s", 1).await.unwrap();
    assert_eq!(put("before").await, before);
    assert_eq!(put("between").await, between);
    world.uniform("s", 3).await;
    assert_eq!(put("before").await, before);
    assert_eq!(put("between").await, between);
    let changed = puts("s", &[("a", "changed")]);
    let error = world.put_with(changed, Some("between")).await.unwrap_err();
    assert!(error.to_string().contains("other records"), "{error}");
    let mut records = 0;
    for shard in 0..6 {
        records += world.read("s", shard).await.len();
    }
    assert_eq!(records, 16);
}

#[tokio::test]
async fn a_stream_that_distributes_by_itself_spreads_one_key() {
    let world = World::new(Limits::None);
    let stream = world.stream_of("s", 4, Mode::OnDemand).await;
    world
        .kinesis
        .amend(&stream.name, |_, attached| {
            attached.tags.insert("made".into(), "so".into());
            Ok(())
        })
        .await
        .unwrap();
    world.kinesis.distribute(&stream, true).await.unwrap();
    let records = vec![map(vec![("Data", data("x"))]); 400];
    let input = map(vec![
        ("StreamName", "s".into()),
        ("Records", Value::List(records)),
    ]);
    let mut by_shard = BTreeMap::new();
    for (shard, _) in placed(&world.put_with(input, None).await.unwrap()) {
        *by_shard.entry(shard).or_insert(0) += 1;
    }
    assert_eq!(by_shard.len(), 4);
    assert!(
        by_shard.values().all(|count| (90..=110).contains(count)),
        "{by_shard:?}"
    );
}

#[tokio::test]
async fn what_is_put_is_counted() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    world.put("s", &[("key", "data")]).await;
    let mut registry = prometheus_client::registry::Registry::default();
    world.kinesis.register_metrics(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(text.contains(r#"kinesis_incoming_bytes_total{account="000000000000",region="us-east-1",stream="s"} 7"#), "{text}");
}

/// Puts a key's numbers while the stream is resharded, from several writers at once: each key's records must be read in order,
/// parents before children.
async fn order_survives(plans: Vec<u32>) {
    let world = World::new(Limits::None);
    world.stream("s", 2).await;
    let keys: Vec<String> = (0..4).map(|writer| format!("k{writer}")).collect();
    let write = async |key: &str| {
        for number in 0..30 {
            let texts = [format!("{number}a"), format!("{number}b")];
            let placed = world.put("s", &[(key, &texts[0]), (key, &texts[1])]).await;
            assert!(
                placed.iter().all(|(shard, _)| !shard.is_empty()),
                "{placed:?}"
            );
            tokio::task::yield_now().await;
        }
    };
    let reshard = async {
        for count in &plans {
            world.uniform("s", *count).await;
            tokio::task::yield_now().await;
        }
    };
    let writers = futures_util::future::join_all(keys.iter().map(|key| write(key)));
    tokio::join!(writers, reshard);

    let stream = world.kinesis.find_named(&world.name("s")).await.unwrap();
    let mut read: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for shard in stream.topology.shards() {
        for record in world.read("s", shard.index).await {
            let text = String::from_utf8(record.data).unwrap();
            read.entry(record.key)
                .or_default()
                .push((text, record.number));
        }
    }
    let expected: Vec<String> = (0..30)
        .flat_map(|n| [format!("{n}a"), format!("{n}b")])
        .collect();
    for key in &keys {
        let (texts, numbers): (Vec<_>, Vec<_>) = read[key].iter().cloned().unzip();
        assert_eq!(texts, expected, "{key}");
        assert!(numbers.is_sorted(), "numbers grow from parent to child");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn order_of_a_key_survives_resharding(plans in prop::collection::vec(1..9u32, 1..12)) {
        run(order_survives(plans));
    }
}

/// Writes with a stream as it was looked up before it was resharded, as a put does that a resharding overtakes.
async fn write_late(
    world: &World,
    stale: &Arc<Stream>,
    texts: &[String],
) -> Result<Written, KinesisError> {
    let entry = |text: &String| Entry {
        key: Some(text.split(' ').next().unwrap_or_default().to_owned().into()),
        hash_key: None,
        data: Data::Plain(text.clone().into_bytes().into()),
    };
    let entries: Vec<Entry<'_>> = texts.iter().map(entry).collect();
    let keys = world
        .kinesis
        .hash_keys(stale, &entries, None, |_| String::new())
        .await?;
    Write::new(&world.kinesis, Arc::clone(stale), &entries, keys, None)
        .run()
        .await
}

async fn late_writes_stay_in_order(steps: Vec<(u32, usize)>) {
    let world = World::new(Limits::None);
    let mut known = vec![world.stream("s", 2).await];
    let keys = ["a", "b", "c", "d", "e"];
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (number, (count, age)) in steps.into_iter().enumerate() {
        known.push(world.uniform("s", count).await);
        let stale = &known[known.len() - 1 - age.min(known.len() - 1)];
        let twice = keys.iter().chain(&keys).enumerate();
        let texts: Vec<String> = twice
            .map(|(at, key)| format!("{key} {number} {at}"))
            .collect();
        let written = write_late(&world, stale, &texts).await.unwrap();
        assert!(
            written
                .outcomes
                .iter()
                .all(|outcome| matches!(outcome, Outcome::Put(_)))
        );
        for text in texts {
            let key = text.split(' ').next().unwrap_or_default().to_owned();
            expected.entry(key).or_default().push(text);
        }
    }
    let stream = world.kinesis.find_named(&world.name("s")).await.unwrap();
    let mut read: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for shard in stream.topology.shards() {
        for record in world.read("s", shard.index).await {
            let text = String::from_utf8(record.data).unwrap();
            read.entry(record.key).or_default().push(text);
        }
    }
    assert_eq!(read, expected);
}

proptest! {
    #[test]
    fn a_put_that_a_resharding_overtakes_is_routed_anew(
        steps in prop::collection::vec((1..7u32, 0..4usize), 1..10),
    ) {
        run(late_writes_stay_in_order(steps));
    }
}

#[tokio::test]
async fn a_put_that_a_deletion_overtakes_finds_no_stream() {
    let world = World::new(Limits::None);
    let stale = world.stream("s", 1).await;
    world.kinesis.streams.delete(&stale.name).await.unwrap();
    let error = write_late(&world, &stale, &["a".to_owned()])
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Stream s under account 000000000000 not found."
    );
}

proptest! {
    #[test]
    fn a_record_lies_in_the_range_of_its_hash(keys in prop::collection::vec("\\PC{1,12}", 1..20), shards in 1..40u32) {
        run(async {
            let world = World::new(Limits::None);
            let stream = world.stream("s", shards).await;
            let records: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "x")).collect();
            for (key, (shard, _)) in keys.iter().zip(world.put("s", &records).await) {
                let digest: [u8; 16] = Md5::digest(key.as_bytes()).into();
                let hash_key = HashKey(u128::from_be_bytes(digest));
                let routed = stream.topology.route(hash_key).unwrap();
                prop_assert_eq!(shard_id(routed.index), shard);
                prop_assert!(routed.range.contains(hash_key));
            }
            Ok(())
        })?;
    }
}
