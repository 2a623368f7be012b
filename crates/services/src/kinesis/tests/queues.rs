//! Queues on streams: what is received, and what becomes of it.

use std::collections::BTreeSet;

use super::*;

impl World {
    /// An on-demand stream and a queue of its records from the oldest on, both ACTIVE; the queue's ARN.
    pub(super) async fn with_queue(&self, stream: &str, attributes: Value) -> String {
        self.on_demand(stream).await;
        self.queue_on(stream, "TRIM_HORIZON", attributes).await
    }

    /// A queue, ACTIVE; its ARN.
    pub(super) async fn queue_on(&self, stream: &str, from: &str, attributes: Value) -> String {
        let input = json!({
            "QueueName": format!("{stream}-{from}"),
            "StreamConfigurationList": [{"StreamARN": self.arn(stream), "StartingPosition": {"Type": from}}],
            "QueueAttributes": attributes,
        });
        let answer = self.done("CreateQueue", input).await;
        self.later();
        answer["QueueDescription"]["QueueARN"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(super) async fn put(&self, stream: &str, data: &str) {
        let data = base64_simd::STANDARD.encode_to_string(data);
        let input = json!({"StreamName": stream, "PartitionKey": data, "Data": data});
        self.done("PutRecord", input).await;
    }

    pub(super) async fn put_all(&self, stream: &str, count: usize) {
        for number in 0..count {
            self.put(stream, &number.to_string()).await;
        }
    }

    /// What one receive of `operation` gives.
    pub(super) async fn receive_by(&self, operation: &str, arn: &str, more: Value) -> Vec<Value> {
        let mut input = json!({"QueueARN": arn, "WaitTimeSeconds": 1});
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let mut answer = self.done(operation, input).await;
        std::mem::take(answer["QueueRecords"].as_array_mut().unwrap())
    }

    pub(super) async fn receive(&self, arn: &str) -> Vec<Value> {
        self.receive_by("ReceiveQueueRecords", arn, json!({})).await
    }

    /// Receives until nothing comes.
    pub(super) async fn receive_all(&self, arn: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let some = self.receive(arn).await;
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    }

    /// The answer to `operation` on these handles: how many succeeded, and the codes of those that failed.
    pub(super) async fn settle(
        &self,
        operation: &str,
        arn: &str,
        handles: &[&str],
    ) -> (usize, Vec<String>) {
        let entries: Vec<Value> = handles
            .iter()
            .map(|handle| json!({"ReceiptHandle": handle}))
            .collect();
        self.entries(operation, arn, json!(entries)).await
    }

    pub(super) async fn entries(
        &self,
        operation: &str,
        arn: &str,
        entries: Value,
    ) -> (usize, Vec<String>) {
        let answer = self
            .done(operation, json!({"QueueARN": arn, "Entries": entries}))
            .await;
        let failed = answer["Failed"].as_array().unwrap().iter();
        let codes = failed.map(|failed| failed["ErrorCode"].as_str().unwrap().to_owned());
        (
            answer["Successful"].as_array().unwrap().len(),
            codes.collect(),
        )
    }

    pub(super) async fn acknowledge(&self, arn: &str, handle: &str) -> (usize, Vec<String>) {
        self.settle("AcknowledgeQueueRecords", arn, &[handle]).await
    }

    pub(super) async fn hide(&self, arn: &str, handle: &str, seconds: u32) -> (usize, Vec<String>) {
        let entry = json!([{"ReceiptHandle": handle, "VisibilityTimeoutSeconds": seconds}]);
        self.entries("UpdateQueueRecordsVisibility", arn, entry)
            .await
    }

    /// The server stopped and started again, or killed: what it had in memory is gone.
    pub(super) fn restarted(&self) -> World {
        World::over(Arc::clone(&self.store), self.clock.clone(), Limits::None)
    }
}

pub(super) fn data(record: &Value) -> String {
    let text = record["Data"].as_str().unwrap();
    let bytes = base64_simd::STANDARD.decode_to_vec(text).unwrap();
    String::from_utf8(bytes).unwrap()
}

pub(super) fn handle(record: &Value) -> &str {
    record["ReceiptHandle"].as_str().unwrap()
}

/// Data of records, in order of numbers.
pub(super) fn numbers(records: &[Value]) -> Vec<usize> {
    let mut all: Vec<usize> = records
        .iter()
        .map(|record| data(record).parse().unwrap())
        .collect();
    all.sort_unstable();
    all
}

#[tokio::test(start_paused = true)]
async fn records_are_received_once_until_their_time_is_over() {
    let world = world();
    let arn = world.with_queue("s", json!({})).await;
    world.put_all("s", 25).await;
    let first = world.receive(&arn).await;
    assert!((1..=10).contains(&first.len()));
    let mut all = first;
    all.extend(world.receive_all(&arn).await);
    assert_eq!(numbers(&all), (0..25).collect::<Vec<_>>());
    let record = &all[0];
    assert_eq!(record["ReceiveCount"], 1);
    assert_eq!(record["PartitionKey"], record["Data"]);
    let now = world.clock.now().0 as f64 / 1_000.0;
    assert_eq!(record["FirstReceiveTimestamp"], now);
    assert_eq!(record["ApproximateArrivalTimestamp"], now);
    // All of them of all four shards are in flight, for 30 s.
    world.clock.advance(Duration::from_secs(29));
    assert!(world.receive(&arn).await.is_empty());
    assert_eq!(world.acknowledge(&arn, handle(&all[3])).await, (1, vec![]));
    world.clock.advance(Duration::from_secs(1));
    let again = world.receive_all(&arn).await;
    assert_eq!(again.len(), 24);
    assert!(again.iter().all(|record| record["ReceiveCount"] == 2));
    assert!(
        again
            .iter()
            .all(|record| record["FirstReceiveTimestamp"] == now)
    );
    assert!(
        !again
            .iter()
            .any(|record| record["RecordId"] == all[3]["RecordId"])
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_has_one_id_and_a_handle_for_each_receive() {
    let world = world();
    let arn = world
        .with_queue("s", json!({"VisibilityTimeoutSeconds": 5}))
        .await;
    let other = world.queue_on("s", "LATEST", json!({})).await;
    world.put("s", "x").await;
    let first = world.receive(&arn).await;
    world.clock.advance(Duration::from_secs(5));
    let second = world.receive(&arn).await;
    let elsewhere = world.receive(&other).await;
    let id = first[0]["RecordId"].as_str().unwrap();
    assert!((1..=64).contains(&id.len()));
    assert!(
        id.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    );
    assert_eq!(second[0]["RecordId"], id);
    assert_eq!(elsewhere[0]["RecordId"], id);
    assert_eq!(elsewhere[0]["ReceiveCount"], 1);
    let handles: BTreeSet<&str> = [&first, &second, &elsewhere]
        .map(|records| handle(&records[0]))
        .into();
    assert_eq!(handles.len(), 3);
    assert!(handles.iter().all(|handle| handle.len() <= 1_024));
    // Each queue has its own.
    assert_eq!(
        world.acknowledge(&arn, handle(&elsewhere[0])).await,
        (0, vec!["InvalidArgumentException".to_owned()])
    );
    assert_eq!(
        world.acknowledge(&arn, handle(&second[0])).await,
        (1, vec![])
    );
    world.clock.advance(Duration::from_secs(30));
    assert!(world.receive(&arn).await.is_empty());
    assert_eq!(world.receive(&other).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn handles_are_worth_what_their_delivery_is() {
    let world = world();
    let arn = world
        .with_queue("s", json!({"VisibilityTimeoutSeconds": 5}))
        .await;
    world.put("s", "x").await;
    let first = world.receive(&arn).await;
    world.clock.advance(Duration::from_secs(5));
    let invalid = || (0, vec!["InvalidArgumentException".to_owned()]);
    // Its time is over, nobody else has it: it can be acknowledged, but not hidden.
    assert_eq!(world.hide(&arn, handle(&first[0]), 9).await, invalid());
    let second = world.receive(&arn).await;
    assert_eq!(world.acknowledge(&arn, handle(&first[0])).await, invalid());
    assert_eq!(world.hide(&arn, handle(&first[0]), 9).await, invalid());
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(
        world.acknowledge(&arn, handle(&second[0])).await,
        (1, vec![])
    );
    // Sent again, a request succeeds again.
    assert_eq!(
        world.acknowledge(&arn, handle(&second[0])).await,
        (1, vec![])
    );
    let gone = (0, vec!["ResourceNotFoundException".to_owned()]);
    assert_eq!(world.hide(&arn, handle(&second[0]), 9).await, gone);
    assert!(world.receive(&arn).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_forged_handle_is_refused_and_the_others_of_the_request_are_not() {
    let world = world();
    let arn = world.with_queue("s", json!({})).await;
    world.put_all("s", 2).await;
    let records = world.receive_all(&arn).await;
    let mut forged = base64_simd::STANDARD
        .decode_to_vec(handle(&records[0]))
        .unwrap();
    for at in 0..forged.len() {
        forged[at] ^= 1;
        let text = base64_simd::STANDARD.encode_to_string(&forged);
        assert_eq!(
            world.acknowledge(&arn, &text).await,
            (0, vec!["InvalidArgumentException".to_owned()])
        );
        forged[at] ^= 1;
    }
    let handles = [handle(&records[0]), "garbage", handle(&records[1])];
    assert_eq!(
        world
            .settle("AcknowledgeQueueRecords", &arn, &handles)
            .await,
        (2, vec!["InvalidArgumentException".to_owned()])
    );
    // One of the dead letters' operations does not take handles of the others.
    assert_eq!(
        world
            .settle("AcknowledgeDeadLetterQueueRecords", &arn, &handles[..1])
            .await,
        (0, vec!["InvalidArgumentException".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn visibility_is_what_the_receive_or_the_queue_or_a_change_says() {
    let world = world();
    let arn = world
        .with_queue("s", json!({"VisibilityTimeoutSeconds": 10}))
        .await;
    world.put("s", "x").await;
    let by = |seconds: u32| json!({"VisibilityTimeoutSeconds": seconds});
    let operation = "ReceiveQueueRecords";
    assert_eq!(world.receive_by(operation, &arn, by(0)).await.len(), 1);
    let records = world.receive_by(operation, &arn, by(20)).await;
    assert_eq!(records[0]["ReceiveCount"], 2);
    world.clock.advance(Duration::from_secs(19));
    assert!(world.receive(&arn).await.is_empty());
    assert_eq!(
        world.hide(&arn, handle(&records[0]), 43_200).await,
        (1, vec![])
    );
    world.clock.advance(Duration::from_secs(43_199));
    assert!(world.receive(&arn).await.is_empty());
    world.clock.advance(Duration::from_secs(1));
    let records = world.receive(&arn).await;
    assert_eq!(world.hide(&arn, handle(&records[0]), 0).await, (1, vec![]));
    let records = world.receive(&arn).await;
    assert_eq!(records[0]["ReceiveCount"], 4);
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(world.receive(&arn).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_kept_and_all_shards_have_their_turn() {
    let world = world();
    let arn = world.with_queue("s", json!({})).await;
    world.put_all("s", 400).await;
    let mut shards = BTreeSet::new();
    for _ in 0..4 {
        let records = world
            .receive_by("ReceiveQueueRecords", &arn, json!({"Limit": 3}))
            .await;
        assert_eq!(records.len(), 3);
        // Stream, then shard, then offset.
        shards.extend(
            records
                .iter()
                .map(|record| record["RecordId"].as_str().unwrap()[16..24].to_owned()),
        );
    }
    assert_eq!(shards.len(), 4, "four receives, four shards");
    assert_eq!(world.receive(&arn).await.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_receive_waits_for_a_record_and_for_nothing_more() {
    let world = Arc::new(world());
    let arn = world.with_queue("s", json!({})).await;
    let waiting = {
        let (world, arn) = (Arc::clone(&world), arn.clone());
        tokio::spawn(async move {
            world
                .receive_by("ReceiveQueueRecords", &arn, json!({"WaitTimeSeconds": 20}))
                .await
        })
    };
    let begun = tokio::time::Instant::now();
    // Until it waits.
    while !world.kinesis.plane.queues.is_any_in_use() {
        tokio::task::yield_now().await;
    }
    world.put("s", "x").await;
    assert_eq!(waiting.await.unwrap().len(), 1);
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    // 9 s where the request does not say.
    let begun = tokio::time::Instant::now();
    let none = world
        .done("ReceiveQueueRecords", json!({"QueueARN": arn}))
        .await;
    assert_eq!(none["QueueRecords"], json!([]));
    assert_eq!(begun.elapsed().as_secs(), 9);
}

#[tokio::test(start_paused = true)]
async fn each_of_many_who_wait_gets_a_record() {
    let world = Arc::new(world());
    let arn = world.with_queue("s", json!({})).await;
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let (world, arn) = (Arc::clone(&world), arn.clone());
            let how = json!({"WaitTimeSeconds": 20, "Limit": 1});
            tokio::spawn(async move { world.receive_by("ReceiveQueueRecords", &arn, how).await })
        })
        .collect();
    let begun = tokio::time::Instant::now();
    while !world.kinesis.plane.queues.is_any_in_use() {
        tokio::task::yield_now().await;
    }
    world.put_all("s", 20).await;
    let mut all = Vec::new();
    for one in waiting {
        all.extend(one.await.unwrap());
    }
    assert_eq!(numbers(&all), (0..20).collect::<Vec<_>>());
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn records_of_shards_made_later_are_received_from_their_start() {
    let world = Arc::new(world());
    let arn = world.with_queue("s", json!({})).await;
    let latest = world.queue_on("s", "LATEST", json!({})).await;
    world.put_all("s", 10).await;
    let split = async |shard: u32| {
        let plan = |_: &streams::Stream, planner: streams::reshard::Planner<'_>| {
            Ok::<_, streams::StreamsError>(planner.uniform(shard)?)
        };
        let name = streams::StreamName {
            account: ::model::AccountId::parse(&world.account).unwrap(),
            region: ::model::Region::parse(&world.region).unwrap(),
            name: "s".into(),
        };
        world.kinesis.streams.reshard(&name, plan).await.unwrap();
    };
    split(8).await;
    for number in 10..20 {
        world.put("s", &number.to_string()).await;
    }
    assert_eq!(
        numbers(&world.receive_all(&arn).await),
        (0..20).collect::<Vec<_>>()
    );
    assert_eq!(
        numbers(&world.receive_all(&latest).await),
        (0..20).collect::<Vec<_>>()
    );
    // Who waits meanwhile gets records of shards that are made meanwhile.
    let waiting = {
        let (world, arn) = (Arc::clone(&world), arn.clone());
        tokio::spawn(async move {
            world
                .receive_by("ReceiveQueueRecords", &arn, json!({"WaitTimeSeconds": 20}))
                .await
        })
    };
    let begun = tokio::time::Instant::now();
    tokio::task::yield_now().await;
    split(2).await;
    world.put("s", "20").await;
    assert_eq!(numbers(&waiting.await.unwrap()), [20]);
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn encrypted_records_are_received_in_the_clear() {
    let world = world();
    let arn = world.with_queue("s", json!({})).await;
    world.put("s", "0").await;
    assert_eq!(world.receive(&arn).await.len(), 1);
    for (number, operation) in [
        (1, "StartStreamEncryption"),
        (2, "StopStreamEncryption"),
        (3, "StartStreamEncryption"),
    ] {
        let key = json!({"StreamName": "s", "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"});
        world.done(operation, key).await;
        world.later();
        world.put("s", &number.to_string()).await;
        assert_eq!(numbers(&world.receive(&arn).await), [number]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_is_so_after_a_restart_and_the_rest_is_not() {
    let world = world();
    let arn = world.with_queue("s", json!({})).await;
    world.put_all("s", 20).await;
    let records = world.receive_all(&arn).await;
    for record in &records[..10] {
        assert_eq!(world.acknowledge(&arn, handle(record)).await, (1, vec![]));
    }
    let kept: BTreeSet<usize> = numbers(&records[10..]).into_iter().collect();
    let killed = world.restarted();
    killed.clock.advance(Duration::from_secs(30));
    let left = killed.receive_all(&arn).await;
    assert_eq!(numbers(&left).into_iter().collect::<BTreeSet<_>>(), kept);
    // What was in flight when the server was stopped in good order still is.
    killed.kinesis.close().await;
    let again = killed.restarted();
    assert!(again.receive(&arn).await.is_empty());
    again.clock.advance(Duration::from_secs(30));
    let counts = |records: &[Value], more: i64| {
        let counts = records.iter().map(|record| {
            let id = record["RecordId"].as_str().unwrap().to_owned();
            (id, record["ReceiveCount"].as_i64().unwrap() + more)
        });
        counts.collect::<BTreeMap<_, _>>()
    };
    let before = counts(&left, 1);
    let left = again.receive_all(&arn).await;
    assert_eq!(counts(&left, 0), before);
    // Handles of before serve.
    assert_eq!(
        again.restarted().acknowledge(&arn, handle(&left[0])).await,
        (1, vec![])
    );
}

#[tokio::test(start_paused = true)]
async fn records_expire_with_the_stream() {
    let world = world();
    let arn = world.with_queue("s", json!({})).await;
    world.put_all("s", 3).await;
    let record = world
        .receive_by("ReceiveQueueRecords", &arn, json!({"Limit": 1}))
        .await
        .remove(0);
    world.clock.advance(Duration::from_secs(24 * 3_600));
    assert!(world.receive(&arn).await.is_empty());
    world.kinesis.streams.expire().await.unwrap();
    assert!(world.receive(&arn).await.is_empty());
    let gone = (0, vec!["ResourceNotFoundException".to_owned()]);
    assert_eq!(world.hide(&arn, handle(&record), 9).await, gone);
    world.put("s", "9").await;
    assert_eq!(numbers(&world.receive_all(&arn).await), [9]);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_many_are_in_flight() {
    let world = world();
    let arn = world.with_queue("s", json!({})).await;
    let batch = |count: usize| {
        let records: Vec<Value> = (0..count)
            .map(|n| json!({"PartitionKey": n.to_string(), "Data": ""}))
            .collect();
        json!({"StreamName": "s", "Records": records})
    };
    for _ in 0..super::super::limits::IN_FLIGHT / 500 + 1 {
        world.done("PutRecords", batch(500)).await;
    }
    assert_eq!(world.receive(&arn).await.len(), 10);
    for _ in 0..10 {
        world.kinesis.plane.queues.take_from_each(10_000).await;
    }
    world
        .refused(
            "ThrottlingException",
            "in flight",
            "ReceiveQueueRecords",
            json!({"QueueARN": arn}),
        )
        .await;
}
