//! The cleaner over the naive engine: what a reader from the beginning finds.

use std::collections::{BTreeMap, HashMap};

use model::batch::Producer;
use model::{AccountId, Batch, BatchBuilder, Clock, Region, Rng};
use store::{Memory, Store};

use super::*;
use crate::aborted::{self, AbortedIn};
use crate::deflate::deflate;
use crate::inflate::inflate;
use crate::registry::NewStream;
use crate::seal::Keyring;
use crate::stream::{Encryption, Mode};

const MINUTE: Duration = Duration::from_secs(60);

struct Fixture {
    streams: Streams,
    clock: Clock,
    stream: Arc<Stream>,
}

fn name() -> StreamName {
    StreamName {
        account: AccountId::unnamed(),
        region: Region::unnamed(),
        name: "table".into(),
    }
}

async fn fixture(configs: &[(&str, &str)]) -> Fixture {
    let clock = Clock::manual(Timestamp(1_000_000));
    let store: Arc<dyn Store> = Arc::new(Memory::new(clock.clone()));
    let streams = Streams::new(store, clock.clone(), Keyring::new(&[7; 32], Rng::seeded(1)));
    let mut extra = BTreeMap::from([
        ("cleanup.policy".to_owned(), "compact".to_owned()),
        ("min.cleanable.dirty.ratio".to_owned(), "0.01".to_owned()),
        ("delete.retention.ms".to_owned(), "60000".to_owned()),
    ]);
    for (name, value) in configs {
        extra.insert((*name).into(), (*value).into());
    }
    let new = NewStream {
        shards: 1,
        mode: Mode::Provisioned,
        retention_ms: None,
        max_record_bytes: 1 << 20,
        warm_throughput_mibps: None,
        retention_bytes: None,
        extra,
        documents: Vec::new(),
        is_awaited: true,
    };
    let stream = streams.create(&name(), new).await.unwrap();
    Fixture {
        streams,
        clock,
        stream,
    }
}

/// A batch of `key=value` and, for tombstones, `key`.
fn batch(time: Timestamp, records: &[&str], producer: Option<Producer>) -> Batch {
    let mut builder = BatchBuilder::with_capacity(64);
    if let Some(producer) = producer {
        builder = builder.by(producer);
    }
    for record in records {
        let (key, value) = record
            .split_once('=')
            .map_or((*record, None), |(key, value)| {
                (key, Some(value.as_bytes()))
            });
        builder.push(time, Some(key.as_bytes()), value, &[]);
    }
    builder.finish()
}

/// The batch, marked as part of a transaction.
fn transactional(batch: &Batch) -> Batch {
    let mut bytes = batch.bytes().to_vec();
    bytes[22] |= 1 << 4;
    Batch::parse_unverified(bytes.into())
        .unwrap()
        .with_payload(batch.payload(), false)
}

impl Fixture {
    async fn put_batch(&self, batch: Batch) -> Offset {
        let answers = self.streams.append_batches(&self.stream, vec![(0, batch)]);
        answers.await.remove(0).unwrap().base_offset
    }

    async fn put(&self, records: &[&str]) -> Offset {
        self.put_batch(batch(self.clock.now(), records, None)).await
    }

    async fn compact(&self) {
        self.streams.compact().await.unwrap();
    }

    /// All records, as `offset key=value`.
    async fn all(&self) -> Vec<String> {
        let read = self.streams.read(&self.stream, 0, Offset(0), usize::MAX);
        let mut all = Vec::new();
        for read in read.await.unwrap() {
            let batch = inflate(&read.stored.batch).unwrap();
            for record in batch.records(read.stored.base_offset) {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let value = record.value.map(|value| format!("={}", text(value)));
                let key = text(record.key.unwrap_or(b"-"));
                let value = value.unwrap_or_default();
                all.push(format!("{} {key}{value}", record.offset));
            }
        }
        all
    }
}

#[tokio::test]
async fn the_latest_record_of_each_key_stays_where_it_is() {
    let fixture = fixture(&[]).await;
    fixture.put(&["a=1", "b=1", "c=1"]).await;
    fixture.put(&["b=2", "d=1"]).await;
    fixture.put(&["a=2", "b=3"]).await;
    fixture.put(&["a=3"]).await;
    fixture.compact().await;
    // The last batch is not looked at: a=2 is the latest of what is.
    let expected = ["2 c=1", "4 d=1", "5 a=2", "6 b=3", "7 a=3"];
    assert_eq!(fixture.all().await, expected);
    fixture.put(&["c=2"]).await;
    fixture.compact().await;
    let expected = ["2 c=1", "4 d=1", "6 b=3", "7 a=3", "8 c=2"];
    assert_eq!(fixture.all().await, expected);
    fixture.compact().await;
    assert_eq!(fixture.all().await, expected);
}

#[tokio::test]
async fn a_tombstone_is_to_be_seen_for_a_while() {
    let fixture = fixture(&[]).await;
    fixture.put(&["a=1", "b=1"]).await;
    fixture.put(&["a"]).await;
    fixture.put(&["end=1"]).await;
    fixture.compact().await;
    assert_eq!(fixture.all().await, ["1 b=1", "2 a", "3 end=1"]);
    fixture.clock.advance(MINUTE - Duration::from_millis(1));
    fixture.compact().await;
    assert_eq!(fixture.all().await, ["1 b=1", "2 a", "3 end=1"]);
    fixture.clock.advance(Duration::from_millis(1));
    fixture.compact().await;
    assert_eq!(fixture.all().await, ["1 b=1", "3 end=1"]);
}

/// The horizon stands where a batch has its first record's time otherwise, and lies in the future.
#[tokio::test]
async fn a_tombstones_batch_has_its_records_time() {
    let fixture = fixture(&[]).await;
    let made = fixture.clock.now();
    fixture.put(&["a=1", "b=1"]).await;
    fixture.put(&["a"]).await;
    fixture.put(&["end=1"]).await;
    fixture.clock.advance(MINUTE);
    fixture.compact().await;
    let batches = fixture
        .streams
        .read(&fixture.stream, 0, Offset(2), 1)
        .await
        .unwrap();
    let horizon = batches[0].stored.batch.delete_horizon();
    assert!(horizon.is_some_and(|horizon| horizon > fixture.clock.now()));
    let told = fixture.streams.time_at(&fixture.stream, 0, Offset(2));
    assert_eq!(told.await.unwrap(), Some(made));
}

#[tokio::test]
async fn young_records_are_not_touched() {
    let fixture = fixture(&[("min.compaction.lag.ms", "60000")]).await;
    fixture.put(&["a=1"]).await;
    fixture.put(&["a=2"]).await;
    fixture.clock.advance(MINUTE);
    fixture.put(&["a=3"]).await;
    fixture.put(&["a=4"]).await;
    fixture.compact().await;
    assert_eq!(fixture.all().await, ["1 a=2", "2 a=3", "3 a=4"]);
}

#[tokio::test]
async fn little_that_is_new_waits_unless_it_is_old() {
    let configs = [
        ("min.cleanable.dirty.ratio", "0.9"),
        ("max.compaction.lag.ms", "60000"),
    ];
    let fixture = fixture(&configs).await;
    fixture.put(&["a=1", "b=1"]).await;
    fixture.put(&["a=2"]).await;
    fixture.put(&["x=1"]).await;
    fixture.compact().await;
    assert_eq!(fixture.all().await, ["1 b=1", "2 a=2", "3 x=1"]);
    fixture.put(&["x=2"]).await;
    fixture.put(&["x=3"]).await;
    fixture.compact().await;
    assert_eq!(fixture.all().await.len(), 5);
    fixture.clock.advance(MINUTE * 2);
    fixture.compact().await;
    assert_eq!(fixture.all().await, ["1 b=1", "2 a=2", "4 x=2", "5 x=3"]);
}

#[tokio::test]
async fn other_streams_are_left_alone_and_a_deleted_one_leaves_nothing() {
    let fixture = fixture(&[("cleanup.policy", "delete")]).await;
    fixture.put(&["a=1"]).await;
    fixture.put(&["a=2"]).await;
    fixture.put(&["a=3"]).await;
    fixture.compact().await;
    assert_eq!(fixture.all().await.len(), 3);
    let change = |_: &Stream, settings: &mut crate::Settings| {
        let policy = "compact,delete".to_owned();
        settings.extra.insert("cleanup.policy".into(), policy);
        Ok::<_, StreamsError>(())
    };
    fixture.streams.update(&name(), change).await.unwrap();
    fixture.compact().await;
    assert_eq!(fixture.all().await, ["1 a=2", "2 a=3"]);
    let note = key(fixture.stream.log(0));
    let store = fixture.streams.store();
    assert!(store.get(&note).await.unwrap().is_some());
    fixture.streams.delete(&name()).await.unwrap();
    assert!(store.get(&note).await.unwrap().is_none());
}

#[tokio::test]
async fn compressed_and_encrypted_batches_stay_so() {
    let fixture = fixture(&[]).await;
    let keyring = fixture.streams.keyring().clone();
    let encrypt = move |_: &Stream, settings: &mut crate::Settings| {
        settings.data_keys.push(keyring.new_data_key());
        settings.encryption = Some(Encryption {
            key_id: "k".into(),
            data_key: 0,
        });
        Ok::<_, StreamsError>(())
    };
    let stream = fixture.streams.update(&name(), encrypt).await.unwrap();
    let fixture = Fixture { stream, ..fixture };
    for codec in 1..=4 {
        let records: Vec<String> = (0..20).map(|n| format!("{n}={codec}")).collect();
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        let own = format!("own{codec}=1");
        let plain = batch(fixture.clock.now(), &[&records[..], &[&own]].concat(), None);
        fixture.put_batch(deflate(&plain, codec).unwrap()).await;
    }
    let off = |_: &Stream, settings: &mut crate::Settings| {
        settings.encryption = None;
        Ok::<_, StreamsError>(())
    };
    fixture.streams.update(&name(), off).await.unwrap();
    fixture.put(&["end=1"]).await;
    fixture.compact().await;
    let all = fixture.all().await;
    assert_eq!(all[..3], ["20 own1=1", "41 own2=1", "62 own3=1"]);
    assert_eq!(all.len(), 3 + 21 + 1);
    let log = fixture.stream.log(0);
    let lies = fixture.streams.store().read(log, Offset(0), usize::MAX);
    let codecs = lies.await.unwrap();
    let codecs: Vec<_> = codecs
        .iter()
        .map(|stored| (stored.batch.is_sealed(), stored.batch.codec()))
        .collect();
    let sealed = [(true, 1), (true, 2), (true, 3), (true, 4)];
    assert_eq!(codecs[..4], sealed);
}

#[tokio::test]
async fn what_was_aborted_replaces_nothing() {
    let fixture = fixture(&[]).await;
    let log = fixture.stream.log(0);
    let by = |sequence| Producer {
        id: 9,
        epoch: 0,
        sequence,
    };
    let marker = |fixture: &Fixture| {
        let mut builder = BatchBuilder::with_capacity(16).control().by(by(-1));
        let key = [0, 0, 0, 0];
        builder.push(fixture.clock.now(), Some(&key), Some(&[0; 6]), &[]);
        builder.finish()
    };
    fixture.put(&["a=1", "b=1"]).await;
    let written = transactional(&batch(fixture.clock.now(), &["a=2"], Some(by(0))));
    let first = fixture.put_batch(written).await;
    let last = fixture.put_batch(marker(&fixture)).await;
    let entry = AbortedIn {
        producer: 9,
        first,
        last,
    };
    let note = aborted::put(log, 9, first, last);
    let txn = Txn {
        writes: vec![note],
        ..Txn::default()
    };
    fixture.streams.store().commit(txn).await.unwrap();
    fixture.streams.aborted().add(log, entry);
    let committed = transactional(&batch(fixture.clock.now(), &["b=2"], Some(by(1))));
    fixture.put_batch(committed).await;
    fixture.put_batch(marker(&fixture)).await;
    let open = transactional(&batch(fixture.clock.now(), &["a=3"], Some(by(2))));
    let open = fixture.put_batch(open).await;
    fixture.streams.undecided().restore(log, 9, Some(open));
    fixture.put(&["end=1"]).await;
    let end = "\0\0\0\0=\0\0\0\0\0\0";
    let with_ends = |numbers: &[u64]| {
        let ends = numbers.iter().map(|number| format!("{number} {end}"));
        ends.collect::<Vec<_>>()
    };
    fixture.compact().await;
    let mut expected = vec!["0 a=1".to_owned()];
    expected.extend(with_ends(&[3]));
    expected.push("4 b=2".into());
    expected.extend(with_ends(&[5]));
    expected.extend(["6 a=3".to_owned(), "7 end=1".into()]);
    assert_eq!(fixture.all().await, expected);
    // The aborted one's end is seen without records for the first time, a minute later it goes, and then its note.
    fixture.streams.undecided().decide(log, 9);
    fixture.put(&["end=2"]).await;
    fixture.compact().await;
    fixture.clock.advance(MINUTE);
    fixture.compact().await;
    assert_eq!(
        fixture
            .streams
            .aborted()
            .overlapping(log, Offset(0), Offset(9)),
        []
    );
    fixture.compact().await;
    let mut expected = vec!["4 b=2".to_owned()];
    expected.extend(with_ends(&[5]));
    expected.extend(["6 a=3".to_owned(), "7 end=1".into(), "8 end=2".into()]);
    assert_eq!(fixture.all().await, expected);
}

/// Random records, lags and times: after compactions, the latest record of each key is what it was, no record has moved, and
/// only records that have a later one are missing.
#[tokio::test]
async fn nothing_is_lost_that_is_the_latest() {
    for seed in 0..40 {
        let rng = Rng::seeded(seed);
        let fixture = fixture(&[]).await;
        let mut written: Vec<(u64, String, Option<u64>)> = Vec::new();
        for step in 0..60u64 {
            let mut records = Vec::new();
            for _ in 0..=rng.below(4) {
                let key = format!("k{}", rng.below(8));
                let value = (rng.below(5) > 0).then_some(step);
                let offset = written.len() as u64;
                written.push((offset, key.clone(), value));
                records.push(value.map_or(key.clone(), |value| format!("{key}={value}")));
            }
            let records: Vec<&str> = records.iter().map(String::as_str).collect();
            let plain = batch(fixture.clock.now(), &records, None);
            let codec = rng.below(5) as u8;
            fixture.put_batch(deflate(&plain, codec).unwrap()).await;
            fixture.clock.advance(Duration::from_secs(rng.below(40)));
            if rng.below(4) == 0 {
                fixture.compact().await;
            }
        }
        fixture.compact().await;
        let line = |(offset, key, value): &(u64, String, Option<u64>)| {
            let value = value.map(|value| format!("={value}")).unwrap_or_default();
            format!("{offset} {key}{value}")
        };
        let all = fixture.all().await;
        let lines: Vec<String> = written.iter().map(line).collect();
        let mut from = 0;
        for found in &all {
            let at = lines[from..].iter().position(|line| line == found);
            from += at.expect("nothing has moved or changed") + 1;
        }
        let mut latest: HashMap<&str, &(u64, String, Option<u64>)> = HashMap::new();
        for record in &written {
            latest.insert(&record.1, record);
        }
        for record in latest.values().filter(|record| record.2.is_some()) {
            assert!(
                all.contains(&line(record)),
                "seed {seed}: {record:?} is gone"
            );
        }
        assert!(all.len() < written.len() / 2, "seed {seed}");
    }
}
