//! Iterators: what they say, who may use them, and every way to ask for one.

use aws::Value;
use model::{AccountId, Region, Rng};
use proptest::prelude::*;
use store::Memory;

use super::*;
use crate::kinesis::world::{START, World, records};

fn key() -> IteratorKey {
    IteratorKey::of(&[3; KEY_BYTES])
}

fn iterator(caller: &Caller, name: &str, shard: u32, next: u64) -> ShardIterator {
    ShardIterator {
        stream: StreamId(9),
        name: StreamName {
            account: caller.account.clone(),
            region: caller.region.clone(),
            name: name.to_owned(),
        },
        shard,
        next: Offset(next),
        made: START,
    }
}

#[test]
fn a_full_disk_keeps_nobody_from_reading() {
    let rng = Rng::seeded(7);
    let caller = Caller::local();
    let key = IteratorKey::despite_a_full_disk(Err(StoreError::Full), &rng).unwrap();
    let text = key.write(&iterator(&caller, "s", 1, 5));
    assert!(key.read(&caller, &text).is_some());
    let other = StoreError::Invalid { what: "x".into() };
    assert!(IteratorKey::despite_a_full_disk(Err(other), &rng).is_err());
}

#[test]
fn another_account_region_or_data_directory_cannot_use_it() {
    let caller = Caller::local();
    let text = key().write(&iterator(&caller, "s", 1, 5));
    assert!(key().read(&caller, &text).is_some());
    assert_eq!(IteratorKey::of(&[4; KEY_BYTES]).read(&caller, &text), None);
    let mut other = caller.clone();
    other.account = AccountId::parse("123456789012").unwrap();
    assert_eq!(key().read(&other, &text), None);
    let mut other = caller;
    other.region = Region::parse("eu-west-1").unwrap();
    assert_eq!(key().read(&other, &text), None);
}

#[tokio::test]
async fn the_key_is_made_once() {
    let store = Memory::new(model::Clock::manual(START));
    let caller = Caller::local();
    let first = IteratorKey::load(&store, &Rng::seeded(1)).await.unwrap();
    let second = IteratorKey::load(&store, &Rng::seeded(2)).await.unwrap();
    let text = first.write(&iterator(&caller, "s", 0, 0));
    assert!(second.read(&caller, &text).is_some());
}

proptest! {
    #[test]
    fn it_makes_the_round_trip_and_fits(name in "[a-zA-Z0-9_.-]{1,249}", shard: u32, next: u64) {
        let caller = Caller::local();
        let original = iterator(&caller, &name, shard, next);
        let text = key().write(&original);
        prop_assert!(text.len() <= 512);
        prop_assert_eq!(key().read(&caller, &text), Some(original));
    }

    #[test]
    fn no_altered_one_is_taken(at: prop::sample::Index, letter in "[A-Za-z0-9+/=]", cut: prop::sample::Index) {
        let caller = Caller::local();
        let text = key().write(&iterator(&caller, "stream", 1, 5));
        let at = at.index(text.len());
        let mut altered = text.clone();
        altered.replace_range(at..=at, &letter);
        prop_assert!(altered == text || key().read(&caller, &altered).is_none());
        prop_assert_eq!(key().read(&caller, &text[..cut.index(text.len())]), None);
    }

    #[test]
    fn garbage_is_refused(text in "\\PC{0,100}") {
        prop_assert_eq!(key().read(&Caller::local(), &text), None);
    }
}

fn kind(kind: &str) -> Vec<(&'static str, Value)> {
    vec![("ShardIteratorType", kind.into())]
}

fn at(kind_: &str, number: &str) -> Vec<(&'static str, Value)> {
    let mut members = kind(kind_);
    members.push(("StartingSequenceNumber", number.into()));
    members
}

fn since(moment: Timestamp) -> Vec<(&'static str, Value)> {
    let mut members = kind("AT_TIMESTAMP");
    members.push(("Timestamp", Value::Timestamp(moment.into())));
    members
}

async fn read(world: &World, more: Vec<(&str, Value)>) -> Vec<String> {
    let iterator = world.iterator("s", 0, more).await.unwrap();
    let records = records(&world.get_at(&iterator).await).into_iter();
    records
        .map(|record| String::from_utf8(record.data).unwrap())
        .collect()
}

#[tokio::test]
async fn each_of_five_kinds_starts_where_it_says() {
    let world = World::new(Limits::None);
    let stream = world.stream("s", 1).await;
    let mut put = Vec::new();
    let before = world.clock.now();
    for text in ["0", "1", "2", "3"] {
        world.clock.advance(Duration::from_millis(10));
        put.extend(world.put("s", &[("k", text)]).await);
    }
    let all = ["0", "1", "2", "3"];
    assert_eq!(read(&world, kind("TRIM_HORIZON")).await, all);
    assert!(read(&world, kind("LATEST")).await.is_empty());
    assert_eq!(
        read(&world, at("AT_SEQUENCE_NUMBER", &put[2].1)).await,
        all[2..]
    );
    assert_eq!(
        read(&world, at("AFTER_SEQUENCE_NUMBER", &put[2].1)).await,
        all[3..]
    );
    let start = numbers::starting(stream.topology.get(0).unwrap()).to_string();
    assert_eq!(read(&world, at("AT_SEQUENCE_NUMBER", &start)).await, all);
    assert_eq!(read(&world, at("AFTER_SEQUENCE_NUMBER", &start)).await, all);
    for (millis, expected) in [(0, 0), (10, 0), (11, 1), (30, 2), (40, 3)] {
        let found = read(&world, since(before.plus(Duration::from_millis(millis)))).await;
        assert_eq!(found, all[expected..], "since {millis} ms");
    }
    world.clock.advance(Duration::from_millis(1));
    assert!(read(&world, since(world.clock.now())).await.is_empty());
}

#[tokio::test]
async fn the_exact_record_within_a_batch_is_found_by_time() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    world.put("s", &[("k", "0"), ("k", "1")]).await;
    world.clock.advance(Duration::from_millis(5));
    let then = world.clock.now();
    world.put("s", &[("k", "2"), ("k", "3")]).await;
    assert_eq!(read(&world, since(then)).await, ["2", "3"]);
}

async fn check_refused(world: &World, more: Vec<(&str, Value)>, expected: &str) {
    let error = world.iterator("s", 0, more).await.unwrap_err();
    assert!(matches!(error, KinesisError::InvalidArgument(_)), "{error}");
    assert!(error.to_string().contains(expected), "{error}");
}

#[tokio::test]
async fn members_must_fit_the_kind() {
    let world = World::new(Limits::None);
    world.stream("s", 2).await;
    let number = world.put("s", &[("k", "x")]).await.remove(0).1;
    check_refused(
        &world,
        kind("AT_SEQUENCE_NUMBER"),
        "AT_SEQUENCE_NUMBER and no StartingSequenceNumber.",
    )
    .await;
    check_refused(
        &world,
        kind("AT_TIMESTAMP"),
        "Must specify timestampInMillis",
    )
    .await;
    check_refused(
        &world,
        at("LATEST", &number),
        "LATEST and also a StartingSequenceNumber.",
    )
    .await;
    check_refused(
        &world,
        at("TRIM_HORIZON", &number),
        "TRIM_HORIZON and also a StartingSequenceNumber.",
    )
    .await;
    let future = world.clock.now().plus(Duration::from_millis(1));
    check_refused(
        &world,
        since(future),
        "cannot be greater than the currentTimestampInMillis",
    )
    .await;
    check_refused(&world, at("AT_SEQUENCE_NUMBER", "17"), "is invalid.").await;
    let number: SequenceNumber = number.parse().unwrap();
    let elsewhere = SequenceNumber { shard: 7, ..number }.to_string();
    check_refused(
        &world,
        at("AT_SEQUENCE_NUMBER", &elsewhere),
        "It encodes shardId-000000000007",
    )
    .await;
    let later = SequenceNumber {
        shard: 0,
        generation: 1,
        ..number
    }
    .to_string();
    check_refused(
        &world,
        at("AT_SEQUENCE_NUMBER", &later),
        "did not come from this stream",
    )
    .await;
}

/// A reader's checkpoint in a stream that was deleted says nothing of the next of its name.
#[tokio::test]
async fn a_number_of_a_deleted_stream_is_not_one_of_the_next() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let put = world.put("s", &[("a", "1"), ("a", "2")]).await;
    let kept = put[1].1.clone();
    let after = |number: &str| {
        let mut more = kind("AFTER_SEQUENCE_NUMBER");
        more.push(("StartingSequenceNumber", number.into()));
        more
    };
    world.iterator("s", 0, after(&kept)).await.unwrap();
    let streams = &world.kinesis.streams;
    streams.delete(&world.name("s")).await.unwrap();
    world.stream("s", 1).await;
    world.put("s", &[("a", "3"), ("a", "4"), ("a", "5")]).await;
    let error = world.iterator("s", 0, after(&kept)).await.unwrap_err();
    assert!(
        error.to_string().contains("did not come from this stream"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::new(Limits::None);
    let expected =
        "Shard shardId-000000000003 in stream s under account 000000000000 does not exist";
    let error = world.iterator("s", 3, kind("LATEST")).await.unwrap_err();
    assert_eq!(error.to_string(), expected);
    world.stream("s", 1).await;
    let error = world.iterator("s", 3, kind("LATEST")).await.unwrap_err();
    assert_eq!(error.to_string(), expected);
}
