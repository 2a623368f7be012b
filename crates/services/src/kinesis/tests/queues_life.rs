//! Queues made, described, listed, changed and deleted, and what they ask of their stream.

use super::queues::{handle, numbers};
use super::*;

impl World {
    fn creation(&self, name: &str, stream: &str) -> Value {
        json!({"QueueName": name, "StreamConfigurationList": [{"StreamARN": self.arn(stream)}]})
    }

    /// CreateQueue with this starting position; the description.
    async fn created(&self, name: &str, stream: &str, position: Value) -> Value {
        let mut input = self.creation(name, stream);
        input["StreamConfigurationList"][0]["StartingPosition"] = position;
        self.done("CreateQueue", input).await["QueueDescription"].take()
    }

    async fn described(&self, arn: &Value) -> Value {
        let answer = self.done("DescribeQueue", json!({"QueueARN": arn})).await;
        answer["QueueDescription"].clone()
    }

    /// Queues a, b and c of the stream s, and d of t.
    async fn four_queues(&self) {
        for stream in ["s", "t"] {
            self.on_demand(stream).await;
        }
        for (name, stream) in [("c", "s"), ("a", "s"), ("d", "t"), ("b", "s")] {
            self.done("CreateQueue", self.creation(name, stream)).await;
        }
    }

    /// Names and token that ListQueues gives.
    async fn queues(&self, input: Value) -> (Vec<String>, Value) {
        let answer = self.done("ListQueues", input).await;
        let summaries = answer["QueueSummaries"].as_array().unwrap().iter();
        let names = summaries.map(|queue| queue["QueueName"].as_str().unwrap().to_owned());
        (names.collect(), answer["NextToken"].clone())
    }
}

fn seconds(time: Timestamp) -> f64 {
    time.0 as f64 / 1_000.0
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_created_described_and_changed() {
    let world = world();
    world.on_demand("s").await;
    let mut input = world.creation("q", "s");
    input["Tags"] = json!({"a": "b"});
    let created = world.done("CreateQueue", input).await["QueueDescription"].take();
    let arn = created["QueueARN"].clone();
    let (prefix, id) = arn.as_str().unwrap().split_once("queue/").unwrap();
    assert_eq!(prefix, "arn:aws:kinesis:us-east-1:123456789012:");
    assert!(!id.is_empty() && !id.contains("q"));
    let now = seconds(world.clock.now());
    let mut expected = json!({
        "QueueName": "q",
        "QueueARN": arn,
        "QueueStatus": "CREATING",
        "QueueCreationTimestamp": now,
        "StreamConfigurationList": [{"StreamARN": world.arn("s"), "StartingPosition": {"Type": "LATEST"}}],
        "QueueAttributes": {
            "VisibilityTimeoutSeconds": 30,
            "DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 6},
        },
    });
    assert_eq!(created, expected);
    assert_eq!(world.described(&arn).await, expected);
    let update = json!({"QueueARN": arn, "QueueAttributes": {"VisibilityTimeoutSeconds": 0}});
    world
        .refused(
            "ResourceInUseException",
            "CREATING",
            "UpdateQueue",
            update.clone(),
        )
        .await;
    world.later();
    expected["QueueStatus"] = json!("ACTIVE");
    expected["StreamConfigurationList"][0]["StartingPosition"]["Timestamp"] = json!(now);
    assert_eq!(world.described(&arn).await, expected);

    let updated = world.done("UpdateQueue", update.clone()).await["QueueDescription"].take();
    expected["QueueStatus"] = json!("UPDATING");
    expected["QueueAttributes"]["VisibilityTimeoutSeconds"] = json!(0);
    assert_eq!(updated, expected);
    world
        .refused("ResourceInUseException", "UPDATING", "UpdateQueue", update)
        .await;
    world.later();
    let off = json!({"DeadLetterConfiguration": {"TargetType": "NONE"}});
    world
        .done(
            "UpdateQueue",
            json!({"QueueARN": arn, "QueueAttributes": off}),
        )
        .await;
    world.later();
    expected["QueueStatus"] = json!("ACTIVE");
    expected["QueueAttributes"]["DeadLetterConfiguration"] = json!({"TargetType": "NONE"});
    assert_eq!(world.described(&arn).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_queue_deleted_is_gone() {
    let world = world();
    let arn = world.with_queue("s", json!({})).await;
    assert_eq!(world.summary("s").await["QueueCount"], 1);
    assert_eq!(world.summary("s").await["ConsumerCount"], 0);
    world.done("DeleteQueue", json!({"QueueARN": arn})).await;
    assert_eq!(world.summary("s").await["QueueCount"], 0);
    for operation in [
        "DescribeQueue",
        "DeleteQueue",
        "ReceiveQueueRecords",
        "ReceiveDeadLetterQueueRecords",
    ] {
        world
            .refused(
                "ResourceNotFoundException",
                "not found",
                operation,
                json!({"QueueARN": arn}),
            )
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_made_again_under_a_name_is_another() {
    let world = world();
    world.on_demand("s").await;
    let old = world
        .created("q", "s", json!({"Type": "TRIM_HORIZON"}))
        .await["QueueARN"]
        .clone();
    world.later();
    world
        .refused(
            "ResourceInUseException",
            "Queue q",
            "CreateQueue",
            world.creation("q", "s"),
        )
        .await;
    world.put("s", "0").await;
    let record = world.receive(old.as_str().unwrap()).await.remove(0);
    world.done("DeleteQueue", json!({"QueueARN": old})).await;
    let entries = json!({"QueueARN": old, "Entries": [{"ReceiptHandle": handle(&record)}]});
    world
        .refused(
            "ResourceNotFoundException",
            "",
            "AcknowledgeQueueRecords",
            entries,
        )
        .await;
    let new = world
        .created("q", "s", json!({"Type": "TRIM_HORIZON"}))
        .await["QueueARN"]
        .clone();
    world.later();
    assert_ne!(old, new);
    let new = new.as_str().unwrap();
    assert_eq!(
        world.acknowledge(new, handle(&record)).await,
        (0, vec!["InvalidArgumentException".to_owned()])
    );
    assert_eq!(world.receive(new).await.len(), 1);
    world
        .refused(
            "ResourceNotFoundException",
            "",
            "DescribeQueue",
            json!({"QueueARN": old}),
        )
        .await;
    // Names are an account's in a region.
    let elsewhere = world.asked_by("999999999999", "us-east-1");
    elsewhere.on_demand("s").await;
    elsewhere
        .done("CreateQueue", elsewhere.creation("q", "s"))
        .await;
    elsewhere
        .refused(
            "AccessDeniedException",
            "",
            "DescribeQueue",
            json!({"QueueARN": new}),
        )
        .await;
    let europe = world.asked_by(ACCOUNT, "eu-west-1");
    europe
        .refused(
            "ResourceNotFoundException",
            "",
            "DescribeQueue",
            json!({"QueueARN": new}),
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn delivery_begins_where_it_is_asked_to() {
    let world = world();
    world.on_demand("s").await;
    world.put("s", "0").await;
    world.clock.advance(Duration::from_secs(10));
    let middle = world.clock.now();
    world.put("s", "1").await;
    world.clock.advance(Duration::from_secs(10));
    let at = json!({"Type": "AT_TIMESTAMP", "Timestamp": seconds(middle)});
    let before = json!({"Type": "AT_TIMESTAMP", "Timestamp": seconds(START) - 1_000.0});
    let mut made = Vec::new();
    for (position, from, expected) in [
        (json!({"Type": "TRIM_HORIZON"}), Some(START), vec![0, 1, 2]),
        (json!({"Type": "LATEST"}), None, vec![2]),
        (at.clone(), Some(middle), vec![1, 2]),
        (before, Some(START), vec![0, 1, 2]),
    ] {
        let created = world
            .created(&made.len().to_string(), "s", position.clone())
            .await;
        assert_eq!(
            created["StreamConfigurationList"][0]["StartingPosition"],
            position
        );
        let from = from.unwrap_or(world.clock.now());
        world.later();
        let described = world.described(&created["QueueARN"]).await;
        let found = &described["StreamConfigurationList"][0]["StartingPosition"];
        assert_eq!(found["Timestamp"], json!(seconds(from)), "{position}");
        made.push((created["QueueARN"].as_str().unwrap().to_owned(), expected));
    }
    world.put("s", "2").await;
    for (arn, expected) in made {
        assert_eq!(numbers(&world.receive_all(&arn).await), expected);
    }
    // What the stream no longer keeps is no place to begin.
    world.clock.advance(Duration::from_secs(48 * 3_600));
    let made = world.created("late", "s", at).await;
    world.later();
    let described = world.described(&made["QueueARN"]).await;
    let position = &described["StreamConfigurationList"][0]["StartingPosition"];
    let horizon = world.clock.now().minus(Duration::from_secs(24 * 3_600 + 2));
    assert_eq!(position["Timestamp"], json!(seconds(horizon)));
}

#[tokio::test(start_paused = true)]
async fn starting_positions_and_attributes_that_cannot_be_are_refused() {
    let world = world();
    world.on_demand("s").await;
    let refused = async |code: &str, text: &str, input: Value| {
        world.refused(code, text, "CreateQueue", input).await;
    };
    let invalid = "ValidationException";
    let position = |position: Value| {
        let mut input = world.creation("q", "s");
        input["StreamConfigurationList"][0]["StartingPosition"] = position;
        input
    };
    refused(
        invalid,
        "Timestamp is required",
        position(json!({"Type": "AT_TIMESTAMP"})),
    )
    .await;
    for kind in ["LATEST", "TRIM_HORIZON"] {
        let both = json!({"Type": kind, "Timestamp": 1});
        refused(invalid, "Timestamp must not", position(both)).await;
    }
    let future = json!({"Type": "AT_TIMESTAMP", "Timestamp": 2_000_000_000});
    refused("InvalidArgumentException", "greater than", position(future)).await;
    refused(invalid, "type", position(json!({"Type": "NOW"}))).await;
    let with = |attributes: Value| {
        let mut input = world.creation("q", "s");
        input["QueueAttributes"] = attributes;
        input
    };
    let built_in = json!({"DeadLetterConfiguration": {"TargetType": "BUILT_IN"}});
    refused(invalid, "MaxReceiveCount", with(built_in)).await;
    for attributes in [
        json!({"VisibilityTimeoutSeconds": 43_201}),
        json!({"VisibilityTimeoutSeconds": -1}),
        json!({"DeadLetterConfiguration": {"TargetType": "SQS", "MaxReceiveCount": 1}}),
        json!({"DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 0}}),
        json!({"DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 1_001}}),
    ] {
        refused(invalid, "queueAttributes", with(attributes)).await;
    }
    assert_eq!(world.queues(json!({})).await.0, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_queue_is_refused() {
    let world = world();
    world.on_demand("s").await;
    world.stream("provisioned", 1).await;
    let refused = async |code: &str, text: &str, input: Value| {
        world.refused(code, text, "CreateQueue", input).await;
    };
    let invalid = "ValidationException";
    let with = |name: &str, value: Value| {
        let mut input = world.creation("q", "s");
        input[name] = value;
        input
    };
    refused(invalid, "queueName", with("QueueName", json!("a b"))).await;
    refused(invalid, "queueName", with("QueueName", Value::Null)).await;
    let none = with("StreamConfigurationList", json!([]));
    refused(invalid, "streamConfigurationList", none).await;
    let one = json!({"StreamARN": world.arn("s")});
    let two = with("StreamConfigurationList", json!([one, one]));
    refused("InvalidArgumentException", "exactly one", two).await;
    refused(
        "ResourceNotFoundException",
        "Stream none",
        world.creation("q", "none"),
    )
    .await;
    refused(invalid, "On-Demand", world.creation("q", "provisioned")).await;
    let many: serde_json::Map<String, Value> =
        (0..51).map(|n| (n.to_string(), json!(""))).collect();
    refused(
        "InvalidArgumentException",
        "50 tags",
        with("Tags", json!(many)),
    )
    .await;
    let new = json!({"StreamName": "new", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    world.done("CreateStream", new).await;
    refused(
        "ResourceInUseException",
        "CREATING",
        world.creation("q", "new"),
    )
    .await;
    for text in ["nonsense", &world.arn("s")] {
        world
            .refused(
                invalid,
                "queueARN",
                "DescribeQueue",
                json!({"QueueARN": text}),
            )
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_with_queues_stays_as_they_need_it() {
    let world = world();
    let arn = world.with_queue("s", json!({})).await;
    let in_use = "ResourceInUseException";
    for enforce in [true, false] {
        let input = json!({"StreamName": "s", "EnforceConsumerDeletion": enforce});
        world.refused(in_use, "queues", "DeleteStream", input).await;
    }
    let mode = |mode: &str| json!({"StreamARN": world.arn("s"), "StreamModeDetails": {"StreamMode": mode}});
    world
        .refused(in_use, "queues", "UpdateStreamMode", mode("PROVISIONED"))
        .await;
    world.done("UpdateStreamMode", mode("ON_DEMAND")).await;
    world.done("DeleteQueue", json!({"QueueARN": arn})).await;
    world.done("UpdateStreamMode", mode("PROVISIONED")).await;
    world.later();
    world.done("DeleteStream", json!({"StreamName": "s"})).await;
}

#[tokio::test(start_paused = true)]
async fn queues_count_as_consumers() {
    let world = World::new(Limits::Aws);
    world.on_demand("s").await;
    for number in 0..20 {
        let name = number.to_string();
        if number % 2 == 0 {
            world.done("CreateQueue", world.creation(&name, "s")).await;
        } else {
            let input = json!({"StreamARN": world.arn("s"), "ConsumerName": name});
            world.done("RegisterStreamConsumer", input).await;
        }
        world.later();
    }
    let exceeded = "LimitExceededException";
    world
        .refused(exceeded, "20", "CreateQueue", world.creation("more", "s"))
        .await;
    let input = json!({"StreamARN": world.arn("s"), "ConsumerName": "more"});
    world
        .refused(exceeded, "20", "RegisterStreamConsumer", input)
        .await;
    assert_eq!(world.summary("s").await["QueueCount"], 10);
    // Five are in CREATING at once at most.
    world.on_demand("t").await;
    for number in 0..5 {
        world
            .done("CreateQueue", world.creation(&format!("t{number}"), "t"))
            .await;
        world.clock.advance(Duration::from_millis(1));
    }
    world.clock.advance(Duration::from_millis(40));
    let sixth = world.creation("t5", "t");
    let refused = world.ask("CreateQueue", sixth.clone()).await.unwrap_err();
    assert_eq!(refused.0, exceeded);
    world.later();
    world.done("CreateQueue", sixth).await;
}

#[tokio::test(start_paused = true)]
async fn queues_are_listed_in_pages_by_name() {
    let world = world();
    world.four_queues().await;
    let all = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    let (names, token) = world.queues(json!({"MaxResults": 2})).await;
    assert_eq!(names, all(["a", "b"]));
    let next = json!({"MaxResults": 2, "NextToken": token});
    assert_eq!(
        world.queues(next.clone()).await,
        (all(["c", "d"]), Value::Null)
    );
    let answer = world.done("ListQueues", json!({"MaxResults": 1})).await;
    let summary = &answer["QueueSummaries"][0];
    assert_eq!(summary["Streams"][0]["StreamARN"], world.arn("s"));
    assert_eq!(
        summary["Streams"][0]["StreamCreationTimestamp"],
        seconds(START)
    );
    assert_eq!(summary["QueueStatus"], "CREATING");
    let nonsense = json!({"NextToken": "nonsense"});
    world
        .refused(
            "InvalidArgumentException",
            "NextToken",
            "ListQueues",
            nonsense,
        )
        .await;
    world.clock.advance(Duration::from_secs(301));
    world
        .refused("ExpiredNextTokenException", "expired", "ListQueues", next)
        .await;
}

#[tokio::test(start_paused = true)]
async fn queues_of_a_stream_are_listed() {
    let world = world();
    world.four_queues().await;
    let filter =
        |created: Value| json!([{"StreamARN": world.arn("s"), "StreamCreationTimestamp": created}]);
    let of_s = json!({"StreamFilter": filter(Value::Null), "MaxResults": 2});
    let (names, token) = world.queues(of_s).await;
    assert_eq!(names, ["a", "b"]);
    let next = json!({"StreamFilter": filter(Value::Null), "NextToken": token});
    assert_eq!(
        world.queues(next).await,
        (vec!["c".to_owned()], Value::Null)
    );
    // A token is of one list.
    let another = json!({"NextToken": token});
    world
        .refused(
            "InvalidArgumentException",
            "NextToken",
            "ListQueues",
            another,
        )
        .await;
    let created = world.summary("s").await["StreamCreationTimestamp"].clone();
    assert_eq!(
        world
            .queues(json!({"StreamFilter": filter(created)}))
            .await
            .0
            .len(),
        3
    );
    assert_eq!(
        world
            .queues(json!({"StreamFilter": filter(json!(1))}))
            .await
            .0
            .len(),
        0
    );
    let elsewhere = json!([{"StreamARN": world.arn("none")}]);
    assert_eq!(
        world
            .queues(json!({"StreamFilter": elsewhere}))
            .await
            .0
            .len(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn queues_have_tags_and_policies() {
    let world = world();
    world.on_demand("s").await;
    let mut input = world.creation("q", "s");
    input["Tags"] = json!({"a": "b"});
    let arn = world.done("CreateQueue", input).await["QueueDescription"]["QueueARN"].clone();
    let tags = async || {
        let answer = world
            .done("ListTagsForResource", json!({"ResourceARN": arn}))
            .await;
        answer["Tags"].clone()
    };
    assert_eq!(tags().await, json!([{"Key": "a", "Value": "b"}]));
    world
        .done(
            "TagResource",
            json!({"ResourceARN": arn, "Tags": {"c": "d", "a": "e"}}),
        )
        .await;
    world
        .done(
            "UntagResource",
            json!({"ResourceARN": arn, "TagKeys": ["c", "none"]}),
        )
        .await;
    assert_eq!(tags().await, json!([{"Key": "a", "Value": "e"}]));
    let many: serde_json::Map<String, Value> =
        (0..50).map(|n| (n.to_string(), json!(""))).collect();
    let input = json!({"ResourceARN": arn, "Tags": many});
    world
        .refused("InvalidArgumentException", "50 tags", "TagResource", input)
        .await;
    let policy = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"kinesis:*"}}"#;
    world
        .done(
            "PutResourcePolicy",
            json!({"ResourceARN": arn, "Policy": policy}),
        )
        .await;
    let kept = world
        .done("GetResourcePolicy", json!({"ResourceARN": arn}))
        .await;
    assert_eq!(kept["Policy"], policy);
    world
        .done("DeleteResourcePolicy", json!({"ResourceARN": arn}))
        .await;
    let kept = world
        .done("GetResourcePolicy", json!({"ResourceARN": arn}))
        .await;
    assert_eq!(kept["Policy"], "");
    world.done("DeleteQueue", json!({"QueueARN": arn})).await;
    let input = json!({"ResourceARN": arn});
    world
        .refused(
            "ResourceNotFoundException",
            "",
            "ListTagsForResource",
            input,
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_told_that_the_queue_is_deleted() {
    let world = Arc::new(world());
    let arn = world.with_queue("s", json!({})).await;
    let begun = tokio::time::Instant::now();
    let waiting = ["ReceiveQueueRecords", "ReceiveDeadLetterQueueRecords"].map(|operation| {
        let (world, input) = (
            Arc::clone(&world),
            json!({"QueueARN": arn, "WaitTimeSeconds": 20}),
        );
        tokio::spawn(async move { world.ask(operation, input).await })
    });
    while !world.kinesis.plane.queues.is_any_in_use() {
        tokio::task::yield_now().await;
    }
    world.done("DeleteQueue", json!({"QueueARN": arn})).await;
    for one in waiting {
        assert_eq!(
            one.await.unwrap().unwrap_err().0,
            "ResourceNotFoundException"
        );
    }
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    assert!(!world.kinesis.plane.queues.is_any_in_use());
}

#[tokio::test(start_paused = true)]
async fn a_receive_waits_for_the_queue_to_be_active() {
    let world = Arc::new(world());
    world.on_demand("s").await;
    world.put("s", "0").await;
    let arn = world
        .created("q", "s", json!({"Type": "TRIM_HORIZON"}))
        .await["QueueARN"]
        .clone();
    let waiting = {
        let (world, input) = (
            Arc::clone(&world),
            json!({"QueueARN": arn, "WaitTimeSeconds": 20}),
        );
        tokio::spawn(async move { world.done("ReceiveQueueRecords", input).await })
    };
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    world.later();
    let answer = waiting.await.unwrap();
    assert_eq!(answer["QueueRecords"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn journals_of_shards_that_have_gone_go_too() {
    let world = world();
    let arn = world.with_queue("s", json!({})).await;
    world.put_all("s", 8).await;
    assert_eq!(world.receive_all(&arn).await.len(), 8);
    let name = streams::StreamName {
        account: ::model::AccountId::parse(&world.account).unwrap(),
        region: ::model::Region::parse(&world.region).unwrap(),
        name: "s".into(),
    };
    let plan = |_: &streams::Stream, planner: streams::reshard::Planner<'_>| {
        Ok::<_, streams::StreamsError>(planner.uniform(2)?)
    };
    world.kinesis.streams.reshard(&name, plan).await.unwrap();
    world.put("s", "8").await;
    assert_eq!(numbers(&world.receive_all(&arn).await), [8]);
    let journals = async || {
        let mut there = 0;
        for shard in 0..20 {
            let journal = ::model::LogId::new(::model::StreamId(2), shard);
            there += usize::from(world.store.bounds(journal).await.is_ok());
        }
        there
    };
    let before = journals().await;
    assert!(before > 4, "{before}");
    world.clock.advance(Duration::from_secs(25 * 3_600));
    world.kinesis.streams.expire().await.unwrap();
    let killed = world.restarted();
    assert!(killed.kinesis.tidy_queues().await.unwrap() > 0);
    assert_eq!(journals().await, 2);
    world.put("s", "9").await;
    assert_eq!(numbers(&world.receive_all(&arn).await), [9]);
    world.done("DeleteQueue", json!({"QueueARN": arn})).await;
    assert_eq!(journals().await, 0);
    for partition in u32::MAX - 3..=u32::MAX {
        let log = ::model::LogId::new(::model::StreamId(2), partition);
        assert!(world.store.bounds(log).await.is_err());
    }
}
