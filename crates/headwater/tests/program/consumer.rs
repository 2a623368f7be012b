//! Workers of our consumer library against the program: they share a stream by leases in its own DynamoDB.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use client::Producer;
use client::cloudwatch::{CloudWatch, Publishing};
use client::consumer::{
    Config, InitialPosition, LeaseStore as _, Opening, Position, Record, Retrieval, SeenTable,
    Uniqueness,
};
use client::envelope::{EncryptionKey, Sealer};

use crate::cloudwatch::Reader;
use rig::{Behaviour, Rig, wait_until};

#[path = "consumer/led.rs"]
mod led;
#[path = "consumer/rig.rs"]
mod rig;

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_evenly_and_hand_over_without_repeats() {
    let rig = Rig::start(4).await;
    let first = rig.worker("first", Behaviour::Checkpoints);
    rig.put(0..100).await;
    wait_until("all are read", || rig.ledger.count() == 100).await;
    wait_until("it has all", || first.metrics().leases_held == 4).await;
    let second = rig.worker("second", Behaviour::Checkpoints);
    let mut next = 100;
    while (first.metrics().leases_held, second.metrics().leases_held) != (2, 2) {
        rig.put(next..next + 10).await;
        next += 10;
    }
    assert!(second.metrics().stolen >= 2);
    rig.put(next..next + 40).await;
    next += 40;
    wait_until("all are read", || rig.ledger.distinct() == next).await;
    assert_eq!(rig.ledger.count(), next, "none came twice");
    rig.ledger.assert_ordered();
    assert!(
        rig.ledger
            .events()
            .iter()
            .any(|event| event.contains("first shutdown_requested"))
    );
    // Who stops gives its leases up at once, and nothing comes twice then either.
    first.stop().await;
    rig.put(next..next + 40).await;
    next += 40;
    wait_until("the other has all", || second.metrics().leases_held == 4).await;
    wait_until("all are read", || rig.ledger.distinct() == next).await;
    assert_eq!(rig.ledger.count(), next, "none came twice");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_of_a_worker_that_died_move_on() {
    let rig = Rig::start(3).await;
    let dying = rig.worker("dying", Behaviour::Checkpoints);
    let heir = rig.worker("heir", Behaviour::Checkpoints);
    rig.put(0..60).await;
    wait_until("all are read", || rig.ledger.distinct() == 60).await;
    wait_until("both have leases", || {
        dying.metrics().leases_held > 0 && heir.metrics().leases_held > 0
    })
    .await;
    dying.kill();
    rig.put(60..120).await;
    wait_until("all are read", || rig.ledger.distinct() == 120).await;
    wait_until("the heir has all", || heir.metrics().leases_held == 3).await;
    rig.ledger.assert_ordered();
    heir.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_split_and_a_merge_parents_are_read_first() {
    let rig = Rig::start(1).await;
    rig.put(0..50).await;
    rig.kinesis
        .split(
            rig::STREAM,
            "shardId-000000000000",
            &(1u128 << 127).to_string(),
        )
        .await
        .unwrap();
    rig.kinesis.wait_until_active(rig::STREAM).await.unwrap();
    rig.put(50..100).await;
    rig.kinesis
        .merge(rig::STREAM, "shardId-000000000001", "shardId-000000000002")
        .await
        .unwrap();
    rig.kinesis.wait_until_active(rig::STREAM).await.unwrap();
    rig.put(100..150).await;
    let one = rig.worker("one", Behaviour::Checkpoints);
    let two = rig.worker("two", Behaviour::Checkpoints);
    wait_until("all are read", || rig.ledger.distinct() == 150).await;
    // One more reshard while the workers run.
    rig.kinesis
        .split(
            rig::STREAM,
            "shardId-000000000003",
            &(1u128 << 126).to_string(),
        )
        .await
        .unwrap();
    rig.kinesis.wait_until_active(rig::STREAM).await.unwrap();
    rig.put(150..200).await;
    wait_until("all are read", || rig.ledger.distinct() == 200).await;
    rig.ledger.assert_ordered();
    assert_eq!(rig.ledger.count(), 200, "none came twice");
    let ended = rig.ledger.events();
    let ended = ended
        .iter()
        .filter(|event| event.contains("shard_ended"))
        .count();
    assert_eq!(ended, 4);
    // What has served is deleted; what is read is left.
    rig.wait_for_leases(&["shardId-000000000004", "shardId-000000000005"])
        .await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_goes_on_inside_an_aggregate() {
    let rig = Rig::start(1).await;
    rig.put(0..10).await;
    rig.put_aggregate(10..20).await;
    rig.put(20..30).await;
    let first = rig.worker("first", Behaviour::CheckpointsAt(14));
    wait_until("all are read", || rig.ledger.count() == 30).await;
    wait_until("it has checkpointed", || first.metrics().checkpoints == 1).await;
    first.kill();
    let lease = rig
        .leases()
        .get("shardId-000000000000")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(lease.checkpoint.sub_sequence(), 4);
    let again = rig.worker("first", Behaviour::Checkpoints);
    wait_until("the rest comes again", || rig.ledger.count() == 45).await;
    assert_eq!(rig.ledger.numbers()[30..], (15..30).collect::<Vec<_>>());
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_of_more_than_one_shard_is_dropped_as_the_kcl_does() {
    let rig = Rig::start(2).await;
    rig.put_aggregate(0..20).await;
    rig.put(20..40).await;
    let worker = rig.worker("only", Behaviour::Checkpoints);
    wait_until("what lies in its shard is read", || {
        rig.ledger.count() >= 20
    })
    .await;
    worker.stop().await;
    let mut numbers = rig.ledger.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, (20..40).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_comes_back_goes_on_after_its_checkpoint() {
    let rig = Rig::start(2).await;
    rig.put(0..40).await;
    let worker = rig.worker("same", Behaviour::Checkpoints);
    wait_until("all are read", || rig.ledger.count() == 40).await;
    worker.stop().await;
    rig.put(40..80).await;
    let worker = rig.worker("same", Behaviour::Checkpoints);
    wait_until("the rest is read", || rig.ledger.distinct() == 80).await;
    assert_eq!(rig.ledger.count(), 80, "none came twice");
    worker.stop().await;
    for lease in rig.leases().list().await.unwrap() {
        assert_eq!(lease.owner, None, "{} was given up", lease.key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_library_takes_a_lease_as_the_kcl_does() {
    let rig = Rig::start(1).await;
    rig.put(0..10).await;
    let worker = rig.worker("ours", Behaviour::Checkpoints);
    wait_until("all are read", || rig.ledger.count() == 10).await;
    // The counter moves with each renewal: it is tried until it is as it was seen.
    let leases = rig.leases();
    loop {
        let lease = leases.get("shardId-000000000000").await.unwrap().unwrap();
        let (condition, change) = lease.taking("theirs");
        if leases
            .update(&lease.key, &condition, &change)
            .await
            .unwrap()
        {
            break;
        }
    }
    wait_until("ours hears of it", || {
        rig.ledger
            .events()
            .iter()
            .any(|event| event.contains("ours lease_lost"))
    })
    .await;
    assert_eq!(worker.metrics().lost, 1);
    // Theirs does not renew it: ours has it back in time, and goes on.
    rig.put(10..20).await;
    wait_until("the rest is read", || rig.ledger.distinct() == 20).await;
    assert_eq!(rig.ledger.count(), 20);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fan_out_reads_the_same_through_reshards() {
    let rig = Rig::start(2).await;
    let push = |config: Config| Config {
        retrieval: Retrieval::FanOut {
            consumer: "pushed".to_owned(),
        },
        ..config
    };
    rig.put(0..50).await;
    let worker = rig.worker_with("pushed", Behaviour::Checkpoints, push);
    wait_until("all are read", || rig.ledger.count() == 50).await;
    rig.kinesis
        .merge(rig::STREAM, "shardId-000000000000", "shardId-000000000001")
        .await
        .unwrap();
    rig.kinesis.wait_until_active(rig::STREAM).await.unwrap();
    rig.put(50..100).await;
    wait_until("all are read", || rig.ledger.distinct() == 100).await;
    assert_eq!(rig.ledger.count(), 100, "none came twice");
    rig.ledger.assert_ordered();
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fan_out_reads_over_tls_by_the_servers_own_certificate() {
    let rig = Rig::start_over_tls(2).await;
    let push = |config: Config| Config {
        retrieval: Retrieval::FanOut {
            consumer: "pushed".to_owned(),
        },
        ..config
    };
    rig.put(0..50).await;
    let worker = rig.worker_with("pushed", Behaviour::Checkpoints, push);
    wait_until("what was there is read", || rig.ledger.count() == 50).await;
    // Subscriptions go on: what comes now is pushed.
    rig.put(50..100).await;
    wait_until("what comes is read", || rig.ledger.count() == 100).await;
    rig.ledger.assert_ordered();
    worker.stop().await;
    let lease = rig.leases().get("shardId-000000000000").await.unwrap();
    assert!(matches!(lease.unwrap().checkpoint, Position::At(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_position_leaves_out_what_was_there() {
    let rig = Rig::start(2).await;
    rig.put(0..20).await;
    let latest = |config: Config| Config {
        start: InitialPosition::Latest,
        ..config
    };
    let worker = rig.worker_with("late", Behaviour::Checkpoints, latest);
    wait_until("it reads", || worker.metrics().millis_behind.len() == 2).await;
    rig.put(20..40).await;
    wait_until("the new ones are read", || rig.ledger.distinct() == 20).await;
    let mut numbers = rig.ledger.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, (20..40).collect::<Vec<_>>());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_failed_comes_again() {
    let rig = Rig::start(1).await;
    rig.put(0..10).await;
    let worker = rig.worker("stumbling", Behaviour::FailsOnce);
    wait_until("all are read", || rig.ledger.distinct() == 10).await;
    assert_eq!(worker.metrics().failures, 1);
    let of_number = rig
        .ledger
        .numbers()
        .into_iter()
        .fold(BTreeMap::new(), |mut counts, number| {
            *counts.entry(number).or_insert(0) += 1;
            counts
        });
    assert_eq!(of_number.values().copied().min(), Some(1));
    worker.stop().await;
    let lease = rig
        .leases()
        .get("shardId-000000000000")
        .await
        .unwrap()
        .unwrap();
    assert!(
        matches!(lease.checkpoint, Position::At(_)),
        "{}",
        lease.checkpoint
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_get_over_a_server_that_is_killed() {
    let mut rig = Rig::start(3).await;
    let one = rig.worker("one", Behaviour::Checkpoints);
    let two = rig.worker("two", Behaviour::Checkpoints);
    rig.put(0..60).await;
    wait_until("all are read", || rig.ledger.distinct() == 60).await;
    rig.kill_server();
    rig.start_server_again();
    rig.put(60..120).await;
    wait_until("all are read", || rig.ledger.distinct() == 120).await;
    wait_until("all leases are held", || {
        one.metrics().leases_held + two.metrics().leases_held == 3
    })
    .await;
    rig.ledger.assert_ordered();
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_processed_is_not_given_again_and_what_was_not_is() {
    let rig = Rig::start(2).await;
    let unique = || {
        let week = Duration::from_secs(7 * 24 * 3600);
        let text = |record: &Record| String::from_utf8(record.data.to_vec()).ok();
        Some(Uniqueness {
            seen: Arc::new(SeenTable::new(rig.dynamodb(), "seen", week)),
            id_of: Arc::new(text),
        })
    };
    let spawn = |name, behaviour| rig.spawn(name, behaviour, |config| config, unique());
    rig.put(0..20).await;
    let first = spawn("first", Behaviour::Checkpoints);
    wait_until("all are read", || rig.ledger.count() == 20).await;
    wait_until("all are marked", || first.metrics().checkpoints >= 2).await;
    first.stop().await;
    // A producer repeats itself.
    rig.put(0..40).await;
    let second = spawn("second", Behaviour::Checkpoints);
    wait_until("new ones are read", || rig.ledger.distinct() == 40).await;
    assert_eq!(rig.ledger.count(), 40, "none came twice");
    assert_eq!(second.metrics().duplicates, 20);
    second.stop().await;
    // Given and not checkpointed: a crash brings them again.
    let forgetful = spawn("forgetful", Behaviour::Forgets);
    rig.put(40..60).await;
    wait_until("new ones are read", || rig.ledger.distinct() == 60).await;
    forgetful.kill();
    let last = spawn("forgetful", Behaviour::Checkpoints);
    wait_until("they come again", || rig.ledger.count() == 80).await;
    let mut again = rig.ledger.numbers().split_off(60);
    again.sort_unstable();
    assert_eq!(again, (40..60).collect::<Vec<_>>());
    last.stop().await;
}

fn key(id: &str) -> EncryptionKey {
    EncryptionKey::new(id, &[9; 32]).unwrap()
}

fn sealer(id: &str) -> Sealer {
    Sealer {
        compression: Some(3),
        encryption: Some(key(id)),
    }
}

fn opens(keys: &[&str]) -> impl FnOnce(Config) -> Config {
    let keys: Vec<EncryptionKey> = keys.iter().map(|id| key(id)).collect();
    move |config| Config {
        opening: Some(Opening::with(keys.into_iter().collect())),
        ..config
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_in_envelopes_arrive_opened_and_others_as_they_are() {
    let rig = Rig::start(2).await;
    rig.put(0..20).await;
    rig.put_sealed(20..40, &sealer("first")).await;
    rig.put_sealed(40..60, &sealer("second")).await;
    rig.put_aggregate(60..61).await;
    let worker = rig.worker_with("opens", Behaviour::Insists, opens(&["first", "second"]));
    wait_until("all are read", || rig.ledger.count() == 61).await;
    let metrics = worker.metrics();
    assert_eq!((metrics.unopened, metrics.failures), (0, 0));
    rig.ledger.assert_ordered();
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_producer_seals_a_consumer_opens() {
    let rig = Rig::start(2).await;
    let producer = Producer::new(client::producer::Options {
        rate_limit: None,
        sealer: Some(sealer("shared")),
        ..client::producer::Options::new(rig.connection())
    });
    let producer = producer.unwrap();
    for number in 0..200 {
        let (key, data) = (rig::key(number), number.to_string());
        producer
            .send(rig::STREAM, &key, None, data.as_bytes())
            .await
            .unwrap();
    }
    producer.close().await;
    assert!(producer.metrics().kinesis_records_put < 200, "aggregated");
    let worker = rig.worker_with("opens", Behaviour::Insists, opens(&["shared"]));
    wait_until("all are read", || rig.ledger.count() == 200).await;
    rig.ledger.assert_ordered();
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_is_given_as_it_came_and_holds_nothing_up() {
    let rig = Rig::start(1).await;
    rig.put(0..5).await;
    rig.put_sealed(5..6, &sealer("lost")).await;
    rig.put(6..10).await;
    let worker = rig.worker_with("opens", Behaviour::Checkpoints, opens(&["known"]));
    wait_until("the others are read", || rig.ledger.count() == 9).await;
    assert_eq!(worker.metrics().unopened, 1);
    assert_eq!(worker.metrics().failures, 0);
    let events = rig.ledger.events();
    let told = events.iter().find(|event| event.contains("unopened"));
    let told = told.unwrap();
    assert!(
        told.contains("sequence number") && told.contains("\"lost\""),
        "{told}"
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_that_insists_waits_for_a_worker_with_the_key() {
    let rig = Rig::start(1).await;
    rig.put_sealed(0..10, &sealer("new")).await;
    let without = rig.worker_with("without", Behaviour::Insists, opens(&["old"]));
    wait_until("it has tried twice", || without.metrics().failures >= 2).await;
    assert_eq!(rig.ledger.count(), 0);
    without.stop().await;
    let with = rig.worker_with("with", Behaviour::Insists, opens(&["old", "new"]));
    wait_until("all are read", || rig.ledger.count() == 10).await;
    with.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workers_metrics_are_published_under_the_kcls_names() {
    let rig = Rig::start(1).await;
    let cloudwatch = CloudWatch::new(rig.client());
    let publish = |config: Config| Config {
        publishing: Some(Publishing::new(cloudwatch, rig::APPLICATION)),
        ..config
    };
    rig.put(10..40).await;
    let worker = rig.worker_with("measured", Behaviour::Checkpoints, publish);
    wait_until("all are read", || rig.ledger.count() == 30).await;
    wait_until("a lease is renewed", || worker.metrics().renewals >= 2).await;
    worker.stop().await;
    let reader = Reader::new(rig.client(), rig::APPLICATION);
    let by_shard = [
        ("Operation", "ProcessTask"),
        ("ShardId", "shardId-000000000000"),
    ];
    let by_worker = |operation| [("Operation", operation), ("WorkerIdentifier", "measured")];
    let records = reader.known("RecordsProcessed", &by_shard, "Count").await;
    assert_eq!(records.sum, 30.0);
    let bytes = reader.known("DataBytesProcessed", &by_shard, "Bytes").await;
    assert_eq!(bytes.sum, 60.0);
    let behind = "MillisBehindLatest";
    let of_shard = reader.known(behind, &by_shard, "Milliseconds").await;
    let of_all = reader
        .known(
            behind,
            &[("Operation", "ApplicationTracker")],
            "Milliseconds",
        )
        .await;
    assert!(of_shard.count >= 1.0);
    assert_eq!(of_shard, of_all);
    let leases = reader
        .known("CurrentLeases", &by_worker("RenewAllLeases"), "Count")
        .await;
    assert_eq!(leases.maximum, 1.0);
    let taken = reader
        .known("TakenLeases", &by_worker("TakeLeases"), "Count")
        .await;
    assert_eq!(taken.sum, 1.0);
    let names = reader.names().await;
    for name in [
        "KinesisDataFetcher.getRecords.Time",
        "LostLeases",
        "NumWorkers",
        "RecordProcessor.initialize.Time",
        "RecordProcessor.processRecords.Time",
        "RenewLease.Success",
        "UpdateLease.Success",
    ] {
        assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
    }
}

/// As short as a loaded machine allows.
const FAILOVER: Duration = Duration::from_secs(2);
