//! Streams over the naive engine: what holds whatever is done to their shards.

mod slow;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::{AccountId, BatchBuilder, Clock, HashKey, HashRange, Offset, Region, Rng, Timestamp};
use proptest::prelude::*;
use store::key::encode;
use store::{Catalog as _, Key, Log, Memory, StoreError, Txn, Write};

use self::slow::Slow;
use crate::reshard::{Planner, ReshardError};
use crate::stream::{Encryption, Settings};
use crate::*;

const HOUR: u64 = 3_600_000;

fn name(text: &str) -> StreamName {
    StreamName {
        account: AccountId::unnamed(),
        region: Region::unnamed(),
        name: text.into(),
    }
}

fn new(shards: u32) -> NewStream {
    NewStream {
        shards,
        mode: Mode::Provisioned,
        retention_ms: Some(24 * HOUR),
        max_record_bytes: 1 << 20,
        warm_throughput_mibps: None,
        retention_bytes: None,
        extra: std::collections::BTreeMap::new(),
        documents: Vec::new(),
        is_awaited: true,
    }
}

fn fixture() -> (Arc<Memory>, Streams, Clock) {
    let clock = Clock::manual(Timestamp(1_000_000));
    let store = Arc::new(Memory::new(clock.clone()));
    let keyring = Keyring::new(&[7; 32], Rng::seeded(1));
    (
        store.clone(),
        Streams::new(store, clock.clone(), keyring),
        clock,
    )
}

fn one(timestamp: Timestamp, value: &str) -> BatchBuilder {
    let mut builder = BatchBuilder::with_capacity(64);
    builder.push(timestamp, Some(b"key"), Some(value.as_bytes()), &[]);
    builder
}

async fn put(
    streams: &Streams,
    stream: &Stream,
    shard: u32,
    value: &str,
) -> Result<Offset, StoreError> {
    let now = streams.clock().now();
    let mut results = streams.append(stream, vec![(shard, one(now, value))]).await;
    results
        .pop()
        .expect("one answer")
        .map(|appended| appended.base_offset)
}

async fn values(streams: &Streams, stream: &Stream, shard: u32, from: Offset) -> Vec<String> {
    let batches = streams.read(stream, shard, from, usize::MAX).await.unwrap();
    let records = batches.iter().flat_map(|batch| batch.stored.records());
    records
        .map(|record| String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned())
        .collect()
}

async fn scale(streams: &Streams, stream: &str, count: u32) -> Arc<Stream> {
    let plan = |_: &Stream, planner: Planner<'_>| Ok::<_, StreamsError>(planner.uniform(count)?);
    streams.reshard(&name(stream), plan).await.unwrap()
}

#[tokio::test]
async fn a_stream_is_made_once_found_listed_and_deleted() {
    let (_, streams, clock) = fixture();
    let made = streams.create(&name("b"), new(3)).await.unwrap();
    assert!(matches!(
        streams.create(&name("b"), new(1)).await,
        Err(StreamsError::Exists)
    ));
    streams.create(&name("a"), new(1)).await.unwrap();
    assert_eq!(made.status(clock.now()), Status::Creating);
    let set_back = clock.now().minus(Duration::from_secs(3_600));
    assert_eq!(made.status(set_back), Status::Active);
    clock.advance(stream::BUSY_FOR);
    assert_eq!(made.status(clock.now()), Status::Active);
    assert!(made.topology.covers_ring());
    let listed = streams
        .names(&AccountId::unnamed(), &Region::unnamed(), Some("a"), 10)
        .await
        .unwrap();
    assert_eq!(listed, [name("b")]);
    streams.delete(&name("b")).await.unwrap();
    assert!(matches!(
        streams.find(&name("b")).await,
        Err(StreamsError::NotFound)
    ));
    assert!(matches!(
        put(&streams, &made, 0, "late").await,
        Err(StoreError::NoSuchLog { .. })
    ));
    let again = streams.create(&name("b"), new(1)).await.unwrap();
    assert_ne!(again.settings.id, made.settings.id);
}

#[tokio::test]
async fn a_stream_with_queues_is_not_deleted_and_changes_as_it_was_looked_up_or_not_at_all() {
    let (_, streams, _) = fixture();
    let made = streams.create(&name("s"), new(1)).await.unwrap();
    let settings = Settings {
        queues: 1,
        ..made.settings.clone()
    };
    let txn = Txn {
        writes: vec![Write::Put {
            key: Key::of(&["beside"]),
            value: encode(&1),
        }],
        ..Txn::default()
    };
    streams
        .change_with(&made, &settings, txn.clone())
        .await
        .unwrap();
    assert!(matches!(
        streams.change_with(&made, &settings, txn).await,
        Err(StoreError::Conflict { .. })
    ));
    assert!(matches!(
        streams.delete(&name("s")).await,
        Err(StreamsError::HasQueues)
    ));
    let beside = streams.store().get(&Key::of(&["beside"])).await.unwrap();
    assert!(beside.is_some());
    let found = streams.find(&name("s")).await.unwrap();
    assert_eq!(found.settings.queues, 1);
    let none = Settings {
        queues: 0,
        ..found.settings.clone()
    };
    streams
        .change_with(&found, &none, Txn::default())
        .await
        .unwrap();
    streams.delete(&name("s")).await.unwrap();
}

#[tokio::test]
async fn a_streams_documents_go_with_it_and_no_others() {
    let (store, streams, _) = fixture();
    streams.own_documents(&["tags"]);
    let put = |key| Write::Put {
        key,
        value: encode(&1),
    };
    let with_documents = NewStream {
        documents: vec![put(name("s").key_of("tags")), put(name("s").key_of("bill"))],
        ..new(1)
    };
    streams.create(&name("s"), with_documents).await.unwrap();
    let others = Txn {
        writes: vec![put(name("s2").key_of("tags"))],
        ..Txn::default()
    };
    store.commit(others).await.unwrap();
    streams.delete(&name("s")).await.unwrap();
    streams.create(&name("s"), new(1)).await.unwrap();
    let mut is_there = Vec::new();
    for key in [("s", "tags"), ("s", "bill"), ("s2", "tags")].map(|(s, of)| name(s).key_of(of)) {
        is_there.push(store.get(&key).await.unwrap().is_some());
    }
    assert_eq!(is_there, [false, true, true]);
}

#[tokio::test]
async fn a_split_closes_one_shard_and_opens_two() {
    let (_, streams, _) = fixture();
    let before = streams.create(&name("s"), new(1)).await.unwrap();
    put(&streams, &before, 0, "old").await.unwrap();
    let plan = |_: &Stream, planner: Planner<'_>| {
        Ok::<_, StreamsError>(planner.split(0, HashKey(1 << 100))?)
    };
    let after = streams.reshard(&name("s"), plan).await.unwrap();
    assert!(matches!(
        put(&streams, &before, 0, "no").await,
        Err(StoreError::Sealed { .. })
    ));
    assert_eq!(values(&streams, &after, 0, Offset(0)).await, ["old"]);
    let children: Vec<_> = after
        .topology
        .children(0)
        .map(|shard| shard.index)
        .collect();
    assert_eq!(children, [1, 2]);
    assert_eq!(after.topology.route(HashKey(1 << 100)).unwrap().index, 2);
    let (parent, child) = (
        after.topology.get(0).unwrap(),
        after.topology.get(1).unwrap(),
    );
    assert!(
        after.sequence_number(child, Offset(0)) > after.sequence_number(parent, Offset(u64::MAX))
    );
    let closed =
        |_: &Stream, planner: Planner<'_>| Ok::<_, StreamsError>(planner.split(0, HashKey(5))?);
    let refused = streams.reshard(&name("s"), closed).await;
    assert!(matches!(
        refused,
        Err(StreamsError::Reshard(ReshardError::Closed(0)))
    ));
    let merge = |_: &Stream, planner: Planner<'_>| Ok::<_, StreamsError>(planner.merge(2, 1)?);
    let merged = streams.reshard(&name("s"), merge).await.unwrap();
    assert_eq!(merged.topology.get(3).unwrap().parents, [2, 1]);
    assert!(merged.topology.covers_ring());
}

#[tokio::test]
async fn scaling_is_one_step_whatever_the_counts() {
    let (_, streams, _) = fixture();
    streams.create(&name("s"), new(4)).await.unwrap();
    for count in [8, 3, 7, 1, 64, 5, 5] {
        let stream = scale(&streams, "s", count).await;
        assert_eq!(stream.topology.open_count(), count as usize);
        assert!(stream.topology.covers_ring());
        let ranges: Vec<_> = stream
            .topology
            .open_shards()
            .map(|shard| shard.range)
            .collect();
        assert_eq!(ranges, HashRange::even(count));
    }
}

#[tokio::test]
async fn shards_are_added_beside_those_that_stay_open() {
    let (_, streams, _) = fixture();
    let before = streams.create(&name("s"), new(2)).await.unwrap();
    put(&streams, &before, 1, "old").await.unwrap();
    let plan = |_: &Stream, planner: Planner<'_>| Ok::<_, StreamsError>(planner.grow(3));
    let after = streams.reshard(&name("s"), plan).await.unwrap();
    let open: Vec<_> = after.topology.open_shards().collect();
    let ranges: Vec<_> = open.iter().map(|shard| shard.range).collect();
    assert_eq!(ranges, HashRange::even(5));
    let numbers: Vec<_> = open.iter().map(|shard| shard.index).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    assert_eq!(put(&streams, &after, 1, "new").await.unwrap(), Offset(1));
    assert_eq!(put(&streams, &before, 0, "late").await.unwrap(), Offset(0));
    assert_eq!(put(&streams, &after, 4, "new").await.unwrap(), Offset(0));
    assert_eq!(values(&streams, &after, 1, Offset(0)).await, ["old", "new"]);
    let halved = scale(&streams, "s", 1).await;
    let again = streams.reshard(&name("s"), plan).await.unwrap();
    assert_eq!(again.topology.open_count(), 4);
    assert!(again.topology.covers_ring());
    assert_eq!(again.settings.next_shard, halved.settings.next_shard + 3);
}

#[tokio::test]
async fn encrypted_records_are_not_in_the_store_in_the_clear() {
    let (store, streams, _) = fixture();
    streams.create(&name("s"), new(1)).await.unwrap();
    let wrapped = streams.keyring().new_data_key();
    let encrypt = |_: &Stream, settings: &mut Settings| {
        settings.data_keys.push(wrapped.clone());
        settings.encryption = Some(Encryption {
            key_id: "alias/aws/kinesis".into(),
            data_key: 0,
        });
        Ok::<_, StreamsError>(())
    };
    let stream = streams.update(&name("s"), encrypt).await.unwrap();
    put(&streams, &stream, 0, "a secret").await.unwrap();
    let stored = store
        .read(stream.log(0), Offset(0), usize::MAX)
        .await
        .unwrap();
    let bytes = stored[0].batch.bytes();
    assert!(stored[0].batch.is_sealed() && !bytes.windows(8).any(|window| window == b"a secret"));
    assert_eq!(values(&streams, &stream, 0, Offset(0)).await, ["a secret"]);
    let stop = |_: &Stream, settings: &mut Settings| {
        settings.encryption = None;
        Ok::<_, StreamsError>(())
    };
    let stream = streams.update(&name("s"), stop).await.unwrap();
    put(&streams, &stream, 0, "open").await.unwrap();
    assert_eq!(
        values(&streams, &stream, 0, Offset(0)).await,
        ["a secret", "open"]
    );
    let other = Streams::new(
        store,
        Clock::system(),
        Keyring::new(&[8; 32], Rng::seeded(2)),
    );
    assert!(matches!(
        other.find(&name("s")).await,
        Err(StreamsError::Store(StoreError::Damaged { .. }))
    ));
}

/// As AWS: twice as many shards are halves of one parent each, half as many are pairs. Counts that do not divide the ring leave
/// boundaries some keys apart, which must not make a parent of a neighbour.
#[tokio::test]
async fn doubling_splits_and_halving_merges() {
    let (_, streams, _) = fixture();
    for (index, (before, after)) in [(10, 20), (10, 5), (3, 6), (7, 49), (1_000, 500)]
        .into_iter()
        .enumerate()
    {
        let text = format!("s{index}");
        streams.create(&name(&text), new(before)).await.unwrap();
        let stream = scale(&streams, &text, after).await;
        assert_eq!(stream.topology.shards().count(), (before + after) as usize);
        for shard in stream.topology.open_shards() {
            let parents = if after > before { 1 } else { 2 };
            assert_eq!(
                shard.parents.len(),
                parents,
                "{before} to {after}: {shard:?}"
            );
        }
        assert!(stream.topology.covers_ring());
        let again = scale(&streams, &text, before).await;
        let ranges: Vec<_> = again
            .topology
            .open_shards()
            .map(|shard| shard.range)
            .collect();
        assert_eq!(ranges, HashRange::even(before), "{after} to {before}");
    }
}

/// Settings that name a key which isn't there must not let records be written in the clear.
#[tokio::test]
async fn without_its_key_an_encrypted_stream_takes_nothing() {
    let (_, streams, _) = fixture();
    streams.create(&name("s"), new(1)).await.unwrap();
    let encrypt = |_: &Stream, settings: &mut Settings| {
        settings.encryption = Some(Encryption {
            key_id: "alias/aws/kinesis".into(),
            data_key: 0,
        });
        Ok::<_, StreamsError>(())
    };
    let outcome = streams.update(&name("s"), encrypt).await;
    assert!(
        matches!(
            outcome,
            Err(StreamsError::Store(StoreError::Damaged { .. }))
        ),
        "{outcome:?}"
    );
}

#[test]
fn a_sealed_batch_opens_only_in_its_shard_and_unaltered() {
    let keyring = Keyring::new(&[7; 32], Rng::seeded(1));
    let sealer = keyring.sealer(&[keyring.new_data_key()], Some(0)).unwrap();
    let log = |partition| model::LogId::new(model::StreamId(1), partition);
    let open = one(Timestamp(5), "a secret").finish();
    let sealed = sealer.seal(log(0), open.clone());
    assert_eq!(sealer.open(log(0), sealed.clone()).unwrap(), open);
    assert!(sealer.open(log(1), sealed.clone()).is_err());
    for at in 0..sealed.payload().len() {
        let mut payload = sealed.payload().to_vec();
        payload[at] ^= 1;
        let altered = sealed.with_payload(&payload, true);
        assert!(sealer.open(log(0), altered).is_err(), "byte {at}");
    }
}

#[tokio::test]
async fn a_time_is_found_to_the_record() {
    let (_, streams, clock) = fixture();
    let stream = streams.create(&name("s"), new(1)).await.unwrap();
    let start = clock.now();
    let mut batch = BatchBuilder::with_capacity(64);
    for step in 0..5 {
        batch.push(
            start.plus(Duration::from_millis(step * 10)),
            None,
            Some(b"v"),
            &[],
        );
    }
    streams
        .append(&stream, vec![(0, batch)])
        .await
        .remove(0)
        .unwrap();
    for (after_ms, expected) in [(0, 0), (1, 1), (10, 1), (40, 4), (41, 5)] {
        let time = start.plus(Duration::from_millis(after_ms));
        let found = streams
            .locate(&stream, 0, Position::Time(time))
            .await
            .unwrap();
        assert_eq!(found, Offset(expected), "{after_ms} ms");
    }
    assert_eq!(
        streams
            .locate(&stream, 0, Position::At(Offset(99)))
            .await
            .unwrap(),
        Offset(5)
    );
    assert_eq!(
        streams.locate(&stream, 0, Position::End).await.unwrap(),
        Offset(5)
    );
}

#[tokio::test]
async fn a_time_is_found_though_records_expire_meanwhile() {
    let clock = Clock::manual(Timestamp(1_000_000));
    let store = Arc::new(Slow::new(Memory::new(clock.clone())));
    let keyring = Keyring::new(&[7; 32], Rng::seeded(1));
    let streams = Streams::new(store.clone(), clock.clone(), keyring);
    let stream = streams.create(&name("s"), new(1)).await.unwrap();
    put(&streams, &stream, 0, "old").await.unwrap();
    store.expires.store(true, Ordering::SeqCst);
    let found = streams
        .locate(&stream, 0, Position::Time(clock.now()))
        .await;
    assert_eq!(found.unwrap(), Offset(1));
}

#[tokio::test]
async fn records_expire_and_then_their_closed_shards() {
    let (_, streams, clock) = fixture();
    let stream = streams.create(&name("s"), new(1)).await.unwrap();
    put(&streams, &stream, 0, "old").await.unwrap();
    clock.advance(Duration::from_millis(23 * HOUR));
    put(&streams, &stream, 0, "newer").await.unwrap();
    let stream = scale(&streams, "s", 2).await;
    clock.advance(Duration::from_millis(2 * HOUR));
    assert_eq!(streams.expire().await.unwrap(), 1);
    assert_eq!(
        streams.locate(&stream, 0, Position::Start).await.unwrap(),
        Offset(1)
    );
    assert_eq!(values(&streams, &stream, 0, Offset(1)).await, ["newer"]);
    clock.advance(Duration::from_millis(25 * HOUR));
    streams.expire().await.unwrap();
    let stream = streams.find(&name("s")).await.unwrap();
    assert_eq!(
        stream
            .topology
            .shards()
            .map(|shard| shard.index)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    // As a partition it is there still, at the offset where it ended, closed and empty.
    let partitions = stream.topology.partitions().map(|shard| shard.index);
    assert_eq!(partitions.collect::<Vec<_>>(), [0, 1, 2]);
    let bounds = streams.store().bounds(stream.log(0)).await.unwrap();
    assert_eq!((bounds.start, bounds.end), (Offset(2), Offset(2)));
    assert!(matches!(
        put(&streams, &stream, 0, "late").await,
        Err(StoreError::Sealed { .. })
    ));
    let logs = stream.topology.partitions().map(|it| stream.log(it.index));
    let logs: Vec<_> = logs.collect();
    streams.delete(&name("s")).await.unwrap();
    for log in logs {
        assert!(streams.store().bounds(log).await.is_err(), "{log:?}");
    }
}

/// A log that stays for its number alone takes no memory for those who wrote to it.
#[tokio::test]
async fn who_wrote_to_an_expired_shard_is_forgotten() {
    let (_, streams, clock) = fixture();
    let stream = streams.create(&name("s"), new(1)).await.unwrap();
    let by = model::batch::Producer {
        id: 1,
        epoch: 0,
        sequence: 0,
    };
    let batch = one(clock.now(), "a").by(by);
    let mut appended = streams.append(&stream, vec![(0, batch)]).await;
    appended.remove(0).unwrap();
    let log = stream.log(0);
    let known = async || streams.store().producers(log).await.unwrap().len();
    scale(&streams, "s", 2).await;
    assert_eq!(known().await, 1);
    for _ in 0..2 {
        clock.advance(Duration::from_millis(25 * HOUR));
        streams.expire().await.unwrap();
    }
    let stream = streams.find(&name("s")).await.unwrap();
    assert!(stream.topology.get(0).is_none());
    assert_eq!(known().await, 0);
}

/// A stream that can't be opened must not let the disk fill with the others' records.
#[tokio::test]
async fn a_damaged_stream_does_not_keep_the_others_records() {
    let (store, streams, clock) = fixture();
    for text in ["a", "b"] {
        let stream = streams.create(&name(text), new(1)).await.unwrap();
        put(&streams, &stream, 0, "old").await.unwrap();
    }
    let foreign = Keyring::new(&[8; 32], Rng::seeded(2)).new_data_key();
    let damage = |_: &Stream, settings: &mut Settings| {
        settings.data_keys.push(foreign.clone());
        Ok::<_, StreamsError>(())
    };
    assert!(streams.update(&name("a"), damage).await.is_err());
    let b = streams.find(&name("b")).await.unwrap();
    clock.advance(Duration::from_millis(25 * HOUR));
    let outcome = streams.expire().await;
    assert!(
        matches!(
            outcome,
            Err(StreamsError::Store(StoreError::Damaged { .. }))
        ),
        "{outcome:?}"
    );
    assert_eq!(store.bounds(b.log(0)).await.unwrap().start, Offset(1));
}

/// Each creation takes a number, and none fails because others take theirs.
#[tokio::test]
async fn many_streams_are_made_at_once() {
    let clock = Clock::manual(Timestamp(1_000_000));
    let store = Arc::new(Slow::new(Memory::new(clock.clone())));
    let keyring = Keyring::new(&[7; 32], Rng::seeded(1));
    let streams = Arc::new(Streams::new(store, clock, keyring));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let streams = Arc::clone(&streams);
        tasks.spawn(async move { streams.create(&name(&number.to_string()), new(1)).await });
    }
    while let Some(made) = tasks.join_next().await {
        made.unwrap().unwrap();
    }
}

/// However many ask for a stream that has changed, its shards are read once.
#[tokio::test]
async fn a_changed_stream_is_loaded_once() {
    let clock = Clock::manual(Timestamp(1_000_000));
    let store = Arc::new(Slow::new(Memory::new(clock.clone())));
    let keyring = || Keyring::new(&[7; 32], Rng::seeded(1));
    let first = Streams::new(store.clone(), clock.clone(), keyring());
    first.create(&name("s"), new(3)).await.unwrap();
    let streams = Arc::new(Streams::new(store.clone(), clock, keyring()));
    let before = store.scans.load(Ordering::SeqCst);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let streams = Arc::clone(&streams);
        tasks.spawn(async move { streams.find(&name("s")).await });
    }
    while let Some(found) = tasks.join_next().await {
        assert_eq!(found.unwrap().unwrap().topology.open_count(), 3);
    }
    assert_eq!(store.scans.load(Ordering::SeqCst) - before, 1);
}

#[tokio::test]
async fn no_more_batches_are_kept_than_have_the_bytes_asked() {
    let (store, streams, _) = fixture();
    let stream = streams.create(&name("s"), new(1)).await.unwrap();
    for value in ["one", "two", "six"] {
        put(&streams, &stream, 0, value).await.unwrap();
    }
    let stored = store.read(stream.log(0), Offset(0), 1).await.unwrap();
    let one_batch = stored[0].batch.bytes().len() as u64;
    let keep_two = |_: &Stream, settings: &mut Settings| {
        settings.retention_ms = None;
        settings.retention_bytes = Some(one_batch + 1);
        Ok::<_, StreamsError>(())
    };
    let stream = streams.update(&name("s"), keep_two).await.unwrap();
    assert_eq!(streams.expire().await.unwrap(), 1);
    let start = streams.locate(&stream, 0, Position::Start).await.unwrap();
    assert_eq!(values(&streams, &stream, 0, start).await, ["two", "six"]);
    assert_eq!(streams.expire().await.unwrap(), 0);
    // The newest stays, though it alone has more.
    let keep_least = |_: &Stream, settings: &mut Settings| {
        settings.retention_bytes = Some(1);
        Ok::<_, StreamsError>(())
    };
    let stream = streams.update(&name("s"), keep_least).await.unwrap();
    assert_eq!(streams.expire().await.unwrap(), 1);
    let start = streams.locate(&stream, 0, Position::Start).await.unwrap();
    assert_eq!(values(&streams, &stream, 0, start).await, ["six"]);
    assert_eq!(streams.expire().await.unwrap(), 0);
}

/// A compacted topic's records are no older for their age.
#[tokio::test]
async fn what_is_only_compacted_does_not_expire() {
    let (_, streams, clock) = fixture();
    let stream = streams.create(&name("s"), new(1)).await.unwrap();
    for value in ["one", "two"] {
        put(&streams, &stream, 0, value).await.unwrap();
    }
    let policy = |policy: &'static str| {
        move |_: &Stream, settings: &mut Settings| {
            settings
                .extra
                .insert("cleanup.policy".into(), policy.into());
            settings.retention_bytes = Some(1);
            Ok::<_, StreamsError>(())
        }
    };
    let stream = streams.update(&name("s"), policy("compact")).await.unwrap();
    clock.advance(Duration::from_millis(25 * HOUR));
    assert_eq!(streams.expire().await.unwrap(), 0);
    assert_eq!(
        values(&streams, &stream, 0, Offset(0)).await,
        ["one", "two"]
    );
    let both = streams.update(&name("s"), policy("compact, delete")).await;
    assert_eq!(streams.expire().await.unwrap(), 1);
    let start = streams.locate(&both.unwrap(), 0, Position::Start).await;
    assert_eq!(start.unwrap(), Offset(2), "for their age");
}

proptest! {
    /// After any plans the ring is covered once, no child has more than two parents or begins with a range they don't cover, and
    /// each child's generation is above its parents'.
    #[test]
    fn any_plans_keep_the_ring_whole(steps in proptest::collection::vec((0..4u8, any::<u32>(), any::<u128>()), 1..12)) {
        let first = Shard { index: 0, range: HashRange::ALL, parents: vec![], generation: 0, opened: Timestamp(0), closed: None, expired: false, former: vec![] };
        let mut topology = Topology::of([first]);
        let (mut generation, mut next) = (0, 1);
        for (kind, pick, key) in steps {
            let open: Vec<u32> = topology.open_shards().map(|shard| shard.index).collect();
            let place = pick as usize % open.len();
            let planner = Planner::new(&topology, generation, next, Timestamp(1));
            let plan = match kind {
                0 => planner.split(open[place], HashKey(key)),
                1 => planner.merge(open[place], open[(place + 1) % open.len()]),
                2 => Ok(planner.grow(pick % 7)),
                _ => planner.uniform(pick % 40),
            };
            let Ok(plan) = plan else { continue };
            generation = plan.generation.max(generation);
            next += plan.opens.len() as u32;
            let closed: Vec<u32> = plan.closes.clone();
            let opened: Vec<u32> = plan.opens.iter().map(|shard| shard.index).collect();
            let kept = topology.shards().cloned().map(|mut shard| {
                if closed.contains(&shard.index) {
                    shard.closed = Some(Timestamp(1));
                }
                if let Some((_, range)) = plan.moves.iter().find(|(index, _)| *index == shard.index) {
                    assert!(shard.is_open());
                    shard.range = *range;
                }
                shard
            });
            topology = Topology::of(kept.chain(plan.opens).collect::<Vec<_>>());
            prop_assert!(topology.covers_ring());
            for shard in topology.shards() {
                prop_assert!(shard.parents.len() <= 2);
                for parent in shard.parents.iter().filter_map(|&parent| topology.get(parent)) {
                    prop_assert!(parent.generation < shard.generation, "{shard:?} of {parent:?}");
                    // Later on, a shard that moved lies elsewhere than its parents did.
                    if !opened.contains(&shard.index) {
                        continue;
                    }
                    prop_assert!(parent.range.first <= shard.range.last && shard.range.first <= parent.range.last);
                }
                let covered = |key| shard.parents.iter().any(|&p| topology.get(p).is_some_and(|p| p.range.contains(key)));
                let is_new = opened.contains(&shard.index);
                prop_assert!(!is_new || shard.parents.is_empty() || (covered(shard.range.first) && covered(shard.range.last)));
            }
        }
    }
}
