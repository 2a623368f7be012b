//! Records received too often: dead letters, and their way back.

use std::collections::BTreeSet;

use super::super::slow::Slow;
use super::queues::{data, handle, numbers};
use super::*;

const RECEIVE_DEAD: &str = "ReceiveDeadLetterQueueRecords";
const ACKNOWLEDGE_DEAD: &str = "AcknowledgeDeadLetterQueueRecords";
const RESTORE: &str = "RestoreDeadLetterQueueRecords";

/// Dead letters after so many receives, each of which hides a record for five seconds.
fn after(receives: u32) -> Value {
    json!({
        "VisibilityTimeoutSeconds": 5,
        "DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": receives},
    })
}

impl World {
    async fn dead_letters(&self, arn: &str) -> Vec<Value> {
        self.receive_by(RECEIVE_DEAD, arn, json!({})).await
    }

    /// Receives all there is so often, and lets the time of each receive pass.
    async fn wear_out(&self, arn: &str, receives: u32) -> Vec<Value> {
        let mut last = Vec::new();
        for _ in 0..receives {
            last = self.receive_all(arn).await;
            self.clock.advance(Duration::from_secs(5));
        }
        last
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_received_too_often_becomes_a_dead_letter() {
    let world = world();
    let arn = world.with_queue("s", after(2)).await;
    world.put("s", "x").await;
    let first = world.receive(&arn).await.remove(0);
    world.clock.advance(Duration::from_secs(5));
    assert!(world.dead_letters(&arn).await.is_empty());
    let second = world.receive(&arn).await.remove(0);
    assert_eq!(second["ReceiveCount"], 2);
    // In flight for the last time, it is none yet.
    assert!(world.dead_letters(&arn).await.is_empty());
    world.clock.advance(Duration::from_secs(5));
    assert!(world.receive(&arn).await.is_empty());
    let letter = world.dead_letters(&arn).await.remove(0);
    for same in [
        "RecordId",
        "Data",
        "PartitionKey",
        "ApproximateArrivalTimestamp",
        "FirstReceiveTimestamp",
    ] {
        assert_eq!(letter[same], first[same], "{same}");
    }
    assert_eq!(letter["ReceiveCount"], 3);
    // Its handle of before is of no use, and it is hidden for as long as a record is.
    let gone = (0, vec!["ResourceNotFoundException".to_owned()]);
    assert_eq!(world.acknowledge(&arn, handle(&second)).await, gone);
    assert!(world.dead_letters(&arn).await.is_empty());
    world.clock.advance(Duration::from_secs(5));
    let letter = world.dead_letters(&arn).await.remove(0);
    assert_eq!(letter["ReceiveCount"], 4);
    assert_eq!(
        world
            .settle(ACKNOWLEDGE_DEAD, &arn, &[handle(&letter)])
            .await,
        (1, vec![])
    );
    world.clock.advance(Duration::from_secs(60));
    assert!(world.dead_letters(&arn).await.is_empty());
    assert!(world.receive(&arn).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_need_receive_for_a_record_to_become_a_dead_letter() {
    let world = world();
    let arn = world.with_queue("s", after(1)).await;
    world.put_all("s", 30).await;
    world.wear_out(&arn, 1).await;
    let mut letters = Vec::new();
    for _ in 0..3 {
        letters.extend(world.dead_letters(&arn).await);
    }
    assert_eq!(numbers(&letters), (0..30).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_dead_letters_is_woken() {
    let world = Arc::new(world());
    let arn = world.with_queue("s", after(1)).await;
    world.put("s", "x").await;
    let record = world.receive(&arn).await.remove(0);
    let waiting = {
        let (world, arn) = (Arc::clone(&world), arn.clone());
        tokio::spawn(async move {
            world
                .receive_by(RECEIVE_DEAD, &arn, json!({"WaitTimeSeconds": 20}))
                .await
        })
    };
    let begun = tokio::time::Instant::now();
    tokio::task::yield_now().await;
    assert_eq!(world.hide(&arn, handle(&record), 0).await, (1, vec![]));
    assert_eq!(waiting.await.unwrap().len(), 1);
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_restored_is_received_as_if_for_the_first_time() {
    let world = world();
    let arn = world.with_queue("s", after(2)).await;
    world.put("s", "x").await;
    let first = world.wear_out(&arn, 2).await.remove(0);
    let letter = world.dead_letters(&arn).await.remove(0);
    let twice = [handle(&letter), handle(&letter)];
    assert_eq!(world.settle(RESTORE, &arn, &twice).await, (2, vec![]));
    assert!(world.dead_letters(&arn).await.is_empty());
    for count in 1..=2 {
        let record = world.receive(&arn).await;
        assert_eq!(record.len(), 1, "{record:?}");
        assert_eq!(record[0]["RecordId"], first["RecordId"]);
        assert_eq!(record[0]["Data"], first["Data"]);
        assert_eq!(record[0]["ReceiveCount"], count);
        assert_eq!(
            record[0]["FirstReceiveTimestamp"],
            first["FirstReceiveTimestamp"]
        );
        world.clock.advance(Duration::from_secs(5));
    }
    assert!(world.receive(&arn).await.is_empty());
    let letter = world.dead_letters(&arn).await.remove(0);
    assert_eq!(letter["RecordId"], first["RecordId"]);
    assert_eq!(
        world.settle(RESTORE, &arn, &[handle(&letter)]).await,
        (1, vec![])
    );
    let record = world.receive(&arn).await.remove(0);
    assert_eq!(world.acknowledge(&arn, handle(&record)).await, (1, vec![]));
    world.clock.advance(Duration::from_secs(60));
    assert!(world.receive(&arn).await.is_empty());
    assert!(world.dead_letters(&arn).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_dead_letter_any_more_is_not_restored() {
    let world = world();
    let arn = world.with_queue("s", after(1)).await;
    world.put_all("s", 3).await;
    world.wear_out(&arn, 1).await;
    let letters = world.dead_letters(&arn).await;
    assert_eq!(letters.len(), 3);
    assert_eq!(
        world
            .settle(ACKNOWLEDGE_DEAD, &arn, &[handle(&letters[0])])
            .await,
        (1, vec![])
    );
    assert_eq!(
        world.settle(RESTORE, &arn, &[handle(&letters[1])]).await,
        (1, vec![])
    );
    let handles: Vec<&str> = letters.iter().map(handle).collect();
    let gone = "ResourceNotFoundException".to_owned();
    assert_eq!(
        world.settle(RESTORE, &arn, &handles).await,
        (1, vec![gone.clone(), gone])
    );
    let mut restored: Vec<String> = world.receive_all(&arn).await.iter().map(data).collect();
    restored.sort();
    let mut expected = vec![data(&letters[1]), data(&letters[2])];
    expected.sort();
    assert_eq!(restored, expected);
    // A handle that another receive has outdated.
    world.clock.advance(Duration::from_secs(5));
    let first = world.dead_letters(&arn).await;
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(world.dead_letters(&arn).await.len(), 2);
    let stale = (0, vec!["InvalidArgumentException".to_owned()]);
    assert_eq!(
        world.settle(RESTORE, &arn, &[handle(&first[0])]).await,
        stale
    );
    assert_eq!(
        world
            .settle(ACKNOWLEDGE_DEAD, &arn, &[handle(&first[0])])
            .await,
        stale
    );
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_hidden_and_shown() {
    let world = world();
    let arn = world.with_queue("s", after(1)).await;
    world.put("s", "x").await;
    let record = world.wear_out(&arn, 1).await.remove(0);
    let hide = async |handle: &str, seconds: u32| {
        let entry = json!([{"ReceiptHandle": handle, "VisibilityTimeoutSeconds": seconds}]);
        world
            .entries("UpdateDeadLetterQueueRecordsVisibility", &arn, entry)
            .await
    };
    let how = json!({"VisibilityTimeoutSeconds": 100});
    let letter = world.receive_by(RECEIVE_DEAD, &arn, how).await.remove(0);
    world.clock.advance(Duration::from_secs(99));
    assert!(world.dead_letters(&arn).await.is_empty());
    assert_eq!(hide(handle(&letter), 0).await, (1, vec![]));
    assert_eq!(world.dead_letters(&arn).await.len(), 1);
    assert_eq!(
        hide(handle(&record), 0).await,
        (0, vec!["InvalidArgumentException".to_owned()])
    );
    // For no time at all: it is there again at once.
    let how = json!({"VisibilityTimeoutSeconds": 0});
    world.clock.advance(Duration::from_secs(5));
    for count in 4..6 {
        let letters = world.receive_by(RECEIVE_DEAD, &arn, how.clone()).await;
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0]["ReceiveCount"], count);
    }
}

#[tokio::test(start_paused = true)]
async fn dead_letters_can_be_turned_off_and_on() {
    let world = world();
    let none =
        json!({"DeadLetterConfiguration": {"TargetType": "NONE"}, "VisibilityTimeoutSeconds": 5});
    let arn = world.with_queue("s", none).await;
    world.put("s", "x").await;
    let worn = world.wear_out(&arn, 20).await;
    assert_eq!(worn[0]["ReceiveCount"], 20);
    assert!(world.dead_letters(&arn).await.is_empty());
    let update = async |attributes: Value| {
        world
            .done(
                "UpdateQueue",
                json!({"QueueARN": arn, "QueueAttributes": attributes}),
            )
            .await;
        world.later();
    };
    update(after(21)).await;
    assert_eq!(world.receive(&arn).await[0]["ReceiveCount"], 21);
    world.clock.advance(Duration::from_secs(5));
    // It holds at once, for what was received before, too.
    update(after(2)).await;
    assert_eq!(world.dead_letters(&arn).await.len(), 1);
    assert!(world.receive(&arn).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn dead_letters_and_restored_records_outlive_the_server() {
    let world = world();
    let arn = world.with_queue("s", after(1)).await;
    world.put_all("s", 3).await;
    world.wear_out(&arn, 1).await;
    let letters = world.dead_letters(&arn).await;
    assert_eq!(
        world
            .settle(ACKNOWLEDGE_DEAD, &arn, &[handle(&letters[0])])
            .await,
        (1, vec![])
    );
    assert_eq!(
        world.settle(RESTORE, &arn, &[handle(&letters[1])]).await,
        (1, vec![])
    );
    let killed = world.restarted();
    killed.clock.advance(Duration::from_secs(30));
    let again = killed.receive_all(&arn).await;
    assert_eq!(
        again.iter().map(data).collect::<Vec<_>>(),
        [data(&letters[1])]
    );
    assert_eq!(again[0]["RecordId"], letters[1]["RecordId"]);
    let left = killed.dead_letters(&arn).await;
    assert_eq!(
        left.iter().map(data).collect::<Vec<_>>(),
        [data(&letters[2])]
    );
    assert_eq!(
        left[0]["FirstReceiveTimestamp"],
        letters[2]["FirstReceiveTimestamp"]
    );
    assert_eq!(
        killed.acknowledge(&arn, handle(&again[0])).await,
        (1, vec![])
    );
    let killed = killed.restarted();
    killed.clock.advance(Duration::from_secs(30));
    assert!(killed.receive_all(&arn).await.is_empty());
    assert_eq!(killed.dead_letters(&arn).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_is_acknowledged_or_a_dead_letter_and_never_both() {
    let clock = Clock::manual(START);
    let store = Arc::new(Slow(Memory::new(clock.clone())));
    let world = Arc::new(World::over(store, clock, Limits::None));
    let arn = world.with_queue("s", after(1)).await;
    world.put_all("s", 60).await;
    let records = world.receive_all(&arn).await;
    world.clock.advance(Duration::from_secs(5));
    // All are acknowledged, late, while somebody looks for dead letters.
    let looking = {
        let (world, arn) = (Arc::clone(&world), arn.clone());
        tokio::spawn(async move {
            let mut letters = Vec::new();
            for _ in 0..10 {
                letters.extend(world.dead_letters(&arn).await);
            }
            letters
        })
    };
    let mut dead = BTreeSet::new();
    for record in &records {
        let (acknowledged, _) = world.acknowledge(&arn, handle(record)).await;
        if acknowledged == 0 {
            dead.insert(data(record));
        }
    }
    let letters = looking.await.unwrap();
    assert_eq!(letters.len(), dead.len());
    assert_eq!(letters.iter().map(data).collect::<BTreeSet<_>>(), dead);
    assert!(
        (1..60).contains(&dead.len()),
        "both happened: {}",
        dead.len()
    );
    assert!(world.receive_all(&arn).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_records_is_counted() {
    let world = world();
    let arn = world.with_queue("s", after(1)).await;
    world.put_all("s", 3).await;
    let records = world.receive_all(&arn).await;
    world.acknowledge(&arn, handle(&records[0])).await;
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(world.dead_letters(&arn).await.len(), 2);
    let mut registry = prometheus_client::registry::Registry::default();
    world.kinesis.register_metrics(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for (name, count) in [
        ("received_records", 3),
        ("acknowledged_records", 1),
        ("empty_receives", 1),
        ("dead_letters", 2),
    ] {
        let id = arn.rsplit('/').next().unwrap();
        let line = format!(
            "kinesis_queue_{name}_total{{account=\"{ACCOUNT}\",region=\"us-east-1\",queue=\"s-TRIM_HORIZON\",queue_id=\"{id}\"}} {count}"
        );
        assert!(text.contains(&line), "{line} in {text}");
    }
    world.done("DeleteQueue", json!({"QueueARN": arn})).await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(!text.contains("queue_id="), "{text}");
}

#[tokio::test(start_paused = true)]
async fn dead_letters_expire_with_their_records() {
    let world = world();
    let arn = world.with_queue("s", after(1)).await;
    world.put_all("s", 2).await;
    world.wear_out(&arn, 1).await;
    let letters = world.dead_letters(&arn).await;
    assert_eq!(
        world.settle(RESTORE, &arn, &[handle(&letters[0])]).await,
        (1, vec![])
    );
    world.clock.advance(Duration::from_secs(24 * 3_600));
    assert!(world.dead_letters(&arn).await.is_empty());
    assert!(world.receive(&arn).await.is_empty());
    assert!(
        world.kinesis.tidy_queues().await.unwrap() >= 1,
        "the references go"
    );
    assert_eq!(world.kinesis.tidy_queues().await.unwrap(), 0);
    // Records that went before their time, by hand or by size.
    world.put("s", "9").await;
    world.wear_out(&arn, 1).await;
    assert_eq!(world.dead_letters(&arn).await.len(), 1);
    world.clock.advance(Duration::from_secs(5));
    let bounds = world.summary("s").await;
    assert_eq!(bounds["OpenShardCount"], 4);
    let id = ::model::StreamId(1);
    for shard in 0..4 {
        let log = ::model::LogId::new(id, shard);
        let end = world.store.bounds(log).await.unwrap().end;
        let logs = vec![store::LogChange::Trim(log, end)];
        world
            .store
            .commit(store::Txn {
                logs,
                ..store::Txn::default()
            })
            .await
            .unwrap();
    }
    assert!(world.dead_letters(&arn).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_kafkas_producers_wrote_is_delivered_as_any_other_record() {
    let world = world();
    let arn = world.with_queue("s", after(1)).await;
    let name = streams::StreamName {
        account: ::model::AccountId::parse(&world.account).unwrap(),
        region: ::model::Region::parse(&world.region).unwrap(),
        name: "s".into(),
    };
    let stream = world.kinesis.streams.find(&name).await.unwrap();
    let now = world.clock.now();
    let mut plain = ::model::BatchBuilder::with_capacity(8);
    for value in ["0", "1", "2"] {
        plain.push(now, None, Some(value.as_bytes()), &[]);
    }
    let plain = plain.finish();
    let coded = |payload: &[u8]| {
        let mut bytes = plain.with_payload(payload, false).bytes().to_vec();
        bytes[22] = 4;
        ::model::Batch::parse_unverified(bytes.into()).unwrap()
    };
    let mut marker = ::model::BatchBuilder::with_capacity(8)
        .by(::model::batch::Producer {
            id: 7,
            epoch: 0,
            sequence: -1,
        })
        .control();
    marker.push(now, Some(&[0, 0, 0, 1]), Some(&[0; 6]), &[]);
    let zipped = coded(&zstd::stream::encode_all(plain.payload(), 1).unwrap());
    for batch in [zipped, marker.finish(), coded(b"no zstd at all")] {
        let mut appended = world
            .kinesis
            .streams
            .append_batches(&stream, vec![(0, batch)])
            .await;
        appended.pop().unwrap().unwrap();
    }
    world.put("s", "3").await;
    let records = world.wear_out(&arn, 1).await;
    assert_eq!(numbers(&records), [0, 1, 2, 3]);
    let keys = records
        .iter()
        .filter(|record| record.get("PartitionKey").is_some());
    assert_eq!(keys.count(), 1, "those without a key are told without");
    // Their bodies are read back from where they lie.
    assert_eq!(numbers(&world.dead_letters(&arn).await), [0, 1, 2, 3]);
    world.clock.advance(Duration::from_secs(60));
    assert!(world.receive(&arn).await.is_empty());
}
