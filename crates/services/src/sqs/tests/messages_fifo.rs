//! Messages of FIFO queues: in order, once, and received again by attempt.

use super::messages::{handle, text};
use super::*;

const INVALID: &str = "InvalidParameterValueException";

impl World {
    /// A FIFO queue that takes a message's body for its de-duplication id.
    async fn by_content(&self, name: &str, more: Value) -> String {
        let mut attributes = json!({"FifoQueue": "true", "ContentBasedDeduplication": "true"});
        for (name, value) in more.as_object().unwrap() {
            attributes[name] = value.clone();
        }
        self.queue(name, attributes).await
    }

    async fn send_to(&self, url: &str, group: &str, body: &str) -> Value {
        let input = json!({"QueueUrl": url, "MessageBody": body, "MessageGroupId": group});
        self.done("SendMessage", input).await
    }

    async fn send_as(&self, url: &str, group: &str, id: &str, body: &str) -> Value {
        let input = json!({
            "QueueUrl": url, "MessageBody": body, "MessageGroupId": group, "MessageDeduplicationId": id,
        });
        self.done("SendMessage", input).await
    }
}

#[tokio::test]
async fn a_message_tells_its_place() {
    let world = world();
    let url = world.plain("q.fifo").await;
    let first = world
        .send_as(&url, "group-1", "dedup-1", "message-body-1")
        .await;
    let second = world.send_as(&url, "group-1", "dedup-2", "b").await;
    let number = |message: &Value| text(message, "SequenceNumber");
    assert_eq!(number(&first).len(), 20);
    assert!(number(&first) < number(&second));
    let messages = world.receive(&url, json!({})).await;
    assert_eq!(
        messages[0]["Attributes"],
        json!({
            "ApproximateFirstReceiveTimestamp": "1700000000500",
            "ApproximateReceiveCount": "1",
            "MessageDeduplicationId": "dedup-1",
            "MessageGroupId": "group-1",
            "SenderId": ACCOUNT,
            "SentTimestamp": "1700000000500",
            "SequenceNumber": number(&first),
        })
    );
    assert_eq!(number(&messages[1]["Attributes"]), number(&second));
}

#[tokio::test]
async fn a_message_needs_a_group_and_what_tells_repeats() {
    let world = world();
    let url = world.plain("q.fifo").await;
    let refused = async |shape: &str, text: &str, more: Value| {
        let mut input = json!({"QueueUrl": url, "MessageBody": "x"});
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        world
            .refused(shape, text, "SendMessage", input.clone())
            .await;
    };
    let group = "The request must contain the parameter MessageGroupId.";
    refused("MissingRequiredParameterException", group, json!({})).await;
    let id = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly";
    refused(INVALID, id, json!({"MessageGroupId": "a"})).await;
    for bad in ["", "group 123"] {
        let text = format!(
            "Value {bad} for parameter MessageDeduplicationId is invalid. Reason: MessageDeduplicationId can only include \
             alphanumeric and punctuation characters. 1 to 128 in length."
        );
        refused(
            INVALID,
            &text,
            json!({"MessageGroupId": "a", "MessageDeduplicationId": bad}),
        )
        .await;
    }
    let text = "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for \
                this queue type.";
    let delayed = json!({"MessageGroupId": "a", "MessageDeduplicationId": "1", "DelaySeconds": 2});
    refused(INVALID, text, delayed).await;
    let at_once = json!({
        "QueueUrl": url, "MessageBody": "x", "MessageGroupId": "a", "MessageDeduplicationId": "1", "DelaySeconds": 0,
    });
    world.done("SendMessage", at_once).await;

    // One without refuses the whole batch, by another name.
    let good = json!({"Id": "1", "MessageBody": "a", "MessageGroupId": "a", "MessageDeduplicationId": "2"});
    for (bad, text) in [
        (
            json!({"Id": "2", "MessageBody": "a", "MessageDeduplicationId": "3"}),
            group,
        ),
        (
            json!({"Id": "2", "MessageBody": "a", "MessageGroupId": "a"}),
            id,
        ),
    ] {
        let input = json!({"QueueUrl": url, "Entries": [good, bad]});
        world
            .refused(INVALID, text, "SendMessageBatch", input)
            .await;
    }
    assert_eq!(world.bodies(&url).await, ["x"]);
}

#[tokio::test]
async fn a_group_goes_out_in_order_and_one_at_a_time() {
    let world = world();
    let url = world.by_content("q.fifo", json!({})).await;
    for (group, body) in [("a", "1"), ("a", "2"), ("b", "3"), ("a", "4")] {
        world.send_to(&url, group, body).await;
    }
    let one = json!({"MaxNumberOfMessages": 1});
    let first = world.receive(&url, one.clone()).await.remove(0);
    assert_eq!(text(&first, "Body"), "1");
    let other = world.receive(&url, json!({})).await;
    assert_eq!(other.len(), 1, "the group is in flight");
    assert_eq!(text(&other[0], "Body"), "3");
    world.delete(&url, &handle(&first)).await;
    assert_eq!(world.bodies(&url).await, ["2", "4"]);
}

#[tokio::test]
async fn a_handle_is_over_with_its_time() {
    let world = world();
    let url = world
        .by_content("q.fifo", json!({"VisibilityTimeout": "10"}))
        .await;
    world.send_to(&url, "a", "1").await;
    let message = world.receive(&url, json!({})).await.remove(0);
    world.later(10);
    let text = format!(
        "Value {} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
        handle(&message)
    );
    let input = json!({"QueueUrl": url, "ReceiptHandle": handle(&message)});
    world
        .refused(INVALID, &text, "DeleteMessage", input.clone())
        .await;
    let hidden =
        json!({"QueueUrl": url, "ReceiptHandle": handle(&message), "VisibilityTimeout": 5});
    let not_in_flight = "The message referred to isn't in flight.";
    world
        .refused(
            "MessageNotInflight",
            not_in_flight,
            "ChangeMessageVisibility",
            hidden,
        )
        .await;
    let again = world.receive(&url, json!({})).await.remove(0);
    world.refused(INVALID, &text, "DeleteMessage", input).await;
    world.hide(&url, &handle(&again), 20).await;
    world.later(19);
    world.delete(&url, &handle(&again)).await;
    world.later(60);
    assert!(world.bodies(&url).await.is_empty());
}

#[tokio::test]
async fn the_queue_s_delay_is_for_all_of_its_messages() {
    let world = world();
    let url = world
        .by_content("q.fifo", json!({"DelaySeconds": "2"}))
        .await;
    let input =
        json!({"QueueUrl": url, "MessageBody": "1", "MessageGroupId": "a", "DelaySeconds": 0});
    world.done("SendMessage", input).await;
    assert!(world.bodies(&url).await.is_empty());
    world.later(2);
    assert_eq!(world.bodies(&url).await, ["1"]);
}

#[tokio::test]
async fn what_is_sent_again_within_five_minutes_is_there_once() {
    let world = world();
    let url = world.plain("q.fifo").await;
    let first = world.send_as(&url, "a", "1", "first").await;
    world.later(299);
    let again = world.send_as(&url, "b", "1", "other body").await;
    assert_eq!(again["MessageId"], first["MessageId"]);
    assert_eq!(again["SequenceNumber"], first["SequenceNumber"]);
    assert_eq!(world.bodies(&url).await, ["first"]);
    world.later(1);
    let later = world.send_as(&url, "b", "1", "second").await;
    assert_ne!(later["MessageId"], first["MessageId"]);
    assert_eq!(
        world.bodies(&url).await,
        ["second"],
        "the first is in flight"
    );
}

#[tokio::test]
async fn a_deleted_message_is_remembered_and_a_purged_one_is_not() {
    let world = world();
    let url = world.plain("q.fifo").await;
    world.send_as(&url, "a", "1", "first").await;
    let message = world.receive(&url, json!({})).await.remove(0);
    world.delete(&url, &handle(&message)).await;
    world.send_as(&url, "a", "1", "repeat").await;
    assert!(world.bodies(&url).await.is_empty());
    world.later(1);
    world.done("PurgeQueue", json!({"QueueUrl": url})).await;
    world.send_as(&url, "a", "1", "anew").await;
    assert_eq!(world.bodies(&url).await, ["anew"]);
}

#[tokio::test]
async fn bodies_tell_repeats_apart_where_the_queue_says_so() {
    let world = world();
    let url = world.by_content("q.fifo", json!({})).await;
    let first = world.send_to(&url, "a", "x").await;
    assert_eq!(
        world.send_to(&url, "a", "x").await["MessageId"],
        first["MessageId"]
    );
    assert_ne!(
        world.send_as(&url, "a", "1", "x").await["MessageId"],
        first["MessageId"]
    );
    let messages = world.receive(&url, json!({})).await;
    assert_eq!(messages.len(), 2);
    // SHA-256 of "x".
    let digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    assert_eq!(messages[0]["Attributes"]["MessageDeduplicationId"], digest);
}

#[tokio::test]
async fn groups_tell_repeats_apart_where_the_queue_says_so() {
    let world = world();
    let scope = json!({"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"});
    let url = world.queue("q.fifo", scope).await;
    let first = world.send_as(&url, "a", "1", "x").await;
    let second = world.send_as(&url, "b", "1", "x").await;
    assert_ne!(first["MessageId"], second["MessageId"]);
    let again = world.send_as(&url, "b", "1", "x").await;
    assert_eq!(again["MessageId"], second["MessageId"]);
    // Changed to the queue's scope, either is a repeat.
    world
        .set(
            &url,
            json!({"FifoThroughputLimit": "perQueue", "DeduplicationScope": "queue"}),
        )
        .await;
    world.send_as(&url, "c", "1", "x").await;
    assert_eq!(world.bodies(&url).await.len(), 2);
}

#[tokio::test]
async fn a_batch_s_own_repeats_are_there_once() {
    let world = world();
    let url = world.by_content("q.fifo", json!({})).await;
    let earlier = world.send_to(&url, "a", "x").await;
    let entry =
        |id: &str, body: &str| json!({"Id": id, "MessageBody": body, "MessageGroupId": "a"});
    let entries = json!([
        entry("1", "y"),
        entry("2", "x"),
        entry("3", "y"),
        entry("4", "z")
    ]);
    let answer = world
        .done(
            "SendMessageBatch",
            json!({"QueueUrl": url, "Entries": entries}),
        )
        .await;
    let id = |place: usize| text(&answer["Successful"][place], "MessageId");
    assert_eq!(id(1), text(&earlier, "MessageId"));
    assert_eq!(id(0), id(2));
    assert_ne!(id(0), id(3));
    assert_eq!(world.bodies(&url).await, ["x", "y", "z"]);
}

#[tokio::test]
async fn repeats_are_known_after_a_restart() {
    let clock = Clock::manual(START);
    let store: Arc<dyn Store> = Arc::new(Memory::new(clock.clone()));
    let before = World::over(Arc::clone(&store), clock.clone(), Limits::None);
    let url = before.plain("q.fifo").await;
    let old = before.send_as(&url, "a", "0", "old").await;
    before.later(200);
    let first = before.send_as(&url, "a", "1", "x").await;
    for message in before.receive(&url, json!({})).await {
        before.delete(&url, &handle(&message)).await;
    }
    drop(before);
    let after = World::over(store, clock, Limits::None);
    after.later(150);
    let again = after.send_as(&url, "a", "1", "x").await;
    assert_eq!(again["MessageId"], first["MessageId"]);
    assert_eq!(again["SequenceNumber"], first["SequenceNumber"]);
    let anew = after.send_as(&url, "a", "0", "old").await;
    assert_ne!(anew["MessageId"], old["MessageId"]);
    assert_eq!(after.bodies(&url).await, ["old"]);
}

#[tokio::test]
async fn what_is_sent_in_the_moment_of_a_purge_is_known_after_a_restart() {
    let clock = Clock::manual(START);
    let store: Arc<dyn Store> = Arc::new(Memory::new(clock.clone()));
    let before = World::over(Arc::clone(&store), clock.clone(), Limits::None);
    let url = before.plain("q.fifo").await;
    before.send_as(&url, "a", "1", "purged").await;
    before.done("PurgeQueue", json!({"QueueUrl": url})).await;
    before.send_as(&url, "a", "2", "kept").await;
    drop(before);
    let after = World::over(store, clock, Limits::None);
    after.send_as(&url, "a", "2", "again").await;
    after.send_as(&url, "a", "1", "anew").await;
    assert_eq!(after.bodies(&url).await, ["kept", "anew"]);
}

#[tokio::test]
async fn an_attempt_that_is_repeated_gives_the_same_again() {
    let world = world();
    let url = world
        .by_content("q.fifo", json!({"VisibilityTimeout": "30"}))
        .await;
    for body in ["1", "2"] {
        world.send_to(&url, "a", body).await;
    }
    let attempt = json!({"ReceiveRequestAttemptId": "try-1"});
    let first = world.receive(&url, attempt.clone()).await;
    world.later(20);
    assert!(world.receive(&url, json!({})).await.is_empty());
    assert!(
        world
            .receive(&url, json!({"ReceiveRequestAttemptId": "try-2"}))
            .await
            .is_empty()
    );
    let again = world.receive(&url, attempt.clone()).await;
    assert_eq!(again, first);
    // Hidden anew.
    world.later(29);
    assert!(world.receive(&url, json!({})).await.is_empty());
    world.delete(&url, &handle(&again[0])).await;
    assert!(
        world.receive(&url, attempt.clone()).await.is_empty(),
        "one is deleted"
    );
    world.later(1);
    let messages = world.receive(&url, attempt.clone()).await;
    assert_eq!(messages.len(), 1);
    world.hide(&url, &handle(&messages[0]), 25).await;
    assert!(
        world.receive(&url, attempt).await.is_empty(),
        "it was touched"
    );
}

#[tokio::test]
async fn repeats_at_the_same_time_are_there_once() {
    let world = world();
    let url = world.plain("q.fifo").await;
    let sends = (0..20).map(|body: i32| {
        let (world, url) = (&world, &url);
        async move { world.send_as(url, "a", "1", &body.to_string()).await }
    });
    let answers = futures_util::future::join_all(sends).await;
    for answer in &answers {
        assert_eq!(answer["MessageId"], answers[0]["MessageId"]);
        assert_eq!(answer["SequenceNumber"], answers[0]["SequenceNumber"]);
    }
    assert_eq!(world.bodies(&url).await.len(), 1);
}

#[tokio::test]
async fn a_fifo_queue_answers_300_calls_a_second_under_the_limits_of_aws() {
    let world = World::new(Limits::Aws);
    let url = world.by_content("q.fifo", json!({})).await;
    let batch = |group: usize| {
        let entry = json!({"Id": "1", "MessageBody": "x", "MessageGroupId": group.to_string()});
        json!({"QueueUrl": url, "Entries": [entry]})
    };
    for group in 0..300 {
        world.done("SendMessageBatch", batch(group)).await;
    }
    let (shape, query_code, text) = world
        .ask("SendMessageBatch", batch(300))
        .await
        .expect_err("one too many");
    assert_eq!(shape, "RequestThrottled");
    assert_eq!(query_code, "RequestThrottled");
    assert_eq!(text, "Rate exceeded");
    let receive = json!({"QueueUrl": url, "MaxNumberOfMessages": 10});
    for _ in 0..300 {
        world.done("ReceiveMessage", receive.clone()).await;
    }
    world
        .refused(
            "RequestThrottled",
            "Rate exceeded",
            "ReceiveMessage",
            receive,
        )
        .await;
    world.later(1);
    world.done("SendMessageBatch", batch(300)).await;

    let standard = world.plain("q").await;
    for _ in 0..400 {
        let input = json!({"QueueUrl": standard, "MessageBody": "x"});
        world.done("SendMessage", input).await;
    }
}

#[tokio::test]
async fn a_fifo_queue_answers_any_number_of_calls_without_limits() {
    let world = world();
    let url = world.by_content("q.fifo", json!({})).await;
    for body in 0..400 {
        world.send_to(&url, "g", &body.to_string()).await;
    }
}
